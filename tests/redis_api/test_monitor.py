"""MONITOR: what it shows, what it hides, and that it is about this node's clients."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from elastickv.redis_api.monitor import quoted
from tests.kit.redis_door import Door
from tests.redis_api.test_pubsub import Client, Nodes, connected, on


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with Door() as door:
        yield door


async def seen(client: Client, last: bytes) -> list[bytes]:
    """The commands shown, up to one that ends so."""
    found = []
    while True:
        line = (await client.reader.readline()).rstrip()
        match = re.fullmatch(rb"\+\d+\.\d{6} \[(\d+) 127\.0\.0\.1:\d+\] (.*)", line)
        assert match is not None, line
        found.append(match[1] + b" " + match[2])
        if line.endswith(last):
            return found


def test_quoting() -> None:
    assert quoted(b'a"b\\\n\r\t\a\b\0\xff ') == b'"a\\"b\\\\\\n\\r\\t\\a\\b\\x00\\xff "'


async def test_commands_are_shown_and_passwords_are_not(door: Door) -> None:
    async with connected(door.port) as monitor, connected(door.port) as client, connected(door.port) as other:
        await monitor.ask("MONITOR", "+OK")
        client.send("SET a 1", "GET a", "SELECT 3", "AUTH secret", "AUTH default secret", "CONFIG GET x", "NOPE", "GET")
        client.send("HELLO 3 AUTH default secret SETNAME me", "MULTI", "SET b 2", "EXEC", "ECHO end")
        assert await seen(monitor, b'"end"') == [
            b'0 "SET" "a" "1"',
            b'0 "GET" "a"',
            b'3 "SELECT" "3"',
            b'3 "AUTH" "(redacted)"',
            b'3 "AUTH" "(redacted)" "(redacted)"',
            b'3 "HELLO" "3" "AUTH" "(redacted)" "(redacted)" "SETNAME" "me"',
            b'3 "MULTI"',
            b'3 "SET" "b" "2"',
            b'3 "EXEC"',
            b'3 "ECHO" "end"',
        ]
        monitor.send("RESET")
        assert await monitor.reader.readuntil(b"+RESET\r\n") == b"+RESET\r\n"
        await other.ask("ECHO x", "$1 x")
        assert await monitor.silent()


async def test_scripts_are_shown_before_what_they_call(door: Door) -> None:
    async with connected(door.port) as monitor, connected(door.port) as client:
        await monitor.ask("MONITOR", "+OK")
        client.send("SELECT 4", 'EVAL redis.call("set","x",1) 0', "EVALSHA no 0", "FCALL no 0")
        client.send("MIGRATE h 1 key 9 50 AUTH2 user secret", "MIGRATE h 1 key 9 50 COPY AUTH secret", "PING end")
        shown: list[bytes] = []
        while not shown or b"end" not in shown[-1]:
            line = (await monitor.reader.readline()).rstrip()
            shown.append(re.sub(rb"\+[\d.]+ \[(\d) ([a-z]*)[\d.:]*\]", rb"\1\2", line))
        assert shown[1:-1] == [
            b'4 "EVAL" "redis.call(\\"set\\",\\"x\\",1)" "0"',
            b'4lua "set" "x" "1"',
            b'4 "EVALSHA" "no" "0"',
            b'4 "FCALL" "no" "0"',
            b'4 "MIGRATE" "h" "1" "key" "9" "50" "AUTH2" "(redacted)" "(redacted)"',
            b'4 "MIGRATE" "h" "1" "key" "9" "50" "COPY" "AUTH" "(redacted)"',
        ]


@pytest.fixture
async def nodes() -> AsyncIterator[Nodes]:
    nodes = Nodes()
    await nodes.start()
    yield nodes
    await nodes.stop()


async def test_clients_are_shown_by_their_own_node(nodes: Nodes) -> None:
    async with on(nodes, "n1") as at_leader, on(nodes, "n2") as at_follower, on(nodes, "n2") as client:
        await at_leader.ask("MONITOR", "+OK")
        await at_follower.ask("MONITOR", "+OK")
        client.send("SET a 1", "MULTI", "SET a 2", "EXEC", "ECHO end")
        assert await seen(at_follower, b'"end"') == [
            b'0 "SET" "a" "1"',
            b'0 "MULTI"',
            b'0 "SET" "a" "2"',
            b'0 "ECHO" "end"',
        ]
        assert await at_leader.silent()
