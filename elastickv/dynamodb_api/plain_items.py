"""What the short ways of operations share: items and keys without binary values and sets, and where they lie.

Each function here says in one walk what shape, `attributes`, `schema` and `item_keys` say in four, for items in which
nothing is wrong or special, and -1 or None for all others, which then go the long way and hear their error there.
Nothing is changed.
"""

from __future__ import annotations

from typing import Any, Final

from elastickv.dynamodb_api import decimals, tables
from elastickv.dynamodb_api.attributes import MAX_DEPTH, Item, Value
from elastickv.dynamodb_api.item_keys import partition, sort
from elastickv.dynamodb_api.shapes import TABLE_NAME
from elastickv.dynamodb_api.tables import KeyAttribute, Table
from elastickv.kv.view import View

_LONGEST_NAME: Final = 255
_LONGEST_KEY: Final = 255
"""Characters, each of which may have four bytes, and longer ones would still be right."""
_known_names: Final = TABLE_NAME.passed


def plain_size(item: Any, depth: int = 0) -> int:
    """The item's size in bytes; -1 when it is not plain. `depth` counts the lists and maps around it."""
    if item.__class__ is not dict:
        return -1
    size = 0
    for name, value in item.items():
        if value.__class__ is not dict or len(value) != 1 or not 0 < len(name) <= _LONGEST_NAME:
            return -1
        size += len(name) if name.isascii() else len(name.encode())
        if "S" in value:
            text = value["S"]
            if text.__class__ is not str:
                return -1
            size += len(text) if text.isascii() else len(text.encode())
        elif "N" in value:
            text = value["N"]
            if text.__class__ is not str or not decimals.is_canonical(text):
                return -1
            size += decimals.size(text)
        else:
            more = _plain_document(value, depth)
            if more < 0:
                return -1
            size += more
    return size


def _plain_document(value: dict[str, Any], depth: int) -> int:
    """The same for a value of one of the other types; binary values and sets are not plain."""
    ((kind, data),) = value.items()
    if kind == "BOOL":
        return 1 if data.__class__ is bool else -1
    if kind == "NULL":
        return 1 if data is True else -1
    if depth >= MAX_DEPTH:
        return -1
    if kind == "M":
        size = plain_size(data, depth + 1)
        return 3 + len(data) + size if size >= 0 else -1
    if kind == "L" and data.__class__ is list:
        total = 3 + len(data)
        for one in data:
            size = plain_size({"-": one}, depth + 1)
            if size < 0:
                return -1
            total += size - 1
        return total
    return -1


def plain_table(view: View, name: Any) -> Table | None:
    """The table of that name, which has been named before."""
    return tables.find(view, name) if name.__class__ is str and name in _known_names else None


def plain_place(table: Table, item: Item) -> bytes | None:
    """Where an item that is plain lies, as `items.item_key`; None when it lacks a key that is as it must be."""
    first = _plain_key(item, table.hash)
    if first is None:
        return None
    place = table.prefix + partition(first)
    if table.range is None:
        return place
    second = _plain_key(item, table.range)
    return None if second is None else place + sort(second)


def _plain_key(item: Item, attribute: KeyAttribute) -> Value | None:
    value = item.get(attribute.name)
    if value is None:
        return None
    data = value.get(attribute.type)
    return value if data and len(data) <= _LONGEST_KEY else None
