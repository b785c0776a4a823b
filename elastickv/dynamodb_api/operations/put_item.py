"""PutItem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elastickv.dynamodb_api import items, records, schema, tables, writes
from elastickv.dynamodb_api.attributes import MAX_ITEM_BYTES, TOO_LARGE, check_item
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.item_shapes import (
    CONDITIONAL_OPERATOR,
    EXPECTED,
    ON_CONDITION_FAILURE,
    RETURN_VALUES,
    WriteShape,
    expected_of,
    expression_of,
    returns_item,
    written,
)
from elastickv.dynamodb_api.layers import enveloped
from elastickv.dynamodb_api.parameters import Expressions, check_styles
from elastickv.dynamodb_api.plain_items import plain_place, plain_size, plain_table
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import (
    ITEM,
    NAMES,
    RETURN_CONSUMED_CAPACITY,
    RETURN_ITEM_COLLECTION_METRICS,
    TABLE_NAME,
    VALUES,
    String,
    required,
)
from elastickv.dynamodb_api.writes import Holds
from elastickv.kv.view import View


def _put_plainly(view: View, request: dict[str, Any]) -> bytes | None:
    """An item that is in order, without conditions or wishes, for a table without indexes and stream."""
    if len(request) != 2:
        return None
    item: Any = request.get("Item")
    size = plain_size(item)
    if size < 0 or size > MAX_ITEM_BYTES:
        return None
    table = plain_table(view, request.get("TableName"))
    if table is None or table.indexes or table.stream_view:
        return None
    place = plain_place(table, item)
    if place is None:
        return None
    items.store(view, table, place, view.get(place), item, size)
    return b"{}"


@operation(
    "PutItem",
    shape=WriteShape(
        ReturnConsumedCapacity=RETURN_CONSUMED_CAPACITY,
        TableName=required(TABLE_NAME),
        Item=required(ITEM),
        ConditionalOperator=CONDITIONAL_OPERATOR,
        Expected=EXPECTED,
        ReturnValues=RETURN_VALUES,
        ReturnItemCollectionMetrics=RETURN_ITEM_COLLECTION_METRICS,
        ReturnValuesOnConditionCheckFailure=ON_CONDITION_FAILURE,
        ConditionExpression=String(),
        ExpressionAttributeValues=VALUES,
        ExpressionAttributeNames=NAMES,
    ),
    layered=False,
    short=_put_plainly,
)
def put_item(call: Call) -> dict[str, Any]:
    """Write a whole item, in place of the one with its key."""
    view, request = call.view, call.request
    item = request["Item"]
    size, holds = _read(request)
    if size > MAX_ITEM_BYTES:
        raise ValidationException(TOO_LARGE)

    table = tables.table(view, request["TableName"])
    schema.check_item(table, item)

    def write() -> dict[str, Any]:
        change = writes.put(view, table, item, size, holds, return_item=returns_item(request))
        answer: dict[str, Any] = {}
        if request.get("ReturnValues") == "ALL_OLD" and change.before is not None:
            answer["Attributes"] = records.fragment(change.before)
        return written(call, change, answer, item)

    return writes.whole(view, table, write)


@enveloped
def _read(request: Mapping[str, Any]) -> tuple[int, Holds | None]:
    """What can be judged without the table: the item's size, and the condition."""
    check_styles(request, ("ConditionExpression",), ("Expected", "ConditionalOperator"), current=True)
    size = check_item(request["Item"])
    if request.get("ReturnValues", "NONE") not in ("ALL_OLD", "NONE"):
        raise ValidationException("ReturnValues can only be ALL_OLD or NONE")
    if size > MAX_ITEM_BYTES:
        return size, None  # nothing else is looked at
    holds = expected_of(request)
    expressions = Expressions(request, current=True)
    holds = expression_of(expressions) or holds
    expressions.finish()
    return size, holds
