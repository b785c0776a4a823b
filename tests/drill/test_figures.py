"""Figures of hand-made recordings: what an interruption, a phase and a leader are."""

from __future__ import annotations

import json
import math

import pytest

from elastickv.drill.checker import check
from elastickv.drill.figures import Limit, figures, interruptions
from elastickv.drill.history import Operation, Outcome, Value
from elastickv.drill.recording import Mark, Node, Recording, Run, Sample


def op(
    kind: str, at: float, seconds: float | None = 0.01, *, outcome: Outcome = Outcome.OK, client: str = "s0@n1"
) -> Operation:
    """A request on a key of its own, so that any order of them is linearizable."""
    key = f"{kind}-{at}"
    arguments: dict[str, Value] = {"set": "v", "cas": ("a", "b")}
    end = math.inf if seconds is None else at + seconds
    return Operation(client, kind, key, arguments.get(kind), None, outcome, at, end)


def recording(
    operations: list[Operation],
    *,
    samples: list[Sample] | None = None,
    marks: list[Mark] | None = None,
    end: float = 10,
) -> Recording:
    nodes = [Node(f"n{n}", f"10.0.0.1{n}:50051", f"10.0.0.1{n}:6379", "voter") for n in (1, 2)]
    return Recording(Run("A drill", 1_700_000_000.0, nodes, {}, ended_at=end), operations, samples or [], marks or [])


def every(kind: str, begin: float, end: float, step: float = 0.1) -> list[Operation]:
    return [op(kind, begin + n * step) for n in range(round((end - begin) / step))]


def test_an_interruption_is_a_time_in_which_nobody_was_served() -> None:
    found = interruptions([1.0, 1.5, 4.0, 4.1], 0.0, 5.0)
    assert found[0] == {"seconds": 2.5, "from": 1.5, "to": 4.0}
    assert [each["seconds"] for each in found] == [2.5, 1.0, 0.9, 0.5, 0.1]


def test_a_cluster_that_never_answers_was_interrupted_all_the_time() -> None:
    assert interruptions([], 0.0, 7.0) == [{"seconds": 7.0, "from": 0.0, "to": 7.0}]


def test_the_longest_interruption_is_that_of_all_clients_together() -> None:
    operations = [*every("set", 0, 4), *every("set", 6, 10), op("set", 5.0, client="r0@n2"), *every("get", 0, 10)]
    summary = figures(recording(operations), check(operations))
    worst = summary["writes"]["interruptions"][0]
    assert worst["seconds"] == pytest.approx(1.1, abs=0.02)
    assert summary["reads"]["interruptions"][0]["seconds"] < 0.2
    assert summary["passed"]


def test_limits_that_do_not_hold_fail_the_drill() -> None:
    operations = [*every("set", 0, 4), *every("set", 6, 10), *every("get", 0, 10)]
    limits = (
        Limit("writes.interruption", "longest interruption of writes", 1.0),
        Limit("reads.p99", "99 of 100 reads took at most", 0.5),
        Limit("reads.interruption", "not given", 0.0),
    )
    summary = figures(recording(operations), check(operations), limits)
    assert [(each["name"], each["held"]) for each in summary["limits"]] == [
        ("writes.interruption", False),
        ("reads.p99", True),
    ]
    assert not summary["passed"]
    assert summary["failures"] == ["longest interruption of writes: 2.10 s, allowed 1 s"]


def test_a_drill_in_which_nothing_was_acknowledged_shows_nothing() -> None:
    operations = [op("set", 1.0, outcome=Outcome.FAIL), op("get", 2.0, outcome=Outcome.FAIL)]
    assert not figures(recording(operations), check(operations))["passed"]


def test_a_violation_fails_the_drill() -> None:
    operations = [
        Operation("a", "set", "k", "v", None, Outcome.OK, 0.0, 1.0),
        Operation("b", "get", "k", None, None, Outcome.OK, 2.0, 3.0),
    ]
    summary = figures(recording(operations), check(operations))
    assert summary["verdict"]["verdict"] == "violation"
    assert "not linearizable" in summary["verdict"]["violations"][0]
    assert not summary["passed"]


def test_outcomes_are_counted_apart() -> None:
    operations = [
        *every("set", 0, 1),
        op("set", 2.0, outcome=Outcome.FAIL),
        op("set", 3.0, None, outcome=Outcome.UNKNOWN),
        op("cas", 4.0, outcome=Outcome.FAIL),
        op("get", 5.0),
    ]
    writes = figures(recording(operations), check(operations))["writes"]
    assert (writes["acknowledged"], writes["refused"], writes["unknown"], writes["not_applied"]) == (10, 1, 1, 1)


def test_phases_go_from_mark_to_mark() -> None:
    operations = [*every("set", 0, 4), *every("get", 0, 10)]
    marks = [Mark(4.0, "n1 stopped"), Mark(8.0, "n1 started", "repair"), Mark(9.0, "over", "end"), Mark(99.0, "late")]
    summary = figures(recording(operations, marks=marks), check(operations))
    phases = summary["phases"]
    assert [(each["after"], each["from"], each["to"]) for each in phases] == [
        ("begin", 0.0, 4.0),
        ("n1 stopped", 4.0, 8.0),
        ("n1 started", 8.0, 10.0),
    ]
    assert phases[1]["writes"]["acknowledged"] == 0
    assert phases[1]["writes"]["interruptions"][0]["seconds"] == pytest.approx(4.0, abs=0.11)
    assert phases[1]["reads"]["acknowledged"] == 40
    assert [mark["text"] for mark in summary["marks"]] == ["n1 stopped", "n1 started", "late"]


def test_final_reads_are_evidence_and_no_traffic() -> None:
    operations = [*every("set", 0, 1), op("get", 0.5), op("get", 10.5, client="final")]
    summary = figures(recording(operations), check(operations))
    assert summary["reads"]["acknowledged"] == 1
    assert summary["verdict"]["operations"] == len(operations)


def test_nodes_and_leaders_over_time() -> None:
    samples = []
    for n in range(10):
        dead = n >= 5
        samples.append(
            Sample(float(n), "n1", error="UNAVAILABLE" if dead else "", state="" if dead else "leader", term=2)
        )
        leads = n >= 7
        samples.append(Sample(n + 0.1, "n2", state="leader" if leads else "follower", term=3 if leads else 2))
    operations = [op("set", 1.0), op("get", 1.0), op("set", 6.0, outcome=Outcome.FAIL)]
    summary = figures(recording(operations, samples=samples), check(operations))
    assert [(each["from"], each["id"], each["term"]) for each in summary["leaders"]] == [
        (0.0, "n1", 2),
        (5.0, "", 2),
        (7.1, "n2", 3),
    ]
    first, second = summary["nodes"]
    assert (first["availability"], first["longest_silence"]) == (0.5, 5.0)
    assert (first["requests"], first["acknowledged"]) == (3, 2)
    assert second["availability"] == 1.0
    assert [(each["state"], each["from"]) for each in second["states"]] == [("follower", 0.1), ("leader", 7.1)]


def test_the_timeline_counts_everything_once() -> None:
    operations = [*every("set", 0, 10, 0.03), *every("get", 0, 10, 0.07), op("set", 9.999, outcome=Outcome.FAIL)]
    line = figures(recording(operations), check(operations))["timeline"]
    assert sum(line["writes"]["acknowledged"]) == 333
    assert sum(line["reads"]["acknowledged"]) == 143
    assert sum(line["writes"]["refused"]) == 1
    assert len(line["writes"]["p99"]) <= 240


@pytest.mark.parametrize("end", [0.0, 0.01, 3.0, 59.9, 3600.0, 86400.0 * 3])
def test_any_length_has_a_timeline_and_is_json(end: float) -> None:
    summary = figures(recording([op("set", 0.0, 0.001)], end=end), check([]))
    assert 1 <= len(summary["timeline"]["writes"]["acknowledged"]) <= 865
    json.dumps(summary, allow_nan=False)
