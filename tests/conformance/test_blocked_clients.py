"""Several clients that wait for keys play the same script here and on a real redis-server: who gets what, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest

from elastickv.redis_api.resp import encode_command
from tests.conformance.words import Words
from tests.kit.redis_door import Door
from tests.kit.redis_reference import AVAILABLE, running_redis_server

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="redis-server is not installed")

CLIENTS = 5
KEYS = (b"a", b"b", b"c")
"""They hold nothing but lists, and get them one at a time: 7.0 hands out what woke a client, 7.2 begins anew at its
first key, which might hold something else or something more by then."""
MOVED = b"d"
"""Where waiting clients move elements to."""
MIXED = (b"m", b"n")
"""They hold anything; nobody waits for both."""
FREE = CLIENTS - 1
"""The client that never waits, so that something always goes on."""


class Stage:
    """Some clients of one server, and one more that tells when everything asked so far has been done."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def open(self) -> None:
        self._streams = [await asyncio.open_connection(*self._address) for _ in range(CLIENTS + 1)]

    def close(self) -> None:
        for _, writer in self._streams:
            writer.close()

    async def say(self, client: int, words: Words) -> list[bytes]:
        """One client sends a command; what all clients get then."""
        self._streams[client][1].write(encode_command(words))
        # What a client sent is read before what another sends later only if it has arrived.
        await asyncio.sleep(0.002)
        reader, writer = self._streams[CLIENTS]
        for _ in range(2):
            writer.write(encode_command([b"PING"]))
            assert await reader.readline() == b"+PONG\r\n"
        await asyncio.sleep(0.002)
        return [self._take(reader) for reader, _ in self._streams[:CLIENTS]]

    def _take(self, reader: asyncio.StreamReader) -> bytes:
        buffer = reader._buffer  # type: ignore[attr-defined]  # everything that has come, without waiting for more
        taken = bytes(buffer)
        buffer.clear()
        return taken


@pytest.fixture
async def stages() -> AsyncIterator[tuple[Stage, Stage]]:
    with running_redis_server() as reference:
        async with Door() as door:
            ours, theirs = Stage("127.0.0.1", door.port), Stage(reference.host, reference.port)
            await ours.open()
            await theirs.open()
            yield ours, theirs
            ours.close()
            theirs.close()


def _key(rng: Random) -> bytes:
    return rng.choice(KEYS)


def _side(rng: Random) -> bytes:
    return rng.choice((b"LEFT", b"RIGHT"))


def _waits(rng: Random) -> Words:
    return rng.choice(
        (
            [rng.choice((b"BLPOP", b"BRPOP")), *rng.sample(KEYS, rng.randint(1, 3)), b"0"],
            [rng.choice((b"BLPOP", b"BRPOP")), *rng.sample(KEYS, 3), b"0"],
            [b"BLMOVE", _key(rng), MOVED, _side(rng), _side(rng), b"0"],
            [rng.choice((b"BLPOP", b"BRPOP")), MOVED, b"0"],
            [b"BLMPOP", b"0", b"2", *rng.sample(KEYS, 2), _side(rng), b"COUNT", b"2"],
            [b"BLPOP", rng.choice(MIXED), b"0"],
            [rng.choice((b"BZPOPMIN", b"BZPOPMAX")), rng.choice(MIXED), b"0"],
            [b"XREAD", b"BLOCK", b"0", b"STREAMS", rng.choice(MIXED), b"$"],
        )
    )


def _moves(rng: Random, number: int) -> Words:
    element = b"%d" % number
    push = [rng.choice((b"LPUSH", b"RPUSH")), _key(rng)]
    return rng.choice(
        (
            [*push, *[b"%d.%d" % (number, n) for n in range(rng.randint(1, 3))]],
            *7 * ([*push, element],),
            [b"RENAME", *rng.sample(KEYS, 2)],
            [b"COPY", *rng.sample(KEYS, 2), b"REPLACE"],
            [b"LMOVE", _key(rng), _key(rng), _side(rng), _side(rng)],
            *3 * ([b"DEL", *KEYS],),
            [b"RPUSH", rng.choice(MIXED), element],
            [b"ZADD", rng.choice(MIXED), element, element],
            [b"XADD", rng.choice(MIXED), b"%d-0" % number, b"f", b"v"],
            [b"SET", rng.choice(MIXED), element],
            *5 * ([b"DEL", *MIXED],),
        )
    )


@pytest.mark.parametrize("seed", range(8))
async def test_the_same_clients_get_the_same(stages: tuple[Stage, Stage], seed: int) -> None:
    rng = Random(seed)
    history: list[str] = []
    woken = 0
    for number in range(1, 150):
        client = rng.randrange(FREE) if rng.random() < 0.55 else FREE
        words = _moves(rng, number) if client == FREE else _waits(rng)
        history.append(f"{client}: {b' '.join(words)!r}")
        ours, theirs = await asyncio.gather(*(stage.say(client, words) for stage in stages))
        assert ours == theirs, "\n".join(history[-40:])
        woken += sum(bool(reply) for at, reply in enumerate(ours) if at != client)
    assert woken, "nobody was woken: the script is a poor one"
