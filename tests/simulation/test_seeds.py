"""Seeds: a few in every run, thousands in the slow one, as many as you like by hand.

pytest tests/simulation                                     the quick ones
pytest tests/simulation -m slow                             ELASTICKV_SIM_SEEDS of them (2,000), on two processes
python -m tests.kit.sim --seeds 10000 --start 100000        a soak
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.kit.sim.cluster import Result
from tests.kit.sim.runner import Failure, run_seed, run_seeds
from tests.simulation.regressions import REGRESSIONS

QUICK = 60
SLOW = int(os.environ.get("ELASTICKV_SIM_SEEDS", "2000"))


@pytest.mark.parametrize("seed", sorted({*range(QUICK), *REGRESSIONS}))
def test_seed(seed: int) -> None:
    outcome = run_seed(seed)
    assert isinstance(outcome, Result), str(outcome)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_seeds() -> None:
    outcomes = list(run_seeds(range(QUICK, QUICK + SLOW), processes=2))
    failures = sorted((each for each in outcomes if isinstance(each, Failure)), key=lambda failure: failure.seed)
    assert not failures, f"seeds {[each.seed for each in failures]} failed, the first:\n{failures[0]}"
    assert len(outcomes) == SLOW


def test_the_seeds_do_something() -> None:
    """A simulation in which nothing gets through would pass as well."""
    results = [each for each in map(run_seed, range(30)) if isinstance(each, Result)]
    assert sum(each.acknowledged for each in results) > 3000
    assert sum(each.lease_reads for each in results) > 500
    assert sum(each.terms for each in results) > 100
    assert sum(each.configurations for each in results) > 50
    assert sum(each.snapshots for each in results) > 30


def test_the_same_seed_is_the_same_run_in_any_process() -> None:
    """Also where strings hash differently: nothing may hang on the order of a set."""
    here = run_seed(7)
    assert isinstance(here, Result)
    program = "from tests.kit.sim.runner import run_seed; print(run_seed(7))"
    for salt in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": salt, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.strip() == str(here)


def test_a_failure_says_how_to_see_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, *_: object) -> None:
        raise AssertionError("planted")

    monkeypatch.setattr("tests.kit.sim.invariants.Invariants.applies", broken)
    outcome = run_seed(12)
    assert isinstance(outcome, Failure)
    text = str(outcome)
    assert "replay: python -m tests.kit.sim --start 12 --seeds 1 --show" in text
    assert "planted" in text
    assert "the last events" in text
    assert "append" in text
