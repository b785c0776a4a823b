"""LogStorage in lists: for tests, and to be read as the reference of what the protocol means.

The write side mirrors what a driver does with a `Ready`: snapshot, entries and hard state of one `persist` belong
together.
"""

from __future__ import annotations

from collections.abc import Sequence

from elastickv.raft.storage import Compacted, SnapshotPending, Unavailable
from elastickv.raft.types import ConfState, Entry, HardState, SnapshotMeta


class MemoryStorage:
    """A log that starts after `_base`, the last compacted (or never existing, index 0) entry."""

    def __init__(self, conf_state: ConfState | None = None, hard_state: HardState | None = None) -> None:
        self._hard_state = hard_state or HardState()
        self._conf_state = conf_state or ConfState()
        self._base_index = 0
        self._base_term = 0
        self._entries: list[Entry] = []
        self._snapshot: SnapshotMeta | None = None
        self.snapshot_pending = False
        """Set by tests: the next snapshot is still being made."""

    # -- read side: LogStorage ------------------------------------------------------------------------------------

    def initial_state(self) -> tuple[HardState, ConfState]:
        return self._hard_state, self._conf_state

    def entries(self, low: int, high: int, max_bytes: int) -> list[Entry]:
        if low < self.first_index():
            raise Compacted(f"entry {low} is compacted, the first kept one is {self.first_index()}")
        if high > self.last_index() + 1:
            raise Unavailable(f"entry {high - 1} is beyond the last one, {self.last_index()}")
        wanted = self._entries[low - self._base_index - 1 : high - self._base_index - 1]
        size = 0
        for count, entry in enumerate(wanted):
            size += len(entry.data)
            if size > max_bytes and count:
                return wanted[:count]
        return wanted

    def term(self, index: int) -> int:
        if index == self._base_index:
            return self._base_term
        if index < self._base_index:
            raise Compacted(f"the term of entry {index} is compacted")
        if index > self.last_index():
            raise Unavailable(f"entry {index} is beyond the last one, {self.last_index()}")
        return self._entries[index - self._base_index - 1].term

    def first_index(self) -> int:
        return self._base_index + 1

    def last_index(self) -> int:
        return self._base_index + len(self._entries)

    def snapshot(self) -> SnapshotMeta:
        if self.snapshot_pending or self._snapshot is None:
            raise SnapshotPending("no snapshot yet")
        return self._snapshot

    # -- write side -----------------------------------------------------------------------------------------------

    def persist(
        self,
        hard_state: HardState | None = None,
        entries: Sequence[Entry] = (),
        snapshot: SnapshotMeta | None = None,
    ) -> None:
        """What a Ready asks for, as one unit."""
        if snapshot is not None:
            self.install_snapshot(snapshot)
        self.append(entries)
        if hard_state is not None:
            self._hard_state = hard_state

    def append(self, entries: Sequence[Entry]) -> None:
        """Add a tail; an old tail from `entries[0].index` on is replaced. Compacted entries are passed over."""
        if not entries:
            return
        if entries[0].index > self.last_index() + 1:
            raise ValueError(f"gap: entry {entries[0].index} after {self.last_index()}")
        fresh = [entry for entry in entries if entry.index > self._base_index]
        if fresh:
            del self._entries[fresh[0].index - self._base_index - 1 :]
            self._entries += fresh

    def install_snapshot(self, snapshot: SnapshotMeta) -> None:
        """Replace the whole log by a snapshot (thesis section 5.3)."""
        self._snapshot = snapshot
        self._conf_state = snapshot.conf_state
        self._base_index, self._base_term = snapshot.index, snapshot.term
        self._entries = []

    def make_snapshot(self, index: int, conf_state: ConfState) -> SnapshotMeta:
        """Remember a snapshot of this node's own state machine as of `index`."""
        self._snapshot = SnapshotMeta(index, self.term(index), conf_state)
        return self._snapshot

    def compact(self, index: int) -> None:
        """Forget the entries up to and with `index`; the term of the last one stays known."""
        if index <= self._base_index:
            return
        term = self.term(index)
        del self._entries[: index - self._base_index]
        self._base_index, self._base_term = index, term

    def set_conf_state(self, conf_state: ConfState) -> None:
        """The configuration that `initial_state` gives after a restart."""
        self._conf_state = conf_state
