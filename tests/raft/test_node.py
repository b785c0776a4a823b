"""RawNode: the door, and the Ready contract behind it."""

from __future__ import annotations

import math
import random

import pytest

from elastickv.raft.config import RaftConfig
from elastickv.raft.log import InvariantViolated
from elastickv.raft.memory_storage import MemoryStorage
from elastickv.raft.node import DropReason, ProposalDropped, RawNode
from elastickv.raft.types import Entry, EntryKind, HardState, Kind, Message, Role, SnapshotMeta
from tests.kit.raft_cluster import Cluster, conf_state, parse_change, storage_with


def lone_leader(**settings: int) -> tuple[RawNode, MemoryStorage]:
    """A cluster of one whose disk is the caller's business from now on."""
    storage = MemoryStorage(conf_state("1"))
    node = RawNode(RaftConfig("1", **settings), storage, random.Random(1))
    node.campaign()
    for _ in range(3):
        ready = node.ready()
        storage.persist(ready.hard_state, ready.entries)
        node.persisted(ready.number)
    assert node.role is Role.LEADER
    return node, storage


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


def test_nothing_to_do_at_rest() -> None:
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.propose(b"x")
    assert not any(machine.node.has_ready() for machine in cluster.machines.values())
    ready = cluster["1"].ready()
    assert (ready.messages, ready.entries, ready.promises, ready.committed, ready.hard_state) == ((), (), (), (), None)


def test_a_majority_of_one_commits_when_its_disk_is_done() -> None:
    node, _ = lone_leader()
    index = node.propose(b"x")
    ready = node.ready()
    assert [entry.data for entry in ready.entries] == [b"x"]
    assert ready.must_sync
    assert node.commit < index
    node.persisted(ready.number)
    assert node.commit == index
    ready = node.ready()
    assert [entry.data for entry in ready.committed] == [b"x"]
    assert ready.hard_state == HardState(1, "1", index)
    assert not ready.must_sync


def test_numbers_are_consecutive_and_persisted_covers_earlier_ones() -> None:
    node, _ = lone_leader()
    numbers = []
    for _ in range(4):
        node.propose(b"x")
        numbers.append(node.ready().number)
    assert numbers == list(range(numbers[0], numbers[0] + 4))
    node.persisted(numbers[2])
    assert node.durable_index == node.last_index - 1
    node.persisted(numbers[0])
    assert node.durable_index == node.last_index - 1
    with pytest.raises(ValueError, match="not been handed out"):
        node.persisted(numbers[-1] + 1)


def test_committed_entries_come_in_portions() -> None:
    node, _ = lone_leader(max_committed_bytes_per_ready=10)
    node.persisted(node.ready().number)
    for _ in range(4):
        node.propose(b"12345")
    node.persisted(node.ready().number)
    portions = []
    while node.has_ready():
        portions.append(len(node.ready().committed))
    assert [count for count in portions if count] == [2, 2]


def test_acks_in_one_ready_are_one_message() -> None:
    cluster = Cluster("123")
    cluster.elect("1")
    node = cluster["2"]
    for index in (2, 3, 4):
        append = Message(
            Kind.APPEND, "2", "1", term=1, log_term=1, index=index - 1, entries=(Entry(1, index),), round=index
        )
        node.step(append)
    (reply,) = node.ready().promises
    assert (reply.kind, reply.index, reply.round) == (Kind.APPEND_REPLY, 4, 4)


def test_an_ack_that_replaces_another_keeps_its_newer_round() -> None:
    """Messages may overtake each other; both answers say that we have heard from the leader."""
    cluster = Cluster("123")
    cluster.elect("1")
    node = cluster["2"]
    node.step(Message(Kind.APPEND, "2", "1", term=1, log_term=1, index=1, round=9))
    node.step(Message(Kind.APPEND, "2", "1", term=1, log_term=1, index=1, entries=(Entry(1, 2),), round=8))
    (reply,) = node.ready().promises
    assert (reply.index, reply.round) == (2, 9)


def test_no_snapshot_for_a_follower_that_has_been_silent() -> None:
    """It would wait for nothing in the snapshot state, and cost a transfer; its next answer asks for it anew."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.crash("3")
    for number in range(3):
        cluster.propose(b"%d" % number)
    cluster.run(12)  # a check-quorum passes
    cluster["1"].report_unreachable("3")
    cluster.compact("1")
    cluster.propose(b"x")
    assert cluster["1"].status().progress["3"].state == "probe"
    cluster.restart("3")
    cluster.run(6)
    assert cluster.machines["3"].data == [b"x"]


def test_refusals_are_not_swallowed_by_acks() -> None:
    cluster = Cluster("123")
    cluster.elect("1")
    node = cluster["2"]
    node.step(Message(Kind.APPEND, "2", "1", term=1, log_term=1, index=9))
    node.step(Message(Kind.APPEND, "2", "1", term=1, log_term=1, index=1))
    assert [promise.reject for promise in node.ready().promises] == [True, False]


def test_a_commit_alone_sends_nothing_until_the_next_tick() -> None:
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.propose(b"x", settle=False)
    cluster.settle()
    assert cluster["1"].commit == 2
    assert not cluster.wire
    cluster.tick("1")
    commits = [message for message in cluster.wire if message.kind is Kind.APPEND]
    assert [(message.to, message.commit, message.entries) for message in commits] == [("2", 2, ()), ("3", 2, ())]
    cluster.settle()
    cluster.tick("1")
    assert not [message for message in cluster.wire if message.kind is Kind.APPEND]


def test_role_changed_is_told_once() -> None:
    node = RawNode(RaftConfig("1"), MemoryStorage(conf_state("12")), random.Random(1))
    node.step(Message(Kind.HEARTBEAT, "1", "2", term=1))
    assert node.ready().role_changed
    node.step(Message(Kind.HEARTBEAT, "1", "2", term=1))
    assert not node.ready().role_changed


def test_a_heartbeat_is_answered_at_once_only_in_a_term_that_is_on_disk() -> None:
    """A fresh node that crashed back to term 0 would not know that a leader counts on it."""
    node = RawNode(RaftConfig("1"), MemoryStorage(conf_state("12")), random.Random(1))
    node.step(Message(Kind.HEARTBEAT, "1", "2", term=1, round=1))
    ready = node.ready()
    assert (len(ready.messages), len(ready.promises)) == (0, 1)
    node.persisted(ready.number)
    node.step(Message(Kind.HEARTBEAT, "1", "2", term=1, round=2))
    ready = node.ready()
    assert (len(ready.messages), len(ready.promises)) == (1, 0)


def test_proposals_are_dropped_for_a_reason() -> None:
    cluster = Cluster("123", max_uncommitted_bytes=10)
    with pytest.raises(ProposalDropped) as dropped:
        cluster["1"].propose(b"x")
    assert dropped.value.reason is DropReason.NOT_LEADER
    cluster.elect("1")
    cluster.partition("1", "23")
    cluster["1"].propose(b"x" * 50)  # one entry may always wait
    cluster["1"].propose(b"")  # an empty one takes no room
    with pytest.raises(ProposalDropped) as dropped:
        cluster["1"].propose(b"x")
    assert dropped.value.reason is DropReason.UNCOMMITTED_LIMIT
    cluster.heal()
    cluster.run(4)
    cluster["1"].propose(b"x")


def test_a_slow_reader_of_old_entries_is_told_by_snapshot_pending() -> None:
    """While a snapshot is being made the follower waits, and gets it with a later heartbeat."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.crash("3")
    for number in range(3):
        cluster.propose(b"%d" % number)
    cluster.compact("1")
    cluster.machines["1"].storage.snapshot_pending = True
    cluster.restart("3")
    cluster.run(6)
    assert cluster["3"].last_index < cluster["1"].last_index
    cluster.machines["1"].storage.snapshot_pending = False
    cluster.run(6)
    assert cluster["3"].last_index == cluster["1"].last_index


def test_a_snapshot_and_the_entries_behind_it_in_order() -> None:
    node = RawNode(RaftConfig("4"), MemoryStorage(), random.Random(1))
    snapshot = SnapshotMeta(10, 2, conf_state("123", "4"))
    node.step(Message(Kind.SNAPSHOT, "4", "1", term=2, snapshot=snapshot))
    node.step(Message(Kind.APPEND, "4", "1", term=2, log_term=2, index=10, entries=(Entry(2, 11, b"x"),), commit=11))
    ready = node.ready()
    assert ready.snapshot == snapshot
    assert ready.entries == (Entry(2, 11, b"x"),)
    assert ready.committed == ()
    assert ready.promises[-1].index == 11
    assert node.conf_state.learners == ("4",)
    storage = node._core.log.storage
    assert isinstance(storage, MemoryStorage)
    storage.persist(ready.hard_state, ready.entries, ready.snapshot)
    node.persisted(ready.number)
    assert node.status().applied == 10
    assert [entry.index for entry in node.ready().committed] == [11]


def test_a_change_that_a_snapshot_has_overtaken_is_not_applied_again() -> None:
    """The driver may still be busy with an old config entry when a snapshot arrives."""
    cluster = Cluster("123")
    cluster.elect("1")
    node = cluster["3"]
    entry = Entry(1, 2, b"l9", EntryKind.CONFIG)
    node.step(Message(Kind.APPEND, "3", "1", term=1, log_term=1, index=1, entries=(entry,), commit=2))
    assert entry in node.ready().committed
    node.step(Message(Kind.SNAPSHOT, "3", "1", term=1, snapshot=SnapshotMeta(9, 1, conf_state("12", "3"))))
    node.ready()
    state = node.apply_conf_change(parse_change("l9"))
    assert (state.voters, state.learners) == (("1", "2"), ("3",))


def test_the_index_of_the_configuration() -> None:
    cluster = Cluster("123", outsiders="4")
    cluster.elect("1")
    index = cluster.change("l4")
    cluster.propose(b"x")
    for id in "1234":
        assert cluster[id].status().config_index == index


def test_a_refused_change_leaves_everything_as_it_was() -> None:
    cluster = Cluster("12")
    cluster.elect("1")
    before = cluster["1"].conf_state
    cluster["1"].propose_config(b"r1 r2")  # no driver that validates first would do that
    cluster.run(2)
    assert [machine.refused_changes for machine in cluster.machines.values()] == [
        ["the last voter cannot be removed"]
    ] * 2
    assert cluster["1"].conf_state == cluster["2"].conf_state == before
    cluster.change("l2")
    assert cluster["1"].conf_state.learners == ("2",)


def test_a_log_without_its_founding_configuration_is_refused() -> None:
    node = RawNode(RaftConfig("4"), MemoryStorage(), random.Random(1))
    entries = (Entry(1, 1), Entry(1, 2, b"v4", EntryKind.CONFIG))
    node.step(Message(Kind.APPEND, "4", "1", term=1, entries=entries, commit=2))
    node.ready()
    with pytest.raises(InvariantViolated, match="founding"):
        node.apply_conf_change(parse_change("v4"))


def test_a_log_may_be_founded_by_its_first_entry() -> None:
    storage = MemoryStorage()
    storage.persist(HardState(1, "", 1), [Entry(1, 1, b"v1 v2 v3", EntryKind.CONFIG)])
    node = RawNode(RaftConfig("1"), storage, random.Random(1))
    (entry,) = node.ready().committed
    assert node.apply_conf_change(parse_change(entry.data.decode())).voters == ("1", "2", "3")
    node.applied_to(1)
    assert node.status().config_index == 1


def test_transfer_targets() -> None:
    cluster = Cluster("12", learners="3")
    with pytest.raises(ProposalDropped):
        cluster["1"].transfer_leadership("2")
    cluster.elect("1")
    for target, sentence in (("1", "leads already"), ("3", "learner"), ("9", "not a member")):
        with pytest.raises(ValueError, match=sentence):
            cluster["1"].transfer_leadership(target)


def test_campaign_is_held_back_while_a_leader_counts_on_us() -> None:
    cluster = Cluster("123")
    cluster.elect("1")
    cluster["2"].campaign()
    assert cluster["2"].role is Role.FOLLOWER
    cluster.tick("2", times=10)
    cluster["2"].campaign()
    cluster.drain("2")
    assert cluster["2"].role is not Role.FOLLOWER


def test_a_restarted_majority_of_one_may_campaign_at_once() -> None:
    node = RawNode(RaftConfig("1"), storage_with([1, 1], voters="1"), random.Random(1))
    node.campaign()
    node.persisted(node.ready().number)
    assert node.role is Role.LEADER


def test_the_own_vote_does_not_count_by_an_older_write() -> None:
    node = RawNode(RaftConfig("1"), MemoryStorage(conf_state("1")), random.Random(1))
    earlier = node.ready()
    node.campaign()
    roles = [node.role]
    node.persisted(earlier.number)
    roles.append(node.role)
    node.persisted(node.ready().number)
    assert [*roles, node.role] == [Role.CANDIDATE, Role.CANDIDATE, Role.LEADER]


def test_a_majority_of_one_renews_its_lease_by_the_clock() -> None:
    cluster = Cluster("1")
    cluster.elect("1")
    for _ in range(20):
        cluster.tick("1")
        assert cluster["1"].lease_until == pytest.approx(cluster.now + 0.15)
    cluster["1"].read_index(b"r")
    cluster.drain("1")
    assert [read.context for read in cluster.machines["1"].read_states] == [b"r"]


def test_a_majority_of_one_finishes_reads_that_a_tick_took_along() -> None:
    cluster = Cluster("1", learners="2")
    cluster.elect("1")
    cluster["1"].read_index(b"r")
    cluster.tick("1", times=2, drain=False)
    cluster.drain("1")
    assert [read.context for read in cluster.machines["1"].read_states] == [b"r"]


def test_reads_without_anybody_to_ask() -> None:
    cluster = Cluster("123")
    assert not cluster["1"].read_index(b"r")


def test_step_down_and_what_is_left_of_the_leadership() -> None:
    cluster = Cluster("123")
    cluster.elect("1")
    cluster["1"].step_down()
    status = cluster["1"].status()
    assert (status.role, status.leader, status.lease_until, status.progress) == (Role.FOLLOWER, "", -math.inf, {})
    assert (cluster["1"].noop_index, cluster["1"].leader_ready) == (0, False)


def test_status_of_a_leader() -> None:
    cluster = Cluster("12", learners="3")
    cluster.elect("1")
    cluster.propose(b"x")
    status = cluster["1"].status()
    assert (status.id, status.term, status.vote, status.leader) == ("1", 1, "1", "1")
    assert (status.commit, status.applied, status.last_index, status.first_index) == (2, 2, 2, 1)
    assert status.progress["1"].match == status.progress["2"].match == 2
    assert status.progress["3"].learner
    assert not status.pending_config


def test_own_messages_and_odd_answers_are_ignored() -> None:
    cluster = Cluster("123")
    cluster.elect("1")
    before = cluster["1"].status()
    cluster["1"].step(Message(Kind.APPEND, "1", "1", term=9))
    cluster["1"].step(Message(Kind.APPEND_REPLY, "1", "2", term=1, index=99))
    cluster["1"].step(Message(Kind.APPEND_REPLY, "1", "9", term=1, index=1))
    cluster["1"].step(Message(Kind.HEARTBEAT_REPLY, "1", "9", term=1, context=b"nonsense"))
    assert cluster["1"].status() == before


def test_the_same_calls_give_the_same_work() -> None:
    def story() -> list[str]:
        lines: list[str] = []
        cluster = Cluster("12345", seed=7, trace=lines.append)
        cluster.run(60)
        cluster.propose(b"x")
        return lines

    assert story() == story()


@pytest.mark.parametrize(
    "settings",
    [{"id": ""}, {"heartbeat_ticks": 0}, {"election_ticks": 5}, {"max_inflight_appends": 0}, {"max_append_bytes": 0}],
)
def test_settings_that_cannot_work(settings: dict[str, int | str]) -> None:
    config = RaftConfig(**{"id": "1", **settings})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must"):
        config.check()
