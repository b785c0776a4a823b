"""Lists: one chunk in the record while small, chunks apart from it when large.

    INLINE  chunk                                                              (see `list_chunks`)
    SPLIT   incarnation:8 count:8  next id:8  head id:8 head count:2  tail id:8 tail count:2

A split list is a head chunk, a tail chunk (its count is 0 while there is none) and, between them, what the `Directory`
knows. Chunks lie at  c <id:8>  under the prefix of the incarnation; IDs say nothing about the order. So a push or a pop
at an end reads and writes one chunk and the record, whatever the length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Final

from elastickv.kv.keyspace import u64
from elastickv.redis_api import listpack
from elastickv.redis_api.replies import Bulks, encoded_bulks
from elastickv.redis_api.values import list_chunks as chunks
from elastickv.redis_api.values.collections import INLINE, elements, read_split, split_header
from elastickv.redis_api.values.database import Database
from elastickv.redis_api.values.kinds import KINDS, Kind
from elastickv.redis_api.values.list_cache import LONGEST_RANGE
from elastickv.redis_api.values.list_directory import Directory
from elastickv.redis_api.values.list_ends import CHUNK, INLINE_HEAD
from elastickv.redis_api.values.records import Record, RecordType

_REST = Struct(">QQHQH")

_HEAD: Final = (-1, 0)
_TAIL: Final = (-2, 0)
Place = tuple[int, int]
"""Page and chunk in the directory, or one of the two above."""


def open_list(db: Database, key: bytes) -> List | None:
    """The list at `key`, to be changed; None when there is nothing. KvError(WRONG_TYPE) for another type."""
    record = db.typed(key, RecordType.LIST)
    return None if record is None else List(db, key, record)


def read_list(db: Database, key: bytes) -> List | None:
    """`open_list` for commands that only read."""
    record = db.read_typed(key, RecordType.LIST)
    return None if record is None else List(db, key, record)


def store_list(db: Database, key: bytes, values: Iterable[bytes], deadline: int = 0) -> int:
    """Put a new list in place of whatever is at `key`; its length. Nothing is stored when there are no values."""
    made = List(db, key, None)
    made.push(values, left=False)
    made.save(deadline)
    return made.count


class List:
    """A list that is open for one command. Changes are stored by `save`."""

    __slots__ = (
        "_directory",
        "_had_middle",
        "_head",
        "_head_changed",
        "_head_count",
        "_head_id",
        "_incarnation",
        "_limit",
        "_next_id",
        "_prefix",
        "_tail",
        "_tail_changed",
        "_tail_count",
        "_tail_id",
        "count",
        "db",
        "key",
        "record",
    )

    def __init__(self, db: Database, key: bytes, record: Record | None) -> None:
        self.db = db
        self.key = key
        self.record = record
        self._limit = db.databases.limits.inline_bytes
        self._directory: Directory | None = None
        self._head: bytes | None = chunks.EMPTY
        self._tail: bytes | None = None
        self._head_changed = True
        """The chunk is not stored as such. So it is when it comes from the record itself."""
        self._tail_changed = False
        self._had_middle = False
        """There were chunks between the ends when the list was opened."""
        self._incarnation = self._prefix = b""
        self._head_id = self._tail_id = self._tail_count = 0
        self._next_id = 1
        if record is None:
            self._head_count = self.count = 0
        elif record.raw[record.start] == INLINE:
            self._head = record.raw[record.start + 1 :]
            self._head_count = self.count = self._head[1]
        else:
            self._incarnation, self.count, rest = read_split(record.payload)
            self._prefix = elements(self._incarnation)
            self._next_id, self._head_id, self._head_count, self._tail_id, self._tail_count = _REST.unpack(rest)
            self._head = None
            self._head_changed = False
            self._had_middle = self.count > self._head_count + self._tail_count

    # chunks

    def _load(self, id: int) -> bytes:
        chunk = self.db.view.get(self._prefix + CHUNK + u64(id))
        assert chunk is not None, "every chunk that the record or the directory names is there"
        return chunk

    def _put(self, id: int, chunk: bytes) -> None:
        self.db.view.put(self._prefix + CHUNK + u64(id), chunk)

    def _delete(self, id: int) -> None:
        if self._incarnation:
            self.db.view.delete(self._prefix + CHUNK + u64(id))

    def _new_id(self) -> int:
        id = self._next_id
        self._next_id += 1
        return id

    def _head_chunk(self) -> bytes:
        if self._head is None:
            self._head = self._load(self._head_id)
        return self._head

    def _tail_chunk(self) -> bytes:
        if self._tail is None:
            self._tail = self._load(self._tail_id)
        return self._tail

    def _set_head(self, chunk: bytes) -> None:
        self._head = chunk
        self._head_count = chunk[1]
        self._head_changed = True

    def _set_tail(self, chunk: bytes) -> None:
        self._tail = chunk
        self._tail_count = chunk[1]
        self._tail_changed = True

    def _middle(self) -> Directory:
        directory = self._directory
        if directory is None:
            self._split()
            directory = Directory(self.db.view, self._prefix, self.db.databases.lists, empty=not self._had_middle)
            self._directory = directory
        return directory

    def _split(self) -> None:
        if not self._incarnation:
            self._incarnation = self.db.databases.new_incarnation()
            self._prefix = elements(self._incarnation)

    def _tail_becomes_head(self) -> None:
        self._head, self._head_id, self._head_count = self._tail, self._tail_id, self._tail_count
        self._head_changed = self._tail_changed
        self._tail, self._tail_id, self._tail_count, self._tail_changed = None, 0, 0, False

    def _head_becomes_tail(self) -> None:
        self._tail, self._tail_id, self._tail_count = self._head, self._head_id, self._head_count
        self._tail_changed = self._head_changed
        self._head = None

    def _drop_head(self) -> None:
        """The head chunk is empty: the next one follows it."""
        self._delete(self._head_id)
        self._head_changed = False
        first = self._middle().take_first() if self._between_chunks() else None
        if first is not None:
            self._head_id, self._head_count = first
            self._head = None
        else:
            self._tail_becomes_head()
            if not self._head_count:
                self._head = chunks.EMPTY

    def _drop_tail(self) -> None:
        self._delete(self._tail_id)
        self._tail, self._tail_changed = None, False
        last = self._middle().take_last() if self._between_chunks() else None
        self._tail_id, self._tail_count = last or (0, 0)

    def _between_chunks(self) -> bool:
        directory = self._directory
        return bool(directory.order) if directory is not None else self._had_middle

    # the ends

    def push(self, values: Iterable[bytes], *, left: bool) -> None:
        """One after the other, so that the last of them ends up outermost."""
        for value in values:
            if left:
                self._push_left(value)
            else:
                self._push_right(value)
            self.count += 1

    def _push_left(self, value: bytes) -> None:
        chunk = self._head_chunk()
        if chunks.has_room(chunk, len(value), self._limit):
            self._set_head(chunks.add_first(chunk, value))
            return
        if not self._tail_count:
            self._head_becomes_tail()
        else:
            self._middle().add_first((self._head_id, self._head_count))
            if self._head_changed:
                self._put(self._head_id, chunk)
        self._head_id = self._new_id()
        self._set_head(chunks.make((value,)))

    def _push_right(self, value: bytes) -> None:
        if not self._tail_count:
            chunk = self._head_chunk()
            if chunks.has_room(chunk, len(value), self._limit):
                self._set_head(chunks.add_last(chunk, value))
                return
        else:
            chunk = self._tail_chunk()
            if chunks.has_room(chunk, len(value), self._limit):
                self._set_tail(chunks.add_last(chunk, value))
                return
            self._middle().add_last((self._tail_id, self._tail_count))
            if self._tail_changed:
                self._put(self._tail_id, chunk)
        self._tail_id = self._new_id()
        self._set_tail(chunks.make((value,)))

    def pop(self, count: int, *, left: bool) -> list[bytes]:
        """At most `count` elements from an end, the outermost first."""
        taken: list[bytes] = []
        count = min(count, self.count)
        while len(taken) < count:
            wanted = count - len(taken)
            if left or not self._tail_count:
                chunk = self._head_chunk()
                wanted = min(wanted, self._head_count)
                some, rest = (chunks.take_first if left else chunks.take_last)(chunk, wanted)
                self._set_head(rest)
                self.count -= wanted
                if not self._head_count:
                    self._drop_head()
            else:
                wanted = min(wanted, self._tail_count)
                some, rest = chunks.take_last(self._tail_chunk(), wanted)
                self._set_tail(rest)
                self.count -= wanted
                if not self._tail_count:
                    self._drop_tail()
            if not left:
                some.reverse()
            taken += some
        return taken

    def trim(self, start: int, end: int) -> None:
        """Keep the elements from `start` to `end` (not included) only."""
        self._cut(self.count - end, left=False)
        self._cut(start, left=True)

    def _cut(self, count: int, *, left: bool) -> None:
        """As `pop`, but what is removed is not even read."""
        while count > 0:
            at_head = left or not self._tail_count
            whole = self._head_count if at_head else self._tail_count
            if whole > count:
                self.pop(count, left=left)
                return
            count -= whole
            self.count -= whole
            if at_head:
                self._head_count = 0
                self._drop_head()
            else:
                self._tail_count = 0
                self._drop_tail()

    # the middle

    def _places(self, reverse: bool = False) -> Iterator[tuple[Place, int]]:
        """All chunks in order, with the number of their elements."""
        ends = [(_HEAD, self._head_count), (_TAIL, self._tail_count)]
        if reverse:
            ends.reverse()
        yield ends[0]
        if self._between_chunks():
            directory = self._middle()
            pages = range(len(directory.order))
            for page in reversed(pages) if reverse else pages:
                counted = list(enumerate(directory.page(page)))
                for at, (_, count) in reversed(counted) if reverse else counted:
                    yield (page, at), count
        yield ends[1]

    def _chunk(self, place: Place) -> bytes:
        if place == _HEAD:
            return self._head_chunk()
        if place == _TAIL:
            return self._tail_chunk()
        return self._load(self._middle().page(place[0])[place[1]][0])

    def _locate(self, index: int) -> tuple[Place, int]:
        """Where an element is: the chunk, and its place in it."""
        if index < self._head_count:
            return _HEAD, index
        from_end = self.count - index
        if from_end <= self._tail_count:
            return _TAIL, self._tail_count - from_end
        page, at, offset = self._middle().locate(index - self._head_count)
        return (page, at), offset

    def _replace(self, place: Place, values: list[bytes]) -> None:
        """Give a chunk other elements; `count` is the caller's business."""
        made = chunks.pieces(values, self._limit)
        if place == _HEAD:
            if not made:
                self._head_count = 0
                self._drop_head()
                return
            self._set_head(made[0])
            if len(made) > 1 and not self._tail_count:
                self._tail_id = self._new_id()
                self._set_tail(made.pop())
            for chunk in reversed(made[1:]):
                self._middle().add_first(self._added(chunk))
        elif place == _TAIL:
            if not made:
                self._tail_count = 0
                self._drop_tail()
                return
            self._set_tail(made[-1])
            for chunk in made[:-1]:
                self._middle().add_last(self._added(chunk))
        else:
            directory = self._middle()
            id = directory.page(place[0])[place[1]][0]
            if not made:
                self._delete(id)
                directory.replace(*place, [])
                return
            self._put(id, made[0])
            directory.replace(*place, [(id, made[0][1]), *map(self._added, made[1:])])

    def _added(self, chunk: bytes) -> tuple[int, int]:
        self._split()
        id = self._new_id()
        self._put(id, chunk)
        return id, chunk[1]

    def range(self, start: int, end: int) -> list[bytes]:
        """The elements from `start` to `end` (not included); 0 <= start < end <= count."""
        self.db.will_touch(end - start)
        if end <= self._head_count:
            return chunks.part(self._head_chunk(), start, end)
        tail_start = self.count - self._tail_count
        if start >= tail_start:
            return chunks.part(self._tail_chunk(), start - tail_start, end - tail_start)
        found: list[bytes] = []
        if start < self._head_count:
            found += chunks.part(self._head_chunk(), start, self._head_count)
            start = self._head_count
        if start < min(end, tail_start):
            found += self._middle_range(start - self._head_count, min(end, tail_start) - start)
        if end > tail_start:
            found += chunks.part(self._tail_chunk(), 0, end - tail_start)
        return found

    def reply(self, start: int, end: int) -> list[bytes]:
        """`range` for a reply: what is read often is encoded already."""
        if end - start > LONGEST_RANGE or (not self._prefix and self.record is None):
            return self.range(start, end)
        self.db.will_touch(end - start)
        cache = self.db.databases.lists
        found: list[bytes] = []
        encoded: list[bytes] = []
        place, offset = self._locate(start)
        for here, count in self._places_from(place):
            low, high = offset, min(count, offset + end - start - len(found))
            key, chunk = self._chunk_key(here), self._chunk(here)
            known = cache.chunk(key, chunk)
            if known is not None:
                found += known[0][low:high]
                encoded += known[1][low:high]
            else:
                some = chunks.part(chunk, low, high)
                found += some
                encoded += encoded_bulks(some)
            if len(found) >= end - start:
                break
            offset = 0
        return Bulks(found, encoded)

    def _places_from(self, place: Place) -> Iterator[tuple[Place, int]]:
        """Chunks from a place on, with the number of their elements."""
        page, at = place
        if place == _HEAD:
            yield place, self._head_count
            page = at = 0
        if place != _TAIL and self._between_chunks():
            directory = self._middle()
            while page < len(directory.order):
                for number, (_, count) in enumerate(directory.page(page)[at:], start=at):
                    yield (page, number), count
                page += 1
                at = 0
        yield _TAIL, self._tail_count

    def _chunk_key(self, place: Place) -> bytes:
        """For the cache: where the chunk lies, or the record that it is in."""
        if not self._prefix:
            assert self.record is not None
            return self.record.physical
        if place == _HEAD:
            id = self._head_id
        elif place == _TAIL:
            id = self._tail_id
        else:
            id = self._middle().page(place[0])[place[1]][0]
        return self._prefix + CHUNK + u64(id)

    def _middle_range(self, start: int, wanted: int) -> list[bytes]:
        directory = self._middle()
        page, at, offset = directory.locate(start)
        found: list[bytes] = []
        while True:
            for id, count in directory.page(page)[at:]:
                found += chunks.part(self._load(id), offset, min(count, offset + wanted - len(found)))
                if len(found) >= wanted:
                    return found
                offset = 0
            page += 1
            at = 0

    def __iter__(self) -> Iterator[bytes]:
        self.db.will_touch(self.count)
        for place, count in self._places():
            if count:
                yield from chunks.split(self._chunk(place))

    def find(self, value: bytes, *, reverse: bool = False, most: int = 0) -> Iterator[int]:
        """Indexes of equal elements, from an end on; at most so many elements are looked at, 0 for all."""
        left = most or self.count
        self.db.will_touch(min(left, self.count))
        passed = 0
        for place, count in self._places(reverse):
            if not count:
                continue
            chunk = self._chunk(place)
            if value in chunk:
                held = chunks.split(chunk)
                if reverse:
                    held.reverse()
                for at, one in enumerate(held[:left]):
                    if one == value:
                        yield self.count - 1 - passed - at if reverse else passed + at
            passed += count
            left -= count
            if left <= 0:
                return

    def set(self, index: int, value: bytes) -> None:
        place, offset = self._locate(index)
        held = chunks.split(self._chunk(place))
        held[offset] = value
        self._replace(place, held)

    def insert(self, index: int, value: bytes) -> None:
        """Before the element that has this index now; behind the last when it is `count`."""
        if index == self.count:
            place, offset = self._locate(index - 1)
            offset += 1
        else:
            place, offset = self._locate(index)
        held = chunks.split(self._chunk(place))
        held.insert(offset, value)
        self._replace(place, held)
        self.count += 1

    def remove(self, value: bytes, most: int, *, reverse: bool = False) -> int:
        """Remove equal elements, at most so many (0: all), from an end on; how many it were."""
        left = most or self.count
        changed: list[tuple[Place, list[bytes]]] = []
        removed = 0
        for place, count in self._places(reverse):
            if not count or value not in (chunk := self._chunk(place)):
                continue
            held = chunks.split(chunk)
            before = len(held)
            if reverse:
                held.reverse()
            kept: list[bytes] = []
            for one in held:
                if one == value and left:
                    left -= 1
                else:
                    kept.append(one)
            if len(kept) != before:
                removed += before - len(kept)
                if reverse:
                    kept.reverse()
                changed.append((place, kept))
            if not left:
                break
        # From behind, so that places stay true; the ends last, because what is between may move up into them.
        for place, kept in sorted(changed, key=lambda one: (one[0][0] >= 0, one[0] == _TAIL, one[0]), reverse=True):
            self._replace(place, kept)
        self.count -= removed
        return removed

    # storing

    def save(self, deadline: int = 0) -> None:
        """Store what was changed. An empty list is no key. `deadline` is for a new one; an old one keeps its own."""
        record = self.record
        if not self.count:
            if record is not None:
                self.db.remove(record)
            return
        alone = not self._tail_count and not self._between_chunks()
        if alone and (
            not self._incarnation
            or (self._head is not None and len(self._head) <= self._limit // 2 and self._head_changed)
        ):
            payload = INLINE_HEAD + self._head_chunk()
        else:
            self._split()
            if self._head_changed and self._head is not None:
                self._put(self._head_id, self._head)
            if self._tail_changed and self._tail is not None:
                self._put(self._tail_id, self._tail)
            if self._directory is not None:
                self._directory.save()
            rest = _REST.pack(self._next_id, self._head_id, self._head_count, self._tail_id, self._tail_count)
            payload = split_header(self._incarnation, self.count, rest)
        if record is None:
            self.db.store(self.key, RecordType.LIST, payload, deadline)
        else:
            self.db.rewrite(record, payload)


# what generic commands need to know (`kinds`)


def _encoding(db: Database, record: Record) -> bytes:
    """Redis 7.2 has one listpack while it fits into a node of a quicklist (list-max-listpack-size), else a quicklist.
    (Once it has a quicklist it waits until half of that is left; we do not.)"""
    opened = List(db, b"", record)
    most = db.databases.limits.list_size
    if most > 0 and opened.count > most:
        return b"quicklist"
    room = _NODE_BYTES[min(max(-most, 1), 5) - 1] if most < 0 else _SAFE_NODE_BYTES
    if 2 * opened.count > room:
        return b"quicklist"
    return b"listpack" if len(listpack.encode(opened)) <= room else b"quicklist"


_NODE_BYTES: Final = (4096, 8192, 16384, 32768, 65536)
_SAFE_NODE_BYTES: Final = 8192


def _save(db: Database, key: bytes, values: list[bytes], deadline: int) -> None:
    if not store_list(db, key, values, deadline):
        db.delete(key)


KINDS[RecordType.LIST] = Kind(
    encoding=_encoding,
    count=lambda db, record: List(db, b"", record).count,
    load=lambda db, record: list(List(db, b"", record)),
    save=_save,
)
