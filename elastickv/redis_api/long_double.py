"""x87's `long double`, as far as INCRBYFLOAT needs it: read, add, print, to the last digit that Redis prints.

A number is `mantissa * 2**exponent` with at most 64 bits of mantissa. Reading rounds the exact decimal (or hexadecimal)
value once, adding rounds the exact sum once, both to nearest-even as the hardware does; printing is `%.17Lf` of the
exact value without its trailing zeros. Python's integers make all of that a few lines, and the same on every machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

_MANTISSA_BITS: Final = 64
_MIN_EXPONENT: Final = -16445
"""Of the last bit of the smallest denormal."""
_MAX_BITS: Final = 16384
"""Numbers of more bits before the point are infinite."""
_DECIMALS: Final = 17
_MAX_TEXT: Final = 5 * 1024
"""Redis' buffer: longer words are no numbers."""

_DECIMAL = re.compile(rb"([+-]?)(?:(\d+)\.?(\d*)|\.(\d+))(?:[eE]([+-]?\d+))?").fullmatch
_HEX = re.compile(rb"([+-]?)0[xX](?:([0-9a-fA-F]+)\.?([0-9a-fA-F]*)|\.([0-9a-fA-F]+))(?:[pP]([+-]?\d+))?").fullmatch
_INFINITY = re.compile(rb"[+-]?inf(?:inity)?", re.IGNORECASE).fullmatch


@dataclass(frozen=True, slots=True)
class LongDouble:
    """`mantissa * 2**exponent`, signed; infinite ones have no other value (their sums are refused anyway)."""

    mantissa: int
    exponent: int
    infinite: bool = False

    def __add__(self, other: LongDouble) -> LongDouble:
        if self.infinite or other.infinite:
            return INFINITE
        low = min(self.exponent, other.exponent)
        total = (self.mantissa << self.exponent - low) + (other.mantissa << other.exponent - low)
        return _rounded(total, 1, low)

    def times(self, factor: int) -> LongDouble:
        return self if self.infinite else _rounded(self.mantissa * factor, 1, self.exponent)

    def ceiling(self) -> int:
        """The smallest integer that is not below; of finite ones only."""
        return self.mantissa << self.exponent if self.exponent >= 0 else -(-self.mantissa >> -self.exponent)

    def text(self) -> bytes:
        """As Redis prints it for people: no exponent, no trailing zeros, no minus zero."""
        if self.exponent >= 0:
            return b"%b" % _digits(self.mantissa << self.exponent)
        scaled = _divide(abs(self.mantissa) * 10**_DECIMALS, 1 << -self.exponent)
        digits = _digits(scaled).rjust(_DECIMALS + 1, b"0")
        fraction = digits[-_DECIMALS:].rstrip(b"0")
        number = digits[:-_DECIMALS] + (b"." + fraction if fraction else b"")
        return b"-" + number if self.mantissa < 0 and scaled else number


INFINITE: Final = LongDouble(0, 0, True)


def parse(word: bytes) -> LongDouble | None:
    """What strtold reads from the whole word; None for blanks, NaN, what is too large, or so small that it vanishes."""
    if len(word) >= _MAX_TEXT:
        return None
    match = _DECIMAL(word)
    base, binary = 10, False
    if match is None:
        match = _HEX(word)
        base, binary = 16, True
        if match is None:
            return INFINITE if _INFINITY(word) else None
    sign, whole, behind, only, power_text = match.groups()
    digits = (whole or b"") + (behind or only or b"")
    places = len(behind or only or b"")
    if len(digits.lstrip(b"0")) == 0:
        return LongDouble(0, 0)
    power = _bounded(power_text or b"0")
    if binary:
        number = _rounded(int(digits, base), 1, power - 4 * places)
    else:
        power -= places
        if abs(power) > 4 * _MAX_TEXT:
            return None
        integer = int(Decimal(digits.decode()))
        number = _rounded(integer * 10**power, 1, 0) if power >= 0 else _rounded(integer, 10**-power, 0)
    if number.infinite or not number.mantissa:
        return None
    return LongDouble(-number.mantissa, number.exponent) if sign == b"-" else number


def _bounded(power: bytes) -> int:
    """An exponent; beyond any that matters, only its sign does."""
    digits = power.lstrip(b"+-").lstrip(b"0") or b"0"
    number = int(digits) if len(digits) < 7 else 10**6
    return -number if power.startswith(b"-") else number


def _rounded(numerator: int, denominator: int, exponent: int) -> LongDouble:
    """numerator / denominator * 2**exponent, rounded once."""
    if not numerator:
        return LongDouble(0, 0)
    magnitude = abs(numerator)
    # Bits of the quotient, at most one too many; shift so that 64 of them (or those above the denormal limit) stay.
    bits = magnitude.bit_length() - denominator.bit_length()
    if bits + exponent > _MAX_BITS + 1:
        return INFINITE
    if bits + exponent < _MIN_EXPONENT - 2:
        return LongDouble(0, 0)
    if magnitude >= denominator << bits if bits >= 0 else magnitude << -bits >= denominator:
        bits += 1
    drop = max(bits - _MANTISSA_BITS, _MIN_EXPONENT - exponent)
    if drop >= 0:
        mantissa = _divide(magnitude, denominator << drop)
    else:
        mantissa = _divide(magnitude << -drop, denominator)
    exponent += drop
    if mantissa.bit_length() + exponent > _MAX_BITS:
        return INFINITE
    return LongDouble(-mantissa if numerator < 0 else mantissa, exponent)


def _divide(numerator: int, denominator: int) -> int:
    """The nearest integer, the even one of two."""
    quotient, rest = divmod(numerator, denominator)
    double = 2 * rest
    return quotient + (double > denominator or (double == denominator and quotient & 1))


def _digits(number: int) -> bytes:
    """In decimal; through Decimal, because str() refuses the thousands of digits that these may have."""
    return format(Decimal(number), "f").encode()
