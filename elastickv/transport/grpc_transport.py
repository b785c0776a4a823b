"""`PeerTransport` over gRPC: puts the parts of this room together.

The node owns the gRPC server, because its client doors share the port:

    transport = GrpcTransport(incoming=data / "incoming", random=Random())
    server = grpc.aio.server(options=transport.settings.server_options())
    server.add_generic_rpc_handlers((transport.handlers(),))
    await transport.start(inbox)
    await server.start()
    ...
    await transport.stop()
    await server.stop(grace)

Calls that arrive before `start` or after `stop` are turned away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import grpc

from elastickv.raft.types import Member, Message, NodeId, SnapshotMeta
from elastickv.transport import peer_client
from elastickv.transport.base import Hello, Inbox
from elastickv.transport.links import Links
from elastickv.transport.peer_client import PeerClient
from elastickv.transport.peer_server import Context, StreamServer, peer_handlers
from elastickv.transport.settings import TransportSettings
from elastickv.transport.snapshot_stream import SnapshotReceiver, SnapshotSender


@dataclass(frozen=True, slots=True)
class _Running:
    """What exists between `start` and `stop`."""

    own_id: NodeId
    inbox: Inbox
    links: Links
    streams: StreamServer
    sender: SnapshotSender
    receiver: SnapshotReceiver


class GrpcTransport:
    def __init__(self, incoming: Path, random: Random, settings: TransportSettings | None = None) -> None:
        """Snapshots arrive in directories below `incoming`, which belongs to the transport until they are whole."""
        self.settings = settings or TransportSettings()
        self.settings.check()
        self._incoming = incoming
        self._random = random
        self._running: _Running | None = None
        self._members: dict[NodeId, Member] = {}
        self._clients: dict[NodeId, tuple[PeerClient, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # --- PeerTransport ---

    async def start(self, inbox: Inbox) -> None:
        own_id = inbox.hello().node_id
        links = Links(own_id, inbox, self.settings)
        self._running = _Running(
            own_id,
            inbox,
            links,
            StreamServer(own_id, links, inbox, self.settings.connect_seconds),
            SnapshotSender(inbox, self.settings, self._random),
            SnapshotReceiver(own_id, self._incoming, inbox, self.settings),
        )
        members, self._members = self._members, {}
        self.set_peers(members)

    def set_peers(self, members: Mapping[NodeId, Member]) -> None:
        before, self._members = self._members, dict(members)
        running = self._running
        if running is None:
            return
        running.links.close_misfits(before, self._members)
        for node_id, old in before.items():
            new = self._members.get(node_id)
            if new is None or new.address != old.address:
                running.sender.cancel(node_id)
        wanted = {
            node_id: member.address
            for node_id, member in self._members.items()
            if node_id != running.own_id and member.address
        }
        for node_id, (client, task) in list(self._clients.items()):
            if wanted.get(node_id) != client.address:
                task.cancel()
                del self._clients[node_id]
        for node_id in sorted(wanted.keys() - self._clients.keys()):
            self._dial(running, node_id, wanted[node_id])

    def post(self, message: Message) -> None:
        if self._running is not None:
            self._running.links.post(message)

    def send_snapshot(
        self, message: Message, meta: SnapshotMeta, directory: Path, done: Callable[[bool], None]
    ) -> None:
        running = self._running
        member = self._members.get(message.to)
        if running is None or member is None or not member.address:
            asyncio.get_running_loop().call_soon(done, False)
            return
        running.sender.send(message, meta, directory, member.address, done)

    async def probe(self, address: str, timeout: float) -> Hello | None:
        return await peer_client.probe(address, timeout, self.settings)

    async def stop(self) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        running.links.close()
        for _, task in self._clients.values():
            task.cancel()
        self._clients.clear()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await running.sender.close()
        await running.receiver.close()

    # --- what the gRPC server needs ---

    def handlers(self) -> grpc.GenericRpcHandler[bytes, bytes]:
        """For `server.add_generic_rpc_handlers`; the server must be made with `settings.server_options()`."""
        return peer_handlers(self)

    def streams(self) -> StreamServer | None:
        return None if self._running is None else self._running.streams

    def snapshots(self) -> Callable[[Context], Awaitable[None]] | None:
        return None if self._running is None else self._running.receiver.serve

    def hello(self) -> Hello | None:
        return None if self._running is None else self._running.inbox.hello()

    # --- for Status and metrics ---

    def connected(self, node_id: NodeId) -> bool:
        """Whether a stream with the node is up, opened by either."""
        return self._running is not None and self._running.links.connected(node_id)

    @property
    def dropped(self) -> int:
        """Messages that were dropped because a peer's queue was full."""
        return self._running.links.dropped if self._running is not None else 0

    def _dial(self, running: _Running, node_id: NodeId, address: str) -> None:
        client = PeerClient(node_id, address, running.links, running.inbox, self.settings, self._random)
        task = asyncio.create_task(client.run(), name=f"peer {node_id}")
        self._clients[node_id] = (client, task)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
