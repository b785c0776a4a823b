"""Tokens -> statements. Recursive descent, one method for each rule; what is said of statements that cannot be read are
the words of PartiQL's reference parser (partiql-lang-kotlin), which DynamoDB uses.

statement  := select | insert | update | delete | EXISTS ( select )
select     := SELECT (* | path {, path}) FROM name [. name] [WHERE condition] [ORDER BY name [ASC|DESC] {, …}]
insert     := INSERT INTO name VALUE map
update     := UPDATE name changes [WHERE condition] [returning] | FROM name [WHERE condition] changes [returning]
changes    := {SET path = operand {, …} | REMOVE path {, …}}
delete     := DELETE FROM name [WHERE condition] [returning]
returning  := RETURNING (ALL|MODIFIED) (OLD|NEW) *

Conditions and operands are those of `conditions`, values those of `literals`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from elastickv.dynamodb_api.attributes import Item, Value, check, kind_of
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions.nodes import (
    Action,
    AddAction,
    DeleteAction,
    Path,
    RemoveAction,
    SetAction,
    Update,
    ValueRef,
)
from elastickv.dynamodb_api.partiql.conditions import Conditions
from elastickv.dynamodb_api.partiql.lexer import Kind, Token, not_well_formed
from elastickv.dynamodb_api.partiql.literals import ROOT
from elastickv.dynamodb_api.partiql.statements import Change, Delete, Exists, Insert, Select, Statement

_SET_CHANGES: Final[dict[str, type[AddAction] | type[DeleteAction]]] = {
    "SET_ADD": AddAction,
    "SET_DELETE": DeleteAction,
}
_SETS: Final = ("SS", "NS", "BS")


def check_parameters(parameters: Sequence[Value]) -> None:
    """The gate for parameters: AWS asks it before it reads the statement. ValidationException."""
    for value in parameters:
        check(value)


def parse(text: str, parameters: Sequence[Value]) -> Statement:
    """ValidationException when the statement or a value in it makes no sense. `parameters` have passed the gate."""
    parser = _Parser(text, parameters)
    statement = parser.statement()
    if parser.used != len(parameters):
        raise ValidationException("Number of parameters in request and statement don't match.")
    return statement


class _Parser(Conditions):
    column_fault: ValidationException | None = None

    def statement(self) -> Statement:
        found = self.manipulation()
        self.sign(";")
        if self.next.kind is not Kind.END:
            raise not_well_formed("Unexpected token after expression")
        if self.first_fault is not None:
            if isinstance(found, Select) and found.index and self.first_fault is self.column_fault:
                return replace(found, fault=self.first_fault)
            raise self.first_fault
        assert found is not None, "an expression is a fault"
        return found

    def manipulation(self) -> Statement | None:
        if self.word("SELECT"):
            return self.select()
        if self.word("INSERT", "INTO"):
            return self.insert()
        if self.word("UPDATE"):
            return self.update()
        if self.word("FROM"):
            return self.update_from()
        if self.word("DELETE"):
            return self.delete()
        if self.word("EXISTS"):
            self.expect("(")
            self.expect_word("SELECT")
            found = Exists(self.select())
            self.expect(")")
            return found
        if self.next.kind in (Kind.WORD, Kind.QUOTED):
            path = self.path()
            if self.word("IS"):
                self.fault("Unsupported operation: IsType")
                self.typed(path)
                return None
        if self.next.kind is Kind.KEYWORD:
            raise self.unexpected()
        raise not_well_formed("Expected data manipulation")

    # tables

    def source(self, mistake: ValidationException | None = None) -> list[str]:
        """A table, or a table and its index."""
        parts = [self.identifier(mistake)]
        while self.sign("."):
            parts.append(self.identifier(not_well_formed("Invalid path dot component")))
        if not all(parts):
            self.fault("Path component cannot be an empty string")
        if len(parts) > 2:
            self.fault("A path may contain at most 2 components in the FROM clause")
        return parts

    def alias(self) -> None:
        if self.word("AS"):
            self.identifier()
        elif self.next.kind in (Kind.WORD, Kind.QUOTED):
            self.take()
        else:
            return
        self.fault("Aliasing is not supported")

    def table(self) -> str:
        """What UPDATE and DELETE name."""
        table, *index = self.source(_no_path())
        self.alias()
        if index:
            self.fault("This operation is not supported on an index")
        return table

    # reading

    def select(self) -> Select:
        paths = self.columns()
        if not self.word("FROM"):
            raise not_well_formed("Expected FROM after SELECT list")
        table, *index = self.source()
        self.alias()
        where = self.where()
        order: list[tuple[str, bool]] = []
        if self.word("ORDER", "BY"):
            order = self.separated(self.ordering)
        return Select(table, index[0] if index else "", paths, where, tuple(order), self.values)

    def columns(self) -> tuple[Path, ...] | None:
        """None: *."""
        everything = self.sign("*")
        found = [] if everything and not self.sign(",") else self.separated(self.column)
        if everything and found:
            raise not_well_formed(
                "Other expressions may not be present in the select list when '*' is used without dot notation."
            )
        return None if everything else tuple(found)

    def column(self) -> Path:
        name = self.next
        if not self.calls():
            return self.path()
        self.column_fault = ValidationException(f"Unexpected path component at {self.place(name)}")
        self.fault(self.column_fault)
        self.arguments()
        return Path((name.text,))

    def ordering(self) -> tuple[str, bool]:
        name = self.identifier()
        descending = self.word("DESC")
        if not descending:
            self.word("ASC")
        return name, descending

    # writing

    def insert(self) -> Insert:
        table, *index = self.source(_no_path())
        if index:
            self.fault(not_well_formed("FROM clause may only contain a single table name"))
        if not (self.word("VALUE") or self.word("VALUES")):
            # What stands here is read as a value to insert, which is no item.
            self.fault(not_well_formed("Expected VALUE"))
            self.term_of_or()
            return Insert(table, {})
        if self.sign("{"):
            return Insert(table, self.item())
        value = self.value()
        if "M" not in value:
            self.fault("Item must be of map type")
            return Insert(table, {})
        item: Item = value["M"]
        return Insert(table, item)

    def item(self) -> Item:
        """Each attribute's value is a root of its own."""

        def attribute() -> tuple[str, Value]:
            token = self.take()
            if token.kind not in (Kind.TEXT, Kind.QUOTED):
                raise not_well_formed("Expected the name of a member in quotes")
            self.expect(":")
            return token.text, self.value(ROOT)

        return dict(self.members("}", attribute))

    def update(self) -> Change:
        table = self.table()
        update = self.changes()
        where = self.where()
        return Change(table, update, where, self.returning(), self.values)

    def update_from(self) -> Change:
        """FROM first, WHERE before what is changed."""
        table, *index = self.source()
        self.alias()
        if index:
            self.fault("This operation is not supported on an index")
        where = self.where()
        return Change(table, self.changes(), where, self.returning(), self.values)

    def changes(self) -> Update:
        actions: list[Action] = []
        sections: list[str] = []
        while True:
            if self.word("SET"):
                actions += self.separated(self.assignment)
                section = "SET"
            elif self.word("REMOVE"):
                actions += [RemoveAction(path) for path in self.separated(self.target)]
                section = "REMOVE"
            else:
                break
            if section not in sections:
                sections.append(section)
        if not actions:
            raise not_well_formed("Expected data manipulation")
        return Update(tuple(actions), tuple(sections))

    def target(self) -> Path:
        return self.path(_no_path())

    def assignment(self) -> Action:
        path = self.target()
        self.expect("=")
        if self.next.text.upper() in _SET_CHANGES and self.calls():
            return self.set_change(path, self.next)
        return SetAction(path, self.sum())

    def set_change(self, path: Path, name: Token) -> Action:
        """`a = set_add(a, <<…>>)`, which changes the set in its place."""
        function = name.text.upper()
        first = self.tokens[self.at + 2]
        arguments = self.arguments()
        if len(arguments) != 2:
            self.fault(f"{function} must have exactly two arguments at {self.place(name)}")
            return RemoveAction(path)
        own, members = arguments
        if own != path:
            self.fault(f"The first argument to {function} must equal the assignment value at {self.place(name)}")
        if isinstance(members, ValueRef) and kind_of(self.values[members.name]) in _SETS:
            return _SET_CHANGES[function](path, members)
        self.fault(f"The second argument to {function} must be a value with type SET at {self.place(first)}")
        return RemoveAction(path)

    def delete(self) -> Delete:
        if not self.word("FROM"):
            raise not_well_formed("Expected FROM after DELETE")
        table = self.table()
        where = self.where()
        return Delete(table, where, self.returning(), self.values)

    def returning(self) -> str:
        if not self.word("RETURNING"):
            return ""
        which = next((word for word in ("ALL", "MODIFIED") if self.word(word)), None)
        when = next((word for word in ("OLD", "NEW") if self.word(word)), None)
        if which is None or when is None:
            raise not_well_formed("Expected ( MODIFIED | ALL ) ( NEW | OLD ) in each returning element.")
        self.expect("*")
        return f"{which}_{when}"


def _no_path() -> ValidationException:
    return not_well_formed("Expected identifier for simple path")
