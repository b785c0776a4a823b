"""The figures of a drill: from what was recorded to one tree of plain values, which is report.json and feeds the page.

What the words mean. A request is *acknowledged* when the client was told that it is done, *refused* when it provably
never takes effect (a compare-and-set that came too late is *not applied*), *unknown* otherwise. An *interruption* of
writes is a time in which no client anywhere got a write acknowledged, however many tried; the ends of the drill count
as acknowledgements do, so a cluster that never answers was interrupted all the time. A *phase* goes from one mark to
the next. A node's *availability* is the part of the questions about its state that it answered.

Pure functions of a `Recording`, standard library only.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from elastickv.drill.checker import Report, Verdict
from elastickv.drill.history import Operation, Outcome
from elastickv.drill.recording import END, FINAL, Mark, Recording, Sample

FORMAT = 1
READS = frozenset({"get", "total", "list"})
CONDITIONAL = frozenset({"cas"})
"""Writes that are meant to fail when another client was first: one that was not made is not counted as refused."""
UNREACHABLE = "unreachable"
MOST_COLUMNS = 240
"""Columns of the timeline; more would be narrower than a pixel on a phone."""
SHOWN_INTERRUPTIONS = 5
SHOWN_VIOLATIONS = 10


@dataclass(frozen=True, slots=True)
class Limit:
    """What the operator demands. Seconds."""

    name: str
    words: str
    seconds: float


def figures(recording: Recording, report: Report, limits: Sequence[Limit] = ()) -> dict[str, Any]:
    """Everything that is known, in JSON's types."""
    seconds = recording.seconds
    worked = [each for each in recording.operations if each.client != FINAL and each.invoked_at < seconds]
    reads = [each for each in worked if each.kind in READS]
    writes = [each for each in worked if each.kind not in READS]
    marks = [mark for mark in recording.marks if mark.kind != END]
    summary: dict[str, Any] = {
        "format": FORMAT,
        "title": recording.run.title,
        "began": datetime.fromtimestamp(recording.run.began, UTC).isoformat(timespec="seconds"),
        "seconds": _round(seconds),
        "complete": recording.run.ended_at is not None,
        "options": recording.run.options,
        "verdict": _verdict(report),
        "reads": _traffic(reads, 0.0, seconds),
        "writes": _traffic(writes, 0.0, seconds),
        "marks": [{"at": _round(mark.at), "kind": mark.kind, "text": mark.text} for mark in marks],
        "phases": list(_phases(reads, writes, marks, seconds)),
        "leaders": list(_leaders(recording.samples, seconds)),
        "nodes": list(_nodes(recording, worked, seconds)),
        "timeline": _timeline(reads, writes, seconds),
    }
    held = [_held(limit, summary) for limit in limits if limit.seconds > 0]
    served = summary["reads"]["acknowledged"] > 0 and summary["writes"]["acknowledged"] > 0
    summary["limits"] = held
    summary["failures"] = [
        *(
            []
            if report.verdict is Verdict.LINEARIZABLE
            else [f"the history is not shown to be linearizable: {report.verdict.value}"]
        ),
        *([] if served else ["no read or no write was acknowledged, so nothing was shown"]),
        *(
            f"{each['words']}: {each['seconds']:.2f} s, allowed {each['limit']:g} s"
            for each in held
            if not each["held"]
        ),
    ]
    summary["passed"] = not summary["failures"]
    return summary


def _round(seconds: float) -> float:
    return round(seconds, 4)


def _verdict(report: Report) -> dict[str, Any]:
    return {
        "verdict": report.verdict.value,
        "operations": report.operations,
        "keys": report.keys,
        "violations": [str(violation) for violation in report.violations[:SHOWN_VIOLATIONS]],
        "undecided": list(report.undecided),
    }


def _held(limit: Limit, summary: dict[str, Any]) -> dict[str, Any]:
    kind, _, figure = limit.name.partition(".")
    value = summary[kind]["interruptions"][0]["seconds"] if figure == "interruption" else summary[kind]["p99"]
    return {
        "name": limit.name,
        "words": limit.words,
        "limit": limit.seconds,
        "seconds": value,
        "held": value is not None and value <= limit.seconds,
    }


# ---- requests -------------------------------------------------------------------------------------------------------


def _traffic(operations: Sequence[Operation], begin: float, end: float) -> dict[str, Any]:
    """Of requests asked in that span."""
    asked = [each for each in operations if begin <= each.invoked_at < end]
    done = [each for each in asked if each.outcome is Outcome.OK]
    took = sorted(each.returned_at - each.invoked_at for each in done)
    answered = sorted(each.returned_at for each in operations if each.outcome is Outcome.OK)
    return {
        "acknowledged": len(done),
        "refused": sum(each.outcome is Outcome.FAIL and each.kind not in CONDITIONAL for each in asked),
        "not_applied": sum(each.outcome is Outcome.FAIL and each.kind in CONDITIONAL for each in asked),
        "unknown": sum(each.outcome is Outcome.UNKNOWN for each in asked),
        "per_second": round(len(done) / (end - begin), 1) if end > begin else 0.0,
        "p50": _quantile(took, 0.5),
        "p99": _quantile(took, 0.99),
        "max": _quantile(took, 1.0),
        "interruptions": interruptions(answered, begin, end)[:SHOWN_INTERRUPTIONS],
    }


def interruptions(answered: Sequence[float], begin: float, end: float) -> list[dict[str, float]]:
    """Times without an acknowledgement, longest first; there is always at least one. `answered` is sorted."""
    inside = answered[bisect_left(answered, begin) : bisect_left(answered, end)]
    edges = [begin, *inside, end]
    gaps = sorted(itertools.pairwise(edges), key=lambda gap: gap[0] - gap[1])
    return [
        {"seconds": _round(after - before), "from": _round(before), "to": _round(after)}
        for before, after in gaps[:SHOWN_INTERRUPTIONS]
    ]


def _quantile(ordered: Sequence[float], part: float) -> float | None:
    """Nearest rank; None of nothing."""
    if not ordered:
        return None
    return round(ordered[max(0, math.ceil(part * len(ordered)) - 1)], 5)


def _phases(
    reads: Sequence[Operation], writes: Sequence[Operation], marks: Sequence[Mark], seconds: float
) -> Iterator[dict[str, Any]]:
    inside = [mark for mark in marks if 0 <= mark.at < seconds]
    edges = [0.0, *(mark.at for mark in inside), seconds]
    for (begin, end), text in zip(itertools.pairwise(edges), ["begin", *(m.text for m in inside)], strict=True):
        yield {
            "after": text,
            "from": _round(begin),
            "to": _round(end),
            "reads": _traffic(reads, begin, end),
            "writes": _traffic(writes, begin, end),
        }


def _timeline(reads: Sequence[Operation], writes: Sequence[Operation], seconds: float) -> dict[str, Any]:
    width = next(w for w in (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, math.inf) if seconds <= w * MOST_COLUMNS)
    # A last column that would be too short to say anything belongs to the one before it.
    columns = max(1, int(seconds / width + 0.7)) if width < math.inf else 1

    def column(at: float) -> int:
        return min(columns - 1, max(0, int(at / width)))

    def rows(operations: Sequence[Operation]) -> dict[str, Any]:
        took: list[list[float]] = [[] for _ in range(columns)]
        refused, unknown = [0] * columns, [0] * columns
        for each in operations:
            match each.outcome:
                case Outcome.OK:
                    # Where the answer came: a request that waited out an election belongs to its end.
                    took[column(each.returned_at)].append(each.returned_at - each.invoked_at)
                case Outcome.FAIL:
                    refused[column(each.returned_at)] += each.kind not in CONDITIONAL
                case Outcome.UNKNOWN:
                    unknown[column(each.invoked_at)] += 1
        for times in took:
            times.sort()
        return {
            "acknowledged": [len(times) for times in took],
            "refused": refused,
            "unknown": unknown,
            "p50": [_quantile(times, 0.5) for times in took],
            "p99": [_quantile(times, 0.99) for times in took],
        }

    return {"width": width if width < math.inf else seconds, "reads": rows(reads), "writes": rows(writes)}


# ---- nodes ----------------------------------------------------------------------------------------------------------


def _nodes(recording: Recording, operations: Sequence[Operation], seconds: float) -> Iterator[dict[str, Any]]:
    for node in recording.run.nodes:
        samples = [sample for sample in recording.samples if sample.node == node.id and sample.at <= seconds]
        asked = [
            each
            for each in operations
            if each.client.rpartition("@")[2] == node.id
            and not (each.outcome is Outcome.FAIL and each.kind in CONDITIONAL)
        ]
        acknowledged = sum(each.outcome is Outcome.OK for each in asked)
        spans = list(_spans(samples, seconds))
        silent = [span["to"] - span["from"] for span in spans if span["state"] == UNREACHABLE]
        errors = [(text, count) for id, text, count in recording.run.errors if id == node.id]
        yield {
            "id": node.id,
            "address": node.address,
            "redis": node.redis,
            "suffrage": node.suffrage,
            "availability": _part(sum(not sample.error for sample in samples), len(samples)),
            "longest_silence": _round(max(silent, default=0.0)),
            "requests": len(asked),
            "acknowledged": acknowledged,
            "states": spans,
            "errors": [{"text": text, "count": count} for text, count in errors],
        }


def _part(some: int, all_of_them: int) -> float | None:
    return round(some / all_of_them, 4) if all_of_them else None


def _spans(samples: Sequence[Sample], seconds: float) -> Iterator[dict[str, Any]]:
    """The same state in a row, as one; each lasts until the next one was seen."""
    rows = [(sample.at, UNREACHABLE if sample.error else sample.state, sample.term) for sample in samples]
    yield from _runs(rows, seconds, lambda row: {"state": row[1], "term": row[2]})


def _leaders(samples: Iterable[Sample], seconds: float) -> Iterator[dict[str, Any]]:
    """Who said of itself that it leads, by term: a deposed leader that does not know it yet has the lower one."""
    newest = (0, "")
    rows: list[tuple[float, str, int]] = []
    last_seen = 0.0
    for sample in sorted(samples, key=lambda sample: sample.at):
        if sample.at > seconds:
            break
        if sample.state == "leader" and sample.term >= newest[0]:
            newest = (sample.term, sample.node)
            rows.append((sample.at, sample.node, sample.term))
            last_seen = sample.at
        elif sample.node == newest[1] and rows and rows[-1][1] and sample.at > last_seen:
            rows.append((sample.at, "", newest[0]))  # silent, or it says that it leads no more
    yield from _runs(rows, seconds, lambda row: {"id": row[1], "term": row[2]})


def _runs(rows: Sequence[tuple[float, str, int]], seconds: float, name: Any) -> Iterator[dict[str, Any]]:
    groups = [list(group) for _, group in itertools.groupby(rows, key=lambda row: row[1:])]
    for group, after in itertools.zip_longest(groups, groups[1:]):
        begin, end = group[0][0], after[0][0] if after else seconds
        yield {"from": _round(begin), "to": _round(max(begin, end)), **name(group[0])}
