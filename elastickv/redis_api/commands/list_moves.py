"""Lists: what moves elements from one to another, takes them from the first of several, or waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from elastickv.redis_api.argument_docs import Argument, integer, key, oneof, token, word
from elastickv.redis_api.arguments import INT64_MAX, integer_between, timeout_seconds
from elastickv.redis_api.commands.lists import close_list
from elastickv.redis_api.errors import SYNTAX, RedisError
from elastickv.redis_api.registry import COMMANDS, NO_KEYS, Flag, KeySpan, KeySpec, Reply, counted_keys
from elastickv.redis_api.replies import NULL_ARRAY
from elastickv.redis_api.session import Call
from elastickv.redis_api.values.lists import List, open_list
from elastickv.redis_api.values.records import RecordType

_TWO_KEYS: Final = KeySpan(1, 2, 1)
_BLOCKING: Final = Flag.WRITE | Flag.NOSCRIPT | Flag.BLOCKING
_BAD_NUMKEYS: Final = RedisError(b"ERR numkeys should be greater than 0")
_BAD_COUNT: Final = RedisError(b"ERR count should be greater than 0")
_FLOAT_TIMEOUT: Final = (("6.0.0", "The timeout may have a fraction."),)


def _side(name: str) -> Argument:
    return oneof(name, token("LEFT"), token("RIGHT"))


def _is_left(text: bytes) -> bool:
    side = text.upper()
    if side not in (b"LEFT", b"RIGHT"):
        raise SYNTAX
    return side == b"LEFT"


def _move(call: Call, source: bytes, destination: bytes, *, from_left: bool, to_left: bool) -> Reply:
    """The element that was moved; None when there is none."""
    db = call.db
    taken_from = open_list(db, source)
    if taken_from is None:
        return None
    popped, pushed = b"lpop" if from_left else b"rpop", b"lpush" if to_left else b"rpush"
    target = taken_from if source == destination else open_list(db, destination)
    [element] = taken_from.pop(1, left=from_left)
    if target is taken_from:
        target.push((element,), left=to_left)
        close_list(db, target, popped)
        close_list(db, target, pushed)
    else:
        close_list(db, taken_from, popped)
        target = target or List(db, destination, None)
        target.push((element,), left=to_left)
        close_list(db, target, pushed)
    return element


@COMMANDS.command(
    "lmove",
    arity=5,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=_TWO_KEYS,
    group="list",
    since="6.2.0",
    complexity="O(1)",
    key_access=("RW ACCESS DELETE", "RW INSERT"),
    arguments=(key("source"), key("destination", 1), _side("wherefrom"), _side("whereto")),
)
def lmove(call: Call) -> Reply:
    """Moves an element from an end of a list to an end of another, and returns it."""
    _, source, destination, where_from, where_to = call.argv
    return _move(call, source, destination, from_left=_is_left(where_from), to_left=_is_left(where_to))


@COMMANDS.command(
    "rpoplpush",
    arity=3,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=_TWO_KEYS,
    group="list",
    since="1.2.0",
    complexity="O(1)",
    key_access=("RW ACCESS DELETE", "RW INSERT"),
    arguments=(key("source"), key("destination", 1)),
)
def rpoplpush(call: Call) -> Reply:
    """Moves the last element of a list to the head of another, and returns it."""
    _, source, destination = call.argv
    return _move(call, source, destination, from_left=False, to_left=True)


def _blocking_move(call: Call, *, from_left: bool, to_left: bool) -> Reply:
    _, source, destination = call.argv[:3]
    timeout = timeout_seconds(call.argv[-1], call.now_ms)
    element = _move(call, source, destination, from_left=from_left, to_left=to_left)
    if element is None:
        return call.block([source], RecordType.LIST, timeout, instead=None)
    return element


@COMMANDS.command(
    "blmove",
    arity=6,
    flags=_BLOCKING | Flag.DENYOOM,
    keys=_TWO_KEYS,
    group="list",
    since="6.2.0",
    complexity="O(1)",
    key_access=("RW ACCESS DELETE", "RW INSERT"),
    arguments=(key("source"), key("destination", 1), _side("wherefrom"), _side("whereto"), word("timeout", "double")),
)
def blmove(call: Call) -> Reply:
    """Moves an element from an end of a list to an end of another; waits for one if there is none."""
    _, _, _, where_from, where_to, _ = call.argv
    return _blocking_move(call, from_left=_is_left(where_from), to_left=_is_left(where_to))


@COMMANDS.command(
    "brpoplpush",
    arity=4,
    flags=_BLOCKING | Flag.DENYOOM,
    keys=_TWO_KEYS,
    group="list",
    since="2.2.0",
    complexity="O(1)",
    key_access=("RW ACCESS DELETE", "RW INSERT"),
    history=_FLOAT_TIMEOUT,
    arguments=(key("source"), key("destination", 1), word("timeout", "double")),
)
def brpoplpush(call: Call) -> Reply:
    """Moves the last element of a list to the head of another; waits for one if there is none."""
    return _blocking_move(call, from_left=False, to_left=True)


def _blocking_pop(call: Call, *, left: bool) -> Reply:
    argv = call.argv
    timeout = timeout_seconds(argv[-1], call.now_ms)
    names = argv[1:-1]
    for name in names:
        opened = open_list(call.db, name)
        if opened is not None:
            taken = opened.pop(1, left=left)
            close_list(call.db, opened, b"lpop" if left else b"rpop")
            return [name, taken[0]]
    return call.block(names, RecordType.LIST, timeout)


@COMMANDS.command(
    "blpop",
    arity=-3,
    flags=_BLOCKING,
    keys=KeySpan(1, -2, 1),
    group="list",
    since="2.0.0",
    complexity="O(N) for N keys",
    key_access=("RW ACCESS DELETE",),
    history=_FLOAT_TIMEOUT,
    arguments=(key(multiple=True), word("timeout", "double")),
)
def blpop(call: Call) -> Reply:
    """Removes the first element of the first list that has one; waits if none has."""
    return _blocking_pop(call, left=True)


@COMMANDS.command(
    "brpop",
    arity=-3,
    flags=_BLOCKING,
    keys=KeySpan(1, -2, 1),
    group="list",
    since="2.0.0",
    complexity="O(N) for N keys",
    key_access=("RW ACCESS DELETE",),
    history=_FLOAT_TIMEOUT,
    arguments=(key(multiple=True), word("timeout", "double")),
)
def brpop(call: Call) -> Reply:
    """Removes the last element of the first list that has one; waits if none has."""
    return _blocking_pop(call, left=False)


def _pop_many(call: Call, at: int, timeout_at: int = 0) -> Reply:
    """LMPOP with the number of keys at the word `at`; with a timeout somewhere, it blocks."""
    names, rest = _counted_keys(call.argv, at)
    if not rest:
        raise SYNTAX
    left = _is_left(rest[0])
    count = 0
    place = 1
    while place < len(rest):
        if count or rest[place].upper() != b"COUNT" or place + 1 == len(rest):
            raise SYNTAX
        count = integer_between(rest[place + 1], 1, INT64_MAX, _BAD_COUNT)
        place += 2
    timeout = timeout_seconds(call.argv[timeout_at], call.now_ms) if timeout_at else 0
    for name in names:
        opened = open_list(call.db, name)
        if opened is not None:
            taken = opened.pop(count or 1, left=left)
            close_list(call.db, opened, b"lpop" if left else b"rpop")
            return [name, taken]
    return call.block(names, RecordType.LIST, timeout) if timeout_at else NULL_ARRAY


def _counted_keys(argv: Sequence[bytes], at: int) -> tuple[list[bytes], list[bytes]]:
    """(keys, what comes behind them); `at` is where their number stands."""
    number = integer_between(argv[at], 1, INT64_MAX, _BAD_NUMKEYS)
    if at + number >= len(argv):
        raise SYNTAX
    return list(argv[at + 1 : at + 1 + number]), list(argv[at + 1 + number :])


_POP_MANY: Final = (
    integer("numkeys"),
    key(multiple=True),
    _side("where"),
    integer("count", token="COUNT", optional=True),
)


@COMMANDS.command(
    "lmpop",
    arity=-4,
    flags=Flag.WRITE,
    keys=NO_KEYS,
    find_keys=counted_keys(1),
    group="list",
    since="7.0.0",
    complexity="O(N+M) for N keys and M elements returned",
    key_specs=(KeySpec("RW ACCESS DELETE", index=1, counted=(0, 1, 1)),),
    arguments=_POP_MANY,
)
def lmpop(call: Call) -> Reply:
    """Removes elements from an end of the first list that has some."""
    return _pop_many(call, 1)


@COMMANDS.command(
    "blmpop",
    arity=-5,
    flags=Flag.WRITE | Flag.BLOCKING,
    keys=NO_KEYS,
    find_keys=counted_keys(2),
    group="list",
    since="7.0.0",
    complexity="O(N+M) for N keys and M elements returned",
    key_specs=(KeySpec("RW ACCESS DELETE", index=2, counted=(0, 1, 1)),),
    arguments=(word("timeout", "double"), *_POP_MANY),
)
def blmpop(call: Call) -> Reply:
    """Removes elements from an end of the first list that has some; waits if none has."""
    return _pop_many(call, 2, timeout_at=1)
