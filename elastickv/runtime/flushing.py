"""From memory to disk: the memtable into the engine, and the log cut behind it.

The applied layer is frozen and handed to the flusher's thread as one durable batch that also records how far it goes;
meanwhile a new applied layer fills. Nothing becomes durable state before the local log has it, and the log is cut only
behind what is durable state, so a crash at any moment replays a short tail.

Disk space is watched, too: below the reserve the node refuses writes with a clear error while reads go on, and takes
them again once there is space. The reserve is there so that what has been accepted can still be brought to the disk.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from elastickv.errors import Fault, KvError
from elastickv.kv.layers import Layer
from elastickv.storage.engine import WriteBatch
from elastickv.storage.flusher import Flusher

if TYPE_CHECKING:
    from elastickv.runtime.group import Group

_log = logging.getLogger(__name__)

_SPACE_CHECK_SECONDS = 0.5
_RETRY_SECONDS = 1.0


class Flushing:
    def __init__(self, group: Group) -> None:
        self._group = group
        self._flusher = Flusher(group.engine, group.loop)
        self.flushed_index = group.engine.applied().index
        self.flushes = 0
        self.flush_seconds = 0.0
        self.disk_full = ""
        """Why writes are refused; empty when they are not."""
        self.busy = False
        self._began_at = 0.0
        self._unflushed_since: float | None = None
        self._space_checked_at = 0.0
        self._retry_at = 0.0
        self._log_trouble = ""
        self._cut_at = group.log.first_index()
        self._idle: list[asyncio.Future[None]] = []
        self._stopped = False

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
            group.executor_timeouts()
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
        """Freeze the applied layer and hand it to the thread; False when there is nothing to do, or not yet."""
        group = self._group
        if self.busy or group.paused or self._stopped:
            return False
        if group.machine.index == self.flushed_index or group.machine.index > group.persisted_index:
            return False
        self.busy = True
        self._began_at = group.clock.monotonic()
        self._unflushed_since = None
        view = group.view
        if view.frozen is None:
            view.frozen = view.applied
            view.applied = Layer()
        else:
            # The last attempt failed. What came since joins it.
            view.frozen.merge(view.applied)
            view.applied = Layer()
        batch = WriteBatch(group.applied_mark(), view.frozen.puts, view.frozen.ranges)
        # The engine as of now: a snapshot may have brought another one since the flusher was made.
        engine = group.engine
        self._flusher.run(lambda: engine.write(batch), lambda _, error: self._done(batch, error))
        return True

    def _done(self, batch: WriteBatch, error: BaseException | None) -> None:
        group = self._group
        self.busy = False
        if error is None:
            group.engine.refresh()
            group.view.frozen = None
            self.flushed_index = batch.applied.index
            self.flushes += 1
            self.flush_seconds += group.clock.monotonic() - self._began_at
            self._cut_log()
        elif isinstance(error, KvError) and error.fault is Fault.DISK_FULL:
            self._retry_at = group.clock.monotonic() + _RETRY_SECONDS
            self._set_disk_full(str(error))
        else:
            _log.critical("the state cannot be written", exc_info=error)
            self._retry_at = group.clock.monotonic() + _RETRY_SECONDS
            self._set_disk_full(f"the state cannot be written: {error}")
        idle, self._idle = self._idle, []
        for future in idle:
            if not future.done():
                future.set_result(None)

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

    def _cut_log(self) -> None:
        group = self._group
        cut = min(self.flushed_index, group.snapshots.keep_log_from()) - group.settings.log_retain
        if cut - self._cut_at >= group.settings.snapshot_entries:
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
            self._begin_again()

    def _begin_again(self) -> None:
        """Try the failed flush once more."""
        if self._group.machine.index == self.flushed_index:
            return
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
            _log.error("writes are refused: %s", reason)
        self.disk_full = reason
        self._group.executor.refusal = KvError(Fault.DISK_FULL, reason)

    def _clear_disk_full(self) -> None:
        _log.warning("there is space again: writes are accepted")
        self.disk_full = ""
        self._group.executor.refusal = None
