"""Sorted sets: what takes the lowest or highest members away or waits for them, what draws members or walks through."""

from __future__ import annotations

from functools import partial
from typing import Final

from elastickv.redis_api import scan_options
from elastickv.redis_api.argument_docs import Argument, block, integer, key, oneof, token, word
from elastickv.redis_api.arguments import INT64_MAX, MOST_DRAWS, draw_count, integer_between, positive, timeout_seconds
from elastickv.redis_api.commands.sorted_set_ranges import scored
from elastickv.redis_api.commands.sorted_sets import close_set
from elastickv.redis_api.errors import OUT_OF_RANGE, SYNTAX, RedisError
from elastickv.redis_api.registry import COMMANDS, NO_KEYS, ONE_KEY, Flag, KeySpan, KeySpec, Reply, counted_keys
from elastickv.redis_api.replies import NULL_ARRAY, Raw, format_double
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import sorted_sets
from elastickv.redis_api.values.records import RecordType
from elastickv.redis_api.values.score_keys import SCORE_BYTES, member_of, score_of
from elastickv.redis_api.values.sorted_sets import SKIPLIST, SortedSet

_BAD_NUMKEYS: Final = RedisError(b"ERR numkeys should be greater than 0")
_BAD_COUNT: Final = RedisError(b"ERR count should be greater than 0")
_SIDES: Final = {b"MIN": False, b"MAX": True}


def pop(call: Call, name: bytes, found: SortedSet, count: int, *, highest: bool) -> list[bytes]:
    """Take up to `count` entries away from one end, the outermost first."""
    size = len(found)
    count = min(count, size)
    if count == 1:
        place = size - 1 if highest else 0
        entries = found.slice(place, place + 1)
        found.drop(member_of(entries[0]), entries[0][:SCORE_BYTES])
    elif highest:
        entries = found.cut(size - count, size)
        entries.reverse()
    else:
        entries = found.cut(0, count)
    close_set(call, name, found, b"zpopmax" if highest else b"zpopmin")
    return entries


def _pop_alike(call: Call, times: int, *, highest: bool) -> list[Reply]:
    """So many ZPOPMIN or ZPOPMAX of one key in a row."""
    name = call.argv[1]
    found = sorted_sets.find(call.db, name)
    entries = [] if found is None else pop(call, name, found, times, highest=highest)
    replies: list[Reply] = []
    for entry in entries:
        member, score = entry[SCORE_BYTES:], score_of(entry)
        if call.protocol == 2:
            text = format_double(score)
            replies.append(Raw(b"*2\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(member), member, len(text), text)))
        else:
            replies.append([member, score])
    return replies + [[]] * (times - len(entries))


def _pop(call: Call, *, highest: bool) -> Reply:
    argv = call.argv
    if len(argv) > 3:
        raise SYNTAX
    count = positive(argv[2]) if len(argv) == 3 else 1
    found = sorted_sets.find(call.db, argv[1])
    if found is None or not count:
        return []
    entries = pop(call, argv[1], found, count, highest=highest)
    if len(argv) == 2:
        return [member_of(entries[0]), score_of(entries[0])]
    return scored(call, entries)


@COMMANDS.command(
    "zpopmin",
    arity=-2,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="sorted-set",
    since="5.0.0",
    complexity="O(log(N)*M) for M members of a set of N",
    key_access=("RW ACCESS DELETE",),
    arguments=(key(), integer("count", optional=True)),
    alike=partial(_pop_alike, highest=False),
)
def zpopmin(call: Call) -> Reply:
    """Removes the members of a sorted set that have the lowest scores, and returns them with their scores."""
    return _pop(call, highest=False)


@COMMANDS.command(
    "zpopmax",
    arity=-2,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="sorted-set",
    since="5.0.0",
    complexity="O(log(N)*M) for M members of a set of N",
    key_access=("RW ACCESS DELETE",),
    arguments=(key(), integer("count", optional=True)),
    alike=partial(_pop_alike, highest=True),
)
def zpopmax(call: Call) -> Reply:
    """Removes the members of a sorted set that have the highest scores, and returns them with their scores."""
    return _pop(call, highest=True)


def _pop_first(call: Call, names: list[bytes], count: int, *, highest: bool) -> tuple[bytes, list[bytes]] | None:
    """Pop from the first key that has members; None when none has."""
    for name in names:
        found = sorted_sets.find(call.db, name)
        if found is not None:
            return name, pop(call, name, found, count, highest=highest)
    return None


def _blocking_pop(call: Call, *, highest: bool) -> Reply:
    argv = call.argv
    timeout = timeout_seconds(argv[-1], call.now_ms)
    names = argv[1:-1]
    popped = _pop_first(call, names, 1, highest=highest)
    if popped is None:
        return call.block(names, RecordType.ZSET, timeout)
    name, [entry] = popped
    return [name, member_of(entry), score_of(entry)]


_BLOCKING: Final = Flag.WRITE | Flag.NOSCRIPT | Flag.BLOCKING | Flag.FAST
_FLOAT_TIMEOUT: Final = (("6.0.0", "The timeout may have a fraction."),)


@COMMANDS.command(
    "bzpopmin",
    arity=-3,
    flags=_BLOCKING,
    keys=KeySpan(1, -2, 1),
    group="sorted-set",
    since="5.0.0",
    complexity="O(log(N)) in a set of N members",
    key_access=("RW ACCESS DELETE",),
    history=_FLOAT_TIMEOUT,
    arguments=(key(multiple=True), word("timeout", "double")),
)
def bzpopmin(call: Call) -> Reply:
    """Removes the member with the lowest score from the first sorted set that has one; waits if none has."""
    return _blocking_pop(call, highest=False)


@COMMANDS.command(
    "bzpopmax",
    arity=-3,
    flags=_BLOCKING,
    keys=KeySpan(1, -2, 1),
    group="sorted-set",
    since="5.0.0",
    complexity="O(log(N)) in a set of N members",
    key_access=("RW ACCESS DELETE",),
    history=_FLOAT_TIMEOUT,
    arguments=(key(multiple=True), word("timeout", "double")),
)
def bzpopmax(call: Call) -> Reply:
    """Removes the member with the highest score from the first sorted set that has one; waits if none has."""
    return _blocking_pop(call, highest=True)


def _pop_many(call: Call, at: int, timeout_at: int = 0) -> Reply:
    """ZMPOP with the number of keys at the word `at`; with a timeout somewhere, it blocks."""
    argv = call.argv
    numkeys = integer_between(argv[at], 1, INT64_MAX, _BAD_NUMKEYS)
    where = at + numkeys + 1
    if where >= len(argv):
        raise SYNTAX
    highest = _SIDES.get(argv[where].upper())
    if highest is None:
        raise SYNTAX
    count = 0
    rest = where + 1
    while rest < len(argv):
        if count or argv[rest].upper() != b"COUNT" or rest + 1 == len(argv):
            raise SYNTAX
        count = integer_between(argv[rest + 1], 1, INT64_MAX, _BAD_COUNT)
        rest += 2
    timeout = timeout_seconds(argv[timeout_at], call.now_ms) if timeout_at else 0
    names = argv[at + 1 : where]
    popped = _pop_first(call, names, count or 1, highest=highest)
    if popped is None:
        return call.block(names, RecordType.ZSET, timeout) if timeout_at else NULL_ARRAY
    name, entries = popped
    return [name, [[member_of(entry), score_of(entry)] for entry in entries]]


_POP_MANY: Final[tuple[Argument, ...]] = (
    integer("numkeys"),
    key(multiple=True),
    oneof("where", token("MIN"), token("MAX")),
    integer("count", token="COUNT", optional=True),
)


@COMMANDS.command(
    "zmpop",
    arity=-4,
    flags=Flag.WRITE,
    keys=NO_KEYS,
    find_keys=counted_keys(1),
    group="sorted-set",
    since="7.0.0",
    complexity="O(K) + O(M*log(N)) for K keys, and M members of a set of N",
    key_specs=(KeySpec("RW ACCESS DELETE", index=1, counted=(0, 1, 1)),),
    arguments=_POP_MANY,
)
def zmpop(call: Call) -> Reply:
    """Removes members with the lowest or highest scores from the first sorted set that has any."""
    return _pop_many(call, 1)


@COMMANDS.command(
    "bzmpop",
    arity=-5,
    flags=Flag.WRITE | Flag.BLOCKING,
    keys=NO_KEYS,
    find_keys=counted_keys(2),
    group="sorted-set",
    since="7.0.0",
    complexity="O(K) + O(M*log(N)) for K keys, and M members of a set of N",
    key_specs=(KeySpec("RW ACCESS DELETE", index=2, counted=(0, 1, 1)),),
    arguments=(word("timeout", "double"), *_POP_MANY),
)
def bzmpop(call: Call) -> Reply:
    """Removes members with the lowest or highest scores from the first sorted set that has any; waits if none has."""
    return _pop_many(call, 2, timeout_at=1)


@COMMANDS.command(
    "zrandmember",
    arity=-2,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="sorted-set",
    since="6.2.0",
    complexity="O(N*log(M)) for N members in the reply, of a set of M",
    key_access=("RO ACCESS",),
    arguments=(key(), block("options", integer("count"), token("WITHSCORES", optional=True), optional=True)),
)
def zrandmember(call: Call) -> Reply:
    """Returns random members of a sorted set: different ones, or with a negative count each drawn from all."""
    argv = call.argv
    rng = call.databases.rng
    if len(argv) == 2:
        found = sorted_sets.read(call.db, argv[1])
        if found is None:
            return None
        place = rng.randrange(len(found))
        return member_of(found.slice(place, place + 1)[0])
    count = draw_count(argv[2])
    if len(argv) > 4 or (len(argv) == 4 and argv[3].upper() != b"WITHSCORES"):
        raise SYNTAX
    with_scores = len(argv) == 4
    if with_scores and not -(INT64_MAX // 2) <= count <= INT64_MAX // 2:
        raise OUT_OF_RANGE
    found = sorted_sets.read(call.db, argv[1])
    if found is None or not count:
        return []
    if count < -MOST_DRAWS:
        raise OUT_OF_RANGE
    size = len(found)
    if count >= size:
        entries = found.slice(0, size)
    else:
        places = rng.sample(range(size), count) if count > 0 else rng.choices(range(size), k=-count)
        entries = [found.slice(place, place + 1)[0] for place in places]
    return scored(call, entries) if with_scores else list(map(member_of, entries))


@COMMANDS.command(
    "zscan",
    arity=-3,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="sorted-set",
    since="2.8.0",
    complexity="O(1) for a call, O(N) for a whole iteration over N members",
    key_access=("RO ACCESS",),
    arguments=(key(), *scan_options.ARGUMENTS),
)
def zscan(call: Call) -> Reply:
    """Returns some members of a sorted set with their scores, and the cursor to go on with; 0 begins and ends."""
    argv = call.argv
    at = scan_options.cursor(argv[2])
    found = sorted_sets.read(call.db, argv[1])
    if found is None:
        return [b"0", []]
    options = scan_options.scan_options(argv[3:])
    following, entries = found.walk(at, options.count)
    # Redis prints the scores of its skiplists with all digits here, and nowhere else.
    text = _all_digits if found.encoding == SKIPLIST else format_double
    words: list[bytes] = []
    for entry in entries:
        member = member_of(entry)
        if options.matches is None or options.matches(member):
            words += (member, text(score_of(entry)))
    return [b"%d" % following, words]


def _all_digits(score: float) -> bytes:
    return b"%.17g" % score
