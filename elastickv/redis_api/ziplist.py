"""Older compact forms inside DUMP payloads and RDB files: intsets, ziplists and zipmaps.

Intsets are written too; ziplists (before Redis 7.0) and zipmaps (before 2.6) are only read. Every reader raises
ValueError for what is damaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

_INTSET_SIZES: Final = (2, 4, 8)
_END: Final = 0xFF
_ZIPLIST_HEADER: Final = 10
_ZIPLIST_INTEGERS: Final = {0xC0: 2, 0xD0: 4, 0xE0: 8, 0xF0: 3, 0xFE: 1}


def encode_intset(numbers: Sequence[int]) -> bytes:
    """`numbers` in order."""
    size = next(
        size
        for size in _INTSET_SIZES
        if not numbers or (-(1 << 8 * size - 1) <= numbers[0] and numbers[-1] < 1 << 8 * size - 1)
    )
    values = b"".join(number.to_bytes(size, "little", signed=True) for number in numbers)
    return size.to_bytes(4, "little") + len(numbers).to_bytes(4, "little") + values


def decode_intset(data: bytes) -> list[int]:
    size = int.from_bytes(data[:4], "little")
    count = int.from_bytes(data[4:8], "little")
    if size not in _INTSET_SIZES or len(data) != 8 + size * count:
        raise ValueError("wrong size of an intset")
    numbers = [int.from_bytes(data[at : at + size], "little", signed=True) for at in range(8, len(data), size)]
    if any(one >= other for one, other in pairwise(numbers)):
        raise ValueError("an intset out of order")
    return numbers


def decode_ziplist(data: bytes) -> list[bytes]:
    if len(data) <= _ZIPLIST_HEADER or int.from_bytes(data[:4], "little") != len(data):
        raise ValueError("wrong size of a ziplist")
    count = int.from_bytes(data[8:10], "little")
    items: list[bytes] = []
    at = _ZIPLIST_HEADER
    try:
        while data[at] != _END:
            at += 5 if data[at] == 0xFE else 1
            item, at = _ziplist_entry(data, at)
            items.append(item)
    except IndexError:
        raise ValueError("a ziplist without an end") from None
    if at + 1 != len(data) or count not in (len(items), 0xFFFF):
        raise ValueError("a ziplist of another length")
    return items


def _ziplist_entry(data: bytes, at: int) -> tuple[bytes, int]:
    """(item, where it ends); `at` is behind the size of the entry before."""
    first = data[at]
    if first < 0x40:
        return _cut(data, at + 1, first)
    if first < 0x80:
        return _cut(data, at + 2, (first & 0x3F) << 8 | data[at + 1])
    if first < 0xC0:
        return _cut(data, at + 5, int.from_bytes(data[at + 1 : at + 5]))
    if 0xF1 <= first <= 0xFD:
        return b"%d" % ((first & 0x0F) - 1), at + 1
    size = _ZIPLIST_INTEGERS.get(first)
    if size is None:
        raise ValueError("an unknown kind of entry")
    digits, end = _cut(data, at + 1, size)
    return b"%d" % int.from_bytes(digits, "little", signed=True), end


def decode_zipmap(data: bytes) -> list[bytes]:
    """Field, value, field, …"""
    words: list[bytes] = []
    at = 1
    try:
        while data[at] != _END:
            size, at = _zipmap_length(data, at)
            field, at = _cut(data, at, size)
            size, at = _zipmap_length(data, at)
            free = data[at]
            value, at = _cut(data, at + 1, size)
            at += free
            words += (field, value)
    except IndexError:
        raise ValueError("a zipmap without an end") from None
    if at + 1 != len(data):
        raise ValueError("a zipmap of another length")
    return words


def _zipmap_length(data: bytes, at: int) -> tuple[int, int]:
    if data[at] < 254:
        return data[at], at + 1
    return int.from_bytes(data[at + 1 : at + 5], "little"), at + 5


def _cut(data: bytes, start: int, size: int) -> tuple[bytes, int]:
    end = start + size
    if end >= len(data):
        raise ValueError("an entry is longer than what it is in")
    return data[start:end], end
