"""PutItem."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api import items, records, schema, tables, writes
from elastickv.dynamodb_api.attributes import MAX_ITEM_BYTES, TOO_LARGE, Item, check_item
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.item_shapes import (
    CONDITIONAL_OPERATOR,
    EXPECTED,
    ON_CONDITION_FAILURE,
    RETURN_VALUES,
    expected_of,
    expression_of,
    returns_item,
    written,
)
from elastickv.dynamodb_api.parameters import Expressions, check_styles
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import (
    ITEM,
    NAMES,
    RETURN_CONSUMED_CAPACITY,
    RETURN_ITEM_COLLECTION_METRICS,
    TABLE_NAME,
    VALUES,
    Shape,
    String,
    required,
)
from elastickv.kv.view import View


@operation(
    "PutItem",
    shape=Shape(
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
)
def put_item(call: Call) -> dict[str, Any]:
    """Write a whole item, in place of the one with its key."""
    request = call.request
    if len(request) == 2:
        return _put_plainly(call.view, request["TableName"], request["Item"])
    check_styles(request, ("ConditionExpression",), ("Expected", "ConditionalOperator"))
    item = request["Item"]
    size = check_item(item)
    mode = request.get("ReturnValues", "NONE")
    if mode not in ("ALL_OLD", "NONE"):
        raise ValidationException("ReturnValues can only be ALL_OLD or NONE")
    if size > MAX_ITEM_BYTES:
        raise ValidationException(TOO_LARGE)
    holds = expected_of(request)
    expressions = Expressions(request)
    holds = expression_of(expressions) or holds
    expressions.finish()

    table = tables.table(call.view, request["TableName"])
    schema.check_item(table, item)
    change = writes.put(call.view, table, item, size, holds, return_item=returns_item(request))
    answer: dict[str, Any] = {}
    if mode == "ALL_OLD" and change.before is not None:
        answer["Attributes"] = records.fragment(change.before)
    return written(call, change, answer, item)


def _put_plainly(view: View, name: str, item: Item) -> dict[str, Any]:
    """A request that has no more than it must: the same as above without all that is optional."""
    size = check_item(item)
    if size > MAX_ITEM_BYTES:
        raise ValidationException(TOO_LARGE)
    table = tables.table(view, name)
    schema.check_item(table, item)
    place = items.item_key(table, item)
    items.store(view, table, place, view.get(place), item, size)
    return {}
