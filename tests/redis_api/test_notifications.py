"""Keyspace notifications: the letters, the messages, their place behind the commit, and on which nodes they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from elastickv.redis_api import notifications
from tests.kit.eventually import eventually
from tests.kit.redis_door import Door
from tests.kit.redis_reference import RedisReference, exchange
from tests.redis_api.test_pubsub import Nodes, connected, on


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with Door() as door:
        yield door


@pytest.mark.parametrize(
    "text", ["", "KEA", "AKE", "Kg$", "Elx", "Ag", "g$lshzxetdKE", "Kn", "AKEn", "Em", "KEnm", "A"]
)
async def test_letters_are_shown_as_redis_shows_them(redis_reference: RedisReference, text: str) -> None:
    client = redis_reference.client()

    def ask() -> bytes:
        client.execute_command("CONFIG", "SET", "notify-keyspace-events", text)  # type: ignore[no-untyped-call]
        reply = client.execute_command("CONFIG", "GET", "notify-keyspace-events")  # type: ignore[no-untyped-call]
        client.execute_command("CONFIG", "SET", "notify-keyspace-events", "")  # type: ignore[no-untyped-call]
        return bytes(reply[1])

    mask = notifications.parse(text)
    assert isinstance(mask, int)
    assert notifications.letters(mask).encode() == await asyncio.to_thread(ask)


EVENTS = [
    b"SET a 1\r\nINCR a\r\nAPPEND a x\r\nDEL a\r\nDEL a\r\nSETEX a 100 x\r\nPERSIST a\r\nRENAME a b\r\nGET a\r\n",
    b"MSET a 1 b 2\r\nMULTI\r\nSET a 2\r\nGETDEL b\r\nEXEC\r\nSETRANGE a 3 x\r\nSETBIT a 1 1\r\nEXPIRE a 0\r\n",
    b"SELECT 3\r\nSET a 1\r\nMOVE a 4\r\nCOPY nope a\r\nSET a 1 EX 10\r\nGETEX a PERSIST\r\nFLUSHDB\r\nUNLINK a\r\n",
]


@pytest.mark.parametrize("stream", EVENTS, ids=lambda stream: stream[:20].decode())
@pytest.mark.parametrize("classes", [b"KEA", b"Kg$", b"Enm$x"])
async def test_the_same_messages_as_redis(
    door: Door, redis_reference: RedisReference, stream: bytes, classes: bytes
) -> None:
    def listen(port: int) -> bytes:
        wire = b"FLUSHALL\r\nCONFIG SET notify-keyspace-events %b\r\nHELLO 3\r\nPSUBSCRIBE *\r\n" % classes
        both = exchange("127.0.0.1", port, wire + stream, idle_seconds=0.2)
        exchange("127.0.0.1", port, b"CONFIG SET notify-keyspace-events ''\r\nFLUSHALL\r\n", idle_seconds=0.05)
        return both

    expected = await asyncio.to_thread(listen, redis_reference.port)
    got = await asyncio.to_thread(listen, door.port)
    assert pushes(got) == pushes(expected)
    assert pushes(got)


def pushes(wire: bytes) -> list[list[bytes]]:
    """Channel and payload of each message; where they stand between the replies may differ."""
    return [part.split(b"\r\n")[1:4:2] for part in wire.split(b"pmessage\r\n$1\r\n*\r\n")[1:]]


async def test_an_event_waits_for_the_commit(door: Door) -> None:
    async with connected(door.port) as client, connected(door.port) as other:
        await other.ask("CONFIG SET notify-keyspace-events KA", "+OK")
        await client.ask("SUBSCRIBE __keyspace@0__:a", "*3 $9 subscribe $16 __keyspace@0__:a :1")
        door.store.hold = True
        other.send("SET a 1")
        await eventually(lambda: bool(door.store.tickets))
        assert await client.silent()
        door.store.tickets[0].release()
        await other.expect("+OK")
        await client.expect("*3 $7 message $16 __keyspace@0__:a $3 set")


async def test_expired_keys_are_told_by_the_background_work(door: Door) -> None:
    async with connected(door.port) as client, connected(door.port) as other:
        await other.ask("CONFIG SET notify-keyspace-events Ex", "+OK")
        await client.ask("SUBSCRIBE __keyevent@0__:expired", "*3 $9 subscribe $22 __keyevent@0__:expired :1")
        await other.ask("SET a 1 PX 5", "+OK")
        door.store.view.now_ms += 10
        assert await door.server.expire(10) == 1
        await client.expect("*3 $7 message $22 __keyevent@0__:expired $1 a")
        other.send("CONFIG SET notify-keyspace-events q")
        assert await other.reader.readline() == REFUSED


REFUSED = (
    b"-ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - Invalid event class character. "
    b"Use 'Ag$lshzxeKEtmdn'.\r\n"
)


@pytest.fixture
async def nodes() -> AsyncIterator[Nodes]:
    nodes = Nodes()
    await nodes.start()
    yield nodes
    await nodes.stop()


async def test_set_on_any_node_it_holds_on_all(nodes: Nodes) -> None:
    async with on(nodes, "n2") as client, on(nodes, "n3") as listener, on(nodes, "n1") as leader:
        await client.ask("CONFIG SET notify-keyspace-events KEA", "+OK")
        for one in (client, listener, leader):
            await one.ask("CONFIG GET notify-keyspace-events", "*2 $22 notify-keyspace-events $3 AKE")
        await listener.ask("SUBSCRIBE __keyevent@0__:set", "*3 $9 subscribe $18 __keyevent@0__:set :1")
        await client.ask("SET a 1", "+OK")
        await listener.expect("*3 $7 message $18 __keyevent@0__:set $1 a")
        nodes.lead("n2")
        await leader.ask("SET b 1", "+OK")
        await listener.expect("*3 $7 message $18 __keyevent@0__:set $1 b")


async def test_parameters_of_a_node_and_of_the_cluster_are_set_apart(nodes: Nodes) -> None:
    async with on(nodes, "n2") as client:
        client.send("CONFIG SET maxclients 500 hash-max-listpack-entries 7")
        assert b"a parameter of one node, to be set apart" in await client.reader.readline()
        await client.ask("CONFIG SET hash-max-listpack-entries 7", "+OK")
        await client.ask("CONFIG SET hash-max-ziplist-entries 9", "+OK")
        await client.ask("CONFIG SET hash-max-listpack-entries 8", "+OK")
        limits = [door.databases.limits.hash_entries for door in nodes.doors.values()]
        assert limits == [8, 8, 8]
    async with on(nodes, "n1") as at_leader:
        await at_leader.ask("CONFIG SET maxclients 500 hash-max-listpack-entries 7", "+OK")
        assert [door.server.state.max_clients for door in nodes.doors.values()] == [500, 10_000, 10_000]
        assert [door.databases.limits.hash_entries for door in nodes.doors.values()] == [7, 7, 7]
