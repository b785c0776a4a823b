"""`kv.ports.Store` over a group: what the front ends run their requests on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from elastickv.errors import Fault, KvError
from elastickv.kv.executor import ReadRound
from elastickv.kv.ports import Leader
from elastickv.kv.snapshot_view import SnapshotView
from elastickv.kv.view import Batch, View
from elastickv.runtime.group import Group

T = TypeVar("T")


class _Await:
    """Turns the two outcomes of a ticket into a future."""

    __slots__ = ("future",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[None] = loop.create_future()

    def release(self, ticket: Batch | ReadRound) -> None:
        if not self.future.done():
            self.future.set_result(None)

    def fail(self, ticket: Batch | ReadRound, fault: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(fault)


class GroupStore:
    """Loop's thread only."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._executor = group.executor
        self._view = group.view
        self.settle = group.executor.settle

    @property
    def serving(self) -> bool:
        return self._executor.serving

    @property
    def view(self) -> View:
        return self._view

    def snapshot(self, look: Callable[[], None]) -> SnapshotView:
        view = self._view
        if view.forming:
            view.dependency = view.forming
        elif view.inflight:
            view.depend(view.inflight[-1])
        return SnapshotView(view, self._group.engine.snapshot(), look)

    def observe(self, key: bytes, observer: Callable[[bytes | None], None]) -> None:
        self._group.machine.observe(key, observer)

    async def execute(self, body: Callable[[View], T], *, timeout: float | None = None) -> T:
        if not self._executor.serving:
            raise self._group.not_leader()
        view = self._view
        view.now_ms = self._group.clock.wall_ms()
        view.begin()
        try:
            result = body(view)
        except BaseException:
            view.undo()
            view.dependency = None
            raise
        view.keep()
        ticket = self.settle()
        if ticket is None:
            return result
        wrote = isinstance(ticket, Batch)
        waiter = _Await(self._group.loop)
        ticket.wait(waiter)
        try:
            async with asyncio.timeout(self._group.settings.request_timeout if timeout is None else timeout):
                await waiter.future
        except TimeoutError:
            if wrote:
                raise KvError(
                    Fault.OUTCOME_UNKNOWN, "no majority confirmed the write in time; outcome unknown"
                ) from None
            raise KvError(Fault.NO_QUORUM, "no majority confirmed the lead in time") from None
        return result

    def used_bytes(self) -> int:
        view = self._view
        layers = (view.forming, *view.inflight, view.applied, view.frozen)
        return self._group.engine.used_bytes() + sum(layer.size_bytes for layer in layers if layer is not None)

    def leader(self) -> Leader | None:
        group = self._group
        if group.executor.serving:
            return Leader(group.settings.node_id, group.settings.address)
        leader = group.node.leader
        if not leader or leader == group.settings.node_id or group.stopping:
            return None
        address = group.address_of(leader)
        return Leader(leader, address) if address else None

    async def wait_for_leader(self, *, timeout: float | None = None) -> Leader:
        known = self.leader()
        if known is not None:
            return known
        changed = asyncio.Event()
        self._group.watchers.append(changed.set)
        try:
            async with asyncio.timeout(self._group.settings.request_timeout if timeout is None else timeout):
                while (known := self.leader()) is None:
                    if self._group.stopping:
                        raise KvError(Fault.SHUTTING_DOWN)
                    changed.clear()
                    await changed.wait()
                return known
        except TimeoutError:
            raise KvError(Fault.NO_QUORUM, "no leader was elected in time: is a majority of the nodes up?") from None
        finally:
            self._group.watchers.remove(changed.set)

    async def read_barrier(self, *, timeout: float | None = None) -> None:
        group = self._group
        try:
            async with asyncio.timeout(group.settings.request_timeout if timeout is None else timeout):
                while True:
                    await self.wait_for_leader(timeout=timeout)
                    ticket: asyncio.Future[int] = group.loop.create_future()
                    if not group.rounds.start(ticket):
                        await asyncio.sleep(group.settings.tick_interval)
                        continue
                    try:
                        # A round can get lost with a message or a leader; it costs nothing to ask again.
                        async with asyncio.timeout(group.settings.election_timeout):
                            await ticket
                        return
                    except (TimeoutError, KvError):
                        group.rounds.forget(ticket)
        except TimeoutError:
            raise KvError(Fault.NO_QUORUM, "no majority confirmed a leader in time") from None
