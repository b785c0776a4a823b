"""A Redis door on a free loopback port over the fake store, for tests and for measuring."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import uvloop

from elastickv.clock import SystemClock
from elastickv.config import Address, RedisSettings
from elastickv.kv.ports import ClusterStatus, MemberStatus
from elastickv.redis_api.server import RedisServer
from elastickv.redis_api.state import NodeFacts
from tests.kit.fake_redis_store import FakeStore, make_databases


class FakeControl:
    """The part of ClusterControl that the Redis door uses."""

    def __init__(self, store: FakeStore, node_id: str) -> None:
        self.store = store
        self.node_id = node_id
        self.callbacks: list[Callable[[], None]] = []
        self.snapshots = 0
        self.stopped = False
        self.members: tuple[MemberStatus, ...] = ()

    def status(self) -> ClusterStatus:
        leader = self.store.known_leader
        return ClusterStatus(
            group_id=1,
            node_id=self.node_id,
            instance="i",
            cluster_id="c0ffee",
            role="leader" if self.store.serving else "follower",
            term=3,
            leader_id=leader.id if leader else "",
            leader_address=leader.address if leader else "",
            commit_index=10,
            applied_index=10,
            flushed_index=9,
            first_log_index=1,
            last_log_index=10,
            last_log_term=3,
            snapshot_index=0,
            snapshot_term=0,
            pending_entries=0,
            configuration_index=1,
            pending_configuration_change=False,
            members=self.members,
            last_contact_unix_nano=0,
            last_contact_seconds=0.5,
        )

    async def snapshot(self, *, timeout: float | None = None) -> int:
        self.snapshots += 1
        return 10

    async def shutdown(self) -> None:
        self.stopped = True

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)


class Door:
    """A node as far as the Redis door is concerned."""

    def __init__(
        self,
        *,
        node_id: str = "n1",
        redis_map: Mapping[str, str] | None = None,
        settings: RedisSettings | None = None,
        store: FakeStore | None = None,
        request_timeout: float = 1.0,
        port: int = 0,
    ) -> None:
        self.store = store or FakeStore()
        self.store.request_timeout = request_timeout
        self.control = FakeControl(self.store, node_id)
        self.databases = make_databases(self.store)
        self.server = RedisServer(
            replace(settings or RedisSettings(), address=Address("127.0.0.1", port)),
            NodeFacts(
                id=node_id,
                raft_address="127.0.0.1:50051",
                redis_map=redis_map if redis_map is not None else MappingProxyType({}),
                request_timeout=request_timeout,
                version="0.0.0",
            ),
            self.store,
            self.control,  # type: ignore[arg-type]
            self.databases,
            self.store.clock,
        )

    @property
    def port(self) -> int:
        return self.server.port

    async def __aenter__(self) -> Door:
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()


async def main(port: int) -> None:
    """python -m tests.kit.redis_door PORT: something to point redis-cli and redis-benchmark at."""
    store = FakeStore()
    store.clock = SystemClock()  # type: ignore[assignment]
    async with Door(store=store, port=port):
        print(f"listening on 127.0.0.1:{port}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
