"""The table of operations in docs/dynamodb.md, made from their declarations."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from elastickv.dynamodb_api.registry import STREAMS, Operation
from elastickv.dynamodb_api.shapes import Kind

BEGIN: Final = "<!-- operations: begin, written by `make docs` -->"
END: Final = "<!-- operations: end -->"


def _parameter(name: str, kind: Kind, operation: Operation) -> str:
    needed = kind.required or name in operation.shape.parameters
    return f"**{name}**" if needed else name


def table(operations: Mapping[str, Operation]) -> str:
    """Markdown. Parameters that must be given are bold."""
    lines = ["| operation | parameters | what it does here |", "|---|---|---|"]
    for one in sorted(operations.values(), key=lambda one: (one.service, one.name)):
        parameters = ", ".join(_parameter(name, kind, one) for name, kind in one.shape.members.items()) or "none"
        suffix = " (Streams)" if one.service == STREAMS else ""
        notes = "".join(f" {note[0].upper()}{note[1:]}." for note in one.notes)
        lines.append(f"| {one.name}{suffix} | {parameters} | {one.summary}{notes} |")
    return "\n".join(lines)


def inserted(page: str, operations: Mapping[str, Operation]) -> str:
    """The page with its table of operations as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(operations)}\n\n{END}{after}"


def main() -> None:
    """Rewrite the page that is named on the command line."""
    from elastickv.dynamodb_api.operations import OPERATIONS

    page = Path(sys.argv[1])
    page.write_text(inserted(page.read_text(encoding="utf-8"), OPERATIONS), encoding="utf-8")


if __name__ == "__main__":
    main()
