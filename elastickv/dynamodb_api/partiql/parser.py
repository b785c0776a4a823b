"""Tokens -> statements. Recursive descent, one method for each rule.

statement  := select | insert | update | delete | EXISTS ( select )
select     := SELECT (* | path {, path}) FROM name [. name] [WHERE condition] [ORDER BY name [ASC|DESC] {, …}]
insert     := INSERT INTO name VALUE map
update     := UPDATE name {SET path = operand {, …} | REMOVE path {, …}} WHERE condition [returning]
delete     := DELETE FROM name WHERE condition [returning]
returning  := RETURNING (ALL|MODIFIED) (OLD|NEW) *
condition  := OR of AND of NOT of predicates and ( condition )
predicate  := operand (= <> != < <= > >=) operand | operand [NOT] BETWEEN operand AND operand
            | operand [NOT] IN [ … ] or ( … ) | path IS [NOT] (MISSING|NULL) | function ( … )
value      := 'text' | number | TRUE | FALSE | NULL | ? | [ … ] | { 'name' : value, … } | << … >>
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from elastickv.dynamodb_api.attributes import Item, Value, check, kind_of
from elastickv.dynamodb_api.errors import ValidationException
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
    RemoveAction,
    SetAction,
    Update,
    ValueRef,
)
from elastickv.dynamodb_api.partiql.lexer import Kind, Token, not_well_formed, tokens_of
from elastickv.dynamodb_api.partiql.statements import Change, Delete, Exists, Insert, Select, Statement

T = TypeVar("T")

_COMPARISONS: Final = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_CONDITIONS: Final = frozenset(
    {"begins_with", "contains", "attribute_type", "attribute_exists", "attribute_not_exists"}
)
_OPERANDS: Final = frozenset({"size", "if_not_exists", "list_append"})
_SET_CHANGES: Final = {"set_add": AddAction, "set_delete": DeleteAction}
_ENDS_A_PATH: Final = frozenset({"FROM", "WHERE", "SET", "REMOVE", "RETURNING", "ORDER", "AND", "OR", "IS", "IN"})
MAX_DEPTH: Final = 100
"""Parentheses, lists and maps inside each other; a statement has at most 8192 characters anyway."""


def parse(text: str, parameters: Sequence[Value]) -> Statement:
    """ValidationException when the statement or a value in it makes no sense."""
    for value in parameters:
        check(value)
    parser = _Parser(tokens_of(text), parameters)
    statement = parser.statement()
    if parser.used != len(parameters):
        raise ValidationException("Number of parameters in request and statement don't match.")
    return statement


class _Parser:
    def __init__(self, tokens: list[Token], parameters: Sequence[Value]) -> None:
        self.tokens = tokens
        self.parameters = parameters
        self.at = 0
        self.used = 0
        self.depth = 0
        self.values: dict[str, Value] = {}

    # tokens

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.tokens[self.at]
        if token.kind is Kind.END:
            raise not_well_formed("Unexpected end of statement")
        self.at += 1
        return token

    def word(self, *words: str) -> bool:
        """Take these keywords if they come next."""
        if all(self.tokens[min(self.at + n, len(self.tokens) - 1)].is_word(word) for n, word in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def sign(self, sign: str) -> bool:
        if self.next.is_sign(sign):
            self.at += 1
            return True
        return False

    def expect_word(self, word: str) -> None:
        if not self.word(word):
            raise not_well_formed(f"Expected {word}")

    def expect(self, sign: str) -> None:
        if not self.sign(sign):
            raise not_well_formed(f"Expected '{sign}'")

    def separated(self, rule: Callable[[], T]) -> list[T]:
        found = [rule()]
        while self.sign(","):
            found.append(rule())
        return found

    # statements

    def statement(self) -> Statement:
        found: Statement
        if self.word("SELECT"):
            found = self.select()
        elif self.word("INSERT"):
            found = self.insert()
        elif self.word("UPDATE"):
            found = self.update()
        elif self.word("DELETE"):
            found = self.delete()
        elif self.word("EXISTS"):
            self.expect("(")
            self.expect_word("SELECT")
            found = Exists(self.select())
            self.expect(")")
        else:
            raise not_well_formed("Expected data manipulation")
        self.sign(";")
        if self.next.kind is not Kind.END:
            raise not_well_formed("Unexpected term")
        return found

    def source(self) -> list[str]:
        """A table, or a table and its index."""
        parts = [self.name()]
        while self.sign("."):
            parts.append(self.name())
        if not all(parts):
            raise ValidationException("Path component cannot be an empty string")
        if len(parts) > 2:
            raise ValidationException("A path may contain at most 2 components in the FROM clause")
        return parts

    def table(self) -> str:
        """What UPDATE and DELETE name."""
        table, *index = self.source()
        if index:
            raise ValidationException("This operation is not supported on an index")
        return table

    def name(self) -> str:
        token = self.take()
        if token.kind not in (Kind.WORD, Kind.QUOTED):
            raise not_well_formed("Expected identifier")
        return token.text

    def select(self) -> Select:
        paths = None if self.sign("*") else tuple(self.separated(self.path))
        self.expect_word("FROM")
        table, *index = self.source()
        where = self.where()
        order: list[tuple[str, bool]] = []
        if self.word("ORDER", "BY"):
            order = self.separated(self.ordering)
        return Select(table, index[0] if index else "", paths, where, tuple(order), self.values)

    def ordering(self) -> tuple[str, bool]:
        name = self.name()
        descending = self.word("DESC")
        if not descending:
            self.word("ASC")
        return name, descending

    def insert(self) -> Insert:
        self.expect_word("INTO")
        table, *index = self.source()
        if index:
            raise not_well_formed("FROM clause may only contain a single table name")
        if not (self.word("VALUE") or self.word("VALUES")):
            raise not_well_formed("Expected VALUE")
        value = self.value()
        check(value)
        if "M" not in value:
            raise ValidationException("Item must be of map type")
        item: Item = value["M"]
        return Insert(table, item)

    def update(self) -> Change:
        table = self.table()
        actions: list[Action] = []
        sections: list[str] = []
        while True:
            if self.word("SET"):
                actions += self.separated(self.assignment)
                sections = [*sections, "SET"] if "SET" not in sections else sections
            elif self.word("REMOVE"):
                actions += [RemoveAction(path) for path in self.separated(self.path)]
                sections = [*sections, "REMOVE"] if "REMOVE" not in sections else sections
            else:
                break
        if not actions:
            raise not_well_formed("Expected SET or REMOVE")
        where = self.where()
        return Change(table, Update(tuple(actions), tuple(sections)), where, self.returning(), self.values)

    def assignment(self) -> Action:
        path = self.path()
        self.expect("=")
        token = self.next
        if token.kind is Kind.WORD and token.text.lower() in _SET_CHANGES:
            self.take()
            self.expect("(")
            own = self.path()
            self.expect(",")
            members = self.operand()
            self.expect(")")
            if own != path or not isinstance(members, ValueRef):
                raise not_well_formed(f"{token.text} changes the set that it is assigned to")
            if kind_of(self.values[members.name]) not in ("SS", "NS", "BS"):
                raise ValidationException(
                    f"Incorrect operand type for operator or function; operator or function: {token.text.lower()}, "
                    f"operand type: {kind_of(self.values[members.name])}"
                )
            return AddAction(path, members) if token.text.lower() == "set_add" else DeleteAction(path, members)
        return SetAction(path, self.sum())

    def delete(self) -> Delete:
        self.expect_word("FROM")
        table = self.table()
        where = self.where()
        return Delete(table, where, self.returning(), self.values)

    def returning(self) -> str:
        if not self.word("RETURNING"):
            return ""
        which = next((word for word in ("ALL", "MODIFIED") if self.word(word)), None)
        when = next((word for word in ("OLD", "NEW") if self.word(word)), None)
        if which is None or when is None:
            raise not_well_formed("Expected ALL or MODIFIED, then OLD or NEW")
        self.expect("*")
        return f"{which}_{when}"

    # conditions

    def where(self) -> Condition | None:
        return self.condition() if self.word("WHERE") else None

    def condition(self) -> Condition:
        parts = [self.conjunction()]
        while self.word("OR"):
            parts.append(self.conjunction())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def conjunction(self) -> Condition:
        parts = [self.negation()]
        while self.word("AND"):
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise not_well_formed("Nested too deeply")

    def negation(self) -> Condition:
        self.deeper()
        try:
            if self.word("NOT"):
                return Not(self.negation())
            if self.sign("("):
                inner = self.condition()
                self.expect(")")
                return inner
            return self.predicate()
        finally:
            self.depth -= 1

    def predicate(self) -> Condition:
        token = self.next
        if token.kind is Kind.WORD and token.text.lower() in _CONDITIONS and self.calls():
            return self.call()
        left = self.operand()
        operator = _COMPARISONS.get(self.next.text) if self.next.kind is Kind.SIGN else None
        if operator is not None:
            self.take()
            return Comparison(operator, left, self.operand())
        if self.word("IS"):
            negated = self.word("NOT")
            if self.word("MISSING"):
                return Function("attribute_exists" if negated else "attribute_not_exists", (left,))
            self.expect_word("NULL")
            is_null = Function("attribute_type", (left, self.refer({"S": "NULL"})))
            return Not(is_null) if negated else is_null
        negated = self.word("NOT")
        found: Condition
        if self.word("BETWEEN"):
            low = self.operand()
            self.expect_word("AND")
            found = Between(left, low, self.operand())
        elif self.word("IN"):
            close = "]" if self.sign("[") else ")"
            if close == ")":
                self.expect("(")
            options = self.separated(self.operand)
            self.expect(close)
            found = In(left, tuple(options))
        else:
            raise not_well_formed("Expected a condition")
        return Not(found) if negated else found

    def calls(self) -> bool:
        """The next word is followed by an opening parenthesis."""
        return self.tokens[self.at + 1].is_sign("(")

    def call(self) -> Function:
        name = self.take().text.lower()
        self.expect("(")
        arguments = self.separated(self.operand)
        self.expect(")")
        return Function(name, tuple(arguments))

    # operands

    def sum(self) -> Operand:
        left = self.operand()
        for operator in ("+", "-"):
            if self.sign(operator):
                return Arithmetic(operator, left, self.operand())
        return left

    def operand(self) -> Operand:
        token = self.next
        if token.kind is Kind.WORD:
            if token.text.lower() in _OPERANDS and self.calls():
                return self.call()
            if token.text.upper() not in ("TRUE", "FALSE", "NULL"):
                return self.path()
        elif token.kind is Kind.QUOTED:
            return self.path()
        value = self.value()
        check(value)
        return self.refer(value)

    def refer(self, value: Value) -> ValueRef:
        name = f":{len(self.values)}"
        self.values[name] = value
        return ValueRef(name)

    def path(self) -> Path:
        first = self.next
        if first.kind is Kind.WORD and first.text.upper() in _ENDS_A_PATH:
            raise not_well_formed("Expected identifier")
        steps: list[str | int] = [self.name()]
        while True:
            if self.sign("."):
                steps.append(self.name())
            elif self.sign("["):
                token = self.take()
                if token.kind is Kind.NUMBER and token.text.isdigit():
                    steps.append(int(token.text))
                elif token.kind is Kind.TEXT:
                    steps.append(token.text)
                else:
                    raise not_well_formed("Expected the number of an element")
                self.expect("]")
            else:
                break
        if not all(step != "" for step in steps):
            raise ValidationException("Path component cannot be an empty string")
        return Path(tuple(steps))

    def value(self) -> Value:
        """A literal or a parameter."""
        self.deeper()
        try:
            return self._value()
        finally:
            self.depth -= 1

    def _value(self) -> Value:
        token = self.take()
        match token.kind:
            case Kind.TEXT:
                return {"S": token.text}
            case Kind.NUMBER:
                return {"N": token.text}
            case Kind.WORD:
                word = token.text.upper()
                if word in ("TRUE", "FALSE"):
                    return {"BOOL": word == "TRUE"}
                if word == "NULL":
                    return {"NULL": True}
        if token.kind is Kind.SIGN:
            match token.text:
                case "?":
                    if self.used >= len(self.parameters):
                        raise ValidationException("Number of parameters in request and statement don't match.")
                    self.used += 1
                    return self.parameters[self.used - 1]
                case "-" | "+":
                    number = self.take()
                    if number.kind is Kind.NUMBER:
                        return {"N": token.text + number.text}
                case "[":
                    return {"L": self.members("]", self.value)}
                case "{":
                    return {"M": dict(self.members("}", self.pair))}
                case "<<":
                    return _set(self.members(">>", self.value))
        raise not_well_formed("Expected a value")

    def members(self, close: str, rule: Callable[[], T]) -> list[T]:
        if self.sign(close):
            return []
        found = self.separated(rule)
        self.expect(close)
        return found

    def pair(self) -> tuple[str, Value]:
        token = self.take()
        if token.kind not in (Kind.TEXT, Kind.QUOTED):
            raise not_well_formed("Expected the name of a member in quotes")
        self.expect(":")
        return token.text, self.value()


def _set(members: list[Value]) -> Value:
    """<< … >>: all text, all numbers or all binary."""
    kinds = {kind for member in members for kind in member}
    if len(kinds) != 1 or not kinds <= {"S", "N", "B"}:
        raise ValidationException("A set must have members of one type: strings, numbers or binary values")
    (kind,) = kinds
    data: list[Any] = [member[kind] for member in members]
    return {f"{kind}S": data}
