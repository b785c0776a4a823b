"""A store and a cluster control without a cluster: one node that says what a test tells it to say.

`FakeStore` runs bodies on a real `View` over nothing, and "commits" at once. `FakeControl` keeps a `ClusterStatus` that
tests replace, records the calls it gets, and fails or waits on demand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from elastickv.clock import Clock, ManualClock
from elastickv.errors import Fault, KvError
from elastickv.kv.hybrid_clock import HybridClock
from elastickv.kv.ports import ClusterStatus, Leader, MemberStatus, Ticket
from elastickv.kv.snapshot_view import SnapshotView
from elastickv.kv.view import Batch, View

T = TypeVar("T")


class Nothing:
    """An engine that holds nothing: all data of the fake is in the view's applied layer."""

    def get(self, key: bytes) -> bytes | None:
        return None

    def scan(self, start: bytes, end: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        return iter(())


class FakeView(View):
    """A view whose writes can be committed by a call."""

    __slots__ = ("clock",)

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or ManualClock()
        super().__init__(Nothing(), HybridClock(self.clock))
        self.now_ms = self.clock.wall_ms()

    def run(self, body: Callable[[View], T]) -> T:
        """Run `body`, commit what it wrote, undo it when it raises."""
        self.now_ms = self.clock.wall_ms()
        self.begin()
        try:
            result = body(self)
        except BaseException:
            self.undo()
            raise
        self.keep()
        self.applied.merge(self.forming)
        self.forming = Batch(self.forming.sequence + 1)
        self.dependency = None
        return result

    def dump(self) -> dict[bytes, bytes]:
        return dict(self.scan(b"", b""))


class FakeStore:
    """Serves while `serving`; else it knows `known_leader`, or nobody."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.view = FakeView(clock)
        self.serving = True
        self.known_leader: Leader | None = None
        self.fault: KvError | None = None
        """Raised by the next execution, once."""
        self.hold: asyncio.Event | None = None
        """Executions wait for it."""
        self.timeouts: list[float | None] = []
        self.executions = 0

    def settle(self) -> Ticket | None:
        return None

    def snapshot(self, look: Callable[[], None]) -> SnapshotView:
        raise NotImplementedError("no front end that is tested with this store reads for long")

    def observe(self, key: bytes, observer: Callable[[bytes | None], None]) -> None:
        """Nobody changes the records that are observed here."""
        observer(None)

    def used_bytes(self) -> int:
        return self.view.applied.size_bytes

    def leader(self) -> Leader | None:
        return self.known_leader

    async def execute(self, body: Callable[[View], T], *, timeout: float | None = None) -> T:
        self.timeouts.append(timeout)
        self.executions += 1
        if self.hold is not None:
            await self.hold.wait()
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        if not self.serving:
            known = self.known_leader or Leader("", "")
            raise KvError(Fault.NOT_LEADER, "not the leader", leader_id=known.id, leader_address=known.address)
        return self.view.run(body)

    async def wait_for_leader(self, *, timeout: float | None = None) -> Leader:
        try:
            async with asyncio.timeout(timeout):
                while True:
                    if self.serving:
                        return Leader("n1", "127.0.0.1:0")
                    if self.known_leader is not None:
                        return self.known_leader
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise KvError(Fault.NO_QUORUM, "no leader within the deadline") from None

    async def read_barrier(self, *, timeout: float | None = None) -> None:
        return


def healthy_status(**changes: object) -> ClusterStatus:
    """Node n1 leads three voters and a learner."""
    status = ClusterStatus(
        group_id=1,
        node_id="n1",
        instance="a1b2",
        cluster_id="c1",
        role="leader",
        term=7,
        leader_id="n1",
        leader_address="10.0.0.11:50051",
        commit_index=90,
        applied_index=88,
        flushed_index=80,
        first_log_index=11,
        last_log_index=91,
        last_log_term=7,
        snapshot_index=10,
        snapshot_term=3,
        pending_entries=2,
        configuration_index=42,
        pending_configuration_change=False,
        members=(
            MemberStatus("n1", "10.0.0.11:50051", True, "a1b2", True),
            MemberStatus("n2", "10.0.0.12:50051", True, "b2c3", False, 90, 0.01),
            MemberStatus("n3", "10.0.0.13:50051", True, "c3d4", False, 90, 0.02),
            MemberStatus("n4", "10.0.0.14:50051", False, "", False),
        ),
        last_contact_unix_nano=1_700_000_000_000_000_000,
        last_contact_seconds=0.0,
    )
    return replace(status, **changes)  # type: ignore[arg-type]


class FakeControl:
    """Answers with `index`, or `fault`, once `hold` allows it; `calls` records what was asked."""

    def __init__(self) -> None:
        self.current = healthy_status()
        self.index = 43
        self.fault: Exception | None = None
        self.hold: asyncio.Event | None = None
        self.calls: list[tuple[object, ...]] = []
        self.timeouts: list[float | None] = []
        self.stopped = asyncio.Event()
        self.callbacks: list[Callable[[], None]] = []

    def status(self) -> ClusterStatus:
        return self.current

    def become(self, **changes: object) -> None:
        """Change the status and tell the watchers."""
        self.current = replace(self.current, **changes)  # type: ignore[arg-type]
        for callback in list(self.callbacks):
            callback()

    async def _answer(self, *call: object, timeout: float | None) -> int:
        self.calls.append(call)
        self.timeouts.append(timeout)
        if self.hold is not None:
            await self.hold.wait()
        if self.fault is not None:
            raise self.fault
        return self.index

    async def add_voter(self, node_id: str, address: str, previous_index: int, *, timeout: float | None = None) -> int:
        return await self._answer("add_voter", node_id, address, previous_index, timeout=timeout)

    async def add_learner(
        self, node_id: str, address: str, previous_index: int, *, timeout: float | None = None
    ) -> int:
        return await self._answer("add_learner", node_id, address, previous_index, timeout=timeout)

    async def promote_learner(
        self, node_id: str, previous_index: int, *, min_applied_index: int = 0, timeout: float | None = None
    ) -> int:
        return await self._answer("promote_learner", node_id, previous_index, min_applied_index, timeout=timeout)

    async def demote_voter(self, node_id: str, previous_index: int, *, timeout: float | None = None) -> int:
        return await self._answer("demote_voter", node_id, previous_index, timeout=timeout)

    async def remove_member(self, node_id: str, previous_index: int, *, timeout: float | None = None) -> int:
        return await self._answer("remove_member", node_id, previous_index, timeout=timeout)

    async def transfer_leadership(
        self,
        node_id: str = "",
        address: str = "",
        *,
        candidates: tuple[tuple[str, str], ...] = (),
        max_lag: int | None = None,
        timeout: float | None = None,
    ) -> None:
        await self._answer("transfer_leadership", node_id, address, candidates, max_lag, timeout=timeout)

    async def barrier(self, *, timeout: float | None = None) -> int:
        return await self._answer("barrier", timeout=timeout)

    async def verify_leader(self, *, timeout: float | None = None) -> None:
        await self._answer("verify_leader", timeout=timeout)

    async def snapshot(self, *, timeout: float | None = None) -> int:
        return await self._answer("snapshot", timeout=timeout)

    async def shutdown(self) -> None:
        self.calls.append(("shutdown",))
        self.stopped.set()

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)
