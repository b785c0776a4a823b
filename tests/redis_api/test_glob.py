"""Patterns: the documented ones, Redis' corners, and every other one against a transcription of its C code."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastickv.redis_api.glob import literal, matches


def reference(pattern: bytes, string: bytes, nocase: bool) -> bool:
    """stringmatchlen of Redis 7, statement by statement; index errors stand for the NUL behind a C string."""

    def fold(byte: int) -> int:
        return byte + 32 if nocase and 65 <= byte <= 90 else byte

    def at(index: int) -> int:
        return pattern[index] if index < len(pattern) else 0

    p, s = 0, 0
    while p < len(pattern) and s < len(string):
        if at(p) == ord("*"):
            while p < len(pattern) and at(p + 1) == ord("*"):
                p += 1
            if len(pattern) - p == 1:
                return True
            return any(reference(pattern[p + 1 :], string[start:], nocase) for start in range(s, len(string)))
        if at(p) == ord("?"):
            s += 1
        elif at(p) == ord("["):
            p += 1
            negated = at(p) == ord("^")
            p += negated
            match = False
            while True:
                left = len(pattern) - p
                if left >= 2 and at(p) == ord("\\"):
                    p += 1
                    match = match or at(p) == string[s]
                elif at(p) == ord("]"):
                    break
                elif left == 0:
                    p -= 1
                    break
                elif left >= 3 and at(p + 1) == ord("-"):
                    low, high = sorted((at(p), at(p + 2)))
                    match = match or fold(low) <= fold(string[s]) <= fold(high)
                    p += 2
                else:
                    match = match or fold(at(p)) == fold(string[s])
                p += 1
            if match == negated:
                return False
            s += 1
        else:
            if at(p) == ord("\\") and len(pattern) - p >= 2:
                p += 1
            if fold(at(p)) != fold(string[s]):
                return False
            s += 1
        p += 1
        if s == len(string):
            while at(p) == ord("*"):
                p += 1
            break
    return p >= len(pattern) and s == len(string)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (b"h?llo", [b"hello", b"hallo"], [b"hllo", b"heello"]),
        (b"h*llo", [b"hllo", b"heeeello"], [b"hell"]),
        (b"h[ae]llo", [b"hello", b"hallo"], [b"hillo"]),
        (b"h[^e]llo", [b"hallo", b"hbllo"], [b"hello"]),
        (b"h[a-b]llo", [b"hallo", b"hbllo"], [b"hcllo"]),
        (b"user:*", [b"user:", b"user:1"], [b"use", b"xuser:1"]),
        (b"*:tail", [b":tail", b"a:tail"], [b":tails"]),
        (b"*mid*", [b"mid", b"amidst"], [b"mi"]),
        (b"a\\*b", [b"a*b"], [b"axb", b"a\\*b"]),
        (b"a\nb*", [b"a\nb\n"], [b"a b"]),
        (b"[z-a]", [b"m"], [b"["]),
        (b"[a-]", [b"`", b"a", b"]"], [b"-"]),
        (b"[abc", [b"a", b"b"], [b"d", b"[abc"]),
        (b"[\\]]", [b"]"], [b"\\"]),
        (b"[]", [], [b"]", b"[", b""]),
        (b"[^]", [b"a", b"]"], [b""]),
        (b"\\", [b"\\"], [b""]),
        (b"", [b""], [b"a"]),
        (b"*", [b"a", b"\xff\x00"], [b""]),
    ],
)
def test_patterns(pattern: bytes, yes: list[bytes], no: list[bytes]) -> None:
    for string in yes:
        assert matches(pattern, string), string
    for string in no:
        assert not matches(pattern, string), string


@settings(max_examples=1500)
@given(
    st.lists(st.sampled_from([b"a", b"b", b"B", b"z", b"*", b"?", b"[", b"]", b"^", b"-", b"\\", b"\xff"]), max_size=9),
    st.lists(st.sampled_from([b"a", b"b", b"B", b"z", b"]", b"[", b"-", b"^", b"\\", b"\xff"]), max_size=6),
    st.booleans(),
)
def test_every_pattern_means_what_it_means_to_redis(pattern: list[bytes], string: list[bytes], nocase: bool) -> None:
    whole, text = b"".join(pattern), b"".join(string)
    assert matches(whole, text, nocase=nocase) == reference(whole, text, nocase)


@given(st.binary(max_size=6), st.binary(max_size=6), st.booleans())
def test_any_bytes(pattern: bytes, string: bytes, nocase: bool) -> None:
    assert matches(pattern, string, nocase=nocase) == reference(pattern, string, nocase)


@pytest.mark.parametrize(("pattern", "only"), [(b"plain", b"plain"), (b"a\\*\\b", b"a*b"), (b"tail\\", b"tail\\")])
def test_literal(pattern: bytes, only: bytes) -> None:
    assert literal(pattern) == only
    assert matches(pattern, only)


@pytest.mark.parametrize("pattern", [b"a*", b"?", b"[a]"])
def test_not_literal(pattern: bytes) -> None:
    assert literal(pattern) is None


def test_many_stars_cost_no_more_than_pattern_times_string() -> None:
    started = time.process_time()
    assert not matches(b"a*" * 60 + b"b", b"a" * 5000)
    assert not matches(b"*a" * 60 + b"?" * 40 + b"b", b"a" * 5000)
    assert time.process_time() - started < 10
