from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from elastickv.dynamodb_api import decimals
from elastickv.dynamodb_api.errors import ValidationException, ValueFault


@st.composite
def numbers(draw: st.DrawFn) -> str:
    """Texts of numbers in range, in every notation."""
    digits = draw(st.text("0123456789", min_size=1, max_size=38))
    exponent = draw(st.integers(-130, 125)) - len(digits) + 1
    sign = draw(st.sampled_from(["", "-", "+"]))
    if draw(st.booleans()):
        point = draw(st.integers(0, len(digits)))
        head, tail = digits[:point], digits[point:]
        text = f"{head or '0'}.{tail}e{exponent + len(tail)}"
    else:
        text = f"{digits}E{exponent}"
    value = Decimal(text)
    assume(-130 <= value.adjusted() <= 125)  # a zero has an exponent, too
    return sign + text


@given(numbers())
def test_the_canonical_text_is_the_same_number_and_its_own_canonical_text(text: str) -> None:
    found = decimals.canonical(text)
    assert Decimal(found) == Decimal(text)
    assert decimals.canonical(found) == found
    assert "e" not in found.lower()
    assert found != "-0"


@given(numbers(), numbers())
def test_equal_numbers_are_equal_texts(one: str, other: str) -> None:
    assert (decimals.canonical(one) == decimals.canonical(other)) is (Decimal(one) == Decimal(other))


@given(numbers(), numbers())
def test_sortable_bytes_are_in_the_order_of_the_numbers(one: str, other: str) -> None:
    left, right = (decimals.sortable(decimals.canonical(text)) + b"\0" for text in (one, other))
    assert (left < right) is (Decimal(one) < Decimal(other))
    assert (left == right) is (Decimal(one) == Decimal(other))
    assert left == right or not right.startswith(left)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0042.1200", "42.12"),
        ("-0", "0"),
        ("0e125", "0"),
        ("0.00e-128", "0"),
        ("+3", "3"),
        (".123", "0.123"),
        ("1.", "1"),
        ("-0015.789e6", "-15789000"),
        ("1e125", "1" + "0" * 125),
        ("1e-130", "0." + "0" * 129 + "1"),
        ("0000012345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
    ],
)
def test_notations(text: str, canonical: str) -> None:
    assert decimals.canonical(text) == canonical


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The parameter cannot be converted to a numeric value"),
        *(
            (text, f"The parameter cannot be converted to a numeric value: {text}")
            for text in ("b", "NaN", " 1", "1_0")
        ),
        ("1e99999999999", "The parameter cannot be converted to a numeric value: 1e99999999999"),
        ("1e126", decimals.OVERFLOW),
        ("-1e126", decimals.OVERFLOW),
        ("1e-131", decimals.UNDERFLOW),
        ("0e126", decimals.OVERFLOW),
        ("-0e-131", decimals.UNDERFLOW),
        ("1" * 39, decimals.TOO_PRECISE),
        ("-1.23456789012345678901234567890123456789", decimals.TOO_PRECISE),
    ],
)
def test_what_is_no_number(text: str, sentence: str) -> None:
    with pytest.raises(ValidationException) as caught:
        decimals.canonical(text)
    assert caught.value.message == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1e2147483648", decimals.OVERFLOW),
        ("0e-2147483648", decimals.UNDERFLOW),
        ("1e9223372036854775807", decimals.OVERFLOW),
        ("1e-9223372036854775808", decimals.UNDERFLOW),
        ("1e9223372036854775808", "The parameter cannot be converted to a numeric value: 1e9223372036854775808"),
        ("1e" + "9" * 5000, "The parameter cannot be converted to a numeric value: 1e" + "9" * 5000),
    ],
)
def test_far_exponents_in_the_newer_words(text: str, sentence: str) -> None:
    with pytest.raises(ValueFault) as caught:
        decimals.canonical(text)
    assert caught.value.current == sentence


@pytest.mark.parametrize(
    ("text", "size"),
    [  # measured at AWS
        ("0", 1),
        ("1", 2),
        ("12", 2),
        ("123", 3),
        ("1234", 3),
        ("1" * 38, 20),
        ("100", 2),
        ("1010", 3),
        ("0.0000001", 2),
        ("1E125", 2),
        ("1E-100", 2),
        ("1.5", 3),
        ("15", 2),
        ("1.234", 4),
        ("3.14159", 5),
        ("123456", 4),
        ("100.5", 4),
        ("0.15", 2),
        ("-42", 3),
        ("-0", 1),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert decimals.size(decimals.canonical(text)) == size


def test_sums_are_exact_or_refused() -> None:
    assert decimals.add("1", "10000000000000000000000") == "10000000000000000000001"
    assert decimals.add("0.1", "0.2") == "0.3"
    assert decimals.add("5", "5", negate=True) == "0"
    for one, other in (("1e50", "1"), ("9e125", "9e125")):
        with pytest.raises(ValidationException, match="Number overflow"):
            decimals.add(decimals.canonical(one), decimals.canonical(other))
    with pytest.raises(ValidationException, match="Number underflow"):
        decimals.add(decimals.canonical("1.1e-130"), decimals.canonical("1e-130"), negate=True)


def test_number_keys_hash_as_at_aws() -> None:
    # Oracle's NUMBER: 1 is C1 02, -1 is 3E 64 66, 0 is 80.
    assert decimals.sortable("1") == b"\xc1\x02"
    assert decimals.sortable("-1") == b"\x3e\x64\x66"
    assert decimals.sortable("0") == b"\x80"
    assert decimals.sortable("0.1") == b"\xc0\x0b"
