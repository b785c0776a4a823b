"""Key values as engine keys: where an item, and its entry in an index, lies.

Behind a prefix that names the table (or index) a key is

    <hash: 4> <partition> <sort>              an item
    <hash: 4> <partition> <sort> <tie: 20>    an entry of an index (of several attributes: `composite_keys`)

*hash* is the beginning of the MD5 digest that AWS itself orders partitions by (found out by dynalite), so that Scan
and its segments walk in the same order. *partition* says which of the partitions with that hash: its length and bytes,
or, when it is longer than 128 bytes, FF and a digest. *sort* keeps the order of the sort key's values. *tie* orders
entries of one key by the item they belong to.

The engine takes keys of 511 bytes, DynamoDB sort keys of 1024. A sort key whose encoding does not fit into 320 bytes
is folded: its first bytes, a mark, and a digest of the whole. Keys that share those first bytes so lie together,
behind the key that is exactly those bytes and before every one that is greater, but among themselves in the order of
their digests; `walks` puts such a group in order when it meets one. Looking one up needs nothing but its value.
"""

from __future__ import annotations

from base64 import b64decode
from hashlib import blake2b, md5
from typing import Final

from elastickv.dynamodb_api import decimals
from elastickv.dynamodb_api.attributes import Value
from elastickv.kv.keyspace import MAX_ENGINE_KEY, prefix_end

HASH_BYTES: Final = 4
TIE_BYTES: Final = HASH_BYTES + 16
LONG_PARTITION: Final = 128
SORT_BYTES: Final = 320
"""Encoded sort keys longer than this are folded."""

END: Final = b"\x00\x01"
ZERO: Final = b"\x00\xff"
_FOLDED: Final = b"\x00\xfe"
FOLD_TAIL: Final = b"\x02"
"""Last byte of a folded sort key, and of no other."""
FOLD_MARK: Final = FOLD_TAIL[0]
DIGEST_BYTES: Final = 16
FOLD_BYTES: Final = DIGEST_BYTES + len(FOLD_TAIL)

MAX_PREFIX: Final = (
    MAX_ENGINE_KEY - HASH_BYTES - (1 + LONG_PARTITION) - (SORT_BYTES + len(_FOLDED) + FOLD_BYTES) - TIE_BYTES
)
"""Room that is left for the prefix of a table or index."""
assert MAX_PREFIX >= 16

_OUTLIERS: Final = md5(b"Outliers", usedforsecurity=False)


def raw(value: Value) -> bytes:
    """The bytes of a key value: UTF-8, binary, or a number in its sortable form."""
    for kind, data in value.items():
        if kind == "S":
            text: str = data
            return text.encode()
        if kind == "N":
            return decimals.sortable(data)
        return b64decode(data)
    raise AssertionError("a key value without a type")


def hash_of(*parts: bytes) -> bytes:
    """Where AWS places a partition: the beginning of the digest of its key."""
    digest = _OUTLIERS.copy()
    for part in parts:
        digest.update(part)
    return digest.digest()[:HASH_BYTES]


_MAX_KNOWN: Final = 8192
_known: dict[str, bytes] = {}
"""Prefixes of partitions with a text for their key that came by lately: most partitions are asked for again soon."""


def partition(value: Value) -> bytes:
    """<hash> <partition>: the prefix of all items with this partition key."""
    if "S" not in value:
        return _partition(raw(value))
    text: str = value["S"]
    known = _known.get(text)
    if known is None:
        known = _partition(text.encode())
        if len(text) <= LONG_PARTITION:
            if len(_known) >= _MAX_KNOWN:
                _known.clear()
            _known[text] = known
    return known


def _partition(data: bytes) -> bytes:
    digest = _OUTLIERS.copy()
    digest.update(data)
    length = len(data)
    if length <= LONG_PARTITION:
        return digest.digest()[:HASH_BYTES] + bytes((length,)) + data
    return digest.digest()[:HASH_BYTES] + b"\xff" + blake2b(data, digest_size=32).digest()


def sort(value: Value) -> bytes:
    """The sort key in order: none is the beginning of another."""
    if "N" in value:
        return decimals.sortable(value["N"]) + b"\x00"
    data = raw(value)
    if b"\x00" not in data:
        if len(data) <= SORT_BYTES:
            return data + END
    else:
        encoded = data.replace(b"\x00", ZERO)
        if len(encoded) <= SORT_BYTES:
            return encoded + END
    return _fold(data) + blake2b(data, digest_size=DIGEST_BYTES).digest() + FOLD_TAIL


def _fold(data: bytes) -> bytes:
    """The beginning that all sort keys of one group share, with the mark behind it."""
    return _cut(data) + _FOLDED


def _cut(data: bytes) -> bytes:
    """The longest encoded beginning that fits; depends on nothing behind it, so keys of one group agree."""
    cut = data[:SORT_BYTES].replace(b"\x00", ZERO)[:SORT_BYTES]
    # Never between the two bytes of an escaped zero.
    return cut[:-1] if cut.endswith(b"\x00") else cut


def is_folded(encoded: bytes) -> bool:
    """Whether an encoded sort key (or an engine key that ends with one) is folded."""
    return encoded.endswith(FOLD_TAIL)


def tie(item_key: bytes, partition_value: Value, sort_value: Value | None) -> bytes:
    """Orders index entries of one key: 20 bytes that stand for the item's own key, `item_key` (<hash> <partition>
    <sort>).

    The first four are a digest of its values, by which AWS orders entries whose index keys are equal.
    """
    parts = (raw(partition_value),) if sort_value is None else (raw(partition_value), raw(sort_value))
    return hash_of(*parts) + blake2b(item_key, digest_size=16).digest()


def group_start(value: Value) -> bytes | None:
    """For a value that is folded: how the keys of its group begin; None for others."""
    if "N" in value:
        return None
    encoded = sort(value)
    return encoded[:-FOLD_BYTES] if is_folded(encoded) else None


# ranges of sort keys: (start, end) to scan behind a partition's prefix; with folded bounds a scan meets a few keys
# too many


def equals(prefix: bytes, value: Value) -> tuple[bytes, bytes]:
    start = prefix + sort(value)
    return start, prefix_end(start)


def lower(prefix: bytes, value: Value, *, including: bool) -> bytes:
    """Where to begin for > or >= value."""
    group = group_start(value)
    if group is not None:
        return prefix + group
    start = prefix + sort(value)
    return start if including else prefix_end(start)


def upper(prefix: bytes, value: Value, *, including: bool) -> bytes:
    """Where to end (exclusively) for < or <= value."""
    group = group_start(value)
    if group is not None:
        return prefix_end(prefix + group)
    end = prefix + sort(value)
    return prefix_end(end) if including else end


def begins(prefix: bytes, value: Value) -> tuple[bytes, bytes]:
    """Sort keys (S or B) that begin with the value."""
    data = raw(value)
    encoded = data.replace(b"\x00", ZERO)
    start = prefix + (encoded if len(encoded) <= SORT_BYTES else _fold(data))
    return start, prefix_end(start)
