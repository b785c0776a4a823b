"""Redis' numbered databases over the view: records, deadlines, sizes, order.

A key's record is one value in the keyspace:

    head:1  [deadline ms:8]  [length:4 key]  payload

The low half of `head` is the type, HAS_DEADLINE and LONG_KEY say which optional parts follow. The payload of a string
is the string. Deadlines are absolute Unix milliseconds, decided on the leader; a record whose deadline has passed is
treated as absent at once and removed by the active cycle. Each deadline also has an index entry
(`keyspace.expiry_key`), so that the cycle finds what is due without looking at anything else.

A database is a *generation* of keys; which generation each number shows is one record. FLUSHDB gives a number a new
generation and leaves the old one to the purge, SWAPDB exchanges two. Counts live in memory, are written with each batch
that changes them, and are read back when this node begins to lead.

Only the serving leader uses this; everything is synchronous and goes through the view.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from xxhash import xxh3_64_digest, xxh3_128_digest

from elastickv.errors import Fault, KvError
from elastickv.kv.keyspace import EXPIRY, LONG_KEY, META, expiry_key, prefix_end, read_u32, read_u64, redis_prefix, u32, u64
from elastickv.kv.view import View


class RecordType(IntEnum):
    """Redis' own object type numbers; on disk."""

    STRING = 0
    LIST = 1
    SET = 2
    ZSET = 3
    HASH = 4
    STREAM = 6


TYPE_NAMES: Final = {
    RecordType.STRING: b"string",
    RecordType.LIST: b"list",
    RecordType.SET: b"set",
    RecordType.ZSET: b"zset",
    RecordType.HASH: b"hash",
    RecordType.STREAM: b"stream",
}

HAS_DEADLINE: Final = 0x80
LONG_KEY_FLAG: Final = 0x40
_TYPE_MASK: Final = 0x0F

_PREFIX_LENGTH: Final = 5
_HASH_END: Final = _PREFIX_LENGTH + 8
_CATALOG_KEY: Final = META + b"redis"
_SIZE_PREFIX: Final = META + b"redis-size"
_PURGE_PREFIX: Final = META + b"redis-purge"
_SIZE = Struct(">QQ")


@dataclass(slots=True)
class Record:
    """A live key, taken apart."""

    physical: bytes
    type: RecordType
    deadline: int
    """Unix milliseconds; 0 when the key does not expire."""
    payload: bytes


class Databases:
    """All databases of the node, and what they share."""

    def __init__(self, view: View, count: int, rng: random.Random) -> None:
        self.view = view
        self.rng = rng
        self.numbered = [Database(self, number) for number in range(count)]
        self.next_generation = count
        self._beyond: list[int] = []
        """Generations of numbers that a larger --redisDatabases once showed."""
        self.watched: dict[bytes, set[Callable[[], None]]] = {}
        """Physical key (or a database's prefix, for all of it) to what is to be told when it changes (WATCH)."""
        self.dirty: set[Database] = set()
        self.hits = 0
        self.misses = 0
        self.expired = 0
        """Keys removed because their time had come."""

    def load(self) -> None:
        """Read the catalog and the sizes from the view: this node begins to lead, or its proposals were dropped."""
        self.dirty.clear()
        catalog = self.view.get(_CATALOG_KEY)
        if catalog is None:
            generations = list(range(len(self.numbered)))
            self.next_generation = len(self.numbered)
        else:
            words = [read_u32(catalog, at) for at in range(0, len(catalog), 4)]
            self.next_generation, generations = words[0], words[1:]
            while len(generations) < len(self.numbered):
                generations.append(self.next_generation)
                self.next_generation += 1
        self._beyond = generations[len(self.numbered) :]
        for database, generation in zip(self.numbered, generations, strict=False):
            database.show(generation)
        for callbacks in list(self.watched.values()):
            for callback in list(callbacks):
                callback()
        self.watched.clear()

    def save_sizes(self) -> None:
        """Put the counts that changed into the batch; called right before it is proposed."""
        for database in self.dirty:
            self.view.put(_SIZE_PREFIX + u32(database.generation), _SIZE.pack(database.size, database.expiring))
        self.dirty.clear()

    def flush(self, numbers: list[int]) -> None:
        """Empty the named databases. The old generations are purged in the background."""
        for number in numbers:
            database = self.numbered[number]
            if not database.size:
                continue
            self.view.put(_PURGE_PREFIX + u32(database.generation), b"")
            self.view.delete(_SIZE_PREFIX + u32(database.generation))
            self.dirty.discard(database)
            database.touch_all()
            database.show(self.next_generation)
            self.next_generation += 1
        self._save_catalog()

    def swap(self, one: int, other: int) -> None:
        first, second = self.numbered[one], self.numbered[other]
        if one == other:
            return
        self.save_sizes()
        first.touch_all()
        second.touch_all()
        generation = first.generation
        first.show(second.generation)
        second.show(generation)
        # A watched key changes when the other database has it, too.
        first.touch_all()
        second.touch_all()
        self._save_catalog()

    def _save_catalog(self) -> None:
        generations = [database.generation for database in self.numbered] + self._beyond
        self.view.put(_CATALOG_KEY, b"".join(map(u32, [self.next_generation, *generations])))
        self.view.pin()

    def watch(self, physical: bytes, callback: Callable[[], None]) -> None:
        self.watched.setdefault(physical, set()).add(callback)

    def unwatch(self, physical: bytes, callback: Callable[[], None]) -> None:
        callbacks = self.watched.get(physical)
        if callbacks is not None:
            callbacks.discard(callback)
            if not callbacks:
                del self.watched[physical]

    def touched(self, physical: bytes) -> None:
        """A key changed: tell those who watch it."""
        callbacks = self.watched.pop(physical, None)
        if callbacks is not None:
            for callback in callbacks:
                callback()

    # background work of the leader

    def expire_due(self, limit: int) -> int:
        """Remove at most `limit` keys whose deadline has passed; how many were removed."""
        due = []
        for index_key, _ in self.view.scan(EXPIRY, EXPIRY + u64(self.view.now_ms + 1)):
            due.append(index_key)
            if len(due) >= limit:
                break
        by_prefix = {database.prefix: database for database in self.numbered}
        for index_key in due:
            physical = index_key[9:]
            database = by_prefix.get(physical[:_PREFIX_LENGTH])
            self.view.delete(index_key)
            self.view.delete(physical)
            if database is not None:
                database.count(-1, -1)
                self.expired += 1
                if self.watched:
                    self.touched(physical)
        return len(due)

    def purge(self, limit: int) -> int:
        """Remove at most `limit` records of generations that nobody can see any more; how many were removed."""
        for purge_key, _ in self.view.scan(_PURGE_PREFIX, prefix_end(_PURGE_PREFIX)):
            prefix = redis_prefix(read_u32(purge_key, len(_PURGE_PREFIX)))
            seen = 0
            last = b""
            for physical, record in self.view.scan(prefix, prefix_end(prefix)):
                if record[0] & HAS_DEADLINE:
                    self.view.delete(expiry_key(read_u64(record, 1), physical))
                last = physical
                seen += 1
                if seen >= limit:
                    break
            if seen:
                self.view.delete_range(prefix, last + b"\0")
            if seen < limit:
                self.view.delete(purge_key)
            return max(seen, 1)
        return 0


class Database:
    """One numbered database: the keys of its present generation."""

    __slots__ = ("_all", "_get", "_put", "expiring", "generation", "number", "prefix", "size", "view")

    def __init__(self, databases: Databases, number: int) -> None:
        self._all = databases
        self.number = number
        self.view = databases.view
        self._get = databases.view.get
        self._put = databases.view.put
        self.size = 0
        """Number of keys, those included whose deadline has passed but that are still there (DBSIZE in Redis)."""
        self.expiring = 0
        """How many of them have a deadline."""
        self.generation = number
        self.prefix = redis_prefix(number)

    def show(self, generation: int) -> None:
        """From now on this number shows that generation."""
        self.generation = generation
        self.prefix = redis_prefix(generation)
        packed = self.view.get(_SIZE_PREFIX + u32(generation))
        self.size, self.expiring = _SIZE.unpack(packed) if packed else (0, 0)

    def count(self, keys: int, deadlines: int = 0) -> None:
        """The number of keys, or of keys with a deadline, has changed by this much."""
        self.size += keys
        self.expiring += deadlines
        self._all.dirty.add(self)

    # finding

    def physical(self, key: bytes) -> bytes:
        """Where the key's record is."""
        if len(key) <= LONG_KEY:
            return self.prefix + xxh3_64_digest(key) + key
        return self.prefix + xxh3_64_digest(key) + key[: LONG_KEY - 16] + xxh3_128_digest(key)

    def lookup(self, key: bytes) -> Record | None:
        """The key's record unless it is absent or its deadline has passed."""
        physical = self.physical(key)
        raw = self._get(physical)
        if raw is None:
            return None
        record = _parse(physical, raw)
        if record.deadline and record.deadline <= self.view.now_ms:
            return None
        return record

    def string(self, key: bytes) -> bytes | None:
        """The string at `key`; None when there is none. KvError(WRONG_TYPE) for another type. The hot path of GET."""
        raw = self._get(self.prefix + xxh3_64_digest(key) + key if len(key) <= LONG_KEY else self.physical(key))
        if raw is None:
            self._all.misses += 1
            return None
        if raw[0] == 0:
            self._all.hits += 1
            return raw[1:]
        record = _parse(b"", raw)
        if record.deadline and record.deadline <= self.view.now_ms:
            self._all.misses += 1
            return None
        self._all.hits += 1
        if record.type is not RecordType.STRING:
            raise KvError(Fault.WRONG_TYPE)
        return record.payload

    def exists(self, key: bytes) -> bool:
        return self.lookup(key) is not None

    # writing

    def set_string(self, key: bytes, value: bytes, deadline: int = 0) -> None:
        """Set, whatever was there before; `deadline` in Unix milliseconds, 0 for none. The hot path of SET."""
        if len(key) <= LONG_KEY:
            physical = self.prefix + xxh3_64_digest(key) + key
            old = self._get(physical)
            if not deadline and (old is None or not old[0] & HAS_DEADLINE):
                if old is None:
                    self.size += 1
                    self._all.dirty.add(self)
                self._put(physical, b"\0" + value)
                if self._all.watched:
                    self._all.touched(physical)
                return
        self.store(key, RecordType.STRING, value, deadline)

    def store(self, key: bytes, type: RecordType, payload: bytes, deadline: int = 0) -> None:
        """Write a record of any type, in place of whatever was there."""
        physical = self.physical(key)
        old = self._get(physical)
        self._account(physical, old, deadline)
        self._put(physical, _build(key, type, payload, deadline))
        if deadline:
            self._put(expiry_key(deadline, physical), b"")
        if self._all.watched:
            self._all.touched(physical)

    def delete(self, key: bytes) -> bool:
        """Remove the key; whether it was there (and its deadline had not passed)."""
        physical = self.physical(key)
        old = self._get(physical)
        if old is None:
            return False
        deadline = read_u64(old, 1) if old[0] & HAS_DEADLINE else 0
        self.view.delete(physical)
        if deadline:
            self.view.delete(expiry_key(deadline, physical))
        self.count(-1, -1 if deadline else 0)
        if self._all.watched:
            self._all.touched(physical)
        return not deadline or deadline > self.view.now_ms

    def set_deadline(self, key: bytes, record: Record, deadline: int) -> None:
        """Give a key that `lookup` found another deadline, or none (0)."""
        self.store(key, record.type, record.payload, deadline)

    def _account(self, physical: bytes, old: bytes | None, deadline: int) -> None:
        """Sizes and expiry index, before a record replaces `old`."""
        if old is None:
            self.count(1, 1 if deadline else 0)
        elif old[0] & HAS_DEADLINE:
            old_deadline = read_u64(old, 1)
            if old_deadline != deadline:
                self.view.delete(expiry_key(old_deadline, physical))
            if not deadline:
                self.count(0, -1)
        elif deadline:
            self.count(0, 1)

    def touch_all(self) -> None:
        """Tell everyone who watches a key of this database that it changed, when the key is there."""
        if self._all.watched:
            for physical in [one for one in self._all.watched if one.startswith(self.prefix)]:
                if self._get(physical) is not None:
                    self._all.touched(physical)

    def watch(self, key: bytes, callback: Callable[[], None]) -> bytes:
        """Call back once when the key changes; returns the name under which `Databases.unwatch` knows it."""
        physical = self.physical(key)
        self._all.watch(physical, callback)
        return physical

    # walking

    def records(self, start_hash: bytes = b"") -> Iterator[tuple[bytes, Record]]:
        """(key, record) of all live keys from a place in the hash order on."""
        now = self.view.now_ms
        for physical, raw in self.view.scan(self.prefix + start_hash, prefix_end(self.prefix)):
            record = _parse(physical, raw)
            if record.deadline and record.deadline <= now:
                continue
            yield _key_of(physical, raw), record

    def walk(self, cursor: int, count: int) -> tuple[int, list[tuple[bytes, Record]]]:
        """One step of SCAN: about `count` keys from `cursor` on, and the next cursor (0: that was the end).

        The cursor is a place in the hash order, so a key that is there during the whole iteration is met whatever else
        is written, on any node. Keys of one hash always come together.
        """
        found: list[tuple[bytes, Record]] = []
        now = self.view.now_ms
        last_hash = b""
        visited = 0
        for physical, raw in self.view.scan(self.prefix + u64(cursor), prefix_end(self.prefix)):
            here = physical[_PREFIX_LENGTH:_HASH_END]
            if visited >= count and here != last_hash:
                return int.from_bytes(here), found
            last_hash = here
            visited += 1
            record = _parse(physical, raw)
            if not record.deadline or record.deadline > now:
                found.append((_key_of(physical, raw), record))
        return 0, found

    def random_key(self) -> bytes | None:
        """A live key, evenly drawn as far as hashes are even; None when there is none."""
        start = u64(self._all.rng.getrandbits(64))
        for key, _ in self.records(start):
            return key
        for key, _ in self.records():
            return key
        return None


def _parse(physical: bytes, raw: bytes) -> Record:
    head = raw[0]
    at = 1
    deadline = 0
    if head & HAS_DEADLINE:
        deadline = read_u64(raw, 1)
        at = 9
    if head & LONG_KEY_FLAG:
        at += 4 + read_u32(raw, at)
    return Record(physical, RecordType(head & _TYPE_MASK), deadline, raw[at:])


def _build(key: bytes, type: RecordType, payload: bytes, deadline: int) -> bytes:
    head = int(type) | (HAS_DEADLINE if deadline else 0)
    parts = [u64(deadline)] if deadline else []
    if len(key) > LONG_KEY:
        head |= LONG_KEY_FLAG
        parts += [u32(len(key)), key]
    return b"".join([bytes((head,)), *parts, payload])


def _key_of(physical: bytes, raw: bytes) -> bytes:
    if not raw[0] & LONG_KEY_FLAG:
        return physical[_HASH_END:]
    at = 9 if raw[0] & HAS_DEADLINE else 1
    return raw[at + 4 : at + 4 + read_u32(raw, at)]
