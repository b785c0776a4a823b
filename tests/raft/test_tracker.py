"""Progress and configuration together."""

from __future__ import annotations

from elastickv.raft.confchange import from_conf_state
from elastickv.raft.quorum import VoteResult
from elastickv.raft.tracker import Tracker
from elastickv.raft.types import ConfState
from tests.kit.raft_cluster import conf_state


def tracker(state: ConfState, id: str = "1") -> Tracker:
    result = Tracker(id, 8, 0)
    result.adopt(from_conf_state(state), 10)
    return result


def test_learners_do_not_count() -> None:
    known = tracker(conf_state("123", "45"))
    for node, match in {"1": 9, "2": 5, "3": 3, "4": 20, "5": 20}.items():
        known.progress[node].match = match
    assert known.committed() == 5


def test_a_joint_configuration_commits_what_both_halves_have() -> None:
    known = tracker(ConfState(voters=("1", "4", "5"), voters_outgoing=("1", "2", "3")))
    for node, match in {"1": 9, "2": 8, "3": 0, "4": 4, "5": 2}.items():
        known.progress[node].match = match
    assert known.committed() == 4
    assert known.voters == set("12345")


def test_known_nodes_keep_their_progress_and_strangers_are_forgotten() -> None:
    known = tracker(conf_state("123"))
    known.progress["2"].match = 7
    known.adopt(from_conf_state(conf_state("24", "1")), 20)
    assert list(known.progress) == ["1", "2", "4"]
    assert known.progress["2"].match == 7
    assert known.progress["1"].learner
    assert (known.progress["4"].next, known.progress["4"].recent_active) == (20, True)
    assert [node for node, _ in known.peers] == ["2", "4"]


def test_the_first_vote_of_a_node_counts() -> None:
    known = tracker(conf_state("123"))
    known.record_vote("1", True)
    known.record_vote("2", False)
    known.record_vote("2", True)
    assert known.vote_result() is VoteResult.PENDING
    known.record_vote("3", True)
    assert known.vote_result() is VoteResult.WON


def test_votes_of_strangers_do_not_count() -> None:
    known = tracker(conf_state("123"))
    for node in "1789":
        known.record_vote(node, True)
    assert known.vote_result() is VoteResult.PENDING


def test_quorum_active() -> None:
    known = tracker(conf_state("123"))
    for progress in known.progress.values():
        progress.recent_active = False
    assert not known.quorum_active()
    known.progress["3"].recent_active = True
    assert known.quorum_active()


def test_sole_voter() -> None:
    assert tracker(conf_state("1", "2")).sole_voter
    assert not tracker(conf_state("2", "1")).sole_voter
    assert not tracker(ConfState(voters=("1",), voters_outgoing=("1", "2"))).sole_voter
