"""Figures of commands."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from elastickv.redis_api.stats import QUICK_NS, CommandStats
from tests.kit.raw_redis import decode
from tests.kit.redis_door import Door
from tests.redis_api.test_connection import Client


def test_a_row_of_quick_calls_counts_them_as_equal() -> None:
    stats = CommandStats("get")
    stats.add_row(1000, [2000, 2100, 4000])
    assert (stats.ns, stats.calls) == (3000, 3)
    assert stats.buckets[(1000).bit_length()] == 3


def test_a_row_with_a_slow_call_counts_each_as_what_it_took() -> None:
    rng = Random(1)
    for _ in range(50):
        apart, row = CommandStats("get"), CommandStats("get")
        took = [rng.randrange(1, 3000) for _ in range(rng.randrange(20))]
        took.insert(rng.randrange(len(took) + 1), QUICK_NS)
        ends, now = [], 77
        for one in took:
            apart.add(one)
            now += one
            ends.append(now)
        row.add_row(77, ends)
        assert (row.ns, row.buckets) == (apart.ns, apart.buckets)


@pytest.mark.parametrize("burst", [1, 2, 40])
async def test_the_slow_log_names_each_command_of_a_burst(burst: int) -> None:
    client = Client(Door())
    client.send("CONFIG SET slowlog-log-slower-than 0")
    client.send("SLOWLOG RESET")
    client.send(*[f"GET k{number}" for number in range(burst)])
    entries: Any = decode(client.send("SLOWLOG GET -1"))
    assert [entry[3] for entry in reversed(entries)][-burst:] == [[b"GET", b"k%d" % n] for n in range(burst)]


async def test_rows_of_a_mixed_burst_are_counted_each_for_itself() -> None:
    door = Door()
    client = Client(door)
    stats = door.server.router.stats
    before = {name: stats[name].calls for name in ("get", "set", "incr", "lpush", "mget")}
    replies = client.send(
        *["SET a 1"] * 3, "GET a", "get a", "GET b", "LPUSH a x", "INCR a", "MGET a", "MGET a b", "GET a", "SET a 2"
    )
    assert replies.startswith(b"+OK\r\n+OK\r\n+OK\r\n$1\r\n1\r\n$1\r\n1\r\n$-1\r\n-WRONGTYPE ")
    assert replies.endswith(b":2\r\n*1\r\n$1\r\n2\r\n*2\r\n$1\r\n2\r\n$-1\r\n$1\r\n2\r\n+OK\r\n")
    assert {name: stats[name].calls - before[name] for name in before} == {
        "set": 4,
        "get": 4,
        "lpush": 1,
        "incr": 1,
        "mget": 2,
    }
    assert stats["lpush"].failed == 1


async def test_a_wrong_number_of_words_ends_a_row() -> None:
    client = Client(Door())
    error = b"-ERR wrong number of arguments for 'get' command\r\n"
    assert client.send("GET a", "GET a b", "GET a") == b"$-1\r\n" + error + b"$-1\r\n"
    assert client.send("GET") == error
    assert client.send("GET a b") == error
    assert client.send("nosuch a").startswith(b"-ERR unknown command 'nosuch'")
