"""Two generations of AWS' checks, which have words of their own: the older one serves BatchWriteItem, transactions and
Scan, the newer one all other operations on items. PutItem, UpdateItem and DeleteItem put what the newer one finds into
an envelope.

A request that is nested so deeply that the newer one cannot read it is judged by the older one. (As of October 2026, in
most regions that were asked: github.com/paritysuite/dynamodb-conformance.)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from elastickv.dynamodb_api.errors import NoValue, ValidationException, ValueFault

P = ParamSpec("P")
R = TypeVar("R")

ENVELOPE: Final = "1 validation error detected: "

_READABLE: Final = 127
"""Levels of JSON that the newer layer reads: an attribute of 62 documents inside each other, each of which has two."""


def too_deep_to_read(request: Any) -> bool:
    """The newer layer gives up."""
    return _deeper(request, _READABLE)


def _deeper(value: Any, levels: int) -> bool:
    if value.__class__ is dict:
        return levels <= 0 or any(_deeper(one, levels - 1) for one in value.values())
    if value.__class__ is list:
        return levels <= 0 or any(_deeper(one, levels - 1) for one in value)
    return False


def current_words(work: Callable[P, R]) -> Callable[P, R]:
    """The function, with the newer words for values that are none."""

    @wraps(work)
    def worded(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return work(*arguments, **options)
        except ValueFault as fault:
            raise ValidationException(fault.current) from None

    return worded


def enveloped(work: Callable[P, R]) -> Callable[P, R]:
    """The same, in the envelope. The function's first argument is the request, or the item in it."""

    @wraps(work)
    def worded(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return work(*arguments, **options)
        except ValidationException as error:
            if isinstance(error, NoValue) or too_deep_to_read(arguments[0]):
                raise
            message = error.current if isinstance(error, ValueFault) else error.message
            raise ValidationException(ENVELOPE + message) from None

    return worded
