"""Requests that reach a follower go to the leader, over the leader's own gRPC door.

A forwarded call is marked, and a marked call is never forwarded again: two nodes with different ideas of who leads
would pass it back and forth. The second node answers "not the leader" instead, and the first one, which has the
deadline, looks again.

What may be repeated is decided here:

- Nothing was done for sure (nobody leads yet, no connection could be made, the other node says NOT_LEADER, NO_QUORUM
  or SHUTTING_DOWN): tried again until the deadline, writes too.
- A read or a timestamp may be asked for again, whatever happened to the call.
- A write whose call broke after it may have been sent: OUTCOME_UNKNOWN, never repeated. So that this is rare, a call is
  sent only over a connection that is up.

A read gives each attempt half of the time that is left, so that a leader whose machine vanished without a word does not
use up the whole deadline while its successor is already there.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from elastickv.errors import Fault, KvError
from elastickv.grpc_api.calls import serialize, time_limit
from elastickv.grpc_api.errors import Context, Relayed, fault_of
from elastickv.kv.ports import Leader, Store

M = TypeVar("M", bound=Message)

HOP_KEY: Final = "elastickv-forwarded"
FIRST_PAUSE: Final = 0.01
LONGEST_PAUSE: Final = 0.25
CONNECT_SECONDS: Final = 0.5
"""How long a connection is waited for before asking again who leads."""
SHORTEST_ATTEMPT: Final = 0.5
MAX_CHANNELS: Final = 16
"""Nodes that have led lately. Members of a group are few, but their addresses may change."""

_NOT_EXECUTED: Final = frozenset(
    {
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
    }
)
"""Statuses that gRPC, or something between the nodes, gives before a method runs: final, and clear for writes too."""

_NOTHING_DONE: Final = frozenset({Fault.NOT_LEADER, Fault.NO_QUORUM, Fault.SHUTTING_DOWN})


@dataclass(frozen=True, slots=True)
class Method:
    """An RPC that can be forwarded."""

    path: str
    response: type[Message]
    write: bool
    """Repeating it may act twice."""


class TryAgain(Exception):
    """Nothing was done, or it does no harm to do it again."""


class Forwarder:
    def __init__(self, store: Store, *, request_timeout: float = 5.0, max_message_bytes: int = 64 << 20) -> None:
        self._store = store
        self._request_timeout = request_timeout
        self._options = (
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.enable_retries", 0),
            # A leader that was restarted is looked for again soon, not after the default's up to two minutes.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.keepalive_time_ms", 10_000),
            ("grpc.keepalive_timeout_ms", 5_000),
        )
        self._channels: OrderedDict[str, grpc.aio.Channel] = OrderedDict()
        """By address, least recently used first."""
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    async def serve(
        self, method: Method, request: Message, context: Context, local: Callable[[float], Awaitable[M]]
    ) -> M:
        """Run `local` (called with the seconds it may take) if this node leads, else the same call at the leader."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + time_limit(context, self._request_timeout)
        if _is_forwarded(context):
            return await local(deadline - loop.time())
        pause = FIRST_PAUSE
        while True:
            remaining = max(0.0, deadline - loop.time())
            try:
                if not self._store.serving:
                    leader = await self._store.wait_for_leader(timeout=remaining)
                if self._store.serving:
                    return await self._local(method, local, deadline - loop.time())
                answer: M = await self.attempt(method, request, leader, deadline)
                return answer
            except TryAgain as reason:
                if loop.time() + pause >= deadline:
                    raise KvError(Fault.NO_QUORUM, f"no leader answered within the deadline: {reason}") from None
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _local(self, method: Method, local: Callable[[float], Awaitable[M]], timeout: float) -> M:
        try:
            return await local(max(0.0, timeout))
        except KvError as error:
            if error.fault is Fault.NOT_LEADER or (error.fault is Fault.OUTCOME_UNKNOWN and not method.write):
                raise TryAgain(f"this node has just lost the lead: {error.message}") from error
            raise

    async def attempt(self, method: Method, request: Message, leader: Leader, deadline: float) -> Any:
        """One call to the leader. TryAgain when nothing was done, or it does no harm to do it again; else KvError, or
        Relayed."""
        loop = asyncio.get_running_loop()
        channel = self._channel(leader.address)
        try:
            async with asyncio.timeout(min(CONNECT_SECONDS, max(0.0, deadline - loop.time()))):
                await channel.channel_ready()
        except TimeoutError:
            raise TryAgain(f"{leader.id} at {leader.address} cannot be reached") from None
        except grpc.aio.UsageError:
            raise KvError(Fault.SHUTTING_DOWN, "this node is stopping; nothing was done") from None
        remaining = max(0.0, deadline - loop.time())
        attempt = remaining if method.write else max(remaining / 2, min(remaining, SHORTEST_ATTEMPT))
        call = channel.unary_unary(method.path, serialize, method.response.FromString)
        try:
            return await call(request, timeout=attempt, metadata=((HOP_KEY, "1"),))
        except grpc.aio.AioRpcError as error:
            raise _judge(method, leader, error) from None
        except grpc.aio.UsageError:
            raise KvError(Fault.SHUTTING_DOWN, "this node is stopping; nothing was done") from None

    def _channel(self, address: str) -> grpc.aio.Channel:
        if self._closed:
            raise KvError(Fault.SHUTTING_DOWN, "this node is stopping; nothing was done")
        channel = self._channels.get(address)
        if channel is None:
            channel = self._channels[address] = grpc.aio.insecure_channel(address, options=self._options)
            if len(self._channels) > MAX_CHANNELS:
                self._retire(self._channels.popitem(last=False)[1])
        self._channels.move_to_end(address)
        return channel

    def _retire(self, channel: grpc.aio.Channel) -> None:
        """Close in the background, so that calls that are still on their way can end."""
        task = asyncio.get_running_loop().create_task(channel.close(self._request_timeout))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Break what is still on its way; the server has let requests finish before."""
        self._closed = True
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        for channel in self._channels.values():
            await channel.close(None)
        self._channels.clear()


def _is_forwarded(context: Context) -> bool:
    metadata: Any = context.invocation_metadata() or ()
    return any(key == HOP_KEY for key, _ in metadata)


def _judge(method: Method, leader: Leader, error: grpc.aio.AioRpcError) -> Exception:
    """What a failed call means for the client."""
    fault = fault_of(error)
    if fault is not None:
        if fault.fault in _NOTHING_DONE or (fault.fault is Fault.OUTCOME_UNKNOWN and not method.write):
            return TryAgain(f"{leader.id} at {leader.address}: {fault.message}")
        return fault
    code = error.code()
    details = error.details() or code.name
    if code in _NOT_EXECUTED:
        return Relayed(code, details)
    if method.write:
        return KvError(
            Fault.OUTCOME_UNKNOWN, f"the call to the leader {leader.id} broke, the outcome is unknown: {details}"
        )
    return TryAgain(f"the call to {leader.id} at {leader.address} broke: {details}")
