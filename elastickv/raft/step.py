"""One message in: first the rules about terms that hold for everybody, then a table says who handles it.

The table is total: each role has a line for each kind of message, and "ignored on purpose" has a name and a reason.
"""

from __future__ import annotations

from collections.abc import Callable

from elastickv.raft import candidate, follower, leader, voter
from elastickv.raft.core import Core
from elastickv.raft.types import NOBODY, Kind, Message, Role

Handler = Callable[[Core, Message], None]

_VOTES = (Kind.VOTE, Kind.PRE_VOTE)
_VOTE_REPLIES = (Kind.VOTE_REPLY, Kind.PRE_VOTE_REPLY)
_FROM_LEADER = (Kind.APPEND, Kind.HEARTBEAT, Kind.SNAPSHOT)


def step(core: Core, message: Message) -> None:
    kind, term = message.kind, message.term
    if message.reject and kind in _VOTE_REPLIES:
        candidate.learn_commit(core, message)
    if kind is not Kind.READ_INDEX:  # carries no term
        if term < core.term:
            _answer_the_past(core, message)
            return
        if kind in _VOTES and voter.refuses_to_listen(core, message):
            return
        if term > core.term and not _speaks_of_the_future(message):
            # Thesis 3.3: whoever meets a newer term joins it.
            core.become_follower(term, message.sender if kind in _FROM_LEADER else NOBODY)
    HANDLERS[core.role, kind](core, message)


def _speaks_of_the_future(message: Message) -> bool:
    """Pre-votes are asked and granted for a term that nobody has entered (thesis 9.6)."""
    return message.kind is Kind.PRE_VOTE or (message.kind is Kind.PRE_VOTE_REPLY and not message.reject)


def _answer_the_past(core: Core, message: Message) -> None:
    """A message of an older term is not obeyed. Three kinds are answered, so that nobody is stuck in the past.

    With pre-votes and refused votes a node of a newer term cannot make itself heard by campaigning: the others do not
    listen while their leader is well, and it does not obey that leader. Its answer here lets the leader of the older
    term step down, after which an election brings all of them together.
    """
    if message.kind in _FROM_LEADER:
        core.promise(Message(Kind.APPEND_REPLY, message.sender, core.id, core.term))
    elif message.kind is Kind.PRE_VOTE:
        voter.refuse(core, message)


def _on_elected_other(handler: Handler) -> Handler:
    def handle(core: Core, message: Message) -> None:
        """Somebody else has won this term (thesis 3.4)."""
        core.become_follower(message.term, message.sender)
        handler(core, message)

    return handle


def _stale(core: Core, message: Message) -> None:
    """An answer to something that this node is no longer doing."""


def _not_addressed(core: Core, message: Message) -> None:
    """Sent in the belief that this node leads, or follows, which it does not. The sender will find out."""


def _impossible(core: Core, message: Message) -> None:
    """From another leader of our own term. There is none (thesis 3.4), unless somebody lost its disk; do not obey."""


HANDLERS: dict[tuple[Role, Kind], Handler] = {
    (Role.FOLLOWER, Kind.APPEND): follower.on_append,
    (Role.FOLLOWER, Kind.APPEND_REPLY): _stale,
    (Role.FOLLOWER, Kind.HEARTBEAT): follower.on_heartbeat,
    (Role.FOLLOWER, Kind.HEARTBEAT_REPLY): _stale,
    (Role.FOLLOWER, Kind.PRE_VOTE): voter.on_vote,
    (Role.FOLLOWER, Kind.PRE_VOTE_REPLY): _stale,
    (Role.FOLLOWER, Kind.VOTE): voter.on_vote,
    (Role.FOLLOWER, Kind.VOTE_REPLY): _stale,
    (Role.FOLLOWER, Kind.SNAPSHOT): follower.on_snapshot,
    (Role.FOLLOWER, Kind.TIMEOUT_NOW): follower.on_timeout_now,
    (Role.FOLLOWER, Kind.READ_INDEX): _not_addressed,
    (Role.FOLLOWER, Kind.READ_INDEX_REPLY): follower.on_read_index_reply,
    (Role.PRE_CANDIDATE, Kind.APPEND): _on_elected_other(follower.on_append),
    (Role.PRE_CANDIDATE, Kind.APPEND_REPLY): _stale,
    (Role.PRE_CANDIDATE, Kind.HEARTBEAT): _on_elected_other(follower.on_heartbeat),
    (Role.PRE_CANDIDATE, Kind.HEARTBEAT_REPLY): _stale,
    (Role.PRE_CANDIDATE, Kind.PRE_VOTE): voter.on_vote,
    (Role.PRE_CANDIDATE, Kind.PRE_VOTE_REPLY): candidate.on_pre_vote_reply,
    (Role.PRE_CANDIDATE, Kind.VOTE): voter.on_vote,
    (Role.PRE_CANDIDATE, Kind.VOTE_REPLY): _stale,
    (Role.PRE_CANDIDATE, Kind.SNAPSHOT): _on_elected_other(follower.on_snapshot),
    (Role.PRE_CANDIDATE, Kind.TIMEOUT_NOW): follower.on_timeout_now,
    (Role.PRE_CANDIDATE, Kind.READ_INDEX): _not_addressed,
    (Role.PRE_CANDIDATE, Kind.READ_INDEX_REPLY): follower.on_read_index_reply,
    (Role.CANDIDATE, Kind.APPEND): _on_elected_other(follower.on_append),
    (Role.CANDIDATE, Kind.APPEND_REPLY): _stale,
    (Role.CANDIDATE, Kind.HEARTBEAT): _on_elected_other(follower.on_heartbeat),
    (Role.CANDIDATE, Kind.HEARTBEAT_REPLY): _stale,
    (Role.CANDIDATE, Kind.PRE_VOTE): voter.on_vote,
    (Role.CANDIDATE, Kind.PRE_VOTE_REPLY): _stale,
    (Role.CANDIDATE, Kind.VOTE): voter.on_vote,
    (Role.CANDIDATE, Kind.VOTE_REPLY): candidate.on_vote_reply,
    (Role.CANDIDATE, Kind.SNAPSHOT): _on_elected_other(follower.on_snapshot),
    (Role.CANDIDATE, Kind.TIMEOUT_NOW): _not_addressed,
    (Role.CANDIDATE, Kind.READ_INDEX): _not_addressed,
    (Role.CANDIDATE, Kind.READ_INDEX_REPLY): follower.on_read_index_reply,
    (Role.LEADER, Kind.APPEND): _impossible,
    (Role.LEADER, Kind.APPEND_REPLY): leader.on_append_reply,
    (Role.LEADER, Kind.HEARTBEAT): _impossible,
    (Role.LEADER, Kind.HEARTBEAT_REPLY): leader.on_heartbeat_reply,
    (Role.LEADER, Kind.PRE_VOTE): voter.on_vote,
    (Role.LEADER, Kind.PRE_VOTE_REPLY): _stale,
    (Role.LEADER, Kind.VOTE): voter.on_vote,
    (Role.LEADER, Kind.VOTE_REPLY): _stale,
    (Role.LEADER, Kind.SNAPSHOT): _impossible,
    (Role.LEADER, Kind.TIMEOUT_NOW): _not_addressed,
    (Role.LEADER, Kind.READ_INDEX): leader.on_read_index,
    (Role.LEADER, Kind.READ_INDEX_REPLY): follower.on_read_index_reply,
}
