"""The leader's lease: until when it may answer reads without asking anybody (thesis section 6.4.1).

A voter that has heard from a leader refuses its vote to others for election_ticks. So when a majority has *received*
something that was *sent* at time t, no other leader can exist before t + election time; the lease ends a good deal
before that (`lease_seconds`, the room that clocks may drift). Each APPEND and HEARTBEAT carries the number of a round,
answers echo it, and a round remembers when it was first sent.

The time of a round is the `now` that was last handed to the core. It may be old, never new: an old one ends the lease
too early, which is safe. Only clock *rates* matter, clocks are never compared between nodes.

It is *granted* only once the leader has committed an entry of its own term (`open`): before that, its commit index may
be older than what a former leader has answered with.

What makes it safe lies in other rooms: `voter` (who refuses votes, also after a restart), `core` (a leader that steps
down drops the lease), `leader` (after TIMEOUT_NOW there is no lease for the rest of the term, since the target's votes
go past the refusals).
"""

from __future__ import annotations

import math
from collections import deque

MAX_OPEN_ROUNDS = 1024
"""Rounds that wait for a majority. When they are that many, further messages join the newest one, whose older time is
the safe side."""


class Lease:
    __slots__ = ("_confirmed", "_open", "_ready", "_seconds", "_stamped_at", "_until", "_void", "granted", "round")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._open: deque[tuple[int, float]] = deque()
        self.reset()

    def reset(self) -> None:
        """A new term, or not leader any more."""
        self.round = 0
        """The number that messages carry; 0 is no round."""
        self._confirmed = 0
        self._stamped_at = math.nan
        self._until = -math.inf
        self._void = False
        self._ready = False
        self.granted = -math.inf
        """`until`, as soon as reads may rest on it. A plain attribute, for every burst of reads looks at it."""
        self._open.clear()

    def open(self) -> None:
        """The leader's no-op is committed."""
        if not self._ready:
            self._ready = True
            self.granted = self.until

    def stamp(self, now: float) -> int:
        """The round for a message that is sent now. A new one begins when time has moved on."""
        if now != self._stamped_at and len(self._open) < MAX_OPEN_ROUNDS:
            self._stamped_at = now
            self.round += 1
            self._open.append((self.round, now))
        return self.round

    @property
    def confirmed(self) -> int:
        """The newest round that a majority has echoed."""
        return self._confirmed

    def confirm(self, round: int) -> None:
        """A majority has echoed `round`, and so heard from us after it was sent."""
        if round <= self._confirmed:
            return
        self._confirmed = min(round, self.round)
        opened = self._open
        while opened and opened[0][0] <= round:
            self._until = max(self._until, opened.popleft()[1] + self._seconds)
        if self._ready:
            self.granted = self.until

    def void(self) -> None:
        """No lease for the rest of this term."""
        self._void = True
        self.granted = -math.inf

    @property
    def until(self) -> float:
        return -math.inf if self._void else self._until
