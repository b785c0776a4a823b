"""The legacy parameters (Expected, KeyConditions, QueryFilter, ScanFilter, AttributeUpdates) as the trees of
expressions.

What they mean is what the tree means. What is wrong with them has words of its own, checked here in AWS' order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from elastickv.dynamodb_api.attributes import INVALID, SETS, Value, check, kind_of, order
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions.evaluate import Document, Test, condition_test
from elastickv.dynamodb_api.expressions.nodes import (
    Action,
    AddAction,
    Between,
    Both,
    Comparison,
    Condition,
    DeleteAction,
    Either,
    Function,
    In,
    Not,
    Path,
    RemoveAction,
    SetAction,
    Update,
    ValueRef,
)

_COMPARATORS: Final = {"EQ": "=", "NE": "<>", "LE": "<=", "LT": "<", "GE": ">=", "GT": ">"}
_COUNTS: Final = {
    "NULL": (0, 0),
    "NOT_NULL": (0, 0),
    "EQ": (1, 1),
    "NE": (1, 1),
    "LE": (1, 1),
    "LT": (1, 1),
    "GE": (1, 1),
    "GT": (1, 1),
    "CONTAINS": (1, 1),
    "NOT_CONTAINS": (1, 1),
    "BEGINS_WITH": (1, 1),
    "IN": (1, None),
    "BETWEEN": (2, 2),
}
"""How many values an operator takes."""
_SCALAR: Final = frozenset(("S", "N", "B"))
_TYPES: Final[Mapping[str, frozenset[str]]] = {
    "LE": _SCALAR,
    "LT": _SCALAR,
    "GE": _SCALAR,
    "GT": _SCALAR,
    "CONTAINS": _SCALAR,
    "NOT_CONTAINS": _SCALAR,
    "BEGINS_WITH": frozenset(("S", "B")),
    "IN": _SCALAR,
    "BETWEEN": _SCALAR,
}
"""Of which types the values may be; other operators take all."""
OPERATORS: Final = tuple(
    "IN NULL BETWEEN LT NOT_CONTAINS EQ GT NOT_NULL NE LE BEGINS_WITH GE CONTAINS".split()  # noqa: SIM905  # AWS' order
)

UNORDERED_BOUNDS: Final = (
    "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"
)


@dataclass(frozen=True, slots=True)
class LegacyCondition:
    test: Test
    values: dict[str, Value]
    names: tuple[str, ...]
    """Attributes that it looks at."""

    def holds(self, item: Document) -> bool:
        return self.test(item, self.values)


def check_operator(operator: str, values: Sequence[Value]) -> None:
    """Number, types and order of an operator's values, which passed the gate."""
    least, most = _COUNTS[operator]
    if len(values) < least or (most is not None and len(values) > most):
        raise ValidationException(f"{INVALID}Invalid number of argument(s) for the {operator} ComparisonOperator")
    if not values:
        return
    kind = kind_of(values[0])
    if any(kind not in value for value in values):
        raise ValidationException(f"{INVALID}AttributeValues inside AttributeValueList must be of same type")
    allowed = _TYPES.get(operator)
    if allowed is not None and kind not in allowed:
        raise ValidationException(f"{INVALID}ComparisonOperator {operator} is not valid for {kind} AttributeValue type")
    if operator == "BETWEEN" and order(values[0]) > order(values[1]):
        raise ValidationException(UNORDERED_BOUNDS)


def conditions(filters: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, list[Value]]]:
    """KeyConditions, QueryFilter or ScanFilter, checked: (attribute, operator, values)."""
    found = []
    for name, condition in filters.items():
        operator: str = condition["ComparisonOperator"]
        values: list[Value] = condition.get("AttributeValueList", [])
        for value in values:
            check(value)
        check_operator(operator, values)
        found.append((name, operator, values))
    return found


def filter_condition(
    filters: Mapping[str, Mapping[str, Any]], conditional_operator: str | None
) -> LegacyCondition | None:
    return _joined(conditions(filters), conditional_operator)


def check_conditional_operator(
    operator: str | None, conditions: Mapping[str, Any] | None, *, current: bool = False
) -> None:
    """ConditionalOperator joins two or more conditions; without them it is refused. `current`: in the newer words."""
    if operator is None:
        return
    invalid = "" if current else INVALID
    if not conditions:
        raise ValidationException(f"{invalid}ConditionalOperator cannot be used without Filter or Expected")
    if len(conditions) < 2:
        raise ValidationException(
            f"{invalid}ConditionalOperator can only be used when Filter or Expected has two or more elements"
        )


def expected(conditions: Mapping[str, Mapping[str, Any]], conditional_operator: str | None) -> LegacyCondition | None:
    return _joined([_expected(name, condition) for name, condition in conditions.items()], conditional_operator)


def _expected(name: str, condition: Mapping[str, Any]) -> tuple[str, str, list[Value]]:
    value: Value | None = condition.get("Value")
    values: list[Value] | None = condition.get("AttributeValueList")
    exists: bool | None = condition.get("Exists")
    operator: str | None = condition.get("ComparisonOperator")
    if values is not None and value is not None:
        raise ValidationException(
            f"{INVALID}Value and AttributeValueList cannot be used together for Attribute: {name}"
        )
    if operator is not None:
        if exists is not None:
            raise ValidationException(
                f"{INVALID}Exists and ComparisonOperator cannot be used together for Attribute: {name}"
            )
        if operator not in ("NULL", "NOT_NULL") and values is None and value is None:
            raise ValidationException(
                f"{INVALID}Value or AttributeValueList must be used with ComparisonOperator: {operator} "
                f"for Attribute: {name}"
            )
        given = values if values is not None else [value] if value is not None else []
        for one in given:
            check(one)
        check_operator(operator, given)
        return name, operator, given
    if values is not None:
        raise ValidationException(
            f"{INVALID}AttributeValueList can only be used with a ComparisonOperator for Attribute: {name}"
        )
    if exists is False:
        if value is not None:
            raise ValidationException(f"{INVALID}Value cannot be used when Exists is false for Attribute: {name}")
        return name, "NULL", []
    if value is None:
        word = "null" if exists is None else "true"
        raise ValidationException(f"{INVALID}Value must be provided when Exists is {word} for Attribute: {name}")
    check(value)
    return name, "EQ", [value]


def _joined(parts: Sequence[tuple[str, str, list[Value]]], conditional_operator: str | None) -> LegacyCondition | None:
    if not parts:
        return None
    values: dict[str, Value] = {}
    trees = tuple([tree(name, operator, given, values) for name, operator, given in parts])
    joined: Condition = trees[0]
    if len(trees) > 1:
        joined = Either(trees) if conditional_operator == "OR" else Both(trees)
    return LegacyCondition(condition_test(joined), values, tuple(name for name, _, _ in parts))


def tree(name: str, operator: str, given: Sequence[Value], values: dict[str, Value]) -> Condition:
    """One condition; its values are put into `values` under names of their own."""
    path = Path((name,))
    references = []
    for value in given:
        reference = f":{len(values)}"
        values[reference] = value
        references.append(ValueRef(reference))
    if operator in _COMPARATORS:
        return Comparison(_COMPARATORS[operator], path, references[0])
    if operator == "NULL":
        return Function("attribute_not_exists", (path,))
    if operator == "NOT_NULL":
        return Function("attribute_exists", (path,))
    if operator == "BETWEEN":
        return Between(path, *references)
    if operator == "IN":
        return In(path, tuple(references))
    if operator == "BEGINS_WITH":
        return Function("begins_with", (path, references[0]))
    contains = Function("contains", (path, references[0]))
    return contains if operator == "CONTAINS" else Not(contains)


def attribute_updates(updates: Mapping[str, Mapping[str, Any]]) -> tuple[Update, dict[str, Value]]:
    """AttributeUpdates as an update and its values."""
    actions: list[Action] = []
    values: dict[str, Value] = {}
    for name, update in updates.items():
        action: str = update.get("Action", "PUT")
        value: Value | None = update.get("Value")
        path = Path((name,))
        if value is None:
            if action != "DELETE":
                raise ValidationException(
                    f"{INVALID}Only DELETE action is allowed when no attribute value is specified"
                )
            actions.append(RemoveAction(path))
            continue
        check(value)
        kind = kind_of(value)
        reference = ValueRef(f":{len(values)}")
        values[reference.name] = value
        if action == "PUT":
            actions.append(SetAction(path, value=reference))
        elif action == "DELETE":
            if kind not in SETS:
                raise ValidationException(f"{INVALID}DELETE action with value is not supported for the type {kind}")
            actions.append(DeleteAction(path, reference))
        else:
            if kind not in SETS and kind not in ("N", "L"):
                raise ValidationException(f"{INVALID}ADD action is not supported for the type {kind}")
            actions.append(AddAction(path, reference))
    return Update(tuple(actions), ()), values
