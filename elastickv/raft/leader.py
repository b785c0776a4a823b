"""What a leader does: proposals, answers of followers, its clock, reads, handing over the lead.

The mechanics of sending and counting are in `replication`.
"""

from __future__ import annotations

from elastickv.raft import replication
from elastickv.raft.core import Core
from elastickv.raft.progress import Progress, ProgressState
from elastickv.raft.proposal import DropReason, ProposalDropped
from elastickv.raft.read_index import decode_round
from elastickv.raft.types import NOBODY, EntryKind, Kind, Message, NodeId, Role

# -- proposals ----------------------------------------------------------------------------------------------------


def propose(core: Core, data: bytes) -> int:
    _check_may_append(core, len(data))
    index = core.append(data, EntryKind.NORMAL)
    replication.broadcast_append(core)
    return index


def propose_config(core: Core, data: bytes) -> int:
    """One at a time (thesis 4.1): the next change starts from a configuration that is in effect here."""
    _check_may_append(core, len(data))
    if core.pending_config_index > core.log.applied:
        raise ProposalDropped(DropReason.CONFIG_PENDING)
    joint = core.tracker.config.joint
    if joint and data:
        raise ProposalDropped(DropReason.ALREADY_JOINT)
    if not joint and not data:
        raise ProposalDropped(DropReason.NOT_JOINT)
    return _append_config(core, data)


def maybe_leave_joint(core: Core) -> None:
    """Leave a joint configuration that asks for it, as soon as it is in effect (thesis 4.3)."""
    if (
        core.role is Role.LEADER
        and core.tracker.config.auto_leave
        and core.pending_config_index <= core.log.applied
        and not core.transferee
    ):
        _append_config(core, b"")


def _append_config(core: Core, data: bytes) -> int:
    core.pending_config_index = core.append(data, EntryKind.CONFIG)
    replication.broadcast_append(core)
    return core.pending_config_index


def _check_may_append(core: Core, size: int) -> None:
    if core.role is not Role.LEADER:
        raise ProposalDropped(DropReason.NOT_LEADER)
    if core.transferee:
        raise ProposalDropped(DropReason.TRANSFERRING)
    limit = core.config.max_uncommitted_bytes
    # One entry may always wait, however large; the next has to see it committed first.
    if limit and core.uncommitted_bytes and size and core.uncommitted_bytes + size > limit:
        raise ProposalDropped(DropReason.UNCOMMITTED_LIMIT)


# -- clock --------------------------------------------------------------------------------------------------------


def tick(core: Core) -> None:
    ticks = core.config.election_ticks
    core.election_elapsed += 1
    if core.election_elapsed >= ticks:
        core.election_elapsed = 0
        if not core.tracker.quorum_active():
            # Cut off from a majority: another leader may be there, and clients should look for it (thesis 6.2).
            core.become_follower(core.term, NOBODY)
            return
        for _, progress in core.tracker.peers:
            progress.recent_active = False
    if core.transferee:
        core.transfer_elapsed += 1
        if core.transfer_elapsed >= ticks:
            core.transferee = NOBODY
    core.heartbeat_elapsed += 1
    if core.heartbeat_elapsed >= core.config.heartbeat_ticks:
        core.heartbeat_elapsed = 0
        replication.periodic_heartbeat(core)
    replication.send_commits(core)
    if core.tracker.sole_voter:
        replication.renew_lease_alone(core)
    maybe_leave_joint(core)


# -- answers of followers -----------------------------------------------------------------------------------------


def on_append_reply(core: Core, message: Message) -> None:
    progress = core.tracker.progress.get(message.sender)
    if progress is None or message.index > core.log.last_index:
        return
    progress.recent_active = True
    replication.acknowledge_round(core, progress, message.round)
    if message.reject:
        _on_refused(core, message, progress)
    else:
        _on_acked(core, message, progress)


def _on_refused(core: Core, message: Message, progress: Progress) -> None:
    """Find where the logs agree, a term at a time rather than an entry at a time (thesis 3.5).

    The follower named an entry of its own, `reject_hint` with `log_term`. It cannot agree with us on anything behind it
    whose term in our log is larger than that: terms do not fall along a log.
    """
    hint = message.reject_hint
    if message.log_term > 0:
        hint, _ = core.log.find_conflict_by_term(min(hint, core.log.last_index), message.log_term)
    if progress.maybe_decrease(message.index, hint):
        if progress.state is ProgressState.REPLICATE:
            progress.become_probe()
        replication.send_append(core, message.sender, progress)


def _on_acked(core: Core, message: Message, progress: Progress) -> None:
    advanced = progress.maybe_update(message.index)
    probe_answered = progress.state is ProgressState.PROBE and progress.match == message.index
    if not advanced and not probe_answered:
        return
    match progress.state:
        case ProgressState.PROBE:
            progress.become_replicate()
        case ProgressState.SNAPSHOT if progress.match + 1 >= core.log.first_index:
            # It has reached the log by whatever way; the snapshot need not be waited for.
            progress.become_replicate()
        case ProgressState.REPLICATE:
            progress.inflights.free_to(message.index)
    replication.maybe_commit(core)
    replication.catch_up(core, message.sender, progress)
    if message.sender == core.transferee and progress.match == core.log.last_index:
        _send_timeout_now(core)


def on_heartbeat_reply(core: Core, message: Message) -> None:
    progress = core.tracker.progress.get(message.sender)
    if progress is None:
        return
    progress.recent_active = True
    progress.paused_flow = False
    replication.acknowledge_round(core, progress, message.round)
    # The follower lives: find out about appends that were lost, retry a snapshot that was not ready. In PROBE even an
    # empty append is needed, or it would never learn where it stands.
    if progress.match < core.log.last_index or progress.state is ProgressState.PROBE:
        replication.send_append(core, message.sender, progress)
    if message.context:
        replication.acknowledge_read_round(core, progress, decode_round(message.context))


def report_unreachable(core: Core, node: NodeId) -> None:
    progress = core.tracker.progress.get(node)
    # What was sent ahead is probably lost; in the other states nothing was.
    if core.role is Role.LEADER and progress is not None and progress.state is ProgressState.REPLICATE:
        progress.become_probe()


def report_snapshot(core: Core, node: NodeId, ok: bool) -> None:
    progress = core.tracker.progress.get(node)
    if core.role is not Role.LEADER or progress is None or progress.state is not ProgressState.SNAPSHOT:
        return
    if not ok:
        progress.pending_snapshot = 0
    progress.become_probe()
    # Give the follower time to install it, or whoever failed time to recover: go on with the next answer.
    progress.paused_flow = True


# -- reads --------------------------------------------------------------------------------------------------------


def add_read(core: Core, requester: NodeId, context: bytes) -> None:
    if core.leader_ready:
        core.reads.add(requester, context, core.log.committed)
    else:
        core.reads.defer(requester, context)


def on_read_index(core: Core, message: Message) -> None:
    add_read(core, message.sender, message.context)


# -- handing over the lead ----------------------------------------------------------------------------------------


def transfer(core: Core, to: NodeId) -> None:
    """Bring `to` up to date, then ask it to campaign at once (thesis 3.10)."""
    if core.role is not Role.LEADER:
        raise ProposalDropped(DropReason.NOT_LEADER)
    if to == core.id:
        raise ValueError(f"{to} leads already")
    progress = core.tracker.progress.get(to)
    if progress is None:
        raise ValueError(f"{to} is not a member")
    if not core.tracker.is_voter(to):
        raise ValueError(f"{to} is a learner and cannot lead")
    if core.transferee == to:
        return
    core.transferee = to
    core.transfer_elapsed = 0
    if progress.match == core.log.last_index:
        _send_timeout_now(core)
    else:
        replication.send_append(core, to, progress)


def _send_timeout_now(core: Core) -> None:
    # The target's vote requests go past everybody's promise to us, whenever they come: this term's lease is worthless.
    core.lease.void()
    core.send(Message(Kind.TIMEOUT_NOW, core.transferee, core.id, core.term))
