"""Hybrid logical clock: 48 bits of Unix milliseconds over 16 bits of counter (Kulkarni et al., 2014).

Timestamps never repeat and never run backwards, also across a change of leader: the newest one travels with every log
entry, a new leader has applied them all before it serves, and `next` never returns anything at or below what was seen.
A wall clock that was set back makes the clock count on from the last value instead of following it.
"""

from __future__ import annotations

from elastickv.clock import Clock

_COUNTER_BITS = 16


class HybridClock:
    __slots__ = ("_clock", "last")

    def __init__(self, clock: Clock, last: int = 0) -> None:
        self._clock = clock
        self.last = last

    def next(self) -> int:
        self.last = max(self._clock.wall_ms() << _COUNTER_BITS, self.last + 1)
        return self.last

    def observe(self, stamp: int) -> None:
        """A timestamp that some leader handed out."""
        if stamp > self.last:
            self.last = stamp


def milliseconds(stamp: int) -> int:
    """Unix milliseconds of a timestamp."""
    return stamp >> _COUNTER_BITS


def earliest(unix_ms: int) -> int:
    """The first timestamp of a millisecond."""
    return max(0, unix_ms) << _COUNTER_BITS
