"""The drills of a scenario: every expected mark counted, one table, summary.json.

    python molecule/shared/summary.py build/molecule/failover-5 lose-one lose-two ...
    python molecule/shared/summary.py --show build/molecule/failover-5 build/molecule/failover-4

Ends with 1 when a drill that was expected has left no mark, or one has that was not expected: a drill that was skipped
must not pass in silence.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Mark = Mapping[str, Any]


def load(directory: Path) -> dict[str, Mark]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(directory.glob("marks/*.json"))}


def miscounted(expected: Sequence[str], marks: Mapping[str, Mark]) -> list[str]:
    return [f"{name} was not gone through" for name in expected if name not in marks] + [
        f"{name} was not expected" for name in marks if name not in expected
    ]


def table(marks: Sequence[Mark]) -> list[str]:
    """One line per drill; the gaps are the longest times in which no client anywhere was served."""
    rows = [("DRILL", "DONE", "NO WRITES FOR", "NO READS FOR", "OPERATIONS", "VERDICT")]
    for mark in marks:
        gaps = [f"{mark[gap]:.2f} s" if gap in mark else "-" for gap in ("write_gap_seconds", "read_gap_seconds")]
        rows.append((mark["drill"], mark["fault"], *gaps, str(mark.get("operations", "-")), mark["verdict"]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def show(directories: Sequence[str]) -> int:
    """The tables of earlier runs."""
    for directory in map(Path, directories):
        summary = json.loads((directory / "summary.json").read_text(encoding="utf-8"))
        end = "" if summary["complete"] else ", incomplete"
        sys.stdout.write("\n".join(["", f"{summary['scenario']}{end}", *table(summary["drills"])]) + "\n")
    return 0


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["--show"]:
        return show(arguments[1:])
    directory, expected = Path(arguments[0]), list(arguments[1:])
    marks = load(directory)
    lines = [f"problem: {text}" for text in miscounted(expected, marks)]
    told = [marks[name] for name in expected if name in marks]
    sys.stdout.write("\n".join([*table(told), *lines]) + "\n")
    (directory / "summary.json").write_text(
        json.dumps({"scenario": directory.name, "complete": not lines, "drills": told}, indent=2) + "\n",
        encoding="utf-8",
    )
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
