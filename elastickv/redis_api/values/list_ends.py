"""Pushing and popping at the ends of lists in the usual case: an end chunk changes, and nothing else.

The ends stay open for all commands of a batch (`Database.keep_open`): what is pushed is collected beside the chunk, and
the chunk and the record are written once. The layout is that of `lists`, which does everything else; it reads the
record, and by that has the ends written out first.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

from elastickv.kv.keyspace import u64
from elastickv.redis_api.values import list_chunks as chunks
from elastickv.redis_api.values.collections import INLINE, elements
from elastickv.redis_api.values.database import Database
from elastickv.redis_api.values.records import Record, RecordType

LAYOUT = Struct(">B8sQQQHQH")
"""All of a split list's record: layout, incarnation, count, next ID, head and tail with their counts."""
INLINE_HEAD: Final = bytes((INLINE,))
CHUNK: Final = b"c"


class End:
    """A chunk, and what was pushed before and behind it; the outermost is the last of each."""

    __slots__ = ("after", "before", "chunk", "count", "size_bytes")

    def __init__(self, chunk: bytes) -> None:
        self.chunk = chunk
        self.before: list[bytes] = []
        self.after: list[bytes] = []
        self.count = chunk[1]
        self.size_bytes = chunks.size_of(chunk)

    def push(self, values: Sequence[bytes], limit: int, *, left: bool) -> bool:
        """False: they have no room, and nothing was done."""
        size = self.size_bytes
        for value in values:
            size += len(value)
        if size > limit or self.count + len(values) > chunks.MAX_COUNT:
            return False
        (self.before if left else self.after).extend(values)
        self.count += len(values)
        self.size_bytes = size
        return True

    def pop(self, *, left: bool) -> bytes:
        """There must be one."""
        near, far = (self.before, self.after) if left else (self.after, self.before)
        if near:
            value = near.pop()
        elif self.chunk[1]:
            [value], self.chunk = (chunks.take_first if left else chunks.take_last)(self.chunk, 1)
        else:
            value = far.pop(0)
        self.count -= 1
        self.size_bytes -= len(value)
        return value

    def joined(self) -> bytes:
        """All as one chunk."""
        if self.before or self.after:
            self.chunk = chunks.joined(self.before[::-1], self.chunk, self.after)
            self.before, self.after = [], []
        return self.chunk


class OpenEnds:
    """The ends of a list that is there."""

    __slots__ = (
        "_count",
        "_db",
        "_head",
        "_head_count",
        "_head_id",
        "_incarnation",
        "_limit",
        "_next_id",
        "_record",
        "_tail",
        "_tail_count",
        "_tail_id",
        "deadline",
    )

    def __init__(self, db: Database, record: Record) -> None:
        self._db = db
        self._record = record
        self._limit = db.databases.limits.inline_bytes
        self.deadline = record.deadline
        self._head: End | None = None
        self._tail: End | None = None
        raw, start = record.raw, record.start
        self._incarnation = b""
        self._next_id = self._head_id = self._tail_id = self._tail_count = 0
        if raw[start] == INLINE:
            self._head = End(raw[start + 1 :])
            self._count = self._head_count = self._head.count
        else:
            (
                _,
                self._incarnation,
                self._count,
                self._next_id,
                self._head_id,
                self._head_count,
                self._tail_id,
                self._tail_count,
            ) = LAYOUT.unpack_from(raw, start)

    def push(self, values: Sequence[bytes], *, left: bool) -> int | None:
        """The new length; None when nothing was done because the end chunk has no room."""
        at_head = left or not self._tail_count
        end = self._end(at_head)
        if not end.push(values, self._limit, left=left):
            return None
        self._count += len(values)
        self._changed(end, at_head)
        return self._count

    def pop(self, *, left: bool) -> bytes | None:
        """One element where the end chunk has more than that; None when nothing was done because it has not, or because
        the list may have become small enough for its record."""
        at_head = left or not self._tail_count
        if (self._head_count if at_head else self._tail_count) == 1:
            return None
        if self._incarnation and self._count == self._head_count:
            return None
        end = self._end(at_head)
        value = end.pop(left=left)
        self._count -= 1
        self._changed(end, at_head)
        return value

    def _end(self, at_head: bool) -> End:
        end = self._head if at_head else self._tail
        if end is None:
            stored = self._db.view.get(self._key(self._head_id if at_head else self._tail_id))
            assert stored is not None, "every chunk that the record names is there"
            end = End(stored)
            if at_head:
                self._head = end
            else:
                self._tail = end
        return end

    def _key(self, id: int) -> bytes:
        return elements(self._incarnation) + CHUNK + u64(id)

    def _changed(self, end: End, at_head: bool) -> None:
        if at_head:
            self._head_count = end.count
        else:
            self._tail_count = end.count
        self._db.keep_open(self._record, self)

    def written(self) -> bytes:
        """The record, for the view; the chunks are put here."""
        record = self._record
        head = record.raw[: record.start]
        if not self._incarnation:
            assert self._head is not None
            return b"".join((head, INLINE_HEAD, self._head.joined()))
        for end, id in ((self._head, self._head_id), (self._tail, self._tail_id)):
            if end is not None:
                self._db.view.put(self._key(id), end.joined())
        return head + LAYOUT.pack(
            record.raw[record.start],
            self._incarnation,
            self._count,
            self._next_id,
            self._head_id,
            self._head_count,
            self._tail_id,
            self._tail_count,
        )


def open_ends(db: Database, key: bytes) -> OpenEnds | None:
    """Of the list at `key`; None when there is nothing. KvError(WRONG_TYPE) for another type."""
    held = db.still_open(key, OpenEnds)
    if held is not None:
        return held
    record = db.typed(key, RecordType.LIST)
    return None if record is None else OpenEnds(db, record)
