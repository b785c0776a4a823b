from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.dynamodb_api import composite_keys, item_keys
from elastickv.dynamodb_api.attributes import order
from elastickv.dynamodb_api.composite_keys import ordered, partition, sort, span
from elastickv.kv.keyspace import MAX_ENGINE_KEY, prefix_end

Value = dict[str, Any]

blobs = st.one_of(
    st.binary(min_size=1, max_size=3),
    st.sampled_from([b"\0", b"\0\0", b"\0\1", b"\1", b"\2", b"\xff", b"a", b"a\0", b"a\0\xff"]),
    # Long ones that share their beginnings, with zeros where escapes and cuts meet.
    st.builds(
        lambda head, middle, tail: (head * 400)[: 306 + middle] + tail,
        st.sampled_from([b"a", b"\0", b"\0a", b"a\0"]),
        st.integers(0, 16),
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


def group(values: Sequence[Value]) -> bytes | None:
    encoded = sort(values)
    return encoded[: -item_keys.FOLD_BYTES] if item_keys.is_folded(encoded) else None


@given(tuples())
def test_keys_are_in_the_order_of_tuples(keys: list[list[Value]]) -> None:
    one, other = keys
    assert (ordered(one) < ordered(other)) is (model(one) < model(other))
    assert (sort(one) == sort(other)) is (model(one) == model(other))
    if model(one) == model(other):
        return
    assert not sort(one).startswith(sort(other))
    if group(one) is not None and group(one) == group(other):
        return  # `walks` puts a group in order
    assert (sort(one) < sort(other)) is (model(one) < model(other))


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
    found = span(
        b"p",
        low[:equal],
        operator,
        [low[equal], high[equal]][: 2 if operator == "BETWEEN" else 1],
        complete=given_ == length,
    )
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


def test_long_keys_that_are_given_whole_are_found_exactly() -> None:
    key = [{"S": "a" * 300}, {"S": "b" * 300}]
    found = span(b"p", key[:1], "EQ", key[1:], complete=True)
    assert found == composite_keys.Span(b"p" + sort(key), prefix_end(b"p" + sort(key)), True)
    assert not span(b"p", key[:1], "BEGINS_WITH", key[1:], complete=True).exact
