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
async def test_requests_that_come_together_travel_together(
    door: Door, leader: Node, follower: Node, write: bool
) -> None:
    requests = [b"%d" % number for number in range(300)]
    answers = await asyncio.gather(*(carry(follower, leader.address, one, write=write) for one in requests))
    assert answers == [b"answer to " + one for one in requests]
    assert sorted(door.got) == sorted(requests)
    assert len(leader.finished) == 2, "one call takes 256"


async def test_what_comes_while_calls_are_on_their_way_gathers(door: Door, leader: Node, follower: Node) -> None:
    door.hold = asyncio.Event()
    tasks = []
    for number in range(10):
        tasks.append(asyncio.create_task(carry(follower, leader.address, b"%d" % number, write=True)))
        await asyncio.sleep(0.02)
    assert len(door.got) == 2
    door.hold.set()
    assert await asyncio.gather(*tasks) == [b"answer to %d" % number for number in range(10)]
    assert len(leader.finished) == 3


async def test_large_requests_do_not_share_a_call(door: Door, leader: Node, follower: Node) -> None:
    requests = [bytes((number,)) * 700_000 for number in range(4)]
    answers = await asyncio.gather(*(carry(follower, leader.address, one, write=True) for one in requests))
    assert [len(one) for one in answers] == [700_010] * 4
    assert len(leader.finished) == 4


async def test_a_client_that_goes_away_takes_nobody_along(door: Door, leader: Node, follower: Node) -> None:
    door.hold = asyncio.Event()
    first = asyncio.create_task(carry(follower, leader.address, b"one", write=True))
    second = asyncio.create_task(carry(follower, leader.address, b"two", write=True))
    await asyncio.sleep(0.05)
    first.cancel()
    door.hold.set()
    assert await second == b"answer to two"


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
