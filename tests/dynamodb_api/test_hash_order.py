from __future__ import annotations

import pytest

from elastickv.dynamodb_api.hash_order import in_hash_order


@pytest.mark.parametrize(
    ("words", "as_many", "usual"),
    [  # seen in answers of AWS, wherever they hold the same words
        ("pk sk a b c", "sk a b pk c", "a b c sk pk"),
        ("pk sk", "sk pk", "sk pk"),
        (
            "ProductId CreatedTime ProductDescription ProductName",
            "ProductId CreatedTime ProductDescription ProductName",
            "CreatedTime ProductName ProductId ProductDescription",
        ),
        ("my-hash my-string my-int", "my-string my-int my-hash", "my-int my-hash my-string"),
        ("\u00e4 \U0001f600 a", "\u00e4 \U0001f600 a", "a \u00e4 \U0001f600"),
    ],
)
def test_words_are_listed_as_a_hash_set_lists_them(words: str, as_many: str, usual: str) -> None:
    given = words.split()
    assert in_hash_order(given, len(given)) == as_many.split()
    assert in_hash_order(given) == usual.split()


def test_words_are_listed_once() -> None:
    assert in_hash_order(["b", "a", "b"]) == ["a", "b"]
    assert in_hash_order([]) == []
