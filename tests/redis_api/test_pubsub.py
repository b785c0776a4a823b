"""Pub/Sub on one node, answer by answer as Redis, and between the doors of several nodes."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import redis.asyncio

from elastickv.config import OutputLimits, RedisSettings
from elastickv.config.kinds import OutputLimit
from elastickv.errors import Fault, KvError
from elastickv.kv.ports import Leader
from elastickv.redis_api.pubsub import Kind
from elastickv.redis_api.resp import encode_command
from tests.kit.eventually import eventually
from tests.kit.ports import free_port
from tests.kit.redis_door import Door
from tests.kit.redis_reference import RedisReference, exchange


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *commands: str) -> None:
        self.writer.write(b"".join(encode_command(one.encode().split()) for one in commands))

    async def expect(self, wire: str) -> None:
        """`wire`: what must come, with blanks for the line ends."""
        wanted = wire.encode().replace(b" ", b"\r\n") + b"\r\n"
        got = b""
        try:
            async with asyncio.timeout(3):
                while len(got) < len(wanted):
                    chunk = await self.reader.read(len(wanted) - len(got))
                    if not chunk:
                        break
                    got += chunk
        except TimeoutError:
            pass
        assert got == wanted

    async def ask(self, command: str, wire: str) -> None:
        self.send(command)
        await self.expect(wire)

    async def silent(self) -> bool:
        try:
            async with asyncio.timeout(0.1):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with Door() as door:
        yield door


@pytest.fixture
async def client(door: Door) -> AsyncIterator[Client]:
    async with connected(door.port) as client:
        yield client


@pytest.fixture
async def other(door: Door) -> AsyncIterator[Client]:
    async with connected(door.port) as client:
        yield client


SAME_AS_REDIS = [
    b"SUBSCRIBE a b a\r\nPING\r\nPING x\r\nGET a\r\nUNSUBSCRIBE b\r\nUNSUBSCRIBE nope\r\nUNSUBSCRIBE\r\nPING\r\n",
    b"PSUBSCRIBE a* b\r\nSUBSCRIBE abc\r\nPUBLISH abc x\r\nPUNSUBSCRIBE\r\nPUNSUBSCRIBE\r\nUNSUBSCRIBE\r\nPING\r\n",
    b"SSUBSCRIBE s\r\nSUBSCRIBE c\r\nSUNSUBSCRIBE\r\nSUNSUBSCRIBE x\r\nRESET\r\nPING\r\n",
    b"SUBSCRIBE\r\nPUBLISH a\r\nPUBSUB\r\nPUBSUB NOPE\r\nPUBSUB NUMPAT x\r\nPUBSUB NUMSUB\r\n",
    b"PUBSUB NUMSUB a b\r\nPUBSUB CHANNELS\r\nPUBSUB SHARDCHANNELS x*\r\nPUBSUB SHARDNUMSUB q\r\nPUBSUB NUMPAT\r\n",
    b"SUBSCRIBE a\r\nMULTI\r\nEXEC\r\nCLIENT ID\r\nPUBSUB CHANNELS\r\nSET a b\r\nSET\r\nNOPE\r\nQUIT\r\n",
    b"MULTI\r\nPUBLISH a b\r\nSUBSCRIBE x\r\nEXEC\r\nUNSUBSCRIBE\r\nPUBLISH a b\r\n",
    b"MULTI\r\nSPUBLISH a b\r\nPUBLISH\r\nEXEC\r\n",
]


@pytest.mark.parametrize("stream", SAME_AS_REDIS, ids=lambda stream: stream[:24].decode())
async def test_same_input_same_output(door: Door, redis_reference: RedisReference, stream: bytes) -> None:
    expected = await asyncio.to_thread(redis_reference.raw, stream, idle_seconds=0.15)
    got = await asyncio.to_thread(exchange, "127.0.0.1", door.port, stream, idle_seconds=0.15)
    assert got.split(b"\r\n") == expected.split(b"\r\n")


async def test_messages_reach_channels_patterns_and_shards(client: Client, other: Client) -> None:
    await client.ask("SUBSCRIBE news", "*3 $9 subscribe $4 news :1")
    await client.ask("PSUBSCRIBE n*s", "*3 $10 psubscribe $3 n*s :2")
    await client.ask("SSUBSCRIBE news", "*3 $10 ssubscribe $4 news :1")
    await other.ask("PUBLISH news hi", ":2")
    await client.expect("*3 $7 message $4 news $2 hi *4 $8 pmessage $3 n*s $4 news $2 hi")
    await other.ask("SPUBLISH news ho", ":1")
    await client.expect("*3 $8 smessage $4 news $2 ho")
    await other.ask("PUBSUB CHANNELS", "*1 $4 news")
    await other.ask("PUBSUB NUMSUB news x", "*4 $4 news :1 $1 x :0")
    await other.ask("PUBSUB NUMPAT", ":1")
    await other.ask("PUBSUB SHARDCHANNELS n*", "*1 $4 news")
    await other.ask("PUBSUB SHARDNUMSUB news", "*2 $4 news :1")
    client.writer.close()
    await client.writer.wait_closed()
    other.send("PING")
    await other.expect("+PONG")
    await other.ask("PUBLISH news hi", ":0")


async def test_resp3_clients_go_on_and_get_pushes(client: Client, other: Client) -> None:
    client.send("HELLO 3 SETNAME me")
    await client.reader.readuntil(b"modules\r\n*0\r\n")
    await client.ask("SUBSCRIBE c", ">3 $9 subscribe $1 c :1")
    await client.ask("SET k v", "+OK")
    await client.ask("PUBLISH c self", ":1 >3 $7 message $1 c $4 self")
    await client.ask("PING", "+PONG")
    await other.ask("PUBLISH c x", ":1")
    await client.expect(">3 $7 message $1 c $1 x")


async def test_a_message_waits_for_the_commit_of_its_transaction(door: Door, client: Client, other: Client) -> None:
    await client.ask("SUBSCRIBE c", "*3 $9 subscribe $1 c :1")
    door.store.hold = True
    other.send("MULTI", "SET a 1", "PUBLISH c first", "EXEC", "PUBLISH c second")
    await eventually(lambda: bool(door.store.tickets))
    assert await client.silent()
    door.store.tickets[0].release()
    await client.expect("*3 $7 message $1 c $5 first *3 $7 message $1 c $6 second")


async def test_a_publisher_that_leaves_is_heard_all_the_same(door: Door, client: Client, other: Client) -> None:
    await client.ask("SUBSCRIBE c", "*3 $9 subscribe $1 c :1")
    door.store.hold = True
    await other.ask("MULTI", "+OK")
    other.send("SET a 1", "PUBLISH c x", "EXEC")
    await eventually(lambda: bool(door.store.tickets))
    raw = other.writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an end
    other.writer.transport.abort()
    await eventually(lambda: len(door.server.hub.clients) == 1)
    door.store.tickets[0].release()
    await client.expect("*3 $7 message $1 c $1 x")


async def test_what_is_executed_again_is_published_once(door: Door, client: Client, other: Client) -> None:
    await client.ask("SUBSCRIBE c", "*3 $9 subscribe $1 c :1")
    door.store.hold = True
    other.send("MULTI", "SET a 1", "PUBLISH c x")
    await other.expect("+OK +QUEUED +QUEUED")
    other.send("EXEC")
    await eventually(lambda: bool(door.store.tickets))
    door.store.hold = False
    door.store.tickets[0].fail(KvError(Fault.NOT_LEADER))
    await other.expect("*2 +OK :1")
    await client.expect("*3 $7 message $1 c $1 x")
    assert await client.silent()


async def test_nothing_is_published_for_what_was_lost(door: Door, client: Client, other: Client) -> None:
    await client.ask("SUBSCRIBE c", "*3 $9 subscribe $1 c :1")
    door.store.hold = True
    await other.ask("MULTI", "+OK")
    other.send("SET a 1", "PUBLISH c x", "EXEC")
    await eventually(lambda: bool(door.store.tickets))
    door.store.tickets[0].fail(KvError(Fault.OUTCOME_UNKNOWN))
    assert await client.silent()


async def test_a_subscriber_that_does_not_read_is_cut_off() -> None:
    limits = replace(OutputLimits(), pubsub=OutputLimit(1 << 20, 0, 0))
    async with (
        Door(settings=RedisSettings(client_output_buffer_limit=limits)) as door,
        connected(door.port) as client,
        connected(door.port) as other,
    ):
        await client.ask("SUBSCRIBE c", "*3 $9 subscribe $1 c :1")
        stats = door.server.state.stats
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(200):
            other.send("PUBLISH c " + "x" * 100_000)
            await other.reader.readline()
            if stats.output_limit_disconnections:
                break
        assert stats.output_limit_disconnections == 1
        await other.ask("PUBLISH c x", ":0")


async def test_client_list_knows_subscribers(client: Client, other: Client) -> None:
    await client.ask("SUBSCRIBE c", "*3 $9 subscribe $1 c :1")
    await client.ask("PSUBSCRIBE p", "*3 $10 psubscribe $1 p :2")
    other.send("CLIENT LIST TYPE pubsub")
    line = (await other.reader.readuntil(b"\n\r\n")).decode()
    assert " flags=P " in line
    assert " sub=1 psub=1 ssub=0 " in line
    assert line.count("id=") == 1


# ---- several nodes --------------------------------------------------------------------------------------------------

RAFT = {"n1": "10.0.0.1:50051", "n2": "10.0.0.2:50051", "n3": "10.0.0.3:50051"}


class Nodes:
    """Three doors that know each other; n1 leads."""

    def __init__(self, settings: RedisSettings | None = None) -> None:
        self.ports = {name: free_port() for name in RAFT}
        redis_map = {RAFT[name]: f"127.0.0.1:{port}" for name, port in self.ports.items()}
        self.doors: dict[str, Door] = {}
        for name, port in self.ports.items():
            self.doors[name] = Door(node_id=name, redis_map=redis_map, settings=settings, port=port)
        stores = [door.store for door in self.doors.values()]
        for store in stores:
            store.engine.data = stores[0].engine.data
            store.view.use_flushed(store.engine)
            store.followers = [other for other in stores if other is not store]
        self.lead("n1")

    def lead(self, name: str) -> None:
        for one, door in self.doors.items():
            serving = one == name
            door.store.change(serving=serving, leader=Leader(name, RAFT[name]))
            if serving:
                door.server.on_serving()
            else:
                door.server.on_not_serving()
            for callback in door.control.callbacks:
                callback()

    async def start(self) -> None:
        for door in self.doors.values():
            await door.server.start()
        await eventually(lambda: all(len(door.server.state.pubsub.routes) == 2 for door in self.doors.values()))

    async def stop(self, *names: str) -> None:
        for name in names or list(self.doors):
            await self.doors.pop(name).server.stop()


@pytest.fixture(params=["", "secret"])
async def nodes(request: pytest.FixtureRequest) -> AsyncIterator[Nodes]:
    nodes = Nodes(RedisSettings(require_pass=request.param))
    await nodes.start()
    yield nodes
    await nodes.stop()


@asynccontextmanager
async def on(nodes: Nodes, name: str) -> AsyncIterator[Client]:
    async with connected(nodes.ports[name]) as client:
        if nodes.doors[name].server.state.require_pass:
            await client.ask("AUTH secret", "+OK")
        yield client


@pytest.mark.parametrize("publisher", ["n1", "n2", "n3"])
async def test_a_message_from_any_node_reaches_all(nodes: Nodes, publisher: str) -> None:
    async with (
        on(nodes, "n1") as first,
        on(nodes, "n2") as second,
        on(nodes, "n3") as third,
        on(nodes, publisher) as me,
    ):
        for client in (first, second):
            await client.ask("SUBSCRIBE c", "*3 $9 subscribe $1 c :1")
        await third.ask("PSUBSCRIBE *", "*3 $10 psubscribe $1 * :1")
        me.send(*[f"PUBLISH c {number}" for number in range(200)])
        for _ in range(200):
            assert await me.reader.readline() == b":3\r\n"
        for number in range(200):
            text = f"${len(str(number))} {number}"
            await first.expect(f"*3 $7 message $1 c {text}")
            await second.expect(f"*3 $7 message $1 c {text}")
            await third.expect(f"*4 $8 pmessage $1 * $1 c {text}")
        await me.ask("PUBSUB NUMSUB c", "*2 $1 c :2")
        await me.ask("PUBSUB NUMPAT", ":1")
        await me.ask("PUBSUB CHANNELS", "*1 $1 c")


async def test_a_confirmed_subscription_is_known_everywhere(nodes: Nodes) -> None:
    async with on(nodes, "n2") as subscriber, on(nodes, "n3") as publisher:
        for number in range(50):
            subscriber.send(f"SUBSCRIBE c{number}")
            await subscriber.reader.readuntil(b":%d\r\n" % (number + 1))
            await publisher.ask(f"PUBLISH c{number} x", ":1")
            channel = f"c{number}"
            await subscriber.expect(f"*3 $7 message ${len(channel)} {channel} $1 x")
        subscriber.send("UNSUBSCRIBE")
        await subscriber.reader.readuntil(b":0\r\n")
    await eventually(lambda: not nodes.doors["n3"].server.state.pubsub.counts(Kind.CHANNEL))


async def test_a_transaction_of_a_follower_publishes(nodes: Nodes) -> None:
    async with on(nodes, "n1") as subscriber, on(nodes, "n2") as publisher:
        await subscriber.ask("SUBSCRIBE c", "*3 $9 subscribe $1 c :1")
        publisher.send("MULTI", "SET a 1", "PUBLISH c x", "EXEC")
        await publisher.expect("+OK +QUEUED +QUEUED *2 +OK :1")
        await subscriber.expect("*3 $7 message $1 c $1 x")


async def test_pushes_do_not_tear_replies_of_the_leader(nodes: Nodes) -> None:
    async with on(nodes, "n2") as client, on(nodes, "n1") as publisher:
        client.send("HELLO 3")
        await client.reader.readuntil(b"modules\r\n*0\r\n")
        await client.ask("SUBSCRIBE c", ">3 $9 subscribe $1 c :1")
        value = "v" * 400_000
        await client.ask(f"SET big {value}", "+OK")
        client.send(*["GET big"] * 20)
        publisher.send(*["PUBLISH c x"] * 300)
        wire = b""
        message, reply = b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n", b"$400000\r\n%b\r\n" % value.encode()
        async with asyncio.timeout(10):
            while len(wire) < 300 * len(message) + 20 * len(reply):
                wire += await client.reader.read(1 << 20)
        assert wire.replace(reply, b"").count(message) == 300
        assert not wire.replace(message, b"").replace(reply, b"")


async def test_a_node_that_is_gone_blocks_nobody_and_counts_no_more(nodes: Nodes) -> None:
    async with on(nodes, "n1") as publisher, on(nodes, "n2") as subscriber:
        async with on(nodes, "n3") as third:
            await third.ask("SUBSCRIBE c", "*3 $9 subscribe $1 c :1")
            await subscriber.ask("SUBSCRIBE c", "*3 $9 subscribe $1 c :1")
            await publisher.ask("PUBLISH c x", ":2")
            await nodes.stop("n3")
        await eventually(lambda: "n3" not in nodes.doors["n1"].server.state.pubsub.interests)
        await publisher.ask("PUBLISH c y", ":1")
        await subscriber.expect("*3 $7 message $1 c $1 x *3 $7 message $1 c $1 y")
        await subscriber.ask("SUBSCRIBE d", "*3 $9 subscribe $1 d :2")


async def test_a_node_that_returns_learns_what_is_subscribed(nodes: Nodes) -> None:
    async with on(nodes, "n2") as subscriber:
        await subscriber.ask("SUBSCRIBE c", "*3 $9 subscribe $1 c :1")
        gone = nodes.doors["n3"]
        await nodes.stop("n3")
        again = Door(
            node_id="n3",
            redis_map=gone.server.state.facts.redis_map,
            settings=gone.server.state.settings,
            port=nodes.ports["n3"],
        )
        nodes.doors["n3"] = again
        await again.server.start()
        await eventually(lambda: again.server.state.pubsub.receivers(Kind.CHANNEL, b"c") == 1)
        async with on(nodes, "n3") as publisher:
            await publisher.ask("PUBLISH c back", ":1")
        await subscriber.expect("*3 $7 message $1 c $4 back")


async def test_redis_py_listens(nodes: Nodes) -> None:
    password = nodes.doors["n1"].server.state.require_pass.decode() or None
    client = redis.asyncio.Redis(port=nodes.ports["n2"], password=password, protocol=3)
    publisher = redis.asyncio.Redis(port=nodes.ports["n3"], password=password)
    pubsub = client.pubsub()
    await pubsub.subscribe("c")
    await pubsub.get_message(timeout=1)
    assert await publisher.publish("c", "hello") == 1
    message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=1)
    assert message is not None
    assert message["data"] == b"hello"
    await pubsub.aclose()  # type: ignore[no-untyped-call]
    await client.aclose()
    await publisher.aclose()


async def test_a_stranger_without_the_password_is_no_node() -> None:
    async with Door(settings=RedisSettings(require_pass="secret")) as door, connected(door.port) as stranger:
        stranger.send("ELASTICKV.PEER n9 wrong")
        assert (await stranger.reader.readline()).startswith(b"-WRONGPASS")
        assert not door.server.state.pubsub.interests
