"""DeleteItem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elastickv.dynamodb_api import records, schema, tables, writes
from elastickv.dynamodb_api.attributes import check_item
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
    "DeleteItem",
    shape=WriteShape(
        ReturnConsumedCapacity=RETURN_CONSUMED_CAPACITY,
        TableName=required(TABLE_NAME),
        ReturnValues=RETURN_VALUES,
        ReturnItemCollectionMetrics=RETURN_ITEM_COLLECTION_METRICS,
        Key=required(ITEM),
        ConditionalOperator=CONDITIONAL_OPERATOR,
        Expected=EXPECTED,
        ReturnValuesOnConditionCheckFailure=ON_CONDITION_FAILURE,
        ConditionExpression=String(),
        ExpressionAttributeValues=VALUES,
        ExpressionAttributeNames=NAMES,
    ),
    layered=False,
)
def delete_item(call: Call) -> dict[str, Any]:
    """Remove the item with a key, if it is there."""
    request = call.request
    key = request["Key"]
    holds = _read(request)
    table = tables.table(call.view, request["TableName"])
    schema.check_key(table, key)

    def write() -> dict[str, Any]:
        change = writes.delete(call.view, table, key, holds, return_item=returns_item(request))
        answer: dict[str, Any] = {}
        if request.get("ReturnValues") == "ALL_OLD" and change.before is not None:
            answer["Attributes"] = records.fragment(change.before)
        return written(call, change, answer, key)

    return writes.whole(call.view, table, write)


@enveloped
def _read(request: Mapping[str, Any]) -> Holds | None:
    """What can be judged without the table; the condition."""
    check_styles(request, ("ConditionExpression",), ("Expected", "ConditionalOperator"), current=True)
    check_item(request["Key"])
    if request.get("ReturnValues", "NONE") not in ("ALL_OLD", "NONE"):
        raise ValidationException("ReturnValues can only be ALL_OLD or NONE")
    holds = expected_of(request)
    expressions = Expressions(request, current=True)
    holds = expression_of(expressions) or holds
    expressions.finish()
    return holds
