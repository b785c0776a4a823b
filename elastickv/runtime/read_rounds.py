"""Questions to a majority whether this node still leads (section 6.4 of the dissertation), and who waits for an answer.

A *ticket* is either the executor's round of reads, or the future of somebody else who needs a barrier: a follower that
wants to be as new as the leader, or a membership change.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from elastickv.errors import Fault, KvError
from elastickv.kv.executor import ReadRound

if TYPE_CHECKING:
    from elastickv.runtime.group import Group

Ticket = ReadRound | asyncio.Future[int]


class ReadRounds:
    """Read indexes that were asked for (`start`), came (`came`) and wait until they are applied here (`applied`)."""

    def __init__(self, group: Group, first_number: int) -> None:
        """`first_number`: not from 1, for an answer to a question of this node's former life may still be under way."""
        self._group = group
        self._number = first_number
        self._asked: dict[bytes, Ticket] = {}
        self._unapplied: list[tuple[int, Ticket]] = []

    def start(self, ticket: Ticket) -> bool:
        """Ask for a read index; False when there is nobody to ask. A future gets the index once it is applied here."""
        self._number += 1
        context = self._number.to_bytes(8)
        if not self._group.node.read_index(context):
            return False
        self._asked[context] = ticket
        self._group.kick()
        return True

    def forget(self, ticket: asyncio.Future[int]) -> None:
        """Whoever waited has given up."""
        for context in [context for context, one in self._asked.items() if one is ticket]:
            del self._asked[context]

    def came(self, context: bytes, index: int) -> None:
        """A majority has answered: what is applied up to `index` is new enough."""
        ticket = self._asked.pop(context, None)
        if ticket is None:
            return
        if index <= self._group.machine.index:
            self._release(index, ticket)
        else:
            self._unapplied.append((index, ticket))

    def applied(self) -> None:
        """More has been applied."""
        if not self._unapplied:
            return
        reached = self._group.machine.index
        ready = [one for one in self._unapplied if one[0] <= reached]
        self._unapplied = [one for one in self._unapplied if one[0] > reached]
        for index, ticket in ready:
            self._release(index, ticket)

    def fail(self, fault: Fault) -> None:
        """Nobody will answer what is still asked."""
        asked, self._asked = self._asked, {}
        for ticket in asked.values():
            if isinstance(ticket, ReadRound):
                self._group.executor.read_failed(ticket, KvError(fault))
            elif not ticket.done():
                ticket.set_exception(KvError(fault))

    def expire(self) -> None:
        """Give up what the executor has asked longer ago than a request may take; others have timeouts of their own."""
        limit = self._group.clock.monotonic() - self._group.settings.request_timeout
        for context, ticket in list(self._asked.items()):
            if isinstance(ticket, ReadRound) and ticket.started_at < limit:
                del self._asked[context]
                fault = KvError(Fault.NO_QUORUM, "no majority confirmed the lead in time")
                self._group.executor.read_failed(ticket, fault)

    def _release(self, index: int, ticket: Ticket) -> None:
        if isinstance(ticket, ReadRound):
            self._group.executor.read_confirmed(ticket)
        elif not ticket.done():
            ticket.set_result(index)
