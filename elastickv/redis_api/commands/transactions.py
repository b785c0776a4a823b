"""MULTI, EXEC, DISCARD, WATCH, UNWATCH.

Queueing is done by `dispatch`, on whichever node the client is connected to. EXEC runs the queue in one turn of the
executor: nothing comes in between, and all its writes are in one log entry.
"""

from __future__ import annotations

from elastickv.redis_api.errors import (
    DISCARD_WITHOUT_MULTI,
    EXEC_ABORT,
    EXEC_WITHOUT_MULTI,
    NESTED_MULTI,
    WATCH_INSIDE_MULTI,
)
from elastickv.redis_api.registry import ALL_KEYS, COMMANDS, Flag, Reply
from elastickv.redis_api.replies import NULL_ARRAY, OK, Raw, encode
from elastickv.redis_api.session import Call
from elastickv.redis_api.traits import RUN_SCRIPTS

_COMMON = Flag.NOSCRIPT | Flag.LOADING | Flag.STALE | Flag.FAST | Flag.ALLOW_BUSY | Flag.SESSION


@COMMANDS.command(
    "multi",
    arity=1,
    flags=_COMMON | Flag.LOCAL,
    group="transactions",
    since="1.2.0",
    summary="Starts a transaction.",
    complexity="O(1)",
)
def multi(call: Call) -> Reply:
    session = call.session
    if session.queue is not None:
        raise NESTED_MULTI
    session.queue = []
    session.queue_failed = False
    session.settle_mode()
    return OK


@COMMANDS.command(
    "exec",
    arity=1,
    flags=Flag.NOSCRIPT | Flag.LOADING | Flag.STALE | Flag.SKIP_SLOWLOG | Flag.SESSION,
    group="transactions",
    since="1.2.0",
    summary="Executes all commands in a transaction.",
    complexity="Depends on commands in the transaction",
)
def exec(call: Call) -> Reply:
    session = call.session
    queue = session.queue
    if queue is None:
        raise EXEC_WITHOUT_MULTI
    failed = session.queue_failed
    dirty = is_dirty(call)
    session.end_transaction()
    if failed:
        raise EXEC_ABORT
    if dirty:
        return NULL_ARRAY
    return run_queue(call, queue)


def is_dirty(call: Call) -> bool:
    """A watched key changed since WATCH, or its time came since then."""
    session = call.session
    return session.dirty or any(not watched.expired and watched.past_deadline() for watched in session.watched.values())


def run_queue(call: Call, queue: list[list[bytes]]) -> Reply:
    """The replies; `Later` when scripts among the commands take long, and then EXEC as a whole steps aside."""
    if any(argv[0][:1] in b"eEfF" and argv[0].lower() in RUN_SCRIPTS for argv in queue):
        return call.state.scripts.slices.run(lambda: _run_all(call, queue))
    return _run_all(call, queue)


def _run_all(call: Call, queue: list[list[bytes]]) -> Reply:
    """Each reply is encoded at once, because HELLO may change the protocol for those behind it."""
    session = call.session
    session.in_exec = True
    try:
        replies = [encode(session.perform(call, argv), call.protocol) for argv in queue]
    finally:
        session.in_exec = False
    return Raw(b"*%d\r\n%b" % (len(replies), b"".join(replies)))


@COMMANDS.command(
    "discard",
    arity=1,
    flags=_COMMON | Flag.LOCAL,
    group="transactions",
    since="2.0.0",
    summary="Discards a transaction.",
    complexity="O(N), when N is the number of queued commands",
)
def discard(call: Call) -> Reply:
    if call.session.queue is None:
        raise DISCARD_WITHOUT_MULTI
    call.session.end_transaction()
    return OK


@COMMANDS.command(
    "watch",
    arity=-2,
    flags=_COMMON,
    keys=ALL_KEYS,
    key_access=("RO",),
    group="transactions",
    since="2.2.0",
    summary="Monitors changes to keys to determine the execution of a transaction.",
    complexity="O(1) for every key.",
    arguments=({"name": "key", "type": "key", "key_spec_index": 0, "flags": ("multiple",)},),
)
def watch(call: Call) -> Reply:
    session = call.session
    if session.queue is not None:
        raise WATCH_INSIDE_MULTI
    if not session.dirty:  # EXEC will answer nil whatever else is watched
        for key in call.argv[1:]:
            session.watch(key)
    return OK


@COMMANDS.command(
    "unwatch",
    arity=1,
    flags=_COMMON | Flag.LOCAL,
    group="transactions",
    since="2.2.0",
    summary="Forgets about watched keys of a transaction.",
    complexity="O(1)",
)
def unwatch(call: Call) -> Reply:
    call.session.unwatch()
    return OK
