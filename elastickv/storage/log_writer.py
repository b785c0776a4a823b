"""The thread that makes the log durable: everything that queued up during one sync goes into the next.

The queue holds what the driver has handed over, in order. A turn takes appends until the queue is empty (or the batch
is large, or an item must not be merged), folds them into one hard state and one tail, commits once, and reports
the highest number. So a slow disk makes batches larger instead of the queue longer.

A refused commit (full disk) is tried again, with growing pauses, until it works; nothing is dropped and nothing
overtakes it. Any other error ends the thread: the node cannot go on without its log. Long cuts are done in pieces
between the appends.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TypeVar

from elastickv.errors import Fault, KvError
from elastickv.raft.types import Entry, HardState, SnapshotMeta
from elastickv.storage.lmdb_log import LmdbLog
from elastickv.storage.threads import post

logger = logging.getLogger(__name__)

T = TypeVar("T")

BATCH_BYTES = 16 << 20
"""A commit larger than this makes the first of its entries wait too long."""
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0
NOW_BYTES = 256 << 10
SLOW_SECONDS = 0.005
SLOW_PAUSE_SECONDS = 1.0
"""See `append_now`."""
LAZY_SECONDS = 1.0
"""How long a commit index may be newer in memory than on disk while nothing else is written."""


@dataclass(frozen=True, slots=True)
class _Append:
    number: int
    hard_state: HardState | None
    entries: Sequence[Entry]
    sync: bool
    snapshot: SnapshotMeta | None


@dataclass(frozen=True, slots=True)
class _Cut:
    to_index: int


@dataclass(frozen=True, slots=True)
class _Stop:
    pass


_Item = _Append | _Cut | _Stop


@dataclass(slots=True)
class _Batch:
    """Several appends folded into one."""

    number: int = 0
    items: int = 0
    hard_state: HardState | None = None
    entries: list[Entry] = field(default_factory=list)
    sync: bool = False
    snapshot: SnapshotMeta | None = None
    size_bytes: int = 0

    def takes(self, item: _Append) -> bool:
        """A snapshot begins a batch: what was there before it is a step of its own."""
        return self.number == 0 or (item.snapshot is None and self.size_bytes < BATCH_BYTES)

    def add(self, item: _Append) -> None:
        self.number = item.number
        self.items += 1
        self.sync = self.sync or item.sync
        if item.snapshot is not None:
            self.snapshot = item.snapshot
        if item.hard_state is not None:
            self.hard_state = item.hard_state
        if item.entries:
            if self.entries:
                # A tail that replaces entries which never reached the disk.
                del self.entries[max(item.entries[0].index - self.entries[0].index, 0) :]
            self.entries.extend(item.entries)
            self.size_bytes += sum(len(entry.data) for entry in item.entries)


class LogWriter:
    """Owner of the write side of an `LmdbLog`. Methods and callbacks: loop's thread.

    `on_persisted(number)`: everything up to that number is durable. `on_error(error)`: KvError(DISK_FULL) once when a
    series of refusals begins, ended by `on_recovered()`; any other error is final.
    """

    def __init__(
        self,
        log: LmdbLog,
        loop: asyncio.AbstractEventLoop,
        *,
        on_persisted: Callable[[int], None],
        on_error: Callable[[Exception], None],
        on_recovered: Callable[[], None],
        name: str = "log-writer",
    ) -> None:
        self._log = log
        self._loop = loop
        self._on_persisted = on_persisted
        self._on_error = on_error
        self._on_recovered = on_recovered
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self._held: _Item | None = None
        """Taken from the queue but not for this turn. Writer's thread, as are the next three."""
        self._cut_to = 0
        self._cuts = 0
        """Cuts that `_cut_to` stands for."""
        self._refused = False
        self._unfinished = 0
        """Items that the thread has not reported yet. Loop's thread."""
        self._slow_until = 0.0
        """Until then (monotonic) nothing is written on the loop's thread: the disk was slow a moment ago."""
        self._stopping = threading.Event()
        self._failed: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    # -- the loop's side ----------------------------------------------------------------------------------------------

    def append(
        self,
        number: int,
        hard_state: HardState | None,
        entries: Sequence[Entry],
        sync: bool = True,
        snapshot: SnapshotMeta | None = None,
    ) -> None:
        """The durable part of one Ready; numbers rise. The log begins anew behind `snapshot` before the rest is stored.

        The state that a snapshot stands for must be durable before: a log must never begin behind its state.
        """
        self._put(_Append(number, hard_state, entries, sync, snapshot))

    def append_now(self, hard_state: HardState | None, entries: Sequence[Entry]) -> bool:
        """Like `append`, but on the calling thread, when that is safe and likely to be quick: the thread has nothing to
        do, the entries are few bytes, and the disk was quick lately. False: nothing was done, `append` it.

        Saves a follower two hand-overs between threads, each of which can cost more than the commit itself. A disk
        that stalls holds up the loop once, and is then left to the thread for a while.
        """
        if self._unfinished or self._failed is not None or self._stopping.is_set():
            return False
        if sum([len(entry.data) for entry in entries]) > NOW_BYTES:
            return False
        began = time.monotonic()
        if began < self._slow_until:
            return False
        try:
            self._log.persist(hard_state, entries)
        except KvError as error:
            if error.fault is Fault.DISK_FULL:
                return False
            raise
        finally:
            ended = time.monotonic()
            if ended - began > SLOW_SECONDS:
                self._slow_until = ended + SLOW_PAUSE_SECONDS
        return True

    def install_snapshot(self, number: int, meta: SnapshotMeta) -> None:
        self._put(_Append(number, None, (), True, meta))

    def compact(self, to_index: int) -> None:
        """Cut the log in the background. `to_index` must be durable in the state, and handed in here before."""
        self._put(_Cut(to_index))

    @property
    def failed(self) -> Exception | None:
        """The final error, if there was one: nothing is persisted any more."""
        return self._failed

    def stop(self) -> None:
        """Persist what is queued, then end. Blocks; may be called twice. The log stays open.

        On a full disk it tries once more and gives up.
        """
        if not self._stopping.is_set():
            self._stopping.set()
            self._queue.put(_Stop())
        self._thread.join()

    def _put(self, item: _Item) -> None:
        if self._stopping.is_set():
            raise RuntimeError("the log writer is stopping")
        self._unfinished += 1
        self._queue.put(item)

    def _finished(self, items: int, persisted: int) -> None:
        """The thread's report, on the loop's thread; `persisted` 0 when it was not about appends."""
        self._unfinished -= items
        if persisted:
            self._on_persisted(persisted)

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except KvError as error:
            if error.fault is not Fault.DISK_FULL or not self._stopping.is_set():
                self._fail(error)
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        logger.error("the log cannot be written any more", exc_info=error)
        self._failed = error
        post(self._loop, self._on_error, error)

    def _turn(self) -> bool:
        """One item, or one batch of appends, or one piece of a cut; False at the end."""
        try:
            item = self._next()
        except Empty:
            if self._cut_to:
                self._cut()
            else:
                self._stubborn(self._log.flush)
            return True
        match item:
            case _Append():
                batch = self._gather(item)
                self._stubborn(
                    lambda: self._log.persist(batch.hard_state, batch.entries, sync=batch.sync, snapshot=batch.snapshot)
                )
                post(self._loop, self._finished, batch.items, batch.number)
            case _Cut(to_index):
                self._cut_to = max(self._cut_to, to_index)
                self._cuts += 1
            case _Stop():
                self._stubborn(self._log.flush)
                return False
        if self._cut_to:
            self._cut()
        return True

    def _cut(self) -> None:
        if self._stubborn(lambda: self._log.compact_some(self._cut_to)):
            self._cut_to = 0
            post(self._loop, self._finished, self._cuts, 0)
            self._cuts = 0

    def _next(self) -> _Item:
        held, self._held = self._held, None
        if held is not None:
            return held
        if self._cut_to:
            return self._queue.get_nowait()
        return self._queue.get(timeout=LAZY_SECONDS if self._log.lazy else None)

    def _gather(self, first: _Append) -> _Batch:
        batch = _Batch()
        batch.add(first)
        while True:
            try:
                item = self._queue.get_nowait()
            except Empty:
                return batch
            if not isinstance(item, _Append) or not batch.takes(item):
                self._held = item
                return batch
            batch.add(item)

    def _stubborn(self, step: Callable[[], T]) -> T:
        """Repeat a step until the disk accepts it."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            last_chance = self._stopping.is_set()
            try:
                result = step()
            except KvError as error:
                if error.fault is not Fault.DISK_FULL:
                    raise
                if not self._refused:
                    self._refused = True
                    logger.warning("the log waits for disk space: %s", error.message)
                    post(self._loop, self._on_error, error)
                if last_chance:
                    raise
            else:
                if self._refused:
                    self._refused = False
                    logger.warning("the disk accepts the log again")
                    post(self._loop, self._on_recovered)
                return result
            self._stopping.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
