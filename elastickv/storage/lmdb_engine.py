"""The ordered state on LMDB.

Two databases in one environment: the data, and the mark of how far the state has come, committed together with it.

Reads on the loop's thread go through one read transaction that lives until the next `refresh`: a get is one call into
LMDB (0.2 µs) on one unchanging state. `write` runs on a worker's thread and touches none of that.

Should the environment be replaced under the reader (map growth where address space is limited, recovery after
a failed write; see `lmdb_env`), the next call finds its transaction dead and goes on in a new one. It then sees the
newest committed state without a `refresh`; who refreshes before handing in the next batch, as the state machine does,
cannot tell the difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import cast

import lmdb

from elastickv.storage.codec import decode_applied, encode_applied
from elastickv.storage.engine import MAX_KEY_BYTES, Applied, WriteBatch, check_keys
from elastickv.storage.lmdb_env import (
    DATA_FILE,
    MAP_LIMIT_BYTES,
    LmdbEnvironment,
    ReadTransaction,
    WriteTransaction,
)
from elastickv.storage.lmdb_snapshot import LmdbSnapshot

DATA = b"data"
MARK = b"mark"
APPLIED_KEY = b"applied"
PUT_CHUNK = 2048
"""Puts that are sorted at a time. Sorting does not let other threads have the interpreter: 50 000 random keys at once
stopped the loop for 14 ms. LMDB lets them in with every pair."""


class LmdbEngine:
    """Implements `Engine`."""

    def __init__(
        self,
        directory: Path,
        *,
        map_limit_bytes: int = MAP_LIMIT_BYTES,
        first_map_bytes: int | None = None,
    ) -> None:
        self._environment = LmdbEnvironment(
            directory,
            databases=(DATA, MARK),
            map_limit_bytes=map_limit_bytes,
            first_map_bytes=first_map_bytes,
            readahead=False,  # point reads at random: neighbours on disk are not what is asked for next
        )
        try:
            self._applied = self._read_applied()
            self._generation = self._environment.generation
            self._transaction: ReadTransaction = self._environment.begin(DATA)
        except BaseException:
            self._environment.close()
            raise
        self._get = self._transaction.get

    # -- ReadView, loop's thread --------------------------------------------------------------------------------------

    def get(self, key: bytes) -> bytes | None:
        try:
            return self._get(key)
        except lmdb.Error as error:
            if not key:
                return None
            self._refresh_if_dead(error)
            return self.get(key)

    def scan(self, start: bytes, end: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        if end and end <= start:
            return iter(())
        return self._scan_down(start, end) if reverse else self._scan_up(start, end)

    def refresh(self) -> None:
        self._generation = self._environment.generation
        fresh = self._environment.begin(DATA)
        self._transaction.abort()
        self._transaction = fresh
        self._get = fresh.get

    def snapshot(self) -> LmdbSnapshot:
        return LmdbSnapshot(self._environment.begin(DATA), seek, seek_before)

    def _scan_up(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        last: bytes | None = None
        while True:
            transaction = self._transaction
            try:
                cursor = transaction.cursor()
                if not (seek(cursor, start) if last is None else seek_behind(cursor, last)):
                    return
                for pair in cursor.iternext():
                    last = pair[0]
                    if end and last >= end:
                        return
                    yield pair
                    if self._transaction is not transaction:
                        break  # refreshed meanwhile: go on behind `last` on the newer state
                else:
                    return
            except lmdb.Error as error:
                if self._transaction is transaction:
                    self._refresh_if_dead(error)

    def _scan_down(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        bound = end
        while True:
            transaction = self._transaction
            try:
                cursor = transaction.cursor()
                if not seek_before(cursor, bound):
                    return
                for pair in cursor.iterprev():
                    if pair[0] < start:
                        return
                    bound = pair[0]
                    yield pair
                    if self._transaction is not transaction:
                        break
                else:
                    return
            except lmdb.Error as error:
                if self._transaction is transaction:
                    self._refresh_if_dead(error)

    def _refresh_if_dead(self, error: lmdb.Error) -> None:
        """A read has failed: because the environment was replaced, or because there is something wrong with it."""
        if self._generation == self._environment.generation:
            raise self._environment.translated(error, "a read") from error
        self.refresh()

    # -- the worker's side --------------------------------------------------------------------------------------------

    def applied(self) -> Applied:
        return self._applied

    def write(self, batch: WriteBatch) -> None:
        mark = encode_applied(batch.applied)
        check_keys(batch.puts)

        def body(transaction: WriteTransaction) -> None:
            data = self._environment.handle(DATA)
            for start, end in batch.ranges:
                delete_range(transaction, data, start, end)
            put_sorted(transaction, data, batch.puts)
            transaction.put(APPLIED_KEY, mark, db=self._environment.handle(MARK))

        self._environment.transact(body)
        self._applied = batch.applied

    def copy_to(self, directory: Path) -> Applied:
        self._environment.copy_to(directory)
        return read_mark(directory)

    def size_bytes(self) -> int:
        return self._environment.size_bytes()

    def used_bytes(self) -> int:
        transaction = self._environment.begin(DATA)
        try:
            figures = transaction.stat(self._environment.handle(DATA))
        finally:
            transaction.abort()
        return figures["psize"] * (figures["branch_pages"] + figures["leaf_pages"] + figures["overflow_pages"])

    def close(self) -> None:
        self._environment.close()

    def _read_applied(self) -> Applied:
        transaction = self._environment.begin(MARK)
        try:
            mark = transaction.get(APPLIED_KEY)
            return Applied() if mark is None else decode_applied(mark)
        finally:
            transaction.abort()


def read_mark(directory: Path) -> Applied:
    """The mark in a copy that no engine has open. Leaves nothing behind in the directory."""
    with lmdb.Environment(
        str(directory / DATA_FILE),
        subdir=False,
        readonly=True,
        lock=False,
        max_dbs=2,
        map_size=max((directory / DATA_FILE).stat().st_size, 1),
    ) as environment:
        try:
            database = environment.open_db(MARK, create=False)
        except lmdb.NotFoundError:
            return Applied()
        with environment.begin(db=database) as transaction:
            mark = transaction.get(APPLIED_KEY)
            return Applied() if mark is None else decode_applied(mark)


# -- moving a cursor: keys of any length, though LMDB itself takes only 1 to 511 bytes --------------------------------


def seek(cursor: lmdb.Cursor[bytes], key: bytes) -> bool:
    """To the first pair whose key is >= `key`."""
    if not key:
        return cursor.first()
    if len(key) <= MAX_KEY_BYTES:
        return cursor.set_range(key)
    return seek_behind(cursor, key[:MAX_KEY_BYTES])


def seek_behind(cursor: lmdb.Cursor[bytes], key: bytes) -> bool:
    """To the first pair whose key is > `key`, a key of legal length."""
    if not cursor.set_range(key):
        return False
    return cursor.next() if cursor.key() == key else True


def seek_before(cursor: lmdb.Cursor[bytes], bound: bytes) -> bool:
    """To the last pair whose key is < `bound`; b"" stands for the end of the keyspace."""
    if bound and seek(cursor, bound):
        return cursor.prev()
    return cursor.last()


def delete_range(transaction: WriteTransaction, database: lmdb._Database, start: bytes, end: bytes) -> None:
    if not start and not end:
        transaction.drop(database, delete=False)
        return
    with transaction.cursor(database) as cursor:
        found = seek(cursor, start)
        if not end:
            while found:
                found = cursor.delete()
            return
        while found and cursor.key() < end:
            found = cursor.delete() and bool(cursor.key())


def put_sorted(transaction: WriteTransaction, database: lmdb._Database, puts: dict[bytes, bytes | None]) -> None:
    """In key order, what a B+tree takes fastest; a chunk at a time."""
    with transaction.cursor(database) as cursor:
        rest = iter(puts)
        while keys := list(islice(rest, PUT_CHUNK)):
            keys.sort()
            values = list(map(puts.__getitem__, keys))
            if None in values:
                for key in (key for key, value in zip(keys, values, strict=True) if value is None):
                    transaction.delete(key, db=database)
                cursor.putmulti([(key, value) for key, value in zip(keys, values, strict=True) if value is not None])
            else:
                cursor.putmulti(cast(Iterator[tuple[bytes, bytes]], zip(keys, values, strict=True)))
