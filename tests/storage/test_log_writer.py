"""The writer thread: order, merging, a full disk, the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from elastickv.errors import Fault, KvError
from elastickv.raft.types import Entry, HardState, SnapshotMeta
from elastickv.storage import log_writer
from elastickv.storage.lmdb_log import LmdbLog
from elastickv.storage.log_writer import LogWriter
from tests.kit.small_disk import SmallDisk


class Bench:
    """A writer, its log, and everything it has said."""

    def __init__(self, directory: Path) -> None:
        self.log = LmdbLog(directory)
        self.persisted: list[int] = []
        self.errors: list[Exception] = []
        self.recovered = 0
        self.commits = 0
        self._changed = asyncio.Event()
        self._count_commits()
        self.writer = LogWriter(
            self.log,
            asyncio.get_running_loop(),
            on_persisted=self._on_persisted,
            on_error=self._on_error,
            on_recovered=self._on_recovered,
        )

    def _count_commits(self) -> None:
        persist = self.log.persist

        def counting(
            hard_state: HardState | None,
            entries: list[Entry] | tuple[Entry, ...] = (),
            *,
            sync: bool = True,
            snapshot: SnapshotMeta | None = None,
        ) -> None:
            persist(hard_state, entries, sync=sync, snapshot=snapshot)
            self.commits += 1

        self.log.persist = counting  # type: ignore[method-assign, assignment]

    def _on_persisted(self, number: int) -> None:
        self.persisted.append(number)
        self._changed.set()

    def _on_error(self, error: Exception) -> None:
        self.errors.append(error)
        self._changed.set()

    def _on_recovered(self) -> None:
        self.recovered += 1
        self._changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def hold(self) -> threading.Event:
        """The next commit waits until the event is set."""
        event = threading.Event()
        transact = self.log._environment.transact

        def waiting(body: Callable[..., object]) -> object:
            event.wait(10)
            return transact(body)

        self.log._environment.transact = waiting  # type: ignore[method-assign, assignment]
        return event

    def close(self) -> None:
        self.writer.stop()
        self.log.close()


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path / "log")
    yield bench
    bench.close()


async def eventually(condition: Callable[[], object]) -> None:
    """For what the writer does without saying so."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


def entry(index: int, term: int = 1, size: int = 10) -> Entry:
    return Entry(term, index, b"x" * size)


def read(log: LmdbLog) -> list[Entry]:
    return log.entries(log.first_index(), log.last_index() + 1, 1 << 60)


async def test_what_is_reported_is_durable(bench: Bench) -> None:
    bench.writer.append(1, HardState(1, "n1", 0), [entry(1)])
    await bench.until(lambda: bench.persisted == [1])
    assert bench.log.initial_state()[0] == HardState(1, "n1", 0)
    assert read(bench.log) == [entry(1)]


async def test_what_queues_up_during_a_sync_goes_into_the_next_one(bench: Bench) -> None:
    event = bench.hold()
    for number in range(1, 101):
        bench.writer.append(number, HardState(1, "n1", number - 1), [entry(number)])
    event.set()
    await bench.until(lambda: bench.persisted[-1:] == [100])
    assert bench.commits <= 3
    assert len(bench.persisted) == bench.commits
    assert read(bench.log) == [entry(index) for index in range(1, 101)]
    assert bench.log.initial_state()[0].commit == 99


async def test_a_tail_may_be_replaced_before_it_was_written(bench: Bench) -> None:
    event = bench.hold()
    bench.writer.append(1, HardState(1), [entry(1)])  # may be on its way alone
    bench.writer.append(2, None, [entry(2), entry(3), entry(4)])
    bench.writer.append(3, HardState(2), [entry(3, 2)])
    bench.writer.append(4, HardState(3), [entry(2, 3), entry(3, 3)])
    event.set()
    await bench.until(lambda: bench.persisted[-1:] == [4])
    assert read(bench.log) == [entry(1), entry(2, 3), entry(3, 3)]
    assert bench.log.initial_state()[0] == HardState(3)


async def test_a_snapshot_keeps_its_place_in_the_order(bench: Bench) -> None:
    event = bench.hold()
    bench.writer.append(1, HardState(1), [entry(1), entry(2)])
    bench.writer.append(2, HardState(2), [entry(11, 2)], True, SnapshotMeta(10, 2))
    bench.writer.append(3, None, [entry(12, 2)])
    bench.writer.install_snapshot(4, SnapshotMeta(20, 3))
    bench.writer.append(5, HardState(4), [entry(21, 4)])
    event.set()
    await bench.until(lambda: bench.persisted[-1:] == [5])
    assert (bench.log.first_index(), bench.log.term(20)) == (21, 3)
    assert read(bench.log) == [entry(21, 4)]


async def test_long_cuts_go_on_between_appends(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = 0
    compact_some = bench.log.compact_some

    def in_small_pieces(to_index: int) -> bool:
        nonlocal pieces
        pieces += 1
        return compact_some(to_index, 10)

    monkeypatch.setattr(bench.log, "compact_some", in_small_pieces)
    bench.writer.append(1, None, [entry(index) for index in range(1, 501)])
    bench.writer.compact(450)
    bench.writer.compact(300)  # a cut never goes back
    for number in range(2, 12):
        bench.writer.append(number, None, [entry(499 + number)])
    await bench.until(lambda: bench.persisted[-1:] == [11])
    bench.writer.stop()
    bench.log.compact(450)
    assert pieces > 1
    assert (bench.log.first_index(), bench.log.last_index()) == (451, 510)


async def test_a_cut_is_finished_without_further_appends(bench: Bench) -> None:
    bench.writer.append(1, None, [entry(index) for index in range(1, 10_001)])
    bench.writer.compact(9_999)
    await eventually(lambda: bench.log.first_index() == 10_000)


async def test_a_lazy_commit_index_is_reported_at_once_and_written_soon(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "LAZY_SECONDS", 0.05)
    bench.writer.append(1, HardState(1, "n1", 0), [entry(1)])
    bench.writer.append(2, HardState(1, "n1", 1), (), sync=False)
    await bench.until(lambda: bench.persisted[-1:] == [2])
    await eventually(lambda: not bench.log.lazy)


async def test_a_full_disk_is_waited_for(small_disk: SmallDisk) -> None:
    bench = Bench(small_disk.path / "log")
    bench.writer.append(1, HardState(1), [entry(1)])
    await bench.until(lambda: bench.persisted == [1])
    small_disk.fill(leave_bytes=16 << 10)
    bench.writer.append(2, None, [entry(2, size=200_000)])
    await bench.until(lambda: bench.errors)
    bench.writer.append(3, None, [entry(3)])
    await asyncio.sleep(0.4)  # several attempts
    (error,) = bench.errors
    assert isinstance(error, KvError)
    assert error.fault is Fault.DISK_FULL
    assert bench.persisted == [1]
    assert bench.recovered == 0
    small_disk.empty()
    await bench.until(lambda: bench.persisted[-1:] == [3])
    assert bench.recovered == 1
    assert len(read(bench.log)) == 3
    small_disk.fill(leave_bytes=16 << 10)
    bench.writer.append(4, None, [entry(4, size=200_000)])
    await bench.until(lambda: len(bench.errors) == 2)  # a new episode
    await asyncio.to_thread(bench.writer.stop)  # gives up in the end
    assert bench.writer.failed is None
    assert bench.log.last_index() == 3
    bench.log.close()


async def test_any_other_error_is_final(bench: Bench) -> None:
    bench.writer.append(1, None, [entry(5)])  # a gap
    await bench.until(lambda: bench.errors)
    assert isinstance(bench.errors[0], ValueError)
    assert bench.writer.failed is bench.errors[0]
    bench.writer.append(2, None, [entry(1)])
    await asyncio.sleep(0.05)
    assert bench.persisted == []
    assert len(bench.errors) == 1


async def test_stopping_writes_what_is_queued(bench: Bench) -> None:
    event = bench.hold()
    for number in range(1, 51):
        bench.writer.append(number, HardState(1, "n1", number), [entry(number)])
    bench.writer.append(51, HardState(1, "n1", 50), (), sync=False)
    event.set()
    await asyncio.to_thread(bench.writer.stop)
    bench.writer.stop()
    assert bench.log.last_index() == 50
    assert not bench.log.lazy
    with pytest.raises(RuntimeError, match="stopping"):
        bench.writer.append(52, None, [entry(51)])
    await bench.until(lambda: bench.persisted[-1:] == [51])


async def test_an_idle_writer_can_be_passed_by(bench: Bench) -> None:
    assert bench.writer.append_now(HardState(1, "", 0), [Entry(1, 1, b"a")])
    assert bench.log.last_index() == 1
    assert bench.persisted == [], "the caller knows already"


async def test_nothing_overtakes_what_is_queued(bench: Bench) -> None:
    gate = bench.hold()
    bench.writer.append(1, HardState(1, "", 0), [Entry(1, 1, b"a")])
    assert not bench.writer.append_now(None, [Entry(1, 2, b"b")])
    gate.set()
    await bench.until(lambda: bench.persisted == [1])
    assert bench.writer.append_now(None, [Entry(1, 2, b"b")])
    assert [entry.data for entry in bench.log.entries(1, 3, 100)] == [b"a", b"b"]


async def test_a_cut_under_way_is_waited_for(bench: Bench) -> None:
    bench.writer.append(1, HardState(1, "", 5), [Entry(1, index, b"a") for index in range(1, 6)])
    await bench.until(lambda: bench.persisted == [1])
    bench.writer.compact(3)
    assert not bench.writer.append_now(None, [Entry(1, 6, b"b")])
    async with asyncio.timeout(10):
        while not bench.writer.append_now(None, [Entry(1, 6, b"b")]):  # noqa: ASYNC110  # the thread tells nobody
            await asyncio.sleep(0.01)
    assert bench.log.first_index() == 4


async def test_much_data_is_left_to_the_thread(bench: Bench) -> None:
    assert not bench.writer.append_now(None, [Entry(1, 1, bytes(log_writer.NOW_BYTES + 1))])


async def test_a_slow_disk_is_left_to_the_thread_for_a_while(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "SLOW_SECONDS", 0.0)
    assert bench.writer.append_now(None, [Entry(1, 1, b"a")])
    assert not bench.writer.append_now(None, [Entry(1, 2, b"b")])


async def test_a_full_disk_is_left_to_the_thread(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **more: object) -> None:
        raise KvError(Fault.DISK_FULL)

    monkeypatch.setattr(bench.log, "persist", refuse)
    assert not bench.writer.append_now(None, [Entry(1, 1, b"a")])
    assert bench.errors == []
