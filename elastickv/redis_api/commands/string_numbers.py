"""Strings as numbers: INCR, DECR and INCRBYFLOAT.

A string is an integer when it is the one decimal spelling of a 64-bit number. Deadlines stay.
"""

from __future__ import annotations

from elastickv.redis_api import long_double
from elastickv.redis_api.argument_docs import integer, key, word
from elastickv.redis_api.arguments import INT64_MIN
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.errors import NOT_A_FLOAT, RedisError
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, Reply
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events
from elastickv.redis_api.values.records import RecordType

_FLAGS = Flag.WRITE | Flag.DENYOOM | Flag.FAST


def _add(call: Call, step: int) -> int:
    db = call.db
    name = call.argv[1]
    number = db.add_to_string(name, step)
    if call.databases.listener is not None:
        db.notify(events.STRING, b"incrby", name)
    return number


@COMMANDS.command(
    "incr",
    arity=2,
    flags=_FLAGS,
    keys=ONE_KEY,
    group="string",
    since="1.0.0",
    complexity="O(1)",
    key_access=("RW ACCESS UPDATE",),
    arguments=(key(),),
)
def incr(call: Call) -> Reply:
    """Adds one to the integer stored at a key; a missing key counts as 0."""
    return _add(call, 1)


@COMMANDS.command(
    "decr",
    arity=2,
    flags=_FLAGS,
    keys=ONE_KEY,
    group="string",
    since="1.0.0",
    complexity="O(1)",
    key_access=("RW ACCESS UPDATE",),
    arguments=(key(),),
)
def decr(call: Call) -> Reply:
    """Subtracts one from the integer stored at a key; a missing key counts as 0."""
    return _add(call, -1)


@COMMANDS.command(
    "incrby",
    arity=3,
    flags=_FLAGS,
    keys=ONE_KEY,
    group="string",
    since="1.0.0",
    complexity="O(1)",
    key_access=("RW ACCESS UPDATE",),
    arguments=(key(), integer("increment")),
)
def incrby(call: Call) -> Reply:
    """Adds a number to the integer stored at a key; a missing key counts as 0."""
    return _add(call, read_integer(call.argv[2]))


@COMMANDS.command(
    "decrby",
    arity=3,
    flags=_FLAGS,
    keys=ONE_KEY,
    group="string",
    since="1.0.0",
    complexity="O(1)",
    key_access=("RW ACCESS UPDATE",),
    arguments=(key(), integer("decrement")),
)
def decrby(call: Call) -> Reply:
    """Subtracts a number from the integer stored at a key; a missing key counts as 0."""
    step = read_integer(call.argv[2])
    if step == INT64_MIN:
        raise RedisError(b"ERR decrement would overflow")
    return _add(call, -step)


@COMMANDS.command(
    "incrbyfloat",
    arity=3,
    flags=_FLAGS,
    keys=ONE_KEY,
    group="string",
    since="2.6.0",
    complexity="O(1)",
    key_access=("RW ACCESS UPDATE",),
    arguments=(key(), word("increment", "double")),
)
def incrbyfloat(call: Call) -> Reply:
    """Adds a decimal fraction to the number stored at a key; a missing key counts as 0."""
    _, name, increment = call.argv
    record = call.db.string_record(name)
    number = long_double.parse(record.payload if record is not None else b"0")
    step = long_double.parse(increment)
    if number is None or step is None:
        raise NOT_A_FLOAT
    total = number + step
    if total.infinite:
        raise RedisError(b"ERR increment would produce NaN or Infinity")
    text = total.text()
    if record is None:
        call.db.store(name, RecordType.STRING, text)
    else:
        call.db.rewrite(record, text)
    call.db.notify(events.STRING, b"incrbyfloat", name)
    return text
