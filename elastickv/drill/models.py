"""What the keys of a history are: small sequential machines that say which answers are right.

A model is a pure function: state and operation in, next state out, or `ILLEGAL` when no such answer can be given in
that state. The kinds of operation are disjoint, so the operations of a key say by themselves which model they mean.

A result of None on a write means that the client was told nothing beyond "done"; then every outcome of the write fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Literal, Protocol, TypeAlias

from elastickv.drill.history import Operation, Outcome, Value


class Sentinel(Enum):
    ILLEGAL = "illegal"


Illegal: TypeAlias = Literal[Sentinel.ILLEGAL]
ILLEGAL: Final = Sentinel.ILLEGAL


class Model(Protocol):
    """States are hashable and compared by value: the checker remembers which it has been in."""

    @property
    def name(self) -> str: ...

    @property
    def kinds(self) -> frozenset[str]:
        """The operations it understands."""
        ...

    @property
    def readers(self) -> frozenset[str]:
        """Those of them that never change the state; an unknown one can be left out of the search."""
        ...

    @property
    def initial(self) -> Value: ...

    def step(self, state: Value, operation: Operation) -> Value | Illegal:
        """For an operation that is not OK, the result is ignored."""
        ...

    def simplify(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """The same history with fewer differences: it is explainable exactly when the given one is."""
        ...


@dataclass(frozen=True, slots=True)
class Register:
    """One value or nothing: get, set, cas (expected, new) -> bool, delete -> bool or nothing told."""

    name: str = "register"
    kinds: frozenset[str] = frozenset({"get", "set", "cas", "delete"})
    readers: frozenset[str] = frozenset({"get"})
    initial: Value = None

    def step(self, state: Value, operation: Operation) -> Value | Illegal:
        known = operation.outcome is Outcome.OK
        match operation.kind:
            case "get":
                return ILLEGAL if known and operation.result != state else state
            case "set":
                return operation.argument
            case "cas":
                expected, new = _pair(operation)
                swapped = state == expected
                if known and operation.result is not None and operation.result != swapped:
                    return ILLEGAL
                return new if swapped else state
            case "delete":
                if known and operation.result is not None and operation.result != (state is not None):
                    return ILLEGAL
                return None
            case _:
                raise ValueError(f"a register has no {operation.kind!r}")

    def simplify(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """Values that no answer and no swap speaks of are all the same value: the history cannot tell them apart.

        After a while of bad network most writes are unknown and most of their values never seen again. As one value
        they are one operation that may be used many times, and no longer many to choose from.
        """
        written = {None, *(_written(each) for each in operations if each.kind in ("set", "cas"))}
        seen: set[Value] = set()
        kept = []
        for each in operations:
            if each.kind == "get" and each.outcome is Outcome.OK:
                seen.add(each.result)
            elif each.kind == "cas":
                expected, _ = _pair(each)
                if each.outcome is Outcome.UNKNOWN and expected not in written:
                    continue  # never swaps anything
                seen.add(expected)
            kept.append(each)
        other = "unseen"
        while other in seen:
            other += "'"
        seen.add(None)  # not a value like others: delete tells it apart
        return [
            each if each.kind not in ("set", "cas") or _written(each) in seen else _writing(each, other)
            for each in kept
        ]


@dataclass(frozen=True, slots=True)
class Counter:
    """A number: add(n) -> the new total or nothing told, total -> the number. Shows an effect that came twice."""

    name: str = "counter"
    kinds: frozenset[str] = frozenset({"add", "total"})
    readers: frozenset[str] = frozenset({"total"})
    initial: Value = 0

    def step(self, state: Value, operation: Operation) -> Value | Illegal:
        known = operation.outcome is Outcome.OK
        assert isinstance(state, int)
        match operation.kind:
            case "add":
                if not isinstance(operation.argument, int):
                    raise ValueError(f"add takes a number, not {operation.argument!r}")
                total = state + operation.argument
                if known and operation.result is not None and operation.result != total:
                    return ILLEGAL
                return total
            case "total":
                return ILLEGAL if known and operation.result != state else state
            case _:
                raise ValueError(f"a counter has no {operation.kind!r}")

    def simplify(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        return operations


@dataclass(frozen=True, slots=True)
class AppendList:
    """A growing list: push(v) -> the new length or nothing told, list -> everything, oldest first.

    The strictest of the three: one read shows the order of all writes before it, and each loss and each repetition.
    """

    name: str = "list"
    kinds: frozenset[str] = frozenset({"push", "list"})
    readers: frozenset[str] = frozenset({"list"})
    initial: Value = ()

    def step(self, state: Value, operation: Operation) -> Value | Illegal:
        known = operation.outcome is Outcome.OK
        assert isinstance(state, tuple)
        match operation.kind:
            case "push":
                if known and operation.result is not None and operation.result != len(state) + 1:
                    return ILLEGAL
                return (*state, operation.argument)
            case "list":
                return ILLEGAL if known and operation.result != state else state
            case _:
                raise ValueError(f"a list has no {operation.kind!r}")

    def simplify(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        return operations


MODELS: Final[tuple[Model, ...]] = (Register(), Counter(), AppendList())


def model_of(operations: Iterable[Operation]) -> Model:
    """The one model that understands all of them. Raises ValueError when there is none."""
    kinds = {operation.kind for operation in operations}
    for model in MODELS:
        if kinds <= model.kinds:
            return model
    raise ValueError(f"no model understands all of {', '.join(sorted(kinds))}")


def _pair(operation: Operation) -> tuple[Value, Value]:
    if not isinstance(operation.argument, tuple) or len(operation.argument) != 2:
        raise ValueError(f"cas takes (expected, new), not {operation.argument!r}")
    expected, new = operation.argument
    return expected, new


def _written(operation: Operation) -> Value:
    return operation.argument if operation.kind == "set" else _pair(operation)[1]


def _writing(operation: Operation, value: Value) -> Operation:
    """The same operation with another value to write."""
    return replace(operation, argument=value if operation.kind == "set" else (_pair(operation)[0], value))
