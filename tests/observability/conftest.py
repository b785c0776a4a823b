"""A status that tests can shape."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from elastickv.kv.ports import ClusterStatus, MemberStatus

MakeStatus = Callable[..., ClusterStatus]


def make_member(id: str, **changes: object) -> MemberStatus:
    values: dict[str, object] = {
        "id": id,
        "address": f"10.0.0.1{id[1:]}:50051",
        "voter": True,
        "instance": "",
        "leader": id == "n1",
        **changes,
    }
    return MemberStatus(**values)  # type: ignore[arg-type]


def make_status(**changes: object) -> ClusterStatus:
    values: dict[str, object] = {
        "group_id": 1,
        "node_id": "n2",
        "instance": "i2",
        "cluster_id": "c",
        "role": "follower",
        "term": 4,
        "leader_id": "n1",
        "leader_address": "10.0.0.11:50051",
        "commit_index": 20,
        "applied_index": 19,
        "flushed_index": 15,
        "first_log_index": 5,
        "last_log_index": 21,
        "last_log_term": 4,
        "snapshot_index": 4,
        "snapshot_term": 1,
        "pending_entries": 1,
        "configuration_index": 2,
        "pending_configuration_change": False,
        "members": (make_member("n1"), make_member("n2"), make_member("n3", voter=False)),
        "last_contact_unix_nano": 1,
        "last_contact_seconds": 0.05,
        **changes,
    }
    return ClusterStatus(**values)  # type: ignore[arg-type]


@pytest.fixture
def status() -> MakeStatus:
    return make_status
