"""Time to live: items whose time has come are removed in the background, as at AWS by walking over the tables.

There is no index of deadlines: a write costs nothing more when time to live is on, and switching it on costs nothing at
all. The walk goes on all the time, a step every round, so that an item goes within seconds in a small table and within
minutes in a large one. Until then it can be read, as at AWS.

An item expires when the attribute is a number of Unix seconds that has passed, and not longer ago than five years
(AWS' guard against timestamps that mean something else).
"""

from __future__ import annotations

from itertools import islice
from typing import Final

import orjson

from elastickv.dynamodb_api import items, records, streams, tables
from elastickv.dynamodb_api.tables import Table
from elastickv.kv.keyspace import prefix_end
from elastickv.kv.view import View

OLDEST_SECONDS: Final = 5 * 365 * 24 * 3600


class Expiry:
    def __init__(self) -> None:
        self._table = 0
        """ID of the table that is being walked over."""
        self._reached = b""
        self._version = -1
        self._watched: list[Table] = []
        """Tables that have time to live by ID, as of that version of the catalog."""
        self.expired = 0
        """Items removed since the start."""

    def reset(self) -> None:
        """This node begins to lead, or its proposals were dropped: begin anew."""
        self._table = 0
        self._reached = b""
        self._version = -1

    def step(self, view: View, limit: int) -> bool:
        """Look at up to `limit` items; whether the walk is at its end, and begins anew with the next step."""
        table = self._next(view)
        if table is None:
            self._table = 0
            self._reached = b""
            return True
        start = self._reached + b"\0" if self._reached else table.prefix
        found = list(islice(view.scan(start, prefix_end(table.prefix)), limit))
        self._table = table.id
        if len(found) < limit:
            self._table += 1
            self._reached = b""
        else:
            self._reached = found[-1][0]
        # An attribute's name stands in an item's JSON as it does here, so most items need not be decoded.
        sign = orjson.dumps(table.ttl_attribute) + b":"
        for place, record in found:
            if sign in record and _expired(record, table.ttl_attribute, view.now_ms // 1000):
                items.remove(view, table, place, record, identity=streams.TTL_IDENTITY)
                self.expired += 1
        return False

    def _next(self, view: View) -> Table | None:
        """The table to go on with: tables are walked over in the order of their IDs."""
        version = tables.version(view)
        if version != self._version:
            self._version = version
            self._watched = sorted((one for one in tables.every(view) if one.ttl_attribute), key=lambda one: one.id)
        found = next((one for one in self._watched if one.id >= self._table), None)
        if found is not None and found.id != self._table:
            self._reached = b""
        return found


def _expired(record: bytes, attribute: str, now: int) -> bool:
    value = records.decode(record).get(attribute, {}).get("N")
    if value is None:
        return False
    try:
        deadline = float(value)
    except ValueError:
        return False
    return now - OLDEST_SECONDS <= deadline <= now
