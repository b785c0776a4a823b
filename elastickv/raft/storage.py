"""What the core needs to read from a log, and how it is told that something is not there.

The core never writes: it hands entries out in a `Ready`, and the driver persists them and says so. Implementations:
`memory_storage.MemoryStorage` (reference) and `elastickv.storage.lmdb_log.LmdbLog`. One contract suite
(`tests/contract/test_log_storage.py`) runs over both.
"""

from __future__ import annotations

from typing import Protocol

from elastickv.raft.types import ConfState, Entry, HardState, SnapshotMeta


class StorageError(Exception):
    """Base of the answers below."""


class Compacted(StorageError):
    """The index is behind the first one that is kept."""


class Unavailable(StorageError):
    """The index is beyond the last one."""


class SnapshotPending(StorageError):
    """A snapshot is needed but not ready; ask again later."""


class LogStorage(Protocol):
    """Read side of a durable log. Methods are called on the loop's thread and must not block on a sync."""

    def initial_state(self) -> tuple[HardState, ConfState]:
        """Hard state and the configuration as of `applied` (the newest one that the state machine has made durable)."""
        ...

    def entries(self, low: int, high: int, max_bytes: int) -> list[Entry]:
        """Entries low <= index < high, at least one, then as many as fit in `max_bytes` of data.

        Raises `Compacted` when low < first_index(), `Unavailable` when high > last_index() + 1.
        """
        ...

    def term(self, index: int) -> int:
        """Term of the entry; also known for first_index() - 1, the last compacted one. Raises like `entries`."""
        ...

    def first_index(self) -> int:
        """Index of the first entry that is kept; 1 for a log that was never cut."""
        ...

    def last_index(self) -> int:
        """Index of the last entry, or of the last compacted one when the log is empty; 0 at the very start."""
        ...

    def snapshot(self) -> SnapshotMeta:
        """The newest snapshot that can be sent. Raises `SnapshotPending` while one is being made."""
        ...
