"""Expression text -> tokens with their places; the words of a syntax error come from here too."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final, NamedTuple

from elastickv.dynamodb_api.errors import ValidationException

MAX_EXPRESSION_BYTES: Final = 4096
TOO_LONG: Final = "Expression size has exceeded the maximum allowed size;"


class ExpressionError(ValidationException):
    """What is wrong with an expression, without "Invalid …Expression: " in front (`resolve` puts it there)."""


class TooLong(ExpressionError):
    pass


class Kind(Enum):
    NAME = auto()
    """An attribute, function or keyword: a letter, then letters, digits and underscores."""
    NAME_REF = auto()
    """#name"""
    VALUE_REF = auto()
    """:value"""
    NUMBER = auto()
    SIGN = auto()
    """Operators, brackets, commas, points."""
    OTHER = auto()
    """A character that no expression has; names with a leading underscore or digit end up here as well."""
    END = auto()


class Token(NamedTuple):
    kind: Kind
    text: str
    start: int
    end: int


_TOKEN: Final = re.compile(
    r"[ \t\r\n]*(?:"
    r"(?P<NAME>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<NAME_REF>\#[A-Za-z0-9_]+)"
    r"|(?P<VALUE_REF>:[A-Za-z0-9_]+)"
    r"|(?P<NUMBER>[0-9]+)"
    r"|(?P<SIGN><>|<=|>=|[=<>()\[\].,+-])"
    r"|(?P<OTHER>[^ \t\r\n])"
    r")"
)
_KINDS: Final = {kind.name: kind for kind in Kind}


def tokens_of(text: str) -> list[Token]:
    """All tokens, then END. ExpressionError when the text is empty or too long."""
    if not text:
        raise ExpressionError("The expression can not be empty;")
    size = len(text.encode())
    if size > MAX_EXPRESSION_BYTES:
        raise TooLong(f"{TOO_LONG} expression size: {size}")
    tokens = []
    for match in _TOKEN.finditer(text):
        name = match.lastgroup
        assert name is not None
        tokens.append(Token(_KINDS[name], match[name], match.start(name), match.end(name)))
    tokens.append(Token(Kind.END, "<EOF>", len(text), len(text)))
    return tokens


def syntax_error(text: str, tokens: list[Token], at: int) -> ExpressionError:
    """Token `at` should not be there. AWS quotes it with its neighbours."""
    token = tokens[at]
    start = tokens[at - 1].start if at else token.start
    end = tokens[at + 1].end if at + 1 < len(tokens) and tokens[at + 1].kind is not Kind.END else token.end
    return ExpressionError(f'Syntax error; token: "{token.text}", near: "{text[start:end].rstrip()}"')
