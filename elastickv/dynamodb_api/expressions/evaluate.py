"""A condition's tree -> a function of an item and the request's values.

Made once per tree and cached with it (`resolve`): asking an item then costs calls, and no look at the tree. A path that
leads nowhere makes every comparison false but <>; operands of different types are not equal, and neither less nor
greater.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any, Final

from elastickv.dynamodb_api.attributes import ORDERED, Value, equal, kind_of, order, text_bytes
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
from elastickv.dynamodb_api.expressions.paths import lookup

Document = Mapping[str, Value]
Values = Mapping[str, Value]
Test = Callable[[Document, Values], bool]
Getter = Callable[[Document, Values], Value | None]


def condition_test(condition: Condition) -> Test:
    if isinstance(condition, Comparison):
        return _comparison(condition)
    if isinstance(condition, Function):
        return _FUNCTIONS[condition.name](condition)
    if isinstance(condition, Both):
        both = [condition_test(one) for one in condition.conditions]
        return lambda item, values: all(test(item, values) for test in both)
    if isinstance(condition, Either):
        either = [condition_test(one) for one in condition.conditions]
        return lambda item, values: any(test(item, values) for test in either)
    if isinstance(condition, Not):
        inner = condition_test(condition.condition)
        return lambda item, values: not inner(item, values)
    if isinstance(condition, Between):
        return _between(condition)
    return _in(condition)


def _getter(operand: Operand) -> Getter:
    if isinstance(operand, ValueRef):
        reference = operand.name
        return lambda item, values: values[reference]
    if isinstance(operand, Path):
        steps = operand.steps
        if len(steps) == 1:
            name = str(steps[0])
            return lambda item, values: item.get(name)
        return lambda item, values: lookup(item, steps)
    assert isinstance(operand, Function), "conditions have no arithmetic"
    inner = _getter(operand.arguments[0])
    return lambda item, values: size_of(inner(item, values))


def size_of(value: Value | None) -> Value | None:
    """size(): bytes of text and binary, members of sets, lists and maps; nothing for other types."""
    if value is None:
        return None
    kind = kind_of(value)
    data = value[kind]
    if kind == "S":
        return {"N": str(text_bytes(data))}
    if kind == "B":
        return {"N": str(len(b64decode(data)))}
    if kind in ("SS", "NS", "BS", "L", "M"):
        return {"N": str(len(data))}
    return None


def in_order(left: Value | None, right: Value | None) -> tuple[Any, Any] | None:
    """Both as things that compare; None when there is no order between them."""
    if left is None or right is None:
        return None
    kind = kind_of(left)
    if kind not in right or kind not in ORDERED:
        return None
    return order(left), order(right)


def _comparison(condition: Comparison) -> Test:
    left, right = _getter(condition.left), _getter(condition.right)
    operator = condition.operator
    if operator == "=":

        def is_equal(item: Document, values: Values) -> bool:
            one, other = left(item, values), right(item, values)
            return one is not None and other is not None and equal(one, other)

        return is_equal
    if operator == "<>":

        def is_unequal(item: Document, values: Values) -> bool:
            one, other = left(item, values), right(item, values)
            # What is not there is unequal to everything, also to another thing that is not there.
            return one is None or other is None or not equal(one, other)

        return is_unequal
    holds = _ORDERS[operator]

    def is_ordered(item: Document, values: Values) -> bool:
        pair = in_order(left(item, values), right(item, values))
        return pair is not None and holds(*pair)

    return is_ordered


_ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


def _between(condition: Between) -> Test:
    operand, low, high = _getter(condition.operand), _getter(condition.low), _getter(condition.high)

    def is_between(item: Document, values: Values) -> bool:
        value = operand(item, values)
        lower = in_order(low(item, values), value)
        if lower is None or lower[0] > lower[1]:
            return False
        upper = in_order(value, high(item, values))
        return upper is not None and bool(upper[0] <= upper[1])

    return is_between


def _in(condition: In) -> Test:
    operand = _getter(condition.operand)
    options = [_getter(one) for one in condition.options]

    def is_one_of(item: Document, values: Values) -> bool:
        value = operand(item, values)
        if value is None:
            return False
        for option in options:
            other = option(item, values)
            if other is not None and equal(value, other):
                return True
        return False

    return is_one_of


def _exists(condition: Function) -> Test:
    value = _getter(condition.arguments[0])
    return lambda item, values: value(item, values) is not None


def _not_exists(condition: Function) -> Test:
    value = _getter(condition.arguments[0])
    return lambda item, values: value(item, values) is None


def _attribute_type(condition: Function) -> Test:
    value, wanted = map(_getter, condition.arguments)

    def has_type(item: Document, values: Values) -> bool:
        one, word = value(item, values), wanted(item, values)
        return one is not None and word is not None and word.get("S") in one

    return has_type


def _begins_with(condition: Function) -> Test:
    value, start = map(_getter, condition.arguments)

    def begins(item: Document, values: Values) -> bool:
        one, other = value(item, values), start(item, values)
        return one is not None and other is not None and begins_with(one, other)

    return begins


def begins_with(value: Value, start: Value) -> bool:
    if "S" in value and "S" in start:
        text: str = value["S"]
        return text.startswith(start["S"])
    return "B" in value and "B" in start and b64decode(value["B"]).startswith(b64decode(start["B"]))


def _contains(condition: Function) -> Test:
    value, part = map(_getter, condition.arguments)

    def has(item: Document, values: Values) -> bool:
        one, other = value(item, values), part(item, values)
        return one is not None and other is not None and contains(one, other)

    return has


def contains(value: Value, part: Value) -> bool:
    """Text in text, bytes in bytes, a member in a set, an element in a list."""
    kind = kind_of(value)
    data = value[kind]
    if kind == "L":
        return any(equal(one, part) for one in data)
    if kind == "S":
        return "S" in part and part["S"] in data
    if kind == "B":
        return "B" in part and b64decode(part["B"]) in b64decode(data)
    if kind in ("SS", "NS", "BS"):
        return part.get(kind[0]) in data
    return False


_FUNCTIONS: Final[Mapping[str, Callable[[Function], Test]]] = {
    "attribute_exists": _exists,
    "attribute_not_exists": _not_exists,
    "attribute_type": _attribute_type,
    "begins_with": _begins_with,
    "contains": _contains,
}
