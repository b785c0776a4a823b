"""INSERT, UPDATE, DELETE and EXISTS, run on a view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from elastickv.dynamodb_api import records, schema, tables, writes
from elastickv.dynamodb_api.attributes import MAX_ITEM_BYTES, TOO_DEEP, TOO_LARGE, Item, Key, check_item
from elastickv.dynamodb_api.errors import (
    ConditionalCheckFailedException,
    DuplicateItemException,
    ValidationException,
)
from elastickv.dynamodb_api.expressions.nodes import Both, Condition, Path
from elastickv.dynamodb_api.expressions.paths import project
from elastickv.dynamodb_api.expressions.resolve import judge_update, judged_condition
from elastickv.dynamodb_api.items import item_key
from elastickv.dynamodb_api.partiql import keys
from elastickv.dynamodb_api.partiql.faults import NotOneItem, naming_one_item
from elastickv.dynamodb_api.partiql.statements import Change, Delete, Exists, Insert, Values
from elastickv.dynamodb_api.tables import Table
from elastickv.dynamodb_api.writes import Holds
from elastickv.kv.view import View

Writing = Insert | Change | Delete | Exists

NO_KEY: Final = "Where clause does not contain a mandatory equality on all key attributes"
PATH_TOO_DEEP: Final = "Nesting Levels have exceeded supported limits"
NO_CONDITION: Final = "EXISTS() must contain a single item read with additional condition"


@dataclass(slots=True)
class Plan:
    """A writing statement held against its table; what is left to do depends on the item."""

    statement: Writing
    table: Table
    key: Key
    holds: Holds | None

    @property
    def place(self) -> bytes:
        return item_key(self.table, self.key)


def plan(view: View, statement: Writing) -> Plan:
    """ResourceNotFoundException or ValidationException."""
    if isinstance(statement, Insert):
        if check_item(statement.item) > MAX_ITEM_BYTES:
            raise ValidationException(TOO_LARGE)
        table = tables.table(view, statement.table)
        with naming_one_item():
            schema.check_item(table, statement.item)
        key = {attribute.name: statement.item[attribute.name] for attribute in table.keys}
        return Plan(statement, table, key, _absent(table))
    if isinstance(statement, Exists):
        select = statement.select
        if select.index:
            raise ValidationException("Reads on indices are not supported within transactions.")
        where, values = select.where, select.values
    else:
        where, values = statement.where, statement.values
        _check_returning(statement)
    if where is not None:
        judged_condition(where, values)
    if isinstance(statement, Change):
        judge_update(statement.update, values)
    table = tables.table(view, statement.table)
    named = keys.item_key(where, table.keys, values)
    if isinstance(statement, Exists):
        if named is None or not named[1]:
            raise ValidationException(NO_CONDITION)
    elif named is None:
        raise NotOneItem(NO_KEY, schema.MISMATCH)
    key, rest = named
    if not isinstance(statement, Exists):
        name = keys.contradicted(rest, key, values)
        if name is not None:
            raise NotOneItem(
                f"Multiple conditions on same key {name}. Only single item Update/Insert/Delete are supported"
            )
    with naming_one_item():
        schema.check_key(table, key)
    if isinstance(statement, Change):
        schema.check_update(table, statement.update, values)
    holds = _condition(rest, values)
    if not isinstance(statement, Delete):
        holds = _present(table, holds)
    elif holds is not None:
        holds = _absent(table, holds)
    return Plan(statement, table, key, holds)


def _check_returning(statement: Change | Delete) -> None:
    if isinstance(statement, Delete) and statement.returning not in ("", "ALL_OLD"):
        clause = statement.returning.replace("_", " ")
        raise ValidationException(
            f"Invalid returning clause: RETURNING {clause} *. Only RETURNING ALL OLD * is allowed in DELETE statements."
        )


def _condition(rest: Sequence[Condition], values: Values) -> Holds | None:
    if not rest:
        return None
    test = judged_condition(rest[0] if len(rest) == 1 else Both(tuple(rest)), values)
    return lambda item: test(item, values)


def _absent(table: Table, holds: Holds | None = None) -> Holds:
    """INSERT replaces nothing. `holds`: of DELETE, which asks nothing of what is not there."""
    name = table.hash.name
    if holds is None:
        return lambda item: name not in item
    return lambda item: name not in item or holds(item)


def _present(table: Table, holds: Holds | None) -> Holds:
    """UPDATE changes what is there and makes nothing."""
    name = table.hash.name
    if holds is None:
        return lambda item: name in item
    return lambda item: name in item and holds(item)


def execute(view: View, planned: Plan, *, return_item: bool = False) -> writes.Change:
    """ConditionalCheckFailedException, DuplicateItemException, ValidationException."""
    statement, table = planned.statement, planned.table
    if isinstance(statement, Insert):
        size = check_item(statement.item)
        try:
            return writes.put(view, table, statement.item, size, planned.holds, return_item=return_item)
        except ConditionalCheckFailedException:
            raise DuplicateItemException() from None
    if isinstance(statement, Change):
        try:
            return writes.update(
                view,
                table,
                planned.key,
                statement.update,
                statement.values,
                planned.holds,
                return_item=return_item,
            )
        except ValidationException as error:
            if error.message == TOO_DEEP:
                raise ValidationException(PATH_TOO_DEEP) from None
            raise
    if isinstance(statement, Delete):
        return writes.delete(view, table, planned.key, planned.holds, return_item=return_item)
    assert planned.holds is not None
    return writes.check(view, table, planned.key, planned.holds, return_item=return_item)


def returned(planned: Plan, change: writes.Change) -> Any:
    """What RETURNING asks for: an item, or part of one; None for nothing."""
    statement = planned.statement
    if not isinstance(statement, Change | Delete) or not statement.returning:
        return None
    which, _, when = statement.returning.partition("_")
    if which == "ALL":
        if when == "OLD":
            return records.fragment(change.before) if change.before is not None else None
        return change.new
    assert isinstance(statement, Change)
    item: Item | None = change.old if when == "OLD" else change.new
    paths: list[Path] = [action.path for action in statement.update.actions]
    return project(item or {}, paths) or None
