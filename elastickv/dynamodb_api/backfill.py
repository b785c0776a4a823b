"""Filling a new index while the table serves.

From the moment it is made, every write of an item maintains the index too; what was there before is brought in a step
at a time, and when all of it is in, the index becomes ACTIVE. Bringing an item in twice does no harm, so a new leader
simply begins again.
"""

from __future__ import annotations

from typing import Final

from elastickv.dynamodb_api import tables
from elastickv.dynamodb_api.items import fill
from elastickv.dynamodb_api.tables import Index, Table
from elastickv.kv.view import View

STEP: Final = 500
"""Items per turn of the executor: each is decoded, and clients wait behind the step."""


def fill_some(view: View, table: Table, index: Index, after: bytes, limit: int = STEP) -> bytes:
    """One step behind the item at `after` (b"": from the first one); where to go on, b"" when the index is ACTIVE."""
    reached, _ = fill(view, table, index, after, limit)
    if not reached:
        _activate(view, table, index)
    return reached


def _activate(view: View, table: Table, index: Index) -> None:
    indexes = [
        {**one, "IndexStatus": "ACTIVE"} if one["Id"] == index.id else one
        for one in table.raw["GlobalSecondaryIndexes"]
    ]
    tables.save(view, {**table.raw, "GlobalSecondaryIndexes": indexes})


class Backfill:
    """The leader's background work on indexes that are not ACTIVE yet."""

    def __init__(self) -> None:
        self._reached: dict[int, bytes] = {}
        """By index: the last item that was brought in."""

    def reset(self) -> None:
        """This node begins to lead, or its proposals were dropped."""
        self._reached.clear()

    def step(self, view: View) -> int:
        """Bring some items into some index; 0 when there is nothing to do."""
        for table in tables.every(view):
            for index in table.indexes.values():
                if index.status == "ACTIVE":
                    continue
                reached = fill_some(view, table, index, self._reached.get(index.id, b""))
                if reached:
                    self._reached[index.id] = reached
                else:
                    self._reached.pop(index.id, None)
                return 1
        self._reached.clear()  # of indexes that were deleted before they were filled
        return 0
