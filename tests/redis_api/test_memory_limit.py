"""maxmemory: what is refused while more is used, and CLIENT PAUSE WRITE, which asks the same of commands."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.kit.eventually import eventually
from tests.kit.raw_redis import request
from tests.kit.redis_door import Door
from tests.redis_api.test_connection import Client as Wired
from tests.redis_api.test_pubsub import Nodes, on

OOM = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
OK = b"+OK\r\n"
QUEUED = b"+QUEUED\r\n"
WRITES = b"return redis.call('set', 'k', 'v')"
READS = b"return redis.call('get', 'k')"


class Client(Wired):
    def ask(self, *words: str | bytes) -> bytes:
        """One command; what is written at once."""
        argv = [word.encode() if isinstance(word, str) else word for word in words]
        return self.receive(request(argv))


async def later(client: Client) -> bytes:
    """What it is sent after a while."""
    seen: list[bytes] = []

    def look() -> bool:
        seen.append(client.wire.take())
        return bool(seen[-1])

    await eventually(look)
    return seen[-1]


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with Door() as door:
        yield door


@pytest.fixture
def client(door: Door) -> Client:
    client = Client(door)
    assert client.ask("SET", "k", "v") == OK
    return client


@pytest.fixture
def full(client: Client) -> Client:
    assert client.ask("CONFIG", "SET", "maxmemory", "1") == OK
    return client


def test_commands_that_add_data_are_refused_and_others_not(full: Client) -> None:
    assert full.ask("SET", "a", "1") == OOM
    assert full.ask("set", "a", "1") == OOM
    assert full.ask("SeT", "a", "1") == OOM
    assert full.ask("LPUSH", "l", "1") == OOM
    assert full.ask("SET", "a") == b"-ERR wrong number of arguments for 'set' command\r\n"
    assert full.ask("GET", "k") == b"$1\r\nv\r\n"
    assert full.ask("DEL", "k") == b":1\r\n"
    assert b"errorstat_OOM:count=4\r\n" in full.ask("INFO", "errorstats")


@pytest.mark.parametrize("limit", ["0", "100mb"])
def test_a_higher_limit_ends_it(full: Client, limit: str) -> None:
    assert full.ask("CONFIG", "SET", "maxmemory", limit) == OK
    assert full.ask("SET", "a", "1") == OK


async def test_it_begins_and_ends_by_itself(client: Client, door: Door) -> None:
    client.ask("CONFIG", "SET", "maxmemory", "5000")
    assert client.ask("SET", "a", b"x" * 6000) == OK
    await eventually(lambda: door.server.state.memory.exceeded)
    assert client.ask("SET", "b", "1") == OOM
    assert client.ask("DEL", "a") == b":1\r\n"
    await eventually(lambda: not door.server.state.memory.exceeded)
    assert client.ask("SET", "b", "1") == OK


def test_figures(client: Client, door: Door) -> None:
    client.ask("CONFIG", "SET", "maxmemory", "100kb")
    info = dict(line.split(b":", 1) for line in client.ask("INFO", "memory").split(b"\r\n") if line.count(b":") == 1)
    assert int(info[b"used_memory"]) == door.store.used_bytes() > 0
    assert int(info[b"used_memory_rss"]) > 1 << 20
    assert info[b"maxmemory"] == b"102400"
    assert info[b"maxmemory_human"] == b"100.00K"
    assert client.ask("CONFIG", "GET", "maxmemory") == b"*2\r\n$9\r\nmaxmemory\r\n$6\r\n102400\r\n"


def test_the_only_policy_is_noeviction(client: Client) -> None:
    assert client.ask("CONFIG", "SET", "maxmemory-policy", "noeviction") == OK
    refused = client.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    assert refused.startswith(b"-ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy')")


def test_nothing_is_queued_but_a_transaction_can_be_left(full: Client) -> None:
    assert full.ask("MULTI") == OK
    assert full.ask("GET", "k") == OOM
    assert full.ask("EXEC") == b"-EXECABORT Transaction discarded because of previous errors.\r\n"
    full.ask("MULTI")
    assert full.ask("DISCARD") == OK


def test_transactions_queued_before_may_read_but_not_add(client: Client, door: Door) -> None:
    other = Client(door)
    client.ask("MULTI")
    assert client.ask("GET", "k") == QUEUED
    other.ask("CONFIG", "SET", "maxmemory", "1")
    assert client.ask("EXEC") == b"*1\r\n$1\r\nv\r\n"
    other.ask("CONFIG", "SET", "maxmemory", "0")
    client.ask("MULTI")
    assert client.ask("SET", "a", "1") == QUEUED
    other.ask("CONFIG", "SET", "maxmemory", "1")
    assert client.ask("EXEC") == b"-EXECABORT Transaction discarded because of: " + OOM[1:]
    assert client.ask("EXEC") == b"-ERR EXEC without MULTI\r\n"


def test_transactions_of_other_nodes(full: Client) -> None:
    assert full.ask("ELASTICKV.EXEC", "2", "GET", "k") == b"*1\r\n$1\r\nv\r\n"
    aborted = full.ask("ELASTICKV.EXEC", "2", "GET", "k", "3", "SET", "a", "1")
    assert aborted == b"-EXECABORT Transaction discarded because of: " + OOM[1:]


def test_scripts(full: Client) -> None:
    assert full.ask("EVAL", WRITES, "0").startswith(OOM[:-2] + b" script: ")
    assert full.ask("EVAL", READS, "0") == b"$1\r\nv\r\n"
    assert full.ask("EVAL", b"#!lua\n" + READS, "0") == OOM
    assert full.ask("EVAL", b"#!lua flags=no-writes\n" + READS, "0") == b"$1\r\nv\r\n"
    assert full.ask("EVAL", b"#!lua flags=allow-oom\n" + WRITES, "0") == OK
    assert full.ask("EVAL_RO", READS, "0") == b"$1\r\nv\r\n"
    # One that has begun to change something is not stopped half-way.
    assert full.ask("EVAL", b"redis.call('del', 'x') " + WRITES, "0") == OK
    caught = full.ask("EVAL", b"return redis.pcall('set', 'k', 'v')", "0")
    assert caught == OOM


def test_scripts_by_digest(client: Client) -> None:
    writes, reads = (
        client.ask("SCRIPT", "LOAD", source)[5:45]
        for source in (b"#!lua\n" + WRITES, b"#!lua flags=no-writes\n" + READS)
    )
    client.ask("CONFIG", "SET", "maxmemory", "1")
    assert client.ask("EVALSHA", writes, "0") == OOM
    assert client.ask("EVALSHA", reads, "0") == b"$1\r\nv\r\n"
    assert client.ask("EVALSHA", b"0" * 40, "0").startswith(b"-NOSCRIPT")


LIBRARY = b"""#!lua name=lib
redis.register_function('put', function() return redis.call('set', 'k', 'v') end)
redis.register_function{function_name='look', callback=function() return redis.call('get', 'k') end,
    flags={'no-writes'}}
redis.register_function{function_name='force', callback=function() return redis.call('set', 'k', 'v') end,
    flags={'allow-oom'}}
"""


def test_functions(client: Client) -> None:
    client.ask("FUNCTION", "LOAD", LIBRARY)
    client.ask("CONFIG", "SET", "maxmemory", "1")
    assert client.ask("FCALL", "put", "0") == OOM
    assert client.ask("FCALL", "look", "0") == b"$1\r\nv\r\n"
    assert client.ask("FCALL_RO", "look", "0") == b"$1\r\nv\r\n"
    assert client.ask("FCALL", "force", "0") == OK
    assert client.ask("FUNCTION", "LOAD", "REPLACE", LIBRARY) == OOM


async def test_what_client_pause_write_holds_back(client: Client, door: Door) -> None:
    client.ask("FUNCTION", "LOAD", LIBRARY)
    reads = client.ask("SCRIPT", "LOAD", b"#!lua flags=no-writes\n" + READS)[5:45]
    client.ask("PFADD", "hll", "x")
    client.ask("CLIENT", "PAUSE", "100000", "WRITE")
    held: tuple[tuple[str | bytes, ...], ...] = (
        ("SET", "a", "1"),
        ("PFCOUNT", "hll"),
        ("PUBLISH", "c", "m"),
        ("EVAL", "return 1", "0"),
        ("EVAL", "#!lua\nreturn 1", "0"),
        ("FCALL", "put", "0"),
    )
    clients = []
    for words in held:
        clients.append(Client(door))
        assert clients[-1].ask(*words) == b"", words
    passing: tuple[tuple[str | bytes, ...], ...] = (
        ("GET", "k"),
        ("SET", "k"),
        ("EVAL", b"#!lua flags=no-writes\n" + READS, "0"),
        ("EVAL_RO", READS, "0"),
        ("EVALSHA", reads, "0"),
        ("FCALL", "look", "0"),
        ("INFO",),
        ("ELASTICKV.EXEC", "2", "GET", "k"),
    )
    for words in passing:
        assert Client(door).ask(*words), words
    client.ask("CLIENT", "UNPAUSE")
    answered = [await later(one) for one in clients]
    assert answered == [OK, b":1\r\n", b":0\r\n", b":1\r\n", b":1\r\n", OK]


async def test_transactions_during_client_pause_write(client: Client, door: Door) -> None:
    reading, writing = Client(door), Client(door)
    for one in (reading, writing):
        one.ask("MULTI")
        assert one.ask("GET", "k") == QUEUED
    assert writing.ask("EVAL", "return 1", "0") == QUEUED
    client.ask("CLIENT", "PAUSE", "100000", "WRITE")
    assert reading.ask("EXEC") == b"*1\r\n$1\r\nv\r\n"
    assert writing.ask("EXEC") == b""
    assert writing.connection.is_paused
    client.ask("CLIENT", "UNPAUSE")
    assert await later(writing) == b"*2\r\n$1\r\nv\r\n:1\r\n"


async def test_nothing_expires_during_client_pause(client: Client, door: Door) -> None:
    client.ask("SET", "a", "1", "PX", "10")
    client.ask("CLIENT", "PAUSE", "100000", "WRITE")
    door.store.clock.advance(1.0)
    assert client.ask("GET", "a") == b"$-1\r\n"
    assert await door.server.expire(10) == 0
    client.ask("CLIENT", "UNPAUSE")
    assert await door.server.expire(10) == 1


@pytest.mark.parametrize(
    ("script", "prefix", "command", "figures", "failed"),
    [
        (b"return redis.call('set', 'x', 'y')", "OOM", "set", (0, 1, 0), 1),
        (b"return redis.pcall('set', 'x', 'y')", "OOM", "set", (0, 1, 0), 1),
        (b"return redis.pcall('set', 'x', 'y').err", "OOM", "set", (0, 1, 0), 0),
        (b"return redis.call('select', 99)", "ERR", "select", (1, 0, 1), 1),
        (b"redis.pcall('select', 99) return 1", "ERR", "select", (1, 0, 1), 0),
        (b"return redis.call('lpop', 'k')", "WRONGTYPE", "lpop", (1, 0, 1), 1),
        (b"return redis.call('get')", "ERR", "get", (0, 1, 0), 1),
        (b"return redis.error_reply('MINE x')", "MINE", "", (), 1),
    ],
)
def test_an_error_in_a_script_counts_once(
    full: Client, door: Door, script: bytes, prefix: str, command: str, figures: tuple[int, ...], failed: int
) -> None:
    full.ask("CONFIG", "RESETSTAT")
    full.ask("EVAL", script, "0")
    state = door.server.state
    assert state.stats.errors == {prefix.encode(): 1}
    evaluated = state.commands["eval"]
    assert (evaluated.calls, evaluated.rejected, evaluated.failed) == (1, 0, failed)
    if command:
        called = state.commands[command]
        assert (called.calls, called.rejected, called.failed) == figures


async def test_the_limit_is_the_clusters_and_the_leader_keeps_it() -> None:
    nodes = Nodes()
    await nodes.start()
    try:
        async with on(nodes, "n2") as client, on(nodes, "n1") as at_leader:
            await at_leader.ask("SET k v", "+OK")
            await client.ask("CONFIG SET maxmemory 1", "+OK")
            for one in (client, at_leader):
                await one.ask("CONFIG GET maxmemory", "*2 $9 maxmemory $1 1")
                one.send("SET a 1")
                assert await one.reader.readline() == OOM
            await client.ask("CONFIG SET maxmemory 0", "+OK")
            await client.ask("SET a 1", "+OK")
            client.send("MULTI", "SET a 2")
            await client.expect("+OK +QUEUED")
            await at_leader.ask("CONFIG SET maxmemory 1", "+OK")
            client.send("EXEC")
            assert await client.reader.readline() == b"-EXECABORT Transaction discarded because of: " + OOM[1:]
    finally:
        await nodes.stop()
