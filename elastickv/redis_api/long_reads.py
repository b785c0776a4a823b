"""Reads of many elements (KEYS, HGETALL, LRANGE, SUNION …) step aside, so that one client starves nobody.

Such a command begins as all do. When it is about to look at more than MANY elements (`Database.will_touch`) it is
broken off by TooMany and begins anew on a stack of its own, on a view that is held still (`kv.snapshot_view`), and with
databases of its own: every few milliseconds it steps aside and the loop goes on. What it sees is the moment at which it
began, so it is as atomic as any command; its reply rests on the same ticket as those of its burst, and is encoded and
written in pieces.

Only commands that write nothing may do that (`STEPPING`), and only alone: in MULTI and in scripts everything runs in
one turn. At most PLACES of them run at a time; the others wait in line.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from random import Random
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from greenlet import GreenletExit, getcurrent, greenlet

from elastickv.errors import Fault, KvError
from elastickv.kv.ports import Ticket
from elastickv.redis_api.errors import RedisError, from_fault
from elastickv.redis_api.replies import Members, encode, encoders
from elastickv.redis_api.session import Call, Later
from elastickv.redis_api.values.databases import Databases

if TYPE_CHECKING:
    from elastickv.redis_api.dispatch import Route

SLICE_NS: Final = 2_000_000
PLACES: Final = 2
"""How many may be at work at a time: each costs every turn of the loop one slice."""
PIECE_ITEMS: Final = 512
"""Items that are encoded together."""
PIECE_BYTES: Final = 128 * 1024
"""About how much of a reply is written together."""

STEPPING: Final = frozenset(
    (
        "keys",
        "scan",
        "mget",
        "hgetall",
        "hkeys",
        "hvals",
        "hmget",
        "smembers",
        "smismember",
        "sunion",
        "sinter",
        "sintercard",
        "sdiff",
        "lrange",
        "lpos",
        "zrange",
        "zrangebyscore",
        "zrangebylex",
        "zrevrange",
        "zrevrangebyscore",
        "zrevrangebylex",
        "zunion",
        "zinter",
        "zintercard",
        "zdiff",
        "xrange",
        "xrevrange",
        "sort_ro",
        "dump",
        "georadius_ro",
        "georadiusbymember_ro",
        "geosearch",
    )
)
"""Commands that read as much as there is."""


def stepping(handler: Callable[[Call], object]) -> Callable[[Call], object]:
    """The body of a command in STEPPING: alone, it may be broken off by TooMany."""

    def run(call: Call) -> object:
        databases = call.databases
        if call.session.in_exec:
            return handler(call)
        databases.interruptible = True
        try:
            return handler(call)
        finally:
            databases.interruptible = False

    return run


class Pieces:
    """A reply that is written piece by piece."""

    __slots__ = ("parts",)

    def __init__(self, parts: deque[bytes]) -> None:
        self.parts = parts


AGAIN: Final = object()
"""Instead of a reply: the lead moved, the command is to be executed where it is now."""


class Permit:
    """When the reply may go out: as for all replies of its burst."""

    def __init__(self) -> None:
        self._outcome: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def after(self, ticket: Ticket | None) -> None:
        if ticket is None:
            self._outcome.set_result(None)
        else:
            ticket.wait(self)

    def release(self, ticket: Ticket) -> None:
        if not self._outcome.done():
            self._outcome.set_result(None)

    def fail(self, ticket: Ticket, fault: Exception) -> None:
        if not self._outcome.done():
            self._outcome.set_result(fault)

    async def wait(self) -> Exception | None:
        return await self._outcome


async def _others() -> None:
    """Everybody else gets a turn."""
    await asyncio.sleep(0)


class LongReads:
    """One per door."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(PLACES)
        self.begun = 0

    def begin(self, call: Call, route: Route, argv: list[bytes]) -> Later:
        """In the turn in which the command was broken off: the moment that it will see is now."""
        self.begun += 1
        read = _LongRead(call, route, argv)
        permit = Permit()
        return Later(self._carry(read, permit), permit=permit)

    async def _carry(self, read: _LongRead, permit: Permit) -> object:
        try:
            async with self._places:
                while not read.step():
                    await _others()
            fault = await permit.wait()
            if fault is None:
                return read.reply
            if isinstance(fault, KvError):
                return AGAIN if fault.fault is Fault.NOT_LEADER else from_fault(fault)
            raise fault
        finally:
            read.close()


class _LongRead:
    """One command on its own stack."""

    def __init__(self, call: Call, route: Route, argv: list[bytes]) -> None:
        session = call.session
        state = session.state
        self._view = state.store.snapshot(self._look)
        databases = Databases(self._view, len(call.databases.numbered), Random(call.databases.rng.getrandbits(64)))
        databases.limits = call.databases.limits
        databases.load()
        self._call = Call(session, databases, self._view)
        self._call.db = databases.numbered[call.db.number]
        self._call.protocol = call.protocol
        self._call.argv = argv
        self._route = route
        self._slice_end = 0
        self._spent_ns = 0
        self._parent: Any = None
        self._worker = greenlet(self._work)
        self.reply: object = None

    def step(self) -> bool:
        """Work for a slice; whether that was the last one."""
        started = perf_counter_ns()
        self._slice_end = started + SLICE_NS
        self._parent = getcurrent()
        try:
            self._worker.switch()
        finally:
            self._spent_ns += perf_counter_ns() - started
        if not self._worker.dead:
            return False
        self._route.add(self._spent_ns)
        return True

    def _look(self) -> None:
        if perf_counter_ns() > self._slice_end and getcurrent() is self._worker:
            self._parent.switch()

    def _work(self) -> None:
        try:
            found = self._route.command.handler(self._call)
            parts: deque[bytes] = deque()
            for piece in pieces(found, self._call.protocol):
                parts.append(piece)
                self._look()
            self.reply = Pieces(parts)
        except RedisError as error:
            error.__traceback__ = error.__context__ = None
            self._route.failed += 1
            self.reply = error
        except KvError as fault:
            self._route.failed += 1
            self.reply = from_fault(fault)

    def close(self) -> None:
        if not self._worker.dead:
            self._parent = getcurrent()
            self._worker.throw(GreenletExit)
        self._view.close()


def pieces(reply: object, protocol: int) -> Iterator[bytes]:
    """The reply on the wire, a piece at a time. A large collection is emptied meanwhile, because to let go of a million
    objects at once takes as long as to make them."""
    table = encoders(protocol)
    if isinstance(reply, dict) and len(reply) > PIECE_ITEMS:
        yield b"%%%d\r\n" % len(reply) if protocol == 3 else b"*%d\r\n" % (2 * len(reply))
        items: Iterator[object] = (one for pair in _emptied(reply) for one in pair)
    elif isinstance(reply, list) and len(reply) > PIECE_ITEMS:
        mark = b"~" if isinstance(reply, Members) and protocol == 3 else b"*"
        yield b"%b%d\r\n" % (mark, len(reply))
        reply.reverse()
        items = _drained(reply)
    elif isinstance(reply, list) and any(isinstance(one, list) and len(one) > PIECE_ITEMS for one in reply):
        yield b"*%d\r\n" % len(reply)  # SCAN: a cursor and what was found
        for one in reply:
            yield from pieces(one, protocol)
        return
    else:
        yield encode(reply, protocol)
        return
    while chunk := list(islice(items, PIECE_ITEMS)):
        yield b"".join([table[type(item)](item) for item in chunk])


def _drained(reversed_list: list[Any]) -> Iterator[object]:
    while reversed_list:
        yield reversed_list.pop()


def _emptied(mapping: dict[Any, Any]) -> Iterator[tuple[object, object]]:
    """From the front. Keys are taken in chunks: a dict that lost its first entries is slow to find the next one."""
    keys = list(mapping)
    keys.reverse()
    while keys:
        key = keys.pop()
        yield key, mapping.pop(key)
