"""Consumer groups of streams: who read how far, and what was delivered but not acknowledged (the PEL).

All records lie under the prefix of the stream's incarnation. Groups and consumers have numbers, never used again.

    g <name>                        group     number:4 last delivered:16 entries read:8 pending:8 floor:16
                                              next consumer:4 name
    k <group:4> <name>              consumer  number:4 seen:8 active:8 pending:8 name
    n <group:4> <consumer:4>        name of a consumer
    p <group:4> <ID:16>             pending   consumer:4 delivered:8 deliveries:8
    q <group:4> <consumer:4> <ID>   the same by consumer, empty

So a delivery or an acknowledgement writes two small records whatever is pending. Nothing is pending below `floor`: what
was acknowledged there costs a scan time until it is flushed. Long names are folded in keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice
from struct import Struct
from typing import Final

from elastickv.kv.keyspace import prefix_end, u32
from elastickv.redis_api.values import stream_ids as ids
from elastickv.redis_api.values.streams import Stream

UNKNOWN: Final = -1
"""Entries read, when nobody can tell."""
NEVER: Final = -1
"""When a consumer was active that never was."""
_LONG_NAME: Final = 384
_GROUP = Struct(">I16sqQ16sI")
_CONSUMER = Struct(">IQqQ")
_PENDING = Struct(">IQQ")
_FEW: Final = 1000
"""Up to so many records are removed one by one: a range that is emptied costs every read until it is flushed."""


def _folded(name: bytes) -> bytes:
    """A name in a key: one byte longer than any that is not folded, so the two never meet."""
    if len(name) <= _LONG_NAME:
        return name
    return name[: _LONG_NAME - 15] + blake2b(name, digest_size=16).digest()


class Pending:
    """An entry that was delivered and not acknowledged."""

    __slots__ = ("consumer", "count", "delivered_ms", "id")

    def __init__(self, id: int, consumer: int, delivered_ms: int, count: int) -> None:
        self.id = id
        self.consumer = consumer
        """Number of the consumer."""
        self.delivered_ms = delivered_ms
        self.count = count
        """How often it was delivered."""


class Consumer:
    """Changed in place; stored by `Group.save_consumer`."""

    __slots__ = ("active_ms", "name", "number", "pending", "seen_ms")

    def __init__(self, name: bytes, number: int, seen_ms: int, active_ms: int, pending: int) -> None:
        self.name = name
        self.number = number
        self.seen_ms = seen_ms
        self.active_ms = active_ms
        self.pending = pending


class Group:
    """A consumer group that is open for one command. PEL entries are written at once, the rest by `save`."""

    __slots__ = (
        "_consumers",
        "_next_consumer",
        "_number",
        "_stream",
        "_view",
        "entries_read",
        "floor",
        "last",
        "name",
        "pending",
    )

    def __init__(self, stream: Stream, name: bytes, raw: bytes) -> None:
        self._stream = stream
        self._view = stream.db.view
        self.name = name
        fields = _GROUP.unpack_from(raw)
        self._number, last, self.entries_read, self.pending, floor, self._next_consumer = fields
        self.last = ids.id_of(last)
        self.floor = ids.id_of(floor)
        self._consumers: dict[int, Consumer] = {}
        """Those that were looked at, by number."""

    def save(self) -> None:
        if not self.pending:
            self.floor = self.last
        fixed = _GROUP.pack(
            self._number,
            ids.key_of(self.last),
            self.entries_read,
            self.pending,
            ids.key_of(self.floor),
            self._next_consumer,
        )
        self._view.put(_group_key(self._stream, self.name), fixed + self.name)

    # consumers

    def _consumer_key(self, name: bytes) -> bytes:
        return b"%bk%b%b" % (self._stream.prefix, u32(self._number), _folded(name))

    def _name_key(self, number: int) -> bytes:
        return b"%bn%b%b" % (self._stream.prefix, u32(self._number), u32(number))

    def consumer(self, name: bytes) -> Consumer | None:
        for known in self._consumers.values():
            if known.name == name:
                return known
        raw = self._view.get(self._consumer_key(name))
        return None if raw is None else self._known(raw)

    def _known(self, raw: bytes) -> Consumer:
        number, seen, active, pending = _CONSUMER.unpack_from(raw)
        known = self._consumers.get(number)
        if known is None:
            known = self._consumers[number] = Consumer(raw[_CONSUMER.size :], number, seen, active, pending)
        return known

    def numbered(self, number: int) -> Consumer:
        """The consumer of a pending entry."""
        known = self._consumers.get(number)
        if known is not None:
            return known
        name = self._view.get(self._name_key(number))
        assert name is not None, "a consumer with pending entries is there"
        raw = self._view.get(self._consumer_key(name))
        assert raw is not None, "a consumer's records come and go together"
        return self._known(raw)

    def new_consumer(self, name: bytes, now_ms: int) -> Consumer:
        """The group is to be saved."""
        number = self._next_consumer
        self._next_consumer += 1
        made = self._consumers[number] = Consumer(name, number, now_ms, NEVER, 0)
        self._view.put(self._name_key(number), name)
        self.save_consumer(made)
        return made

    def save_consumer(self, consumer: Consumer) -> None:
        fixed = _CONSUMER.pack(consumer.number, consumer.seen_ms, consumer.active_ms, consumer.pending)
        self._view.put(self._consumer_key(consumer.name), fixed + consumer.name)

    def consumers(self) -> list[Consumer]:
        """All, by name."""
        prefix = b"%bk%b" % (self._stream.prefix, u32(self._number))
        found = [self._known(raw) for _, raw in self._view.scan(prefix, prefix_end(prefix))]
        return sorted(found, key=lambda one: one.name)

    def delete_consumer(self, consumer: Consumer) -> None:
        for id in list(self.pending_ids(consumer, 0, ids.LAST)):
            self._view.delete(self._pending_key(id))
            self._view.delete(self._owned_key(consumer.number, id))
        self.pending -= consumer.pending
        self._view.delete(self._consumer_key(consumer.name))
        self._view.delete(self._name_key(consumer.number))
        self._consumers.pop(consumer.number, None)

    # pending entries

    def _pending_key(self, id: int) -> bytes:
        return b"%bp%b%b" % (self._stream.prefix, u32(self._number), id.to_bytes(16))

    def _owned_key(self, consumer: int, id: int) -> bytes:
        return b"%bq%b%b%b" % (self._stream.prefix, u32(self._number), u32(consumer), id.to_bytes(16))

    def find(self, id: int) -> Pending | None:
        raw = self._view.get(self._pending_key(id))
        return None if raw is None else Pending(id, *_PENDING.unpack(raw))

    def put(self, pending: Pending) -> None:
        """Store what was changed but the consumer."""
        self._view.put(
            self._pending_key(pending.id), _PENDING.pack(pending.consumer, pending.delivered_ms, pending.count)
        )

    def deliver(self, consumer: Consumer, id: int, now_ms: int) -> None:
        """An entry goes to a consumer; whoever had it before, has it no more."""
        pending = self.find(id)
        if pending is None:
            self.add(consumer, Pending(id, consumer.number, now_ms, 1))
            return
        pending.delivered_ms, pending.count = now_ms, 1
        self.give(pending, consumer)

    def add(self, consumer: Consumer, pending: Pending) -> None:
        self.put(pending)
        self._view.put(self._owned_key(consumer.number, pending.id), b"")
        self.pending += 1
        consumer.pending += 1
        self.floor = min(self.floor, pending.id)

    def give(self, pending: Pending, consumer: Consumer) -> None:
        """To another consumer, or to the same; store the rest too."""
        if pending.consumer != consumer.number:
            before = self.numbered(pending.consumer)
            before.pending -= 1
            self._view.delete(self._owned_key(before.number, pending.id))
            self.save_consumer(before)
            consumer.pending += 1
            self._view.put(self._owned_key(consumer.number, pending.id), b"")
            pending.consumer = consumer.number
        self.put(pending)

    def settle(self, pending: Pending) -> Consumer:
        """It is acknowledged, or its entry has gone. The consumer that had it is to be saved."""
        consumer = self.numbered(pending.consumer)
        self._view.delete(self._pending_key(pending.id))
        self._view.delete(self._owned_key(consumer.number, pending.id))
        self.pending -= 1
        consumer.pending -= 1
        return consumer

    def all_pending(self, start: int, end: int, *, reverse: bool = False) -> Iterator[Pending]:
        start = max(start, self.floor)
        if not self.pending or start > end:
            return
        low, high = self._pending_key(start), self._pending_key(end) + b"\0"
        for key, raw in self._view.scan(low, high, reverse=reverse):
            yield Pending(ids.id_of(key[-16:]), *_PENDING.unpack(raw))

    def pending_ids(self, consumer: Consumer, start: int, end: int) -> Iterator[int]:
        start = max(start, self.floor)
        if not consumer.pending or start > end:
            return
        low, high = self._owned_key(consumer.number, start), self._owned_key(consumer.number, end) + b"\0"
        for key, _ in self._view.scan(low, high):
            yield ids.id_of(key[-16:])

    def destroy(self) -> None:
        """Remove all records of the group. The stream is to be saved."""
        for mark in (b"k", b"n", b"p", b"q"):
            prefix = b"%b%b%b" % (self._stream.prefix, mark, u32(self._number))
            end = prefix_end(prefix)
            keys = [key for key, _ in islice(self._view.scan(prefix, end), _FEW + 1)]
            if len(keys) > _FEW:
                self._view.delete_range(prefix, end)
            else:
                for key in keys:
                    self._view.delete(key)
        self._view.delete(_group_key(self._stream, self.name))
        self._stream.groups -= 1


def _group_key(stream: Stream, name: bytes) -> bytes:
    return b"%bg%b" % (stream.prefix, _folded(name))


def find_group(stream: Stream, name: bytes) -> Group | None:
    if not stream.groups:
        return None
    raw = stream.db.view.get(_group_key(stream, name))
    return None if raw is None else Group(stream, name, raw)


def all_groups(stream: Stream) -> list[Group]:
    """By name."""
    if not stream.groups:
        return []
    prefix = stream.prefix + b"g"
    found = [Group(stream, raw[_GROUP.size :], raw) for _, raw in stream.db.view.scan(prefix, prefix_end(prefix))]
    return sorted(found, key=lambda one: one.name)


def new_group(stream: Stream, name: bytes, last: int, entries_read: int) -> Group:
    """Stored; the stream is to be saved."""
    number = stream.next_number
    stream.next_number += 1
    stream.groups += 1
    fixed = _GROUP.pack(number, ids.key_of(last), entries_read, 0, ids.key_of(last), 1)
    made = Group(stream, name, fixed)
    made.save()
    return made
