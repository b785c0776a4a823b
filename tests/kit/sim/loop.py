"""Virtual time: a queue of things that will happen, and the clocks that nodes see.

A node's clock runs at its own pace (its crystal is a bit off), starts at its own zero, and goes on while the process is
frozen, as CLOCK_BOOTTIME does. Paces differ within the bound that the lease is made for.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush


class Loop:
    """Runs callbacks in the order of their time; those of one instant in the order in which they were asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steps = 0
        self._number = 0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []

    def after(self, delay: float, action: Callable[[], None]) -> None:
        self._number += 1
        heappush(self._queue, (self.now + delay, self._number, action))

    def run_until(self, end: float, stop: Callable[[], bool] | None = None) -> None:
        """Ends at `end`, or right after the first step after which `stop` says so."""
        queue = self._queue
        while queue and queue[0][0] <= end:
            self.now, _, action = heappop(queue)
            self.steps += 1
            action()
            if stop is not None and stop():
                return
        self.now = max(self.now, end)


class NodeClock:
    """Monotonic seconds as one machine sees them."""

    def __init__(self, loop: Loop, zero: float, pace: float) -> None:
        self._loop = loop
        self._at = loop.now
        self._shown = zero
        self._pace = pace

    def now(self) -> float:
        return self._shown + (self._loop.now - self._at) * self._pace

    def set_pace(self, pace: float) -> None:
        """Faster or slower from now on; never back."""
        self._shown, self._at, self._pace = self.now(), self._loop.now, pace

    def real(self, seconds: float) -> float:
        """How long `seconds` of this clock really take."""
        return seconds / self._pace
