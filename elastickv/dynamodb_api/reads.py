"""What Query and Scan share: a table or index to read from, a page of it, and the answer.

A page ends when `Limit` items have been looked at, or when those looked at have 1 MB; the key of the last of them is
where the next page begins. It is a place in the key order, so what is written or deleted in between moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from elastickv.dynamodb_api import composite_keys, item_keys, records
from elastickv.dynamodb_api.attributes import INVALID, Item, Key, Value, check, item_size
from elastickv.dynamodb_api.capacity import Consumed, read_units, wanted
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions.nodes import Path
from elastickv.dynamodb_api.expressions.paths import project
from elastickv.dynamodb_api.items import entry_key, item_key, projected_names
from elastickv.dynamodb_api.schema import MISMATCH, check_key, check_key_value
from elastickv.dynamodb_api.tables import Index, KeyAttribute, Table
from elastickv.dynamodb_api.walks import NO_TAIL, Fold, FoldsOf, walk
from elastickv.dynamodb_api.writes import Holds
from elastickv.kv.view import View

PAGE_BYTES: Final = 1 << 20

BAD_START: Final = "The provided starting key is invalid"


class Source:
    """A table, or one of its indexes, to read from."""

    __slots__ = ("folds_of", "hashes", "index", "prefix", "ranges", "shown", "table", "tail", "view")

    def __init__(self, view: View, table: Table, request: Mapping[str, Any]) -> None:
        """ValidationException for an index that is not there, or a consistent read of a global one."""
        self.view = view
        self.table = table
        self.index: Index | None = None
        self.hashes: tuple[KeyAttribute, ...] = (table.hash,)
        self.ranges: tuple[KeyAttribute, ...] = table.ranges
        self.prefix = table.prefix
        self.tail = NO_TAIL
        self.shown: frozenset[str] | None = None
        """Attributes that can be seen here; None for all."""
        name = request.get("IndexName")
        if name is not None:
            index = table.indexes.get(name)
            if index is None:
                raise ValidationException(f"The table does not have the specified index: {name}")
            if not index.local and request.get("ConsistentRead"):
                raise ValidationException("Consistent reads are not supported on global secondary indexes")
            if index.status != "ACTIVE":
                raise ValidationException(f"Cannot read from backfilling global secondary index: {name}")
            self.index = index
            self.hashes, self.ranges = index.hashes, index.ranges
            self.prefix = index.prefix
            self.tail = item_keys.TIE_BYTES
            self.shown = projected_names(table, index)
        self.folds_of: FoldsOf | None = None
        if any(attribute.type != "N" for attribute in self.ranges):
            self.folds_of = self._folds_of

    @property
    def keys(self) -> tuple[KeyAttribute, ...]:
        """What is read by: the partition key's attributes, then the sort key's."""
        return self.hashes + self.ranges

    def _folds_of(self, key: bytes, stored: bytes) -> list[Fold]:
        return self._folds(key, records.decode(self.record(stored)))

    def _folds(self, key: bytes, item: Item) -> list[Fold]:
        length, found = composite_keys.folds([item[attribute.name] for attribute in self.ranges])
        start = len(key) - self.tail - length
        return [(start + place, value) for place, value in found]

    def record(self, stored: bytes) -> bytes:
        """The item's record, from what a walk finds here."""
        if self.index is None:
            return stored
        record = self.view.get(self.table.prefix + stored)
        assert record is not None, "an entry without its item"
        return record

    @property
    def start_names(self) -> list[str]:
        """Attributes of a key at which reading can go on: the item's, then the index's."""
        names = [attribute.name for attribute in self.table.keys]
        names += [attribute.name for attribute in self.keys if attribute.name not in names]
        return names

    def place(self, start: Key) -> tuple[bytes, list[Fold]]:
        """(engine key, its folds) of the item with this starting key."""
        place = item_key(self.table, start)
        if self.index is not None:
            entry = entry_key(self.table, self.index, start, place)
            assert entry is not None, "a starting key was checked"
            place = entry
        return place, self._folds(place, start)

    def walk(
        self, start: bytes, end: bytes, *, reverse: bool = False, after: Key | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        return walk(
            self.view,
            start,
            end,
            reverse=reverse,
            folds_of=self.folds_of,
            depth=len(self.ranges),
            tail=self.tail,
            after=None if after is None else self.place(after),
        )


# starting keys

_BARE: Final = ("contains duplicates", "number set", "numeric value", "significant digits", "number with magnitude")
"""Mistakes that AWS reports without saying that they are in the starting key."""


def check_start_values(request: Mapping[str, Any]) -> None:
    """The values of ExclusiveStartKey, before the table is known."""
    start: Mapping[str, Value] | None = request.get("ExclusiveStartKey")
    if start is None:
        return
    for value in start.values():
        try:
            check(value)
        except ValidationException as error:
            if any(words in error.message for words in _BARE):
                raise
            raise ValidationException(f"{BAD_START}: {error.message}") from None


def check_start_table_key(source: Source, start: Key) -> None:
    """The part of a starting key that is the item's own."""
    own = {attribute.name: start[attribute.name] for attribute in source.table.keys if attribute.name in start}
    try:
        check_key(source.table, own)
    except ValidationException as error:
        raise ValidationException(f"{BAD_START}: {error.message}") from None


def check_start_piece(start: Key, attribute: KeyAttribute, partition: bool) -> None:
    """An attribute of the key that is read by."""
    value = start.get(attribute.name)
    if value is None:
        raise ValidationException(BAD_START)
    if attribute.type not in value:
        raise ValidationException(MISMATCH)
    check_key_value(value, attribute, partition)


# what is shown


def check_select(request: Mapping[str, Any], index_named: bool, *, envelope: str = "") -> None:
    """Select held against the parameters that choose attributes."""
    select = request.get("Select")
    if select is None:
        return
    chooser = next((name for name in ("AttributesToGet", "ProjectionExpression") if name in request), None)
    if select == "SPECIFIC_ATTRIBUTES":
        if chooser is None:
            raise ValidationException(
                f"{envelope}Must specify the AttributesToGet or ProjectionExpression when choosing to get "
                "SPECIFIC_ATTRIBUTES"
            )
        return
    if chooser is not None:
        what = "only the Count" if select == "COUNT" else select
        raise ValidationException(f"{envelope}Cannot specify the {chooser} when choosing to get {what}")
    if select == "ALL_PROJECTED_ATTRIBUTES" and not index_named:
        raise ValidationException(
            f"{envelope}ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"
        )


def check_projected(source: Source, request: Mapping[str, Any], chosen: Sequence[str], filtered: Sequence[str]) -> None:
    """A global index shows only what it projects (a local one fetches the rest from the table)."""
    index, shown = source.index, source.shown
    if index is None or index.local or shown is None:
        return
    if request.get("Select") == "ALL_ATTRIBUTES":
        raise ValidationException(
            f"{INVALID}Select type ALL_ATTRIBUTES is not supported for global secondary index {index.name} "
            "because its projection type is not ALL"
        )
    hidden = [name for name in chosen if name not in shown]
    if hidden:
        raise ValidationException(
            f"{INVALID}Global secondary index {index.name} does not project [{', '.join(hidden)}]"
        )
    hidden = [name for name in filtered if name not in shown]
    if hidden:
        raise ValidationException(
            f"{INVALID}Global secondary index {index.name} does not project one or more filter attributes: "
            f"[{', '.join(hidden)}]"
        )


# a page


class Page:
    """Reads one page and puts the answer together."""

    def __init__(
        self,
        source: Source,
        request: Mapping[str, Any],
        paths: Sequence[Path] | None,
        holds: Holds | None,
        filtered: Sequence[str],
        *,
        shape: Callable[[Item, Sequence[Path]], Item] = project,
    ) -> None:
        """`paths`: the projection; `holds`: the filter; `filtered`: attributes that the filter looks at; `shape`: how
        a projected item is put together."""
        self.source = source
        self.request = request
        self.paths = paths
        self.holds = holds
        self.shape = shape
        select = request.get("Select")
        self.count_only = select == "COUNT"
        shown = source.shown
        needed = [str(path.steps[0]) for path in paths or ()] + list(filtered)
        self.fetches = shown is not None and (select == "ALL_ATTRIBUTES" or any(name not in shown for name in needed))
        """Items are read from the table because the (local) index does not show all that is wanted."""
        self.whole = shown is None or self.fetches
        self.items: list[Any] = []
        self.matched = 0
        self.looked_at = 0
        self.size = 0
        self.fetched_units = 0.0
        self.last: Key | None = None

    def read(self, entries: Iterator[tuple[bytes, bytes]], matches: Callable[[Item], bool] | None = None) -> None:
        """`matches`: which of the entries are meant at all (see `KeyRange`)."""
        source, holds, paths = self.source, self.holds, self.paths
        shown = source.shown
        index = source.index
        limit: int = self.request.get("Limit", 0)
        plain = holds is None and paths is None and matches is None and shown is None
        consistent = bool(self.request.get("ConsistentRead"))
        record = b""
        for _, stored in entries:
            record = stored if index is None else source.record(stored)
            if plain:
                self.size += records.size(record)
                self.looked_at += 1
                self.matched += 1
                if not self.count_only:
                    self.items.append(records.fragment(record))
            else:
                item = records.decode(record)
                if matches is not None and not matches(item):
                    continue
                visible = item
                if shown is not None:
                    visible = {name: value for name, value in item.items() if name in shown}
                    self.size += item_size(visible)
                    if self.fetches:
                        self.fetched_units += read_units(records.size(record), consistent)
                        visible = item
                else:
                    self.size += records.size(record)
                self.looked_at += 1
                if holds is None or holds(visible):
                    self.matched += 1
                    if not self.count_only:
                        self.items.append(self._wanted(record, visible))
            if self.looked_at == limit or self.size >= PAGE_BYTES:
                last = records.decode(record)
                self.last = {name: last[name] for name in source.start_names}
                return

    def _wanted(self, record: bytes, visible: Item) -> Any:
        if self.paths is not None:
            return self.shape(visible, self.paths)
        return records.fragment(record) if self.whole else visible

    def answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"Count": self.matched, "ScannedCount": self.looked_at}
        if not self.count_only:
            answer["Items"] = self.items
        if self.last is not None:
            answer["LastEvaluatedKey"] = self.last
        mode = wanted(self.request)
        if mode:
            answer["ConsumedCapacity"] = self.consumed(mode)
        return answer

    def consumed(self, mode: str) -> dict[str, Any]:
        consumed = Consumed(self.source.table.name)
        units = read_units(self.size, bool(self.request.get("ConsistentRead")))
        index = self.source.index
        if index is None:
            consumed.read(units)
        else:
            consumed.index(index.name, index.local, units)
            consumed.read(self.fetched_units)
        return consumed.answer(mode)
