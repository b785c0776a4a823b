"""One claim per test, with the section of Ongaro's thesis ("Consensus: Bridging Theory and Practice", 2014) where it
stands. The smallest cluster that shows it."""

from __future__ import annotations

import math

import pytest

from elastickv.raft.proposal import DropReason, ProposalDropped
from elastickv.raft.types import Entry, Kind, Message, Role
from tests.kit.raft_cluster import TICK_SECONDS, Cluster, hard, parse_change, storage_with


def cluster_of(logs: dict[str, list[int]]) -> Cluster:
    """Nodes whose disks hold entries of these terms, as after a restart of all; nobody is bound to an old leader."""
    voters = "".join(sorted(logs))
    cluster = Cluster(voters)
    newest = max((terms[-1] for terms in logs.values() if terms), default=0)
    for id, terms in logs.items():
        cluster.start(id, storage_with(terms, voters=voters, term=newest))
        cluster[id]._core.ticks_since_leader = int(cluster.settings["election_ticks"])
    return cluster


def terms(cluster: Cluster, id: str) -> list[int]:
    log = cluster[id]._core.log
    return [log.term(index) for index in range(1, log.last_index + 1)]


def sent(cluster: Cluster, kind: Kind, **fields: object) -> list[Message]:
    """What is on the wire of this kind and with these fields."""
    return [
        message
        for message in cluster.wire
        if message.kind is kind and all(getattr(message, name) == value for name, value in fields.items())
    ]


def replies(cluster: Cluster, message: Message) -> list[Message]:
    """Step a message, and see what the addressee sends once its disk is done."""
    cluster.wire.clear()
    cluster[message.to].step(message, cluster.now)
    cluster.drain(message.to)
    return list(cluster.wire)


# -- 3.3 basics ---------------------------------------------------------------------------------------------------


def test_nodes_start_as_followers() -> None:
    """3.3: servers start as followers, and stay so while they hear from a leader."""
    cluster = Cluster("123")
    assert all(machine.node.role is Role.FOLLOWER for machine in cluster.machines.values())
    cluster.elect("1")
    cluster.run(100)
    assert cluster["1"].role is Role.LEADER
    assert {cluster[id].term for id in "123"} == {1}


@pytest.mark.parametrize("role", [Role.FOLLOWER, Role.CANDIDATE, Role.LEADER])
def test_a_newer_term_makes_a_follower_of_everybody(role: Role) -> None:
    """3.3: if a server's term is smaller than the other's it updates it; a candidate or leader reverts to follower."""
    cluster = Cluster("123")
    cluster.elect("1" if role is Role.LEADER else "2")
    if role is Role.CANDIDATE:
        cluster.tick("1", times=20)
        cluster["1"].step(Message(Kind.PRE_VOTE_REPLY, "1", "3", term=2))
    assert cluster["1"].role is role
    cluster["1"].step(Message(Kind.APPEND, "1", "3", term=9))
    assert (cluster["1"].role, cluster["1"].term) == (Role.FOLLOWER, 9)


def test_a_request_of_an_old_term_is_rejected() -> None:
    """3.3: a request with a stale term number is rejected."""
    cluster = cluster_of({"1": [1], "2": [1], "3": [1]})
    cluster["1"].step(Message(Kind.APPEND, "1", "2", term=5, index=1, log_term=1))
    cluster.drain("1")
    answers = replies(cluster, Message(Kind.APPEND, "1", "3", term=4, index=1, log_term=1, entries=(Entry(4, 2),)))
    assert terms(cluster, "1") == [1]
    assert [answer.term for answer in answers] == [5]


def test_terms_only_grow() -> None:
    """3.3: terms act as a logical clock and increase monotonically."""
    cluster = Cluster("123")
    seen = []
    for id in "1231":
        cluster.elect(id)
        seen.append(cluster[id].term)
    assert seen == [1, 2, 3, 4]


# -- 3.4 leader election ------------------------------------------------------------------------------------------


def test_a_leader_sends_heartbeats() -> None:
    """3.4: leaders send periodic heartbeats to all followers to maintain their authority."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.tick("1", times=int(cluster.settings["heartbeat_ticks"]))
    assert {message.to for message in sent(cluster, Kind.HEARTBEAT, term=1)} == {"2", "3"}


def test_a_follower_that_hears_nothing_starts_an_election() -> None:
    """3.4: if a follower receives no communication over the election timeout, it begins an election."""
    cluster = Cluster("123")
    roles = []
    for _ in range(20):
        cluster.tick("1")
        roles.append(cluster["1"].role)
    assert set(roles[:9]) == {Role.FOLLOWER}
    assert Role.PRE_CANDIDATE in roles


def test_a_candidate_increments_its_term_and_votes_for_itself() -> None:
    """3.4: to begin an election, a follower increments its current term, votes for itself and asks the others."""
    cluster = Cluster("123")
    cluster.tick("1", times=20)
    cluster["1"].step(Message(Kind.PRE_VOTE_REPLY, "1", "2", term=1))
    cluster.wire.clear()
    cluster.drain("1")
    status = cluster["1"].status()
    assert (status.role, status.term, status.vote) == (Role.CANDIDATE, 1, "1")
    assert {message.to for message in sent(cluster, Kind.VOTE, term=1)} == {"2", "3"}


@pytest.mark.parametrize(
    ("voters", "grants", "refusals", "role"),
    [
        ("1", "", "", Role.LEADER),
        ("123", "", "", Role.CANDIDATE),
        ("123", "2", "", Role.LEADER),
        ("123", "2", "3", Role.LEADER),
        ("123", "", "23", Role.FOLLOWER),
        ("12345", "2", "34", Role.CANDIDATE),
        ("12345", "23", "45", Role.LEADER),
        ("12345", "2", "345", Role.FOLLOWER),
    ],
)
def test_a_majority_elects(voters: str, grants: str, refusals: str, role: Role) -> None:
    """3.4: a candidate wins if it receives votes from a majority of the servers in the full cluster for the same
    term."""
    cluster = Cluster(voters)
    cluster.tick("1", times=20)
    for voter in voters[1:]:
        cluster["1"].step(Message(Kind.PRE_VOTE_REPLY, "1", voter, term=1))
    cluster.drain("1")
    for voter in grants + refusals:
        cluster["1"].step(Message(Kind.VOTE_REPLY, "1", voter, term=1, reject=voter in refusals))
    cluster.drain("1")
    assert cluster["1"].role is role


@pytest.mark.parametrize(
    ("vote", "candidate", "granted"), [("", "2", True), ("", "3", True), ("2", "2", True), ("2", "3", False)]
)
def test_one_vote_per_term(vote: str, candidate: str, granted: bool) -> None:
    """3.4: each server votes for at most one candidate in a term, first come, first served."""
    cluster = cluster_of({"1": [], "2": [], "3": []})
    cluster.start("1", storage_with([], term=1, vote=vote))
    cluster["1"]._core.ticks_since_leader = 10
    (answer,) = replies(cluster, Message(Kind.VOTE, "1", candidate, term=1))
    assert answer.reject is not granted


def test_a_candidate_follows_the_leader_of_its_term() -> None:
    """3.4: a candidate that hears from a leader whose term is at least its own returns to follower state."""
    for kind in (Kind.APPEND, Kind.HEARTBEAT):
        cluster = Cluster("123")
        cluster.tick("1", times=20)
        cluster["1"].step(Message(Kind.PRE_VOTE_REPLY, "1", "2", term=1))
        assert cluster["1"].role is Role.CANDIDATE
        cluster["1"].step(Message(kind, "1", "3", term=1))
        assert (cluster["1"].role, cluster["1"].leader) == (Role.FOLLOWER, "3")


def test_a_candidate_rejects_a_leader_of_an_older_term() -> None:
    """3.4: if the term in the RPC is smaller than its own, the candidate continues in candidate state."""
    cluster = cluster_of({"1": [1], "2": [1], "3": [1]})
    cluster.tick("1", times=20)
    cluster["1"].step(Message(Kind.PRE_VOTE_REPLY, "1", "2", term=2))
    cluster["1"].step(Message(Kind.APPEND, "1", "3", term=1))
    assert (cluster["1"].role, cluster["1"].term) == (Role.CANDIDATE, 2)


def test_a_split_vote_is_followed_by_another_election() -> None:
    """3.4: if votes are split, each candidate times out and starts a new election in a higher term."""
    cluster = Cluster("123")
    cluster.tick("1", times=20)
    cluster["1"].step(Message(Kind.PRE_VOTE_REPLY, "1", "2", term=1))
    assert (cluster["1"].role, cluster["1"].term) == (Role.CANDIDATE, 1)
    cluster.tick("1", times=20)
    cluster["1"].step(Message(Kind.PRE_VOTE_REPLY, "1", "2", term=2))
    assert (cluster["1"].role, cluster["1"].term) == (Role.CANDIDATE, 2)


def test_election_timeouts_are_random() -> None:
    """3.4: election timeouts are chosen randomly from a fixed interval."""
    cluster = Cluster("123")
    core = cluster["1"]._core
    drawn = set()
    for _ in range(300):
        core.restart_election_timer()
        drawn.add(core.election_timeout)
    assert drawn == set(range(10, 20))


# -- 3.5 log replication ------------------------------------------------------------------------------------------


def test_a_proposal_is_appended_and_sent_in_parallel() -> None:
    """3.5: the leader appends the command to its log and issues AppendEntries in parallel to each other server."""
    cluster = Cluster("123")
    cluster.elect("1")
    index = cluster["1"].propose(b"x")
    cluster.drain("1")
    expected = (Entry(1, index, b"x"),)
    assert {m.to for m in sent(cluster, Kind.APPEND, index=index - 1, log_term=1, entries=expected)} == {"2", "3"}


@pytest.mark.parametrize(("size", "acks", "committed"), [(1, 0, True), (3, 0, False), (3, 1, True), (5, 1, False)])
def test_an_entry_is_committed_once_a_majority_has_it(size: int, acks: int, committed: bool) -> None:
    """3.5: a log entry is committed once the leader has replicated it on a majority of the servers."""
    cluster = Cluster("12345"[:size])
    cluster.elect("1")
    cluster.propose(b"x", settle=False)
    cluster.drain("1")
    cluster.deliver_some(lambda message: message.to in "2345"[:acks])
    cluster.settle(*"12345"[: 1 + acks])
    assert (cluster["1"].commit == 2) is committed


def test_committing_an_entry_commits_all_before_it() -> None:
    """3.5: this also commits all preceding entries in the leader's log, including those of previous leaders."""
    cluster = cluster_of({"1": [1, 2, 2], "2": [1], "3": [1]})
    cluster.elect("1")
    assert cluster["1"].commit == 4
    assert [entry.index for entry in cluster.machines["1"].applied] == [1, 2, 3, 4]


def test_followers_learn_the_commit_index_with_appends() -> None:
    """3.5: the leader includes the highest index it knows to be committed in future AppendEntries RPCs."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.propose(b"x", settle=False)
    cluster.settle()
    assert cluster["1"].commit == 2
    assert cluster["2"].commit == 1
    cluster.propose(b"y", settle=False)
    cluster.settle()
    assert cluster["2"].commit == 2


def test_followers_learn_the_commit_index_from_an_idle_leader_too() -> None:
    """3.5: including heartbeats, so that the other servers eventually find out."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.propose(b"x", settle=False)
    cluster.settle()
    cluster.tick("1")
    cluster.settle()
    assert {cluster[id].commit for id in "123"} == {2}


@pytest.mark.parametrize(("index", "term", "refused"), [(2, 2, False), (2, 1, True), (3, 2, True), (0, 0, False)])
def test_the_consistency_check(index: int, term: int, refused: bool) -> None:
    """3.5: if the follower does not find an entry with the same index and term, it refuses the new entries."""
    cluster = cluster_of({"1": [1, 2], "2": [], "3": []})
    (answer,) = replies(cluster, Message(Kind.APPEND, "1", "2", term=2, index=index, log_term=term))
    assert answer.reject is refused


FIGURE_3_6 = {
    "missing": [1, 1, 1, 4, 4, 5, 5, 6, 6],
    "much missing": [1, 1, 1, 4],
    "extra": [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
    "extra terms": [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
    "both": [1, 1, 1, 4, 4, 4, 4],
    "other terms": [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
}


@pytest.mark.parametrize("case", FIGURE_3_6)
def test_the_leader_brings_any_log_to_its_own(case: str) -> None:
    """3.5, figure 3.6: conflicting entries in follower logs are overwritten with entries from the leader's log."""
    leader_log = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6]
    cluster = cluster_of({"1": leader_log, "2": FIGURE_3_6[case], "3": leader_log})
    for id in "13":
        cluster.start(id, storage_with(leader_log, term=7))
        cluster[id]._core.ticks_since_leader = 10
    cluster.partition("13", "2")
    cluster.elect("1")
    cluster.heal()
    cluster.run(4)
    assert terms(cluster, "1") == [*leader_log, 8]
    assert terms(cluster, "2") == terms(cluster, "1")
    assert cluster["2"].commit == cluster["1"].commit == 11


def test_a_refusal_jumps_over_a_whole_term() -> None:
    """3.5: the follower can include the term of the conflicting entry; then one RPC is needed for each term with
    conflicting entries, rather than one per entry."""
    cluster = cluster_of({"1": [1, 1, 2, 2, 2, 2, 2, 2, 3], "2": [1, 1, *[4] * 30][:9], "3": [1]})
    cluster.start("2", storage_with([1, 1, 2, *[2] * 2], term=3))
    refused = []
    cluster.trace = lambda line: refused.append(line) if "reject" in line and line.startswith("2->") else None
    cluster.elect("1")
    cluster.run(3)
    assert terms(cluster, "2") == terms(cluster, "1")
    assert len(refused) <= 2


def test_old_and_doubled_appends_change_nothing() -> None:
    """3.5: Raft's RPCs are idempotent; entries that are present already are ignored."""
    cluster = Cluster("123")
    cluster.elect("1")
    old = []
    for data in (b"a", b"b", b"c"):
        cluster.propose(data, settle=False)
        cluster.drain("1")
        old += sent(cluster, Kind.APPEND, to="2")
        cluster.settle()
    before = terms(cluster, "2")
    for message in [*old, *reversed(old)]:
        replies(cluster, message)
    assert terms(cluster, "2") == before
    assert cluster.machines["2"].node.last_index == 4


def test_logs_match() -> None:
    """3.5, Log Matching: if two entries in different logs have the same index and term, they store the same command,
    and the logs are identical in all preceding entries."""
    cluster = Cluster("12345")
    cluster.elect("1")
    cluster.partition("12", "345")
    for data in (b"a", b"b"):
        cluster["1"].propose(data)
    cluster.settle()
    cluster.elect("3")
    cluster["3"].propose(b"c")
    cluster.settle()
    cluster.heal()
    cluster.run(6)
    logs = [cluster[id]._core.log.slice(1, cluster[id].last_index + 1, 1 << 30) for id in "12345"]
    assert all(list(log) == list(logs[0]) for log in logs)


# -- 3.6 safety ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "candidate", "granted"),
    [
        ([1, 1], (2, 1), True),
        ([1, 1], (3, 1), True),
        ([1, 1], (1, 1), False),
        ([1, 1], (1, 2), True),
        ([1, 2], (9, 1), False),
        ([], (0, 0), True),
    ],
)
def test_only_an_up_to_date_candidate_gets_a_vote(own: list[int], candidate: tuple[int, int], granted: bool) -> None:
    """3.6.1: the voter denies its vote if its own log is more up-to-date than that of the candidate."""
    cluster = cluster_of({"1": own, "2": [], "3": []})
    index, term = candidate
    for kind in (Kind.PRE_VOTE, Kind.VOTE):
        (answer,) = replies(cluster, Message(kind, "1", "2", term=5, index=index, log_term=term))
        assert answer.reject is not granted


def test_a_leader_has_all_committed_entries() -> None:
    """3.6.1, Leader Completeness: a node that misses a committed entry cannot be elected."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.partition("12", "3")
    cluster.propose(b"x", settle=False)
    cluster.settle()
    assert cluster["1"].commit == 2
    cluster.crash("1")
    cluster.heal()
    with pytest.raises(AssertionError, match="3 was not elected"):
        cluster.elect("3")
    cluster.elect("2")
    assert b"x" in cluster.machines["2"].data


def test_entries_of_older_terms_are_not_committed_by_counting() -> None:
    """3.6.2, figure 3.7: an entry of an earlier term may be on a majority and still be overwritten; only entries of
    the leader's current term are committed by counting replicas."""
    cluster = cluster_of({"1": [1, 2], "2": [1, 2], "3": [1]})
    cluster.tick("1", times=20)
    for kind, term in ((Kind.PRE_VOTE_REPLY, 3), (Kind.VOTE_REPLY, 3)):
        cluster["1"].step(Message(kind, "1", "2", term=term))
        cluster.drain("1")
    leader = cluster["1"]
    assert leader.role is Role.LEADER
    leader.step(Message(Kind.APPEND_REPLY, "1", "2", term=3, index=2))
    assert leader.commit == 0
    leader.step(Message(Kind.APPEND_REPLY, "1", "2", term=3, index=3))
    assert leader.commit == 3


def test_every_machine_applies_the_same() -> None:
    """3.6.3, State Machine Safety: no other server applies a different command for the same index."""
    cluster = Cluster("123")
    for round, id in enumerate("123123"):
        cluster.elect(id)
        cluster.propose(b"%d" % round)
    cluster.run(3)
    assert len({tuple(machine.applied) for machine in cluster.machines.values()}) == 1


# -- 3.7 crashes, 3.8 persisted state -----------------------------------------------------------------------------


def test_a_crashed_follower_catches_up() -> None:
    """3.7: if a follower crashes, the leader retries indefinitely; after the restart the RPCs complete."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.crash("3")
    for data in (b"a", b"b", b"c"):
        cluster.propose(data)
    cluster.restart("3")
    cluster.run(5)
    assert cluster.machines["3"].data == [b"a", b"b", b"c"]


def test_a_vote_is_on_disk_before_it_is_given() -> None:
    """3.8: current term and vote are persisted before responding to RPCs, so that no server votes twice in a term."""
    cluster = Cluster("123")
    cluster["1"].step(Message(Kind.VOTE, "1", "2", term=1))
    ready = cluster["1"].ready()
    assert ready.hard_state == hard(1, "2")
    assert ready.must_sync
    assert ready.messages == ()
    assert [message.kind for message in ready.promises] == [Kind.VOTE_REPLY]


def test_a_vote_survives_a_crash() -> None:
    """3.8: the vote prevents a server from voting twice in the same term, also across restarts."""
    cluster = Cluster("123")
    replies(cluster, Message(Kind.VOTE, "1", "2", term=1))
    cluster.restart("1")
    cluster.tick("1", times=10)
    (answer,) = replies(cluster, Message(Kind.VOTE, "1", "3", term=1))
    assert answer.reject


def test_votes_are_asked_for_when_the_own_vote_is_on_disk() -> None:
    """3.8: the term of an election must not be forgotten once somebody has heard of it."""
    cluster = Cluster("123")
    cluster.tick("1", times=20)
    cluster["1"].step(Message(Kind.PRE_VOTE_REPLY, "1", "2", term=1))
    ready = cluster["1"].ready()
    assert ready.hard_state == hard(1, "1")
    assert {message.kind for message in ready.promises} == {Kind.VOTE}
    assert not any(message.kind is Kind.VOTE for message in ready.messages)


def test_entries_are_on_disk_before_they_are_acknowledged() -> None:
    """3.8: each server persists new log entries before they are counted towards commitment."""
    cluster = Cluster("123")
    cluster["1"].step(Message(Kind.APPEND, "1", "2", term=1, entries=(Entry(1, 1),)))
    ready = cluster["1"].ready()
    assert ready.entries == (Entry(1, 1),)
    assert [message.kind for message in ready.promises] == [Kind.APPEND_REPLY]
    assert ready.messages == ()


def test_the_state_machine_may_be_rebuilt_from_the_log() -> None:
    """3.8: the last applied index is volatile; after a restart the commit index advances and the entries are applied
    anew."""
    cluster = Cluster("123")
    cluster.elect("1")
    for data in (b"a", b"b"):
        cluster.propose(data)
    cluster.restart("2")
    assert cluster.machines["2"].data == []
    cluster.run(3)
    assert cluster.machines["2"].data == [b"a", b"b"]


# -- 3.10 leadership transfer -------------------------------------------------------------------------------------


def test_transfer_goes_to_the_target_at_once() -> None:
    """3.10: the target starts a new election immediately, without waiting for an election timeout."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster["1"].transfer_leadership("3")
    cluster.settle()
    assert (cluster["3"].role, cluster["1"].role) == (Role.LEADER, Role.FOLLOWER)


def test_the_old_leader_stops_accepting_requests() -> None:
    """3.10: the prior leader stops accepting new client requests."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.partition("12", "3")
    cluster["1"].transfer_leadership("3")
    with pytest.raises(ProposalDropped) as dropped:
        cluster["1"].propose(b"x")
    assert dropped.value.reason is DropReason.TRANSFERRING


def test_the_target_is_brought_up_to_date_first() -> None:
    """3.10: the prior leader fully updates the target's log to match its own."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.partition("12", "3")
    cluster.propose(b"x", settle=False)
    cluster.settle()
    cluster.heal()
    cluster["1"].transfer_leadership("3")
    cluster.drain("1")
    assert not sent(cluster, Kind.TIMEOUT_NOW)
    cluster.settle()
    assert cluster["3"].role is Role.LEADER
    assert cluster.machines["3"].data == [b"x"]


def test_a_target_that_lags_is_not_told_to_campaign_by_its_first_ack() -> None:
    """3.10: not before its log matches the leader's."""
    cluster = Cluster("123", max_append_bytes=1, max_inflight_appends=1)
    cluster.elect("1")
    cluster.partition("12", "3")
    for data in (b"a", b"b", b"c"):
        cluster.propose(data)
    cluster.heal()
    matched = []
    cluster.trace = lambda line: matched.append(cluster["3"].last_index) if "timeout-now" in line else None
    cluster["1"].transfer_leadership("3")
    cluster.run(4)
    assert matched == [4]


def test_a_transfer_that_does_not_complete_is_aborted() -> None:
    """3.10: if leadership transfer does not complete after about an election timeout, the prior leader aborts it and
    resumes accepting requests."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.crash("3")
    cluster["1"].transfer_leadership("3")
    cluster.run(9)
    assert cluster["1"].transferring == "3"
    cluster.run(1)
    assert cluster["1"].transferring == ""
    assert cluster["1"].propose(b"x") == 2


# -- 4 membership changes -----------------------------------------------------------------------------------------


def test_one_change_at_a_time() -> None:
    """4.1: a leader does not begin another change before the one before it has completed."""
    cluster = Cluster("123", outsiders="45")
    cluster.elect("1")
    cluster["1"].propose_config(b"l4")
    with pytest.raises(ProposalDropped) as dropped:
        cluster["1"].propose_config(b"l5")
    assert dropped.value.reason is DropReason.CONFIG_PENDING
    cluster.settle()
    cluster["1"].propose_config(b"l5")


def test_a_new_leader_waits_for_entries_that_may_change_the_configuration() -> None:
    """4.1 and its correction: no change before an entry of the leader's own term is committed, and here: applied."""
    cluster = cluster_of({"1": [1, 1], "2": [1, 1], "3": [1, 1]})
    cluster.tick("1", times=20)
    for kind in (Kind.PRE_VOTE_REPLY, Kind.VOTE_REPLY):
        cluster["1"].step(Message(kind, "1", "2", term=2))
        cluster.drain("1")
    assert cluster["1"].status().pending_config
    with pytest.raises(ProposalDropped) as dropped:
        cluster["1"].propose_config(b"r3")
    assert dropped.value.reason is DropReason.CONFIG_PENDING
    cluster.settle()
    assert cluster["1"].propose_config(b"r3") == 4


def test_new_servers_catch_up_as_learners() -> None:
    """4.2.1: a new server joins as a non-voting member: it receives the log and is not counted for majorities."""
    cluster = Cluster("12", outsiders="3")
    cluster.elect("1")
    cluster.propose(b"x")
    cluster.change("l3")
    assert cluster.machines["3"].data == [b"x"]
    cluster.partition("3", "12")
    assert cluster.propose(b"y") == cluster["1"].commit
    cluster.partition("2", "13")
    cluster.propose(b"z", settle=False)
    cluster.settle()
    assert cluster["1"].commit < cluster["1"].last_index


def test_a_leader_that_is_removed_steps_down() -> None:
    """4.2.2: a leader that is removed steps down once the new configuration is committed."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster["1"].propose_config(b"r1")
    cluster.drain("1")
    assert cluster.leader.id == "1"
    cluster.settle()
    assert cluster["1"].role is Role.FOLLOWER
    cluster.run(30)
    assert cluster.leader.id in "23"
    assert cluster.leader.conf_state.voters == ("2", "3")


def test_a_leader_does_not_count_itself_in_a_configuration_without_it() -> None:
    """4.2.2: in a joint configuration without it the leader still manages, but does not count itself in that half."""
    cluster = Cluster("123", outsiders="4")
    cluster.elect("1")
    cluster.change("r1 v4 explicit")
    cluster.partition("12", "34")
    cluster.propose(b"x", settle=False)
    cluster.settle()
    assert cluster["1"].commit < cluster["1"].last_index  # 1 and 2 are a majority of 123, not of 234
    cluster.heal()
    cluster.run(4)
    assert cluster["1"].commit == cluster["1"].last_index


def test_a_removed_server_does_not_disrupt() -> None:
    """4.2.3: a server that hears from a current leader within the minimum election timeout does not grant its vote,
    nor update its term."""
    cluster = Cluster("123")
    cluster.elect("1")
    for kind in (Kind.VOTE, Kind.PRE_VOTE):
        for target in "12":
            assert replies(cluster, Message(kind, target, "3", term=9, index=99, log_term=8)) == []
            assert cluster[target].term == 1
    assert cluster["1"].role is Role.LEADER


def test_a_transfer_goes_past_the_leader_stickiness() -> None:
    """4.2.3: the special flag for leadership transfer lets servers process the vote although a leader is there."""
    cluster = Cluster("123")
    cluster.elect("1")
    vote = Message(Kind.VOTE, "2", "3", term=2, index=99, log_term=1, context=b"transfer")
    (answer,) = replies(cluster, vote)
    assert not answer.reject


def test_a_joint_configuration_needs_both_majorities() -> None:
    """4.3: agreement (for elections and entry commitment) requires majorities from both the old and new
    configurations."""
    cluster = Cluster("123", outsiders="45")
    cluster.elect("1")
    cluster.change("v4 v5 r2 r3 explicit")
    for groups in (("123", "45"), ("145", "23")):
        cluster.partition(*groups)
        before = cluster["1"].commit
        cluster.propose(b"x", settle=False)
        cluster.settle()
        assert cluster["1"].commit == before
        cluster.heal()
        cluster.run(4)
        assert cluster["1"].commit == cluster["1"].last_index


def test_a_joint_configuration_is_left_by_itself() -> None:
    """4.3: once the joint entry is committed the leader creates the entry of the new configuration."""
    cluster = Cluster("123", outsiders="45")
    cluster.elect("1")
    cluster.change("v4 v5 r2 r3")
    assert cluster["1"].conf_state.voters == ("1", "4", "5")
    assert cluster["1"].conf_state.voters_outgoing == ()


def test_nodes_outside_the_configuration_do_not_campaign() -> None:
    """4.2: a server that is not (yet) part of its latest configuration does not start elections."""
    cluster = Cluster("123", learners="4", outsiders="5")
    cluster.tick("4", "5", times=100)
    assert {cluster[id].role for id in "45"} == {Role.FOLLOWER}
    assert not cluster.wire


def test_nodes_outside_the_configuration_vote() -> None:
    """4.2.2: servers grant votes also when they are not part of their latest configuration."""
    cluster = Cluster("12", outsiders="3")
    (answer,) = replies(cluster, Message(Kind.VOTE, "3", "1", term=2, index=1, log_term=1))
    assert not answer.reject


# -- 5 log compaction ---------------------------------------------------------------------------------------------


def test_a_follower_far_behind_gets_a_snapshot() -> None:
    """5.1.3: the leader sends its snapshot when it has discarded the next entry that it needs to send."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.crash("3")
    for number in range(5):
        cluster.propose(b"%d" % number)
    cluster.compact("1")
    cluster.propose(b"last")
    cluster.restart("3")
    cluster.run(6)
    assert cluster.machines["3"].storage.first_index() == 7
    assert cluster.machines["3"].data == [b"last"]
    assert cluster["3"].commit == cluster["1"].commit


def test_a_snapshot_of_what_is_there_changes_nothing() -> None:
    """5.1.3: if the follower receives a snapshot that describes a prefix of its log, entries following it are kept."""
    cluster = Cluster("123")
    cluster.elect("1")
    for number in range(3):
        cluster.propose(b"%d" % number)
    snapshot = cluster.compact("1", 2)
    (answer,) = replies(cluster, Message(Kind.SNAPSHOT, "3", "1", term=1, snapshot=snapshot))
    assert (answer.kind, answer.index) == (Kind.APPEND_REPLY, 4)
    assert (cluster["3"].last_index, cluster["3"].status().first_index) == (4, 1)


def test_a_snapshot_carries_the_configuration() -> None:
    """5.1.3: the snapshot includes the latest configuration as of its last included index."""
    cluster = Cluster("123", outsiders="45")
    cluster.elect("1")
    cluster.change("v4")
    snapshot = cluster.compact("1")
    cluster.change("l5")
    assert cluster.machines["5"].conf_state_at[snapshot.index].voters == ("1", "2", "3", "4")
    assert cluster["5"].conf_state == cluster["1"].conf_state


# -- 6 clients ----------------------------------------------------------------------------------------------------


def test_a_leader_without_a_majority_steps_down() -> None:
    """6.2: a leader steps down if an election timeout elapses without a successful round of heartbeats to a majority,
    so that clients look for another."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.partition("1", "23")
    cluster.tick("1", times=20)
    assert cluster["1"].role is Role.FOLLOWER


def test_a_new_leader_opens_its_term_with_an_empty_entry() -> None:
    """6.4: at the start of its term the leader commits a blank no-op entry, to find out what is committed."""
    cluster = cluster_of({"1": [1, 1], "2": [1, 1], "3": [1]})
    cluster.elect("1")
    assert cluster["1"].noop_index == 3
    assert cluster["1"].leader_ready
    assert cluster.machines["1"].applied[-1] == Entry(2, 3)


def test_reads_wait_for_the_first_commit_of_the_term() -> None:
    """6.4: if the leader has not yet marked an entry from its current term committed, it waits until it has."""
    cluster = cluster_of({"1": [1, 1], "2": [1, 1], "3": [1, 1]})
    cluster.tick("1", times=20)
    for kind in (Kind.PRE_VOTE_REPLY, Kind.VOTE_REPLY):
        cluster["1"].step(Message(kind, "1", "2", term=2))
        cluster.drain("1")
    cluster.wire.clear()
    assert cluster["1"].read_index(b"r")
    cluster.drain("1")
    assert not sent(cluster, Kind.HEARTBEAT)
    cluster["1"].step(Message(Kind.APPEND_REPLY, "1", "2", term=2, index=3))
    cluster.drain("1")
    assert len(sent(cluster, Kind.HEARTBEAT)) == 2
    cluster.settle()
    assert [(read.index, read.context) for read in cluster.machines["1"].read_states] == [(3, b"r")]


def test_a_read_needs_a_round_of_heartbeats() -> None:
    """6.4: the leader makes sure it has not been superseded by exchanging heartbeats with a majority."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.partition("1", "23")
    cluster["1"].read_index(b"r")
    cluster.settle()
    assert cluster.machines["1"].read_states == []
    cluster.elect("2")
    cluster.propose(b"newer")
    cluster.heal()
    cluster.run(5)
    assert cluster.machines["1"].read_states == []


def test_answers_from_before_the_read_do_not_confirm_it() -> None:
    """6.4: only heartbeats of a round that began after the read arrived say anything about it."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.tick("1", times=2)
    old = [message for id in "23" for message in replies_to_heartbeat(cluster, id)]
    cluster["1"].read_index(b"r")
    cluster.drain("1")
    cluster.wire.clear()
    for message in old:
        cluster["1"].step(message, cluster.now)
    cluster.drain("1")
    assert cluster.machines["1"].read_states == []


def replies_to_heartbeat(cluster: Cluster, id: str) -> list[Message]:
    heartbeats = sent(cluster, Kind.HEARTBEAT, to=id)
    kept = list(cluster.wire)
    answers = [answer for heartbeat in heartbeats for answer in replies(cluster, heartbeat)]
    cluster.wire.extend(kept)
    return answers


def test_followers_ask_the_leader_for_a_read_index() -> None:
    """6.4: a follower can serve reads: it asks the leader for a current read index and waits until it has applied
    it."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.propose(b"x", settle=False)
    cluster.settle()
    assert cluster["2"].commit < cluster["1"].commit
    assert cluster["2"].read_index(b"r")
    cluster.settle()
    assert [(read.index, read.context) for read in cluster.machines["2"].read_states] == [(2, b"r")]


def test_a_lease_is_counted_from_the_sending_of_the_heartbeats() -> None:
    """6.4.1: once a majority has acknowledged its heartbeats, the leader assumes no other server becomes leader for
    about an election timeout *from when it sent them*."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.tick("1", times=2)
    sent_at = cluster.now
    cluster.tick("2", "3", times=3)
    cluster.settle()
    assert cluster["1"].lease_until == pytest.approx(sent_at + 0.15)


def test_no_lease_before_a_majority_has_answered() -> None:
    """6.4.1: one answer of five is not a majority."""
    cluster = Cluster("12345")
    cluster.elect("1")
    before = cluster["1"].lease_until
    cluster.partition("12", "345")
    cluster.run(4)
    assert cluster["1"].lease_until == before


def test_a_voter_that_acknowledged_keeps_the_lease_over_a_restart() -> None:
    """6.4.1 with 3.8: whoever may have acknowledged a heartbeat just before a crash does not help to elect another
    leader until the lease is over."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.run(2)
    lease_until = cluster["1"].lease_until
    for id in "23":
        cluster.restart(id)
    vote = Message(Kind.VOTE, "2", "3", term=2, index=9, log_term=1)
    while cluster.now < lease_until:
        assert replies(cluster, vote) == []
        cluster.tick("2", "3")
        cluster.wire.clear()
    cluster.tick("2", times=math.ceil(0.05 / TICK_SECONDS) + 1)
    assert replies(cluster, vote)


def test_the_lease_ends_with_a_transfer() -> None:
    """6.4.1: a leadership transfer lets another leader arise before the lease expires, so the leader must give it
    up."""
    cluster = Cluster("123")
    cluster.elect("1")
    assert cluster["1"].lease_until > cluster.now
    cluster["1"].transfer_leadership("2")
    assert cluster["1"].lease_until == -math.inf


# -- 9.6 pre-vote -------------------------------------------------------------------------------------------------


def test_a_node_that_cannot_win_does_not_raise_its_term() -> None:
    """9.6: in the Pre-Vote algorithm a candidate only increments its term if it learns that a majority would vote for
    it."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.partition("12", "3")
    cluster.run(100)
    assert cluster["3"].term == 1
    cluster.heal()
    cluster.run(5)
    assert (cluster["1"].role, cluster["1"].term) == (Role.LEADER, 1)


def test_a_pre_vote_takes_nothing_away() -> None:
    """9.6: granting a pre-vote changes neither term nor vote: two candidates may get one."""
    cluster = Cluster("123")
    for candidate in "23":
        (answer,) = replies(cluster, Message(Kind.PRE_VOTE, "1", candidate, term=1))
        assert (answer.reject, answer.term) == (False, 1)
    assert (cluster["1"].term, cluster["1"].status().vote) == (0, "")


# -- 10.2.1 writing to the leader's disk in parallel --------------------------------------------------------------


def test_a_leader_sends_before_its_disk_is_done() -> None:
    """10.2.1: the leader can write to its disk in parallel with replicating to the followers."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster["1"].propose(b"x")
    ready = cluster["1"].ready()
    assert ready.entries == (Entry(1, 2, b"x"),)
    assert {message.to for message in ready.messages if message.kind is Kind.APPEND} == {"2", "3"}


def test_an_entry_may_be_committed_before_the_leader_has_written_it() -> None:
    """10.2.1: the leader may even commit an entry before it has been written to its own disk, if a majority of
    followers have."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.machines["1"].disk_held = True
    cluster.propose(b"x", settle=False)
    cluster.settle()
    assert cluster["1"].commit == 2
    assert cluster["1"].durable_index == 1


def test_a_leader_does_not_count_itself_before_its_disk_is_done() -> None:
    """10.2.1: it counts itself only when its write has completed."""
    cluster = Cluster("123")
    cluster.elect("1")
    cluster.crash("3")
    cluster.machines["1"].disk_held = True
    cluster.propose(b"x", settle=False)
    cluster.settle()
    assert cluster["1"].commit == 1
    cluster.machines["1"].disk_held = False
    cluster.settle()
    assert cluster["1"].commit == 2


def test_appends_are_pipelined() -> None:
    """10.2.1: a leader sends entries without waiting for the acknowledgement of those before them."""
    cluster = Cluster("123", max_inflight_appends=3)
    cluster.elect("1")
    for number in range(5):
        cluster["1"].propose(b"%d" % number)
    cluster.drain("1")
    assert [message.index for message in sent(cluster, Kind.APPEND, to="2")] == [1, 2, 3]  # the window is full
    cluster.settle()
    assert cluster["2"].last_index == 6


def test_the_empty_change_is_the_one_that_leaves() -> None:
    """4.3: leaving needs a joint configuration; entering needs none."""
    cluster = Cluster("123")
    cluster.elect("1")
    with pytest.raises(ProposalDropped) as dropped:
        cluster["1"].propose_config(b"")
    assert dropped.value.reason is DropReason.NOT_JOINT
    cluster.change("v3 explicit")
    with pytest.raises(ProposalDropped) as dropped:
        cluster["1"].propose_config(b"r3")
    assert dropped.value.reason is DropReason.ALREADY_JOINT
    with pytest.raises(ValueError, match="has to be left"):
        cluster["1"].validate_conf_change(parse_change("r3"))
