"""Trees of large sorted sets that stay in memory between two commands.

A tree counts only while its sorted set's record is exactly the one that was stored with it. Every change of a sorted
set gives its record a new random stamp, so a write that was undone, a batch that was lost and a change of leader are
all noticed, and the nodes are read again.
"""

from __future__ import annotations

from collections import deque
from typing import Final
from weakref import ref

from elastickv.redis_api.values.counted_tree import DEFAULT_SHAPE, CountedTree
from elastickv.redis_api.values.tree_nodes import Leaf

_ENTRY_BYTES: Final = 64
"""Roughly what an entry costs beyond its own bytes."""
_TYPICAL_LEAF: Final = 4096


class TreeCache:
    """By incarnation. Leaves are let go when they are too many, first those that were loaded first; not while they have
    changes that are not written."""

    __slots__ = ("_leaves", "_limit", "_size", "_trees", "_trees_limit", "shape")

    def __init__(self, limit_bytes: int = 128 << 20, trees_limit: int = 4096) -> None:
        self._trees: dict[bytes, tuple[bytes, CountedTree]] = {}
        self._leaves: deque[tuple[ref[Leaf], int]] = deque()
        """A tree that nobody holds any more takes its leaves along."""
        self._size = 0
        self._limit = limit_bytes
        self._trees_limit = trees_limit
        self.shape = DEFAULT_SHAPE
        """Of trees that are opened from now on; tests make it small."""

    def get(self, incarnation: bytes, payload: bytes) -> CountedTree | None:
        """The tree that was put with exactly this payload. Between two calls of this, no leaf is let go."""
        if self._size > self._limit:
            self._trim()
        held = self._trees.get(incarnation)
        return held[1] if held is not None and held[0] == payload else None

    def put(self, incarnation: bytes, payload: bytes, tree: CountedTree) -> None:
        """`payload` is what the record of the sorted set now says."""
        trees = self._trees
        trees[incarnation] = (payload, tree)
        if len(trees) > self._trees_limit:
            del trees[next(iter(trees))]

    def forget(self, incarnation: bytes) -> None:
        """The tree is about to change. What is put again then is the newest, so that the oldest one goes first."""
        self._trees.pop(incarnation, None)

    def clear(self) -> None:
        self._trees.clear()
        self._leaves.clear()
        self._size = 0

    def loaded(self, leaf: Leaf) -> None:
        """A leaf takes up memory from now on."""
        entries = leaf.entries or ()
        cost = max(leaf.size_bytes + _ENTRY_BYTES * len(entries), _TYPICAL_LEAF)
        self._leaves.append((ref(leaf), cost))
        self._size += cost

    def _trim(self) -> None:
        leaves = self._leaves
        kept = []
        while self._size > self._limit and leaves:
            reference, cost = leaves.popleft()
            leaf = reference()
            if leaf is not None and leaf.changes:
                kept.append((reference, cost))
                continue
            if leaf is not None:
                leaf.entries = None
            self._size -= cost
        leaves.extend(kept)
