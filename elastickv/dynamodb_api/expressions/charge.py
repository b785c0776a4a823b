"""What UpdateItem measures beside the finished item: its UpdateExpression, clause by clause.

Neither the item's key nor attributes that the expression leaves alone count, and nothing of the item that is there
does, so that a large enough statement is refused whatever it would do, even where its condition would fail. (Measured
at AWS to the byte, in 31 of 33 regions in October 2026: github.com/paritysuite/dynamodb-conformance. The others, and
transactions, PartiQL and AttributeUpdates everywhere, look at the finished item only.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from elastickv.dynamodb_api.attributes import Value, text_bytes, value_size
from elastickv.dynamodb_api.expressions.nodes import (
    Arithmetic,
    DeleteAction,
    Operand,
    Path,
    RemoveAction,
    Steps,
    Update,
    ValueRef,
)

_UPDATE: Final = 3
_WRITE: Final = 19
"""Of SET and ADD."""
_TAKE: Final = 1
"""Of REMOVE and DELETE; what they take away is free."""
_TARGET_STEP: Final = 4
_READ: Final = 1
_READ_STEP: Final = 14
"""Of a path that is read, for each of its steps; the value there is free."""
_FUNCTIONS: Final = {"+": 34, "-": 37, "list_append": 37, "if_not_exists": 39}
"""Their results are free, their operands are not."""


def charge(update: Update, values: Mapping[str, Value]) -> int:
    """In bytes."""
    total = _UPDATE
    for action in update.actions:
        total += _target(action.path.steps)
        if isinstance(action, RemoveAction | DeleteAction):
            total += _TAKE
        else:
            total += _WRITE + _operand(action.value, values)
    return total


def _target(steps: Steps) -> int:
    return sum(map(_step, steps)) + _TARGET_STEP * (len(steps) - 1)


def _step(step: str | int) -> int:
    return len(str(step)) if isinstance(step, int) else text_bytes(step)


def _operand(operand: Operand, values: Mapping[str, Value]) -> int:
    if isinstance(operand, ValueRef):
        return value_size(values[operand.name])
    if isinstance(operand, Path):
        return _READ + sum(_READ_STEP + _step(step) for step in operand.steps)
    if isinstance(operand, Arithmetic):
        return _FUNCTIONS[operand.operator] + _operand(operand.left, values) + _operand(operand.right, values)
    return _FUNCTIONS[operand.name] + sum(_operand(one, values) for one in operand.arguments)
