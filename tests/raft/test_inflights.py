"""The window of unacknowledged appends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from elastickv.raft.inflights import Inflights


def is_full(window: Inflights) -> bool:
    return window.full


def test_full_by_count_and_freed_cumulatively() -> None:
    window = Inflights(3, 0)
    for index in (5, 6, 9):
        assert not is_full(window)
        window.add(index, 10)
    assert is_full(window)
    window.free_to(6)
    assert len(window) == 1
    assert not is_full(window)
    window.free_to(8)
    assert len(window) == 1


def test_full_by_bytes_where_the_last_may_cross_the_limit() -> None:
    window = Inflights(100, 50)
    window.add(1, 49)
    assert not is_full(window)
    window.add(2, 49)
    assert is_full(window)
    window.free_to(1)
    assert not is_full(window)


def test_clear_forgets_bytes_too() -> None:
    window = Inflights(2, 10)
    window.add(1, 10)
    window.clear()
    assert not is_full(window)
    assert len(window) == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(0, 20))))
def test_against_a_list(operations: list[tuple[bool, int, int]]) -> None:
    window, model, last = Inflights(4, 40), [], 0
    for add, number, size in operations:
        if add:
            last += 1 + number
            window.add(last, size)
            model.append((last, size))
        else:
            window.free_to(number)
            model = [item for item in model if item[0] > number]
        assert len(window) == len(model)
        assert window.full == (len(model) >= 4 or sum(size for _, size in model) >= 40)
