"""The leader's background work: entries of what was dropped, indexes to be filled, items whose time has come, change
records that are too old.

Small steps with pauses, each a turn of the executor that clients wait behind. On followers it finds nothing to do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from elastickv.dynamodb_api import streams, tables
from elastickv.dynamodb_api.backfill import Backfill
from elastickv.dynamodb_api.expiry import Expiry
from elastickv.dynamodb_api.tables import Purge
from elastickv.errors import Fault, KvError
from elastickv.kv.ports import Store
from elastickv.kv.view import View

log = logging.getLogger(__name__)

STEP: Final = 1000
"""Entries looked at per turn of the executor."""
IDLE_SECONDS: Final = 0.25
TRIM_SECONDS: Final = 60.0
"""Between two looks for change records that are too old."""
WALK_SECONDS: Final = 2.0
"""Between two walks over the tables whose items expire."""

_EXPECTED: Final = frozenset(
    {Fault.NOT_LEADER, Fault.NO_QUORUM, Fault.OUTCOME_UNKNOWN, Fault.OVERLOAD, Fault.DISK_FULL, Fault.SHUTTING_DOWN}
)
"""Passing conditions of a node; the next round finds out whether they have passed."""


class Housekeeping:
    def __init__(self, store: Store, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._store = store
        self._idle_seconds = idle_seconds
        self._purge = Purge()
        self._backfill = Backfill()
        self.expiry = Expiry()
        self._trim_at = 0.0
        self._walk_at = 0.0
        self._quiet_at = -1
        """The version of the catalog in which nothing was found to purge or fill: looking costs an ordered walk."""

    def reset(self) -> None:
        """This node begins to serve, or writes that had been executed were dropped."""
        self._purge.reset()
        self._backfill.reset()
        self.expiry.reset()
        self._trim_at = self._walk_at = 0.0
        self._quiet_at = -1

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            busy = False
            if self._store.serving:
                try:
                    busy = await self.round()
                except KvError as error:
                    if error.fault not in _EXPECTED:
                        log.exception("DynamoDB housekeeping failed", extra={"reason": error.message})
                except Exception:
                    log.exception("DynamoDB housekeeping failed")
            await asyncio.sleep(0 if busy else self._idle_seconds)

    async def round(self) -> bool:
        """One step of everything that is due; whether there is more to do at once."""
        more = await self._step(self._tidy) > 0
        now = asyncio.get_running_loop().time()
        if now >= self._trim_at:
            if await self._step(lambda view: streams.trim(view, STEP)) < STEP:
                self._trim_at = now + TRIM_SECONDS
            else:
                more = True
        # One step a round, also when there is more to walk over: nothing is urgent here.
        if now >= self._walk_at and await self._step(lambda view: self.expiry.step(view, STEP)):
            self._walk_at = now + WALK_SECONDS
        return more

    def _tidy(self, view: View) -> int:
        """A step of what a change of the catalog has left to do; 0 when all is done."""
        version = tables.version(view)
        if version == self._quiet_at:
            return 0
        done = self._purge.step(view, STEP) + self._backfill.step(view)
        if not done:
            self._quiet_at = version
        return done

    async def _step(self, work: Callable[[View], int]) -> int:
        return await self._store.execute(work)
