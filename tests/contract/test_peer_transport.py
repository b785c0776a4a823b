"""What every PeerTransport promises, over the in-memory and the gRPC one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from elastickv.raft.types import ConfState, Entry, EntryKind, Kind, Member, Message, SnapshotMeta
from elastickv.transport import base
from elastickv.transport.base import Hello, Refusal
from elastickv.transport.snapshot_files import OutgoingFiles
from tests.kit.transport_worlds import (
    MARKER,
    SETTINGS,
    GrpcWorld,
    MemoryWorld,
    Node,
    World,
    connect,
    connect_by_one_stream,
    until,
)


@pytest.fixture(params=[MemoryWorld, GrpcWorld])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    make: Callable[[Path], World] = request.param
    world = make(tmp_path)
    yield world
    await world.close()
    await asyncio.sleep(0.05)  # tasks of grpc and of the proxy end
    left = {task for task in asyncio.all_tasks() if "elastickv" in repr(task.get_coro())}
    assert not left


def refuse(code: str) -> Callable[[Hello], Refusal | None]:
    return lambda _: Refusal(code, "the reason")


async def until_heard(sender: Node, to: Node) -> None:
    """Repeat a message until it gets through."""

    def said_and_heard() -> bool:
        sender.say(to)
        return bool(to.heard())

    await until(said_and_heard)


# --- messages -------------------------------------------------------------------------------------------------------


async def test_messages_on_one_stream_arrive_in_order_in_both_directions(world: World) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    await connect_by_one_stream(left, right)
    for turn in range(20):
        for number in range(10):
            left.say(right, 10 * turn + number)
            right.say(left, 1000 + 10 * turn + number)
        await asyncio.sleep(0)
    await until(lambda: len(left.heard()) >= 200 and len(right.heard()) >= 200)
    assert right.heard() == list(range(200))
    assert left.heard() == list(range(1000, 1200))


async def test_every_field_of_a_message_arrives(world: World) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    await connect(left, right)
    message = Message(
        Kind.APPEND,
        right.id,
        left.id,
        term=7,
        log_term=5,
        index=2**40,
        entries=(
            Entry(5, 2**40 + 1, b"first"),
            Entry(6, 2**40 + 2),
            Entry(7, 2**40 + 3, b"\xff\x00", EntryKind.CONFIG),
        ),
        commit=2**40 - 1,
        reject=True,
        reject_hint=3,
        context=b"context",
        round=99,
    )
    left.transport.post(message)
    await until(lambda: right.inbox.delivered)
    assert right.inbox.delivered == [message]


async def test_a_large_message_arrives(world: World) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    await connect_by_one_stream(left, right)
    data = Random(1).randbytes(1 << 20) * 64
    left.say(right, 1)
    left.transport.post(Message(Kind.APPEND, right.id, left.id, index=4, entries=(Entry(1, 5, data),), term=2))
    left.say(right, 3)
    await until(lambda: len(right.heard()) == 3, 20)
    assert right.heard() == [1, 2, 3]
    assert right.inbox.delivered[1].entries[0].data == data


async def test_a_node_that_knows_nobody_answers_whoever_called_it(world: World) -> None:
    leader, joiner = await world.add("n1"), await world.add("n2")
    leader.know(joiner)
    await until(lambda: joiner.transport.connected("n1"))
    joiner.say(leader, 5)
    await until(lambda: leader.heard() == [5])


async def test_each_pair_of_three_nodes_has_its_own_stream(world: World) -> None:
    nodes = [await world.add(name) for name in ("n1", "n2", "n3")]
    for node in nodes:
        node.know(*nodes)
    await until(lambda: all(a is b or a.transport.connected(b.id) for a in nodes for b in nodes))
    for number, sender in enumerate(nodes):
        for to in nodes:
            if to is not sender:
                sender.say(to, number)
    await until(lambda: all(len(node.heard()) == 2 for node in nodes))
    for node in nodes:
        assert {message.sender for message in node.inbox.delivered} == {"n1", "n2", "n3"} - {node.id}
        assert {message.to for message in node.inbox.delivered} == {node.id}


async def test_nobody_can_speak_for_another(world: World) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    await connect(left, right)
    left.transport.post(Message(Kind.HEARTBEAT, right.id, "n9", term=1))
    await until(lambda: right.inbox.delivered)
    assert right.inbox.delivered[0].sender == left.id


# --- loss -----------------------------------------------------------------------------------------------------------


async def test_a_message_to_an_unknown_node_is_reported_but_not_from_inside_post(world: World) -> None:
    node = await world.add("n1")
    node.transport.post(Message(Kind.HEARTBEAT, "n9", "n1"))
    node.transport.post(Message(Kind.HEARTBEAT, "n9", "n1"))
    assert node.inbox.lost == []
    await until(lambda: node.inbox.lost)
    assert node.inbox.lost == ["n9"]


async def test_a_full_queue_drops_the_newest_and_reports_it(world: World) -> None:
    left, right = await world.add("n1", replace(SETTINGS, max_queued_messages=50)), await world.add("n2")
    await connect_by_one_stream(left, right)
    for number in range(80):
        left.say(right, number)
    await until(lambda: left.inbox.lost == ["n2"])
    await until(lambda: len(right.heard()) >= 50)
    left.say(right, 99)
    await until(lambda: 99 in right.heard())
    assert right.heard() == [*range(50), 99]


async def test_a_queue_full_of_bytes_drops_too_but_takes_any_first_message(world: World) -> None:
    left, right = await world.add("n1", replace(SETTINGS, max_queued_bytes=1000)), await world.add("n2")
    await connect_by_one_stream(left, right)
    for term in (1, 2):
        entry = Entry(term, 1, bytes(5000))
        left.transport.post(Message(Kind.APPEND, right.id, left.id, term=term, entries=(entry,)))
    await until(lambda: left.inbox.lost == ["n2"])
    left.say(right, 3)
    await until(lambda: 3 in right.heard())
    assert right.heard() == [1, 3]


async def test_a_broken_stream_is_reported_and_comes_back(world: World) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    await connect(left, right)
    world.break_links(left, right)
    await until(lambda: "n2" in left.inbox.lost and "n1" in right.inbox.lost)
    await until(lambda: left.transport.connected("n2") and right.transport.connected("n1"), 2)
    await until_heard(left, right)
    await until_heard(right, left)


async def test_a_restarted_peer_is_back(world: World) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    left.know(right)
    await until(lambda: left.transport.connected("n2"))
    await world.restart(right)
    await until(lambda: left.transport.connected("n2") and right.transport.connected("n1"))
    await until_heard(left, right)


async def test_after_stop_nothing_comes_and_nothing_goes(world: World) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    await connect(left, right)
    await right.transport.stop()
    await right.transport.stop()
    right.say(left)
    left.say(right)
    await until(lambda: left.inbox.lost)
    await asyncio.sleep(0.05)
    assert not left.heard()
    assert not right.heard()


# --- who may talk ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [base.WRONG_CLUSTER, base.AMNESIAC, base.REMOVED, base.WRONG_NODE])
async def test_a_refused_caller_hears_why_and_delivers_nothing(world: World, code: str) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    right.inbox.refuse = refuse(code)
    left.know(right)
    await until(lambda: left.inbox.refusals)
    assert left.inbox.refusals[0] == ("n2", Refusal(code, "the reason"))
    assert right.inbox.met[0] == left.inbox.own
    left.say(right)
    await until(lambda: left.inbox.lost)
    assert not left.transport.connected("n2")
    assert not right.heard()


async def test_a_refused_answerer_hears_why_and_delivers_nothing(world: World) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    left.inbox.refuse = refuse(base.AMNESIAC)
    left.know(right)
    await until(lambda: right.inbox.refusals)
    assert right.inbox.refusals[0] == ("n1", Refusal(base.AMNESIAC, "the reason"))
    right.say(left)
    await until(lambda: right.inbox.lost)
    assert not left.heard()


async def test_another_node_at_the_address_is_refused(world: World) -> None:
    left, other = await world.add("n1"), await world.add("n3")
    left.transport.set_peers({"n2": Member("n2", other.member.address)})
    await until(lambda: left.inbox.refusals)
    assert left.inbox.refusals[0][0] == "n2"
    assert left.inbox.refusals[0][1].code == base.WRONG_NODE
    assert not other.inbox.met
    assert not left.transport.connected("n2")


async def test_a_refusal_is_not_for_ever(world: World) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    right.inbox.refuse = refuse(base.WRONG_CLUSTER)
    left.know(right)
    await until(lambda: left.inbox.refusals)
    right.inbox.refuse = lambda _: None
    await until(lambda: left.transport.connected("n2"), 2)


async def test_a_member_that_is_gone_loses_its_stream(world: World) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    await connect(left, right)
    right.know()
    left.know()
    await until(lambda: not left.transport.connected("n2") and not right.transport.connected("n1"))
    await asyncio.sleep(0.2)
    assert not left.transport.connected("n2")


async def test_a_stream_to_another_instance_than_the_members_is_closed(world: World) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    await connect(left, right)
    left.transport.set_peers({"n2": replace(right.member, instance=right.inbox.own.instance)})
    await asyncio.sleep(0.05)
    assert not left.inbox.lost
    left.transport.set_peers({"n2": replace(right.member, instance="another")})
    await until(lambda: "n2" in left.inbox.lost)


async def test_a_member_that_moved_is_dialled_at_its_new_address(world: World) -> None:
    left, right, moved = await world.add("n1"), await world.add("n2"), await world.add("n2")
    left.know(right)
    await until(lambda: right.transport.connected("n1"))
    left.know(moved)
    await until(lambda: moved.transport.connected("n1") and left.transport.connected("n2"))
    await until_heard(left, moved)
    assert not right.heard()


# --- probe ----------------------------------------------------------------------------------------------------------


async def test_probe_tells_who_is_there(world: World) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    right.inbox.own = replace(right.inbox.own, cluster_id="", fresh=True)
    assert await left.transport.probe(right.member.address, 2.0) == right.inbox.own
    assert not right.inbox.met


async def test_probe_gives_up_in_time(world: World) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    address = right.member.address
    await right.transport.stop()
    async with asyncio.timeout(8):
        assert await left.transport.probe(address, 0.3) is None
        assert await left.transport.probe("127.0.0.1:1", 0.3) is None


# --- snapshots ------------------------------------------------------------------------------------------------------

META = SnapshotMeta(100, 4, ConfState(("n1", "n2"), ("n3",), members=(Member("n1", "a:1", "i"),)))


def make_snapshot(directory: Path, seed: int = 1) -> dict[str, bytes]:
    directory.mkdir()
    contents = {
        "data.mdb": (Random(seed).randbytes(1000) + MARKER) * 2000,
        "empty": b"",
        "meta.json": b"{}",
        "zlast": bytes(200_000),
    }
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    return contents


def contents_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def send(sender: Node, to: Node, directory: Path, meta: SnapshotMeta = META) -> list[bool]:
    results: list[bool] = []
    message = Message(Kind.SNAPSHOT, to.id, sender.id, term=9, snapshot=meta)
    sender.transport.send_snapshot(message, meta, directory, results.append)
    assert not results
    return results


async def test_a_snapshot_arrives_whole(world: World, tmp_path: Path) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    left.know(right)
    contents = make_snapshot(tmp_path / "snapshot")
    results = send(left, right, tmp_path / "snapshot")
    await until(lambda: results)
    [(message, directory)] = right.inbox.snapshots
    assert results == [True]
    assert message == Message(Kind.SNAPSHOT, "n2", "n1", term=9, snapshot=META)
    assert directory.parent == right.incoming
    assert contents_of(directory) == contents
    assert list(right.incoming.iterdir()) == [directory]


async def test_the_same_snapshot_may_come_again_while_the_first_is_still_there(world: World, tmp_path: Path) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    left.know(right)
    contents = make_snapshot(tmp_path / "snapshot")
    for _ in range(2):
        results = send(left, right, tmp_path / "snapshot")
        await until(lambda results=results: results)  # type: ignore[misc]
        assert results == [True]
    first, second = (directory for _, directory in right.inbox.snapshots)
    assert first != second
    assert contents_of(first) == contents_of(second) == contents


async def test_a_damaged_chunk_is_sent_again(world: World, tmp_path: Path) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    left.know(right)
    contents = make_snapshot(tmp_path / "snapshot")
    world.damage_during_snapshot(right)
    results = send(left, right, tmp_path / "snapshot")
    await until(lambda: results)
    assert results == [True]
    assert contents_of(right.inbox.snapshots[0][1]) == contents


async def test_a_broken_transfer_goes_on_where_it_was(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = OutgoingFiles.chunk
    chunks: list[tuple[int, int]] = []

    def counted(self: OutgoingFiles, file: int, offset: int, limit_bytes: int) -> tuple[bytes, int]:
        chunks.append((file, offset))
        return read(self, file, offset, limit_bytes)

    monkeypatch.setattr(OutgoingFiles, "chunk", counted)
    left, right = await world.add("n1"), await world.add("n2")
    left.know(right)
    contents = make_snapshot(tmp_path / "snapshot")
    world.break_during_snapshot(left, right)
    results = send(left, right, tmp_path / "snapshot")
    await until(lambda: results)
    assert results == [True]
    assert contents_of(right.inbox.snapshots[0][1]) == contents
    total = sum(-(-len(content) // SETTINGS.snapshot_chunk_bytes) for content in contents.values())
    assert chunks.count((0, 0)) == 1
    assert len(chunks) < 2 * total


async def test_a_later_snapshot_takes_the_place_of_an_earlier_one(world: World, tmp_path: Path) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    left.know(right)
    make_snapshot(tmp_path / "old")
    contents = make_snapshot(tmp_path / "new", seed=2)
    old = send(left, right, tmp_path / "old")
    await asyncio.sleep(0.005)
    newer = replace(META, index=200)
    new = send(left, right, tmp_path / "new", newer)
    await until(lambda: new)
    assert (old, new) == ([False], [True])
    [(message, directory)] = right.inbox.snapshots
    assert message.snapshot == newer
    assert contents_of(directory) == contents
    assert list(right.incoming.iterdir()) == [directory]


async def test_a_refused_node_sends_no_snapshot(world: World, tmp_path: Path) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    left.know(right)
    right.inbox.refuse = refuse(base.REMOVED)
    make_snapshot(tmp_path / "snapshot")
    results = send(left, right, tmp_path / "snapshot")
    await until(lambda: results)
    assert results == [False]
    assert not right.inbox.snapshots
    assert ("n2", Refusal(base.REMOVED, "the reason")) in left.inbox.refusals


async def test_a_refused_node_gets_no_snapshot(world: World, tmp_path: Path) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    left.know(right)
    left.inbox.refuse = refuse(base.AMNESIAC)
    make_snapshot(tmp_path / "snapshot")
    results = send(left, right, tmp_path / "snapshot")
    await until(lambda: results)
    assert results == [False]
    assert not right.inbox.snapshots


async def test_a_snapshot_for_nobody_or_from_nowhere_fails(world: World, tmp_path: Path) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    unknown = send(left, right, tmp_path)
    await until(lambda: unknown)
    left.know(right)
    missing = send(left, right, tmp_path / "missing")
    await until(lambda: missing)
    assert (unknown, missing) == ([False], [False])


async def test_a_full_disk_refuses_cleanly(world: World, tmp_path: Path) -> None:
    left, right = await world.add("n1"), await world.add("n2", replace(SETTINGS, snapshot_reserve_bytes=1 << 60))
    left.know(right)
    make_snapshot(tmp_path / "snapshot")
    results = send(left, right, tmp_path / "snapshot")
    await until(lambda: results)
    assert results == [False]
    assert not right.inbox.snapshots
    assert not list(right.incoming.iterdir())


async def test_a_transfer_ends_when_its_sender_stops_or_the_member_goes(world: World, tmp_path: Path) -> None:
    left, right = await world.add("n1"), await world.add("n2")
    left.know(right)
    make_snapshot(tmp_path / "snapshot")
    gone = send(left, right, tmp_path / "snapshot")
    left.know()
    await until(lambda: gone)
    left.know(right)
    stopped = send(left, right, tmp_path / "snapshot")
    await asyncio.sleep(0.005)
    await left.transport.stop()
    await until(lambda: stopped)
    assert (gone, stopped) == ([False], [False])
    assert not right.inbox.snapshots
