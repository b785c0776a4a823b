"""Linearizable reads that wait for a round of heartbeats (thesis section 6.4, "ReadIndex").

A read notes the commit index at its arrival; once a majority has confirmed, by answering a heartbeat that was sent
*after* that, that this node still leads, the state at that index is fresh enough. Reads share rounds: those that arrive
while a round is under way wait for the next, all together. A round is opened when the driver fetches its work, so a
burst of reads is one round.

Reads that come before the leader has committed an entry of its own term wait too: its commit index may be too old until
then.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from elastickv.raft.types import NodeId

_NUMBER_BYTES = 8


@dataclass(frozen=True, slots=True)
class PendingRead:
    requester: NodeId
    context: bytes
    index: int


def encode_round(number: int) -> bytes:
    return number.to_bytes(_NUMBER_BYTES, "big")


def decode_round(context: bytes) -> int:
    """0 when the context is not one of ours."""
    return int.from_bytes(context, "big") if len(context) == _NUMBER_BYTES else 0


class ReadIndexQueue:
    __slots__ = ("_early", "_rounds", "_waiting", "number")

    def __init__(self) -> None:
        self.number = 0
        """The newest round. Goes on over terms; answers of old terms are dropped before they come here."""
        self._early: list[tuple[NodeId, bytes]] = []
        self._waiting: list[PendingRead] = []
        self._rounds: deque[tuple[int, list[PendingRead]]] = deque()

    def clear(self) -> None:
        """Not leader any more: those who asked have deadlines and ask again."""
        self._early.clear()
        self._waiting.clear()
        self._rounds.clear()

    def defer(self, requester: NodeId, context: bytes) -> None:
        """The leader has not committed an entry of its term yet."""
        self._early.append((requester, context))

    def release_deferred(self, commit: int) -> None:
        for requester, context in self._early:
            self.add(requester, context, commit)
        self._early.clear()

    def add(self, requester: NodeId, context: bytes, commit: int) -> None:
        self._waiting.append(PendingRead(requester, context, commit))

    @property
    def wants_round(self) -> bool:
        """Reads wait and no round is under way."""
        return bool(self._waiting) and not self._rounds

    def open_round(self) -> int:
        """Everything that waits joins a new round; returns its number."""
        self.number += 1
        self._rounds.append((self.number, self._waiting))
        self._waiting = []
        return self.number

    def heartbeat_context(self) -> bytes:
        """What a periodic heartbeat carries: it repeats the newest round, in case its messages were lost, and takes
        along the reads that have come since."""
        if self._waiting:
            self.open_round()
        return encode_round(self.number) if self._rounds else b""

    @property
    def open_number(self) -> int:
        """The newest round that is not confirmed, 0 when there is none."""
        return self._rounds[-1][0] if self._rounds else 0

    def confirm(self, number: int) -> list[PendingRead]:
        """A majority has answered round `number`: it, and all older ones, are done."""
        done: list[PendingRead] = []
        while self._rounds and self._rounds[0][0] <= number:
            done += self._rounds.popleft()[1]
        return done
