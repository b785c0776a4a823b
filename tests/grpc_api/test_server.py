"""The server as a whole: binding, limits, unknown errors, and the end."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import grpc
import grpc.aio
import pytest

from elastickv.config import GrpcSettings
from elastickv.config.kinds import Address
from elastickv.grpc_api.calls import Gate, service
from elastickv.grpc_api.server import BindError, GrpcServer
from elastickv.kv.view import View
from elastickv.pb import rawkv_pb2
from tests.kit.fake_store import FakeControl, FakeStore
from tests.kit.grpc_node import grpc_node


def server_on(host: str, port: int) -> GrpcServer:
    return GrpcServer(GrpcSettings(address=Address(host, port)), FakeStore(), FakeControl())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", ""])
async def test_a_taken_port_is_an_error_that_says_so(host: str) -> None:
    """`localhost` is more than one address on many machines, and grpc would be content with the free one."""
    with socket.socket() as other:
        other.bind(("0.0.0.0" if host in ("0.0.0.0", "") else "127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = server_on(host, port)
        with pytest.raises(BindError, match=rf"cannot listen for gRPC on .*{port}: .*in use"):
            await server.start()
        await server.stop(0)


async def test_a_second_server_on_the_same_port_is_refused() -> None:
    async with grpc_node() as node:
        second = server_on("127.0.0.1", node.port)
        with pytest.raises(BindError):
            await second.start()
        await second.stop(0)


async def test_an_address_of_another_machine_is_refused() -> None:
    server = server_on("192.0.2.1", 50051)
    with pytest.raises(BindError, match=r"192\.0\.2\.1"):
        await server.start()
    await server.stop(0)


async def test_a_port_can_be_used_again_at_once() -> None:
    async with grpc_node() as node:
        await node.call("RawKV/RawGet", key=b"k")
        port = node.port
    server = server_on("127.0.0.1", port)
    assert await server.start() == port
    await server.stop(0)


async def test_localhost_serves_on_all_its_addresses() -> None:
    server = server_on("localhost", 0)
    port = await server.start()
    found = await asyncio.get_running_loop().getaddrinfo("localhost", port, type=socket.SOCK_STREAM)
    for host in {str(address[4][0]) for address in found}:
        _, writer = await asyncio.open_connection(host, port)
        writer.close()
        await writer.wait_closed()
    await server.stop(0)


async def test_what_exceeds_the_limit_is_refused_and_health_and_administration_are_not() -> None:
    async with grpc_node(max_concurrent_requests=16) as node:
        node.store.hold = asyncio.Event()
        held = [asyncio.create_task(node.call("RawKV/RawPut", key=b"%d" % n)) for n in range(16)]
        await asyncio.sleep(0.2)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await node.call("RawKV/RawGet", key=b"k")
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await node.call("grpc.health.v1.Health/Check")
        await node.call("RaftAdmin/Leader")
        node.store.hold.set()
        await asyncio.gather(*held)
        await node.call("RawKV/RawGet", key=b"k")


async def test_an_unknown_error_is_hidden_from_the_client_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with grpc_node() as node:

        async def execute(body: Any, *, timeout: float | None = None) -> Any:
            raise ZeroDivisionError("secret")

        node.store.execute = execute  # type: ignore[method-assign]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await node.call("RawKV/RawGet", key=b"k")
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        details = caught.value.details() or ""
        assert "secret" not in details
        assert "Zero" not in details
        request = details.rsplit(" ", 1)[1]
        record = next(record for record in caplog.records if getattr(record, "request", "") == request)
        assert record.exc_info is not None
        assert node.finished == [("/RawKV/RawGet", "INTERNAL")]


async def test_unknown_methods_and_services_are_unimplemented() -> None:
    """TransactionalKV is among them until it works whole."""
    async with grpc_node() as node:
        for path in ("/RawKV/Nothing", "/TransactionalKV/Get", "/RaftAdmin/Bootstrap"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await node.channel.unary_unary(path, bytes, bytes)(b"", timeout=5)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_over_the_limit_is_refused() -> None:
    async with grpc_node(max_message_bytes=4 << 20) as node:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await node.call("RawKV/RawPut", key=b"k", value=b"x" * (5 << 20))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_calls_are_counted_by_method_and_status() -> None:
    async with grpc_node() as node:
        await node.call("RawKV/RawPut", key=b"k")
        with pytest.raises(grpc.aio.AioRpcError):
            await node.call("RawKV/RawPut")
        assert node.finished == [("/RawKV/RawPut", "OK"), ("/RawKV/RawPut", "INVALID_ARGUMENT")]


async def test_the_handlers_of_other_rooms_are_served() -> None:
    async def echo(request: bytes, context: Any) -> bytes:
        return request[::-1]

    handler = grpc.method_handlers_generic_handler(
        "some.Peer", {"Echo": grpc.unary_unary_rpc_method_handler(echo, bytes, bytes)}
    )
    async with grpc_node(handlers=(handler,), service_names=("some.Peer",)) as node:
        assert await node.channel.unary_unary("/some.Peer/Echo", bytes, bytes)(b"abc", timeout=5) == b"cba"


async def test_stop_lets_calls_in_progress_finish() -> None:
    async with grpc_node() as node:
        node.store.hold = asyncio.Event()
        call = asyncio.create_task(node.call("RawKV/RawPut", key=b"k", value=b"v"))
        await asyncio.sleep(0.1)
        stop = asyncio.create_task(node.server.stop(5))
        await asyncio.sleep(0.1)
        node.store.hold.set()
        assert (await call).success
        await asyncio.wait_for(stop, 8)


async def test_stop_does_not_wait_longer_than_it_may() -> None:
    async with grpc_node() as node:
        node.store.hold = asyncio.Event()
        call = asyncio.create_task(node.call("RawKV/RawPut", key=b"k", value=b"v"))
        await asyncio.sleep(0.1)
        started = time.monotonic()
        await node.server.stop(0.3)
        assert 0.2 < time.monotonic() - started < 8
        with pytest.raises(grpc.aio.AioRpcError):
            await call


async def test_stop_answers_those_who_await_an_operation() -> None:
    async with grpc_node() as node:
        node.control.hold = asyncio.Event()
        token = (await node.call("RaftAdmin/Barrier")).operation_token
        waiting = asyncio.create_task(node.call("RaftAdmin/Await", operation_token=token))
        await asyncio.sleep(0.1)
        await node.server.stop(1)
        assert "stopping" in (await waiting).error


def test_a_service_with_a_missing_or_surplus_method_is_a_defect() -> None:
    descriptor = rawkv_pb2.DESCRIPTOR.services_by_name["RawKV"]
    with pytest.raises(ValueError, match="RawDelete"):
        service(descriptor, {}, Gate(1))


async def test_the_purge_runs_with_the_server() -> None:
    async with grpc_node() as node:
        await asyncio.sleep(0.05)
        assert node.store.executions == 1
        assert isinstance(node.store.view, View)
