"""Fields of hashes as numbers: HINCRBY and HINCRBYFLOAT."""

from __future__ import annotations

from typing import Final

from elastickv.redis_api import long_double
from elastickv.redis_api.argument_docs import integer, key, word
from elastickv.redis_api.arguments import INT64_MAX, INT64_MIN
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.errors import NOT_A_FLOAT, OVERFLOW, RedisError
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, Reply
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events, hashes
from elastickv.redis_api.values.hashes import Hash

_FLAGS: Final = Flag.WRITE | Flag.DENYOOM | Flag.FAST
_NO_INTEGER: Final = RedisError(b"ERR hash value is not an integer")
_NO_FLOAT: Final = RedisError(b"ERR hash value is not a float")


def _put(call: Call, found: Hash | None, field: bytes, value: bytes, event: bytes) -> None:
    name = call.argv[1]
    if found is None:
        hashes.create(call.db, name, [field, value])
    else:
        found.update([field, value])
    call.db.notify(events.HASH, event, name)


@COMMANDS.command(
    "hincrby",
    arity=4,
    flags=_FLAGS,
    keys=ONE_KEY,
    group="hash",
    since="2.0.0",
    complexity="O(1)",
    key_access=("RW ACCESS UPDATE",),
    arguments=(key(), word("field"), integer("increment")),
)
def hincrby(call: Call) -> Reply:
    """Adds a number to the integer in a field of a hash; a missing field counts as 0."""
    _, name, field, increment = call.argv
    step = read_integer(increment)
    found = hashes.find(call.db, name)
    old = found.get(field) if found is not None else None
    number = read_integer(old, _NO_INTEGER) if old is not None else 0
    number += step
    if not INT64_MIN <= number <= INT64_MAX:
        raise OVERFLOW
    _put(call, found, field, b"%d" % number, b"hincrby")
    return number


@COMMANDS.command(
    "hincrbyfloat",
    arity=4,
    flags=_FLAGS,
    keys=ONE_KEY,
    group="hash",
    since="2.6.0",
    complexity="O(1)",
    key_access=("RW ACCESS UPDATE",),
    arguments=(key(), word("field"), word("increment", "double")),
)
def hincrbyfloat(call: Call) -> Reply:
    """Adds a decimal fraction to the number in a field of a hash; a missing field counts as 0."""
    _, name, field, increment = call.argv
    step = long_double.parse(increment)
    if step is None:
        raise NOT_A_FLOAT
    if step.infinite:
        raise RedisError(b"ERR value is NaN or Infinity")
    found = hashes.find(call.db, name)
    old = found.get(field) if found is not None else None
    number = long_double.parse(old) if old is not None else long_double.LongDouble(0, 0)
    if number is None:
        raise _NO_FLOAT
    total = number + step
    if total.infinite:
        raise RedisError(b"ERR increment would produce NaN or Infinity")
    text = total.text()
    _put(call, found, field, text, b"hincrbyfloat")
    return text
