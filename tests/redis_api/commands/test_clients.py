"""CLIENT LIST and INFO: what they say of the one who asks, and of clients that are held back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from tests.kit.eventually import eventually
from tests.kit.redis_door import Door
from tests.redis_api.test_pubsub import Client, connected


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with Door() as door:
        yield door


async def told(client: Client, command: str) -> bytes:
    client.send(command)
    size = int((await client.reader.readline())[1:])
    return (await client.reader.readexactly(size + 2))[:size]


async def test_the_command_that_asks_is_shown(door: Door) -> None:
    async with connected(door.port) as client, connected(door.port) as other:
        await other.ask("CONFIG SET timeout 0", "+OK")
        mine = await told(client, "CLIENT INFO")
        # *2 $6 CLIENT $4 INFO
        assert b" qbuf=26 " in mine
        assert b" argv-mem=10 " in mine
        assert b" cmd=client|info " in mine
        both = await told(client, "CLIENT LIST")
        assert re.findall(rb"qbuf=(\d+) .* cmd=(\S+)", both) == [(b"26", b"client|list"), (b"0", b"config|set")]
        await other.ask("SET client list", "+OK")
        assert b" cmd=set " in await told(client, "CLIENT LIST")


async def test_paused_clients_count_as_blocked(door: Door) -> None:
    async with connected(door.port) as client, connected(door.port) as other:
        await client.ask("CLIENT PAUSE 60000 WRITE", "+OK")
        assert b"\r\nblocked_clients:0\r\n" in await told(client, "INFO clients")
        other.send("PUBLISH a 1")
        await eventually(lambda: any(one.link.is_paused for one in door.server.hub.clients.values()))
        assert b"\r\nblocked_clients:1\r\n" in await told(client, "INFO clients")
        await client.ask("CLIENT UNPAUSE", "+OK")
        await other.expect(":0")
        assert b"\r\nblocked_clients:0\r\n" in await told(client, "INFO clients")


async def test_subscriptions_are_confirmed_without_replies(door: Door) -> None:
    async with connected(door.port) as client, connected(door.port) as other:
        client.send("CLIENT REPLY OFF", "SUBSCRIBE a", "PING")
        await client.expect("*3 $9 subscribe $1 a :1")
        await other.ask("PUBLISH a x", ":1")
        await client.expect("*3 $7 message $1 a $1 x")
        client.send("UNSUBSCRIBE a", "PING")
        await client.expect("*3 $11 unsubscribe $1 a :0")
        assert await client.silent()
