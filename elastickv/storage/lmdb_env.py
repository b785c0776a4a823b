"""An LMDB environment that grows, survives a full disk, and says what went wrong in our words.

The map. LMDB reads through a memory map whose size is also the limit of the file. The map is only address space and
the file grows only as it is used, so we ask for far more than anyone fills (1 TiB) and never need to grow in ordinary
life. Where address space is limited (ulimit -v, a strict container) we take the largest map we get, halving, and
double it when LMDB says that it is full.

Growing, and recovering from LMDB's "panic" (a write of its meta page failed), replace the environment: close, open.
Both happen on the writer's thread while the loop's thread may be reading. A read that hits a closed environment fails
with `lmdb.Error` (py-lmdb guards every call; it never touches the old map) and comes here through `begin`, which waits
for the replacement, a fraction of a millisecond. So the hot path pays nothing and there is no lock on it.

A full disk. Without WRITEMAP, LMDB writes with pwrite, so a refused write is an error of the commit and nothing has
happened: the pages of the last transaction are untouched, the environment stays usable. The one file that is
written through a map is the table of readers; a hole in it would kill the process on a full disk (SIGBUS), so its
blocks are allocated before LMDB opens it. See docs/decisions/0020-lmdb-map-size.md for the measurements.
"""

from __future__ import annotations

import logging
import mmap
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, TypeVar

import lmdb

from elastickv.errors import Fault, KvError
from elastickv.storage.codec import Corruption
from elastickv.storage.durable import REFUSALS, disk_faults, make_directory, refusal, sync_path

logger = logging.getLogger(__name__)

T = TypeVar("T")
ReadTransaction: TypeAlias = "lmdb.Transaction[bytes]"
WriteTransaction: TypeAlias = "lmdb.Transaction[bytes]"

MAP_LIMIT_BYTES = 1 << 40
SMALLEST_MAP_BYTES = 64 << 20
READER_TABLE_BYTES = 64 << 10
"""Room for a thousand readers of 64 bytes each; LMDB takes the length of the file for the size of its table."""

DATA_FILE = "data.mdb"
LOCK_FILE = "lock.mdb"


class LmdbEnvironment:
    """One environment of this process: one writer thread, any number of reading threads."""

    def __init__(
        self,
        directory: Path,
        *,
        databases: tuple[bytes, ...] = (),
        map_limit_bytes: int = MAP_LIMIT_BYTES,
        first_map_bytes: int | None = None,
        readahead: bool = True,
    ) -> None:
        """`databases` are the named ones; b"" is the nameless one and always there.

        `first_map_bytes` starts with a smaller map than `map_limit_bytes` and grows from there.
        """
        self.directory = directory
        self.generation = 0
        """Counts the replacements; a transaction begun under another generation is dead."""
        self._databases = databases
        self._readahead = readahead
        self._map_limit = _whole_pages(map_limit_bytes)
        self._gate = threading.Lock()
        """Held while the environment is being replaced."""
        self._copying = threading.Lock()
        """Held while a copy is made. A replacement waits for it *before* it takes the gate: closing an environment
        waits for a copy under way, which can take minutes, and readers must not have to wait with it."""
        self._closed = False
        with disk_faults("to create the database"):
            make_directory(directory)
            self._allocate_reader_table()
        self._environment, self._handles = self._open_largest(_whole_pages(first_map_bytes or map_limit_bytes))
        with disk_faults("to create the database"):
            sync_path(directory)

    # -- transactions -------------------------------------------------------------------------------------------------

    def begin(self, database: bytes = b"") -> ReadTransaction:
        """A read transaction on the newest committed state. Abort it soon: it keeps old pages from being used again."""
        try:
            return self._environment.begin(db=self._handles[database])
        except lmdb.Error:
            return self._begin_again(database)

    def _begin_again(self, database: bytes) -> ReadTransaction:
        with self._gate:
            self._ensure_sound()
            try:
                return self._environment.begin(db=self._handles[database])
            except lmdb.Error as error:
                raise self.translated(error, "a read") from error

    def handle(self, database: bytes) -> lmdb._Database:
        """For the body of `transact`: valid as long as its transaction."""
        return self._handles[database]

    def transact(self, body: Callable[[WriteTransaction], T]) -> T:
        """Run `body` in a write transaction and commit it durably. Writer's thread; blocks on the disk.

        `body` may run several times, each time on an unchanged state, until the map is large enough. Raises
        KvError(DISK_FULL) with nothing changed when the disk refuses.
        """
        while True:
            try:
                transaction = self._environment.begin(write=True)
                try:
                    result = body(transaction)
                    transaction.commit()
                except BaseException:
                    transaction.abort()
                    raise
                return result
            except lmdb.MapFullError:
                self._grow()
            except lmdb.Error as error:
                self._recover()
                raise self.translated(error, "a write") from error

    def last_transaction(self) -> int:
        """Number of the newest committed transaction, as `Transaction.id` counts."""
        with self._gate:
            self._ensure_sound()
            return self._environment.info()["last_txnid"]

    # -- the rest -----------------------------------------------------------------------------------------------------

    def copy_to(self, directory: Path) -> None:
        """A compact copy of one consistent state into an empty directory, synced. Any thread, beside the writer."""
        if any(directory.iterdir()):
            raise ValueError(f"{directory} is not empty")
        with self._copying:
            try:
                self._environment.copy(str(directory), compact=True)
            except lmdb.Error as error:
                raise self.translated(error, "a copy") from error
        with disk_faults("a copy"):
            sync_path(directory / DATA_FILE)
            sync_path(directory)

    def map_bytes(self) -> int:
        with self._gate:
            self._ensure_sound()
            return self._environment.info()["map_size"]

    def size_bytes(self) -> int:
        """Bytes that the data file occupies on disk."""
        return (self.directory / DATA_FILE).stat().st_blocks * 512

    def close(self) -> None:
        """Waits for a copy under way. Transactions that are still open die."""
        with self._copying, self._gate:
            if not self._closed:
                self._closed = True
                self.generation += 1
                self._environment.close()

    # -- opening and replacing ----------------------------------------------------------------------------------------

    def _allocate_reader_table(self) -> None:
        descriptor = os.open(self.directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.posix_fallocate(descriptor, 0, READER_TABLE_BYTES)
        finally:
            os.close(descriptor)

    def _open_largest(self, size: int) -> tuple[lmdb.Environment, dict[bytes, lmdb._Database]]:
        wanted = size
        while True:
            try:
                opened = self._open(size)
            except lmdb.MemoryError as error:
                size = _whole_pages(size // 2)
                if size < min(SMALLEST_MAP_BYTES, wanted):
                    raise KvError(Fault.INTERNAL, f"no address space for the map of {self.directory}") from error
                continue
            if size < wanted:
                logger.warning(
                    "address space is limited: the map of %s starts at %d MiB and grows as needed",
                    self.directory,
                    size >> 20,
                )
            return opened

    def _open(self, size: int) -> tuple[lmdb.Environment, dict[bytes, lmdb._Database]]:
        """Raises lmdb.MemoryError when the map does not fit; everything else comes translated."""
        try:
            environment = lmdb.Environment(
                str(self.directory),
                map_size=size,
                max_dbs=len(self._databases),
                max_readers=READER_TABLE_BYTES // 64,
                max_spare_txns=1,
                readahead=self._readahead,
                mode=0o644,
            )
        except lmdb.MemoryError:
            raise
        except lmdb.Error as error:
            raise self.translated(error, "to open") from error
        try:
            handles = {b"": environment.open_db(None)}
            for name in self._databases:
                handles[name] = environment.open_db(name)
            return environment, handles
        except lmdb.Error as error:
            environment.close()
            raise self.translated(error, "to open") from error

    def _grow(self) -> None:
        size = self.map_bytes()
        larger = min(_whole_pages(size * 2), self._map_limit)
        if larger <= size:
            raise KvError(Fault.DISK_FULL, f"{self.directory} has reached its limit of {size} bytes")
        if not _address_space_for(larger - size):
            raise KvError(Fault.DISK_FULL, f"no address space left to grow {self.directory} beyond {size} bytes")
        self._replace(larger, fallback=size)
        logger.info("the map of %s has grown to %d MiB", self.directory, larger >> 20)

    def _recover(self) -> None:
        """After a failed write: replace the environment if LMDB has given it up."""
        try:
            self._environment.begin().abort()
        except lmdb.Error:
            with self._copying, self._gate:
                self._ensure_sound()

    def _ensure_sound(self) -> None:
        """Gate held. Raises when this object is closed; replaces an environment that has panicked."""
        if self._closed:
            raise KvError(Fault.SHUTTING_DOWN, f"the database in {self.directory} is closed")
        try:
            self._environment.begin().abort()
        except lmdb.PanicError:
            logger.warning("the database in %s is opened again after a failed write of its meta page", self.directory)
            self._replace_locked(self._environment.info()["map_size"], fallback=None)
        except lmdb.Error:
            # Only a replacement that failed half-way leaves a closed environment behind.
            self._replace_locked(self._map_limit, fallback=None)

    def _replace(self, size: int, *, fallback: int | None) -> None:
        with self._copying, self._gate:
            self._replace_locked(size, fallback=fallback)

    def _replace_locked(self, size: int, *, fallback: int | None) -> None:
        self.generation += 1
        self._environment.close()
        try:
            self._environment, self._handles = self._open(size)
        except lmdb.MemoryError:
            self._environment, self._handles = self._open_largest(fallback or size // 2)
            if fallback is not None:
                raise KvError(Fault.DISK_FULL, f"no address space left to grow {self.directory}") from None

    def translated(self, error: lmdb.Error, what: str) -> Exception:
        """The error in our words, for whoever works with a transaction of this environment."""
        code = getattr(error, "code", 0)  # errors of the binding itself have none
        if code in REFUSALS:
            return refusal(f"{what} ({self.directory})", code)
        if isinstance(
            error, lmdb.CorruptedError | lmdb.PageNotFoundError | lmdb.InvalidError | lmdb.VersionMismatchError
        ):
            return Corruption(f"the database in {self.directory} is damaged: {error}")
        if isinstance(error, lmdb.PanicError):
            return KvError(Fault.DISK_FULL, f"the disk refused {what} ({self.directory}): {error}")
        return error


def _whole_pages(size: int) -> int:
    return max(1, -(-size // mmap.PAGESIZE)) * mmap.PAGESIZE


def _address_space_for(size: int) -> bool:
    try:
        # Readable only: the kernel counts it as address space but promises no memory for it.
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ).close()
    except (OSError, OverflowError, ValueError):
        return False
    return True
