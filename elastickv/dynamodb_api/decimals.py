"""DynamoDB's numbers: up to 38 significant digits, magnitudes from 1E-130 to 9.99…E+125, exact.

A number travels as text and stays text here, in one canonical form: plain notation, no exponent, no zeros that say
nothing, no minus before zero. So equal numbers are equal texts, and only order and arithmetic need a `Decimal`.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal, DecimalException
from typing import Final

from elastickv.dynamodb_api.errors import ValidationException, ValueFault

MAX_DIGITS: Final = 38
MAX_EXPONENT: Final = 125
MIN_EXPONENT: Final = -130

_NUMBER: Final = re.compile(r"([+-]?)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]([+-]?[0-9]+))?", re.ASCII)
_INT32: Final = 1 << 31
_INT64: Final = 1 << 63

_EXACT: Final = Context(prec=600)
"""Wide enough for any sum of two numbers in range to be exact."""

NOT_A_NUMBER: Final = "The parameter cannot be converted to a numeric value"
OVERFLOW: Final = "Number overflow. Attempting to store a number with magnitude larger than supported range"
UNDERFLOW: Final = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
TOO_PRECISE: Final = "Attempting to store more than 38 significant digits in a Number"


def _is_plain(text: str) -> bool:
    """A whole number that is not negative, in canonical form. Most numbers are such."""
    return len(text) <= MAX_DIGITS and text.isdecimal() and text.isascii() and (text[0] != "0" or text == "0")


def is_canonical(text: str) -> bool:
    """Whether it is the text of a number, the one that `canonical` makes."""
    if _is_plain(text):
        return True
    try:
        return canonical(text) == text
    except ValidationException:
        return False


def canonical(text: str) -> str:
    """The one text of this number. ValidationException in AWS' words when it is none, or out of range."""
    if _is_plain(text):
        return text
    if not text:
        raise ValueFault(NOT_A_NUMBER, f"{NOT_A_NUMBER}: ")
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValidationException(f"{NOT_A_NUMBER}: {text}")
    sign, mantissa, power = match.groups()
    whole, _, fraction = mantissa.partition(".")
    exponent = -len(fraction)
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if power is not None:
        # The older of AWS' layers reads numbers as Java's BigDecimal does: exponents have 32 bits, and wrap around.
        negative = power[0] == "-"
        power = power.lstrip("+-").lstrip("0") or "0"
        if len(power) > 10 or int(power) >= _INT32:
            sentence = f"{NOT_A_NUMBER}: {text}"
            far = len(power) > 19 or int(power) >= _INT64 + negative
            raise ValueFault(sentence, sentence if far else UNDERFLOW if negative else OVERFLOW)
        exponent += -int(power) if negative else int(power)
        if not significant:
            _check_range(1, exponent)  # zero, too, is held against the range: by the exponent that it is written with
        if significant and len(digits) + exponent >= _INT32:
            raise ValueFault(UNDERFLOW, OVERFLOW)
    if not significant:
        return "0"
    exponent += len(digits) - len(significant)
    _check_range(len(significant), exponent)
    return _plain("-" if sign == "-" else "", significant, exponent)


def _check_range(digits: int, exponent: int) -> None:
    magnitude = digits - 1 + exponent
    if magnitude > MAX_EXPONENT:
        raise ValidationException(OVERFLOW)
    if magnitude < MIN_EXPONENT:
        raise ValidationException(UNDERFLOW)
    if digits > MAX_DIGITS:
        raise ValidationException(TOO_PRECISE)


def _plain(sign: str, digits: str, exponent: int) -> str:
    if exponent >= 0:
        return sign + digits + "0" * exponent
    point = len(digits) + exponent
    if point > 0:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    return f"{sign}0.{'0' * -point}{digits}"


def add(left: str, right: str, *, negate: bool = False) -> str:
    """left + right (or left - right), canonical.

    A sum that needs more than 38 digits is refused as an overflow: that is what AWS calls it.
    """
    one, other = Decimal(left), Decimal(right)
    total = _EXACT.subtract(one, other) if negate else _EXACT.add(one, other)
    if not total:
        return "0"
    sign, places, exponent = total.as_tuple()
    assert isinstance(exponent, int)
    digits = "".join(map(str, places))
    significant = digits.rstrip("0")
    exponent += len(digits) - len(significant)
    if len(significant) > MAX_DIGITS:
        raise ValidationException(OVERFLOW)
    _check_range(len(significant), exponent)
    return _plain("-" if sign else "", significant, exponent)


def order(text: str) -> Decimal:
    """Something that compares as the number does. `text` is canonical."""
    try:
        return Decimal(text)
    except DecimalException as error:  # canonical texts always convert: whoever passes another one has a bug
        raise AssertionError(text) from error


def size(text: str) -> int:
    """Bytes that a canonical number counts for in its item's size.

    One, and one for each two digits before the point, one for each two behind it, and one for a minus. Zeros at the end
    of a whole number and at the start of a pure fraction do not count. (Measured at AWS to the byte; the
    documentation's "one byte for two digits" is a round figure.)
    """
    if text == "0":
        return 1
    total = 1
    if text[0] == "-":
        total = 2
        text = text[1:]
    whole, _, fraction = text.partition(".")
    if not fraction:
        return total + (len(whole.rstrip("0")) + 1) // 2
    if whole == "0":
        return total + (len(fraction.lstrip("0")) + 1) // 2
    return total + (len(whole) + 1) // 2 + (len(fraction) + 1) // 2


_FIRST: Final = tuple(bytes((one,)) for one in range(256))
_PLUS_ONE: Final = bytes((one >> 4) * 10 + (one & 15) + 1 for one in range(256))
"""From two decimal digits in one byte to the base-100 digit plus one."""
_COMPLEMENT: Final = bytes((101 - ((one >> 4) * 10 + (one & 15))) & 0xFF for one in range(256))


_SHORT: Final = 4
_sortable_short: dict[str, bytes] = {}
"""Of short numbers (there are some twenty thousand) that came by."""


def sortable(text: str) -> bytes:
    """Bytes in the order of the numbers; none is a prefix of another once 00 is put behind it.

    The layout is that of Oracle's NUMBER: an exponent byte to the base of 100, then base-100 digits plus one; negative
    numbers as complements with 66 at the end. AWS hashes number keys in this form, which is why we use it too.
    """
    if len(text) <= _SHORT:
        known = _sortable_short.get(text)
        if known is None:
            known = _sortable_short[text] = _sortable(text)
        return known
    return _sortable(text)


def _sortable(text: str) -> bytes:
    if text == "0":
        return b"\x80"
    negative = text[0] == "-"
    if negative:
        text = text[1:]
    whole, _, fraction = text.partition(".")
    if whole == "0":
        digits = fraction.lstrip("0")
        exponent = len(digits) - len(fraction)
    else:
        digits = whole + fraction
        exponent = len(whole)
    digits = digits.rstrip("0")
    if exponent % 2:
        digits = "0" + digits
        exponent += 1
    if len(digits) % 2:
        digits += "0"
    first = (exponent // 2 - 64) & 0xFF
    # Read as hexadecimal, two digits are one byte: all pairs at once.
    pairs = bytes.fromhex(digits)
    if not negative:
        return _FIRST[first] + pairs.translate(_PLUS_ONE)
    tail = b"\x66" if len(pairs) < 20 else b""
    return _FIRST[first ^ 0xFF] + pairs.translate(_COMPLEMENT) + tail
