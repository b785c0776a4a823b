"""Several groups in one process and one loop, over real gRPC on loopback: for tests of `runtime`."""

from __future__ import annotations

import asyncio
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio

from elastickv.clock import SystemClock
from elastickv.errors import KvError
from elastickv.raft.types import Member
from elastickv.runtime.group import Group
from elastickv.runtime.membership import GroupControl
from elastickv.runtime.settings import GroupSettings
from elastickv.runtime.store import GroupStore
from elastickv.storage.data_dir import DataDirectory
from elastickv.transport.grpc_transport import GrpcTransport
from elastickv.transport.settings import TransportSettings
from tests.kit.eventually import eventually
from tests.kit.ports import free_port


@dataclass
class RunningNode:
    group: Group
    store: GroupStore
    control: GroupControl
    server: grpc.aio.Server


@dataclass
class GroupCluster:
    """`n1` carries the bootstrap flags whenever it is started, as in the guide."""

    root: Path
    size: int = 3
    changes: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.members = {f"n{i}": Member(f"n{i}", f"127.0.0.1:{free_port()}") for i in range(1, self.size + 1)}
        self.running: dict[str, RunningNode] = {}

    def add_address(self, node_id: str) -> str:
        """Reserve an address for a node that is not one of the first members."""
        address = f"127.0.0.1:{free_port()}"
        self.members[node_id] = Member(node_id, address)
        return address

    async def start(self, *node_ids: str) -> None:
        for node_id in node_ids or tuple(self.members):
            await self._start(node_id)

    async def _start(self, node_id: str) -> None:
        address = self.members[node_id].address
        settings = GroupSettings(
            node_id=node_id,
            address=address,
            version="test",
            heartbeat_interval=0.03,
            election_timeout=0.3,
            request_timeout=3.0,
            map_bytes=64 << 20,
            disk_reserve_bytes=0,
            **self.changes,  # type: ignore[arg-type]
        )
        data_dir = DataDirectory.open(self.root / node_id, node_id)
        transport = GrpcTransport(data_dir.incoming_dir, random.Random(), TransportSettings(snapshot_reserve_bytes=0))
        group = Group(settings, data_dir, transport, SystemClock(), asyncio.get_running_loop(), random.Random())
        server = grpc.aio.server(options=transport.settings.server_options())
        server.add_generic_rpc_handlers((transport.handlers(),))
        server.add_insecure_port(address)
        await server.start()
        first = tuple(self.members.values())[: self.size]
        await group.start(bootstrap=node_id == "n1", members=first)
        self.running[node_id] = RunningNode(group, GroupStore(group), GroupControl(group, lambda: None), server)

    async def stop(self, *node_ids: str) -> None:
        for node_id in node_ids or tuple(self.running):
            node = self.running.pop(node_id)
            await node.group.stop()
            await node.server.stop(None)

    def wipe(self, node_id: str) -> None:
        """Its disk is lost."""
        shutil.rmtree(self.root / node_id)

    async def leader(self, timeout: float = 10.0) -> RunningNode:
        """The node that serves."""
        async with asyncio.timeout(timeout):
            while True:
                for node in self.running.values():
                    if node.store.serving:
                        return node
                await asyncio.sleep(0.01)

    async def put(self, key: bytes, value: bytes) -> None:
        """A write that is acknowledged, by whichever node leads."""
        async with asyncio.timeout(10):
            while True:
                node = await self.leader()
                try:
                    await node.store.execute(lambda view: view.put(key, value))
                    return
                except KvError:
                    await asyncio.sleep(0.02)

    async def get(self, key: bytes) -> bytes | None:
        async with asyncio.timeout(10):
            while True:
                node = await self.leader()
                try:
                    return await node.store.execute(lambda view: view.get(key))
                except KvError:
                    await asyncio.sleep(0.02)

    async def converged(self, *node_ids: str) -> None:
        """All named nodes have applied what the leader has."""
        target = (await self.leader()).group.machine.index
        names = node_ids or tuple(self.running)
        await eventually(lambda: all(self.running[one].group.machine.index >= target for one in names), timeout=15)
