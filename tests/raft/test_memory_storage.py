"""The reference storage. The contract that it shares with LMDB is in tests/contract/test_log_storage.py."""

from __future__ import annotations

import pytest

from elastickv.raft.memory_storage import MemoryStorage
from elastickv.raft.storage import Compacted, SnapshotPending, Unavailable
from elastickv.raft.types import ConfState, Entry, HardState, SnapshotMeta


def filled() -> MemoryStorage:
    storage = MemoryStorage(ConfState(voters=("1",)))
    storage.persist(HardState(2, "1", 1), [Entry(1, 1, b"aa"), Entry(1, 2, b"bb"), Entry(2, 3, b"cc")])
    return storage


def test_entries_within_bounds_and_bytes() -> None:
    storage = filled()
    assert [e.index for e in storage.entries(1, 4, 100)] == [1, 2, 3]
    assert [e.index for e in storage.entries(1, 4, 4)] == [1, 2]
    assert [e.index for e in storage.entries(2, 4, 0)] == [2]
    with pytest.raises(Unavailable):
        storage.entries(1, 5, 100)


def test_compaction_keeps_the_last_term() -> None:
    storage = filled()
    storage.compact(2)
    storage.compact(1)
    assert (storage.first_index(), storage.last_index()) == (3, 3)
    assert storage.term(2) == 1
    with pytest.raises(Compacted):
        storage.term(1)
    with pytest.raises(Compacted):
        storage.entries(2, 3, 100)
    storage.compact(3)
    assert (storage.first_index(), storage.last_index()) == (4, 3)


def test_a_tail_replaces_and_compacted_entries_are_passed_over() -> None:
    storage = filled()
    storage.append([Entry(3, 2)])
    assert (storage.last_index(), storage.term(2)) == (2, 3)
    storage.compact(2)
    storage.append([Entry(1, 1), Entry(1, 2), Entry(4, 3)])
    assert (storage.first_index(), storage.last_index(), storage.term(3)) == (3, 3, 4)
    with pytest.raises(ValueError, match="gap"):
        storage.append([Entry(4, 9)])


def test_snapshots() -> None:
    storage = filled()
    with pytest.raises(SnapshotPending):
        storage.snapshot()
    assert storage.make_snapshot(2, ConfState()) == storage.snapshot() == SnapshotMeta(2, 1)
    storage.snapshot_pending = True
    with pytest.raises(SnapshotPending):
        storage.snapshot()


def test_installing_a_snapshot_replaces_the_log() -> None:
    storage = filled()
    state = ConfState(voters=("1", "2"))
    storage.persist(HardState(5, "", 9), [Entry(5, 10)], SnapshotMeta(9, 4, state))
    assert (storage.first_index(), storage.last_index(), storage.term(9)) == (10, 10, 4)
    assert storage.initial_state() == (HardState(5, "", 9), state)
