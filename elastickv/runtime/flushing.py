"""From memory to disk: the memtable into the engine, and the log cut behind it.

The applied layer is frozen and written by the flusher's thread, while a new applied layer fills. It goes out in key
order, in chunks of a few thousand keys, each a durable commit of its own; only the last one moves the mark that says
how far the state has come. So a crash in between leaves some keys newer than the mark, which is harmless: effects are
plain puts and deletes, and replaying the log from the mark ends in the same state (ZooKeeper calls such a snapshot
fuzzy).
Small commits keep LMDB's dirty pages, which it holds in memory and never gives back, and the pages that it cannot reuse
yet to a few megabytes, where one large commit over keys at random places would touch and copy every page of the tree.

Nothing becomes durable state before the local log has it, and the log is cut only behind what is durable state, so a
crash at any moment replays a tail.

Disk space is watched, too: below the reserve the node refuses writes with a clear error while reads go on, and takes
them again once there is space. The reserve is there so that what has been accepted can still be brought to the disk.
"""

from __future__ import annotations

import asyncio
import logging
import os
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar, cast

from elastickv import allocator
from elastickv.errors import Fault, KvError
from elastickv.kv.layers import Layer, Puts
from elastickv.storage.engine import Applied, WriteBatch
from elastickv.storage.flusher import Flusher

if TYPE_CHECKING:
    from elastickv.runtime.group import Group

_log = logging.getLogger(__name__)

T = TypeVar("T")

_SPACE_CHECK_SECONDS = 0.5
_RETRY_SECONDS = 1.0
_CHUNK_KEYS = 4096
_LONGEST_PAUSE_SECONDS = 0.02
_MARK_BYTES = 1 << 20
_SAMPLED = 64
"""Every so-manieth key of a sorted piece is looked at to find where a chunk should end."""


def chunks_of(puts: Puts) -> Iterator[Puts]:
    """Chunks of some thousand neighbouring keys, in key order.

    Runs on a worker's thread. One sort of a large list would hold the interpreter lock, and with it the loop, for as
    long as it takes. So pieces are sorted, and each chunk is what lies between two keys in all of them.
    """
    rest = iter(puts)
    pieces: list[list[bytes]] = []
    while piece := list(islice(rest, _CHUNK_KEYS)):
        piece.sort()
        pieces.append(piece)
    sample = sorted(chain.from_iterable(piece[::_SAMPLED] for piece in pieces))
    begins = [0] * len(pieces)
    for stop in (*sample[_CHUNK_KEYS // _SAMPLED :: _CHUNK_KEYS // _SAMPLED], None):
        keys: list[bytes] = []
        for number, piece in enumerate(pieces):
            begin = begins[number]
            end = begins[number] = len(piece) if stop is None else bisect_left(piece, stop, begin)
            keys += piece[begin:end]
        keys.sort()
        if keys:
            yield dict(zip(keys, map(puts.__getitem__, keys), strict=True))


class Flushing:
    def __init__(self, group: Group) -> None:
        self._group = group
        self._flusher = Flusher(group.engine, group.loop)
        self.flushed_index = group.engine.applied().index
        self.flushes = 0
        self.flush_seconds = 0.0
        self.disk_full = ""
        """Why writes are refused; empty when they are not."""
        self.disk_full_episodes = 0
        self.busy = False
        self._began_at = 0.0
        self._unflushed_since: float | None = None
        self._space_checked_at = 0.0
        self._retry_at = 0.0
        self._log_trouble = ""
        self._cut_at = group.log.first_index()
        self._idle: list[asyncio.Future[None]] = []
        self._stopped = False
        self._task: asyncio.Task[None] | None = None
        self._logged_bytes = 0
        self._marks: deque[tuple[int, int]] = deque()
        """(applied index, bytes of entries up to there), one per megabyte or so: where the log can be cut by size."""

    async def stop(self) -> None:
        """Bring everything applied to the disk as far as the disk allows, then end the thread."""
        while self.busy:
            await self._when_idle()
        if not self.disk_full and self._begin():
            await self._when_idle()
        self._stopped = True
        await asyncio.to_thread(self._flusher.stop)

    def tick(self, now: float) -> None:
        """Flush when it is time; look at the disk from time to time."""
        group = self._group
        if now - self._space_checked_at >= _SPACE_CHECK_SECONDS:
            self._space_checked_at = now
            self._check_space()
            group.executor.check_deadlines()
            group.rounds.expire()
        applied = group.view.applied
        if not applied and self.flushed_index == group.machine.index:
            self._unflushed_since = None
            return
        if self._unflushed_since is None:
            self._unflushed_since = now
        if self.busy or now < self._retry_at:
            return
        settings = group.settings
        if applied.size_bytes >= settings.memtable_bytes or now - self._unflushed_since >= settings.flush_interval:
            self._begin()

    def _begin(self) -> bool:
        """Freeze the applied layer and begin to write it; False when there is nothing to do, or not yet."""
        group = self._group
        if self.busy or group.paused or self._stopped:
            return False
        if group.machine.index == self.flushed_index or group.machine.index > group.node.durable_index:
            return False
        self.busy = True
        self._began_at = group.clock.monotonic()
        self._unflushed_since = None
        view = group.view
        if view.frozen is None:
            view.frozen = view.applied
        else:
            # The last attempt failed. What came since joins it.
            view.frozen.merge(view.applied)
        view.applied = Layer()
        self._task = group.loop.create_task(self._flush(view.frozen, group.applied_mark()), name="flush")
        return True

    async def _flush(self, frozen: Layer, mark: Applied) -> None:
        error: Exception | None = None
        try:
            await self._write(frozen, mark)
        except Exception as caught:
            error = caught
        self._done(mark, error)

    async def _write(self, frozen: Layer, mark: Applied) -> None:
        group = self._group
        # The engine as of now: a snapshot may have brought another one since the flusher was made. It cannot change
        # before this flush ends, because installing waits for that.
        engine = group.engine
        before = engine.applied()
        chunks = await self._run(lambda: list(chunks_of(frozen.puts))) or [{}]
        last = len(chunks) - 1
        for number, chunk in enumerate(chunks):
            began = group.clock.monotonic()
            batch = WriteBatch(mark if number == last else before, chunk, frozen.ranges if number == 0 else [])
            await self._run(lambda batch=batch: engine.write(batch))  # type: ignore[misc]  # bound at once
            # Readers go on to the new pages, so that the next chunk may use the old ones again.
            engine.refresh()
            if number < last and not group.stopping and group.view.applied.size_bytes < group.settings.memtable_bytes:
                await asyncio.sleep(min(group.clock.monotonic() - began, _LONGEST_PAUSE_SECONDS))
        del chunks
        if last:
            await self._run(allocator.trim)

    def _run(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """Run a job on the flusher's thread."""
        future: asyncio.Future[T] = self._group.loop.create_future()

        def done(result: T | None, error: Exception | None) -> None:
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(cast(T, result))

        self._flusher.run(job, done)
        return future

    def _done(self, mark: Applied, error: Exception | None) -> None:
        self.busy = False
        try:
            self._conclude(mark, error)
        finally:
            # Whoever waits must hear of the end, whatever went wrong with it.
            idle, self._idle = self._idle, []
            for future in idle:
                if not future.done():
                    future.set_result(None)

    def _conclude(self, mark: Applied, error: Exception | None) -> None:
        group = self._group
        if error is None:
            group.view.frozen = None
            self.flushed_index = mark.index
            self.flushes += 1
            self.flush_seconds += group.clock.monotonic() - self._began_at
            self._cut_log()
        elif isinstance(error, KvError) and error.fault is Fault.DISK_FULL:
            self._retry_at = group.clock.monotonic() + _RETRY_SECONDS
            self._set_disk_full(str(error))
        else:
            _log.critical("the state cannot be written", exc_info=error)
            group.fatal(f"the state cannot be written: {error}")

    async def _when_idle(self) -> None:
        future: asyncio.Future[None] = self._group.loop.create_future()
        self._idle.append(future)
        await future

    async def flush(self) -> None:
        """Everything applied at the time of the call becomes durable state. KvError(DISK_FULL)."""
        target = self._group.machine.index
        while self.flushed_index < target:
            if not self.busy and not self._begin():
                await asyncio.sleep(self._group.settings.tick_interval)
                continue
            await self._when_idle()
            if self.disk_full:
                raise KvError(Fault.DISK_FULL, self.disk_full)

    async def quiesce(self) -> None:
        """Wait until the thread does not use the engine; the caller has paused the group."""
        while self.busy:
            await self._when_idle()

    def restored(self, index: int) -> None:
        """A snapshot replaced the state."""
        self.flushed_index = index
        self._unflushed_since = None
        self._cut_at = index + 1

    # the log

    def note_applied(self, index: int, size_bytes: int) -> None:
        """Entries of this size were applied, up to `index`."""
        self._logged_bytes += size_bytes
        if not self._marks or self._logged_bytes - self._marks[-1][1] >= _MARK_BYTES:
            self._marks.append((index, self._logged_bytes))

    def _cut_log(self) -> None:
        group = self._group
        if group.stopping:
            return  # the log writer has ended, or is about to; the next start finds the same place to cut
        settings = group.settings
        marks = self._marks
        # What is kept for followers that lag is limited in entries and in bytes, whichever is less.
        by_size = 0
        while marks and self._logged_bytes - marks[0][1] > settings.log_retain_bytes:
            by_size = marks.popleft()[0]
        cut = min(
            self.flushed_index, group.snapshots.keep_log_from(), max(by_size, group.machine.index - settings.log_retain)
        )
        if cut - self._cut_at >= settings.snapshot_entries or (by_size and cut > self._cut_at):
            self._cut_at = cut
            group.writer.compact(cut)

    def cut_to(self, index: int) -> None:
        """Cut the log behind a snapshot that was asked for; never beyond what is flushed."""
        index = min(index, self.flushed_index)
        if index >= self._cut_at:
            self._cut_at = index
            self._group.writer.compact(index)

    # the disk

    def _check_space(self) -> None:
        group = self._group
        try:
            space = os.statvfs(group.data_dir.path)
        except OSError as error:
            self._set_disk_full(f"the data directory cannot be looked at: {error}")
            return
        free = space.f_bavail * space.f_frsize
        reserve = min(group.settings.disk_reserve_bytes, space.f_blocks * space.f_frsize // 4)
        if free < reserve:
            self._set_disk_full(
                f"disk full: {free >> 20} MiB free in {group.data_dir.path}, {reserve >> 20} MiB are kept back"
            )
        elif self.disk_full and not self._log_trouble and free >= reserve + reserve // 4 and group.view.frozen is None:
            self._clear_disk_full()
        elif self.disk_full and not self.busy and group.view.frozen is not None:
            self._retry_at = 0.0
            self._begin()

    def disk_trouble(self, reason: str) -> None:
        """The log writer met a full disk; it retries by itself."""
        self._log_trouble = reason
        self._set_disk_full(reason)

    def disk_recovered(self) -> None:
        self._log_trouble = ""
        self._check_space()

    def _set_disk_full(self, reason: str) -> None:
        if not self.disk_full:
            self.disk_full_episodes += 1
            _log.error("writes are refused: %s", reason)
        self.disk_full = reason
        self._group.executor.refusal = KvError(Fault.DISK_FULL, reason)

    def _clear_disk_full(self) -> None:
        _log.warning("there is space again: writes are accepted")
        self.disk_full = ""
        self._group.executor.refusal = None
