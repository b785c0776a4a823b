"""TransactWriteItems.

The executor is serial, so a transaction never meets another one halfway: its conditions are asked and its writes made
in one go, in one log entry. TransactionConflict and TransactionInProgress do not happen here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from elastickv.dynamodb_api import schema, tables, transactions, writes
from elastickv.dynamodb_api.attributes import MAX_ITEM_BYTES, TOO_DEEP, TOO_LARGE, Item, Value, check_item, value_size
from elastickv.dynamodb_api.capacity import Consumed, collection_metrics, wanted
from elastickv.dynamodb_api.errors import (
    ConditionalCheckFailedException,
    TransactionCanceledException,
    ValidationException,
)
from elastickv.dynamodb_api.expressions.nodes import Update
from elastickv.dynamodb_api.expressions.resolve import Prepared
from elastickv.dynamodb_api.item_shapes import ON_CONDITION_FAILURE, returns_item
from elastickv.dynamodb_api.items import item_key
from elastickv.dynamodb_api.layers import too_deep_to_read
from elastickv.dynamodb_api.parameters import Expressions, check_styles
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.schema import EmptyKeyValue
from elastickv.dynamodb_api.shapes import (
    ITEM,
    NAMES,
    RETURN_CONSUMED_CAPACITY,
    RETURN_ITEM_COLLECTION_METRICS,
    TABLE_NAME,
    VALUES,
    Kind,
    ListOf,
    Shape,
    String,
    Struct,
    required,
)
from elastickv.dynamodb_api.tables import Table
from elastickv.dynamodb_api.writes import Change, Holds, condition_of
from elastickv.kv.view import View


def _action(name: str, condition: Kind, **members: Kind) -> Struct:
    return Struct(
        name,
        **members,
        TableName=required(TABLE_NAME),
        ConditionExpression=condition,
        ExpressionAttributeNames=NAMES,
        ExpressionAttributeValues=VALUES,
        ReturnValuesOnConditionCheckFailure=ON_CONDITION_FAILURE,
    )


_ACTIONS: Final = {
    "ConditionCheck": _action("ConditionCheck", required(String()), Key=required(ITEM)),
    "Put": _action("Put", String(), Item=required(ITEM)),
    "Delete": _action("Delete", String(), Key=required(ITEM)),
    "Update": _action("Update", String(), Key=required(ITEM), UpdateExpression=required(String())),
}


@operation(
    "TransactWriteItems",
    shape=Shape(
        ClientRequestToken=String(min=1, max=36),
        ReturnConsumedCapacity=RETURN_CONSUMED_CAPACITY,
        ReturnItemCollectionMetrics=RETURN_ITEM_COLLECTION_METRICS,
        TransactItems=required(ListOf(Struct("TransactWriteItem", **_ACTIONS), min=1, max=transactions.MAX_ACTIONS)),
    ),
)
def transact_write_items(call: Call) -> dict[str, Any]:
    """Put, update, delete and check up to a hundred items, all or none."""
    request = call.request
    wishes: list[dict[str, Any]] = request["TransactItems"]
    token, digest = b"", b""
    if "ClientRequestToken" in request:
        token = transactions.token_key(request["ClientRequestToken"])
        digest = transactions.fingerprint(list(wishes))
    actions = [Action(wish) for wish in wishes]
    if sum(action.size for action in actions) > transactions.MAX_BYTES:
        raise ValidationException(transactions.TOO_LARGE)
    if token and transactions.done_before(call.view, token, digest, call.now_ms):
        return _told(request, transactions.repeated(call.view, token))

    execute(call.view, actions)
    consumed: dict[str, Consumed] = {}
    if token or wanted(request):
        for action in actions:
            table, change = action.table, action.change
            assert change is not None
            cost = consumed.setdefault(table.name, Consumed(table.name, transaction=True))
            old = change.old if table.indexes else None
            cost.write(table, old, change.old_size, change.new, change.new_size)
    if token:
        transactions.remember(call.view, token, digest, call.now_ms, consumed.values())
    answer = _told(request, consumed.values())
    if request.get("ReturnItemCollectionMetrics") == "SIZE":
        metrics: dict[str, list[Any]] = {}
        for action in actions:
            found = collection_metrics(call.view, action.table, action.key)
            if found is not None and found not in metrics.setdefault(action.table.name, []):
                metrics[action.table.name].append(found)
        if metrics:
            answer["ItemCollectionMetrics"] = metrics
    return answer


def _told(request: Mapping[str, Any], consumed: Iterable[Consumed]) -> dict[str, Any]:
    mode = wanted(request)
    return {"ConsumedCapacity": [cost.answer(mode) for cost in consumed]} if mode else {}


@dataclass(slots=True)
class _Parts:
    """What an action's expressions became."""

    update: Prepared[Update] | None
    values: Mapping[str, Value]
    holds: Holds | None


class Action:
    """One action: judged as far as its request goes when it is made, then held against its table, then executed."""

    __slots__ = ("_parts", "_return_item", "_table_name", "change", "key", "kind", "size", "table")

    def __init__(self, wish: Mapping[str, Any]) -> None:
        """ValidationException for what is wrong with the request."""
        if not wish:
            raise ValidationException(
                "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request"
            )
        if len(wish) > 1:
            raise ValidationException("TransactItems can only contain one of Check, Put, Update or Delete")
        ((self.kind, members),) = wish.items()
        expressions = ("UpdateExpression", "ConditionExpression") if self.kind == "Update" else ("ConditionExpression",)
        check_styles(members, expressions, ())
        self.key: Item = members["Item"] if self.kind == "Put" else members["Key"]
        """Of a put: the whole item."""
        try:
            self.size = check_item(self.key)
        except ValidationException as error:
            if error.message == TOO_DEEP and too_deep_to_read(self.key):
                self._read(members)  # may have something to say before
            raise
        if self.kind == "Put" and self.size > MAX_ITEM_BYTES:
            raise ValidationException(TOO_LARGE)
        self._parts = self._read(members)
        if self.kind == "Update":
            self.size += sum(map(value_size, self._parts.values.values()))
        self._return_item = returns_item(members)
        self._table_name: str = members["TableName"]
        self.table: Table
        self.change: Change | None = None
        """What it found and left, once executed."""

    @staticmethod
    def _read(members: Mapping[str, Any]) -> _Parts:
        read = Expressions(members)
        update = read.update()
        parts = _Parts(update, read.values, condition_of(read.condition(), read.values))
        read.finish()
        return parts

    def find_table(self, view: View) -> None:
        self.table = tables.table(view, self._table_name)

    def check_table(self) -> None:
        """ValidationException for what does not fit the table."""
        table, update = self.table, self._parts.update
        if self.kind == "Put":
            schema.check_item(table, self.key)
            return
        schema.check_key(table, self.key)
        if update is not None:
            schema.check_update(table, update.tree, self._parts.values)
            schema.check_nested_keys(table, update.nested_heads)

    def run(self, view: View) -> None:
        """ConditionalCheckFailedException, or ValidationException for what the item that is there makes impossible."""
        parts = self._parts
        table, shows = self.table, self._return_item
        if self.kind == "Put":
            self.change = writes.put(view, table, self.key, self.size, parts.holds, return_item=shows)
        elif self.kind == "Delete":
            self.change = writes.delete(view, table, self.key, parts.holds, return_item=shows)
        elif self.kind == "ConditionCheck":
            assert parts.holds is not None
            self.change = writes.check(view, table, self.key, parts.holds, return_item=shows)
        else:
            assert parts.update is not None
            self.change = writes.update(
                view, table, self.key, parts.update.tree, parts.values, parts.holds, return_item=shows
            )


def execute(view: View, actions: list[Action]) -> None:
    """All of them. TransactionCanceledException with a reason for each when one fails; the caller undoes the others."""
    for action in actions:
        action.find_table(view)
    for position, action in enumerate(actions):
        try:
            action.check_table()
        except EmptyKeyValue:
            raise
        except ValidationException as error:
            raise transactions.cancelled(position, len(actions), error) from None
    transactions.check_distinct(item_key(action.table, action.key) for action in actions)
    errors = [_error_of(action, view) for action in actions]
    if any(error is not None for error in errors):
        raise TransactionCanceledException([transactions.reason_of(error) for error in errors])


def _error_of(action: Action, view: View) -> Exception | None:
    try:
        action.run(view)
    except (ConditionalCheckFailedException, ValidationException) as error:
        return error
    return None
