"""Items in the keyspace, and everything that a change of one takes along in the same log entry: entries of indexes,
counts, change records.

An index's entry is a pointer: its key is made of the index's key and the item's, its value is where the item lies. So
an update of attributes that are no keys costs indexes nothing, and what an index shows is never older than the item.
The index's projection is applied when it is read (`projected`). See docs/decisions/0061-index-entries.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from elastickv.dynamodb_api import composite_keys, records, streams, tables
from elastickv.dynamodb_api.attributes import Item, Key, Value, equal, item_size
from elastickv.dynamodb_api.item_keys import partition, sort, tie
from elastickv.dynamodb_api.schema import fits
from elastickv.dynamodb_api.tables import Index, KeyAttribute, Table
from elastickv.kv.keyspace import prefix_end
from elastickv.kv.view import View


def item_key(table: Table, key: Key) -> bytes:
    """Where the item with this key (or this item) lies. The key fits the schema."""
    second = table.range
    if second is None:
        return table.prefix + partition(key[table.hash.name])
    return table.prefix + partition(key[table.hash.name]) + sort(key[second.name])


def key_of(table: Table, item: Item) -> Key:
    """The attributes of the item's primary key."""
    return {attribute.name: item[attribute.name] for attribute in table.keys}


def entry_key(table: Table, index: Index, item: Item, place: bytes) -> bytes | None:
    """Where the item's entry in the index lies, if it fits (`schema.fits`); None when an attribute is not there or has
    another type. `place`: the item's own key."""
    first = _values(index.hashes, item)
    if first is None:
        return None
    second = _values(index.ranges, item)
    if second is None:
        return None
    own = table.range
    suffix = place[len(table.prefix) :]
    return (
        index.prefix
        + composite_keys.partition(first)
        + composite_keys.sort(second)
        + tie(suffix, item[table.hash.name], item[own.name] if own is not None else None)
    )


def _values(attributes: Sequence[KeyAttribute], item: Item) -> list[Value] | None:
    """The item's values of these attributes; None when one is not there or has another type."""
    found = []
    for attribute in attributes:
        value = item.get(attribute.name)
        if value is None or attribute.type not in value:
            return None
        found.append(value)
    return found


def projected_names(table: Table, index: Index) -> frozenset[str] | None:
    """Attributes that the index shows; None for all."""
    if index.projection == "ALL":
        return None
    names = [attribute.name for attribute in (*table.keys, *index.keys)]
    return frozenset((*names, *index.non_key))


def projected(table: Table, index: Index, item: Item) -> Item:
    """What the index shows of the item."""
    names = projected_names(table, index)
    if names is None:
        return item
    return {name: value for name, value in item.items() if name in names}


def in_index(index: Index, item: Item | None) -> bool:
    """Whether the item has an entry there (indexes are sparse)."""
    return item is not None and _values(index.keys, item) is not None and fits(index, item)


def store(
    view: View,
    table: Table,
    place: bytes,
    before: bytes | None,
    new: Item,
    size: int,
    *,
    old: Item | None = None,
    identity: Mapping[str, str] | None = None,
) -> None:
    """Write an item. `place` is its key, `before` the record that lies there, `size` its size; `old` spares decoding
    `before` where the caller has done that. Everybody who changes items comes through here or `remove`."""
    view.put(place, records.encode(new, size))
    if before is None:
        tables.count(view, table.id, 1, size)
    else:
        grown = size - records.size(before)
        if grown:
            tables.count(view, table.id, 0, grown)
    if not table.indexes and not table.stream_view:
        return
    if before is not None and old is None:
        old = records.decode(before)
    if table.indexes:
        _reindex(view, table, place, old, records.size(before) if before is not None else 0, new, size)
    if table.stream_view and (old is None or not same(old, new)):
        kind = streams.INSERT if old is None else streams.MODIFY
        streams.record(view, table, kind, key_of(table, new), old, new, identity=identity)


def remove(
    view: View,
    table: Table,
    place: bytes,
    before: bytes,
    *,
    old: Item | None = None,
    identity: Mapping[str, str] | None = None,
) -> None:
    """Delete the item whose record `before` lies at `place`."""
    view.delete(place)
    tables.count(view, table.id, -1, -records.size(before))
    if not table.indexes and not table.stream_view:
        return
    if old is None:
        old = records.decode(before)
    if table.indexes:
        _reindex(view, table, place, old, records.size(before), None, 0)
    if table.stream_view:
        streams.record(view, table, streams.REMOVE, key_of(table, old), old, None, identity=identity)


def same(old: Item, new: Item) -> bool:
    """Whether nothing changed."""
    return old == new or equal({"M": old}, {"M": new})


def _reindex(
    view: View, table: Table, place: bytes, old: Item | None, old_size: int, new: Item | None, new_size: int
) -> None:
    suffix = place[len(table.prefix) :]
    for index in table.indexes.values():
        gone = entry_key(table, index, old, place) if old is not None else None
        if gone is not None and old is not None and (index.status != "ACTIVE" or not fits(index, old)):
            # The index is being filled and the item may not have been brought in yet, or never will be.
            gone = gone if view.get(gone) is not None else None
        come = entry_key(table, index, new, place) if new is not None else None
        # Values that a write brings along have been judged; those that it leaves alone were, if the index has them.
        if come is not None and new is not None and old is not None and gone is None and not fits(index, new):
            come = None
        entries = size = 0
        if gone is not None and old is not None:
            entries -= 1
            size -= entry_size(table, index, old, old_size)
            if gone != come:
                view.delete(gone)
        if come is not None and new is not None:
            entries += 1
            size += entry_size(table, index, new, new_size)
            if gone != come:
                view.put(come, suffix)
        if entries or size:
            tables.count(view, index.id, entries, size)


def entry_size(table: Table, index: Index, item: Item, size: int) -> int:
    """Bytes that the index shows of an item of `size` bytes."""
    return size if index.projection == "ALL" else item_size(projected(table, index, item))


def fill(view: View, table: Table, index: Index, after: bytes, limit: int) -> tuple[bytes, int]:
    """A step of filling a new index: entries for at most `limit` items behind the key `after` (b"": from the start).

    Returns where to go on (b"": all items have been seen) and how many items were looked at. Items that are written
    meanwhile make their entries themselves; making one twice changes nothing but is counted once.
    """
    start = after + b"\0" if after else table.prefix
    seen = 0
    last = b""
    for place, record in islice(view.scan(start, prefix_end(table.prefix)), limit):
        seen += 1
        last = place
        item = records.decode(record)
        entry = entry_key(table, index, item, place)
        if entry is not None and fits(index, item) and view.get(entry) is None:
            view.put(entry, place[len(table.prefix) :])
            tables.count(view, index.id, 1, entry_size(table, index, item, records.size(record)))
    return (last if seen == limit else b""), seen


def every(view: View, table: Table) -> Iterator[tuple[bytes, bytes]]:
    """(place, record) of all items of a table."""
    return view.scan(table.prefix, prefix_end(table.prefix))
