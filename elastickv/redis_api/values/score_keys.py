"""Scores as eight bytes that are ordered as the numbers are.

    entry = score_key(score) + member

Comparing two entries as bytes then compares their scores and, where these are equal, their members: the order of a
sorted set. The sign bit of a positive number is set and all bits of a negative one are turned over. Minus zero is zero.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from elastickv.kv.keyspace import prefix_end

SCORE_BYTES: Final = 8

ZERO: Final = b"\x80" + bytes(7)

_DOUBLE = Struct(">d")
_ALL_BITS: Final = (1 << 64) - 1
_NUMBER = _DOUBLE.unpack_from
_BYTES = _DOUBLE.pack


def score_key(score: float) -> bytes:
    """Not for NaN, which no sorted set contains."""
    if score > 0:
        return _BYTES(-score)
    if score == 0:
        return ZERO
    return (int.from_bytes(_BYTES(score)) ^ _ALL_BITS).to_bytes(SCORE_BYTES)


def score_of(entry: bytes) -> float:
    """The score of an entry, or of a `score_key`."""
    if entry[0] & 0x80:
        return float(-_NUMBER(entry)[0])
    return float(_NUMBER((int.from_bytes(entry[:SCORE_BYTES]) ^ _ALL_BITS).to_bytes(SCORE_BYTES))[0])


def member_of(entry: bytes) -> bytes:
    return entry[SCORE_BYTES:]


def above(score: float) -> bytes:
    """A bound that lies behind all entries of this score and before those of the next."""
    return prefix_end(score_key(score))
