"""What a follower does with the messages of a leader."""

from __future__ import annotations

from elastickv.raft import candidate, confchange
from elastickv.raft.core import Core
from elastickv.raft.types import Kind, Message, NodeId, ReadState, SnapshotMeta


def on_append(core: Core, message: Message) -> None:
    core.heard_from_leader(message.sender)
    log = core.log
    if message.index < log.committed:
        # Late: what is committed cannot be in doubt, so say how far we are.
        _acknowledge(core, message.sender, log.committed, message.round)
        return
    last_new = log.maybe_append(message.index, message.log_term, message.commit, message.entries)
    if last_new is not None:
        _acknowledge(core, message.sender, last_new, message.round)
        return
    # Name the last entry that could agree: not behind our log, not of a term that the leader had not reached there.
    hint, hint_term = log.find_conflict_by_term(min(message.index, log.last_index), message.log_term)
    core.promise(
        Message(
            Kind.APPEND_REPLY,
            message.sender,
            core.id,
            core.term,
            log_term=hint_term,
            index=message.index,
            reject=True,
            reject_hint=hint,
            round=message.round,
        )
    )


def _acknowledge(core: Core, leader: NodeId, index: int, round: int) -> None:
    core.promise(Message(Kind.APPEND_REPLY, leader, core.id, core.term, index=index, round=round))


def on_heartbeat(core: Core, message: Message) -> None:
    core.heard_from_leader(message.sender)
    # One that speaks of entries we never had was meant for an earlier life of this node ID; see Member.instance.
    if message.commit <= core.log.last_index:
        core.log.commit_to(message.commit)
    reply = Message(
        Kind.HEARTBEAT_REPLY, message.sender, core.id, core.term, context=message.context, round=message.round
    )
    if core.durable.term == core.term:
        core.send(reply)
    else:
        # A restart must not bring us back to term 0, where we would not know that we are bound to a leader.
        core.promise(reply)


def on_snapshot(core: Core, message: Message) -> None:
    core.heard_from_leader(message.sender)
    if message.snapshot is not None and _restore(core, message.snapshot):
        _acknowledge(core, message.sender, core.log.last_index, 0)
    else:
        _acknowledge(core, message.sender, core.log.committed, 0)


def _restore(core: Core, snapshot: SnapshotMeta) -> bool:
    """Replace log and configuration (thesis 5.3), unless the snapshot brings nothing.

    A configuration without this node is taken as well: the change that adds it may follow in the log, and until then it
    does not campaign.
    """
    log = core.log
    if snapshot.index <= log.committed:
        return False
    if log.has(snapshot.index, snapshot.term):
        # We have all it covers; our own entries are as good, and what lies behind them stays.
        log.commit_to(snapshot.index)
        return False
    log.restore(snapshot)
    core.adopt_config(confchange.from_conf_state(snapshot.conf_state))
    core.config_index = snapshot.index
    return True


def on_timeout_now(core: Core, message: Message) -> None:
    """The leader hands over: campaign without asking first, past all leases (thesis 3.10)."""
    candidate.hup(core, transfer=True)


def on_read_index_reply(core: Core, message: Message) -> None:
    """A leader has confirmed the index. That stays true whatever has become of it, or of us, since."""
    core.read_states.append(ReadState(message.index, message.context))


def ask_for_read_index(core: Core, context: bytes) -> None:
    # Term 0: the question depends on nobody's term and should not move any.
    core.send(Message(Kind.READ_INDEX, core.leader, core.id, context=context))
