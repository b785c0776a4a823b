"""A layer against a plain model: which keys are known to be there, which to be absent, which are not known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.kv.layers import Layer

ALL = [b"", b"a", b"b", b"c", b"d", b"e"]
KEYS = st.sampled_from(ALL)
PUTS = st.tuples(st.just("put"), KEYS, st.sampled_from([None, b"1", b"2"]))
RANGES = st.tuples(st.just("range"), KEYS, KEYS)


@given(st.lists(st.one_of(PUTS, RANGES), max_size=12))
def test_what_a_layer_knows(steps: list[tuple[str, bytes, bytes | None]]) -> None:
    layer = Layer()
    known: dict[bytes, bytes | None] = {}
    for kind, first, second in steps:
        if kind == "put":
            layer.puts[first] = known[first] = second
        elif second is not None and (not second or first < second):
            layer.delete_range(first, second)
            known.update({key: None for key in ALL if first <= key and (not second or key < second)})
    for key in ALL:
        if key in layer.puts:
            assert layer.puts[key] == known[key]
        else:
            assert layer.masks(key) == (key in known)


def test_a_range_that_is_cleared_step_by_step_stays_one() -> None:
    layer = Layer()
    for start, end in [(b"a", b"b"), (b"b", b"c"), (b"c", b"")]:
        layer.delete_range(start, end)
    assert layer.ranges == [(b"a", b"")]
    layer.delete_range(b"", b"a")
    assert layer.masks(b"z")


@pytest.mark.parametrize("new", [1, 8, 9, 200, 1249, 1251, 20_000])
def test_keys_are_in_order_however_many_came(new: int) -> None:
    layer = Layer()
    for number in range(20_000):
        layer.puts[b"%d" % (number * 7919 % 100_003)] = b""
    assert layer.keys() == sorted(layer.puts)
    for number in range(new):
        layer.puts[b"x%d" % (number * 31 % 9973) if number % 2 else b"%d" % number] = b""
    assert layer.keys() == sorted(layer.puts)


@given(
    st.lists(st.lists(st.binary(max_size=3).map(lambda raw: bytes(byte % 3 + 97 for byte in raw)))),
    st.sampled_from([b"", b"a", b"ab", b"abc", b"b", b"ca"]),
    st.sampled_from([b"", b"a", b"ab", b"abc", b"b", b"bc", b"cb"]),
)
def test_keys_of_a_range_are_among_those_that_come_for_it(parts: list[list[bytes]], start: bytes, end: bytes) -> None:
    layer = Layer()
    for part in parts:
        layer.puts.update(dict.fromkeys(part, b""))
        found = layer.keys(start, end)
        assert found == sorted(set(found) & set(layer.puts))
        assert {key for key in layer.puts if start <= key and (not end or key < end)} <= set(found)
        assert layer.keys() == sorted(layer.puts)
    layer.clear()
    assert not layer
    assert layer.keys() == []
