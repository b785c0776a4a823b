"""Sorted sets, member by member. What they have in common with Redis is also compared in tests/conformance."""

from __future__ import annotations

import math

import pytest

from elastickv.redis_api.registry import COMMANDS
from tests.kit.redis_calls import RedisCalls, Word

WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"
NO_FLOAT = b"ERR value is not a valid float"
SYNTAX = b"ERR syntax error"
OURS = [command.name for command in COMMANDS.values() if command.group == "sorted-set"]


@pytest.fixture(params=["inline", "split"])
def redis(redis: RedisCalls, request: pytest.FixtureRequest) -> RedisCalls:
    if request.param == "split":
        redis.databases.limits.inline_bytes = 0
    return redis


@pytest.mark.parametrize("name", OURS)
def test_arity(redis: RedisCalls, name: str) -> None:
    error = b"ERR wrong number of arguments for '%b' command" % name.encode()
    arity = COMMANDS[name].arity
    assert redis.error(name, *["1"] * (abs(arity) - 2)) == error
    if arity > 0:
        assert redis.error(name, *["1"] * arity) == error


@pytest.mark.parametrize(
    "argv",
    [
        ("ZADD", "s", 1, "a"),
        ("ZINCRBY", "s", 1, "a"),
        ("ZREM", "s", "a"),
        ("ZCARD", "s"),
        ("ZSCORE", "s", "a"),
        ("ZMSCORE", "s", "a"),
        ("ZRANK", "s", "a"),
        ("ZREVRANK", "s", "a"),
        ("ZRANGE", "s", 0, -1),
        ("ZREVRANGE", "s", 0, -1),
        ("ZRANGEBYSCORE", "s", 0, 1),
        ("ZREVRANGEBYSCORE", "s", 1, 0),
        ("ZRANGEBYLEX", "s", "-", "+"),
        ("ZREVRANGEBYLEX", "s", "+", "-"),
        ("ZRANGESTORE", "d", "s", 0, -1),
        ("ZCOUNT", "s", 0, 1),
        ("ZLEXCOUNT", "s", "-", "+"),
        ("ZREMRANGEBYRANK", "s", 0, 1),
        ("ZREMRANGEBYSCORE", "s", 0, 1),
        ("ZREMRANGEBYLEX", "s", "-", "+"),
        ("ZPOPMIN", "s"),
        ("ZPOPMAX", "s", 2),
        ("ZMPOP", 2, "none", "s", "MIN"),
        ("BZPOPMIN", "none", "s", 1),
        ("BZMPOP", 1, 2, "none", "s", "MAX"),
        ("ZRANDMEMBER", "s"),
        ("ZSCAN", "s", 0),
        ("ZUNION", 2, "z", "s"),
        ("ZINTERSTORE", "d", 1, "s"),
        ("ZDIFF", 1, "s"),
        ("ZINTERCARD", 1, "s"),
    ],
)
def test_other_types_are_refused(redis: RedisCalls, argv: tuple[Word, ...]) -> None:
    redis.run("SET", "s", "string")
    redis.run("ZADD", "z", 1, "a")
    assert redis.error(*argv) == WRONG_TYPE


def test_zadd(redis: RedisCalls) -> None:
    assert redis.run("ZADD", "z", 1, "a", 2, "b", 3, "a") == 2
    assert redis.run("ZRANGE", "z", 0, -1, "WITHSCORES") == [b"b", 2.0, b"a", 3.0]
    assert redis.run("ZADD", "z", 5, "b", 6, "c") == 1
    assert redis.run("ZADD", "z", "CH", 5, "b", 7, "c", 8, "d") == 2
    assert redis.run("TYPE", "z") == b"zset"


def test_zadd_says_no(redis: RedisCalls) -> None:
    assert redis.error("ZADD", "z", 1, "a", 2) == SYNTAX
    assert redis.error("ZADD", "z", "NX", "CH") == SYNTAX
    for word in ("nan", "", "1x", " 1", "1e999"):
        assert redis.error("ZADD", "z", 1, "a", word, "b") == NO_FLOAT
    both = b"ERR XX and NX options at the same time are not compatible"
    assert redis.error("ZADD", "z", "NX", "XX", 1, "a") == both
    compared = b"ERR GT, LT, and/or NX options at the same time are not compatible"
    for options in (("GT", "NX"), ("LT", "nx"), ("GT", "LT")):
        assert redis.error("ZADD", "z", *options, 1, "a") == compared
    single = b"ERR INCR option supports a single increment-element pair"
    assert redis.error("ZADD", "z", "INCR", 1, "a", 2, "b") == single
    assert redis.run("EXISTS", "z") == 0


def test_zadd_conditions(redis: RedisCalls) -> None:
    assert redis.run("ZADD", "z", "XX", 1, "a") == 0
    assert redis.run("EXISTS", "z") == 0
    redis.run("ZADD", "z", 5, "a")
    assert redis.run("ZADD", "z", "NX", "CH", 6, "a", 7, "b") == 1
    assert redis.run("ZMSCORE", "z", "a", "b") == [5.0, 7.0]
    assert redis.run("ZADD", "z", "GT", "CH", 4, "a", 8, "b", 1, "c") == 2
    assert redis.run("ZADD", "z", "LT", "CH", 4, "a", 9, "b") == 1
    assert redis.run("ZMSCORE", "z", "a", "b", "c") == [4.0, 8.0, 1.0]
    assert redis.run("ZADD", "z", "XX", "GT", "CH", 1, "x", 2, "c") == 1
    assert redis.run("ZSCORE", "z", "x") is None


def test_zadd_incr(redis: RedisCalls) -> None:
    assert redis.run("ZADD", "z", "INCR", "2.5", "a") == 2.5
    assert redis.run("ZADD", "z", "incr", 1, "a") == 3.5
    assert redis.run("ZADD", "z", "INCR", "NX", 1, "a") is None
    assert redis.run("ZADD", "z", "INCR", "XX", 1, "b") is None
    assert redis.run("ZADD", "none", "INCR", "XX", 1, "b") is None
    assert redis.run("ZADD", "z", "INCR", "GT", -1, "a") is None
    assert redis.run("ZADD", "z", "INCR", "LT", -1, "a") == 2.5
    assert redis.run("ZADD", "z", "INCR", "LT", 0, "a") is None


def test_zincrby(redis: RedisCalls) -> None:
    assert redis.run("ZINCRBY", "z", "1.5", "a") == 1.5
    assert redis.run("ZINCRBY", "z", "-2", "a") == -0.5
    assert redis.run("ZINCRBY", "z", "inf", "a") == math.inf
    assert redis.error("ZINCRBY", "z", "-inf", "a") == b"ERR resulting score is not a number (NaN)"
    assert redis.run("ZSCORE", "z", "a") == math.inf
    assert redis.error("ZINCRBY", "z", "x", "a") == NO_FLOAT
    assert redis.error("ZINCRBY", "z", "nx", "a") == SYNTAX


def test_scores_on_the_wire(redis: RedisCalls) -> None:
    redis.run("ZADD", "z", "0.1", "a", "1e20", "b", "-inf", "c", 3, "d", "-0", "e")
    assert redis.wire([b"ZSCORE", b"z", b"a"], 2) == b"$3\r\n0.1\r\n"
    assert redis.wire([b"ZSCORE", b"z", b"a"], 3) == b",0.1\r\n"
    assert redis.wire([b"ZMSCORE", b"z", b"b", b"c", b"d", b"x", b"e"], 3) == (
        b"*5\r\n,1e+20\r\n,-inf\r\n,3\r\n_\r\n,0\r\n"
    )
    assert redis.wire([b"ZRANGE", b"z", b"0", b"0", b"WITHSCORES"], 2) == b"*2\r\n$1\r\nc\r\n$4\r\n-inf\r\n"
    redis.call.protocol = 3
    assert redis.wire([b"ZRANGE", b"z", b"0", b"0", b"WITHSCORES"], 3) == b"*1\r\n*2\r\n$1\r\nc\r\n,-inf\r\n"


def test_zrem_zcard(redis: RedisCalls) -> None:
    redis.run("ZADD", "z", 1, "a", 2, "b", 3, "c")
    assert redis.run("ZREM", "z", "a", "x", "a") == 1
    assert redis.run("ZCARD", "z") == 2
    assert redis.run("ZREM", "z", "b", "c", "b") == 2
    assert redis.run("EXISTS", "z") == 0
    assert redis.run("ZREM", "z", "a") == 0
    assert redis.run("ZCARD", "z") == 0


def test_zrank(redis: RedisCalls) -> None:
    redis.run("ZADD", "z", 1, "b", 1, "a", 2, "c")
    assert [redis.run("ZRANK", "z", member) for member in "abc"] == [0, 1, 2]
    assert [redis.run("ZREVRANK", "z", member) for member in "abc"] == [2, 1, 0]
    assert redis.run("ZRANK", "z", "c", "withscore") == [2, 2.0]
    assert redis.run("ZREVRANK", "z", "c", "WITHSCORE") == [0, 2.0]
    assert redis.run("ZRANK", "z", "x") is None
    assert redis.wire([b"ZRANK", b"z", b"x"], 2) == b"$-1\r\n"
    assert redis.wire([b"ZRANK", b"z", b"x", b"WITHSCORE"], 2) == b"*-1\r\n"
    assert redis.error("ZRANK", "z", "a", "WITHSCORES") == SYNTAX
    assert redis.error("ZRANK", "z", "a", "WITHSCORE", "x") == b"ERR wrong number of arguments for 'zrank' command"


def test_members_of_any_length(redis: RedisCalls) -> None:
    members = [b"", b"x" * 400, b"x" * 401, b"x" * 400 + b"y", b"x" * 5000, b"x" * 5000 + b"y"]
    for score, member in enumerate(members):
        assert redis.run("ZADD", "z", score // 2, member) == 1
    assert redis.run("ZRANGE", "z", 0, -1) == members
    assert [redis.run("ZRANK", "z", member) for member in members] == list(range(6))
    assert redis.run("ZREM", "z", *members) == 6


def test_object_encoding(redis: RedisCalls) -> None:
    redis.databases.limits.zset_entries = 3
    redis.run("ZADD", "z", 1, "a", 2, "b", 3, "c")
    assert redis.run("OBJECT", "ENCODING", "z") == b"listpack"
    redis.run("ZADD", "z", 4, "d")
    assert redis.run("OBJECT", "ENCODING", "z") == b"skiplist"
    redis.run("ZREM", "z", "c", "d")
    assert redis.run("OBJECT", "ENCODING", "z") == b"skiplist"
    redis.run("ZUNIONSTORE", "z", 1, "z")
    assert redis.run("OBJECT", "ENCODING", "z") == b"listpack"
    redis.run("ZADD", "y", 1, "m" * 64)
    assert redis.run("OBJECT", "ENCODING", "y") == b"listpack"
    redis.run("ZADD", "y", 1, "m" * 65)
    assert redis.run("OBJECT", "ENCODING", "y") == b"skiplist"
