"""UpdateItem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elastickv.dynamodb_api import schema, tables, writes
from elastickv.dynamodb_api.attributes import (
    EMPTY_NAME,
    MAX_ITEM_BYTES,
    UPDATE_TOO_LARGE,
    Value,
    check_item,
    check_name,
)
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions import legacy
from elastickv.dynamodb_api.expressions.charge import charge
from elastickv.dynamodb_api.expressions.nodes import Update
from elastickv.dynamodb_api.expressions.update import LEGACY_MISMATCH, WRONG_TYPE
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
    ATTRIBUTE_VALUE,
    ITEM,
    NAMES,
    RETURN_CONSUMED_CAPACITY,
    RETURN_ITEM_COLLECTION_METRICS,
    TABLE_NAME,
    VALUES,
    MapOf,
    String,
    Struct,
    required,
)
from elastickv.dynamodb_api.writes import Holds


@operation(
    "UpdateItem",
    shape=WriteShape(
        one_by_one=True,
        ReturnConsumedCapacity=RETURN_CONSUMED_CAPACITY,
        TableName=required(TABLE_NAME),
        ReturnItemCollectionMetrics=RETURN_ITEM_COLLECTION_METRICS,
        ReturnValues=RETURN_VALUES,
        ConditionalOperator=CONDITIONAL_OPERATOR,
        Key=required(ITEM),
        Expected=EXPECTED,
        AttributeUpdates=MapOf(
            Struct("AttributeValueUpdate", Action=String(enum=("ADD", "DELETE", "PUT")), Value=ATTRIBUTE_VALUE)
        ),
        ReturnValuesOnConditionCheckFailure=ON_CONDITION_FAILURE,
        ConditionExpression=String(),
        UpdateExpression=String(),
        ExpressionAttributeValues=VALUES,
        ExpressionAttributeNames=NAMES,
    ),
    layered=False,
)
def update_item(call: Call) -> dict[str, Any]:
    """Change attributes of an item, or make one that has them."""
    request = call.request
    key = request["Key"]
    actions, values, nested_heads, holds = _read(request)

    table = tables.table(call.view, request["TableName"])
    schema.check_key(table, key)
    if actions is not None:
        schema.check_update(table, actions, values)
    schema.check_nested_keys(table, nested_heads)
    if "UpdateExpression" in request:
        assert actions is not None
        if charge(actions, values) > MAX_ITEM_BYTES:
            raise ValidationException(UPDATE_TOO_LARGE)

    def write() -> dict[str, Any]:
        change = writes.update(
            call.view,
            table,
            key,
            actions,
            values,
            holds,
            return_item=returns_item(request),
            mismatch=LEGACY_MISMATCH if "AttributeUpdates" in request else WRONG_TYPE,
        )
        answer: dict[str, Any] = {}
        attributes = writes.returned(request.get("ReturnValues", "NONE"), change, actions)
        if attributes is not None:
            answer["Attributes"] = attributes
        return written(call, change, answer, key)

    return writes.whole(call.view, table, write)


@enveloped
def _read(request: Mapping[str, Any]) -> tuple[Update | None, Mapping[str, Value], set[str], Holds | None]:
    """What can be judged without the table: the update, its values, attributes whose inside it names, the condition."""
    check_styles(
        request,
        ("UpdateExpression", "ConditionExpression"),
        ("AttributeUpdates", "Expected", "ConditionalOperator"),
        current=True,
    )
    check_item(request["Key"])
    actions: Update | None = None
    values: Mapping[str, Value] = {}
    legacy_updates = request.get("AttributeUpdates")
    if legacy_updates is not None:
        if "" in legacy_updates:
            raise ValidationException(EMPTY_NAME)
        for name in legacy_updates:
            check_name(name)
        actions, values = legacy.attribute_updates(legacy_updates)
    holds = expected_of(request)
    expressions = Expressions(request, current=True)
    prepared = expressions.update()
    holds = expression_of(expressions) or holds
    expressions.finish()
    if prepared is None:
        return actions, values, set(), holds
    return prepared.tree, expressions.values, prepared.nested_heads, holds
