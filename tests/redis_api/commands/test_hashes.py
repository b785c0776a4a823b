"""The hash group in both layouts; what it has in common with Redis is also compared in tests/conformance."""

from __future__ import annotations

from collections import Counter

import pytest

from elastickv.kv.keyspace import ELEMENT, prefix_end
from elastickv.redis_api.replies import encode
from elastickv.redis_api.values import events
from tests.kit.redis_calls import RedisCalls, Word

WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"
LONG = b"f" * 1000


@pytest.fixture(params=["inline", "split"])
def hashes(request: pytest.FixtureRequest, redis: RedisCalls) -> RedisCalls:
    """A server whose hashes are in one record, or all apart."""
    if request.param == "split":
        redis.databases.limits.inline_bytes = 0
    return redis


def scan(redis: RedisCalls, *argv: Word) -> tuple[bytes, list[bytes]]:
    reply = redis.run(*argv)
    assert isinstance(reply, list)
    cursor, found = reply
    return cursor, found


def elements(redis: RedisCalls) -> int:
    return len(list(redis.store.view.scan(ELEMENT, prefix_end(ELEMENT))))


def test_set_get_and_delete(hashes: RedisCalls) -> None:
    run = hashes.run
    assert run("HSET", "h", "a", "1", "b", "2", "a", "3") == 2
    assert run("HSET", "h", "a", "4", LONG, "long") == 1
    assert run("HMSET", "h", "c", "") == b"OK"
    assert (run("HGET", "h", "a"), run("HGET", "h", LONG), run("HGET", "h", "x")) == (b"4", b"long", None)
    assert run("HMGET", "h", "x", "b", "c") == [None, b"2", b""]
    assert run("HGETALL", "h") == {b"a": b"4", b"b": b"2", b"c": b"", LONG: b"long"}
    assert (run("HLEN", "h"), run("HSTRLEN", "h", LONG), run("HSTRLEN", "h", "x")) == (4, 4, 0)
    assert (run("HEXISTS", "h", "c"), run("HEXISTS", "h", "x"), run("HEXISTS", "none", "x")) == (1, 0, 0)
    assert sorted(run("HKEYS", "h")) == [b"a", b"b", b"c", LONG]  # type: ignore[call-overload]
    assert sorted(run("HVALS", "h")) == [b"", b"2", b"4", b"long"]  # type: ignore[call-overload]
    assert run("HDEL", "h", "a", "a", "x") == 1
    assert run("HDEL", "h", "b", "c", LONG) == 3
    assert run("EXISTS", "h") == 0
    hashes.databases.clearing.purge(100)
    assert elements(hashes) == 0


def test_missing_hashes(redis: RedisCalls) -> None:
    run = redis.run
    assert (run("HGET", "n", "f"), run("HMGET", "n", "f", "g"), run("HGETALL", "n")) == (None, [None, None], {})
    assert (run("HKEYS", "n"), run("HVALS", "n"), run("HLEN", "n"), run("HDEL", "n", "f")) == ([], [], 0, 0)
    assert (run("HRANDFIELD", "n"), run("HRANDFIELD", "n", 5), run("HSTRLEN", "n", "f")) == (None, [], 0)
    assert run("HSCAN", "n", 0, "NONSENSE") == [b"0", []]
    assert redis.wire([b"HGETALL", b"n"], 3) == b"%0\r\n"


@pytest.mark.parametrize(
    "argv",
    [
        ("HSET", "alist", "f", "v"), ("HMSET", "alist", "f", "v"), ("HSETNX", "alist", "f", "v"),
        ("HGET", "alist", "f"), ("HMGET", "alist", "f"), ("HGETALL", "alist"), ("HKEYS", "alist"),
        ("HVALS", "alist"), ("HDEL", "alist", "f"),
        ("HEXISTS", "alist", "f"), ("HLEN", "alist"), ("HSTRLEN", "alist", "f"), ("HINCRBY", "alist", "f", 1),
        ("HINCRBYFLOAT", "alist", "f", 1), ("HRANDFIELD", "alist"), ("HRANDFIELD", "alist", 1), ("HSCAN", "alist", 0),
    ],
)  # fmt: skip
def test_another_type(redis: RedisCalls, argv: tuple[str, ...]) -> None:
    assert redis.error(*argv) == WRONG_TYPE


def test_errors(hashes: RedisCalls) -> None:
    hashes.run("HSET", "h", "text", "abc", "most", 2**63 - 1, "float", "1e4900")
    error = hashes.error
    assert error("HSET", "h", "f") == b"ERR wrong number of arguments for 'hset' command"
    assert error("HSET", "h", "f", "v", "g") == b"ERR wrong number of arguments for 'hset' command"
    assert error("HMSET", "h", "f", "v", "g") == b"ERR wrong number of arguments for 'hmset' command"
    assert error("HINCRBY", "h", "text", 1) == b"ERR hash value is not an integer"
    assert error("HINCRBY", "h", "text", "x") == b"ERR value is not an integer or out of range"
    assert error("HINCRBY", "h", "most", 1) == b"ERR increment or decrement would overflow"
    assert error("HINCRBYFLOAT", "h", "text", 1) == b"ERR hash value is not a float"
    assert error("HINCRBYFLOAT", "h", "new", "x") == b"ERR value is not a valid float"
    assert error("HINCRBYFLOAT", "h", "new", "inf") == b"ERR value is NaN or Infinity"
    assert error("HRANDFIELD", "h", "x") == b"ERR value is not an integer or out of range"
    assert error("HRANDFIELD", "h", 1, "WITHVALUE") == b"ERR syntax error"
    assert error("HRANDFIELD", "h", 2**62, "WITHVALUES") == b"ERR value is out of range"
    assert error("HRANDFIELD", "h", -(10**8)) == b"ERR value is out of range"
    assert error("HSCAN", "h", "x") == b"ERR invalid cursor"
    assert error("HSCAN", "h", 0, "COUNT") == b"ERR syntax error"
    assert error("HSCAN", "h", 0, "TYPE", "hash") == b"ERR syntax error"
    assert hashes.run("HLEN", "h") == 3


def test_numbers(hashes: RedisCalls) -> None:
    assert hashes.run("HINCRBY", "h", "n", 5) == 5
    assert hashes.run("HINCRBY", "h", "n", -8) == -3
    assert hashes.run("HINCRBYFLOAT", "h", "n", "0.5") == b"-2.5"
    assert hashes.run("HINCRBYFLOAT", "h", "new", "1e3") == b"1000"
    assert hashes.run("HGETALL", "h") == {b"n": b"-2.5", b"new": b"1000"}


def test_setnx(hashes: RedisCalls) -> None:
    assert hashes.run("HSETNX", "h", "f", "1") == 1
    assert hashes.run("HSETNX", "h", "f", "2") == 0
    assert hashes.run("HSETNX", "h", "g", "3") == 1
    assert hashes.run("HGETALL", "h") == {b"f": b"1", b"g": b"3"}


def test_the_deadline_stays(hashes: RedisCalls) -> None:
    hashes.run("HSET", "h", "f", "1")
    hashes.run("PEXPIRE", "h", 1000)
    hashes.run("HSET", "h", "g", "2")
    hashes.run("HDEL", "h", "f")
    assert hashes.run("PTTL", "h") == 1000
    hashes.sleep(1000)
    assert hashes.run("HGETALL", "h") == {}
    hashes.run("HSET", "h", "new", "1")
    assert (hashes.run("HGETALL", "h"), hashes.run("TTL", "h")) == ({b"new": b"1"}, -1)


# Encodings and layouts


def test_encoding_follows_redis_and_never_goes_back(redis: RedisCalls) -> None:
    redis.databases.limits.hash_entries = 4
    redis.run("HSET", "h", *(word for number in range(4) for word in (f"f{number}", "v")))
    assert redis.run("OBJECT", "ENCODING", "h") == b"listpack"
    redis.run("HSET", "h", "f4", "v")
    assert redis.run("OBJECT", "ENCODING", "h") == b"hashtable"
    redis.run("HDEL", "h", "f4", "f3")
    assert redis.run("OBJECT", "ENCODING", "h") == b"hashtable"
    redis.run("HSET", "long", "f", "v" * 64)
    assert redis.run("OBJECT", "ENCODING", "long") == b"listpack"
    redis.run("HSET", "long", "f", "v" * 65)
    redis.run("HSET", "long", "f", "v")
    assert redis.run("OBJECT", "ENCODING", "long") == b"hashtable"


def test_a_growing_hash_is_split_and_keeps_everything(redis: RedisCalls) -> None:
    expected = {}
    for number in range(600):
        field, value = b"field:%d" % number, b"v" * (number % 50)
        assert redis.run("HSET", "h", field, value) == 1
        expected[field] = value
    assert elements(redis) == 600
    assert redis.run("HGETALL", "h") == expected
    assert redis.run("COPY", "h", "copy") == 1
    redis.run("HSET", "copy", "field:0", "changed")
    assert redis.run("HGET", "h", "field:0") == b""
    payload = redis.run("DUMP", "h")
    assert isinstance(payload, bytes)
    redis.run("RESTORE", "again", 0, payload)
    assert redis.run("HGETALL", "again") == expected
    redis.run("RENAME", "h", "moved")
    redis.run("DEL", "copy", "again")
    while redis.databases.clearing.purge(100):
        redis.store.settle()
    assert elements(redis) == 600
    assert redis.run("HGETALL", "moved") == expected


def test_a_hash_with_one_large_value_is_split_at_once(redis: RedisCalls) -> None:
    assert redis.run("HSET", "h", "f", b"x" * 100_000, "g", "1") == 2
    assert elements(redis) == 2
    assert redis.run("HSTRLEN", "h", "f") == 100_000


def test_replies_are_not_changed_by_later_commands(redis: RedisCalls) -> None:
    """EXEC encodes its replies when all commands have run."""
    redis.run("HSET", "h", "f", "1")
    first = redis.reply([b"HGETALL", b"h"])
    redis.run("HSET", "h", "f", "2")
    second = redis.reply([b"HGETALL", b"h"])
    redis.run("HDEL", "h", "f")
    assert (encode(first, 2), encode(second, 3)) == (b"*2\r\n$1\r\nf\r\n$1\r\n1\r\n", b"%1\r\n$1\r\nf\r\n$1\r\n2\r\n")


def test_a_small_hash_keeps_its_order(redis: RedisCalls) -> None:
    redis.run("HSET", "h", "z", "1", "a", "2", "m", "3")
    redis.run("HSET", "h", "a", "4")
    assert list(redis.run("HGETALL", "h")) == [b"z", b"a", b"m"]  # type: ignore[call-overload]


# Walking and drawing


def test_hscan_meets_everything_that_stays(redis: RedisCalls) -> None:
    redis.run("HSET", "h", *(word for number in range(1000) for word in (f"stays:{number}", number)))
    met: Counter[bytes] = Counter()
    cursor = b"0"
    step = 0
    while True:
        cursor, found = scan(redis, "HSCAN", "h", cursor, "COUNT", 30)
        assert len(found) < 2 * 35
        met.update(found[::2])
        step += 1
        redis.run("HSET", "h", f"new:{step}", 1)
        redis.run("HDEL", "h", f"new:{step - 1}")
        if cursor == b"0":
            break
    assert {field for field in met if field.startswith(b"stays")} == {b"stays:%d" % number for number in range(1000)}
    assert max(met.values()) == 1
    cursor, found = scan(redis, "HSCAN", "h", 0, "MATCH", "stays:1?", "COUNT", 5000)
    assert sorted(found[::2]) == [b"stays:%d" % number for number in range(10, 20)]


@pytest.mark.parametrize("count", [5, 60, 120])
def test_every_field_is_drawn_equally_often(hashes: RedisCalls, count: int) -> None:
    hashes.run("HSET", "h", *(word for number in range(count) for word in (number, number)))
    draws = 40 * count
    one_by_one = Counter(hashes.run("HRANDFIELD", "h") for _ in range(draws))
    together = Counter(hashes.run("HRANDFIELD", "h", -draws))  # type: ignore[call-overload]
    for met in (one_by_one, together):
        chi_square = sum((met[b"%d" % number] - 40) ** 2 / 40 for number in range(count))
        # Six sigma above the mean of the distribution.
        assert chi_square < count + 6 * (2 * count) ** 0.5


def test_hrandfield_shapes(hashes: RedisCalls) -> None:
    hashes.run("HSET", "h", *(word for number in range(100) for word in (number, f"v{number}")))
    for wanted in (1, 5, 50, 99):
        fields = hashes.run("HRANDFIELD", "h", wanted)
        assert isinstance(fields, list)
        assert len(set(fields)) == len(fields) == wanted
    assert len(hashes.run("HRANDFIELD", "h", 200)) == 100  # type: ignore[arg-type]
    flat = hashes.run("HRANDFIELD", "h", -3, "WITHVALUES")
    assert isinstance(flat, list)
    assert flat[1::2] == [b"v" + field for field in flat[::2]]
    hashes.call.protocol = 3
    pairs = hashes.run("HRANDFIELD", "h", 2, "WITHVALUES")
    assert isinstance(pairs, list)
    assert all(len(pair) == 2 and pair[1] == b"v" + pair[0] for pair in pairs)


def test_events(hashes: RedisCalls) -> None:
    heard: list[tuple[int, bytes]] = []
    hashes.databases.listener = lambda database, kind, event, key: heard.append((kind, event))
    hashes.run("HSET", "h", "f", "1")
    hashes.run("HSETNX", "h", "f", "1")
    hashes.run("HINCRBY", "h", "f", "1")
    hashes.run("HINCRBYFLOAT", "h", "f", "1")
    hashes.run("HDEL", "h", "x")
    hashes.run("HDEL", "h", "f")
    assert heard == [
        (events.NEW, b"new"),
        (events.HASH, b"hset"),
        (events.HASH, b"hincrby"),
        (events.HASH, b"hincrbyfloat"),
        (events.HASH, b"hdel"),
        (events.GENERIC, b"del"),
    ]


def test_watch_notices_a_field_that_changes_in_place(hashes: RedisCalls) -> None:
    hashes.run("HSET", "h", "f", "1")
    told: list[str] = []
    hashes.call.db.watch(b"h", lambda: told.append("changed"))
    hashes.run("HSET", "h", "f", "2")
    assert told == ["changed"]


def test_memory_usage_counts_what_lies_apart(redis: RedisCalls) -> None:
    redis.run("HSET", "small", "f", "v")
    redis.run("HSET", "large", *(word for number in range(1000) for word in (f"field:{number}", "v" * 100)))
    small, sampled, exact = (
        redis.run("MEMORY", "USAGE", *argv) for argv in (("small",), ("large",), ("large", "SAMPLES", 0))
    )
    assert isinstance(small, int)
    assert isinstance(sampled, int)
    assert isinstance(exact, int)
    assert small < 300
    assert exact > 100_000
    assert abs(sampled - exact) < exact / 5
