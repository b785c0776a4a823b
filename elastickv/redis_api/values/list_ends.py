"""Pushing and popping at the ends of lists in the usual case: an end chunk changes, and nothing else.

The layout is that of `lists`, which does everything else.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from elastickv.kv.keyspace import u64
from elastickv.redis_api.values import list_chunks as chunks
from elastickv.redis_api.values.collections import INLINE, elements
from elastickv.redis_api.values.database import Database
from elastickv.redis_api.values.records import Record

LAYOUT = Struct(">B8sQQQHQH")
"""All of a split list's record: layout, incarnation, count, next ID, head and tail with their counts."""
INLINE_HEAD: Final = bytes((INLINE,))
CHUNK: Final = b"c"


def quick_push(db: Database, record: Record, values: list[bytes], *, left: bool) -> int | None:
    """Push where the end chunk has room; the new length, or None when nothing was done because it has not."""
    raw, start = record.raw, record.start
    limit = db.databases.limits.inline_bytes
    add = chunks.add_first if left else chunks.add_last
    inline = raw[start] == INLINE
    key = b""
    if inline:
        chunk: bytes | None = raw[start + 1 :]
        count = 0
    else:
        layout, incarnation, count, next_id, head, head_count, tail, tail_count = LAYOUT.unpack_from(raw, start)
        at_head = left or not tail_count
        key = elements(incarnation) + CHUNK + u64(head if at_head else tail)
        chunk = db.view.get(key)
    assert chunk is not None, "every chunk that the record names is there"
    for value in values:
        if not chunks.has_room(chunk, len(value), limit):
            return None
        chunk = add(chunk, value)
    if inline:
        db.rewrite(record, INLINE_HEAD, chunk)
        return chunk[1]
    db.view.put(key, chunk)
    count += len(values)
    if at_head:
        head_count = chunk[1]
    else:
        tail_count = chunk[1]
    db.rewrite(record, LAYOUT.pack(layout, incarnation, count, next_id, head, head_count, tail, tail_count))
    return int(count)


def quick_pop(db: Database, record: Record, *, left: bool) -> bytes | None:
    """Pop one element where the end chunk has more than that; None when nothing was done because it has not, or
    because the list may have become small enough for its record."""
    raw, start = record.raw, record.start
    if raw[start] == INLINE:
        chunk = raw[start + 1 :]
        if chunk[1] == 1:
            return None
        [taken], chunk = (chunks.take_first if left else chunks.take_last)(chunk, 1)
        db.rewrite(record, INLINE_HEAD, chunk)
        return taken
    layout, incarnation, count, next_id, head, head_count, tail, tail_count = LAYOUT.unpack_from(raw, start)
    at_head = left or not tail_count
    if count == head_count or (head_count if at_head else tail_count) == 1:
        return None
    key = elements(incarnation) + CHUNK + u64(head if at_head else tail)
    stored = db.view.get(key)
    assert stored is not None, "every chunk that the record names is there"
    [taken], chunk = (chunks.take_first if left else chunks.take_last)(stored, 1)
    db.view.put(key, chunk)
    if at_head:
        head_count -= 1
    else:
        tail_count -= 1
    db.rewrite(record, LAYOUT.pack(layout, incarnation, count - 1, next_id, head, head_count, tail, tail_count))
    return taken
