"""One client's connection: requests in, answers out in the same order, whatever each of them waits for.

All requests that one piece of input completes run at once and are one burst: they join the batch that is being formed,
so the requests of a turn of the loop become one log entry, and their answers wait for one ticket.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import Final, cast

from elastickv.dynamodb_api.dispatch import Exchange, refuse
from elastickv.dynamodb_api.door import Door
from elastickv.dynamodb_api.forwarding import misdirected
from elastickv.dynamodb_api.http import CONTINUE, RequestReader
from elastickv.dynamodb_api.request import Request
from elastickv.errors import Fault, KvError
from elastickv.kv.ports import Ticket

MAX_PIPELINED: Final = 64
"""Requests of one connection that may wait for their answers; then nothing more is read from it."""


class Connection(asyncio.Protocol):
    def __init__(self, door: Door) -> None:
        self._door = door
        self._reader = RequestReader()
        self._outbox: deque[Exchange] = deque()
        """Requests without a sent answer, oldest first."""
        self._transport: asyncio.Transport | None = None
        self._reading = True
        self._congested = False
        self._ending = False
        """No more requests are taken; the connection ends when the outbox is empty."""
        self.last_active = 0.0
        self.peer_node = False
        """Another node uses it: it may stay idle for ever."""

    # the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its bases
        raw_socket = transport.get_extra_info("socket")
        if raw_socket is not None:
            raw_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.last_active = self._door.loop.time()
        if not self._door.admit(self):
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._door.connections.discard(self)
        self._transport = None
        self._outbox.clear()

    def eof_received(self) -> bool:
        self._ending = True
        self._end_if_done()
        return True  # answers that are due still go out

    def pause_writing(self) -> None:
        self._congested = True
        self._adjust_reading()

    def resume_writing(self) -> None:
        self._congested = False
        self._adjust_reading()

    def _adjust_reading(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        wanted = not self._congested and len(self._outbox) < MAX_PIPELINED
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                transport.resume_reading()
            else:
                transport.pause_reading()

    @property
    def busy(self) -> bool:
        """Answers are due."""
        return bool(self._outbox)

    @property
    def inside_request(self) -> bool:
        return self._reader.inside

    def finish(self) -> None:
        """Take no more requests; end when the answers that are due have gone out."""
        self._ending = True
        self._end_if_done()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _end_if_done(self) -> None:
        if self._ending and not self._outbox and self._transport is not None:
            self._transport.close()

    # requests

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        door = self._door
        self.last_active = door.loop.time()
        reader = self._reader
        requests = reader.feed(data)
        if reader.wants_continue:
            reader.wants_continue = False
            if self._transport is not None and not self._outbox:
                self._transport.write(CONTINUE)
        if requests:
            burst: list[Exchange] = []
            for request in requests:
                self._take(request, burst)
                if not request.keep_alive:
                    self._ending = True
                    break
            if burst:
                self._settle(burst)
            self._flush()

    def _take(self, request: Request, burst: list[Exchange]) -> None:
        """Answer, run or forward one request."""
        door = self._door
        exchange = Exchange(request)
        self._outbox.append(exchange)
        parsed = door.router.find(exchange)
        if parsed is None:
            return
        forwarded = request.forwarded
        if forwarded:
            self.peer_node = True
        if door.store.serving:
            view = door.view
            if not burst:
                view.now_ms = door.clock.wall_ms()
            door.router.run(exchange, parsed, view)
            burst.append(exchange)
        elif forwarded:
            exchange.answer = misdirected()
        else:
            self._forward(exchange)

    def _settle(self, burst: list[Exchange]) -> None:
        ticket = self._door.store.settle()
        if ticket is not None:
            for exchange in burst:
                exchange.ticket = ticket
            ticket.wait(self)

    def release(self, ticket: Ticket) -> None:
        outbox = self._outbox
        if len(outbox) == 1 and outbox[0].ticket is ticket and self._reading and not self._ending:
            # One request at a time, as SDKs do: as below, but the shortest way.
            self._answer(outbox.popleft())
            return
        for exchange in outbox:
            if exchange.ticket is ticket:
                exchange.ticket = None
        self._flush()

    def fail(self, ticket: Ticket, fault: Exception) -> None:
        error = fault if isinstance(fault, KvError) else KvError(Fault.INTERNAL)
        for exchange in self._outbox:
            if exchange.ticket is not ticket:
                continue
            exchange.ticket = None
            if error.fault is not Fault.NOT_LEADER:
                refuse(exchange, error)
            elif exchange.request.forwarded:
                exchange.answer = misdirected()
            else:
                # It is provably not in the log: once more, at whoever leads now.
                self._forward(exchange)
        self._flush()

    def _forward(self, exchange: Exchange) -> None:
        exchange.waiting = True
        exchange.answer = b""
        exchange.outcome = "ok"
        self._door.start(self._forwarding(exchange))

    async def _forwarding(self, exchange: Exchange) -> None:
        door = self._door
        while not await door.forwarder.serve(exchange):
            # This node has begun to serve in the meantime.
            parsed = door.router.find(exchange)
            if parsed is None:
                break
            if door.store.serving:
                door.view.now_ms = door.clock.wall_ms()
                door.router.run(exchange, parsed, door.view)
                exchange.waiting = False
                self._settle([exchange])
                break
        exchange.waiting = False
        self._flush()

    # answers

    def _answer(self, exchange: Exchange) -> None:
        exchange.finished()
        if self._transport is not None:
            self._transport.write(exchange.answer)

    def _flush(self) -> None:
        """Send the answers that are due, in order."""
        outbox = self._outbox
        if outbox:
            exchange = outbox[0]
            if exchange.ticket is not None or exchange.waiting:
                if len(outbox) >= MAX_PIPELINED:
                    self._adjust_reading()
                return
            if len(outbox) == 1:
                self._answer(outbox.popleft())
            else:
                self._flush_some()
        if not self._reading:
            self._adjust_reading()
        if self._ending:
            self._end_if_done()

    def _flush_some(self) -> None:
        """The same, where several are due."""
        outbox = self._outbox
        parts: list[bytes] = []
        while outbox:
            exchange = outbox[0]
            if exchange.waiting or exchange.ticket is not None:
                break
            outbox.popleft()
            parts.append(exchange.answer)
            exchange.finished()
        if self._transport is not None:
            self._transport.write(b"".join(parts))
