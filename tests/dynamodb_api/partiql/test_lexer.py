from __future__ import annotations

import pytest

from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.partiql.lexer import Kind, tokens_of


def texts(statement: str) -> list[str]:
    return [token.text for token in tokens_of(statement)[:-1]]


def test_comments_are_spaces() -> None:
    assert texts("-- first\na/**/b /* two\nlines */ c-- last") == ["a", "b", "c"]
    assert texts("'-- /* */'") == ["-- /* */"]
    assert texts("a - - 1") == ["a", "-", "-", "1"]


def test_comments_are_read_once() -> None:
    """A sign that means nothing behind them does not make them anything else, nor take long."""
    for spaces in (" " * 8000, "-- a " * 1600 + "\n", "/* a */ " * 1000, "/**//" * 1000):
        with pytest.raises(ValidationException):
            tokens_of(spaces + "#")
    with pytest.raises(ValidationException):
        tokens_of("/* a */ # */ b")


def test_words_in_quotes_are_never_keywords() -> None:
    assert [token.kind for token in tokens_of("""select "select" 'select' selected""")] == [
        Kind.KEYWORD,
        Kind.QUOTED,
        Kind.TEXT,
        Kind.WORD,
        Kind.END,
    ]


def test_most_words_of_sql_are_names() -> None:
    words = "only user date count size key level language position old new all list index end"
    assert {token.kind for token in tokens_of(words)[:-1]} == {Kind.WORD}
    words = "Value ORDER group Inner left"
    assert {token.kind for token in tokens_of(words)[:-1]} == {Kind.KEYWORD}


def test_a_token_knows_where_it_stands() -> None:
    statement = """a "b""b" 'c'"""
    assert [statement[token.start : token.end] for token in tokens_of(statement)] == ["a", '"b""b"', "'c'", ""]
    assert texts(statement) == ["a", 'b"b', "c"]


@pytest.mark.parametrize(
    "statement",
    ["a # b", "a /* b", "a 'b", 'a "b', "1e2147483648", "1e-2147483648", "1.5e-2147483647", "1e" + "9" * 5000],
)
def test_what_is_no_token(statement: str) -> None:
    with pytest.raises(ValidationException) as caught:
        tokens_of(statement)
    assert caught.value.message == "Statement wasn't well formed, can't be processed: "


def test_numbers_of_32_bits_are_tokens() -> None:
    assert texts("1e2147483647 1e-2147483647 .5E+1 7.") == ["1e2147483647", "1e-2147483647", ".5E+1", "7."]
