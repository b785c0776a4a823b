"""Giving votes: the same for every role, and for nodes outside the configuration.

A node that does not find itself in the configuration still votes: its own view may just be old (etcd does the same;
thesis 4.2.2 gives the reason for servers on their way in).
"""

from __future__ import annotations

from elastickv.raft.core import Core
from elastickv.raft.types import NOBODY, Kind, Message

TRANSFER = b"transfer"
"""The context of a VOTE that a leader itself asked for."""


def refuses_to_listen(core: Core, message: Message) -> bool:
    """While a current leader is around, vote requests are not even looked at, so that neither a node that was removed
    nor one with a bad link can depose it (thesis 4.2.3), and so that a lease can rest on it (6.4.1).

    This holds at an equal term too: the term may have been raised by some other message while a leader of the term
    before it still counts on us. Repeating a vote that was given already changes nothing.
    """
    if message.context == TRANSFER or not core.bound_to_leader:
        return False
    given = message.kind is Kind.VOTE and message.term == core.term and message.sender == core.vote
    return not given


def on_vote(core: Core, message: Message) -> None:
    """VOTE and PRE_VOTE of our term or a newer one (thesis 3.4, 3.6.1, 9.6)."""
    pre_vote = message.kind is Kind.PRE_VOTE
    free = (
        core.vote == message.sender
        or (core.vote == NOBODY and core.leader == NOBODY)
        # A pre-vote for a term to come takes nothing away from anybody.
        or (pre_vote and message.term > core.term)
    )
    granted = free and core.log.is_up_to_date(message.index, message.log_term)
    if granted and not pre_vote:
        core.election_elapsed = 0
        core.vote = message.sender
    if granted:
        # A granted pre-vote speaks of the term asked for.
        core.promise(Message(_reply_kind(message), message.sender, core.id, message.term))
    else:
        refuse(core, message)


def refuse(core: Core, message: Message) -> None:
    """Say no, and tell our term and what we know to be committed (`candidate.learn_commit` has the reason)."""
    core.promise(
        Message(
            _reply_kind(message),
            message.sender,
            core.id,
            core.term,
            log_term=core.log.term_or_zero(core.log.committed),
            commit=core.log.committed,
            reject=True,
        )
    )


def _reply_kind(message: Message) -> Kind:
    return Kind.PRE_VOTE_REPLY if message.kind is Kind.PRE_VOTE else Kind.VOTE_REPLY
