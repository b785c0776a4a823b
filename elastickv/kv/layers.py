"""One layer of the view: a dict of writes plus ranges that were emptied, with an ordered index made only when asked.

Writing a key costs one dict store and nothing else. The sorted list of keys that scans need is built at the first scan
and then kept up to date lazily: a dict remembers insertion order, so the keys that came since are its tail. They are
put in their places, unless there are so many that sorting everything again is quicker. Keys are never removed from a
layer (a delete is the value None), which is what makes that tail well defined.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import islice

Puts = dict[bytes, bytes | None]

_A_FEW = 8
"""So many new keys are placed one by one, each of which moves memory."""
_SHARE = 16
"""A part of the old keys that is so small is laid between them; of more, sorting everything is quicker."""


class Layer:
    """Newest state of some keys (`puts`; None is a delete), over ranges that are empty beneath it (`ranges`)."""

    __slots__ = ("_index", "puts", "ranges", "size_bytes")

    def __init__(self) -> None:
        self.puts: Puts = {}
        self.ranges: list[tuple[bytes, bytes]] = []
        self.size_bytes = 0
        """Rough bytes held, kept by whoever writes or merges into the layer."""
        self._index: list[bytes] = []

    def __bool__(self) -> bool:
        return bool(self.puts or self.ranges)

    def keys(self) -> list[bytes]:
        """All keys in order. The list belongs to the layer: read it, do not keep it across writes."""
        index = self._index
        new = len(self.puts) - len(index)
        if new:
            tail = islice(reversed(self.puts), new)
            if new * _SHARE >= len(index):
                index.extend(tail)
                index.sort()
            elif new <= _A_FEW:
                for key in tail:
                    insort(index, key)
            else:
                self._index = index = _laid_between(index, sorted(tail))
        return index

    def masks(self, key: bytes) -> bool:
        """Whether a key that is not in `puts` is known to be absent because its range was emptied."""
        return any(start <= key and (not end or key < end) for start, end in self.ranges)

    def delete_range(self, start: bytes, end: bytes) -> None:
        """Empty [start, end): own puts become deletes, everything beneath is masked. Later puts win again."""
        keys = self.keys()
        low = bisect_left(keys, start)
        high = bisect_left(keys, end) if end else len(keys)
        for key in keys[low:high]:
            self.puts[key] = None
        if start and self.ranges and self.ranges[-1][1] == start:
            # Whoever clears a large range away does it step by step; reads look at all ranges, so keep them few.
            start = self.ranges.pop()[0]
        self.ranges.append((start, end))

    def copy_from(self, other: Layer) -> None:
        """Become a copy that changes of the other do not reach; this layer is empty."""
        self.puts = other.puts.copy()
        self.ranges = list(other.ranges)
        self._index = list(other._index)
        self.size_bytes = other.size_bytes

    def merge(self, newer: Layer) -> None:
        """Lay a newer layer over this one."""
        self.merge_parts(newer.puts, newer.ranges)

    def merge_parts(self, puts: Puts, ranges: list[tuple[bytes, bytes]]) -> None:
        for start, end in ranges:
            self.delete_range(start, end)
        self.puts.update(puts)


def _laid_between(old: list[bytes], new: list[bytes]) -> list[bytes]:
    """Two runs as one. Looks for the places of the new keys only, where sorting would look at every old one."""
    run: list[bytes] = []
    at = 0
    for key in new:
        place = bisect_left(old, key, at)
        run += old[at:place]
        run.append(key)
        at = place
    run += old[at:]
    return run
