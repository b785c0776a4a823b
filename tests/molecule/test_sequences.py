"""The scenarios on paper: nothing that they name is missing, and what must leave a mark is gone through.

Molecule passes over a `side_effect` whose file is not there, and over all of them when there is no default one, and
ends with 0 all the same. So this is asked here, and once more by the marks that verify.yml counts.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
SCENARIOS = sorted(path.parent for path in (PROJECT / "molecule").glob("*/molecule.yml"))
NAMES = [path.name for path in SCENARIOS]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def sequence(scenario: Path) -> list[str]:
    return list(load(scenario / "molecule.yml")["scenario"]["test_sequence"])


def side_effects(scenario: Path) -> list[Path]:
    return [(scenario / step.split()[1]).resolve() for step in sequence(scenario) if step.startswith("side_effect")]


def expected(scenario: Path) -> list[str]:
    return list(load(scenario / "inventory" / "group_vars" / "all.yml")["molecule_drills"])


def test_all_of_them_are_looked_at() -> None:
    assert NAMES == ["default", "failover-4", "failover-5"]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=NAMES)
def test_every_file_of_a_sequence_is_there(scenario: Path) -> None:
    assert (PROJECT / "molecule" / "shared" / "side_effect.yml").exists()
    assert side_effects(scenario)
    for path in side_effects(scenario):
        assert path.is_file(), path


@pytest.mark.parametrize("scenario", SCENARIOS, ids=NAMES)
def test_every_expected_mark_is_left_by_the_sequence(scenario: Path) -> None:
    """And no mark is left that is not expected; in the same order, so that the table reads as the day went."""
    left: list[str] = []
    for path in side_effects(scenario):
        text = path.read_text(encoding="utf-8")
        left += re.findall(r"^ *(?:molecule_drill|molecule_case): (\S+)$", text, re.MULTILINE)
        left += re.findall(r"/marks/([a-z-]+)\.json", text)
    assert left == expected(scenario)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=NAMES)
def test_a_sequence_proves_and_cleans_up(scenario: Path) -> None:
    steps = [step.split()[0] for step in sequence(scenario)]
    assert steps[0] == steps[-1] == "destroy"
    assert {"create", "converge", "idempotence", "verify"} <= set(steps)


def test_every_drill_is_in_some_sequence() -> None:
    gone_through = {path for scenario in SCENARIOS for path in side_effects(scenario)}
    for path in (PROJECT / "molecule" / "shared" / "drills").glob("*.yml"):
        assert path in gone_through, path


def test_every_fault_is_mended() -> None:
    faults = {path.stem for path in (PROJECT / "molecule" / "shared" / "tasks" / "faults").glob("*.yml")}
    assert {name.removesuffix("_break") for name in faults if name.endswith("_break")} == {
        name.removesuffix("_mend") for name in faults if name.endswith("_mend")
    }


def test_nothing_is_privileged() -> None:
    for path in (PROJECT / "molecule").rglob("*.yml"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*privileged:", text, re.MULTILINE), path
        assert "ignore_errors" not in text, path
        assert "SYS_TIME]" not in text, path
