"""Asking for votes: the election timer, the pre-vote, the vote.

The own vote counts like any other: only once it is on disk (`own_vote_is_durable`).
"""

from __future__ import annotations

from elastickv.raft import replication
from elastickv.raft.core import Core
from elastickv.raft.quorum import VoteResult
from elastickv.raft.types import NOBODY, Kind, Message, Role
from elastickv.raft.voter import TRANSFER


def tick(core: Core) -> None:
    """The clock of everybody but the leader."""
    core.ticks_since_leader += 1
    core.election_elapsed += 1
    if core.election_elapsed >= core.election_timeout and core.promotable:
        core.election_elapsed = 0
        hup(core)
    if core.leader and core.ticks_since_leader >= 2 * core.config.election_ticks:
        # Those who do not campaign (learners) should not send clients to a leader that is long gone.
        core.leader = NOBODY


def campaign(core: Core) -> None:
    """Campaign before the timer says so, unless a leader may still count on us; a majority of one owes nobody that."""
    if not core.bound_to_leader or core.tracker.sole_voter:
        hup(core)


def hup(core: Core, *, transfer: bool = False) -> None:
    if core.role is Role.LEADER or not core.promotable:
        return
    if core.log.has_unapplied_config():
        # Committed, so a majority may already count with another configuration than we do (etcd's rule, which goes
        # with changes that take effect when they are applied).
        return
    if transfer:
        _ask_for_votes(core, TRANSFER)
    else:
        _ask_for_pre_votes(core)


def _ask_for_pre_votes(core: Core) -> None:
    """Would a majority vote for us? Nobody's term moves by asking (thesis 9.6)."""
    core.become_pre_candidate()
    core.tracker.record_vote(core.id, True)
    if core.tracker.vote_result() is VoteResult.WON:
        _ask_for_votes(core)
        return
    for message in _requests(core, Kind.PRE_VOTE, core.term + 1):
        core.send(message)


def _ask_for_votes(core: Core, context: bytes = b"") -> None:
    """Thesis 3.4. The requests wait until the new term and the own vote are durable: a node that forgot them could ask,
    or vote, twice in one term."""
    core.become_candidate()
    for message in _requests(core, Kind.VOTE, core.term, context):
        core.promise(message)


def _requests(core: Core, kind: Kind, term: int, context: bytes = b"") -> list[Message]:
    log = core.log
    return [
        Message(kind, voter, core.id, term, log_term=log.last_term, index=log.last_index, context=context)
        for voter in sorted(core.tracker.voters)
        if voter != core.id
    ]


def own_vote_is_durable(core: Core) -> None:
    if core.durable.term == core.term and core.durable.vote == core.id:
        core.tracker.record_vote(core.id, True)
        _maybe_finish(core)


def on_vote_reply(core: Core, message: Message) -> None:
    core.tracker.record_vote(message.sender, not message.reject)
    _maybe_finish(core)


def on_pre_vote_reply(core: Core, message: Message) -> None:
    if not message.reject and message.term != core.term + 1:
        return  # granted for an election that we have given up
    core.tracker.record_vote(message.sender, not message.reject)
    match core.tracker.vote_result():
        case VoteResult.WON:
            _ask_for_votes(core)
        case VoteResult.LOST:
            core.become_follower(core.term, NOBODY)


def learn_commit(core: Core, message: Message) -> None:
    """A refusal tells what the voter knows to be committed; that is true in any term.

    Without this a change of membership could lock everybody out. A leader that is demoted or removed applies that and
    steps down; if the news of the commit is lost, those who remain still need its vote by the configuration they know,
    it refuses because its log is longer, and it may not campaign itself. (Changes that take effect when they are
    applied have this gap; TiKV's raft closes it the same way.)
    """
    log = core.log
    if core.role is Role.LEADER or message.commit <= log.committed or not log.has(message.commit, message.log_term):
        return
    log.commit_to(message.commit)
    if core.role is not Role.FOLLOWER and log.has_unapplied_config():
        # The votes were counted by a configuration that is out of date.
        core.become_follower(core.term, NOBODY)


def _maybe_finish(core: Core) -> None:
    match core.tracker.vote_result():
        case VoteResult.WON:
            core.become_leader()
            replication.broadcast_append(core)
        case VoteResult.LOST:
            core.become_follower(core.term, NOBODY)
