"""A disk with one queue: what has been synced survives, the rest may or may not.

Each write is one durable unit, as the Ready contract asks. The writer takes what has gathered in the queue, as many
units as it likes, and syncs them together; units reach the disk in order. A crash leaves some beginning of the group
that was being written: the unit at which the sync was cut is torn, its checksum does not hold, and recovery drops it
and everything after it.

A unit that need not be synced (only the commit index moved) is in the page cache at once: it survives the end of the
process but not the loss of power, unless something synced came after it.

What the core reads through `LogStorage` is what is written, which may already be newer than what the core has been told
(`persisted`): a writer thread commits first and reports then.
"""

from __future__ import annotations

from dataclasses import dataclass

from elastickv.raft.storage import Compacted, SnapshotPending, Unavailable
from elastickv.raft.types import ConfState, Entry, EntryKind, HardState, Message, SnapshotMeta
from tests.kit.sim.machine import EMPTY_IMAGE, Image

KEPT_IMAGES = 4
"""Images that a snapshot under way may still be read from."""


@dataclass(slots=True)
class Unit:
    """What one Ready gives to the disk, and what waits for it."""

    number: int
    hard_state: HardState | None
    entries: tuple[Entry, ...]
    image: Image | None
    """A snapshot to install before `entries`."""
    must_sync: bool
    promises: tuple[Message, ...]


class SimDisk:
    """The write side is the driver's; the read side fulfils `LogStorage`."""

    def __init__(self) -> None:
        self.hard_state = HardState()
        self.image = EMPTY_IMAGE
        """The state machine as of its last flush."""
        self._synced_hard_state = HardState()
        self._base_index = 0
        self._base_term = 0
        self._entries: list[Entry] = []
        self._images: dict[int, Image] = {}
        self.snapshot_ready = True

    # -- write side ---------------------------------------------------------------------------------------------------

    def write(self, unit: Unit, *, synced: bool) -> None:
        if unit.image is not None:
            meta = unit.image.meta
            self._base_index, self._base_term, self._entries = meta.index, meta.term, []
            self._keep(unit.image)
        if unit.entries:
            self._append(unit.entries)
        if unit.hard_state is not None:
            self.hard_state = unit.hard_state
        if synced:
            self._synced_hard_state = self.hard_state

    def _append(self, entries: tuple[Entry, ...]) -> None:
        first = entries[0].index
        if first > self.last_index() + 1:
            raise AssertionError(f"gap on disk: entry {first} after {self.last_index()}")
        fresh = [entry for entry in entries if entry.index > self._base_index]
        if fresh:
            del self._entries[fresh[0].index - self._base_index - 1 :]
            self._entries += fresh

    def flush(self, image: Image) -> None:
        """The state machine made itself durable. Late flushes of an older state are passed over."""
        if image.meta.index > self.image.meta.index:
            self._keep(image)

    def _keep(self, image: Image) -> None:
        self.image = image
        self._images[image.meta.index] = image
        for index in list(self._images)[:-KEPT_IMAGES]:
            del self._images[index]

    def compact(self, index: int) -> None:
        """Cut the log, only behind what is flushed."""
        index = min(index, self.image.meta.index, self.last_index())
        if index > self._base_index:
            term = self.term(index)
            del self._entries[: index - self._base_index]
            self._base_index, self._base_term = index, term

    def lose_power(self) -> None:
        """The page cache is gone."""
        self.hard_state = self._synced_hard_state

    def image_at(self, index: int) -> Image | None:
        """The data that belongs to a SNAPSHOT message."""
        return self._images.get(index)

    # -- questions of the invariants ----------------------------------------------------------------------------------

    def holds(self, index: int, term: int) -> bool:
        """Whether this very entry is durable, or contained in what is durable (what is compacted was committed)."""
        if index <= self._base_index:
            return True
        position = index - self._base_index - 1
        return position < len(self._entries) and self._entries[position].term == term

    @property
    def used(self) -> bool:
        """Whether anything was ever written."""
        return self.last_index() > 0 or self.hard_state != HardState()

    def config_indexes(self) -> list[int]:
        return [entry.index for entry in self._entries if entry.kind is EntryKind.CONFIG]

    def terms(self) -> tuple[int, list[int]]:
        """The base index, and the terms from there on (the first is the base's own)."""
        return self._base_index, [self._base_term, *(entry.term for entry in self._entries)]

    # -- LogStorage ---------------------------------------------------------------------------------------------------

    def initial_state(self) -> tuple[HardState, ConfState]:
        return self.hard_state, self.image.meta.conf_state

    def entries(self, low: int, high: int, max_bytes: int) -> list[Entry]:
        if low <= self._base_index:
            raise Compacted(f"entry {low} is compacted")
        if high > self.last_index() + 1:
            raise Unavailable(f"entry {high - 1} is beyond the last one")
        found: list[Entry] = []
        size = 0
        for entry in self._entries[low - self._base_index - 1 : high - self._base_index - 1]:
            size += len(entry.data)
            if size > max_bytes and found:
                break
            found.append(entry)
        return found

    def term(self, index: int) -> int:
        if index == self._base_index:
            return self._base_term
        if index < self._base_index:
            raise Compacted(f"the term of entry {index} is compacted")
        if index > self.last_index():
            raise Unavailable(f"entry {index} is beyond the last one")
        return self._entries[index - self._base_index - 1].term

    def first_index(self) -> int:
        return self._base_index + 1

    def last_index(self) -> int:
        return self._base_index + len(self._entries)

    def snapshot(self) -> SnapshotMeta:
        if not self.snapshot_ready or self.image.meta.index not in self._images:
            raise SnapshotPending("no snapshot now")
        return self.image.meta
