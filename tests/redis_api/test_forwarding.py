"""Two doors in one process: a follower and the leader it forwards to, with leadership in the hands of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import redis.asyncio

from elastickv.config import RedisSettings
from elastickv.errors import Fault, KvError
from elastickv.kv.ports import Leader
from elastickv.redis_api.resp import encode_command
from elastickv.redis_api.upstream import reply_end
from tests.kit.fake_redis_store import FakeStore
from tests.kit.ports import free_port
from tests.kit.redis_door import Door

RAFT = {"n1": "10.0.0.1:50051", "n2": "10.0.0.2:50051", "n3": "10.0.0.3:50051"}
DOWN = b"-CLUSTERDOWN no leader, or no majority of the members can be reached\r\n"


class Cluster:
    """n1 leads; n2 follows. n3 is there to lead later, over the same data."""

    def __init__(self, settings: RedisSettings | None = None) -> None:
        self.ports = {name: free_port() for name in RAFT}
        redis_map = {RAFT[name]: f"127.0.0.1:{port}" for name, port in self.ports.items()}
        data = FakeStore()
        self.doors: dict[str, Door] = {}
        for name in RAFT:
            store = FakeStore()
            store.engine.data = data.engine.data
            store.view.use_flushed(store.engine)
            self.doors[name] = Door(
                node_id=name, redis_map=redis_map, settings=settings, store=store, port=self.ports[name]
            )
        self.lead("n1")

    def lead(self, name: str | None) -> None:
        leader = None if name is None else Leader(name, RAFT[name])
        for one, door in self.doors.items():
            door.store.change(serving=one == name, leader=leader)
            if one == name:
                door.server.on_serving()
            else:
                door.server.on_not_serving()
            for callback in door.control.callbacks:
                callback()

    def store(self, name: str) -> FakeStore:
        return self.doors[name].store


class Peer:
    """A raw client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *commands: str) -> None:
        self.writer.write(b"".join(encode_command(one.encode().split()) for one in commands))

    async def expect(self, replies: bytes) -> None:
        got = b""
        try:
            async with asyncio.timeout(3):
                while len(got) < len(replies):
                    chunk = await self.reader.read(65536)
                    if not chunk:
                        break
                    got += chunk
        except TimeoutError:
            pass
        assert got == replies

    async def silent(self) -> bool:
        try:
            async with asyncio.timeout(0.1):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    for door in cluster.doors.values():
        await door.server.start()
    yield cluster
    for door in cluster.doors.values():
        await door.server.stop()


@pytest.fixture
async def peer(cluster: Cluster) -> AsyncIterator[Peer]:
    peer = Peer(*await asyncio.open_connection("127.0.0.1", cluster.ports["n2"]))
    yield peer
    peer.writer.close()


async def test_bursts_of_all_kinds_keep_their_order(peer: Peer) -> None:
    peer.send("SET a 1", "INCR a", "PING", "GET a", "NOPE", "GET", "ECHO x", "SET b x", "INCR b")
    await peer.expect(
        b"+OK\r\n:2\r\n+PONG\r\n$1\r\n2\r\n-ERR unknown command 'NOPE', with args beginning with: \r\n"
        b"-ERR wrong number of arguments for 'get' command\r\n$1\r\nx\r\n+OK\r\n"
        b"-ERR value is not an integer or out of range\r\n"
    )


async def test_big_pipelines_and_values(peer: Peer) -> None:
    value = "v" * 300_000
    peer.send(f"SET big {value}")
    await peer.expect(b"+OK\r\n")
    peer.send(*["GET big"] * 20)
    await peer.expect(b"$300000\r\n%b\r\n" % value.encode() * 20)
    peer.send(*[f"SET k{number} {number}" for number in range(6000)])
    await peer.expect(b"+OK\r\n" * 6000)


async def test_select_protocol_and_name_go_along(cluster: Cluster, peer: Peer) -> None:
    peer.send("SELECT 5", "SET a five", "SELECT 0", "GET a", "SELECT 5", "GET a", "CLIENT SETNAME me")
    await peer.expect(b"+OK\r\n+OK\r\n+OK\r\n$-1\r\n+OK\r\n$4\r\nfive\r\n+OK\r\n")
    peer.send("GET none")
    await peer.expect(b"$-1\r\n")
    names = [session.name for session in cluster.doors["n1"].server.hub.clients.values()]
    assert names == [b"me"]
    client = redis.asyncio.Redis(port=cluster.ports["n2"], protocol=3, db=5)
    assert await client.get("a") == b"five"
    assert await client.get("none") is None
    await client.aclose()


async def test_transactions_travel_as_one(cluster: Cluster, peer: Peer) -> None:
    peer.send("MULTI", "SET a 1", "INCR a", "EXEC", "GET a")
    await peer.expect(b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n$1\r\n2\r\n")
    peer.send("MULTI", "SET a", "EXEC")
    await peer.expect(
        b"+OK\r\n-ERR wrong number of arguments for 'set' command\r\n"
        b"-EXECABORT Transaction discarded because of previous errors.\r\n"
    )
    peer.send("MULTI", "EXEC", "EXEC", "MULTI", "DISCARD")
    await peer.expect(b"+OK\r\n*0\r\n-ERR EXEC without MULTI\r\n+OK\r\n+OK\r\n")


async def test_transactions_with_commands_of_this_node(peer: Peer) -> None:
    peer.send("MULTI", "SET a 1", "SELECT 3", "SET a three", "ECHO here", "GET a", "EXEC", "GET a")
    await peer.expect(
        b"+OK\r\n" + b"+QUEUED\r\n" * 5 + b"*5\r\n+OK\r\n+OK\r\n+OK\r\n$4\r\nhere\r\n$5\r\nthree\r\n$5\r\nthree\r\n"
    )


async def test_watch_over_the_wire(cluster: Cluster, peer: Peer) -> None:
    direct = redis.asyncio.Redis(port=cluster.ports["n1"])
    peer.send("SET k 1", "WATCH k", "MULTI", "INCR k")
    await peer.expect(b"+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n")
    await direct.set("k", 7)
    peer.send("EXEC", "WATCH k", "MULTI", "INCR k", "EXEC")
    await peer.expect(b"*-1\r\n+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n:8\r\n")
    peer.send("WATCH k", "UNWATCH")
    await peer.expect(b"+OK\r\n+OK\r\n")
    await direct.set("k", 9)
    peer.send("MULTI", "GET k", "EXEC")
    await peer.expect(b"+OK\r\n+QUEUED\r\n*1\r\n$1\r\n9\r\n")
    await direct.aclose()


async def test_a_lost_watch_makes_exec_nil(cluster: Cluster, peer: Peer) -> None:
    peer.send("SET k 1", "WATCH k", "MULTI", "INCR k")
    await peer.expect(b"+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n")
    cluster.lead("n3")
    await asyncio.sleep(0.05)
    peer.send("EXEC", "GET k")
    await peer.expect(b"*-1\r\n$1\r\n1\r\n")


async def test_what_the_former_leader_did_not_execute_goes_to_the_new_one(cluster: Cluster, peer: Peer) -> None:
    peer.send("SET a 1")
    await peer.expect(b"+OK\r\n")
    # n2 has not heard of the change yet.
    cluster.store("n1").change(serving=False, leader=None)
    peer.send("INCR a", "INCR a", "MULTI", "INCR a", "EXEC")
    assert await peer.silent()
    cluster.lead("n3")
    await peer.expect(b":2\r\n:3\r\n+OK\r\n+QUEUED\r\n*1\r\n:4\r\n")
    assert cluster.doors["n2"].server.state.stats.forward_retries >= 2


async def test_writes_that_the_leader_dropped_are_repeated(cluster: Cluster, peer: Peer) -> None:
    leader = cluster.store("n1")
    leader.hold = True
    peer.send("SET a 1", "SET b 2")
    await asyncio.sleep(0.1)
    cluster.lead("n3")
    for ticket in leader.tickets:
        ticket.fail(KvError(Fault.NOT_LEADER))
    await peer.expect(b"+OK\r\n+OK\r\n")


async def test_a_lost_leader_leaves_writes_in_doubt_and_repeats_reads(cluster: Cluster, peer: Peer) -> None:
    peer.send("SET a 1")
    await peer.expect(b"+OK\r\n")
    leader = cluster.store("n1")
    leader.hold_reads = True
    peer.send("GET a", "SET a 2", "GET a", "MULTI", "GET a", "EXEC", "MULTI", "SET c 1", "EXEC")
    await asyncio.sleep(0.1)
    for session in list(cluster.doors["n1"].server.hub.clients.values()):
        session.link.abort()
    cluster.lead("n3")
    # The fake leader had executed it before it went silent; nobody but the test can know.
    read = b"$1\r\n2\r\n"
    await peer.expect(
        read
        + b"-ERR outcome unknown: the connection to the leader was lost after the command was sent\r\n"
        + read
        + b"+OK\r\n+QUEUED\r\n*1\r\n"
        + read
        + b"+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n"
    )


async def test_without_a_leader_nothing_hangs(cluster: Cluster, peer: Peer) -> None:
    cluster.lead(None)
    peer.send("SET a 1", "PING", "GET a")
    await peer.expect(DOWN + b"+PONG\r\n" + DOWN)


async def test_a_silent_leader_is_not_waited_for_longer_than_the_timeout(cluster: Cluster, peer: Peer) -> None:
    cluster.store("n1").hold_reads = True
    peer.send("GET a", "SET a 1")
    got = b""
    async with asyncio.timeout(3):
        while got.count(b"\r\n") < 2:
            got += await peer.reader.read(65536)
    assert got.startswith(b"-CLUSTERDOWN the leader did not answer in time; nothing was changed\r\n-ERR ")
    assert b"outcome unknown" in got


async def test_the_follower_becomes_the_leader(cluster: Cluster, peer: Peer) -> None:
    peer.send("SET a 1")
    await peer.expect(b"+OK\r\n")
    cluster.lead("n2")
    peer.send("INCR a")
    await peer.expect(b":2\r\n")
    cluster.lead("n1")
    peer.send("INCR a")
    await peer.expect(b":3\r\n")


async def test_an_address_that_the_map_lacks_is_named(cluster: Cluster, peer: Peer) -> None:
    cluster.store("n1").change(serving=False, leader=None)
    cluster.store("n2").change(serving=False, leader=Leader("n9", "10.0.0.9:50051"))
    peer.send("GET a", "PING")
    await peer.expect(
        b"-ERR the leader is 10.0.0.9:50051, and --raftRedisMap does not say where its Redis door is: "
        b"add 10.0.0.9:50051=host:port to it on this node\r\n+PONG\r\n"
    )


@pytest.mark.parametrize(
    ("part", "cut"),
    [
        (b"", False),
        (b"$1\r\na\r\n", False),
        (b"-NOTL", False),
        (b"*2\r\n$1\r\na\r\n", True),
        (b"*2\r\n", True),
        (b"$5\r\nab", True),
        (b"$5\r\n", True),
        (b"+O", True),
        (b"*1\r\n-NOTL", True),
        (b"$9\r\n\r\n-NOTL", True),
    ],
)
async def test_half_a_reply_ends_the_connection(cluster: Cluster, peer: Peer, part: bytes, cut: bool) -> None:
    asked = asyncio.Event()

    async def die_half_way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"+OK\r\n")
        await reader.read(1000)
        asked.set()
        writer.write(part)
        await asyncio.sleep(0.05)
        writer.close()

    port = free_port()
    broken = await asyncio.start_server(die_half_way, "127.0.0.1", port)
    address = {RAFT["n1"]: f"127.0.0.1:{port}", RAFT["n3"]: f"127.0.0.1:{cluster.ports['n3']}"}
    state = cluster.doors["n2"].server.state
    state.facts = replace(state.facts, redis_map=address)
    peer.send("GET a", "GET b")
    await asked.wait()
    cluster.lead("n3")
    got = b""
    async with asyncio.timeout(3):
        while got.count(b"$-1\r\n") + got.count(b"$1\r\n") < 2:
            chunk = await peer.reader.read(1000)
            if not chunk:
                break
            got += chunk
    if cut:
        assert got == part.removesuffix(b"-NOTL")
    else:
        assert got == part.removesuffix(b"-NOTL") + b"$-1\r\n" * (2 - part.count(b"$1\r\n"))
    broken.close()
    await broken.wait_closed()


async def test_forwarded_sessions_need_the_password() -> None:
    cluster = Cluster(replace(RedisSettings(), require_pass="secret"))
    for door in cluster.doors.values():
        await door.server.start()
    client = redis.asyncio.Redis(port=cluster.ports["n2"], password="secret")
    assert await client.set("a", 1)
    assert await client.get("a") == b"1"
    await client.aclose()
    for door in cluster.doors.values():
        await door.server.stop()


async def test_client_reply_off(peer: Peer) -> None:
    peer.send("CLIENT REPLY OFF", "SET a 1", "CLIENT REPLY ON", "CLIENT REPLY SKIP", "SET a 2", "GET a")
    await peer.expect(b"+OK\r\n$1\r\n2\r\n")


@pytest.mark.parametrize(
    "value",
    [
        b"+OK\r\n",
        b":1\r\n",
        b"$-1\r\n",
        b"$3\r\na\r\n\r\n",
        b"*2\r\n*1\r\n:1\r\n$0\r\n\r\n",
        b"%1\r\n+a\r\n*0\r\n",
        b"_\r\n",
        b"=5\r\ntxt:a\r\n",
        b"*-1\r\n",
        b"~1\r\n#t\r\n",
        b",1.5\r\n",
    ],
)
def test_the_end_of_a_reply(value: bytes) -> None:
    assert reply_end(b"xx" + value + b"$1\r\na\r\n", 2) == 2 + len(value)
