"""LPUSH to BLMPOP, as one client sees them. What happens to clients that wait is in test_blocking."""

from __future__ import annotations

import pytest

from elastickv.redis_api.replies import encode
from tests.kit.redis_calls import RedisCalls, words

WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"


def everything(redis: RedisCalls, key: str = "l") -> object:
    return redis.run("LRANGE", key, 0, -1)


def test_push_and_pop(redis: RedisCalls) -> None:
    assert redis.run("RPUSH", "l", "a", "b", "c") == 3
    assert redis.run("LPUSH", "l", "x", "y") == 5
    assert everything(redis) == [b"y", b"x", b"a", b"b", b"c"]
    assert redis.run("LPOP", "l") == b"y"
    assert redis.run("RPOP", "l", 2) == [b"c", b"b"]
    assert redis.run("LPOP", "l", 0) == []
    assert redis.run("LPOP", "l", 9) == [b"x", b"a"]
    assert redis.run("EXISTS", "l") == 0
    assert redis.run("LPOP", "l") is None
    assert redis.wire(words("LPOP", "l", 2), 2) == b"*-1\r\n"
    assert redis.error("LPOP", "l", "-1") == b"ERR value is out of range, must be positive"
    assert redis.error("LPOP", "l", 1, 2) == b"ERR wrong number of arguments for 'lpop' command"


def test_pushx_makes_no_list(redis: RedisCalls) -> None:
    assert redis.run("LPUSHX", "l", "a") == redis.run("RPUSHX", "l", "a") == 0
    redis.run("RPUSH", "l", "b")
    assert redis.run("LPUSHX", "l", "a") == 2
    assert redis.run("RPUSHX", "l", "c", "d") == 4
    assert everything(redis) == [b"a", b"b", b"c", b"d"]


def test_other_types_are_refused(redis: RedisCalls) -> None:
    redis.run("SET", "s", "text")
    for argv in (
        ("LPUSH", "s", "a"),
        ("RPUSHX", "s", "a"),
        ("LPOP", "s"),
        ("LLEN", "s"),
        ("LINDEX", "s", 0),
        ("LRANGE", "s", 0, 1),
        ("LINSERT", "s", "BEFORE", "a", "b"),
        ("LREM", "s", 0, "a"),
        ("LSET", "s", 0, "a"),
        ("LTRIM", "s", 0, 1),
        ("LPOS", "s", "a"),
        ("LMPOP", 2, "none", "s", "LEFT"),
        ("BLPOP", "none", "s", 0),
        ("BLMOVE", "s", "l", "LEFT", "LEFT", 0),
    ):
        assert redis.error(*argv) == WRONG_TYPE, argv
    redis.run("RPUSH", "l", "a")
    assert redis.error("LMOVE", "l", "s", "LEFT", "LEFT") == WRONG_TYPE
    assert everything(redis) == [b"a"]


def test_indexes(redis: RedisCalls) -> None:
    redis.run("RPUSH", "l", *range(300))
    for index in (0, 1, 127, 128, 150, 299, -1, -300):
        assert redis.run("LINDEX", "l", index) == b"%d" % (index % 300)
    assert redis.run("LINDEX", "l", 300) is redis.run("LINDEX", "l", -301) is None
    assert redis.run("LRANGE", "l", 120, 140) == [b"%d" % number for number in range(120, 141)]
    assert redis.run("LRANGE", "l", -2, 1000) == [b"298", b"299"]
    assert (
        redis.run("LRANGE", "l", 5, 4) == redis.run("LRANGE", "l", 400, 500) == redis.run("LRANGE", "l", 0, -301) == []
    )
    assert redis.run("LSET", "l", 200, "other") == b"OK"
    assert redis.run("LINDEX", "l", 200) == b"other"
    assert redis.error("LSET", "l", 300, "x") == b"ERR index out of range"
    assert redis.error("LSET", "none", 0, "x") == b"ERR no such key"


def test_insert_remove_trim(redis: RedisCalls) -> None:
    assert redis.run("LINSERT", "l", "BEFORE", "a", "b") == 0
    redis.run("RPUSH", "l", "a", "b", "a", "b", "a")
    assert redis.run("LINSERT", "l", "before", "b", "x") == 6
    assert redis.run("LINSERT", "l", "AFTER", "b", "y") == 7
    assert redis.run("LINSERT", "l", "AFTER", "none", "y") == -1
    assert redis.error("LINSERT", "l", "AT", "a", "b") == b"ERR syntax error"
    assert everything(redis) == [b"a", b"x", b"b", b"y", b"a", b"b", b"a"]
    assert redis.run("LREM", "l", -1, "a") == 1
    assert redis.run("LREM", "l", 1, "a") == 1
    assert everything(redis) == [b"x", b"b", b"y", b"a", b"b"]
    assert redis.run("LTRIM", "l", 1, -2) == b"OK"
    assert everything(redis) == [b"b", b"y", b"a"]
    assert redis.run("LREM", "l", 0, "y") == 1
    assert redis.run("LTRIM", "l", 5, 9) == b"OK"
    assert redis.run("EXISTS", "l") == 0


def test_positions(redis: RedisCalls) -> None:
    redis.run("RPUSH", "l", *"abcabcabc")
    assert redis.run("LPOS", "l", "b") == 1
    assert redis.run("LPOS", "l", "b", "RANK", 2) == 4
    assert redis.run("LPOS", "l", "b", "RANK", -1) == 7
    assert redis.run("LPOS", "l", "b", "COUNT", 0) == [1, 4, 7]
    assert redis.run("LPOS", "l", "b", "RANK", -2, "COUNT", 5) == [4, 1]
    assert redis.run("LPOS", "l", "b", "RANK", 2, "COUNT", 0, "MAXLEN", 5) == [4]
    assert redis.run("LPOS", "l", "z") is None
    assert redis.run("LPOS", "l", "z", "COUNT", 1) == []
    assert redis.run("LPOS", "none", "z", "COUNT", 1) == []
    assert redis.error("LPOS", "l", "b", "RANK", 0).startswith(b"ERR RANK can't be zero: use 1 to start from the first")
    assert redis.error("LPOS", "l", "b", "COUNT", -1) == b"ERR COUNT can't be negative"
    assert redis.error("LPOS", "l", "b", "MAXLEN", -1) == b"ERR MAXLEN can't be negative"
    assert redis.error("LPOS", "l", "b", "RANK") == b"ERR syntax error"


def test_moves(redis: RedisCalls) -> None:
    redis.run("RPUSH", "l", "a", "b", "c")
    assert redis.run("LMOVE", "l", "m", "LEFT", "RIGHT") == b"a"
    assert redis.run("RPOPLPUSH", "l", "m") == b"c"
    assert everything(redis, "m") == [b"c", b"a"]
    assert redis.run("BLMOVE", "m", "m", "LEFT", "RIGHT", 0) == b"c"
    assert everything(redis, "m") == [b"a", b"c"]
    assert redis.run("BRPOPLPUSH", "l", "m", 0) == b"b"
    assert redis.run("EXISTS", "l") == 0
    assert redis.run("LMOVE", "l", "m", "LEFT", "LEFT") is None
    assert redis.error("LMOVE", "m", "l", "LEFT", "UP") == b"ERR syntax error"


def test_pops_of_several_keys(redis: RedisCalls) -> None:
    redis.run("RPUSH", "b", "1", "2", "3")
    assert redis.run("LMPOP", 2, "a", "b", "RIGHT", "COUNT", 2) == [b"b", [b"3", b"2"]]
    assert redis.run("BLPOP", "a", "b", 0) == [b"b", b"1"]
    assert redis.wire(words("LMPOP", 1, "b", "LEFT"), 2) == b"*-1\r\n"
    for argv, text in (
        (("LMPOP", 0, "b", "LEFT"), b"ERR numkeys should be greater than 0"),
        (("LMPOP", 2, "b", "LEFT"), b"ERR syntax error"),
        (("LMPOP", 1, "b", "UP"), b"ERR syntax error"),
        (("LMPOP", 1, "b", "LEFT", "COUNT", 0), b"ERR count should be greater than 0"),
        (("LMPOP", 1, "b", "LEFT", "COUNT", 1, "COUNT", 1), b"ERR syntax error"),
        (("BLMPOP", "x", 1, "b", "LEFT"), b"ERR timeout is not a float or out of range"),
    ):
        assert redis.error(*argv) == text


@pytest.mark.parametrize(
    ("timeout", "text"),
    [
        ("-1", b"ERR timeout is negative"),
        ("-0.01", b"ERR timeout is negative"),
        ("x", b"ERR timeout is not a float or out of range"),
        ("1 ", b"ERR timeout is not a float or out of range"),
        ("nan", b"ERR timeout is not a float or out of range"),
        ("inf", b"ERR timeout is out of range"),
        ("1e300", b"ERR timeout is out of range"),
        ("9223372036854775", b"ERR timeout is out of range"),
    ],
)
def test_timeouts(redis: RedisCalls, timeout: str, text: bytes) -> None:
    redis.run("RPUSH", "l", "a")
    assert redis.error("BLPOP", "l", timeout) == text
    assert redis.error("BLMOVE", "l", "m", "LEFT", "LEFT", timeout) == text
    assert redis.error("BLMPOP", timeout, 1, "l", "LEFT") == text


def test_nulls_of_both_protocols(redis: RedisCalls) -> None:
    assert encode(redis.reply(words("LPOP", "none", 1)), 3) == b"_\r\n"
    assert redis.wire(words("RPOP", "none"), 2) == b"$-1\r\n"


def test_encodings(redis: RedisCalls) -> None:
    redis.run("RPUSH", "l", "a", "12345", "x" * 100)
    assert redis.run("OBJECT", "ENCODING", "l") == b"listpack"
    redis.run("RPUSH", "l", *range(100_000, 101_500))
    assert redis.run("OBJECT", "ENCODING", "l") == b"listpack"
    redis.run("RPUSH", "l", "x" * 8000)
    assert redis.run("OBJECT", "ENCODING", "l") == b"quicklist"
