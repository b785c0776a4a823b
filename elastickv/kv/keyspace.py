"""The shape of the keyspace: which prefix belongs to whom, and how parts of keys are ordered.

Every key starts with one byte that says whose it is. Within a prefix each owner is free; this is the only place that
knows them all, so that no two owners can meet.

    R <generation:4> <hash:8> <key>              a Redis key's record (see redis_api.values.database)
    E <incarnation:8> <subkey>                   an element of a split collection (see redis_api.values.collections)
    X <deadline ms:8> <the R key>                expiry index, ordered by deadline; empty value
    D <kind:1> …                                 DynamoDB's catalog, items, indexes and streams (dynamodb_api.tables)
    r <key> / h <key> <inverted ts> / p …        RawKV: current records, versions, purge index (see kv.raw)
    m <name>                                     small facts of the cluster, one record each

Redis keys are ordered by a 64-bit hash of the key and not by the key: the cursor of SCAN is then a place in the hash
order, which any node understands, also after a change of leader, and no state has to be kept for it. A generation is a
database's incarnation: FLUSHDB and SWAPDB change one record, and what the old generation held is purged behind.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from xxhash import xxh3_64_digest

REDIS: Final = b"R"
ELEMENT: Final = b"E"
EXPIRY: Final = b"X"
META: Final = b"m"
DYNAMO: Final = b"D"

MAX_ENGINE_KEY: Final = 511
"""LMDB's limit."""

_U32 = Struct(">I")
_U64 = Struct(">Q")

LONG_KEY: Final = 400
"""Longer user keys are folded: their first bytes and a 128-bit digest of the whole stand for them, and the record
carries the whole key. Two keys meet only if their digests collide."""


def u64(value: int) -> bytes:
    """Eight bytes, in numeric order."""
    return _U64.pack(value)


def read_u64(data: bytes, at: int = 0) -> int:
    return int(_U64.unpack_from(data, at)[0])


def u32(value: int) -> bytes:
    return _U32.pack(value)


def read_u32(data: bytes, at: int = 0) -> int:
    return int(_U32.unpack_from(data, at)[0])


def redis_prefix(generation: int) -> bytes:
    """All keys of one incarnation of one database."""
    return REDIS + _U32.pack(generation)


def hash_of(key: bytes) -> bytes:
    """Where a key lies in the order of its database: eight bytes."""
    return xxh3_64_digest(key)


def expiry_key(deadline_ms: int, record_key: bytes) -> bytes:
    return EXPIRY + _U64.pack(deadline_ms) + record_key


def prefix_end(prefix: bytes) -> bytes:
    """The first key behind everything that starts with `prefix`; b"" when there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,)) if stripped else b""
