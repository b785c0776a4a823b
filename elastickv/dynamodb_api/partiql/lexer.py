"""Statement text -> tokens."""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache
from typing import Final, NamedTuple

from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.partiql.words import KEYWORDS


class Kind(Enum):
    WORD = auto()
    """A function or attribute name without quotes."""
    KEYWORD = auto()
    """A word that is none of these unless it is in quotes."""
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
    start: int
    end: int
    """Where it stands in the statement, in characters, with its quotes."""
    word: str = ""
    """Of a word without quotes: itself in capitals. Keywords have no case."""

    def is_sign(self, sign: str) -> bool:
        return self.kind is Kind.SIGN and self.text == sign


_TOKEN: Final = re.compile(
    # Atomic: a comment is never read again in part, nor past its end.
    r"(?>\s*(?:(?:--[^\n]*|/\*.*?\*/)\s*)*)(?:"
    r"(?P<WORD>[A-Za-z_$][A-Za-z0-9_$]*)"
    r'|"(?P<QUOTED>(?:[^"]|"")*)"'
    r"|'(?P<TEXT>(?:[^']|'')*)'"
    r"|(?P<NUMBER>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<SIGN><<|>>|<>|!=|<=|>=|(?!/\*)[=<>()\[\]{}.,:?*/%+;-])"
    r"|(?P<END>$)"
    r")",
    re.DOTALL,
)
_KINDS: Final = {kind.name: kind for kind in Kind}
_SHORT: Final = 512
"""Characters of a statement whose tokens may be kept: at worst some 30 MB in all."""
_INT32: Final = 1 << 31


def not_well_formed(detail: str) -> ValidationException:
    return ValidationException(f"Statement wasn't well formed, can't be processed: {detail}")


def tokens_of(text: str) -> tuple[Token, ...]:
    """All tokens, then END. ValidationException, with no word on what is wrong, for what is none: a sign that means
    nothing, a comment or a quote without its end, a number whose exponent is beyond 32 bits."""
    return _known(text) if len(text) <= _SHORT else _read(text)


@lru_cache(maxsize=256)
def _known(text: str) -> tuple[Token, ...]:
    """Statements with parameters come again and again."""
    return _read(text)


def _read(text: str) -> tuple[Token, ...]:
    tokens: list[Token] = []
    at = 0
    while True:
        match = _TOKEN.match(text, at)
        if match is None:
            raise not_well_formed("")
        name = match.lastgroup
        assert name is not None
        kind = _KINDS[name]
        found = match[name]
        start, at = match.span(name)
        if kind is Kind.WORD:
            kind = Kind.KEYWORD if found.lower() in KEYWORDS else kind
            tokens.append(Token(kind, found, start, at, found.upper()))
            continue
        if kind is Kind.NUMBER:
            if not found.isdigit():
                _check_scale(found)
        elif kind in (Kind.QUOTED, Kind.TEXT):
            start, at = start - 1, at + 1
            quote = text[start]
            found = found.replace(quote * 2, quote)
        tokens.append(Token(kind, found, start, at))
        if kind is Kind.END:
            return tuple(tokens)


def _check_scale(number: str) -> None:
    """Exponent and scale (places behind the point less the exponent) are those of Java's BigDecimal."""
    mantissa, _, exponent = number.lower().partition("e")
    if not exponent:
        return
    if len(exponent.lstrip("+-").lstrip("0")) > 10:
        raise not_well_formed("")
    power = int(exponent)
    scale = len(mantissa.partition(".")[2]) - power
    if not -_INT32 <= power < _INT32 or not -_INT32 <= scale < _INT32:
        raise not_well_formed("")
