"""Connections from a follower to the leader's DynamoDB door, kept open and used again.

One request at a time on each, so that a connection that breaks leaves doubt about one request only. The answer is
passed on as the bytes in which it came; only its length is looked at.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections import deque
from typing import Final, cast

MAX_IDLE: Final = 64
"""Connections to one address that are kept while nothing needs them."""
CONNECT_SECONDS: Final = 0.5

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class NothingSent(Exception):
    """The request has not left: it may be sent elsewhere, whatever it does."""


class Broken(Exception):
    """The request may have been executed, and there is no answer."""


class Upstream(asyncio.Protocol):
    """One connection. `request` after `connection_made`, one at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.lost = False
        self._answer: asyncio.Future[bytes] | None = None
        self._parts: list[bytes] = []
        self._missing = -1
        """Bytes of the answer that have not come; -1 while its head is not complete."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its bases
        raw_socket = transport.get_extra_info("socket")
        if raw_socket is not None:
            raw_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        waiting = self._answer
        if waiting is not None and not waiting.done():
            waiting.set_exception(Broken(str(error or "the connection was closed")))

    def request(self, data: bytes) -> asyncio.Future[bytes]:
        """Send a whole HTTP request; the future is its whole response."""
        assert self.transport is not None
        self._parts.clear()
        self._missing = -1
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return self._answer

    def data_received(self, data: bytes) -> None:
        waiting = self._answer
        if waiting is None or waiting.done():
            self.close()  # nobody asked
            return
        self._parts.append(data)
        if self._missing < 0:
            head = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            end = head.find(b"\r\n\r\n")
            if end < 0:
                self._parts = [head]
                return
            length = _LENGTH.search(head, 0, end + 2)
            if length is None:
                self.close()
                waiting.set_exception(Broken("the leader's answer has no length"))
                return
            self._missing = end + 4 + int(length[1]) - len(head)
        else:
            self._missing -= len(data)
        if self._missing <= 0:
            self._answer = None
            waiting.set_result(self._parts[0] if len(self._parts) == 1 else b"".join(self._parts))

    def close(self) -> None:
        self.lost = True
        if self.transport is not None:
            self.transport.abort()


class Upstreams:
    """All connections of this node to other doors, by address."""

    def __init__(self) -> None:
        self._idle: dict[str, deque[Upstream]] = {}
        self._closed = False

    def idle(self, address: str) -> Upstream | None:
        """A connection that is open and free."""
        idle = self._idle.get(address)
        while idle:
            upstream = idle.pop()
            if not upstream.lost:
                return upstream
        return None

    async def connect(self, address: str, timeout: float) -> Upstream:
        """A new connection; NothingSent when there is none in time."""
        host, _, port = address.rpartition(":")
        if self._closed:
            raise NothingSent("this node is stopping")
        try:
            async with asyncio.timeout(min(timeout, CONNECT_SECONDS)):
                _, upstream = await asyncio.get_running_loop().create_connection(Upstream, host.strip("[]"), int(port))
        except (OSError, TimeoutError) as error:
            raise NothingSent(f"{address} cannot be reached: {error or 'no answer'}") from None
        return upstream

    def give_back(self, address: str, upstream: Upstream) -> None:
        """It has answered and can be used again."""
        idle = self._idle.setdefault(address, deque())
        if upstream.lost:
            return
        if self._closed or len(idle) >= MAX_IDLE:
            upstream.close()
        else:
            idle.append(upstream)

    def forget(self, keep: str) -> None:
        """Close what is idle towards other addresses than this one: the leader is elsewhere now."""
        for address in [one for one in self._idle if one != keep]:
            for upstream in self._idle.pop(address):
                upstream.close()

    def close(self) -> None:
        self._closed = True
        self.forget("")
