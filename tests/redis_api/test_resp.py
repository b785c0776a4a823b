"""The request parser: any cut gives the same commands, and malformed input the same error as in redis-server."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.replies import encode
from elastickv.redis_api.resp import INLINE_MAX_BYTES, Parser, Words, encode_command, split_words
from tests.kit.redis_reference import RedisReference

words = st.one_of(
    st.binary(max_size=8),
    st.sampled_from([b"GET", b"\r\n", b"$3\r\nfoo\r\n", b"*2\r\n", b"", b"x" * 3000]),
    st.binary(max_size=8).map(lambda raw: raw + b"\r\n" + raw),
)
commands = st.lists(st.lists(words, min_size=1, max_size=6), max_size=8)
inline_words = st.binary(min_size=1, max_size=6).filter(lambda raw: not set(raw) & set(b" \t\n\v\f\r\0'\"*"))


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


def parse(chunks: list[bytes], *, limited: bool = False) -> tuple[list[Words], bytes | None]:
    parser = Parser(1 << 20)
    parser.limited = limited
    found = []
    for chunk in chunks:
        got = parser.feed(chunk)
        while got:
            found += got
            got = parser.feed(b"") if limited else []
    return found, parser.error


@given(commands, st.lists(st.integers(0, 10_000), max_size=12))
@settings(max_examples=300, deadline=None)
def test_cut_anywhere(expected: list[Words], cuts: list[int]) -> None:
    data = b"".join(map(encode_command, expected))
    assert parse(pieces(data, cuts)) == (expected, None)
    assert parse([data]) == (expected, None)


@given(
    st.one_of(
        commands.map(lambda some: b"".join(map(encode_command, some))),
        st.lists(
            st.sampled_from([b"*2", b"*3", b"*1", b"$3", b"$0", b"$1", b"GET", b"k", b"", b"\r\n", b"\r", b"$", b"*4"]),
            max_size=9,
        ).map(b"\r\n".join),
    )
)
@settings(max_examples=500, deadline=None)
def test_the_only_way_finds_what_the_others_find_or_nothing(data: bytes) -> None:
    argv = Parser().only(data)
    assert argv is None or parse([data]) == ([argv], None)


@pytest.mark.parametrize("argv", [[b"GET", b"key"], [b"SET", b"key", b"x" * 2000], [b"get", b""]])
def test_the_only_way_takes_one_short_command(argv: Words) -> None:
    data = encode_command(argv)
    assert Parser().only(data) == argv
    assert Parser().only(data[:-1]) is None
    assert Parser().only(data + data) is None
    assert Parser().only(data + b"*") is None


def test_the_only_way_is_closed_while_something_is_held() -> None:
    data = encode_command([b"GET", b"key"])
    for held in (b"*", b"*2\r\n$3\r\nGET\r\n", b"*1\r\n$100\r\nab"):
        parser = Parser()
        assert parser.feed(held) == []
        assert parser.only(data) is None
    parser = Parser()
    parser.limited = True
    assert parser.only(data) is None
    parser = Parser()
    parser.feed(b"*1\r\n+x\r\n")
    assert parser.only(data) is None


@given(commands)
@settings(max_examples=60, deadline=None)
def test_byte_by_byte_and_one_at_a_time(expected: list[Words]) -> None:
    data = b"".join(map(encode_command, expected))
    assert parse([data[at : at + 1] for at in range(len(data))]) == (expected, None)
    assert parse([data], limited=True) == (expected, None)


@given(
    st.lists(st.one_of(st.lists(inline_words, min_size=1, max_size=4), st.lists(words, min_size=1, max_size=3))),
    st.data(),
)
@settings(max_examples=100, deadline=None)
def test_inline_between_multibulk(expected: list[Words], data: st.DataObject) -> None:
    stream = b""
    for words in expected:
        plain = all(word and not set(word) & set(b" \t\n\v\f\r\0'\"*") for word in words)
        ending = data.draw(st.sampled_from([b"\n", b"\r\n"]))
        stream += b" ".join(words) + ending if plain else encode_command(words)
    cuts = data.draw(st.lists(st.integers(0, 10_000), max_size=8))
    assert parse(pieces(stream, cuts)) == (expected, None)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
@settings(max_examples=300, deadline=None)
def test_garbage_is_judged_alike_in_any_cut(garbage: bytes, cuts: list[int]) -> None:
    assert parse(pieces(garbage, cuts)) == parse([garbage])


fragments = st.lists(
    st.sampled_from(
        (
            b"*1\r\n *2\r\n *0\r\n *-1\r\n $4\r\n PING \r\n $-1\r\n *x\r\n $3\r\n abc +OK\r\n $04\r\n "
            b'*01\r\n \n ECHO " *3\r\n'
        ).split(b" ")
    ),
    max_size=12,
).map(b"".join)


@given(fragments, st.lists(st.integers(0, 200), max_size=6))
@settings(max_examples=300, deadline=None)
def test_nearly_right_input_is_judged_alike_in_any_cut(stream: bytes, cuts: list[int]) -> None:
    assert parse(pieces(stream, cuts)) == parse([stream])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"SET key value", [b"SET", b"key", b"value"]),
        (b"  SET\tkey  ", [b"SET", b"key"]),
        (b"SET \"a b\" 'c d'", [b"SET", b"a b", b"c d"]),
        (rb'"\x41\n\r\t\b\a\q\xZZ"', [b"A\n\r\t\b\aqxZZ"]),
        (rb"'it\'s \n'", [rb"it's \n"]),
        (b'a"b c"', [b"ab c"]),
        (b'""', [b""]),
        (b"", []),
        (b"   ", []),
        (b'"open', None),
        (b"'open", None),
        (b'"a"b', None),
        (b"'a'b", None),
        (b"a\0b c", [b"a"]),
    ],
)
def test_inline_words(line: bytes, expected: Words | None) -> None:
    assert split_words(line) == expected


MALFORMED = [
    b"*2147483648\r\n",
    b"*1a\r\n",
    b"* 1\r\n",
    b"*1\r\n+PING\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$4x\r\nPING\r\n",
    b"*1\r\n$99999999999\r\n",
    b"*1\r\n\r\n",
    b'ECHO "abc\r\n',
    b"*" + b"1" * (INLINE_MAX_BYTES + 10),
    b"*1\r\n$" + b"1" * (INLINE_MAX_BYTES + 10),
    b"x" * (INLINE_MAX_BYTES + 10),
]


@pytest.mark.parametrize("stream", MALFORMED, ids=lambda stream: stream[:16])
def test_errors_are_those_of_redis(stream: bytes, redis_reference: RedisReference) -> None:
    found, error = parse([b"PING\r\n" + stream])
    assert found == [[b"PING"]]
    assert error is not None
    assert redis_reference.raw(b"PING\r\n" + stream) == b"+PONG\r\n" + encode(RedisError(b"ERR " + error))


def test_empty_commands_are_skipped() -> None:
    assert parse([b"*0\r\n*-1\r\n\r\n\n*1\r\n$4\r\nPING\r\n"]) == ([[b"PING"]], None)


def test_limits_before_authentication() -> None:
    assert parse([b"*11\r\n"], limited=True)[1] == b"Protocol error: unauthenticated multibulk length"
    assert parse([b"*1\r\n$16385\r\n"], limited=True)[1] == b"Protocol error: unauthenticated bulk length"
    assert parse([b"*11\r\n"])[1] is None


def test_a_header_reserves_nothing() -> None:
    parser = Parser()
    assert parser.feed(b"*2000000000\r\n$500000000\r\nx") == []
    assert not parser.idle
    assert (len(parser._argv), len(parser._chunks)) == (0, 1)


def test_big_values_take_linear_time() -> None:
    size = 32 << 20
    chunk = b"v" * 16384
    parser = Parser()
    parser.feed(b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % size)
    started = time.process_time()
    for _ in range(size // len(chunk)):
        assert parser.feed(chunk) == []
    [[name, value]] = parser.feed(b"\r\n")
    assert time.process_time() - started < 10
    assert (name, len(value)) == (b"ECHO", size)


def test_values_with_line_ends_take_linear_time() -> None:
    command = encode_command([b"SET", b"key", b"line\r\nline"])
    started = time.process_time()
    assert len(Parser().feed(command * 20_000)) == 20_000
    assert time.process_time() - started < 10
