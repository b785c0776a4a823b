"""Leases in a running cluster: nobody else leads while somebody may read alone, in whatever way one tries."""

from __future__ import annotations

import math
import random

import pytest

from elastickv.raft.proposal import ProposalDropped
from elastickv.raft.types import Kind, Message, Role
from tests.kit.raft_cluster import TICK_SECONDS, Cluster


def test_no_lease_before_the_first_commit_of_the_term() -> None:
    cluster = Cluster("123")
    cluster.tick("1", times=20)
    for kind in (Kind.PRE_VOTE_REPLY, Kind.VOTE_REPLY):
        cluster["1"].step(Message(kind, "1", "2", term=1))
        cluster.drain("1")
    assert cluster["1"].role is Role.LEADER
    cluster["1"].step(Message(Kind.HEARTBEAT_REPLY, "1", "2", term=1, round=1))
    assert cluster["1"].lease_until == -math.inf
    cluster["1"].step(Message(Kind.APPEND_REPLY, "1", "2", term=1, index=1, round=1))
    assert cluster["1"].lease_until > 0


def test_refusals_renew_the_lease_too() -> None:
    """They come from a follower that has heard from us."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.tick("1", times=2)
    newest = cluster["1"]._core.lease.round
    before = cluster["1"].lease_until
    cluster["1"].step(Message(Kind.APPEND_REPLY, "1", "2", term=1, index=1, reject=True, round=newest))
    assert cluster["1"].lease_until > before


def test_a_term_raised_by_a_late_answer_does_not_free_the_vote() -> None:
    """A follower that acknowledged the leader of term 1 meets term 2 by an answer to a question it asked long ago. A
    candidate of that term must not get its vote before the lease is over."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.run(2)
    cluster["2"].step(Message(Kind.VOTE_REPLY, "2", "3", term=2, reject=True))
    assert (cluster["2"].term, cluster["2"].leader) == (2, "")
    cluster.wire.clear()
    cluster["2"].step(Message(Kind.VOTE, "2", "3", term=2, index=9, log_term=1))
    cluster.drain("2")
    assert not cluster.wire


def test_the_lease_drops_at_once_with_the_lead() -> None:
    cluster = Cluster("123")
    cluster.elect("1")
    cluster["1"].step(Message(Kind.HEARTBEAT_REPLY, "1", "2", term=9))
    assert (cluster["1"].role, cluster["1"].lease_until) == (Role.FOLLOWER, -math.inf)


def test_learners_do_not_give_a_lease() -> None:
    cluster = Cluster("123", learners="4")
    cluster.elect("1")
    before = cluster["1"].lease_until
    cluster.partition("14", "23")
    cluster.run(4)
    assert cluster["1"].lease_until == before


@pytest.mark.parametrize("seed", range(12))
def test_never_a_lease_beside_a_newer_leader(seed: int) -> None:
    """Random partitions, restarts, transfers and losses: while one node holds a lease, no other holds one, and no
    leader of a newer term has committed anything."""
    rng = random.Random(seed)
    cluster = Cluster("12345"[: rng.choice([3, 5])], seed=seed)
    ids = list(cluster.machines)
    cluster.lose = lambda message: rng.random() < 0.05
    held = 0
    for _ in range(800):
        match rng.randrange(40):
            case 0:
                rng.shuffle(ids)
                cut = rng.randrange(len(ids))
                cluster.partition("".join(ids[:cut]), "".join(ids[cut:]))
            case 1 | 2:
                cluster.heal()
            case 3:
                cluster.restart(rng.choice(ids))
            case 4 | 5:
                try:
                    cluster[rng.choice(ids)].transfer_leadership(rng.choice(ids))
                except (ProposalDropped, ValueError):
                    pass
            case _:
                pass
        cluster.now += TICK_SECONDS
        for id in ids:
            cluster[id].tick(cluster.now)
        for _ in range(rng.randrange(4)):
            for id in ids:
                cluster.drain(id)
            cluster.deliver_some(lambda message: rng.random() < 0.8)
        holders = [node for id in ids if (node := cluster[id]).lease_until > cluster.now]
        held += bool(holders)
        assert len(holders) <= 1
        for holder in holders:
            assert not any(cluster[id].leader_ready and cluster[id].term > holder.term for id in ids)
    assert held > 100
