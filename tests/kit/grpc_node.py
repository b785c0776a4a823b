"""A gRPC door on loopback with fakes behind it, and a client for any RPC by its path."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio
from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from elastickv.config import GrpcSettings
from elastickv.config.kinds import Address
from elastickv.grpc_api.admin import AdminLimits
from elastickv.grpc_api.server import GrpcServer
from tests.kit.fake_store import FakeControl, FakeStore


@dataclass
class Node:
    server: GrpcServer
    store: FakeStore
    control: FakeControl
    port: int
    channel: grpc.aio.Channel
    finished: list[tuple[str, str]]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def call(self, path: str, *, timeout: float | None = 10, metadata: Any = None, **fields: Any) -> Any:
        """Call `Service/Method` with the request's fields."""
        request, response = _types(path)
        stub = self.channel.unary_unary(f"/{path}", lambda message: message.SerializeToString(), response.FromString)
        return await stub(request(**fields), timeout=timeout, metadata=metadata)

    def stream(self, path: str, *, timeout: float | None = 10, **fields: Any) -> Any:
        request, response = _types(path)
        stub = self.channel.unary_stream(f"/{path}", lambda message: message.SerializeToString(), response.FromString)
        return stub(request(**fields), timeout=timeout)


def _types(path: str) -> tuple[type[Message], type[Message]]:
    service, name = path.split("/")
    method = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    return GetMessageClass(method.input_type), GetMessageClass(method.output_type)


@asynccontextmanager
async def grpc_node(
    *,
    store: FakeStore | None = None,
    control: FakeControl | None = None,
    request_timeout: float = 2.0,
    max_concurrent_requests: int = 64,
    raw_max_value_bytes: int = 1 << 20,
    max_message_bytes: int = 4 << 20,
    shutdown_linger: float = 0.2,
    **options: Any,
) -> AsyncIterator[Node]:
    store, control = store or FakeStore(), control or FakeControl()
    finished: list[tuple[str, str]] = []
    server = GrpcServer(
        GrpcSettings(
            address=Address("127.0.0.1", 0),
            max_concurrent_requests=max_concurrent_requests,
            raw_max_value_bytes=raw_max_value_bytes,
            max_message_bytes=max_message_bytes,
        ),
        store,
        control,
        request_timeout=request_timeout,
        admin_limits=AdminLimits(shutdown_linger=shutdown_linger),
        finished=lambda method, code, seconds: finished.append((method, code)),
        **options,
    )
    port = await server.start()
    channel = grpc.aio.insecure_channel(
        f"127.0.0.1:{port}", options=(("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
    )
    try:
        yield Node(server, store, control, port, channel, finished)
    finally:
        await channel.close(None)
        await server.stop(0.2)
