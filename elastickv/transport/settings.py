"""Limits and times of the transport, and what they become as gRPC options.

Half-open connections are found by HTTP/2 keepalive pings and not by messages of ours: a ping is answered between the
frames of a large message and while the peer's loop is busy, so only a peer that is really gone, or stopped as a whole,
loses its streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GrpcOptions = tuple[tuple[str, int], ...]

_COMMON_OPTIONS: Final[GrpcOptions] = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.default_compression_algorithm", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)


@dataclass(frozen=True, slots=True)
class TransportSettings:
    max_queued_messages: int = 4096
    """Per peer. A message that finds the queue full is dropped; the core sends again."""
    max_queued_bytes: int = 128 << 20
    """Per peer. An empty queue takes any message, however large. Above the core's `max_inflight_bytes`, so that what
    the core lets go fits."""
    max_packet_bytes: int = 4 << 20
    """Queued messages leave together in packets of at most this size (a single message may be larger)."""
    connect_seconds: float = 2.0
    """From dialling to the peer's introduction."""
    backoff_min_seconds: float = 0.05
    backoff_max_seconds: float = 1.0
    """Pauses between attempts double from the one to the other; each is shortened by up to half, by chance."""
    keepalive_seconds: float = 2.0
    """A silent connection is pinged this often ..."""
    keepalive_timeout_seconds: float = 4.0
    """... and given up when the answer takes longer than this. The ping waits behind what the kernel
    already holds for the peer (some megabytes), so this must not be too short on slow lines."""
    snapshot_chunk_bytes: int = 1 << 20
    snapshot_idle_seconds: float = 60.0
    """A transfer is broken when one step of it (a chunk, hashing what is there, the last sync) takes longer."""
    snapshot_attempts: int = 5
    """So many attempts in a row that bring nothing new end a transfer."""
    snapshot_reserve_bytes: int = 64 << 20
    """A snapshot is refused when it would leave less than this free on the disk."""

    def check(self) -> None:
        """Raise ValueError on settings that cannot work."""
        if min(self.max_queued_messages, self.max_queued_bytes, self.max_packet_bytes, self.snapshot_attempts) < 1:
            raise ValueError("the limits of the transport must be at least 1")
        if not 1 <= self.snapshot_chunk_bytes <= 64 << 20:
            raise ValueError("snapshot_chunk_bytes must be between 1 and 64 MiB")
        if not 0 < self.backoff_min_seconds <= self.backoff_max_seconds:
            raise ValueError("backoff_min_seconds must be positive and not above backoff_max_seconds")
        if min(self.connect_seconds, self.keepalive_seconds, self.keepalive_timeout_seconds) <= 0:
            raise ValueError("the times of the transport must be positive")
        if self.snapshot_idle_seconds <= 0 or self.snapshot_reserve_bytes < 0:
            raise ValueError("snapshot_idle_seconds must be positive and snapshot_reserve_bytes not negative")

    def server_options(self) -> GrpcOptions:
        """For the node's gRPC server, without which it would take the keepalive pings of peers for an attack."""
        return (
            *_COMMON_OPTIONS,
            *self._keepalive_options(),
            ("grpc.http2.min_ping_interval_without_data_ms", round(self.keepalive_seconds * 500)),
            ("grpc.http2.max_ping_strikes", 0),
            ("grpc.so_reuseport", 0),  # a second node on the same address must fail, not take half of the connections
        )

    def channel_options(self) -> GrpcOptions:
        """For a channel to a peer. Each attempt has a channel of its own, and no two share a connection: what a
        snapshot has in flight does not stand before a heartbeat."""
        return (
            *_COMMON_OPTIONS,
            *self._keepalive_options(),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_retries", 0),
            ("grpc.enable_http_proxy", 0),
            ("grpc.initial_reconnect_backoff_ms", round(self.backoff_min_seconds * 1000)),
            ("grpc.min_reconnect_backoff_ms", round(self.connect_seconds * 1000)),
            ("grpc.max_reconnect_backoff_ms", round(self.backoff_max_seconds * 1000)),
        )

    def _keepalive_options(self) -> GrpcOptions:
        return (
            ("grpc.keepalive_time_ms", round(self.keepalive_seconds * 1000)),
            ("grpc.keepalive_timeout_ms", round(self.keepalive_timeout_seconds * 1000)),
            # Without this one grpcio waits a minute for the answer, whatever the line above says.
            ("grpc.http2.ping_timeout_ms", round(self.keepalive_timeout_seconds * 1000)),
        )
