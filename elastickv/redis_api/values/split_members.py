"""What split sets and split hashes have in common: a record that counts, and a record per member beside it (`members`).

They stay open for all commands of a batch that change them (`Database.keep_open`), so that a hot one's record is taken
apart and written once a batch and not once a command.

    record    SPLIT incarnation:8 count:8 encoding:1 stamp:8

The stamp is new and random with every change, also when a member only gets another value. So whatever was made of all
members holds as long as the record is the same, and is kept for those that are read whole again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Final, TypeVar

from elastickv.kv.keyspace import u64
from elastickv.redis_api.values.collections import elements, read_split, split_header
from elastickv.redis_api.values.database import Database
from elastickv.redis_api.values.records import Record

_MOST_KEPT: Final = 512
"""Larger ones are not kept whole."""
_STAMPED: Final = 9
"""Bytes behind the count, if there is a stamp."""

Whole = TypeVar("Whole", bound=Sized)


def members_header(db: Database, incarnation: bytes, count: int, encoding: int) -> bytes:
    """The payload of the record."""
    stamp = db.databases.rng.getrandbits(64)
    return split_header(incarnation, count, bytes((encoding,)) + u64(stamp))


class SplitMembers:
    __slots__ = ("_changed", "_count", "_db", "_incarnation", "_prefix", "_record", "_stamped", "deadline", "encoding")

    def __init__(self, db: Database, record: Record) -> None:
        self._db = db
        self._record = record
        self.deadline = record.deadline
        self._incarnation, self._count, rest = read_split(record.payload)
        self.encoding = rest[0]
        self._stamped = len(rest) == _STAMPED
        self._changed = False
        self._prefix = elements(self._incarnation)

    def __len__(self) -> int:
        return self._count

    def _save(self, count: int, encoding: int) -> None:
        """After each change. The key goes with the last member."""
        self._count = count
        self.encoding = encoding
        self._changed = True
        if count:
            self._db.keep_open(self._record, self)
        else:
            self._db.remove(self._record)

    def written(self) -> bytes:
        """The record, for the view."""
        record = self._record
        payload = members_header(self._db, self._incarnation, self._count, self.encoding)
        return record.raw[: record.start] + payload

    def _whole(self, make: Callable[[], Whole], size_of: Callable[[Whole], int]) -> Whole:
        """What `make` makes of all members, which is not changed afterwards; `size_of` says how many bytes it has."""
        self._db.will_touch(self._count)
        if self._changed or not self._stamped or self._count > _MOST_KEPT:
            return make()
        decoded = self._db.databases.decoded
        found: Whole | None = decoded.known(self._record)
        if found is None:
            found = make()
            decoded.put(self._record.physical, self._record.raw, found, size_of(found))
        return found
