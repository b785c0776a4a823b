"""Going through a statement's tokens, and the two kinds of mistakes in it.

What cannot be read is raised at once. What can be read and makes no sense (a fault) is noted, and the first such
mistake is raised when the whole statement has been read: the parser comes before everything that looks at the tree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.partiql.lexer import Kind, Token, not_well_formed, tokens_of
from elastickv.dynamodb_api.partiql.words import OPERATORS

T = TypeVar("T")

MAX_DEPTH: Final = 100
"""Parentheses, lists and maps inside each other; a statement has at most 8192 characters anyway."""
_SIGN_OPERATORS: Final = frozenset(("=", "<>", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%"))


class Cursor:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens_of(text)
        self.at = 0
        self.depth = 0
        self.first_fault: ValidationException | None = None

    # tokens

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.tokens[self.at]
        if token.kind is Kind.END:
            raise not_well_formed("Unexpected term")
        self.at += 1
        return token

    def word(self, *words: str) -> bool:
        """Take these keywords if they come next."""
        at = self.at
        for word in words:
            if self.tokens[at].word != word:
                return False
            at += 1
        self.at = at
        return True

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

    def members(self, close: str, rule: Callable[[], T]) -> list[T]:
        if self.sign(close):
            return []
        found = self.separated(rule)
        self.expect(close)
        return found

    def right_side(self) -> None:
        """An operator was taken: something must follow."""
        if self.next.kind is Kind.END:
            raise not_well_formed("Missing right-hand side expression of infix operator")

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise not_well_formed("Nested too deeply")

    # mistakes

    def unexpected(self) -> ValidationException:
        """The next token, where an operand should start."""
        token = self.next
        if token.kind is Kind.KEYWORD:
            return not_well_formed(f"Unexpected {'operator' if token.text.lower() in OPERATORS else 'keyword'}")
        if token.kind is Kind.SIGN and token.text in _SIGN_OPERATORS:
            return not_well_formed("Unexpected operator")
        return not_well_formed("Unexpected term")

    def fault(self, mistake: str | ValidationException) -> None:
        if self.first_fault is None:
            self.first_fault = mistake if isinstance(mistake, ValidationException) else ValidationException(mistake)

    def place(self, token: Token) -> str:
        """Line, column and length of a token, in characters, as AWS' messages name them."""
        before = self.text[: token.start]
        line, column = before.count("\n") + 1, token.start - before.rfind("\n")
        return f"{line}:{column}:{token.end - token.start}"
