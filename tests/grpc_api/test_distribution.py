from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from elastickv.clock import ManualClock
from elastickv.kv.hybrid_clock import milliseconds
from elastickv.kv.ports import Leader
from elastickv.pb import distribution_pb2 as pb
from tests.kit.fake_store import FakeStore
from tests.kit.grpc_node import Node, grpc_node


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with grpc_node() as node:
        yield node


async def test_timestamps_grow_also_when_the_clock_runs_backwards() -> None:
    clock = ManualClock()
    async with grpc_node(store=FakeStore(clock)) as node:
        stamps = []
        for jump in (0, 0, 5, -5000, 0, 1):
            clock.jump_wall(jump)
            stamps.append((await node.call("Distribution/GetTimestamp")).timestamp)
    assert stamps == sorted(set(stamps))
    assert milliseconds(stamps[0]) == 1_700_000_000_000


async def test_there_is_one_route_and_it_holds_all_keys(node: Node) -> None:
    for key in (b"", b"a", b"\xff" * 600):
        assert await node.call("Distribution/GetRoute", key=key) == pb.GetRouteResponse(raft_group_id=1)
    assert await node.call("Distribution/ListRoutes") == pb.ListRoutesResponse(
        catalog_version=1,
        routes=[pb.RouteDescriptor(route_id=1, raft_group_id=1, state=pb.ROUTE_STATE_ACTIVE)],
    )


async def test_routes_need_no_leader(node: Node) -> None:
    node.store.serving = False
    node.store.known_leader = Leader("n2", "127.0.0.1:1")
    before = node.store.executions
    assert (await node.call("Distribution/GetRoute", key=b"k")).raft_group_id == 1
    assert node.store.executions == before
