"""Settings of the core. Times are in ticks; the driver decides how long a tick is."""

from __future__ import annotations

from dataclasses import dataclass

from elastickv.raft.types import NodeId


@dataclass(frozen=True, slots=True)
class RaftConfig:
    id: NodeId
    heartbeat_ticks: int = 5
    election_ticks: int = 50
    """A follower that hears nothing for election_ticks .. 2 * election_ticks - 1 (drawn anew each time) campaigns."""
    lease_seconds: float = 0.9
    """How long a quorum's acknowledgement of a round lets the leader answer reads on its own, counted from the moment
    the round was sent; shorter than election_ticks by the drift that clocks are allowed."""
    max_append_bytes: int = 1 << 20
    """Bytes of entry data in one APPEND (at least one entry always goes)."""
    max_inflight_appends: int = 64
    """Unacknowledged APPENDs to one follower in the replicate state."""
    max_inflight_bytes: int = 64 << 20
    max_uncommitted_bytes: int = 256 << 20
    """Proposals are dropped while more entry bytes than this wait for a majority; 0 turns the limit off."""
    max_committed_bytes_per_ready: int = 16 << 20
    """How much one Ready hands to the state machine, so that a long replay does not stall the loop."""

    def check(self) -> None:
        """Raise ValueError on settings that cannot work."""
        if not self.id:
            raise ValueError("id must not be empty")
        if self.heartbeat_ticks < 1:
            raise ValueError("heartbeat_ticks must be at least 1")
        if self.election_ticks <= self.heartbeat_ticks:
            raise ValueError("election_ticks must be greater than heartbeat_ticks")
        if self.max_inflight_appends < 1:
            raise ValueError("max_inflight_appends must be at least 1")
        if self.max_append_bytes < 1 or self.max_committed_bytes_per_ready < 1:
            raise ValueError("byte limits must be at least 1")
