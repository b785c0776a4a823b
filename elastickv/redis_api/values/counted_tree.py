"""An ordered set of byte strings in the keyspace that knows ranks: a B+ tree whose inner nodes count.

For the order of large sorted sets. Finding an entry, its rank, or the entry of a rank is one walk down; so is adding
and removing. The records (`tree_store`) are the truth, but what small changes do to nodes is written once for
many of them, by `state`. What was read stays in memory as objects: a warm tree reads no records at all, so whoever
holds one must know that nothing was written since (`sorted_sets`). A new leader loads nodes as they are asked for.

Chosen for few bytes in the log: see docs/decisions/0032-sorted-sets.md.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from elastickv.redis_api.values.score_keys import SCORE_BYTES
from elastickv.redis_api.values.tree_nodes import (
    ID_BYTES,
    Inner,
    Leaf,
    Node,
    came,
    moved,
    separator,
    weight,
    went,
)
from elastickv.redis_api.values.tree_reading import TreeReading, child_at
from elastickv.redis_api.values.tree_store import LeafListener, NodeStore, Records, place_of


@dataclass(frozen=True, slots=True)
class Shape:
    """Most that a node may hold. Small values make tests meet every case."""

    leaf_entries: int = 128
    """At most 255."""
    leaf_bytes: int = 8192
    """Of entries; a leaf of large ones is split from `_FEW` entries on."""
    slots: int = 64
    lower_children: int = 32
    """Of the nodes above leaves, whose counts are written with every batch that changes them; at most 256."""
    upper_children: int = 128


_FEW: Final = 8
_LEVELS: Final = tuple(bytes((level,)) for level in range(256))
DEFAULT_SHAPE: Final = Shape()


class CountedTree(TreeReading):
    """Methods say `place` for a number of entries counted from the first one."""

    __slots__ = ("_shape",)

    def __init__(
        self, records: Records, prefix: bytes, state: bytes | None, note: LeafListener, shape: Shape = DEFAULT_SHAPE
    ) -> None:
        """`state` is what the method of that name returned; None for a new tree, which `fill` must make."""
        self._shape = shape
        last_id = int.from_bytes(state[ID_BYTES + 1 :]) if state else 0
        root: Node
        if not state:
            root = Leaf(bytes(ID_BYTES), [])
        else:
            id, level = state[:ID_BYTES], state[ID_BYTES]
            root = Inner(id, level) if level else Leaf(id)
        super().__init__(NodeStore(records, prefix, last_id, shape.slots, note), root)

    def state(self) -> bytes:
        """Write what changed in nodes, and say where the root is; to be kept by the owner. Until then nobody
        else may look at the records."""
        self._store.write()
        root = self._root
        level = root.level if isinstance(root, Inner) else 0
        return root.id + _LEVELS[level] + self._store.last_id.to_bytes(ID_BYTES)

    # changing

    def add(self, entry: bytes) -> None:
        """An entry that is not there."""
        nodes, places, leaf = self._descend(entry)
        entries = self._entries(leaf)
        shape = self._shape
        if len(entries) >= shape.leaf_entries or (
            len(entries) >= _FEW and leaf.size_bytes + len(entry) > shape.leaf_bytes
        ):
            self._split_leaf(nodes, places, leaf, entry)
            nodes, places, leaf = self._descend(entry)
            entries = self._entries(leaf)
        insort(entries, entry)
        leaf.size_bytes += len(entry)
        self._store.changed(leaf, came(entry))
        self._store.add_to_counts(nodes, places, 1)

    def remove(self, entry: bytes) -> None:
        """An entry that is there."""
        nodes, places, leaf = self._descend(entry)
        self._remove(nodes, places, leaf, place_of(self._entries(leaf), entry))

    def move(self, old: bytes, new: bytes) -> None:
        """The member of `old`, which is there, gets the score of `new`. The hot path of ZADD: both ways down are gone
        at once, and what neither fills nor empties a leaf is done here."""
        store = self._store
        here: Node = self._root
        there: Node = here
        steps: list[tuple[Inner, int, Inner, int]] = []
        while type(here) is Inner:
            assert type(there) is Inner, "all leaves are equally deep"
            if not here.children:
                store.load_inner(here)
            if not there.children:
                store.load_inner(there)
            at = bisect_right(here.separators, old)
            other = bisect_right(there.separators, new)
            steps.append((here, at, there, other))
            here, there = here.children[at], there.children[other]
        assert type(here) is Leaf
        assert type(there) is Leaf
        entries = self._entries(here)
        place = place_of(entries, old)
        if here is there:
            del entries[place]
            insort(entries, new)
            store.changed(here, moved(place, new[:SCORE_BYTES]))
            return
        more = self._entries(there)
        shape = self._shape
        if (
            len(entries) <= shape.leaf_entries // 4
            or len(more) >= shape.leaf_entries
            or there.size_bytes + len(new) > shape.leaf_bytes
        ):
            self._remove([step[0] for step in steps], [step[1] for step in steps], here, place)
            self.add(new)
            return
        del entries[place]
        here.size_bytes -= len(old)
        store.changed(here, went(place))
        insort(more, new)
        there.size_bytes += len(new)
        store.changed(there, came(new))
        store.move_one(steps)

    def fill(self, entries: Sequence[bytes]) -> None:
        """Make an empty, new tree of entries in order."""
        shape = self._shape
        leaves: list[Leaf] = []
        seps: list[bytes] = []
        chunk: list[bytes] = []
        size = 0
        most = max(shape.leaf_entries * 3 // 4, 1)
        for entry in entries:
            if len(chunk) >= most or (len(chunk) >= _FEW and size + len(entry) > shape.leaf_bytes):
                leaves.append(self._store.new_leaf(chunk))
                seps.append(separator(chunk[-1], entry))
                chunk, size = [], 0
            chunk.append(entry)
            size += len(entry)
        leaves.append(self._store.new_leaf(chunk))
        for leaf in leaves:
            self._store.write_leaf(leaf)
        if len(leaves) == 1:
            self._root = leaves[0]
            return
        nodes = self._parents(1, leaves, [len(leaf.entries or ()) for leaf in leaves], seps)
        while len(nodes) > 1:
            seps = [seps_above for _, seps_above in nodes[1:]]
            inner = [node for node, _ in nodes]
            nodes = self._parents(inner[0].level + 1, inner, [sum(node.counts) for node in inner], seps)
        self._root = nodes[0][0]

    def _parents(
        self, level: int, children: Sequence[Node], counts: list[int], seps: list[bytes]
    ) -> list[tuple[Inner, bytes]]:
        """Inner nodes over `children`, each with the separator in front of it."""
        most = max(self._children_limit(level) * 3 // 4, 2)
        nodes = []
        for start in range(0, len(children), most):
            node = Inner(self._store.new_id(), level)
            node.children = list(children[start : start + most])
            node.separators = seps[start : start + most - 1]
            node.counts = counts[start : start + most]
            self._store.reshape(node)
            nodes.append((node, seps[start - 1] if start else b""))
        return nodes

    def cut(self, start: int, stop: int) -> list[bytes]:
        """Remove the entries from place `start` to `stop` (not included), and return them."""
        if stop - start <= _FEW:
            entries = self.slice(start, stop)
            for entry in entries:
                self.remove(entry)
            return entries
        removed: list[bytes] = []
        root = self._root
        if isinstance(root, Leaf):
            self._cut_leaf(root, start, stop, removed)
            return removed
        if self._cut_inner(root, start, stop, removed):
            self._root = self._store.new_leaf([])
            self._store.write_leaf(self._root)
            return removed
        self._lower_root()
        for place in (start - 1, start):
            self._mend(place)
        return removed

    # inside: growing

    def _children_limit(self, level: int) -> int:
        return self._shape.lower_children if level == 1 else self._shape.upper_children

    def _split_leaf(self, nodes: list[Inner], places: list[int], leaf: Leaf, entry: bytes) -> None:
        """Make room for `entry`. Whoever adds in order, up or down, leaves full leaves behind."""
        entries = self._entries(leaf)
        if entry > entries[-1] and all(at == len(node.counts) - 1 for node, at in zip(nodes, places, strict=True)):
            self._add_child(nodes, places, leaf, self._store.new_leaf([]), separator(entries[-1], entry), after=True)
        elif entry < entries[0] and not any(places):
            self._add_child(nodes, places, leaf, self._store.new_leaf([]), separator(entry, entries[0]), after=False)
        else:
            half = len(entries) // 2
            upper = entries[half:]
            other = self._store.new_leaf(upper)
            del entries[half:]
            leaf.size_bytes -= other.size_bytes
            self._store.write_leaf(leaf)
            self._store.write_leaf(other)
            self._add_child(nodes, places, leaf, other, separator(entries[-1], upper[0]), after=True)

    def _add_child(
        self,
        nodes: list[Inner],
        places: list[int],
        child: Node,
        other: Node,
        boundary: bytes,
        *,
        after: bool,
    ) -> None:
        """Put `other`, whose entries were the child's, beside `child`, the one that `nodes` and `places` lead to."""
        moved = weight(other)
        if not nodes:
            level = child.level + 1 if isinstance(child, Inner) else 1
            root = Inner(self._store.new_id(), level)
            root.children = [child, other] if after else [other, child]
            root.separators = [boundary]
            root.counts = [weight(one) for one in root.children]
            self._root = root
            self._store.reshape(root)
            return
        parent, at = nodes[-1], places[-1]
        index = at + 1 if after else at
        parent.children.insert(index, other)
        parent.separators.insert(at, boundary)
        parent.counts[at] -= moved
        parent.counts.insert(index, moved)
        if len(parent.children) > self._children_limit(parent.level):
            self._split_inner(nodes, places, last=index == len(parent.children) - 1)
        else:
            self._store.reshape(parent)

    def _split_inner(self, nodes: list[Inner], places: list[int], *, last: bool) -> None:
        node = nodes[-1]
        half = len(node.children) - 1 if last else len(node.children) // 2
        other = Inner(self._store.new_id(), node.level)
        other.children = node.children[half:]
        other.counts = node.counts[half:]
        other.separators = node.separators[half:]
        boundary = node.separators[half - 1]
        del node.children[half:], node.counts[half:], node.separators[half - 1 :]
        self._store.reshape(node)
        self._store.reshape(other)
        self._add_child(nodes[:-1], places[:-1], node, other, boundary, after=True)

    # inside: shrinking

    def _remove(self, nodes: list[Inner], places: list[int], leaf: Leaf, place: int) -> None:
        """`place` is that of the entry within the leaf."""
        entries = self._entries(leaf)
        leaf.size_bytes -= len(entries.pop(place))
        self._store.add_to_counts(nodes, places, -1)
        if nodes and len(entries) < self._shape.leaf_entries // 4:
            if not entries:
                self._drop_child(nodes, places, leaf)
                return
            if self._merge_leaf(nodes, places):
                return
        self._store.changed(leaf, went(place))

    def _drop_child(self, nodes: list[Inner], places: list[int], child: Node) -> None:
        """A child has no entries any more. Other leaves are left, or else the caller takes the whole tree away."""
        self._store.free(child)
        parent, at = nodes[-1], places[-1]
        _take_out(parent, at, at + 1)
        if not parent.children:
            if len(nodes) > 1:
                self._drop_child(nodes[:-1], places[:-1], parent)
                return
            self._store.free(parent)
            self._root = self._store.new_leaf([])
            self._store.write_leaf(self._root)
            return
        self._store.reshape(parent)
        self._shrunk(nodes, places)

    def _merge_leaf(self, nodes: list[Inner], places: list[int]) -> bool:
        """Join the leaf that the path leads to with a neighbour, if one leaf can hold both with room to spare."""
        parent, at = nodes[-1], places[-1]
        for left in (at, at - 1):
            if left < 0 or left + 1 >= len(parent.children):
                continue
            if parent.counts[left] + parent.counts[left + 1] > self._shape.leaf_entries * 3 // 4:
                continue
            one, other = parent.children[left], parent.children[left + 1]
            assert isinstance(one, Leaf)
            assert isinstance(other, Leaf)
            entries = self._entries(one)
            more = self._entries(other)
            if one.size_bytes + other.size_bytes > self._shape.leaf_bytes:
                continue
            entries += more
            one.size_bytes += other.size_bytes
            self._store.write_leaf(one)
            self._store.free(other)
            self._joined(nodes, places, left)
            return True
        return False

    def _joined(self, nodes: list[Inner], places: list[int], left: int) -> None:
        """Child `left + 1` of the last node went into child `left`."""
        parent = nodes[-1]
        parent.counts[left] += parent.counts[left + 1]
        del parent.children[left + 1], parent.counts[left + 1], parent.separators[left]
        self._store.reshape(parent)
        self._shrunk(nodes, places)

    def _shrunk(self, nodes: list[Inner], places: list[int]) -> None:
        """The last node has a child less: join it with a neighbour where that makes sense, or take the root's place."""
        if len(nodes) == 1:
            self._lower_root()
            return
        node, parent, at = nodes[-1], nodes[-2], places[-2]
        limit = self._children_limit(node.level)
        if len(node.children) > limit // 4:
            return
        for left in (at, at - 1):
            if left < 0 or left + 1 >= len(parent.children):
                continue
            one, other = parent.children[left], parent.children[left + 1]
            assert isinstance(one, Inner)
            assert isinstance(other, Inner)
            for each in (one, other):
                if not each.children:
                    self._store.load_inner(each)
            if len(one.children) + len(other.children) > limit * 3 // 4:
                continue
            one.separators += [parent.separators[left], *other.separators]
            one.children += other.children
            one.counts += other.counts
            self._store.reshape(one)
            self._store.free(other)
            self._joined(nodes[:-1], places[:-1], left)
            return

    def _lower_root(self) -> None:
        root = self._root
        while isinstance(root, Inner) and len(root.children) == 1:
            self._store.free(root)
            root = root.children[0]
            if isinstance(root, Inner) and not root.children:
                self._store.load_inner(root)
        self._root = root

    # inside: cutting

    def _cut_leaf(self, leaf: Leaf, start: int, stop: int, removed: list[bytes]) -> None:
        entries = self._entries(leaf)
        gone = entries[start:stop]
        removed += gone
        del entries[start:stop]
        leaf.size_bytes -= sum(map(len, gone))
        self._store.write_leaf(leaf)

    def _cut_inner(self, node: Inner, start: int, stop: int, removed: list[bytes]) -> bool:
        """Whether nothing is left of the node, which is then gone."""
        if not node.children:
            self._store.load_inner(node)
        first, before = child_at(node, start)
        empty: list[int] = []
        at = first
        while at < len(node.children) and before < stop:
            count = node.counts[at]
            low, high = max(start - before, 0), min(stop - before, count)
            child = node.children[at]
            if isinstance(child, Leaf):
                if high - low == count:
                    removed += self._entries(child)
                    self._store.free(child)
                    empty.append(at)
                else:
                    self._cut_leaf(child, low, high, removed)
            elif self._cut_inner(child, low, high, removed):
                empty.append(at)
            node.counts[at] = count - (high - low)
            before += count
            at += 1
        if len(empty) == len(node.children):
            self._store.free(node)
            return True
        if empty:
            _take_out(node, empty[0], empty[-1] + 1)
        self._store.reshape(node)
        return False

    def _mend(self, place: int) -> None:
        """Join what a cut left small around this place."""
        root = self._root
        if not isinstance(root, Inner) or not 0 <= place < sum(root.counts):
            return
        nodes, places, leaf = self._descend(self.slice(place, place + 1)[0])
        if len(self._entries(leaf)) >= self._shape.leaf_entries // 4 or not self._merge_leaf(nodes, places):
            self._shrunk(nodes, places)


def _take_out(node: Inner, start: int, stop: int) -> None:
    """Remove children, and the separators that told them from what stays."""
    del node.children[start:stop], node.counts[start:stop]
    if start:
        del node.separators[start - 1 : stop - 1]
    else:
        del node.separators[:stop]
