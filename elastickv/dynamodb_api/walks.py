"""Items and index entries in the order of their keys, also where sort keys are folded (`item_keys`, `composite_keys`).

A group is all keys that were cut at one place and share everything before it; what follows is a digest of the value
that was cut, so a group lies in the engine in the order of digests. When a walk meets one, it looks at one key of each
digest, puts the digests in the order of their values, and goes through them one by one. A digest stands for one value:
what lies behind it (values of further attributes, or entries with the same key) is in order by itself, or groups again.

So a group costs a walk as many look-ups as it has different values, whatever lies behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from elastickv.dynamodb_api.item_keys import DIGEST_BYTES, FOLD_MARK
from elastickv.kv.keyspace import prefix_end
from elastickv.kv.view import View

Entry = tuple[bytes, bytes]
"""Engine key, stored value."""
Fold = tuple[int, bytes]
"""Where an engine key was cut (a digest of the value follows), and what the group is ordered by there: the value."""
FoldsOf = Callable[[bytes, bytes], Sequence[Fold]]
"""(engine key, stored value) -> the folds of the key, from left to right; () when it is whole."""

NO_TAIL: Final = 0
_FEW: Final = 8
"""Entries of one sort key that are kept while its group is looked through; more are read once again."""


def walk(
    view: View,
    start: bytes,
    end: bytes,
    *,
    reverse: bool = False,
    folds_of: FoldsOf | None = None,
    depth: int = 1,
    tail: int = NO_TAIL,
    after: tuple[bytes, Sequence[Fold]] | None = None,
) -> Iterator[Entry]:
    """Entries with start <= key < end, from the top down when `reverse`.

    `folds_of` is None where no key can be folded; `depth` is how many folds a key can have. `tail` bytes follow the
    sort key in an engine key. `after` is where an earlier walk ended, (engine key, its folds): this one begins behind
    it, whether it is still there or not.
    """
    if folds_of is None:
        if after is not None:
            start, end = _behind(after[0], start, end, reverse)
        return view.scan(start, end, reverse=reverse)
    return _Walk(view, reverse, folds_of, depth, tail).through(start, end, 0, after)


def _behind(key: bytes, start: bytes, end: bytes, reverse: bool) -> tuple[bytes, bytes]:
    return (start, _sooner(end, key)) if reverse else (max(start, key + b"\0"), end)


def _sooner(one: bytes, other: bytes) -> bytes:
    """Of two ends; b"" is none."""
    return min(one, other) if one and other else one or other


class _Walk:
    __slots__ = ("depth", "folds_of", "last", "reverse", "view")

    def __init__(self, view: View, reverse: bool, folds_of: FoldsOf, depth: int, tail: int) -> None:
        self.view = view
        self.reverse = reverse
        self.folds_of = folds_of
        self.depth = depth
        self.last = -1 - tail
        """Where a key says whether it is folded at all."""

    def through(
        self, start: bytes, end: bytes, level: int, after: tuple[bytes, Sequence[Fold]] | None
    ) -> Iterator[Entry]:
        """A range of keys that share their first `level` folds."""
        reverse, folds_of, last = self.reverse, self.folds_of, self.last
        if after is not None:
            key, folds = after
            if len(folds) <= level:
                start, end = _behind(key, start, end, reverse)
                after = None
            elif reverse:  # its group is not in the order of keys: begin at the edge
                end = _sooner(end, prefix_end(key[: folds[level][0]]))
            else:
                start = max(start, key[: folds[level][0]])
        while not end or start < end:
            for key, value in self.view.scan(start, end, reverse=reverse):
                if key[last] == FOLD_MARK and level < self.depth:
                    folds = folds_of(key, value)
                    if len(folds) > level:
                        group = key[: folds[level][0]]
                        break
                yield key, value
            else:
                return
            yield from self.group(group, max(start, group), _sooner(end, prefix_end(group)), level, after)
            if reverse:
                end = group
            else:
                start = prefix_end(group)

    def group(
        self, group: bytes, start: bytes, end: bytes, level: int, after: tuple[bytes, Sequence[Fold]] | None
    ) -> Iterator[Entry]:
        """What lies between start and end, all of it in this group."""
        reverse = self.reverse
        reached = after[1][level][1] if after is not None and after[0].startswith(group) else None
        for value, place, entries in sorted(self.members(start, end, level), reverse=reverse, key=lambda one: one[0]):
            behind = None
            if reached is not None:
                if value == reached:
                    behind = after
                elif (value < reached) is not reverse:
                    continue
            if entries is None or behind is not None:
                inside = max(start, place), _sooner(end, prefix_end(place))
                yield from self.through(*inside, level + 1, behind)
            else:
                yield from reversed(entries) if reverse else entries

    def members(self, start: bytes, end: bytes, level: int) -> list[tuple[bytes, bytes, list[Entry] | None]]:
        """(value, how its keys begin, its entries if they are few and in order), in the order of digests."""
        found: list[tuple[bytes, bytes, list[Entry] | None]] = []
        whole = level + 1 == self.depth
        while start < end:
            place = b""
            entries: list[Entry] = []
            for key, stored in self.view.scan(start, end):
                if place and key.startswith(place):
                    if whole and len(entries) < _FEW:
                        entries.append((key, stored))
                        continue
                    found[-1] = (*found[-1][:2], None)
                    break
                cut, value = self.folds_of(key, stored)[level]
                place, entries = key[: cut + DIGEST_BYTES], [(key, stored)]
                found.append((value, place, entries if whole else None))
            else:
                break
            start = prefix_end(place)
        return found
