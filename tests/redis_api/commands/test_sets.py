"""The set group in both layouts; what it has in common with Redis is also compared in tests/conformance."""

from __future__ import annotations

from collections import Counter

import pytest

from elastickv.kv.keyspace import ELEMENT, prefix_end
from elastickv.redis_api.replies import encode
from elastickv.redis_api.values import events
from tests.kit.redis_calls import RedisCalls, Word

WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"
LONG = b"m" * 1000


@pytest.fixture(params=["inline", "split"])
def sets(request: pytest.FixtureRequest, redis: RedisCalls) -> RedisCalls:
    """A server whose sets are in one record, or all apart."""
    if request.param == "split":
        redis.databases.limits.inline_bytes = 0
    return redis


def members(redis: RedisCalls, *argv: Word) -> set[bytes]:
    reply = redis.run(*argv)
    assert isinstance(reply, list)
    assert len(set(reply)) == len(reply)
    return set(reply)


def elements(redis: RedisCalls) -> int:
    return len(list(redis.store.view.scan(ELEMENT, prefix_end(ELEMENT))))


def test_members_come_and_go(sets: RedisCalls) -> None:
    run = sets.run
    assert run("SADD", "s", "a", "b", "a", LONG) == 3
    assert run("SADD", "s", "b", "c") == 1
    assert run("SCARD", "s") == 4
    assert members(sets, "SMEMBERS", "s") == {b"a", b"b", b"c", LONG}
    assert (run("SISMEMBER", "s", LONG), run("SISMEMBER", "s", "x"), run("SISMEMBER", "none", "x")) == (1, 0, 0)
    assert run("SMISMEMBER", "s", "x", "a", LONG) == [0, 1, 1]
    assert run("SMISMEMBER", "none", "x", "y") == [0, 0]
    assert run("SREM", "s", "a", "a", "x") == 1
    assert run("SREM", "s", "b") == 1
    assert run("SREM", "s", "b") == 0
    assert run("SREM", "s", "c", LONG) == 2
    assert (run("EXISTS", "s"), run("SREM", "s", "c"), run("SCARD", "s")) == (0, 0, 0)
    sets.databases.clearing.purge(100)
    assert elements(sets) == 0


@pytest.mark.parametrize(
    "argv",
    [
        ("SADD", "alist", "m"), ("SREM", "alist", "m"), ("SISMEMBER", "alist", "m"), ("SMISMEMBER", "alist", "m"),
        ("SCARD", "alist"), ("SMEMBERS", "alist"), ("SMOVE", "alist", "t", "m"), ("SMOVE", "s", "alist", "m"),
        ("SINTER", "s", "alist"), ("SINTER", "none", "alist"), ("SUNION", "s", "alist"), ("SDIFF", "none", "alist"),
        ("SINTERSTORE", "d", "s", "alist"), ("SUNIONSTORE", "d", "alist"), ("SDIFFSTORE", "d", "s", "alist"),
        ("SINTERCARD", 1, "alist"), ("SPOP", "alist"), ("SPOP", "alist", 1), ("SRANDMEMBER", "alist"),
        ("SRANDMEMBER", "alist", 1), ("SSCAN", "alist", 0),
    ],
)  # fmt: skip
def test_another_type(redis: RedisCalls, argv: tuple[Word, ...]) -> None:
    redis.run("SADD", "s", "m")
    assert redis.error(*argv) == WRONG_TYPE


def test_errors(sets: RedisCalls) -> None:
    sets.run("SADD", "s", "a")
    error = sets.error
    assert error("SPOP", "s", -1) == b"ERR value is out of range, must be positive"
    assert error("SPOP", "s", "x") == b"ERR value is out of range, must be positive"
    assert error("SPOP", "s", 1, 2) == b"ERR syntax error"
    assert error("SRANDMEMBER", "s", "x") == b"ERR value is not an integer or out of range"
    assert error("SRANDMEMBER", "s", -(2**63)).startswith(b"ERR value is out of range, value must between")
    assert error("SRANDMEMBER", "s", -(10**8)) == b"ERR value is out of range"
    assert error("SRANDMEMBER", "s", 1, 2) == b"ERR syntax error"
    assert error("SINTERCARD", 0, "s") == b"ERR numkeys should be greater than 0"
    assert error("SINTERCARD", 2, "s") == b"ERR Number of keys can't be greater than number of args"
    assert error("SINTERCARD", 1, "s", "LIMIT", -1) == b"ERR LIMIT can't be negative"
    assert error("SINTERCARD", 1, "s", "LIMIT") == b"ERR syntax error"
    assert error("SSCAN", "s", "x") == b"ERR invalid cursor"


def test_smove(sets: RedisCalls) -> None:
    sets.run("SADD", "s", "a", "b")
    assert sets.run("SMOVE", "s", "t", "a") == 1
    assert sets.run("SMOVE", "s", "t", "a") == 0
    assert sets.run("SMOVE", "s", "s", "b") == 1
    assert sets.run("SMOVE", "s", "t", "b") == 1
    assert (sets.run("EXISTS", "s"), members(sets, "SMEMBERS", "t")) == (0, {b"a", b"b"})
    assert sets.run("SMOVE", "s", "t", "b") == 0


def test_algebra(sets: RedisCalls) -> None:
    sets.run("SADD", "a", *range(20))
    sets.run("SADD", "b", *range(10, 40, 2))
    sets.run("SADD", "c", *range(0, 40, 4))
    a, b, c = ({b"%d" % number for number in one} for one in (range(20), range(10, 40, 2), range(0, 40, 4)))
    assert members(sets, "SINTER", "a", "b", "c") == a & b & c
    assert members(sets, "SUNION", "a", "none", "b", "c") == a | b | c
    assert members(sets, "SDIFF", "a", "b", "none", "c") == a - b - c
    assert members(sets, "SDIFF", "c", "a") == c - a
    assert members(sets, "SINTER", "a", "none") == members(sets, "SDIFF", "a", "b", "a") == set()
    assert (sets.run("SINTERCARD", 2, "a", "b"), sets.run("SINTERCARD", 2, "a", "b", "LIMIT", 2)) == (len(a & b), 2)
    assert sets.run("SINTERSTORE", "a", "a", "b") == len(a & b)
    assert members(sets, "SMEMBERS", "a") == a & b
    assert sets.run("SUNIONSTORE", "d", "b", "c") == len(b | c)
    assert sets.run("SDIFFSTORE", "d", "b", "c") == len(b - c)
    assert members(sets, "SMEMBERS", "d") == b - c
    assert sets.run("SDIFFSTORE", "d", "b", "b") == 0
    assert sets.run("EXISTS", "d") == 0


def test_replies_are_sets_in_resp3_but_srandmember_is_an_array(redis: RedisCalls) -> None:
    redis.run("SADD", "s", "a")
    for argv in ([b"SMEMBERS", b"s"], [b"SINTER", b"s"], [b"SUNION", b"s"], [b"SDIFF", b"s"], [b"SPOP", b"s", b"5"]):
        assert redis.wire(argv, 3) == b"~1\r\n$1\r\na\r\n"
        redis.run("SADD", "s", "a")
    assert redis.wire([b"SRANDMEMBER", b"s", b"5"], 3) == b"*1\r\n$1\r\na\r\n"
    assert redis.wire([b"SMEMBERS", b"none"], 3) == b"~0\r\n"
    assert redis.wire([b"SPOP", b"none"], 2) == b"$-1\r\n"


def test_replies_are_not_changed_by_later_commands(redis: RedisCalls) -> None:
    redis.run("SADD", "s", "a")
    first = redis.reply([b"SMEMBERS", b"s"])
    redis.run("SADD", "s", "b")
    assert encode(first, 2) == b"*1\r\n$1\r\na\r\n"


# Encodings


def encoding(redis: RedisCalls, key: str = "s") -> object:
    return redis.run("OBJECT", "ENCODING", key)


def test_encodings_of_redis_7_2(redis: RedisCalls) -> None:
    redis.run("SADD", "s", *range(512))
    assert encoding(redis) == b"intset"
    redis.run("SADD", "s", 512)
    assert encoding(redis) == b"hashtable"
    redis.run("DEL", "s")
    redis.run("SADD", "s", *range(127))
    redis.run("SADD", "s", "text")
    assert encoding(redis) == b"listpack"
    redis.run("SADD", "s", "one more")
    assert encoding(redis) == b"hashtable"
    redis.run("SREM", "s", "text", "one more")
    assert encoding(redis) == b"hashtable", "Redis does not go back"
    redis.run("DEL", "s")
    redis.run("SADD", "s", *range(128))
    redis.run("SADD", "s", "text")
    assert encoding(redis) == b"hashtable"
    redis.run("DEL", "s")
    redis.run("SADD", "s", "a" * 64)
    assert encoding(redis) == b"listpack"
    redis.run("SADD", "s", "a" * 65)
    assert encoding(redis) == b"hashtable"
    redis.run("SADD", "many", *(f"m{number}" for number in range(129)))
    assert encoding(redis, "many") == b"hashtable"
    redis.run("SADD", "ints", *range(10))
    redis.run("SADD", "ints", *([1] * 513))
    assert encoding(redis, "ints") == b"hashtable", "arguments are counted before they are looked at"


def test_encodings_of_results(redis: RedisCalls) -> None:
    redis.run("SADD", "ints", *range(10))
    redis.run("SADD", "mixed", *range(10), "text")
    redis.run("SADD", "long", *range(10), "x" * 100)
    for argv, expected in [
        (("SINTERSTORE", "d", "mixed", "long"), b"intset"),
        (("SINTERSTORE", "d", "mixed", "mixed"), b"listpack"),
        (("SUNIONSTORE", "d", "ints", "mixed"), b"listpack"),
        (("SUNIONSTORE", "d", "ints", "long"), b"hashtable"),
        (("SDIFFSTORE", "d", "long", "mixed"), b"hashtable"),
        (("SDIFFSTORE", "d", "mixed", "none"), b"listpack"),
    ]:
        redis.run(*argv)
        assert encoding(redis, "d") == expected, argv


def test_an_intset_is_in_order(redis: RedisCalls) -> None:
    redis.run("SADD", "s", 5, -3, 100)
    redis.run("SADD", "s", 7)
    assert redis.run("SMEMBERS", "s") == [b"-3", b"5", b"7", b"100"]
    redis.run("SADD", "s", "x")
    redis.run("SADD", "s", 6)
    assert redis.run("SMEMBERS", "s") == [b"-3", b"5", b"7", b"100", b"x", b"6"]


def test_dump_and_restore_keep_members(sets: RedisCalls) -> None:
    for values in (range(50), [f"m{number}" for number in range(300)], [LONG]):
        sets.run("DEL", "s", "t")
        sets.run("SADD", "s", *values)
        payload = sets.run("DUMP", "s")
        assert isinstance(payload, bytes)
        assert sets.run("RESTORE", "t", 0, payload) == b"OK"
        assert members(sets, "SMEMBERS", "s") == members(sets, "SMEMBERS", "t")
        assert encoding(sets, "s") == encoding(sets, "t")


# Walking and drawing


def test_a_large_set_is_split_and_sscan_meets_everything_that_stays(redis: RedisCalls) -> None:
    redis.run("SADD", "s", *(f"stays:{number}" for number in range(2000)))
    assert elements(redis) == 2000
    met: Counter[bytes] = Counter()
    cursor = b"0"
    step = 0
    while True:
        reply = redis.run("SSCAN", "s", cursor, "COUNT", 50)
        assert isinstance(reply, list)
        cursor, found = reply
        met.update(found)
        step += 1
        redis.run("SADD", "s", f"new:{step}")
        redis.run("SREM", "s", f"new:{step - 1}")
        if cursor == b"0":
            break
    assert {one for one in met if one.startswith(b"stays")} == {b"stays:%d" % number for number in range(2000)}
    assert max(met.values()) == 1


@pytest.mark.parametrize("count", [5, 60, 150])
def test_every_member_is_drawn_equally_often(sets: RedisCalls, count: int) -> None:
    sets.run("SADD", "s", *range(count))
    draws = 40 * count
    one_by_one = Counter(sets.run("SRANDMEMBER", "s") for _ in range(draws))
    together = Counter(sets.run("SRANDMEMBER", "s", -draws))  # type: ignore[call-overload]
    some = Counter(member for _ in range(draws // 5) for member in members(sets, "SRANDMEMBER", "s", 5))
    for met in (one_by_one, together, some):
        chi_square = sum((met[b"%d" % number] - 40) ** 2 / 40 for number in range(count))
        # Six sigma above the mean of the distribution.
        assert chi_square < count + 6 * (2 * count) ** 0.5


def test_which_member_spop_takes_is_drawn_fairly(sets: RedisCalls) -> None:
    met: Counter[bytes] = Counter()
    for _ in range(400):
        sets.run("SADD", "s", *range(10))
        met.update(members(sets, "SPOP", "s", 4))
        sets.run("DEL", "s")
        sets.databases.clearing.purge(1000)
    assert sum((met[b"%d" % number] - 160) ** 2 / 160 for number in range(10)) < 40


def test_single_pops_of_a_large_set_are_fair(redis: RedisCalls) -> None:
    redis.databases.limits.inline_bytes = 0
    popped: Counter[bytes] = Counter()
    for _ in range(100):
        redis.run("SADD", "s", *range(256))
        popped.update(redis.run("SPOP", "s") for _ in range(16))  # type: ignore[misc]
        redis.run("DEL", "s")
        redis.databases.clearing.purge(1000)
    expected = 100 * 16 / 256
    chi_square = sum((popped[b"%d" % number] - expected) ** 2 / expected for number in range(256))
    # Eight neighbours by hash come together, so this varies more than with independent draws: six sigma of that.
    assert chi_square < 256 + 6 * (2 * 256 * 8) ** 0.5


def test_what_was_drawn_in_advance_may_be_gone(redis: RedisCalls) -> None:
    redis.databases.limits.inline_bytes = 0
    redis.run("SADD", "s", *range(600))
    left = set(range(600))
    while len(left) > 3:
        member = redis.run("SPOP", "s")
        assert isinstance(member, bytes)
        left.remove(int(member))
        gone = [left.pop() for _ in range(3)]
        redis.run("SREM", "s", *gone)
    assert members(redis, "SMEMBERS", "s") == {b"%d" % number for number in left}


def test_spop_until_nothing_is_left(sets: RedisCalls) -> None:
    sets.run("SADD", "s", *range(1000))
    popped: list[bytes] = []
    for count in (0, 1, 10, 300, 600):
        popped += members(sets, "SPOP", "s", count)
        assert sets.run("SCARD", "s") == 1000 - len(popped)
    while member := sets.run("SPOP", "s"):
        assert isinstance(member, bytes)
        popped.append(member)
    assert sorted(map(int, popped)) == list(range(1000))
    assert sets.run("EXISTS", "s") == 0


def test_srandmember_shapes(sets: RedisCalls) -> None:
    sets.run("SADD", "s", *range(100))
    for wanted in (1, 3, 50, 99):
        assert len(members(sets, "SRANDMEMBER", "s", wanted)) == wanted
    assert len(members(sets, "SRANDMEMBER", "s", 2**62)) == 100
    assert len(sets.run("SRANDMEMBER", "s", -250)) == 250  # type: ignore[arg-type]
    assert (sets.run("SRANDMEMBER", "none"), sets.run("SRANDMEMBER", "none", 3)) == (None, [])


def test_events(sets: RedisCalls) -> None:
    heard: list[tuple[int, bytes, bytes]] = []
    sets.databases.listener = lambda database, kind, event, key: heard.append((kind, event, key))
    sets.run("SADD", "s", "a", "b")
    sets.run("SADD", "s", "a")
    sets.run("SMOVE", "s", "t", "a")
    sets.run("SREM", "s", "x")
    sets.run("SPOP", "s")
    sets.run("SUNIONSTORE", "d", "t")
    sets.run("SINTERSTORE", "d", "t", "none")
    sets.run("SREM", "t", "a")
    told = [(kind, event, key) for kind, event, key in heard if kind not in (events.NEW, events.KEY_MISS)]
    assert told == [
        (events.SET, b"sadd", b"s"),
        (events.SET, b"srem", b"s"),
        (events.SET, b"sadd", b"t"),
        (events.SET, b"spop", b"s"),
        (events.GENERIC, b"del", b"s"),
        (events.SET, b"sunionstore", b"d"),
        (events.GENERIC, b"del", b"d"),
        (events.SET, b"srem", b"t"),
        (events.GENERIC, b"del", b"t"),
    ]
