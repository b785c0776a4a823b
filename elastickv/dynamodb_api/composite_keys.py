"""Keys of global indexes, whose partition key and sort key may have up to four attributes each, as engine keys.

A part of one attribute lies where `item_keys` puts it. Of several attributes, each value is written so that it says
where it ends, and no value is the beginning of another: texts and binaries with their zeros escaped and 00 01 behind
them, numbers in their sortable form and 00. One behind the other they compare as the tuples of values do, and all keys
whose first values are the same share a beginning that nobody else has.

    partition   the hash of all values, then the length and bytes of them all; longer than 128 bytes: FF and a digest
    sort        the values; one that does not end before the place that is its own (`_ENDS`) is cut there, and a digest
                of it follows. 02 stands at the end when a value was cut

Whether a value is cut depends on those before it and not on those behind it. So items whose first values are the same
lie together, in the order of what follows, however long these values are; only different values that are cut at the
same place and equal before it are out of order, which `walks` mends. A value that is not cut ends before that place and
is not the beginning of another, so it cannot lie among those that are cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from elastickv.dynamodb_api import item_keys
from elastickv.dynamodb_api.attributes import Value
from elastickv.dynamodb_api.item_keys import (
    DIGEST_BYTES,
    END,
    FOLD_BYTES,
    FOLD_TAIL,
    LONG_PARTITION,
    SORT_BYTES,
    ZERO,
    hash_of,
    raw,
)
from elastickv.kv.keyspace import prefix_end

MAX_ATTRIBUTES: Final = 4
"""Of a partition key, and of a sort key."""
_LAST: Final = SORT_BYTES + len(END)
_ENDS: Final = {2: (200, _LAST), 3: (150, 236, _LAST), 4: (120, 187, 254, _LAST)}
"""By how many attributes there are: where in the sort key each of them has to end."""


def _element(value: Value) -> bytes:
    data = raw(value)
    return data + b"\x00" if "N" in value else _escaped(data) + END


def _escaped(data: bytes) -> bytes:
    return data.replace(b"\x00", ZERO)


def partition(values: Sequence[Value]) -> bytes:
    """<hash> <partition>: the prefix of all entries with this partition key."""
    if len(values) == 1:
        return item_keys.partition(values[0])
    data = b"".join(map(_element, values))
    named = (
        bytes((len(data),)) + data if len(data) <= LONG_PARTITION else b"\xff" + blake2b(data, digest_size=32).digest()
    )
    return hash_of(*map(raw, values)) + named


def sort(values: Sequence[Value]) -> bytes:
    """The sort key in order, b"" for none: no key is the beginning of another one of the same attributes."""
    if not values:
        return b""
    if len(values) == 1:
        return item_keys.sort(values[0])
    encoded, found = _laid_out(values, len(values))
    return encoded + FOLD_TAIL if found else encoded


def folds(values: Sequence[Value]) -> tuple[int, list[tuple[int, bytes]]]:
    """The length of the sort key, and where it was cut: (place in it, the value as bytes in its order)."""
    if len(values) > 1:
        encoded, found = _laid_out(values, len(values))
        return len(encoded) + (len(FOLD_TAIL) if found else 0), found
    encoded = sort(values)
    if not item_keys.is_folded(encoded):
        return len(encoded), []
    return len(encoded), [(len(encoded) - FOLD_BYTES, raw(values[0]))]


def _laid_out(values: Sequence[Value], count: int) -> tuple[bytes, list[tuple[int, bytes]]]:
    """The sort key of `count` attributes without its last byte when it is folded, or its beginning where fewer values
    are given; and its folds."""
    encoded = b""
    found: list[tuple[int, bytes]] = []
    for value, place in zip(values, _ENDS[count], strict=False):
        element = _element(value)
        if len(encoded) + len(element) <= place:
            encoded += element
        else:
            found.append((place, element))
            encoded += element[: place - len(encoded)] + blake2b(element, digest_size=DIGEST_BYTES).digest()
    return encoded, found


@dataclass(frozen=True, slots=True)
class Span:
    """Sort keys of several attributes, from `start` to `end` (exclusively)."""

    start: bytes
    end: bytes
    exact: bool
    """No others lie between them."""


def span(inside: bytes, equal: Sequence[Value], operator: str, values: Sequence[Value], *, count: int) -> Span:
    """Where sort keys of `count` attributes lie that begin with the values `equal` and whose next value meets a
    condition (its legacy name). `inside`: the prefix of their partition."""
    if operator == "EQ":
        start = inside + _laid_out((*equal, values[0]), count)[0]
        return Span(start, prefix_end(start), True)
    front, _ = _laid_out(equal, count)
    room = _ENDS[count][len(equal)] - len(front)
    front = inside + front
    low = _escaped(raw(values[0])) if operator == "BEGINS_WITH" else _element(values[0])
    high = _element(values[1]) if operator == "BETWEEN" else low
    exact = len(low) <= room and len(high) <= room
    # What would be cut may be any value of its group, so all of them are taken.
    start, end = front, prefix_end(front)
    if operator in ("GE", "GT", "BETWEEN", "BEGINS_WITH"):
        start = front + low[:room]
        if operator == "GT" and exact:
            start = prefix_end(start)
    if operator in ("LE", "LT", "BETWEEN", "BEGINS_WITH"):
        end = front + high[:room]
        if operator != "LT" or not exact:
            end = prefix_end(end)
    return Span(start, end, exact)
