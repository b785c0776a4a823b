"""Time as an argument: everything that needs a clock is handed one.

Two times exist. `monotonic()` measures durations and leases; it counts suspended time too (CLOCK_BOOTTIME), because a
leader whose virtual machine was paused must not believe that its lease still runs. `wall_ms()` is Unix time for
deadlines that users see; it may jump, and nothing that concerns safety depends on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Protocol


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds since an arbitrary point; never runs backwards."""
        ...

    def wall_ms(self) -> int:
        """Unix time in milliseconds."""
        ...


class SystemClock:
    """The clocks of the machine."""

    def __init__(self) -> None:
        source = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        self.monotonic: Callable[[], float] = partial(time.clock_gettime, source)
        """Not a method: each burst of reads looks at the clock, and this way it costs nothing but the call to C."""

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000


class ManualClock:
    """A clock that moves only when told to, for tests."""

    def __init__(self, *, monotonic: float = 0.0, wall_ms: int = 1_700_000_000_000) -> None:
        self._monotonic = monotonic
        self._wall_ms = wall_ms

    def monotonic(self) -> float:
        return self._monotonic

    def wall_ms(self) -> int:
        return self._wall_ms

    def advance(self, seconds: float) -> None:
        """Move both times forward."""
        self._monotonic += seconds
        self._wall_ms += round(seconds * 1000)

    def jump_wall(self, milliseconds: int) -> None:
        """Move only the wall clock, as an administrator or NTP would."""
        self._wall_ms += milliseconds
