"""Mistakes for which a transaction is cancelled with reasons, while a statement for itself is just refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.schema import EmptyKeyValue


class NotOneItem(ValidationException):
    """A statement that does not name one item of its table. `reason`: what the transaction says of it."""

    type_name = "ValidationException"

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


@contextmanager
def naming_one_item() -> Iterator[None]:
    """What is wrong with a key, as a `NotOneItem`; but empty values, which are a mistake of the whole request."""
    try:
        yield
    except EmptyKeyValue:
        raise
    except ValidationException as error:
        raise NotOneItem(error.message) from None
