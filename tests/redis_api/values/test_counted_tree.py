"""The counted tree against a sorted list, with nodes so small that every kind of split and merge is met."""

from __future__ import annotations

from bisect import bisect_left, insort
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elastickv.kv.keyspace import prefix_end
from elastickv.redis_api.values.counted_tree import CountedTree, Shape
from elastickv.redis_api.values.score_keys import score_key
from elastickv.redis_api.values.tree_nodes import CAME, COUNTS, MOVED, NODE, SLOT, WENT, Inner, Leaf, separator
from tests.kit.fake_redis_store import FakeStore

PREFIX = b"E12345678"
TINY = Shape(leaf_entries=4, leaf_bytes=200, slots=3, lower_children=3, upper_children=4)
SHAPES = [
    TINY,
    Shape(leaf_entries=8, leaf_bytes=120, slots=2, lower_children=4, upper_children=4),
    Shape(leaf_entries=16, leaf_bytes=4096, slots=5, lower_children=5, upper_children=7),
    Shape(),
]


class Tried:
    """A tree beside a sorted list; each method does the same to both."""

    def __init__(self, shape: Shape, entries: list[bytes] | None = None) -> None:
        self.store = FakeStore()
        self.shape = shape
        self.loaded: list[Leaf] = []
        self.tree = CountedTree(self.store.view, PREFIX, None, self.loaded.append, shape)
        self.plain = sorted(entries or [])
        if entries is not None:
            self.tree.fill(self.plain)

    def reopen(self) -> None:
        self.tree = CountedTree(self.store.view, PREFIX, self.tree.state(), self.loaded.append, self.shape)

    def unload(self) -> None:
        self.tree.state()
        for leaf in self.loaded:
            leaf.entries = None
        self.loaded.clear()

    def add(self, entry: bytes) -> None:
        self.tree.add(entry)
        insort(self.plain, entry)

    def remove(self, entry: bytes) -> None:
        self.tree.remove(entry)
        self.plain.remove(entry)

    def move(self, old: bytes, new: bytes) -> None:
        self.tree.move(old, new)
        self.plain.remove(old)
        insort(self.plain, new)

    def cut(self, start: int, stop: int) -> None:
        assert self.tree.cut(start, stop) == self.plain[start:stop]
        del self.plain[start:stop]

    def check(self) -> None:
        size = len(self.plain)
        assert self.tree.slice(0, size) == self.plain
        self._check_nodes()

    def _check_nodes(self) -> None:
        """Bounds, counts, sizes, and that no record is left of nodes that are gone."""
        self.tree.state()
        records = {key for key, _ in self.store.view.scan(PREFIX, prefix_end(PREFIX))}
        expected: set[bytes] = set()

        def walk(node: Leaf | Inner, low: bytes, high: bytes | None) -> int:
            if isinstance(node, Leaf):
                entries = node.entries if node.entries is not None else self.tree._store.load_leaf(node)
                assert all(low <= entry and (high is None or entry < high) for entry in entries)
                assert entries or node is self.tree._root
                assert len(entries) <= self.shape.leaf_entries
                assert node.size_bytes == sum(map(len, entries))
                if entries or PREFIX + NODE + node.id in records:
                    expected.add(PREFIX + NODE + node.id)
                expected.update(PREFIX + SLOT + node.id + bytes((slot,)) for slot in range(max(node.spent, node.used)))
                return len(entries)
            if not node.children:
                self.tree._store.load_inner(node)
            assert len(node.separators) == len(node.children) - 1
            limit = self.shape.lower_children if node.level == 1 else self.shape.upper_children
            assert 1 <= len(node.children) <= limit
            assert node is not self.tree._root or len(node.children) > 1
            expected.update((PREFIX + NODE + node.id, PREFIX + COUNTS + node.id))
            bounds = [low, *node.separators, high]
            found = []
            for child, lower, upper in zip(node.children, bounds, bounds[1:], strict=False):
                assert lower is not None
                found.append(walk(child, lower, upper))
            assert list(node.counts) == found
            return sum(found)

        assert walk(self.tree._root, b"", None) == len(self.plain)
        assert records == expected


def _entry(number: float, member: bytes) -> bytes:
    return score_key(number) + member


def _member(rng: Random) -> bytes:
    length = rng.choice((0, 1, 2, 3, 20, 20, 90, 300))
    return bytes(rng.choice(b"ab\x00\xff") for _ in range(length))


def play(tried: Tried, rng: Random, steps: int) -> None:
    by_member = {entry[8:]: entry for entry in tried.plain}
    order = rng.choice(("random", "up", "down"))
    shrink = 0.3
    for step in range(steps):
        if rng.random() < 0.02:
            shrink = rng.choice((0.05, 0.3, 0.8))
            order = rng.choice(("random", "up", "down"))
        chance = rng.random()
        score = {"random": float(rng.randint(-50, 50)), "up": float(step), "down": float(-step)}[order]
        member = b"%d" % step if rng.random() < 0.7 else _member(rng)
        if by_member and chance < shrink:
            entry = by_member.pop(rng.choice(sorted(by_member)))
            tried.remove(entry)
        elif by_member and chance < shrink + 0.15:
            member = rng.choice(sorted(by_member))
            old, new = by_member[member], _entry(score, member)
            if old != new:
                tried.move(old, new)
                by_member[member] = new
        elif by_member and chance > 0.985:
            size = len(tried.plain)
            start = rng.randint(0, size)
            stop = rng.randint(start, min(size, start + rng.choice((3, 12, 40, size))))
            for entry in tried.plain[start:stop]:
                del by_member[entry[8:]]
            tried.cut(start, stop)
        elif member not in by_member:
            by_member[member] = _entry(score, member)
            tried.add(by_member[member])
        if rng.random() < 0.05:
            rng.choice((tried.reopen, tried.unload, tried.store.settle))()
        size = len(tried.plain)
        bound = _entry(score, member) if rng.random() < 0.5 else rng.choice((b"", b"\xff" * 9, score_key(score)))
        assert tried.tree.below(bound) == bisect_left(tried.plain, bound)
        start = rng.randint(0, size)
        stop = rng.randint(start, size)
        assert tried.tree.slice(start, stop) == tried.plain[start:stop]
        if rng.random() < 0.03:
            tried.check()
    tried.check()
    tried.reopen()
    tried.check()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(6))
def test_like_a_sorted_list(shape: Shape, seed: int) -> None:
    play(Tried(shape), Random(seed), 250)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False), st.integers(0, 120), st.sampled_from(SHAPES[:3]))
def test_like_a_sorted_list_from_any_start(rng: Random, size: int, shape: Shape) -> None:
    members = {_member(rng) if rng.random() < 0.3 else b"%d" % number for number in range(size)}
    play(Tried(shape, [_entry(rng.randint(0, 9), member) for member in members]), rng, 60)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_undone_was_never_there(seed: int) -> None:
    rng = Random(seed)
    tried = Tried(TINY, [_entry(number, b"m%d" % number) for number in range(60)])
    state = tried.tree.state()
    view = tried.store.view
    view.begin()
    for entry in rng.sample(tried.plain, 40):
        tried.tree.remove(entry)
    for number in range(50):
        tried.tree.add(_entry(rng.randint(0, 60), b"x%d" % number))
    view.undo()
    tried.tree = CountedTree(view, PREFIX, state, tried.loaded.append, TINY)
    tried.check()
    # The nodes that were made and undone gave their numbers back: what comes now must not meet their remains.
    play(tried, rng, 100)


@pytest.mark.parametrize("direction", [1, -1])
def test_what_comes_in_order_fills_leaves(direction: int) -> None:
    tried = Tried(Shape())
    for number in range(2000):
        tried.add(_entry(direction * number, b"m"))
    tried.check()
    leaves = {id(leaf) for leaf in tried.loaded}
    assert len(leaves) <= 2000 // 64 + 2


def test_a_walk_that_empties_it() -> None:
    tried = Tried(TINY, [_entry(number, b"m") for number in range(100)])
    while tried.plain:
        assert tried.tree.first() == tried.plain[0]
        tried.remove(tried.plain[0])
    tried.check()
    tried.add(_entry(1, b"again"))
    tried.check()


def test_a_cut_of_everything() -> None:
    tried = Tried(TINY, [_entry(number, b"m") for number in range(100)])
    tried.cut(0, 100)
    tried.check()
    tried.add(_entry(1, b"again"))
    tried.check()


def test_one_change_is_one_small_record() -> None:
    tried = Tried(Shape(), [_entry(number, b"member:%08d" % number) for number in range(10_000)])
    view = tried.store.view
    tried.tree.state()
    tried.store.settle()
    tried.add(_entry(5000.5, b"member:0"))
    written = view.forming.puts
    tried.tree.state()
    assert sum(len(key) + len(value or b"") for key, value in written.items()) < 200
    assert len(written) == 3  # a slot, and the counts of two nodes above it


def test_changes_that_earlier_versions_wrote_are_read() -> None:
    tried = Tried(Shape(), [_entry(number, b"m%d" % number) for number in range(9)])
    [leaf] = tried.loaded
    gone, moved, came = _entry(3, b"m3"), _entry(5, b"m5"), _entry(7.5, b"new")
    for slot, (mark, body) in enumerate([(WENT, gone), (MOVED, score_key(1.5) + moved), (CAME, came)]):
        record = leaf.stamp + bytes((mark,)) + body
        tried.store.view.put(PREFIX + SLOT + leaf.id + bytes((slot,)), record)
    tried.plain = sorted({*tried.plain, came, _entry(1.5, b"m5")} - {gone, moved})
    tried.unload()
    tried.check()
    play(tried, Random(1), 100)


def test_separators_are_short() -> None:
    assert separator(b"abc", b"abd") == b"abd"
    assert separator(b"a", b"ab") == b"ab"
    assert separator(b"abc", b"b") == b"b"
    assert separator(b"", b"\0") == b"\0"
    assert separator(b"a" * 500 + b"b", b"a" * 500 + b"cdef") == b"a" * 500 + b"c"


@given(st.binary(), st.binary())
def test_separators_separate(one: bytes, other: bytes) -> None:
    left, right = sorted((one, other))
    if left != right:
        found = separator(left, right)
        assert left < found <= right
        assert found[:-1] <= left
