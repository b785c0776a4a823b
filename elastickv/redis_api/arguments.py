"""Readers for the words of a command, as strict as Redis'."""

from __future__ import annotations

import math
import re
from typing import Final

from elastickv.redis_api import long_double
from elastickv.redis_api.errors import MUST_BE_POSITIVE, NOT_A_FLOAT, NOT_AN_INTEGER, OUT_OF_RANGE, RedisError

INT64_MIN: Final = -(1 << 63)
INT64_MAX: Final = (1 << 63) - 1

_EXACT_DIGITS: Final = 16
_ZERO: Final = ord("0")
_SHORT: Final = 19
"""Numbers of fewer digits have 64 bits."""
_INTEGER = re.compile(rb"(?:0|-?[1-9][0-9]{0,18})\Z").match
_FLOAT = re.compile(rb"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?|nan)\Z", re.IGNORECASE).match
_HEX_FLOAT = re.compile(rb"[+-]?0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?[0-9]+)?\Z", re.IGNORECASE).match


def wrapped(number: int) -> int:
    """As a counter of 64 bits with a sign shows it."""
    return (number - INT64_MIN) % (1 << 64) + INT64_MIN


def string_to_integer(word: bytes) -> int | None:
    """A 64-bit integer in its one canonical spelling (Redis' string2ll), else None."""
    if _INTEGER(word) is None:
        return None
    number = int(word)
    return number if INT64_MIN <= number <= INT64_MAX else None


def integer(word: bytes, error: RedisError = NOT_AN_INTEGER) -> int:
    """string2ll: no blanks, no plus sign, no leading zeros, 64 bits."""
    if word.isdigit() and word[0] != _ZERO and len(word) < _SHORT:
        return int(word)  # the usual case
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


def positive(word: bytes, error: RedisError = MUST_BE_POSITIVE) -> int:
    """Redis' getPositiveLongFromObjectOrReply: zero counts as positive, and there is one text for all that is wrong."""
    number = integer(word, error)
    if number < 0:
        raise error
    return number


MOST_DRAWS: Final = 10_000_000
"""Ours: a negative count asks for a reply of that many elements, whatever the collection holds."""


def draw_count(word: bytes) -> int:
    """The count of SRANDMEMBER, HRANDFIELD and ZRANDMEMBER; negative: with repetitions."""
    count = integer(word)
    if count == INT64_MIN:
        raise RedisError(b"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807")
    return count


def string_to_float(word: bytes) -> float | None:
    """What strtod reads completely, without blanks, NaN and what overflows; else None."""
    if word.isdigit() and len(word) < _EXACT_DIGITS:
        return float(word)  # the usual case
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


def lenient_float(word: bytes) -> float | None:
    """What C's strtod makes of a word, where Redis asks only that nothing is left over and that it is a number.

    Blanks in front are skipped, too large is infinite, and nothing at all is zero.
    """
    word = word.partition(b"\0")[0]
    if not word:
        return 0.0
    word = word.lstrip(b" \t\n\v\f\r")
    if _FLOAT(word) is not None:
        number = float(word)
        return None if number != number else number
    if _HEX_FLOAT(word) is not None:
        try:
            return float.fromhex(word.decode())
        except OverflowError:
            return -math.inf if word.startswith(b"-") else math.inf
    return None


def double(word: bytes, error: RedisError = NOT_A_FLOAT) -> float:
    number = string_to_float(word)
    if number is None:
        raise error
    return number


def option(word: bytes) -> bytes:
    """An option word in upper case, to compare with."""
    return word.upper()


_TIMEOUT_NOT_FLOAT: Final = RedisError(b"ERR timeout is not a float or out of range")
_TIMEOUT_NOT_INTEGER: Final = RedisError(b"ERR timeout is not an integer or out of range")
_TIMEOUT_NEGATIVE: Final = RedisError(b"ERR timeout is negative")
_TIMEOUT_TOO_LARGE: Final = RedisError(b"ERR timeout is out of range")


def timeout_seconds(word: bytes, now_ms: int) -> int:
    """The timeout of a blocking command, in seconds as Redis reads them (a `long double`): milliseconds, rounded up."""
    number = long_double.parse(word)
    if number is None:
        raise _TIMEOUT_NOT_FLOAT
    number = number.times(1000)
    if number.infinite:
        raise _TIMEOUT_NEGATIVE if word.startswith(b"-") else _TIMEOUT_TOO_LARGE
    return _timeout(number.ceiling(), now_ms)


def timeout_milliseconds(word: bytes, now_ms: int) -> int:
    return _timeout(integer(word, _TIMEOUT_NOT_INTEGER), now_ms)


def _timeout(milliseconds: int, now_ms: int) -> int:
    if milliseconds > INT64_MAX:
        raise _TIMEOUT_TOO_LARGE
    if milliseconds < 0:
        raise _TIMEOUT_NEGATIVE
    if milliseconds > INT64_MAX - now_ms:
        raise _TIMEOUT_TOO_LARGE
    return milliseconds
