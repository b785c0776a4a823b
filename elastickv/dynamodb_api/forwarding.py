"""Requests that reach a follower go to the leader: as HTTP to the address that `--raftDynamoMap` has for it, else as
one call over the leader's Raft address, which every member knows.

What travels is the client's request as it came, with one header that says that it was passed on: the leader checks the
signature, the shape and everything else itself. A request that was passed on is never passed on again; a node that does
not serve answers 421 instead ("nothing was done"), and the first node, which has the deadline, looks again.

What may be sent again is decided here, and nowhere else:

- Nothing was done for sure (nobody leads yet, no connection, 421): again until the deadline, writes too.
- An operation that only reads: again, whatever happened to the call.
- A write that may have been executed: its outcome is unknown, the client hears 500, and nobody here repeats it. (Its
  SDK does; a condition or a ClientRequestToken keeps that from acting twice.)

Decision: docs/decisions/0062-dynamodb-forwarding.md
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Final, Protocol

from elastickv.dynamodb_api.dispatch import Exchange, refuse
from elastickv.dynamodb_api.http import answer
from elastickv.dynamodb_api.request import FORWARDED, Request
from elastickv.dynamodb_api.upstream import Broken, NothingSent, Upstreams
from elastickv.errors import Fault, KvError
from elastickv.kv.ports import Leader, Store

MISDIRECTED: Final = b"HTTP/1.1 421 "

FIRST_PAUSE: Final = 0.01
LONGEST_PAUSE: Final = 0.25
SHORTEST_ATTEMPT: Final = 0.5

_EXCEPTION: Final = re.compile(rb'"__type":"[^"#]*#(\w+)"')
_HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"expect", b"te", b"upgrade", FORWARDED}
)


class Carrier(Protocol):
    """Carries a request to another member over its Raft address. `grpc_api` fulfils it."""

    async def carry(self, leader: Leader, request: bytes, *, write: bool, timeout: float) -> bytes:
        """The whole HTTP response. KvError: NOT_LEADER when nothing was done for sure, else OUTCOME_UNKNOWN."""
        ...


def passed_on(request: Request) -> bytes:
    """The request as it is sent to the leader."""
    lines = [b"%b %b HTTP/1.1\r\n" % (request.method, request.url)]
    lines += [b"%b: %b\r\n" % pair for pair in request.header_list if pair[0].lower() not in _HOP_BY_HOP]
    lines.append(b"%b: 1\r\nContent-Length: %d\r\n\r\n" % (FORWARDED, len(request.encoded_body)))
    lines.append(request.encoded_body)
    return b"".join(lines)


def misdirected() -> bytes:
    """The answer to a request that was passed on to a node that does not serve."""
    return answer(421, b"", content_type=b"", checksum=False)


class Forwarder:
    def __init__(
        self, store: Store, dynamo_map: Mapping[str, str], carrier: Carrier | None, *, request_timeout: float
    ) -> None:
        self._store = store
        self._map = dynamo_map
        self._carrier = carrier
        self._timeout = request_timeout
        self._upstreams = Upstreams()
        self.forwarded = 0

    async def serve(self, exchange: Exchange) -> bool:
        """Set the exchange's answer and return True; False when this node serves now: run it here."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        assert exchange.route is not None
        write = exchange.route.write
        data = passed_on(exchange.request)
        pause = FIRST_PAUSE
        self.forwarded += 1
        try:
            while True:
                try:
                    leader = await self._store.wait_for_leader(timeout=max(0.0, deadline - loop.time()))
                    if self._store.serving:
                        return False
                    response = await self._ask(leader, data, write, deadline)
                    if not response.startswith(MISDIRECTED):
                        exchange.answer = _as_asked(response, exchange.request)
                        exchange.outcome = _outcome(response)
                        return True
                    reason = f"{leader.id} does not lead"
                except NothingSent as error:
                    reason = str(error)
                if loop.time() + pause >= deadline:
                    raise KvError(Fault.NO_QUORUM, f"no leader answered within the deadline: {reason}")
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        except KvError as error:
            refuse(exchange, error)
            return True

    async def _ask(self, leader: Leader, data: bytes, write: bool, deadline: float) -> bytes:
        """One attempt. NothingSent when it may be repeated."""
        loop = asyncio.get_running_loop()
        remaining = max(0.0, deadline - loop.time())
        # A read gives each attempt half of the time that is left, so that a leader whose machine vanished without a
        # word does not use up the whole deadline while its successor is already there.
        attempt = remaining if write else max(remaining / 2, min(remaining, SHORTEST_ATTEMPT))
        address = self._map.get(leader.address)
        if address is None:
            return await self._carry(leader, data, write, attempt)
        upstream = self._upstreams.idle(address)
        if upstream is None:
            self._upstreams.forget(address)
            upstream = await self._upstreams.connect(address, attempt)
        try:
            async with asyncio.timeout(attempt):
                response = await upstream.request(data)
        except (Broken, TimeoutError) as error:
            upstream.close()
            if write:
                raise KvError(
                    Fault.OUTCOME_UNKNOWN, f"the call to the leader {leader.id} broke, outcome unknown: {error}"
                ) from None
            raise NothingSent(f"the call to {leader.id} at {address} broke: {error}") from None
        except BaseException:
            upstream.close()
            raise
        self._upstreams.give_back(address, upstream)
        return response

    async def _carry(self, leader: Leader, data: bytes, write: bool, timeout: float) -> bytes:
        if self._carrier is None:
            raise NothingSent(f"nobody knows where the DynamoDB door of {leader.id} is")
        try:
            return await self._carrier.carry(leader, data, write=write, timeout=timeout)
        except KvError as error:
            if error.fault is Fault.NOT_LEADER or not write:
                raise NothingSent(error.message) from None
            raise

    def close(self) -> None:
        self._upstreams.close()


def _outcome(response: bytes) -> str:
    """ "ok", or the name of the exception, for the figures of this node."""
    if response.startswith(b"HTTP/1.1 200 "):
        return "ok"
    name = _EXCEPTION.search(response)
    return name[1].decode() if name is not None else "error"


def _as_asked(response: bytes, request: Request) -> bytes:
    """The leader's answer, for a client that does not want to keep its connection."""
    if request.keep_alive:
        return response
    return response.replace(b"\r\nConnection: keep-alive\r\n", b"\r\nConnection: close\r\n", 1)
