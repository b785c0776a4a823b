"""What a drill leaves on disk: a directory of plain files, readable while the drill runs and after it was killed.

    run.json        who was drilled, how, from when to when
    history.jsonl   what clients asked and were told (`history`)
    samples.jsonl   what each node said of itself, a few times a second
    events.jsonl    what was done to the cluster, and when: written by whoever does it (`elastickv drill mark`)

Times are seconds since the drill began. Only an event names the time of day instead, because another program writes it;
it is translated when it is read. Standard library only: a report can be made anew where nothing else is installed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from elastickv.drill.history import Operation, from_json

RUN, HISTORY, SAMPLES, EVENTS = "run.json", "history.jsonl", "samples.jsonl", "events.jsonl"

FAULT, REPAIR, NOTE, END = "fault", "repair", "note", "end"
"""Kinds of events. `END` asks the drill to finish."""

FINAL = "final"
"""The client that reads everything once more when the others have ended."""


@dataclass(frozen=True, slots=True)
class Node:
    """A member of the cluster, as the drill found it."""

    id: str
    address: str
    redis: str
    suffrage: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A node's own account; only `at`, `node` and `error` mean something when it gave none."""

    at: float
    node: str
    error: str = ""
    state: str = ""
    leader: str = ""
    term: int = 0
    commit: int = 0
    applied: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that was done to the cluster."""

    at: float
    text: str
    kind: str = FAULT


@dataclass(slots=True)
class Run:
    """What is known of a drill besides what it saw."""

    title: str
    began: float
    """Seconds since 1970."""
    nodes: list[Node]
    options: dict[str, str]
    ended_at: float | None = None
    """When the clients had ended; None while they work, or when the drill was killed."""
    errors: list[tuple[str, str, int]] = field(default_factory=list)
    """Node, what its clients were told instead of an answer, how often."""


@dataclass(slots=True)
class Recording:
    run: Run
    operations: list[Operation]
    samples: list[Sample]
    marks: list[Mark]

    @property
    def seconds(self) -> float:
        """How long clients worked."""
        if self.run.ended_at is not None:
            return self.run.ended_at
        ends = [operation.invoked_at for operation in self.operations] + [sample.at for sample in self.samples]
        return max(ends, default=0.0)


def save_run(directory: Path, run: Run) -> None:
    """In one step, so that a reader never sees half of it."""
    partial = directory / f".{RUN}"
    partial.write_text(json.dumps(asdict(run), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(directory / RUN)


def append_event(directory: Path, text: str, kind: str) -> None:
    """One write in append mode: events of several programs do not mix."""
    line = json.dumps({"time": time.time(), "kind": kind, "text": text}, ensure_ascii=False)
    with (directory / EVENTS).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def sample_line(sample: Sample) -> str:
    return json.dumps(asdict(sample), ensure_ascii=False) + "\n"


def marks_of(lines: Sequence[str], began: float) -> list[Mark]:
    """The events of a file, by time. A line that is no event is shown as a note and not dropped."""
    marks = []
    for line in filter(None, map(str.strip, lines)):
        try:
            event: Any = json.loads(line)
            mark = Mark(float(event["time"]) - began, str(event["text"]), str(event.get("kind", FAULT)))
        except (ValueError, KeyError, TypeError, AttributeError):
            mark = Mark(0.0, f"not an event: {line[:200]}", NOTE)
        marks.append(mark)
    return sorted(marks, key=lambda mark: mark.at)


def load(directory: Path) -> Recording:
    """Raises OSError or ValueError when there is no drill in the directory."""
    fields = json.loads((directory / RUN).read_text(encoding="utf-8"))
    run = Run(
        title=fields["title"],
        began=fields["began"],
        nodes=[Node(**each) for each in fields["nodes"]],
        options=fields["options"],
        ended_at=fields["ended_at"],
        errors=[(node, text, count) for node, text, count in fields["errors"]],
    )
    operations = sorted(map(from_json, _lines(directory / HISTORY)), key=lambda operation: operation.invoked_at)
    samples = [Sample(**json.loads(line)) for line in _lines(directory / SAMPLES)]
    return Recording(run, operations, samples, marks_of(list(_lines(directory / EVENTS)), run.began))


def _lines(path: Path) -> Iterator[str]:
    """Whole lines only: the last one of a drill that was killed may be cut short."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n") and line.strip():
                yield line
