"""Where the state machine's batches wait for the disk.

`submit` writes one batch after another on a thread of its own and tells the loop how each ended. Whether to try a
refused batch again is the owner's decision: it still has the data in its memtable. Other blocking jobs can take their
turn between two batches (`run`) or go beside them on a second thread (`run_aside`), which is what a snapshot does: a
copy may take minutes and must not hold up the flushes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from elastickv.storage.engine import Engine, WriteBatch
from elastickv.storage.threads import Worker, post

T = TypeVar("T")


class Flusher:
    """Methods are called on the loop's thread; `done` is called there too, exactly once each."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop, *, name: str = "flusher") -> None:
        self._engine = engine
        self._loop = loop
        self._name = name
        self._worker = Worker(name)
        self._aside: Worker | None = None

    def submit(self, batch: WriteBatch, done: Callable[[Exception | None], None]) -> None:
        """Write a batch; `done(None)` once it is durable. The batch must not change until then."""

        def write() -> None:
            try:
                self._engine.write(batch)
            except Exception as error:
                post(self._loop, done, error)
            else:
                post(self._loop, done, None)

        self._worker.do(write)

    def run(self, job: Callable[[], T], done: Callable[[T | None, Exception | None], None]) -> None:
        """Run a blocking job between two batches; `done(result, None)` or `done(None, error)`."""
        self._worker.do(self._reporting(job, done))

    def run_aside(self, job: Callable[[], T], done: Callable[[T | None, Exception | None], None]) -> None:
        """Like `run`, beside the batches and one at a time."""
        if self._aside is None:
            self._aside = Worker(f"{self._name}-aside")
        self._aside.do(self._reporting(job, done))

    def _reporting(
        self, job: Callable[[], T], done: Callable[[T | None, Exception | None], None]
    ) -> Callable[[], None]:
        def work() -> None:
            try:
                result = job()
            except Exception as error:
                post(self._loop, done, None, error)
            else:
                post(self._loop, done, result, None)

        return work

    def stop(self) -> None:
        """Finish everything that was handed in, then end. Blocks. The engine stays open."""
        if self._aside is not None:
            self._aside.stop()
        self._worker.stop()
