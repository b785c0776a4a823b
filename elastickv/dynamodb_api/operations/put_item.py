"""PutItem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

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
)
def put_item(call: Call) -> dict[str, Any]:
    """Write a whole item, in place of the one with its key."""
    view, request = call.view, call.request
    item = request["Item"]
    plain = len(request) == 2
    size, holds = (_check_item(item), None) if plain else _read(request)
    if size > MAX_ITEM_BYTES:
        raise ValidationException(TOO_LARGE)

    table = tables.table(view, request["TableName"])
    schema.check_item(table, item)
    if plain and not table.indexes and not table.stream_view:
        # As below, but the shortest way.
        place = items.item_key(table, item)
        items.store(view, table, place, view.get(place), item, size)
        return {}

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


_check_item: Final = enveloped(check_item)
