"""SELECT, run on a view: a query of the partitions that the WHERE clause names, else a scan, with the whole clause as
filter.

A page ends where one of Query or Scan would; the token for the next one holds the key of the last item that was looked
at (and which of the partitions it was in), and a digest of the statement that it belongs to.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import orjson

from elastickv.dynamodb_api import records, schema, tables
from elastickv.dynamodb_api.attributes import INVALID, Item, Key, Value, check_item, order
from elastickv.dynamodb_api.composite_keys import partition
from elastickv.dynamodb_api.errors import ApiError, ResourceNotFoundException, ValidationException
from elastickv.dynamodb_api.expressions.nodes import Path
from elastickv.dynamodb_api.expressions.paths import lookup
from elastickv.dynamodb_api.expressions.resolve import judged_condition
from elastickv.dynamodb_api.items import item_key
from elastickv.dynamodb_api.key_conditions import KeyCondition, KeyRange, key_range
from elastickv.dynamodb_api.partiql import branches, keys
from elastickv.dynamodb_api.partiql.faults import naming_one_item
from elastickv.dynamodb_api.partiql.statements import Select
from elastickv.dynamodb_api.reads import Page, Source, check_projected, check_start_piece, check_start_table_key
from elastickv.dynamodb_api.shapes import ITEM
from elastickv.dynamodb_api.tables import Index, Table
from elastickv.dynamodb_api.writes import Holds
from elastickv.kv.keyspace import prefix_end
from elastickv.kv.view import View

BAD_TOKEN: Final = "Invalid NextToken"


def named(item: Item, paths: Sequence[Path]) -> Item:
    """A row: each path under its last name and the numbers behind it, as SELECT shows it."""
    row: Item = {}
    for path in paths:
        value = lookup(item, path.steps)
        if value is not None:
            name = ""
            for step in path.steps:
                name = step if isinstance(step, str) else f"{name}[{step}]"
            row[name] = value
    return row


def _last_partition(read: branches.Read) -> tuple[bool, Any]:
    return bool(read.partitions), max(map(order, read.partitions), default=None)


class Reading:
    """One page of a SELECT."""

    def __init__(self, view: View, statement: Select, request: Mapping[str, Any]) -> None:
        """`request`: Limit, ConsistentRead, NextToken, ReturnConsumedCapacity and what the token must belong to."""
        self.statement = statement
        self.request = request
        where, values = statement.where, statement.values
        self.holds: Holds | None = None
        if where is not None:
            # What the statement alone tells comes before the table is looked for.
            test = judged_condition(where, values)
            self.holds = lambda item: test(item, values)
        self.table = tables.table(view, statement.table)
        self.source = _source(view, self.table, statement, request)
        self.reads = branches.reads_of(statement.where, self.source.keys, statement.values)
        self.partitions = self._partitions()
        self.reverse = self._order()
        self._check_shown()

    def _check_shown(self) -> None:
        statement, source = self.statement, self.source
        chosen = [str(path.steps[0]) for path in statement.paths or ()]
        check_projected(source, {}, chosen, ())
        if source.shown is None or source.index is None:
            return
        # One branch that needs nothing else lets all of them through; of several the last partition's is named.
        hidden: list[str] = []
        for read in sorted(self.reads or (), key=_last_partition):
            hidden = [name for name in read.looked_at if name not in source.shown]
            if not hidden:
                return
        if hidden:
            raise ValidationException(
                f"{INVALID}Secondary index {source.index.name} does not project one or more filter attributes: "
                f"[{', '.join(keys.as_hashed(hidden))}]"
            )

    def _partitions(self) -> list[Value] | None:
        """Partitions to be read; None for all of them."""
        if self.reads is None:
            return keys.partitions(self.statement.where, self.source.keys[0], self.statement.values)
        if len(self.reads) == 1:
            return self.reads[0].partitions
        distinct: list[Value] = []
        for read in self.reads:
            distinct += [value for value in read.partitions if value not in distinct]
        return distinct

    def _order(self) -> bool:
        """ORDER BY held against the keys; whether it is from the top down."""
        ordering = self.statement.order
        if not ordering:
            return False
        if self.statement.where is None:
            raise ValidationException("Must have WHERE clause in the statement when using ORDER BY clause.")
        if self.partitions is None:
            raise ValidationException(
                "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause."
            )
        names = [attribute.name for attribute in self.source.keys]
        for name, _ in ordering:
            if name not in names:
                raise ValidationException(f"Attribute {name} in ORDER BY clause must be part of the primary key")
        directions = dict(ordering)
        if names[0] in directions:
            self.partitions.sort(key=order, reverse=directions[names[0]])
        elif len(self.partitions) > 1:
            raise ValidationException(
                "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause."
            )
        # Recorded at AWS: an ORDER BY that leaves out the sort key has it in descending order.
        return len(names) > 1 and directions.get(names[1], True)

    def _ranges(self) -> list[KeyRange]:
        source = self.source
        if self.partitions is None:
            return [KeyRange(source.prefix, prefix_end(source.prefix), None)]
        (first,) = source.hashes
        conditions: dict[str, KeyCondition] = {}
        for second in source.ranges:
            condition = keys.sort_condition(self.statement.where, second, self.statement.values)
            if condition is not None:
                conditions[second.name] = condition
        for value in self.partitions:
            schema.check_key_value(value, first, True)
        return [key_range(source.prefix + partition([value]), source.ranges, conditions) for value in self.partitions]

    def read(self) -> dict[str, Any]:
        """The answer: Items, NextToken and LastEvaluatedKey where there is more, ConsumedCapacity when asked for."""
        ranges = self._ranges()
        number, after = self._begin(len(ranges))
        page = Page(self.source, self.request, self.statement.paths, self.holds, (), shape=named)
        reached = [number]
        # What a folded sort key brings too much is left out by the filter, which asks the whole clause.
        page.read(self._walk(ranges, number, after, reached))
        answer: dict[str, Any] = {"Items": page.items}
        if page.last is not None:
            answer["NextToken"] = self._token(reached[0], page.last)
            answer["LastEvaluatedKey"] = page.last
        mode = self.request.get("ReturnConsumedCapacity", "NONE")
        if mode != "NONE":
            answer["ConsumedCapacity"] = page.consumed(mode)
        return answer

    def _walk(
        self, ranges: list[KeyRange], number: int, after: Key | None, reached: list[int]
    ) -> Iterator[tuple[bytes, bytes]]:
        for position in range(number, len(ranges)):
            reached[0] = position
            one = ranges[position]
            yield from self.source.walk(one.start, one.end, reverse=self.reverse, after=after)
            after = None

    # tokens

    def _digest(self) -> str:
        statement = [self.request["Statement"], self.request.get("Parameters", ())]
        return blake2b(orjson.dumps(statement), digest_size=12).hexdigest()

    def _token(self, number: int, last: Key) -> str:
        return urlsafe_b64encode(orjson.dumps([self._digest(), number, last])).decode()

    def _begin(self, ranges: int) -> tuple[int, Key | None]:
        token = self.request.get("NextToken")
        if token is None:
            return 0, None
        try:
            digest, number, last = orjson.loads(urlsafe_b64decode(token))
            # A token comes from a client like everything else in a request.
            ITEM.convert(last)
            check_item(last)
            if digest != self._digest() or not 0 <= number < ranges or set(last) != set(self.source.start_names):
                raise ValidationException(BAD_TOKEN)
            check_start_table_key(self.source, last)
            for position, attribute in enumerate(self.source.keys):
                check_start_piece(last, attribute, position == 0)
        except (ApiError, ValueError, TypeError):
            raise ValidationException(BAD_TOKEN) from None
        return number, last


def _source(view: View, table: Table, statement: Select, request: Mapping[str, Any]) -> Source:
    if not statement.index:
        return Source(view, table, {})
    index = table.indexes.get(statement.index)
    if index is None:
        raise ValidationException("The table does not have the specified index")
    _check_readable(index)
    if statement.fault is not None:
        raise statement.fault
    if not index.local and request.get("ConsistentRead"):
        raise ValidationException("Strongly consistent read is not supported on Global Secondary Indexes")
    return Source(view, table, {"IndexName": statement.index})


def _check_readable(index: Index | None) -> None:
    """AWS' PartiQL does not read indexes with keys of several attributes."""
    if index is not None and index.composite:
        raise ValidationException(
            "PartiQL statements cannot be executed on tables with multi-attribute HASH keys or multi-attribute RANGE "
            "keys."
        )


@dataclass(slots=True)
class Row:
    """What a SELECT that names a whole primary key has found."""

    table: Table
    place: bytes
    size: int
    """Bytes of the item; 0 when it is not there."""
    shown: Any
    """The item as SELECT shows it; None when it is not there."""


def one_row(view: View, statement: Select, missing: str) -> Row:
    """A SELECT in a batch or transaction; `missing` is what is said when it does not name the whole primary key, or
    asks for anything else."""
    if statement.index:
        with suppress(ResourceNotFoundException):
            _check_readable(tables.table(view, statement.table).indexes.get(statement.index))
    if statement.fault is not None:
        raise statement.fault
    if statement.where is None:
        raise ValidationException(missing)
    judged_condition(statement.where, statement.values)
    table = tables.table(view, statement.table)
    if statement.index:
        raise ValidationException(missing)
    named_key = keys.item_key(statement.where, table.keys, statement.values, one_of=True)
    if named_key is None or named_key[1]:
        branches.reads_of(statement.where, table.keys, statement.values, typed=False)
        raise ValidationException(missing)
    with naming_one_item():
        schema.check_key(table, named_key[0])
    place = item_key(table, named_key[0])
    record = view.get(place)
    if record is None:
        return Row(table, place, 0, None)
    shown = records.fragment(record) if statement.paths is None else named(records.decode(record), statement.paths)
    return Row(table, place, records.size(record), shown)
