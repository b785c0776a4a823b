"""The catalog of tables, and where everything of a table lies in the keyspace.

    D t <name>            the table's record: JSON, see `Table`
    D c <id:4>            number of entries and bytes of a table or index
    D d <id:4> …          entries of a table or index (`items` decides what follows)
    D s <id:4> …          change records of a stream (`streams`)
    D p <id:4>            a table or index that nobody can see any more: its entries are to be purged
    D k, D e              tokens of transactions, and when they are forgotten (`transactions`)
    m dynamo-id           the next free ID
    m dynamo-catalog      how often the catalog has changed

Tables and indexes have numbers that are never used again. Dropping one is a change of its table's record and one purge
record, whatever it holds; the entries are removed behind, a step at a time. A request looks up its table's record
first, so its answer rests on the batch that changed it last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from struct import Struct
from typing import Any, Final

import orjson

from elastickv.dynamodb_api.errors import ResourceNotFoundException
from elastickv.kv.keyspace import DYNAMO, META, prefix_end, read_u32, read_u64, u32, u64
from elastickv.kv.view import View

CATALOG: Final = DYNAMO + b"t"
COUNTS: Final = DYNAMO + b"c"
DATA: Final = DYNAMO + b"d"
PURGE: Final = DYNAMO + b"p"
NEXT_ID: Final = META + b"dynamo-id"
VERSION: Final = META + b"dynamo-catalog"

_COUNTS = Struct(">QQ")
_MAX_PARSED: Final = 4096


@dataclass(frozen=True, slots=True)
class KeyAttribute:
    name: str
    type: str
    """S, N or B."""


@dataclass(frozen=True, slots=True)
class Index:
    """A secondary index. A write maintains every index of its table, also one that is still being filled."""

    name: str
    id: int
    prefix: bytes
    """Of all its entries in the keyspace."""
    local: bool
    hashes: tuple[KeyAttribute, ...]
    """Of the partition key: one, or up to four of a global index."""
    ranges: tuple[KeyAttribute, ...]
    """Of the sort key, in its order: none, one, or up to four of a global index."""
    projection: str
    """ALL, KEYS_ONLY or INCLUDE."""
    non_key: tuple[str, ...]
    """Of an INCLUDE projection."""
    status: str
    """ACTIVE or CREATING: one that is CREATING cannot be read yet."""
    raw: Mapping[str, Any]
    """As it is in the table's record."""

    @property
    def keys(self) -> tuple[KeyAttribute, ...]:
        return self.hashes + self.ranges

    @property
    def composite(self) -> bool:
        """Whether its partition key or its sort key consists of several attributes."""
        return len(self.hashes) > 1 or len(self.ranges) > 1


@dataclass(frozen=True, slots=True)
class Table:
    """What requests need of a table's record, taken apart once. `raw` is the record: do not change it, `save` a copy.

    Members of the record: Id, TableId, TableName, AttributeDefinitions, KeySchema, CreationDateTime (Unix seconds),
    BillingMode, ProvisionedThroughput, TableClass, DeletionProtectionEnabled, SSE, Tags (a map), Ttl (attribute name or
    absent), Stream (Id, Label, StreamViewType, Enabled; absent when there never was one), GlobalSecondaryIndexes and
    LocalSecondaryIndexes as in CreateTable, each with Id and IndexStatus.
    """

    name: str
    id: int
    prefix: bytes
    """Of all its items in the keyspace."""
    hash: KeyAttribute
    range: KeyAttribute | None
    indexes: Mapping[str, Index]
    """Local ones first, then global ones, in the order in which they were made."""
    index_keys: tuple[tuple[Index, KeyAttribute, bool], ...]
    """(index, attribute, is it of the partition key) of all indexes: global ones first, as AWS reports them."""
    composite: tuple[Index, ...]
    """Indexes with several attributes in their partition key or in their sort key."""
    stream_view: str
    """StreamViewType, or "" when changes are not recorded."""
    ttl_attribute: str
    """"" when time to live is off."""
    raw: Mapping[str, Any]

    @property
    def keys(self) -> tuple[KeyAttribute, ...]:
        return (self.hash,) if self.range is None else (self.hash, self.range)

    @property
    def ranges(self) -> tuple[KeyAttribute, ...]:
        return () if self.range is None else (self.range,)


def data_prefix(identity: int) -> bytes:
    """Where the entries of a table or index are."""
    return DATA + u32(identity)


def find(view: View, name: str) -> Table | None:
    raw = view.get_often(CATALOG + name.encode())
    if raw is None:
        return None
    known = _parsed.get(raw)
    return known if known is not None else _parse(raw)


def table(view: View, name: str) -> Table:
    """The table that a request on items names (its name or ARN); ResourceNotFoundException when there is none."""
    if name.startswith("arn:"):
        name = name.partition(":table/")[2].partition("/")[0]
    found = find(view, name)
    if found is None:
        raise ResourceNotFoundException()
    return found


def described_table(view: View, name: str) -> Table:
    """The same for operations on tables, whose error names the table."""
    if name.startswith("arn:"):
        name = name.partition(":table/")[2].partition("/")[0]
    found = find(view, name)
    if found is None:
        raise ResourceNotFoundException(f"Requested resource not found: Table: {name} not found")
    return found


_parsed: dict[bytes, Table] = {}
"""Records taken apart lately. A record never changes, a table does: it then has another record."""


def _parse(raw: bytes) -> Table:
    record = orjson.loads(raw)
    types = {one["AttributeName"]: one["AttributeType"] for one in record["AttributeDefinitions"]}
    (first,), second = _keys(record["KeySchema"], types)
    indexes: dict[str, Index] = {}
    for member, local in (("LocalSecondaryIndexes", True), ("GlobalSecondaryIndexes", False)):
        for one in record.get(member, ()):
            hashes, ranges = _keys(one["KeySchema"], types)
            projection = one["Projection"]
            indexes[one["IndexName"]] = Index(
                name=one["IndexName"],
                id=one["Id"],
                prefix=data_prefix(one["Id"]),
                local=local,
                hashes=hashes,
                ranges=ranges,
                projection=projection["ProjectionType"],
                non_key=tuple(projection.get("NonKeyAttributes", ())),
                status=one["IndexStatus"],
                raw=one,
            )
    found = Table(
        name=record["TableName"],
        id=record["Id"],
        prefix=data_prefix(record["Id"]),
        hash=first,
        range=second[0] if second else None,
        indexes=indexes,
        index_keys=tuple(_index_keys(indexes.values())),
        composite=tuple([index for index in indexes.values() if index.composite]),
        stream_view=record["Stream"]["StreamViewType"] if record.get("Stream", {}).get("Enabled") else "",
        ttl_attribute=record.get("Ttl", ""),
        raw=record,
    )
    if len(_parsed) >= _MAX_PARSED:
        _parsed.clear()
    _parsed[raw] = found
    return found


def _keys(
    schema: list[dict[str, str]], types: Mapping[str, str]
) -> tuple[tuple[KeyAttribute, ...], tuple[KeyAttribute, ...]]:
    """The attributes of the partition key, and those of the sort key."""

    def of(kind: str) -> tuple[KeyAttribute, ...]:
        names = (one["AttributeName"] for one in schema if one["KeyType"] == kind)
        return tuple([KeyAttribute(name, types[name]) for name in names])

    return of("HASH"), of("RANGE")


def _index_keys(indexes: Iterable[Index]) -> Iterator[tuple[Index, KeyAttribute, bool]]:
    for index in sorted(indexes, key=lambda index: index.local):
        for attribute in () if index.local else index.hashes:
            yield index, attribute, True
        for attribute in index.ranges:
            yield index, attribute, False


def names(view: View, after: str, limit: int) -> list[str]:
    """At most `limit` table names behind `after`, in order."""
    start = CATALOG + after.encode() + b"\0" if after else CATALOG
    found = islice(view.scan(start, prefix_end(CATALOG)), limit)
    return [key[len(CATALOG) :].decode() for key, _ in found]


def every(view: View) -> Iterator[Table]:
    """All tables, by name."""
    for _, raw in view.scan(CATALOG, prefix_end(CATALOG)):
        yield _parsed.get(raw) or _parse(raw)


def fresh_id(view: View) -> int:
    """A number that no table, index or stream ever had."""
    stored = view.get(NEXT_ID)
    number = read_u32(stored) if stored else 1
    view.put(NEXT_ID, u32(number + 1))
    return number


def save(view: View, record: Mapping[str, Any]) -> Table:
    """Write a table's record, new or changed."""
    raw = orjson.dumps(record)
    view.put(CATALOG + record["TableName"].encode(), raw)
    _changed(view)
    return _parsed.get(raw) or _parse(raw)


def remove(view: View, gone: Table) -> None:
    """Drop a table and its indexes; their entries are purged in the background."""
    view.delete(CATALOG + gone.name.encode())
    drop(view, gone.id)
    for index in gone.indexes.values():
        drop(view, index.id)


def drop(view: View, identity: int) -> None:
    """Nobody can see this table or index any more."""
    view.put(PURGE + u32(identity), b"")
    view.delete(COUNTS + u32(identity))
    _changed(view)


def version(view: View) -> int:
    """Another number after every change of the catalog: what was concluded from all of it holds as long as this does,
    under one leadership (a new leader may follow one that did not count)."""
    stored = view.get(VERSION)
    return read_u64(stored) if stored else 0


def _changed(view: View) -> None:
    view.put(VERSION, u64(version(view) + 1))


def count(view: View, identity: int, entries: int, size_bytes: int) -> None:
    """A table or index got (or lost, when negative) entries and bytes. Call with every change of its entries."""
    key = COUNTS + u32(identity)
    stored = view.get(key)
    if stored is None:
        view.put(key, _COUNTS.pack(entries, size_bytes))
    else:
        old_entries, old_bytes = _COUNTS.unpack(stored)
        view.put(key, _COUNTS.pack(old_entries + entries, old_bytes + size_bytes))


def counts(view: View, identity: int) -> tuple[int, int]:
    """Number of entries and their bytes."""
    stored = view.get(COUNTS + u32(identity))
    if stored is None:
        return 0, 0
    entries, size_bytes = _COUNTS.unpack(stored)
    return entries, size_bytes


class Purge:
    """Removes the entries of what was dropped, in steps. The leader's background work."""

    def __init__(self) -> None:
        self._reached: dict[int, bytes] = {}
        """Where the purge of an ID goes on, so that it does not wade through what it removed already."""

    def reset(self) -> None:
        """This node begins to lead, or its proposals were dropped."""
        self._reached.clear()

    def step(self, view: View, limit: int) -> int:
        """Remove at most `limit` entries; how many were looked at (0: nothing is left to do)."""
        for purge_key, _ in view.scan(PURGE, prefix_end(PURGE)):
            identity = read_u32(purge_key, len(PURGE))
            prefix = data_prefix(identity)
            start = self._reached.get(identity, prefix)
            keys = [key for key, _ in islice(view.scan(start, prefix_end(prefix)), limit)]
            if keys:
                end = keys[-1] + b"\0"
                view.delete_range(start, end)
                self._reached[identity] = end
            if len(keys) < limit:
                view.delete(purge_key)
                self._reached.pop(identity, None)
            return max(len(keys), 1)
        return 0
