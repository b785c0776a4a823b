"""The Raft log on LMDB: entries, hard state, and the mark of where the log was cut.

One environment, one nameless database, one durable commit per batch:

    b"\\0"               format version
    b"\\0" * 2           hard state
    b"\\0" * 3           the cut: index and term of the last entry that is no longer here
    8 bytes, big endian  the entry with that index: kind, term, checksum, data

The three small records sort before every entry, so new entries always go to the very end of the tree (MDB_APPEND) and
there is no second tree to keep. A checksum covers index, term, kind and data; LMDB itself has none.

Threads. `persist`, `install_snapshot`, `compact` and `bootstrap` belong to one writer thread and return when the change
is durable; the rest belongs to the loop's thread and never waits for a sync. The two meet in a handful of fields that
the writer changes together, under a lock that it holds for microseconds, after its commit: bounds, runs of
terms, and the newest entries. The leader's hot path (`term`, `last_index`, recent `entries`) is answered from there.
Older entries are read from LMDB, in a transaction whose number must be the published one: between a commit and
its publication the reader waits, so it never sees the two halves of a replaced tail.

Terms never decrease along a log, so the terms of all its entries are a short list of runs; opening a log finds their
borders by bisection instead of reading it through.

A lazy write (`sync=False`: only the commit index moved) stays in memory and rides along with the next durable one.
"""

from __future__ import annotations

import struct
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

import lmdb
import xxhash

from elastickv.errors import KvError
from elastickv.raft.storage import Compacted, SnapshotPending, Unavailable
from elastickv.raft.types import NOBODY, ConfState, Entry, EntryKind, HardState, SnapshotMeta
from elastickv.storage.codec import Corruption, decode_cut, decode_hard_state, encode_cut, encode_hard_state
from elastickv.storage.lmdb_env import MAP_LIMIT_BYTES, LmdbEnvironment, ReadTransaction, WriteTransaction

FORMAT_KEY = b"\0"
HARD_STATE_KEY = b"\0" * 2
CUT_KEY = b"\0" * 3
FORMAT = b"elastickv log 1"

CACHE_BYTES = 32 << 20
WARM_BYTES = 8 << 20
"""How much of the tail is read (and so verified) when a log is opened."""
ENTRY_OVERHEAD_BYTES = 160
"""What an entry costs in the cache besides its data: the object, its int and bytes headers, a list slot."""
COMPACT_CHUNK = 4096

_key = struct.Struct(">Q").pack
_unkey = struct.Struct(">Q").unpack
_HEADER = struct.Struct(">BQQ")
_pack_header = _HEADER.pack
_HEADER_BYTES = _HEADER.size
_pack_place = struct.Struct(">BQQ").pack
"""Kind, term and index of an entry; the hash of these seeds the hash of its data."""
_checksum = xxhash.xxh3_64_intdigest
_KINDS = {int(kind): kind for kind in EntryKind}


def encode_entry(entry: Entry) -> bytes:
    term, kind, data = entry.term, entry.kind, entry.data
    return _pack_header(kind, term, _checksum(data, _checksum(_pack_place(kind, term, entry.index)))) + data


def decode_entry(index: int, value: bytes) -> Entry:
    if len(value) < _HEADER_BYTES:
        raise Corruption(f"log entry {index} is damaged: {len(value)} bytes are too few")
    kind, term, checksum = _HEADER.unpack_from(value)
    data = value[_HEADER_BYTES:]
    if kind not in _KINDS or _checksum(data, _checksum(_pack_place(kind, term, index))) != checksum:
        raise Corruption(f"log entry {index} is damaged: its checksum does not match")
    return Entry(term, index, data, _KINDS[kind])


class LmdbLog:
    """`elastickv.raft.storage.LogStorage` and the write side that the core does not know."""

    def __init__(
        self,
        directory: Path,
        *,
        map_limit_bytes: int = MAP_LIMIT_BYTES,
        first_map_bytes: int | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._environment = LmdbEnvironment(
            directory, map_limit_bytes=map_limit_bytes, first_map_bytes=first_map_bytes, readahead=True
        )
        self._cache_limit = cache_bytes
        self._lock = threading.Lock()
        """Guards the fields below. The writer changes them only after a commit; nobody blocks while holding it."""
        self._cut_index = 0
        self._cut_term = 0
        self._last = 0
        self._runs: list[tuple[int, int]] = []
        """(first index, term) of each run of entries with the same term, in order; covers exactly the entries kept."""
        self._recent: list[Entry] = []
        """The newest entries, without a gap, up to `_last`."""
        self._recent_bytes = 0
        self._published = 0
        """Number of the LMDB transaction that these fields describe."""
        self._hard_state = HardState()
        """The newest one, also when it is still lazy."""
        self._lazy = False
        """`_hard_state` is newer than the one on disk. Writer's thread."""
        self._conf_state = ConfState()
        self._applied = 0
        self._snapshot: SnapshotMeta | None = None
        try:
            self._load()
        except BaseException:
            self._environment.close()
            raise

    # -- LogStorage, on the loop's thread -----------------------------------------------------------------------------

    def initial_state(self) -> tuple[HardState, ConfState]:
        hard = self._hard_state
        if hard.commit < self._applied:
            # What is in the durable state was committed; the lazily written commit index may lag behind it.
            hard = HardState(hard.term, hard.vote, self._applied)
        return hard, self._conf_state

    def first_index(self) -> int:
        return self._cut_index + 1

    def last_index(self) -> int:
        return self._last

    def term(self, index: int) -> int:
        with self._lock:
            if index == self._cut_index:
                return self._cut_term
            if index < self._cut_index:
                raise Compacted(f"the term of {index} is gone; the log begins at {self._cut_index + 1}")
            if index > self._last:
                raise Unavailable(f"there is no entry {index}; the log ends at {self._last}")
            return self._term_of(index)

    def entries(self, low: int, high: int, max_bytes: int) -> list[Entry]:
        while True:
            with self._lock:
                self._check_range(low, high)
                if low >= high:
                    return []
                recent_first = self._last - len(self._recent) + 1
                if low >= recent_first:
                    return _limited(self._recent, low - recent_first, high - recent_first, max_bytes)
                generation = self._environment.generation
                transaction = self._environment.begin()
                try:
                    published = transaction.id() == self._published
                except lmdb.Error:
                    published = False
            try:
                if published:
                    return self._read(transaction, low, high, max_bytes)
            except lmdb.Error as error:
                if generation == self._environment.generation:
                    raise self._environment.translated(error, "a read") from error
            finally:
                transaction.abort()
            # The environment was replaced, or the writer is between its commit and the publication: once more.
            time.sleep(0.0001)

    def snapshot(self) -> SnapshotMeta:
        snapshot = self._snapshot
        if snapshot is None:
            raise SnapshotPending("no snapshot is ready to be sent")
        return snapshot

    # -- what the driver tells it, on the loop's thread ---------------------------------------------------------------

    def set_snapshot(self, meta: SnapshotMeta | None) -> None:
        """The snapshot that may be sent from now on; None while there is none."""
        self._snapshot = meta

    def set_conf_state(self, conf_state: ConfState, applied: int = 0) -> None:
        """What `initial_state` is to report: the configuration of the durable state, and the index it has reached."""
        self._conf_state = conf_state
        self._applied = applied

    # -- the write side, on the writer's thread -----------------------------------------------------------------------

    def persist(
        self,
        hard_state: HardState | None,
        entries: Sequence[Entry] = (),
        *,
        sync: bool = True,
        snapshot: SnapshotMeta | None = None,
    ) -> None:
        """Make all of it durable in one step: first the snapshot, then the entries, which replace what they overlap and
        everything beyond.

        With `sync=False` and nothing but a new commit index this only takes a note; see `flush`. Raises
        KvError(DISK_FULL) with nothing changed.
        """
        if hard_state is not None:
            old = self._hard_state
            if (hard_state.term, hard_state.vote) != (old.term, old.vote):
                sync = True
            elif not sync and not entries and snapshot is None:
                self._lazy = self._lazy or hard_state != old
                self._hard_state = hard_state
                return
        elif self._lazy:
            hard_state = self._hard_state
        if hard_state is None and not entries and snapshot is None:
            return
        cut = self._cut_index
        last = self._last
        if snapshot is not None:
            cut = last = snapshot.index
            if snapshot.index < self._cut_index:
                raise ValueError(
                    f"snapshot {snapshot.index} is older than the log, which begins at {self._cut_index + 1}"
                )
            known = hard_state if hard_state is not None else self._hard_state
            if known.term < snapshot.term:
                # A crash has lost the term that came with the snapshot. Nobody was promised a vote in it.
                known = hard_state = HardState(snapshot.term, NOBODY, known.commit)
            if known.commit < snapshot.index:
                hard_state = HardState(known.term, known.vote, snapshot.index)
        if entries and entries[0].index <= cut:
            # Covered by a snapshot, and therefore committed: what the log no longer has, it does not need again.
            entries = entries[cut + 1 - entries[0].index :]
        items = _encoded(entries, last)

        def write(transaction: WriteTransaction) -> None:
            with transaction.cursor() as cursor:
                if snapshot is not None:
                    _delete_from(cursor, 1)
                    transaction.put(CUT_KEY, encode_cut(snapshot.index, snapshot.term))
                elif entries and entries[0].index <= last:
                    _delete_from(cursor, entries[0].index)
                if items:
                    _, added = cursor.putmulti(items, append=True)
                    if added != len(items):
                        raise Corruption(f"log entry {entries[0].index + added} is in the way of one that is new")
                if hard_state is not None:
                    transaction.put(HARD_STATE_KEY, encode_hard_state(hard_state))

        published = self._commit(write)
        if hard_state is not None:
            self._lazy = False
        with self._lock:
            self._published = published
            if hard_state is not None:
                self._hard_state = hard_state
            if snapshot is not None:
                self._cut_index = self._last = snapshot.index
                self._cut_term = snapshot.term
                self._runs = []
                self._recent = []
                self._recent_bytes = 0
            if entries:
                self._extend(entries)

    def flush(self) -> bool:
        """Make a lazily noted hard state durable; whether there was one."""
        if self._lazy:
            self.persist(self._hard_state)
            return True
        return False

    @property
    def lazy(self) -> bool:
        """Something waits for `flush`."""
        return self._lazy

    def install_snapshot(self, meta: SnapshotMeta) -> None:
        """Begin anew behind a snapshot: all entries go, also those beyond it."""
        self.persist(None, (), snapshot=meta)

    def compact(self, to_index: int) -> None:
        """Delete all entries up to and including `to_index`; its term stays known."""
        while not self.compact_some(to_index):
            pass

    def compact_some(self, to_index: int, limit: int = COMPACT_CHUNK) -> bool:
        """Delete at most `limit` of them, so that appends need not wait for a long cut; whether that was the rest."""
        if to_index > self._last:
            raise ValueError(f"cannot cut the log at {to_index}: it ends at {self._last}")
        target = min(to_index, self._cut_index + limit)
        if target <= self._cut_index:
            return True
        first = self._cut_index + 1
        term = self._term_of(target)

        def write(transaction: WriteTransaction) -> None:
            with transaction.cursor() as cursor:
                for index in range(first, target + 1):
                    if not cursor.set_key(_key(index)):
                        raise Corruption(f"log entry {index} is missing")
                    cursor.delete()
                transaction.put(CUT_KEY, encode_cut(target, term))

        published = self._commit(write)
        with self._lock:
            self._published = published
            recent_first = self._last - len(self._recent) + 1
            self._cut_index, self._cut_term = target, term
            self._drop_recent(target + 1 - recent_first)
            if target == self._last:
                self._runs = []
            else:
                run = bisect_right(self._runs, target + 1, key=_run_start) - 1
                self._runs[: run + 1] = [(target + 1, self._runs[run][1])]
        return target == to_index

    def bootstrap(self, entries: Sequence[Entry], hard_state: HardState) -> None:
        """The first entries of a new cluster. Refused unless nothing was ever written."""
        if not self.is_new():
            raise ValueError("the log is not empty: it cannot be bootstrapped again")
        self.persist(hard_state, entries)

    def is_new(self) -> bool:
        """Nothing was ever written: no entry, no snapshot, no vote."""
        return self._last == 0 and self._hard_state == HardState()

    def size_bytes(self) -> int:
        return self._environment.size_bytes()

    def close(self) -> None:
        """After the writer thread has ended."""
        try:
            self.flush()
        finally:
            self._environment.close()

    # -- inside -------------------------------------------------------------------------------------------------------

    def _commit(self, write: Callable[[WriteTransaction], None]) -> int:
        """The number of the transaction that is now durable and waits to be published."""

        def numbered(transaction: WriteTransaction) -> int:
            write(transaction)
            return transaction.id()

        try:
            return self._environment.transact(numbered)
        except KvError:
            # LMDB takes a meta page that it could not write back. Should that fail too, the change may be there after
            # all, unconfirmed: harmless, as long as what we say of the log is what is in it.
            if self._environment.last_transaction() != self._published:
                with self._lock:
                    self._load()
            raise

    def _check_range(self, low: int, high: int) -> None:
        if low <= self._cut_index:
            raise Compacted(f"entry {low} is gone; the log begins at {self._cut_index + 1}")
        if high > self._last + 1:
            raise Unavailable(f"there is no entry {high - 1}; the log ends at {self._last}")

    def _term_of(self, index: int) -> int:
        return self._runs[bisect_right(self._runs, index, key=_run_start) - 1][1]

    def _read(self, transaction: ReadTransaction, low: int, high: int, max_bytes: int) -> list[Entry]:
        found: list[Entry] = []
        taken = 0
        with transaction.cursor() as cursor:
            if not cursor.set_key(_key(low)):
                raise Corruption(f"log entry {low} is missing")
            expected = low
            for key, value in cursor.iternext():
                if key != _key(expected):
                    raise Corruption(f"log entry {expected} is missing")
                taken += len(value) - _HEADER_BYTES
                if found and taken > max_bytes:
                    return found
                found.append(decode_entry(expected, value))
                expected += 1
                if expected == high:
                    return found
        raise Corruption(f"log entry {expected} is missing")

    def _extend(self, entries: Sequence[Entry]) -> None:
        """Publish appended entries. Lock held."""
        first = entries[0].index
        if first <= self._last:
            keep = first - (self._last - len(self._recent) + 1)
            dropped = self._recent[max(keep, 0) :]
            del self._recent[max(keep, 0) :]
            self._recent_bytes -= _cost(dropped)
            while self._runs and self._runs[-1][0] >= first:
                self._runs.pop()
        term = self._runs[-1][1] if self._runs else 0
        if entries[-1].term != term:  # terms never decrease: else all of these are of this term
            for entry in entries:
                if entry.term != term:
                    term = entry.term
                    self._runs.append((entry.index, term))
        self._last = entries[-1].index
        self._recent.extend(entries)
        self._recent_bytes += _cost(entries)
        if self._recent_bytes > self._cache_limit:
            # A quarter more than needed, so that the list is not moved with every batch.
            target = self._cache_limit * 3 // 4
            surplus = 0
            size = self._recent_bytes
            for entry in self._recent:
                if size <= target:
                    break
                size -= len(entry.data) + ENTRY_OVERHEAD_BYTES
                surplus += 1
            self._drop_recent(surplus)

    def _drop_recent(self, count: int) -> None:
        """Forget the oldest `count` entries of the cache. Lock held."""
        if count > 0:
            self._recent_bytes -= _cost(self._recent[:count])
            del self._recent[:count]

    def _load(self) -> None:
        self._cut_index = self._cut_term = self._last = self._recent_bytes = 0
        self._runs = []
        self._recent = []
        transaction = self._environment.begin()
        try:
            form = transaction.get(FORMAT_KEY)
            empty = transaction.stat()["entries"] == 0
            if form is not None:
                self._load_from(transaction, form)
        finally:
            transaction.abort()
        if form is None:
            if not empty:
                raise Corruption(f"{self._environment.directory} is not a log of ours: it has no format mark")
            self._environment.transact(lambda fresh: fresh.put(FORMAT_KEY, FORMAT))
        self._published = self._environment.last_transaction()

    def _load_from(self, transaction: ReadTransaction, form: bytes) -> None:
        if form != FORMAT:
            raise Corruption(f"{self._environment.directory} has the unknown format {form!r}")
        hard = transaction.get(HARD_STATE_KEY)
        if hard is not None:
            self._hard_state = decode_hard_state(hard)
        cut = transaction.get(CUT_KEY)
        if cut is not None:
            self._cut_index, self._cut_term = decode_cut(cut)
        self._last = self._cut_index
        with transaction.cursor() as cursor:
            small = sum(1 for key in (FORMAT_KEY, HARD_STATE_KEY, CUT_KEY) if cursor.set_key(key))
            kept = transaction.stat()["entries"] - small
            if kept == 0:
                return
            cursor.last()
            self._last = _unkey(cursor.key())[0]
            if kept != self._last - self._cut_index:
                raise Corruption(
                    f"the log should hold {self._cut_index + 1} to {self._last}, but there are {kept} entries"
                )

            def entry_at(index: int) -> Entry:
                if not cursor.set_key(_key(index)):
                    raise Corruption(f"log entry {index} is missing")
                return decode_entry(index, cursor.value())

            self._runs = _find_runs(self._cut_index + 1, self._last, lambda index: entry_at(index).term)
            tail: list[Entry] = []
            size = 0
            for index in range(self._last, self._cut_index, -1):
                entry = entry_at(index)
                size += len(entry.data) + ENTRY_OVERHEAD_BYTES
                if size > min(WARM_BYTES, self._cache_limit):
                    break
                tail.append(entry)
        tail.reverse()
        self._recent = tail
        self._recent_bytes = _cost(tail)


def _run_start(run: tuple[int, int]) -> int:
    return run[0]


def _cost(entries: Sequence[Entry]) -> int:
    return sum([len(entry.data) for entry in entries]) + ENTRY_OVERHEAD_BYTES * len(entries)


def _limited(entries: list[Entry], start: int, stop: int, max_bytes: int) -> list[Entry]:
    taken = 0
    for at in range(start, stop):
        taken += len(entries[at].data)
        if taken > max_bytes and at > start:
            return entries[start:at]
    return entries[start:stop]


def _encoded(entries: Sequence[Entry], last: int) -> list[tuple[bytes, bytes]]:
    """The pairs to store, after a check that they continue the log without a gap."""
    if not entries:
        return []
    expected = entries[0].index
    if expected > last + 1:
        raise ValueError(f"entries from {expected} do not continue a log that ends at {last}")
    items = []
    for entry in entries:
        if entry.index != expected:
            raise ValueError(f"entry {entry.index} stands where {expected} should")
        items.append((_key(expected), encode_entry(entry)))
        expected += 1
    return items


def _delete_from(cursor: lmdb.Cursor[bytes], index: int) -> None:
    if cursor.set_range(_key(index)):
        while cursor.delete():
            pass


def _find_runs(first: int, last: int, term_at: Callable[[int], int]) -> list[tuple[int, int]]:
    """Borders of the runs of equal terms, each found by bisection."""
    runs = []
    index = first
    while index <= last:
        term = term_at(index)
        runs.append((index, term))
        low, high = index, last + 1
        while high - low > 1:
            middle = (low + high) // 2
            if term_at(middle) == term:
                low = middle
            else:
                high = middle
        index = high
    return runs
