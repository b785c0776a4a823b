"""The handler table, and the rules about terms."""

from __future__ import annotations

from itertools import product

import pytest

from elastickv.raft.step import HANDLERS
from elastickv.raft.types import Kind, Message, Role
from tests.kit.raft_cluster import Cluster


def test_every_role_answers_every_message() -> None:
    assert set(HANDLERS) == set(product(Role, Kind))


def answers(cluster: Cluster, message: Message) -> list[Message]:
    """What the addressee sends when this comes."""
    cluster.wire.clear()
    cluster[message.to].step(message, cluster.now)
    cluster.drain(message.to)
    return list(cluster.wire)


@pytest.mark.parametrize("kind", [Kind.APPEND, Kind.HEARTBEAT, Kind.SNAPSHOT])
def test_a_leader_of_the_past_is_told_the_term(kind: Kind) -> None:
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.elect("2")
    (answer,) = answers(cluster, Message(kind, "3", "1", term=1, round=9))
    assert (answer.kind, answer.to, answer.term, answer.reject) == (Kind.APPEND_REPLY, "1", 2, False)
    # It must not renew a lease, nor confirm an entry.
    assert (answer.round, answer.index) == (0, 0)


def test_a_pre_candidate_of_the_past_is_told_the_term() -> None:
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.elect("2")
    (answer,) = answers(cluster, Message(Kind.PRE_VOTE, "3", "1", term=1))
    assert (answer.kind, answer.term, answer.reject) == (Kind.PRE_VOTE_REPLY, 2, True)


@pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.APPEND, Kind.HEARTBEAT, Kind.SNAPSHOT, Kind.PRE_VOTE}))
def test_other_messages_of_the_past_are_ignored(kind: Kind) -> None:
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.elect("2")
    before = cluster["3"].status()
    assert answers(cluster, Message(kind, "3", "1", term=1)) == []
    if kind is not Kind.READ_INDEX:
        assert cluster["3"].status() == before


def test_a_newer_term_is_joined_and_the_vote_is_free_again() -> None:
    cluster = Cluster("123")
    cluster.elect("1")
    cluster["3"].step(Message(Kind.APPEND, "3", "2", term=7))
    status = cluster["3"].status()
    assert (status.role, status.term, status.vote, status.leader) == (Role.FOLLOWER, 7, "", "2")


def test_pre_votes_move_no_term() -> None:
    cluster = Cluster("123")
    answers(cluster, Message(Kind.PRE_VOTE, "3", "2", term=7, index=9, log_term=6))
    assert cluster["3"].term == 0
    answers(cluster, Message(Kind.PRE_VOTE_REPLY, "3", "2", term=7))
    assert cluster["3"].term == 0
    answers(cluster, Message(Kind.PRE_VOTE_REPLY, "3", "2", term=7, reject=True))
    assert cluster["3"].term == 7


@pytest.mark.parametrize(("role", "kind"), sorted(product(Role, Kind), key=str))
def test_no_message_breaks_any_role(role: Role, kind: Kind) -> None:
    """Whatever comes from a member of our term (empty, doubled): nobody falls over, and a leader stays the leader."""
    cluster = Cluster("123")
    cluster.elect("1" if role is Role.LEADER else "2")
    node = cluster["1"]
    if role in (Role.PRE_CANDIDATE, Role.CANDIDATE):
        cluster.tick("1", times=20)
    if role is Role.CANDIDATE:
        node.step(Message(Kind.PRE_VOTE_REPLY, "1", "3", term=node.term + 1))
        cluster.machines["1"].disk_held = True
    assert node.role is role
    for _ in range(2):
        node.step(Message(kind, "1", "2", term=node.term), cluster.now)
        cluster.drain("1")
    if role is Role.LEADER:
        assert node.role is Role.LEADER
