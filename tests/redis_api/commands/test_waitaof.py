"""WAITAOF: what is acknowledged is synced already."""

from __future__ import annotations

from tests.kit.redis_door import Door
from tests.redis_api.test_pubsub import connected


async def test_waitaof() -> None:
    async with Door() as door, connected(door.port) as client:
        await client.ask("SET a 1", "+OK")
        await client.ask("WAITAOF 1 0 0", "*2 :1 :0")
        await client.ask("WAITAOF 1 1 10", "*2 :1 :0")
        for command, text in [
            ("WAITAOF 2 0 0", b"-ERR value is out of range, value must between 0 and 1\r\n"),
            ("WAITAOF 1 -1 0", b"-ERR value is out of range, must be positive\r\n"),
            ("WAITAOF 1 0 x", b"-ERR timeout is not an integer or out of range\r\n"),
            ("WAITAOF 1 0 -1", b"-ERR timeout is negative\r\n"),
        ]:
            client.send(command)
            assert await client.reader.readline() == text
