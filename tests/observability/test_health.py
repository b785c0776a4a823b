"""Who is live, who is ready, and what is said otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from elastickv.kv.ports import ClusterStatus
from elastickv.observability.health import HEALTHY, Health, liveness, readiness

MakeStatus = Callable[..., ClusterStatus]


def ready(status: ClusterStatus) -> Health:
    return readiness(status, contact_limit_seconds=3.0, pending_limit=1000)


def test_a_follower_that_hears_its_leader(status: MakeStatus) -> None:
    assert liveness(status()) == ready(status()) == HEALTHY


def test_a_leader_need_not_hear_itself(status: MakeStatus) -> None:
    assert ready(status(role="leader", leader_id="n2", last_contact_seconds=None)) == HEALTHY


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"role": "shutdown"}, "has shut down"),
        ({"leader_id": ""}, "no leader is known"),
        ({"last_contact_seconds": 3.1}, 'the leader "n1" was last heard 3.1 s ago'),
        ({"last_contact_seconds": None}, 'the leader "n1" has not been heard yet'),
        ({"members": (), "leader_id": ""}, "belongs to no cluster yet"),
        ({"node_id": "n9"}, "is not a member"),
        ({"problem": "disk full"}, "disk full"),
        ({"pending_entries": 1001}, "1001 committed entries wait"),
    ],
)
def test_not_ready(status: MakeStatus, changes: dict[str, Any], reason: str) -> None:
    health = ready(status(**changes))
    assert not health.ok
    assert len(health.reasons) == 1
    assert reason in health.reasons[0]


def test_what_a_restart_would_not_cure_is_live(status: MakeStatus) -> None:
    assert liveness(status(leader_id="", problem="disk full", members=())).ok
    assert not liveness(status(role="shutdown")).ok
