"""Carries DynamoDB requests between members over the Raft address, for doors whose addresses nobody was told.

What is carried is opaque here: bytes of an HTTP request to the leader, bytes of its response back. Who may repeat what
is decided by the door (`dynamodb_api.forwarding`), which asks for one attempt at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from elastickv.errors import Fault, KvError
from elastickv.grpc_api.calls import Methods
from elastickv.grpc_api.errors import Context, Relayed
from elastickv.grpc_api.forwarding import Forwarder, Method, TryAgain
from elastickv.kv.ports import Leader
from elastickv.pb import dynamodb_pb2 as pb

Serve = Callable[[bytes], Awaitable[bytes]]
"""The DynamoDB door of this node: a whole request in, the whole response out."""

_PATH: Final = "/elastickv.dynamodb.v1.DynamoDb/Carry"
_READ: Final = Method(_PATH, pb.CarryResponse, write=False)
_WRITE: Final = Method(_PATH, pb.CarryResponse, write=True)


async def nobody(data: bytes) -> bytes:
    """A node without a DynamoDB door."""
    raise KvError(Fault.NOT_LEADER, "there is no DynamoDB door here; nothing was done")


class DynamoDbCarrier:
    def __init__(self, forwarder: Forwarder, serve: Serve) -> None:
        self._forwarder = forwarder
        self._serve = serve

    def methods(self) -> Methods:
        return {"Carry": self.arrived}

    async def arrived(self, request: pb.CarryRequest, _: Context) -> pb.CarryResponse:
        """Another member has sent a request."""
        return pb.CarryResponse(response=await self._serve(request.request))

    async def carry(self, leader: Leader, request: bytes, *, write: bool, timeout: float) -> bytes:
        """Send a request to the leader, once. KvError: NOT_LEADER when nothing was done for sure (or it may be
        repeated because it only reads), else OUTCOME_UNKNOWN."""
        deadline = asyncio.get_running_loop().time() + timeout
        try:
            response: pb.CarryResponse = await self._forwarder.attempt(
                _WRITE if write else _READ, pb.CarryRequest(request=request), leader, deadline
            )
        except TryAgain as reason:
            raise KvError(Fault.NOT_LEADER, str(reason)) from None
        except Relayed as refused:
            raise KvError(Fault.OVERLOAD, f"{leader.id} refused the call: {refused.details}") from None
        return response.response
