"""Literals and parameters -> attribute values.

value := 'text' | number | TRUE | FALSE | NULL | ? | [ … ] | { 'name' : value, … } | << … >>

What is wrong with a literal is said with its place in the value: "under root", "under root.name[1]".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elastickv.dynamodb_api import attributes, decimals
from elastickv.dynamodb_api.attributes import INVALID, Item, Value, check
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.partiql.cursor import Cursor
from elastickv.dynamodb_api.partiql.lexer import Kind, Token, not_well_formed

ROOT = "root"
_PLACEHOLDER: Value = {"NULL": True}
"""Stands for what a fault was noted for; nobody gets to see it."""


class Literals(Cursor):
    def __init__(self, text: str, parameters: Sequence[Value]) -> None:
        """`parameters` have passed the gate (`attributes.check`)."""
        super().__init__(text)
        self.parameters = parameters
        self.used = 0

    def value(self, where: str = ROOT, level: int = 0) -> Value:
        """A literal or a parameter; behind this numbers are canonical and sets in order."""
        self.deeper()
        try:
            if level > attributes.MAX_DEPTH:
                self.fault(f"Nesting Levels have exceeded supported limits under {where}")
            return self._value(where, level)
        finally:
            self.depth -= 1

    def _value(self, where: str, level: int) -> Value:
        token = self.next
        if token.kind in (Kind.WORD, Kind.KEYWORD) and self.tokens[self.at + 1].is_sign("("):
            return self._call(token, where)
        token = self.take()
        match token.kind:
            case Kind.TEXT:
                return {"S": token.text}
            case Kind.NUMBER:
                return self._number(token.text, where)
            case Kind.KEYWORD:
                word = token.text.upper()
                if word in ("TRUE", "FALSE"):
                    return {"BOOL": word == "TRUE"}
                if word == "NULL":
                    return {"NULL": True}
        if token.kind is Kind.SIGN:
            match token.text:
                case "?":
                    if level:
                        self.fault(f"Unsupported data type: Parameter under key {where} at {self.place(token)}")
                    return self._parameter()
                case "-" | "+":
                    return self._signed(token, where)
                case "[":
                    return {"L": self._elements("]", where, level)}
                case "{":
                    return {"M": self.pairs(where, level)}
                case "<<":
                    return self._set(where, level)
        self.at -= 1
        raise self.unexpected()

    def _parameter(self) -> Value:
        self.used += 1
        if self.used > len(self.parameters):
            self.fault("Number of parameters in request and statement don't match.")
            return _PLACEHOLDER
        return self.parameters[self.used - 1]

    def _signed(self, sign: Token, where: str) -> Value:
        negative = sign.text == "-"
        while self.next.is_sign("-") or self.next.is_sign("+"):
            negative ^= self.take().text == "-"
        if self.next.kind is not Kind.NUMBER:
            raise self.unexpected()
        return self._number(("-" if negative else "") + self.take().text, where)

    def _number(self, text: str, where: str) -> Value:
        try:
            return {"N": decimals.canonical(text)}
        except ValidationException as error:
            self.fault(f"{error.message} under {where}")
            return _PLACEHOLDER

    def _call(self, name: Token, where: str) -> Value:
        """A function where only a value can stand: what is in its parentheses is passed over."""
        self.fault(f"Unsupported data type: {name.text.lower()} under key {where} at {self.place(name)}")
        self.take()
        self.expect("(")
        depth = 1
        while depth:
            token = self.take()
            depth += token.is_sign("(") - token.is_sign(")")
        return _PLACEHOLDER

    def pairs(self, where: str, level: int) -> Item:
        """What stands in the braces of a map whose place is `where`; the opening one was taken."""

        def pair() -> tuple[str, Value]:
            token = self.take()
            if token.kind not in (Kind.TEXT, Kind.QUOTED):
                raise not_well_formed("Expected the name of a member in quotes")
            self.expect(":")
            return token.text, self.value(f"{where}.{token.text}", level + 1)

        return dict(self.members("}", pair))

    def _elements(self, close: str, where: str, level: int) -> list[Value]:
        found: list[Value] = []

        def element() -> None:
            found.append(self.value(f"{where}[{len(found)}]", level + 1))

        self.members(close, element)
        return found

    def _set(self, where: str, level: int) -> Value:
        """<< … >>: all text, all numbers or all binary (which only parameters can be)."""
        written: list[str] = []
        members: list[Value] = []

        def member() -> None:
            start = self.next.start
            if self.next.is_sign("?"):
                self.take()
                members.append(self._parameter())
            else:
                members.append(self.value(f"{where}[{len(members)}]", level + 1))
            written.append(self.text[start : self.tokens[self.at - 1].end])

        self.members(">>", member)
        if not members:
            self.fault("Empty bags are not supported")
            return _PLACEHOLDER
        kinds = {kind for member in members for kind in member}
        if len(kinds) != 1 or not kinds <= {"S", "N", "B"}:
            self.fault("Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags")
            return _PLACEHOLDER
        (kind,) = kinds
        data: list[Any] = [member[kind] for member in members]
        if kind == "N" and len(set(data)) < len(data):
            self.fault(f"{INVALID}Input collection [{', '.join(written)}] contains duplicates! under {where}")
        value = {f"{kind}S": data}
        try:
            check(value)
        except ValidationException as error:
            self.fault(error)
        return value
