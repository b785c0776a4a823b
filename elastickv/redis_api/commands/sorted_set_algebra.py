"""Union, intersection and difference of sorted sets, and of sets, whose members then have the score 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from elastickv.redis_api.argument_docs import Argument, integer, key, oneof, token
from elastickv.redis_api.arguments import double, positive
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.commands.sorted_set_ranges import scored, store_result
from elastickv.redis_api.errors import SYNTAX, WRONG_TYPE, RedisError
from elastickv.redis_api.registry import COMMANDS, NO_KEYS, ONE_KEY, Flag, KeySpec, Reply, counted_keys
from elastickv.redis_api.session import Call
from elastickv.redis_api.values.kinds import KINDS
from elastickv.redis_api.values.records import RecordType
from elastickv.redis_api.values.score_keys import member_of
from elastickv.redis_api.values.sorted_sets import entries_of

Scores = Mapping[bytes, float]

_READ: Final = Flag.READONLY
_STORE: Final = Flag.WRITE | Flag.DENYOOM
_SPECS: Final = (KeySpec("RO ACCESS", index=1, counted=(0, 1, 1)),)
_STORE_SPECS: Final = (KeySpec("OW UPDATE", index=1), KeySpec("RO ACCESS", index=2, counted=(0, 1, 1)))
_WEIGHTS: Final = integer("weight", token="WEIGHTS", optional=True, multiple=True)
_AGGREGATE: Final = oneof("aggregate", token("SUM"), token("MIN"), token("MAX"), token="AGGREGATE", optional=True)
_WITH_SCORES: Final = token("WITHSCORES", optional=True)
_SOURCES: Final[tuple[Argument, ...]] = (integer("numkeys"), key(multiple=True))
_STORE_SOURCES: Final[tuple[Argument, ...]] = (key("destination"), integer("numkeys"), key("key", 1, multiple=True))
_NOT_A_WEIGHT: Final = RedisError(b"ERR weight value is not a float")
_NEGATIVE_LIMIT: Final = RedisError(b"ERR LIMIT can't be negative")


def _sum(one: float, other: float) -> float:
    total = one + other
    return total if total == total else 0.0


def _lower(one: float, other: float) -> float:
    return other if other < one else one


def _higher(one: float, other: float) -> float:
    return other if other > one else one


_AGGREGATES: Final = {b"SUM": _sum, b"MIN": _lower, b"MAX": _higher}


@dataclass(slots=True)
class _Request:
    """What is asked for, its sources read."""

    sources: list[Scores]
    weights: list[float]
    aggregate: Callable[[float, float], float] = _sum
    with_scores: bool = False
    limit: int = 0
    """Of ZINTERCARD; 0: none."""


def _request(call: Call, name: str, at: int, *, weighted: bool, store: bool, card: bool = False) -> _Request:
    """Read everything from the number of keys, which stands at `at`, in Redis' order: sources before options."""
    argv = call.argv
    count = read_integer(argv[at])
    if count < 1:
        raise RedisError(b"ERR at least 1 input key is needed for '%b' command" % name.encode())
    at += 1
    if count > len(argv) - at:
        raise SYNTAX
    request = _Request([_source(call, one) for one in argv[at : at + count]], [1.0] * count)
    at += count
    while at < len(argv):
        option = argv[at].upper()
        left = len(argv) - at - 1
        if weighted and option == b"WEIGHTS" and left >= count:
            request.weights = [double(one, _NOT_A_WEIGHT) for one in argv[at + 1 : at + 1 + count]]
            at += count
        elif weighted and option == b"AGGREGATE" and left:
            aggregate = _AGGREGATES.get(argv[at + 1].upper())
            if aggregate is None:
                raise SYNTAX
            request.aggregate = aggregate
            at += 1
        elif option == b"WITHSCORES" and not store and not card:
            request.with_scores = True
        elif option == b"LIMIT" and card and left:
            request.limit = positive(argv[at + 1], _NEGATIVE_LIMIT)
            at += 1
        else:
            raise SYNTAX
        at += 1
    return request


def _source(call: Call, name: bytes) -> Scores:
    record = call.db.read(name)
    if record is None:
        return {}
    if record.type is RecordType.ZSET:
        return dict(KINDS[record.type].load(call.db, record))
    if record.type is RecordType.SET:
        return dict.fromkeys(KINDS[record.type].load(call.db, record), 1.0)
    raise WRONG_TYPE


def _by_size(request: _Request) -> list[tuple[Scores, float]]:
    """Redis begins with the smallest; with floating point, the order in which scores are added shows."""
    return sorted(zip(request.sources, request.weights, strict=True), key=lambda pair: len(pair[0]))


def _weighted(score: float, weight: float) -> float:
    product = score * weight
    return product if product == product else 0.0


def _union(request: _Request) -> Scores:
    result: dict[bytes, float] = {}
    aggregate = request.aggregate
    for scores, weight in _by_size(request):
        for member, score in scores.items():
            product = _weighted(score, weight)
            result[member] = aggregate(result[member], product) if member in result else product
    return result


def _intersection(request: _Request) -> Scores:
    (first, first_weight), *others = _by_size(request)
    aggregate = request.aggregate
    result: dict[bytes, float] = {}
    for member, score in first.items():
        total = _weighted(score, first_weight)
        for scores, weight in others:
            other = scores.get(member)
            if other is None:
                break
            total = aggregate(total, other * weight)
        else:
            result[member] = total
    return result


def _difference(request: _Request) -> Scores:
    first, *others = request.sources
    return {member: score for member, score in first.items() if not any(member in scores for scores in others)}


def _answer(call: Call, request: _Request, result: Scores) -> Reply:
    entries = entries_of(result.items())
    return scored(call, entries) if request.with_scores else list(map(member_of, entries))


def _stored(call: Call, result: Scores, event: bytes) -> Reply:
    return store_result(call, call.argv[1], entries_of(result.items()), event)


@COMMANDS.command(
    "zunion",
    arity=-3,
    flags=_READ,
    keys=NO_KEYS,
    find_keys=counted_keys(1),
    group="sorted-set",
    since="6.2.0",
    complexity="O(N)+O(M*log(M)) for N members in all and M in the result",
    key_specs=_SPECS,
    arguments=(*_SOURCES, _WEIGHTS, _AGGREGATE, _WITH_SCORES),
)
def zunion(call: Call) -> Reply:
    """Returns what is in any of several sorted sets."""
    request = _request(call, "zunion", 1, weighted=True, store=False)
    return _answer(call, request, _union(request))


@COMMANDS.command(
    "zunionstore",
    arity=-4,
    flags=_STORE,
    keys=ONE_KEY,
    find_keys=counted_keys(2, 1),
    group="sorted-set",
    since="2.0.0",
    complexity="O(N)+O(M*log(M)) for N members in all and M in the result",
    key_specs=_STORE_SPECS,
    arguments=(*_STORE_SOURCES, _WEIGHTS, _AGGREGATE),
)
def zunionstore(call: Call) -> Reply:
    """Stores what is in any of several sorted sets; the reply is how many members that are."""
    request = _request(call, "zunionstore", 2, weighted=True, store=True)
    return _stored(call, _union(request), b"zunionstore")


@COMMANDS.command(
    "zinter",
    arity=-3,
    flags=_READ,
    keys=NO_KEYS,
    find_keys=counted_keys(1),
    group="sorted-set",
    since="6.2.0",
    complexity="O(N)+O(M*log(M)) for N members in all and M in the result",
    key_specs=_SPECS,
    arguments=(*_SOURCES, _WEIGHTS, _AGGREGATE, _WITH_SCORES),
)
def zinter(call: Call) -> Reply:
    """Returns what is in each of several sorted sets."""
    request = _request(call, "zinter", 1, weighted=True, store=False)
    return _answer(call, request, _intersection(request))


@COMMANDS.command(
    "zinterstore",
    arity=-4,
    flags=_STORE,
    keys=ONE_KEY,
    find_keys=counted_keys(2, 1),
    group="sorted-set",
    since="2.0.0",
    complexity="O(N)+O(M*log(M)) for N members in all and M in the result",
    key_specs=_STORE_SPECS,
    arguments=(*_STORE_SOURCES, _WEIGHTS, _AGGREGATE),
)
def zinterstore(call: Call) -> Reply:
    """Stores what is in each of several sorted sets; the reply is how many members that are."""
    request = _request(call, "zinterstore", 2, weighted=True, store=True)
    return _stored(call, _intersection(request), b"zinterstore")


@COMMANDS.command(
    "zintercard",
    arity=-3,
    flags=_READ,
    keys=NO_KEYS,
    find_keys=counted_keys(1),
    group="sorted-set",
    since="7.0.0",
    complexity="O(N) for N members in all",
    key_specs=_SPECS,
    arguments=(*_SOURCES, integer("limit", token="LIMIT", optional=True)),
)
def zintercard(call: Call) -> Reply:
    """Counts what is in each of several sorted sets, up to a limit."""
    request = _request(call, "zintercard", 1, weighted=False, store=False, card=True)
    count = len(_intersection(request))
    return min(count, request.limit) if request.limit else count


@COMMANDS.command(
    "zdiff",
    arity=-3,
    flags=_READ,
    keys=NO_KEYS,
    find_keys=counted_keys(1),
    group="sorted-set",
    since="6.2.0",
    complexity="O(N)+O(M*log(M)) for N members in all and M in the result",
    key_specs=_SPECS,
    arguments=(*_SOURCES, _WITH_SCORES),
)
def zdiff(call: Call) -> Reply:
    """Returns what is in the first of several sorted sets and in none of the others."""
    request = _request(call, "zdiff", 1, weighted=False, store=False)
    return _answer(call, request, _difference(request))


@COMMANDS.command(
    "zdiffstore",
    arity=-4,
    flags=_STORE,
    keys=ONE_KEY,
    find_keys=counted_keys(2, 1),
    group="sorted-set",
    since="6.2.0",
    complexity="O(N)+O(M*log(M)) for N members in all and M in the result",
    key_specs=_STORE_SPECS,
    arguments=_STORE_SOURCES,
)
def zdiffstore(call: Call) -> Reply:
    """Stores what is in the first of several sorted sets and in none of the others; the reply is how many."""
    request = _request(call, "zdiffstore", 2, weighted=False, store=True)
    return _stored(call, _difference(request), b"zdiffstore")
