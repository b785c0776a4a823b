"""The group's log, as the core and the snapshots see it."""

from __future__ import annotations

from elastickv.raft.storage import SnapshotPending
from elastickv.raft.types import SnapshotMeta
from elastickv.storage.lmdb_log import LmdbLog


class GroupLog(LmdbLog):
    """A log that remembers that the core has asked it for a snapshot in vain."""

    snapshot_wanted = False

    def snapshot(self) -> SnapshotMeta:
        meta = super().snapshot() if self.has_snapshot else None
        if meta is None or meta.index + 1 < self.first_index():
            # None, or one that the log does not continue any more.
            self.snapshot_wanted = True
            raise SnapshotPending("no snapshot is ready to be sent")
        return meta

    has_snapshot = False

    def set_snapshot(self, meta: SnapshotMeta | None) -> None:
        super().set_snapshot(meta)
        self.has_snapshot = meta is not None
        self.snapshot_wanted = False
