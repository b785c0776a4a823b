"""Who listens to what, on this node and on the others, and the delivery of a message to all of them.

Every node knows, beside its own subscribers, how many each other node has for each channel, pattern and shard channel
(`Interest`): nodes tell each other when a number changes (`peers`). So a message goes only to nodes that have listeners
for it, PUBLISH answers at once with the number for the whole cluster, and a publisher never waits for anybody.

A message of a command that also wrote, or that ran beside writes (MULTI, scripts, one burst), goes out when they are
committed; see `announcements`. Nothing of this is in the log: a message reaches those who can be reached when it is
sent, at most once, in the order of its publisher.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

from elastickv.redis_api import glob

if TYPE_CHECKING:
    from elastickv.redis_api.session import Session


class Kind(Enum):
    """What can be subscribed to; the value is its name between nodes."""

    CHANNEL = b"c"
    PATTERN = b"p"
    SHARD = b"s"
    TRACKING = b"t"
    """Changes of keys, for clients that keep copies (`tracking`); the one name is empty."""


KINDS: Final = {kind.value: kind for kind in Kind}

Event = tuple[Kind, bytes, bytes]
"""A message: CHANNEL or SHARD, the channel, the payload. TRACKING: a key, and what became of it."""

Counts = dict[Kind, dict[bytes, int]]
"""Subscribers by kind and name; names without any are not there."""


class Route(Protocol):
    """The way to another node."""

    def tell(self, kind: Kind, name: bytes, count: int) -> None:
        """This node now has so many subscribers there."""
        ...

    def send(self, event: Event) -> None: ...


class Nodes(Protocol):
    """The other nodes, as far as subscribing goes (`peers.Peers`)."""

    @property
    def reachable(self) -> bool: ...

    async def informed(self) -> None: ...

    def met(self) -> None: ...


class Tracker(Protocol):
    """Who must hear of changed keys (`tracking.Tracking`)."""

    def take(self, event: Event) -> None: ...

    def flush(self) -> None: ...

    def forget_all(self) -> None: ...


class Interest:
    """What the subscribers of another node listen to."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: Counts = {kind: {} for kind in Kind}

    def note(self, kind: Kind, name: bytes, count: int) -> None:
        if count:
            self.counts[kind][name] = count
        else:
            self.counts[kind].pop(name, None)

    def receivers(self, kind: Kind, channel: bytes) -> int:
        counts = self.counts
        total = counts[kind].get(channel, 0)
        if kind is Kind.CHANNEL:
            for pattern, count in counts[Kind.PATTERN].items():
                if glob.matches(pattern, channel):
                    total += count
        return total


class Subscriptions:
    """What one client listens to, in the order in which it asked."""

    __slots__ = ("names",)

    def __init__(self) -> None:
        self.names: dict[Kind, dict[bytes, None]] = {kind: {} for kind in Kind}

    def __bool__(self) -> bool:
        return any(self.names.values())

    def count(self, kind: Kind) -> int:
        """What a confirmation tells: channels and patterns together, shard channels alone."""
        names = self.names
        if kind is Kind.SHARD:
            return len(names[Kind.SHARD])
        return len(names[Kind.CHANNEL]) + len(names[Kind.PATTERN])


class PubSub:
    """One per node."""

    def __init__(self) -> None:
        self.listeners: dict[Kind, dict[bytes, dict[Session, None]]] = {kind: {} for kind in Kind}
        self.interests: dict[str, Interest] = {}
        """By node ID: what we were told."""
        self.routes: dict[str, Route] = {}
        """By node ID: connections to other nodes that are up."""
        self.sinks: list[Session] = []
        """Connections over which other nodes speak."""
        self.nodes: Nodes | None = None
        """None while the door is closed."""
        self.published = 0
        self.tracking: Tracker | None = None
        self.tracked_changed: Callable[[], None] = lambda: None
        """Is called when somebody in the cluster begins to track keys, or nobody does any more."""
        self._trackers_here = 0

    # subscribing

    def subscribe(self, session: Session, kind: Kind, name: bytes) -> bool:
        """False when it listens there already."""
        names = session.subscriptions.names[kind]
        if name in names:
            return False
        names[name] = None
        listeners = self.listeners[kind].setdefault(name, {})
        listeners[session] = None
        self._tell(kind, name, len(listeners))
        return True

    def unsubscribe(self, session: Session, kind: Kind, name: bytes) -> bool:
        names = session.subscriptions.names[kind]
        if name not in names:
            return False
        del names[name]
        listeners = self.listeners[kind][name]
        del listeners[session]
        if not listeners:
            del self.listeners[kind][name]
        self._tell(kind, name, len(listeners))
        return True

    def forget(self, session: Session) -> None:
        """The client has gone, or RESET."""
        for kind, names in session.subscriptions.names.items():
            for name in list(names):
                self.unsubscribe(session, kind, name)

    def _tell(self, kind: Kind, name: bytes, count: int) -> None:
        for route in self.routes.values():
            route.tell(kind, name, count)

    # publishing

    def receivers(self, kind: Kind, channel: bytes) -> int:
        """How many subscribers of the cluster a message would reach now; one that listens in several ways counts for
        each of them, as in Redis."""
        total = len(self.listeners[kind].get(channel, ()))
        if kind is Kind.CHANNEL:
            total += sum(len(clients) for _, clients in self._matching(channel))
        for node in self.routes:
            interest = self.interests.get(node)
            if interest is not None:
                total += interest.receivers(kind, channel)
        return total

    def publish_all(self, events: Iterable[Event]) -> None:
        """What happened together."""
        for event in events:
            self.publish(event)
        self.settle()

    def settle(self) -> None:
        """What was delivered up to now happened together."""
        if self.tracking is not None:
            self.tracking.flush()

    def publish(self, event: Event) -> None:
        """Deliver here, and send to the nodes that have listeners."""
        self.published += 1
        self.deliver(event)
        kind, channel, _ = event
        if kind is Kind.TRACKING:
            channel = b""
        for node, route in self.routes.items():
            interest = self.interests.get(node)
            if interest is not None and interest.receivers(kind, channel):
                route.send(event)

    def deliver(self, event: Event) -> None:
        """To the subscribers of this node: first by channel, then by pattern, each in order of subscription."""
        kind, channel, message = event
        if kind is Kind.TRACKING:
            if self.tracking is not None:
                self.tracking.take(event)
            return
        clients = self.listeners[kind].get(channel)
        if clients:
            push_all(clients, (b"smessage" if kind is Kind.SHARD else b"message", channel, message))
        if kind is Kind.CHANNEL and self.listeners[Kind.PATTERN]:
            for pattern, clients in self._matching(channel):
                push_all(clients, (b"pmessage", pattern, channel, message))

    def _matching(self, channel: bytes) -> Iterator[tuple[bytes, dict[Session, None]]]:
        for pattern, clients in self.listeners[Kind.PATTERN].items():
            if glob.matches(pattern, channel):
                yield pattern, clients

    # looking

    def counts(self, kind: Kind) -> dict[bytes, int]:
        """Subscribers in the cluster by name."""
        totals = {name: len(clients) for name, clients in self.listeners[kind].items()}
        for interest in self.interests.values():
            for name, count in interest.counts[kind].items():
                totals[name] = totals.get(name, 0) + count
        return totals

    def count(self, kind: Kind, name: bytes) -> int:
        total = len(self.listeners[kind].get(name, ()))
        return total + sum(interest.counts[kind].get(name, 0) for interest in self.interests.values())

    def own(self) -> Iterator[tuple[Kind, bytes, int]]:
        """What another node must be told when it is met."""
        for kind, names in self.listeners.items():
            for name, clients in names.items():
                yield kind, name, len(clients)
        if self._trackers_here:
            yield Kind.TRACKING, b"", self._trackers_here

    # changes of keys

    def listen_to_changes(self, clients: int) -> None:
        """So many clients of this node track keys."""
        if clients != self._trackers_here:
            self._trackers_here = clients
            self._tell(Kind.TRACKING, b"", clients)
            self.tracked_changed()

    @property
    def tracked(self) -> bool:
        """Somebody in the cluster wants to hear of changed keys."""
        return bool(self._trackers_here) or any(one.counts[Kind.TRACKING] for one in self.interests.values())

    def stream_changed(self) -> None:
        """The stream from another node began or broke: word of changes may be missing."""
        if self.tracking is not None:
            self.tracking.forget_all()
        self.tracked_changed()


def push_all(clients: Iterable[Session], words: tuple[bytes, ...]) -> None:
    """The same push to many; it is encoded once, and differs between the protocols in its first byte only."""
    body = b"%d\r\n%b" % (len(words), b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words]))
    arrays, pushes = b"*" + body, b">" + body
    for session in clients:
        session.link.push_out(pushes if session.call.protocol == 3 else arrays)
