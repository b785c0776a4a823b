"""maxmemory, with the one policy that a store on disk can keep: nothing is evicted, commands that add data are refused.

What is counted is what `Store.used_bytes` says: the data of all doors on the node that executes. It is looked at ten
times a second while there is a limit, so that no command pays for it; one burst may go beyond. What was deleted counts
until it is flushed (`--storageFlushInterval`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from elastickv.kv.ports import Store
from elastickv.redis_api.errors import RedisError

LOOK_SECONDS: Final = 0.1
OUT_OF_MEMORY: Final = RedisError(b"OOM command not allowed when used memory > 'maxmemory'.")


class MemoryLimit:
    def __init__(self, store: Store) -> None:
        self.maximum = 0
        """Bytes; 0 is no limit."""
        self.exceeded = False
        """Commands with Flag.DENYOOM are refused. The same for all commands of one turn of the loop."""
        self.peak = 0
        """Most bytes that were ever seen."""
        self.changed: Callable[[bool], None] = lambda exceeded: None
        """Told of each change of `exceeded`."""
        self._store = store
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def used(self) -> int:
        used = self._store.used_bytes()
        self.peak = max(self.peak, used)
        return used

    def set(self, maximum: int) -> None:
        self.maximum = maximum
        self._look()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._look()

    def stop(self) -> None:
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        exceeded = 0 < self.maximum < self.used()
        if exceeded != self.exceeded:
            self.exceeded = exceeded
            self.changed(exceeded)
        if self.maximum and self._loop is not None:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
