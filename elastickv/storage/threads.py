"""Threads that wait for the disk so that the loop does not have to: one queue in, the loop's own queue out."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

logger = logging.getLogger(__name__)


def post(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *arguments: Any) -> None:
    """Have the loop call something. A loop that is closed no longer cares."""
    try:
        loop.call_soon_threadsafe(callback, *arguments)
    except RuntimeError:
        logger.debug("the loop is closed; %r is dropped", callback)


class Worker:
    """A thread that does jobs one after another, in the order they came."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, job: Callable[[], None]) -> None:
        """`job` handles its own exceptions. Raises RuntimeError after `stop`."""
        if self._stopping:
            raise RuntimeError(f"{self._thread.name} is stopping")
        self._jobs.put(job)

    def stop(self) -> None:
        """Finish what is queued, then end. Blocks; may be called twice."""
        if not self._stopping:
            self._stopping = True
            self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            try:
                job()
            except Exception:
                logger.exception("a job of %s failed", self._thread.name)
