"""The bitmap group, command by command and against bit-by-bit models; more in tests/conformance."""

from __future__ import annotations

import time
from collections.abc import Callable
from operator import and_, or_, xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.redis_api import bits
from elastickv.redis_api.registry import COMMANDS
from elastickv.redis_api.values.records import RecordType
from tests.kit.redis_calls import RedisCalls, Word

WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"
NO_INTEGER = b"ERR value is not an integer or out of range"
SYNTAX = b"ERR syntax error"
BAD_OFFSET = b"ERR bit offset is not an integer or out of range"
BAD_TYPE = b"ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."


@pytest.mark.parametrize(
    "argv",
    [
        ("SETBIT", "alist", 0, 1), ("GETBIT", "alist", 0), ("BITCOUNT", "alist"), ("BITPOS", "alist", 1),
        ("BITOP", "AND", "d", "alist"), ("BITOP", "OR", "d", "k", "alist"), ("BITFIELD", "alist", "GET", "u8", 0),
        ("BITFIELD", "alist", "SET", "u8", 0, 1), ("BITFIELD_RO", "alist", "GET", "u8", 0),
    ],
)  # fmt: skip
def test_another_type_is_refused(redis: RedisCalls, argv: tuple[Word, ...]) -> None:
    redis.run("SET", "k", "x")
    assert redis.error(*argv) == WRONG_TYPE


@pytest.mark.parametrize("name", sorted(name for name, command in COMMANDS.items() if command.group == "bitmap"))
def test_arity(redis: RedisCalls, name: str) -> None:
    error = b"ERR wrong number of arguments for '%b' command" % name.encode()
    arity = COMMANDS[name].arity
    assert redis.error(name, *["1"] * (abs(arity) - 2)) == error
    if arity > 0:
        assert redis.error(name, *["1"] * arity) == error


def test_setbit_and_getbit(redis: RedisCalls) -> None:
    assert redis.run("GETBIT", "k", 7) == 0
    assert redis.run("SETBIT", "k", 7, 1) == 0
    assert redis.run("SETBIT", "k", 7, 1) == 1
    assert redis.run("GET", "k") == b"\x01"
    assert redis.run("SETBIT", "k", 17, 0) == 0
    assert redis.run("GET", "k") == b"\x01\0\0"
    assert redis.run("SETBIT", "k", 7, 0) == 1
    assert redis.run("GETBIT", "k", 7) == 0
    assert redis.run("GETBIT", "k", 1000) == 0
    redis.run("EXPIRE", "k", 9)
    redis.run("SETBIT", "k", 0, 1)
    assert redis.run("TTL", "k") == 9


@pytest.mark.parametrize("offset", ["-1", "x", "", "1.0", "4294967296", "#1"])
def test_bad_offsets(redis: RedisCalls, offset: str) -> None:
    assert redis.error("SETBIT", "k", offset, 1) == BAD_OFFSET
    assert redis.error("GETBIT", "k", offset) == BAD_OFFSET


@pytest.mark.parametrize("bit", ["2", "-1", "x", ""])
def test_bad_bits(redis: RedisCalls, bit: str) -> None:
    assert redis.error("SETBIT", "k", 1, bit) == b"ERR bit is not an integer or out of range"


@pytest.mark.parametrize(
    ("options", "ones"),
    [
        ((), 26), ((0, 0), 4), ((1, 1), 6), ((0, -1), 26), ((-2, -1), 7), ((5, 30, "BIT"), 17), ((1, 1, "byte"), 6),
        ((3, 1), 0), ((-1, -3), 0), ((100, 200), 0), ((0, -1, "bit"), 26), ((-8, -1, "BIT"), 4), ((-100, 0), 4),
    ],
)  # fmt: skip
def test_bitcount(redis: RedisCalls, options: tuple[Word, ...], ones: int) -> None:
    redis.run("SET", "k", "foobar")
    assert redis.run("BITCOUNT", "k", *options) == ones
    assert redis.run("BITCOUNT", "none", *options) == 0


def test_bitcount_errors(redis: RedisCalls) -> None:
    for key in ("k", "none"):
        redis.run("SET", "k", "foobar")
        assert redis.error("BITCOUNT", key, 1) == SYNTAX
        assert redis.error("BITCOUNT", key, 1, 2, "NIBBLE") == SYNTAX
        assert redis.error("BITCOUNT", key, 1, 2, "BIT", 4) == SYNTAX
        assert redis.error("BITCOUNT", key, "x", 2) == NO_INTEGER


@pytest.mark.parametrize(
    ("value", "options", "place"),
    [
        (b"\xff\xf0\x00", (0,), 12), (b"\x00\xff\xf0", (1, 0), 8), (b"\x00\xff\xf0", (1, 2), 16),
        (b"\x00\x00", (1,), -1),
        (b"\xff\xff", (0,), 16), (b"\xff\xff", (0, 0), 16), (b"\xff\xff", (0, 1), 16), (b"\xff\xff", (0, 0, -1), -1),
        (b"\xff\xff", (0, 2), -1), (b"\x00\xff\xf0", (1, 7, 15, "BIT"), 8), (b"\xff\xf0", (0, 13, 14, "BIT"), 13),
        (b"\xff\xf0", (0, 2, 5, "BIT"), -1), (b"\x00\x08", (1, -6, -1, "BIT"), 12), (b"", (0,), -1), (b"", (1,), -1),
        (b"\xff\x00\x01", (1, 1), 23), (b"\x01\x01", (1, -1, -1, "BYTE"), 15),
    ],
)  # fmt: skip
def test_bitpos(redis: RedisCalls, value: bytes, options: tuple[Word, ...], place: int) -> None:
    redis.run("SET", "k", value)
    assert redis.run("BITPOS", "k", *options) == place


def test_bitpos_of_nothing_and_errors(redis: RedisCalls) -> None:
    assert redis.run("BITPOS", "none", 0) == 0
    assert redis.run("BITPOS", "none", 1, 3, 4) == -1
    assert redis.error("BITPOS", "none", 2) == b"ERR The bit argument must be 1 or 0."
    assert redis.error("BITPOS", "none", "x") == NO_INTEGER
    assert redis.error("BITPOS", "none", 1, "x") == NO_INTEGER
    assert redis.error("BITPOS", "none", 1, 0, 1, "NIBBLE") == SYNTAX
    assert redis.error("BITPOS", "none", 1, 0, 1, "BIT", "x") == SYNTAX


@pytest.mark.parametrize(("operation", "function"), [("AND", and_), ("or", or_), ("XOR", xor)])
def test_bitop(redis: RedisCalls, operation: str, function: Callable[[int, int], int]) -> None:
    redis.run("MSET", "a", "foobar", "b", "abcdef12")
    assert redis.run("BITOP", operation, "d", "a", "b") == 8
    assert redis.run("GET", "d") == bytes(map(function, b"foobar\0\0", b"abcdef12"))


def test_bitop_not_and_nothing(redis: RedisCalls) -> None:
    redis.run("SET", "a", b"\x00\xff\x0f", "EX", 10)
    redis.run("SET", "d", "x", "EX", 10)
    assert redis.run("BITOP", "NOT", "d", "a") == 3
    assert redis.run("GET", "d") == b"\xff\x00\xf0"
    assert redis.run("TTL", "d") == -1
    assert redis.run("BITOP", "NOT", "a", "a") == 3
    assert redis.run("BITOP", "AND", "d", "none", "none2") == 0
    assert redis.run("EXISTS", "d") == 0
    assert redis.run("BITOP", "AND", "d", "a", "none") == 3
    assert redis.run("GET", "d") == bytes(3)
    assert redis.error("BITOP", "NOT", "d", "a", "a") == b"ERR BITOP NOT must be called with a single source key."
    assert redis.error("BITOP", "NAND", "d", "a") == SYNTAX


# BITFIELD


def test_bitfield(redis: RedisCalls) -> None:
    assert redis.run("BITFIELD", "k", "GET", "u8", 0) == [0]
    assert redis.run("EXISTS", "k") == 0
    assert redis.run("BITFIELD", "k") == []
    assert redis.run("BITFIELD", "k", "SET", "i8", "#1", -2, "GET", "u8", 8, "INCRBY", "u4", 12, 1) == [0, 254, 15]
    assert redis.run("GET", "k") == b"\x00\xff"
    assert redis.run("BITFIELD", "k", "INCRBY", "i5", 100, 1, "get", "u4", 0) == [1, 0]
    assert redis.run("STRLEN", "k") == 14
    assert redis.run("BITFIELD", "k", "SET", "i64", 1, -(2**63), "GET", "i64", 1, "GET", "u63", 1) == [
        255 << 49,
        -(2**63),
        2**62,
    ]


@pytest.mark.parametrize(
    ("overflow", "replies"),
    [("WRAP", [-128, 127, 0, 255]), ("SAT", [127, -128, 255, 0]), ("FAIL", [None, None, None, None])],
)
def test_bitfield_overflow(redis: RedisCalls, overflow: str, replies: list[int | None]) -> None:
    redis.run("BITFIELD", "k", "SET", "i8", 0, 127, "SET", "i8", 8, -128, "SET", "u8", 16, 255)
    grown = redis.run(
        *("BITFIELD", "k", "OVERFLOW", overflow, "INCRBY", "i8", 0, 1, "INCRBY", "i8", 8, -1),
        *("INCRBY", "u8", 16, 1, "INCRBY", "u8", 24, -1),
    )
    assert grown == replies
    assert redis.run("STRLEN", "k") == 4


def test_overflow_holds_for_what_follows_it(redis: RedisCalls) -> None:
    assert redis.run(
        *("BITFIELD", "k", "INCRBY", "u2", 0, 5, "OVERFLOW", "SAT", "INCRBY", "u2", 2, 5),
        *("OVERFLOW", "FAIL", "INCRBY", "u2", 4, 5, "SET", "u2", 4, 9, "SET", "u2", 6, -1),
    ) == [1, 3, None, None, None]


@pytest.mark.parametrize("type", ["u64", "i65", "i0", "u0", "", "8", "f8", "u-1", "i 8", "u08", "I8"])
def test_bitfield_types(redis: RedisCalls, type: str) -> None:
    assert redis.error("BITFIELD", "k", "GET", type, 0) == BAD_TYPE
    assert redis.error("BITFIELD_RO", "k", "GET", type, 0) == BAD_TYPE


def test_bitfield_errors_change_nothing(redis: RedisCalls) -> None:
    for argv, error in [
        (("SET", "u8", 0, 1, "GET", "u8"), SYNTAX),
        (("SET", "u8", 0, 1, "WHAT", "u8", 0), SYNTAX),
        (("SET", "u8", 0), SYNTAX),
        (("SET", "u8", 0, "x"), NO_INTEGER),
        (("SET", "u8", -1, 1), BAD_OFFSET),
        (("SET", "u8", "#x", 1), BAD_OFFSET),
        (("SET", "u8", "#536870912", 1), BAD_OFFSET),
        (("SET", "u8", 0, 1, "OVERFLOW", "NONE"), b"ERR Invalid OVERFLOW type specified"),
        (("SET", "u8", 0, 1, "OVERFLOW"), SYNTAX),
    ]:
        assert redis.error("BITFIELD", "k", *argv) == error
    assert redis.run("EXISTS", "k") == 0


def test_bitfield_ro(redis: RedisCalls) -> None:
    redis.run("SET", "k", b"\x12\x34")
    assert redis.run("BITFIELD_RO", "k", "GET", "u4", "#1", "GET", "i16", 0, "GET", "u16", 8) == [2, 0x1234, 0x3400]
    assert redis.error("BITFIELD_RO", "k", "SET", "u4", 0, 1) == b"ERR BITFIELD_RO only supports the GET subcommand"


# Against bit-by-bit models


def row(data: bytes | bytearray) -> str:
    return "".join(f"{byte:08b}" for byte in data)


DATA = st.lists(st.sampled_from([0, 0, 255, 255, 1, 128, 0x5A]), min_size=1, max_size=12).map(bytes)


@given(DATA, st.data())
def test_count_and_find(data: bytes, draws: st.DataObject) -> None:
    last = draws.draw(st.integers(0, len(data) * 8 - 1))
    first = draws.draw(st.integers(0, last))
    part = row(data)[first : last + 1]
    assert bits.count(data, first, last) == part.count("1")
    for bit in (0, 1):
        found = part.find(str(bit))
        assert bits.find(data, bit, first, last) == (found + first if found >= 0 else -1)


@given(DATA, st.integers(0, 200), st.integers(1, 64), st.integers(-(2**63), 2**63 - 1))
def test_fields(data: bytes, offset: int, width: int, value: int) -> None:
    whole = row(data).ljust(300, "0")
    unsigned = int(whole[offset : offset + width], 2)
    assert bits.read_field(data, offset, width, False) == unsigned
    signed = unsigned - (1 << width) if whole[offset] == "1" else unsigned
    assert bits.read_field(data, offset, width, True) == signed
    room = bytearray(data.ljust(40, b"\0"))
    before = row(room)
    bits.write_field(room, offset, width, value)
    written = f"{value & (1 << width) - 1:0{width}b}"
    assert row(room) == before[:offset] + written + before[offset + width :]


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=4))
def test_combine(strings: list[bytes]) -> None:
    size = max(map(len, strings))
    padded = [one.ljust(size, b"\0") for one in strings]
    for name, function in ((b"AND", min), (b"OR", max)):
        expected = "".join(function(column) for column in zip(*map(row, padded), strict=True))
        assert row(bits.combine(name, strings)) == expected
    parity = "".join(str(column.count("1") % 2) for column in zip(*map(row, padded), strict=True))
    assert row(bits.combine(b"XOR", strings)) == parity
    assert bits.combine(b"NOT", strings[:1]) == bytes(255 - byte for byte in strings[0])


def test_large_strings_are_quick(redis: RedisCalls) -> None:
    size = 32 << 20
    redis.call.db.store(b"k", RecordType.STRING, bytes(size - 1) + b"\x01")
    redis.call.db.store(b"ones", RecordType.STRING, b"\xff" * size)
    started = time.process_time()
    assert redis.run("BITCOUNT", "ones") == size * 8
    assert redis.run("BITPOS", "k", 1) == size * 8 - 1
    assert redis.run("BITPOS", "ones", 0) == size * 8
    assert redis.run("BITOP", "XOR", "d", "k", "ones") == size
    assert redis.run("BITOP", "NOT", "d", "d") == size
    assert redis.run("BITFIELD", "ones", "GET", "u8", 80) == [255]
    assert time.process_time() - started < 20
