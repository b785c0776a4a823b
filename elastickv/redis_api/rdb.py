"""The frame and the words of Redis' serialisation of one value, as DUMP gives it and RESTORE takes it.

    type:1  value  RDB version:2 (little endian)  CRC-64:8 (little endian, over everything before it)

A length is 6 bits, 14 bits, 32 bits or 64 bits, told apart by the two high bits of its first byte; the fourth pattern
of those bits marks a string in a special form: an integer of 8, 16 or 32 bits, or LZF. What the values of each type are
made of is in `rdb_values`.

We write version 10, that of Redis 7.0, and no form that came later, because a server refuses payloads of versions newer
than its own. Versions up to 11 (Redis 7.2) are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from elastickv.redis_api.crc64 import crc64
from elastickv.redis_api.lzf import compress, decompress

WRITTEN_VERSION: Final = 10
NEWEST_VERSION: Final = 11
_FOOTER: Final = 10

TYPE_STRING: Final = 0

_LENGTH_6: Final = 0
_LENGTH_14: Final = 1
_LENGTH_32: Final = 0x80
_LENGTH_64: Final = 0x81
_SPECIAL: Final = 3
_INT8, _INT16, _INT32, _LZF = range(4)
_INT_SIZES: Final = {_INT8: 1, _INT16: 2, _INT32: 4}

_COMPRESS_ABOVE: Final = 20
"""Redis' bound: shorter strings are never compressed."""
_COMPRESS_UP_TO: Final = 1 << 20
"""Ours: compressing takes the loop's time, and a longer string may as well stand as it is."""

MAX_STRING: Final = 512 << 20


class WrongFooter(ValueError):
    """Version or checksum are wrong: not a payload, damaged, or from a newer server."""


class BadFormat(ValueError):
    """The value cannot be read."""


def framed(kind: int, parts: Iterable[bytes | memoryview]) -> bytes:
    """The DUMP payload of a value of that RDB type."""
    body = b"".join((bytes((kind,)), *parts, WRITTEN_VERSION.to_bytes(2, "little")))
    return body + crc64(body).to_bytes(8, "little")


def dump_string(value: bytes | memoryview) -> bytes:
    """The DUMP payload of a string."""
    return framed(TYPE_STRING, string(value))


def check_footer(payload: bytes) -> None:
    if len(payload) < _FOOTER:
        raise WrongFooter
    version = int.from_bytes(payload[-10:-8], "little")
    if version > NEWEST_VERSION or crc64(memoryview(payload)[:-8]) != int.from_bytes(payload[-8:], "little"):
        raise WrongFooter


def string(value: bytes | memoryview) -> list[bytes | memoryview]:
    """A string in the form that Redis would choose, in parts."""
    size = len(value)
    if size <= 11:
        number = _small_integer(bytes(value))
        if number is not None:
            kind = _INT8 if -(1 << 7) <= number < 1 << 7 else _INT16 if -(1 << 15) <= number < 1 << 15 else _INT32
            return [bytes((_SPECIAL << 6 | kind,)), number.to_bytes(_INT_SIZES[kind], "little", signed=True)]
    if _COMPRESS_ABOVE < size <= _COMPRESS_UP_TO:
        packed = compress(bytes(value), size - 4)
        if packed is not None:
            return [bytes((_SPECIAL << 6 | _LZF,)), length(len(packed)), length(size), packed]
    return [length(size), value]


def _small_integer(value: bytes) -> int | None:
    """The 32-bit integer of which `value` is the one spelling."""
    try:
        number = int(value)
    except ValueError:
        return None
    return number if -(1 << 31) <= number < 1 << 31 and b"%d" % number == value else None


def length(size: int) -> bytes:
    if size < 1 << 6:
        return bytes((size,))
    if size < 1 << 14:
        return bytes((_LENGTH_14 << 6 | size >> 8, size & 0xFF))
    if size < 1 << 32:
        return bytes((_LENGTH_32,)) + size.to_bytes(4)
    return bytes((_LENGTH_64,)) + size.to_bytes(8)


class Reader:
    """Reads a payload from behind its type to its footer. BadFormat when it ends early or makes no sense."""

    __slots__ = ("at", "end", "payload")

    def __init__(self, payload: bytes, at: int = 1) -> None:
        self.payload = payload
        self.at = at
        self.end = len(payload) - _FOOTER

    def take(self, size: int) -> bytes:
        if size > self.end - self.at:
            raise BadFormat
        start = self.at
        self.at += size
        return self.payload[start : self.at]

    def length(self) -> int:
        size, special = self._length()
        if special:
            raise BadFormat
        return size

    def string(self) -> bytes:
        size, special = self._length()
        if not special:
            return self.take(size)
        if size in _INT_SIZES:
            return b"%d" % int.from_bytes(self.take(_INT_SIZES[size]), "little", signed=True)
        if size != _LZF:
            raise BadFormat
        packed_size = self.length()
        size = self.length()
        if size > MAX_STRING:
            raise BadFormat
        try:
            return decompress(self.take(packed_size), size)
        except ValueError:
            raise BadFormat from None

    def _length(self) -> tuple[int, bool]:
        """(length, False) or (special form, True)."""
        first = self.take(1)[0]
        kind = first >> 6
        if kind == _LENGTH_6:
            return first, False
        if kind == _LENGTH_14:
            return (first & 0x3F) << 8 | self.take(1)[0], False
        if kind == _SPECIAL:
            return first & 0x3F, True
        width = {_LENGTH_32: 4, _LENGTH_64: 8}.get(first)
        if width is None:
            raise BadFormat
        return int.from_bytes(self.take(width)), False
