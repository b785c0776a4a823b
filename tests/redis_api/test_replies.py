"""Replies on the wire, error texts, argument readers."""

from __future__ import annotations

from collections import OrderedDict
from enum import IntEnum

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.errors import Fault, KvError
from elastickv.redis_api.arguments import string_to_float, string_to_integer
from elastickv.redis_api.errors import WRONG_TYPE, RedisError, from_fault, unknown_command
from elastickv.redis_api.replies import NULL_ARRAY, OK, Push, Raw, Verbatim, encode, format_double
from tests.kit.redis_reference import RedisReference


class Number(IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    ("reply", "resp2", "resp3"),
    [
        (1, b":1\r\n", b":1\r\n"),
        (-5000, b":-5000\r\n", b":-5000\r\n"),
        (Number.ONE, b":1\r\n", b":1\r\n"),
        (b"a", b"$1\r\na\r\n", b"$1\r\na\r\n"),
        (None, b"$-1\r\n", b"_\r\n"),
        (NULL_ARRAY, b"*-1\r\n", b"_\r\n"),
        (OK, b"+OK\r\n", b"+OK\r\n"),
        (True, b":1\r\n", b"#t\r\n"),
        (1.5, b"$3\r\n1.5\r\n", b",1.5\r\n"),
        ([1, (b"a",), None], b"*3\r\n:1\r\n*1\r\n$1\r\na\r\n$-1\r\n", b"*3\r\n:1\r\n*1\r\n$1\r\na\r\n_\r\n"),
        ({b"a": 1}, b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
        (OrderedDict({b"a": 1}), b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
        ({1}, b"*1\r\n:1\r\n", b"~1\r\n:1\r\n"),
        (Verbatim(b"txt", b"a"), b"$1\r\na\r\n", b"=5\r\ntxt:a\r\n"),
        (Push([1]), b"*1\r\n:1\r\n", b">1\r\n:1\r\n"),
        (Raw(b":7\r\n"), b":7\r\n", b":7\r\n"),
        ([WRONG_TYPE], b"*1\r\n-%b\r\n" % WRONG_TYPE.text, b"*1\r\n-%b\r\n" % WRONG_TYPE.text),
    ],
)
def test_encoding(reply: object, resp2: bytes, resp3: bytes) -> None:
    assert encode(reply, 2) == resp2
    assert encode(reply, 3) == resp3


def test_what_is_no_reply_is_refused() -> None:
    with pytest.raises(TypeError):
        encode(object())


values = st.recursive(
    st.none() | st.integers(-(1 << 63), (1 << 63) - 1) | st.binary(max_size=20) | st.booleans(),
    lambda children: st.lists(children, max_size=4),
    max_leaves=20,
)


@given(values)
def test_clients_read_what_was_meant(value: object) -> None:
    reader = hiredis.Reader()
    reader.feed(encode(value, 3))
    assert reader.gets() == value


@given(st.floats(allow_nan=False))
def test_doubles_read_back_alike(number: float) -> None:
    assert float(format_double(number)) == number


def test_every_fault_has_its_words() -> None:
    for fault in Fault:
        text = from_fault(KvError(fault)).text
        prefix = text.partition(b" ")[0]
        assert prefix.isupper()
        assert b"\r" not in text
    assert from_fault(KvError(Fault.NO_QUORUM)).text.startswith(b"CLUSTERDOWN ")
    assert from_fault(KvError(Fault.OVERLOAD)).text.startswith(b"BUSY ")
    assert b"outcome unknown" in from_fault(KvError(Fault.OUTCOME_UNKNOWN, "whatever")).text
    assert b"disk full" in from_fault(KvError(Fault.DISK_FULL, "no space")).text


def test_error_lines_stay_lines() -> None:
    assert encode(RedisError(b"ERR a\r\nb")) == b"-ERR a  b\r\n"


@pytest.mark.parametrize(
    "argv", [[b"nope"], [b"NOPE", b"a", b"b" * 200, b"c"], [b"x" * 300, b"a"], [b"nope", *[b"abc"] * 40]]
)
def test_unknown_commands_are_named_as_redis_does(argv: list[bytes], redis_reference: RedisReference) -> None:
    data = b"*%d\r\n" % len(argv) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in argv)
    assert redis_reference.raw(data) == encode(unknown_command(argv))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"0",
        b"-0",
        b"+1",
        b"01",
        b" 1",
        b"1 ",
        b"9223372036854775807",
        b"9223372036854775808",
        b"-1",
        b"1.0",
        b"-9223372036854775808",
        b"-9223372036854775809",
        b"1\n",
    ],
)
def test_integers_are_read_as_redis_does(text: bytes, redis_reference: RedisReference) -> None:
    client = redis_reference.client()
    client.set("n", text)
    try:
        client.incrby("n", 0)
        accepted = True
    except Exception:
        accepted = False
    client.close()
    assert (string_to_integer(text) is not None) == accepted


@pytest.mark.parametrize(
    "text",
    [
        b"1",
        b"1.5",
        b".5",
        b"5.",
        b"1e3",
        b"inf",
        b"-Infinity",
        b"nan",
        b"",
        b" 1",
        b"1 ",
        b"0x10",
        b"1e400",
        b"1_0",
        b"0x1p3",
        b"+1",
        b"e5",
        b"--1",
        b"1e-400",
    ],
)
def test_floats_are_read_as_redis_does(text: bytes, redis_reference: RedisReference) -> None:
    client = redis_reference.client()
    client.delete("z")
    try:
        client.execute_command("ZADD", "z", text, "m")  # type: ignore[no-untyped-call]
        accepted = True
    except Exception:
        accepted = False
    client.close()
    assert (string_to_float(text) is not None) == accepted
