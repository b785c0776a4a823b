"""Random commands of the bitmap group."""

from __future__ import annotations

from random import Random
from typing import Final

from tests.conformance.group import Group, Maker
from tests.conformance.words import (
    Words,
    bounds,
    cased,
    integer,
    key,
    keys,
    repeated,
    small,
)


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
        return [cased(rng, b"GET"), _field_type(rng), _field_offset(rng)]
    if chance < 0.55:
        operand = integer(rng)
        if operand == b"%d" % -(2**63):
            # Redis computes `max - value` in 64 bits and so saturates this to the wrong end; we do not.
            operand = b"%d" % -(2**62)
        return [cased(rng, b"SET"), _field_type(rng), _field_offset(rng), operand]
    if chance < 0.8:
        return [cased(rng, b"INCRBY"), _field_type(rng), _field_offset(rng), integer(rng)]
    return [cased(rng, b"OVERFLOW"), cased(rng, rng.choice((b"WRAP", b"SAT", b"FAIL", b"FAIL", b"NONE")))]


COMMANDS: tuple[Maker, ...] = (
    lambda rng: [b"SETBIT", key(rng), _bit_offset(rng), rng.choice((b"0", b"1", b"1", b"2", b"x"))],
    lambda rng: [b"GETBIT", key(rng), _bit_offset(rng)],
    lambda rng: [b"BITCOUNT", key(rng), *rng.choice(([], bounds(rng), [*bounds(rng), b"BIT"]))],
    lambda rng: [b"BITCOUNT", key(rng), *bounds(rng), cased(rng, rng.choice((b"BIT", b"BYTE", b"NIBBLE")))],
    lambda rng: [b"BITPOS", key(rng), rng.choice((b"0", b"1", b"0", b"1", b"2", b"x")), *rng.choice(
        ([], [small(rng)], bounds(rng), [*bounds(rng), b"BIT"], [*bounds(rng), b"BYTE"], [*bounds(rng), b"x"]))],
    lambda rng: [b"BITOP", cased(rng, rng.choice((b"AND", b"OR", b"XOR", b"NOT", b"NAND"))), key(rng), *keys(rng)],
    lambda rng: [b"BITOP", b"NOT", key(rng), key(rng)],
    lambda rng: [b"BITFIELD", key(rng), *repeated(rng, _field_operation)],
    lambda rng: [b"BITFIELD", key(rng), *repeated(rng, _field_operation)],
    lambda rng: [b"BITFIELD_RO", key(rng), *repeated(
        rng, lambda rng: [b"GET", _field_type(rng), _field_offset(rng)], 3)],
    lambda rng: [b"BITFIELD_RO", key(rng), *_field_operation(rng)],
)  # fmt: skip


def _excused(argv: Words, ours: bytes, theirs: bytes) -> bool:
    # 7.2 (pull request 11734): arguments are checked before the key is looked for.
    name = argv[0].upper()
    if name not in (b"BITCOUNT", b"BITPOS") or not ours.startswith(b"-ERR"):
        return False
    return theirs in (b":0\r\n", b":-1\r\n") or theirs.startswith(b"-WRONGTYPE")


GROUP: Final = Group(COMMANDS, excused=_excused)
