"""README of each role, made from its argument specs: what is documented is what is checked.

python -m tests.ansible.role_docs [--check]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"


def load(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None


def plain(text: str) -> str:
    """Ansible's markup, C(…), V(…) and O(…), as Markdown."""
    return re.sub(r"\b[CVO]\(([^()]*(?:\([^()]*\)[^()]*)*)\)", r"`\1`", " ".join(text.split())).replace("|", "\\|")


def paragraphs(description: Any) -> list[str]:
    return [plain(text) for text in ([description] if isinstance(description, str) else description or [])]


def default_of(option: dict[str, Any], defaults: dict[str, Any], name: str) -> str:
    if option.get("required"):
        return "required"
    value = option.get("default", defaults.get(name))
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value in ("", [], {}, None):
        return "empty"
    return f"`{value}`".replace("|", "\\|")


def readme(role: Path) -> str:
    specs = load(role / "meta" / "argument_specs.yml")["argument_specs"]
    defaults = load(role / "defaults" / "main.yml") or {}
    lines = [f"# {role.name}", "", "Made from `meta/argument_specs.yml` by `python -m tests.ansible.role_docs`.", ""]
    for entry, spec in specs.items():
        if entry != "main":
            lines += [f"## `tasks_from: {entry}`", ""]
        lines += [f"{plain(spec['short_description'])}.", ""]
        for paragraph in paragraphs(spec.get("description")):
            lines += [paragraph, ""]
        if not spec.get("options"):
            continue
        lines += ["| variable | type | default | meaning |", "|---|---|---|---|"]
        for name, option in spec["options"].items():
            kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
            meaning = " ".join(paragraphs(option["description"]))
            if "choices" in option:
                meaning = f"One of {', '.join(f'`{choice}`' for choice in option['choices'])}. {meaning}"
            lines.append(f"| `{name}` | {kind} | {default_of(option, defaults, name)} | {meaning} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def roles() -> list[Path]:
    return sorted(role for role in ROLES.iterdir() if (role / "meta" / "main.yml").exists())


def index() -> str:
    lines = [
        "# Roles",
        "",
        "One job each; `playbooks/site.yml` puts them in order. `elastickv_*` are variables for operators,",
        "`_elastickv_*` are internal. Made by `python -m tests.ansible.role_docs`.",
        "",
        "| role | job |",
        "|---|---|",
    ]
    for role in roles():
        spec = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]
        lines.append(f"| [{role.name}]({role.name}/README.md) | {plain(spec['short_description'])} |")
    return "\n".join(lines) + "\n"


def wanted() -> dict[Path, str]:
    return {ROLES / "README.md": index(), **{role / "README.md": readme(role) for role in roles()}}


def stale() -> list[Path]:
    return [file for file, text in wanted().items() if not file.exists() or file.read_text(encoding="utf-8") != text]


def main() -> int:
    old = stale()
    if "--check" in sys.argv[1:]:
        if old:
            sys.stderr.write(f"not as the argument specs say: {', '.join(map(str, old))}\n")
        return 1 if old else 0
    for file, text in wanted().items():
        file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
