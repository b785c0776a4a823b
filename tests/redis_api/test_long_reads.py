"""Reads of many elements: the same answers, of one moment, in steps; and nobody waits for them."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from elastickv.errors import Fault, KvError
from elastickv.redis_api import long_reads
from elastickv.redis_api.commands import COMMANDS
from elastickv.redis_api.long_reads import STEPPING, pieces
from elastickv.redis_api.registry import Flag
from elastickv.redis_api.replies import Members, encode
from elastickv.redis_api.resp import encode_command
from elastickv.redis_api.values import database, streams
from tests.kit.eventually import eventually
from tests.kit.redis_door import Door
from tests.redis_api.test_pubsub import Client, connected

MANY = 300


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is many, and each slice ends at once."""
    monkeypatch.setattr(database, "MANY", 50)
    monkeypatch.setattr(streams, "MANY", 50)
    monkeypatch.setattr(long_reads, "SLICE_NS", 0)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with Door() as door:
        door.databases.limits.inline_bytes = 100
        yield door


@pytest.fixture
async def client(door: Door) -> AsyncIterator[Client]:
    async with connected(door.port) as client:
        yield client


async def fill(client: Client) -> None:
    numbers = range(MANY)
    commands = [
        ["SADD", "set", *(f"m{number}" for number in numbers)],
        ["SADD", "other", *(f"m{number}" for number in range(0, 2 * MANY, 2))],
        ["RPUSH", "list", *(f"{number}" * 30 for number in numbers)],
        ["HSET", "hash", *(word for number in numbers for word in (f"f{number}", f"v{number}"))],
        ["ZADD", "zset", *(word for number in numbers for word in (f"{number}", f"m{number}"))],
        ["MSET", *(word for number in numbers for word in (f"k{number}", f"{number}"))],
    ]
    for argv in commands:
        client.writer.write(encode_command([word.encode() for word in argv]))
        assert not (await client.reader.readline()).startswith(b"-")
    for number in numbers:
        client.send(f"XADD stream {number + 1}-1 f v")
        await client.reader.readline()
        await client.reader.readline()


async def ask(client: Client, command: str) -> list[bytes]:
    """The reply's lines, sorted, up to the answer of a PING behind it."""
    client.send(command, "ECHO the-end")
    wire = await client.reader.readuntil(b"$7\r\nthe-end\r\n")
    return sorted(wire.split(b"\r\n"))


COMMANDS_TO_STEP = [
    "KEYS *",
    "KEYS k1*",
    "SCAN 0 COUNT 1000",
    "HGETALL hash",
    "HKEYS hash",
    "HVALS hash",
    "SMEMBERS set",
    "SUNION set other",
    "SINTER set other",
    "SDIFF set other",
    "LRANGE list 0 -1",
    "LRANGE list 10 200",
    "LPOS list 299" + "299" * 29,
    "ZRANGE zset 0 -1 WITHSCORES",
    "ZREVRANGE zset 5 250",
    "ZRANGEBYSCORE zset 10 (290 LIMIT 2 200",
    "ZUNION 2 zset set WITHSCORES",
    "ZINTER 2 zset other",
    "XRANGE stream - +",
    "XREVRANGE stream + - COUNT 200",
    "MGET " + " ".join(f"k{number}" for number in range(0, 2 * MANY, 2)),
]


@pytest.mark.parametrize("protocol", [2, 3])
async def test_the_answers_are_those_of_one_turn(
    door: Door, client: Client, monkeypatch: pytest.MonkeyPatch, protocol: int
) -> None:
    await fill(client)
    await ask(client, f"HELLO {protocol}")
    for command in COMMANDS_TO_STEP:
        begun = door.server.router.long_reads.begun
        stepped = await ask(client, command)
        assert door.server.router.long_reads.begun == begun + 1, command
        monkeypatch.setattr(database, "MANY", 1 << 30)
        assert stepped == await ask(client, command), command
        monkeypatch.setattr(database, "MANY", 50)


def test_only_reads_step() -> None:
    assert {name for name in STEPPING if name in COMMANDS and Flag.READONLY not in COMMANDS[name].flags} == set()


async def test_wrong_types_are_told_as_ever(client: Client) -> None:
    await fill(client)
    wrong = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
    client.send("SUNION set list")
    assert await client.reader.readline() == wrong


async def test_small_reads_never_step(door: Door, client: Client) -> None:
    await fill(client)
    await ask(client, "LRANGE list 0 20")
    await ask(client, "ZRANGE zset 5 10")
    await ask(client, "KEYS k7")
    assert door.server.router.long_reads.begun == 0


async def test_it_sees_one_moment_and_others_go_on(door: Door, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(client)
    gate = asyncio.Event()

    async def wait() -> None:
        await gate.wait()

    monkeypatch.setattr(long_reads, "_others", wait)
    async with connected(door.port) as other:
        client.send("SMEMBERS set", "SCARD set", "ECHO the-end")
        await eventually(lambda: door.server.router.long_reads.begun == 1)
        other.send("SADD set new", "SREM set m1 m2 m3", "SCARD set", "FLUSHALL", "DBSIZE")
        await other.expect(f":1 :3 :{MANY - 2} +OK :0")
        gate.set()
    wire = await client.reader.readuntil(b"the-end\r\n")
    assert wire.startswith(b"*%d\r\n" % MANY)
    assert b"m1\r\n" in wire
    assert b"new\r\n" not in wire
    assert b":0\r\n" in wire  # what came behind it was executed behind it


async def test_in_a_transaction_everything_is_one_turn(door: Door, client: Client) -> None:
    await fill(client)
    client.send("MULTI", "SMEMBERS set", "SREM set m1", "SMEMBERS set", "EXEC", "ECHO the-end")
    wire = await client.reader.readuntil(b"the-end\r\n")
    assert b"*%d\r\n" % MANY in wire
    assert b"*%d\r\n" % (MANY - 1) in wire
    assert door.server.router.long_reads.begun == 0


async def test_the_reply_waits_for_what_it_has_seen(door: Door, client: Client) -> None:
    await fill(client)
    door.store.hold_reads = True
    client.send("HKEYS hash")
    await eventually(lambda: len(door.store.tickets) == 1)
    assert await client.silent()
    door.store.hold_reads = False
    door.store.tickets[0].release()
    assert await client.reader.readline() == b"*%d\r\n" % MANY


async def test_it_begins_anew_when_the_lead_was_lost(door: Door, client: Client) -> None:
    await fill(client)
    door.store.hold_reads = True
    client.send("HKEYS hash")
    await eventually(lambda: len(door.store.tickets) == 1)
    door.store.hold_reads = False
    door.store.tickets[0].fail(KvError(Fault.NOT_LEADER))
    assert await client.reader.readline() == b"*%d\r\n" % MANY
    assert door.server.router.long_reads.begun == 2


async def test_it_tells_when_it_may_not_answer(door: Door, client: Client) -> None:
    await fill(client)
    door.store.hold_reads = True
    client.send("HKEYS hash")
    await eventually(lambda: len(door.store.tickets) == 1)
    door.store.tickets[0].fail(KvError(Fault.NO_QUORUM, "nobody is there"))
    assert await client.reader.readline() == b"-CLUSTERDOWN nobody is there\r\n"


async def test_a_client_that_leaves_ends_its_read(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = 0
    close = long_reads._LongRead.close

    def count(read: long_reads._LongRead) -> None:
        nonlocal closed
        closed += 1
        close(read)

    monkeypatch.setattr(long_reads._LongRead, "close", count)
    async with connected(door.port) as client:
        await fill(client)
        door.store.hold_reads = True
        client.send("HGETALL hash")
        await eventually(lambda: door.server.router.long_reads.begun == 1)
        raw = client.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an end
        client.writer.transport.abort()
        await eventually(lambda: closed == 1)


async def test_messages_do_not_tear_a_long_reply(door: Door, client: Client) -> None:
    await fill(client)
    client.send("HELLO 3")
    await client.reader.readuntil(b"modules\r\n*0\r\n")
    await client.ask("SUBSCRIBE c", ">3 $9 subscribe $1 c :1")
    async with connected(door.port) as other:
        client.send(*["LRANGE list 0 -1"] * 10, "ECHO the-end")
        other.send(*["PUBLISH c x"] * 50)
        for _ in range(50):
            await other.reader.readline()
    wire = await client.reader.readuntil(b"the-end\r\n")
    message = b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n"
    async with asyncio.timeout(5):
        while wire.count(message) < 50:
            wire += await client.reader.read(1 << 16)
    rest = wire.replace(message, b"")
    body = b"".join(b"$%d\r\n%b\r\n" % (30 * len(str(n)), str(n).encode() * 30) for n in range(MANY))
    assert rest == (b"*%d\r\n" % MANY + body) * 10 + b"$7\r\nthe-end\r\n"


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(
    "reply",
    [
        [1, b"two", None, 3.5] * 500,
        Members([b"a", b"b"] * 500),
        {b"%d" % number: b"v" for number in range(2000)},
        [b"0", [b"key"] * 2000],
        [[b"a", 1.5]] * 1000,
        [],
        b"x",
        7,
    ],
    ids=["array", "set", "map", "scan", "pairs", "empty", "bulk", "integer"],
)
def test_pieces_make_up_the_whole(reply: object, protocol: int) -> None:
    whole = encode(reply, protocol)
    assert b"".join(pieces(reply, protocol)) == whole
