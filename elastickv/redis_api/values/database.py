"""One of Redis' numbered databases over the view: keys and their records (`records`), deadlines, order.

Deadlines are absolute Unix milliseconds, decided on the leader; a record whose deadline has passed is treated as absent
at once and removed by the active cycle (`clearing`). Each deadline also has an index entry (`keyspace.expiry_key`):
there is one exactly for each record that has a deadline, and every method here keeps it so.

The elements of a split collection (`collections`) lie apart from its record. Whatever takes such a record away (DEL, a
write over it, its deadline, the purge of its generation) leaves one drop record behind. RENAME, MOVE and deadlines
touch the record only. What all databases share is in `databases`.

Only the serving leader uses this; everything is synchronous and goes through the view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from itertools import chain, islice
from struct import Struct
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from xxhash import xxh3_64_digest

from elastickv.errors import Fault, KvError
from elastickv.kv.keyspace import (
    LONG_KEY,
    META,
    expiry_key,
    prefix_end,
    read_u64,
    redis_prefix,
    u32,
    u64,
)
from elastickv.kv.view import Unwritten
from elastickv.redis_api.arguments import INT64_MAX, INT64_MIN, integer
from elastickv.redis_api.errors import OVERFLOW
from elastickv.redis_api.values import events
from elastickv.redis_api.values.collections import (
    SPLIT,
    elements,
    incarnation_of,
)
from elastickv.redis_api.values.records import (
    EDITED,
    HAS_DEADLINE,
    PLAIN,
    PREFIX_LENGTH,
    Data,
    Record,
    RecordType,
    build,
    key_of,
    parse,
)

if TYPE_CHECKING:
    from elastickv.redis_api.values.databases import Databases

_RANDOM_SAMPLE: Final = 16
_HASH_END: Final = PREFIX_LENGTH + 8
SIZE_PREFIX: Final = META + b"redis-size"
SIZE = Struct(">QQ")
"""Keys, and those with a deadline."""

MANY: Final = 4096
"""Elements; looking at as many takes a few milliseconds."""


class OpenCollection(Unwritten, Protocol):
    """A collection that stays open for all commands of a batch that change it (`Database.keep_open`)."""

    deadline: int


Kept = TypeVar("Kept", bound=OpenCollection)


class TooMany(Exception):
    """A command is about to look at more than MANY elements, and can do so in steps (`long_reads`)."""


def _sum(text: bytes, step: int) -> int:
    number = integer(text) + step
    if not INT64_MIN <= number <= INT64_MAX:
        raise OVERFLOW
    return number


class Database:
    """One numbered database: the keys of its present generation."""

    __slots__ = (
        "_all",
        "_asked_for",
        "_found_at",
        "_get",
        "_put",
        "expiring",
        "generation",
        "number",
        "prefix",
        "size",
        "view",
    )

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
        self._asked_for: bytes | None = None
        """The key that `still_open` was asked for last, and where its record is: a hot one is asked for again and
        again."""
        self._found_at = b""

    @property
    def databases(self) -> Databases:
        """What all databases share."""
        return self._all

    def show(self, generation: int) -> None:
        """From now on this number shows that generation."""
        self.generation = generation
        self.prefix = redis_prefix(generation)
        self._asked_for = None
        packed = self.view.get(SIZE_PREFIX + u32(generation))
        self.size, self.expiring = SIZE.unpack(packed) if packed else (0, 0)

    def count(self, keys: int, deadlines: int = 0) -> None:
        """The number of keys, or of keys with a deadline, has changed by this much."""
        self.size += keys
        self.expiring += deadlines
        self._all.dirty.add(self)

    def sizes(self) -> tuple[int, int]:
        """`size` and `expiring` for an answer to a client, which then rests on the batch that changed them last."""
        if self in self._all.dirty:
            self.view.dependency = self.view.forming
        else:
            self._get(SIZE_PREFIX + u32(self.generation))
        return self.size, self.expiring

    # finding

    def physical(self, key: bytes) -> bytes:
        """Where the key's record is.

        A folded key is one byte longer than any that is not, so the two never meet; and its digest is a cryptographic
        one, because for others people can make keys that collide.
        """
        if len(key) <= LONG_KEY:
            return self.prefix + xxh3_64_digest(key) + key
        return self.prefix + xxh3_64_digest(key) + key[: LONG_KEY - 15] + blake2b(key, digest_size=16).digest()

    def lookup(self, key: bytes) -> Record | None:
        """The key's record unless it is absent or its deadline has passed."""
        physical = self.physical(key)
        raw = self._get(physical)
        if raw is None:
            return None
        record = parse(physical, raw)
        if record.deadline and record.deadline <= self.view.now_ms:
            return None
        return record

    def read(self, key: bytes) -> Record | None:
        """`lookup` for commands whose purpose is to read the key: INFO counts it as a hit or a miss."""
        record = self.lookup(key)
        if record is None:
            self._missed(key)
        else:
            self._all.hits += 1
        return record

    def _missed(self, key: bytes) -> None:
        self._all.misses += 1
        if self._all.listener is not None:
            self.notify(events.KEY_MISS, b"keymiss", key)

    def typed(self, key: bytes, type: RecordType) -> Record | None:
        """The key's record when it is of this type. KvError(WRONG_TYPE) for another type."""
        record = self.lookup(key)
        if record is not None and record.type is not type:
            raise KvError(Fault.WRONG_TYPE)
        return record

    def read_typed(self, key: bytes, type: RecordType) -> Record | None:
        """`typed` for commands that only read; counts as `read` does."""
        record = self.read(key)
        if record is not None and record.type is not type:
            raise KvError(Fault.WRONG_TYPE)
        return record

    def string(self, key: bytes) -> bytes | None:
        """The string at `key`; None when there is none. KvError(WRONG_TYPE) for another type. The hot path of GET."""
        raw = self._get(self.prefix + xxh3_64_digest(key) + key if len(key) <= LONG_KEY else self.physical(key))
        if raw is None:
            self._missed(key)
            return None
        if raw[0] in PLAIN:
            self._all.hits += 1
            return raw[1:]
        record = parse(b"", raw)
        if record.deadline and record.deadline <= self.view.now_ms:
            self._missed(key)
            return None
        self._all.hits += 1
        if record.type is not RecordType.STRING:
            raise KvError(Fault.WRONG_TYPE)
        return record.payload

    def string_record(self, key: bytes) -> Record | None:
        """The record of the string at `key`, to be changed. KvError(WRONG_TYPE) for another type."""
        record = self.lookup(key)
        if record is not None and record.type is not RecordType.STRING:
            raise KvError(Fault.WRONG_TYPE)
        return record

    def read_string(self, key: bytes) -> Record | None:
        """`string_record` for commands that only read; counts as `read` does."""
        record = self.read(key)
        if record is not None and record.type is not RecordType.STRING:
            raise KvError(Fault.WRONG_TYPE)
        return record

    def exists(self, key: bytes) -> bool:
        return self.lookup(key) is not None

    # writing

    def set_string(self, key: bytes, value: bytes, deadline: int = 0) -> None:
        """Set, whatever was there before; `deadline` in Unix milliseconds, 0 for none. The hot path of SET."""
        if len(key) <= LONG_KEY and not deadline:
            physical = self.prefix + xxh3_64_digest(key) + key
            old = self._get(physical)
            if old is None or old[0] in PLAIN:
                self.put_plain(physical, key, old, b"\0" + value)
                return
        self.store(key, RecordType.STRING, value, deadline)

    def add_to_string(self, key: bytes, step: int) -> int:
        """Add to the integer at `key`, 0 if there is none; the new one. RedisError when the string is no integer or the
        result has more than 64 bits, KvError(WRONG_TYPE) for another type. The hot path of INCR."""
        if len(key) <= LONG_KEY:
            physical = self.prefix + xxh3_64_digest(key) + key
            old = self._get(physical)
            if old is None or old[0] in PLAIN:
                number = step if old is None else _sum(old[1:], step)
                self.put_plain(physical, key, old, b"\0%d" % number)
                return number
        record = self.string_record(key)
        if record is None:
            self.store(key, RecordType.STRING, b"%d" % step)
            return step
        number = _sum(record.payload, step)
        self.rewrite(record, b"%d" % number)
        return number

    def put_plain(self, physical: bytes, key: bytes, old: bytes | None, raw: bytes) -> None:
        """Write the record of a key that has no deadline and is not folded, where none was or one of the same type with
        no more than that; and if that is a split collection, it keeps its elements."""
        databases = self._all
        if old is None:
            self.size += 1
            databases.dirty.add(self)
            if databases.listener is not None:
                self.notify(events.NEW, b"new", key)
        self._put(physical, raw)
        if databases.watched:
            self.touched(physical)

    def store(
        self, key: bytes, type: RecordType, payload: Data, deadline: int = 0, *, edited: bool = False
    ) -> tuple[bytes, bytes]:
        """Write a record of any type, in place of whatever was there; (where it is, what is stored), for `decoded`."""
        physical = self.physical(key)
        old = self._get(physical)
        raw = build(key, int(type) | (EDITED if edited else 0), payload, deadline)
        if old is None:
            self.count(1, 1 if deadline else 0)
        else:
            self._release(old, raw)
            self._drop_deadline(physical, old, deadline)
        self._put(physical, raw)
        if deadline:
            self._index(expiry_key(deadline, physical))
        self.touched(physical)
        if self._all.listener is not None:
            self._notify_stored(key, old)
        return physical, raw

    def _notify_stored(self, key: bytes, old: bytes | None) -> None:
        if old is not None and old[0] & HAS_DEADLINE and read_u64(old, 1) <= self.view.now_ms:
            self.notify(events.EXPIRED, b"expired", key)
            old = None
        if old is None:
            self.notify(events.NEW, b"new", key)

    def store_record(self, key: bytes, record: Record) -> None:
        """What `lookup` found under another key or in another database, stored here with its deadline.

        The elements of a split collection go with it: `remove` the other key with `keep_elements`.
        """
        self.store(key, record.type, record.view, record.deadline, edited=record.edited)

    def copy_record(self, key: bytes, record: Record) -> None:
        """`store_record`, and the other key keeps its value: elements are copied, in one step that nothing interrupts.

        KvError(TOO_LARGE) when that would take so long that the cluster might look for another leader.
        """
        incarnation = incarnation_of(record.raw)
        if incarnation is None:
            self.store_record(key, record)
            return
        source = elements(incarnation)
        most = self._all.limits.copied_records
        found = list(islice(self.view.scan(source, prefix_end(source)), most + 1))
        if len(found) > most:
            raise KvError(Fault.TOO_LARGE, f"a collection of more than {most} records cannot be copied in one step")
        copy = self._all.new_incarnation()
        target = elements(copy)
        skip = len(source)
        for physical, value in found:
            self._put(target + physical[skip:], value)
        payload = record.payload
        self.store(key, record.type, payload[:1] + copy + payload[1 + len(copy) :], record.deadline)

    def rewrite(self, record: Record, *payload: Data, edited: bool = False) -> bytes:
        """Give a key that `lookup` found another payload, the parts joined; type and deadline stay. Returns what is
        stored now, for `decoded`."""
        raw = record.raw
        head = raw[0] | EDITED if edited else raw[0] & ~EDITED
        new = b"".join((bytes((head,)), memoryview(raw)[1 : record.start], *payload))
        start = record.start
        if (
            record.type is not RecordType.STRING
            and raw[start] == SPLIT
            and new[start : start + 9] != raw[start : start + 9]
        ):
            self._release(raw, new)
        self._put(record.physical, new)
        if self._all.watched:
            self.touched(record.physical)
        return new

    def keep_open(self, record: Record, collection: OpenCollection) -> None:
        """`rewrite` for a split collection that keeps its elements: its header changes, and is written once for all the
        changes of a batch. Until then `still_open` finds the collection."""
        self.view.put_unwritten(record.physical, collection)
        if self._all.watched:
            self.touched(record.physical)

    def still_open(self, key: bytes, kind: type[Kept]) -> Kept | None:
        """What `keep_open` was given for this key in this batch, when it is of that kind and lives; whatever else there
        may be at this key is left to `lookup`."""
        view = self.view
        unwritten = view.forming.unwritten
        if not unwritten:
            return None
        if key != self._asked_for:
            self._asked_for, self._found_at = key, self.physical(key)
        found = unwritten.get(self._found_at)
        if type(found) is not kind or (found.deadline and found.deadline <= view.now_ms):
            return None
        view.dependency = view.forming
        return found

    def read_open(self, key: bytes, kind: type[Kept]) -> Kept | None:
        """`still_open` for commands that only read; counts as `read` does."""
        found = self.still_open(key, kind)
        if found is not None:
            self._all.hits += 1
        return found

    def replace(self, record: Record, payload: bytes) -> bytes:
        """`rewrite` for an inline collection that stays inline. The hot path of HSET and SADD."""
        raw = record.raw[: record.start] + payload
        self._put(record.physical, raw)
        if self._all.watched:
            self.touched(record.physical)
        return raw

    def set_deadline(self, record: Record, deadline: int) -> None:
        """Give a key that `lookup` found another deadline, or none (0)."""
        raw = record.raw
        physical = record.physical
        self._drop_deadline(physical, raw, deadline)
        rest = memoryview(raw)[9 if record.deadline else 1 :]
        if deadline:
            self._put(physical, b"".join((bytes((raw[0] | HAS_DEADLINE,)), u64(deadline), rest)))
            self._index(expiry_key(deadline, physical))
        else:
            self._put(physical, b"".join((bytes((raw[0] & ~HAS_DEADLINE,)), rest)))
        self.touched(physical)

    def delete(self, key: bytes) -> bool:
        """Remove the key; whether it was there (and its deadline had not passed)."""
        physical = self.physical(key)
        old = self._get(physical)
        if old is None:
            return False
        self._release(old)
        deadline = read_u64(old, 1) if old[0] & HAS_DEADLINE else 0
        self._remove(physical, deadline)
        if deadline and deadline <= self.view.now_ms:
            self._all.expired += 1
            self.notify(events.EXPIRED, b"expired", key)
            return False
        return True

    def remove(self, record: Record, *, keep_elements: bool = False) -> None:
        """Remove a key that `lookup` found. `keep_elements`: they belong to another key now (`store_record`)."""
        if not keep_elements:
            self._release(record.raw)
        self._remove(record.physical, record.deadline)

    def _remove(self, physical: bytes, deadline: int) -> None:
        self.view.delete(physical)
        if deadline:
            self.view.delete(expiry_key(deadline, physical))
        self.count(-1, -1 if deadline else 0)
        self.touched(physical)

    def _release(self, old: bytes, new: bytes | None = None) -> None:
        """Drop the elements of a record that goes away, unless the one that replaces it has them."""
        incarnation = incarnation_of(old)
        if incarnation is not None and (new is None or incarnation_of(new) != incarnation):
            self._all.drop(incarnation)

    def _index(self, index_key: bytes) -> None:
        self._put(index_key, b"")
        if index_key < self._all.clearing.due_from:
            self._all.clearing.due_from = index_key

    def _drop_deadline(self, physical: bytes, old: bytes, deadline: int) -> None:
        """Count of deadlines and expiry index, before a record with `deadline` replaces `old`."""
        if old[0] & HAS_DEADLINE:
            old_deadline = read_u64(old, 1)
            if old_deadline != deadline:
                self.view.delete(expiry_key(old_deadline, physical))
            if not deadline:
                self.count(0, -1)
        elif deadline:
            self.count(0, 1)

    def will_touch(self, count: int) -> None:
        """The command is about to look at so many elements. Call before it has done anything else that counts."""
        if count > MANY and self._all.interruptible:
            raise TooMany

    # telling

    def notify(self, event_class: int, event: bytes, key: bytes) -> None:
        """Something happened to a key, for keyspace notifications; `events` has the classes."""
        listener = self._all.listener
        if listener is not None:
            listener(self, event_class, event, key)

    # watching

    def watch_name(self, physical: bytes) -> bytes:
        """How `Databases.watched` knows a key: by number and not by generation, because WATCH is about what a number
        shows and goes on when FLUSHDB or SWAPDB makes it show something else."""
        return u32(self.number) + physical[PREFIX_LENGTH:]

    def watch(self, key: bytes, callback: Callable[[], None]) -> bytes:
        """Call back once when the key changes; returns the name under which `Databases.unwatch` knows it."""
        name = self.watch_name(self.physical(key))
        self._all.watched.setdefault(name, set()).add(callback)
        return name

    def touched(self, physical: bytes) -> None:
        """A key changed: tell those who watch it."""
        watched = self._all.watched
        if watched:
            for callback in watched.pop(self.watch_name(physical), ()):
                callback()

    def touch_all(self) -> None:
        """Tell everyone who watches a key of this database that it changed, when the key is there."""
        number = u32(self.number)
        for name in [one for one in self._all.watched if one.startswith(number)]:
            physical = self.prefix + name[len(number) :]
            if self._get(physical) is not None:
                self.touched(physical)

    # walking

    def records(self, start_hash: bytes = b"") -> Iterator[tuple[bytes, Record]]:
        """(key, record) of all live keys from a place in the hash order on."""
        now = self.view.now_ms
        for physical, raw in self.view.scan(self.prefix + start_hash, prefix_end(self.prefix)):
            record = parse(physical, raw)
            if record.deadline and record.deadline <= now:
                continue
            yield key_of(physical, raw), record

    def walk(self, cursor: int, count: int) -> tuple[int, list[tuple[bytes, Record]]]:
        """One step of SCAN: about `count` keys from `cursor` on, and the next cursor (0: that was the end).

        The cursor is a place in the hash order, so a key that is there during the whole iteration is met whatever else
        is written, on any node. Keys of one hash always come together.
        """
        found: list[tuple[bytes, Record]] = []
        now = self.view.now_ms
        last_hash = b""
        stored = self.view.scan(self.prefix + u64(cursor), prefix_end(self.prefix))
        for visited, (physical, raw) in enumerate(stored):
            here = physical[PREFIX_LENGTH:_HASH_END]
            if visited >= count and here != last_hash:
                return int.from_bytes(here), found
            last_hash = here
            record = parse(physical, raw)
            if not record.deadline or record.deadline > now:
                found.append((key_of(physical, raw), record))
        return 0, found

    def random_key(self) -> bytes | None:
        """A live key; None when there is none.

        Drawn from a few neighbours of a random place, because the key behind a wide gap would otherwise come up too
        often; in a database of no more keys than that, all are equally likely.
        """
        rng = self._all.rng
        start = u64(rng.getrandbits(64))
        around = chain(self.records(start), self.records())
        sample = list(dict.fromkeys(key for key, _ in islice(around, _RANDOM_SAMPLE)))
        return rng.choice(sample) if sample else None
