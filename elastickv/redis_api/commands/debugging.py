"""DEBUG, as far as client libraries and people need it."""

from __future__ import annotations

import asyncio
from typing import Final

from elastickv.redis_api.argument_docs import key, word
from elastickv.redis_api.arguments import string_to_float
from elastickv.redis_api.errors import NO_SUCH_KEY, NOT_A_FLOAT, RedisError, unknown_subcommand
from elastickv.redis_api.registry import COMMANDS, Flag, KeySpan, Reply
from elastickv.redis_api.replies import OK, Simple
from elastickv.redis_api.session import Call, Later

_ADMIN: Final = Flag.ADMIN | Flag.NOSCRIPT | Flag.LOADING | Flag.STALE


@COMMANDS.command(
    "debug",
    arity=-2,
    flags=_ADMIN,
    group="server",
    since="1.0.0",
    summary="A container for debugging commands.",
    complexity="Depends on subcommand.",
)
def debug(call: Call) -> Reply:
    raise unknown_subcommand(call.argv[0], call.argv[1])


@COMMANDS.command(
    "debug|sleep",
    arity=3,
    flags=_ADMIN | Flag.LOCAL | Flag.SESSION,
    group="server",
    since="1.0.0",
    summary="Answers after some seconds; only this connection waits.",
    arguments=(word("seconds", "double"),),
)
def debug_sleep(call: Call) -> Reply:
    seconds = string_to_float(call.argv[2])
    if seconds is None or seconds < 0:
        raise NOT_A_FLOAT
    if call.session.in_exec:
        raise RedisError(b"ERR DEBUG SLEEP inside MULTI is not allowed")
    return Later(_sleep(min(seconds, 86400.0)))


async def _sleep(seconds: float) -> Reply:
    await asyncio.sleep(seconds)
    return OK


@COMMANDS.command(
    "debug|object",
    arity=3,
    flags=_ADMIN | Flag.READONLY,
    keys=KeySpan(2, 2, 1),
    key_access=("RO",),
    group="server",
    since="1.0.0",
    summary="Tells how a key is stored.",
    arguments=(key(),),
)
def debug_object(call: Call) -> Reply:
    record = call.db.lookup(call.argv[2])
    if record is None:
        raise NO_SUCH_KEY
    return Simple(b"type:%d serializedlength:%d deadline:%d" % (record.type, len(record.raw), record.deadline))


@COMMANDS.command(
    "debug|error",
    arity=3,
    flags=_ADMIN | Flag.LOCAL,
    group="server",
    since="1.0.0",
    summary="Answers with this error, for tests of client libraries.",
    arguments=(word("message"),),
)
def debug_error(call: Call) -> Reply:
    raise RedisError(call.argv[2])
