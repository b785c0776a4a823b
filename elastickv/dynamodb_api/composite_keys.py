"""Keys of global indexes, whose partition key and sort key may have up to four attributes each, as engine keys.

A part of one attribute lies where `item_keys` puts it. Of several attributes, each value is written so that it says
where it ends, and no value is the beginning of another: texts and binaries with their zeros escaped and 00 01 behind
them, numbers in their sortable form and 00. One behind the other (`ordered`) they compare as the tuples of values do,
and all keys whose first values are the same share a prefix of bytes that nobody else has.

    partition   the hash of all values, then the length and bytes of `ordered`; longer than 128 bytes: FF and a digest
    sort        `ordered`; longer than 320 bytes: its first 320 bytes, a digest of the whole, and 02

A folded key needs no mark between its beginning and its digest, as `item_keys` has one. A key that is not folded has at
most 320 bytes and is not the beginning of another one, so that none can lie among the folded keys that share 320.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from elastickv.dynamodb_api import item_keys
from elastickv.dynamodb_api.attributes import Value
from elastickv.dynamodb_api.item_keys import (
    END,
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


def ordered(values: Sequence[Value]) -> bytes:
    """The values in order, however long."""
    return b"".join(map(_element, values))


def _element(value: Value) -> bytes:
    data = raw(value)
    return data + b"\x00" if "N" in value else _escaped(data) + END


def _escaped(data: bytes) -> bytes:
    return data.replace(b"\x00", ZERO)


def partition(values: Sequence[Value]) -> bytes:
    """<hash> <partition>: the prefix of all entries with this partition key."""
    if len(values) == 1:
        return item_keys.partition(values[0])
    data = ordered(values)
    named = (
        bytes((len(data),)) + data if len(data) <= LONG_PARTITION else b"\xff" + blake2b(data, digest_size=32).digest()
    )
    return hash_of(*map(raw, values)) + named


def sort(values: Sequence[Value]) -> bytes:
    """The sort key in order, b"" for none: no key is the beginning of another one of the same attributes."""
    if len(values) == 1:
        return item_keys.sort(values[0])
    return _folded(ordered(values))


def _folded(data: bytes) -> bytes:
    if len(data) <= SORT_BYTES:
        return data
    return data[:SORT_BYTES] + blake2b(data, digest_size=16).digest() + FOLD_TAIL


@dataclass(frozen=True, slots=True)
class Span:
    """Sort keys of several attributes, from `start` to `end` (exclusively)."""

    start: bytes
    end: bytes
    exact: bool
    """No others lie between them."""


def span(inside: bytes, equal: Sequence[Value], operator: str, values: Sequence[Value], *, complete: bool) -> Span:
    """Where sort keys lie that begin with the values `equal` and whose next value meets a condition (its legacy name).

    `inside`: the prefix of their partition; `complete`: the condition is on the last attribute of the key.
    """
    front = ordered(equal)
    if operator == "BEGINS_WITH":
        at = front + _escaped(raw(values[0]))
        return _between(inside, at, at, with_end=True)
    at = front + _element(values[0])
    if operator == "EQ":
        if complete:
            key = inside + _folded(at)
            return Span(key, prefix_end(key), True)
        return _between(inside, at, at, with_end=True)
    if operator == "BETWEEN":
        return _between(inside, at, front + _element(values[1]), with_end=True)
    if operator in ("LT", "LE"):
        return _between(inside, front, at, with_end=operator == "LE")
    return _between(inside, at, front, with_start=operator == "GE", with_end=True)


def _between(inside: bytes, low: bytes, high: bytes, *, with_start: bool = True, with_end: bool) -> Span:
    """From what begins with `low` to what begins with `high`, these included or not. What does not fit into a folded
    key is cut off, and then they are included."""
    short_low, short_high = len(low) <= SORT_BYTES, len(high) <= SORT_BYTES
    start, end = inside + low[:SORT_BYTES], inside + high[:SORT_BYTES]
    if short_low and not with_start:
        start = prefix_end(start)
    if with_end or not short_high:
        end = prefix_end(end)
    return Span(start, end, short_low and short_high)
