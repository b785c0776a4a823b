"""The leader dies or hands over while clients work: a few rounds of what `make failover` does at length."""

from __future__ import annotations

import os

import pytest

from tests.e2e.conftest import ClusterFactory
from tests.e2e.failover import ON_FOLLOWER, ON_LEADER, run, table

KILLS = int(os.environ.get("ELASTICKV_E2E_KILLS", "3"))
TRANSFERS = int(os.environ.get("ELASTICKV_E2E_TRANSFERS", "3"))

WORST_SECONDS = 5 * 3.0
"""For the next acknowledged write after a kill: the aim is 3 s on a quiet machine, and test machines are not quiet."""
WORST_GAP_SECONDS = 5 * 0.15
"""The same for planned transfers."""


def test_nothing_is_lost_and_writes_go_on(make_cluster: ClusterFactory, capsys: pytest.CaptureFixture[str]) -> None:
    figures, findings = run(make_cluster(5), kills=KILLS, transfers=TRANSFERS)
    with capsys.disabled():
        print("\n" + table(figures, findings))
    findings.assert_sound()
    assert len(figures.until_acknowledged) == KILLS
    assert max(figures.until_acknowledged) < WORST_SECONDS
    assert figures.failed_by_transfer == []
    for client in (ON_FOLLOWER, ON_LEADER):
        assert len(figures.gaps[client]) == TRANSFERS
        assert max(figures.gaps[client]) < WORST_GAP_SECONDS
    assert figures.refused == 0, "a follower waits for the next leader; nothing is refused while a majority is up"
