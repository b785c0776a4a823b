"""Changes of membership in a running cluster: where a configuration meets the core."""

from __future__ import annotations

import pytest

from elastickv.raft.types import ConfChange, ConfChangeKind, ConfChangeStep, Kind, Message, Role
from tests.kit.raft_cluster import Cluster, parse_change


def test_a_learner_is_promoted() -> None:
    cluster = Cluster("1", outsiders="2")
    cluster.elect("1")
    cluster.change("l2")
    assert cluster["1"].status().progress["2"].learner
    cluster.change("v2")
    assert not cluster["1"].status().progress["2"].learner
    assert cluster["2"].conf_state.voters == ("1", "2")
    cluster["1"].transfer_leadership("2")
    cluster.settle()
    assert cluster["2"].role is Role.LEADER


def test_a_smaller_quorum_commits_what_was_waiting() -> None:
    cluster = Cluster("1234")
    cluster.elect("1")
    cluster.crash("4")
    cluster["1"].propose_config(b"r4")
    cluster.settle("1", "2", "3")
    cluster.crash("3")
    cluster["1"].propose_config(b"r3")
    cluster["1"].propose(b"x")
    cluster.settle("1", "2")
    assert cluster["1"].conf_state.voters == ("1", "2")
    assert cluster["1"].commit == cluster["1"].last_index


def test_those_who_are_removed_hear_of_it() -> None:
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.change("r3")
    assert cluster["3"].conf_state.voters == ("1", "2")
    cluster.tick("3", times=100)
    assert cluster["3"].role is Role.FOLLOWER


def test_a_removed_node_that_did_not_hear_disturbs_nobody() -> None:
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.partition("12", "3")
    cluster.change("r3")
    cluster.heal()
    cluster.run(100)
    assert (cluster["1"].role, cluster["1"].term) == (Role.LEADER, 1)


def test_a_demoted_leader_does_not_lock_the_others_out() -> None:
    """The news of the commit is lost, the log of the demoted leader is longer, its vote is needed by the old
    configuration: its refusal tells what is committed."""
    cluster = Cluster("12")
    cluster.elect("1")
    cluster["1"].propose_config(b"l1")
    cluster.drain("1")
    cluster.deliver_some(lambda message: message.to == "2")
    cluster["1"].propose(b"never sent")
    cluster.drain("2")
    cluster.lose = lambda message: message.sender == "1" and message.kind is Kind.APPEND
    cluster.settle()
    assert cluster["1"].role is Role.FOLLOWER
    assert len(cluster["2"].conf_state.voters) == 2
    cluster.lose = lambda message: False
    cluster.run(60)
    assert cluster["2"].role is Role.LEADER
    assert list(cluster["2"].conf_state.voters) == ["2"]


def test_a_transfer_ends_when_its_target_is_removed() -> None:
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.partition("12", "3")
    cluster["1"].propose_config(b"r3")
    cluster["1"].transfer_leadership("3")
    cluster.settle()
    assert cluster["1"].transferring == ""


def test_nobody_campaigns_over_a_change_that_it_has_not_applied() -> None:
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.propose(b"x")
    core = cluster["2"]._core
    change = cluster["1"].propose_config(b"r3")
    cluster.drain("1")
    for message in list(cluster.wire):
        if message.to == "2":
            cluster["2"].step(message)
    core.log.commit_to(change)  # known to be committed, not applied yet
    for _ in range(60):
        cluster["2"].tick(cluster.now)
    before = cluster["2"].role
    cluster.drain("2")
    for _ in range(60):
        cluster["2"].tick(cluster.now)
    assert [before, cluster["2"].role] == [Role.FOLLOWER, Role.PRE_CANDIDATE]


def test_auto_leave_is_taken_over_by_a_new_leader() -> None:
    cluster = Cluster("123", outsiders="4")
    cluster.elect("1")
    cluster["1"].propose_config(b"v4 r1 implicit")
    cluster.lose = lambda message: any(not entry.data and entry.kind for entry in message.entries)
    cluster.settle()
    assert cluster["1"].conf_state.voters_outgoing
    cluster.tick("1")
    cluster.settle()
    cluster.crash("1")
    cluster.lose = lambda message: False
    cluster.run(60)
    leader = cluster.leader
    assert leader.id != "1"
    assert (leader.conf_state.voters, leader.conf_state.voters_outgoing) == (("2", "3", "4"), ())


def test_leaving_is_proposed_once() -> None:
    cluster = Cluster("123", outsiders="4")
    cluster.elect("1")
    cluster["1"].propose_config(b"v4 r1 implicit")
    cluster.lose = lambda message: any(not entry.data and entry.kind for entry in message.entries)
    cluster.settle()
    index = cluster["1"].last_index
    for _ in range(5):
        cluster.tick("1")
        cluster.settle()
    assert (cluster["1"].conf_state.auto_leave, cluster["1"].last_index) == (True, index)


def test_addresses_and_instances_travel_with_the_configuration() -> None:
    cluster = Cluster("12")
    cluster.elect("1")
    cluster.change("u2=host:7")
    assert all(cluster[id].conf_state.members[1].address == "host:7" for id in "12")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (parse_change("r1 r2 r3"), "last voter"),
        (parse_change(""), "not joint"),
        (ConfChange((ConfChangeStep(ConfChangeKind.UPDATE, "9", "host:1"),)), "9 is not a member"),
    ],
)
def test_validation_says_why(change: ConfChange, sentence: str) -> None:
    cluster = Cluster("123")
    with pytest.raises(ValueError, match=sentence):
        cluster["1"].validate_conf_change(change)
    cluster["1"].validate_conf_change(parse_change("r3"))
    assert cluster["1"].conf_state.voters == ("1", "2", "3")


def test_old_heartbeats_for_an_earlier_life_move_no_commit() -> None:
    """A node that was removed and came back empty may still get a heartbeat that was meant for its former self."""
    cluster = Cluster("12", outsiders="3")
    node = cluster["3"]
    node.step(Message(Kind.HEARTBEAT, "3", "1", term=1, commit=50))
    assert node.commit == 0
