"""The expression parameters of a request, read in AWS' order: styles not mixed, placeholders well formed, values sound,
expressions right, nothing unused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from elastickv.dynamodb_api.attributes import INVALID, MAX_NAME_BYTES, Value, check, check_name, text_bytes
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions import resolve
from elastickv.dynamodb_api.expressions.nodes import Condition, Projection, Update
from elastickv.dynamodb_api.expressions.resolve import Prepared

_NAME: Final = re.compile(r"#[0-9a-zA-Z_]+").fullmatch
_VALUE: Final = re.compile(r":[0-9a-zA-Z_]+").fullmatch
MAX_PLACEHOLDER: Final = 255
_NONE: Final[Mapping[str, Value]] = {}


def check_styles(
    request: Mapping[str, Any], expressions: Sequence[str], legacy: Sequence[str], *, current: bool = False
) -> None:
    """Expressions and legacy parameters do not go together, and names and values only with expressions.

    `expressions` and `legacy` are the parameters that the operation has, in the order in which AWS lists them;
    `current`: it uses the newer words (see `errors.ValueFault`).
    """
    used = [name for name in expressions if name in request]
    if used:
        old = [name for name in legacy if name in request]
        if "KeyConditions" in old and "KeyConditionExpression" not in request:
            old.remove("KeyConditions")  # a legacy key condition may go with expressions for the rest
        if old:
            raise ValidationException(
                "Can not use both expression and non-expression parameters in the same request: "
                f"Non-expression parameters: {{{', '.join(old)}}} Expression parameters: {{{', '.join(used)}}}"
            )
    elif "ExpressionAttributeNames" in request:
        raise ValidationException("ExpressionAttributeNames can only be specified when using expressions")
    if "ExpressionAttributeValues" in request:
        takers = [name for name in expressions if name != "ProjectionExpression"]
        if not any(name in request for name in takers):
            verb = "are" if len(takers) > 1 else "is"
            which = "" if current else f": {' and '.join(takers)} {verb} null"
            raise ValidationException(f"ExpressionAttributeValues can only be specified when using expressions{which}")


class Expressions:
    """The expressions of one request. Read them one after another, then call `finish`."""

    __slots__ = ("names", "request", "used_names", "used_values", "values")

    def __init__(self, request: Mapping[str, Any], *, current: bool = False) -> None:
        """`current`: in the newer words, which do not say that a value is an expression's."""
        self.request = request
        self.names: Mapping[str, str] | None = request.get("ExpressionAttributeNames")
        self.values: Mapping[str, Value] = request.get("ExpressionAttributeValues", _NONE)
        self.used_names: set[str] = set()
        self.used_values: set[str] = set()
        if self.names is not None:
            _check_names(self.names)
        if "ExpressionAttributeValues" in request:
            _check_values(self.values, current)

    def update(self) -> Prepared[Update] | None:
        text = self.request.get("UpdateExpression")
        return None if text is None else self._note(resolve.update(text, self.names, self.values))

    def condition(self, parameter: str = "ConditionExpression") -> Prepared[Condition] | None:
        text = self.request.get(parameter)
        return None if text is None else self._note(resolve.condition(text, self.names, self.values, parameter))

    def projection(self) -> Prepared[Projection] | None:
        text = self.request.get("ProjectionExpression")
        return None if text is None else self._note(resolve.projection(text, self.names))

    def _note(self, prepared: Prepared[resolve.Tree]) -> Prepared[resolve.Tree]:
        if prepared.names:
            self.used_names |= prepared.names
        if prepared.values:
            self.used_values |= prepared.values
        return prepared

    def finish(self) -> None:
        """All expressions were read: every name and value must have been used."""
        if self.names is not None and len(self.used_names) < len(self.names):
            _unused("ExpressionAttributeNames", self.names, self.used_names)
        if len(self.used_values) < len(self.values):
            _unused("ExpressionAttributeValues", self.values, self.used_values)


def _unused(parameter: str, given: Mapping[str, Any], used: set[str]) -> None:
    left = ", ".join(name for name in given if name not in used)
    raise ValidationException(f"Value provided in {parameter} unused in expressions: keys: {{{left}}}")


def _check_names(names: Mapping[str, str]) -> None:
    if not names:
        raise ValidationException("ExpressionAttributeNames must not be empty")
    for key in names:
        if _NAME(key) is None:
            raise ValidationException(f'ExpressionAttributeNames contains invalid key: Syntax error; key: "{key}"')
        _check_length("ExpressionAttributeNames", key)
    for key, name in names.items():
        if not name:
            raise ValidationException(
                "ExpressionAttributeNames contains invalid value: "
                f"{INVALID}Attribute name must not be empty for key {key}"
            )
        if text_bytes(name) > MAX_NAME_BYTES:
            raise ValidationException(
                "ExpressionAttributeNames contains invalid value: "
                f"Attribute name is too large, must be less than {MAX_NAME_BYTES + 1} bytes for key {key}"
            )


def _check_values(values: Mapping[str, Value], current: bool) -> None:
    if not values:
        raise ValidationException("ExpressionAttributeValues must not be empty")
    for key in values:
        if _VALUE(key) is None:
            raise ValidationException(f'ExpressionAttributeValues contains invalid key: Syntax error; key: "{key}"')
        _check_length("ExpressionAttributeValues", key)
    for key, value in values.items():
        if current:
            check(value)
            continue
        try:
            check(value, -1)  # the older layer lets a value have one level more than an item's attribute
        except ValidationException as error:
            raise ValidationException(
                f"ExpressionAttributeValues contains invalid value: {error.message} for key {key}"
            ) from None


def _check_length(parameter: str, key: str) -> None:
    if len(key) > MAX_PLACEHOLDER:
        raise ValidationException(
            f"{parameter} contains invalid key: The expression attribute map contains a key that is too long; "
            f'key length: {len(key)}, key: "{key}"'
        )


def check_attributes_to_get(names: Sequence[str] | None) -> None:
    """No name twice."""
    if names is None:
        return
    for name in names:
        check_name(name)
    if len(set(names)) == len(names):
        return
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValidationException(f"{INVALID}Duplicate value in attribute name: {name}")
        seen.add(name)
