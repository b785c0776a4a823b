from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.dynamodb_api import composite_keys, item_keys
from elastickv.dynamodb_api.attributes import order
from elastickv.dynamodb_api.composite_keys import folds, partition, sort, span
from elastickv.kv.keyspace import MAX_ENGINE_KEY

Value = dict[str, Any]

blobs = st.one_of(
    st.binary(min_size=1, max_size=3),
    st.sampled_from([b"\0", b"\0\0", b"\0\1", b"\1", b"\2", b"\xff", b"a", b"a\0", b"a\0\xff"]),
    # Long ones that share their beginnings, with zeros where escapes and cuts meet.
    st.builds(
        lambda head, place, less, tail: (head * 400)[: place - less] + tail,
        st.sampled_from([b"a", b"\0", b"\0a", b"a\0"]),
        st.sampled_from([51, 67, 70, 106, 120, 150, 200, 322]),
        st.integers(0, 8),
        st.binary(max_size=3),
    ),
)
KINDS: dict[str, st.SearchStrategy[Value]] = {
    "B": blobs.map(lambda data: {"B": b64encode(data).decode()}),
    "N": st.sampled_from(
        ["0", "1", "-1", "2", "2.5", "-2", "-2.5", "100", "-100", "1" + "0" * 125, "-1" + "0" * 125]
    ).map(lambda text: {"N": text}),
}


@st.composite
def tuples(draw: st.DrawFn, count: int = 2) -> list[list[Value]]:
    """Some keys of the same attributes."""
    kinds = draw(st.lists(st.sampled_from("BN"), min_size=2, max_size=4))
    return [[draw(KINDS[kind]) for kind in kinds] for _ in range(count)]


def model(values: Sequence[Value]) -> tuple[Any, ...]:
    return tuple(map(order, values))


def in_one_group(one: Sequence[Value], other: Sequence[Value]) -> bool:
    """They were cut at the same place, behind the same beginning: `walks` puts them in order."""
    left, right = sort(one), sort(other)
    pairs = zip(folds(one)[1], folds(other)[1], strict=False)
    return any(
        here == there and left[:here] == right[:there] and value != another for (here, value), (there, another) in pairs
    )


@given(tuples())
def test_keys_are_in_the_order_of_tuples(keys: list[list[Value]]) -> None:
    one, other = keys
    assert (sort(one) == sort(other)) is (model(one) == model(other))
    if model(one) == model(other):
        return
    assert not sort(one).startswith(sort(other))
    assert (sort(one) < sort(other)) is (model(one) < model(other)) or in_one_group(one, other)


@given(tuples(), st.data())
def test_what_begins_with_the_same_values_lies_together(keys: list[list[Value]], data: st.DataObject) -> None:
    """However long they are: the other values' order is the keys' order."""
    one, other = keys
    same = data.draw(st.integers(1, len(one)))
    other = [*one[:same], *other[same:]]
    found = span(b"", one[: same - 1], "EQ", [one[same - 1]], count=len(one))
    assert found.exact
    assert found.start <= sort(one) < found.end
    assert found.start <= sort(other) < found.end


@given(tuples())
def test_the_order_of_folds_is_that_of_values(keys: list[list[Value]]) -> None:
    one, other = keys
    for encoded, (length, _) in ((sort(one), folds(one)), (sort(other), folds(other))):
        assert len(encoded) == length
        assert item_keys.is_folded(encoded) is bool(folds(one)[1] if encoded == sort(one) else folds(other)[1])
    if in_one_group(one, other):
        # Values before the first place where they differ are the same, so this alone decides.
        left, right = next(
            (left, right)
            for (_, left), (_, right) in zip(folds(one)[1], folds(other)[1], strict=False)
            if left != right
        )
        assert (left < right) is (model(one) < model(other))


OPERATORS: dict[str, Callable[[Any, Any, Any], bool]] = {
    "EQ": lambda key, low, high: key == low,
    "LT": lambda key, low, high: key < low,
    "LE": lambda key, low, high: key <= low,
    "GT": lambda key, low, high: key > low,
    "GE": lambda key, low, high: key >= low,
    "BETWEEN": lambda key, low, high: low <= key <= high,
    "BEGINS_WITH": lambda key, low, high: key.startswith(low),
}


@given(tuples(count=3), st.data())
def test_spans_leave_nothing_out_and_take_nothing_in(keys: list[list[Value]], data: st.DataObject) -> None:
    key, low, high = keys
    length = len(key)
    given_ = data.draw(st.integers(1, length))
    equal = given_ - 1
    operator = data.draw(st.sampled_from(sorted(OPERATORS)))
    if operator == "BEGINS_WITH" and "N" in low[equal]:
        operator = "GE"
    if data.draw(st.booleans()):
        low = [*key[:equal], low[equal]]  # what differs is only what the condition is on
    tail = b"t" * item_keys.TIE_BYTES
    bounds = [low[equal], high[equal]][: 2 if operator == "BETWEEN" else 1]
    found = span(b"p", low[:equal], operator, bounds, count=length)
    meant = model(key[:equal]) == model(low[:equal]) and OPERATORS[operator](
        order(key[equal]), order(low[equal]), order(high[equal])
    )
    inside = found.start <= b"p" + sort(key) + tail < found.end
    if meant:
        assert inside
    if found.exact:
        assert inside is meant


@given(tuples())
def test_partitions_do_not_meet(keys: list[list[Value]]) -> None:
    left, right = map(partition, keys)
    same = model(keys[0]) == model(keys[1])
    assert (left == right) is same
    assert same or not (left.startswith(right) or right.startswith(left))


def test_values_do_not_run_into_each_other() -> None:
    assert partition([{"S": "a"}, {"S": "bc"}]) != partition([{"S": "ab"}, {"S": "c"}])
    assert sort([{"S": "a"}, {"S": "bc"}]) != sort([{"S": "ab"}, {"S": "c"}])
    # AWS' hash of several values is not known; ours is that of their bytes.
    assert partition([{"S": "a"}, {"S": "bc"}])[:4] == item_keys.partition({"S": "abc"})[:4]


@pytest.mark.parametrize("value", [{"S": "x" * 400}, {"S": "x"}, {"N": "5"}, {"B": b64encode(b"\0").decode()}])
def test_one_attribute_lies_where_it_always_did(value: Value) -> None:
    assert partition([value]) == item_keys.partition(value)
    assert sort([value]) == item_keys.sort(value)
    assert sort([]) == b""


def test_the_longest_keys_fit_the_engine() -> None:
    long_partition = [{"S": "p" * 512}] * composite_keys.MAX_ATTRIBUTES
    long_sort = [{"S": "\0" * 256}] * composite_keys.MAX_ATTRIBUTES
    entry = partition(long_partition) + sort(long_sort) + b"t" * item_keys.TIE_BYTES
    assert len(entry) + item_keys.MAX_PREFIX <= MAX_ENGINE_KEY
    assert item_keys.is_folded(sort(long_sort))
    assert not item_keys.is_folded(sort([{"S": "\2"}, {"S": "\2"}]))


def test_values_are_cut_where_they_do_not_end_in_time() -> None:
    short, long = {"S": "a" * 198}, {"S": "a" * 199}
    assert folds([short, {"S": "b"}]) == (203, [])
    length, found = folds([long, {"S": "b"}])
    assert (length, found) == (200 + 16 + 3 + 1, [(200, b"a" * 199 + b"\0\1")])
    assert len(sort([long, {"S": "b"}])) == length
    assert not span(b"p", [], "GE", [long], count=2).exact
    assert not span(b"p", [long], "BEGINS_WITH", [{"S": "b" * 107}], count=2).exact
    assert span(b"p", [long], "BEGINS_WITH", [{"S": "b" * 106}], count=2).exact
