"""Streams in Redis' serialisation: nodes of listpacks, then counters, then groups.

    19  number of nodes, each: ID of its first entry, listpack; entries, last ID, first ID, greatest deleted ID, added;
        number of groups, each: name, last ID, entries read, pending (ID, delivered, deliveries), consumers
    15  the same without first ID, greatest deleted ID, added and entries read (before Redis 7.0)
    21  the same as 19, and consumers have the time when they were active (Redis 7.2)

A node begins with a master entry, whose ID all others are relative to and whose fields those need not repeat that have
the same ones. We write type 19, which Redis 7.0 and 7.2 read.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from elastickv.redis_api import listpack, rdb
from elastickv.redis_api.rdb import BadFormat, Reader
from elastickv.redis_api.values import stream_ids as ids
from elastickv.redis_api.values.stream_groups import NEVER, UNKNOWN
from elastickv.redis_api.values.stream_values import ConsumerValue, GroupValue, PendingValue, StreamValue
from elastickv.redis_api.values.streams import Entry

Parts = list[bytes | memoryview]

WRITTEN: Final = 19
OLD: Final = 15
NEW: Final = 21
READ: Final = (OLD, WRITTEN, NEW)

_NODE_ENTRIES: Final = 100
_NODE_BYTES: Final = 4096
_DELETED: Final = 1
_SAME_FIELDS: Final = 2
_64_BITS: Final = (1 << 64) - 1


# writing


def write(stream: StreamValue) -> Parts:
    nodes = _nodes(stream.entries)
    parts: Parts = [rdb.length(len(nodes))]
    for node in nodes:
        parts += [*rdb.string(ids.key_of(node[0][0])), *rdb.string(_listpack(node))]
    first = stream.entries[0][0] if stream.entries else 0
    added = len(stream.entries) if stream.added is None else stream.added
    parts += [rdb.length(len(stream.entries)), *_id(stream.last), *_id(first), *_id(stream.max_deleted)]
    parts += [rdb.length(added), rdb.length(len(stream.groups))]
    for group in stream.groups:
        parts += _group(group)
    return parts


def _nodes(entries: Sequence[Entry]) -> list[list[Entry]]:
    nodes: list[list[Entry]] = []
    size = 0
    for entry in entries:
        more = sum(map(len, entry[1]))
        if not nodes or len(nodes[-1]) >= _NODE_ENTRIES or size + more > _NODE_BYTES:
            nodes.append([])
            size = 0
        nodes[-1].append(entry)
        size += more
    return nodes


def _listpack(node: Sequence[Entry]) -> bytes:
    master, words = node[0]
    fields = words[::2]
    items: list[bytes] = [b"%d" % len(node), b"0", b"%d" % len(fields), *fields, b"0"]
    for id, words in node:
        same = words[::2] == fields
        body = words[1::2] if same else [b"%d" % (len(words) // 2), *words]
        relative = [b"%d" % ((id >> 64) - (master >> 64)), b"%d" % _signed((id & _64_BITS) - (master & _64_BITS))]
        items += [b"%d" % (_SAME_FIELDS if same else 0), *relative, *body, b"%d" % (len(body) + 3)]
    return listpack.encode(items)


def _signed(number: int) -> int:
    """In 64 bits."""
    number &= _64_BITS
    return number - (1 << 64) if number >= 1 << 63 else number


def _id(id: int) -> Parts:
    return [rdb.length(id >> 64), rdb.length(id & _64_BITS)]


def _group(group: GroupValue) -> Parts:
    read = UNKNOWN if group.entries_read is None else group.entries_read
    parts: Parts = [*rdb.string(group.name), *_id(group.last), rdb.length(read & _64_BITS)]
    parts.append(rdb.length(len(group.pending)))
    for one in group.pending:
        parts += [ids.key_of(one.id), _time(one.delivered_ms), rdb.length(one.count)]
    parts.append(rdb.length(len(group.consumers)))
    for consumer in group.consumers:
        owned = [one.id for one in group.pending if one.consumer == consumer.name]
        parts += [*rdb.string(consumer.name), _time(consumer.seen_ms), rdb.length(len(owned)), *map(ids.key_of, owned)]
    return parts


def _time(milliseconds: int) -> bytes:
    return milliseconds.to_bytes(8, "little", signed=True)


# reading


class StreamReader:
    """Reads the value of one of the three types."""

    __slots__ = ("_kind",)

    def __init__(self, kind: int) -> None:
        self._kind = kind

    def __call__(self, reader: Reader) -> StreamValue:
        entries: list[Entry] = []
        for _ in range(reader.length()):
            key = reader.string()
            if len(key) != 16:
                raise BadFormat
            entries += _read_node(ids.id_of(key), listpack.decode(reader.string()))
        if any(one[0] >= other[0] for one, other in pairwise(entries)):
            raise BadFormat
        count = reader.length()
        stream = StreamValue(entries, _read_id(reader))
        if self._kind != OLD:
            _read_id(reader)  # of the first entry, which is known
            stream.max_deleted = _read_id(reader)
            stream.added = reader.length()
        if count != len(entries) or (entries and stream.last < entries[-1][0]):
            raise BadFormat
        stream.groups = [self._read_group(reader) for _ in range(reader.length())]
        if len({one.name for one in stream.groups}) != len(stream.groups):
            raise BadFormat
        return stream

    def _read_group(self, reader: Reader) -> GroupValue:
        group = GroupValue(reader.string(), _read_id(reader), None)
        if self._kind != OLD:
            group.entries_read = _signed(reader.length())
        pending: dict[int, PendingValue] = {}
        for _ in range(reader.length()):
            id = ids.id_of(reader.take(16))
            pending[id] = PendingValue(id, b"", _read_time(reader), reader.length())
        owned: set[int] = set()
        for _ in range(reader.length()):
            name, seen = reader.string(), _read_time(reader)
            active = _read_time(reader) if self._kind == NEW else seen
            group.consumers.append(ConsumerValue(name, seen, max(active, NEVER)))
            for _ in range(reader.length()):
                id = ids.id_of(reader.take(16))
                if id not in pending or id in owned:
                    raise BadFormat
                owned.add(id)
                pending[id].consumer = name
        names = {one.name for one in group.consumers}
        if len(names) != len(group.consumers) or len(owned) != len(pending):
            raise BadFormat
        group.pending = [pending[id] for id in sorted(pending)]
        return group


def _read_id(reader: Reader) -> int:
    return reader.length() << 64 | reader.length()


def _read_time(reader: Reader) -> int:
    return int.from_bytes(reader.take(8), "little", signed=True)


def _read_node(master: int, items: Sequence[bytes]) -> list[Entry]:
    """The entries of a node that were not deleted. BadFormat."""
    try:
        return _entries(master, items)
    except (IndexError, ValueError):
        raise BadFormat from None


def _entries(master: int, items: Sequence[bytes]) -> list[Entry]:
    there, deleted, field_count = int(items[0]), int(items[1]), int(items[2])
    if field_count < 0 or items[3 + field_count] != b"0":
        raise BadFormat
    fields = items[3 : 3 + field_count]
    at = 4 + field_count
    entries: list[Entry] = []
    seen = 0
    while at < len(items):
        flags = int(items[at])
        milliseconds = (master >> 64) + int(items[at + 1]) & _64_BITS
        sequence = (master & _64_BITS) + int(items[at + 2]) & _64_BITS
        start = at + 3
        if flags & _SAME_FIELDS:
            at = start + field_count
            words = [word for pair in zip(fields, items[start:at], strict=True) for word in pair]
        else:
            at = start + 1 + 2 * int(items[start])
            words = list(items[start + 1 : at])
        if at < start or int(items[at]) != at - start + 3:
            raise BadFormat
        at += 1
        seen += 1
        if not flags & _DELETED:
            entries.append((milliseconds << 64 | sequence, words))
    if len(entries) != there or seen != there + deleted:
        raise BadFormat
    return entries
