"""Recording operations, and the file they go to."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.drill.history import Operation, Outcome, Recorder, Value, dump, from_json, load, to_json

scalars: st.SearchStrategy[Value] = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4)
values: st.SearchStrategy[Value] = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3).map(tuple))
times = st.floats(0, 1e9, allow_nan=False)


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    outcome = draw(st.sampled_from(Outcome))
    first, second = sorted((draw(times), draw(times)))
    return Operation(
        client=draw(st.text(max_size=3)),
        kind=draw(st.sampled_from(["get", "set"])),
        key=draw(st.text(max_size=3)),
        argument=draw(values),
        result=draw(values),
        outcome=outcome,
        invoked_at=first,
        returned_at=math.inf if outcome is Outcome.UNKNOWN else second,
    )


@given(st.lists(operations(), max_size=5))
def test_a_history_survives_its_file(history: list[Operation]) -> None:
    lines = list(dump(history))
    assert all(line.count("\n") == 1 for line in lines)
    assert load(lines) == sorted(history, key=lambda operation: operation.invoked_at)


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"client": "c"}', "3"])
def test_a_line_that_is_no_operation_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        from_json(line)


def test_the_recorder_gives_each_operation_its_span() -> None:
    clock = iter([1.0, 2.0, 3.0, 4.0])
    lines: list[str] = []
    recorder = Recorder(lambda: next(clock), lines.append)
    first = recorder.invoke("a", "set", "k", "v")
    second = recorder.invoke("b", "get", "k")
    second.ok("v")
    first.ok()
    history = recorder.history()
    assert [(each.client, each.invoked_at, each.returned_at) for each in history] == [("a", 1.0, 4.0), ("b", 2.0, 3.0)]
    assert [from_json(line).client for line in lines] == ["b", "a"], "a line is written when its operation ends"


def test_what_was_never_answered_is_unknown() -> None:
    clock = iter([1.0, 2.0, 3.0])
    recorder = Recorder(lambda: next(clock))
    recorder.invoke("a", "set", "k", "v")
    given_up = recorder.invoke("b", "set", "k", "w")
    given_up.unknown()
    assert [each.outcome for each in recorder.history()] == [Outcome.UNKNOWN, Outcome.UNKNOWN]
    assert {each.returned_at for each in recorder.history()} == {math.inf}


def test_only_the_first_end_counts() -> None:
    recorder = Recorder(iter([1.0, 2.0, 3.0]).__next__)
    pending = recorder.invoke("a", "set", "k", "v")
    pending.unknown()
    assert not pending.open
    pending.ok()
    assert [each.outcome for each in recorder.history()] == [Outcome.UNKNOWN]


def test_impossible_operations_are_refused() -> None:
    with pytest.raises(ValueError, match="no end"):
        Operation("a", "get", "k", None, None, Outcome.UNKNOWN, 1.0, 2.0)
    with pytest.raises(ValueError, match="before it was asked"):
        Operation("a", "get", "k", None, None, Outcome.OK, 2.0, 1.0)


def test_a_line_can_be_read_by_a_person() -> None:
    assert str(Operation("c1", "cas", "k", ("a", None), True, Outcome.OK, 1, 2)) == (
        "[1.000000 .. 2.000000] c1: cas(k, ['a', nothing]) -> True"
    )
    assert str(Operation("c1", "set", "k", "v", None, Outcome.UNKNOWN, 1, math.inf)).endswith("c1: set(k, 'v') unknown")
    assert str(Operation("c1", "set", "k", "v", None, Outcome.FAIL, 1, 2)).endswith("c1: set(k, 'v') failed")
    assert '"returned_at": null' in to_json(Operation("c1", "set", "k", "v", None, Outcome.UNKNOWN, 1, math.inf))
