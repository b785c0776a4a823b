"""One committed state of the LMDB engine, held still for a reader that takes its time.

It has a read transaction of its own, so it keeps pages from being used again until it is closed: a few at a time, and
not for long. Should the environment be replaced meanwhile, it is dead and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import lmdb

from elastickv.errors import Fault, KvError
from elastickv.storage.lmdb_env import ReadTransaction

Seek = Callable[["lmdb.Cursor[bytes]", bytes], bool]


class LmdbSnapshot:
    """Implements `engine.Snapshot`."""

    def __init__(self, transaction: ReadTransaction, seek: Seek, seek_before: Seek) -> None:
        self._transaction = transaction
        self._seek = seek
        self._seek_before = seek_before

    def get(self, key: bytes) -> bytes | None:
        try:
            return self._transaction.get(key) if key else None
        except lmdb.Error as error:
            raise _dead() from error

    def scan(self, start: bytes, end: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        if end and end <= start:
            return
        try:
            cursor = self._transaction.cursor()
            if reverse:
                if not self._seek_before(cursor, end):
                    return
                for pair in cursor.iterprev():
                    if pair[0] < start:
                        return
                    yield pair
            else:
                if not self._seek(cursor, start):
                    return
                for pair in cursor.iternext():
                    if end and pair[0] >= end:
                        return
                    yield pair
        except lmdb.Error as error:
            raise _dead() from error

    def close(self) -> None:
        self._transaction.abort()


def _dead() -> KvError:
    return KvError(Fault.OVERLOAD, "the database was enlarged or replaced while it was being read; please repeat")
