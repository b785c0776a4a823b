"""The server group, as far as it is about data and the node: sizes, flushes, roles, snapshots, shutdown.

What replication means in Redis' words: the leader is the master, every other member a replica of it. There is no way
to make a node follow another by command; membership is changed through RaftAdmin, and the commands that would do it
in Redis say so.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from elastickv.errors import Fault, KvError
from elastickv.kv.ports import MemberStatus
from elastickv.redis_api.argument_docs import integer, oneof, token
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.arguments import positive, string_to_integer
from elastickv.redis_api.errors import (
    DB_OUT_OF_RANGE,
    NOT_AN_INTEGER,
    SYNTAX,
    RedisError,
    from_fault,
)
from elastickv.redis_api.registry import COMMANDS, NO_KEYS, Flag, Reply
from elastickv.redis_api.replies import NO_REPLY, OK, Simple
from elastickv.redis_api.session import Call, Later, Session
from elastickv.redis_api.state import ServerState
from elastickv.redis_api.tracking import FLUSHED

log = logging.getLogger(__name__)

_ADMIN: Final = Flag.ADMIN | Flag.NOSCRIPT | Flag.LOADING | Flag.STALE
_POLL_SECONDS: Final = 0.005

_BAD_TIMEOUT: Final = RedisError(b"ERR timeout is not an integer or out of range")
_NEGATIVE_TIMEOUT: Final = RedisError(b"ERR timeout is negative")

_background: set[asyncio.Task[None]] = set()
"""Snapshots on their way: the loop itself keeps only weak references to tasks."""


@COMMANDS.command(
    "dbsize",
    arity=1,
    flags=Flag.READONLY | Flag.FAST,
    group="server",
    since="1.0.0",
    summary="Returns the number of keys in the database.",
    complexity="O(1)",
    categories=("keyspace",),
)
def dbsize(call: Call) -> Reply:
    return call.db.sizes()[0]


def _flush_option(call: Call) -> None:
    """ASYNC and SYNC are the same here: one record is written, and the purge runs behind."""
    argv = call.argv
    if len(argv) > 2 or (len(argv) == 2 and argv[1].upper() not in (b"ASYNC", b"SYNC")):
        raise SYNTAX


_FLUSH_ARGUMENTS: Final = (
    oneof("flush-type", token("ASYNC", since="4.0.0"), token("SYNC", since="6.2.0"), optional=True),
)


@COMMANDS.command(
    "flushdb",
    arity=-1,
    flags=Flag.WRITE,
    keys=NO_KEYS,
    group="server",
    since="1.0.0",
    summary="Remove all keys from the current database.",
    complexity="O(1); the keys are purged in the background",
    categories=("keyspace", "dangerous"),
    arguments=_FLUSH_ARGUMENTS,
)
def flushdb(call: Call) -> Reply:
    _flush_option(call)
    call.databases.flush([call.db.number])
    call.state.outgoing.append(FLUSHED)
    return OK


@COMMANDS.command(
    "flushall",
    arity=-1,
    flags=Flag.WRITE,
    keys=NO_KEYS,
    group="server",
    since="1.0.0",
    summary="Removes all keys from all databases.",
    complexity="O(1) for each database; the keys are purged in the background",
    categories=("keyspace", "dangerous"),
    arguments=_FLUSH_ARGUMENTS,
)
def flushall(call: Call) -> Reply:
    _flush_option(call)
    call.databases.flush(range(len(call.databases.numbered)))
    call.state.outgoing.append(FLUSHED)
    return OK


@COMMANDS.command(
    "swapdb",
    arity=3,
    flags=Flag.WRITE | Flag.FAST,
    keys=NO_KEYS,
    group="server",
    since="4.0.0",
    summary="Swaps two Redis databases.",
    complexity="O(1)",
    categories=("keyspace", "dangerous"),
    arguments=(integer("index1"), integer("index2")),
)
def swapdb(call: Call) -> Reply:
    first = string_to_integer(call.argv[1])
    if first is None:
        raise RedisError(b"ERR invalid first DB index")
    second = string_to_integer(call.argv[2])
    if second is None:
        raise RedisError(b"ERR invalid second DB index")
    count = len(call.databases.numbered)
    if not (0 <= first < count and 0 <= second < count):
        raise DB_OUT_OF_RANGE
    call.databases.swap(first, second)
    call.state.outgoing.append(FLUSHED)
    return OK


@COMMANDS.command(
    "time",
    arity=1,
    flags=Flag.LOADING | Flag.STALE | Flag.FAST | Flag.LOCAL,
    group="server",
    since="2.6.0",
    summary="Returns the server time.",
    complexity="O(1)",
)
def time(call: Call) -> Reply:
    """The wall clock of this node, which counts milliseconds."""
    seconds, milliseconds = divmod(call.state.clock.wall_ms(), 1000)
    return [b"%d" % seconds, b"%d" % (milliseconds * 1000)]


# replication


def redis_address(state: ServerState, raft_address: str) -> tuple[str, int]:
    """Host and port of a member's Redis door; of its Raft door when --raftRedisMap does not know it."""
    host, _, port = state.facts.redis_map.get(raft_address, raft_address).rpartition(":")
    return host.strip("[]"), int(port) if port.isdigit() else 0


def replicas(state: ServerState) -> list[MemberStatus]:
    """All other members, as the leader sees them."""
    return [member for member in state.control.status().members if member.id != state.facts.id]


@COMMANDS.command(
    "role",
    arity=1,
    flags=Flag.NOSCRIPT | Flag.LOADING | Flag.STALE | Flag.FAST | Flag.LOCAL,
    group="server",
    since="2.8.12",
    summary="Returns the replication role.",
    complexity="O(1)",
    categories=("admin", "dangerous"),
)
def role(call: Call) -> Reply:
    state = call.state
    status = state.control.status()
    if state.store.serving:
        slaves = []
        for member in replicas(state):
            host, port = redis_address(state, member.address)
            slaves.append([host.encode(), b"%d" % port, b"%d" % (member.match_index or 0)])
        return [b"master", status.last_log_index, slaves]
    leader = state.leader()
    if leader is None or leader.id == state.facts.id:
        return [b"slave", b"", 0, b"connect", -1]
    host, port = redis_address(state, leader.address)
    return [b"slave", host.encode(), port, b"connected", status.applied_index]


@COMMANDS.command(
    "wait",
    arity=3,
    flags=Flag.NOSCRIPT | Flag.BLOCKING,
    group="generic",
    since="3.0.0",
    summary="Blocks until the asynchronous replication of all preceding write commands sent by the connection is "
    "completed.",
    complexity="O(1)",
    categories=("connection",),
    arguments=(integer("numreplicas"), integer("timeout")),
)
def wait(call: Call) -> Reply:
    """A write that was answered is on a majority already; WAIT asks for more members, and tells how many there are."""
    number = string_to_integer(call.argv[1])
    if number is None:
        raise NOT_AN_INTEGER
    timeout = string_to_integer(call.argv[2])
    if timeout is None:
        raise _BAD_TIMEOUT
    if timeout < 0:
        raise _NEGATIVE_TIMEOUT
    if call.session.in_exec:
        return _acknowledged(call.state, call.state.control.status().last_log_index)
    return Later(_wait(call.session, number, timeout / 1000))


@COMMANDS.command(
    "waitaof",
    arity=4,
    flags=Flag.NOSCRIPT | Flag.BLOCKING,
    group="generic",
    since="7.2.0",
    summary="Blocks until all of the preceding write commands sent by the connection are written to the append-only "
    "file of the master and/or replicas.",
    complexity="O(1)",
    categories=("connection",),
    arguments=(integer("numlocal"), integer("numreplicas"), integer("timeout")),
)
def waitaof(call: Call) -> Reply:
    """A write that was answered is synced on a majority; asked for more members, they are counted as by WAIT, because
    a member acknowledges what its disk has."""
    if not 0 <= read_integer(call.argv[1]) <= 1:
        raise RedisError(b"ERR value is out of range, value must between 0 and 1")
    number = positive(call.argv[2])
    timeout = string_to_integer(call.argv[3])
    if timeout is None:
        raise _BAD_TIMEOUT
    if timeout < 0:
        raise _NEGATIVE_TIMEOUT
    if call.session.in_exec:
        return [1, _acknowledged(call.state, call.state.control.status().last_log_index)]
    return Later(_wait_synced(call.session, number, timeout / 1000))


async def _wait_synced(session: Session, number: int, timeout: float) -> Reply:
    reply = await _wait(session, number, timeout)
    return [1, reply] if isinstance(reply, int) else reply


def _acknowledged(state: ServerState, index: int) -> int:
    return sum((member.match_index or 0) >= index for member in replicas(state))


async def _wait(session: Session, number: int, timeout: float) -> Reply:
    state = session.state
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout if timeout else float("inf")
    # First everything this client wrote must be in the log and committed: its replies have left then.
    while session.link.figures().output_parts and state.store.serving:  # noqa: ASYNC110 - it is a condition of others
        await asyncio.sleep(_POLL_SECONDS)
    index = state.control.status().last_log_index
    while True:
        count = _acknowledged(state, index)
        if count >= number or loop.time() >= deadline:
            return count
        if not state.store.serving:
            return from_fault(KvError(Fault.NO_QUORUM, "this node does not lead any more"))
        await asyncio.sleep(_POLL_SECONDS)


# snapshots


async def _snapshot(state: ServerState) -> None:
    await state.control.snapshot()
    state.last_save_unix = state.clock.wall_ms() // 1000


async def _save(state: ServerState) -> Reply:
    await _snapshot(state)
    return OK


async def _save_in_background(state: ServerState) -> None:
    state.saving = True
    started = state.clock.monotonic()
    try:
        await _snapshot(state)
        state.last_save_failed = False
    except KvError as error:
        state.last_save_failed = True
        log.error("the snapshot that a client asked for failed: %s", error.message)
    finally:
        state.saving = False
        state.last_save_seconds = round(state.clock.monotonic() - started)


@COMMANDS.command(
    "save",
    arity=1,
    flags=Flag.ADMIN | Flag.NOSCRIPT | Flag.NO_MULTI | Flag.LOCAL | Flag.SESSION,
    group="server",
    since="1.0.0",
    summary="Flushes this node's state to disk, makes a snapshot and cuts the log.",
    complexity="O(N) where N is the total number of keys in all databases",
)
def save(call: Call) -> Reply:
    if call.state.saving:
        raise RedisError(b"ERR Background save already in progress")
    return Later(_save(call.state))


def _start_background_save(state: ServerState) -> None:
    if state.saving:
        raise RedisError(b"ERR Background save already in progress")
    task = asyncio.get_running_loop().create_task(_save_in_background(state))
    _background.add(task)
    task.add_done_callback(_background.discard)


@COMMANDS.command(
    "bgsave",
    arity=-1,
    flags=Flag.ADMIN | Flag.NOSCRIPT | Flag.LOCAL,
    group="server",
    since="1.0.0",
    summary="As SAVE, in the background.",
    complexity="O(1)",
    arguments=(token("SCHEDULE", since="3.2.2", optional=True),),
)
def bgsave(call: Call) -> Reply:
    argv = call.argv
    if len(argv) > 2 or (len(argv) == 2 and argv[1].upper() != b"SCHEDULE"):
        raise SYNTAX
    _start_background_save(call.state)
    return Simple(b"Background saving started")


@COMMANDS.command(
    "bgrewriteaof",
    arity=1,
    flags=Flag.ADMIN | Flag.NOSCRIPT | Flag.LOCAL,
    group="server",
    since="1.0.0",
    summary="Makes a snapshot and cuts the log, in the background.",
    complexity="O(1)",
)
def bgrewriteaof(call: Call) -> Reply:
    _start_background_save(call.state)
    return Simple(b"Background append only file rewriting started")


@COMMANDS.command(
    "lastsave",
    arity=1,
    flags=Flag.LOADING | Flag.STALE | Flag.FAST | Flag.LOCAL,
    group="server",
    since="1.0.0",
    summary="Returns the Unix timestamp of the last successful save to disk.",
    complexity="O(1)",
    categories=("admin", "dangerous"),
)
def lastsave(call: Call) -> Reply:
    return call.state.last_save_unix


# the node


@COMMANDS.command(
    "shutdown",
    arity=-1,
    flags=_ADMIN | Flag.NO_MULTI | Flag.ALLOW_BUSY | Flag.LOCAL | Flag.SESSION,
    group="server",
    since="1.0.0",
    summary="Hands the lead over, drains, and stops this node.",
    complexity="O(1)",
    arguments=(
        oneof("save-selector", token("NOSAVE"), token("SAVE"), optional=True),
        token("NOW", since="7.0.0", optional=True),
        token("FORCE", since="7.0.0", optional=True),
        token("ABORT", since="7.0.0", optional=True),
    ),
)
def shutdown(call: Call) -> Reply:
    """Everything acknowledged is on disk at all times, so all the ways to stop are the same graceful one."""
    options = [one.upper() for one in call.argv[1:]]
    known = {b"NOSAVE", b"SAVE", b"NOW", b"FORCE", b"ABORT"}
    if not set(options) <= known or {b"SAVE", b"NOSAVE"} <= set(options):
        raise SYNTAX
    if b"ABORT" in options:
        if len(options) > 1:
            raise SYNTAX
        raise RedisError(b"ERR No shutdown in progress.")
    return Later(_shut_down(call.session))


async def _shut_down(session: Session) -> Reply:
    log.info("client %d asked this node to stop", session.id)
    await session.state.control.shutdown()
    session.link.close_after_replies()
    return NO_REPLY
