"""Random commands of the string, generic and bitmap groups, for playing against two servers.

`command(rng)` makes one. The generator is handed in: hypothesis' own in tests (so that examples shrink), a seeded one
in long runs. About one command in twelve is broken on purpose.

Times are either past or far away, so that nothing expires in the middle of a comparison; GT and LT come with absolute
times only, because two servers never read their clocks in the same millisecond.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from elastickv.redis_api.rdb import dump_string

KEYS = (
    b"a",
    b"b",
    b"c",
    b"key:1",
    b"key:2",
    b"",
    b"\x00\xff\r\n",
    b"long" * 120,
    b"[x]*?",
)
NEVER = 4_102_444_800
"""Seconds; the year 2100."""

Words = list[bytes]


def key(rng: Random) -> bytes:
    # Mostly a few, so that commands meet each other's values.
    return rng.choice(KEYS[:4]) if rng.random() < 0.75 else rng.choice(KEYS)


def keys(rng: Random) -> Words:
    return [key(rng) for _ in range(rng.randint(1, 4))]


_EXTREMES = (
    0, 1, -1, 2, 7, 8, 9, 10, 63, 64, 65, 99, 100, 127, 128, 255, 256, 9999, 10000, -128, -129, 32767, -32768, 65535,
    2**31 - 1, 2**31, -(2**31), 2**32, 2**62, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 2**64, 10**30,
)  # fmt: skip
_NO_INTEGERS = (b"", b" 1", b"1 ", b"+1", b"01", b"-0", b"1.0", b"abc", b"0x10", b"1e3", b"--1", b"\x00", b"nan")
_FLOATS = (
    b"0.1", b"-0.1", b"3.14159265358979", b"1e3", b"1.5e-7", b"5.0e3", b"-0", b"0", b"inf", b"-inf", b"nan", b"1e308",
    b"1e4930", b"-1e4932", b"1e-4950", b"1e-5000", b"0x1p-3", b".5", b"5.", b"+2.25", b"1e", b"123456789012345678901.5",
    b"0.000000000000000001", b"17179869184.00000001", b"1_0", b"99999999999999999999",
)  # fmt: skip


def integer(rng: Random) -> bytes:
    chance = rng.random()
    if chance < 0.5:
        return b"%d" % rng.randint(-20, 40)
    if chance < 0.9:
        return b"%d" % rng.choice(_EXTREMES)
    return rng.choice(_NO_INTEGERS)


def small(rng: Random) -> bytes:
    """An integer that makes no huge strings."""
    chance = rng.random()
    if chance < 0.85:
        return b"%d" % rng.randint(-30, 70)
    if chance < 0.93:
        return b"%d" % rng.choice((-(2**63), 2**63 - 1, -1, 2**63, 2**32, 2**62, 512 << 20, (512 << 20) - 1 + 2**32))
    return rng.choice(_NO_INTEGERS)


def fraction(rng: Random) -> bytes:
    chance = rng.random()
    if chance < 0.35:
        return rng.choice(_FLOATS)
    if chance < 0.75:
        return b"%.*f" % (rng.randint(0, 18), rng.uniform(-1000, 1000))
    return integer(rng)


def value(rng: Random) -> bytes:
    chance = rng.random()
    if chance < 0.3:
        return integer(rng)
    if chance < 0.42:
        return fraction(rng)
    if chance < 0.62:
        return bytes(rng.choice(b"abcxyz") for _ in range(rng.randint(0, 12)))
    if chance < 0.8:
        return bytes(rng.choice((0, 1, 0x80, 0xFF, 0xF0, 0x55, rng.randrange(256))) for _ in range(rng.randint(0, 30)))
    if chance < 0.9:
        return rng.choice((b"ab", b"\xff", b"\x00", b"0", b"hello world ")) * rng.randint(1, 60)
    return bytes(rng.choice(b"abcd") for _ in range(rng.choice((20, 21, 43, 44, 45, 300))))


def _case(rng: Random, word: bytes) -> bytes:
    return word if rng.random() < 0.7 else rng.choice((word.lower(), word.upper(), word.capitalize()))


def _some(rng: Random, *options: Callable[[Random], Words]) -> Words:
    """A few of the options, in any order."""
    chosen: Words = []
    for _ in range(rng.choice((0, 0, 1, 1, 1, 2, 2, 3))):
        chosen += rng.choice(options)(rng)
    return chosen


def _token(word: bytes) -> Callable[[Random], Words]:
    return lambda rng: [_case(rng, word)]


def _seconds(rng: Random) -> bytes:
    chance = rng.random()
    if chance < 0.6:
        return b"%d" % rng.choice((100, 5000, 86400, 10**9))
    if chance < 0.8:
        return b"%d" % rng.choice(
            (0, -1, -100, -(2**62), 2**63 - 1, -(2**63), 2**63, 9223372036854775, 9223372036854776)
        )
    return integer(rng) if rng.random() < 0.3 else rng.choice(_NO_INTEGERS)


def _milliseconds(rng: Random) -> bytes:
    if rng.random() < 0.6:
        return b"%d" % rng.choice((100_000, 5_000_000, 10**12))
    return rng.choice((b"0", b"-1", b"-5000", b"9223372036854775807", b"-9223372036854775808", b"x"))


def _unix_seconds(rng: Random) -> bytes:
    if rng.random() < 0.7:
        return b"%d" % rng.choice((NEVER, NEVER + 1, NEVER + 2, NEVER + 1000, 1, 1_000_000_000))
    return rng.choice((b"0", b"-1", b"9223372036854775", b"9223372036854776", b"9223372036854775807", b"1.5"))


def _unix_milliseconds(rng: Random) -> bytes:
    if rng.random() < 0.7:
        return b"%d" % rng.choice((NEVER * 1000, NEVER * 1000 + 1, NEVER * 1000 + 1500, 1, 10**12))
    return rng.choice((b"0", b"-1", b"9223372036854775807", b"9223372036854775808", b""))


def _lifetimes() -> tuple[Callable[[Random], Words], ...]:
    return (
        lambda rng: [_case(rng, b"EX"), _small_safe(_seconds(rng))],
        lambda rng: [_case(rng, b"PX"), _milliseconds(rng)],
        lambda rng: [_case(rng, b"EXAT"), _unix_seconds(rng)],
        lambda rng: [_case(rng, b"PXAT"), _unix_milliseconds(rng)],
    )


def _small_safe(seconds: bytes) -> bytes:
    """Not so few seconds that they may pass during the comparison."""
    return b"100" if seconds.isdigit() and 0 < int(seconds) < 100 else seconds


def _range(rng: Random) -> Words:
    return [small(rng), small(rng)]


def _bit_offset(rng: Random) -> bytes:
    chance = rng.random()
    if chance < 0.85:
        return b"%d" % rng.randint(0, 300)
    return rng.choice((b"-1", b"4294967296", b"x", b"", b"1.0", b"#1", b"99999999999999999999"))


def _field_offset(rng: Random) -> bytes:
    if rng.random() < 0.3:
        return b"#%d" % rng.randint(0, 9)
    return rng.choice((b"#", b"#-1", b"#x")) if rng.random() < 0.04 else _bit_offset(rng)


def _field_type(rng: Random) -> bytes:
    if rng.random() < 0.93:
        kind, most = rng.choice(((b"i", 64), (b"u", 63)))
        return b"%b%d" % (kind, rng.choice((1, 2, 4, 5, 8, 13, 16, 31, 32, 33, 62, 63, most)))
    return rng.choice((b"u64", b"i65", b"i0", b"u", b"i-1", b"f8", b"", b"U8", b"i08", b"8"))


def _field_operation(rng: Random) -> Words:
    chance = rng.random()
    if chance < 0.3:
        return [_case(rng, b"GET"), _field_type(rng), _field_offset(rng)]
    if chance < 0.55:
        operand = integer(rng)
        if operand == b"%d" % -(2**63):
            # Redis computes `max - value` in 64 bits and so saturates this to the wrong end; we do not.
            operand = b"%d" % -(2**62)
        return [_case(rng, b"SET"), _field_type(rng), _field_offset(rng), operand]
    if chance < 0.8:
        return [_case(rng, b"INCRBY"), _field_type(rng), _field_offset(rng), integer(rng)]
    return [_case(rng, b"OVERFLOW"), _case(rng, rng.choice((b"WRAP", b"SAT", b"FAIL", b"FAIL", b"NONE")))]


def _repeat(rng: Random, make: Callable[[Random], Words], most: int = 5) -> Words:
    return [word for _ in range(rng.randint(1, most)) for word in make(rng)]


def _dump(rng: Random) -> bytes:
    payload = dump_string(value(rng))
    if rng.random() < 0.2:
        at = rng.randrange(len(payload))
        payload = payload[:at] + bytes((payload[at] ^ 1 << rng.randrange(8),)) + payload[at + 1 :]
    if rng.random() < 0.05:
        payload = payload[: rng.randrange(len(payload) + 1)]
    return payload


def _pattern(rng: Random) -> bytes:
    if rng.random() < 0.5:
        return rng.choice(
            (b"*", b"**", b"?", b"key:*", b"k*:?", b"[ab]", b"[^a]", b"[a-b]*", b"\\[x\\]\\*\\?", b"", b"a", b"*1")
        )
    return bytes(rng.choice(b"*?[]^-\\abk:1") for _ in range(rng.randint(0, 6)))


def _scan(rng: Random) -> Words:
    if rng.random() < 0.1:
        cursor = rng.choice((b"x", b"", b" 0", b"1.5", b"18446744073709551616", b"99999999999999999999999"))
        return [b"SCAN", cursor, b"COUNT", b"1000"]
    options = _some(
        rng,
        lambda rng: [_case(rng, b"MATCH"), _pattern(rng)],
        lambda rng: [_case(rng, b"TYPE"), rng.choice((b"string", b"STRING", b"list", b"nothing"))],
        lambda rng: [_case(rng, b"COUNT"), rng.choice((b"1000", b"0", b"-1", b"x", b"1001"))],
    )
    return [b"SCAN", b"0", *options, b"COUNT", b"1000"]


def _database(rng: Random) -> bytes:
    return rng.choice((b"0", b"1", b"1", b"1", b"16", b"-1", b"x", b"4294967296", b"99999999999999999999"))


_COMMANDS: tuple[Callable[[Random], Words], ...] = (
    lambda rng: [b"GET", key(rng)],
    lambda rng: [b"SET", key(rng), value(rng)],
    lambda rng: [b"SET", key(rng), value(rng)],
    lambda rng: [b"SET", key(rng), value(rng), *_some(
        rng, _token(b"NX"), _token(b"XX"), _token(b"GET"), _token(b"KEEPTTL"), _token(b"PERSIST"), *_lifetimes())],
    lambda rng: [b"SETNX", key(rng), value(rng)],
    lambda rng: [b"SETEX", key(rng), _small_safe(_seconds(rng)), value(rng)],
    lambda rng: [b"PSETEX", key(rng), _milliseconds(rng), value(rng)],
    lambda rng: [b"GETSET", key(rng), value(rng)],
    lambda rng: [b"GETDEL", key(rng)],
    lambda rng: [b"GETEX", key(rng), *_some(rng, _token(b"PERSIST"), _token(b"KEEPTTL"), *_lifetimes())],
    lambda rng: [b"MGET", *keys(rng)],
    lambda rng: [b"MSET", *_repeat(rng, lambda rng: [key(rng), value(rng)], 3)],
    lambda rng: [b"MSETNX", *_repeat(rng, lambda rng: [key(rng), value(rng)], 3)],
    lambda rng: [b"APPEND", key(rng), value(rng)],
    lambda rng: [b"STRLEN", key(rng)],
    lambda rng: [rng.choice((b"GETRANGE", b"SUBSTR")), key(rng), *_range(rng)],
    lambda rng: [b"SETRANGE", key(rng), small(rng), value(rng)],
    lambda rng: [rng.choice((b"INCR", b"DECR")), key(rng)],
    lambda rng: [rng.choice((b"INCRBY", b"DECRBY")), key(rng), integer(rng)],
    lambda rng: [b"INCRBYFLOAT", key(rng), fraction(rng)],
    lambda rng: [b"INCRBYFLOAT", key(rng), fraction(rng)],
    lambda rng: [b"LCS", key(rng), key(rng), *_some(
        rng, _token(b"LEN"), _token(b"IDX"), _token(b"IDX"), _token(b"WITHMATCHLEN"),
        lambda rng: [_case(rng, b"MINMATCHLEN"), small(rng)])],
    lambda rng: [rng.choice((b"DEL", b"UNLINK", b"EXISTS", b"TOUCH")), *keys(rng)],
    lambda rng: [b"TYPE", key(rng)],
    lambda rng: [rng.choice((b"RENAME", b"RENAMENX")), key(rng), key(rng)],
    lambda rng: [b"COPY", key(rng), key(rng), *_some(
        rng, _token(b"REPLACE"), lambda rng: [_case(rng, b"DB"), _database(rng)])],
    lambda rng: [b"MOVE", key(rng), _database(rng)],
    lambda rng: [b"EXPIRE", key(rng), _small_safe(_seconds(rng)), *_some(rng, _token(b"NX"), _token(b"XX"))],
    lambda rng: [b"PEXPIRE", key(rng), _milliseconds(rng), *_some(rng, _token(b"NX"), _token(b"XX"))],
    lambda rng: [b"EXPIREAT", key(rng), _unix_seconds(rng), *_some(
        rng, _token(b"NX"), _token(b"XX"), _token(b"GT"), _token(b"LT"), _token(b"gt?"))],
    lambda rng: [b"PEXPIREAT", key(rng), _unix_milliseconds(rng), *_some(
        rng, _token(b"NX"), _token(b"XX"), _token(b"GT"), _token(b"LT"))],
    lambda rng: [rng.choice((b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME", b"PERSIST")), key(rng)],
    lambda rng: [b"KEYS", _pattern(rng)],
    _scan,
    lambda rng: [b"RANDOMKEY"],
    lambda rng: [b"OBJECT", _case(rng, rng.choice((b"ENCODING", b"REFCOUNT", b"FREQ", b"NONE"))), key(rng)],
    lambda rng: [b"DUMP", key(rng)],
    lambda rng: [b"RESTORE", key(rng), rng.choice((b"0", b"0", b"100000", b"-1", b"x")), _dump(rng), *_some(
        rng, _token(b"REPLACE"), _token(b"REPLACE"), lambda rng: [b"IDLETIME", rng.choice((b"5", b"-1", b"x"))],
        lambda rng: [b"FREQ", rng.choice((b"5", b"256", b"-1"))])],
    lambda rng: [b"RESTORE", key(rng), _unix_milliseconds(rng), _dump(rng), b"ABSTTL", b"REPLACE"],
    lambda rng: [b"SETBIT", key(rng), _bit_offset(rng), rng.choice((b"0", b"1", b"1", b"2", b"x"))],
    lambda rng: [b"GETBIT", key(rng), _bit_offset(rng)],
    lambda rng: [b"BITCOUNT", key(rng), *rng.choice(([], _range(rng), [*_range(rng), b"BIT"]))],
    lambda rng: [b"BITCOUNT", key(rng), *_range(rng), _case(rng, rng.choice((b"BIT", b"BYTE", b"NIBBLE")))],
    lambda rng: [b"BITPOS", key(rng), rng.choice((b"0", b"1", b"0", b"1", b"2", b"x")), *rng.choice(
        ([], [small(rng)], _range(rng), [*_range(rng), b"BIT"], [*_range(rng), b"BYTE"], [*_range(rng), b"x"]))],
    lambda rng: [b"BITOP", _case(rng, rng.choice((b"AND", b"OR", b"XOR", b"NOT", b"NAND"))), key(rng), *keys(rng)],
    lambda rng: [b"BITOP", b"NOT", key(rng), key(rng)],
    lambda rng: [b"BITFIELD", key(rng), *_repeat(rng, _field_operation)],
    lambda rng: [b"BITFIELD", key(rng), *_repeat(rng, _field_operation)],
    lambda rng: [b"BITFIELD_RO", key(rng), *_repeat(
        rng, lambda rng: [b"GET", _field_type(rng), _field_offset(rng)], 3)],
    lambda rng: [b"BITFIELD_RO", key(rng), *_field_operation(rng)],
)  # fmt: skip


def command(rng: Random) -> Words:
    words = rng.choice(_COMMANDS)(rng)
    if rng.random() < 0.04:
        words = words[: rng.randint(1, len(words))]
    elif rng.random() < 0.04:
        words = [*words, rng.choice((b"x", b"", b"0", b"EX", b"GET"))]
    words[0] = _case(rng, words[0])
    return words


def commands(rng: Random, count: int) -> list[Words]:
    return [command(rng) for _ in range(count)]
