"""The tail of the log that has to stay in memory: not known to be durable, or not yet given to the state machine.

Three marks move over the tail from left to right:

    offset          stable                handed_out              last
      |  durable, kept |  being written       |  not in a Ready yet |
      |  until applied |                      |                     |

An entry leaves memory when it is durable *and* handed to the state machine, so that the usual entry is never read back
from storage.

Writes overlap: several Readies may be on their way to the disk. When a new leader replaces a tail that is still being
written, the report of the old write must not count for the new entries, not even when a still later leader puts the
very same entries back (write A, write B over it, write A again: the first report comes while B may be what the disk
holds). So each write remembers how far it still speaks for the log, and a replacement cuts that down.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from elastickv.raft.types import Entry, SnapshotMeta


class _Write:
    """One Ready on its way to the disk."""

    __slots__ = ("last_index", "number", "snapshot")

    def __init__(self, number: int, last_index: int, snapshot: SnapshotMeta | None) -> None:
        self.number = number
        self.last_index = last_index
        """Up to here the log is durable once this write is done; 0 when all of it has been replaced."""
        self.snapshot = snapshot


class Unstable:
    """See the head of the module. Knows nothing about terms' meaning or commitment."""

    __slots__ = ("_writes", "entries", "handed_out", "offset", "snapshot", "snapshot_handed_out", "stable")

    def __init__(self, last_index: int) -> None:
        self.offset = last_index + 1
        """Index of entries[0], or of the entry that will become it."""
        self.entries: list[Entry] = []
        self.stable = last_index
        """Everything up to here is durable (as long as no snapshot is pending)."""
        self.handed_out = last_index
        self.snapshot: SnapshotMeta | None = None
        """A snapshot that replaces everything before `offset` and is not durable yet."""
        self.snapshot_handed_out = False
        self._writes: deque[_Write] = deque()

    @property
    def last_index(self) -> int:
        return self.offset + len(self.entries) - 1

    def append(self, entries: Sequence[Entry]) -> None:
        """Add a tail, replacing what is there from its first index on."""
        first = entries[0].index
        position = first - self.offset
        if position == len(self.entries):
            self.entries += entries
            return
        if position > len(self.entries):
            raise ValueError(f"gap: entry {first} after {self.last_index}")
        if position <= 0:
            self.entries = list(entries)
            self.offset = first
        else:
            self.entries[position:] = entries
        self._forget_from(first)

    def _forget_from(self, index: int) -> None:
        """Entries from `index` on are others now than those that were handed out."""
        self.stable = min(self.stable, index - 1)
        self.handed_out = min(self.handed_out, index - 1)
        for write in self._writes:
            write.last_index = min(write.last_index, index - 1)

    def restore(self, snapshot: SnapshotMeta) -> None:
        """Start anew after `snapshot`."""
        self.entries = []
        self.offset = snapshot.index + 1
        self.stable = self.handed_out = snapshot.index
        self.snapshot = snapshot
        self.snapshot_handed_out = False
        for write in self._writes:
            write.last_index = 0
            write.snapshot = None

    # -- on the way to disk ---------------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        return self.handed_out < self.last_index or (self.snapshot is not None and not self.snapshot_handed_out)

    def hand_out(self, number: int) -> tuple[SnapshotMeta | None, tuple[Entry, ...]]:
        """What the Ready `number` has to write. Each entry comes once."""
        snapshot = None if self.snapshot_handed_out else self.snapshot
        entries = tuple(self.entries[self.handed_out + 1 - self.offset :])
        if snapshot is not None or entries:
            self.handed_out = self.last_index
            self.snapshot_handed_out = snapshot is not None or self.snapshot_handed_out
            self._writes.append(_Write(number, self.handed_out, snapshot))
        return snapshot, entries

    def persisted(self, number: int) -> SnapshotMeta | None:
        """All writes up to Ready `number` are done; returns the pending snapshot if it became durable by that."""
        done: SnapshotMeta | None = None
        while self._writes and self._writes[0].number <= number:
            write = self._writes.popleft()
            self.stable = max(self.stable, write.last_index)
            if write.snapshot is not None and write.snapshot is self.snapshot:
                done, self.snapshot, self.snapshot_handed_out = self.snapshot, None, False
        return done

    def trim(self, applying: int) -> None:
        """Entries up to `applying` went to the state machine; let go of those that are durable as well."""
        count = min(applying, self.stable) + 1 - self.offset
        if count > 0 and self.snapshot is None:
            del self.entries[:count]
            self.offset += count
