"""A follower as the leader sees it: the transitions."""

from __future__ import annotations

import pytest

from elastickv.raft.inflights import Inflights
from elastickv.raft.progress import Progress, ProgressState


def at(match: int, next: int, state: ProgressState = ProgressState.PROBE) -> Progress:
    progress = Progress(next, Inflights(3, 0))
    progress.match, progress.state = match, state
    return progress


def test_probe_sends_one_append_and_waits() -> None:
    progress = at(0, 5)
    progress.sent(1, 10, 0)
    assert progress.paused
    assert progress.next == 5
    assert progress.maybe_update(5)
    assert not progress.paused


def test_replicate_runs_ahead_until_the_window_is_full() -> None:
    progress = at(4, 5, ProgressState.REPLICATE)
    for sent in range(3):
        assert not progress.paused
        progress.sent(2, 10, 0)
        assert progress.next == 5 + 2 * (sent + 1)
    assert progress.paused
    progress.inflights.free_to(6)
    assert progress.maybe_update(6)
    assert not progress.paused


def test_empty_appends_take_no_room_in_the_window() -> None:
    progress = at(4, 5, ProgressState.REPLICATE)
    progress.sent(0, 0, 4)
    assert len(progress.inflights) == 0
    assert progress.sent_commit == 4


@pytest.mark.parametrize(
    ("state", "match", "next", "rejected", "hint", "accepted", "next_after"),
    [
        (ProgressState.REPLICATE, 5, 10, 5, 5, False, 10),  # older than what is known to match
        (ProgressState.REPLICATE, 5, 10, 4, 4, False, 10),
        (ProgressState.REPLICATE, 5, 10, 9, 9, True, 6),
        (ProgressState.PROBE, 0, 10, 8, 8, False, 10),  # not the probe that is out
        (ProgressState.PROBE, 0, 10, 9, 8, True, 9),
        (ProgressState.PROBE, 0, 10, 9, 2, True, 3),  # the hint jumps
        (ProgressState.PROBE, 0, 1, 0, 0, True, 1),  # never below 1
        (ProgressState.PROBE, 4, 10, 9, 2, True, 5),  # never below what matches
        (ProgressState.SNAPSHOT, 0, 10, 9, 2, False, 10),
    ],
)
def test_refusals(
    state: ProgressState, match: int, next: int, rejected: int, hint: int, accepted: bool, next_after: int
) -> None:
    progress = at(match, next, state)
    assert progress.maybe_decrease(rejected, hint) is accepted
    assert progress.next == next_after
    assert progress.next > progress.match


def test_after_a_snapshot_probing_goes_on_behind_it() -> None:
    progress = at(2, 3)
    progress.become_snapshot(10)
    assert progress.paused
    progress.become_probe()
    assert (progress.state, progress.next) == (ProgressState.PROBE, 11)


def test_after_a_failed_snapshot_probing_goes_on_behind_the_match() -> None:
    progress = at(2, 3)
    progress.become_snapshot(10)
    progress.pending_snapshot = 0
    progress.become_probe()
    assert progress.next == 3


def test_old_acks_are_no_news() -> None:
    progress = at(5, 9, ProgressState.REPLICATE)
    assert not progress.maybe_update(5)
    assert not progress.maybe_update(3)
    assert (progress.match, progress.next) == (5, 9)


def test_reset_forgets_everything_but_the_membership() -> None:
    progress = at(5, 9, ProgressState.REPLICATE)
    progress.learner = True
    progress.acked_round = 7
    progress.inflights.add(8, 1)
    progress.reset(20)
    assert (progress.match, progress.next, progress.state) == (0, 20, ProgressState.PROBE)
    assert progress.acked_round == 0
    assert len(progress.inflights) == 0
    assert progress.learner
