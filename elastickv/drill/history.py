"""What clients saw: operations with the time they were asked, the time they were answered, and how it ended.

The three outcomes are the whole point. `OK` took effect somewhere between question and answer. `FAIL` provably never
takes effect. `UNKNOWN` (a deadline passed, the connection broke, the leader was lost) may take effect at any time after
the question, even long after the client gave up, or never; a recorder that writes "fail" there would accuse an honest
cluster, one that writes "ok" would hide a lost write.

On disk a history is JSON lines, one operation each, in the order in which they ended, so that a drill that is cut short
leaves a readable file. Times are seconds of one monotonic clock: operations may only be compared when one process
recorded all of them (or the clocks are known to be the same).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

Value: TypeAlias = "str | int | float | bool | tuple[Value, ...] | None"
"""What travels in arguments and results: JSON's scalars, and tuples where JSON has arrays. Hashable throughout."""


class Outcome(Enum):
    OK = "ok"
    """Took effect between `invoked_at` and `returned_at`; `result` is what the client was told."""
    FAIL = "fail"
    """Never took and never takes effect."""
    UNKNOWN = "unknown"
    """Takes effect at some time after `invoked_at`, or never."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One question and its answer.

    `kind` and `argument` are in the words of a model of `checker`: ("set", "v1"), ("cas", ("v1", "v2")), ("add", 1) …
    """

    client: str
    kind: str
    key: str
    argument: Value
    result: Value
    outcome: Outcome
    invoked_at: float
    returned_at: float
    """When the client had its answer; infinite for UNKNOWN, whatever the moment at which it stopped waiting."""

    def __post_init__(self) -> None:
        if self.outcome is Outcome.UNKNOWN and self.returned_at != math.inf:
            raise ValueError("an unknown outcome has no end")
        if self.returned_at < self.invoked_at:
            raise ValueError("answered before it was asked")

    def __str__(self) -> str:
        call = f"{self.kind}({self.key}{'' if self.argument is None else ', ' + _show(self.argument)})"
        span = f"[{self.invoked_at:.6f} .. {'?' if self.returned_at == math.inf else format(self.returned_at, '.6f')}]"
        match self.outcome:
            case Outcome.OK:
                return f"{span} {self.client}: {call} -> {_show(self.result)}"
            case Outcome.FAIL:
                return f"{span} {self.client}: {call} failed"
            case Outcome.UNKNOWN:
                return f"{span} {self.client}: {call} unknown"


def _show(value: Value) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_show, value)) + "]"
    return "nothing" if value is None else repr(value)


class Pending:
    """A question that has no answer yet. One of the three ends is called once; later calls are ignored.

    Ignoring the second end is what a client needs that gives up (`unknown`) and then sees the answer after all.
    """

    __slots__ = ("_recorder", "argument", "client", "invoked_at", "key", "kind")

    def __init__(
        self, recorder: Recorder, client: str, kind: str, key: str, argument: Value, invoked_at: float
    ) -> None:
        self._recorder: Recorder | None = recorder
        self.client = client
        self.kind = kind
        self.key = key
        self.argument = argument
        self.invoked_at = invoked_at

    @property
    def open(self) -> bool:
        return self._recorder is not None

    def ok(self, result: Value = None) -> None:
        self._end(Outcome.OK, result)

    def fail(self) -> None:
        self._end(Outcome.FAIL, None)

    def unknown(self) -> None:
        self._end(Outcome.UNKNOWN, None)

    def _end(self, outcome: Outcome, result: Value) -> None:
        recorder = self._recorder
        if recorder is None:
            return
        self._recorder = None
        recorder._ended(self, outcome, result)


class Recorder:
    """Collects operations; not thread-safe, one per loop.

    `now` is a monotonic clock in seconds. `sink`, when given, gets each operation's JSON line as soon as it ended.
    """

    def __init__(self, now: Callable[[], float], sink: Callable[[str], object] | None = None) -> None:
        self._now = now
        self._sink = sink
        self._done: list[Operation] = []
        self._pending: dict[int, Pending] = {}

    def invoke(self, client: str, kind: str, key: str, argument: Value = None) -> Pending:
        """Call this before the request leaves."""
        pending = Pending(self, client, kind, key, argument, self._now())
        self._pending[id(pending)] = pending
        return pending

    @property
    def open(self) -> int:
        """How many questions have no answer yet."""
        return len(self._pending)

    def history(self) -> list[Operation]:
        """Everything so far, sorted by question; what has no answer yet counts as unknown."""
        open_ones = [_operation(each, Outcome.UNKNOWN, None, math.inf) for each in self._pending.values()]
        return sorted(self._done + open_ones, key=lambda operation: operation.invoked_at)

    def _ended(self, pending: Pending, outcome: Outcome, result: Value) -> None:
        del self._pending[id(pending)]
        ended = math.inf if outcome is Outcome.UNKNOWN else self._now()
        operation = _operation(pending, outcome, result, ended)
        self._done.append(operation)
        if self._sink is not None:
            self._sink(to_json(operation) + "\n")


def _operation(pending: Pending, outcome: Outcome, result: Value, returned_at: float) -> Operation:
    return Operation(
        client=pending.client,
        kind=pending.kind,
        key=pending.key,
        argument=pending.argument,
        result=result,
        outcome=outcome,
        invoked_at=pending.invoked_at,
        returned_at=returned_at,
    )


def to_json(operation: Operation) -> str:
    """One line, without the line's end. Infinity is not JSON, so an open end is null."""
    return json.dumps(
        {
            "client": operation.client,
            "kind": operation.kind,
            "key": operation.key,
            "argument": operation.argument,
            "result": operation.result,
            "outcome": operation.outcome.value,
            "invoked_at": operation.invoked_at,
            "returned_at": None if operation.returned_at == math.inf else operation.returned_at,
        },
        allow_nan=False,
        ensure_ascii=False,
    )


def from_json(line: str) -> Operation:
    """Raises ValueError on a line that `to_json` did not write."""
    try:
        fields = json.loads(line)
        returned_at = fields["returned_at"]
        return Operation(
            client=str(fields["client"]),
            kind=str(fields["kind"]),
            key=str(fields["key"]),
            argument=_freeze(fields["argument"]),
            result=_freeze(fields["result"]),
            outcome=Outcome(fields["outcome"]),
            invoked_at=float(fields["invoked_at"]),
            returned_at=math.inf if returned_at is None else float(returned_at),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an operation: {line.strip()!r}") from error


def dump(operations: Iterable[Operation]) -> Iterator[str]:
    """Lines for `file.writelines`."""
    for operation in operations:
        yield to_json(operation) + "\n"


def load(lines: Iterable[str]) -> list[Operation]:
    """The operations of a file, sorted by question. A last line that was cut short raises ValueError, as any other."""
    return sorted((from_json(line) for line in lines if line.strip()), key=lambda operation: operation.invoked_at)


def _freeze(value: object) -> Value:
    match value:
        case list():
            return tuple(_freeze(each) for each in value)
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise ValueError(f"an object cannot be a value: {value!r}")
