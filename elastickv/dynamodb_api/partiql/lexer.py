"""Statement text -> tokens."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final, NamedTuple

from elastickv.dynamodb_api.errors import ValidationException


class Kind(Enum):
    WORD = auto()
    """A keyword, function or attribute name without quotes."""
    QUOTED = auto()
    """A name in double quotes."""
    TEXT = auto()
    """A string in single quotes."""
    NUMBER = auto()
    SIGN = auto()
    """Operators, brackets, commas, points, the ? of a parameter."""
    END = auto()


class Token(NamedTuple):
    kind: Kind
    text: str
    """Without its quotes; of a word as written."""

    def is_word(self, word: str) -> bool:
        """Keywords have no case."""
        return self.kind is Kind.WORD and self.text.upper() == word

    def is_sign(self, sign: str) -> bool:
        return self.kind is Kind.SIGN and self.text == sign


_TOKEN: Final = re.compile(
    r"\s*(?:--[^\n]*\s*)*(?:"
    r"(?P<WORD>[A-Za-z_$][A-Za-z0-9_$]*)"
    r'|"(?P<QUOTED>(?:[^"]|"")*)"'
    r"|'(?P<TEXT>(?:[^']|'')*)'"
    r"|(?P<NUMBER>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<SIGN><<|>>|<>|!=|<=|>=|[=<>()\[\]{}.,:?*+;-])"
    r"|(?P<END>$)"
    r")"
)


def not_well_formed(detail: str) -> ValidationException:
    return ValidationException(f"Statement wasn't well formed, can't be processed: {detail}")


def tokens_of(text: str) -> list[Token]:
    """All tokens, then END. ValidationException for what is none, such as a quote without its end."""
    tokens: list[Token] = []
    at = 0
    while True:
        match = _TOKEN.match(text, at)
        if match is None:
            raise not_well_formed("Unexpected token")
        name = match.lastgroup
        assert name is not None
        kind = Kind[name]
        found = match[name]
        if kind is Kind.QUOTED:
            found = found.replace('""', '"')
        elif kind is Kind.TEXT:
            found = found.replace("''", "'")
        tokens.append(Token(kind, found))
        if kind is Kind.END:
            return tokens
        at = match.end()
