"""ConsumedCapacity and ItemCollectionMetrics: AWS' arithmetic and shapes.

A read costs one unit for each begun 4 KB, half of that when it need not be consistent; a write one for each begun 1 KB
of the larger of the item before and after; both twice in a transaction. An index that a write changes costs for what
it stores: once for an entry that comes, goes or changes, twice for one that moves, nothing for one that stays the
same; no more than that in a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from elastickv.dynamodb_api import records
from elastickv.dynamodb_api.attributes import Item, equal, item_size
from elastickv.dynamodb_api.item_keys import partition
from elastickv.dynamodb_api.items import entry_key, in_index, projected
from elastickv.dynamodb_api.tables import Table
from elastickv.kv.keyspace import prefix_end
from elastickv.kv.view import View

READ_BYTES: Final = 4096
WRITE_BYTES: Final = 1024
_GIGABYTE: Final = 1 << 30
_SAMPLE: Final = 10_000
"""Items of a collection that are looked at for its size."""


def read_units(size: int, consistent: bool) -> float:
    """For one item, or for all items of a page together; what is not there counts as one."""
    return (-(-size // READ_BYTES) or 1) * (1.0 if consistent else 0.5)


def write_units(size: int) -> float:
    return float(-(-size // WRITE_BYTES) or 1)


class Consumed:
    """What a request has cost one table."""

    __slots__ = ("global_indexes", "local_indexes", "name", "reads", "repeated", "table", "transaction", "writes")

    def __init__(self, table_name: str, *, transaction: bool = False) -> None:
        self.name = table_name
        self.transaction = transaction
        """Then the table costs twice, and reads and writes are told apart."""
        self.table = 0.0
        self.reads = 0.0
        self.writes = 0.0
        self.repeated = 0.0
        """What the same transaction would cost once more: it would only be read."""
        self.local_indexes: dict[str, float] = {}
        self.global_indexes: dict[str, float] = {}

    def read(self, units: float) -> None:
        self.table += units
        self.reads += units

    def write(self, table: Table, old: Item | None, old_size: int, new: Item | None, new_size: int) -> None:
        """One item was written, deleted or only looked at for its condition."""
        size = max(old_size, new_size)
        units = write_units(size) * (2.0 if self.transaction else 1.0)
        self.repeated += 2 * read_units(size, True)
        self.table += units
        self.writes += units
        for index in table.indexes.values():
            units = index_write_units(table, index.name, old, new)
            if units:
                self.index(index.name, index.local, units)
                self.writes += units

    def index(self, name: str, local: bool, units: float) -> None:
        costs = self.local_indexes if local else self.global_indexes
        costs[name] = costs.get(name, 0.0) + units

    def answer(self, mode: str) -> dict[str, Any]:
        """`mode`: TOTAL or INDEXES."""
        total = self.table + sum(self.local_indexes.values()) + sum(self.global_indexes.values())
        answer: dict[str, Any] = {"TableName": self.name, "CapacityUnits": total}
        if self.transaction:
            if self.reads:
                answer["ReadCapacityUnits"] = self.reads
            if self.writes:
                answer["WriteCapacityUnits"] = self.writes
        if mode == "INDEXES":
            answer["Table"] = {"CapacityUnits": self.table}
            if self.transaction:
                kind = "WriteCapacityUnits" if self.writes else "ReadCapacityUnits"
                answer["Table"][kind] = self.table
            for member, costs in (
                ("LocalSecondaryIndexes", self.local_indexes),
                ("GlobalSecondaryIndexes", self.global_indexes),
            ):
                if costs:
                    answer[member] = {name: self._index_answer(units) for name, units in costs.items()}
        return answer

    def _index_answer(self, units: float) -> dict[str, float]:
        if self.transaction:
            return {"CapacityUnits": units, "WriteCapacityUnits": units}
        return {"CapacityUnits": units}


def wanted(request: Mapping[str, Any]) -> str:
    """TOTAL, INDEXES, or "" when nobody asked."""
    mode: str = request.get("ReturnConsumedCapacity", "NONE")
    return "" if mode == "NONE" else mode


def index_write_units(table: Table, name: str, old: Item | None, new: Item | None) -> float:
    """What a change of an item costs one index."""
    index = table.indexes[name]
    before = projected(table, index, old) if old is not None and in_index(index, old) else None
    after = projected(table, index, new) if new is not None and in_index(index, new) else None
    if before is None or after is None:
        shown = before if after is None else after
        return 0.0 if shown is None else write_units(item_size(shown))
    if entry_key(table, index, before, b"") != entry_key(table, index, after, b""):
        return write_units(item_size(before)) + write_units(item_size(after))
    if equal({"M": before}, {"M": after}):
        return 0.0
    return write_units(max(item_size(before), item_size(after)))


def collection_metrics(view: View, table: Table, item: Item) -> dict[str, Any] | None:
    """ItemCollectionMetrics of the item's partition; None for tables without local indexes, which have no collections.

    The estimate rests on the collection's first ten thousand items: AWS' own is "not to be relied on" as well.
    """
    if not any(index.local for index in table.indexes.values()):
        return None
    value = item[table.hash.name]
    prefix = table.prefix + partition(value)
    total = sum(records.size(record) for _, record in islice(view.scan(prefix, prefix_end(prefix)), _SAMPLE))
    least = total // _GIGABYTE
    return {
        "ItemCollectionKey": {table.hash.name: value},
        "SizeEstimateRangeGB": [float(least), float(least + 1)],
    }
