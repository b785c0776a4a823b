"""Blocking commands through a follower: they wait at the leader, and every way to end them is passed on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.kit.eventually import eventually
from tests.redis_api.test_forwarding import Cluster, Peer

POPPED = b"*2\r\n$1\r\nk\r\n$1\r\nx\r\n"
STEPPED_DOWN = b"-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n"


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    for door in cluster.doors.values():
        await door.server.start()
    yield cluster
    for door in cluster.doors.values():
        await door.server.stop()


async def connect(cluster: Cluster, node: str) -> Peer:
    return Peer(*await asyncio.open_connection("127.0.0.1", cluster.ports[node]))


@pytest.fixture
async def peer(cluster: Cluster) -> AsyncIterator[Peer]:
    peer = await connect(cluster, "n2")
    yield peer
    peer.writer.close()


@pytest.fixture
async def other(cluster: Cluster) -> AsyncIterator[Peer]:
    other = await connect(cluster, "n1")
    yield other
    other.writer.close()


@pytest.fixture
async def admin(cluster: Cluster) -> AsyncIterator[Peer]:
    """Another client of the follower."""
    admin = await connect(cluster, "n2")
    yield admin
    admin.writer.close()


async def waits(cluster: Cluster, count: int = 1) -> None:
    blocking = cluster.doors["n1"].server.hub.blocking
    await eventually(lambda: len(blocking) == count)


async def test_longer_than_the_request_timeout(cluster: Cluster, peer: Peer, other: Peer) -> None:
    peer.send("BLPOP k 0", "PING", "GET a")
    await waits(cluster)
    await asyncio.sleep(1.5)
    assert await peer.silent()
    other.send("SET a 1", "LPUSH k x")
    await peer.expect(POPPED + b"+PONG\r\n$1\r\n1\r\n")


async def test_nobody_looks_at_those_who_rest(cluster: Cluster, peer: Peer) -> None:
    peer.send("BLPOP k 0")
    await waits(cluster)
    hub = cluster.doors["n2"].server.hub
    await eventually(lambda: not hub.waiting and len(hub.resting) == 1)


async def test_a_client_that_goes_leaves_the_line(cluster: Cluster, peer: Peer, other: Peer) -> None:
    peer.send("BLPOP k 0")
    await waits(cluster)
    peer.writer.close()
    await waits(cluster, 0)
    other.send("LPUSH k x", "LLEN k")
    await other.expect(b":1\r\n:1\r\n")


async def test_client_unblock_on_the_node_of_the_client(cluster: Cluster, peer: Peer, admin: Peer) -> None:
    peer.send("CLIENT SETNAME me")
    await peer.expect(b"+OK\r\n")
    [id] = [one.id for one in cluster.doors["n2"].server.hub.clients.values() if one.name == b"me"]
    for how, reply in (("", b"*-1\r\n"), (" ERROR", b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n")):
        peer.send("BLPOP k 0")
        await waits(cluster)
        assert cluster.doors["n2"].server.hub.clients[id].link.waits_at_leader
        admin.send(f"CLIENT UNBLOCK {id}{how}")
        await admin.expect(b":1\r\n")
        await peer.expect(reply)
    admin.send(f"CLIENT UNBLOCK {id}")
    await admin.expect(b":0\r\n")
    peer.send("GET a")
    await peer.expect(b"$-1\r\n")


@pytest.mark.parametrize(
    ("how", "reply"),
    [("TIMEOUT", b"*-1\r\n"), ("ERROR", b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n")],
)
async def test_an_unblock_in_one_read_with_the_command_that_waits(
    cluster: Cluster, other: Peer, how: str, reply: bytes
) -> None:
    """A leader that was busy reads both at once."""
    other.send("ELASTICKV.SESSION n2 0 2 name 0 default o")
    await other.expect(b"+OK\r\n")
    other.send("SET a 1", "BLPOP k 0", f"ELASTICKV.UNBLOCK {how}", "GET a")
    await other.expect(b"+OK\r\n" + reply + b"$1\r\n1\r\n")
    other.send(f"ELASTICKV.UNBLOCK {how}", "BLPOP k 0")
    await waits(cluster)
    assert await other.silent()


async def test_client_unblock_on_the_leader(cluster: Cluster, peer: Peer, other: Peer) -> None:
    peer.send("BLPOP k 0")
    await waits(cluster)
    [session] = [one for one in cluster.doors["n1"].server.hub.clients.values() if one.forwarded_from]
    other.send(f"CLIENT UNBLOCK {session.id}")
    await other.expect(b":1\r\n")
    await peer.expect(b"*-1\r\n")


async def test_a_leader_that_steps_down(cluster: Cluster, peer: Peer) -> None:
    peer.send("BLPOP k 0")
    await waits(cluster)
    cluster.lead("n3")
    await peer.expect(STEPPED_DOWN)
    peer.send("RPUSH k x", "BLPOP k 0")
    await peer.expect(b":1\r\n" + POPPED)


@pytest.mark.parametrize("command", ["BLPOP k 0", "XREAD BLOCK 0 STREAMS k $"])
async def test_when_the_leader_is_lost_the_connection_closes(cluster: Cluster, peer: Peer, command: str) -> None:
    peer.send(command)
    await waits(cluster)
    for session in list(cluster.doors["n1"].server.hub.clients.values()):
        session.link.abort()
    async with asyncio.timeout(3):
        assert await peer.reader.read() == b""


async def test_commands_that_could_have_waited_but_did_not(cluster: Cluster, peer: Peer) -> None:
    """XREAD without BLOCK only reads, so it is asked again; XREADGROUP is in doubt."""
    store = cluster.store("n1")
    store.hold = store.hold_reads = True
    peer.send("XREAD STREAMS k 0", "XREADGROUP GROUP g c STREAMS k >")
    await eventually(lambda: len(store.tickets) > 0)
    store.hold = store.hold_reads = False
    for session in list(cluster.doors["n1"].server.hub.clients.values()):
        session.link.abort()
    await peer.expect(
        b"*-1\r\n-ERR outcome unknown: the connection to the leader was lost after the command was sent\r\n"
    )
