"""Several nodes with a transport each, in memory or over gRPC on loopback, behind one interface for contract tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol

import grpc

from elastickv.raft.types import Kind, Member, Message, NodeId
from elastickv.transport.base import Hello, Refusal
from elastickv.transport.grpc_transport import GrpcTransport
from elastickv.transport.in_memory import InMemoryNetwork, InMemoryTransport, LoopScheduler
from elastickv.transport.settings import TransportSettings
from tests.kit.chaos import ChaosProxy

MARKER = b"<damage here>"
"""What a world that damages bytes looks for; put it into the files of a snapshot."""

SETTINGS = TransportSettings(
    max_queued_messages=1000,
    backoff_max_seconds=0.3,
    snapshot_chunk_bytes=64 << 10,
    snapshot_idle_seconds=10.0,
    snapshot_reserve_bytes=0,
)


class RecordingInbox:
    """Lets everybody in, unless told otherwise, and writes down what happens."""

    def __init__(self, own: Hello) -> None:
        self.own = own
        self.refuse: Callable[[Hello], Refusal | None] = lambda _: None
        self.met: list[Hello] = []
        self.delivered: list[Message] = []
        self.refusals: list[tuple[NodeId, Refusal]] = []
        self.lost: list[NodeId] = []
        self.snapshots: list[tuple[Message, Path]] = []

    def hello(self) -> Hello:
        return self.own

    def check_peer(self, peer: Hello) -> Refusal | None:
        self.met.append(peer)
        return self.refuse(peer)

    def peer_refused_us(self, node_id: NodeId, refusal: Refusal) -> None:
        self.refusals.append((node_id, refusal))

    def deliver(self, message: Message) -> None:
        self.delivered.append(message)

    def unreachable(self, node_id: NodeId) -> None:
        self.lost.append(node_id)

    def deliver_snapshot(self, message: Message, directory: Path) -> None:
        self.snapshots.append((message, directory))


@dataclass(eq=False)
class Node:
    inbox: RecordingInbox
    transport: GrpcTransport | InMemoryTransport
    incoming: Path

    @property
    def id(self) -> NodeId:
        return self.inbox.own.node_id

    @property
    def member(self) -> Member:
        return Member(self.id, self.inbox.own.address)

    def know(self, *nodes: Node) -> None:
        self.transport.set_peers({node.id: node.member for node in (self, *nodes)})

    def say(self, to: Node, term: int = 1) -> None:
        self.transport.post(Message(Kind.HEARTBEAT, to.id, self.id, term=term))

    def heard(self) -> list[int]:
        """The terms of what was delivered."""
        return [message.term for message in self.inbox.delivered]


async def until(condition: Callable[[], object], seconds: float = 8.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of events
            await asyncio.sleep(0.002)


async def connect(left: Node, right: Node) -> None:
    """Make two nodes members of each other, and wait until both see the link."""
    left.know(right)
    right.know(left)
    await until(lambda: left.transport.connected(right.id) and right.transport.connected(left.id))


async def connect_by_one_stream(left: Node, right: Node) -> None:
    """`right` is called and does not call, so nothing moves to another stream: the order of messages holds."""
    left.know(right)
    await until(lambda: left.transport.connected(right.id) and right.transport.connected(left.id))


class World(Protocol):
    async def add(self, node_id: NodeId, settings: TransportSettings = SETTINGS) -> Node: ...

    async def restart(self, node: Node) -> None:
        """Stop it, and start it again with a new transport at the same address."""
        ...

    def break_links(self, left: Node, right: Node) -> None: ...

    def break_during_snapshot(self, sender: Node, to: Node) -> None:
        """Break the connection once, when some of the snapshot is over and some is not."""
        ...

    def damage_during_snapshot(self, to: Node) -> None: ...

    async def close(self) -> None: ...


def _hello(node_id: NodeId, address: str) -> Hello:
    return Hello("cluster", node_id, f"instance of {node_id}", address, "1.0", fresh=False)


class MemoryWorld:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.network = InMemoryNetwork(LoopScheduler(), Random(1))
        self._nodes: list[Node] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def add(self, node_id: NodeId, settings: TransportSettings = SETTINGS) -> Node:
        address = f"memory:{len(self._nodes)}"
        incoming = self._directory / str(len(self._nodes))
        node = Node(
            RecordingInbox(_hello(node_id, address)), self.network.transport(address, incoming, settings), incoming
        )
        self._nodes.append(node)
        await node.transport.start(node.inbox)
        return node

    async def restart(self, node: Node) -> None:
        await node.transport.stop()
        node.transport = self.network.transport(node.member.address, node.incoming, node.transport.settings)
        await node.transport.start(node.inbox)

    def break_links(self, left: Node, right: Node) -> None:
        self.network.break_links(left.id, right.id)

    def break_during_snapshot(self, sender: Node, to: Node) -> None:
        task = asyncio.create_task(self._break(sender, to))
        self._tasks.add(task)

    async def _break(self, sender: Node, to: Node) -> None:
        await until(lambda: sum(path.stat().st_size for path in to.incoming.glob("partial-*/*")) > 256 << 10)
        self.network.cut(sender.id, to.id)
        await asyncio.sleep(0.05)
        self.network.heal()

    def damage_during_snapshot(self, to: Node) -> None:
        self.network.faults.damage = 0.1

    async def close(self) -> None:
        for node in self._nodes:
            await node.transport.stop()
        await asyncio.gather(*self._tasks)


class GrpcWorld:
    """Each node has a gRPC server, and a proxy before it whose address the others know."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._nodes: list[Node] = []
        self.servers: dict[Node, grpc.aio.Server] = {}
        self.proxies: dict[Node, ChaosProxy] = {}

    async def add(self, node_id: NodeId, settings: TransportSettings = SETTINGS) -> Node:
        proxy = ChaosProxy(0)
        await proxy.start()
        incoming = self._directory / str(len(self._nodes))
        transport = GrpcTransport(incoming, Random(1), settings)
        node = Node(RecordingInbox(_hello(node_id, proxy.address)), transport, incoming)
        self._nodes.append(node)
        self.proxies[node] = proxy
        await self._serve(node)
        return node

    async def _serve(self, node: Node) -> None:
        assert isinstance(node.transport, GrpcTransport)
        server = grpc.aio.server(options=node.transport.settings.server_options())
        server.add_generic_rpc_handlers((node.transport.handlers(),))
        self.proxies[node].retarget(server.add_insecure_port("127.0.0.1:0"))
        self.servers[node] = server
        await node.transport.start(node.inbox)
        await server.start()

    async def restart(self, node: Node) -> None:
        await self.stop(node)
        node.transport = GrpcTransport(node.incoming, Random(2), node.transport.settings)
        await self._serve(node)

    async def stop(self, node: Node) -> None:
        await node.transport.stop()
        await self.servers[node].stop(1.0)

    def break_links(self, left: Node, right: Node) -> None:
        self.proxies[left].break_connections()
        self.proxies[right].break_connections()

    def break_during_snapshot(self, sender: Node, to: Node) -> None:
        self.proxies[to].break_after_bytes = 512 << 10

    def damage_during_snapshot(self, to: Node) -> None:
        self.proxies[to].damage = MARKER

    async def close(self) -> None:
        for node in self._nodes:
            await self.stop(node)
            await self.proxies[node].stop()
