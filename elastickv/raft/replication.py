"""Sending the log to followers, and finding out what is committed. Works for leaders only.

Appends leave before the leader's own disk has the entries (thesis 10.2.1): the leader is one voter among others, and
its own ack is counted when its disk has said yes.

A commit index that moves is not worth a message of its own: the next append carries it, at the latest the next tick
does (`send_commits`).
"""

from __future__ import annotations

from operator import attrgetter

from elastickv.raft.core import Core
from elastickv.raft.progress import Progress, ProgressState
from elastickv.raft.storage import Compacted, SnapshotPending
from elastickv.raft.types import Entry, Kind, Message, NodeId, ReadState

_ACKED_ROUND = attrgetter("acked_round")
_ACKED_READ_ROUND = attrgetter("acked_read_round")


def stamp(core: Core) -> int:
    """The lease round of a message that leaves now; the leader itself has heard it."""
    number = core.lease.stamp(core.now)
    mine = core.tracker.progress.get(core.id)
    if mine is not None:
        mine.acked_round = number
    return number


def send_append(core: Core, to: NodeId, progress: Progress, *, allow_empty: bool = True) -> bool:
    """Send the next entries, or a snapshot where they are compacted. False when nothing was sent."""
    if progress.paused:
        return False
    log = core.log
    entries: tuple[Entry, ...] = ()
    try:
        prev_term = log.term(progress.next - 1)
        if progress.state is not ProgressState.REPLICATE or not progress.inflights.full:
            entries = tuple(log.entries_from(progress.next, core.config.max_append_bytes))
    except Compacted:
        return send_snapshot(core, to, progress)
    if not entries and not allow_empty:
        return False
    core.send(
        Message(
            Kind.APPEND,
            to,
            core.id,
            core.term,
            log_term=prev_term,
            index=progress.next - 1,
            entries=entries,
            commit=log.committed,
            round=stamp(core),
        )
    )
    size = len(entries[0].data) if len(entries) == 1 else sum(len(entry.data) for entry in entries)
    progress.sent(len(entries), size, log.committed)
    return True


def send_snapshot(core: Core, to: NodeId, progress: Progress) -> bool:
    """Announce a snapshot; its data travels beside the message. Retried with a later heartbeat reply when there is none
    yet, or when the follower has not been heard from."""
    if not progress.recent_active:
        return False
    try:
        snapshot = core.log.storage.snapshot()
    except SnapshotPending:
        return False
    progress.become_snapshot(snapshot.index)
    core.send(Message(Kind.SNAPSHOT, to, core.id, core.term, snapshot=snapshot))
    return True


def broadcast_append(core: Core) -> None:
    for to, progress in core.tracker.peers:
        send_append(core, to, progress)


def catch_up(core: Core, to: NodeId, progress: Progress) -> None:
    """Send as much as the window takes."""
    while send_append(core, to, progress, allow_empty=False):
        pass


def send_commits(core: Core) -> None:
    """Tell followers about commits that no append has carried."""
    for to, progress in core.tracker.peers:
        if progress.state is ProgressState.REPLICATE and progress.sent_commit < core.log.committed:
            send_append(core, to, progress)


def broadcast_heartbeat(core: Core, context: bytes) -> None:
    commit = core.log.committed
    for to, progress in core.tracker.peers:
        core.send(
            Message(
                Kind.HEARTBEAT,
                to,
                core.id,
                core.term,
                # Never beyond what the follower is known to have: its log may differ behind that.
                commit=min(progress.match, commit),
                context=context,
                round=stamp(core),
            )
        )


# -- what majorities have reached ---------------------------------------------------------------------------------


def maybe_commit(core: Core) -> bool:
    """Advance the commit index as far as a majority allows (thesis 3.5, 3.6.2)."""
    if not core.log.maybe_commit(core.tracker.committed(), core.term):
        return False
    core.forget_uncommitted(core.log.committed)
    if core.leader_ready:
        core.lease.open()
        core.reads.release_deferred(core.log.committed)
    return True


def own_disk_reached(core: Core) -> None:
    """The leader's own log is durable up to `unstable.stable`: its own ack."""
    mine = core.tracker.progress.get(core.id)
    if mine is not None and mine.maybe_update(core.log.unstable.stable):
        maybe_commit(core)


def renew_lease_alone(core: Core) -> None:
    """A majority of one renews its lease by the clock; nobody's echo would do it."""
    stamp(core)
    core.lease.confirm(core.tracker.agreed(_ACKED_ROUND))


def acknowledge_round(core: Core, progress: Progress, number: int) -> None:
    """A follower has echoed a lease round."""
    if number > progress.acked_round:
        progress.acked_round = number
        if number > core.lease.confirmed:
            core.lease.confirm(core.tracker.agreed(_ACKED_ROUND))


# -- reads --------------------------------------------------------------------------------------------------------


def open_read_round(core: Core) -> None:
    """Ask a majority on behalf of all reads that wait (thesis 6.4)."""
    core.reads.open_round()
    periodic_heartbeat(core)


def periodic_heartbeat(core: Core) -> None:
    """A heartbeat to everybody, which repeats an unanswered read round."""
    context = core.reads.heartbeat_context()
    broadcast_heartbeat(core, context)
    mine = core.tracker.progress.get(core.id)
    if context and mine is not None:
        # A majority of one needs nobody's answer.
        mine.acked_read_round = core.reads.number
        finish_reads(core, core.tracker.agreed(_ACKED_READ_ROUND))


def acknowledge_read_round(core: Core, progress: Progress, number: int) -> None:
    """A follower has echoed a read round."""
    if number > progress.acked_read_round:
        progress.acked_read_round = number
        if core.reads.open_number:
            finish_reads(core, core.tracker.agreed(_ACKED_READ_ROUND))


def finish_reads(core: Core, number: int) -> None:
    for read in core.reads.confirm(number):
        if read.requester == core.id:
            core.read_states.append(ReadState(read.index, read.context))
        else:
            core.send(
                Message(
                    Kind.READ_INDEX_REPLY, read.requester, core.id, core.term, index=read.index, context=read.context
                )
            )
