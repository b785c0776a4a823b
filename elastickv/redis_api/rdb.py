"""Redis' serialisation of one value, as DUMP gives it and RESTORE takes it.

    type:1  value  RDB version:2 (little endian)  CRC-64:8 (little endian, over everything before it)

A length is 6 bits, 14 bits, 32 bits or 64 bits, told apart by the two high bits of its first byte; the fourth pattern
of those bits marks a string in a special form: an integer of 8, 16 or 32 bits, or LZF. Strings are the only type that
this server stores so far; payloads of the others are recognised, and refused by name.

We write version 10, that of Redis 7.0: a server refuses payloads of versions newer than its own, and what a string
looks like has not changed since version 6. Versions up to 11 (Redis 7.2) are read.
"""

from __future__ import annotations

from typing import Final

from elastickv.redis_api.crc64 import crc64
from elastickv.redis_api.lzf import compress, decompress

WRITTEN_VERSION: Final = 10
NEWEST_VERSION: Final = 11
_FOOTER: Final = 10

_TYPE_STRING: Final = 0
_TYPE_NAMES: Final = {
    1: "list", 2: "set", 3: "zset", 4: "hash", 5: "zset", 6: "module", 7: "module", 9: "hash", 10: "list", 11: "set",
    12: "zset", 13: "hash", 14: "list", 15: "stream", 16: "hash", 17: "zset", 18: "list", 19: "stream", 20: "set",
    21: "stream",
}  # fmt: skip

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
    """The value cannot be read. The text is a clause for the error reply; empty when there is nothing to add."""


def dump_string(value: bytes | memoryview) -> bytes:
    """The DUMP payload of a string."""
    body = b"".join((bytes((_TYPE_STRING,)), *_string(value), WRITTEN_VERSION.to_bytes(2, "little")))
    return body + crc64(body).to_bytes(8, "little")


def restore_string(payload: bytes) -> bytes:
    """The string of a DUMP payload. WrongFooter or BadFormat."""
    check_footer(payload)
    kind = payload[0] if len(payload) > _FOOTER else -1
    if kind != _TYPE_STRING:
        name = _TYPE_NAMES.get(kind)
        raise BadFormat(f"values of type {name} cannot be restored here" if name else "")
    return _read_string(payload, 1, len(payload) - _FOOTER)


def check_footer(payload: bytes) -> None:
    if len(payload) < _FOOTER:
        raise WrongFooter
    version = int.from_bytes(payload[-10:-8], "little")
    if version > NEWEST_VERSION or crc64(memoryview(payload)[:-8]) != int.from_bytes(payload[-8:], "little"):
        raise WrongFooter


def _string(value: bytes | memoryview) -> list[bytes | memoryview]:
    size = len(value)
    if size <= 11:
        number = _small_integer(bytes(value))
        if number is not None:
            kind = _INT8 if -(1 << 7) <= number < 1 << 7 else _INT16 if -(1 << 15) <= number < 1 << 15 else _INT32
            return [bytes((_SPECIAL << 6 | kind,)), number.to_bytes(_INT_SIZES[kind], "little", signed=True)]
    if _COMPRESS_ABOVE < size <= _COMPRESS_UP_TO:
        packed = compress(bytes(value), size - 4)
        if packed is not None:
            return [bytes((_SPECIAL << 6 | _LZF,)), _length(len(packed)), _length(size), packed]
    return [_length(size), value]


def _small_integer(value: bytes) -> int | None:
    """The 32-bit integer of which `value` is the one spelling."""
    try:
        number = int(value)
    except ValueError:
        return None
    return number if -(1 << 31) <= number < 1 << 31 and b"%d" % number == value else None


def _length(size: int) -> bytes:
    if size < 1 << 6:
        return bytes((size,))
    if size < 1 << 14:
        return bytes((_LENGTH_14 << 6 | size >> 8, size & 0xFF))
    if size < 1 << 32:
        return bytes((_LENGTH_32,)) + size.to_bytes(4)
    return bytes((_LENGTH_64,)) + size.to_bytes(8)


def _read_string(payload: bytes, at: int, end: int) -> bytes:
    size, special, at = _read_length(payload, at, end)
    if not special:
        return _take(payload, at, end, size)
    if size in _INT_SIZES:
        return b"%d" % int.from_bytes(_take(payload, at, end, _INT_SIZES[size]), "little", signed=True)
    if size != _LZF:
        raise BadFormat
    packed_size, packed_special, at = _read_length(payload, at, end)
    size, special, at = _read_length(payload, at, end)
    if packed_special or special or size > MAX_STRING:
        raise BadFormat
    try:
        return decompress(_take(payload, at, end, packed_size), size)
    except ValueError:
        raise BadFormat from None


def _read_length(payload: bytes, at: int, end: int) -> tuple[int, bool, int]:
    """(length, False, where it ends) or (special form, True, where its mark ends)."""
    first = _take(payload, at, end, 1)[0]
    at += 1
    kind = first >> 6
    if kind == _LENGTH_6:
        return first, False, at
    if kind == _LENGTH_14:
        return (first & 0x3F) << 8 | _take(payload, at, end, 1)[0], False, at + 1
    if kind == _SPECIAL:
        return first & 0x3F, True, at
    width = {_LENGTH_32: 4, _LENGTH_64: 8}.get(first)
    if width is None:
        raise BadFormat
    return int.from_bytes(_take(payload, at, end, width)), False, at + width


def _take(payload: bytes, at: int, end: int, size: int) -> bytes:
    if size > end - at:
        raise BadFormat
    return payload[at : at + size]
