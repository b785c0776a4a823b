"""Looking into a counted tree: ranks, entries of ranks, the way down to a leaf. `counted_tree` changes it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate

from elastickv.redis_api.values.tree_nodes import Inner, Leaf, Node
from elastickv.redis_api.values.tree_store import NodeStore


class TreeReading:
    """Methods say `place` for a number of entries counted from the first one. Nodes are loaded as they are met."""

    __slots__ = ("_root", "_store")

    def __init__(self, store: NodeStore, root: Node) -> None:
        self._store = store
        self._root = root

    def below(self, bound: bytes) -> int:
        """How many entries are smaller than `bound`: the place of the first that is not."""
        place = 0
        node = self._root
        while isinstance(node, Inner):
            if not node.children:
                self._store.load_inner(node)
            at = bisect_right(node.separators, bound)
            place += sum(node.counts[:at])
            node = node.children[at]
        return place + bisect_left(self._entries(node), bound)

    def slice(self, start: int, stop: int) -> list[bytes]:
        """The entries from place `start` to `stop` (not included), in order. Both within the tree."""
        found: list[bytes] = []
        if start < stop:
            self._collect(self._root, start, stop, found)
        return found

    def _collect(self, node: Node, start: int, stop: int, found: list[bytes]) -> None:
        if isinstance(node, Leaf):
            found += self._entries(node)[start:stop]
            return
        if not node.children:
            self._store.load_inner(node)
        at, before = child_at(node, start)
        while before < stop:
            count = node.counts[at]
            self._collect(node.children[at], max(start - before, 0), min(stop - before, count), found)
            before += count
            at += 1
            if at == len(node.children):
                return

    def first(self) -> bytes:
        """The smallest entry; the tree must not be empty."""
        node = self._root
        while isinstance(node, Inner):
            if not node.children:
                self._store.load_inner(node)
            node = node.children[0]
        return self._entries(node)[0]

    def last(self) -> bytes:
        """The largest entry; the tree must not be empty."""
        node = self._root
        while isinstance(node, Inner):
            if not node.children:
                self._store.load_inner(node)
            node = node.children[-1]
        return self._entries(node)[-1]

    def _entries(self, leaf: Leaf) -> list[bytes]:
        entries = leaf.entries
        return self._store.load_leaf(leaf) if entries is None else entries

    def _descend(self, entry: bytes) -> tuple[list[Inner], list[int], Leaf]:
        """Inner nodes from the root on, which child was taken in each, and the leaf where `entry` belongs."""
        nodes: list[Inner] = []
        places: list[int] = []
        node = self._root
        while type(node) is Inner:
            if not node.children:
                self._store.load_inner(node)
            at = bisect_right(node.separators, entry)
            nodes.append(node)
            places.append(at)
            node = node.children[at]
        assert type(node) is Leaf
        return nodes, places, node


def child_at(node: Inner, place: int) -> tuple[int, int]:
    """(the child that has the entry of this place, entries before that child)."""
    if place == 0:
        return 0, 0
    ends = list(accumulate(node.counts))
    at = bisect_right(ends, place)
    return at, ends[at - 1] if at else 0
