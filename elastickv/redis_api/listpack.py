"""Listpacks, Redis' compact sequence of strings and integers (antirez' listpack.md), inside DUMP payloads.

    bytes:4  count:2  entry …  0xFF             an entry:  encoding and length, data, its own size backwards

A string that is the one spelling of a 64-bit integer is stored as that integer, and comes back as the same string.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from elastickv.redis_api.arguments import string_to_integer

_HEADER: Final = 6
_END: Final = 0xFF
_MANY: Final = 0xFFFF
"""Count of listpacks with at least so many entries: nobody knows."""
_INTEGER_SIZES: Final = {0xF1: 2, 0xF2: 3, 0xF3: 4, 0xF4: 8}
_LONGEST_INTEGER: Final = 20


def encode(items: Iterable[bytes]) -> bytes:
    entries = [_entry(item) for item in items]
    body = b"".join(entries)
    return b"%b%b%b\xff" % (
        (_HEADER + len(body) + 1).to_bytes(4, "little"),
        min(len(entries), _MANY).to_bytes(2, "little"),
        body,
    )


def entry_size(item: bytes) -> int:
    return len(_entry(item))


def _entry(item: bytes) -> bytes:
    number = string_to_integer(item) if len(item) <= _LONGEST_INTEGER else None
    data = _string(item) if number is None else _integer(number)
    return data + _backwards(len(data))


def _string(item: bytes) -> bytes:
    size = len(item)
    if size < 1 << 6:
        return bytes((0x80 | size,)) + item
    if size < 1 << 12:
        return bytes((0xE0 | size >> 8, size & 0xFF)) + item
    return b"\xf0" + size.to_bytes(4, "little") + item


def _integer(number: int) -> bytes:
    if 0 <= number < 1 << 7:
        return bytes((number,))
    if -(1 << 12) <= number < 1 << 12:
        folded = number & 0x1FFF
        return bytes((0xC0 | folded >> 8, folded & 0xFF))
    for mark, size in _INTEGER_SIZES.items():
        if -(1 << 8 * size - 1) <= number < 1 << 8 * size - 1:
            return bytes((mark,)) + number.to_bytes(size, "little", signed=True)
    raise AssertionError("string_to_integer gives 64 bits")


def _backwards(size: int) -> bytes:
    """Seven bits a byte, the lowest last; all but the first byte are marked."""
    if size <= 127:
        return bytes((size,))
    digits = [size & 127]
    while size := size >> 7:
        digits.append(size & 127)
    return bytes((digits[-1], *(digit | 128 for digit in digits[-2::-1])))


def decode(data: bytes) -> list[bytes]:
    """The items as strings. ValueError when it is damaged."""
    if len(data) <= _HEADER or int.from_bytes(data[:4], "little") != len(data):
        raise ValueError("wrong size of a listpack")
    count = int.from_bytes(data[4:6], "little")
    items: list[bytes] = []
    at = _HEADER
    try:
        while data[at] != _END:
            item, end = _read(data, at)
            back = _backwards(end - at)
            if data[end : end + len(back)] != back:
                raise ValueError("an entry does not end where it should")
            items.append(item)
            at = end + len(back)
    except IndexError:
        raise ValueError("a listpack without an end") from None
    if at + 1 != len(data) or count not in (len(items), _MANY):
        raise ValueError("a listpack of another length")
    return items


def _read(data: bytes, at: int) -> tuple[bytes, int]:
    """(item, where its data ends)."""
    first = data[at]
    if first < 0x80:
        return b"%d" % first, at + 1
    if first < 0xC0:
        return _cut(data, at + 1, first & 0x3F)
    if first < 0xE0:
        number = (first & 0x1F) << 8 | data[at + 1]
        return b"%d" % (number - (1 << 13) if number >= 1 << 12 else number), at + 2
    if first < 0xF0:
        return _cut(data, at + 2, (first & 0x0F) << 8 | data[at + 1])
    if first == 0xF0:
        return _cut(data, at + 5, int.from_bytes(data[at + 1 : at + 5], "little"))
    size = _INTEGER_SIZES.get(first)
    if size is None or at + 1 + size > len(data):
        raise ValueError("an unknown kind of entry")
    return b"%d" % int.from_bytes(data[at + 1 : at + 1 + size], "little", signed=True), at + 1 + size


def _cut(data: bytes, start: int, size: int) -> tuple[bytes, int]:
    end = start + size
    if end > len(data):
        raise ValueError("an entry is longer than the listpack")
    return data[start:end], end
