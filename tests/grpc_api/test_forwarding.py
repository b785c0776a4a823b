"""A follower and its leader, two real servers: what is forwarded, what is repeated, and what never is."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from elastickv.errors import Fault, KvError
from elastickv.grpc_api.errors import STATUS, Relayed, trailers
from elastickv.grpc_api.forwarding import HOP_KEY, MAX_CHANNELS, Forwarder, Method, TryAgain, _judge
from elastickv.kv.ports import Leader
from elastickv.pb import rawkv_pb2 as pb
from tests.kit.fake_store import FakeStore
from tests.kit.grpc_node import Node, grpc_node

HOP = ((HOP_KEY, "1"),)


def follower_of(leader: Node | None) -> FakeStore:
    store = FakeStore()
    store.serving = False
    store.known_leader = Leader("n2", leader.address) if leader else None
    return store


@pytest.fixture
async def leader() -> AsyncIterator[Node]:
    async with grpc_node() as node:
        yield node


@pytest.fixture
async def follower(leader: Node) -> AsyncIterator[Node]:
    async with grpc_node(store=follower_of(leader)) as node:
        yield node


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_every_call_works_on_a_follower(leader: Node, follower: Node) -> None:
    put = await follower.call("RawKV/RawPut", key=b"k", value=b"v" * 1_000_000)
    assert (put.success, put.commit_index) == (True, 90)
    assert len((await leader.call("RawKV/RawGet", key=b"k")).value) == 1_000_000
    assert len((await follower.call("RawKV/RawGet", key=b"k")).value) == 1_000_000
    assert [pair.key for pair in (await follower.call("RawKV/RawScanAt", limit=5)).kv] == [b"k"]
    assert (await follower.call("RawKV/RawLatestCommitTS", key=b"k")).exists
    stamp = (await follower.call("Distribution/GetTimestamp")).timestamp
    assert stamp == leader.store.view.last_timestamp
    assert (await follower.call("RawKV/RawDelete", key=b"k")).success
    assert not (await follower.call("RawKV/RawGet", key=b"k")).exists
    assert follower.store.view.dump() == {}


@pytest.mark.parametrize("fault", [Fault.DISK_FULL, Fault.OUTCOME_UNKNOWN, Fault.OVERLOAD, Fault.INTERNAL])
async def test_the_leaders_refusal_is_the_answer(leader: Node, follower: Node, fault: Fault) -> None:
    leader.store.fault = KvError(fault, "because")
    error = await refused(follower.call("RawKV/RawPut", key=b"k"))
    assert (error.code(), error.details()) == (STATUS[fault], "because")
    assert leader.store.view.dump() == {}


async def test_an_answer_about_history_is_passed_on(follower: Node) -> None:
    error = await refused(follower.call("RawKV/RawGet", key=b"k", ts=1))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    metadata: Any = error.trailing_metadata()
    assert dict(metadata)["elastickv-fault"] == "COMPACTED"


async def test_a_forwarded_call_is_not_forwarded_again(leader: Node, follower: Node) -> None:
    error = await refused(follower.call("RawKV/RawPut", key=b"k", metadata=HOP))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    metadata: Any = error.trailing_metadata()
    assert dict(metadata)["leader-address"] == leader.address
    assert leader.store.view.dump() == {}


async def test_two_followers_that_take_each_other_for_the_leader() -> None:
    async with grpc_node(store=follower_of(None)) as one, grpc_node(store=follower_of(one)) as other:
        one.store.known_leader = Leader("n2", other.address)
        error = await refused(one.call("RawKV/RawPut", key=b"k", timeout=0.5))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert 1 < len(other.finished) < 10


async def test_a_leader_that_steps_down_before_it_logs_is_asked_again(leader: Node, follower: Node) -> None:
    leader.store.fault = KvError(Fault.NOT_LEADER)
    await follower.call("RawKV/RawPut", key=b"k", value=b"v")
    assert leader.finished == [("/RawKV/RawPut", "FAILED_PRECONDITION"), ("/RawKV/RawPut", "OK")]


async def test_a_follower_that_becomes_the_leader_serves_itself(leader: Node, follower: Node) -> None:
    leader.store.serving = False
    call = asyncio.create_task(follower.call("RawKV/RawPut", key=b"k", value=b"v"))
    await asyncio.sleep(0.05)
    follower.store.serving = True
    await call
    assert follower.store.view.dump() != {}


async def executing(node: Node, before: int) -> None:
    for _ in range(1000):
        if node.store.executions > before:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("the call did not arrive")


async def test_a_write_that_broke_on_its_way_is_never_repeated(leader: Node, follower: Node) -> None:
    leader.store.hold = asyncio.Event()
    before = leader.store.executions
    call = asyncio.create_task(follower.call("RawKV/RawPut", key=b"k", value=b"v"))
    await executing(leader, before)
    async with grpc_node() as successor:
        follower.store.known_leader = Leader("n3", successor.address)
        await leader.server.stop(0)
        error = await refused(call)
        assert error.code() is grpc.StatusCode.UNKNOWN
        assert "outcome is unknown" in (error.details() or "")
        assert successor.finished == []


async def test_a_read_that_broke_on_its_way_is_asked_again(leader: Node, follower: Node) -> None:
    leader.store.hold = asyncio.Event()
    before = leader.store.executions
    call = asyncio.create_task(follower.call("RawKV/RawGet", key=b"k"))
    await executing(leader, before)
    async with grpc_node() as successor:
        await successor.call("RawKV/RawPut", key=b"k", value=b"v")
        follower.store.known_leader = Leader("n3", successor.address)
        await leader.server.stop(0)
        assert (await call).value == b"v"


async def test_a_leader_that_falls_silent_does_not_use_up_a_reads_deadline(leader: Node, follower: Node) -> None:
    leader.store.hold = asyncio.Event()
    async with grpc_node() as successor:
        call = asyncio.create_task(follower.call("RawKV/RawGet", key=b"k", timeout=2))
        await asyncio.sleep(0.1)
        follower.store.known_leader = Leader("n3", successor.address)
        assert not (await call).exists
    leader.store.hold.set()


async def test_a_write_that_finds_no_connection_is_tried_elsewhere(leader: Node) -> None:
    store = follower_of(None)
    store.known_leader = Leader("n9", f"127.0.0.1:{closed_port()}")
    async with grpc_node(store=store, request_timeout=5) as follower:
        call = asyncio.create_task(follower.call("RawKV/RawPut", key=b"k", value=b"v"))
        await asyncio.sleep(0.1)
        store.known_leader = Leader("n2", leader.address)
        await call
    assert (await leader.call("RawKV/RawGet", key=b"k")).exists


async def test_a_leader_that_comes_up_in_time_is_waited_for(leader: Node) -> None:
    store = follower_of(None)
    async with grpc_node(store=store) as follower:
        call = asyncio.create_task(follower.call("RawKV/RawPut", key=b"k", value=b"v"))
        await asyncio.sleep(0.1)
        store.known_leader = Leader("n2", leader.address)
        await call


@pytest.mark.parametrize("timeout", [None, 0.5])
async def test_without_a_leader_the_call_ends_in_time_and_says_why(timeout: float | None) -> None:
    async with grpc_node(store=follower_of(None), request_timeout=0.5) as follower:
        for method in ("RawPut", "RawGet"):
            started = time.monotonic()
            error = await refused(follower.call(f"RawKV/{method}", key=b"k", timeout=timeout))
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert 0.3 < time.monotonic() - started < 5


async def test_a_leader_that_cannot_be_reached_is_no_quorum() -> None:
    store = follower_of(None)
    store.known_leader = Leader("n9", f"127.0.0.1:{closed_port()}")
    async with grpc_node(store=store) as follower:
        error = await refused(follower.call("RawKV/RawPut", key=b"k", timeout=0.4))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "cannot be reached" in (error.details() or "")


async def test_a_stopped_forwarder_refuses() -> None:
    store = follower_of(None)
    store.known_leader = Leader("n9", f"127.0.0.1:{closed_port()}")
    async with grpc_node(store=store) as follower:
        await follower.server._forwarder.close()
        error = await refused(follower.call("RawKV/RawGet", key=b"k"))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "stopping" in (error.details() or "")


async def test_channels_are_kept_and_their_number_is_bounded() -> None:
    forwarder = Forwarder(FakeStore())
    first = forwarder._channel("127.0.0.1:1")
    assert forwarder._channel("127.0.0.1:1") is first
    for number in range(MAX_CHANNELS + 3):
        forwarder._channel(f"127.0.0.1:{number + 2}")
    assert len(forwarder._channels) == MAX_CHANNELS
    await forwarder.close()


WRITE = Method("/RawKV/RawPut", pb.RawPutResponse, write=True)
READ = Method("/RawKV/RawGet", pb.RawGetResponse, write=False)


def verdict(method: Method, code: grpc.StatusCode, fault: Fault | None = None) -> object:
    """TRY AGAIN, the fault that the client gets, or the status that is passed on."""
    metadata = trailers(KvError(fault)) if fault else ()
    error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*metadata), "why", None)
    match _judge(method, Leader("n2", "h:2"), error):
        case TryAgain():
            return "TRY AGAIN"
        case KvError() as answer:
            return answer.fault
        case Relayed() as relayed:
            return relayed.code
    raise AssertionError("no verdict")


@pytest.mark.parametrize("fault", Fault)
def test_verdicts_on_faults(fault: Fault) -> None:
    nothing_done = {Fault.NOT_LEADER, Fault.NO_QUORUM, Fault.SHUTTING_DOWN}
    assert verdict(WRITE, STATUS[fault], fault) == ("TRY AGAIN" if fault in nothing_done else fault)
    repeated = nothing_done | {Fault.OUTCOME_UNKNOWN}
    assert verdict(READ, STATUS[fault], fault) == ("TRY AGAIN" if fault in repeated else fault)


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_verdicts_on_broken_calls(code: grpc.StatusCode) -> None:
    not_executed = {
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
    }
    assert verdict(WRITE, code) == (code if code in not_executed else Fault.OUTCOME_UNKNOWN)
    assert verdict(READ, code) == (code if code in not_executed else "TRY AGAIN")
