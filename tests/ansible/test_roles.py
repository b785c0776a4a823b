"""Rules of the house for the distribution: specs on every role, no errors ignored, no secrets, current READMEs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ansible import role_docs
from tests.ansible.plugins import PROJECT

ROLES = role_docs.roles()
FOLDERS = ("roles", "playbooks", "inventories")
YAML = sorted(p for d in FOLDERS for p in (PROJECT / d).rglob("*.yml") if "playbooks/roles" not in str(p))


def names(values: list[Path]) -> list[str]:
    return [str(value.relative_to(PROJECT)) for value in values]


@pytest.mark.parametrize("role", ROLES, ids=names(ROLES))
def test_defaults_and_specs_agree(role: Path) -> None:
    """No default without a spec, no optional spec without a default, and the same value in both."""
    defaults = role_docs.load(role / "defaults" / "main.yml") or {}
    specs = role_docs.load(role / "meta" / "argument_specs.yml")["argument_specs"]
    options: dict[str, Any] = {}
    for entry in specs.values():
        options |= entry.get("options") or {}
    assert set(defaults) == {name for name, option in options.items() if not option.get("required")}
    for name, option in options.items():
        assert option.get("description"), name
        assert option.get("type"), name
        if "default" in option:
            assert option["default"] == defaults[name], name


@pytest.mark.parametrize("role", ROLES, ids=names(ROLES))
def test_every_entry_point_has_a_spec(role: Path) -> None:
    specs = role_docs.load(role / "meta" / "argument_specs.yml")["argument_specs"]
    for entry in specs:
        assert (role / "tasks" / f"{entry}.yml").exists()


def test_readmes_are_current() -> None:
    assert role_docs.stale() == [], "run: python -m tests.ansible.role_docs"


def test_every_variable_of_an_inventory_is_known() -> None:
    from tests.ansible.plugins import filters

    known = set(filters("elastickv_topology").known_options(str(PROJECT / "roles")))
    for file in (PROJECT / "inventories").rglob("*.yml"):
        for name in re.findall(r"^\s*(elastickv_\w+):", file.read_text(encoding="utf-8"), re.MULTILINE):
            assert name in known, f"{file}: {name}"


@pytest.mark.parametrize("file", YAML, ids=names(YAML))
def test_no_error_is_ignored_and_nothing_goes_through_a_shell(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert "ignore_errors" not in text
    assert not re.search(r"ansible\.builtin\.(shell|raw):", text)


def test_every_task_says_what_it_does() -> None:
    for file in (PROJECT / "roles").rglob("tasks/*.yml"):
        for task in yaml.safe_load(file.read_text(encoding="utf-8")) or []:
            assert task.get("name"), file


def test_a_task_that_cannot_fail_looks_only() -> None:
    """failed_when: false is for questions whose answer is looked at afterwards."""
    for file in (PROJECT / "roles").rglob("tasks/*.yml"):
        text = file.read_text(encoding="utf-8")
        assert text.count("failed_when: false") <= text.count("register:"), file
