"""Rounds and the time they were sent."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from elastickv.raft.lease import MAX_OPEN_ROUNDS, Lease


def test_a_round_per_change_of_now() -> None:
    lease = Lease(1.0)
    assert [lease.stamp(now) for now in (5.0, 5.0, 5.1, 5.1, 5.2)] == [1, 1, 2, 2, 3]


def test_the_lease_counts_from_the_first_sending() -> None:
    lease = Lease(1.0)
    lease.stamp(5.0)
    lease.stamp(6.0)
    assert lease.until == -math.inf
    lease.confirm(1)
    assert lease.until == 6.0
    lease.confirm(2)
    assert lease.until == 7.0
    lease.confirm(1)
    assert lease.until == 7.0


def test_void_until_the_next_term() -> None:
    lease = Lease(1.0)
    lease.stamp(5.0)
    lease.void()
    lease.confirm(1)
    assert lease.until == -math.inf
    lease.reset()
    lease.stamp(6.0)
    lease.confirm(1)
    assert lease.until == 7.0


def test_many_open_rounds_share_an_older_time() -> None:
    lease = Lease(1.0)
    for number in range(2 * MAX_OPEN_ROUNDS):
        newest = lease.stamp(float(number))
    assert newest == MAX_OPEN_ROUNDS
    lease.confirm(newest)
    assert lease.until == MAX_OPEN_ROUNDS - 1 + 1.0
    assert lease.stamp(1e6) == newest + 1


def test_an_echo_of_a_round_that_was_never_sent_gives_nothing() -> None:
    lease = Lease(1.0)
    lease.stamp(5.0)
    lease.confirm(99)
    assert lease.until == 6.0
    assert lease.stamp(7.0) == 2
    lease.confirm(2)
    assert lease.until == 8.0


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 20))))
def test_the_lease_never_reaches_past_the_sending_of_its_round(steps: list[tuple[float, int]]) -> None:
    lease, now, first_sent = Lease(1.0), 0.0, dict[int, float]()
    confirmed = 0
    for pause, echo in steps:
        now += pause
        first_sent.setdefault(lease.stamp(now), now)
        lease.confirm(min(echo, lease.round))
        confirmed = max(confirmed, min(echo, lease.round))
        if confirmed:
            assert lease.until == first_sent[confirmed] + 1.0


def test_nothing_is_granted_before_the_no_op_is_committed() -> None:
    lease = Lease(1.0)
    lease.stamp(5.0)
    lease.confirm(1)
    assert lease.granted == -math.inf
    lease.open()
    assert lease.granted == 6.0
    lease.stamp(6.0)
    lease.confirm(2)
    assert lease.granted == 7.0
    lease.reset()
    lease.stamp(8.0)
    lease.confirm(1)
    assert (lease.until, lease.granted) == (9.0, -math.inf)


def test_nothing_is_granted_once_it_is_void() -> None:
    lease = Lease(1.0)
    lease.open()
    lease.stamp(5.0)
    lease.confirm(1)
    lease.void()
    assert lease.granted == -math.inf
    lease.stamp(6.0)
    lease.confirm(2)
    lease.open()
    assert lease.granted == -math.inf
