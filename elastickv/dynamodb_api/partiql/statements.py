"""What a statement is once it has been read. Literals and parameters are values with names of their own (":0", ":1",
…), so that conditions and updates are trees like those of expressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from elastickv.dynamodb_api.attributes import Item, Value
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions.nodes import Condition, Path, Update

Values = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Select:
    table: str
    index: str
    """"" for the table itself."""
    paths: tuple[Path, ...] | None
    """None: *."""
    where: Condition | None
    order: tuple[tuple[str, bool], ...]
    """(attribute, descending)."""
    values: Values
    fault: ValidationException | None = None
    """What is wrong with the list of columns of an index: AWS finds it when it knows the index."""


@dataclass(frozen=True, slots=True)
class Insert:
    table: str
    item: Item


@dataclass(frozen=True, slots=True)
class Change:
    """UPDATE."""

    table: str
    update: Update
    where: Condition | None
    returning: str
    """ALL_OLD, ALL_NEW, MODIFIED_OLD, MODIFIED_NEW, or "" for nothing."""
    values: Values


@dataclass(frozen=True, slots=True)
class Delete:
    table: str
    where: Condition | None
    returning: str
    values: Values


@dataclass(frozen=True, slots=True)
class Exists:
    """EXISTS(SELECT …): a condition of a transaction."""

    select: Select

    @property
    def table(self) -> str:
        return self.select.table


Statement = Select | Insert | Change | Delete | Exists
