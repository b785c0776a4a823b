"""Change records: written in the same log entry as the change of the item, so there is exactly one for each change, and
in the order of the log.

    D s <stream id:4> <sequence:8>     one record, JSON

A stream is one shard, open while the table's stream is on. Sequence numbers are the cluster's hybrid timestamps, which
never repeat and never go back, also across a change of leader; the upper 48 bits are Unix milliseconds, so what is
older than 24 hours is a range at the front.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from elastickv.dynamodb_api.tables import Table
from elastickv.kv.keyspace import DYNAMO, u32, u64
from elastickv.kv.view import View

RECORDS: Final = DYNAMO + b"s"

INSERT: Final = "INSERT"
MODIFY: Final = "MODIFY"
REMOVE: Final = "REMOVE"

Item = Mapping[str, Any]
"""Attribute names to AttributeValues in DynamoDB JSON."""

_NEW: Final = frozenset({"NEW_IMAGE", "NEW_AND_OLD_IMAGES"})
_OLD: Final = frozenset({"OLD_IMAGE", "NEW_AND_OLD_IMAGES"})

TTL_IDENTITY: Final = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
"""userIdentity of removals by time to live."""


def stream_prefix(identity: int) -> bytes:
    """Where the records of a stream are."""
    return RECORDS + u32(identity)


def record(
    view: View,
    table: Table,
    kind: str,
    keys: Item,
    old: Item | None,
    new: Item | None,
    *,
    identity: Mapping[str, str] | None = None,
) -> None:
    """An item of a table whose `stream_view` is set was inserted, modified or removed (`kind`).

    Call it once per change, in the order of the changes; not for a write that leaves the item as it was. `identity` is
    who did it, when it was not a client.
    """
    stamp = view.timestamp()
    shape = table.stream_view
    change: dict[str, Any] = {"eventName": kind, "Keys": keys}
    if new is not None and shape in _NEW:
        change["NewImage"] = new
    if old is not None and shape in _OLD:
        change["OldImage"] = old
    if identity is not None:
        change["userIdentity"] = identity
    view.put(stream_prefix(table.raw["Stream"]["Id"]) + u64(stamp), orjson.dumps(change))
