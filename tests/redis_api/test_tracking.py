"""CLIENT TRACKING: as Redis on one node, and through followers without a stale copy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.kit.eventually import eventually
from tests.kit.redis_door import Door
from tests.kit.redis_reference import RedisReference, exchange
from tests.redis_api.test_pubsub import Client, Nodes, connected, on


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with Door() as door:
        yield door


SAME_AS_REDIS = [
    b"CLIENT TRACKING\r\nCLIENT TRACKING maybe\r\nCLIENT TRACKING ON FOO\r\nCLIENT TRACKING ON REDIRECT\r\n",
    b"CLIENT TRACKING ON REDIRECT 99999\r\nCLIENT TRACKING ON REDIRECT x\r\nCLIENT TRACKING ON PREFIX a\r\n",
    b"CLIENT TRACKING ON BCAST OPTIN\r\nCLIENT TRACKING ON OPTIN OPTOUT\r\n",
    b"CLIENT TRACKING ON BCAST PREFIX a PREFIX ab\r\nCLIENT TRACKINGINFO\r\n",
    b"CLIENT TRACKING ON BCAST PREFIX a\r\nCLIENT TRACKING ON BCAST PREFIX ab\r\nCLIENT TRACKINGINFO\r\n",
    b"CLIENT TRACKING ON BCAST\r\nCLIENT TRACKING ON\r\nCLIENT TRACKINGINFO\r\n",
    b"CLIENT TRACKING ON OPTIN NOLOOP\r\nCLIENT TRACKING ON OPTOUT\r\nCLIENT CACHING NO\r\nCLIENT CACHING MAYBE\r\n",
    b"CLIENT CACHING YES\r\nCLIENT TRACKING ON OPTOUT\r\nCLIENT CACHING YES\r\nCLIENT CACHING NO\r\nCLIENT ID x\r\n",
    b"CLIENT TRACKING ON OPTIN\r\nCLIENT CACHING YES\r\nCLIENT TRACKINGINFO\r\nGET a\r\nCLIENT TRACKINGINFO\r\n",
    b"CLIENT GETREDIR\r\nCLIENT TRACKING ON\r\nCLIENT GETREDIR\r\nCLIENT TRACKING OFF\r\nCLIENT TRACKINGINFO\r\n",
]


@pytest.mark.parametrize("stream", SAME_AS_REDIS, ids=lambda stream: stream[:40].decode())
async def test_same_input_same_output(door: Door, redis_reference: RedisReference, stream: bytes) -> None:
    expected = await asyncio.to_thread(redis_reference.raw, stream, idle_seconds=0.15)
    got = await asyncio.to_thread(exchange, "127.0.0.1", door.port, stream, idle_seconds=0.15)
    assert got.split(b"\r\n") == expected.split(b"\r\n")


async def resp3(client: Client) -> None:
    client.send("HELLO 3")
    await client.reader.readuntil(b"modules\r\n*0\r\n")


async def test_default_mode_tells_once(door: Door) -> None:
    async with connected(door.port) as client, connected(door.port) as other:
        await resp3(client)
        await client.ask("CLIENT TRACKING ON", "+OK")
        await other.ask("MSET a 1 b 1", "+OK")
        assert await client.silent()
        await client.ask("GET a", "$1 1")
        await other.ask("SET b 2", "+OK")
        await other.ask("SET a 2", "+OK")
        await other.ask("SET a 3", "+OK")
        await client.expect(">2 $10 invalidate *1 $1 a")
        assert await client.silent()
        await client.ask("EXISTS a", ":1")
        await other.ask("DEL a", ":1")
        await client.expect(">2 $10 invalidate *1 $1 a")
        client.send("MULTI", "GET b", "EXEC")
        await client.expect("+OK +QUEUED *1 $1 2")
        await other.ask("FLUSHALL", "+OK")
        await client.expect(">2 $10 invalidate _")
        await client.ask("CLIENT TRACKING OFF", "+OK")
        await client.ask("GET a", "_")
        await other.ask("SET a 1", "+OK")
        assert await client.silent()
        assert door.databases.listener is None


async def test_optin_optout_noloop_and_broadcast(door: Door) -> None:
    async with connected(door.port) as client, connected(door.port) as other:
        await resp3(client)
        await client.ask("CLIENT TRACKING ON OPTIN", "+OK")
        await client.ask("GET a", "_")
        await client.ask("CLIENT CACHING YES", "+OK")
        await client.ask("GET b", "_")
        await client.ask("GET c", "_")
        for key in "abc":
            await other.ask(f"SET {key} 1", "+OK")
        await client.expect(">2 $10 invalidate *1 $1 b")
        assert await client.silent()
        await client.ask("CLIENT TRACKING OFF", "+OK")
        await client.ask("CLIENT TRACKING ON NOLOOP", "+OK")
        await client.ask("GET a", "$1 1")
        await client.ask("SET a 2", "+OK")
        await client.ask("GET b", "$1 1")
        await other.ask("SET b 2", "+OK")
        await client.expect(">2 $10 invalidate *1 $1 b")
        await client.ask("CLIENT TRACKING OFF", "+OK")
        await client.ask("CLIENT TRACKING ON BCAST PREFIX x: PREFIX y:", "+OK")
        for key in ("x:1", "z:1", "y:1", "x:1"):
            await other.ask(f"SET {key} 1", "+OK")
        for key in ("x:1", "y:1", "x:1"):
            await client.expect(f">2 $10 invalidate *1 $3 {key}")
        await other.ask("MSET x:1 1 y:1 1 z:1 1 x:2 1 x:1 2", "+OK")
        await client.expect(">2 $10 invalidate *2 $3 x:1 $3 x:2")
        await client.expect(">2 $10 invalidate *1 $3 y:1")
        assert await client.silent()


WRITES_ONLY = "EVAL redis.call('set','x','1') 2 a b"
READS_OTHERS = "EVAL redis.call('get','x') 2 a b"


async def test_a_script_that_reads_may_have_read_all_its_keys(door: Door) -> None:
    async with connected(door.port) as client, connected(door.port) as other:
        await resp3(client)
        await client.ask("CLIENT TRACKING ON", "+OK")
        await client.ask(WRITES_ONLY, "_")
        await client.ask("EVAL_RO redis.call('ping') 2 a b", "_")
        await other.ask("MSET a 1 b 1", "+OK")
        assert await client.silent()
        for script in (READS_OTHERS, READS_OTHERS.replace("EVAL", "EVAL_RO")):
            await client.ask(script, "_")
            await other.ask("MSET b 2 a 2", "+OK")
            await client.expect(">2 $10 invalidate *1 $1 b >2 $10 invalidate *1 $1 a")


async def test_redirected_to_a_subscriber_of_the_old_protocol(door: Door) -> None:
    async with connected(door.port) as client, connected(door.port) as other, connected(door.port) as listener:
        listener.send("CLIENT ID")
        number = int((await listener.reader.readline())[1:])
        await listener.ask("SUBSCRIBE __redis__:invalidate", "*3 $9 subscribe $20 __redis__:invalidate :1")
        await client.ask(f"CLIENT TRACKING ON REDIRECT {number}", "+OK")
        await client.ask("CLIENT GETREDIR", f":{number}")
        await client.ask("GET a", "$-1")
        await other.ask("SET a 1", "+OK")
        await listener.expect("*3 $7 message $20 __redis__:invalidate *1 $1 a")
        await other.ask("FLUSHDB", "+OK")
        await listener.expect("*3 $7 message $20 __redis__:invalidate *-1")
        listener.writer.close()
        await eventually(lambda: number not in door.server.hub.clients)
        await resp3(client)
        await client.ask("GET a", "_")
        await other.ask("SET a 1", "+OK")
        await client.expect(f">2 $21 tracking-redir-broken :{number}")


async def test_the_table_of_keys_is_bounded(door: Door) -> None:
    async with connected(door.port) as client:
        await client.ask("CONFIG SET tracking-table-max-keys 10", "+OK")
        await resp3(client)
        await client.ask("CLIENT TRACKING ON", "+OK")
        for number in range(12):
            client.send(f"GET k{number}")
        wire = await client.reader.readuntil(b"k1\r\n")
        assert wire.count(b"invalidate") == 2
        assert len(door.server.state.tracking.keys) == 10


async def test_a_lower_bound_holds_at_once(door: Door) -> None:
    async with connected(door.port) as client, connected(door.port) as other:
        await resp3(client)
        await client.ask("CLIENT TRACKING ON", "+OK")
        await client.ask("MGET a b", "*2 _ _")
        await other.ask("CONFIG SET tracking-table-max-keys 1", "+OK")
        await client.expect(">2 $10 invalidate *1 $1 a")


@pytest.fixture
async def nodes() -> AsyncIterator[Nodes]:
    nodes = Nodes()
    await nodes.start()
    yield nodes
    await nodes.stop()


async def test_through_a_follower(nodes: Nodes) -> None:
    async with on(nodes, "n2") as client, on(nodes, "n3") as other, on(nodes, "n1") as at_leader:
        await resp3(client)
        await client.ask("CLIENT TRACKING ON", "+OK")
        for writer in (other, at_leader):
            await client.ask("GET a", "_")
            await writer.ask("SET a 1", "+OK")
            await client.expect(">2 $10 invalidate *1 $1 a")
            await writer.ask("DEL a", ":1")
        client.send("MULTI", "GET a", "EXEC")
        await client.expect("+OK +QUEUED *1 _")
        await other.ask("SET a 1", "+OK")
        await client.expect(">2 $10 invalidate *1 $1 a")
        await client.ask("GET a", "$1 1")
        nodes.lead("n3")
        await client.expect(">2 $10 invalidate _")  # the former leader may not have told all
        await client.ask("GET a", "$1 1")
        await at_leader.ask("SET a 2", "+OK")
        await client.expect(">2 $10 invalidate *1 $1 a")


async def test_a_script_through_a_follower(nodes: Nodes) -> None:
    async with on(nodes, "n2") as client, on(nodes, "n1") as other:
        await resp3(client)
        await client.ask("CLIENT TRACKING ON", "+OK")
        await client.ask(READS_OTHERS, "_")
        await other.ask("SET a 2", "+OK")
        await client.expect(">2 $10 invalidate *1 $1 a")


async def test_noloop_knows_the_client_behind_another_node(nodes: Nodes) -> None:
    async with on(nodes, "n2") as client, on(nodes, "n2") as other:
        await resp3(client)
        await client.ask("CLIENT TRACKING ON NOLOOP", "+OK")
        await client.ask("GET a", "_")
        await client.ask("SET a 1", "+OK")
        assert await client.silent()
        await client.ask("GET a", "$1 1")
        await other.ask("SET a 2", "+OK")
        await client.expect(">2 $10 invalidate *1 $1 a")


async def test_word_of_a_change_does_not_overtake_the_reply(nodes: Nodes) -> None:
    async with on(nodes, "n2") as client, on(nodes, "n1") as writer:
        await resp3(client)
        await client.ask("CLIENT TRACKING ON", "+OK")
        await writer.ask("SET a old", "+OK")
        store = nodes.doors["n1"].store
        store.hold_reads = True
        client.send("GET a")
        await eventually(lambda: bool(store.tickets))
        store.hold_reads = False
        await writer.ask("SET a new", "+OK")
        assert await client.silent()
        store.tickets[0].release()
        await client.expect("$3 old >2 $10 invalidate *1 $1 a")
