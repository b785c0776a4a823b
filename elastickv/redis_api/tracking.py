"""CLIENT TRACKING: which clients of this node keep copies of which keys, and word to them when a key changes.

The client's own node remembers what it reads (`remember`, when the command is executed here or sent to the leader). The
leader announces each changed key to the nodes that have such clients, as it announces messages: after the commit, over
`peers`, by `Kind.TRACKING`. Two things keep a client from believing an old copy:

- word of a change never overtakes replies: what arrives while replies of the leader are on their way waits for them;
- whatever may have been missed is made good by "forget everything": when the lead moves, or the stream of another node
  breaks or begins.

Names and rules are those of Redis' tracking.c: default mode remembers each key once, until it has changed; broadcast
mode goes by prefixes and remembers nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from elastickv.redis_api.acl.permissions import keys_with_access
from elastickv.redis_api.pubsub import Event, Kind, PubSub
from elastickv.redis_api.registry import Command
from elastickv.redis_api.replies import NULL_ARRAY, Push, encode

if TYPE_CHECKING:
    from elastickv.redis_api.session import Clients, Session

_ONE_KEY: Final = b"k"
_EVERYTHING: Final = b"f"
_REDIRECTED: Final = b"__redis__:invalidate"


def changed(key: bytes) -> Event:
    """A key has changed; `with_origin` adds who did it."""
    return Kind.TRACKING, key, _ONE_KEY


FLUSHED: Final[Event] = (Kind.TRACKING, b"", _EVERYTHING)
"""All keys have changed."""


def with_origin(events: list[Event], origin: bytes) -> list[Event]:
    """The same events, with the client that caused those of `changed` (for NOLOOP)."""
    return [
        (kind, name, message + origin) if kind is Kind.TRACKING and message == _ONE_KEY else (kind, name, message)
        for kind, name, message in events
    ]


class Mode:
    """How one client tracks."""

    __slots__ = ("broadcast", "broken", "caching", "noloop", "optin", "optout", "prefixes", "redirect")

    def __init__(self, *, redirect: int, broadcast: bool, optin: bool, optout: bool, noloop: bool) -> None:
        self.redirect = redirect
        """Client that is told instead; 0 for none."""
        self.broadcast = broadcast
        self.optin = optin
        self.optout = optout
        self.noloop = noloop
        self.prefixes: list[bytes] = []
        self.caching = False
        """CLIENT CACHING was the last command: it turns the rule of optin or optout around, once."""
        self.broken = False
        """The client that is told instead has gone."""

    @property
    def remembers(self) -> bool:
        """What is read now is to be remembered."""
        return not self.broadcast and not (self.optin and not self.caching) and not (self.optout and self.caching)


class Tracking:
    """One per node."""

    def __init__(self, node: str, pubsub: PubSub) -> None:
        self.max_keys = 1_000_000
        """tracking-table-max-keys; 0: no limit."""
        self.keys: dict[bytes, dict[int, None]] = {}
        """Clients (by ID) that may have a copy."""
        self.prefixes: dict[bytes, dict[Session, None]] = {}
        self._changed: dict[bytes, dict[bytes, bytes]] = {}
        """By prefix that somebody listens to: keys that changed since the last flush, and by whom."""
        self.sessions: dict[int, Session] = {}
        self.clients: Clients | None = None
        self._node = node.encode()
        self._pubsub = pubsub
        pubsub.tracking = self

    def origin(self, session: Session) -> bytes:
        """Names a client among all of the cluster."""
        return session.origin or b"%b:%d" % (self._node, session.id)

    # turning it on and off

    def start(self, session: Session, mode: Mode, prefixes: Sequence[bytes]) -> None:
        old = session.tracking
        mode.prefixes = list(old.prefixes) if old is not None else []
        session.tracking = mode
        if mode.broadcast:
            for prefix in prefixes or ([] if mode.prefixes else [b""]):
                if prefix not in mode.prefixes:
                    mode.prefixes.append(prefix)
                    self.prefixes.setdefault(prefix, {})[session] = None
        self.clients = session.clients
        self.sessions[session.id] = session
        session.settle_mode()
        session.link.authentication_changed()
        self._pubsub.listen_to_changes(len(self.sessions))

    def stop(self, session: Session) -> None:
        """Also for clients that have gone. Keys that it had are forgotten when they change."""
        mode, session.tracking = session.tracking, None
        if mode is None:
            return
        for prefix in mode.prefixes:
            listeners = self.prefixes.get(prefix, {})
            listeners.pop(session, None)
            if not listeners:
                self.prefixes.pop(prefix, None)
        self.sessions.pop(session.id, None)
        if not self.sessions:
            self.keys.clear()
        session.settle_mode()
        self._pubsub.listen_to_changes(len(self.sessions))

    # remembering

    def remember(self, session: Session, command: Command, argv: Sequence[bytes]) -> None:
        """A tracking client reads."""
        mode = session.tracking
        if mode is None or not mode.remembers:
            return
        for key, _ in keys_with_access(command, argv):
            self.keys.setdefault(key, {})[session.id] = None
        self._forget_some()

    def limit(self, max_keys: int) -> None:
        self.max_keys = max_keys
        self._forget_some()

    def _forget_some(self) -> None:
        """The oldest keys count as changed, when there are too many."""
        while 0 < self.max_keys < len(self.keys):
            self._invalidate(next(iter(self.keys)), b"")

    # telling

    def take(self, event: Event) -> None:
        """The leader says that a key has changed, or all of them."""
        _, key, message = event
        if message[:1] == _EVERYTHING:
            self.forget_all()
        else:
            self._invalidate(key, message[1:])

    def _invalidate(self, key: bytes, origin: bytes) -> None:
        for number in self.keys.pop(key, ()):
            session = self.sessions.get(number)
            mode = session.tracking if session is not None else None
            if session is not None and mode is not None and not mode.broadcast:
                self._tell_unless_own(session, mode, key, origin)
        for prefix in self.prefixes:
            if key.startswith(prefix):
                self._changed.setdefault(prefix, {})[key] = origin

    def flush(self) -> None:
        """What changed together has been taken: clients in BCAST mode hear of it in one message per prefix."""
        if not self._changed:
            return
        changed, self._changed = self._changed, {}
        for prefix, origins in changed.items():
            for session in self.prefixes.get(prefix, ()):
                mode = session.tracking
                assert mode is not None
                own = self.origin(session) if mode.noloop else None
                keys = [key for key, origin in origins.items() if origin != own]
                if keys:
                    self._tell(session, mode, keys)

    def _tell_unless_own(self, session: Session, mode: Mode, key: bytes, origin: bytes) -> None:
        if not (mode.noloop and origin == self.origin(session)):
            self._tell(session, mode, [key])

    def forget_all(self) -> None:
        """Tell everyone to drop all copies."""
        self.keys.clear()
        for session in self.sessions.values():
            assert session.tracking is not None
            self._tell(session, session.tracking, NULL_ARRAY)

    def _tell(self, session: Session, mode: Mode, what: object) -> None:
        target = session
        if mode.redirect:
            found = self.clients.get(mode.redirect) if self.clients is not None else None
            if found is None:
                mode.broken = True
                if session.call.protocol == 3:
                    session.link.push_behind_replies(encode(Push([b"tracking-redir-broken", mode.redirect]), 3))
                return
            target = found
        if target.call.protocol == 3:
            target.link.push_behind_replies(encode(Push([b"invalidate", what]), 3))
        elif mode.redirect and target.subscriptions:
            target.link.push_behind_replies(encode([b"message", _REDIRECTED, what], 2))
