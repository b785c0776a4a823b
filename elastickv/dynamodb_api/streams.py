"""Change records: written in the same log entry as the change of the item, so there is exactly one for each change, and
in the order of the log.

    D s <stream id:4> <sequence:8>     one record, JSON
    D l <table name> / <label>         a stream: JSON, see `Stream`

A stream is one shard, open while the table's stream is on. Sequence numbers are the cluster's hybrid timestamps, which
never repeat and never go back, also across a change of leader; their upper 48 bits are Unix milliseconds, so what is
older than 24 hours is a range at the front. A stream that was switched off, or whose table was deleted, can be read
until its last record is that old.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

import orjson

from elastickv.dynamodb_api.tables import Table, fresh_id
from elastickv.kv.hybrid_clock import earliest
from elastickv.kv.keyspace import DYNAMO, prefix_end, read_u64, u32, u64
from elastickv.kv.view import View

RECORDS: Final = DYNAMO + b"s"
CATALOG: Final = DYNAMO + b"l"

INSERT: Final = "INSERT"
MODIFY: Final = "MODIFY"
REMOVE: Final = "REMOVE"

RETENTION_MS: Final = 24 * 3600 * 1000

Item = Mapping[str, Any]
"""Attribute names to AttributeValues in DynamoDB JSON."""

_NEW: Final = frozenset({"NEW_IMAGE", "NEW_AND_OLD_IMAGES"})
_OLD: Final = frozenset({"OLD_IMAGE", "NEW_AND_OLD_IMAGES"})

TTL_IDENTITY: Final = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
"""userIdentity of removals by time to live."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a table: from when it was switched on until it was switched off."""

    id: int
    table: str
    label: str
    view_type: str
    key_schema: list[dict[str, str]]
    created_ms: int
    first: int
    """Sequence number before which there is nothing."""
    closed: int
    """The last sequence number it can have; 0 while it is open."""
    closed_ms: int

    @property
    def prefix(self) -> bytes:
        return stream_prefix(self.id)

    @property
    def shard(self) -> str:
        return f"shardId-{self.created_ms:020d}-{self.id:08x}"

    @property
    def status(self) -> str:
        return "DISABLED" if self.closed else "ENABLED"


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


# the catalog of streams


def _key(table: str, label: str) -> bytes:
    return CATALOG + f"{table}/{label}".encode()


def _load(raw: bytes) -> Stream:
    return Stream(**orjson.loads(raw))


def _save(view: View, stream: Stream) -> None:
    view.put(_key(stream.table, stream.label), orjson.dumps(stream))


def open_stream(view: View, table: str, view_type: str, key_schema: list[dict[str, str]]) -> dict[str, Any]:
    """Switch a table's changes on; returns the Stream member of its record."""
    moment = view.now_ms
    # Two streams of one table within a millisecond need two labels.
    while view.get(_key(table, _label(moment))) is not None:
        moment += 1
    stream = Stream(fresh_id(view), table, _label(moment), view_type, key_schema, moment, view.timestamp(), 0, 0)
    _save(view, stream)
    return {"Id": stream.id, "Label": stream.label, "StreamViewType": view_type, "Enabled": True}


def close_stream(view: View, table: Table) -> None:
    """No more changes of the table are recorded; those that were can be read for 24 hours. No-op without a stream."""
    known = table.raw.get("Stream")
    if known is None or not known["Enabled"]:
        return
    found = find_stream(view, table.name, known["Label"])
    assert found is not None
    _save(
        view,
        Stream(
            found.id,
            found.table,
            found.label,
            found.view_type,
            found.key_schema,
            found.created_ms,
            found.first,
            view.timestamp(),
            view.now_ms,
        ),
    )


def _label(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment_ms % 1000:03d}"


def find_stream(view: View, table: str, label: str) -> Stream | None:
    raw = view.get(_key(table, label))
    return _load(raw) if raw is not None else None


def streams_of(view: View, table: str, after: tuple[str, str] | None) -> Iterator[Stream]:
    """Streams of a table (of all tables when empty), in the order of table and label, behind `after`."""
    prefix = _key(table, "") if table else CATALOG
    start = _key(*after) + b"\0" if after is not None else prefix
    for _, raw in view.scan(max(start, prefix), prefix_end(prefix)):
        yield _load(raw)


# reading


def read(
    view: View, stream: Stream, position: int, limit: int, max_bytes: int
) -> tuple[list[tuple[int, dict[str, Any]]], bool]:
    """(sequence, change) of records from a position on, and whether the end of what there is was reached."""
    found: list[tuple[int, dict[str, Any]]] = []
    size = 0
    prefix = stream.prefix
    for key, raw in view.scan(prefix + u64(position), prefix_end(prefix)):
        if len(found) >= limit or (found and size + len(raw) > max_bytes):
            return found, False
        size += len(raw)
        found.append((read_u64(key, len(prefix)), orjson.loads(raw)))
    return found, True


def horizon(now_ms: int) -> int:
    """Records before this sequence number are gone."""
    return earliest(now_ms - RETENTION_MS)


def trim(view: View, limit: int) -> int:
    """Remove at most `limit` records that are older than 24 hours, and streams that have none and get none; how many.
    The leader's background work."""
    removed = 0
    end = horizon(view.now_ms)
    for stream in list(streams_of(view, "", None)):
        prefix = stream.prefix
        old = [key for key, _ in islice(view.scan(prefix, prefix + u64(end)), limit - removed)]
        if old:
            view.delete_range(prefix, old[-1] + b"\0")
            removed += len(old)
        elif stream.closed and stream.closed_ms + RETENTION_MS < view.now_ms:
            view.delete(_key(stream.table, stream.label))
            removed += 1
        if removed >= limit:
            break
    return removed
