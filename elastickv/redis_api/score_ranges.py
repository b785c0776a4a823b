"""Ranges of sorted sets as commands name them: by score, by member, by place.

Each is read from two words and then asked for places: where it begins and where it ends (not included) in a given set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from elastickv.redis_api.arguments import lenient_float
from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.values.score_keys import SCORE_BYTES, above, score_key
from elastickv.redis_api.values.sorted_sets import LISTPACK, SortedSet

NOT_A_FLOAT_RANGE: Final = RedisError(b"ERR min or max is not a float")
NOT_A_LEX_RANGE: Final = RedisError(b"ERR min or max not valid string range item")

Places = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ScoreRange:
    """Bounds of entries; the upper one is not included."""

    low: bytes
    high: bytes

    def places(self, found: SortedSet, *, reverse: bool = False) -> Places:
        return found.below(self.low), found.below(self.high)


def score_range(low: bytes, high: bytes) -> ScoreRange:
    """`(` in front of a score excludes it. RedisError when one of them is no number."""
    lower, exclusive = _score(low)
    upper, below = _score(high)
    return ScoreRange(above(lower) if exclusive else score_key(lower), score_key(upper) if below else above(upper))


def _score(word: bytes) -> tuple[float, bool]:
    """(score, excluded). Redis reads it with C's strtod, which forgives more than the scores of ZADD are forgiven."""
    exclusive = word[:1] == b"("
    score = lenient_float(word[1:] if exclusive else word)
    if score is None:
        raise NOT_A_FLOAT_RANGE
    return score, exclusive


@dataclass(frozen=True, slots=True)
class LexRange:
    """Members; `low` is included, `high` is not, and None is "+". Meant for sets whose members have one score."""

    low: bytes
    high: bytes | None

    def places(self, found: SortedSet, *, reverse: bool = False) -> Places:
        size = len(found)
        if self.high is not None and self.low >= self.high:
            return 0, 0
        if found.encoding == LISTPACK:
            members = [entry[SCORE_BYTES:] for entry in found.slice(0, size)]
            return self._walked(members, reverse)
        first = found.slice(0, 1)[0][:SCORE_BYTES]
        start = found.below(first + self.low)
        if self.high is None:
            return start, size
        last = found.slice(size - 1, size)[0][:SCORE_BYTES]
        return start, found.below(last + self.high)

    def _walked(self, members: list[bytes], reverse: bool) -> Places:
        """As Redis walks a small set: whatever the scores are, from the first member that is not too small to the first
        that is too large, and the other way round."""
        high = self.high
        if not members or members[-1] < self.low or (high is not None and members[0] >= high):
            return 0, 0
        if reverse:
            stop = len(members)
            while stop and high is not None and members[stop - 1] >= high:
                stop -= 1
            start = stop
            while start and members[start - 1] >= self.low:
                start -= 1
            return start, stop
        start = 0
        while start < len(members) and members[start] < self.low:
            start += 1
        stop = start
        while stop < len(members) and (high is None or members[stop] < high):
            stop += 1
        return start, stop


_EMPTY: Final = LexRange(b"\0", b"")


def lex_range(low: bytes, high: bytes) -> LexRange:
    """`[` or `(` in front of each member, or `-` and `+` for the ends."""
    lower, low_end = _member(low)
    upper, high_end = _member(high)
    if low_end == b"+" or high_end == b"-":
        return _EMPTY
    return LexRange(
        lower + b"\0" if low_end == b"(" else lower,
        None if high_end == b"+" else upper if high_end == b"(" else upper + b"\0",
    )


def _member(word: bytes) -> tuple[bytes, bytes]:
    """(member, what stood in front of it)."""
    kind = word[:1]
    if kind in (b"[", b"("):
        return word[1:], kind
    # Redis looks at a C string here: what follows a NUL does not count.
    if kind in (b"-", b"+") and word[1:2] in (b"", b"\0"):
        return b"", kind
    raise NOT_A_LEX_RANGE


@dataclass(frozen=True, slots=True)
class PlaceRange:
    """First and last place, as Redis counts: negative from the end, the last one included."""

    first: int
    last: int

    def places(self, found: SortedSet, *, reverse: bool = False) -> Places:
        size = len(found)
        start = max(self.first + size if self.first < 0 else self.first, 0)
        stop = min(self.last + size if self.last < 0 else self.last, size - 1) + 1
        if start >= stop:
            return 0, 0
        return (size - stop, size - start) if reverse else (start, stop)


Range = ScoreRange | LexRange | PlaceRange
