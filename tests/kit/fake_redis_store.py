"""A Store for tests of the Redis door: the real view over a dict, leadership and commits in the hands of the test."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import TypeVar

from elastickv.clock import ManualClock
from elastickv.errors import Fault, KvError
from elastickv.kv.hybrid_clock import HybridClock
from elastickv.kv.layers import Layer
from elastickv.kv.ports import Leader, Ticket, Waiter
from elastickv.kv.snapshot_view import SnapshotView
from elastickv.kv.view import View
from elastickv.redis_api.values.databases import Databases

T = TypeVar("T")


class DictEngine:
    """What is flushed. Scans sort, which is fine for tests."""

    def __init__(self) -> None:
        self.data: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.data.get(key)

    def scan(self, start: bytes, end: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        keys = sorted(self.data)
        low = bisect_left(keys, start)
        high = bisect_left(keys, end) if end else len(keys)
        chosen = keys[low:high]
        for key in reversed(chosen) if reverse else chosen:
            if key in self.data:
                yield key, self.data[key]

    def close(self) -> None:
        """Nothing to let go."""


class ManualTicket:
    def __init__(self) -> None:
        self.waiters: list[Waiter] = []

    def wait(self, waiter: Waiter) -> None:
        if not self.waiters or self.waiters[-1] is not waiter:
            self.waiters.append(waiter)

    def release(self) -> None:
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            waiter.release(self)

    def fail(self, fault: Exception) -> None:
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            waiter.fail(self, fault)


class FakeStore:
    """Fulfils kv.ports.Store. `serving`, `known_leader` and `hold` are for the test to set.

    With `hold` every burst that wrote (or, with `hold_reads`, every burst) gets a ticket which the test releases or
    fails from `tickets`; else writes are committed at once.
    """

    def __init__(self, *, wall_ms: int = 1_700_000_000_000) -> None:
        self.engine = DictEngine()
        self.clock = ManualClock(wall_ms=wall_ms)
        self.view = View(self.engine, HybridClock(self.clock))
        self.view.now_ms = wall_ms
        self.serving = True
        self.known_leader: Leader | None = Leader("n1", "127.0.0.1:50051")
        self.hold = False
        self.hold_reads = False
        self.tickets: list[ManualTicket] = []
        self.settled = 0
        self.request_timeout = 1.0
        self.followers: list[FakeStore] = []
        """Their observers are told of what is committed here."""
        self._observers: dict[bytes, Callable[[bytes | None], None]] = {}
        self._changed = asyncio.Event()

    def snapshot(self, look: Callable[[], None]) -> SnapshotView:
        held = DictEngine()
        held.data = dict(self.engine.data)
        return SnapshotView(self.view, held, look)

    def observe(self, key: bytes, observer: Callable[[bytes | None], None]) -> None:
        self._observers[key] = observer
        observer(self.engine.data.get(key))

    def settle(self) -> Ticket | None:
        self.settled += 1
        self.view.write_out()
        wrote = self.view.dependency is not None
        self.view.dependency = None
        forming = self.view.forming
        data = self.engine.data
        if forming.puts or forming.ranges:
            self.view.applied = Layer()  # as after a flush
            for start, end in forming.ranges:
                for key in [key for key in data if start <= key and (not end or key < end)]:
                    del data[key]
            for key, value in forming.puts.items():
                if value is None:
                    data.pop(key, None)
                else:
                    data[key] = value
            for store in (self, *self.followers):
                for key, observer in store._observers.items():
                    if key in forming.puts:
                        observer(forming.puts[key])
            forming.clear()
        if self.hold_reads or (self.hold and wrote):
            ticket = ManualTicket()
            self.tickets.append(ticket)
            return ticket
        return None

    async def execute(self, body: Callable[[View], T], *, timeout: float | None = None) -> T:
        if not self.serving:
            leader = self.known_leader
            raise KvError(
                Fault.NOT_LEADER,
                leader_id=leader.id if leader else "",
                leader_address=leader.address if leader else "",
            )
        result = body(self.view)
        self.settle()
        return result

    def used_bytes(self) -> int:
        return sum(len(key) + len(value) for key, value in self.engine.data.items())

    def leader(self) -> Leader | None:
        return self.known_leader

    def change(self, *, serving: bool, leader: Leader | None) -> None:
        """Move the lead, and wake those who wait for it."""
        self.serving = serving
        self.known_leader = leader
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for_leader(self, *, timeout: float | None = None) -> Leader:
        try:
            async with asyncio.timeout(self.request_timeout if timeout is None else timeout):
                while not self.serving and self.known_leader is None:
                    await self._changed.wait()
        except TimeoutError:
            raise KvError(Fault.NO_QUORUM, "no leader") from None
        assert self.known_leader is not None
        return self.known_leader

    async def read_barrier(self, *, timeout: float | None = None) -> None:
        if self.known_leader is None:
            raise KvError(Fault.NO_QUORUM, "no leader")


def make_databases(store: FakeStore, count: int = 16, seed: int = 1) -> Databases:
    databases = Databases(store.view, count, random.Random(seed))
    databases.load()
    return databases
