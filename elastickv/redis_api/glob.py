"""Redis' glob patterns (KEYS, SCAN MATCH, CONFIG GET, PSUBSCRIBE), exactly as its stringmatchlen reads them.

    *  any bytes    ?  one byte    [ab]  [a-z]  [^a]  one byte out of a set    \\x  the byte x itself

The corners are Redis', and a test holds them against a transcription of its C code: a set that is never closed ends
with the pattern, `[a-]` is a range up to `]`, a range may be written backwards, and the empty string matches no pattern
but the empty one (so `*` does not match it here; KEYS and SCAN take `*` alone to mean everything before they ask).

A pattern is translated once. Simple shapes become string methods, all others a regular expression in which every star
is atomic: pieces between stars match one fixed number of bytes each, so the leftmost place is always right and the time
is bounded by pattern times string, whatever a client sends.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

Matcher = Callable[[bytes], object]
"""Says (by truth) whether a string matches."""

_CACHED_LENGTH: Final = 1024
"""Longer patterns are translated each time, so that the cache stays small."""
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)
_ANY_BYTE: Final = rb"[\x00-\xff]"
_NO_BYTE: Final = rb"(?!)"


def matcher(pattern: bytes, *, nocase: bool = False) -> Matcher:
    """The function that tells whether a string matches `pattern`."""
    if len(pattern) > _CACHED_LENGTH:
        return _translate(pattern, nocase)
    return _cached(pattern, nocase)


def matches(pattern: bytes, string: bytes, *, nocase: bool = False) -> bool:
    return bool(matcher(pattern, nocase=nocase)(string))


def literal(pattern: bytes) -> bytes | None:
    """The one string that `pattern` matches, when it has no wildcards."""
    unescaped = _ESCAPE.sub(b"", pattern)
    if any(special in unescaped for special in (b"*", b"?", b"[")):
        return None
    return _ESCAPE.sub(rb"\1", pattern)


@lru_cache(maxsize=256)
def _cached(pattern: bytes, nocase: bool) -> Matcher:
    return _translate(pattern, nocase)


def _translate(pattern: bytes, nocase: bool) -> Matcher:
    if not nocase and pattern:
        body = pattern.strip(b"*")
        if not any(special in body for special in (b"*", b"?", b"[", b"\\")):
            return _simple(pattern, body)
    flags = re.DOTALL | (re.IGNORECASE if nocase else 0)
    match = re.compile(_regex(pattern, nocase), flags).fullmatch
    if not pattern:
        return lambda string: not string
    return lambda string: match(string) if string else None


def _simple(pattern: bytes, body: bytes) -> Matcher:
    """A pattern of plain bytes with stars at its ends only."""
    open_start = pattern.startswith(b"*")
    open_end = pattern.endswith(b"*")
    if not body:
        return lambda string: string
    if open_start and open_end:
        return lambda string: body in string
    if open_start:
        return lambda string: string.endswith(body)
    if open_end:
        return lambda string: string.startswith(body)
    return lambda string: string == body


def _regex(pattern: bytes, nocase: bool) -> bytes:
    pieces: list[list[bytes]] = [[]]
    """Between stars: one item per byte of the string."""
    at = 0
    while at < len(pattern):
        char = pattern[at : at + 1]
        if char == b"*":
            pieces.append([])
        elif char == b"?":
            pieces[-1].append(_ANY_BYTE)
        elif char == b"[":
            item, at = _set(pattern, at + 1, nocase)
            pieces[-1].append(item)
        else:
            if char == b"\\" and at + 1 < len(pattern):
                at += 1
                char = pattern[at : at + 1]
            pieces[-1].append(re.escape(char))
        at += 1
    first, *rest = (b"".join(piece) for piece in pieces)
    if not rest:
        return first
    middle = b"".join(b"(?>.*?%b)" % piece for piece in rest[:-1] if piece)
    return first + middle + b".*" + rest[-1]


def _set(pattern: bytes, at: int, nocase: bool) -> tuple[bytes, int]:
    """The set that begins behind the bracket at `at` - 1, and where its last byte is."""
    negated = pattern[at : at + 1] == b"^"
    if negated:
        at += 1
    members: set[int] = set()
    while at < len(pattern) and pattern[at] != ord("]"):
        left = len(pattern) - at
        if pattern[at] == ord("\\") and left >= 2:
            at += 1
            members.add(pattern[at])
        elif left >= 3 and pattern[at + 1] == ord("-"):
            low, high = sorted((pattern[at], pattern[at + 2]))
            if nocase:
                # Redis folds the ends and the byte, after it has put the ends in order.
                low, high = _lower(low), _lower(high)
                members.update(byte for byte in range(256) if low <= _lower(byte) <= high)
            else:
                members.update(range(low, high + 1))
            at += 2
        elif nocase:
            members.update(byte for byte in range(256) if _lower(byte) == _lower(pattern[at]))
        else:
            members.add(pattern[at])
        at += 1
    if negated:
        members = set(range(256)) - members
    if not members:
        return _NO_BYTE, at
    listed = b"".join(b"\\x%02x" % byte for byte in sorted(members))
    # Inside a set case was settled above; an escaped byte that must not be folded is shielded from IGNORECASE.
    return (b"(?-i:[%b])" if nocase else b"[%b]") % listed, at


def _lower(byte: int) -> int:
    return byte + 32 if 65 <= byte <= 90 else byte
