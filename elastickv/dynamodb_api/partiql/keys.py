"""What a WHERE clause says about keys: which item it names, or which partitions are to be read.

Only what is joined by AND at the top of the clause counts; everything in the clause is asked of each item besides, so
this decides how much is read and never what is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from elastickv.dynamodb_api.attributes import Key, Value, equal
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions.nodes import (
    Between,
    Both,
    Comparison,
    Condition,
    Function,
    In,
    Operand,
    Path,
    ValueRef,
)
from elastickv.dynamodb_api.key_conditions import KeyCondition
from elastickv.dynamodb_api.partiql.statements import Values
from elastickv.dynamodb_api.tables import KeyAttribute

_OPERATORS: Final = {"=": "EQ", "<": "LT", "<=": "LE", ">": "GT", ">=": "GE"}
_MIRRORED: Final = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def conjuncts(where: Condition | None) -> list[Condition]:
    """What is joined by AND at the top."""
    if where is None:
        return []
    if isinstance(where, Both):
        return [part for one in where.conditions for part in conjuncts(one)]
    return [where]


def item_key(
    where: Condition | None, keys: Sequence[KeyAttribute], values: Values, *, one_of: bool = False
) -> tuple[Key, list[Condition]] | None:
    """The primary key that the clause names by equality, and the rest of the clause; None when it does not name all of
    it. What says the same once more is no rest. `one_of`: an IN of one value is an equality as well."""
    rest: list[Condition] = []
    found: Key = {}
    names = {attribute.name for attribute in keys}
    for part in conjuncts(where):
        if one_of and isinstance(part, In) and len(part.options) == 1:
            part = Comparison("=", part.operand, part.options[0])
        named = _equality(part, values)
        if named is None or named[0] not in names:
            rest.append(part)
        elif named[0] not in found:
            found[named[0]] = named[1]
        elif not equal(found[named[0]], named[1]):
            rest.append(part)
    if len(found) < len(keys):
        return None
    return {attribute.name: found[attribute.name] for attribute in keys}, rest


def contradicted(rest: Sequence[Condition], key: Key, values: Values) -> str | None:
    """An attribute of the key for which the rest of the clause names another value."""
    for part in rest:
        named = _equality(part, values)
        if named is not None and named[0] in key:
            return named[0]
    return None


def _equality(part: Condition, values: Values) -> tuple[str, Value] | None:
    condition = key_condition(part, values)
    if condition is None or condition[1].operator != "EQ":
        return None
    return condition[0], condition[1].values[0]


def _single(operand: Operand) -> str | None:
    return str(operand.steps[0]) if isinstance(operand, Path) and len(operand.steps) == 1 else None


def key_condition(part: Condition, values: Values) -> tuple[str, KeyCondition] | None:
    """The attribute and the condition on it, if it is one that an ordered key can serve."""
    if isinstance(part, Comparison) and part.operator in _OPERATORS:
        left, right, operator = part.left, part.right, part.operator
        if isinstance(left, ValueRef):
            left, right, operator = right, left, _MIRRORED[operator]
        name = _single(left)
        if name is not None and isinstance(right, ValueRef):
            return name, KeyCondition(_OPERATORS[operator], (values[right.name],))
    elif isinstance(part, Between):
        name = _single(part.operand)
        if name is not None and isinstance(part.low, ValueRef) and isinstance(part.high, ValueRef):
            return name, KeyCondition("BETWEEN", (values[part.low.name], values[part.high.name]))
    elif isinstance(part, Function) and part.name == "begins_with":
        name = _single(part.arguments[0])
        start = part.arguments[1]
        if name is not None and isinstance(start, ValueRef):
            return name, KeyCondition("BEGINS_WITH", (values[start.name],))
    return None


def partitions(where: Condition | None, attribute: KeyAttribute, values: Values) -> list[Value] | None:
    """The partition keys that the clause names, by equality or IN; None when it names none: everything is read."""
    for part in conjuncts(where):
        named = _equality(part, values)
        if named is not None and named[0] == attribute.name:
            return _checked([named[1]], attribute)
        if isinstance(part, In) and part.operand == Path((attribute.name,)):
            options = [values[one.name] for one in part.options if isinstance(one, ValueRef)]
            if len(options) < len(part.options):
                continue
            return _checked(options, attribute)
    return None


def _checked(options: list[Value], attribute: KeyAttribute) -> list[Value]:
    distinct: list[Value] = []
    for value in options:
        check_type(value, attribute)
        if value not in distinct:
            distinct.append(value)
    return distinct


def check_type(value: Value, attribute: KeyAttribute) -> None:
    if attribute.type not in value:
        raise ValidationException(
            f"Key attribute's data type should match its data type in table's schema: Key {attribute.name}"
        )


def sort_condition(where: Condition | None, attribute: KeyAttribute, values: Values) -> KeyCondition | None:
    """A condition on the sort key that narrows what is read."""
    for part in conjuncts(where):
        found = key_condition(part, values)
        if found is not None and found[0] == attribute.name:
            condition = found[1]
            for value in condition.values:
                check_type(value, attribute)
            return condition
    return None


def as_hashed(names: Sequence[str]) -> list[str]:
    """Names as AWS lists them where Java keeps them in a HashSet: by the slots that their hashes fall into."""
    distinct = list(dict.fromkeys(names))
    slots = 16
    while len(distinct) > slots * 3 // 4:
        slots *= 2

    def slot(name: str) -> int:
        units = name.encode("utf-16-be", "surrogatepass")
        found = 0
        for at in range(0, len(units), 2):
            found = (31 * found + int.from_bytes(units[at : at + 2])) & 0xFFFFFFFF
        return (found ^ found >> 16) & (slots - 1)

    return sorted(distinct, key=slot)


def mentioned(where: Condition | None) -> list[str]:
    """Attributes that the clause looks at, in the order in which they stand there."""
    found: list[str] = []

    def walk(node: object) -> None:
        match node:
            case Path():
                if node.steps[0] not in found:
                    found.append(str(node.steps[0]))
            case Comparison():
                walk(node.left)
                walk(node.right)
            case Between():
                walk(node.operand)
                walk(node.low)
                walk(node.high)
            case In():
                walk(node.operand)
                for one in node.options:
                    walk(one)
            case Function():
                for argument in node.arguments:
                    walk(argument)
            case _:
                for inner in getattr(node, "conditions", None) or (getattr(node, "condition", None),):
                    if inner is not None:
                        walk(inner)

    if where is not None:
        walk(where)
    return found
