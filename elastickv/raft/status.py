"""An immutable picture of a node, for metrics and administration."""

from __future__ import annotations

from dataclasses import dataclass, field

from elastickv.raft.core import Core
from elastickv.raft.types import ConfState, NodeId, Role


@dataclass(frozen=True, slots=True)
class PeerProgress:
    """One member as the leader sees it."""

    match: int
    next: int
    state: str
    """probe, replicate or snapshot."""
    recent_active: bool
    """Heard from since the last check-quorum."""
    learner: bool
    inflight: int
    """Appends that are not acknowledged yet."""


@dataclass(frozen=True, slots=True)
class Status:
    id: NodeId
    role: Role
    term: int
    vote: NodeId
    leader: NodeId
    commit: int
    applied: int
    last_index: int
    first_index: int
    conf_state: ConfState
    pending_config: bool
    """A config entry is in the log and not applied here (on a new leader: may be)."""
    config_index: int
    """Log index of the last applied config entry; after a restart or a snapshot an upper bound of it."""
    transferring: NodeId
    lease_until: float
    progress: dict[NodeId, PeerProgress] = field(default_factory=dict)
    """Filled on the leader only; this node included."""


def status_of(core: Core) -> Status:
    progress = {}
    if core.role is Role.LEADER:
        progress = {
            node: PeerProgress(
                match=known.match,
                next=core.log.last_index + 1 if node == core.id else known.next,
                state=known.state.value,
                recent_active=known.recent_active or node == core.id,
                learner=known.learner,
                inflight=len(known.inflights),
            )
            for node, known in core.tracker.progress.items()
        }
    return Status(
        id=core.id,
        role=core.role,
        term=core.term,
        vote=core.vote,
        leader=core.leader,
        commit=core.log.committed,
        applied=core.log.applied,
        last_index=core.log.last_index,
        first_index=core.log.first_index,
        conf_state=core.conf_state,
        pending_config=core.pending_config_index > core.log.applied or bool(core.unapplied_configs),
        config_index=core.config_index,
        transferring=core.transferee,
        lease_until=core.lease_until,
        progress=progress,
    )
