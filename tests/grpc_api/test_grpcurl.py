"""The guide's own client against a real server, and reflection in both versions."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from grpc_reflection.v1alpha import reflection_pb2

from tests.kit.grpc_node import Node, grpc_node

GRPCURL = Path(sys.executable).with_name("grpcurl")

pytestmark = pytest.mark.skipif(not GRPCURL.exists(), reason="grpcurl is not installed")


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with grpc_node() as node:
        yield node


async def grpcurl(node: Node, *arguments: str, data: str | None = None, status: int = 0) -> str:
    body = [] if data is None else ["-d", data]
    process = await asyncio.create_subprocess_exec(
        GRPCURL,
        "-plaintext",
        *body,
        node.address,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == status or (status and process.returncode), err.decode()
    return (out + err).decode()


async def call(node: Node, method: str, data: str = "{}") -> Any:
    return json.loads(await grpcurl(node, method, data=data))


async def test_list(node: Node) -> None:
    assert (await grpcurl(node, "list")).split() == [
        "Distribution",
        "RaftAdmin",
        "RawKV",
        "elastickv.dynamodb.v1.DynamoDb",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ]


async def test_describe(node: Node) -> None:
    text = await grpcurl(node, "describe", "RaftAdmin")
    assert "rpc Await ( .Future ) returns ( .AwaitResponse );" in text
    assert "rpc AddVoter ( .AddVoterRequest ) returns ( .Future );" in text
    assert "uint64 previous_index = 3;" in await grpcurl(node, "describe", "AddVoterRequest")
    for service in ("RawKV", "Distribution", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"):
        assert "is a service" in await grpcurl(node, "describe", service)
    await grpcurl(node, "describe", "Nothing", status=1)


async def test_the_calls_of_the_guide(node: Node) -> None:
    """VOTER is the default value, so grpcurl prints no suffrage for a voter."""
    servers = (await call(node, "RaftAdmin/GetConfiguration"))["servers"]
    assert servers[0] == {"id": "n1", "address": "10.0.0.11:50051"}
    assert servers[3] == {"suffrage": "NONVOTER", "id": "n4", "address": "10.0.0.14:50051"}
    assert await call(node, "RaftAdmin/Leader") == {"address": "10.0.0.11:50051"}
    assert await call(node, "RaftAdmin/State") == {"state": "LEADER"}


async def test_an_operation_from_call_to_forget(node: Node) -> None:
    future = await call(node, "RaftAdmin/AddVoter", '{"id": "n5", "address": "10.0.0.15:50051"}')
    assert await call(node, "RaftAdmin/Await", json.dumps(future)) == {"index": "43"}
    assert await call(node, "RaftAdmin/Forget", json.dumps(future)) == {}
    assert "Code: NotFound" in await grpcurl(node, "RaftAdmin/Await", data=json.dumps(future), status=1)


async def test_status_of_the_second_generation(node: Node) -> None:
    status = await call(node, "RaftAdmin/Status")
    assert status["state"] == "RAFT_ADMIN_STATE_LEADER"
    assert status["numPeers"] == "2"


async def test_raw_kv(node: Node) -> None:
    assert (await call(node, "RawKV/RawPut", '{"key": "aw==", "value": "dg=="}'))["success"]
    assert await call(node, "RawKV/RawGet", '{"key": "aw=="}') == {
        "readAtIndex": "88",
        "value": "dg==",
        "exists": True,
    }


async def test_health(node: Node) -> None:
    assert await call(node, "grpc.health.v1.Health/Check", '{"service": "quis.RaftLeader"}') == {"status": "SERVING"}
    process = await asyncio.create_subprocess_exec(
        GRPCURL,
        "-plaintext",
        "-d",
        '{"service": "RawKV"}',
        node.address,
        "grpc.health.v1.Health/Watch",
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    first = await asyncio.wait_for(process.stdout.readuntil(b"}"), 10)
    node.store.serving = False
    second = await asyncio.wait_for(process.stdout.readuntil(b"}"), 10)
    assert (json.loads(first), json.loads(second)) == ({"status": "SERVING"}, {"status": "NOT_SERVING"})
    process.kill()
    await process.communicate()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_in_both_versions(node: Node, version: str) -> None:
    """The messages of the two are equal on the wire; the package name in the path is not."""
    info = node.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    request = reflection_pb2.ServerReflectionRequest
    calls = info(
        iter(
            [
                request(list_services=""),
                request(file_containing_symbol="RaftAdmin.Await"),
                request(file_containing_symbol=f"grpc.reflection.{version}.ServerReflectionRequest"),
                request(file_by_filename="elastickv/pb/rawkv.proto"),
                request(all_extension_numbers_of_type="RawPutRequest"),
                request(file_containing_symbol="Nothing"),
                request(file_containing_symbol="RaftAdmin.Nothing"),
                request(),
            ]
        ),
        timeout=10,
    )
    services, method, own, file, extensions, *refusals = [response async for response in calls]
    assert "RaftAdmin" in [service.name for service in services.list_services_response.service]
    assert b"elastickv/pb/raftadmin.proto" in method.file_descriptor_response.file_descriptor_proto[0]
    assert f"grpc.reflection.{version}".encode() in own.file_descriptor_response.file_descriptor_proto[0]
    assert b"readAtIndex" in file.file_descriptor_response.file_descriptor_proto[0]
    assert extensions.all_extension_numbers_response.base_type_name == "RawPutRequest"
    assert [refusal.error_response.error_code for refusal in refusals] == [5, 5, 3]
