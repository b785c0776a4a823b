"""What a WHERE clause and the right side of SET are made of.

condition  := OR of AND of NOT of predicates
predicate  := term (= <> != < <= > >=) term | term [NOT] BETWEEN term AND term | term [NOT] IN [ … ] or ( … )
            | term IS [NOT] (MISSING | type)
term       := value | path | function ( … ) | ( condition )

A condition is a term as well: `attribute_exists(a) = true` asks whether it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias, TypeGuard

from elastickv.dynamodb_api.attributes import Value
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions.nodes import (
    Arithmetic,
    Between,
    Both,
    Comparison,
    Condition,
    Either,
    Function,
    In,
    Not,
    Operand,
    Path,
    ValueRef,
)
from elastickv.dynamodb_api.partiql.lexer import Kind, Token, not_well_formed
from elastickv.dynamodb_api.partiql.literals import Literals
from elastickv.dynamodb_api.partiql.words import OTHER_TYPES, TYPES

Term: TypeAlias = Condition | Operand

_COMPARISONS: Final = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_CONDITIONS: Final = frozenset(
    {"begins_with", "contains", "attribute_type", "attribute_exists", "attribute_not_exists"}
)
_OPERANDS: Final = frozenset({"size", "if_not_exists", "list_append"})
MAX_IN: Final = 100
"""Operands of one IN."""
MAX_INDEX: Final = (1 << 31) - 1


class Conditions(Literals):
    def __init__(self, text: str, parameters: Sequence[Value]) -> None:
        super().__init__(text, parameters)
        self.values: dict[str, Value] = {}

    def where(self) -> Condition | None:
        return self.condition() if self.word("WHERE") else None

    def condition(self) -> Condition:
        return self.asked(self.term_of_or())

    def asked(self, term: Term) -> Condition:
        """A term that stands where a condition has to."""
        if _is_condition(term) or isinstance(term, Function):
            return term
        self.fault(not_well_formed("Expected a condition"))
        value = self.operand(term)
        return Comparison("=", value, value)

    def term_of_or(self) -> Term:
        parts = [self.term_of_and()]
        while self.word("OR"):
            self.right_side()
            parts.append(self.term_of_and())
        return parts[0] if len(parts) == 1 else Either(tuple(map(self.asked, parts)))

    def term_of_and(self) -> Term:
        parts = [self.negation()]
        while self.word("AND"):
            self.right_side()
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else Both(tuple(map(self.asked, parts)))

    def negation(self) -> Term:
        self.deeper()
        try:
            if self.word("NOT"):
                return Not(self.asked(self.negation()))
            return self.predicate()
        finally:
            self.depth -= 1

    def predicate(self) -> Term:
        left = self.term()
        operator = _COMPARISONS.get(self.next.text) if self.next.kind is Kind.SIGN else None
        if operator is not None:
            self.take()
            self.right_side()
            return self.compared(operator, left, self.term())
        if self.word("IS"):
            return self.typed(self.operand(left))
        start = self.at
        negated = self.word("NOT")
        found: Condition
        if self.word("BETWEEN"):
            self.right_side()
            low = self.operand(self.term())
            self.expect_word("AND")
            if self.next.kind is Kind.END:
                raise not_well_formed("Expected expression after AND")
            found = Between(self.operand(left), low, self.operand(self.term()))
        elif self.word("IN"):
            self.right_side()
            found = self.one_of(left)
        else:
            self.at = start
            return left
        return Not(found) if negated else found

    def one_of(self, left: Term) -> Condition:
        close = "]" if self.sign("[") else ")"
        if close == ")":
            self.expect("(")
        options = self.separated(self.term)
        self.expect(close)
        if len(options) > MAX_IN:
            self.fault(f"The IN operator is provided with too many operands; number of operands: {len(options)}")
        if _is_condition(left):
            return Either(tuple([self.compared("=", left, option) for option in options]))
        return In(self.operand(left), tuple(map(self.operand, options)))

    def typed(self, operand: Operand) -> Condition:
        negated = self.word("NOT")
        if self.word("MISSING"):
            return Function("attribute_exists" if negated else "attribute_not_exists", (operand,))
        name = self.type_name()
        kind = TYPES.get(name)
        if kind is None:
            self.fault(f"Unsupported data type: {name}")
            kind = "NULL"
        found = Function("attribute_type", (operand, self.refer({"S": kind})))
        return Not(found) if negated else found

    def type_name(self) -> str:
        for words in (("DOUBLE", "PRECISION"), ("CHARACTER", "VARYING")):
            if self.word(*words):
                return " ".join(words)
        name = self.next.text.upper()
        if not self.next.word or (name not in TYPES and name not in OTHER_TYPES):
            raise not_well_formed("Expected type name")
        self.take()
        return name

    def compared(self, operator: str, left: Term, right: Term) -> Condition:
        if not _is_condition(left):
            if not _is_condition(right):
                return Comparison(operator, self.operand(left), self.operand(right))
            left, right = right, left
        if operator not in ("=", "<>"):
            self.fault(
                f"Incorrect operand type for operator or function; operator or function: {operator}, operand type: BOOL"
            )
        holds = self.as_truth(left, right)
        return holds if operator == "=" else Not(holds)

    def as_truth(self, condition: Condition, other: Term) -> Condition:
        """The condition holds and the other one is true, or it does not and the other one is false."""
        if _is_condition(other):
            return Either((Both((condition, other)), Both((Not(condition), Not(other)))))
        if isinstance(other, ValueRef) and "BOOL" in self.values[other.name]:
            return condition if self.values[other.name]["BOOL"] else Not(condition)
        value = self.operand(other)
        true = Comparison("=", value, self.refer({"BOOL": True}))
        false = Comparison("=", value, self.refer({"BOOL": False}))
        return Either((Both((condition, true)), Both((Not(condition), false))))

    # terms

    def term(self) -> Term:
        token = self.next
        if token.is_sign("("):
            self.take()
            if self.next.is_sign(")"):
                raise not_well_formed("Expression group cannot be empty")
            inner = self.term_of_or()
            self.expect(")")
            return inner
        if self.calls():
            return self.call(token)
        if token.kind in (Kind.WORD, Kind.QUOTED):
            return self.path()
        return self.refer(self.value())

    def operand(self, term: Term) -> Operand:
        """A term that stands where a value has to."""
        if isinstance(term, Path | ValueRef | Function | Arithmetic):
            return term
        self.fault(not_well_formed("Expected a value"))
        return self.refer({"BOOL": True})

    def sum(self) -> Operand:
        left = self.operand(self.term())
        for operator in ("+", "-"):
            if self.sign(operator):
                self.right_side()
                return Arithmetic(operator, left, self.operand(self.term()))
        return left

    def calls(self) -> bool:
        """A name of a function comes next, and an opening parenthesis."""
        token = self.next
        named = token.kind is Kind.WORD or token.word == "EXISTS"
        return named and self.tokens[self.at + 1].is_sign("(")

    def call(self, name: Token) -> Function:
        function = name.text.lower()
        if function not in _CONDITIONS and function not in _OPERANDS:
            self.fault(f"Unrecognized function: {function} at {self.place(name)}")
        return Function(function, tuple(map(self.operand, self.arguments())))

    def arguments(self) -> list[Term]:
        name = self.take().text.lower()
        self.expect("(")
        if self.sign("*"):
            if name != "count":
                raise not_well_formed(f"{name}(*) is not allowed")
            self.expect(")")
            return []
        return self.members(")", self.term_of_or)

    def refer(self, value: Value) -> ValueRef:
        name = f":{len(self.values)}"
        self.values[name] = value
        return ValueRef(name)

    # paths

    def identifier(self, mistake: ValidationException | None = None) -> str:
        """A word that is no keyword, or what stands in quotes; else `mistake` or what AWS says of an operand."""
        if self.next.kind not in (Kind.WORD, Kind.QUOTED):
            raise mistake or self.unexpected()
        return self.take().text

    def path(self, mistake: ValidationException | None = None) -> Path:
        steps: list[str | int] = [self.identifier(mistake)]
        while True:
            if self.sign("."):
                steps.append(self.identifier(not_well_formed("Invalid path dot component")))
            elif self.sign("["):
                steps.append(self.element())
                self.expect("]")
            else:
                break
        if not all(step != "" for step in steps):
            self.fault("Path component cannot be an empty string")
        return Path(tuple(steps))

    def element(self) -> str | int:
        """A list's element, or a map's member in single quotes."""
        negative = self.sign("-")
        token = self.take()
        if token.kind is Kind.TEXT and not negative:
            return token.text
        if token.kind is not Kind.NUMBER or not token.text.isdigit():
            raise not_well_formed("Expected the number of an element")
        digits = token.text.lstrip("0") or "0"
        index = int(digits) if len(digits) <= 10 else MAX_INDEX + 1
        if index > MAX_INDEX or (negative and index):
            written = f"-{digits}" if negative else digits
            self.fault(f"List index is not within the allowable range; index: [{written}] at {self.place(token)}")
        return index


def _is_condition(term: Term) -> TypeGuard[Condition]:
    if isinstance(term, Function):
        return term.name in _CONDITIONS
    return isinstance(term, Comparison | Between | In | Not | Both | Either)
