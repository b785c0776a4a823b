"""Sets: members in one record while that is small, a record per member when the set is large.

`find` and `read` return a set that is there, in one of two classes with the same methods; `create` makes one. A set
whose last member goes is deleted with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, cast

from elastickv.redis_api.arguments import string_to_integer
from elastickv.redis_api.replies import CachedMembers
from elastickv.redis_api.values import members
from elastickv.redis_api.values.collections import (
    ENCODINGS,
    HASHTABLE,
    INLINE,
    INTSET,
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
from elastickv.redis_api.values.records import Record, RecordType
from elastickv.redis_api.values.split_members import SplitMembers, members_header

_INTSET_BOUND: Final = 1 << 30
"""Redis' own, whatever the limits say."""


class Held(dict[bytes, bytes]):
    """The members of a small set in their order, each as it stands in the payload. Never changed in place once it is
    in the cache."""

    __slots__ = ("_listed",)

    def __init__(self, members: dict[bytes, bytes]) -> None:
        super().__init__(members)
        self._listed: CachedMembers | None = None

    def listed(self) -> CachedMembers:
        """As a reply, which is shared as well."""
        listed = self._listed
        if listed is None:
            listed = self._listed = CachedMembers(self)
        return listed


def hold(members: Iterable[bytes]) -> Held:
    """LONGEST_ITEM bounds the members."""
    return Held({member: packed_item(member) for member in members})


class InlineSet:
    """All members are in the key's record."""

    __slots__ = ("_db", "_record", "encoding", "held")

    def __init__(self, db: Database, record: Record) -> None:
        self._db = db
        self._record = record
        self.encoding = encoding_of(record)
        self.held = db.databases.decoded.get(record, _decode)

    def __len__(self) -> int:
        return len(self.held)

    def __contains__(self, member: bytes) -> bool:
        return member in self.held

    def members(self) -> Iterable[bytes]:
        return self.held

    def all(self) -> CachedMembers:
        return self.held.listed()

    def add(self, wanted: Sequence[bytes]) -> int:
        """Add members; how many are new."""
        held = self.held
        limits = self._db.databases.limits
        if len(wanted) == 1:
            new = [] if wanted[0] in held else wanted
        else:
            new = [member for member in dict.fromkeys(wanted) if member not in held]
        encoding = presized(limits, self.encoding, len(wanted))
        if new:
            encoding = grown(limits, encoding, len(held), new, held)
        if not new and encoding == self.encoding:
            return 0
        if max(map(len, new), default=0) <= min(limits.inline_bytes, LONGEST_ITEM):
            changed = Held(held)
            for member in new:
                changed[member] = packed_item(member)
            if self._write(changed, encoding):
                return len(new)
        self._db.rewrite(self._record, _split(self._db, [*held, *new], encoding))
        return len(new)

    def remove(self, unwanted: Sequence[bytes]) -> int:
        """Remove members; how many were there. The key goes with the last one."""
        held = self.held
        if not any(member in held for member in unwanted):
            return 0
        changed = Held(held)
        for member in unwanted:
            changed.pop(member, None)
        if changed:
            self._write(changed, self.encoding)
        else:
            self._db.remove(self._record)
        return len(held) - len(changed)

    def _write(self, held: Held, encoding: int) -> bool:
        """False: it would be too large."""
        held = in_order(held, encoding)
        payload = pack(encoding, held.values())
        databases = self._db.databases
        if len(payload) > max(databases.limits.inline_bytes, self._record.length):
            return False
        databases.decoded.put(self._record.physical, self._db.replace(self._record, payload), held)
        return True

    def walk(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """A step of SSCAN: everything at once, as Redis does with small sets."""
        return 0, list(self.held)

    def draw(self) -> bytes:
        return cast(bytes, self._db.databases.rng.choice(self.held.listed()))

    def pop(self) -> bytes:
        """Remove a random member."""
        member = self.draw()
        self.remove([member])
        return member

    def draw_distinct(self, wanted: int) -> list[bytes]:
        listed = cast(list[bytes], self.held.listed())
        return list(listed) if wanted >= len(listed) else self._db.databases.rng.sample(listed, wanted)

    def draw_many(self, wanted: int) -> list[bytes]:
        return self._db.databases.rng.choices(cast(list[bytes], self.held.listed()), k=wanted)


class SplitSet(SplitMembers):
    """The key's record only says how many members there are."""

    __slots__ = ()

    def __contains__(self, member: bytes) -> bool:
        return members.get(self._db.view, self._prefix, member) is not None

    def members(self) -> Iterator[bytes]:
        self._db.will_touch(self._count)
        return (member for member, _ in members.items(self._db.view, self._prefix))

    def all(self) -> CachedMembers:
        return self._whole(
            lambda: CachedMembers(self.members()), lambda found: sum(len(cast(bytes, one)) for one in found)
        )

    def add(self, wanted: Sequence[bytes]) -> int:
        view, prefix = self._db.view, self._prefix
        if len(wanted) == 1 and self.encoding == HASHTABLE:
            # The usual case.
            member = wanted[0]
            physical = member_key(prefix, member)
            if view.get(physical) is not None:
                return 0
            view.put(physical, member_value(member, b""))
            self._db.databases.reservoirs.came(prefix, member)
            self._save(self._count + 1, HASHTABLE)
            return 1
        distinct = wanted if len(wanted) == 1 else dict.fromkeys(wanted)
        new = [member for member in distinct if members.get(view, prefix, member) is None]
        encoding = self.encoding
        if encoding != HASHTABLE:
            encoding = presized(self._db.databases.limits, encoding, len(wanted))
            if new:
                encoding = grown(self._db.databases.limits, encoding, self._count, new, self.members())
        came = self._db.databases.reservoirs.came
        for member in new:
            members.put(view, prefix, member, b"")
            came(prefix, member)
        if new or encoding != self.encoding:
            self._save(self._count + len(new), encoding)
        return len(new)

    def remove(self, unwanted: Sequence[bytes]) -> int:
        view, prefix = self._db.view, self._prefix
        went = self._db.databases.reservoirs.went
        removed = 0
        for member in unwanted:
            if members.delete(view, prefix, member):
                went(prefix, member)
                removed += 1
        if removed:
            self._save(self._count - removed, self.encoding)
        return removed

    def walk(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        following, found = members.walk(self._db.view, self._prefix, cursor, count)
        return following, [member for member, _ in found]

    def draw(self) -> bytes:
        return members.draw(self._db.view, self._prefix, self._count, self._db.databases.rng)[0]

    def pop(self) -> bytes:
        """Remove a random member."""
        return self.pop_many(1)[0]

    def pop_many(self, times: int) -> list[bytes]:
        """Remove random members one after the other; there must be as many."""
        databases = self._db.databases
        popped = databases.reservoirs.pop(self._db.view, self._prefix, self._count, times, databases.rng)
        self._save(self._count - times, self.encoding)
        return popped

    def draw_distinct(self, wanted: int) -> list[bytes]:
        if wanted >= self._count:
            return list(self.members())
        found = members.draw_distinct(self._db.view, self._prefix, self._count, wanted, self._db.databases.rng)
        return [member for member, _ in found]

    def draw_many(self, wanted: int) -> list[bytes]:
        found = members.draw_many(self._db.view, self._prefix, self._count, wanted, self._db.databases.rng)
        return [member for member, _ in found]


Set = InlineSet | SplitSet


def find(db: Database, key: bytes) -> Set | None:
    """The set at `key`, to be changed. KvError(WRONG_TYPE) for another type."""
    held = db.still_open(key, SplitSet)
    if held is not None:
        return held
    record = db.typed(key, RecordType.SET)
    return None if record is None else opened(db, record)


def read(db: Database, key: bytes) -> Set | None:
    """`find` for commands that only read."""
    held = db.read_open(key, SplitSet)
    if held is not None:
        return held
    record = db.read_typed(key, RecordType.SET)
    return None if record is None else opened(db, record)


def opened(db: Database, record: Record) -> Set:
    return InlineSet(db, record) if record.raw[record.start] == INLINE else SplitSet(db, record)


def create(db: Database, key: bytes, wanted: Sequence[bytes], deadline: int = 0) -> int:
    """Store a set of at least one member in place of whatever was there, as SADD makes it; how many members it has."""
    distinct = list(dict.fromkeys(wanted))
    limits = db.databases.limits
    if string_to_integer(wanted[0]) is not None and len(wanted) <= limits.set_intset_entries:
        encoding = INTSET
    elif len(wanted) <= limits.set_entries:
        encoding = LISTPACK
    else:
        encoding = HASHTABLE
    store(db, key, distinct, grown(limits, encoding, 0, distinct, ()), deadline)
    return len(distinct)


def store(db: Database, key: bytes, distinct: Sequence[bytes], encoding: int, deadline: int = 0) -> None:
    """Store a set of at least one member with that encoding, in place of whatever was there."""
    databases = db.databases
    most = min(databases.limits.inline_bytes, LONGEST_ITEM)
    if sum(map(len, distinct)) <= most:
        held = in_order(hold(distinct), encoding)
        payload = pack(encoding, held.values())
        if len(payload) <= most:
            physical, raw = db.store(key, RecordType.SET, payload, deadline)
            databases.decoded.put(physical, raw, held)
            return
    db.store(key, RecordType.SET, _split(db, distinct, encoding), deadline)


def in_order(held: Held, encoding: int) -> Held:
    """In Redis an intset is in order, and people see that."""
    if encoding != INTSET:
        return held
    numbers = list(map(int, held))
    if all(one < other for one, other in pairwise(numbers)):
        return held
    return Held({member: held[member] for member in sorted(held, key=int)})


def presized(limits: EncodingLimits, encoding: int, count: int) -> int:
    """Redis counts the arguments before it looks at them, and gives up a compact form that might not do."""
    if (encoding == LISTPACK and count > limits.set_entries) or (
        encoding == INTSET and count > limits.set_intset_entries
    ):
        return HASHTABLE
    return encoding


def grown(limits: EncodingLimits, encoding: int, count: int, new: Sequence[bytes], old: Iterable[bytes]) -> int:
    """What Redis makes of a set of `count` members (`old`) after `new` ones went in one by one."""
    at = 0
    if encoding == INTSET:
        most = min(limits.set_intset_entries, _INTSET_BOUND)
        for at, member in enumerate(new):
            if string_to_integer(member) is None:
                longest = max(map(len, (*old, *new[:at])), default=0)
                fits = count + at < limits.set_entries and max(longest, len(member)) <= limits.set_value
                if not fits:
                    return HASHTABLE
                encoding = LISTPACK
                break
            if count + at + 1 > most:
                return HASHTABLE
    if encoding == LISTPACK:
        rest = new[at:]
        if count + len(new) > limits.set_entries or max(map(len, rest)) > limits.set_value:
            return HASHTABLE
    return encoding


def loaded(limits: EncodingLimits, held: Sequence[bytes]) -> int:
    """The encoding that Redis gives a set that it reads from a payload."""
    if len(held) > min(limits.set_intset_entries, _INTSET_BOUND):
        return HASHTABLE
    return grown(limits, INTSET, 0, held, ())


def _decode(payload: bytes) -> Held:
    return hold(unpack(payload))


def _split(db: Database, distinct: Iterable[bytes], encoding: int) -> bytes:
    """Write the members as elements; the payload that goes with them."""
    incarnation = db.databases.new_incarnation()
    prefix = elements(incarnation)
    count = 0
    for member in distinct:
        members.put(db.view, prefix, member, b"")
        count += 1
    return members_header(db, incarnation, count, encoding)


def _save(db: Database, key: bytes, distinct: Sequence[bytes], deadline: int) -> None:
    if distinct:
        store(db, key, distinct, loaded(db.databases.limits, distinct), deadline)
    else:
        db.delete(key)


KINDS[RecordType.SET] = Kind(
    encoding=lambda _, record: ENCODINGS[encoding_of(record)],
    count=lambda db, record: len(opened(db, record)),
    load=lambda db, record: list(opened(db, record).members()),
    save=_save,
)
