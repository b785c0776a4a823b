"""What every call goes through: the limit, the deadline, and the translation of whatever goes wrong.

A service is a descriptor and a method for each of its RPCs; `service` checks that they match and makes gRPC handlers of
them, so that no generated servicer classes are needed and an RPC cannot be forgotten. Around each method:

- A `Gate` refuses with OVERLOAD what exceeds the service's limit. It is ours and not grpc's `maximum_concurrent_rpcs`,
  because that one counts all calls of a port: a flood of requests would keep peers, health checks and administration
  out exactly when they matter.
- A `KvError` becomes its status. Anything else that escapes becomes INTERNAL with a request id; the traceback goes to
  the log under the same id, and never to the client.
- The call is counted by method and status.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from elastickv.errors import Fault, KvError
from elastickv.grpc_api.errors import STATUS, Context, Relayed, describe, trailers

log = logging.getLogger(__name__)

Unary = Callable[[Any, Context], Awaitable[Message]]
Stream = Callable[[Any, Context], AsyncGenerator[Message, None]]
Methods = Mapping[str, Unary | Stream]
Finished = Callable[[str, str, float], None]
"""Told method, status name and seconds of every call."""

MARGIN: Final = 0.1
"""An operation ends this many seconds before the client's deadline, or a tenth of the time if that is less: an answer
that says why it failed is worth more than the bare DEADLINE_EXCEEDED that the client makes up by itself."""


def time_limit(context: Context, default: float) -> float:
    """Seconds that the operation may take: until the client's deadline, or `default` when it set none."""
    remaining: float | None = context.time_remaining()
    if remaining is None:
        return default
    return max(0.0, remaining - min(MARGIN, remaining / 10))


class Gate:
    """Counts calls in progress and refuses those over the limit."""

    __slots__ = ("_limit", "active")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.active = 0

    def __enter__(self) -> None:
        if self.active >= self._limit:
            raise KvError(Fault.OVERLOAD, f"{self._limit} calls are in progress; nothing was done")
        self.active += 1

    def __exit__(self, *exception: object) -> None:
        self.active -= 1


def ignore(method: str, code: str, seconds: float) -> None:
    """A `Finished` that nobody asks."""


def service(
    descriptor: ServiceDescriptor,
    methods: Methods,
    gate: Gate,
    finished: Finished = ignore,
    *,
    max_request_bytes: int = 64 << 20,
) -> grpc.GenericRpcHandler[Any, Any]:
    """gRPC handlers for all RPCs of the service."""
    difference = methods.keys() ^ set(descriptor.methods_by_name)
    if difference:
        raise ValueError(f"{descriptor.full_name}: RPCs and methods differ in {sorted(difference)}")
    handlers = {
        name: _handler(descriptor.methods_by_name[name], run, gate, finished, max_request_bytes)
        for name, run in methods.items()
    }
    return grpc.method_handlers_generic_handler(descriptor.full_name, handlers)


def serialize(message: Message) -> bytes:
    return message.SerializeToString()


class _TooLarge(int):
    """Stands for a request of that many bytes, which nobody has looked into."""


def _handler(
    method: MethodDescriptor, run: Any, gate: Gate, finished: Finished, max_bytes: int
) -> grpc.RpcMethodHandler[Any, Any]:
    path = f"/{method.containing_service.full_name}/{method.name}"
    parse = GetMessageClass(method.input_type).FromString

    def read(data: bytes) -> Any:
        # The limit is ours and not the port's: peers share the port, and a log entry can be larger than any request.
        return parse(data) if len(data) <= max_bytes else _TooLarge(len(data))

    async def unary(request: Any, context: Context) -> Message:
        async with _Call(path, context, gate, finished):
            if isinstance(request, _TooLarge):
                raise KvError(Fault.TOO_LARGE, f"the request has {request:d} bytes; {max_bytes} are allowed")
            answer: Message = await run(request, context)
            return answer

    # A coroutine that writes, not a generator: grpc leaves a generator whose client has gone to the garbage collector.
    async def stream(request: Any, context: Context) -> None:
        async with _Call(path, context, gate, finished), aclosing(run(request, context)) as messages:
            async for message in messages:
                await context.write(message)

    if not method.server_streaming:
        return grpc.unary_unary_rpc_method_handler(unary, read, serialize)
    if not method.client_streaming:
        return grpc.unary_stream_rpc_method_handler(stream, read, serialize)
    return grpc.stream_stream_rpc_method_handler(stream, read, serialize)


class _Call:
    """One call in progress: through the gate, counted, and its failure translated."""

    __slots__ = ("_context", "_finished", "_gate", "_path", "_started")

    def __init__(self, path: str, context: Context, gate: Gate, finished: Finished) -> None:
        self._path = path
        self._context = context
        self._gate = gate
        self._finished = finished
        self._started = time.perf_counter()

    async def __aenter__(self) -> None:
        try:
            self._gate.__enter__()
        except KvError as error:
            await self._abort(error)

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._gate.__exit__()
        match error:
            case None:
                self._count("OK")
            case KvError():
                await self._abort(error)
            case Relayed():
                self._count(error.code.name)
                await self._context.abort(error.code, error.details)
            case asyncio.CancelledError():
                self._count("CANCELLED")
            case Exception():
                request = secrets.token_hex(8)
                log.error(
                    "call failed unexpectedly",
                    exc_info=error,
                    extra={"request": request, "method": self._path, "client": self._context.peer()},
                )
                self._count("INTERNAL")
                await self._context.abort(grpc.StatusCode.INTERNAL, f"internal error; request {request}")

    async def _abort(self, error: KvError) -> None:
        code = STATUS[error.fault]
        if error.fault is Fault.INTERNAL:
            log.error("call met a defect", exc_info=error, extra={"method": self._path})
        self._count(code.name)
        await self._context.abort(code, describe(error), trailers(error))

    def _count(self, code: str) -> None:
        self._finished(self._path, code, time.perf_counter() - self._started)
