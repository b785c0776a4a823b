"""Is a history linearizable? Could one machine, doing one thing at a time, have given all these answers in time?

Every operation must take effect at one instant between its question and its answer, and the answers must be those of
the model. Keys are independent objects, and linearizability is local (Herlihy and Wing, 1990): the history is
linearizable when each key is, so each key is checked by itself. That is what makes the search affordable.

The search is Wing and Gong's with Lowe's memory ("Testing for linearizability", 2017), as in Porcupine: walk forward,
always choosing as the next effect one of the operations that nothing unchosen has finished before; go back when an
answer does not fit; remember every configuration (what has been chosen, in which state) and never search from it twice.
Three things keep it fast here:

- What was chosen is a *base* (everything before it is chosen) and a few bits after it, so remembering a configuration
  costs the width of the concurrency and not the length of the history.
- An operation of unknown outcome may be chosen at any time or never. It is tried last, never when the step after it
  would have led to the same state without it, and a configuration that spent more of them than one already seen, and
  is otherwise the same, is not searched. Of several that say the same, only the first is tried; a model makes more of
  them the same by forgetting what nobody looked at (`Model.simplify`).
- A deadline. The problem is NP-complete; a key that takes too long is reported as undecided and never as good.

For a violation the report names the shortest beginning of the history that already cannot be explained, ending with the
answer that nobody could have given, and leaves out the operations that make no difference.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from elastickv.drill.history import Operation, Outcome, Value
from elastickv.drill.models import ILLEGAL, Model, model_of


class Verdict(Enum):
    LINEARIZABLE = "linearizable"
    VIOLATION = "violation"
    UNDECIDED = "undecided"
    """The time was not enough for at least one key, and no other key shows a violation."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A key whose answers no order of effects explains."""

    key: str
    model: str
    culprit: Operation
    """The answer with which the history became impossible: everything that was answered before it can be explained."""
    evidence: tuple[Operation, ...]
    """The operations that make the culprit's answer impossible, by question; the culprit is one of them."""
    left_out: int
    """How many operations of the failing beginning make no difference."""
    possible: tuple[Value, ...] | None
    """What a culprit that reads could have been told instead; None for a write, or when finding out took too long."""

    def __str__(self) -> str:
        lines = [f"key {self.key!r} ({self.model}) is not linearizable:"]
        lines += [f"  {'>>' if each is self.culprit else '  '} {each}" for each in self.evidence]
        if self.left_out:
            lines.append(f"  and {self.left_out} more before that answer, which make no difference")
        if self.possible is not None:
            told = " or ".join("nothing" if value is None else repr(value) for value in self.possible)
            lines.append(f"  the marked operation could have been answered with {told or 'no value at all'}")
        else:
            lines.append("  no order of effects explains the marked answer")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Report:
    verdict: Verdict
    operations: int
    keys: int
    violations: tuple[Violation, ...] = ()
    undecided: tuple[str, ...] = ()
    """Keys for which the time was not enough."""

    def __str__(self) -> str:
        head = f"{self.verdict.value}: {self.operations} operations on {self.keys} keys"
        lines = [head, *map(str, self.violations)]
        if self.undecided:
            lines.append("not enough time for: " + ", ".join(map(repr, self.undecided)))
        return "\n".join(lines)


def check(
    history: Iterable[Operation],
    *,
    model: Model | None = None,
    timeout_seconds: float = 60.0,
    now: Callable[[], float] = time.monotonic,
) -> Report:
    """Check every key; `model` overrides the one that the operations of a key name by themselves.

    The time is shared: each key may use what is left of `timeout_seconds`. A violation ends the search of its key and
    not that of the others.
    """
    deadline = now() + timeout_seconds
    by_key: dict[str, list[Operation]] = {}
    count = 0
    for operation in history:
        count += 1
        by_key.setdefault(operation.key, []).append(operation)

    violations: list[Violation] = []
    undecided: list[str] = []
    # Short keys first, so that one hot key cannot use up the time of all others.
    for key, operations in sorted(by_key.items(), key=lambda item: (len(item[1]), item[0])):
        chosen = model or model_of(operations)
        budget = _Budget(deadline, now)
        match _explainable(operations, chosen, budget):
            case True:
                continue
            case False:
                violations.append(_explain(key, operations, chosen, budget))
            case None:
                undecided.append(key)
    verdict = Verdict.VIOLATION if violations else Verdict.UNDECIDED if undecided else Verdict.LINEARIZABLE
    return Report(verdict, count, len(by_key), tuple(violations), tuple(undecided))


class _Budget:
    """Asks the clock once in a while; a search makes millions of steps."""

    __slots__ = ("_countdown", "_deadline", "_now", "spent")

    def __init__(self, deadline: float, now: Callable[[], float]) -> None:
        self._deadline = deadline
        self._now = now
        self._countdown = 1
        self.spent = False

    def out(self) -> bool:
        self._countdown -= 1
        if self._countdown <= 0:
            self._countdown = 1024
            self.spent = self._now() >= self._deadline
        return self.spent

    def fresh(self, seconds: float) -> _Budget:
        """Another one that starts now."""
        return _Budget(self._now() + seconds, self._now)

    def part(self, seconds: float) -> _Budget:
        """A smaller budget inside this one."""
        return _Budget(min(self._deadline, self._now() + seconds), self._now)


@dataclass(slots=True)
class _Frame:
    """A configuration on the path, and which of its continuations have been tried."""

    base: int
    """Every known operation before this one is chosen."""
    bits: int
    """Bit n: known operation base + n is chosen. Bit 0 is never set, or base would be one more."""
    used: int
    """Bit n: unknown operation n is chosen."""
    state: Value
    before: Value | None
    """The state before the last step, when that step chose an unknown operation (`via_unknown`)."""
    via_unknown: bool
    candidates: list[int]
    """Known operations as n, unknown ones as -1 - n."""
    position: int = 0


def _explainable(operations: Sequence[Operation], model: Model, budget: _Budget) -> bool | None:
    """None when the budget was not enough."""
    ordered = sorted(model.simplify(operations), key=lambda operation: operation.invoked_at)
    known = [each for each in ordered if each.outcome is Outcome.OK]
    unknown = [each for each in ordered if each.outcome is Outcome.UNKNOWN and each.kind not in model.readers]
    asked = [each.invoked_at for each in known]
    answered = [each.returned_at for each in known]
    unknown_asked = [each.invoked_at for each in unknown]
    # Unknown operations that say the same are interchangeable, and the one asked first can stand in for any of them.
    twins: dict[tuple[str, Value], int] = {}
    twin_of = [twins.setdefault((each.kind, each.argument), number) for number, each in enumerate(unknown)]
    tried: list[int] = [0] * len(unknown)
    scan = 0
    total = len(known)
    step = model.step

    def candidates(base: int, bits: int, used: int) -> list[int]:
        # An operation may be next when it was asked before everything unchosen was answered. Operations are sorted by
        # question, so the scan may stop at the first that was asked too late for one of those before it.
        found = []
        earliest = math.inf
        index = base
        while index < total and asked[index] <= earliest:
            if not bits & 1:
                found.append(index)
                if answered[index] < earliest:
                    earliest = answered[index]
            bits >>= 1
            index += 1
        # The one that was answered first is most likely to have come first.
        found.sort(key=answered.__getitem__)
        nonlocal scan
        scan += 1
        for number, at in enumerate(unknown_asked):
            if at > earliest:
                break
            if not used >> number & 1 and tried[twin_of[number]] != scan:
                tried[twin_of[number]] = scan
                found.append(-1 - number)
        return found

    if total == 0:
        return True
    seen: dict[tuple[int, int, Value], list[int]] = {(0, 0, model.initial): [0]}
    stack = [_Frame(0, 0, 0, model.initial, None, False, candidates(0, 0, 0))]
    while stack:
        if budget.out():
            return None
        frame = stack[-1]
        if frame.position == len(frame.candidates):
            stack.pop()
            continue
        choice = frame.candidates[frame.position]
        frame.position += 1
        operation = known[choice] if choice >= 0 else unknown[-1 - choice]
        state = step(frame.state, operation)
        if state is ILLEGAL:
            continue
        if frame.via_unknown and step(frame.before, operation) == state:
            continue  # the unknown operation before this one made no difference: that path exists without it
        base, bits, used = frame.base, frame.bits, frame.used
        if choice >= 0:
            bits |= 1 << (choice - base)
            while bits & 1:
                bits >>= 1
                base += 1
            if base == total:
                return True
        else:
            if state == frame.state:
                continue
            used |= 1 << (-1 - choice)
        spent = seen.setdefault((base, bits, state), [])
        if any(earlier & used == earlier for earlier in spent):
            continue
        spent.append(used)
        stack.append(_Frame(base, bits, used, state, frame.state, choice < 0, candidates(base, bits, used)))
    return False


# ---------------------------------------------------------------------------------------------------------------------
# Explaining a violation. Everything below only makes the report shorter; the verdict stands already.

_SHRINK_SECONDS = 5.0
_TRY_SECONDS = 0.5
_MAX_ALTERNATIVES = 200


def _explain(key: str, operations: Sequence[Operation], model: Model, budget: _Budget) -> Violation:
    # Some time of its own, even when the search took all there was: a verdict that nobody can read is worth little.
    budget = budget.fresh(_SHRINK_SECONDS)

    def fails(some: Sequence[Operation]) -> bool:
        return _explainable(some, model, budget.part(_TRY_SECONDS)) is False

    relevant = [each for each in operations if each.outcome is not Outcome.FAIL]
    ends = sorted({each.returned_at for each in relevant if each.outcome is Outcome.OK})
    # A beginning that cannot be explained stays so however it goes on, so the first such beginning is found by halving.
    low, high = 0, len(ends) - 1
    while low < high:
        middle = (low + high) // 2
        if fails(_until(relevant, ends[middle])):
            high = middle
        else:
            low = middle + 1
    beginning = _until(relevant, ends[high])
    # Several answers may come at that instant; the last asked is as good a culprit as any.
    culprit = max(
        (each for each in beginning if each.outcome is Outcome.OK and each.returned_at == ends[high]),
        key=lambda operation: operation.invoked_at,
    )

    # Leaving out a read can only make a history easier to explain, so a violation without it is the same violation.
    # Leaving out a write could make it harder; so a write may only be weakened to "maybe, at some time" first, and what
    # still fails with it weakened did not need it to have happened.
    reads = [each for each in beginning if each.kind in model.readers and each is not culprit]
    kept = _shrink(reads, lambda some: fails(_without(beginning, reads, some)))
    beginning = _without(beginning, reads, kept)
    writes = [each for each in beginning if each.outcome is Outcome.OK and each is not culprit and each not in kept]
    needed = _shrink(writes, lambda some: fails(_weakened(beginning, writes, some)))
    maybe = _weakened(beginning, writes, needed)

    possible = _alternatives(culprit, maybe, model, budget) if culprit.kind in model.readers else None
    # A weakened or unknown write is evidence only when it wrote something that the culprit or a kept read speaks of.
    told = {culprit.result, *(each.result for each in kept)}
    shown = [
        each
        for each in beginning
        if each is culprit or each in kept or each in needed or bool(told & _values(each.argument))
    ]
    return Violation(
        key=key,
        model=model.name,
        culprit=culprit,
        evidence=tuple(sorted(shown, key=lambda operation: operation.invoked_at)),
        left_out=len(_until(relevant, ends[high])) - len(shown),
        possible=possible,
    )


def _until(operations: Iterable[Operation], at: float) -> list[Operation]:
    """The history as it looked at that time: what was not answered yet is unknown."""
    return [each if each.returned_at <= at else _maybe(each) for each in operations if each.invoked_at <= at]


def _maybe(operation: Operation) -> Operation:
    if operation.outcome is Outcome.UNKNOWN:
        return operation
    return replace(operation, outcome=Outcome.UNKNOWN, result=None, returned_at=math.inf)


def _without(beginning: Sequence[Operation], reads: Sequence[Operation], kept: Sequence[Operation]) -> list[Operation]:
    gone = {id(each) for each in reads} - {id(each) for each in kept}
    return [each for each in beginning if id(each) not in gone]


def _weakened(
    beginning: Sequence[Operation], writes: Sequence[Operation], kept: Sequence[Operation]
) -> list[Operation]:
    weak = {id(each) for each in writes} - {id(each) for each in kept}
    return [_maybe(each) if id(each) in weak else each for each in beginning]


def _shrink(items: list[Operation], fails: Callable[[list[Operation]], bool]) -> list[Operation]:
    """A small part of `items` with which `fails` still holds; it is known to hold with all of them."""
    size = max(1, len(items))
    while size and items:
        start = 0
        while start < len(items):
            fewer = items[:start] + items[start + size :]
            if fails(fewer):
                items = fewer
            else:
                start += size
        size //= 2
    return items


def _values(argument: Value) -> set[Value]:
    return {argument, *argument} if isinstance(argument, tuple) else {argument}


def _alternatives(
    culprit: Operation, beginning: Sequence[Operation], model: Model, budget: _Budget
) -> tuple[Value, ...] | None:
    """Every value that the culprit could have been told instead; only for models whose state is what a read returns."""
    candidates: dict[Value, None] = {model.initial: None}
    for each in beginning:
        if each.kind in model.readers:
            if each is not culprit:
                candidates[each.result] = None
        else:
            for value in sorted(_values(each.argument), key=repr):
                candidates[value] = None
    if model.name != "register" or len(candidates) > _MAX_ALTERNATIVES:
        return None
    possible = []
    for value in candidates:
        told = [replace(each, result=value) if each is culprit else each for each in beginning]
        match _explainable(told, model, budget.part(_TRY_SECONDS)):
            case True:
                possible.append(value)
            case None:
                return None
    return tuple(possible)
