"""What the server remembers about one client, and the `Call` that a handler gets.

No I/O here: `connection` owns the socket, `dispatch` runs commands, handlers read and change the session.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from elastickv.kv.view import View
from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.pubsub import Subscriptions
from elastickv.redis_api.replies import NULL_ARRAY
from elastickv.redis_api.state import ServerState
from elastickv.redis_api.values.database import Database
from elastickv.redis_api.values.databases import Databases
from elastickv.redis_api.values.records import RecordType, parse

if TYPE_CHECKING:
    from elastickv.redis_api.long_reads import Permit
    from elastickv.redis_api.peers import PeerSink
    from elastickv.redis_api.tracking import Mode


class Call:
    """One command in execution. There is one object per session, used again and again: do not keep it."""

    __slots__ = ("again", "argv", "databases", "db", "protocol", "session", "view")

    def __init__(self, session: Session, databases: Databases, view: View) -> None:
        self.argv: list[bytes] = []
        """The words as they came, the name first."""
        self.session = session
        self.databases = databases
        self.db: Database = databases.numbered[0]
        """The database that the session has selected."""
        self.view = view
        self.protocol = 2
        """RESP version that the reply will be encoded in."""
        self.again = False
        """The command was blocked and is tried again."""

    @property
    def now_ms(self) -> int:
        """Wall clock of the burst, decided once on the leader."""
        return self.view.now_ms

    @property
    def state(self) -> ServerState:
        return self.session.state

    def block(
        self,
        keys: Sequence[bytes],
        kind: RecordType | None,
        timeout_ms: int,
        *,
        instead: object = NULL_ARRAY,
        argv: list[bytes] | None = None,
    ) -> object:
        """What a blocking command returns when there is nothing for it yet; see `Block`. `instead` is the reply where
        nothing may block (MULTI, scripts)."""
        if self.session.in_exec:
            return instead
        return Block(keys, kind, timeout_ms, argv or self.argv)


class Block:
    """The client is to wait for keys; the command runs again when one of them may have something for it."""

    __slots__ = ("any_change", "argv", "keys", "kind", "spent_ns", "timeout_ms")

    def __init__(self, keys: Sequence[bytes], kind: RecordType | None, timeout_ms: int, argv: list[bytes]) -> None:
        self.keys = keys
        self.kind = kind
        """What the key must hold to be of interest; None when any change is, also that the key is gone."""
        self.any_change = kind is None
        self.timeout_ms = timeout_ms
        """0 for ever."""
        self.argv = argv
        """The words with which it runs again."""
        self.spent_ns = 0


class Later:
    """The reply of a command that takes time: the session executes nothing else until it is there.

    Only commands with Flag.SESSION or Flag.BLOCKING may return it, and not while `session.in_exec`.
    """

    __slots__ = ("coroutine", "permit", "unblock")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, object],
        unblock: Callable[[RedisError | None], None] | None = None,
        *,
        permit: Permit | None = None,
    ) -> None:
        self.coroutine = coroutine
        self.permit = permit
        """Is told of the ticket of the burst in which the command began."""
        self.unblock = unblock
        """CLIENT UNBLOCK: end as by timeout (None) or with an error; None where that is not possible."""


class Unblockable(Protocol):
    """What a session is blocked by."""

    @property
    def unblock(self) -> Callable[[RedisError | None], None] | None:
        """CLIENT UNBLOCK: end as by timeout (None) or with an error; None where that is not possible."""
        ...


@dataclass(frozen=True, slots=True)
class LinkFigures:
    """Figures of a connection for CLIENT LIST."""

    input_bytes: int
    output_bytes: int
    output_parts: int
    age_seconds: int
    idle_seconds: int
    descriptor: int
    last_command: list[bytes]
    """Its first two words at most."""


class Link(Protocol):
    """The connection, as far as commands may touch it."""

    def close_after_replies(self) -> None:
        """Execute nothing more, and close when all replies so far have gone out."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...

    def push_out(self, data: bytes) -> None:
        """Send a push, between replies. Cheap: what comes in one turn of the loop is written together."""
        ...

    def push_behind_replies(self, data: bytes) -> None:
        """Send a push that must not overtake replies to what was executed before it."""
        ...

    def wake(self) -> None:
        """Something that commands waited for has changed: look again, soon."""
        ...

    @property
    def is_paused(self) -> bool:
        """CLIENT PAUSE holds back what it has sent."""
        ...

    @property
    def waits_at_leader(self) -> bool:
        """A blocking command of this client waits for its reply from another node."""
        ...

    def unblock_at_leader(self, how: bytes) -> None:
        """CLIENT UNBLOCK, TIMEOUT or ERROR, for a command that `waits_at_leader`."""
        ...

    def authentication_changed(self) -> None:
        """`Session.authenticated` was set: the limits on input follow."""
        ...

    def check_output(self) -> None:
        """Close the connection when it is over the limits for unread replies."""
        ...

    def figures(self) -> LinkFigures: ...


class WatchedKey:
    """A key under WATCH; called back when it changes."""

    __slots__ = ("database", "expired", "key", "name", "session")

    def __init__(self, session: Session, database: Database, key: bytes) -> None:
        self.session = session
        self.database = database
        self.key = key
        self.expired = self.past_deadline()
        """The deadline had passed already when WATCH came: its removal changes nothing."""
        self.name = database.watch(key, self)

    def __call__(self) -> None:
        if self.expired and self.database.view.get(self.database.physical(self.key)) is None:
            self.expired = False
            self.database.watch(self.key, self)
            return
        self.session.dirty = True

    def past_deadline(self) -> bool:
        """The record is still there but nobody can see it any more."""
        database = self.database
        physical = database.physical(self.key)
        raw = database.view.get(physical)
        if raw is None:
            return False
        deadline = parse(physical, raw).deadline
        return bool(deadline) and deadline <= database.view.now_ms


class Clients(dict[int, "Session"]):
    """All clients of the node by ID, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self._last_id = 0

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id


class Session:
    """State of one client."""

    __slots__ = (
        "address",
        "authenticated",
        "blocked",
        "call",
        "clients",
        "closing",
        "dirty",
        "forwarded_from",
        "held_pushes",
        "id",
        "in_exec",
        "library_name",
        "library_version",
        "link",
        "local_address",
        "muted",
        "name",
        "no_evict",
        "no_touch",
        "ordinary",
        "origin",
        "peer",
        "perform",
        "plain",
        "queue",
        "queue_failed",
        "remote_watch",
        "skip_next",
        "skipping",
        "state",
        "subscriptions",
        "sync_epoch",
        "tracking",
        "user",
        "watched",
    )

    def __init__(
        self, state: ServerState, clients: Clients, link: Link, perform: Callable[[Call, list[bytes]], object]
    ) -> None:
        self.state = state
        self.perform = perform
        """Runs one command with all its rules (`Router.execute`), for EXEC."""
        self.clients = clients
        self.link = link
        self.id = clients.next_id()
        self.call = Call(self, state.databases, state.view)
        self.address = b""
        self.local_address = b""
        self.forwarded_from = ""
        """Node that speaks for a client of its own over this connection (ELASTICKV.SESSION)."""
        self.user = state.users.default
        self.blocked: Unblockable | None = None
        self.closing = False
        """Nothing more is executed; the connection closes when all replies have gone out."""
        self.in_exec = False
        """Commands run inside EXEC: nothing may block."""
        self.sync_epoch = 0
        """Raised by changes that the leader must hear of before the next forwarded command."""
        self.watched: dict[bytes, WatchedKey] = {}
        self.remote_watch = False
        """Keys are watched at the leader, over the upstream connection."""
        self.dirty = False
        """A watched key changed, or nobody can tell: EXEC answers nil."""
        self.tracking: Mode | None = None
        self.origin = b""
        """The client that another node forwards for, by its name among all of the cluster."""
        self.peer: PeerSink | None = None
        """Takes what comes: another node speaks, not a client."""
        self.subscriptions = Subscriptions()
        self.held_pushes: list[bytes] | None = None
        """Messages that came while SUBSCRIBE waits for the other nodes: they follow its confirmation."""
        self.reset()

    def reset(self) -> None:
        """What RESET sets back (and a new connection starts with)."""
        self.queue: list[list[bytes]] | None = None
        """Commands between MULTI and EXEC; None outside."""
        self.queue_failed = False
        """A command was refused while queueing: EXEC answers EXECABORT."""
        self.muted = False
        """CLIENT REPLY OFF."""
        self.skip_next = False
        """CLIENT REPLY SKIP was the last command: the next one is not answered."""
        self.skipping = False
        self.no_evict = False
        self.no_touch = False
        self.name = b""
        self.library_name = b""
        self.library_version = b""
        self.call.db = self.state.databases.numbered[0]
        self.call.protocol = 2
        self.user = self.state.users.default
        self.authenticated = self.user.open
        self.unwatch()
        self.dirty = False
        self.sync_epoch += 1
        self.state.pubsub.forget(self)
        self.state.tracking.stop(self)
        self.state.monitors.pop(self, None)
        self.settle_mode()

    def settle_mode(self) -> None:
        """Set `plain`: commands may run in the hot loop, without a look at the session; and `ordinary`: the same, but
        what the user may do must be looked at. After each change of mode."""
        self.ordinary = (
            self.authenticated
            and self.queue is None
            and self.peer is None
            and not (self.muted or self.skip_next or self.skipping)
            and not (self.subscriptions and self.call.protocol == 2)
        )
        self.plain = self.ordinary and self.user.unrestricted and self.tracking is None

    @property
    def only_listens(self) -> bool:
        """RESP2 has no pushes: a client that subscribed may do little else."""
        return self.call.protocol == 2 and bool(self.subscriptions)

    def end_transaction(self) -> None:
        self.queue = None
        self.queue_failed = False
        self.unwatch()
        self.settle_mode()

    def watch(self, key: bytes) -> None:
        database = self.call.db
        for watched in self.watched.values():
            if watched.database is database and watched.key == key:
                return
        watched = WatchedKey(self, database, key)
        self.watched[watched.name] = watched

    def unwatch(self) -> None:
        for name, watched in self.watched.items():
            self.state.databases.unwatch(name, watched)
        self.watched.clear()
        if self.remote_watch:
            self.remote_watch = False
            self.sync_epoch += 1  # ELASTICKV.SESSION makes the leader forget them too
        self.dirty = False

    def lose_watches(self) -> None:
        """The lead moved: changes may have been missed."""
        if self.watched or self.remote_watch:
            self.unwatch()
            self.dirty = True
