"""Lists: push, pop, read, change. What moves elements between lists or waits for them is in `list_moves`."""

from __future__ import annotations

from functools import partial
from typing import Final

from elastickv.redis_api.argument_docs import integer, key, oneof, token, word
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.arguments import positive
from elastickv.redis_api.errors import (
    INDEX_OUT_OF_RANGE,
    MUST_BE_POSITIVE,
    NO_SUCH_KEY,
    SYNTAX,
    RedisError,
    wrong_arity,
)
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, Reply
from elastickv.redis_api.replies import NULL_ARRAY, OK
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events
from elastickv.redis_api.values.database import Database
from elastickv.redis_api.values.list_ends import open_ends
from elastickv.redis_api.values.lists import List, open_list, read_list
from elastickv.redis_api.values.records import RecordType

_BAD_RANK: Final = RedisError(
    b"ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from"
    b" the end of the list"
)
_RANK_OUT_OF_RANGE: Final = RedisError(
    b"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
)
_NEGATIVE_COUNT: Final = RedisError(b"ERR COUNT can't be negative")
_NEGATIVE_LENGTH: Final = RedisError(b"ERR MAXLEN can't be negative")
_PUSH_COST: Final = "O(1) for each element; O(N) for N of them"


def close_list(db: Database, opened: List, event: bytes) -> None:
    """Store what a command did to a list, and tell."""
    opened.save()
    db.notify(events.LIST, event, opened.key)
    if not opened.count:
        db.notify(events.GENERIC, b"del", opened.key)


def _push(call: Call, *, left: bool, create: bool) -> int:
    argv = call.argv
    db = call.db
    name = argv[1]
    event = b"lpush" if left else b"rpush"
    ends = open_ends(db, name)
    if ends is None:
        if not create:
            return 0
        opened = List(db, name, None)
    else:
        length = ends.push(argv[2:], left=left)
        if length is not None:
            db.notify(events.LIST, event, name)
            return length
        opened = List(db, name, db.typed(name, RecordType.LIST))
    opened.push(argv[2:], left=left)
    close_list(db, opened, event)
    return opened.count


@COMMANDS.command(
    "lpush",
    arity=-3,
    flags=Flag.WRITE | Flag.DENYOOM | Flag.FAST,
    keys=ONE_KEY,
    group="list",
    since="1.0.0",
    complexity=_PUSH_COST,
    key_access=("RW INSERT",),
    history=(("2.4.0", "Takes several elements."),),
    arguments=(key(), word("element", multiple=True)),
)
def lpush(call: Call) -> Reply:
    """Adds elements to the head of a list, which is made if it is not there; returns its length."""
    return _push(call, left=True, create=True)


@COMMANDS.command(
    "rpush",
    arity=-3,
    flags=Flag.WRITE | Flag.DENYOOM | Flag.FAST,
    keys=ONE_KEY,
    group="list",
    since="1.0.0",
    complexity=_PUSH_COST,
    key_access=("RW INSERT",),
    history=(("2.4.0", "Takes several elements."),),
    arguments=(key(), word("element", multiple=True)),
)
def rpush(call: Call) -> Reply:
    """Adds elements to the tail of a list, which is made if it is not there; returns its length."""
    return _push(call, left=False, create=True)


@COMMANDS.command(
    "lpushx",
    arity=-3,
    flags=Flag.WRITE | Flag.DENYOOM | Flag.FAST,
    keys=ONE_KEY,
    group="list",
    since="2.2.0",
    complexity=_PUSH_COST,
    key_access=("RW INSERT",),
    history=(("4.0.0", "Takes several elements."),),
    arguments=(key(), word("element", multiple=True)),
)
def lpushx(call: Call) -> Reply:
    """Adds elements to the head of a list if it is there; returns its length."""
    return _push(call, left=True, create=False)


@COMMANDS.command(
    "rpushx",
    arity=-3,
    flags=Flag.WRITE | Flag.DENYOOM | Flag.FAST,
    keys=ONE_KEY,
    group="list",
    since="2.2.0",
    complexity=_PUSH_COST,
    key_access=("RW INSERT",),
    history=(("4.0.0", "Takes several elements."),),
    arguments=(key(), word("element", multiple=True)),
)
def rpushx(call: Call) -> Reply:
    """Adds elements to the tail of a list if it is there; returns its length."""
    return _push(call, left=False, create=False)


def _pop(call: Call, *, left: bool) -> Reply:
    argv = call.argv
    if len(argv) > 3:
        raise wrong_arity("lpop" if left else "rpop")
    count = positive(argv[2], MUST_BE_POSITIVE) if len(argv) == 3 else -1
    db = call.db
    name = argv[1]
    event = b"lpop" if left else b"rpop"
    ends = open_ends(db, name)
    if ends is None:
        return None if count < 0 else NULL_ARRAY
    if not count:
        return []
    if count < 0:
        one = ends.pop(left=left)
        if one is not None:
            db.notify(events.LIST, event, name)
            return one
    opened = List(db, name, db.typed(name, RecordType.LIST))
    taken = opened.pop(max(count, 1), left=left)
    close_list(db, opened, event)
    return taken[0] if count < 0 else taken


def _pop_alike(call: Call, times: int, *, left: bool) -> list[Reply]:
    """So many LPOP or RPOP of one key in a row."""
    name = call.argv[1]
    opened = open_list(call.db, name)
    replies: list[Reply] = []
    if opened is not None:
        replies += opened.pop(times, left=left)
        close_list(call.db, opened, b"lpop" if left else b"rpop")
    return replies + [None] * (times - len(replies))


@COMMANDS.command(
    "lpop",
    arity=-2,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="list",
    since="1.0.0",
    complexity="O(N) for N elements returned",
    key_access=("RW ACCESS DELETE",),
    history=(("6.2.0", "Takes a count."),),
    arguments=(key(), integer("count", since="6.2.0", optional=True)),
    alike=partial(_pop_alike, left=True),
)
def lpop(call: Call) -> Reply:
    """Removes and returns the first element of a list, or the first few."""
    return _pop(call, left=True)


@COMMANDS.command(
    "rpop",
    arity=-2,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="list",
    since="1.0.0",
    complexity="O(N) for N elements returned",
    key_access=("RW ACCESS DELETE",),
    history=(("6.2.0", "Takes a count."),),
    arguments=(key(), integer("count", since="6.2.0", optional=True)),
    alike=partial(_pop_alike, left=False),
)
def rpop(call: Call) -> Reply:
    """Removes and returns the last element of a list, or the last few."""
    return _pop(call, left=False)


@COMMANDS.command(
    "llen",
    arity=2,
    flags=Flag.READONLY | Flag.FAST,
    keys=ONE_KEY,
    group="list",
    since="1.0.0",
    complexity="O(1)",
    key_access=("RO",),
    arguments=(key(),),
)
def llen(call: Call) -> Reply:
    """Returns the length of a list."""
    opened = read_list(call.db, call.argv[1])
    return opened.count if opened is not None else 0


@COMMANDS.command(
    "lindex",
    arity=3,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="list",
    since="1.0.0",
    complexity="O(log N) for a list of N elements; O(1) at its ends",
    key_access=("RO ACCESS",),
    arguments=(key(), integer("index")),
)
def lindex(call: Call) -> Reply:
    """Returns the element of a list that has this index; negative ones count from the end."""
    opened = read_list(call.db, call.argv[1])
    if opened is None:
        return None
    index = read_integer(call.argv[2])
    if index < 0:
        index += opened.count
    if not 0 <= index < opened.count:
        return None
    return opened.range(index, index + 1)[0]


def _bounds(start: int, stop: int, count: int) -> tuple[int, int]:
    """Redis' inclusive, possibly negative indexes as a half-open range; empty ones are (0, 0)."""
    start = max(start + count, 0) if start < 0 else start
    stop = stop + count if stop < 0 else min(stop, count - 1)
    return (start, stop + 1) if start <= stop else (0, 0)


@COMMANDS.command(
    "lrange",
    arity=4,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="list",
    since="1.0.0",
    complexity="O(log N + M) for a list of N elements of which M are returned",
    key_access=("RO ACCESS",),
    arguments=(key(), integer("start"), integer("stop")),
)
def lrange(call: Call) -> Reply:
    """Returns a range of elements of a list; negative indexes count from the end."""
    _, name, first, last = call.argv
    start, stop = read_integer(first), read_integer(last)
    opened = read_list(call.db, name)
    if opened is None:
        return []
    start, stop = _bounds(start, stop, opened.count)
    return opened.reply(start, stop) if start < stop else []


@COMMANDS.command(
    "linsert",
    arity=5,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=ONE_KEY,
    group="list",
    since="2.2.0",
    complexity="O(N) for N elements before the pivot",
    key_access=("RW INSERT",),
    arguments=(key(), oneof("where", token("BEFORE"), token("AFTER")), word("pivot"), word("element")),
)
def linsert(call: Call) -> Reply:
    """Inserts an element before or after the first that equals the pivot; returns the length, or -1 without a pivot."""
    _, name, where, pivot, element = call.argv
    side = where.upper()
    if side not in (b"BEFORE", b"AFTER"):
        raise SYNTAX
    opened = open_list(call.db, name)
    if opened is None:
        return 0
    index = next(opened.find(pivot), None)
    if index is None:
        return -1
    opened.insert(index + (side == b"AFTER"), element)
    close_list(call.db, opened, b"linsert")
    return opened.count


@COMMANDS.command(
    "lrem",
    arity=4,
    flags=Flag.WRITE,
    keys=ONE_KEY,
    group="list",
    since="1.0.0",
    complexity="O(N) for a list of N elements",
    key_access=("RW DELETE",),
    arguments=(key(), integer("count"), word("element")),
)
def lrem(call: Call) -> Reply:
    """Removes elements equal to one: the first few, the last few (negative count) or all (0); returns how many."""
    _, name, many, element = call.argv
    count = read_integer(many)
    opened = open_list(call.db, name)
    if opened is None:
        return 0
    removed = opened.remove(element, abs(count), reverse=count < 0)
    if removed:
        close_list(call.db, opened, b"lrem")
    return removed


@COMMANDS.command(
    "lset",
    arity=4,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=ONE_KEY,
    group="list",
    since="1.0.0",
    complexity="O(log N) for a list of N elements; O(1) at its ends",
    key_access=("RW UPDATE",),
    arguments=(key(), integer("index"), word("element")),
)
def lset(call: Call) -> Reply:
    """Puts another element at an index of a list."""
    _, name, place, element = call.argv
    opened = open_list(call.db, name)
    if opened is None:
        raise NO_SUCH_KEY
    index = read_integer(place)
    if index < 0:
        index += opened.count
    if not 0 <= index < opened.count:
        raise INDEX_OUT_OF_RANGE
    opened.set(index, element)
    close_list(call.db, opened, b"lset")
    return OK


@COMMANDS.command(
    "ltrim",
    arity=4,
    flags=Flag.WRITE,
    keys=ONE_KEY,
    group="list",
    since="1.0.0",
    complexity="O(N) for N elements removed, a hundred times less than it would be one by one",
    key_access=("RW DELETE",),
    arguments=(key(), integer("start"), integer("stop")),
)
def ltrim(call: Call) -> Reply:
    """Keeps a range of a list and removes the rest."""
    _, name, first, last = call.argv
    start, stop = read_integer(first), read_integer(last)
    opened = open_list(call.db, name)
    if opened is None:
        return OK
    opened.trim(*_bounds(start, stop, opened.count))
    close_list(call.db, opened, b"ltrim")
    return OK


@COMMANDS.command(
    "lpos",
    arity=-3,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="list",
    since="6.0.6",
    complexity="O(N) for N elements looked at",
    key_access=("RO ACCESS",),
    arguments=(
        key(),
        word("element"),
        integer("rank", token="RANK", optional=True),
        integer("num-matches", token="COUNT", optional=True),
        integer("len", token="MAXLEN", optional=True),
    ),
)
def lpos(call: Call) -> Reply:
    """Returns the index of an element in a list, or with COUNT the indexes."""
    argv = call.argv
    rank, count, most = 1, -1, 0
    for at in range(3, len(argv), 2):
        option = argv[at].upper()
        if at + 1 == len(argv):
            raise SYNTAX
        text = argv[at + 1]
        if option == b"RANK":
            rank = read_integer(text)
            if rank == -(1 << 63):
                raise _RANK_OUT_OF_RANGE
            if not rank:
                raise _BAD_RANK
        elif option == b"COUNT":
            count = positive(text, _NEGATIVE_COUNT)
        elif option == b"MAXLEN":
            most = positive(text, _NEGATIVE_LENGTH)
        else:
            raise SYNTAX
    opened = read_list(call.db, argv[1])
    if opened is None:
        return None if count < 0 else []
    found: list[int] = []
    wanted = 1 if count < 0 else count
    skipped = abs(rank) - 1
    for index in opened.find(argv[2], reverse=rank < 0, most=most):
        if skipped:
            skipped -= 1
            continue
        found.append(index)
        if len(found) == wanted:
            break
    if count < 0:
        return found[0] if found else None
    return found
