"""Sorted sets, member by member: adding, scores, ranks, removing.

Ranges are in `sorted_set_ranges`, what takes members away from the ends in `sorted_set_pops`, several sets at once in
`sorted_set_algebra`.
"""

from __future__ import annotations

from typing import Final

from elastickv.redis_api.argument_docs import Argument, block, integer, key, oneof, token, word
from elastickv.redis_api.arguments import double, string_to_float
from elastickv.redis_api.errors import SYNTAX, RedisError, wrong_arity
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, Reply
from elastickv.redis_api.replies import NULL_ARRAY
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events, sorted_sets
from elastickv.redis_api.values.score_keys import score_key, score_of
from elastickv.redis_api.values.sorted_sets import SortedSet, note_new_member

_READ: Final = Flag.READONLY | Flag.FAST
_ADD: Final = Flag.WRITE | Flag.DENYOOM | Flag.FAST
_MEMBER: Final = word("member")

NX: Final = 1
XX: Final = 2
_GT: Final = 4
_LT: Final = 8
CH: Final = 16
_INCR: Final = 32
_OPTIONS: Final = {b"NX": NX, b"XX": XX, b"GT": _GT, b"LT": _LT, b"CH": CH, b"INCR": _INCR}

_NOT_A_NUMBER: Final = RedisError(b"ERR resulting score is not a number (NaN)")


def close_set(call: Call, name: bytes, found: SortedSet, event: bytes) -> None:
    """Store what a command changed, and tell of it."""
    found.save()
    if call.databases.listener is not None:
        call.db.notify(events.ZSET, event, name)
        if not len(found):
            call.db.notify(events.GENERIC, b"del", name)


def _add(call: Call, given: int) -> Reply:
    argv = call.argv
    if len(argv) == 4 and not given:
        # The usual case. What is a number is no option.
        score = string_to_float(argv[2])
        if score is not None:
            return _add_one(call, argv[1], score, argv[3])
    flags = given
    at = 2
    while at < len(argv):
        option = _OPTIONS.get(argv[at].upper())
        if option is None:
            break
        flags |= option
        at += 1
    words = len(argv) - at
    if words % 2 or not words:
        raise SYNTAX
    if flags:
        _check_options(flags, words)
    scores = list(map(double, argv[at::2]))
    if flags & _INCR:
        return _increment(call, argv[1], scores[0], argv[at + 1], flags)
    return add_members(call, argv[1], scores, argv[at + 1 :: 2], flags)


def _check_options(flags: int, words: int) -> None:
    if flags & NX and flags & XX:
        raise RedisError(b"ERR XX and NX options at the same time are not compatible")
    if (flags & (_GT | _LT) and flags & NX) or (flags & _GT and flags & _LT):
        raise RedisError(b"ERR GT, LT, and/or NX options at the same time are not compatible")
    if flags & _INCR and words > 2:
        raise RedisError(b"ERR INCR option supports a single increment-element pair")


def _add_one(call: Call, name: bytes, score: float, member: bytes) -> int:
    """ZADD of a single member without options."""
    db = call.db
    found = sorted_sets.find(db, name)
    if found is None:
        found = sorted_sets.new(db, name)
    new = score_key(score)
    old = found.key_of(member)
    if old == new:
        return 0
    found.set(member, old, new)
    if old is None:
        note_new_member(db, found, member)
    close_set(call, name, found, b"zadd")
    return int(old is None)


def add_members(call: Call, name: bytes, scores: list[float], members: list[bytes], flags: int = 0) -> int:
    """ZADD with its options read, but for INCR; how many are new (or changed, with CH)."""
    db = call.db
    found = sorted_sets.find(db, name)
    if found is None:
        if flags & XX:
            return 0
        found = sorted_sets.new(db, name)
    added = updated = 0
    for score, member in zip(scores, members, strict=True):
        new = score_key(score)
        old = found.key_of(member)
        if old is None:
            if not flags & XX:
                found.set(member, None, new)
                note_new_member(db, found, member)
                added += 1
        elif new != old and not (flags & NX or (flags & _GT and new < old) or (flags & _LT and new > old)):
            found.set(member, old, new)
            updated += 1
    if added or updated:
        close_set(call, name, found, b"zadd")
    return added + updated if flags & CH else added


def _increment(call: Call, name: bytes, step: float, member: bytes, flags: int) -> float | None:
    """The new score; None when the options forbid it."""
    db = call.db
    found = sorted_sets.find(db, name)
    old = None if found is None else found.key_of(member)
    if found is None or old is None:
        if flags & XX:
            return None
        found = found or sorted_sets.new(db, name)
        found.set(member, None, score_key(step))
        note_new_member(db, found, member)
        close_set(call, name, found, b"zincr")
        return step
    if flags & NX:
        return None
    score = score_of(old) + step
    if score != score:
        raise _NOT_A_NUMBER
    new = score_key(score)
    if (flags & _GT and new <= old) or (flags & _LT and new >= old):
        return None
    if new != old:
        found.set(member, old, new)
        close_set(call, name, found, b"zincr")
    return score


@COMMANDS.command(
    "zadd",
    arity=-4,
    flags=_ADD,
    keys=ONE_KEY,
    group="sorted-set",
    since="1.2.0",
    complexity="O(log(N)) for each member, in a set of N members",
    key_access=("RW UPDATE",),
    history=(
        ("2.4.0", "Takes several members."),
        ("3.0.2", "Options XX, NX, CH and INCR."),
        ("6.2.0", "Options GT and LT."),
    ),
    arguments=(
        key(),
        oneof("condition", token("NX"), token("XX"), since="3.0.2", optional=True),
        oneof("comparison", token("GT"), token("LT"), since="6.2.0", optional=True),
        token("CH", "change", since="3.0.2", optional=True),
        token("INCR", "increment", since="3.0.2", optional=True),
        block("data", word("score", "double"), word("member"), multiple=True),
    ),
)
def zadd(call: Call) -> Reply:
    """Adds members to a sorted set, or gives them other scores; the reply is how many are new."""
    return _add(call, 0)


@COMMANDS.command(
    "zincrby",
    arity=4,
    flags=_ADD,
    keys=ONE_KEY,
    group="sorted-set",
    since="1.2.0",
    complexity="O(log(N)) in a set of N members",
    key_access=("RW ACCESS UPDATE",),
    arguments=(key(), integer("increment"), _MEMBER),
)
def zincrby(call: Call) -> Reply:
    """Adds to the score of a member of a sorted set; the reply is the new score."""
    # Redis reads options here too, so a word like "nx" in place of the increment is a syntax error.
    return _add(call, _INCR)


@COMMANDS.command(
    "zrem",
    arity=-3,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="sorted-set",
    since="1.2.0",
    complexity="O(M*log(N)) for M members of a set of N",
    key_access=("RW DELETE",),
    history=(("2.4.0", "Takes several members."),),
    arguments=(key(), word("member", multiple=True)),
)
def zrem(call: Call) -> Reply:
    """Removes members of a sorted set, and the key with the last one; the reply is how many were there."""
    _, name, *members = call.argv
    found = sorted_sets.find(call.db, name)
    if found is None:
        return 0
    removed = 0
    for member in members:
        old = found.key_of(member)
        if old is not None:
            found.drop(member, old)
            removed += 1
            if not len(found):
                break
    if removed:
        close_set(call, name, found, b"zrem")
    return removed


@COMMANDS.command(
    "zcard",
    arity=2,
    flags=_READ,
    keys=ONE_KEY,
    group="sorted-set",
    since="1.2.0",
    complexity="O(1)",
    key_access=("RO",),
    arguments=(key(),),
)
def zcard(call: Call) -> Reply:
    """Counts the members of a sorted set."""
    found = sorted_sets.read(call.db, call.argv[1])
    return 0 if found is None else len(found)


def _score(found: SortedSet, member: bytes) -> float | None:
    stored = found.key_of(member)
    return None if stored is None else score_of(stored)


@COMMANDS.command(
    "zscore",
    arity=3,
    flags=_READ,
    keys=ONE_KEY,
    group="sorted-set",
    since="1.2.0",
    complexity="O(1)",
    key_access=("RO ACCESS",),
    arguments=(key(), _MEMBER),
)
def zscore(call: Call) -> Reply:
    """Returns the score of a member of a sorted set."""
    found = sorted_sets.read(call.db, call.argv[1])
    return None if found is None else _score(found, call.argv[2])


@COMMANDS.command(
    "zmscore",
    arity=-3,
    flags=_READ,
    keys=ONE_KEY,
    group="sorted-set",
    since="6.2.0",
    complexity="O(N) for N members asked about",
    key_access=("RO ACCESS",),
    arguments=(key(), word("member", multiple=True)),
)
def zmscore(call: Call) -> Reply:
    """Returns the scores of several members of a sorted set; null where there is no member."""
    members = call.argv[2:]
    found = sorted_sets.read(call.db, call.argv[1])
    return [None if found is None else _score(found, member) for member in members]


def _rank(call: Call, *, reverse: bool) -> Reply:
    argv = call.argv
    if len(argv) > 4:
        raise wrong_arity(argv[0].lower().decode())
    with_score = len(argv) == 4
    if with_score and argv[3].upper() != b"WITHSCORE":
        raise SYNTAX
    found = sorted_sets.read(call.db, argv[1])
    stored = None if found is None else found.key_of(argv[2])
    if found is None or stored is None:
        return NULL_ARRAY if with_score else None
    place = found.below(stored + argv[2])
    if reverse:
        place = len(found) - 1 - place
    return [place, score_of(stored)] if with_score else place


_RANK_ARGUMENTS: Final[tuple[Argument, ...]] = (
    key(),
    _MEMBER,
    token("WITHSCORE", since="7.2.0", optional=True),
)
_RANK_HISTORY: Final = (("7.2.0", "Option WITHSCORE."),)


@COMMANDS.command(
    "zrank",
    arity=-3,
    flags=_READ,
    keys=ONE_KEY,
    group="sorted-set",
    since="2.0.0",
    complexity="O(log(N)) in a set of N members",
    key_access=("RO ACCESS",),
    history=_RANK_HISTORY,
    arguments=_RANK_ARGUMENTS,
)
def zrank(call: Call) -> Reply:
    """Returns the place of a member in a sorted set, the lowest score first."""
    return _rank(call, reverse=False)


@COMMANDS.command(
    "zrevrank",
    arity=-3,
    flags=_READ,
    keys=ONE_KEY,
    group="sorted-set",
    since="2.0.0",
    complexity="O(log(N)) in a set of N members",
    key_access=("RO ACCESS",),
    history=_RANK_HISTORY,
    arguments=_RANK_ARGUMENTS,
)
def zrevrank(call: Call) -> Reply:
    """Returns the place of a member in a sorted set, the highest score first."""
    return _rank(call, reverse=True)
