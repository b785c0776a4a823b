from __future__ import annotations

from base64 import b64encode
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from elastickv.dynamodb_api import item_keys
from elastickv.dynamodb_api.attributes import order
from elastickv.dynamodb_api.item_keys import equals, lower, partition, raw, sort, upper
from elastickv.kv.keyspace import MAX_ENGINE_KEY

blobs = st.one_of(
    st.binary(min_size=1, max_size=12),
    # Long ones that share their beginnings, with zeros where escapes and cuts meet.
    st.builds(
        lambda head, middle, tail: (head * 400)[: 315 + middle] + tail,
        st.sampled_from([b"a", b"\0", b"\0a", b"a\0"]),
        st.integers(0, 8),
        st.binary(max_size=8),
    ),
)


def B(data: bytes) -> dict[str, Any]:
    return {"B": b64encode(data).decode()}


def folded(value: dict[str, Any]) -> bytes | None:
    return item_keys.group_start(value)


@given(blobs, blobs)
def test_sort_keys_keep_their_order(one: bytes, other: bytes) -> None:
    left, right = sort(B(one)), sort(B(other))
    assert (left == right) is (one == other)
    if one == other:
        return
    assert not left.startswith(right)
    group = folded(B(one))
    if group is not None and group == folded(B(other)):
        return  # `walks` puts a group in order
    assert (left < right) is (one < other)


@given(blobs, blobs, st.booleans())
def test_bounds_leave_nothing_out(bound: bytes, key: bytes, including: bool) -> None:
    prefix = b"p"
    place = prefix + sort(B(key))
    if key > bound or (including and key == bound):
        assert lower(prefix, B(bound), including=including) <= place
    if key < bound or (including and key == bound):
        assert place < upper(prefix, B(bound), including=including)
    start, end = equals(prefix, B(bound))
    assert (start <= place < end) is (key == bound)
    start, end = item_keys.begins(prefix, B(bound))
    if key.startswith(bound):
        assert start <= place < end
    if folded(B(bound)) is None and folded(B(key)) is None:
        assert (lower(prefix, B(bound), including=including) <= place) is (key > bound or (including and key == bound))
        assert (place < upper(prefix, B(bound), including=including)) is (key < bound or (including and key == bound))
        assert (start <= place < end) is key.startswith(bound)


@given(st.binary(min_size=1, max_size=200), st.binary(min_size=1, max_size=200))
def test_partitions_do_not_meet(one: bytes, other: bytes) -> None:
    left, right = partition(B(one)), partition(B(other))
    assert (left == right) is (one == other)
    assert one == other or not (left.startswith(right) or right.startswith(left))


def test_the_longest_keys_fit_the_engine() -> None:
    long_partition, long_sort = {"S": "p" * 2048}, {"S": "\0" * 1024}
    own = partition(long_partition) + sort(long_sort)
    entry = own + item_keys.tie(own, long_partition, long_sort)
    assert len(entry) + item_keys.MAX_PREFIX <= MAX_ENGINE_KEY
    assert item_keys.is_folded(sort(long_sort))
    assert not item_keys.is_folded(sort({"S": "\2"}))


def test_partitions_are_ordered_by_aws_hash() -> None:
    # The first bytes of MD5("Outliers" + key), as dynalite found them.
    from hashlib import md5

    assert partition({"S": "a"})[:4] == md5(b"Outliersa").digest()[:4]


@given(st.lists(st.text(min_size=1, max_size=5), min_size=2))
def test_text_and_its_order(texts: list[str]) -> None:
    values = [{"S": text} for text in texts]
    assert sorted(values, key=sort) == sorted(values, key=order)
    assert raw(values[0]) == texts[0].encode()
