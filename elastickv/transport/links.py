"""Streams that are up, and the queues in front of them.

A *link* is a stream after both sides have introduced themselves; from here on it does not matter who opened it. Both
nodes of a pair dial each other, so there are usually two links, and messages take one of them: the one that was
opened by the node whose ID sorts first, so both sides choose the same one and appends and their acknowledgements
travel on one stream. The other one stands by. It also means that a node can answer whoever called it, before it
knows a single address, and when it can be called but cannot call.

The queue belongs to the peer and not to the link: when a link breaks, what is still queued takes the next one.

Each link has a reader task and a writer task. The writer takes everything that is queued and sends it as one packet.
`post` only wakes it, so all messages of one turn of the loop travel together, and so does what piles up while a
packet is being written: the slower the stream, the larger its packets.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Mapping
from typing import Protocol

import grpc

from elastickv.raft.types import Member, Message, NodeId
from elastickv.transport.base import Hello, Inbox, Refusal
from elastickv.transport.settings import TransportSettings
from elastickv.transport.wire import PacketWriter, WireError, message_bytes, read_messages

logger = logging.getLogger(__name__)

STREAM_ERRORS = (grpc.RpcError, grpc.aio.BaseError, asyncio.InvalidStateError, TimeoutError, WireError, OSError)
"""What a stream that breaks may raise; anything else is a defect of ours."""


def _brief(error: BaseException) -> str:
    """One line; grpc's own text has many."""
    return (error.details() or error.code().name) if isinstance(error, grpc.aio.AioRpcError) else repr(error)


class Stream(Protocol):
    """What the two ends of a gRPC stream have in common."""

    def read(self) -> Awaitable[object]:
        """The next packet; something that is not bytes after the last one."""
        ...

    def write(self, packet: bytes, /) -> Awaitable[None]: ...


class Link:
    def __init__(self, stream: Stream, hello: Hello, opened_by_us: bool) -> None:
        self.stream = stream
        self.hello = hello
        """The peer's introduction."""
        self.opened_by_us = opened_by_us
        self.closed = asyncio.get_running_loop().create_future()
        self._waiter: asyncio.Future[None] | None = None

    def close(self) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Until `wake`."""
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter


class _Peer:
    """The links with one node, and the messages that wait for it."""

    def __init__(self, own_id: NodeId, node_id: NodeId) -> None:
        self.links: list[Link] = []
        self.writing: Link | None = None
        """The link that messages take now; None only without links."""
        self.queue: deque[tuple[Message, int]] = deque()
        self.queued_bytes = 0
        self._we_go_first = own_id < node_id

    def choose(self) -> None:
        """Let the best link write: the one opened by the node that sorts first, else whatever there is."""
        self.writing = next(
            (link for link in self.links if link.opened_by_us == self._we_go_first),
            self.links[0] if self.links else None,
        )
        if self.writing is None:
            self.queue.clear()
            self.queued_bytes = 0
        else:
            self.writing.wake()


class Links:
    """All links of this node."""

    def __init__(self, own_id: NodeId, inbox: Inbox, settings: TransportSettings) -> None:
        self._own_id = own_id
        self._inbox = inbox
        self._settings = settings
        self._peers: dict[NodeId, _Peer] = {}
        self._lost: set[NodeId] = set()
        self._writer = PacketWriter()
        self._loop = asyncio.get_running_loop()
        self._is_closed = False
        self.dropped = 0
        """Messages that found a full queue."""

    def connected(self, node_id: NodeId) -> bool:
        return node_id in self._peers

    def post(self, message: Message) -> None:
        peer = self._peers.get(message.to)
        if peer is None or peer.writing is None:
            self.report_lost(message.to)
            return
        size = message_bytes(message)
        if peer.queue and (
            len(peer.queue) >= self._settings.max_queued_messages
            or peer.queued_bytes + size > self._settings.max_queued_bytes
        ):
            self.dropped += 1
            self.report_lost(message.to)
            return
        peer.queue.append((message, size))
        peer.queued_bytes += size
        peer.writing.wake()

    def report_lost(self, node_id: NodeId) -> None:
        """Tell the inbox, once per node and turn, and never from inside `post`: its caller is in the middle of
        something."""
        if not self._lost:
            self._loop.call_soon(self._tell_lost)
        self._lost.add(node_id)

    def _tell_lost(self) -> None:
        lost, self._lost = self._lost, set()
        if self._is_closed:
            return
        for node_id in sorted(lost):
            self._inbox.unreachable(node_id)

    def close_misfits(self, before: Mapping[NodeId, Member], now: Mapping[NodeId, Member]) -> None:
        """Close the links with nodes that were members and are none, and with other instances than the members'.

        Nodes that never were members stay: a fresh node has no members, and is called by one.
        """
        for node_id, peer in self._peers.items():
            member = now.get(node_id)
            for link in peer.links:
                if (member is None and node_id in before) or (
                    member is not None and member.instance not in ("", link.hello.instance)
                ):
                    link.close()

    def close(self) -> None:
        """Close all links; whoever is in `carry` returns soon."""
        self._is_closed = True
        for peer in self._peers.values():
            for link in peer.links:
                link.close()

    async def carry(self, stream: Stream, hello: Hello, *, opened_by_us: bool) -> None:
        """Carry messages over a stream whose sides have introduced themselves, until it ends or is closed."""
        if self._is_closed:
            return
        node_id = hello.node_id
        peer = self._peers.setdefault(node_id, _Peer(self._own_id, node_id))
        link = Link(stream, hello, opened_by_us)
        for older in peer.links:
            # Nobody opens a second stream while he holds one: the older one is dead and this side has not noticed.
            if older.opened_by_us == opened_by_us:
                older.close()
        peer.links.insert(0, link)
        peer.choose()
        logger.info("stream with %s is up (opened by %s)", node_id, "us" if opened_by_us else "the peer")
        reader = asyncio.create_task(self._read(link))
        writer = asyncio.create_task(self._write(peer, link))
        try:
            await asyncio.wait((reader, writer, link.closed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            peer.links.remove(link)
            peer.choose()
            if not peer.links and self._peers.get(node_id) is peer:
                del self._peers[node_id]
            self.report_lost(node_id)
            reader.cancel()
            writer.cancel()
            for outcome in await asyncio.gather(reader, writer, return_exceptions=True):
                if isinstance(outcome, STREAM_ERRORS):
                    logger.info("stream with %s broke: %s", node_id, _brief(outcome))
                elif isinstance(outcome, Exception):
                    logger.error("stream with %s failed", node_id, exc_info=outcome)

    async def _read(self, link: Link) -> None:
        read, deliver = link.stream.read, self._inbox.deliver
        node_id = link.hello.node_id
        while isinstance(packet := await read(), bytes):
            if link.closed.done():
                return
            received = read_messages(packet, node_id, self._own_id)
            if isinstance(received, Refusal):
                self._inbox.peer_refused_us(node_id, received)
                return
            for message in received:
                deliver(message)

    async def _write(self, peer: _Peer, link: Link) -> None:
        write, queue, limit = link.stream.write, peer.queue, self._settings.max_packet_bytes
        while True:
            if peer.writing is not link or not queue:
                await link.wait()
                continue
            message, size = queue.popleft()
            messages = [message]
            total = size
            while queue and total + queue[0][1] <= limit:
                message, size = queue.popleft()
                messages.append(message)
                total += size
            peer.queued_bytes -= total
            await write(self._writer.packet(messages))
