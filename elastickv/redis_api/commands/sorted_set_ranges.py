"""Sorted sets, range by range: by place, by score, by member; reading, counting, storing, removing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from elastickv.redis_api.argument_docs import Argument, block, integer, key, oneof, token, word
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.commands.sorted_sets import close_set
from elastickv.redis_api.errors import SYNTAX, RedisError
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, KeySpan, Reply
from elastickv.redis_api.score_ranges import PlaceRange, Range, lex_range, score_range
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events, sorted_sets
from elastickv.redis_api.values.score_keys import member_of, score_of

_TWO_KEYS: Final = KeySpan(1, 2, 1)
_RANGE_COST: Final = "O(log(N)+M) for M members of a set of N"
_LIMIT: Final = block("limit", integer("offset"), integer("count"), token="LIMIT", optional=True)
_WITH_SCORES: Final = token("WITHSCORES", optional=True)
_LIMIT_NEEDS_BOUNDS: Final = RedisError(
    b"ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
)
_NO_SCORES_BY_LEX: Final = RedisError(b"ERR syntax error, WITHSCORES not supported in combination with BYLEX")

_PLACE: Final = b"BYPLACE"
"""No word of the protocol: what ZRANGE does when neither of the others is given."""
_SCORE: Final = b"BYSCORE"
_LEX: Final = b"BYLEX"


@dataclass(slots=True)
class _Query:
    """What one of the ZRANGE family asks for."""

    range: Range
    reverse: bool
    offset: int
    limit: int
    """Negative: all."""
    with_scores: bool

    def entries(self, found: sorted_sets.SortedSet) -> list[bytes]:
        start, stop = self.range.places(found, reverse=self.reverse)
        # A negative offset leaves nothing: Redis counts it down until it runs out of members.
        if self.offset:
            if self.offset < 0:
                return []
            if self.reverse:
                stop -= self.offset
            else:
                start += self.offset
        if 0 <= self.limit < stop - start:
            if self.reverse:
                start = stop - self.limit
            else:
                stop = start + self.limit
        if start >= stop:
            return []
        entries = found.slice(start, stop)
        if self.reverse:
            entries.reverse()
        return entries


def _query(words: list[bytes], *, by: bytes = b"", reverse: bool | None = None, store: bool = False) -> _Query:
    """Read `min max [options]`. `by` and `reverse` are given where the command's name says them."""
    low, high = words[0], words[1]
    with_scores = False
    offset, limit = 0, -1
    at = 2
    while at < len(words):
        option = words[at].upper()
        if option == b"WITHSCORES" and not store:
            with_scores = True
        elif option == b"LIMIT" and at + 2 < len(words):
            offset, limit = read_integer(words[at + 1]), read_integer(words[at + 2])
            at += 2
        elif option == b"REV" and reverse is None:
            reverse = True
        elif option in (_SCORE, _LEX) and not by:
            by = option
        else:
            raise SYNTAX
        at += 1
    if by in (b"", _PLACE):
        if limit != -1:
            raise _LIMIT_NEEDS_BOUNDS
        return _Query(PlaceRange(read_integer(low), read_integer(high)), bool(reverse), 0, -1, with_scores)
    if by == _LEX and with_scores:
        raise _NO_SCORES_BY_LEX
    if reverse:
        low, high = high, low
    bounds = score_range(low, high) if by == _SCORE else lex_range(low, high)
    return _Query(bounds, bool(reverse), offset, limit, with_scores)


def scored(call: Call, entries: list[bytes]) -> Reply:
    """Members with their scores, as replies show them: pairs in RESP3, one flat array before."""
    if call.protocol == 3:
        return [[member_of(entry), score_of(entry)] for entry in entries]
    return [item for entry in entries for item in (member_of(entry), score_of(entry))]


def _range(call: Call, query: _Query) -> Reply:
    found = sorted_sets.read(call.db, call.argv[1])
    if found is None:
        return []
    entries = query.entries(found)
    return scored(call, entries) if query.with_scores else list(map(member_of, entries))


def _by(*, since: str = "") -> Argument:
    return oneof("sortby", token("BYSCORE"), token("BYLEX"), since=since, optional=True)


@COMMANDS.command(
    "zrange",
    arity=-4,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="sorted-set",
    since="1.2.0",
    complexity=_RANGE_COST,
    key_access=("RO ACCESS",),
    history=(("6.2.0", "Options REV, BYSCORE, BYLEX and LIMIT."),),
    arguments=(
        key(),
        word("start"),
        word("stop"),
        _by(since="6.2.0"),
        token("REV", since="6.2.0", optional=True),
        block("limit", integer("offset"), integer("count"), token="LIMIT", since="6.2.0", optional=True),
        _WITH_SCORES,
    ),
)
def zrange(call: Call) -> Reply:
    """Returns members of a sorted set by place, by score or by name."""
    return _range(call, _query(call.argv[2:]))


@COMMANDS.command(
    "zrevrange",
    arity=-4,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="sorted-set",
    since="1.2.0",
    complexity=_RANGE_COST,
    key_access=("RO ACCESS",),
    arguments=(key(), integer("start"), integer("stop"), _WITH_SCORES),
)
def zrevrange(call: Call) -> Reply:
    """Returns members of a sorted set by place, the highest score first."""
    return _range(call, _query(call.argv[2:], by=_PLACE, reverse=True))


@COMMANDS.command(
    "zrangebyscore",
    arity=-4,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="sorted-set",
    since="1.0.5",
    complexity=_RANGE_COST,
    key_access=("RO ACCESS",),
    history=(("2.0.0", "Option WITHSCORES."),),
    arguments=(
        key(),
        word("min", "double"),
        word("max", "double"),
        token("WITHSCORES", since="2.0.0", optional=True),
        _LIMIT,
    ),
)
def zrangebyscore(call: Call) -> Reply:
    """Returns members of a sorted set whose scores lie between two."""
    return _range(call, _query(call.argv[2:], by=_SCORE, reverse=False))


@COMMANDS.command(
    "zrevrangebyscore",
    arity=-4,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="sorted-set",
    since="2.2.0",
    complexity=_RANGE_COST,
    key_access=("RO ACCESS",),
    history=(("2.1.6", "Either bound may be exclusive."),),
    arguments=(key(), word("max", "double"), word("min", "double"), _WITH_SCORES, _LIMIT),
)
def zrevrangebyscore(call: Call) -> Reply:
    """Returns members of a sorted set whose scores lie between two, the highest score first."""
    return _range(call, _query(call.argv[2:], by=_SCORE, reverse=True))


@COMMANDS.command(
    "zrangebylex",
    arity=-4,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="sorted-set",
    since="2.8.9",
    complexity=_RANGE_COST,
    key_access=("RO ACCESS",),
    arguments=(key(), word("min"), word("max"), _LIMIT),
)
def zrangebylex(call: Call) -> Reply:
    """Returns members of a sorted set between two, when all have the same score."""
    return _range(call, _query(call.argv[2:], by=_LEX, reverse=False))


@COMMANDS.command(
    "zrevrangebylex",
    arity=-4,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="sorted-set",
    since="2.8.9",
    complexity=_RANGE_COST,
    key_access=("RO ACCESS",),
    arguments=(key(), word("max"), word("min"), _LIMIT),
)
def zrevrangebylex(call: Call) -> Reply:
    """Returns members of a sorted set between two, the last one first, when all have the same score."""
    return _range(call, _query(call.argv[2:], by=_LEX, reverse=True))


@COMMANDS.command(
    "zrangestore",
    arity=-5,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=_TWO_KEYS,
    group="sorted-set",
    since="6.2.0",
    complexity=_RANGE_COST,
    key_access=("OW UPDATE", "RO ACCESS"),
    arguments=(
        key("dst"),
        key("src", 1),
        word("min"),
        word("max"),
        _by(),
        token("REV", optional=True),
        _LIMIT,
    ),
)
def zrangestore(call: Call) -> Reply:
    """Stores members of a sorted set, found as by ZRANGE, at another key; the reply is how many."""
    _, destination, source, *words = call.argv
    query = _query(words, store=True)
    found = sorted_sets.read(call.db, source)
    return store_result(call, destination, sorted(query.entries(found)) if found is not None else [], b"zrangestore")


def store_result(call: Call, destination: bytes, entries: list[bytes], event: bytes) -> int:
    """Entries in order at a key, in place of whatever was there; how many."""
    db = call.db
    if entries:
        sorted_sets.store(db, destination, entries)
        db.notify(events.ZSET, event, destination)
    elif db.delete(destination):
        db.notify(events.GENERIC, b"del", destination)
    return len(entries)


@COMMANDS.command(
    "zcount",
    arity=4,
    flags=Flag.READONLY | Flag.FAST,
    keys=ONE_KEY,
    group="sorted-set",
    since="2.0.0",
    complexity="O(log(N)) in a set of N members",
    key_access=("RO ACCESS",),
    arguments=(key(), word("min", "double"), word("max", "double")),
)
def zcount(call: Call) -> Reply:
    """Counts the members of a sorted set whose scores lie between two."""
    return _count(call, score_range(*call.argv[2:]))


@COMMANDS.command(
    "zlexcount",
    arity=4,
    flags=Flag.READONLY | Flag.FAST,
    keys=ONE_KEY,
    group="sorted-set",
    since="2.8.9",
    complexity="O(log(N)) in a set of N members",
    key_access=("RO ACCESS",),
    arguments=(key(), word("min"), word("max")),
)
def zlexcount(call: Call) -> Reply:
    """Counts the members of a sorted set between two, when all have the same score."""
    return _count(call, lex_range(*call.argv[2:]))


def _count(call: Call, bounds: Range) -> Reply:
    found = sorted_sets.read(call.db, call.argv[1])
    if found is None:
        return 0
    start, stop = bounds.places(found)
    return max(stop - start, 0)


@COMMANDS.command(
    "zremrangebyrank",
    arity=4,
    flags=Flag.WRITE,
    keys=ONE_KEY,
    group="sorted-set",
    since="2.0.0",
    complexity=_RANGE_COST,
    key_access=("RW DELETE",),
    arguments=(key(), integer("start"), integer("stop")),
)
def zremrangebyrank(call: Call) -> Reply:
    """Removes members of a sorted set by place; the reply is how many."""
    first, last = map(read_integer, call.argv[2:])
    return _remove(call, PlaceRange(first, last), b"zremrangebyrank")


@COMMANDS.command(
    "zremrangebyscore",
    arity=4,
    flags=Flag.WRITE,
    keys=ONE_KEY,
    group="sorted-set",
    since="1.2.0",
    complexity=_RANGE_COST,
    key_access=("RW DELETE",),
    arguments=(key(), word("min", "double"), word("max", "double")),
)
def zremrangebyscore(call: Call) -> Reply:
    """Removes members of a sorted set whose scores lie between two; the reply is how many."""
    return _remove(call, score_range(*call.argv[2:]), b"zremrangebyscore")


@COMMANDS.command(
    "zremrangebylex",
    arity=4,
    flags=Flag.WRITE,
    keys=ONE_KEY,
    group="sorted-set",
    since="2.8.9",
    complexity=_RANGE_COST,
    key_access=("RW DELETE",),
    arguments=(key(), word("min"), word("max")),
)
def zremrangebylex(call: Call) -> Reply:
    """Removes members of a sorted set between two, when all have the same score; the reply is how many."""
    return _remove(call, lex_range(*call.argv[2:]), b"zremrangebylex")


def _remove(call: Call, bounds: Range, event: bytes) -> Reply:
    name = call.argv[1]
    found = sorted_sets.find(call.db, name)
    if found is None:
        return 0
    start, stop = bounds.places(found)
    if start >= stop:
        return 0
    removed = len(found.cut(start, stop))
    close_set(call, name, found, event)
    return removed
