"""What one Raft group on this node is set to, and what that means for the core."""

from __future__ import annotations

from dataclasses import dataclass

from elastickv.raft.config import RaftConfig
from elastickv.raft.types import NodeId


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """Times in seconds, sizes in bytes."""

    node_id: NodeId
    address: str
    version: str
    heartbeat_interval: float = 0.1
    election_timeout: float = 1.0
    request_timeout: float = 5.0
    max_append_bytes: int = 1 << 20
    snapshot_entries: int = 10_000
    """Applied entries between two cuts of the log."""
    log_retain: int = 5_000
    """Entries kept behind the cut, so that a follower that lags a little needs no snapshot."""
    log_retain_bytes: int = 64 << 20
    """The same in bytes; the lower of the two limits counts."""
    flush_interval: float = 5.0
    memtable_bytes: int = 32 << 20
    log_cache_bytes: int = 16 << 20
    """Newest log entries kept in memory."""
    disk_reserve_bytes: int = 16 << 20
    """Free space below which writes are refused."""
    map_bytes: int = 1 << 40
    ticks_per_heartbeat: int = 5
    clock_drift: float = 0.1
    """Share of the election timeout by which a lease is shorter, for clocks that run at different speeds."""

    @property
    def tick_interval(self) -> float:
        return self.heartbeat_interval / self.ticks_per_heartbeat

    def raft_config(self) -> RaftConfig:
        election_ticks = max(self.ticks_per_heartbeat + 1, round(self.election_timeout / self.tick_interval))
        # A follower counts whole ticks, so up to one tick of its timeout may already be over when it begins to count.
        lease = (election_ticks - 1) * self.tick_interval * (1 - self.clock_drift)
        return RaftConfig(
            id=self.node_id,
            heartbeat_ticks=self.ticks_per_heartbeat,
            election_ticks=election_ticks,
            lease_seconds=lease,
            max_append_bytes=self.max_append_bytes,
        )
