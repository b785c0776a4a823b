"""RawNode: the door, and the Ready contract behind it."""

from __future__ import annotations

from elastickv.raft.types import Role
from tests.kit.raft_cluster import Cluster


def test_a_cluster_elects_writes_and_applies_everywhere() -> None:
    cluster = Cluster("123")
    cluster.run(40)
    leader = cluster.leader
    for number in range(10):
        cluster.propose(b"%d" % number)
    for machine in cluster.machines.values():
        assert machine.data == [b"%d" % number for number in range(10)]
        assert machine.node.leader == leader.id
    assert sum(machine.node.role is Role.LEADER for machine in cluster.machines.values()) == 1
