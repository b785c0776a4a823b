"""Snapshots: made when a follower is too far behind the log, sent, received, installed.

A snapshot is a compact copy of the engine, which stands exactly at one applied index. It is made only when somebody
needs it (a follower whose next entry has been cut, or an administrator), because the engine itself is what a restart
begins from. Installing one: pause the core's work, let the flusher finish, put the new state in place atomically, start
the log anew behind it, and only then go on. A crash in between is mended by `Group._reconcile`.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from elastickv.errors import Fault, KvError
from elastickv.raft.ready import Ready
from elastickv.raft.types import Message, NodeId, SnapshotMeta
from elastickv.storage.snapshot_file import SnapshotStore

if TYPE_CHECKING:
    from elastickv.runtime.group import Group

_log = logging.getLogger(__name__)

_KEEP_SECONDS = 60.0
"""A snapshot that nobody is being sent is deleted after this long."""
_NO_LIMIT = 1 << 63


class Snapshots:
    def __init__(self, group: Group) -> None:
        self._group = group
        self.store = SnapshotStore(group.data_dir.snapshots_dir)
        self.meta: SnapshotMeta | None = None
        self._directory: Path | None = None
        self._sending: dict[NodeId, SnapshotMeta] = {}
        self._used_at = 0.0
        self._making: asyncio.Task[SnapshotMeta] | None = None
        self._arrived: dict[tuple[int, int], Path] = {}
        self._installing: asyncio.Task[None] | None = None
        self._retry_at = 0.0
        self.installed = 0
        self.sent = 0
        self.store.prune(keep=0)

    async def stop(self) -> None:
        for task in (self._making, self._installing):
            if task is not None:
                await asyncio.gather(task, return_exceptions=True)

    def tick(self, now: float) -> None:
        if self.meta is not None and not self._sending and self._making is None and now - self._used_at > _KEEP_SECONDS:
            self._drop()

    def _drop(self) -> None:
        self.meta = None
        self._group.log.set_snapshot(None)
        self.store.prune(keep=0)

    def keep_log_from(self) -> int:
        """The log must not be cut beyond this while a snapshot that ends here is on its way to somebody."""
        return self.meta.index if self.meta is not None else _NO_LIMIT

    # making

    def check_wanted(self) -> None:
        """Begin to make a snapshot when the core has asked the log for one and there was none."""
        log = self._group.log
        if log.snapshot_wanted and self._making is None and self._group.clock.monotonic() >= self._retry_at:
            self._making = self._group.loop.create_task(self._make(), name="snapshot")
            self._making.add_done_callback(self._made)

    async def make(self) -> SnapshotMeta:
        """A snapshot of now. KvError(DISK_FULL)."""
        if self._making is None:
            self._making = self._group.loop.create_task(self._make(), name="snapshot")
            self._making.add_done_callback(self._made)
        return await asyncio.shield(self._making)

    async def _make(self) -> SnapshotMeta:
        group = self._group
        await group.flushing.flush()
        snapshot = await asyncio.to_thread(self.store.create, group.engine, cluster_id=group.data_dir.cluster_id)
        meta = snapshot.meta
        self.meta, self._directory = meta, snapshot.directory
        self._used_at = group.clock.monotonic()
        group.log.set_snapshot(meta)
        await asyncio.to_thread(self.store.prune, keep=1)
        _log.info("snapshot made", extra={"index": meta.index, "term": meta.term})
        return meta

    def _made(self, task: asyncio.Task[SnapshotMeta]) -> None:
        self._making = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._retry_at = self._group.clock.monotonic() + 1.0
            _log.error("no snapshot could be made: %s", error)

    # sending

    def send(self, message: Message) -> None:
        """The core wants `message.to` to get the snapshot that the message names."""
        group = self._group
        if message.snapshot is None or self.meta is None or message.snapshot.index != self.meta.index:
            group.node.report_snapshot(message.to, False)
            return
        assert self._directory is not None
        peer, meta = message.to, self.meta
        self._sending[peer] = meta
        _log.info("sending snapshot", extra={"peer": peer, "index": meta.index})

        def done(ok: bool) -> None:
            self._sending.pop(peer, None)
            self._used_at = group.clock.monotonic()
            self.sent += ok
            if not group.stopping:
                group.node.report_snapshot(peer, ok)
                group.kick()

        group.transport.send_snapshot(message, meta, self._directory, done)

    # receiving

    def arrived(self, message: Message, directory: Path) -> None:
        """A whole, verified snapshot lies in `directory`, which is ours now."""
        group = self._group
        if group.stopping or group.paused or message.snapshot is None:
            shutil.rmtree(directory, ignore_errors=True)
            return
        key = (message.snapshot.index, message.snapshot.term)
        self._arrived[key] = directory
        group.node.step(message)
        group.pump()
        # Still here: the core did not want it (it has that much already, or the leader is an old one).
        if self._installing is None and key in self._arrived:
            shutil.rmtree(self._arrived.pop(key), ignore_errors=True)

    def install(self, ready: Ready) -> None:
        """The core has accepted the snapshot of this Ready; the group is paused until it is in place."""
        assert ready.snapshot is not None
        self._installing = self._group.loop.create_task(self._install(ready, ready.snapshot), name="install snapshot")

    async def _install(self, ready: Ready, meta: SnapshotMeta) -> None:
        group = self._group
        directory = self._arrived.pop((meta.index, meta.term), None)
        if directory is None:
            raise KvError(Fault.INTERNAL, "the core accepted a snapshot that never arrived")
        try:
            await group.flushing.quiesce()
            group.engine.close()
            await asyncio.to_thread(self.store.install, directory, group.data_dir.state_dir)
            group.engine = group.open_engine()
            group.view.use_flushed(group.engine)
            group.machine.restore(meta.index, meta.term)
            applied = group.engine.applied()
            group.conf_state, group.conf_index = applied.conf_state, applied.conf_index
            group.flushing.restored(meta.index)
            group.gate.configure(group.conf_state)
            group.transport.set_peers(group.gate.members)
            group.executor.history_skipped(meta.index)
            group.waiting.skipped_to(meta.index)
            self.installed += 1
            _log.info("snapshot installed", extra={"index": meta.index, "term": meta.term})
        except BaseException:
            # Half-way is no place to go on from: the next start repairs what is on disk.
            _log.critical("installing a snapshot failed; this node stops", exc_info=True)
            group.fatal("installing a snapshot failed")
            raise
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            self._installing = None
        group.paused = False
        # The core counts the snapshot as applied once the log begins behind it, which `handle_rest` sees to.
        group.handle_rest(ready)
        group.pump()
