"""Clients that wait for keys, over transports without sockets: order, atomicity, tickets, ends of all kinds."""

from __future__ import annotations

import asyncio

import pytest

from elastickv.errors import Fault, KvError
from elastickv.kv.ports import Leader
from elastickv.redis_api import connection
from tests.kit.redis_door import Door
from tests.redis_api.test_connection import Client, turns

NIL = b"*-1\r\n"
STEPPED_DOWN = b"-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n"


@pytest.fixture(autouse=True)
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns do not end by time, which runs differently on a busy machine."""
    monkeypatch.setattr(connection, "TURN_NS", 60_000_000_000)


@pytest.fixture
async def door() -> Door:
    return Door()


@pytest.fixture
async def clients(door: Door) -> list[Client]:
    return [Client(door) for _ in range(5)]


@pytest.fixture
async def other(door: Door) -> Client:
    return Client(door)


def popped(key: str, element: str) -> bytes:
    return b"*2\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key.encode(), len(element), element.encode())


async def test_the_one_who_waits_longest_is_served_first(clients: list[Client], other: Client) -> None:
    for client in clients:
        assert client.send("BLPOP k 0") == b""
    assert other.send("RPUSH k a b") == b":2\r\n"
    assert [client.wire.take() for client in clients] == [popped("k", "a"), popped("k", "b"), b"", b"", b""]
    assert other.send("RPUSH k c", "RPUSH k d", "LLEN k") == b":1\r\n:1\r\n:0\r\n"
    assert [client.wire.take() for client in clients] == [b"", b"", popped("k", "c"), popped("k", "d"), b""]


async def test_a_pipeline_wakes_between_its_commands(clients: list[Client], other: Client) -> None:
    clients[0].send("BLPOP k 0")
    assert other.send("LPUSH k a", "LPOP k", "LPUSH k b", "LPOP k") == b":1\r\n$-1\r\n:1\r\n$1\r\nb\r\n"
    assert clients[0].wire.take() == popped("k", "a")


async def test_a_transaction_wakes_when_it_is_over(clients: list[Client], other: Client) -> None:
    clients[0].send("BLPOP k j 0")
    reply = other.send("MULTI", "LPUSH k a", "RPOP k", "LPUSH j b", "LPUSH k c", "EXEC")
    assert reply.endswith(b"*4\r\n:1\r\n$1\r\na\r\n:1\r\n:1\r\n")
    assert clients[0].wire.take() == popped("k", "c"), "its own order of keys counts"
    assert other.send("LLEN j") == b":1\r\n"


async def test_nothing_blocks_inside_a_transaction(other: Client) -> None:
    reply = other.send("MULTI", "BLPOP k 0", "BLMOVE k j LEFT LEFT 0", "BLMPOP 0 1 k LEFT", "EXEC")
    assert reply.endswith(b"*3\r\n*-1\r\n$-1\r\n*-1\r\n")


async def test_what_follows_a_blocked_command_waits(clients: list[Client], other: Client) -> None:
    assert clients[0].send("SET a 1", "BLPOP k 0", "GET a") == b"+OK\r\n"
    assert clients[0].send("PING") == b""
    other.send("SET a 2", "LPUSH k x")
    await turns()
    assert clients[0].wire.take() == popped("k", "x") + b"$1\r\n2\r\n+PONG\r\n"


async def test_a_chain_of_moves_runs_through(clients: list[Client], other: Client) -> None:
    clients[0].send("BLMOVE b c LEFT RIGHT 0")
    clients[1].send("BLMOVE a b LEFT RIGHT 0")
    clients[2].send("BLPOP c 0")
    assert other.send("RPUSH a x") == b":1\r\n"
    assert clients[1].wire.take() == clients[0].wire.take() == b"$1\r\nx\r\n"
    assert clients[2].wire.take() == popped("c", "x")
    assert other.send("EXISTS a b c") == b":0\r\n"


async def test_only_the_right_type_wakes(clients: list[Client], other: Client) -> None:
    clients[0].send("BLPOP k 0")
    other.send("SET k text", "DEL k")
    assert clients[0].wire.take() == b""
    other.send("LPUSH k x")
    assert clients[0].wire.take() == popped("k", "x")
    assert clients[0].send("SET s text", "BLPOP s 0") == (
        b"+OK\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
    )


async def test_an_error_while_waiting_is_the_reply(clients: list[Client], other: Client) -> None:
    clients[0].send("BLMOVE k text LEFT LEFT 0")
    clients[1].send("BLPOP k 0")
    other.send("SET text x", "LPUSH k a")
    assert clients[0].wire.take().startswith(b"-WRONGTYPE")
    assert clients[1].wire.take() == popped("k", "a")


@pytest.mark.parametrize(
    "change",
    ["RENAME l k", "COPY l k", "MOVE k 1", "SWAPDB 0 1", "LMOVE l k LEFT LEFT"],
)
async def test_keys_appear_in_many_ways(clients: list[Client], other: Client, change: str) -> None:
    other.send("RPUSH l a")
    if change.startswith("MOVE"):
        other.send("RPUSH k a")
    clients[0].send("SELECT 1", "BLPOP k 0") if change.startswith(("MOVE", "SWAPDB")) else clients[0].send("BLPOP k 0")
    if change.startswith("SWAPDB"):
        other.send("RPUSH k a")
    other.send(change)
    assert clients[0].wire.take() == popped("k", "a")


async def test_times_run_out(clients: list[Client], other: Client) -> None:
    clients[0].send("BLPOP k 0.02")
    clients[1].send("BLMOVE k j LEFT LEFT 0.02")
    clients[2].send("HELLO 3")
    clients[2].wire.take()
    clients[2].send("BLPOP k 0.02", "PING")
    await asyncio.sleep(0.1)
    assert clients[0].wire.take() == clients[1].wire.take() == NIL
    assert clients[2].wire.take() == b"_\r\n+PONG\r\n"
    assert other.send("LPUSH k x", "LLEN k") == b":1\r\n:1\r\n"


async def test_client_unblock(clients: list[Client], other: Client) -> None:
    for client in clients[:2]:
        client.send("BLPOP k 0")
    one, two = (client.connection.session.id for client in clients[:2])
    assert b" flags=b " in other.send(f"CLIENT LIST ID {one}")
    assert b"blocked_clients:2" in other.send("INFO clients")
    assert other.send(f"CLIENT UNBLOCK {one}", f"CLIENT UNBLOCK {two} ERROR", f"CLIENT UNBLOCK {two}") == (
        b":1\r\n:1\r\n:0\r\n"
    )
    assert clients[0].wire.take() == NIL
    assert clients[1].wire.take() == b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"
    assert other.send("LPUSH k x", "LLEN k") == b":1\r\n:1\r\n"


@pytest.mark.parametrize("end", ["lost", "half closed", "killed", "killed by the one who pushes"])
async def test_nobody_pops_for_a_client_that_has_gone(clients: list[Client], other: Client, end: str) -> None:
    clients[0].send("BLPOP k 0")
    clients[1].send("BLPOP k 0")
    gone = clients[0].connection
    if end == "lost":
        gone.connection_lost(None)
    elif end == "half closed":
        assert not gone.eof_received()
    elif end == "killed":
        other.send(f"CLIENT KILL ID {gone.session.id}")
    else:
        other.send(f"CLIENT KILL ID {gone.session.id}", "LPUSH k x")
    other.send("LPUSH k x")
    assert clients[0].wire.take() == b""
    assert clients[1].wire.take() == popped("k", "x")


async def test_the_reply_waits_for_the_commit(door: Door, clients: list[Client], other: Client) -> None:
    clients[0].send("BLPOP k 0", "PING")
    door.store.hold = True
    assert other.send("LPUSH k x") == b""
    await turns()
    assert clients[0].wire.take() == b""
    [ticket] = door.store.tickets
    ticket.release()
    assert other.wire.take() == b":1\r\n"
    assert clients[0].wire.take() == popped("k", "x") + b"+PONG\r\n"


async def test_an_unknown_outcome_is_told(door: Door, clients: list[Client], other: Client) -> None:
    clients[0].send("BLPOP k 0")
    door.store.hold = True
    other.send("LPUSH k x")
    [ticket] = door.store.tickets
    ticket.fail(KvError(Fault.OUTCOME_UNKNOWN, "the leader was lost; outcome unknown"))
    assert b"outcome unknown" in clients[0].wire.take()


async def test_a_leader_that_steps_down_sends_them_away(door: Door, clients: list[Client], other: Client) -> None:
    clients[0].send("BLPOP k 0")
    clients[1].send("BLPOP k 9")
    door.store.change(serving=False, leader=Leader("n2", "127.0.0.2:50051"))
    door.server.on_not_serving()
    assert clients[0].wire.take() == clients[1].wire.take() == STEPPED_DOWN
    door.store.change(serving=True, leader=Leader("n1", "127.0.0.1:50051"))
    door.server.on_serving()
    assert other.send("LPUSH k x", "LLEN k") == b":1\r\n:1\r\n"
    assert clients[0].send("BLPOP k 0") == popped("k", "x")


async def test_changes_that_no_client_made_wake_too(door: Door, clients: list[Client]) -> None:
    clients[0].send("BLPOP k 0")
    await door.store.execute(lambda view: door.databases.numbered[0].set_string(b"k", b"text"))
    await turns()
    assert clients[0].wire.take() == b""
    client = clients[1]
    client.send("DEL k", "RPUSH l a")
    await door.store.execute(
        lambda view: door.databases.numbered[0].store_record(b"k", door.databases.numbered[0].lookup(b"l"))  # type: ignore[arg-type]
    )
    await turns()
    assert clients[0].wire.take() == popped("k", "a")


async def test_waiting_is_not_counted_as_work(door: Door, clients: list[Client], other: Client) -> None:
    other.send("CONFIG SET slowlog-log-slower-than 50000")
    clients[0].send("BLPOP k 0")
    stats = door.server.router.stats["blpop"]
    assert stats.calls == 0
    await asyncio.sleep(0.1)
    other.send("LPUSH k x")
    assert stats.calls == 1
    assert stats.ns < 50_000_000
    assert other.send("SLOWLOG LEN") == b":0\r\n"


async def test_ends_without_a_key_are_counted(door: Door, clients: list[Client], other: Client) -> None:
    figures = door.server.state.commands["blpop"]
    clients[0].send("BLPOP k 0.01")
    clients[1].send("CLIENT ID", "BLPOP k 0")
    await asyncio.sleep(0.02)
    assert clients[0].wire.take() == NIL
    assert (figures.calls, figures.failed) == (1, 0)
    other.send(f"CLIENT UNBLOCK {clients[1].connection.session.id} ERROR")
    assert clients[1].wire.take().startswith(b"-UNBLOCKED")
    assert (figures.calls, figures.failed) == (2, 1)
    assert door.server.state.stats.errors == {b"UNBLOCKED": 1}


async def test_client_reply_off_takes_the_element_in_silence(clients: list[Client], other: Client) -> None:
    clients[0].send("CLIENT REPLY OFF", "BLPOP k 0")
    other.send("LPUSH k x")
    assert clients[0].wire.take() == b""
    assert other.send("LLEN k") == b":0\r\n"


async def test_sorted_sets_wake_too(clients: list[Client], other: Client) -> None:
    clients[0].send("BZPOPMAX k z 0")
    clients[1].send("BZMPOP 0 2 z k MIN COUNT 9")
    clients[2].send("BZPOPMIN z 0")
    assert other.send("RPUSH k a", "DEL k") == b":1\r\n:1\r\n"
    assert [client.wire.take() for client in clients[:3]] == [b"", b"", b""], "of another type"
    assert other.send("ZADD z 2 b 1 a 3 c") == b":3\r\n"
    assert clients[0].wire.take() == b"*3\r\n$1\r\nz\r\n$1\r\nc\r\n$1\r\n3\r\n"
    assert clients[1].wire.take() == (
        b"*2\r\n$1\r\nz\r\n*2\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n"
    )
    assert clients[2].wire.take() == b""
    assert other.send("ZUNIONSTORE z 1 z", "ZINCRBY z 1.5 d", "EXISTS z") == b":0\r\n$3\r\n1.5\r\n:0\r\n"
    assert clients[2].wire.take() == b"*3\r\n$1\r\nz\r\n$1\r\nd\r\n$3\r\n1.5\r\n"


ENTRY = b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n%b\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"


async def test_every_reader_of_a_stream_gets_an_entry(clients: list[Client], other: Client) -> None:
    other.send("XADD s 1-0 f v")
    clients[0].send("XREAD BLOCK 0 STREAMS s $")
    clients[1].send("XREAD BLOCK 0 STREAMS none s 0 1-0")
    clients[2].send("XREAD BLOCK 0 STREAMS s 2-0")
    other.send("XADD s 2-0 f v")
    assert clients[0].wire.take() == clients[1].wire.take() == ENTRY % b"2-0"
    assert clients[2].wire.take() == b""
    other.send("XADD s 3-0 f v")
    assert clients[2].wire.take() == ENTRY % b"3-0"


async def test_a_group_hands_an_entry_to_the_first_in_line(clients: list[Client], other: Client) -> None:
    other.send("XGROUP CREATE s g $ MKSTREAM")
    for number, client in enumerate(clients[:3]):
        client.send(f"XREADGROUP GROUP g c{number} BLOCK 0 STREAMS s >")
    other.send("XADD s 1-0 f v")
    assert [client.wire.take() for client in clients[:3]] == [ENTRY % b"1-0", b"", b""]
    other.send("XADD s 2-0 f v", "XADD s 3-0 f v")
    assert [client.wire.take() for client in clients[:3]] == [b"", ENTRY % b"2-0", ENTRY % b"3-0"]
    assert other.send("XPENDING s g").startswith(b"*4\r\n:3\r\n")


@pytest.mark.parametrize(
    ("change", "reply"),
    [
        ("DEL s", b"-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n"),
        ("XGROUP DESTROY s g", b"-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n"),
        ("SET s text", b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("FLUSHALL", b"-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n"),
        ("SWAPDB 0 1", b"-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n"),
    ],
)
async def test_group_readers_hear_that_their_group_has_gone(
    clients: list[Client], other: Client, change: str, reply: bytes
) -> None:
    other.send("XGROUP CREATE s g $ MKSTREAM")
    clients[0].send("XREADGROUP GROUP g a BLOCK 0 STREAMS s >")
    clients[1].send("XREAD BLOCK 0 STREAMS s $")
    other.send(change)
    assert clients[0].wire.take() == reply
    assert clients[1].wire.take() == b""


async def test_a_group_reader_does_not_write_while_it_waits_in_vain(
    door: Door, clients: list[Client], other: Client
) -> None:
    other.send("XGROUP CREATE s g $ MKSTREAM", "XADD s 1-0 f v")
    clients[0].send("XREADGROUP GROUP g a BLOCK 0 STREAMS s >")
    clients[0].wire.take()
    clients[0].send("XREADGROUP GROUP g a BLOCK 0 STREAMS s >")
    door.store.clock.advance(1.0)
    other.send("XDEL s 1-0")
    told = other.send("XINFO CONSUMERS s g")
    assert b"idle\r\n:1000\r\n" in told
