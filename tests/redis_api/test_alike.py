"""Pops that come several times in a row: the same as one by one, whatever the collection is."""

from __future__ import annotations

from random import Random

import pytest

from elastickv.redis_api import connection
from elastickv.redis_api.registry import COMMANDS
from tests.kit.raw_redis import decode
from tests.kit.redis_door import Door
from tests.redis_api.test_connection import Client

POPS = {"list": ["LPOP list", "RPOP list"], "zset": ["ZPOPMIN zset", "ZPOPMAX zset"], "set": ["SPOP set"]}
SIZES = {"list": "LLEN list", "zset": "ZCARD zset", "set": "SCARD set"}


@pytest.fixture(autouse=True)
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TURN_NS", 60_000_000_000)


def added(kind: str, number: int) -> str:
    match kind:
        case "list":
            return f"RPUSH list {number} {number * 7} {'x' * (number % 50 + 1)}"
        case "zset":
            return f"ZADD zset {number % 13} m{number} {number % 7}.5 k{number}"
        case _:
            return f"SADD set m{number} k{number}"


def burst_of(rng: Random, kind: str, number: int) -> list[str]:
    burst = [added(kind, number + more) for more in range(rng.randrange(12) if rng.random() < 0.7 else 0)]
    for _ in range(rng.randrange(4)):
        burst += [rng.choice(POPS[kind])] * rng.choice((1, 2, 3, 16, 30))
    if rng.random() < 0.3:
        burst += [f"{rng.choice(['LPOP', 'ZPOPMIN', 'SPOP'])} {rng.choice(['list', 'zset', 'none'])}"] * 3
    if rng.random() < 0.2:
        burst.append(f"PEXPIRE {kind} 100000")
    return [*burst, SIZES[kind]]


@pytest.mark.parametrize("kind", ["list", "zset"])
@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("seed", range(4))
async def test_a_burst_is_answered_as_its_commands_are(seed: int, kind: str, protocol: int) -> None:
    rng = Random(seed)
    doors = [Door(), Door()]
    together, apart = map(Client, doors)
    for door, client in zip(doors, (together, apart), strict=True):
        door.databases.limits.inline_bytes = 120 if seed % 2 else 8192
        client.send(f"HELLO {protocol}")
    for number in range(0, 1200, 20):
        burst = burst_of(rng, kind, number)
        assert together.send(*burst) == b"".join(map(apart.send, burst)), burst
    assert together.send(f"DUMP {kind}") == apart.send(f"DUMP {kind}")
    calls = [{name: one.calls for name, one in door.server.router.stats.items()} for door in doors]
    assert calls[0] == calls[1]


@pytest.mark.parametrize("inline_bytes", [40, 8192])
async def test_each_member_is_popped_once(inline_bytes: int) -> None:
    rng = Random(inline_bytes)
    door = Door()
    client = Client(door)
    door.databases.limits.inline_bytes = inline_bytes
    there: set[bytes] = set()
    for number in range(0, 1000, 20):
        names = [b"m%d" % (number + more) for more in range(rng.randrange(1, 20))]
        client.send(b"SADD set " + b" ".join(names))
        there.update(names)
        replies = client.send(*[b"SPOP set"] * rng.choice((2, 9, 40)))
        popped = [one for one in replies.split(b"\r\n") if one.startswith(b"m")]
        assert len(set(popped)) == len(popped) == min(len(there), replies.count(b"$"))
        assert there >= set(popped)
        there.difference_update(popped)
        assert decode(client.send("SCARD set")) == len(there)


async def test_who_listens_to_events_hears_of_each() -> None:
    door = Door()
    client = Client(door)
    client.send("RPUSH list a b c")
    heard: list[bytes] = []
    door.databases.listener = lambda database, kind, event, key: heard.append(event)
    assert client.send(*["LPOP list"] * 4) == b"$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$-1\r\n"
    assert heard.count(b"lpop") == 3


async def test_a_body_that_fails_answers_each_command(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door()
    client = Client(door)

    def fails(call: object, times: int) -> None:
        raise RuntimeError

    assert COMMANDS["lpop"].alike is not None
    monkeypatch.setattr(door.server.router.find([b"LPOP"]), "alike", fails)
    assert client.send(*["LPOP list"] * 3).count(b"-ERR internal error") == 3
    assert client.send("PING") == b"+PONG\r\n"


async def test_the_slow_log_has_the_share_of_one_command() -> None:
    door = Door()
    client = Client(door)
    client.send("CONFIG SET slowlog-log-slower-than 0", "RPUSH list a b c", "SLOWLOG RESET")
    client.send(*["LPOP list"] * 3)
    assert b"LPOP" in client.send("SLOWLOG GET 1")
