"""Words of random commands, shared by the generators of all groups.

The generator of numbers is handed in: hypothesis' own in tests (so that examples shrink), a seeded one in long runs.

Times are either past or far away, so that nothing expires in the middle of a comparison; GT and LT come with absolute
times only, because two servers never read their clocks in the same millisecond.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

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
NO_INTEGERS = (b"", b" 1", b"1 ", b"+1", b"01", b"-0", b"1.0", b"abc", b"0x10", b"1e3", b"--1", b"\x00", b"nan")
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
    return rng.choice(NO_INTEGERS)


def small(rng: Random) -> bytes:
    """An integer that makes no huge strings."""
    chance = rng.random()
    if chance < 0.85:
        return b"%d" % rng.randint(-30, 70)
    if chance < 0.93:
        return b"%d" % rng.choice((-(2**63), 2**63 - 1, -1, 2**63, 2**32, 2**62, 512 << 20, (512 << 20) - 1 + 2**32))
    return rng.choice(NO_INTEGERS)


def bounds(rng: Random) -> Words:
    return [small(rng), small(rng)]


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


def cased(rng: Random, word: bytes) -> bytes:
    return word if rng.random() < 0.7 else rng.choice((word.lower(), word.upper(), word.capitalize()))


def some(rng: Random, *options: Callable[[Random], Words]) -> Words:
    """A few of the options, in any order."""
    chosen: Words = []
    for _ in range(rng.choice((0, 0, 1, 1, 1, 2, 2, 3))):
        chosen += rng.choice(options)(rng)
    return chosen


def token_of(word: bytes) -> Callable[[Random], Words]:
    return lambda rng: [cased(rng, word)]


def seconds(rng: Random) -> bytes:
    chance = rng.random()
    if chance < 0.6:
        return b"%d" % rng.choice((100, 5000, 86400, 10**9))
    if chance < 0.8:
        return b"%d" % rng.choice(
            (0, -1, -100, -(2**62), 2**63 - 1, -(2**63), 2**63, 9223372036854775, 9223372036854776)
        )
    return integer(rng) if rng.random() < 0.3 else rng.choice(NO_INTEGERS)


def milliseconds(rng: Random) -> bytes:
    if rng.random() < 0.6:
        return b"%d" % rng.choice((100_000, 5_000_000, 10**12))
    return rng.choice((b"0", b"-1", b"-5000", b"9223372036854775807", b"-9223372036854775808", b"x"))


def unix_seconds(rng: Random) -> bytes:
    if rng.random() < 0.7:
        return b"%d" % rng.choice((NEVER, NEVER + 1, NEVER + 2, NEVER + 1000, 1, 1_000_000_000))
    return rng.choice((b"0", b"-1", b"9223372036854775", b"9223372036854776", b"9223372036854775807", b"1.5"))


def unix_milliseconds(rng: Random) -> bytes:
    if rng.random() < 0.7:
        return b"%d" % rng.choice((NEVER * 1000, NEVER * 1000 + 1, NEVER * 1000 + 1500, 1, 10**12))
    return rng.choice((b"0", b"-1", b"9223372036854775807", b"9223372036854775808", b""))


def lifetimes() -> tuple[Callable[[Random], Words], ...]:
    return (
        lambda rng: [cased(rng, b"EX"), small_safe(seconds(rng))],
        lambda rng: [cased(rng, b"PX"), milliseconds(rng)],
        lambda rng: [cased(rng, b"EXAT"), unix_seconds(rng)],
        lambda rng: [cased(rng, b"PXAT"), unix_milliseconds(rng)],
    )


def small_safe(seconds: bytes) -> bytes:
    """Not so few seconds that they may pass during the comparison."""
    return b"100" if seconds.isdigit() and 0 < int(seconds) < 100 else seconds


def repeated(rng: Random, make: Callable[[Random], Words], most: int = 5) -> Words:
    return [word for _ in range(rng.randint(1, most)) for word in make(rng)]


def pattern(rng: Random) -> bytes:
    if rng.random() < 0.5:
        return rng.choice(
            (b"*", b"**", b"?", b"key:*", b"k*:?", b"[ab]", b"[^a]", b"[a-b]*", b"\\[x\\]\\*\\?", b"", b"a", b"*1")
        )
    return bytes(rng.choice(b"*?[]^-\\abk:1") for _ in range(rng.randint(0, 6)))
