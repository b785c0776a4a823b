"""Members that several operations on items share, and what their requests have in common beyond the shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from elastickv.dynamodb_api.attributes import Value
from elastickv.dynamodb_api.capacity import Consumed, collection_metrics, wanted
from elastickv.dynamodb_api.expressions import legacy
from elastickv.dynamodb_api.parameters import Expressions
from elastickv.dynamodb_api.registry import Call
from elastickv.dynamodb_api.shapes import ATTRIBUTE_VALUE, Boolean, ListOf, MapOf, String, Struct, required
from elastickv.dynamodb_api.writes import Change, Holds, condition_of

COMPARISON_OPERATOR: Final = String(enum=legacy.OPERATORS)
CONDITIONAL_OPERATOR: Final = String(enum=("OR", "AND"))
EXPECTED: Final = MapOf(
    Struct(
        "ExpectedAttributeValue",
        AttributeValueList=ListOf(ATTRIBUTE_VALUE),
        ComparisonOperator=COMPARISON_OPERATOR,
        Exists=Boolean(),
        Value=ATTRIBUTE_VALUE,
    )
)
CONDITIONS: Final = MapOf(
    Struct(
        "Condition",
        AttributeValueList=ListOf(ATTRIBUTE_VALUE),
        ComparisonOperator=required(COMPARISON_OPERATOR),
    )
)
"""QueryFilter, ScanFilter, KeyConditions."""
ATTRIBUTES_TO_GET: Final = ListOf(String(), min=1, max=255)
RETURN_VALUES: Final = String(enum=("ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"))
ON_CONDITION_FAILURE: Final = String(enum=("ALL_OLD", "NONE"))
SELECT: Final = String(enum=("SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"))


def expected_of(request: Mapping[str, Any]) -> Holds | None:
    """The legacy condition of a write."""
    conditions = request.get("Expected")
    operator = request.get("ConditionalOperator")
    if conditions is None and operator is None:
        return None
    legacy.check_conditional_operator(operator, conditions)
    condition = legacy.expected(conditions or {}, operator)
    return None if condition is None else condition.holds


def expression_of(expressions: Expressions) -> Holds | None:
    """The condition expression of a write."""
    prepared = expressions.condition()
    return condition_of(prepared, expressions.values)


def returns_item(request: Mapping[str, Any]) -> bool:
    """Whether a failed condition shows the item."""
    return request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"


def written(call: Call, change: Change, answer: dict[str, Any], key: Mapping[str, Value]) -> dict[str, Any]:
    """Adds to the answer of a write what it costs and how large its collection is, when asked."""
    request = call.request
    mode = wanted(request)
    if mode:
        consumed = Consumed(change.table.name)
        old = change.old if change.table.indexes else None
        consumed.write(change.table, old, change.old_size, change.new, change.new_size)
        answer["ConsumedCapacity"] = consumed.answer(mode)
    if request.get("ReturnItemCollectionMetrics") == "SIZE":
        metrics = collection_metrics(call.view, change.table, dict(key))
        if metrics is not None:
            answer["ItemCollectionMetrics"] = metrics
    return answer
