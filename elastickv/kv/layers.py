"""One layer of the view: a dict of writes plus ranges that were emptied, with an ordered index made only when asked.

Writing a key costs one dict store and nothing else. The sorted lists of keys that scans need are made at the first scan
and then kept up to date lazily: a dict remembers insertion order, so the keys that came since are its tail. They are
dealt out by their first bytes, and only those near the range that is asked for are put in their places. So who looks
for records of a rare kind does not wait until a hundred thousand others are sorted. Keys are never removed from a layer
(a delete is the value None), which is what makes that tail well defined.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import chain, islice

Puts = dict[bytes, bytes | None]

_A_FEW = 8
"""So many new keys are placed one by one, each of which moves memory."""
_SHARE = 16
"""A part of the old keys that is so small is laid between them; of more, sorting everything is quicker."""
_LABEL_BYTES = 2
"""Of a key, that say which run of keys it belongs to: enough to tell kinds of records apart (see `kv.keyspace`)."""


class Layer:
    """Newest state of some keys (`puts`; None is a delete), over ranges that are empty beneath it (`ranges`)."""

    __slots__ = ("_dealt", "_fresh", "_runs", "beneath", "puts", "ranges", "size_bytes")

    def __init__(self) -> None:
        self.puts: Puts = {}
        self.ranges: list[tuple[bytes, bytes]] = []
        self.size_bytes = 0
        """Rough bytes held, kept by whoever writes or merges into the layer."""
        self.beneath: dict[bytes, bytes | None] = {}
        """What the engine holds of some keys that this layer does not touch. It cannot change while this is the lowest
        layer: what is flushed then is in it (`View.get_often`)."""
        self._dealt = 0
        """How many keys are in the two dicts below, each with the keys of a label."""
        self._runs: dict[bytes, list[bytes]] = {}
        """In order."""
        self._fresh: dict[bytes, list[bytes]] = {}
        """Not in order yet."""

    def __bool__(self) -> bool:
        return bool(self.puts or self.ranges)

    def keys(self, start: bytes = b"", end: bytes = b"") -> list[bytes]:
        """In order, all keys with start <= key < end (end b"": to the last), and perhaps more on both sides. The list
        belongs to the layer: read it, do not keep it across writes."""
        self._deal()
        first = start[:_LABEL_BYTES]
        labels = [label for label in self._runs if first <= label and (not end or label < end)]
        if len(labels) == 1:
            return self._run(labels[0])
        return list(chain.from_iterable(map(self._run, sorted(labels))))

    def _deal(self) -> None:
        new = len(self.puts) - self._dealt
        if not new:
            return
        fresh = self._fresh
        for key in islice(reversed(self.puts), new):
            label = key[:_LABEL_BYTES]
            if label in fresh:
                fresh[label].append(key)
            else:
                fresh[label] = [key]
                self._runs.setdefault(label, [])
        self._dealt += new

    def _run(self, label: bytes) -> list[bytes]:
        run = self._runs[label]
        fresh = self._fresh.pop(label, None)
        if not fresh:
            return run
        if len(fresh) * _SHARE >= len(run):
            run += fresh
            run.sort()
        elif len(fresh) <= _A_FEW:
            for key in fresh:
                insort(run, key)
        else:
            fresh.sort()
            self._runs[label] = run = _laid_between(run, fresh)
        return run

    def clear(self) -> None:
        self.puts.clear()
        self.ranges.clear()
        self._dealt = 0
        self._runs.clear()
        self._fresh.clear()

    def masks(self, key: bytes) -> bool:
        """Whether a key that is not in `puts` is known to be absent because its range was emptied."""
        return any(start <= key and (not end or key < end) for start, end in self.ranges)

    def delete_range(self, start: bytes, end: bytes) -> None:
        """Empty [start, end): own puts become deletes, everything beneath is masked. Later puts win again."""
        keys = self.keys(start, end)
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
        self._dealt = other._dealt
        self._runs = {label: run.copy() for label, run in other._runs.items()}
        self._fresh = {label: keys.copy() for label, keys in other._fresh.items()}
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
