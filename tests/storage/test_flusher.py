"""The flusher: order, answers on the loop, errors that are never lost."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from elastickv.errors import Fault, KvError
from elastickv.storage.engine import Applied, WriteBatch
from elastickv.storage.flusher import Flusher
from elastickv.storage.lmdb_engine import LmdbEngine
from elastickv.storage.memory_engine import MemoryEngine


async def test_batches_are_written_in_order_and_reported_on_the_loop(tmp_path: Path) -> None:
    engine = LmdbEngine(tmp_path)
    flusher = Flusher(engine, asyncio.get_running_loop())
    here = threading.get_ident()
    reports: list[int] = []
    finished = asyncio.Event()

    def done(error: Exception | None) -> None:
        assert error is None
        assert threading.get_ident() == here
        reports.append(engine.applied().index)
        if len(reports) == 20:
            finished.set()

    for index in range(1, 21):
        flusher.submit(WriteBatch(Applied(index, 1), {b"k": b"%d" % index}), done)
    async with asyncio.timeout(10):
        await finished.wait()
    assert reports == sorted(reports)
    engine.refresh()
    assert engine.get(b"k") == b"20"
    flusher.stop()
    flusher.stop()
    engine.close()


class Refusing(MemoryEngine):
    def write(self, batch: WriteBatch) -> None:
        raise KvError(Fault.DISK_FULL)


async def test_errors_come_back_with_the_answer() -> None:
    loop = asyncio.get_running_loop()
    flusher = Flusher(Refusing(), loop)
    refused: asyncio.Future[Exception | None] = loop.create_future()
    flusher.submit(WriteBatch(Applied()), refused.set_result)
    error = await refused
    assert isinstance(error, KvError)
    assert error.fault is Fault.DISK_FULL
    answers: asyncio.Queue[tuple[float | None, Exception | None]] = asyncio.Queue()
    for run in (flusher.run, flusher.run_aside):
        run(lambda: 1 / 0, lambda result, error: answers.put_nowait((result, error)))
        result, error = await answers.get()
        assert result is None
        assert isinstance(error, ZeroDivisionError)
    flusher.stop()


async def test_a_job_aside_does_not_hold_up_the_batches() -> None:
    loop = asyncio.get_running_loop()
    flusher = Flusher(MemoryEngine(), loop)
    gate = threading.Event()
    aside: asyncio.Future[str | None] = loop.create_future()
    flusher.run_aside(lambda: gate.wait(10) and "copied", lambda result, error: aside.set_result(result or None))
    written: asyncio.Future[Exception | None] = loop.create_future()
    flusher.submit(WriteBatch(Applied(1, 1)), written.set_result)
    async with asyncio.timeout(5):
        assert await written is None
    assert not aside.done()
    gate.set()
    assert await aside == "copied"
    between: asyncio.Future[int | None] = loop.create_future()
    flusher.run(lambda: 42, lambda result, error: between.set_result(result))
    assert await between == 42
    flusher.stop()


async def test_stopping_finishes_what_was_handed_in() -> None:
    engine = MemoryEngine()
    flusher = Flusher(engine, asyncio.get_running_loop())
    answers: list[Exception | None] = []
    for index in range(1, 101):
        flusher.submit(WriteBatch(Applied(index, 1)), answers.append)
    flusher.stop()
    assert engine.applied().index == 100
    with pytest.raises(RuntimeError, match="stopping"):
        flusher.submit(WriteBatch(Applied(101, 1)), answers.append)
    await asyncio.sleep(0)
    assert answers == [None] * 100


def test_a_loop_that_is_closed_is_no_error() -> None:
    loop = asyncio.new_event_loop()
    engine = MemoryEngine()
    flusher = Flusher(engine, loop)
    loop.close()
    flusher.submit(WriteBatch(Applied(1, 1)), lambda error: None)
    flusher.stop()
    assert engine.applied().index == 1
