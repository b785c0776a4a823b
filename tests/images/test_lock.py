"""The image's lock is part of the project's: what was tested is what is shipped."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def pins(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes by name."""
    found: dict[str, tuple[str, set[str]]] = {}
    name = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([a-z0-9._-]+)==([^ ]+)", line):
            name = match[1]
            found[name] = (match[2], set())
        elif match := re.match(r"\s+--hash=(sha256:[0-9a-f]{64})", line):
            found[name][1].add(match[1])
    return {name: (version, frozenset(hashes)) for name, (version, hashes) in found.items()}


def test_every_pin_is_the_projects_own() -> None:
    whole, image = pins(ROOT / "requirements.lock"), pins(ROOT / "images" / "requirements.lock")
    assert image
    assert all(hashes for _, hashes in image.values())
    assert {name: pin for name, pin in image.items() if whole.get(name) != pin} == {}


def test_every_dependency_is_in_it() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    declared = re.findall(
        r'^    "([a-z0-9-]+)', text.partition("\ndependencies = [")[2].partition("]")[0], re.MULTILINE
    )
    assert declared
    assert set(declared) <= pins(ROOT / "images" / "requirements.lock").keys()


def test_no_tool_is_in_it() -> None:
    assert (
        not {"pytest", "mypy", "ruff", "ansible-core", "grpcio-tools"}
        & pins(ROOT / "images" / "requirements.lock").keys()
    )
