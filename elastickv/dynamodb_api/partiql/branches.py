"""The reads that a WHERE clause with OR and IN falls apart into, and what AWS refuses about them.

The clause is multiplied out as far as keys are in it. When each of its branches names a partition, the branches are
reads of their own, each of a partition and a range of sort keys: they may not overlap, and not be more than fifty. A
branch that names no partition makes the whole a scan, for which none of this holds; nor does it for a branch that says
only what the sort key is not. (Recorded at AWS: github.com/paritysuite/dynamodb-conformance.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from elastickv.dynamodb_api.attributes import Value, equal, order
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions.nodes import Both, Comparison, Condition, Either, In, Not, Path, ValueRef
from elastickv.dynamodb_api.key_conditions import KeyCondition
from elastickv.dynamodb_api.partiql.keys import check_type, key_condition, mentioned
from elastickv.dynamodb_api.partiql.statements import Values
from elastickv.dynamodb_api.tables import KeyAttribute
from elastickv.kv.keyspace import prefix_end

OVERLAPPING: Final = "Overlapping conditions with range keys are not supported in where clause"
TOO_MANY: Final = "Too many decomposed read operations for a given query."
MAX_READS: Final = 50
_MAX_BRANCHES: Final = 256
"""A clause that multiplies out to more is left alone, and read by a scan."""

Branch = tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A range of sort keys; None is no bound. Bounds compare as values of the key's type do."""

    low: Any = None
    with_low: bool = True
    high: Any = None
    with_high: bool = True

    @property
    def empty(self) -> bool:
        if self.low is None or self.high is None:
            return False
        return bool(self.low > self.high or (self.low == self.high and not (self.with_low and self.with_high)))

    def narrowed(self, other: Span) -> Span:
        """What is in both."""
        low, with_low = self.low, self.with_low
        if low is None or (other.low is not None and (other.low, not other.with_low) > (low, not with_low)):
            low, with_low = other.low, other.with_low
        high, with_high = self.high, self.with_high
        if high is None or (other.high is not None and (other.high, other.with_high) < (high, with_high)):
            high, with_high = other.high, other.with_high
        return Span(low, with_low, high, with_high)


@dataclass(frozen=True, slots=True)
class Read:
    """A branch of the clause."""

    partitions: list[Value]
    """None at all when the branch contradicts itself."""
    branch: Branch

    @property
    def looked_at(self) -> list[str]:
        """Attributes that the branch mentions, in the order in which they stand there."""
        return [name for part in self.branch for name in mentioned(part)]


def reads_of(
    where: Condition | None, keys: Sequence[KeyAttribute], values: Values, *, typed: bool = True
) -> list[Read] | None:
    """What the clause falls apart into; None when it is a scan. ValidationException when the reads overlap or are too
    many. `keys`: of what is read; `typed`: values of another type than a key's are refused as well."""
    if where is None:
        return None
    names = {attribute.name for attribute in keys}
    branches = _multiplied(where, names)
    if branches is None:
        return None
    found: list[Read] = []
    reads: list[tuple[Value, Span]] = []
    number = 0
    for branch in branches:
        partitions = _named(branch, keys[0], values, typed)
        if partitions is None:
            return None
        found.append(Read(partitions, branch))
        if len(branches) == 1 and not any(isinstance(part, In) for part in branch):
            return found
        spans = [Span()] if len(keys) == 1 else _spans(branch, keys[1], values, typed)
        number += len(partitions) * max(len(spans), 1)
        reads += [(partition, span) for partition in partitions for span in spans]
    if number > MAX_READS:
        raise ValidationException(TOO_MANY)
    for place, (partition, span) in enumerate(reads):
        for other, another in reads[:place]:
            if equal(partition, other) and not span.narrowed(another).empty:
                raise ValidationException(OVERLAPPING)
    return found


def _multiplied(condition: Condition, names: set[str]) -> list[Branch] | None:
    """Branches joined by OR, of conditions joined by AND; None when they are too many."""
    if isinstance(condition, Both):
        product: list[Branch] = [()]
        for part in condition.conditions:
            found = _multiplied(part, names)
            if found is None or len(product) * len(found) > _MAX_BRANCHES:
                return None
            product = [one + other for one in product for other in found]
        return product
    if isinstance(condition, Either) and not names.isdisjoint(mentioned(condition)):
        branches: list[Branch] = []
        for part in condition.conditions:
            found = _multiplied(part, names)
            if found is None or len(branches) + len(found) > _MAX_BRANCHES:
                return None
            branches += found
        return branches
    return [(condition,)]


def _options(part: Condition, attribute: KeyAttribute, values: Values) -> list[Value] | None:
    """Values of which the condition says that the key is one."""
    if isinstance(part, In) and part.operand == Path((attribute.name,)):
        options = [values[one.name] for one in part.options if isinstance(one, ValueRef)]
        return options if len(options) == len(part.options) else None
    found = key_condition(part, values)
    if found is not None and found[0] == attribute.name and found[1].operator == "EQ":
        return [found[1].values[0]]
    return None


def _named(branch: Branch, attribute: KeyAttribute, values: Values, typed: bool) -> list[Value] | None:
    """Partitions that the branch names; None when it names none."""
    named: list[Value] | None = None
    for part in branch:
        options = _options(part, attribute, values)
        if options is None:
            continue
        for value in options if typed else ():
            check_type(value, attribute)
        named = options if named is None else [one for one in named if any(equal(one, other) for other in options)]
    return named


def _spans(branch: Branch, attribute: KeyAttribute, values: Values, typed: bool) -> list[Span]:
    """Ranges of sort keys that the branch reads; none for a branch that says what the sort key is not."""
    spans = [Span()]
    for part in branch:
        if _denies(part, attribute):
            return []
        options = _options(part, attribute, values)
        found = key_condition(part, values)
        if options is not None:
            conditions = [KeyCondition("EQ", (option,)) for option in options]
        elif found is not None and found[0] == attribute.name:
            conditions = [found[1]]
        else:
            continue
        for condition in conditions:
            for value in condition.values:
                if typed:
                    check_type(value, attribute)
                elif attribute.type not in value:
                    return []
        narrowed = [span.narrowed(_span(condition)) for span in spans for condition in conditions]
        spans = [span for span in narrowed if not span.empty]
    return spans


def _denies(part: Condition, attribute: KeyAttribute) -> bool:
    if isinstance(part, Not) or (isinstance(part, Comparison) and part.operator == "<>"):
        return attribute.name in mentioned(part)
    return False


def _span(condition: KeyCondition) -> Span:
    low = _bound(condition.values[0])
    match condition.operator:
        case "EQ":
            return Span(low, True, low, True)
        case "LT" | "LE":
            return Span(high=low, with_high=condition.operator == "LE")
        case "GT" | "GE":
            return Span(low=low, with_low=condition.operator == "GE")
        case "BETWEEN":
            return Span(low, True, _bound(condition.values[1]), True)
    return Span(low, True, prefix_end(low) or None, False) if low else Span()


def _bound(value: Value) -> Any:
    """Text as its UTF-8, which is in the same order, so that a prefix has an end."""
    return value["S"].encode() if "S" in value else order(value)
