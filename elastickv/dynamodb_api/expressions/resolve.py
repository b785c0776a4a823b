"""Placeholders put in, and everything judged that a tree and its names and values can be judged for without an item.

AWS finds mistakes class by class, not from left to right: an unknown function anywhere comes before a reserved word
anywhere, and so on. So the tree is walked once, the first mistake of each class is noted, and the classes are asked in
AWS' order (recorded by dynalite against the service).

A tree is prepared once per text, names and types of values, and then cached: what depends on more than the values'
types (`attribute_type`'s word, BETWEEN's bounds) is looked at with each request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from elastickv.dynamodb_api.attributes import SETS, Value, kind_of, order, show
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions.evaluate import Test, condition_test
from elastickv.dynamodb_api.expressions.lexer import TOO_LONG, ExpressionError, TooLong
from elastickv.dynamodb_api.expressions.nodes import (
    Action,
    AddAction,
    Arithmetic,
    Between,
    Both,
    Comparison,
    Condition,
    DeleteAction,
    Either,
    Function,
    In,
    Not,
    Operand,
    Path,
    Projection,
    RemoveAction,
    SetAction,
    Update,
    ValueRef,
)
from elastickv.dynamodb_api.expressions.parser import (
    REDUNDANT,
    parse_condition,
    parse_projection,
    parse_update,
)
from elastickv.dynamodb_api.expressions.reserved import is_reserved

Names = Mapping[str, str]
Values = Mapping[str, Value]
Tree = TypeVar("Tree")

_CONDITION_FUNCTIONS: Final = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
    "size": 1,
}
_UPDATE_FUNCTIONS: Final = {"if_not_exists": 2, "list_append": 2}
_TYPES: Final = ("B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M")
_ANY_TYPE: Final = "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}"
_LONG_TYPES: Final = {
    "S": "STRING",
    "N": "NUMBER",
    "B": "BINARY",
    "NULL": "NULL",
    "BOOL": "BOOLEAN",
    "L": "LIST",
    "M": "MAP",
}
_WRONG_OPERAND: Final = "Incorrect operand type for operator or function; "


@dataclass(frozen=True, slots=True)
class Prepared(Generic[Tree]):
    """A tree that is right for these names and types of values."""

    tree: Tree
    names: frozenset[str]
    """Placeholders of names that it uses."""
    values: frozenset[str]
    paths: tuple[Path, ...]
    """All document paths in it, as written from left to right (of an update: also those that it only reads)."""
    checks: tuple[Callable[[Values], str | None], ...] = ()
    """Mistakes that depend on the values themselves."""
    test: Test | None = None
    """Of a condition: what to ask an item."""

    @property
    def nested_heads(self) -> set[str]:
        """Attributes whose inside is named."""
        return {str(path.steps[0]) for path in self.paths if len(path.steps) > 1}

    @property
    def heads(self) -> set[str]:
        """Attributes that are named."""
        return {str(path.steps[0]) for path in self.paths}


class _Walk:
    """One pass over a tree: names put in, the first mistake of each class noted."""

    functions: Mapping[str, int] = {}

    def __init__(self, names: Names | None, values: Values | None) -> None:
        self.given_names = names or {}
        self.given_values = values or {}
        self.names: set[str] = set()
        self.values: set[str] = set()
        self.paths: list[Path] = []
        self.mistakes: dict[str, str] = {}
        self.checks: list[Callable[[Values], str | None]] = []

    def note(self, kind: str, sentence: str) -> None:
        self.mistakes.setdefault(kind, sentence)

    def path(self, path: Path) -> Path:
        steps: list[str | int] = []
        for step in path.steps:
            if isinstance(step, str):
                if step[0] == "#":
                    self.names.add(step)
                    name = self.given_names.get(step)
                    if name is None:
                        self.note(
                            "name",
                            "An expression attribute name used in the document path is not defined; "
                            f"attribute name: {step}",
                        )
                        name = step
                    step = name
                elif is_reserved(step):
                    self.note("reserved", f"Attribute name is a reserved keyword; reserved keyword: {step}")
            steps.append(step)
        resolved = Path(tuple(steps))
        self.paths.append(resolved)
        return resolved

    def value(self, reference: ValueRef) -> ValueRef:
        self.values.add(reference.name)
        if reference.name not in self.given_values:
            self.note(
                "value",
                f"An expression attribute value used in expression is not defined; attribute value: {reference.name}",
            )
        return reference

    def type_of(self, operand: Operand) -> str | None:
        """The type of a value that the request gives; None for what only an item decides."""
        if isinstance(operand, ValueRef):
            value = self.given_values.get(operand.name)
            return kind_of(value) if value else None
        return None

    def operand(self, operand: Operand) -> Operand:
        if isinstance(operand, Path):
            return self.path(operand)
        if isinstance(operand, ValueRef):
            return self.value(operand)
        if isinstance(operand, Function):
            return self.function(operand)
        left, right = self.operand(operand.left), self.operand(operand.right)
        self.numbers(operand.operator, (left, right))
        return Arithmetic(operand.operator, left, right)

    def function(self, function: Function) -> Function:
        arguments = tuple(self.operand(one) for one in function.arguments)
        if function.name not in self.functions:
            self.note("unknown function", f"Invalid function name; function: {function.name}")
        elif len(arguments) != self.functions[function.name]:
            self.note(
                "count",
                "Incorrect number of operands for operator or function; "
                f"operator or function: {function.name}, number of operands: {len(arguments)}",
            )
        else:
            self.judge(function.name, arguments)
        return Function(function.name, arguments)

    def judge(self, name: str, arguments: tuple[Operand, ...]) -> None:
        """Types of a known function's arguments."""

    def numbers(self, name: str, arguments: Iterable[Operand]) -> None:
        self.typed(name, arguments, ("N",))

    def typed(self, name: str, arguments: Iterable[Operand], allowed: tuple[str, ...]) -> None:
        """Arguments that the request gives must have one of these types."""
        for argument in arguments:
            kind = self.type_of(argument)
            if kind is not None and kind not in allowed:
                self.note("type", f"{_WRONG_OPERAND}operator or function: {name}, operand type: {kind}")
                return

    def needs_path(self, name: str, argument: Operand) -> bool:
        if isinstance(argument, Path):
            return True
        self.note("type", f"Operator or function requires a document path; operator or function: {name}")
        return False

    def conclude(self, *kinds: str) -> None:
        """Raise the first mistake there is, in this order of classes."""
        for kind in kinds:
            if kind in self.mistakes:
                raise ExpressionError(self.mistakes[kind])


class _ConditionWalk(_Walk):
    functions = _CONDITION_FUNCTIONS

    def note(self, kind: str, sentence: str) -> None:
        super().note("reference" if kind in ("name", "value") else kind, sentence)

    def type_of(self, operand: Operand) -> str | None:
        if isinstance(operand, Function) and operand.name == "size":
            return "N"
        return super().type_of(operand)

    def condition(self, condition: Condition) -> Condition:
        if isinstance(condition, Both):
            return Both(tuple([self.part(one) for one in condition.conditions]))
        if isinstance(condition, Either):
            return Either(tuple([self.part(one) for one in condition.conditions]))
        if isinstance(condition, Not):
            return Not(self.part(condition.condition))
        resolved = self.leaf(condition)
        # Of the mistakes in operands those of the leftmost condition count, whatever their class.
        for kind in ("reference", "count", "distinct", "type"):
            if kind in self.mistakes:
                self.note("operand", self.mistakes[kind])
        return resolved

    def part(self, condition: Condition) -> Condition:
        self.not_size(condition)
        return self.condition(condition)

    def not_size(self, condition: Condition) -> None:
        if isinstance(condition, Function) and condition.name == "size":
            self.misused("size")

    def misused(self, name: str) -> None:
        self.note(
            "misused function",
            f"The function is not allowed to be used this way in an expression; function: {name}",
        )

    def leaf(self, condition: Comparison | Between | In | Function) -> Condition:
        if isinstance(condition, Function):
            return self.function(condition)
        if isinstance(condition, Comparison):
            left, right = self.operand(condition.left), self.operand(condition.right)
            self.only_size(left, right)
            self.distinct(condition.operator, (left, right))
            if condition.operator not in ("=", "<>"):
                self.typed(condition.operator, (left, right), ("S", "N", "B"))
            return Comparison(condition.operator, left, right)
        if isinstance(condition, Between):
            operand, low, high = map(self.operand, (condition.operand, condition.low, condition.high))
            self.only_size(operand, low, high)
            self.typed("BETWEEN", (operand, low, high), ("S", "N", "B"))
            if isinstance(low, ValueRef) and isinstance(high, ValueRef):
                self.bounds(low.name, high.name)
            return Between(operand, low, high)
        operand = self.operand(condition.operand)
        options = tuple([self.operand(one) for one in condition.options])
        self.only_size(operand, *options)
        return In(operand, options)

    def only_size(self, *operands: Operand) -> None:
        for operand in operands:
            if isinstance(operand, Function) and operand.name != "size":
                self.misused(operand.name)

    def function(self, function: Function) -> Function:
        for argument in function.arguments:
            if isinstance(argument, Function) and argument.name != "size":
                self.misused(argument.name)
        return super().function(function)

    def distinct(self, name: str, operands: tuple[Operand, ...]) -> None:
        first, *others = operands
        if isinstance(first, Path) and others and first == others[0]:
            self.note(
                "distinct",
                "The first operand must be distinct from the remaining operands for this operator or function; "
                f"operator: {name}, first operand: {first}",
            )

    def judge(self, name: str, arguments: tuple[Operand, ...]) -> None:
        self.distinct(name, arguments)
        if name in ("attribute_exists", "attribute_not_exists"):
            self.needs_path(name, arguments[0])
        elif name == "begins_with":
            self.typed(name, arguments, ("S", "B"))
        elif name == "size":
            self.typed(name, arguments, ("S", "B", "SS", "NS", "BS", "L", "M"))
        elif name == "attribute_type":
            wanted = arguments[1]
            kind = self.type_of(wanted)
            if kind != "S":
                self.note("type", f"{_WRONG_OPERAND}operator or function: {name}, operand type: {kind or _ANY_TYPE}")
            else:
                assert isinstance(wanted, ValueRef)
                self.known_type(wanted.name)

    def known_type(self, reference: str) -> None:
        def check(values: Values) -> str | None:
            word = values[reference]["S"]
            if word in _TYPES:
                return None
            return f"Invalid attribute type name found; type: {word}, valid types: {{{','.join(_TYPES)}}}"

        self.later(check)

    def bounds(self, low: str, high: str) -> None:
        def check(values: Values) -> str | None:
            one, other = values[low], values[high]
            quoted = (
                f"lower bound operand: AttributeValue: {show(one)}, upper bound operand: AttributeValue: {show(other)}"
            )
            if kind_of(one) != kind_of(other):
                return f"The BETWEEN operator requires same data type for lower and upper bounds; {quoted}"
            if order(one) > order(other):
                return "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; " + quoted
            return None

        if low in self.given_values and high in self.given_values and "type" not in self.mistakes:
            self.later(check)

    def later(self, check: Callable[[Values], str | None]) -> None:
        """A mistake of the class "type" that depends on the values themselves."""
        sentence = check(self.given_values)
        if sentence is not None:
            self.note("type", sentence)
        else:
            self.checks.append(check)


class _UpdateWalk(_Walk):
    functions = _UPDATE_FUNCTIONS

    def __init__(self, names: Names | None, values: Values | None) -> None:
        super().__init__(names, values)
        self.targets: list[Path] = []

    def update(self, update: Update) -> Update:
        seen: set[str] = set()
        for section in update.sections:
            if section in seen:
                self.note("section", f'The "{section}" section can only be used once in an update expression;')
            seen.add(section)
        return Update(tuple([self.action(one) for one in update.actions]), update.sections)

    def action(self, action: Action) -> Action:
        path = self.path(action.path)
        if isinstance(action, RemoveAction):
            self.target(path)
            return RemoveAction(path)
        if isinstance(action, SetAction):
            value = self.operand(action.value)
            self.target(path)
            return SetAction(path, value)
        reference = self.value(action.value)
        self.target(path)
        kind = self.type_of(reference)
        if isinstance(action, AddAction):
            self.operator("ADD", kind, kind == "N" or kind in SETS)
            return AddAction(path, reference)
        self.operator("DELETE", kind, kind in SETS)
        return DeleteAction(path, reference)

    def operator(self, name: str, kind: str | None, fits: bool) -> None:
        if kind is not None and not fits:
            self.note("operand", f"{_WRONG_OPERAND}operator: {name}, operand type: {_LONG_TYPES[kind]}")

    def target(self, path: Path) -> None:
        overlaps(self, self.targets, path)
        self.targets.append(path)

    def judge(self, name: str, arguments: tuple[Operand, ...]) -> None:
        if name == "list_append":
            self.typed(name, arguments, ("L",))
        else:
            self.needs_path(name, arguments[0])


def overlaps(walk: _Walk, before: list[Path], path: Path) -> None:
    """Two paths of which one leads through the other, or which see a map and a list in the same place."""
    for other in before:
        for one, two in zip(other.steps, path.steps, strict=False):
            if type(one) is not type(two):
                walk.note(
                    "conflict",
                    "Two document paths conflict with each other; must remove or rewrite one of these paths; "
                    f"path one: {other}, path two: {path}",
                )
                break
            if one != two:
                break
        else:
            walk.note(
                "overlap",
                "Two document paths overlap with each other; must remove or rewrite one of these paths; "
                f"path one: {other}, path two: {path}",
            )


# preparing, with a cache

_CACHE_SIZE: Final = 2048
_cache: dict[tuple[Any, ...], Prepared[Any]] = {}
"""Least recently made first; when it is full, the older half goes."""


def _signature(names: Names | None, values: Values | None) -> tuple[Any, ...]:
    """Names, and names and types of values."""
    return (
        tuple(names.items()) if names else None,
        tuple([(name, next(iter(value))) for name, value in values.items()]) if values else None,
    )


def _prepare(
    kind: str, text: str, names: Names | None, values: Values | None, make: Callable[[], Prepared[Tree]]
) -> Prepared[Tree]:
    """`kind` is the parameter's name, as in "Invalid ConditionExpression: …"."""
    key = (kind, text, *_signature(names, values))
    known = _cache.get(key)
    try:
        if known is None:
            known = make()
            if len(_cache) >= _CACHE_SIZE:
                for old in list(_cache)[: _CACHE_SIZE // 2]:
                    del _cache[old]
            _cache[key] = known
        elif known.checks:
            assert values is not None
            for check in known.checks:
                sentence = check(values)
                if sentence is not None:
                    raise ExpressionError(sentence)
    except ExpressionError as error:
        raise ValidationException(f"Invalid {kind}: {error.message}") from None
    return known


def condition(
    text: str, names: Names | None, values: Values | None, kind: str = "ConditionExpression"
) -> Prepared[Condition]:
    """Also for FilterExpression and KeyConditionExpression (`kind`). ValidationException."""

    def make() -> Prepared[Condition]:
        parsed = parse_condition(text)
        walk = _ConditionWalk(names, values)
        walk.not_size(parsed.condition)
        resolved = walk.condition(parsed.condition)
        if parsed.redundant_parentheses and kind != "KeyConditionExpression":
            raise ExpressionError(REDUNDANT)
        walk.conclude("unknown function", "misused function", "reserved", "operand")
        return Prepared(
            resolved,
            frozenset(walk.names),
            frozenset(walk.values),
            tuple(walk.paths),
            tuple(walk.checks),
            condition_test(resolved),
        )

    return _prepare(kind, text, names, values, make)


def _parsed_update(text: str) -> Update:
    try:
        return parse_update(text)
    except TooLong:
        raise ExpressionError(TOO_LONG) from None  # of an update AWS does not say how long it is


def update(text: str, names: Names | None, values: Values | None) -> Prepared[Update]:
    def make() -> Prepared[Update]:
        walk = _UpdateWalk(names, values)
        resolved = walk.update(_parsed_update(text))
        walk.conclude(
            "reserved",
            "unknown function",
            "section",
            "name",
            "value",
            "overlap",
            "conflict",
            "operand",
            "count",
            "type",
        )
        return Prepared(resolved, frozenset(walk.names), frozenset(walk.values), tuple(walk.paths))

    return _prepare("UpdateExpression", text, names, values, make)


def projection(text: str, names: Names | None) -> Prepared[Projection]:
    def make() -> Prepared[Projection]:
        walk = _Walk(names, None)
        paths: list[Path] = []
        for written in parse_projection(text).paths:
            path = walk.path(written)
            overlaps(walk, paths, path)
            paths.append(path)
        walk.conclude("reserved", "name", "overlap", "conflict")
        return Prepared(Projection(tuple(paths)), frozenset(walk.names), frozenset(), tuple(paths))

    return _prepare("ProjectionExpression", text, names, None, make)


# trees that were not made from an expression's text (PartiQL): the same judgement, without placeholders and reserved
# words


def judged_condition(tree: Condition, values: Values) -> Test:
    """Something to ask items. ValidationException, with nothing in front of the sentence."""
    walk = _PlainConditionWalk(None, values)
    walk.not_size(tree)
    resolved = walk.condition(tree)
    try:
        walk.conclude("unknown function", "misused function", "operand")
    except ExpressionError as error:
        raise ValidationException(error.message) from None
    return condition_test(resolved)


def judge_update(tree: Update, values: Values) -> None:
    """ValidationException when the update makes no sense, whatever the item is."""
    walk = _PlainUpdateWalk(None, values)
    walk.update(tree)
    try:
        walk.conclude("unknown function", "section", "overlap", "conflict", "operand", "count", "type")
    except ExpressionError as error:
        raise ValidationException(error.message) from None


class _PlainConditionWalk(_ConditionWalk):
    def path(self, path: Path) -> Path:
        self.paths.append(path)
        return path


class _PlainUpdateWalk(_UpdateWalk):
    def path(self, path: Path) -> Path:
        self.paths.append(path)
        return path
