from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from elastickv.kv.ports import Leader
from tests.kit.grpc_node import Node, grpc_node

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
CHECK, WATCH, LIST = (f"grpc.health.v1.Health/{name}" for name in ("Check", "Watch", "List"))


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with grpc_node() as node:
        yield node


def follow(node: Node) -> None:
    node.store.serving = False
    node.store.known_leader = Leader("n2", "10.0.0.12:50051")
    node.control.become(role="follower", leader_id="n2", last_contact_seconds=0.1)


async def states(node: Node) -> dict[str, bool]:
    statuses = (await node.call(LIST)).statuses
    return {name: response.status == SERVING for name, response in statuses.items()}


async def test_a_serving_leader(node: Node) -> None:
    assert all((await states(node)).values())


async def test_a_follower_can_serve_but_is_not_the_leader(node: Node) -> None:
    follow(node)
    assert await states(node) == {
        "": True,
        "Distribution": True,
        "RaftAdmin": True,
        "grpc.health.v1.Health": True,
        "RawKV": False,
        "quis.RaftLeader": False,
    }


async def test_a_leader_that_has_not_applied_its_first_entry(node: Node) -> None:
    node.store.serving = False
    assert not (await states(node))[""]
    assert not (await states(node))["quis.RaftLeader"]


@pytest.mark.parametrize(
    "changes",
    [
        {"leader_id": "", "leader_address": ""},
        {"last_contact_seconds": 60.0},
        {"last_contact_seconds": None},
        {"problem": "amnesiac: this voter lost its disk"},
        {"members": ()},
        {"role": "shutdown"},
    ],
)
async def test_a_node_that_cannot_serve(node: Node, changes: dict[str, object]) -> None:
    follow(node)
    node.control.become(**changes)
    assert not (await states(node))[""]
    assert (await states(node))["RaftAdmin"]


async def test_check(node: Node) -> None:
    assert (await node.call(CHECK)).status == SERVING
    assert (await node.call(CHECK, service="quis.RaftLeader")).status == SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await node.call(CHECK, service="Nothing")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_watch_tells_the_state_now_and_each_change(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node.server._health, "_poll_seconds", 60)  # so it is the announcement that is heard
    watch = node.stream(WATCH, service="quis.RaftLeader")
    assert (await watch.read()).status == SERVING
    follow(node)
    assert (await asyncio.wait_for(watch.read(), 8)).status == NOT_SERVING
    node.store.serving = True
    node.control.become(role="leader")
    assert (await watch.read()).status == SERVING
    watch.cancel()


async def test_watch_notices_what_nobody_announces(node: Node) -> None:
    watch = node.stream(WATCH)
    assert (await watch.read()).status == SERVING
    node.store.serving = False
    assert (await asyncio.wait_for(watch.read(), 8)).status == NOT_SERVING
    watch.cancel()


async def test_watching_an_unknown_service_is_no_error(node: Node) -> None:
    watch = node.stream(WATCH, service="Nothing")
    assert (await watch.read()).status == HealthCheckResponse.SERVICE_UNKNOWN
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(watch.read()), 0.4)
    watch.cancel()


async def test_a_watcher_that_leaves_is_forgotten(node: Node) -> None:
    watch = node.stream(WATCH)
    await watch.read()
    assert len(node.control.callbacks) == 1
    watch.cancel()
    for _ in range(100):
        if not node.control.callbacks:
            break
        await asyncio.sleep(0.01)
    assert node.control.callbacks == []


async def test_stopping_says_not_serving_and_ends_the_watch() -> None:
    async with grpc_node() as node:
        watch = aiter(node.stream(WATCH))
        assert (await anext(watch)).status == SERVING
        stop = asyncio.create_task(node.server.stop(5))
        assert (await anext(watch)).status == NOT_SERVING
        assert [message async for message in watch] == []
        await asyncio.wait_for(stop, 8)
