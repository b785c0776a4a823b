"""Readers for the words of a command, as strict as Redis'."""

from __future__ import annotations

import math
import re
from typing import Final

from elastickv.redis_api.errors import MUST_BE_POSITIVE, NOT_A_FLOAT, NOT_AN_INTEGER, OUT_OF_RANGE, RedisError

INT64_MIN: Final = -(1 << 63)
INT64_MAX: Final = (1 << 63) - 1

_INTEGER = re.compile(rb"(?:0|-?[1-9][0-9]{0,18})\Z").match
_FLOAT = re.compile(rb"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?|nan)\Z", re.IGNORECASE).match
_HEX_FLOAT = re.compile(rb"[+-]?0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?[0-9]+)?\Z", re.IGNORECASE).match


def string_to_integer(word: bytes) -> int | None:
    """A 64-bit integer in its one canonical spelling (Redis' string2ll), else None."""
    if _INTEGER(word) is None:
        return None
    number = int(word)
    return number if INT64_MIN <= number <= INT64_MAX else None


def integer(word: bytes, error: RedisError = NOT_AN_INTEGER) -> int:
    """string2ll: no blanks, no plus sign, no leading zeros, 64 bits."""
    if _INTEGER(word) is not None:
        number = int(word)
        if INT64_MIN <= number <= INT64_MAX:
            return number
    raise error


def integer_between(word: bytes, low: int, high: int, error: RedisError | None = None) -> int:
    """Redis' getRangeLongFromObjectOrReply: an integer, then `low` and `high` inclusive."""
    number = integer(word, error or NOT_AN_INTEGER)
    if not low <= number <= high:
        raise error or OUT_OF_RANGE
    return number


def positive(word: bytes, error: RedisError | None = None) -> int:
    """Redis' getPositiveLongFromObjectOrReply: zero counts as positive."""
    number = integer(word, error or NOT_AN_INTEGER)
    if number < 0:
        raise error or MUST_BE_POSITIVE
    return number


def string_to_float(word: bytes) -> float | None:
    """What strtod reads completely, without blanks, NaN and what overflows; else None."""
    if _FLOAT(word) is not None:
        number = float(word)
        if number != number or (math.isinf(number) and b"n" not in word.lower()):
            return None
        if number == 0 and any(digit in word.lower().partition(b"e")[0] for digit in b"123456789"):
            return None  # underflow: strtod says ERANGE
        return number
    if _HEX_FLOAT(word) is not None:
        try:
            return float.fromhex(word.decode())
        except OverflowError:
            return None
    return None


def double(word: bytes, error: RedisError = NOT_A_FLOAT) -> float:
    number = string_to_float(word)
    if number is None:
        raise error
    return number


def option(word: bytes) -> bytes:
    """An option word in upper case, to compare with."""
    return word.upper()
