"""What connections have in common at run time: the loop, the routes, and one clock for all that wait.

A connection that cannot go on (no leader, a slow upstream, CLIENT PAUSE) enters `waiting`. While there is one, a timer
looks at them a few times a second, and one shared task asks the store for the next leader; nobody has a timer of their
own.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from elastickv.errors import KvError
from elastickv.redis_api.dispatch import Router
from elastickv.redis_api.session import Clients
from elastickv.redis_api.state import ServerState

SWEEP_SECONDS: Final = 0.05


class Waiting(Protocol):
    def look_again(self, now: float) -> None:
        """Go on if possible, fail what has waited too long; leave `Hub.waiting` when nothing waits any more."""
        ...


class Hub:
    def __init__(self, state: ServerState, router: Router) -> None:
        self.state = state
        self.router = router
        self.clients = Clients()
        self.loop = asyncio.get_running_loop()
        self.waiting: set[Waiting] = set()
        self.closing = False
        """The node is stopping: no new connections."""
        self._timer: asyncio.TimerHandle | None = None
        self._leader_task: asyncio.Task[None] | None = None

    def wait(self, who: Waiting) -> None:
        self.waiting.add(who)
        if self._timer is None:
            self._timer = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    def wait_for_leader(self, who: Waiting) -> None:
        """As `wait`, and be woken as soon as a leader is known."""
        self.wait(who)
        if self._leader_task is None:
            self._leader_task = self.loop.create_task(self._find_leader())

    async def _find_leader(self) -> None:
        try:
            await self.state.store.wait_for_leader()
        except KvError:
            pass  # each of those who wait has a deadline of its own
        finally:
            self._leader_task = None
        self.wake()

    def wake(self) -> None:
        """The lead may have moved."""
        now = self.loop.time()
        for who in list(self.waiting):
            who.look_again(now)

    def _sweep(self) -> None:
        self._timer = None
        self.wake()
        if self.waiting and self._timer is None:
            self._timer = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._leader_task is not None:
            self._leader_task.cancel()
        self.waiting.clear()
