"""DynamoDB requests between two real gRPC servers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from elastickv.errors import Fault, KvError
from elastickv.kv.ports import Leader
from tests.kit.grpc_node import Node, grpc_node


class Door:
    """The far DynamoDB door: echoes, or fails as it is told."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.fault: KvError | None = None
        self.hold: asyncio.Event | None = None

    async def serve(self, data: bytes) -> bytes:
        self.got.append(data)
        if self.hold is not None:
            await self.hold.wait()
        if self.fault is not None:
            raise self.fault
        return b"answer to " + data


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
async def leader(door: Door) -> AsyncIterator[Node]:
    async with grpc_node(serve_dynamodb=door.serve) as node:
        yield node


@pytest.fixture
async def follower() -> AsyncIterator[Node]:
    async with grpc_node() as node:
        yield node


async def carry(follower: Node, address: str, data: bytes = b"request", *, write: bool, timeout: float = 2.0) -> bytes:
    return await follower.server.dynamodb.carry(Leader("n2", address), data, write=write, timeout=timeout)


async def failure(follower: Node, address: str, *, write: bool, timeout: float = 2.0) -> Fault:
    with pytest.raises(KvError) as caught:
        await carry(follower, address, write=write, timeout=timeout)
    return caught.value.fault


@pytest.mark.parametrize("write", [True, False])
async def test_bytes_there_and_back(door: Door, leader: Node, follower: Node, write: bool) -> None:
    large = b"\x00\xff" * 500_000
    assert await carry(follower, leader.address, large, write=write) == b"answer to " + large
    assert door.got == [large]


@pytest.mark.parametrize("write", [True, False])
async def test_what_was_not_done_may_be_repeated(door: Door, leader: Node, follower: Node, write: bool) -> None:
    door.fault = KvError(Fault.SHUTTING_DOWN)
    assert await failure(follower, leader.address, write=write) is Fault.NOT_LEADER
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{probe.getsockname()[1]}"
    assert await failure(follower, nobody, write=write) is Fault.NOT_LEADER
    assert await failure(follower, follower.address, write=write) is Fault.NOT_LEADER, "it has no DynamoDB door"


async def test_what_may_have_been_done_is_unknown_for_a_write(door: Door, leader: Node, follower: Node) -> None:
    door.hold = asyncio.Event()
    assert await failure(follower, leader.address, write=True, timeout=0.2) is Fault.OUTCOME_UNKNOWN
    assert await failure(follower, leader.address, write=False, timeout=0.2) is Fault.NOT_LEADER
    door.hold.set()


async def test_other_faults_are_passed_on(door: Door, leader: Node, follower: Node) -> None:
    door.fault = KvError(Fault.DISK_FULL, "no space")
    assert await failure(follower, leader.address, write=True) is Fault.DISK_FULL
