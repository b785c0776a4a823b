"""RaftLog: storage and tail as one log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.raft.log import InvariantViolated, RaftLog
from elastickv.raft.memory_storage import MemoryStorage
from elastickv.raft.storage import Compacted, StorageError, Unavailable
from elastickv.raft.types import ConfState, Entry, EntryKind, SnapshotMeta

BIG = 1 << 30


def entries(first: int, *terms: int, data: bytes = b"") -> list[Entry]:
    return [Entry(term, index, data) for index, term in enumerate(terms, first)]


def log_of(*terms: int, stored: int = 0, compacted: int = 0, commit: int = 0) -> RaftLog:
    """A log of these terms whose first `stored` entries are on disk."""
    storage = MemoryStorage()
    all_entries = entries(1, *terms)
    storage.append(all_entries[:stored])
    storage.compact(compacted)
    log = RaftLog(storage, commit=commit)
    if all_entries[stored:]:
        log.append(all_entries[stored:])
    return log


@pytest.mark.parametrize("stored", [0, 2, 4, 6])
def test_terms_wherever_the_entry_is(stored: int) -> None:
    log = log_of(1, 1, 2, 2, 3, 3, stored=stored)
    assert [log.term(index) for index in range(7)] == [0, 1, 1, 2, 2, 3, 3]
    with pytest.raises(Unavailable):
        log.term(7)
    assert log.last_term == 3


def test_terms_behind_the_first_entry() -> None:
    log = log_of(1, 1, 2, 2, 3, stored=5, compacted=3)
    assert log.term(3) == 2
    with pytest.raises(Compacted):
        log.term(2)
    with pytest.raises(Compacted):
        log.slice(3, 5, BIG)


@pytest.mark.parametrize(
    ("index", "term", "up_to_date"), [(3, 2, True), (9, 1, False), (2, 2, False), (1, 3, True), (4, 2, True)]
)
def test_up_to_date(index: int, term: int, up_to_date: bool) -> None:
    assert log_of(1, 2, 2).is_up_to_date(index, term) is up_to_date


@pytest.mark.parametrize(
    ("prev_index", "prev_term", "terms", "expected", "log_after"),
    [
        (3, 3, (), 3, [1, 2, 3]),
        (3, 3, (4,), 4, [1, 2, 3, 4]),
        (3, 2, (4,), None, [1, 2, 3]),  # another entry at prev
        (4, 3, (4,), None, [1, 2, 3]),  # a gap
        (0, 0, (1,), 1, [1, 2, 3]),  # nothing new: the tail stays
        (1, 1, (4, 4), 3, [1, 4, 4]),  # a conflict cuts the tail
        (1, 1, (2, 3, 3), 4, [1, 2, 3, 3]),
    ],
)
def test_the_consistency_check(
    prev_index: int, prev_term: int, terms: tuple[int, ...], expected: int | None, log_after: list[int]
) -> None:
    log = log_of(1, 2, 3, commit=0)
    assert log.maybe_append(prev_index, prev_term, 0, entries(prev_index + 1, *terms)) == expected
    assert [log.term(index) for index in range(1, log.last_index + 1)] == log_after


def test_the_commit_index_never_runs_ahead_of_what_was_checked() -> None:
    log = log_of(1, 1, 1)
    log.maybe_append(1, 1, 3, [])
    assert log.committed == 1
    log.maybe_append(2, 1, 9, entries(3, 1))
    assert log.committed == 3


def test_committed_entries_are_never_replaced() -> None:
    log = log_of(1, 1, 1)
    log.commit_to(2)
    with pytest.raises(InvariantViolated):
        log.maybe_append(1, 1, 1, entries(2, 2))


def test_commit_beyond_the_end_is_a_broken_promise() -> None:
    with pytest.raises(InvariantViolated):
        log_of(1, 1).commit_to(3)


def test_a_disk_that_lost_committed_entries_is_noticed() -> None:
    storage = MemoryStorage()
    storage.append(entries(1, 1, 1))
    with pytest.raises(InvariantViolated):
        RaftLog(storage, commit=3)


def test_only_entries_of_the_own_term_are_committed_by_counting() -> None:
    log = log_of(1, 1, 2)
    assert not log.maybe_commit(2, 2)
    assert log.maybe_commit(3, 2)
    assert not log.maybe_commit(3, 2)


def test_slices_cross_from_storage_into_memory() -> None:
    storage = MemoryStorage()
    storage.append(entries(1, 1, 1, data=b"xx"))
    log = RaftLog(storage)
    log.append(entries(3, 1, 1, data=b"yy"))
    assert [e.index for e in log.slice(1, 5, BIG)] == [1, 2, 3, 4]
    assert [e.index for e in log.slice(1, 5, 6)] == [1, 2, 3]
    assert [e.index for e in log.slice(1, 5, 4)] == [1, 2]
    assert [e.index for e in log.slice(1, 5, 0)] == [1]
    assert [e.index for e in log.slice(3, 5, 1)] == [3]
    assert log.slice(3, 3, BIG) == ()


def test_committed_entries_come_once_and_in_portions() -> None:
    storage = MemoryStorage()
    storage.append(entries(1, 1, 1, 1, data=b"xxxx"))
    log = RaftLog(storage, max_committed_bytes=8)
    assert not log.has_next_committed
    log.commit_to(3)
    assert [e.index for e in log.take_committed()] == [1, 2]
    assert [e.index for e in log.take_committed()] == [3]
    assert log.take_committed() == ()
    log.applied_to(2)
    log.applied_to(1)
    assert log.applied == 2
    with pytest.raises(InvariantViolated):
        log.applied_to(4)


def test_a_snapshot_holds_back_what_follows_it_until_it_is_installed() -> None:
    log = log_of(1, 1)
    log.restore(SnapshotMeta(10, 3, ConfState()))
    assert (log.last_index, log.last_term, log.committed, log.first_index) == (10, 3, 10, 11)
    log.append(entries(11, 3, 4))
    log.commit_to(11)
    assert log.term(10) == 3
    with pytest.raises(Compacted):
        log.term(9)
    assert not log.has_next_committed
    log.unstable.hand_out(1)
    storage = log.storage
    assert isinstance(storage, MemoryStorage)
    storage.persist(None, log.unstable.entries, SnapshotMeta(10, 3))
    log.persisted(1)
    assert log.applied == 10
    assert [e.index for e in log.take_committed()] == [11]


def test_after_a_restart_the_cursors_stand_behind_what_is_durable() -> None:
    storage = MemoryStorage()
    storage.append(entries(1, 1, 1, 1, 1))
    storage.compact(2)
    assert (RaftLog(storage).applied, RaftLog(storage).committed) == (2, 2)
    # The state machine may know more than the lazily written commit index.
    assert RaftLog(storage, commit=2, applied=3).committed == 3


def test_unapplied_config_entries_are_found() -> None:
    log = log_of(1)
    log.append([Entry(1, 2, b"c", EntryKind.CONFIG), Entry(1, 3)])
    log.commit_to(1)
    assert not log.has_unapplied_config()
    log.commit_to(3)
    assert log.has_unapplied_config(page_bytes=1)
    log.take_committed()
    log.applied_to(3)
    assert not log.has_unapplied_config()


@pytest.mark.parametrize(
    ("index", "term", "expected"),
    [(6, 3, (6, 3)), (6, 2, (4, 2)), (6, 1, (2, 1)), (3, 3, (3, 2)), (2, 0, (0, 0))],
)
def test_jumping_over_a_term(index: int, term: int, expected: tuple[int, int]) -> None:
    assert log_of(1, 1, 2, 2, 3, 3, stored=3).find_conflict_by_term(index, term) == expected


def test_jumping_ends_where_the_log_was_cut() -> None:
    assert log_of(1, 1, 2, 2, 3, stored=5, compacted=3).find_conflict_by_term(5, 1) == (2, 0)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 4), st.integers(0, 2), st.booleans())), st.integers(0, 4))
def test_against_a_list(operations: list[tuple[int, int, int, bool]], stored: int) -> None:
    """Leaders of growing terms overwrite tails, disks finish, entries are committed and applied: the same as a list."""
    storage = MemoryStorage()
    model = entries(1, *[1] * stored)
    storage.append(model)
    log = RaftLog(storage)
    term, number = 1, 0
    for back, count, commit, persist in operations:
        keep = max(len(model) - back, log.committed)
        term += back > 0
        fresh = entries(keep + 1, *[term] * count)
        prev = model[keep - 1].term if keep else 0
        model[keep:] = fresh
        assert log.maybe_append(keep, prev, keep + commit, fresh) == keep + count
        if persist:
            number += 1
            storage.append(log.unstable.hand_out(number)[1])
            log.persisted(number)
        if commit:
            taken = log.take_committed()
            assert list(taken) == model[taken[0].index - 1 : log.committed] if taken else True
            if log.unstable.stable >= log.applying:
                storage.compact(log.applying - 2)
        assert log.last_index == len(model)
        assert log.last_term == (model[-1].term if model else 0)
        for index in range(1, len(model) + 1):
            try:
                assert log.term(index) == model[index - 1].term
            except StorageError:
                assert index < log.first_index - 1
        low = log.first_index
        assert list(log.slice(low, len(model) + 1, BIG)) == model[low - 1 :]
