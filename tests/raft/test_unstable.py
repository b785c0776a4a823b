"""The tail in memory, against a plain model of disk and log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.raft.types import Entry, SnapshotMeta
from elastickv.raft.unstable import Unstable


def entries(first: int, *terms: int) -> list[Entry]:
    return [Entry(term, index) for index, term in enumerate(terms, first)]


def test_each_entry_is_handed_out_once() -> None:
    tail = Unstable(4)
    tail.append(entries(5, 1, 1))
    assert tail.hand_out(1)[1] == tuple(entries(5, 1, 1))
    assert not tail.has_work
    tail.append(entries(7, 1))
    assert tail.hand_out(2)[1] == tuple(entries(7, 1))
    tail.persisted(1)
    assert tail.stable == 6
    tail.persisted(2)
    assert tail.stable == 7


def test_entries_stay_until_they_are_durable_and_applied() -> None:
    tail = Unstable(0)
    tail.append(entries(1, 1, 1, 1))
    tail.hand_out(1)
    tail.trim(3)
    assert len(tail.entries) == 3
    tail.persisted(1)
    tail.trim(2)
    assert (tail.offset, len(tail.entries), tail.last_index) == (3, 1, 3)


def test_a_report_does_not_count_for_what_replaced_its_entries() -> None:
    tail = Unstable(0)
    tail.append(entries(1, 1, 1, 1))
    tail.hand_out(1)
    tail.append(entries(2, 2))
    tail.persisted(1)
    assert tail.stable == 1


def test_the_same_entries_put_back_are_not_durable_by_the_first_report() -> None:
    """Write A, write B over it, write A again: the first report may come while B is what the disk holds."""
    tail = Unstable(0)
    tail.append(entries(1, 1, 2))
    tail.hand_out(1)
    tail.append(entries(2, 3))
    tail.hand_out(2)
    tail.append(entries(2, 2))
    tail.hand_out(3)
    tail.persisted(1)
    assert tail.stable == 1
    tail.persisted(2)
    assert tail.stable == 1
    tail.persisted(3)
    assert tail.stable == 2


def test_a_tail_that_reaches_before_the_memory() -> None:
    tail = Unstable(9)
    tail.append(entries(6, 2, 2))
    assert (tail.offset, tail.stable, tail.last_index) == (6, 5, 7)


def test_a_gap_is_refused() -> None:
    with pytest.raises(ValueError, match="gap"):
        Unstable(4).append(entries(6, 1))


def test_a_snapshot_replaces_writes_that_are_under_way() -> None:
    tail = Unstable(0)
    tail.append(entries(1, 1, 1))
    tail.hand_out(1)
    snapshot = SnapshotMeta(10, 2)
    tail.restore(snapshot)
    assert tail.has_work
    tail.append(entries(11, 2))
    assert tail.hand_out(2) == (snapshot, tuple(entries(11, 2)))
    assert tail.persisted(1) is None
    assert tail.snapshot is snapshot
    assert tail.persisted(2) is snapshot
    assert tail.stable == 11


def test_a_newer_snapshot_is_not_done_by_the_report_of_an_older_one() -> None:
    tail = Unstable(0)
    tail.restore(SnapshotMeta(5, 1))
    tail.hand_out(1)
    tail.restore(SnapshotMeta(9, 1))
    assert tail.persisted(1) is None
    assert tail.hand_out(2)[0] == SnapshotMeta(9, 1)
    assert tail.persisted(2) == SnapshotMeta(9, 1)


@given(st.lists(st.tuples(st.sampled_from("adpt"), st.integers(0, 5), st.integers(1, 4))))
def test_against_a_disk_that_writes_in_order(operations: list[tuple[str, int, int]]) -> None:
    """append at some point, hand out, persist the oldest, trim: what is called stable is on the disk, unchanged."""
    tail = Unstable(0)
    log: list[Entry] = []
    disk: list[Entry] = []
    writes: list[tuple[int, tuple[Entry, ...]]] = []
    number, term, applied = 0, 1, 0
    for what, back, count in operations:
        if what == "a":
            keep = max(len(log) - back, applied)  # what is applied is never replaced
            term += back > 0
            fresh = entries(keep + 1, *[term] * count)
            log[keep:] = fresh
            tail.append(fresh)
        elif what == "d":
            number += 1
            writes.append((number, tail.hand_out(number)[1]))
        elif what == "p" and writes:
            done, written = writes.pop(0)
            if written:
                disk[written[0].index - 1 :] = written
            tail.persisted(done)
        elif what == "t":
            applied = min(applied + count, len(log))
            tail.trim(applied)
        assert tail.last_index == len(log)
        assert tail.entries == log[tail.offset - 1 :]
        assert disk[: tail.stable] == log[: tail.stable]
        assert tail.offset - 1 <= tail.stable
