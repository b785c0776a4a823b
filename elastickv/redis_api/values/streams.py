"""Streams: entries in the order of their IDs, a record each.

    record    SPLIT incarnation:8 count:8  last ID:16 greatest deleted ID:16 first ID:16 added:8
              node:4 node entries:4 node bytes:8  first node:4 its entries:4 its last ID:16  groups:4 next number:4
    or        SPLIT incarnation:8 count:8  last ID:16 first ID:16 node bytes:4
              while all that was ever added is there, fills less than a node and has no groups
    entries   e <ID:16>  ->  node:4 number of words:4 their lengths:4 each, words

Redis packs some hundred entries into a node, and `XTRIM ~` removes whole nodes only. So that it removes the same here,
each entry knows the number of the node that it would be in, and what the first node has is kept, so that an XADD which
trims looks at entries only when some are removed. The first ID is kept because entries that were removed in front of it
cost a scan time until they are flushed.

Consumer groups are in `stream_groups`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Final

from elastickv.kv.keyspace import ELEMENT, LONG_KEY, prefix_end
from elastickv.redis_api.values import stream_ids as ids
from elastickv.redis_api.values.collections import SPLIT, EncodingLimits, elements, read_split, split_header
from elastickv.redis_api.values.database import MANY, Database
from elastickv.redis_api.values.records import Record, RecordType

_REST = Struct(">16s16s16sQIIQII16sII")
_YOUNG = Struct(">B8sQQQQQI")
"""The whole payload of a young stream: layout, incarnation, count, halves of the last and of the first ID, bytes."""
_YOUNG_REST = Struct(">16s16sI")
_HALVES = Struct(">QQ")
_OLD = Struct(">8sQQQ32sQIIQII16s8s")
"""A long payload behind its layout, to be given another entry: the last ID in halves, what stays in one piece."""
_TYPE: Final = int(RecordType.STREAM)
_HEAD: Final = bytes((_TYPE,))
_YOUNG_LENGTH: Final = 1 + _YOUNG.size
_OLD_LENGTH: Final = 2 + _OLD.size
_ENTRY_HEAD = Struct(">II")
_PAIR_HEAD = Struct(">IIII")
"""Of an entry with one field."""
_LENGTHS: Final = tuple(Struct(f">{count}I") for count in range(64))
_ENTRY: Final = b"e"

Entry = tuple[int, list[bytes]]
"""ID, fields and values in turn."""


def open_stream(db: Database, key: bytes) -> Stream | None:
    """The stream at `key`, to be changed; None when there is nothing. KvError(WRONG_TYPE) for another type."""
    record = db.typed(key, RecordType.STREAM)
    return None if record is None else Stream(db, key, record)


def read_stream(db: Database, key: bytes) -> Stream | None:
    """`open_stream` for commands that only read."""
    record = db.read_typed(key, RecordType.STREAM)
    return None if record is None else Stream(db, key, record)


def _is_full(limits: EncodingLimits, entries: int, held_bytes: int) -> bool:
    """Whether a node with so many entries takes no other one that brings it to so many bytes."""
    return 0 < limits.stream_node_entries <= entries or 0 < limits.stream_node_bytes <= held_bytes


def add_next(db: Database, key: bytes, words: Sequence[bytes]) -> tuple[int, int] | None:
    """The hot path of XADD with an ID that is made here: an entry behind the others, without opening the stream. The
    halves of its ID; None, with nothing done, when it is not as simple as that."""
    if len(key) > LONG_KEY:
        return None
    physical = db.physical(key)
    view = db.view
    limits = db.databases.limits
    old = view.get(physical)
    size = sum(map(len, words))
    if old is None:
        count = last_ms = last_sequence = 0
        if _is_full(limits, 0, size):
            return None
        incarnation = db.databases.new_incarnation()
    elif len(old) == _YOUNG_LENGTH and old[0] == _TYPE:
        _, incarnation, count, last_ms, last_sequence, first_ms, first_sequence, held = _YOUNG.unpack_from(old, 1)
        size += held
        if last_sequence == ids.SEQUENCE or _is_full(limits, count, size):
            return None
    elif len(old) == _OLD_LENGTH and old[0] == _TYPE:
        return _add_to_old(db, physical, key, old, words)
    else:
        return None
    ms, sequence = (view.now_ms, 0) if view.now_ms > last_ms else (last_ms, last_sequence + 1)
    if old is None:
        first_ms, first_sequence = ms, sequence
    view.put(b"%b%b%b%b" % (ELEMENT, incarnation, _ENTRY, _HALVES.pack(ms, sequence)), _entry(0, words))
    raw = _HEAD + _YOUNG.pack(SPLIT, incarnation, count + 1, ms, sequence, first_ms, first_sequence, size)
    db.put_plain(physical, key, old, raw)
    return ms, sequence


def _add_to_old(
    db: Database, physical: bytes, key: bytes, old: bytes, words: Sequence[bytes]
) -> tuple[int, int] | None:
    """`add_next` for a stream with a long record."""
    incarnation, count, last_ms, last_sequence, start, added, *node, end = _OLD.unpack_from(old, 2)
    if not count or last_sequence == ids.SEQUENCE:
        return None
    number, entries, held, first_number, first_entries, first_last = node
    view = db.view
    limits = db.databases.limits
    ms, sequence = (view.now_ms, 0) if view.now_ms > last_ms else (last_ms, last_sequence + 1)
    id = _HALVES.pack(ms, sequence)
    size = sum(map(len, words))
    if _is_full(limits, entries, held + size):
        number += 1
        entries = held = 0
    if number == first_number:
        first_entries += 1
        first_last = id
    view.put(b"%b%b%b%b" % (ELEMENT, incarnation, _ENTRY, id), _entry(number, words))
    node = [number, entries + 1, held + size, first_number, first_entries, first_last]
    raw = old[:2] + _OLD.pack(incarnation, count + 1, ms, sequence, start, added + 1, *node, end)
    db.put_plain(physical, key, old, raw)
    return ms, sequence


class Stream:
    """A stream that is open for one command. Entries are written at once, the rest by `save`."""

    __slots__ = (
        "_first_node",
        "_first_node_entries",
        "_first_node_last",
        "_node",
        "_node_bytes",
        "_node_entries",
        "_record",
        "added",
        "count",
        "db",
        "first",
        "groups",
        "incarnation",
        "key",
        "last",
        "max_deleted",
        "next_number",
        "prefix",
    )

    def __init__(self, db: Database, key: bytes, record: Record | None) -> None:
        self.db = db
        self.key = key
        self._record = record
        if record is None:
            self.incarnation = db.databases.new_incarnation()
            self.count = self.last = self.max_deleted = self.first = 0
            self.added = 0
            """Entries ever added."""
            self._node = self._node_entries = self._node_bytes = 0
            self._first_node = self._first_node_entries = self._first_node_last = 0
            """Entries that are there, and the last of them."""
            self.groups = 0
            self.next_number = 1
            """For groups, which have numbers in keys."""
        else:
            self.incarnation, self.count, rest = read_split(record.payload)
            if len(rest) == _YOUNG_REST.size:
                self._open_young(rest)
                return
            (
                last,
                deleted,
                first,
                self.added,
                self._node,
                self._node_entries,
                self._node_bytes,
                self._first_node,
                self._first_node_entries,
                first_node_last,
                self.groups,
                self.next_number,
            ) = _REST.unpack(rest)
            self.last, self.max_deleted, self.first = ids.id_of(last), ids.id_of(deleted), ids.id_of(first)
            self._first_node_last = ids.id_of(first_node_last)
        self.prefix = elements(self.incarnation)

    def _open_young(self, rest: bytes) -> None:
        last, first, self._node_bytes = _YOUNG_REST.unpack(rest)
        self.last = self._first_node_last = ids.id_of(last)
        self.first = ids.id_of(first)
        self.max_deleted = 0
        self.added = self._node_entries = self._first_node_entries = self.count
        self._node = self._first_node = self.groups = 0
        self.next_number = 1
        self.prefix = elements(self.incarnation)

    @property
    def _young(self) -> bool:
        return (
            0 < self.count == self.added == self._node_entries == self._first_node_entries
            and self.last == self._first_node_last
            and self.next_number == 1
            and not (self._node or self._first_node or self.max_deleted or self.groups)
        )

    def save(self) -> None:
        if self._young:
            rest = _YOUNG_REST.pack(ids.key_of(self.last), ids.key_of(self.first), self._node_bytes)
        else:
            rest = self._old()
        payload = split_header(self.incarnation, self.count, rest)
        if self._record is None:
            self.db.store(self.key, RecordType.STREAM, payload)
        else:
            self.db.rewrite(self._record, payload)

    def _old(self) -> bytes:
        return _REST.pack(
            ids.key_of(self.last),
            ids.key_of(self.max_deleted),
            ids.key_of(self.first),
            self.added,
            self._node,
            self._node_entries,
            self._node_bytes,
            self._first_node,
            self._first_node_entries,
            ids.key_of(self._first_node_last),
            self.groups,
            self.next_number,
        )

    # entries

    def append(self, id: int, words: Sequence[bytes]) -> None:
        """`id` is greater than `last`."""
        limits = self.db.databases.limits
        size = sum(map(len, words))
        if _is_full(limits, self._node_entries, self._node_bytes + size):
            self._node += 1
            self._node_entries = self._node_bytes = 0
        self._node_entries += 1
        self._node_bytes += size
        self.db.view.put(self._key(id), _entry(self._node, words))
        if not self.count:
            self.first = id
            self._first_node = self._node
        if self._first_node == self._node:
            self._first_node_entries += 1
            self._first_node_last = id
        self.count += 1
        self.added += 1
        self.last = id

    def _key(self, id: int) -> bytes:
        return self.prefix + _ENTRY + id.to_bytes(16)

    def has(self, id: int) -> bool:
        return self.db.view.get(self._key(id)) is not None

    def get(self, id: int) -> list[bytes] | None:
        stored = self.db.view.get(self._key(id))
        return None if stored is None else _words(stored)

    def range(self, start: int, end: int, *, reverse: bool = False) -> Iterator[Entry]:
        """Entries with start <= ID <= end."""
        for number, (id, stored) in enumerate(self._scan(start, end, reverse=reverse)):
            if number == MANY:
                self.db.will_touch(number + 1)
            yield id, _words(stored)

    def _scan(self, start: int, end: int, *, reverse: bool = False) -> Iterator[tuple[int, bytes]]:
        start = max(start, self.first)
        if not self.count or start > end:
            return
        high = prefix_end(self.prefix + _ENTRY) if end >= self.last else self._key(end + 1)
        skip = len(self.prefix) + 1
        for key, stored in self.db.view.scan(self._key(start), high, reverse=reverse):
            yield ids.id_of(key[skip:]), stored

    def last_entry(self) -> int:
        """ID of the last entry that is there; 0 when there is none."""
        return next((id for id, _ in self._scan(0, ids.LAST, reverse=True)), 0)

    def delete(self, id: int) -> bool:
        key = self._key(id)
        if not self.count or self.db.view.get(key) is None:
            return False
        self.db.view.delete(key)
        self.count -= 1
        self.max_deleted = max(self.max_deleted, id)
        if id <= self._first_node_last:
            self._look_at_start(id + 1 if id == self.first else self.first)
        return True

    def _look_at_start(self, start: int) -> None:
        """Entries were removed at the start, or in the first node: find out what is there now, from `start` on."""
        self._first_node_entries = 0
        for id, stored in self._scan(start, ids.LAST):
            node = int.from_bytes(stored[:4])
            if not self._first_node_entries:
                self.first, self._first_node = id, node
            elif node != self._first_node:
                return
            self._first_node_entries += 1
            self._first_node_last = id
        if not self.count:
            # Redis makes a new node for what comes next.
            self.first = self._first_node_last = 0
            self._node += 1
            self._node_entries = self._node_bytes = 0

    # trimming

    def trim(self, *, most: int | None = None, min_id: int = 0, approximate: bool = False, limit: int = 0) -> int:
        """Remove entries from the start until there are `most`, or until the first has at least `min_id`; how many.

        `approximate`: only what fills whole nodes, and not more than `limit` (0: any number).
        """
        if approximate:
            return self._trim_nodes(most, min_id, limit)
        removed = 0
        last = 0
        for id, _ in self._scan(0, ids.LAST):
            if self.count <= most if most is not None else id >= min_id:
                break
            self.db.view.delete(self._key(id))
            self.count -= 1
            removed += 1
            last = id
        if removed:
            self._look_at_start(last + 1)
        return removed

    def _trim_nodes(self, most: int | None, min_id: int, limit: int) -> int:
        removed = 0
        while self.count:
            node = self._first_node_entries
            stays = self.count - node < most if most is not None else self._first_node_last >= min_id
            if stays or (limit and removed + node > limit):
                break
            last = self._first_node_last
            for id, _ in self._scan(0, last):
                self.db.view.delete(self._key(id))
            self.count -= node
            removed += node
            self._look_at_start(last + 1)
        return removed

    def nodes(self) -> int:
        """How many nodes Redis would have, as far as that can be told without reading all entries."""
        return self._node - self._first_node + 1 if self.count else 0

    # what groups have read

    def has_tombstones(self, start: int) -> bool:
        """Something was deleted with XDEL from `start` on."""
        if not self.count or not self.max_deleted or self.first > self.max_deleted:
            return False
        return start <= self.max_deleted

    def distance(self, id: int) -> int:
        """How many entries were ever added up to this one; -1 when nobody can tell (streamEstimateDistance...)."""
        if not self.added:
            return 0
        if not self.count and id <= self.last:
            return self.added
        if id == self.last:
            return self.added
        if id > self.last:
            return -1
        if not self.max_deleted or self.max_deleted < self.first:
            if id < self.first:
                return self.added - self.count
            if id == self.first:
                return self.added - self.count + 1
        return -1


def _entry(node: int, words: Sequence[bytes]) -> bytes:
    count = len(words)
    if count == 2:
        field, value = words
        return b"%b%b%b" % (_PAIR_HEAD.pack(node, 2, len(field), len(value)), field, value)
    lengths = _LENGTHS[count] if count < len(_LENGTHS) else Struct(f">{count}I")
    return b"".join((_ENTRY_HEAD.pack(node, count), lengths.pack(*map(len, words)), *words))


def _words(stored: bytes) -> list[bytes]:
    count = int.from_bytes(stored[4:8])
    lengths = (_LENGTHS[count] if count < len(_LENGTHS) else Struct(f">{count}I")).unpack_from(stored, 8)
    at = 8 + 4 * count
    words = []
    for length in lengths:
        words.append(stored[at : at + length])
        at += length
    return words
