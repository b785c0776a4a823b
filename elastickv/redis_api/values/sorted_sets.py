"""Sorted sets: members with scores, in one record while they are few, a record per member and a tree when many.

`find` and `read` return a sorted set that is there, `new` an empty one; both kinds have the same methods. Members and
scores go in and out as entries and score keys (`score_keys`), which cost nothing to compare. Whoever changes one calls
`save` in the end; a sorted set without members is deleted by it.

    inline  INLINE <encoding:1> <width:1> <count:2> <lengths> <entries in order>
    split   SPLIT <incarnation:8> <count:8> <encoding:1> <stamp:8> <state of the tree>
            m <hash> <member>  the score key of a member (see `collections.member_key`), beside the nodes of the tree

The encoding is what Redis would use; ours goes by bytes alone, because a record of many members is written anew with
each change.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Final, Protocol

from elastickv.kv.keyspace import ELEMENT, LONG_KEY, prefix_end, u64
from elastickv.redis_api.values.collections import (
    INLINE,
    SPLIT,
    elements,
    member_key,
    member_value,
)
from elastickv.redis_api.values.collections import member_of as member_stored
from elastickv.redis_api.values.counted_tree import CountedTree
from elastickv.redis_api.values.database import Database
from elastickv.redis_api.values.kinds import KINDS, Kind
from elastickv.redis_api.values.records import Record, RecordType
from elastickv.redis_api.values.score_keys import SCORE_BYTES, member_of, score_key, score_of
from elastickv.redis_api.values.tree_nodes import pack_texts, read_texts

LISTPACK: Final = 0
SKIPLIST: Final = 1
ENCODINGS: Final = {LISTPACK: b"listpack", SKIPLIST: b"skiplist"}

INLINE_BYTES: Final = 1024
"""Larger records are split: what a change writes is then small again (`EncodingLimits.inline_bytes` may say less)."""

_INLINE_HEADER: Final = bytes((INLINE,))
_MEMBERS: Final = b"m"
_HEADER: Final = Struct(">B8sQBQ")
"""Layout, incarnation, count (as all split collections begin), encoding, stamp."""


class SortedSet(Protocol):
    """What both layouts offer. Places count from 0, the smallest entry."""

    encoding: int

    def __len__(self) -> int: ...

    def key_of(self, member: bytes) -> bytes | None:
        """The score key of a member; None when it is not there."""
        ...

    def set(self, member: bytes, old: bytes | None, new: bytes) -> None:
        """Give a member the score key `new`; `old` is what `key_of` says, and different."""
        ...

    def drop(self, member: bytes, old: bytes) -> None:
        """Remove a member; `old` is what `key_of` says."""
        ...

    def below(self, bound: bytes) -> int:
        """How many entries are smaller than `bound`."""
        ...

    def slice(self, start: int, stop: int) -> list[bytes]:
        """Entries from place `start` to `stop` (not included); both within the set."""
        ...

    def cut(self, start: int, stop: int) -> list[bytes]:
        """`slice`, and what it returns is removed."""
        ...

    def walk(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """One step of ZSCAN: entries, and the next cursor."""
        ...

    def save(self) -> None:
        """Store what changed; delete the key when nothing is left."""
        ...


class InlineSet:
    """All members are in the key's record, or will be: a new set begins as one."""

    __slots__ = ("_db", "_entries", "_key", "_keys", "_owned", "_record", "encoding")

    def __init__(self, db: Database, key: bytes, record: Record | None) -> None:
        self._db = db
        self._key = key
        self._record = record
        self._entries: list[bytes]
        self._keys: dict[bytes, bytes]
        if record is None:
            self.encoding = LISTPACK
            self._entries, self._keys = [], {}
        else:
            self.encoding = record.raw[record.start + 1]
            self._entries, self._keys = db.databases.decoded.get(record, _decode)
        self._owned = record is None
        """Entries and keys are our own to change, and not the cache's."""

    def __len__(self) -> int:
        return len(self._entries)

    def key_of(self, member: bytes) -> bytes | None:
        return self._keys.get(member)

    def set(self, member: bytes, old: bytes | None, new: bytes) -> None:
        if not self._owned:
            self._own()
        if old is not None:
            del self._entries[bisect_left(self._entries, old + member)]
        insort(self._entries, new + member)
        self._keys[member] = new

    def drop(self, member: bytes, old: bytes) -> None:
        if not self._owned:
            self._own()
        del self._entries[bisect_left(self._entries, old + member)]
        del self._keys[member]

    def _own(self) -> None:
        self._entries = self._entries.copy()
        self._keys = self._keys.copy()
        self._owned = True

    def below(self, bound: bytes) -> int:
        return bisect_left(self._entries, bound)

    def slice(self, start: int, stop: int) -> list[bytes]:
        return self._entries[start:stop]

    def cut(self, start: int, stop: int) -> list[bytes]:
        if not self._owned:
            self._own()
        removed = self._entries[start:stop]
        del self._entries[start:stop]
        for entry in removed:
            del self._keys[entry[SCORE_BYTES:]]
        return removed

    def walk(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        return 0, self._entries.copy()

    def save(self) -> None:
        db, record, entries = self._db, self._record, self._entries
        if not entries:
            if record is not None:
                db.remove(record)
            return
        payload = _packed(db, self.encoding, entries)
        fits = payload is not None
        if payload is None:
            payload = _split(db, self.encoding, entries)
        if record is None:
            physical, raw = db.store(self._key, RecordType.ZSET, payload)
        else:
            physical, raw = record.physical, db.rewrite(record, payload)
        if fits:
            db.databases.decoded.put(physical, raw, (entries, self._keys))


class SplitSet:
    """A record per member, and the order of all in a tree. It stays open for all commands of a batch that change it."""

    __slots__ = (
        "_changed",
        "_count",
        "_db",
        "_incarnation",
        "_looked_at",
        "_members",
        "_record",
        "_tree",
        "_view",
        "deadline",
        "encoding",
    )

    def __init__(self, db: Database, record: Record) -> None:
        self._db = db
        self._view = db.view
        self._record = record
        self.deadline = record.deadline
        self._changed = False
        """The record is not up to date, and the tree is not in the cache."""
        self._looked_at: tuple[bytes | None, bytes] = None, b""
        """The last member that was asked for, and where it is: it is likely to be changed."""
        payload = record.raw[record.start :]
        self._incarnation: bytes
        self._count: int
        self.encoding: int
        _, self._incarnation, self._count, self.encoding, _ = _HEADER.unpack_from(payload)
        self._members = ELEMENT + self._incarnation + _MEMBERS
        cache = db.databases.trees
        tree = cache.get(self._incarnation, payload)
        if tree is None:
            tree = CountedTree(db.view, elements(self._incarnation), payload[_HEADER.size :], cache.loaded, cache.shape)
            cache.put(self._incarnation, payload, tree)
        self._tree = tree

    def __len__(self) -> int:
        return self._count

    def key_of(self, member: bytes) -> bytes | None:
        physical = member_key(self._members, member)
        self._looked_at = member, physical
        stored = self._view.get(physical)
        if stored is None or len(member) <= LONG_KEY:
            return stored
        return stored[-SCORE_BYTES:]

    def _place_of(self, member: bytes) -> bytes:
        looked_at, physical = self._looked_at
        return physical if looked_at is member else member_key(self._members, member)

    def _changes(self) -> None:
        self._db.databases.trees.forget(self._incarnation)
        self._changed = True

    def set(self, member: bytes, old: bytes | None, new: bytes) -> None:
        if not self._changed:
            self._changes()
        self._view.put(self._place_of(member), member_value(member, new))
        if old is None:
            self._tree.add(new + member)
            self._count += 1
        else:
            self._tree.move(old + member, new + member)

    def drop(self, member: bytes, old: bytes) -> None:
        if not self._changed:
            self._changes()
        self._view.delete(self._place_of(member))
        self._count -= 1
        if self._count:
            self._tree.remove(old + member)

    def below(self, bound: bytes) -> int:
        return self._tree.below(bound)

    def slice(self, start: int, stop: int) -> list[bytes]:
        if stop - start == 1:
            if not start:
                return [self._tree.first()]
            if stop == self._count:
                return [self._tree.last()]
        self._db.will_touch(stop - start)
        return self._tree.slice(start, stop)

    def cut(self, start: int, stop: int) -> list[bytes]:
        if stop - start == self._count:
            # The record goes, and with it the elements: nothing needs to be removed one by one.
            self._count = 0
            return self._tree.slice(start, stop)
        if not self._changed:
            self._changes()
        removed = self._tree.cut(start, stop)
        self._count -= len(removed)
        for entry in removed:
            self._view.delete(member_key(self._members, entry[SCORE_BYTES:]))
        return removed

    def walk(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Members of one hash always come together, so whoever is there during the whole iteration is met."""
        prefix = self._members
        hash_start, hash_end = len(prefix), len(prefix) + 8
        found: list[bytes] = []
        last_hash = b""
        for visited, (physical, stored) in enumerate(self._view.scan(prefix + u64(cursor), prefix_end(prefix))):
            here = physical[hash_start:hash_end]
            if visited >= count and here != last_hash:
                return int.from_bytes(here), found
            last_hash = here
            # Without its first byte, the key has the hash where other collections have it.
            member, key = member_stored(physical[1:], stored)
            found.append(key + member)
        return 0, found

    def save(self) -> None:
        if self._count:
            self._db.keep_open(self._record, self)
            return
        self._db.databases.trees.forget(self._incarnation)
        self._db.remove(self._record)

    def written(self) -> bytes:
        """The record, for the view."""
        db, record = self._db, self._record
        payload = _split_payload(db, self._incarnation, self._count, self.encoding, self._tree)
        db.databases.trees.put(self._incarnation, payload, self._tree)
        self._changed = False
        return record.raw[: record.start] + payload


def find(db: Database, key: bytes) -> SortedSet | None:
    """The sorted set at `key`, to be changed. KvError(WRONG_TYPE) for another type."""
    held = db.still_open(key, SplitSet)
    if held is not None:
        return held
    record = db.typed(key, RecordType.ZSET)
    return None if record is None else opened(db, key, record)


def read(db: Database, key: bytes) -> SortedSet | None:
    """`find` for commands that only read."""
    held = db.read_open(key, SplitSet)
    if held is not None:
        return held
    record = db.read_typed(key, RecordType.ZSET)
    return None if record is None else opened(db, key, record)


def new(db: Database, key: bytes) -> SortedSet:
    """An empty sorted set for a key where none is. `save` puts it in place of whatever is there."""
    return InlineSet(db, key, None)


def opened(db: Database, key: bytes, record: Record) -> SortedSet:
    if record.raw[record.start] == INLINE:
        return InlineSet(db, key, record)
    return SplitSet(db, record)


def note_new_member(db: Database, target: SortedSet, member: bytes) -> None:
    """Keep what OBJECT ENCODING says; call after each member that came."""
    if target.encoding == LISTPACK:
        limits = db.databases.limits
        if len(target) > limits.zset_entries or len(member) > limits.zset_value:
            target.encoding = SKIPLIST


def store(db: Database, key: bytes, entries: Sequence[bytes], deadline: int = 0) -> None:
    """A whole sorted set, its entries in order, in place of whatever was there; an empty one only deletes."""
    if not entries:
        db.delete(key)
        return
    limits = db.databases.limits
    longest = max(map(len, entries)) - SCORE_BYTES
    encoding = LISTPACK if len(entries) <= limits.zset_entries and longest <= limits.zset_value else SKIPLIST
    payload = _packed(db, encoding, entries) or _split(db, encoding, entries)
    db.store(key, RecordType.ZSET, payload, deadline)


def _packed(db: Database, encoding: int, entries: Sequence[bytes]) -> bytes | None:
    """The inline payload; None when it would be too large."""
    limit = min(INLINE_BYTES, db.databases.limits.inline_bytes)
    if len(entries) * SCORE_BYTES > limit:
        return None
    payload = b"%b%c%b" % (_INLINE_HEADER, encoding, pack_texts(entries))
    return payload if len(payload) <= limit else None


def _decode(payload: bytes) -> tuple[list[bytes], dict[bytes, bytes]]:
    entries = read_texts(payload, 2)
    return entries, {entry[SCORE_BYTES:]: entry[:SCORE_BYTES] for entry in entries}


def _split(db: Database, encoding: int, entries: Sequence[bytes]) -> bytes:
    """Write members and tree; the payload that goes with them."""
    incarnation = db.databases.new_incarnation()
    prefix = elements(incarnation)
    members = prefix + _MEMBERS
    put = db.view.put
    for entry in entries:
        member = entry[SCORE_BYTES:]
        put(member_key(members, member), member_value(member, entry[:SCORE_BYTES]))
    cache = db.databases.trees
    tree = CountedTree(db.view, prefix, None, cache.loaded, cache.shape)
    tree.fill(entries)
    payload = _split_payload(db, incarnation, len(entries), encoding, tree)
    cache.put(incarnation, payload, tree)
    return payload


def _split_payload(db: Database, incarnation: bytes, count: int, encoding: int, tree: CountedTree) -> bytes:
    return _HEADER.pack(SPLIT, incarnation, count, encoding, db.databases.rng.getrandbits(64)) + tree.state()


def entries_of(pairs: Iterable[tuple[bytes, float]]) -> list[bytes]:
    """Members with scores, as entries in order."""
    return sorted(score_key(score) + member for member, score in pairs)


def _load(db: Database, record: Record) -> list[tuple[bytes, float]]:
    found = opened(db, b"", record)
    return [(member_of(entry), score_of(entry)) for entry in found.slice(0, len(found))]


KINDS[RecordType.ZSET] = Kind(
    encoding=lambda db, record: ENCODINGS[opened(db, b"", record).encoding],
    count=lambda db, record: len(opened(db, b"", record)),
    load=_load,
    save=lambda db, key, value, deadline: store(db, key, entries_of(value), deadline),
)
