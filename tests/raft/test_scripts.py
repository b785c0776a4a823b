"""The golden scripts, one test each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.raft_script import RaftScript
from tests.kit.scripts import run_script

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path) -> None:
    run_script(path, RaftScript())


def test_there_are_scripts() -> None:
    """A wrong path must not pass in silence."""
    assert len(SCRIPTS) >= 12
