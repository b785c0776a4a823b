"""RaftLog: storage and the unstable tail seen as one log, with the committed and applied cursors.

    first_index .. applied .. applying .. committed .. last_index

`applying` has been handed to the state machine, `applied` has been reported back. Committed entries may be handed out
before the local disk has them: a majority has, which is what commitment means (thesis section 3.3 and 10.2.1).

Terms never fall along the log, so it consists of runs of equal terms. The newest run is remembered: on the hot path no
question about a term reaches storage.
"""

from __future__ import annotations

from collections.abc import Sequence

from elastickv.raft.storage import Compacted, LogStorage, StorageError, Unavailable
from elastickv.raft.types import Entry, EntryKind, SnapshotMeta
from elastickv.raft.unstable import Unstable


class InvariantViolated(RuntimeError):
    """What Raft proves impossible has happened: lost disk contents, or a defect. Going on would lose data."""


def fitting(entries: Sequence[Entry], max_bytes: int, *, at_least_one: bool = True) -> Sequence[Entry]:
    """The longest prefix whose data fits in `max_bytes`."""
    size = 0
    for count, entry in enumerate(entries):
        size += len(entry.data)
        if size > max_bytes and (count or not at_least_one):
            return entries[:count]
    return entries


class RaftLog:
    def __init__(self, storage: LogStorage, *, commit: int = 0, applied: int = 0, max_committed_bytes: int = 1 << 24):
        self.storage = storage
        last = storage.last_index()
        behind = storage.first_index() - 1
        self.unstable = Unstable(last)
        # The commit index on disk may be older than what the state machine has made durable: it is written lazily.
        self.committed = max(commit, applied, behind)
        self.applied = self.applying = max(applied, behind)
        self._max_committed_bytes = max_committed_bytes
        if self.committed > last:
            raise InvariantViolated(f"the log ends at {last}, yet {self.committed} was known to be committed")
        self._run_start = last
        """The entries _run_start .. last_index all have the term `last_term`."""
        self.last_term = storage.term(last)

    # -- reading --------------------------------------------------------------------------------------------------

    @property
    def last_index(self) -> int:
        unstable = self.unstable
        return unstable.offset + len(unstable.entries) - 1

    @property
    def first_index(self) -> int:
        pending = self.unstable.snapshot
        return self.storage.first_index() if pending is None else pending.index + 1

    def term(self, index: int) -> int:
        """Term of the entry, also of the last compacted one. Raises Compacted or Unavailable."""
        if index >= self._run_start:
            if index > self.last_index:
                raise Unavailable(f"entry {index} is beyond the last one, {self.last_index}")
            return self.last_term
        unstable = self.unstable
        if index >= unstable.offset:
            return unstable.entries[index - unstable.offset].term
        if unstable.snapshot is not None:
            if index == unstable.snapshot.index:
                return unstable.snapshot.term
            raise Compacted(f"entry {index} is behind a snapshot")
        return self.storage.term(index)

    def term_or_zero(self, index: int) -> int:
        """0, which no entry has, when the term is not known (any more)."""
        try:
            return self.term(index)
        except StorageError:
            return 0

    def has(self, index: int, term: int) -> bool:
        """Whether the log contains this very entry; by log matching (thesis 3.5) everything before it agrees too."""
        try:
            return self.term(index) == term
        except StorageError:
            return False

    def slice(self, low: int, high: int, max_bytes: int) -> Sequence[Entry]:
        """Entries low <= index < high, at least one (if there is any), then as many as fit in `max_bytes`."""
        if low >= high:
            return ()
        if high > self.last_index + 1:
            raise Unavailable(f"entry {high - 1} is beyond the last one, {self.last_index}")
        offset, tail = self.unstable.offset, self.unstable.entries
        if low >= offset:
            return fitting(tail[low - offset : high - offset], max_bytes)
        if low < self.first_index:
            raise Compacted(f"entry {low} is compacted, the first kept one is {self.first_index}")
        stored = self.storage.entries(low, min(high, offset), max_bytes)
        if high <= offset or len(stored) < offset - low:
            return stored
        room = max_bytes - sum(len(entry.data) for entry in stored)
        if room < 0:
            return stored
        return [*stored, *fitting(tail[: high - offset], room, at_least_one=False)]

    def entries_from(self, low: int, max_bytes: int) -> Sequence[Entry]:
        return self.slice(low, self.last_index + 1, max_bytes)

    # -- appending ------------------------------------------------------------------------------------------------

    def append(self, entries: Sequence[Entry]) -> None:
        """Put entries at their place, dropping a conflicting tail."""
        first = entries[0].index
        if first <= self.committed:
            raise InvariantViolated(f"entry {first} would replace a committed one (committed up to {self.committed})")
        term = entries[-1].term
        if first <= self._run_start or term != self.last_term:
            start = len(entries) - 1
            while start > 0 and entries[start - 1].term == term:
                start -= 1
            self._run_start = entries[start].index
            self.last_term = term
        self.unstable.append(entries)

    def maybe_append(self, prev_index: int, prev_term: int, commit: int, entries: Sequence[Entry]) -> int | None:
        """The consistency check of AppendEntries (thesis 3.5): index of the last entry sent, or None when it fails.

        Entries that are there already stay untouched, so that a late, short message does not cut off what a newer one
        has brought.
        """
        if not self.has(prev_index, prev_term):
            return None
        last_new = prev_index + len(entries)
        if entries:
            conflict = self.find_conflict(entries)
            if conflict:
                self.append(entries[conflict - prev_index - 1 :])
        self.commit_to(min(commit, last_new))
        return last_new

    def find_conflict(self, entries: Sequence[Entry]) -> int:
        """Index of the first entry that is not in the log yet; 0 when all are."""
        if entries[0].index > self.last_index:
            return entries[0].index
        for entry in entries:
            if not self.has(entry.index, entry.term):
                return entry.index
        return 0

    def find_conflict_by_term(self, index: int, term: int) -> tuple[int, int]:
        """The largest index <= `index` whose term is <= `term`, and its term (0 when it is not known any more).

        Both sides use it to jump over a whole term of disagreement at once (thesis 3.5, the remark on
        reducing rejected AppendEntries).
        """
        while index > 0:
            try:
                own = self.term(index)
            except StorageError:
                return index, 0
            if own <= term:
                return index, own
            index -= 1
        return 0, 0

    def is_up_to_date(self, index: int, term: int) -> bool:
        """Whether a candidate whose log ends like this may have our vote (thesis 3.6.1)."""
        return (term, index) >= (self.last_term, self.last_index)

    # -- committing and applying ----------------------------------------------------------------------------------

    def commit_to(self, index: int) -> None:
        if index > self.committed:
            if index > self.last_index:
                raise InvariantViolated(f"told to commit {index}, but the log ends at {self.last_index}")
            self.committed = index

    def maybe_commit(self, index: int, term: int) -> bool:
        """Commit up to `index` if that entry is of the leader's own term (thesis 3.6.2: older ones follow by it)."""
        if index <= self.committed or not self.has(index, term):
            return False
        self.committed = index
        return True

    @property
    def has_next_committed(self) -> bool:
        # A pending snapshot comes first: the state machine stands before it, the entries come after it.
        return self.applying < self.committed and self.unstable.snapshot is None

    def take_committed(self) -> tuple[Entry, ...]:
        """The next entries for the state machine. Each comes once."""
        if not self.has_next_committed:
            return ()
        entries = tuple(self.slice(self.applying + 1, self.committed + 1, self._max_committed_bytes))
        self.applying = entries[-1].index
        self.unstable.trim(self.applying)
        return entries

    def applied_to(self, index: int) -> None:
        if index > self.applying:
            raise InvariantViolated(f"{index} was reported as applied, but only {self.applying} was handed out")
        self.applied = max(self.applied, index)

    def has_unapplied_config(self, page_bytes: int = 1 << 20) -> bool:
        """Whether a committed, not yet applied entry changes the configuration."""
        low = self.applied + 1
        while low <= self.committed:
            try:
                page = self.slice(low, self.committed + 1, page_bytes)
            except Compacted:  # a pending snapshot replaces them
                return True
            if any(entry.kind is EntryKind.CONFIG for entry in page):
                return True
            low += len(page)
        return False

    # -- durability -----------------------------------------------------------------------------------------------

    def restore(self, snapshot: SnapshotMeta) -> None:
        """Replace the whole log by a snapshot (thesis 5.3)."""
        self.unstable.restore(snapshot)
        self.committed = snapshot.index
        self._run_start, self.last_term = snapshot.index, snapshot.term

    def persisted(self, number: int) -> None:
        """The writes of all Readies up to `number` are durable."""
        snapshot = self.unstable.persisted(number)
        if snapshot is not None:
            # The state machine's contents arrived with the snapshot, in the same durable unit.
            self.applied = max(self.applied, snapshot.index)
            self.applying = max(self.applying, snapshot.index)
        self.unstable.trim(self.applying)
