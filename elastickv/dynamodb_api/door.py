"""What all connections of the DynamoDB door share."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elastickv.clock import Clock
from elastickv.dynamodb_api.dispatch import Exchange, Router, refuse
from elastickv.dynamodb_api.forwarding import Forwarder, misdirected
from elastickv.dynamodb_api.http import RequestReader
from elastickv.errors import Fault, KvError
from elastickv.kv.ports import Store, Ticket

if TYPE_CHECKING:
    from elastickv.dynamodb_api.connection import Connection


@dataclass(slots=True)
class Figures:
    connections: int = 0
    """Accepted since the start."""
    rejected: int = 0
    """Refused because too many were open."""


class Door:
    def __init__(
        self, store: Store, clock: Clock, router: Router, forwarder: Forwarder, *, max_connections: int
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.store = store
        self.view = store.view
        self.clock = clock
        self.router = router
        self.forwarder = forwarder
        self.max_connections = max_connections
        self.connections: set[Connection] = set()
        self.figures = Figures()
        self._tasks: set[asyncio.Task[None]] = set()

    def admit(self, connection: Connection) -> bool:
        if len(self.connections) >= self.max_connections:
            self.figures.rejected += 1
            return False
        self.figures.connections += 1
        self.connections.add(connection)
        return True

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """A task that this door owns and ends."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def serve_carried(self, data: bytes) -> bytes:
        """A whole request that another node has sent over the Raft address; the whole response."""
        requests = RequestReader().feed(data)
        if not requests:
            raise KvError(Fault.BAD_REQUEST, "what was carried is not one whole HTTP request")
        exchange = Exchange(requests[0])
        parsed = self.router.find(exchange)
        if parsed is None:
            return exchange.answer
        if not self.store.serving:
            return misdirected()
        self.view.now_ms = self.clock.wall_ms()
        self.router.run(exchange, parsed, self.view)
        ticket = self.store.settle()
        if ticket is not None:
            waiter = _Awaited(self.loop)
            ticket.wait(waiter)
            try:
                await waiter.future
            except KvError as error:
                if error.fault is Fault.NOT_LEADER:
                    return misdirected()
                refuse(exchange, error)
        exchange.finished()
        return exchange.answer


class _Awaited:
    """Turns the two outcomes of a ticket into a future."""

    __slots__ = ("future",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[None] = loop.create_future()

    def release(self, ticket: Ticket) -> None:
        if not self.future.done():
            self.future.set_result(None)

    def fail(self, ticket: Ticket, fault: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(fault)
