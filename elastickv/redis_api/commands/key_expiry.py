"""Deadlines of keys: EXPIRE and its siblings, the TTL family, PERSIST.

A deadline is an absolute millisecond, computed on the leader from its clock at the moment of the command. One that is
not in the future deletes the key.
"""

from __future__ import annotations

from typing import Final

from elastickv.redis_api.argument_docs import Argument, integer, key, oneof, token, word
from elastickv.redis_api.arguments import INT64_MAX, INT64_MIN
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, Reply
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events

_HISTORY: Final = (("7.0.0", "Options NX, XX, GT and LT."),)
_CONDITIONS: Final = frozenset((b"NX", b"XX", b"GT", b"LT"))
_ABSENT: Final = -2
_NO_DEADLINE: Final = -1


def _arguments(time: Argument) -> tuple[Argument, ...]:
    condition = oneof("condition", token("NX"), token("XX"), token("GT"), token("LT"), since="7.0.0", optional=True)
    return (key(), time, condition)


def _expire(call: Call, name: str, unit: int, base: int) -> Reply:
    argv = call.argv
    conditions = _conditions(argv[3:])
    time = read_integer(argv[2])
    # C's division: towards zero.
    if not -(-INT64_MIN // unit) <= time <= INT64_MAX // unit or time * unit > INT64_MAX - base:
        raise RedisError(b"ERR invalid expire time in '%b' command" % name.encode())
    deadline = time * unit + base
    record = call.db.lookup(argv[1])
    if record is None or not _holds(conditions, record.deadline, deadline):
        return 0
    if deadline <= call.view.now_ms:
        call.db.remove(record)
        call.db.notify(events.GENERIC, b"del", argv[1])
    else:
        call.db.set_deadline(record, deadline)
        call.db.notify(events.GENERIC, b"expire", argv[1])
    return 1


def _conditions(words: list[bytes]) -> set[bytes]:
    conditions: set[bytes] = set()
    for text in words:
        option = text.upper()
        if option not in _CONDITIONS:
            raise RedisError(b"ERR Unsupported option %b" % text.partition(b"\0")[0])
        conditions.add(option)
    if b"NX" in conditions and len(conditions) > 1:
        raise RedisError(b"ERR NX and XX, GT or LT options at the same time are not compatible")
    if b"GT" in conditions and b"LT" in conditions:
        raise RedisError(b"ERR GT and LT options at the same time are not compatible")
    return conditions


def _holds(conditions: set[bytes], present: int, deadline: int) -> bool:
    """No deadline at all counts as one that is infinitely far away."""
    if b"NX" in conditions and present:
        return False
    if b"XX" in conditions and not present:
        return False
    if b"GT" in conditions and (not present or deadline <= present):
        return False
    return not (b"LT" in conditions and present and deadline >= present)


@COMMANDS.command(
    "expire",
    arity=-3,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="generic",
    since="1.0.0",
    complexity="O(1)",
    key_access=("RW UPDATE",),
    history=_HISTORY,
    arguments=_arguments(integer("seconds")),
)
def expire(call: Call) -> Reply:
    """Lets a key expire after so many seconds."""
    return _expire(call, "expire", 1000, call.view.now_ms)


@COMMANDS.command(
    "pexpire",
    arity=-3,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="generic",
    since="2.6.0",
    complexity="O(1)",
    key_access=("RW UPDATE",),
    history=_HISTORY,
    arguments=_arguments(integer("milliseconds")),
)
def pexpire(call: Call) -> Reply:
    """Lets a key expire after so many milliseconds."""
    return _expire(call, "pexpire", 1, call.view.now_ms)


@COMMANDS.command(
    "expireat",
    arity=-3,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="generic",
    since="1.2.0",
    complexity="O(1)",
    key_access=("RW UPDATE",),
    history=_HISTORY,
    arguments=_arguments(word("unix-time-seconds", "unix-time")),
)
def expireat(call: Call) -> Reply:
    """Lets a key expire at a Unix time in seconds."""
    return _expire(call, "expireat", 1000, 0)


@COMMANDS.command(
    "pexpireat",
    arity=-3,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="generic",
    since="2.6.0",
    complexity="O(1)",
    key_access=("RW UPDATE",),
    history=_HISTORY,
    arguments=_arguments(word("unix-time-milliseconds", "unix-time")),
)
def pexpireat(call: Call) -> Reply:
    """Lets a key expire at a Unix time in milliseconds."""
    return _expire(call, "pexpireat", 1, 0)


@COMMANDS.command(
    "persist",
    arity=2,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="generic",
    since="2.2.0",
    complexity="O(1)",
    key_access=("RW UPDATE",),
    arguments=(key(),),
)
def persist(call: Call) -> Reply:
    """Takes a key's deadline away."""
    record = call.db.lookup(call.argv[1])
    if record is None or not record.deadline:
        return 0
    call.db.set_deadline(record, 0)
    call.db.notify(events.GENERIC, b"persist", call.argv[1])
    return 1


def _deadline(call: Call) -> int:
    """The key's deadline, _NO_DEADLINE or _ABSENT."""
    record = call.db.read(call.argv[1])
    if record is None:
        return _ABSENT
    return record.deadline or _NO_DEADLINE


def _seconds(milliseconds: int) -> int:
    return (milliseconds + 500) // 1000


@COMMANDS.command(
    "ttl",
    arity=2,
    flags=Flag.READONLY | Flag.FAST,
    keys=ONE_KEY,
    group="generic",
    since="1.0.0",
    complexity="O(1)",
    key_access=("RO ACCESS",),
    history=(("2.8.0", "-2 for a key that does not exist."),),
    arguments=(key(),),
)
def ttl(call: Call) -> Reply:
    """Returns how many seconds a key has left; -1 when it does not expire, -2 when it does not exist."""
    deadline = _deadline(call)
    return _seconds(deadline - call.view.now_ms) if deadline > 0 else deadline


@COMMANDS.command(
    "pttl",
    arity=2,
    flags=Flag.READONLY | Flag.FAST,
    keys=ONE_KEY,
    group="generic",
    since="2.6.0",
    complexity="O(1)",
    key_access=("RO ACCESS",),
    history=(("2.8.0", "-2 for a key that does not exist."),),
    arguments=(key(),),
)
def pttl(call: Call) -> Reply:
    """Returns how many milliseconds a key has left; -1 when it does not expire, -2 when it does not exist."""
    deadline = _deadline(call)
    return deadline - call.view.now_ms if deadline > 0 else deadline


@COMMANDS.command(
    "expiretime",
    arity=2,
    flags=Flag.READONLY | Flag.FAST,
    keys=ONE_KEY,
    group="generic",
    since="7.0.0",
    complexity="O(1)",
    key_access=("RO ACCESS",),
    arguments=(key(),),
)
def expiretime(call: Call) -> Reply:
    """Returns a key's deadline as a Unix time in seconds; -1 when it has none, -2 when the key does not exist."""
    deadline = _deadline(call)
    return _seconds(deadline) if deadline > 0 else deadline


@COMMANDS.command(
    "pexpiretime",
    arity=2,
    flags=Flag.READONLY | Flag.FAST,
    keys=ONE_KEY,
    group="generic",
    since="7.0.0",
    complexity="O(1)",
    key_access=("RO ACCESS",),
    arguments=(key(),),
)
def pexpiretime(call: Call) -> Reply:
    """Returns a key's deadline as a Unix time in milliseconds; -1 when it has none, -2 when the key does not exist."""
    return _deadline(call)
