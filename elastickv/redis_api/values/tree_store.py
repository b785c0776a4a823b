"""Loads and writes the nodes of one counted tree; `tree_nodes` has their form, `counted_tree` decides what changes."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from typing import Final, Protocol

from elastickv.kv.keyspace import u32
from elastickv.redis_api.values.score_keys import SCORE_BYTES
from elastickv.redis_api.values.tree_nodes import (
    CAME,
    COUNTS,
    ID_BYTES,
    NODE,
    SLOT,
    WENT,
    Inner,
    Leaf,
    Node,
    change_record,
    counts_record,
    inner_record,
    leaf_record,
    read_change,
    read_inner,
    read_leaf,
)

_SLOTS: Final = tuple(bytes((slot,)) for slot in range(256))


class Records(Protocol):
    """The part of the view that a tree needs."""

    def get(self, key: bytes) -> bytes | None: ...

    def put(self, key: bytes, value: bytes) -> None: ...

    def delete(self, key: bytes) -> None: ...


LeafListener = Callable[[Leaf], None]
"""Who wants to know that a leaf takes up memory now. It may set `entries` to None, but not during an operation."""


class NodeStore:
    """The records of one tree."""

    __slots__ = ("_counts", "_delete", "_get", "_nodes", "_note", "_put", "_slot_limit", "_slots", "_stale", "last_id")

    def __init__(self, records: Records, prefix: bytes, last_id: int, slot_limit: int, note: LeafListener) -> None:
        self._get = records.get
        self._put = records.put
        self._delete = records.delete
        self._nodes = prefix + NODE
        self._counts = prefix + COUNTS
        self._slots = prefix + SLOT
        self._slot_limit = slot_limit
        self._note = note
        self._stale: dict[Inner, None] = {}
        """Nodes whose counts have changed and are not written yet, in the order in which they changed."""
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
        for slot in _SLOTS:
            change = self._get(prefix + slot)
            if change is None:
                break
            stamp, mark, body = read_change(change)
            if stamp != leaf.stamp:
                break
            leaf.used += 1
            if mark == CAME:
                insort(entries, body)
                leaf.size_bytes += len(body)
            elif mark == WENT:
                take_away(entries, body)
                leaf.size_bytes -= len(body)
            else:
                old = body[SCORE_BYTES:]
                take_away(entries, old)
                insort(entries, body[:SCORE_BYTES] + old[SCORE_BYTES:])
        self._note(leaf)
        return entries

    def load_inner(self, node: Inner) -> None:
        raw = self._get(self._nodes + node.id)
        counts = self._get(self._counts + node.id)
        assert raw is not None, "a node that its parent names is there"
        assert counts is not None, "a node and its counts come and go together"
        read_inner(node, raw, counts)

    def write_change(self, leaf: Leaf, mark: int, body: bytes) -> None:
        """Write what just changed in a leaf: a slot, or all of it when they are used up or it is not larger."""
        used = leaf.used
        if used >= self._slot_limit or leaf.size_bytes <= len(body):
            self.write_leaf(leaf)
        else:
            self._put(self._slots + leaf.id + _SLOTS[used], change_record(leaf.stamp, mark, body))
            leaf.used = used + 1

    def write_leaf(self, leaf: Leaf) -> None:
        leaf.spent = max(leaf.spent, leaf.used)
        leaf.used = 0
        leaf.generation += 1
        leaf.stamp = u32(leaf.generation)
        self._put(self._nodes + leaf.id, leaf_record(leaf))

    def write_inner(self, node: Inner) -> None:
        self._put(self._nodes + node.id, inner_record(node))
        self._put(self._counts + node.id, counts_record(node))
        self._stale.pop(node, None)

    def add_to_counts(self, nodes: list[Inner], places: list[int], number: int) -> None:
        """So many entries came, in the children that `places` say. `write_counts` must follow before others look."""
        stale = self._stale
        for node, at in zip(nodes, places, strict=True):
            node.counts[at] += number
            stale[node] = None

    def write_counts(self) -> None:
        put = self._put
        prefix = self._counts
        for node in self._stale:
            put(prefix + node.id, counts_record(node))
        self._stale.clear()

    def free(self, node: Node) -> None:
        """Delete the records of a node."""
        self._delete(self._nodes + node.id)
        if isinstance(node, Inner):
            self._delete(self._counts + node.id)
            self._stale.pop(node, None)
            return
        prefix = self._slots + node.id
        for slot in _SLOTS[: max(node.spent, node.used)]:
            self._delete(prefix + slot)
        node.entries = None


def take_away(entries: list[bytes], entry: bytes) -> None:
    at = bisect_left(entries, entry)
    assert entries[at] == entry, "a tree has what its owner says"
    del entries[at]
