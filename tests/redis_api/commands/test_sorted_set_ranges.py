"""Ranges of sorted sets."""

from __future__ import annotations

import pytest

from tests.kit.redis_calls import RedisCalls, Word

SYNTAX = b"ERR syntax error"
NO_FLOATS = b"ERR min or max is not a float"
NO_MEMBERS = b"ERR min or max not valid string range item"


@pytest.fixture(params=["inline", "split", "skiplist"])
def redis(redis: RedisCalls, request: pytest.FixtureRequest) -> RedisCalls:
    if request.param != "inline":
        redis.databases.limits.inline_bytes = 0
    if request.param == "skiplist":
        redis.databases.limits.zset_entries = 0
    redis.run("ZADD", "z", 1, "a", 2, "b", 2, "c", 3, "d", "inf", "e")
    redis.run("ZADD", "lex", 0, "a", 0, "b", 0, "bb", 0, "c", 0, "d")
    return redis


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((0, -1), "abcde"),
        ((1, 2), "bc"),
        ((-2, -1), "de"),
        ((-100, 100), "abcde"),
        ((3, 2), ""),
        ((5, 9), ""),
        ((0, -6), ""),
        ((0, -1, "REV"), "edcba"),
        ((0, 1, "REV"), "ed"),
        ((2, 3, "BYSCORE"), "bcd"),
        (("(2", "inf", "byscore"), "de"),
        (("-inf", "(inf", "BYSCORE"), "abcd"),
        ((3, 2, "REV", "BYSCORE"), "dcb"),
        ((2, "(3", "BYSCORE", "LIMIT", 1, 5), "c"),
        (("-inf", "inf", "BYSCORE", "LIMIT", 1, -1), "bcde"),
        (("-inf", "inf", "BYSCORE", "LIMIT", -1, 5), ""),
        (("inf", "-inf", "BYSCORE", "REV", "LIMIT", 1, 2), "dc"),
        (("-inf", "inf", "BYSCORE", "LIMIT", 0, 0), ""),
        ((3, 2, "BYSCORE"), ""),
        (("0x2", 2, "BYSCORE"), "bc"),
    ],
)
def test_zrange(redis: RedisCalls, words: tuple[Word, ...], expected: str) -> None:
    assert redis.run("ZRANGE", "z", *words) == [bytes((one,)) for one in expected.encode()]
    assert redis.run("ZRANGESTORE", "copy", "z", *words) == len(expected)
    assert redis.run("ZCARD", "copy") == len(expected)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-", "+"), ["a", "b", "bb", "c", "d"]),
        (("[b", "[c"), ["b", "bb", "c"]),
        (("(b", "(c"), ["bb"]),
        (("[bb", "+"), ["bb", "c", "d"]),
        (("-", "(a"), []),
        (("+", "-"), []),
        (("[c", "[b"), []),
        (("(b", "[b"), []),
        (("-", "+", "LIMIT", 1, 2), ["b", "bb"]),
        (("[\xff", "+"), []),
    ],
)
def test_by_member(redis: RedisCalls, words: tuple[Word, ...], expected: list[str]) -> None:
    members = [one.encode() for one in expected]
    assert redis.run("ZRANGEBYLEX", "lex", *words) == members
    assert redis.run("ZRANGE", "lex", *words, "BYLEX") == members
    low, high, *limit = words
    if not limit:
        assert redis.run("ZREVRANGEBYLEX", "lex", high, low) == members[::-1]
        assert redis.run("ZLEXCOUNT", "lex", low, high) == len(members)
        assert redis.run("ZREMRANGEBYLEX", "lex", low, high) == len(members)
        assert redis.run("ZCARD", "lex") == 5 - len(members)


def test_members_of_different_scores_are_walked_as_redis_walks_small_sets(redis: RedisCalls) -> None:
    if redis.databases.limits.zset_entries == 0:
        return  # a matter of chance in Redis
    redis.run("ZADD", "m", 1, "c", 2, "a", 3, "b", 4, "d")
    assert redis.run("ZRANGEBYLEX", "m", "[b", "[c") == [b"c", b"a", b"b"]
    assert redis.run("ZREVRANGEBYLEX", "m", "[c", "[b") == [b"b"]


def test_old_names(redis: RedisCalls) -> None:
    assert redis.run("ZREVRANGE", "z", 0, 1, "withscores") == [b"e", float("inf"), b"d", 3.0]
    assert redis.run("ZRANGEBYSCORE", "z", 2, 3, "WITHSCORES", "LIMIT", 1, 1) == [b"c", 2.0]
    assert redis.run("ZREVRANGEBYSCORE", "z", 3, "(2") == [b"d"]
    assert redis.run("ZCOUNT", "z", "(1", 3) == 3
    assert redis.run("ZCOUNT", "none", 0, 1) == 0
    assert redis.run("ZRANGE", "none", 0, -1) == []


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (("ZRANGE", "z", 0, -1, "LIMIT", 0, 1), b"ERR syntax error, LIMIT is only supported in combination with either "
            b"BYSCORE or BYLEX"),
        (("ZRANGE", "z", "-", "+", "BYLEX", "WITHSCORES"), b"ERR syntax error, WITHSCORES not supported in combination "
            b"with BYLEX"),
        (("ZRANGE", "z", "x", -1), b"ERR value is not an integer or out of range"),
        (("ZRANGE", "z", 0, -1, "LIMIT", 0), SYNTAX),
        (("ZRANGE", "z", 0, -1, "REV", "REV"), SYNTAX),
        (("ZRANGE", "z", 0, -1, "BYSCORE", "BYLEX"), SYNTAX),
        (("ZREVRANGE", "z", 0, -1, "REV"), SYNTAX),
        (("ZRANGEBYSCORE", "z", 0, 1, "BYLEX"), SYNTAX),
        (("ZRANGESTORE", "d", "z", 0, -1, "WITHSCORES"), SYNTAX),
        (("ZRANGEBYSCORE", "z", "x", 1), NO_FLOATS),
        (("ZRANGEBYSCORE", "z", "nan", 1), NO_FLOATS),
        (("ZCOUNT", "z", "1 ", 1), NO_FLOATS),
        (("ZREMRANGEBYSCORE", "z", 0, "((1"), NO_FLOATS),
        (("ZRANGEBYLEX", "z", "a", "+"), NO_MEMBERS),
        (("ZLEXCOUNT", "z", "-", "++"), NO_MEMBERS),
        (("ZREMRANGEBYLEX", "z", "", "+"), NO_MEMBERS),
        (("ZREMRANGEBYRANK", "z", 0, "x"), b"ERR value is not an integer or out of range"),
    ],
)  # fmt: skip
def test_errors(redis: RedisCalls, argv: tuple[Word, ...], error: bytes) -> None:
    assert redis.error(*argv) == error


def test_bounds_are_read_as_strtod_reads(redis: RedisCalls) -> None:
    assert redis.run("ZCOUNT", "z", "", " 2") == 3
    assert redis.run("ZCOUNT", "z", "(", "1e999") == 5
    assert redis.run("ZCOUNT", "z", b"1\0x", "2") == 3


def test_removing(redis: RedisCalls) -> None:
    assert redis.run("ZREMRANGEBYRANK", "z", 1, -3) == 2
    assert redis.run("ZRANGE", "z", 0, -1) == [b"a", b"d", b"e"]
    assert redis.run("ZREMRANGEBYSCORE", "z", "(1", "(inf") == 1
    assert redis.run("ZREMRANGEBYSCORE", "z", 5, 2) == 0
    assert redis.run("ZREMRANGEBYRANK", "z", 0, -1) == 2
    assert redis.run("EXISTS", "z") == 0
    assert redis.run("ZREMRANGEBYSCORE", "z", 0, 1) == 0


def test_zrangestore(redis: RedisCalls) -> None:
    redis.run("SET", "d", "string")
    assert redis.run("ZRANGESTORE", "d", "z", 3, 2, "BYSCORE", "REV", "LIMIT", 0, 2) == 2
    assert redis.run("ZRANGE", "d", 0, -1, "WITHSCORES") == [b"c", 2.0, b"d", 3.0]
    assert redis.run("ZRANGESTORE", "z", "z", 0, 0) == 1
    assert redis.run("ZRANGE", "z", 0, -1) == [b"a"]
    assert redis.run("ZRANGESTORE", "d", "none", 0, -1) == 0
    assert redis.run("EXISTS", "d") == 0
