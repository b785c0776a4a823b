"""SORT and SORT_RO; random ones are compared with Redis in tests/conformance."""

from __future__ import annotations

import pytest

from elastickv.redis_api.registry import COMMANDS
from elastickv.redis_api.values import events
from tests.kit.redis_calls import RedisCalls, Word

WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture
def filled(redis: RedisCalls) -> RedisCalls:
    run = redis.run
    run("RPUSH", "l", 10, 9, 2, 11)
    run("SADD", "s", "b", "a", "c")
    run("ZADD", "z", 1, "x", 2, "y", 3, "w")
    run("MSET", "weight_9", 1, "weight_10", 2, "weight_11", 3, "name_9", "nine", "name_2", "two")
    run("HSET", "h_9", "f", "field of nine", "w", 5)
    run("HSET", "h_2", "w", 7)
    return redis


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("l",), [b"2", b"9", b"10", b"11"]),
        (("l", "DESC"), [b"11", b"10", b"9", b"2"]),
        (("l", "ALPHA"), [b"10", b"11", b"2", b"9"]),
        (("l", "desc", "ALPHA", "asc"), [b"10", b"11", b"2", b"9"]),
        (("l", "LIMIT", 1, 2), [b"9", b"10"]),
        (("l", "LIMIT", -5, 1), [b"2"]),
        (("l", "LIMIT", 2, -1), [b"10", b"11"]),
        (("l", "LIMIT", 9, 1), []),
        (("l", "BY", "weight_*"), [b"2", b"9", b"10", b"11"]),
        (("l", "BY", "h_*->w", "ALPHA"), [b"10", b"11", b"9", b"2"]),
        (("l", "BY", "nosort"), [b"10", b"9", b"2", b"11"]),
        (("l", "BY", "nosort", "DESC", "LIMIT", 0, 2), [b"10", b"9"]),
        (("l", "GET", "name_*", "GET", "#"), [b"two", b"2", b"nine", b"9", None, b"10", None, b"11"]),
        (("l", "GET", "h_*->f", "LIMIT", 1, 1), [b"field of nine"]),
        (("l", "GET", "h_*->"), [None] * 4),
        (("l", "GET", "nothing"), [None] * 4),
        (("l", "GET", "h_*"), [None] * 4),
        (("s", "ALPHA"), [b"a", b"b", b"c"]),
        (("z", "BY", "nosort"), [b"x", b"y", b"w"]),
        (("z", "BY", "nosort", "DESC"), [b"w", b"y", b"x"]),
        (("z", "ALPHA", "DESC"), [b"y", b"x", b"w"]),
        (("none",), []),
    ],
)
def test_replies(filled: RedisCalls, argv: tuple[Word, ...], expected: list[bytes | None]) -> None:
    assert filled.run("SORT", *argv) == expected
    assert filled.run("SORT_RO", *argv) == expected


def test_equal_weights_are_ordered_by_element(filled: RedisCalls) -> None:
    filled.run("SADD", "same", "b", "a", "c")
    assert filled.run("SORT", "same", "BY", "none_*") == [b"a", b"b", b"c"]
    assert filled.run("SORT", "same", "BY", "none_*", "DESC") == [b"c", b"b", b"a"]


def test_store(filled: RedisCalls) -> None:
    heard: list[tuple[int, bytes, bytes]] = []
    filled.databases.listener = lambda database, kind, event, key: heard.append((kind, event, key))
    assert filled.run("SORT", "l", "STORE", "d") == 4
    assert filled.run("LRANGE", "d", 0, -1) == [b"2", b"9", b"10", b"11"]
    assert filled.run("SORT", "l", "GET", "name_*", "STORE", "l") == 4
    assert filled.run("LRANGE", "l", 0, -1) == [b"two", b"nine", b"", b""]
    assert filled.run("SORT", "s", "BY", "nosort", "STORE", "d") == 3
    assert filled.run("LRANGE", "d", 0, -1) == [b"a", b"b", b"c"]
    assert filled.run("SORT", "none", "STORE", "d") == 0
    assert filled.run("EXISTS", "d") == 0
    told = [one for one in heard if one[0] in (events.LIST, events.GENERIC)]
    assert told == [
        (events.LIST, b"sortstore", b"d"),
        (events.LIST, b"sortstore", b"l"),
        (events.LIST, b"sortstore", b"d"),
        (events.GENERIC, b"del", b"d"),
    ]


def test_errors(filled: RedisCalls) -> None:
    error = filled.error
    assert error("SORT", "s") == b"ERR One or more scores can't be converted into double"
    assert error("SORT", "l", "BY", "name_*") == b"ERR One or more scores can't be converted into double"
    assert error("SORT", "weight_9") == WRONG_TYPE
    assert error("SORT", "h_9") == WRONG_TYPE
    assert error("SORT", "l", "LIMIT", "x", 1) == b"ERR value is not an integer or out of range"
    for words in (("LIMIT", 1), ("BY",), ("GET",), ("STORE",), ("WHAT",)):
        assert error("SORT", "l", *words) == b"ERR syntax error"
    assert error("SORT_RO", "l", "STORE", "d") == b"ERR syntax error"


def test_numbers_are_read_as_strtod_does(redis: RedisCalls) -> None:
    redis.run("RPUSH", "l", " 5", "", "0x10", "1e1", "-inf")
    assert redis.run("SORT", "l") == [b"-inf", b"", b" 5", b"1e1", b"0x10"]
    redis.run("RPUSH", "l", "5 ")
    assert redis.error("SORT", "l") == b"ERR One or more scores can't be converted into double"


def test_keys_are_found_wherever_store_stands() -> None:
    find = COMMANDS["sort"].keys_of
    assert find([b"sort", b"k", b"BY", b"STORE", b"STORE", b"d", b"ALPHA"]) == [b"k", b"d"]
    assert find([b"sort", b"k", b"LIMIT", b"0"]) == [b"k"]
