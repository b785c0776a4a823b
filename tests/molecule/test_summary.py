"""The table of a scenario, and that a drill without a mark is not passed over."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def summary() -> ModuleType:
    spec = importlib.util.spec_from_file_location("summary", PROJECT / "molecule" / "shared" / "summary.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "marks").mkdir()
    lost = {"drill": "lose-one", "fault": "n1 stopped", "verdict": "linearizable", "operations": 1200,
            "write_gap_seconds": 1.234, "read_gap_seconds": 0.5}  # fmt: skip
    (tmp_path / "marks" / "lose-one.json").write_text(json.dumps(lost))
    refused = {"drill": "no-stop", "fault": "stop.yml must say no", "verdict": "refused"}
    (tmp_path / "marks" / "no-stop.json").write_text(json.dumps(refused))
    return tmp_path


def test_complete(summary: ModuleType, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert summary.main([str(directory), "lose-one", "no-stop"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "DRILL     DONE                  NO WRITES FOR  NO READS FOR  OPERATIONS  VERDICT",
        "lose-one  n1 stopped            1.23 s         0.50 s        1200        linearizable",
        "no-stop   stop.yml must say no  -              -             -           refused",
    ]
    written = json.loads((directory / "summary.json").read_text())
    assert written["complete"] is True
    assert [drill["drill"] for drill in written["drills"]] == ["lose-one", "no-stop"]


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        (["lose-one", "no-stop", "power-cut"], "problem: power-cut was not gone through"),
        (["lose-one"], "problem: no-stop was not expected"),
    ],
)
def test_miscounted(
    summary: ModuleType, directory: Path, capsys: pytest.CaptureFixture[str], expected: list[str], problem: str
) -> None:
    assert summary.main([str(directory), *expected]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == problem
    assert json.loads((directory / "summary.json").read_text())["complete"] is False


def test_shown_again(summary: ModuleType, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary.main([str(directory), "lose-one"])
    capsys.readouterr()
    assert summary.main(["--show", str(directory)]) == 0
    shown = capsys.readouterr().out
    assert f"{directory.name}, incomplete" in shown
    assert "n1 stopped" in shown
