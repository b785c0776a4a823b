"""What only the gRPC transport can get wrong: sockets that die silently, callers that break the rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from random import Random

import grpc
import pytest
import xxhash

from elastickv.raft.types import Kind, Member, Message, SnapshotMeta
from elastickv.transport import base, wire
from elastickv.transport.base import Hello, Refusal
from elastickv.transport.grpc_transport import GrpcTransport
from elastickv.transport.peer_client import PROBE_METHOD, SNAPSHOT_METHOD, STREAM_METHOD
from elastickv.transport.settings import TransportSettings
from tests.kit.transport_worlds import SETTINGS, GrpcWorld, Node, RecordingInbox, connect, until

STRANGER = Hello("cluster", "n7", "instance", "nowhere", "1", fresh=False)
VOTE = Message(Kind.VOTE, "n1", "n7", term=99)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[GrpcWorld]:
    world = GrpcWorld(tmp_path)
    yield world
    await world.close()


async def converse(node: Node, *packets: bytes, method: str = STREAM_METHOD) -> list[object]:
    """Say these packets to a node, and hear what it answers until it hangs up."""
    async with grpc.aio.insecure_channel(node.member.address) as channel:
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(method, None, None)(None)
        answers: list[object] = []
        try:
            for packet in packets:
                await call.write(packet)
            await call.done_writing()
            while isinstance(answer := await call.read(), bytes):
                answers.append(answer)
            answers.append(await call.code())
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            answers.append(await call.code())
        return answers


async def test_a_peer_that_falls_silent_is_noticed(world: GrpcWorld) -> None:
    impatient = replace(SETTINGS, keepalive_seconds=0.3, keepalive_timeout_seconds=0.3)
    left, right = await world.add("n1", impatient), await world.add("n2", impatient)
    left.know(right)
    await until(lambda: left.transport.connected("n2"))
    world.proxies[right].hold()  # TCP itself would take a quarter of an hour to notice
    await until(lambda: "n2" in left.inbox.lost)
    await until(lambda: not right.transport.connected("n1"))


async def test_a_quiet_stream_stays_up(world: GrpcWorld) -> None:
    curious = replace(SETTINGS, keepalive_seconds=0.3)
    left, right = await world.add("n1", curious), await world.add("n2", curious)
    await connect(left, right)
    await asyncio.sleep(1.5)  # five pings
    assert left.inbox.lost == right.inbox.lost == []


async def test_nothing_is_taken_from_a_caller_that_does_not_introduce_itself(world: GrpcWorld) -> None:
    node = await world.add("n1")
    for packet in (
        wire.write_messages([VOTE]),
        b"\xff\xff",
        b"",
        wire.write_introduction(replace(STRANGER, node_id="")),
    ):
        assert await converse(node, packet, wire.write_messages([VOTE])) == [grpc.StatusCode.INVALID_ARGUMENT]
    assert not node.inbox.met
    assert not node.inbox.delivered


async def test_a_caller_that_wants_somebody_else_is_told(world: GrpcWorld) -> None:
    node = await world.add("n1")
    for callee, caller in (("n2", STRANGER), ("", STRANGER), ("n1", replace(STRANGER, node_id="n1"))):
        [answer, *_] = await converse(node, wire.write_introduction(caller, callee), wire.write_messages([VOTE]))
        assert isinstance(answer, bytes)
        refusal = wire.read_opening(answer)
        assert isinstance(refusal, Refusal)
        assert refusal.code == base.WRONG_NODE
    assert not node.inbox.delivered


async def test_an_introduced_caller_is_heard_under_its_own_name(world: GrpcWorld) -> None:
    node = await world.add("n1")
    lie = replace(VOTE, to="n3", sender="n2")
    [answer, *_] = await converse(node, wire.write_introduction(STRANGER, "n1"), wire.write_messages([lie]))
    assert isinstance(answer, bytes)
    assert wire.read_opening(answer) == wire.Introduction(node.inbox.own)
    assert node.inbox.delivered == [VOTE]


async def test_a_caller_that_says_nothing_is_hung_up_on(world: GrpcWorld) -> None:
    node = await world.add("n1", TransportSettings(connect_seconds=0.2))
    async with grpc.aio.insecure_channel(node.member.address) as channel:
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(STREAM_METHOD, None, None)(None)
        assert await asyncio.wait_for(call.code(), 3) is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_snapshots_of_callers_that_break_the_rules(world: GrpcWorld) -> None:
    node = await world.add("n1")
    meta = SnapshotMeta(5, 1)
    message = Message(Kind.SNAPSHOT, "n1", "n7", term=2, snapshot=meta)

    def begin(*files: wire.FileInfo) -> bytes:
        return wire.write_snapshot_begin(STRANGER, message, files)

    outside = begin(wire.FileInfo("../outside", 1, b"d" * 16))
    not_for_us = wire.write_snapshot_begin(STRANGER, replace(message, to="n2"), ())
    one = begin(wire.FileInfo("data", 10, b"d" * 16))
    beyond = wire.write_snapshot_chunk(0, 0, 0, bytes(11))
    skipping = wire.write_snapshot_chunk(0, 5, 0, b"x")
    for packets, code in (
        ([outside], "malformed"),
        ([b"\xff"], "malformed"),
        ([not_for_us], base.WRONG_NODE),
        ([one, beyond], "malformed"),
        ([one, skipping], "malformed"),
        ([one, one], "malformed"),
        ([one, wire.write_snapshot_chunk(0, 0, 1, b"x")], "damaged"),
    ):
        answers = await converse(node, *packets, method=SNAPSHOT_METHOD)
        end = wire.read_snapshot(next(answer for answer in reversed(answers) if isinstance(answer, bytes)))
        assert isinstance(end, wire.SnapshotEnd)
        assert (end.ok, end.code) == (False, code)
    assert not node.inbox.snapshots
    assert not (node.incoming.parent / "outside").exists()


async def test_a_caller_that_hangs_up_leaves_something_to_go_on_with(world: GrpcWorld) -> None:
    node = await world.add("n1")
    message = Message(Kind.SNAPSHOT, "n1", "n7", term=2, snapshot=SnapshotMeta(5, 1))
    begin = wire.write_snapshot_begin(STRANGER, message, (wire.FileInfo("data", 10, b"d" * 16),))
    chunk = wire.write_snapshot_chunk(0, 0, xxhash.xxh3_64_intdigest(b"four"), b"four")
    for expected in ((0,), (4,)):
        answers = await converse(node, begin, *((chunk,) if expected == (0,) else ()), method=SNAPSHOT_METHOD)
        assert isinstance(answers[0], bytes)
        assert wire.read_snapshot(answers[0]) == wire.SnapshotResume(node.inbox.own, expected)
    assert not node.inbox.snapshots


async def test_calls_before_start_and_after_stop_are_turned_away(tmp_path: Path) -> None:
    transport = GrpcTransport(tmp_path, Random(1))
    server = grpc.aio.server(options=transport.settings.server_options())
    server.add_generic_rpc_handlers((transport.handlers(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    transport.post(VOTE)
    assert transport.hello() is None
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        for method in (STREAM_METHOD, SNAPSHOT_METHOD):
            call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(method, None, None)(None)
            assert await call.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(PROBE_METHOD, None, None)(b"")
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    await transport.stop()
    await server.stop(None)


async def test_members_given_before_start_are_dialled_at_start(world: GrpcWorld, tmp_path: Path) -> None:
    node = await world.add("n2")
    transport = GrpcTransport(tmp_path, Random(1))
    inbox = RecordingInbox(replace(STRANGER, node_id="n1"))
    transport.set_peers({"n2": Member("n2", node.member.address)})
    await transport.start(inbox)
    await until(lambda: transport.connected("n2"))
    transport.set_peers({})
    await until(lambda: not transport.connected("n2"))
    await transport.stop()
    assert inbox.met


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_queued_messages": 0},
        {"snapshot_chunk_bytes": 1 << 30},
        {"backoff_min_seconds": 0.0},
        {"backoff_min_seconds": 2.0},
        {"keepalive_seconds": 0.0},
        {"snapshot_idle_seconds": 0.0},
    ],
)
def test_settings_that_cannot_work(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        replace(TransportSettings(), **wrong).check()  # type: ignore[arg-type]
