"""What split sets and split hashes have in common: a record that counts, and a record per member beside it (`members`).

They stay open for all commands of a batch that change them (`Database.keep_open`), so that a hot one's record is taken
apart and written once a batch and not once a command.
"""

from __future__ import annotations

from elastickv.redis_api.values.collections import elements, read_split, split_header
from elastickv.redis_api.values.database import Database
from elastickv.redis_api.values.records import Record


class SplitMembers:
    __slots__ = ("_count", "_db", "_incarnation", "_prefix", "_record", "deadline", "encoding")

    def __init__(self, db: Database, record: Record) -> None:
        self._db = db
        self._record = record
        self.deadline = record.deadline
        self._incarnation, self._count, rest = read_split(record.payload)
        self.encoding = rest[0]
        self._prefix = elements(self._incarnation)

    def __len__(self) -> int:
        return self._count

    def _save(self, count: int, encoding: int) -> None:
        """After each change. The key goes with the last member."""
        self._count = count
        self.encoding = encoding
        if count:
            self._db.keep_open(self._record, self)
        else:
            self._db.remove(self._record)

    def written(self) -> bytes:
        """The record, for the view."""
        record = self._record
        return record.raw[: record.start] + split_header(self._incarnation, self._count, bytes((self.encoding,)))
