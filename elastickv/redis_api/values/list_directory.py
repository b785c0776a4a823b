"""Which chunks lie between the first and the last of a list, and how many elements each has.

A list of a million elements has some ten thousand chunks. Their order and counts are kept apart from them in *pages* of
up to 256 chunks, and the pages in a *root*, so that an element is found by its index in two steps, and a change to one
chunk costs a page (3 KB) and the root (12 bytes a page) at most. Pushing and popping at the ends touch neither until an
end chunk is full or empty, once in 128 elements.

Under the prefix of the list:   r -> next page:4, then for each page  id:4 elements:8
                                p <page:4> -> for each chunk  id:8 count:2
"""

from __future__ import annotations

from itertools import chain
from struct import Struct
from typing import Final

from elastickv.kv.keyspace import read_u32, u32
from elastickv.kv.view import View
from elastickv.redis_api.values.list_cache import ListCache

PAGE_CHUNKS: Final = 256
_ROOT: Final = b"r"
_PAGE: Final = b"p"
_ROOT_ENTRY = Struct(">IQ")
_PAGE_ENTRY = Struct(">QH")
_PAGES_ENTRIES: Final = tuple(Struct(">" + "QH" * count) for count in range(PAGE_CHUNKS + 1))

Chunk = tuple[int, int]
"""ID and number of elements."""


def _chunks(page: bytes) -> tuple[Chunk, ...]:
    return tuple(_PAGE_ENTRY.iter_unpack(page))


class Directory:
    """Read lazily, written by `save`."""

    def __init__(self, view: View, prefix: bytes, cache: ListCache, *, empty: bool) -> None:
        """`empty` saves the look: there is nothing between the ends."""
        self._view = view
        self._cache = cache
        self._prefix = prefix
        self._pages: dict[int, list[Chunk]] = {}
        """Those that were read, by ID."""
        self._changed: set[int] = set()
        self._gone: set[int] = set()
        self._root_changed = False
        self._was_stored = not empty
        self.order: list[int] = []
        """IDs of pages."""
        self.totals: list[int] = []
        """Elements in each page."""
        self._next = 0
        if not empty:
            root = view.get(prefix + _ROOT)
            assert root is not None, "a list with more than two chunks has a directory"
            self._next = read_u32(root)
            for page, total in _ROOT_ENTRY.iter_unpack(root[4:]):
                self.order.append(page)
                self.totals.append(total)

    @property
    def elements(self) -> int:
        return sum(self.totals)

    def page(self, place: int) -> list[Chunk]:
        """The chunks of the page at this place of `order`. Not to be changed but through `replace`."""
        page = self.order[place]
        chunks = self._pages.get(page)
        if chunks is None:
            key = self._prefix + _PAGE + u32(page)
            stored = self._view.get(key)
            assert stored is not None, "the root names pages that are there"
            chunks = self._pages[page] = list(self._cache.page(key, stored, _chunks))
        return chunks

    def locate(self, index: int) -> tuple[int, int, int]:
        """Where an element is: (page, chunk, offset). The first one that is not in the head chunk has index 0."""
        for place, total in enumerate(self.totals):
            if index < total:
                for at, (_, count) in enumerate(self.page(place)):
                    if index < count:
                        return place, at, index
                    index -= count
            index -= total
        raise IndexError(index)

    def replace(self, place: int, at: int, chunks: list[Chunk]) -> None:
        """Put none, one or more chunks in place of one."""
        page = self.page(place)
        self.totals[place] += sum(count for _, count in chunks) - page[at][1]
        page[at : at + 1] = chunks
        self._settle(place)

    def add_first(self, chunk: Chunk) -> None:
        if not self.order or len(self.page(0)) >= PAGE_CHUNKS:
            self._insert_page(0, [])
        self.page(0).insert(0, chunk)
        self.totals[0] += chunk[1]
        self._settle(0)

    def add_last(self, chunk: Chunk) -> None:
        if not self.order or len(self.page(len(self.order) - 1)) >= PAGE_CHUNKS:
            self._insert_page(len(self.order), [])
        self.page(len(self.order) - 1).append(chunk)
        self.totals[-1] += chunk[1]
        self._settle(len(self.order) - 1)

    def take_first(self) -> Chunk | None:
        if not self.order:
            return None
        chunk = self.page(0)[0]
        self.replace(0, 0, [])
        return chunk

    def take_last(self) -> Chunk | None:
        if not self.order:
            return None
        place = len(self.order) - 1
        page = self.page(place)
        chunk = page[-1]
        self.replace(place, len(page) - 1, [])
        return chunk

    def _insert_page(self, place: int, chunks: list[Chunk]) -> None:
        page = self._next
        self._next += 1
        self._pages[page] = chunks
        self.order.insert(place, page)
        self.totals.insert(place, sum(count for _, count in chunks))
        self._changed.add(page)

    def _settle(self, place: int) -> None:
        """A page changed: it must be neither empty nor too large."""
        self._root_changed = True
        page = self.order[place]
        chunks = self._pages[page]
        if not chunks:
            del self.order[place], self.totals[place], self._pages[page]
            self._changed.discard(page)
            self._gone.add(page)
            return
        self._changed.add(page)
        if len(chunks) > PAGE_CHUNKS:
            half = len(chunks) // 2
            behind = chunks[half:]
            del chunks[half:]
            self._insert_page(place + 1, behind)
            self.totals[place] -= self.totals[place + 1]

    def save(self) -> None:
        if not self._root_changed:
            return
        view, prefix = self._view, self._prefix
        for page in self._gone:
            view.delete(prefix + _PAGE + u32(page))
        for page in self._changed:
            chunks = self._pages[page]
            view.put(prefix + _PAGE + u32(page), _PAGES_ENTRIES[len(chunks)].pack(*chain.from_iterable(chunks)))
        if self.order:
            entries = map(_ROOT_ENTRY.pack, self.order, self.totals)
            view.put(prefix + _ROOT, u32(self._next) + b"".join(entries))
        elif self._was_stored:
            view.delete(prefix + _ROOT)
        self._changed.clear()
        self._gone.clear()
        self._root_changed = False
        self._was_stored = bool(self.order)
