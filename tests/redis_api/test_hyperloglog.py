"""HyperLogLog against a plain list of registers; its bytes are compared with Redis' in tests/conformance."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.redis_api.hyperloglog import (
    REGISTERS,
    Corrupted,
    HyperLogLog,
    NoHyperLogLog,
    estimate,
    merged,
    murmur64a,
    place,
)

CHANGES = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 40), st.integers(0, REGISTERS - 1)), st.one_of(st.integers(1, 5), st.integers(1, 51))
    ),
    max_size=120,
)


def test_the_hash_is_murmurs() -> None:
    """Values of the reference implementation."""
    assert murmur64a(b"", 0) == 0
    assert murmur64a(b"hello", 0) == 0x1E68D17C457BF117
    assert 0 <= place(b"x")[0] < REGISTERS


@given(CHANGES, st.sampled_from([20, 60, 3000]))
def test_both_forms_hold_what_a_list_holds(changes: list[tuple[int, int]], sparse_bytes: int) -> None:
    model = [0] * REGISTERS
    sketch, dense = HyperLogLog(), HyperLogLog()
    dense.make_dense()
    for index, value in changes:
        changed = value > model[index]
        model[index] = max(model[index], value)
        assert sketch.raise_register(index, value, sparse_bytes) == changed
        assert dense.raise_register(index, value, sparse_bytes) == changed
        sketch = HyperLogLog.parse(sketch.to_bytes())
        assert len(sketch.to_bytes()) <= sparse_bytes + 3 or not sketch.is_sparse
    assert sketch.registers() == dense.registers() == bytes(model)
    assert HyperLogLog.parse(dense.to_bytes()).registers() == bytes(model)
    assert sum(length for _, length, _ in sketch.runs()) == REGISTERS or not sketch.is_sparse


def test_large_values_need_the_dense_form() -> None:
    sketch = HyperLogLog()
    sketch.raise_register(5, 32, 3000)
    assert len(sketch.to_bytes()) < 30
    sketch.raise_register(5, 33, 3000)
    assert not sketch.is_sparse
    assert len(sketch.to_bytes()) == 16 + 12288


@pytest.mark.parametrize("count", [0, 1, 100, 1000, 20_000])
def test_estimates_are_near(count: int) -> None:
    sketch = HyperLogLog()
    for number in range(count):
        sketch.add(b"element:%d" % number, 3000)
    sketch.forget_cardinality()
    assert sketch.cached is None
    assert abs(sketch.count() - count) <= max(1, count * 0.03)
    assert sketch.cached == sketch.count()


def test_merged_registers_count_the_union() -> None:
    one, other = HyperLogLog(), HyperLogLog()
    for number in range(3000):
        one.add(b"%d" % number, 3000)
        other.add(b"%d" % (number + 1500), 3000)
    assert abs(estimate(merged([one.registers(), other.registers()])) - 4500) < 150
    assert estimate(merged([])) == 0


def test_each_register_of_the_union_is_the_largest() -> None:
    chance = Random(1)
    several = [bytes(chance.choice((0, 1, 2, 31, 50, 62, 63)) for _ in range(16384)) for _ in range(4)]
    for count in range(1, 5):
        assert merged(several[:count]) == bytes(map(max, zip(*several[:count], strict=True)))


@pytest.mark.parametrize("stored", [b"", b"HYLL", b"HYLX" + bytes(14), b"HYLL\x02" + bytes(20), b"HYLL" + bytes(12)])
def test_other_strings(stored: bytes) -> None:
    with pytest.raises(NoHyperLogLog):
        HyperLogLog.parse(stored)


@pytest.mark.parametrize("runs", [b"", b"\x00", b"\x7f", b"\x7f\xff\x00", b"\x7f\xff\x40", b"\x80"])
def test_damage(runs: bytes) -> None:
    sketch = HyperLogLog.parse(b"HYLL\x01" + bytes(11) + runs)
    assert sketch.to_bytes().endswith(runs)
    with pytest.raises(Corrupted):
        sketch.registers()


def test_half_a_run_of_zeros_at_the_end_reads_as_if_a_zero_byte_came_next() -> None:
    sketch = HyperLogLog.parse(b"HYLL\x01" + bytes(11) + b"\x7f\xfe\x40")
    assert sketch.registers() == bytes(16384)
    assert sketch.runs() == [(0, 16383, 2), (0, 1, 2)]
