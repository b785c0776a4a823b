"""Removes RawKV versions that have left the retention window. Runs on every node; only the leader finds work.

Small steps with pauses: a purge is never urgent, and each step is a turn of the executor that clients wait behind. A
step that was full is followed by the next one soon: 12,800 versions a second, more than this door can write.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from elastickv.errors import Fault, KvError
from elastickv.kv import raw
from elastickv.kv.hybrid_clock import earliest
from elastickv.kv.ports import Store
from elastickv.kv.view import View

log = logging.getLogger(__name__)

STEP: Final = 256
"""Versions per turn of the executor."""
IDLE_SECONDS: Final = 10.0
BUSY_SECONDS: Final = 0.02

_EXPECTED: Final = frozenset(
    {Fault.NOT_LEADER, Fault.NO_QUORUM, Fault.OUTCOME_UNKNOWN, Fault.OVERLOAD, Fault.DISK_FULL, Fault.SHUTTING_DOWN}
)
"""Passing conditions of a node; the next round finds out whether they have passed."""


class RawPurge:
    def __init__(
        self,
        store: Store,
        *,
        retention_seconds: float = 1800.0,
        step: int = STEP,
        idle_seconds: float = IDLE_SECONDS,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        self._store = store
        self._retention_ms = round(retention_seconds * 1000)
        self._step = step
        self._idle_seconds = idle_seconds
        self._busy_seconds = busy_seconds

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            full = False
            if self._store.serving:
                try:
                    full = await self._store.execute(self._purge) == self._step
                except KvError as error:
                    if error.fault not in _EXPECTED:
                        log.exception("purge of old RawKV versions failed", extra={"reason": error.message})
                except Exception:
                    log.exception("purge of old RawKV versions failed")
            await asyncio.sleep(self._busy_seconds if full else self._idle_seconds)

    def _purge(self, view: View) -> int:
        return raw.purge(view, earliest(view.now_ms - self._retention_ms), self._step)
