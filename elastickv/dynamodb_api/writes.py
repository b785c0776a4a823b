"""One item put, updated, deleted or checked under a condition: what the single operations, batches, transactions and
PartiQL share. Everything about the request was judged before; what can fail here depends on the item that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from elastickv.dynamodb_api import records
from elastickv.dynamodb_api.attributes import (
    MAX_ITEM_BYTES,
    UPDATE_TOO_LARGE,
    Item,
    Key,
    Value,
    item_size,
    text_bytes,
    value_size,
)
from elastickv.dynamodb_api.errors import ConditionalCheckFailedException, ValidationException
from elastickv.dynamodb_api.expressions.nodes import Condition, DeleteAction, RemoveAction, Update
from elastickv.dynamodb_api.expressions.paths import project
from elastickv.dynamodb_api.expressions.resolve import Prepared
from elastickv.dynamodb_api.expressions.update import WRONG_TYPE, apply_update
from elastickv.dynamodb_api.items import item_key, remove, store
from elastickv.dynamodb_api.schema import check_updated
from elastickv.dynamodb_api.tables import Table
from elastickv.kv.view import View

R = TypeVar("R")

Holds = Callable[[Item], bool]
"""A condition with its values: asks an item ({} for one that is not there)."""


@dataclass(slots=True)
class Change:
    """What a write found and left."""

    table: Table
    before: bytes | None
    """The record that was there."""
    decoded: Item | None
    """`before` decoded, where somebody had to."""
    new: Item | None
    new_size: int

    @property
    def old(self) -> Item | None:
        """The item that was there."""
        if self.decoded is None and self.before is not None:
            self.decoded = records.decode(self.before)
        return self.decoded

    @property
    def old_size(self) -> int:
        return records.size(self.before) if self.before is not None else 0


def whole(view: View, table: Table, write: Callable[[], R]) -> R:
    """Do a write of one item, all or nothing. Without indexes and stream an item is two records at most, put behind
    everything that can fail, so that only other tables' writes need a layer that can be undone."""
    if not table.indexes and not table.stream_view:
        return write()
    view.begin()
    try:
        result = write()
    except BaseException:
        view.undo()
        raise
    view.keep()
    return result


def condition_of(prepared: Prepared[Condition] | None, values: Mapping[str, Value]) -> Holds | None:
    """A condition expression as something to ask items."""
    if prepared is None:
        return None
    test = prepared.test
    assert test is not None
    return lambda item: test(item, values)


def _look(view: View, place: bytes, holds: Holds | None, return_item: bool) -> tuple[bytes | None, Item | None]:
    """The record there and, if the condition looked into it, the item. ConditionalCheckFailedException."""
    before = view.get(place)
    if holds is None:
        return before, None
    old = records.decode(before) if before is not None else None
    if not holds(old if old is not None else {}):
        if return_item and old is not None:
            raise ConditionalCheckFailedException(Item=old)
        raise ConditionalCheckFailedException()
    return before, old


def put(
    view: View, table: Table, item: Item, size: int, holds: Holds | None = None, *, return_item: bool = False
) -> Change:
    """`return_item`: ReturnValuesOnConditionCheckFailure is ALL_OLD."""
    place = item_key(table, item)
    before, old = _look(view, place, holds, return_item)
    store(view, table, place, before, item, size, old=old)
    return Change(table, before, old, item, size)


def delete(view: View, table: Table, key: Key, holds: Holds | None = None, *, return_item: bool = False) -> Change:
    place = item_key(table, key)
    before, old = _look(view, place, holds, return_item)
    if before is not None:
        remove(view, table, place, before, old=old)
    return Change(table, before, old, None, 0)


def check(view: View, table: Table, key: Key, holds: Holds, *, return_item: bool = False) -> Change:
    """Only the condition (ConditionCheck of a transaction)."""
    before, old = _look(view, item_key(table, key), holds, return_item)
    return Change(table, before, old, old, records.size(before) if before is not None else 0)


def update(
    view: View,
    table: Table,
    key: Key,
    actions: Update | None,
    values: Mapping[str, Value],
    holds: Holds | None = None,
    *,
    return_item: bool = False,
    mismatch: str = WRONG_TYPE,
) -> Change:
    """`actions` None: the item need only exist afterwards."""
    place = item_key(table, key)
    before, old = _look(view, place, holds, return_item)
    if before is None:
        if actions is not None and actions.actions and _only_takes_away(actions):
            # Nothing comes into being by taking something away; that the paths lead somewhere is still asked.
            apply_update(actions, {}, {}, values, mismatch=mismatch)
            return Change(table, None, None, None, 0)
        old, new, size = {}, dict(key), item_size(key)
    else:
        if old is None:
            old = records.decode(before)
        new, size = records.decode(before), records.size(before)
    if actions is not None:
        apply_update(actions, old, new, values, mismatch=mismatch)
        heads = {str(action.path.steps[0]) for action in actions.actions}
        for name in heads:
            size += _attribute_size(new, name) - _attribute_size(old, name)
        if size > MAX_ITEM_BYTES:
            raise ValidationException(UPDATE_TOO_LARGE)
        check_updated(table, actions, new)
    found = old if before is not None else None
    store(view, table, place, before, new, size, old=found)
    return Change(table, before, found, new, size)


def _only_takes_away(update: Update) -> bool:
    return all(isinstance(action, RemoveAction | DeleteAction) for action in update.actions)


def _attribute_size(item: Item, name: str) -> int:
    value = item.get(name)
    return 0 if value is None else text_bytes(name) + value_size(value)


def returned(mode: str, change: Change, update: Update | None) -> Any:
    """ReturnValues of an update; None when there is nothing to return."""
    if mode == "ALL_OLD":
        return records.fragment(change.before) if change.before is not None else None
    if mode == "ALL_NEW":
        return change.new
    if mode == "NONE" or update is None:
        return None
    item = change.old if mode == "UPDATED_OLD" else change.new
    return project(item or {}, [action.path for action in update.actions]) or None
