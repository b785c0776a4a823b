"""What the contract suite does not say about the log on LMDB: durability, damage, threads, a full disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.errors import Fault, KvError
from elastickv.raft.storage import SnapshotPending, StorageError
from elastickv.raft.types import ConfState, Entry, EntryKind, HardState, SnapshotMeta
from elastickv.storage.codec import Corruption
from elastickv.storage.lmdb_env import WriteTransaction
from elastickv.storage.lmdb_log import CUT_KEY, FORMAT_KEY, HARD_STATE_KEY, LmdbLog, decode_entry, encode_entry
from tests.kit.small_disk import SmallDisk

NO_LIMIT = 1 << 62


def entries(first: int, last: int, term: int = 1, size: int = 10) -> list[Entry]:
    return [Entry(term, index, b"%d/" % index + b"x" * size) for index in range(first, last + 1)]


def read(log: LmdbLog) -> list[Entry]:
    return log.entries(log.first_index(), log.last_index() + 1, NO_LIMIT)


# -- there again after a restart --------------------------------------------------------------------------------------


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    log = LmdbLog(tmp_path)
    written = entries(1, 50) + entries(51, 80, term=4) + entries(81, 100, term=5)
    log.persist(HardState(5, "n2", 90), written)
    log.compact(60)
    log.close()
    log = LmdbLog(tmp_path)
    assert (log.first_index(), log.last_index()) == (61, 100)
    assert read(log) == written[60:]
    assert [log.term(index) for index in (60, 80, 81, 100)] == [4, 4, 5, 5]
    assert log.initial_state()[0] == HardState(5, "n2", 90)
    log.close()


def test_a_lazy_commit_index_rides_along_with_the_next_write(tmp_path: Path) -> None:
    log = LmdbLog(tmp_path)
    log.persist(HardState(1, "n1", 0), entries(1, 3))
    log.persist(HardState(1, "n1", 2), (), sync=False)
    assert log.initial_state()[0].commit == 2
    assert on_disk(log) == HardState(1, "n1", 0)
    log.persist(None, entries(4, 4))
    assert not log.lazy
    assert on_disk(log) == HardState(1, "n1", 2)
    log.persist(HardState(1, "n1", 4), (), sync=False)
    assert log.flush()
    assert not log.flush()
    assert on_disk(log) == HardState(1, "n1", 4)
    log.persist(HardState(1, "n1", 5), (), sync=False)
    log.close()
    log = LmdbLog(tmp_path)
    assert log.initial_state()[0] == HardState(1, "n1", 5)
    log.close()


@pytest.mark.parametrize("state", [HardState(2, "n1", 0), HardState(1, "n2", 0)])
def test_a_promise_is_never_lazy(tmp_path: Path, state: HardState) -> None:
    log = LmdbLog(tmp_path)
    log.persist(HardState(1, "n1", 0))
    log.persist(state, (), sync=False)
    assert on_disk(log) == state
    log.close()


def on_disk(log: LmdbLog) -> HardState:
    from elastickv.storage.codec import decode_hard_state

    transaction = log._environment.begin()
    data = transaction.get(HARD_STATE_KEY)
    transaction.abort()
    assert data is not None
    return decode_hard_state(data)


def test_the_commit_index_is_never_behind_the_durable_state(tmp_path: Path) -> None:
    log = LmdbLog(tmp_path)
    log.persist(HardState(3, "n1", 4), entries(1, 9, term=3))
    log.set_conf_state(ConfState(voters=("n1",)), applied=7)
    assert log.initial_state() == (HardState(3, "n1", 7), ConfState(voters=("n1",)))
    log.close()


def test_bootstrap_happens_once(tmp_path: Path) -> None:
    log = LmdbLog(tmp_path)
    assert log.is_new()
    log.bootstrap(entries(1, 1), HardState(1, "", 1))
    with pytest.raises(ValueError, match="not empty"):
        log.bootstrap(entries(1, 1), HardState(1, "", 1))
    log.close()
    log = LmdbLog(tmp_path)
    assert not log.is_new()
    log.close()


def test_a_snapshot_lifts_commit_index_and_term(tmp_path: Path) -> None:
    log = LmdbLog(tmp_path)
    log.persist(HardState(3, "n1", 1), entries(1, 2))
    log.install_snapshot(SnapshotMeta(20, 3))
    assert log.initial_state()[0] == HardState(3, "n1", 20)
    with pytest.raises(ValueError, match="older than the log"):
        log.install_snapshot(SnapshotMeta(19, 3))
    log.install_snapshot(SnapshotMeta(30, 4))
    assert log.initial_state()[0] == HardState(4, "", 30)
    log.close()


def test_the_snapshot_to_send(tmp_path: Path) -> None:
    log = LmdbLog(tmp_path)
    log.set_snapshot(SnapshotMeta(5, 1))
    assert log.snapshot() == SnapshotMeta(5, 1)
    log.set_snapshot(None)
    with pytest.raises(SnapshotPending):
        log.snapshot()
    log.close()


def test_cutting_more_than_there_is(tmp_path: Path) -> None:
    log = LmdbLog(tmp_path)
    log.persist(None, entries(1, 5))
    with pytest.raises(ValueError, match="it ends at 5"):
        log.compact(6)
    assert not log.compact_some(5, limit=3)
    assert log.first_index() == 4
    assert log.compact_some(5, limit=3)
    assert log.first_index() == 6
    log.close()


def test_the_cache_keeps_its_limit(tmp_path: Path) -> None:
    log = LmdbLog(tmp_path, cache_bytes=50_000)
    for first in range(1, 1000, 10):
        log.persist(None, entries(first, first + 9, size=100))
        assert log._recent_bytes <= 50_000
    assert log._recent_bytes > 30_000
    assert read(log) == entries(1, 1000, size=100)
    log.close()


def test_opening_finds_the_runs_of_terms_without_reading_everything(tmp_path: Path) -> None:
    log = LmdbLog(tmp_path, cache_bytes=0)
    log.persist(None, [Entry(1 + index // 700, index, b"") for index in range(1, 5001)])
    log.close()
    log = LmdbLog(tmp_path, cache_bytes=0)
    assert len(log._runs) == 8
    assert all(log.term(index) == 1 + index // 700 for index in range(1, 5001))
    log.close()


# -- damage -----------------------------------------------------------------------------------------------------------


@given(
    st.builds(Entry, st.integers(1, 2**40), st.integers(1, 2**40), st.binary(max_size=50), st.sampled_from(EntryKind)),
    st.data(),
)
def test_a_flipped_bit_or_a_missing_end_is_noticed(entry: Entry, data: st.DataObject) -> None:
    value = encode_entry(entry)
    assert decode_entry(entry.index, value) == entry
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    damaged = bytearray(value)
    damaged[bit // 8] ^= 1 << bit % 8
    for wrong in (bytes(damaged), value[: bit // 8]):
        with pytest.raises(Corruption, match=f"log entry {entry.index} is damaged"):
            decode_entry(entry.index, wrong)
    with pytest.raises(Corruption):  # the right bytes in the wrong place
        decode_entry(entry.index + 1, value)


def tampered(directory: Path, change: Callable[[WriteTransaction], object]) -> None:
    with lmdb.open(str(directory)) as environment, environment.begin(write=True) as transaction:
        change(transaction)


def key(index: int) -> bytes:
    return index.to_bytes(8, "big")


def test_a_damaged_entry_is_named_when_it_is_read(tmp_path: Path) -> None:
    log = LmdbLog(tmp_path)
    log.persist(None, entries(1, 100))
    log.close()
    tampered(tmp_path, lambda it: it.put(key(7), encode_entry(Entry(1, 7, b"right"))[:-5] + b"wrong"))
    with pytest.raises(Corruption, match="log entry 7 is damaged"):
        LmdbLog(tmp_path)  # in the tail that is read at once
    log = LmdbLog(tmp_path, cache_bytes=1000)
    assert log.entries(1, 7, NO_LIMIT) == entries(1, 6)
    with pytest.raises(Corruption, match="log entry 7 is damaged"):
        log.entries(1, 20, NO_LIMIT)
    log.close()


@pytest.mark.parametrize("lost", [1, 50, 100])
def test_a_missing_entry_is_noticed_at_the_start(tmp_path: Path, lost: int) -> None:
    log = LmdbLog(tmp_path)
    log.persist(None, entries(1, 100))
    log.compact(0)
    log.close()
    tampered(tmp_path, lambda it: it.delete(key(lost)))
    if lost == 100:  # a log that is merely shorter; only its peers can tell
        LmdbLog(tmp_path).close()
        return
    with pytest.raises(Corruption, match="there are 99 entries"):
        LmdbLog(tmp_path)


@pytest.mark.parametrize(("record", "name"), [(HARD_STATE_KEY, "hard state"), (CUT_KEY, "cut mark")])
def test_damaged_small_records_are_noticed(tmp_path: Path, record: bytes, name: str) -> None:
    log = LmdbLog(tmp_path)
    log.persist(HardState(3, "n1", 1), entries(1, 3))
    log.compact(1)
    log.close()
    tampered(tmp_path, lambda it: it.put(record, b"\1" + b"?" * 30))
    with pytest.raises(Corruption, match=name):
        LmdbLog(tmp_path)


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    LmdbLog(tmp_path).close()
    tampered(tmp_path, lambda it: it.put(FORMAT_KEY, b"elastickv log 2"))
    with pytest.raises(Corruption, match="unknown format"):
        LmdbLog(tmp_path)
    tampered(tmp_path, lambda it: (it.delete(FORMAT_KEY), it.put(b"other", b"data")))
    with pytest.raises(Corruption, match="not a log of ours"):
        LmdbLog(tmp_path)


# -- a full disk ------------------------------------------------------------------------------------------------------


def test_a_refused_write_changes_nothing(small_disk: SmallDisk) -> None:
    log = LmdbLog(small_disk.path / "log", cache_bytes=0)
    log.persist(HardState(1, "n1", 0), entries(1, 10, size=1000))
    small_disk.fill(leave_bytes=20 << 10)
    before = read(log), log.initial_state(), log.term(10)
    for tail, snapshot in (
        (entries(5, 200, term=2, size=1000), None),
        (entries(101, 300, size=1000), SnapshotMeta(100, 2)),
    ):
        with pytest.raises(KvError) as caught:
            log.persist(HardState(2, "n2", 5), tail, snapshot=snapshot)
        assert caught.value.fault is Fault.DISK_FULL
        assert (read(log), log.initial_state(), log.term(10)) == before
    small_disk.empty()
    log.persist(HardState(2, "n2", 5), entries(5, 200, term=2, size=1000))
    assert read(log) == entries(1, 4, size=1000) + entries(5, 200, term=2, size=1000)
    log.close()
    log = LmdbLog(small_disk.path / "log")
    assert log.last_index() == 200
    log.close()


def test_a_refused_commit_that_took_effect_after_all_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LMDB could neither write its meta page nor take it back: on disk is the change that was reported as refused."""
    log = LmdbLog(tmp_path)
    log.persist(HardState(1, "n1", 0), entries(1, 5))
    transact = log._environment.transact

    def refuse(body: Callable[[WriteTransaction], object]) -> None:
        transact(body)
        raise KvError(Fault.DISK_FULL)

    monkeypatch.setattr(log._environment, "transact", refuse)
    with pytest.raises(KvError):
        log.persist(HardState(2, "n2", 0), entries(4, 9, term=2))
    with pytest.raises(KvError):
        log.compact(2)
    monkeypatch.undo()
    assert read(log) == entries(3, 3) + entries(4, 9, term=2)
    log.persist(HardState(2, "n2", 0), entries(4, 9, term=2))
    log.compact(2)
    assert read(log) == entries(3, 3) + entries(4, 9, term=2)
    log.close()


# -- a reader beside the writer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cache_bytes", "first_map_bytes"),
    [(32 << 20, None), (0, None), (5000, 1 << 16)],
    ids=["cached", "cold", "growing"],
)
def test_a_reader_never_sees_half_of_a_change(tmp_path: Path, cache_bytes: int, first_map_bytes: int | None) -> None:
    """The writer replaces tails, appends and cuts; whatever a reader gets belongs to one of its states.

    Entries of term t hold t; a replaced tail has a higher term than everything before it. So terms in one answer never
    fall, and each entry's data names its own index and term.
    """
    log = LmdbLog(tmp_path, cache_bytes=cache_bytes, first_map_bytes=first_map_bytes)
    stop = threading.Event()
    wrong: list[object] = []
    answers = 0

    def write() -> None:
        term = 1
        try:
            deadline = time.monotonic() + 1.5
            while time.monotonic() < deadline:
                term += 1
                first = max(log.last_index() - 20, log.first_index())
                log.persist(
                    HardState(term, "n1", 0),
                    [Entry(term, index, b"%d/%d" % (index, term) + b"x" * 200) for index in range(first, first + 40)],
                )
                if term % 5 == 0:
                    log.compact(max(log.last_index() - 60, log.first_index() - 1))
                if term % 40 == 0:
                    log.install_snapshot(SnapshotMeta(log.last_index() + 5, term))
        except BaseException as error:
            wrong.append(error)
        stop.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not stop.is_set():
        try:
            first = log.first_index()
            got = log.entries(first, log.last_index() + 1, NO_LIMIT)
        except StorageError:
            continue  # it moved on between the questions
        answers += 1
        terms = [entry.term for entry in got]
        if terms != sorted(terms) or [entry.index for entry in got] != list(range(first, first + len(got))):
            wrong.append(got)
        for entry in got:
            if not entry.data.startswith(b"%d/%dx" % (entry.index, entry.term)):
                wrong.append(entry)
    thread.join()
    assert wrong == []
    assert answers > 50
    log.close()
    LmdbLog(tmp_path).close()
