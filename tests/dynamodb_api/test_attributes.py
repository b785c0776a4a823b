from __future__ import annotations

from typing import Any

import pytest

from elastickv.dynamodb_api import attributes, decimals, records
from elastickv.dynamodb_api.errors import ValidationException, ValueFault


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({}, attributes.EMPTY),
        ({"S": "a", "N": "1"}, attributes.SEVERAL),
        ({"S": "a", "N": ""}, "The parameter cannot be converted to a numeric value"),
        ({"SS": []}, "One or more parameter values were invalid: An string set  may not be empty"),
        ({"NS": []}, "One or more parameter values were invalid: An number set  may not be empty"),
        ({"BS": []}, "One or more parameter values were invalid: Binary sets should not be empty"),
        (
            {"SS": ["a", "a"]},
            "One or more parameter values were invalid: Input collection [a, a] contains duplicates.",
        ),
        ({"NS": ["1", "1.0"]}, "Input collection contains duplicates"),
        (
            {"BS": ["Yg==", "Yg=="]},
            "One or more parameter values were invalid: Input collection [Yg==, Yg==]of type BS contains duplicates.",
        ),
        (
            {"L": [{"NULL": False}]},
            "One or more parameter values were invalid: Null attribute value types must have the value of true",
        ),
        ({"M": {"a": {}}}, attributes.EMPTY),
        ({"L": [{"N": "x"}]}, "The parameter cannot be converted to a numeric value: x"),
    ],
)
def test_what_no_value_is(value: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationException) as caught:
        attributes.check(value)
    assert caught.value.message == sentence


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"SS": ["b", "a", "b"]}, f'{attributes.INVALID}Input collection ["a", "b", "b"] contains duplicates.'),
        ({"SS": ["c", "c", "a"]}, f'{attributes.INVALID}Input collection ["c", "c", "a"] contains duplicates.'),
        (
            {"BS": ["/w==", "AA==", "AA=="]},
            f'{attributes.INVALID}Input collection ["AA==","/w==","AA=="]of type BS contains duplicates.',
        ),
        ({"NS": ["2", "1", "2"]}, f"{attributes.INVALID}Input collection contains duplicates."),
        ({"N": ""}, "The parameter cannot be converted to a numeric value: "),
        ({"N": "1e2147483647"}, decimals.OVERFLOW),
        ({"N": "-1e99999999999"}, decimals.OVERFLOW),
        ({"N": "1e-99999999999"}, decimals.UNDERFLOW),
    ],
)
def test_the_newer_words(value: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueFault) as caught:
        attributes.check(value)
    assert caught.value.current == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1e2147483647", decimals.UNDERFLOW),
        ("1e2147483646", decimals.OVERFLOW),
        ("1e2147483648", f"{decimals.NOT_A_NUMBER}: 1e2147483648"),
    ],
)
def test_exponents_of_32_bits(text: str, sentence: str) -> None:
    with pytest.raises(ValidationException) as caught:
        attributes.check({"N": text})
    assert caught.value.message == sentence


def test_the_gate_makes_values_canonical() -> None:
    value = {"M": {"n": {"N": "01.50"}, "s": {"NS": ["1e1", "-0"]}, "z": {"NULL": True}, "l": {"L": [{"N": "+1"}]}}}
    attributes.check(value)
    assert value == {"M": {"n": {"N": "1.5"}, "s": {"NS": ["0", "10"]}, "z": {"NULL": True}, "l": {"L": [{"N": "1"}]}}}


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "héé"}, 5),
        ({"B": "AAEC"}, 3),
        ({"B": "AA=="}, 1),
        ({"BOOL": False}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["a", "bcd"]}, 4),
        ({"NS": ["1", "100"]}, 4),
        ({"BS": ["AA==", "AAEC"]}, 4),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}]}, 6),
        ({"M": {}}, 3),
        ({"M": {"ab": {"S": "c"}}}, 7),
    ],
)
def test_sizes(value: dict[str, Any], size: int) -> None:
    assert attributes.check(value) == attributes.value_size(value) == size
    assert attributes.check_item({"é": value}) == attributes.item_size({"é": value}) == size + 2


def test_nesting_ends_at_32() -> None:
    def nested(depth: int) -> dict[str, Any]:
        value: dict[str, Any] = {"S": "x"}
        for number in range(depth):
            value = {"M": {"m": value}} if number % 2 else {"L": [value]}
        return value

    attributes.check(nested(31))
    assert attributes.depth_of(nested(31)) == 31
    with pytest.raises(ValidationException, match="Nesting Levels have exceeded supported limits"):
        attributes.check(nested(32))


def test_equality_knows_no_order_of_sets() -> None:
    assert attributes.equal({"SS": ["a", "b"]}, {"SS": ["b", "a"]})
    assert attributes.equal({"L": [{"NS": ["1", "2"]}]}, {"L": [{"NS": ["2", "1"]}]})
    assert attributes.equal({"M": {"x": {"BS": ["AA==", "AQ=="]}}}, {"M": {"x": {"BS": ["AQ==", "AA=="]}}})
    assert not attributes.equal({"SS": ["a"]}, {"SS": ["b"]})
    assert not attributes.equal({"S": "1"}, {"N": "1"})
    assert not attributes.equal({"L": [{"S": "a"}, {"S": "b"}]}, {"L": [{"S": "b"}, {"S": "a"}]})


def test_order_of_text_is_that_of_utf8() -> None:
    texts = ["", "a", "b", "é", "€", "\U0001f600", "\uffee"]
    by_bytes = sorted(texts, key=lambda text: text.encode())
    assert sorted(texts, key=lambda text: attributes.order({"S": text})) == by_bytes
    assert attributes.order({"N": "9"}) < attributes.order({"N": "10"})
    assert attributes.order({"B": "AA=="}) < attributes.order({"B": "/w=="})


def test_a_record_is_its_size_and_its_json() -> None:
    item = {"a": {"S": "é"}, "b": {"N": "1.5"}}
    record = records.encode(item, attributes.check_item(item))
    assert records.decode(record) == item
    assert records.size(record) == attributes.item_size(item)
