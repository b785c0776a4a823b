"""Union, intersection and difference of sorted sets."""

from __future__ import annotations

import math

import pytest

from elastickv.redis_api.registry import COMMANDS
from tests.kit.redis_calls import RedisCalls, Word, words

SYNTAX = b"ERR syntax error"


@pytest.fixture
def redis(redis: RedisCalls) -> RedisCalls:
    redis.run("ZADD", "a", 1, "one", 2, "two", 3, "three")
    redis.run("ZADD", "b", 10, "two", 20, "three", 30, "four")
    return redis


def test_union(redis: RedisCalls) -> None:
    assert redis.run("ZUNION", 2, "a", "b") == [b"one", b"two", b"three", b"four"]
    assert redis.run("ZUNION", 2, "a", "b", "WITHSCORES") == [b"one", 1.0, b"two", 12.0, b"three", 23.0, b"four", 30.0]
    assert redis.run("ZUNION", 2, "a", "b", "WEIGHTS", 2, "0.5", "WITHSCORES") == (
        [b"one", 2.0, b"two", 9.0, b"four", 15.0, b"three", 16.0]
    )
    assert redis.run("ZUNION", 3, "a", "b", "none", "AGGREGATE", "min", "WITHSCORES") == (
        [b"one", 1.0, b"two", 2.0, b"three", 3.0, b"four", 30.0]
    )
    assert redis.run("ZUNION", 1, "none") == []


def test_intersection(redis: RedisCalls) -> None:
    assert redis.run("ZINTER", 2, "a", "b", "WITHSCORES") == [b"two", 12.0, b"three", 23.0]
    assert redis.run("ZINTER", 2, "a", "b", "AGGREGATE", "MAX", "WITHSCORES") == [b"two", 10.0, b"three", 20.0]
    assert redis.run("ZINTER", 2, "a", "none") == []
    assert redis.run("ZINTER", 2, "a", "a", "WITHSCORES") == [b"one", 2.0, b"two", 4.0, b"three", 6.0]
    assert redis.run("ZINTERCARD", 2, "a", "b") == 2
    assert redis.run("ZINTERCARD", 2, "a", "b", "LIMIT", 1) == 1
    assert redis.run("ZINTERCARD", 2, "a", "b", "LIMIT", 0) == 2


def test_difference(redis: RedisCalls) -> None:
    assert redis.run("ZDIFF", 2, "a", "b", "WITHSCORES") == [b"one", 1.0]
    assert redis.run("ZDIFF", 2, "a", "none") == [b"one", b"two", b"three"]
    assert redis.run("ZDIFF", 2, "a", "a") == []


def test_what_is_not_a_number_is_zero(redis: RedisCalls) -> None:
    redis.run("ZADD", "inf", "inf", "m", 0, "zero")
    redis.run("ZADD", "minus", "-inf", "m", 5, "zero")
    assert redis.run("ZUNION", 2, "inf", "minus", "WITHSCORES") == [b"m", 0.0, b"zero", 5.0]
    assert redis.run("ZINTER", 2, "inf", "minus", "WEIGHTS", 0, 1, "WITHSCORES") == [b"m", -math.inf, b"zero", 5.0]


def test_stores(redis: RedisCalls) -> None:
    redis.run("SET", "d", "string")
    assert redis.run("ZUNIONSTORE", "d", 2, "a", "b") == 4
    assert redis.run("ZINTERSTORE", "d", 2, "d", "a") == 3
    assert redis.run("ZRANGE", "d", 0, -1, "WITHSCORES") == [b"one", 2.0, b"two", 14.0, b"three", 26.0]
    assert redis.run("ZDIFFSTORE", "e", 2, "b", "a") == 1
    assert redis.run("ZRANGE", "e", 0, -1) == [b"four"]
    assert redis.run("ZINTERSTORE", "d", 2, "a", "none") == 0
    assert redis.run("EXISTS", "d") == 0


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (("ZUNION", 0, "a"), b"ERR at least 1 input key is needed for 'zunion' command"),
        (("ZINTERSTORE", "d", -1, "a"), b"ERR at least 1 input key is needed for 'zinterstore' command"),
        (("ZDIFF", "x", "a"), b"ERR value is not an integer or out of range"),
        (("ZUNION", 3, "a", "b"), SYNTAX),
        (("ZUNION", 1, "a", "WEIGHTS", "x"), b"ERR weight value is not a float"),
        (("ZUNION", 1, "a", "WEIGHTS"), SYNTAX),
        (("ZUNION", 1, "a", "AGGREGATE", "AVG"), SYNTAX),
        (("ZUNIONSTORE", "d", 1, "a", "WITHSCORES"), SYNTAX),
        (("ZDIFF", 1, "a", "WEIGHTS", 1), SYNTAX),
        (("ZDIFFSTORE", "d", 1, "a", "AGGREGATE", "SUM"), SYNTAX),
        (("ZINTERCARD", 1, "a", "LIMIT", -1), b"ERR LIMIT can't be negative"),
        (("ZINTERCARD", 1, "a", "WITHSCORES"), SYNTAX),
    ],
)
def test_errors(redis: RedisCalls, argv: tuple[Word, ...], error: bytes) -> None:
    assert redis.error(*argv) == error


def test_keys_are_found_by_their_number() -> None:
    def keys(*argv: Word) -> list[bytes]:
        return COMMANDS[str(argv[0]).lower()].keys_of(words(*argv))

    assert keys("ZUNION", 2, "a", "b", "WITHSCORES") == [b"a", b"b"]
    assert keys("ZUNIONSTORE", "d", 2, "a", "b", "WEIGHTS", 1, 2) == [b"d", b"a", b"b"]
    assert keys("ZMPOP", 1, "a", "MIN") == [b"a"]
    assert keys("ZINTER", 9, "a") == []
    assert keys("ZINTER", "x", "a") == []
