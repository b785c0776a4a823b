"""Chunks and pages of lists that are read again and again, taken apart (for LRANGE).

An entry counts only while exactly the bytes that it was made from are stored, as in `collections.DecodedCache`. A chunk
is taken apart when it is met unchanged for the second time, so that lists which change between two reads pay nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from elastickv.redis_api.replies import encoded_bulks
from elastickv.redis_api.values import list_chunks as chunks

LONGEST_RANGE: Final = 512
"""Longer ranges would only push out what is read often."""
_LIMIT_BYTES: Final = 4 << 20
"""Of chunks and pages as they are stored; taken apart they take four times as much."""

Elements = tuple[list[bytes], list[bytes]]
"""Of a chunk, and as they stand in a reply. Not to be changed."""
Page = tuple[tuple[int, int], ...]


class ListCache:
    """By the key of the chunk or page; the one that came first goes first."""

    __slots__ = ("_entries", "_limit", "_size")

    def __init__(self, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._entries: dict[bytes, tuple[bytes, Elements | Page | None]] = {}
        self._limit = limit_bytes
        self._size = 0

    def chunk(self, key: bytes, stored: bytes) -> Elements | None:
        """None when it has not been read before as it is stored now."""
        held = self._entries.get(key)
        if held is None or held[0] != stored:
            self._put(key, stored, None)
            return None
        found: Elements | None = held[1]  # type: ignore[assignment]  # under the key of a chunk
        if found is None:
            elements = chunks.split(stored)
            found = elements, encoded_bulks(elements)
            self._put(key, stored, found)
        return found

    def page(self, key: bytes, stored: bytes, decode: Callable[[bytes], Page]) -> Page:
        held = self._entries.get(key)
        if held is not None and held[0] == stored:
            known: Page = held[1]  # type: ignore[assignment]  # under the key of a page
            return known
        found = decode(stored)
        self._put(key, stored, found)
        return found

    def clear(self) -> None:
        self._entries.clear()
        self._size = 0

    def _put(self, key: bytes, stored: bytes, value: Elements | Page | None) -> None:
        entries = self._entries
        held = entries.pop(key, None)
        size = self._size + len(stored)
        if held is not None:
            size -= len(held[0])
        entries[key] = (stored, value)
        while size > self._limit:
            size -= len(entries.pop(next(iter(entries)))[0])
        self._size = size
