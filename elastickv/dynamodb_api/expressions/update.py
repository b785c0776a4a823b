"""An update's tree × item -> the changed item.

Every operand sees the item as it was before the update. Numbers of list elements do too: elements that are removed or
added move only when all actions are done, and elements set behind the end come to the end in the order of their
numbers.
"""

from __future__ import annotations

from typing import Any, Final

from elastickv.dynamodb_api import decimals
from elastickv.dynamodb_api.attributes import (
    INVALID,
    MAX_DEPTH,
    SETS,
    TOO_DEEP,
    Item,
    Value,
    depth_of,
    in_order,
    kind_of,
)
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions.nodes import (
    Action,
    AddAction,
    Arithmetic,
    Function,
    Operand,
    Path,
    RemoveAction,
    SetAction,
    Steps,
    Update,
    ValueRef,
)
from elastickv.dynamodb_api.expressions.paths import child, lookup
from elastickv.dynamodb_api.expressions.resolve import Values

WRONG_TYPE: Final = "An operand in the update expression has an incorrect data type"
LEGACY_MISMATCH: Final = "Type mismatch for attribute to update"
NO_SUCH_PATH: Final = "The document path provided in the update expression is invalid for update"
NO_SUCH_ATTRIBUTE: Final = "The provided expression refers to an attribute that does not exist in the item"

_GONE: Final[Value] = {}
"""Stands for a removed element until the list is put together."""


class _Changes:
    """The new item while actions are applied; `old` is only read, and shares nothing with `new`."""

    def __init__(self, old: Item, new: Item, values: Values, mismatch: str) -> None:
        self.old = old
        self.new = new
        self.values = values
        self.mismatch = mismatch
        self.lists: dict[int, tuple[Value, dict[int, Value]]] = {}
        """By identity: a list that changes, and what its elements become."""

    # reading

    def operand(self, operand: Operand) -> Value:
        if isinstance(operand, ValueRef):
            return self.values[operand.name]
        if isinstance(operand, Path):
            found = lookup(self.old, operand.steps)
            if found is None:
                raise ValidationException(NO_SUCH_ATTRIBUTE)
            return found
        if isinstance(operand, Arithmetic):
            left, right = self.operand(operand.left), self.operand(operand.right)
            if "N" not in left or "N" not in right:
                raise ValidationException(self.mismatch)
            return {"N": decimals.add(left["N"], right["N"], negate=operand.operator == "-")}
        return self.function(operand)

    def function(self, function: Function) -> Value:
        first, second = function.arguments
        if function.name == "if_not_exists":
            assert isinstance(first, Path)
            found = lookup(self.old, first.steps)
            return found if found is not None else self.operand(second)
        one, other = self.operand(first), self.operand(second)
        if "L" not in one or "L" not in other:
            raise ValidationException(self.mismatch)
        return {"L": [*one["L"], *other["L"]]}

    # writing

    def holder(self, steps: Steps) -> Value:
        """The map or list that the path's last step is a member of."""
        if len(steps) == 1:
            return {"M": self.new}
        value: Value | None = self.new.get(str(steps[0]))
        for step in steps[1:-1]:
            if value is None:
                break
            value = child(value, step)
        if value is None or ("L" if isinstance(steps[-1], int) else "M") not in value:
            raise ValidationException(NO_SUCH_PATH)
        return value

    def put(self, holder: Value, step: Any, value: Value) -> None:
        if isinstance(step, int):
            self.elements(holder)[step] = value
        else:
            holder["M"][step] = value

    def drop(self, holder: Value, step: Any) -> None:
        if not isinstance(step, int):
            holder["M"].pop(step, None)
        elif step < len(holder["L"]):
            self.elements(holder)[step] = _GONE

    def elements(self, holder: Value) -> dict[int, Value]:
        return self.lists.setdefault(id(holder), (holder, {}))[1]

    def finish(self) -> None:
        for holder, changed in self.lists.values():
            elements: list[Value] = holder["L"]
            length = len(elements)
            for index, value in changed.items():
                if index < length:
                    elements[index] = value
            elements.extend(changed[index] for index in sorted(changed) if index >= length)
            holder["L"] = [value for value in elements if value is not _GONE]

    # actions

    def apply(self, action: Action, value: Value) -> None:
        steps = action.path.steps
        holder = self.holder(steps)
        step = steps[-1]
        if isinstance(action, SetAction):
            if len(steps) - 1 + depth_of(value) > MAX_DEPTH:
                raise ValidationException(TOO_DEEP)
            self.put(holder, step, value)
            return
        if isinstance(action, RemoveAction):
            self.drop(holder, step)
            return
        existing = child(holder, step)
        kind = kind_of(value)
        if existing is not None and kind not in existing:
            raise ValidationException(self.mismatch)
        if isinstance(action, AddAction):
            self.put(holder, step, self.sum(kind, existing, value))
        elif existing is not None:
            left = [member for member in existing[kind] if member not in value[kind]]
            if left:
                self.put(holder, step, {kind: left})
            else:
                self.drop(holder, step)

    def sum(self, kind: str, existing: Value | None, value: Value) -> Value:
        if kind == "N":
            return {"N": decimals.add(existing["N"] if existing else "0", value["N"])}
        if existing is None:
            return value
        before: list[Any] = existing[kind]
        if kind in SETS:
            known = set(before)
            return {kind: in_order(kind, before + [member for member in value[kind] if member not in known])}
        return {kind: before + value[kind]}


def apply_update(update: Update, old: Item, new: Item, values: Values, *, mismatch: str = WRONG_TYPE) -> None:
    """Change `new`, which equals `old` and shares nothing with it. ValidationException in AWS' words.

    `mismatch` is what AWS calls operands of the wrong type; the legacy parameters have a word of their own.
    """
    changes = _Changes(old, new, values, mismatch)
    # All values first: an action never sees what another one wrote.
    operands = [
        _GONE if isinstance(action, RemoveAction) else changes.operand(action.value) for action in update.actions
    ]
    for action, value in zip(update.actions, operands, strict=True):
        changes.apply(action, value)
    changes.finish()


def part_of_key(name: str) -> ValidationException:
    return ValidationException(f"{INVALID}Cannot update attribute {name}. This attribute is part of the key")
