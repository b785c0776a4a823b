"""Carries DynamoDB requests between members over the Raft address, for doors whose addresses nobody was told.

What is carried is opaque here: bytes of an HTTP request to the leader, bytes of its response back. Who may repeat what
is decided by the door (`dynamodb_api.forwarding`), which asks for one attempt at a time.

A gRPC call costs much more than a request, so requests share calls: those of one turn of the loop, and while enough
calls are on their way, those that come meanwhile. Reads and writes do not share: when a call breaks, the outcome of
every write in it is unknown, while reads can be asked for again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from elastickv.errors import Fault, KvError
from elastickv.grpc_api.calls import Methods
from elastickv.grpc_api.errors import Context, Relayed
from elastickv.grpc_api.forwarding import Forwarder, Method, TryAgain
from elastickv.kv.ports import Leader
from elastickv.pb import dynamodb_pb2 as pb

Serve = Callable[[bytes], Awaitable[bytes]]
"""The DynamoDB door of this node: a whole request in, the whole response out."""

CALLS: Final = 2
"""On their way to one leader, of reads and of writes each; what comes meanwhile gathers."""
CALL_BYTES: Final = 1 << 20
"""A call takes no more requests once it has these many bytes."""
CALL_REQUESTS: Final = 256

_PATH: Final = "/elastickv.dynamodb.v1.DynamoDb/Carry"
_READ: Final = Method(_PATH, pb.CarryResponse, write=False)
_WRITE: Final = Method(_PATH, pb.CarryResponse, write=True)


async def nobody(data: bytes) -> bytes:
    """A node without a DynamoDB door."""
    raise KvError(Fault.NOT_LEADER, "there is no DynamoDB door here; nothing was done")


@dataclass(slots=True)
class _Wish:
    request: bytes
    deadline: float
    """Loop time."""
    response: asyncio.Future[bytes]


class _Lane:
    """Requests of one kind to one leader."""

    def __init__(self, forwarder: Forwarder, leader: Leader, method: Method) -> None:
        self._forwarder = forwarder
        self._leader = leader
        self._method = method
        self._waiting: list[_Wish] = []
        self._calls: set[asyncio.Task[None]] = set()
        self._scheduled = False

    def add(self, wish: _Wish) -> None:
        self._waiting.append(wish)
        if not self._scheduled and len(self._calls) < CALLS:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._send)

    @property
    def empty(self) -> bool:
        return not self._waiting and not self._calls

    def _send(self) -> None:
        self._scheduled = False
        while self._waiting and len(self._calls) < CALLS:
            wishes: list[_Wish] = []
            size = 0
            for wish in self._waiting[:CALL_REQUESTS]:
                if wishes and size + len(wish.request) > CALL_BYTES:
                    break
                size += len(wish.request)
                wishes.append(wish)
            del self._waiting[: len(wishes)]
            task = asyncio.get_running_loop().create_task(
                self._call([one for one in wishes if not one.response.done()])
            )
            self._calls.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        self._send()

    async def _call(self, wishes: list[_Wish]) -> None:
        if not wishes:
            return
        request = pb.CarryRequest(requests=[one.request for one in wishes])
        deadline = min(one.deadline for one in wishes)
        try:
            answer: pb.CarryResponse = await self._forwarder.attempt(self._method, request, self._leader, deadline)
            responses = list(answer.responses)
            if len(responses) != len(wishes):
                raise KvError(Fault.OUTCOME_UNKNOWN, f"{self._leader.id} did not answer every request")
        except TryAgain as reason:
            _fail(wishes, KvError(Fault.NOT_LEADER, str(reason)))
        except Relayed as refused:
            _fail(wishes, KvError(Fault.OVERLOAD, f"{self._leader.id} refused the call: {refused.details}"))
        except KvError as error:
            _fail(wishes, error)
        except BaseException:
            _fail(wishes, KvError(Fault.OUTCOME_UNKNOWN, "the call to the leader was given up; outcome unknown"))
            raise
        else:
            for wish, response in zip(wishes, responses, strict=True):
                if not wish.response.done():
                    wish.response.set_result(response)


def _fail(wishes: list[_Wish], error: KvError) -> None:
    for wish in wishes:
        if not wish.response.done():
            # One for each: an exception that is raised in several places collects all their tracebacks.
            wish.response.set_exception(KvError(error.fault, error.message))


class DynamoDbCarrier:
    def __init__(self, forwarder: Forwarder, serve: Serve) -> None:
        self._forwarder = forwarder
        self._serve = serve
        self._lanes: dict[tuple[Leader, bool], _Lane] = {}

    def methods(self) -> Methods:
        return {"Carry": self.arrived}

    async def arrived(self, request: pb.CarryRequest, _: Context) -> pb.CarryResponse:
        """Another member has sent requests."""
        return pb.CarryResponse(responses=await asyncio.gather(*map(self._serve, request.requests)))

    async def carry(self, leader: Leader, request: bytes, *, write: bool, timeout: float) -> bytes:
        """Send a request to the leader, once. KvError: NOT_LEADER when nothing was done for sure (or it may be
        repeated because it only reads), else OUTCOME_UNKNOWN."""
        loop = asyncio.get_running_loop()
        lane = self._lanes.get((leader, write))
        if lane is None:
            for key in [key for key, one in self._lanes.items() if one.empty]:
                del self._lanes[key]
            lane = self._lanes[leader, write] = _Lane(self._forwarder, leader, _WRITE if write else _READ)
        wish = _Wish(request, loop.time() + timeout, loop.create_future())
        lane.add(wish)
        return await wish.response
