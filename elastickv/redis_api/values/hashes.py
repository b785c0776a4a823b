"""Hashes: fields and values, in one record while that is small, a record per field when it is large.

`find` and `read` return a hash that is there, in one of two classes with the same methods; `create` makes one. A hash
whose last field goes is deleted with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from elastickv.redis_api.replies import CachedMap
from elastickv.redis_api.values import members
from elastickv.redis_api.values.collections import (
    ENCODINGS,
    HASHTABLE,
    INLINE,
    LISTPACK,
    LONGEST_ITEM,
    EncodingLimits,
    elements,
    encoding_of,
    member_key,
    member_value,
    pack,
    packed_item,
    unpack,
)
from elastickv.redis_api.values.database import Database
from elastickv.redis_api.values.kinds import KINDS, Kind
from elastickv.redis_api.values.members import Pair
from elastickv.redis_api.values.records import Record, RecordType
from elastickv.redis_api.values.split_members import SplitMembers, members_header


class Fields(CachedMap):
    """The fields of a small hash in their order. Never changed in place once it is in the cache, because it is shared
    with replies that have not been sent."""

    __slots__ = ("_packed",)

    def __init__(self, items: Iterable[Pair] | Mapping[bytes, bytes] = ()) -> None:
        super().__init__(items)
        self._packed: dict[bytes, bytes] | None = None

    def packed(self) -> dict[bytes, bytes]:
        """Each field with its value as they stand in the payload; made at the first write and kept up to date then,
        because packing one field anew is much less work than packing all."""
        packed = self._packed
        if packed is None:
            packed = self._packed = {field: _pair(field, value) for field, value in self.items()}
        return packed

    def changed(self) -> Fields:
        """A copy to be changed with `put` and `drop`."""
        copy = Fields(self)
        copy._packed = dict(self.packed())
        return copy

    def put(self, field: bytes, value: bytes) -> None:
        self[field] = value
        self.packed()[field] = _pair(field, value)

    def drop(self, field: bytes) -> bool:
        """Whether it was there."""
        if self.pop(field, None) is None:
            return False
        del self.packed()[field]
        return True


class InlineHash:
    """All fields are in the key's record."""

    __slots__ = ("_db", "_record", "fields")

    def __init__(self, db: Database, record: Record) -> None:
        self._db = db
        self._record = record
        self.fields = db.databases.decoded.get(record, _decode)

    def __len__(self) -> int:
        return len(self.fields)

    def get(self, field: bytes) -> bytes | None:
        return self.fields.get(field)

    def items(self) -> Iterable[Pair]:
        return self.fields.items()

    def all(self) -> CachedMap:
        return self.fields

    def update(self, pairs: Sequence[bytes]) -> int:
        """Set fields from field, value, field, …; how many are new."""
        db, record = self._db, self._record
        databases = db.databases
        limits = databases.limits
        longest = max(map(len, pairs))
        small = longest <= min(limits.inline_bytes, LONGEST_ITEM)
        if small:
            fields = self.fields.changed()
            for at in range(0, len(pairs), 2):
                fields.put(pairs[at], pairs[at + 1])
        else:
            fields = Fields(self.fields)
            fields.update(zip(pairs[::2], pairs[1::2], strict=True))
        added = len(fields) - len(self.fields)
        encoding = encoding_of(record)
        if encoding == LISTPACK and (len(fields) > limits.hash_entries or longest > limits.hash_value):
            encoding = HASHTABLE
        payload = pack(encoding, fields.packed().values()) if small else b""
        if payload and len(payload) <= limits.inline_bytes:
            databases.decoded.put(record.physical, db.replace(record, payload), fields)
        else:
            db.rewrite(record, _split(db, fields.items(), len(fields), encoding))
        return added

    def delete(self, names: Sequence[bytes]) -> int:
        """Remove fields; how many were there. The key goes with the last one."""
        db, record = self._db, self._record
        if not any(name in self.fields for name in names):
            return 0
        fields = self.fields.changed()
        deleted = sum(map(fields.drop, names))
        if fields:
            raw = db.replace(record, pack(encoding_of(record), fields.packed().values()))
            db.databases.decoded.put(record.physical, raw, fields)
        else:
            db.remove(record)
        return deleted

    def walk(self, cursor: int, count: int) -> tuple[int, list[Pair]]:
        """A step of HSCAN: everything at once, as Redis does with small hashes."""
        return 0, list(self.fields.items())

    def draw(self) -> Pair:
        return self._db.databases.rng.choice(list(self.fields.items()))

    def draw_distinct(self, wanted: int) -> list[Pair]:
        pairs = list(self.fields.items())
        if wanted >= len(pairs):
            return pairs
        # Redis keeps the order of a compact hash here.
        places = sorted(self._db.databases.rng.sample(range(len(pairs)), wanted))
        return [pairs[place] for place in places]

    def draw_many(self, wanted: int) -> list[Pair]:
        return self._db.databases.rng.choices(list(self.fields.items()), k=wanted)


class SplitHash(SplitMembers):
    """The key's record only says how many fields there are."""

    __slots__ = ()

    def get(self, field: bytes) -> bytes | None:
        return members.get(self._db.view, self._prefix, field)

    def items(self) -> Iterator[Pair]:
        self._db.will_touch(self._count)
        return members.items(self._db.view, self._prefix)

    def all(self) -> CachedMap:
        return self._whole(
            lambda: CachedMap(self.items()), lambda found: sum(len(one) + len(found[one]) for one in found)
        )

    def update(self, pairs: Sequence[bytes]) -> int:
        view, prefix = self._db.view, self._prefix
        added = 0
        rest = iter(pairs)
        for field, value in zip(rest, rest, strict=True):
            physical = member_key(prefix, field)
            if view.get(physical) is None:
                added += 1
            view.put(physical, member_value(field, value))
        encoding = self.encoding
        if encoding == LISTPACK:
            encoding = _encoding(self._db.databases.limits, pairs, self._count + added)
        self._save(self._count + added, encoding)
        return added

    def delete(self, names: Sequence[bytes]) -> int:
        deleted = sum(members.delete(self._db.view, self._prefix, name) for name in names)
        if deleted:
            self._save(self._count - deleted, self.encoding)
        return deleted

    def walk(self, cursor: int, count: int) -> tuple[int, list[Pair]]:
        return members.walk(self._db.view, self._prefix, cursor, count)

    def draw(self) -> Pair:
        return members.draw(self._db.view, self._prefix, self._count, self._db.databases.rng)

    def draw_distinct(self, wanted: int) -> list[Pair]:
        if wanted >= self._count:
            return list(self.items())
        return members.draw_distinct(self._db.view, self._prefix, self._count, wanted, self._db.databases.rng)

    def draw_many(self, wanted: int) -> list[Pair]:
        return members.draw_many(self._db.view, self._prefix, self._count, wanted, self._db.databases.rng)


Hash = InlineHash | SplitHash


def find(db: Database, key: bytes) -> Hash | None:
    """The hash at `key`, to be changed. KvError(WRONG_TYPE) for another type."""
    held = db.still_open(key, SplitHash)
    if held is not None:
        return held
    record = db.typed(key, RecordType.HASH)
    return None if record is None else opened(db, record)


def read(db: Database, key: bytes) -> Hash | None:
    """`find` for commands that only read."""
    held = db.read_open(key, SplitHash)
    if held is not None:
        return held
    record = db.read_typed(key, RecordType.HASH)
    return None if record is None else opened(db, record)


def opened(db: Database, record: Record) -> Hash:
    return InlineHash(db, record) if record.raw[record.start] == INLINE else SplitHash(db, record)


def create(db: Database, key: bytes, pairs: Sequence[bytes], deadline: int = 0) -> int:
    """Store a hash of field, value, field, … in place of whatever was there; how many fields it has."""
    fields = Fields(zip(pairs[::2], pairs[1::2], strict=True))
    limits = db.databases.limits
    encoding = _encoding(limits, pairs, len(fields))
    if sum(map(len, pairs)) <= min(limits.inline_bytes, LONGEST_ITEM):
        payload = pack(encoding, fields.packed().values())
        if len(payload) <= limits.inline_bytes:
            physical, raw = db.store(key, RecordType.HASH, payload, deadline)
            db.databases.decoded.put(physical, raw, fields)
            return len(fields)
    db.store(key, RecordType.HASH, _split(db, fields.items(), len(fields), encoding), deadline)
    return len(fields)


def _decode(payload: bytes) -> Fields:
    words = unpack(payload)
    return Fields(zip(words[::2], words[1::2], strict=True))


def _pair(field: bytes, value: bytes) -> bytes:
    return packed_item(field) + packed_item(value)


def _split(db: Database, pairs: Iterable[Pair], count: int, encoding: int) -> bytes:
    """Write the fields as elements; the payload that goes with them."""
    incarnation = db.databases.new_incarnation()
    prefix = elements(incarnation)
    for field, value in pairs:
        members.put(db.view, prefix, field, value)
    return members_header(db, incarnation, count, encoding)


def _encoding(limits: EncodingLimits, words: Sequence[bytes], count: int) -> int:
    """What Redis would make of a listpack after these fields and values went in."""
    if count > limits.hash_entries or max(map(len, words)) > limits.hash_value:
        return HASHTABLE
    return LISTPACK


def _save(db: Database, key: bytes, pairs: Sequence[Pair], deadline: int) -> None:
    if pairs:
        create(db, key, [word for pair in pairs for word in pair], deadline)
    else:
        db.delete(key)


KINDS[RecordType.HASH] = Kind(
    encoding=lambda _, record: ENCODINGS[encoding_of(record)],
    count=lambda db, record: len(opened(db, record)),
    load=lambda db, record: list(opened(db, record).items()),
    save=_save,
)

__all__: Final = ["Hash", "InlineHash", "SplitHash", "create", "find", "opened", "read"]
