"""Popping from sorted sets, drawing from them, walking through them."""

from __future__ import annotations

import pytest

from tests.kit.redis_calls import RedisCalls, Word

SYNTAX = b"ERR syntax error"


@pytest.fixture(params=["inline", "split"])
def redis(redis: RedisCalls, request: pytest.FixtureRequest) -> RedisCalls:
    if request.param == "split":
        redis.databases.limits.inline_bytes = 0
    redis.run("ZADD", "z", 1, "a", 2, "b", 3, "c", 4, "d")
    return redis


def test_zpopmin_zpopmax(redis: RedisCalls) -> None:
    assert redis.run("ZPOPMIN", "z") == [b"a", 1.0]
    assert redis.run("ZPOPMAX", "z", 2) == [b"d", 4.0, b"c", 3.0]
    assert redis.run("ZPOPMAX", "z", 0) == []
    assert redis.run("ZPOPMIN", "z", 5) == [b"b", 2.0]
    assert redis.run("EXISTS", "z") == 0
    assert redis.run("ZPOPMIN", "z") == []
    assert redis.error("ZPOPMIN", "z", -1) == b"ERR value is out of range, must be positive"
    assert redis.error("ZPOPMIN", "z", "x") == b"ERR value is out of range, must be positive"
    assert redis.error("ZPOPMIN", "z", 1, 2) == SYNTAX


def test_pairs_are_nested_in_resp3_when_a_count_is_given(redis: RedisCalls) -> None:
    redis.call.protocol = 3
    assert redis.run("ZPOPMIN", "z") == [b"a", 1.0]
    assert redis.run("ZPOPMIN", "z", 1) == [[b"b", 2.0]]


def test_zmpop(redis: RedisCalls) -> None:
    assert redis.run("ZMPOP", 2, "none", "z", "MIN") == [b"z", [[b"a", 1.0]]]
    assert redis.run("ZMPOP", 1, "z", "max", "COUNT", 2) == [b"z", [[b"d", 4.0], [b"c", 3.0]]]
    assert redis.wire([b"ZMPOP", b"1", b"none", b"MIN"], 2) == b"*-1\r\n"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((0, "z", "MIN"), b"ERR numkeys should be greater than 0"),
        (("x", "z", "MIN"), b"ERR numkeys should be greater than 0"),
        ((2, "z", "MIN"), SYNTAX),
        ((1, "z", "LEFT"), SYNTAX),
        ((1, "z", "MIN", "COUNT"), SYNTAX),
        ((1, "z", "MIN", "COUNT", 0), b"ERR count should be greater than 0"),
        ((1, "z", "MIN", "COUNT", 1, "COUNT", 1), SYNTAX),
    ],
)
def test_zmpop_says_no(redis: RedisCalls, words: tuple[Word, ...], error: bytes) -> None:
    assert redis.error("ZMPOP", *words) == error


def test_bzpopmin_bzpopmax(redis: RedisCalls) -> None:
    assert redis.run("BZPOPMIN", "none", "z", 0) == [b"z", b"a", 1.0]
    assert redis.run("BZPOPMAX", "z", "0.5") == [b"z", b"d", 4.0]
    assert redis.wire([b"BZPOPMIN", b"none", b"0.01"], 2) == b"*-1\r\n"
    assert redis.error("BZPOPMIN", "z", -1) == b"ERR timeout is negative"
    assert redis.error("BZPOPMIN", "z", "x") == b"ERR timeout is not a float or out of range"
    assert redis.run("ZCARD", "z") == 2


def test_bzmpop(redis: RedisCalls) -> None:
    assert redis.run("BZMPOP", 0, 2, "none", "z", "MAX", "COUNT", 2) == [b"z", [[b"d", 4.0], [b"c", 3.0]]]
    assert redis.wire([b"BZMPOP", b"0.01", b"1", b"none", b"MIN"], 3) == b"_\r\n"
    assert redis.error("BZMPOP", 0, 1, "z", "LEFT") == SYNTAX
    assert redis.error("BZMPOP", "x", 1, "z", "MIN") == b"ERR timeout is not a float or out of range"


def test_zrandmember(redis: RedisCalls) -> None:
    members = {b"a", b"b", b"c", b"d"}
    assert {redis.run("ZRANDMEMBER", "z") for _ in range(100)} == members
    some = redis.run("ZRANDMEMBER", "z", 3)
    assert isinstance(some, list)
    assert len(set(some)) == 3
    assert redis.run("ZRANDMEMBER", "z", 9, "WITHSCORES") == [b"a", 1.0, b"b", 2.0, b"c", 3.0, b"d", 4.0]
    many = redis.run("ZRANDMEMBER", "z", -9)
    assert isinstance(many, list)
    assert len(many) == 9
    assert set(many) <= members
    assert redis.run("ZRANDMEMBER", "none") is None
    assert redis.run("ZRANDMEMBER", "none", 2) == []
    assert redis.run("ZRANDMEMBER", "z", 0) == []
    assert redis.error("ZRANDMEMBER", "z", 1, "WITHSCORE") == SYNTAX
    assert redis.error("ZRANDMEMBER", "z", 2**62, "WITHSCORES") == b"ERR value is out of range"


def test_zscan(redis: RedisCalls) -> None:
    def scan(*options: Word) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        cursor: Word = 0
        while True:
            reply = redis.run("ZSCAN", "z", cursor, *options)
            assert isinstance(reply, list)
            cursor, flat = reply
            found.update(zip(flat[::2], flat[1::2], strict=True))
            if cursor == b"0":
                return found

    redis.run("ZADD", "z", *(word for number in range(300) for word in (f"{number}.1", f"member:{number}")))
    redis.run("ZADD", "z", "inf", "x" * 450)
    assert len(scan()) == 305
    assert scan("COUNT", 3) == scan("COUNT", 1000)
    assert scan("MATCH", "?") == {b"a": b"1", b"b": b"2", b"c": b"3", b"d": b"4"}
    # Redis prints all digits here when the set is large.
    assert scan("MATCH", "member:7") == {b"member:7": b"7.0999999999999996"}
    assert scan("MATCH", "xx*") == {b"x" * 450: b"inf"}
    assert redis.error("ZSCAN", "z", "x") == b"ERR invalid cursor"
    assert redis.run("ZSCAN", "none", 0) == [b"0", []]
