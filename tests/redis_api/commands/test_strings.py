"""The string group, command by command. What it has in common with Redis is also compared in tests/conformance."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.redis_api import lcs
from elastickv.redis_api.long_double import parse
from elastickv.redis_api.registry import COMMANDS
from elastickv.redis_api.values.records import RecordType
from tests.kit.redis_calls import RedisCalls, Word

WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"
NO_INTEGER = b"ERR value is not an integer or out of range"
NO_FLOAT = b"ERR value is not a valid float"
TOO_LONG = b"ERR string exceeds maximum allowed size (proto-max-bulk-len)"
SYNTAX = b"ERR syntax error"
MAX = 2**63 - 1


@pytest.mark.parametrize(
    "argv",
    [
        ("GET", "alist"), ("GETSET", "alist", "x"), ("GETDEL", "alist"), ("GETEX", "alist"), ("APPEND", "alist", "x"),
        ("STRLEN", "alist"), ("GETRANGE", "alist", 0, -1), ("SUBSTR", "alist", 0, -1), ("SETRANGE", "alist", 0, "x"),
        ("INCR", "alist"), ("DECR", "alist"), ("INCRBY", "alist", 1), ("DECRBY", "alist", 1),
        ("INCRBYFLOAT", "alist", 1),
        ("SET", "alist", "x", "GET"), ("SET", "alist", "x", "NX", "GET"),
    ],
)  # fmt: skip
def test_another_type_is_refused_and_left_alone(redis: RedisCalls, argv: tuple[Word, ...]) -> None:
    assert redis.error(*argv) == WRONG_TYPE
    assert redis.run("TYPE", "alist") == b"list"


@pytest.mark.parametrize("name", sorted(name for name, command in COMMANDS.items() if command.group == "string"))
def test_arity(redis: RedisCalls, name: str) -> None:
    error = b"ERR wrong number of arguments for '%b' command" % name.encode()
    arity = COMMANDS[name].arity
    too_few = abs(arity) - 1
    assert redis.error(name, *["1"] * (too_few - 1)) == error
    if arity > 0:
        assert redis.error(name, *["1"] * arity) == error


# GET and SET


def test_set_and_get(redis: RedisCalls) -> None:
    assert redis.run("GET", "k") is None
    assert redis.run("SET", "k", b"\x00\r\n\xff") == b"OK"
    assert redis.run("GET", "k") == b"\x00\r\n\xff"
    assert redis.run("SET", "alist", "now a string") == b"OK"
    assert redis.run("GET", "alist") == b"now a string"


def test_set_takes_the_deadline_away_unless_told_to_keep_it(redis: RedisCalls) -> None:
    redis.run("SET", "k", "1", "EX", 100)
    redis.run("SET", "k", "2", "KEEPTTL")
    assert redis.run("TTL", "k") == 100
    redis.run("SET", "k", "3")
    assert redis.run("TTL", "k") == -1
    redis.run("SET", "new", "3", "KEEPTTL")
    assert redis.run("TTL", "new") == -1


@pytest.mark.parametrize(
    ("option", "time", "left"),
    [("EX", 7, 7000), ("px", 1234, 1234), ("EXAT", 1_700_000_050, 50_000), ("pXaT", 1_700_000_000_123, 123)],
)
def test_set_with_a_deadline(redis: RedisCalls, option: str, time: int, left: int) -> None:
    redis.run("SET", "k", "v", option, time)
    assert redis.run("PTTL", "k") == left
    redis.sleep(left - 1)
    assert redis.run("GET", "k") == b"v"
    redis.sleep(1)
    assert redis.run("GET", "k") is None


@pytest.mark.parametrize("option", ["EXAT", "PXAT"])
def test_set_with_a_deadline_in_the_past_leaves_nothing(redis: RedisCalls, option: str) -> None:
    redis.run("SET", "k", "old")
    assert redis.run("SET", "k", "v", option, 5) == b"OK"
    assert redis.run("EXISTS", "k") == 0


def test_set_conditions(redis: RedisCalls) -> None:
    assert redis.run("SET", "k", "1", "XX") is None
    assert redis.run("SET", "k", "1", "NX") == b"OK"
    assert redis.run("SET", "k", "2", "nx") is None
    assert redis.run("SET", "k", "2", "xx") == b"OK"
    assert redis.run("GET", "k") == b"2"


def test_set_get(redis: RedisCalls) -> None:
    assert redis.run("SET", "k", "1", "GET") is None
    assert redis.run("SET", "k", "2", "GET", "EX", 5) == b"1"
    assert redis.run("SET", "k", "3", "NX", "GET") == b"2"
    assert redis.run("GET", "k") == b"2"
    assert redis.run("SET", "fresh", "1", "NX", "GET") is None
    assert redis.run("GET", "fresh") == b"1"
    assert redis.run("SET", "none", "1", "XX", "GET") is None
    assert redis.run("EXISTS", "none") == 0


@pytest.mark.parametrize(
    "options",
    [
        ("NX", "XX"), ("XX", "NX"), ("EX",), ("EX", "1", "PX", "1"), ("EX", "1", "KEEPTTL"), ("KEEPTTL", "PXAT", "1"),
        ("PERSIST",), ("nonsense",), ("EX", "1", "EXAT", "1"), ("GET", "GETT"),
    ],
)  # fmt: skip
def test_set_syntax(redis: RedisCalls, options: tuple[str, ...]) -> None:
    assert redis.error("SET", "k", "v", *options) == SYNTAX
    assert redis.run("EXISTS", "k") == 0


@pytest.mark.parametrize("time", [0, -1, MAX, MAX // 1000, -(2**63)])
@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (("SET", "k", "v", "EX", "{}"), "set"),
        (("SETEX", "k", "{}", "v"), "setex"),
        (("GETEX", "there", "EX", "{}"), "getex"),
    ],
)
def test_invalid_expire_time(redis: RedisCalls, argv: tuple[str, ...], name: str, time: int) -> None:
    redis.run("SET", "there", "v")
    words = [word.format(time) for word in argv]
    assert redis.error(*words) == b"ERR invalid expire time in '%b' command" % name.encode()
    assert redis.run("EXISTS", "k") == 0
    assert redis.run("TTL", "there") == -1


@pytest.mark.parametrize("argv", [("SET", "k", "v", "PX"), ("PSETEX", "k")])
def test_milliseconds_overflow(redis: RedisCalls, argv: tuple[str, ...]) -> None:
    name = argv[0].lower().encode()
    tail = () if name == b"set" else ("v",)
    assert redis.error(*argv, MAX, *tail) == b"ERR invalid expire time in '%b' command" % name
    assert redis.error(*argv, "1.5", *tail) == NO_INTEGER


def test_setnx_setex_psetex_getset(redis: RedisCalls) -> None:
    assert redis.run("SETNX", "k", "1") == 1
    assert redis.run("SETNX", "k", "2") == 0
    assert redis.run("SETEX", "k", 10, "3") == b"OK"
    assert redis.run("TTL", "k") == 10
    assert redis.run("PSETEX", "k", 1500, "4") == b"OK"
    assert redis.run("PTTL", "k") == 1500
    assert redis.run("GETSET", "k", "5") == b"4"
    assert redis.run("TTL", "k") == -1
    assert redis.run("GETSET", "other", "1") is None


def test_getdel(redis: RedisCalls) -> None:
    redis.run("SET", "k", "v")
    assert redis.run("GETDEL", "k") == b"v"
    assert redis.run("GETDEL", "k") is None


def test_getex(redis: RedisCalls) -> None:
    assert redis.run("GETEX", "k", "EX", 10) is None
    redis.run("SET", "k", "v")
    assert redis.run("GETEX", "k") == b"v"
    assert redis.run("GETEX", "k", "EX", 10) == b"v"
    assert redis.run("TTL", "k") == 10
    assert redis.run("GETEX", "k", "PX", 2500) == b"v"
    assert redis.run("GETEX", "k") == b"v"
    assert redis.run("PTTL", "k") == 2500
    assert redis.run("GETEX", "k", "PERSIST") == b"v"
    assert redis.run("TTL", "k") == -1
    assert redis.run("GETEX", "k", "EXAT", 5) == b"v"
    assert redis.run("EXISTS", "k") == 0
    for options in (("KEEPTTL",), ("PERSIST", "EX", "1"), ("EX", "1", "PERSIST"), ("NX",), ("PX",)):
        assert redis.error("GETEX", "k", *options) == SYNTAX


def test_mget_mset_msetnx(redis: RedisCalls) -> None:
    assert redis.run("MSET", "a", "1", "b", "2", "a", "3") == b"OK"
    assert redis.run("MGET", "a", "b", "c", "alist", "a") == [b"3", b"2", None, None, b"3"]
    assert redis.run("MSETNX", "c", "1", "a", "9") == 0
    assert redis.run("EXISTS", "c") == 0
    assert redis.run("MSETNX", "c", "1", "c", "2") == 1
    assert redis.run("GET", "c") == b"2"
    assert redis.error("MSET", "a", "1", "b") == b"ERR wrong number of arguments for 'mset' command"
    assert redis.error("MSETNX", "a", "1", "b") == b"ERR wrong number of arguments for 'msetnx' command"


# Parts


def test_append_and_strlen(redis: RedisCalls) -> None:
    assert redis.run("STRLEN", "k") == 0
    assert redis.run("APPEND", "k", "Hello") == 5
    assert redis.run("APPEND", "k", "") == 5
    assert redis.run("APPEND", "k", " World") == 11
    assert redis.run("STRLEN", "k") == 11
    redis.run("EXPIRE", "k", 10)
    redis.run("APPEND", "k", "!")
    assert redis.run("TTL", "k") == 10


@pytest.mark.parametrize(
    ("start", "end", "part"),
    [
        (0, 3, b"This"), (-3, -1, b"ing"), (0, -1, b"This is a string"), (10, 100, b"string"), (5, 3, b""),
        (-1, -3, b""),
        (-100, 3, b"This"), (100, 200, b""), (0, -100, b"T"), (-(2**63), MAX, b"This is a string"), (-100, -100, b"T"),
    ],
)  # fmt: skip
def test_getrange(redis: RedisCalls, start: int, end: int, part: bytes) -> None:
    redis.run("SET", "k", "This is a string")
    assert redis.run("GETRANGE", "k", start, end) == part
    assert redis.run("SUBSTR", "k", start, end) == part
    assert redis.run("GETRANGE", "missing", start, end) == b""


def test_getrange_errors(redis: RedisCalls) -> None:
    assert redis.error("GETRANGE", "k", "x", 1) == NO_INTEGER
    assert redis.error("GETRANGE", "k", 1, 2**63) == NO_INTEGER


def test_setrange(redis: RedisCalls) -> None:
    assert redis.run("SETRANGE", "k", 3, "abc") == 6
    assert redis.run("GET", "k") == b"\0\0\0abc"
    assert redis.run("SETRANGE", "k", 0, "xy") == 6
    assert redis.run("GET", "k") == b"xy\0abc"
    assert redis.run("SETRANGE", "k", 5, "def") == 8
    assert redis.run("SETRANGE", "k", 9, "g") == 10
    assert redis.run("GET", "k") == b"xy\0abdef\0g"
    assert redis.run("SETRANGE", "k", 100, "") == 10
    assert redis.run("SETRANGE", "missing", 100, "") == 0
    assert redis.run("EXISTS", "missing") == 0
    assert redis.error("SETRANGE", "k", -1, "x") == b"ERR offset is out of range"
    assert redis.error("SETRANGE", "k", "x", "x") == NO_INTEGER
    assert redis.error("SETRANGE", "k", 512 << 20, "x") == TOO_LONG
    assert redis.error("SETRANGE", "k", MAX, "x") == TOO_LONG


def test_strings_have_a_limit() -> None:
    redis = RedisCalls(max_bulk_bytes=100)
    assert redis.run("SETRANGE", "k", 99, "x") == 100
    assert redis.error("SETRANGE", "k", 100, "x") == TOO_LONG
    assert redis.error("APPEND", "k", "x") == TOO_LONG
    assert redis.run("APPEND", "k", "") == 100
    assert redis.error("SETBIT", "k", 800, 1) == b"ERR bit offset is not an integer or out of range"
    assert redis.run("SETBIT", "k", 799, 1) == 0
    redis.run("MSET", "a", "1234", "b", "12345")
    assert redis.error("LCS", "a", "b") == (
        b"ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
    )


# Numbers


def test_incr_and_decr(redis: RedisCalls) -> None:
    assert redis.run("INCR", "k") == 1
    assert redis.run("INCRBY", "k", 41) == 42
    assert redis.run("DECR", "k") == 41
    assert redis.run("DECRBY", "k", 50) == -9
    assert redis.run("INCRBY", "k", -1) == -10
    redis.run("EXPIRE", "k", 10)
    assert redis.run("INCR", "k") == -9
    assert redis.run("TTL", "k") == 10
    assert redis.run("GET", "k") == b"-9"
    assert redis.run("DECR", "fresh") == -1


@pytest.mark.parametrize("value", ["", " 1", "1 ", "+1", "01", "-0", "1.0", "9223372036854775808", "a"])
def test_what_is_no_integer(redis: RedisCalls, value: str) -> None:
    redis.run("SET", "k", value)
    assert redis.error("INCR", "k") == NO_INTEGER
    assert redis.error("INCRBY", "fresh", value) == NO_INTEGER
    assert redis.run("GET", "k") == value.encode()


def test_integer_overflow(redis: RedisCalls) -> None:
    overflow = b"ERR increment or decrement would overflow"
    redis.run("SET", "k", MAX)
    assert redis.error("INCR", "k") == overflow
    assert redis.run("DECRBY", "k", MAX) == 0
    redis.run("SET", "k", -(2**63))
    assert redis.error("DECR", "k") == overflow
    assert redis.error("INCRBY", "k", -(2**63)) == overflow
    assert redis.error("DECRBY", "k", -(2**63)) == b"ERR decrement would overflow"


@pytest.mark.parametrize(
    ("start", "step", "result"),
    [
        ("10.50", "0.1", b"10.6"), ("5.0e3", "2.0e2", b"5200"), ("3", "1", b"4"), ("0.1", "0.2", b"0.3"),
        ("1", "-1", b"0"),
        ("-0", "-0", b"0"), ("0", "1e-18", b"0"), ("1", "1e-17", b"1.00000000000000001"), ("0x1p4", "0", b"16"),
        ("17179869184", "1.5", b"17179869185.5"), ("1e20", "1", b"100000000000000000000"), ("0", "-1e-30", b"0"),
        ("9223372036854775807", "1", b"9223372036854775808"), (".5", "5.", b"5.5"),
        ("3.0e3", "0.001", b"3000.00099999999999989"),
    ],
)  # fmt: skip
def test_incrbyfloat(redis: RedisCalls, start: str, step: str, result: bytes) -> None:
    redis.run("SET", "k", start)
    assert redis.run("INCRBYFLOAT", "k", step) == result
    assert redis.run("GET", "k") == result


def test_incrbyfloat_on_nothing_and_with_a_deadline(redis: RedisCalls) -> None:
    assert redis.run("INCRBYFLOAT", "k", "1.25") == b"1.25"
    redis.run("EXPIRE", "k", 10)
    assert redis.run("INCRBYFLOAT", "k", "1") == b"2.25"
    assert redis.run("TTL", "k") == 10


@pytest.mark.parametrize("word", ["", " 1", "1 ", "a", "nan", "1e", "1e5000", "1e-5000", "0x", "1_0", "--1"])
def test_what_is_no_float(redis: RedisCalls, word: str) -> None:
    assert redis.error("INCRBYFLOAT", "k", word) == NO_FLOAT
    redis.run("SET", "k", word)
    assert redis.error("INCRBYFLOAT", "k", "1") == NO_FLOAT


def test_float_overflow(redis: RedisCalls) -> None:
    error = b"ERR increment would produce NaN or Infinity"
    assert redis.error("INCRBYFLOAT", "k", "inf") == error
    assert redis.error("INCRBYFLOAT", "k", "-Infinity") == error
    redis.run("SET", "k", "1.1e4932")
    assert redis.error("INCRBYFLOAT", "k", "1.1e4932") == error


@given(st.integers(-(2**63), 2**63), st.integers(-(2**63) + 1, 2**62))
def test_integers_add_exactly_where_the_mantissa_holds_them(one: int, other: int) -> None:
    left, right = parse(b"%d" % one), parse(b"%d" % other)
    assert left is not None
    assert right is not None
    if abs(one + other) <= 2**64:
        assert (left + right).text() == b"%d" % (one + other)


def test_the_longest_number_prints(redis: RedisCalls) -> None:
    reply = redis.run("INCRBYFLOAT", "k", "1.18e4932")
    assert isinstance(reply, bytes)
    assert len(reply) == 4933


# LCS


def test_lcs(redis: RedisCalls) -> None:
    redis.run("MSET", "a", "ohmytext", "b", "mynewtext")
    assert redis.run("LCS", "a", "b") == b"mytext"
    assert redis.run("LCS", "a", "b", "LEN") == 6
    both = [[[4, 7], [5, 8]], [[2, 3], [0, 1]]]
    assert redis.run("LCS", "a", "b", "IDX") == {b"matches": both, b"len": 6}
    assert redis.run("LCS", "a", "b", "idx", "MINMATCHLEN", 4) == {b"matches": both[:1], b"len": 6}
    assert redis.run("LCS", "a", "b", "IDX", "MINMATCHLEN", -5, "WITHMATCHLEN") == {
        b"matches": [[*both[0], 4], [*both[1], 2]],
        b"len": 6,
    }
    assert redis.run("LCS", "a", "missing") == b""
    assert redis.run("LCS", "missing", "b", "LEN") == 0
    assert redis.run("LCS", "missing", "b", "IDX") == {b"matches": [], b"len": 0}


def test_lcs_errors(redis: RedisCalls) -> None:
    assert redis.error("LCS", "a", "alist") == b"ERR The specified keys must contain string values"
    assert redis.error("LCS", "a", "b", "LEN", "IDX") == (
        b"ERR If you want both the length and indexes, please just use IDX."
    )
    assert redis.error("LCS", "a", "b", "MINMATCHLEN") == SYNTAX
    assert redis.error("LCS", "a", "b", "MINMATCHLEN", "x") == NO_INTEGER
    assert redis.error("LCS", "a", "b", "WHAT") == SYNTAX
    redis.run("MSET", "a", b"x" * 12000, "b", b"x" * 12000)
    assert redis.error("LCS", "a", "b") == (
        b"ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
    )


def table(first: bytes, second: bytes) -> list[list[int]]:
    """The textbook's lengths of all prefixes."""
    lengths = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, one in enumerate(first, 1):
        for j, other in enumerate(second, 1):
            longer = max(lengths[i - 1][j], lengths[i][j - 1])
            lengths[i][j] = lengths[i - 1][j - 1] + 1 if one == other else longer
    return lengths


def walk(first: bytes, second: bytes) -> list[tuple[int, int]]:
    """Redis' way back through the table, step by step."""
    lengths, found = table(first, second), []
    i, j = len(first), len(second)
    while i and j:
        if first[i - 1] == second[j - 1]:
            i, j = i - 1, j - 1
            found.append((i, j))
        elif lengths[i - 1][j] > lengths[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return found


SHORT = st.lists(st.sampled_from(b"abc"), max_size=14).map(bytes)


@given(SHORT, SHORT)
def test_lcs_is_the_one_that_redis_finds(first: bytes, second: bytes) -> None:
    assert lcs.length(first, second) == table(first, second)[-1][-1]
    places = []
    for piece in lcs.pieces(first, second):
        ends = zip(range(piece.first_end, -1, -1), range(piece.second_end, -1, -1), strict=False)
        places += list(ends)[: piece.length]
    assert places == walk(first, second)


@pytest.mark.parametrize(("one", "other"), [(11_000, 11_000), (2_000_000, 60), (60, 2_000_000)])
def test_lcs_of_the_largest_strings_takes_no_second(one: int, other: int) -> None:
    first = (b"abcdefgh" * (one // 8 + 1))[:one]
    second = (b"hgfedcba" * (other // 8 + 1))[:other]
    started = time.process_time()
    pieces = lcs.pieces(first, second)
    assert time.process_time() - started < 10
    assert sum(piece.length for piece in pieces) == lcs.length(first, second)


# Large values


def test_half_a_gigabyte_is_not_copied_to_read_a_part(redis: RedisCalls) -> None:
    size = 64 << 20
    redis.call.db.store(b"k", RecordType.STRING, bytes(size))
    started = time.process_time()
    for _ in range(200):
        assert redis.run("STRLEN", "k") == size
        assert redis.run("GETRANGE", "k", size // 2, size // 2 + 5) == bytes(6)
        assert redis.run("GETBIT", "k", size) == 0
    assert time.process_time() - started < 5
