"""What connections have in common at run time: the loop, the routes, and one clock for all that wait.

A connection that cannot go on (no leader, a slow upstream, CLIENT PAUSE) enters `waiting`. While there is one, a timer
looks at them a few times a second, and one shared task asks the store for the next leader; nobody has a timer of their
own. One whose blocking command waits at the leader is `resting`: it is looked at when the lead moves, and else seldom.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from elastickv.errors import KvError
from elastickv.redis_api.blocking import Blocking
from elastickv.redis_api.dispatch import Router
from elastickv.redis_api.peers import Peers
from elastickv.redis_api.session import Clients
from elastickv.redis_api.state import ServerState

SWEEP_SECONDS: Final = 0.05
REST_SECONDS: Final = 1.0


class Waiting(Protocol):
    def look_again(self, now: float) -> None:
        """Go on if possible, fail what has waited too long; `Hub.forget` when nothing waits any more."""
        ...


class Pushing(Protocol):
    def write_pushes(self) -> None: ...


class Hub:
    def __init__(self, state: ServerState, router: Router) -> None:
        self.state = state
        self.router = router
        self.clients = Clients()
        self.loop = asyncio.get_running_loop()
        self.blocking = Blocking(state, self.loop)
        self.peers = Peers(state)
        self.waiting: set[Waiting] = set()
        self.resting: set[Waiting] = set()
        self._pushing: list[Pushing] = []
        self.closing = False
        """The node is stopping: no new connections."""
        self._timer: asyncio.TimerHandle | None = None
        self._rest_timer: asyncio.TimerHandle | None = None
        self._leader_task: asyncio.Task[None] | None = None

    def push_later(self, who: Pushing) -> None:
        """`who` has pushes to write: they go out at the end of this turn of the loop, together."""
        if not self._pushing:
            self.loop.call_soon(self._write_pushes)
        self._pushing.append(who)

    def _write_pushes(self) -> None:
        pushing, self._pushing = self._pushing, []
        for who in pushing:
            who.write_pushes()

    def wait(self, who: Waiting) -> None:
        self.waiting.add(who)
        if self._timer is None:
            self._timer = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    def rest(self, who: Waiting) -> None:
        """Nothing is to be done until the leader answers, and that may take long."""
        self.waiting.discard(who)
        self.resting.add(who)
        if self._rest_timer is None:
            self._rest_timer = self.loop.call_later(REST_SECONDS, self._rest_sweep)

    def forget(self, who: Waiting) -> None:
        self.waiting.discard(who)
        self.resting.discard(who)

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
        self._look_at(self.waiting | self.resting)

    def _look_at(self, them: set[Waiting]) -> None:
        now = self.loop.time()
        for who in list(them):
            who.look_again(now)

    def _rest_sweep(self) -> None:
        self._rest_timer = None
        self._look_at(self.resting)
        if self.resting and self._rest_timer is None:
            self._rest_timer = self.loop.call_later(REST_SECONDS, self._rest_sweep)

    def _sweep(self) -> None:
        self._timer = None
        self._look_at(self.waiting)
        if self.waiting and self._timer is None:
            self._timer = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None
        if self._leader_task is not None:
            self._leader_task.cancel()
        self.waiting.clear()
        self.resting.clear()
