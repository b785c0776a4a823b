"""What every `LogStorage` promises, run over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastickv.raft.memory_storage import MemoryStorage
from elastickv.raft.storage import Compacted, LogStorage, SnapshotPending, Unavailable
from elastickv.raft.types import ConfState, Entry, EntryKind, HardState, SnapshotMeta
from elastickv.storage.lmdb_log import LmdbLog

Log: TypeAlias = MemoryStorage | LmdbLog
Open = Callable[[Path], Log]
NO_LIMIT = 1 << 62

OPENERS: dict[str, Open] = {
    "memory": lambda directory: MemoryStorage(),
    "lmdb": LmdbLog,
    "lmdb, nothing cached": lambda directory: LmdbLog(directory, cache_bytes=0),
    "lmdb, growing": lambda directory: LmdbLog(directory, first_map_bytes=64 << 10, cache_bytes=1000),
}


def write(log: Log, *entries: Entry, hard: HardState | None = None, snapshot: SnapshotMeta | None = None) -> None:
    log.persist(hard, entries, snapshot=snapshot)


def close(log: Log) -> None:
    if isinstance(log, LmdbLog):
        log.close()


@pytest.fixture(params=OPENERS)
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    log = OPENERS[request.param](tmp_path / "log")
    yield log
    close(log)


def entries(first: int, *terms: int) -> list[Entry]:
    return [Entry(term, first + at, b"%d/%d" % (first + at, term)) for at, term in enumerate(terms)]


def read(log: LogStorage, limit: int = NO_LIMIT) -> list[Entry]:
    return log.entries(log.first_index(), log.last_index() + 1, limit)


def test_a_new_log_is_empty(log: Log) -> None:
    assert log.initial_state() == (HardState(), ConfState())
    assert (log.first_index(), log.last_index(), log.term(0)) == (1, 0, 0)
    assert log.entries(1, 1, NO_LIMIT) == []
    with pytest.raises(Unavailable):
        log.term(1)
    with pytest.raises(Unavailable):
        log.entries(1, 2, NO_LIMIT)
    with pytest.raises(Compacted):
        log.entries(0, 1, NO_LIMIT)
    with pytest.raises(SnapshotPending):
        log.snapshot()


def test_entries_come_back_as_they_were(log: Log) -> None:
    written = [
        Entry(1, 1),
        Entry(1, 2, b"change", EntryKind.CONFIG),
        Entry(3, 3, b"x" * 100_000),
        Entry(3, 4, b"", EntryKind.CONFIG),
    ]
    write(log, *written, hard=HardState(3, "n2", 2))
    assert read(log) == written
    assert [log.term(index) for index in range(5)] == [0, 1, 1, 3, 3]
    assert log.entries(2, 4, NO_LIMIT) == written[1:3]
    assert log.initial_state()[0] == HardState(3, "n2", 2)


def test_a_limit_in_bytes_of_data_but_at_least_one_entry(log: Log) -> None:
    written = [Entry(1, index, b"x" * 10) for index in range(1, 11)]
    write(log, *written)
    assert log.entries(1, 11, 0) == written[:1]
    assert log.entries(1, 11, 10) == written[:1]
    assert log.entries(1, 11, 19) == written[:1]
    assert log.entries(1, 11, 20) == written[:2]
    assert log.entries(4, 6, 1000) == written[3:5]


def test_a_new_tail_replaces_what_it_overlaps_and_all_beyond(log: Log) -> None:
    write(log, *entries(1, 1, 1, 2, 2, 2))
    write(log, *entries(3, 3))
    assert read(log) == entries(1, 1, 1, 3)
    assert log.term(3) == 3
    with pytest.raises(Unavailable):
        log.term(4)
    write(log, *entries(1, 4, 4))
    assert read(log) == entries(1, 4, 4)


def test_a_gap_is_refused(log: Log) -> None:
    write(log, *entries(1, 1))
    with pytest.raises(ValueError):
        write(log, *entries(3, 1))
    assert log.last_index() == 1


def test_cutting_keeps_the_term_at_the_cut(log: Log) -> None:
    write(log, *entries(1, 1, 2, 2, 3))
    log.compact(2)
    assert (log.first_index(), log.last_index()) == (3, 4)
    assert [log.term(index) for index in (2, 3, 4)] == [2, 2, 3]
    with pytest.raises(Compacted):
        log.term(1)
    with pytest.raises(Compacted):
        log.entries(2, 4, NO_LIMIT)
    assert read(log) == entries(3, 2, 3)
    log.compact(1)
    assert log.first_index() == 3
    log.compact(4)
    assert (log.first_index(), log.last_index(), log.term(4)) == (5, 4, 3)
    assert read(log) == []
    write(log, *entries(5, 3))
    assert read(log) == entries(5, 3)


def test_a_tail_that_begins_behind_the_cut_is_taken_from_the_cut_on(log: Log) -> None:
    write(log, *entries(1, 1, 1, 1, 1))
    log.compact(2)
    write(log, *entries(1, 1, 1, 1))
    assert read(log) == entries(3, 1)


def test_a_log_begins_anew_behind_a_snapshot(log: Log) -> None:
    write(log, *entries(1, 1, 1, 1), hard=HardState(4, "n1", 3))
    log.install_snapshot(SnapshotMeta(10, 4, ConfState(voters=("n1",))))
    assert (log.first_index(), log.last_index(), log.term(10)) == (11, 10, 4)
    with pytest.raises(Compacted):
        log.term(3)
    write(log, *entries(11, 4, 5))
    assert read(log) == entries(11, 4, 5)


def test_a_snapshot_inside_the_log_removes_what_lies_beyond(log: Log) -> None:
    write(log, *entries(1, 1, 1, 1, 1, 1))
    log.install_snapshot(SnapshotMeta(3, 2))
    assert (log.first_index(), log.last_index(), log.term(3)) == (4, 3, 2)


def test_a_snapshot_and_what_follows_it_in_one_step(log: Log) -> None:
    write(log, *entries(1, 1, 1))
    write(log, *entries(6, 2), hard=HardState(2, "n3", 6), snapshot=SnapshotMeta(5, 2))
    assert (log.first_index(), log.last_index()) == (6, 6)
    assert log.initial_state()[0] == HardState(2, "n3", 6)
    assert read(log) == entries(6, 2)


def test_the_configuration_is_what_the_driver_says(log: Log) -> None:
    log.set_conf_state(ConfState(voters=("n1", "n2")))
    assert log.initial_state()[1] == ConfState(voters=("n1", "n2"))


Step = tuple[str, int, list[int]]

steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 5), st.lists(st.integers(0, 1), min_size=1, max_size=5)),
        st.tuples(st.just("cut"), st.integers(0, 8), st.just([])),
        st.tuples(st.just("snapshot"), st.integers(0, 8), st.just([])),
    ),
    max_size=12,
)


@given(steps=steps, reopen=st.booleans())
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("name", [name for name in OPENERS if name != "memory"])
def test_a_log_behaves_like_the_one_in_lists(
    tmp_path_factory: pytest.TempPathFactory, name: str, steps: list[Step], reopen: bool
) -> None:
    directory = tmp_path_factory.mktemp("log") / "log"
    log, model = OPENERS[name](directory), MemoryStorage()
    term = 1
    try:
        for kind, number, increments in steps:
            match kind:
                case "append":  # `number` entries of the tail are replaced
                    first = max(model.last_index() + 1 - number, model.first_index())
                    fresh = []
                    for at, increment in enumerate(increments):
                        term += increment
                        fresh.append(Entry(term, first + at, b"%d" % term))
                    hard = HardState(term, "n1", model.first_index() - 1)
                    log.persist(hard, fresh)
                    model.persist(hard, fresh)
                case "cut":
                    to = min(model.first_index() - 1 + number, model.last_index())
                    log.compact(to)
                    model.compact(to)
                case "snapshot":
                    meta = SnapshotMeta(model.first_index() - 1 + number, term)
                    hard = HardState(term, "n1", meta.index)
                    log.persist(hard, (), snapshot=meta)
                    model.persist(hard, (), snapshot=meta)
            if reopen:
                close(log)
                log = OPENERS[name](directory)
            assert (log.first_index(), log.last_index()) == (model.first_index(), model.last_index())
            assert read(log) == read(model)
            assert log.initial_state()[0] == model.initial_state()[0]
            for index in range(model.first_index() - 1, model.last_index() + 1):
                assert log.term(index) == model.term(index)
                assert log.entries(index + 1, model.last_index() + 1, 4) == model.entries(
                    index + 1, model.last_index() + 1, 4
                )
    finally:
        close(log)
