"""How a collection (list, set, sorted set, hash, stream) lies in the keyspace, whatever its type.

The payload of its record begins with a layout byte:

    INLINE  <packed elements, in the type's own form>
    SPLIT   <incarnation:8> <count:8> <what else the type needs>      elements at  E <incarnation:8> <subkey>

A small collection is one record. A large one is a header and a record per element, so changing one element never
rewrites the rest, and taking the key away is one record whatever its size (`Databases.drop`). An incarnation is never
used twice, so elements of a former life of a key can never be taken for those of the present one.

Members of sets, hashes and sorted sets are ordered by a 64-bit hash, for the reason that keys are
(docs/decisions/0010): the cursor of SSCAN, HSCAN and ZSCAN is a place in that order. Long ones are folded as long keys
are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct
from typing import Any, Final, TypeVar

from xxhash import xxh3_64_digest

from elastickv.kv.keyspace import ELEMENT, LONG_KEY, read_u32, u32
from elastickv.redis_api.values.records import HAS_DEADLINE, LONG_KEY_FLAG, PLAIN, Record, RecordType

INLINE: Final = 0
SPLIT: Final = 1

_HEADER = Struct(">B8sQ")
_INCARNATION_END: Final = 9
_TYPE_MASK: Final = 0x0F
_PREFIX_LENGTH: Final = len(ELEMENT) + 8
_HASH_END: Final = _PREFIX_LENGTH + 8
_FOLDED_LENGTH: Final = _HASH_END + LONG_KEY + 1

Value = TypeVar("Value")


@dataclass(slots=True)
class EncodingLimits:
    """Up to where Redis keeps a collection compact, as CONFIG SET says, and up to where we keep it in one record."""

    hash_entries: int = 128
    hash_value: int = 64
    set_intset_entries: int = 512
    set_entries: int = 128
    set_value: int = 64
    zset_entries: int = 128
    zset_value: int = 64
    list_size: int = -2
    """Positive: entries per node; -1 to -5: 4, 8, 16, 32, 64 KB per node."""
    list_compress_depth: int = 0
    stream_node_bytes: int = 4096
    stream_node_entries: int = 100
    hll_sparse_bytes: int = 3000
    inline_bytes: int = 8192
    """Ours: a collection of any encoding is split when its record would be larger than this."""
    copied_records: int = 200_000
    """Ours: COPY takes so many elements at most (chunks of them in a list); about half a second."""


def elements(incarnation: bytes) -> bytes:
    """The prefix under which the elements of a split collection lie."""
    return ELEMENT + incarnation


def split_header(incarnation: bytes, count: int, rest: bytes = b"") -> bytes:
    """The payload of a split collection's record."""
    return _HEADER.pack(SPLIT, incarnation, count) + rest


def read_split(payload: bytes) -> tuple[bytes, int, bytes]:
    """(incarnation, count, rest) of a split collection's payload."""
    _, incarnation, count = _HEADER.unpack_from(payload)
    return incarnation, count, payload[_HEADER.size :]


def incarnation_of(raw: bytes) -> bytes | None:
    """The incarnation that a whole record names; None when it is not a split collection."""
    head = raw[0]
    if head in PLAIN or head & _TYPE_MASK == RecordType.STRING:
        return None
    start = 9 if head & HAS_DEADLINE else 1
    if head & LONG_KEY_FLAG:
        start += 4 + read_u32(raw, start)
    if raw[start] != SPLIT:
        return None
    return raw[start + 1 : start + _INCARNATION_END]


def is_split(record: Record) -> bool:
    return record.raw[record.start] == SPLIT


# members in hash order


def member_key(prefix: bytes, member: bytes) -> bytes:
    """Where a member lies under `elements`. A folded one is longer than any that is not, so the two never meet."""
    if len(member) <= LONG_KEY:
        return prefix + xxh3_64_digest(member) + member
    return prefix + xxh3_64_digest(member) + member[: LONG_KEY - 15] + blake2b(member, digest_size=16).digest()


def member_value(member: bytes, value: bytes) -> bytes:
    """What is stored there: the value, behind the member itself when the key cannot hold it."""
    if len(member) <= LONG_KEY:
        return value
    return u32(len(member)) + member + value


def member_of(physical: bytes, stored: bytes) -> tuple[bytes, bytes]:
    """(member, value) of an element."""
    if len(physical) < _FOLDED_LENGTH:
        return physical[_HASH_END:], stored
    end = 4 + read_u32(stored)
    return stored[4:end], stored[end:]


# inline form

LISTPACK: Final = 0
HASHTABLE: Final = 1
INTSET: Final = 2
ENCODINGS: Final = {LISTPACK: b"listpack", HASHTABLE: b"hashtable", INTSET: b"intset"}
"""What Redis would use. Kept beside the elements, because Redis does not go back when a collection shrinks."""

LONGEST_ITEM: Final = (1 << 16) - 1
"""Bytes; a collection with a longer element is split whatever `EncodingLimits.inline_bytes` says."""
_LENGTH = Struct("<H")
_HEADS: Final = {encoding: bytes((INLINE, encoding)) for encoding in ENCODINGS}


def packed_item(item: bytes) -> bytes:
    """An item as it stands in an inline payload: its length and itself. struct.error when it is too long."""
    return _LENGTH.pack(len(item)) + item


def pack(encoding: int, packed: Iterable[bytes]) -> bytes:
    """An inline payload: layout, encoding, packed items."""
    return _HEADS[encoding] + b"".join(packed)


def unpack(payload: bytes) -> list[bytes]:
    """The items of an inline payload."""
    items = []
    at, end = 2, len(payload)
    while at < end:
        start = at + 2
        at = start + (payload[at] | payload[at + 1] << 8)
        items.append(payload[start:at])
    return items


def encoding_of(record: Record) -> int:
    """LISTPACK, HASHTABLE or INTSET of a hash or set in either layout."""
    raw, start = record.raw, record.start
    return raw[start + 1] if raw[start] == INLINE else raw[start + _HEADER.size]


class DecodedCache:
    """Inline collections as Python objects, so that hot ones need not be taken apart again and again.

    An entry counts only while exactly the bytes that it was made from are stored: a write that was undone, a change of
    leader or a write by other means can never show through it. Values are shared with replies that have not been sent:
    whoever changes one changes a copy and puts that.
    """

    __slots__ = ("_entries", "_limit", "_size")

    def __init__(self, limit_bytes: int = 16 << 20) -> None:
        self._entries: dict[bytes, tuple[bytes, Any, int]] = {}
        """By physical key, least recently stored first: record, value, bytes that it counts for."""
        self._limit = limit_bytes
        self._size = 0

    def get(self, record: Record, decode: Callable[[bytes], Value]) -> Value:
        """The decoded payload. `decode` gets the payload and always makes the same type for the same key's type."""
        held = self._entries.get(record.physical)
        if held is not None and held[0] == record.raw:
            value: Value = held[1]
            return value
        value = decode(record.raw[record.start :])
        self.put(record.physical, record.raw, value)
        return value

    def known(self, record: Record) -> Any:
        """What was put with exactly this record; None when nothing was."""
        held = self._entries.get(record.physical)
        return held[1] if held is not None and held[0] == record.raw else None

    def put(self, physical: bytes, raw: bytes, value: object, beside: int = 0) -> None:
        """`value` is what `raw`, stored at `physical`, decodes to, with so many bytes of other records."""
        entries = self._entries
        held = entries.pop(physical, None)
        cost = len(raw) + beside
        size = self._size + cost
        if held is not None:
            size -= held[2]
        entries[physical] = (raw, value, cost)
        while size > self._limit:
            size -= entries.pop(next(iter(entries)))[2]
        self._size = size

    def clear(self) -> None:
        self._entries.clear()
        self._size = 0
