"""Members that several operations on items share, and what their requests have in common beyond the shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from elastickv.dynamodb_api.attributes import Value
from elastickv.dynamodb_api.capacity import Consumed, collection_metrics, wanted
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions import legacy
from elastickv.dynamodb_api.layers import ENVELOPE, too_deep_to_read
from elastickv.dynamodb_api.parameters import Expressions
from elastickv.dynamodb_api.registry import Call
from elastickv.dynamodb_api.shapes import (
    ATTRIBUTE_VALUE,
    Boolean,
    Kind,
    ListOf,
    MapOf,
    Shape,
    String,
    Struct,
    lower_first,
    required,
)
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

_NO_MEMBER: Final = "Failed to satisfy constraint: Member must satisfy enum value set: "
_NO_OPERATOR: Final = _NO_MEMBER + "[ALL, OR]"
_IN_NEWER_WORDS: Final = {
    "ReturnValues": _NO_MEMBER + "[ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATE_NEW, NONE]",
    "ConditionalOperator": _NO_OPERATOR,
}
"""What is not among a member's words. (The lists are AWS' own, although they are not right.)"""


class WriteShape(Shape):
    """A request of PutItem, UpdateItem or DeleteItem. With all members that must be there it is judged by the newer of
    AWS' layers, which has words of its own for some of them.

    `one_by_one`: that layer stops at the first of them (UpdateItem).
    """

    def __init__(self, *, one_by_one: bool = False, **members: Kind) -> None:
        super().__init__((), **members)
        self.one_by_one = one_by_one

    def refusal(self, request: dict[str, Any], errors: list[str]) -> ValidationException:
        if any(name not in request for name in self._must) or too_deep_to_read(request):
            return super().refusal(request, errors)
        if not request["TableName"]:
            return ValidationException(
                f"{ENVELOPE}Value at 'TableName' failed to satisfy constraint: "
                "Member must have length greater than or equal to 1"
            )
        of_table = [error for error in errors if error.startswith(f"Value '{request['TableName']}' at 'tableName' ")]
        if of_table:
            return super().refusal(request, of_table)
        for name, sentence in _IN_NEWER_WORDS.items():
            older = f"Value '{request.get(name)}' at '{lower_first(name)}' failed"
            for place, error in enumerate(errors):
                if error.startswith(older):
                    if self.one_by_one:
                        return super().refusal(request, [sentence])
                    errors[place] = sentence
        return super().refusal(request, errors)


class QueryShape(Shape):
    """A Query names no other mistake beside a ConditionalOperator that is none."""

    def refusal(self, request: dict[str, Any], errors: list[str]) -> ValidationException:
        if request.get("ConditionalOperator", "AND") not in CONDITIONAL_OPERATOR.enum:
            return ValidationException(_NO_OPERATOR)
        return super().refusal(request, errors)


def expected_of(request: Mapping[str, Any]) -> Holds | None:
    """The legacy condition of a write."""
    conditions = request.get("Expected")
    operator = request.get("ConditionalOperator")
    if conditions is None and operator is None:
        return None
    legacy.check_conditional_operator(operator, conditions, current=True)
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
