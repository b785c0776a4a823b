"""The key condition of a Query, in both styles, and the range of keys that it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from elastickv.dynamodb_api import composite_keys
from elastickv.dynamodb_api.attributes import INVALID, Item, Value
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions import legacy
from elastickv.dynamodb_api.expressions.evaluate import condition_test
from elastickv.dynamodb_api.expressions.nodes import (
    Between,
    Both,
    Comparison,
    Condition,
    Either,
    Function,
    In,
    Not,
    Operand,
    Path,
    ValueRef,
)
from elastickv.dynamodb_api.item_keys import begins, equals, group_start, lower, upper
from elastickv.dynamodb_api.tables import KeyAttribute
from elastickv.kv.keyspace import prefix_end

_OPERATORS: Final = {"=": "EQ", "<": "LT", "<=": "LE", ">": "GT", ">=": "GE"}
_MIRRORED: Final = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NOT_INDEXABLE: Final = frozenset(("NULL", "NOT_NULL", "NE", "CONTAINS", "NOT_CONTAINS", "IN"))

NOT_SUPPORTED: Final = "Query key condition not supported"
_INVALID_OPERATOR: Final = "Invalid operator used in KeyConditionExpression: "
_INVALID_CONDITION: Final = "Invalid condition in KeyConditionExpression: "


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """One attribute's: the legacy name of the operator, and its values."""

    operator: str
    values: Sequence[Value]


KeyConditions = Mapping[str, KeyCondition]


def from_legacy(conditions: Mapping[str, Mapping[str, Any]]) -> KeyConditions:
    """KeyConditions, checked."""
    found = {name: KeyCondition(operator, values) for name, operator, values in legacy.conditions(conditions)}
    if not found:
        raise ValidationException("Conditions can be of length 1 or 2 only")
    return found


def from_expression(condition: Condition, values: Mapping[str, Value]) -> KeyConditions:
    """KeyConditionExpression: one comparison for each key attribute, joined by AND."""
    found: dict[str, KeyCondition] = {}
    parts = condition.conditions if isinstance(condition, Both) else (condition,)
    for part in parts:
        _read(part, values, found)
    for one in found.values():
        legacy.check_operator(one.operator, one.values)
    return found


def _read(condition: Condition, values: Mapping[str, Value], found: dict[str, KeyCondition]) -> None:
    operands: tuple[Operand, ...]
    if isinstance(condition, Both):
        for part in condition.conditions:
            _read(part, values, found)
        return
    if isinstance(condition, Either):
        raise ValidationException(_INVALID_OPERATOR + "OR")
    if isinstance(condition, Not):
        raise ValidationException(_INVALID_OPERATOR + "NOT")
    if isinstance(condition, In):
        raise ValidationException(_INVALID_OPERATOR + "IN")
    if isinstance(condition, Function):
        if condition.name != "begins_with":
            raise ValidationException(_INVALID_OPERATOR + condition.name)
        operator = "BEGINS_WITH"
        operands = condition.arguments
        if not isinstance(operands[0], Path):
            raise ValidationException(
                f"{_INVALID_CONDITION}begins_with operator must have the key attribute as its first operand"
            )
    elif isinstance(condition, Between):
        operator = "BETWEEN"
        operands = (condition.operand, condition.low, condition.high)
        if not isinstance(operands[0], Path):
            raise ValidationException(
                f"{_INVALID_CONDITION}BETWEEN operator must have the key attribute as its first operand"
            )
    else:
        if condition.operator == "<>":
            raise ValidationException(_INVALID_OPERATOR + "<>")
        operator, operands = _compared(condition)
    name = ""
    given: list[Value] = []
    for operand in operands:
        if isinstance(operand, Path):
            if name:
                raise ValidationException(f"{_INVALID_CONDITION}Multiple attribute names used in one condition")
            if len(operand.steps) > 1:
                raise ValidationException(
                    "Invalid KeyConditionExpression: "
                    "KeyConditionExpressions cannot have conditions on nested attributes"
                )
            name = str(operand.steps[0])
        elif isinstance(operand, ValueRef):
            given.append(values[operand.name])
        else:
            raise ValidationException("KeyConditionExpressions cannot contain nested operations")
    if not name:
        raise ValidationException(f"{_INVALID_CONDITION}No key attribute specified")
    if name in found:
        raise ValidationException(
            "Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key"
        )
    found[name] = KeyCondition(operator, given)


def _compared(condition: Comparison) -> tuple[str, tuple[Operand, ...]]:
    """The operator as if the attribute stood on the left."""
    if isinstance(condition.left, ValueRef) and isinstance(condition.right, Path):
        return _OPERATORS[_MIRRORED[condition.operator]], (condition.right, condition.left)
    return _OPERATORS[condition.operator], (condition.left, condition.right)


def check_attribute(
    conditions: KeyConditions, hashes: Sequence[KeyAttribute], ranges: Sequence[KeyAttribute], number: int
) -> None:
    """The conditions held against one attribute of the key of what is queried: that of the partition key's attributes
    and then the sort key's which has this number."""
    count = len(hashes) + len(ranges)
    if len(conditions) > max(count, 2):
        raise ValidationException(
            f"The number of query conditions ({len(conditions)}) exceeds the number of key attributes defined in the "
            f"schema ({count})"
        )
    first = number < len(hashes)
    attribute = hashes[number] if first else ranges[number - len(hashes)]
    if number == 0 and len(conditions) > count:
        raise ValidationException(NOT_SUPPORTED)
    if number == len(hashes):
        _check_order(conditions, ranges, len(conditions) - len(hashes))
    condition = conditions.get(attribute.name)
    if condition is None:
        if first:
            raise _missed(attribute)
        return
    if condition.operator in _NOT_INDEXABLE:
        raise ValidationException("Attempted conditional constraint is not an indexable operation")
    if any(attribute.type not in value for value in condition.values):
        raise ValidationException(f"{INVALID}Condition parameter type does not match schema type")
    if first and condition.operator != "EQ":
        raise ValidationException(NOT_SUPPORTED)
    for value in condition.values:
        if attribute.type != "N" and not value[attribute.type]:
            word = "string" if attribute.type == "S" else "binary"
            raise ValidationException(
                "One or more parameter values are not valid. The AttributeValue for a key attribute "
                f"cannot contain an empty {word} value. Key: {attribute.name}"
            )


def _missed(attribute: KeyAttribute) -> ValidationException:
    return ValidationException(f"Query condition missed key schema element: {attribute.name}")


def _check_order(conditions: KeyConditions, ranges: Sequence[KeyAttribute], number: int) -> None:
    """The sort key's attributes are given from left to right, and all but the last of them by equality. `number`: of
    conditions that are left for them."""
    given = [attribute.name for attribute in ranges if attribute.name in conditions]
    if len(given) < number:
        raise next(_missed(attribute) for attribute in ranges if attribute.name not in conditions)
    if not given:
        return
    last = given[-1]
    loose = []
    for attribute in ranges:
        if attribute.name == last:
            break
        condition = conditions.get(attribute.name)
        if condition is None or condition.operator != "EQ":
            loose.append(attribute.name)
    if loose:
        raise ValidationException(
            f"RANGE key attributes {', '.join(loose)} must have equality conditions specified in the query because a "
            f"condition is present on key attribute {last}"
        )


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Where to walk, and what to ask items there when the bounds are not exact."""

    start: bytes
    end: bytes
    matches: Callable[[Item], bool] | None
    """None: everything between start and end is meant."""


def key_range(inside: bytes, ranges: Sequence[KeyAttribute], conditions: KeyConditions) -> KeyRange:
    """`inside`: the prefix of the partition; `ranges`: the sort key's attributes. The conditions have been checked."""
    given = [(attribute.name, conditions[attribute.name]) for attribute in ranges if attribute.name in conditions]
    if not given:
        return KeyRange(inside, prefix_end(inside), None)
    if len(ranges) == 1:
        return _single(inside, *given[0])
    *equal, (_, last) = given
    span = composite_keys.span(
        inside,
        [condition.values[0] for _, condition in equal],
        last.operator,
        last.values,
        count=len(ranges),
    )
    return KeyRange(span.start, span.end, None if span.exact else sort_test(given))


def _single(inside: bytes, name: str, condition: KeyCondition) -> KeyRange:
    operator, values = condition.operator, condition.values
    value = values[0]
    start, end = inside, prefix_end(inside)
    if operator == "EQ":
        start, end = equals(inside, value)
    elif operator == "BEGINS_WITH":
        start, end = begins(inside, value)
    elif operator == "BETWEEN":
        start = lower(inside, value, including=True)
        end = upper(inside, values[1], including=True)
    elif operator in ("LT", "LE"):
        end = upper(inside, value, including=operator == "LE")
    else:
        start = lower(inside, value, including=operator == "GE")
    if all(group_start(one) is None for one in values):
        return KeyRange(start, end, None)
    return KeyRange(start, end, sort_test([(name, condition)]))


def sort_test(given: Sequence[tuple[str, KeyCondition]]) -> Callable[[Item], bool]:
    """Conditions on attributes of the sort key as something to ask an item."""
    values: dict[str, Value] = {}
    trees = [legacy.tree(name, condition.operator, condition.values, values) for name, condition in given]
    test = condition_test(trees[0] if len(trees) == 1 else Both(tuple(trees)))
    return lambda item: test(item, values)
