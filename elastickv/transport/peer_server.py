"""The node's answer to peers that call: the service `elastickv.peer.v1.Peer`.

It shares the node's one gRPC server with the client doors, so this module makes a handler and no server. Packets are
raw bytes on both sides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import grpc

from elastickv.raft.types import NodeId
from elastickv.transport.base import Hello, Inbox, Refusal
from elastickv.transport.introductions import judge_caller
from elastickv.transport.links import Links
from elastickv.transport.peer_client import SERVICE
from elastickv.transport.wire import (
    WireError,
    read_opening,
    write_introduction,
    write_probe_answer,
    write_refusal,
)

Context = grpc.aio.ServicerContext[bytes, bytes]


class PeerService(Protocol):
    """What the handlers ask for, anew for each call; None while the transport is not running."""

    def streams(self) -> StreamServer | None: ...

    def snapshots(self) -> Callable[[Context], Awaitable[None]] | None: ...

    def hello(self) -> Hello | None: ...


class StreamServer:
    def __init__(self, own_id: NodeId, links: Links, inbox: Inbox, connect_seconds: float) -> None:
        self._own_id = own_id
        self._links = links
        self._inbox = inbox
        self._connect_seconds = connect_seconds

    async def serve(self, context: Context) -> None:
        """One stream, from the caller's introduction to its end."""
        try:
            async with asyncio.timeout(self._connect_seconds):
                packet: object = await context.read()
            if not isinstance(packet, bytes):
                return
            opening = read_opening(packet)
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "no introduction")
        except WireError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if isinstance(opening, Refusal):
            return  # of a peer that does not even say who it is
        refusal = judge_caller(self._inbox, self._own_id, opening.hello, opening.callee)
        if refusal is not None:
            await context.write(write_refusal(refusal))
            return
        await context.write(write_introduction(self._inbox.hello()))
        await self._links.carry(context, opening.hello, opened_by_us=False)


def peer_handlers(service: PeerService) -> grpc.GenericRpcHandler[bytes, bytes]:
    """To be added to the node's server with `add_generic_rpc_handlers`."""

    async def stream(_requests: object, context: Context) -> None:
        streams = service.streams()
        if streams is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "this node is not taking part")
        await streams.serve(context)

    async def snapshot(_requests: object, context: Context) -> None:
        receive = service.snapshots()
        if receive is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "this node is not taking part")
        await receive(context)

    async def probe(_request: bytes, context: Context) -> bytes:
        hello = service.hello()
        if hello is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "this node is not taking part")
        return write_probe_answer(hello)

    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "Stream": grpc.stream_stream_rpc_method_handler(stream),
            "Snapshot": grpc.stream_stream_rpc_method_handler(snapshot),
            "Probe": grpc.unary_unary_rpc_method_handler(probe),
        },
    )
