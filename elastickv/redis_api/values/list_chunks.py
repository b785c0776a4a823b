"""A chunk: up to 128 elements of a list in one run of bytes (the idea of Redis' listpack).

Its size is limited too, to `inline_bytes` of `collections.EncodingLimits` (8 KB), unless it has one element only.

    width:1  count:1  count lengths of `width` bytes, little-endian  the elements, one behind the other

The lengths stand together, so that any element is found without reading those before it, and both ends can be added to
and taken from by cutting and joining, without taking the chunk apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

MAX_COUNT: Final = 128
_NARROW: Final = 2
_NARROW_LIMIT: Final = 1 << 16
_HEAD: Final = 2
EMPTY: Final = bytes((_NARROW, 0))

_TABLES: Final = {
    2: tuple(Struct(f"<{count}H") for count in range(256)),
    4: tuple(Struct(f"<{count}I") for count in range(256)),
}
_HEADS: Final = tuple(bytes((_NARROW, count)) for count in range(256))
_ONE = Struct("<H")
_pack_one = _ONE.pack


def make(elements: Sequence[bytes]) -> bytes:
    """A chunk of these, whatever their size; at most 255."""
    sizes = list(map(len, elements))
    width = _NARROW if not sizes or max(sizes) < _NARROW_LIMIT else 4
    return b"".join((bytes((width, len(sizes))), _TABLES[width][len(sizes)].pack(*sizes), *elements))


def lengths(chunk: bytes) -> tuple[int, ...]:
    return _TABLES[chunk[0]][chunk[1]].unpack_from(chunk, _HEAD)


def split(chunk: bytes) -> list[bytes]:
    """The elements."""
    at = _HEAD + chunk[0] * chunk[1]
    found = []
    for size in lengths(chunk):
        found.append(chunk[at : at + size])
        at += size
    return found


def part(chunk: bytes, start: int, end: int) -> list[bytes]:
    """The elements of these places, `end` not included."""
    sizes = lengths(chunk)
    at = _HEAD + chunk[0] * chunk[1] + sum(sizes[:start])
    found = []
    for size in sizes[start:end]:
        found.append(chunk[at : at + size])
        at += size
    return found


def has_room(chunk: bytes, size: int, limit: int) -> bool:
    """One more element of that size may join, in a chunk of at most `limit` bytes of elements."""
    count = chunk[1]
    return count < MAX_COUNT and (len(chunk) - _HEAD - chunk[0] * count + size <= limit or not count)


def size_of(chunk: bytes) -> int:
    """Bytes of the elements."""
    return len(chunk) - _HEAD - chunk[0] * chunk[1]


def joined(first: Sequence[bytes], chunk: bytes, last: Sequence[bytes]) -> bytes:
    """The chunk with elements before and behind it; at most 255 in all."""
    sizes_first, sizes_last = list(map(len, first)), list(map(len, last))
    if chunk[0] != _NARROW or max((*sizes_first, *sizes_last), default=0) >= _NARROW_LIMIT:
        return make([*first, *split(chunk), *last])
    table_end = _HEAD + 2 * chunk[1]
    tables = _TABLES[_NARROW]
    return b"".join(
        (
            _HEADS[len(first) + chunk[1] + len(last)],
            tables[len(first)].pack(*sizes_first),
            chunk[_HEAD:table_end],
            tables[len(last)].pack(*sizes_last),
            *first,
            chunk[table_end:],
            *last,
        )
    )


def add_first(chunk: bytes, element: bytes) -> bytes:
    """Check `has_room` before."""
    count = chunk[1]
    size = len(element)
    if chunk[0] != _NARROW or size >= _NARROW_LIMIT:
        return make([element, *split(chunk)])
    table_end = _HEAD + 2 * count
    return b"".join((_HEADS[count + 1], _pack_one(size), chunk[_HEAD:table_end], element, chunk[table_end:]))


def add_last(chunk: bytes, element: bytes) -> bytes:
    """Check `has_room` before."""
    count = chunk[1]
    size = len(element)
    if chunk[0] != _NARROW or size >= _NARROW_LIMIT:
        return make([*split(chunk), element])
    table_end = _HEAD + 2 * count
    return b"".join((_HEADS[count + 1], chunk[_HEAD:table_end], _pack_one(size), chunk[table_end:], element))


def take_first(chunk: bytes, count: int) -> tuple[list[bytes], bytes]:
    """The first `count` elements (not more than there are), and the chunk without them."""
    left = chunk[1] - count
    taken = part(chunk, 0, count)
    if chunk[0] != _NARROW:
        return taken, make(part(chunk, count, chunk[1]))
    table_end = _HEAD + 2 * chunk[1]
    data_start = table_end + sum(map(len, taken))
    return taken, b"".join((_HEADS[left], chunk[_HEAD + 2 * count : table_end], chunk[data_start:]))


def take_last(chunk: bytes, count: int) -> tuple[list[bytes], bytes]:
    """The last `count` elements in their order (not more than there are), and the chunk without them."""
    left = chunk[1] - count
    if chunk[0] != _NARROW:
        return part(chunk, left, chunk[1]), make(part(chunk, 0, left))
    table_end = _HEAD + 2 * chunk[1]
    if count == 1:
        taken = [chunk[len(chunk) - _ONE.unpack_from(chunk, table_end - 2)[0] :]]
    else:
        taken = part(chunk, left, chunk[1])
    data_end = len(chunk) - sum(map(len, taken))
    return taken, b"".join((_HEADS[left], chunk[_HEAD : _HEAD + 2 * left], chunk[table_end:data_end]))


def pieces(elements: Sequence[bytes], limit: int) -> list[bytes]:
    """These as chunks of the allowed size: one, or by halves as many as it takes; none of no elements."""
    count = len(elements)
    if not count:
        return []
    if count == 1 or (count <= MAX_COUNT and sum(map(len, elements)) <= limit):
        return [make(elements)]
    half = count // 2
    return pieces(elements[:half], limit) + pieces(elements[half:], limit)
