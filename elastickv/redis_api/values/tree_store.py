"""Loads and writes the nodes of one counted tree; `tree_nodes` has their form, `counted_tree` decides what changes."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from typing import Protocol

from elastickv.kv.keyspace import u32
from elastickv.redis_api.values.score_keys import SCORE_BYTES
from elastickv.redis_api.values.tree_nodes import (
    CAME,
    COUNTS,
    ID_BYTES,
    MOVED,
    NODE,
    PLACES,
    SEVERAL,
    SLOT,
    WENT,
    Inner,
    Leaf,
    Node,
    changes_record,
    counts_record,
    inner_record,
    leaf_record,
    read_change,
    read_changes,
    read_inner,
    read_leaf,
)


class Records(Protocol):
    """The part of the view that a tree needs."""

    def get(self, key: bytes) -> bytes | None: ...

    def put(self, key: bytes, value: bytes) -> None: ...

    def delete(self, key: bytes) -> None: ...


LeafListener = Callable[[Leaf], None]
"""Who wants to know that a leaf takes up memory now. It may set `entries` to None, but not during an operation."""


class NodeStore:
    """The records of one tree."""

    __slots__ = (
        "_changed",
        "_counts",
        "_delete",
        "_get",
        "_nodes",
        "_note",
        "_put",
        "_reshaped",
        "_slot_limit",
        "_slots",
        "_stale",
        "last_id",
    )

    def __init__(self, records: Records, prefix: bytes, last_id: int, slot_limit: int, note: LeafListener) -> None:
        self._get = records.get
        self._put = records.put
        self._delete = records.delete
        self._nodes = prefix + NODE
        self._counts = prefix + COUNTS
        self._slots = prefix + SLOT
        self._slot_limit = slot_limit
        self._note = note
        self._changed: dict[Leaf, None] = {}
        """Leaves with changes that are not written yet, and perhaps some that have been written as a whole since."""
        self._stale: dict[Inner, None] = {}
        """Nodes whose counts have changed and are not written yet, in the order in which they changed."""
        self._reshaped: dict[Inner, None] = {}
        """The same for nodes that got or lost children, or are new."""
        self.last_id = last_id
        """Newest node. Numbers are never used again, so slots of a leaf that is gone cannot be taken for another's."""

    def new_id(self) -> bytes:
        self.last_id += 1
        return self.last_id.to_bytes(ID_BYTES)

    def new_leaf(self, entries: list[bytes]) -> Leaf:
        """Not written yet."""
        leaf = Leaf(self.new_id(), entries, sum(map(len, entries)))
        self._note(leaf)
        return leaf

    def load_leaf(self, leaf: Leaf) -> list[bytes]:
        """Its entries, from the record and the changes since."""
        raw = self._get(self._nodes + leaf.id)
        assert raw is not None, "a leaf that its parent names is there"
        entries = read_leaf(leaf, raw)
        prefix = self._slots + leaf.id
        for slot in PLACES:
            change = self._get(prefix + slot)
            if change is None:
                break
            stamp, mark, body = read_change(change)
            if stamp != leaf.stamp:
                break
            leaf.used += 1
            if mark == SEVERAL:
                read_changes(entries, body)
            elif mark == CAME:
                insort(entries, body)
            elif mark == WENT:
                del entries[place_of(entries, body)]
            else:
                assert mark == MOVED, "a mark that this version knows"
                old = body[SCORE_BYTES:]
                del entries[place_of(entries, old)]
                insort(entries, body[:SCORE_BYTES] + old[SCORE_BYTES:])
        if leaf.used:
            leaf.size_bytes = sum(map(len, entries))
        self._note(leaf)
        return entries

    def load_inner(self, node: Inner) -> None:
        raw = self._get(self._nodes + node.id)
        counts = self._get(self._counts + node.id)
        assert raw is not None, "a node that its parent names is there"
        assert counts is not None, "a node and its counts come and go together"
        read_inner(node, raw, counts)

    def changed(self, leaf: Leaf, change: bytes) -> None:
        """This was done to a loaded leaf. `write` must follow before others look."""
        changes = leaf.changes
        if not changes:
            self._changed[leaf] = None
        changes.append(change)

    def _write_changes(self, leaf: Leaf) -> None:
        """A slot, or all of the leaf when its slots are used up or it is not much larger than its changes."""
        used = leaf.used
        record = changes_record(leaf.stamp, leaf.changes)
        if used >= self._slot_limit or leaf.size_bytes <= 2 * len(record):
            self.write_leaf(leaf)
        else:
            self._put(self._slots + leaf.id + PLACES[used], record)
            leaf.used = used + 1
            leaf.changes = []

    def write_leaf(self, leaf: Leaf) -> None:
        leaf.changes = []
        leaf.spent = max(leaf.spent, leaf.used)
        leaf.used = 0
        leaf.generation += 1
        leaf.stamp = u32(leaf.generation)
        self._put(self._nodes + leaf.id, leaf_record(leaf))

    def reshape(self, node: Inner) -> None:
        """Children came or went. `write` must follow before others look."""
        self._reshaped[node] = None
        self._stale[node] = None

    def add_to_counts(self, nodes: list[Inner], places: list[int], number: int) -> None:
        """So many entries came, in the children that `places` say. `write` must follow before others look."""
        stale = self._stale
        for node, at in zip(nodes, places, strict=True):
            node.counts[at] += number
            stale[node] = None

    def move_one(self, steps: list[tuple[Inner, int, Inner, int]]) -> None:
        """As `add_to_counts`, for an entry that left the one child and came to the other."""
        stale = self._stale
        for node, at, other, place in steps:
            counts = node.counts
            if node is not other:
                counts[at] -= 1
                other.counts[place] += 1
                stale[node] = stale[other] = None
            elif at != place:
                counts[at] -= 1
                counts[place] += 1
                stale[node] = None

    def write(self) -> None:
        """Whatever has changed and is not written yet."""
        for leaf in self._changed:
            if leaf.changes:
                self._write_changes(leaf)
        self._changed.clear()
        put = self._put
        prefix = self._counts
        for node in self._stale:
            put(prefix + node.id, counts_record(node))
        self._stale.clear()
        prefix = self._nodes
        for node in self._reshaped:
            put(prefix + node.id, inner_record(node))
        self._reshaped.clear()

    def free(self, node: Node) -> None:
        """Delete the records of a node."""
        self._delete(self._nodes + node.id)
        if isinstance(node, Inner):
            self._delete(self._counts + node.id)
            self._stale.pop(node, None)
            self._reshaped.pop(node, None)
            return
        node.changes = []
        prefix = self._slots + node.id
        for slot in PLACES[: max(node.spent, node.used)]:
            self._delete(prefix + slot)
        node.entries = None


def place_of(entries: list[bytes], entry: bytes) -> int:
    at = bisect_left(entries, entry)
    assert entries[at] == entry, "a tree has what its owner says"
    return at
