"""Small records: there and back, and no guessing about what is damaged or newer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.raft.types import (
    ConfChange,
    ConfChangeKind,
    ConfChangeStep,
    ConfState,
    HardState,
    Member,
    SnapshotMeta,
    Transition,
)
from elastickv.storage import codec
from elastickv.storage.codec import Corruption
from elastickv.storage.engine import Applied

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
several = st.lists(names, max_size=4).map(tuple)
numbers = st.integers(0, 2**63 - 1)
conf_states = st.builds(
    ConfState,
    several,
    several,
    several,
    several,
    st.booleans(),
    st.lists(st.builds(Member, names, names, names)).map(tuple),
)
changes = st.builds(
    ConfChange,
    st.lists(st.builds(ConfChangeStep, st.sampled_from(ConfChangeKind), names, names, names), max_size=3).map(tuple),
    st.sampled_from(Transition),
)


@given(conf_states)
def test_configurations(state: ConfState) -> None:
    assert codec.conf_state_from_dict(codec.conf_state_to_dict(state)) == state


@given(st.builds(SnapshotMeta, numbers, numbers, conf_states))
def test_snapshot_records(meta: SnapshotMeta) -> None:
    assert codec.snapshot_meta_from_dict(codec.snapshot_meta_to_dict(meta)) == meta


@given(st.builds(Applied, numbers, numbers, conf_states, numbers))
def test_marks(applied: Applied) -> None:
    assert codec.decode_applied(codec.encode_applied(applied)) == applied


@given(changes)
def test_changes(change: ConfChange) -> None:
    assert codec.decode_conf_change(codec.encode_conf_change(change)) == change


def test_leaving_a_joint_configuration_has_no_bytes() -> None:
    assert codec.encode_conf_change(ConfChange()) == b""
    assert codec.decode_conf_change(b"") == ConfChange()


@given(st.builds(HardState, numbers, st.just("") | names, numbers), st.data())
def test_hard_states_and_their_checksum(state: HardState, data: st.DataObject) -> None:
    encoded = codec.encode_hard_state(state)
    assert codec.decode_hard_state(encoded) == state
    at = data.draw(st.integers(0, len(encoded) * 8 - 1))
    damaged = bytearray(encoded)
    damaged[at // 8] ^= 1 << at % 8
    with pytest.raises(Corruption):
        codec.decode_hard_state(bytes(damaged))
    with pytest.raises(Corruption):
        codec.decode_hard_state(encoded[: at // 8])


@given(numbers, numbers)
def test_cuts(index: int, term: int) -> None:
    assert codec.decode_cut(codec.encode_cut(index, term)) == (index, term)


@pytest.mark.parametrize("decode", [codec.decode_applied, codec.decode_conf_change])
@pytest.mark.parametrize(
    "data", [b"{", b"[]", b"{}", b'{"version": 1}', b'{"version": 2}', b'{"version": 1, "steps": 5}']
)
def test_damaged_and_newer_records_are_refused(decode: Callable[[bytes], Any], data: bytes) -> None:
    with pytest.raises(Corruption):
        decode(data)


def test_records_may_gain_fields() -> None:
    encoded = codec.encode_conf_change(ConfChange((ConfChangeStep(ConfChangeKind.REMOVE, "n1"),)))
    assert codec.decode_conf_change(encoded[:-1] + b',"later":1}').steps[0].node == "n1"


def test_unknown_kinds_are_refused() -> None:
    encoded = codec.encode_conf_change(ConfChange((ConfChangeStep(ConfChangeKind.REMOVE, "n1"),)))
    with pytest.raises(Corruption):
        codec.decode_conf_change(encoded.replace(b'"kind":2', b'"kind":99'))


@pytest.mark.parametrize("record", [{}, {"voters": 1}, {"voters": ["n1"]}])
def test_damaged_configurations_are_refused(record: dict[str, Any]) -> None:
    with pytest.raises(Corruption):
        codec.conf_state_from_dict(record)
    with pytest.raises(Corruption):
        codec.snapshot_meta_from_dict({"index": 1, "term": 1, "conf_state": record})
