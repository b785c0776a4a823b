"""What all connections of the Redis door share: the store, the settings as they are now, clients and counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from elastickv.clock import Clock
from elastickv.config import OutputLimits, RedisSettings
from elastickv.kv.ports import ClusterControl, Leader, Store
from elastickv.redis_api.acl.audit import AuditLog
from elastickv.redis_api.acl.users import Users
from elastickv.redis_api.memory_limit import MemoryLimit
from elastickv.redis_api.notifications import Notifier
from elastickv.redis_api.pubsub import Event, PubSub
from elastickv.redis_api.shared import SharedSettings
from elastickv.redis_api.stats import CommandStats, LatencyMonitor, SlowLog, Statistics
from elastickv.redis_api.tracking import Tracking
from elastickv.redis_api.values.databases import Databases

if TYPE_CHECKING:
    from elastickv.redis_api.scripting.scripts import Scripts
    from elastickv.redis_api.session import Session

REDIS_VERSION: Final = "7.2.4"
"""The release whose behaviour this door has; clients choose their features by it."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the door tells about the node it belongs to."""

    id: str
    raft_address: str
    redis_map: Mapping[str, str]
    """Raft address to Redis address, from --raftRedisMap."""
    request_timeout: float
    """Seconds."""
    version: str
    data_dir: str = ""
    config_file: str = ""


class ServerState:
    """One per Redis door. `settings` is what the flags said; the attributes below are what CONFIG SET may change."""

    def __init__(
        self,
        settings: RedisSettings,
        facts: NodeFacts,
        store: Store,
        control: ClusterControl,
        databases: Databases,
        clock: Clock,
    ) -> None:
        self.settings = settings
        self.facts = facts
        self.store = store
        self.control = control
        self.databases = databases
        self.clock = clock
        self.view = store.view
        self.stats = Statistics()
        self.slow_log = SlowLog()
        self.latency = LatencyMonitor()
        self.pubsub = PubSub()
        self.tracking = Tracking(facts.id, self.pubsub)
        self.monitors: dict[Session, None] = {}
        """Clients in MONITOR."""
        self.outgoing: list[Event] = []
        """Announced by the burst that is being executed (see `announcements`)."""
        self.notifier = Notifier(databases, self.outgoing_of)
        self.pubsub.tracked_changed = lambda: self.notifier.track(self.pubsub.tracked)
        self.memory = MemoryLimit(store)
        self.shared = SharedSettings(store)
        self.commands: dict[str, CommandStats] = {}
        """By full name, "container|sub"."""
        self.scripts: Scripts
        """Scripts and functions; set by whoever owns the router that they need."""
        self.started_at = clock.monotonic()
        self.port = settings.address.port
        """The one really listened on."""

        self.require_pass = settings.require_pass.encode()
        self.users = Users(store, self.require_pass)
        self.audit = AuditLog()
        self.max_clients = settings.max_clients
        self.timeout_seconds = settings.timeout
        self.keepalive_seconds = settings.tcp_keepalive
        self.max_bulk_bytes = settings.proto_max_bulk_len
        self.query_buffer_limit = settings.client_query_buffer_limit
        self.output_limits: OutputLimits = settings.client_output_buffer_limit
        self.slow_microseconds = 10_000
        """slowlog-log-slower-than; negative: off."""
        self.busy_reply_ms = settings.busy_reply_threshold
        self.script_memory = settings.script_memory
        self.latency_tracking = True
        """INFO and LATENCY HISTOGRAM show how long commands took."""
        self.percentiles: tuple[float, ...] = (50.0, 99.0, 99.9)

        self.slow_ns = 0
        """The shortest time that SLOWLOG or LATENCY want to hear about; what the hot loop compares with."""
        self.output_limited = False
        """Some limit on unread replies of normal clients is set."""
        self.push_hard_bytes = 1 << 62
        """The hard limit on unread messages of a subscriber."""
        self.paused_until = 0.0
        """CLIENT PAUSE, in `clock.monotonic()`; 0 when not paused."""
        self.paused_all = False
        """Not only writes."""
        self.last_save_unix = clock.wall_ms() // 1000
        self.last_save_seconds = -1
        self.last_save_failed = False
        self.saving = False
        """A snapshot that a client asked for is being made."""
        self.operations_per_second = 0
        """Commands in the last full second."""
        self.settings_changed()

    def outgoing_of(self) -> list[Event]:
        return self.outgoing

    def take_outgoing(self) -> list[Event]:
        """What was announced since the last burst was closed; whoever takes it sees to its publication."""
        events, self.outgoing = self.outgoing, []
        return events

    def settings_changed(self) -> None:
        """Derive what is derived; call after changing an attribute above."""
        thresholds = []
        if self.slow_microseconds >= 0:
            thresholds.append(self.slow_microseconds * 1000)
        if self.latency.threshold_ms > 0:
            thresholds.append(self.latency.threshold_ms * 1_000_000)
        self.slow_ns = min(thresholds, default=1 << 62)
        normal = self.output_limits.normal
        self.output_limited = bool(normal.hard_bytes or normal.soft_bytes)
        self.push_hard_bytes = self.output_limits.pubsub.hard_bytes or 1 << 62

    @property
    def paused(self) -> bool:
        return self.paused_until > 0 and self.clock.monotonic() < self.paused_until

    def leader(self) -> Leader | None:
        return self.store.leader()

    def slow_command(self, name: str, argv: list[bytes], nanoseconds: int, address: bytes, client: bytes) -> None:
        """A command took at least `slow_ns`."""
        unix_seconds = self.clock.wall_ms() // 1000
        if 0 <= self.slow_microseconds * 1000 <= nanoseconds:
            if name in ("acl|setuser", "acl|deluser"):
                argv = argv[:2] + [b"(redacted)"] * (len(argv) - 2)
            elif name == "config|set":
                secret = [before.lower() == b"requirepass" for before in argv[:-1]]
                argv = argv[:1] + [b"(redacted)" if hide else word for hide, word in zip(secret, argv[1:], strict=True)]
            self.slow_log.add(argv, nanoseconds, unix_seconds, address, client)
        self.latency_of("command", nanoseconds)

    def latency_of(self, event: str, nanoseconds: int) -> None:
        """Something held up the loop for so long; LATENCY remembers it from its threshold on."""
        if 0 < self.latency.threshold_ms * 1_000_000 <= nanoseconds:
            self.latency.add(event, self.clock.wall_ms() // 1000, nanoseconds // 1_000_000)
