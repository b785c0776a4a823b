"""Effects: what goes into a log entry comes out of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.kv.effects import decode, encode
from elastickv.kv.layers import Layer

KEYS = st.binary(min_size=1, max_size=8)


@given(
    st.dictionaries(KEYS, st.one_of(st.none(), st.binary(max_size=8))),
    st.lists(st.tuples(KEYS, st.one_of(KEYS, st.just(b"")))),
    st.integers(0, 2**64 - 1),
)
def test_a_batch_comes_back_whole(
    puts: dict[bytes, bytes | None], ranges: list[tuple[bytes, bytes]], timestamp: int
) -> None:
    layer = Layer()
    layer.puts.update(puts)
    layer.ranges.extend(ranges)
    data = encode(layer, timestamp)
    assert data, "empty data is the leader's no-op"
    effects = decode(data)
    assert effects.puts == puts
    assert effects.timestamp == timestamp
    assert effects.ranges == [(start, end) for start, end in ranges if not end or start < end]


def test_an_empty_batch_is_not_the_no_op_and_changes_nothing() -> None:
    effects = decode(encode(Layer()))
    assert effects.puts == {}
    assert effects.ranges == []


def test_strange_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="not an effects record"):
        decode(b"\xff\xff\xff")
