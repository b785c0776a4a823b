"""LATENCY, SLOWLOG, MEMORY: what this node knows about itself. Reports that would be guesses are errors."""

from __future__ import annotations

import gc
from itertools import islice
from typing import Final

from elastickv.kv.keyspace import prefix_end
from elastickv.redis_api import latency_report
from elastickv.redis_api.argument_docs import integer, key, word
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.commands.info import counted, peak_bytes, resident_bytes
from elastickv.redis_api.errors import SYNTAX, RedisError, unknown_subcommand
from elastickv.redis_api.registry import COMMANDS, Flag, KeySpan, Reply
from elastickv.redis_api.replies import OK, Simple, Verbatim
from elastickv.redis_api.session import Call
from elastickv.redis_api.values.collections import elements, incarnation_of
from elastickv.redis_api.values.kinds import KINDS
from elastickv.redis_api.values.records import Record, RecordType

_ADMIN: Final = Flag.ADMIN | Flag.NOSCRIPT | Flag.LOADING | Flag.STALE | Flag.LOCAL
_SLOWLOG: Final = Flag.ADMIN | Flag.LOADING | Flag.STALE | Flag.LOCAL
_MEMORY: Final = Flag.NONE | Flag.LOCAL

_BAD_COUNT: Final = RedisError(b"ERR count should be greater than or equal to -1")
_RECORD_OVERHEAD: Final = 96
_SAMPLES: Final = 5
"""Redis' default."""
"""Roughly what an entry of the memtable costs beside key and value: two bytes objects and their place in a dict."""


def _container(name: str, since: str, summary: str) -> None:
    @COMMANDS.command(name, arity=-2, flags=Flag.NONE, group="server", since=since, summary=summary)
    def container(call: Call) -> Reply:
        raise unknown_subcommand(call.argv[0], call.argv[1])


def _help(name: str, since: str, *lines: bytes) -> None:
    shown = [Simple(line) for line in lines]

    @COMMANDS.command(
        f"{name}|help",
        arity=2,
        flags=Flag.LOADING | Flag.STALE | Flag.LOCAL,
        group="server",
        since=since,
        summary="Returns helpful text about the different subcommands.",
        complexity="O(1)",
    )
    def help(_: Call) -> Reply:
        return shown


# LATENCY

_container("latency", "2.8.13", "A container for latency diagnostics commands.")
_help(
    "latency",
    "2.8.13",
    b"LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"DOCTOR",
    b"    Return a human readable latency analysis report.",
    b"GRAPH <event>",
    b"    Return an ASCII latency graph for the <event> class.",
    b"HISTORY <event>",
    b"    Return time-latency samples for the <event> class.",
    b"LATEST",
    b"    Return the latest latency samples for all events.",
    b"RESET [<event> ...]",
    b"    Reset latency data of one or more <event> classes.",
    b"    (default: reset all data for all event classes)",
    b"HISTOGRAM [COMMAND ...]",
    b"    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
    b"    If no commands are specified then all histograms are replied.",
    b"HELP",
    b"    Print this help.",
)


@COMMANDS.command(
    "latency|latest",
    arity=2,
    flags=_ADMIN,
    group="server",
    since="2.8.13",
    summary="Returns the latest latency samples for all events.",
    complexity="O(1)",
)
def latency_latest(call: Call) -> Reply:
    monitor = call.state.latency
    return [[event.encode(), *history[-1], monitor.worst[event]] for event, history in monitor.events.items()]


@COMMANDS.command(
    "latency|history",
    arity=3,
    flags=_ADMIN,
    group="server",
    since="2.8.13",
    summary="Returns timestamp-latency samples for an event.",
    complexity="O(1)",
    arguments=(word("event"),),
)
def latency_history(call: Call) -> Reply:
    event = call.argv[2].decode("latin-1")
    return [list(sample) for sample in call.state.latency.events.get(event, ())]


@COMMANDS.command(
    "latency|reset",
    arity=-2,
    flags=_ADMIN,
    group="server",
    since="2.8.13",
    summary="Resets the latency data for one or more events.",
    complexity="O(1)",
    arguments=(word("event", optional=True, multiple=True),),
)
def latency_reset(call: Call) -> Reply:
    return call.state.latency.reset([event.decode("latin-1") for event in call.argv[2:]])


@COMMANDS.command(
    "latency|histogram",
    arity=-2,
    flags=_ADMIN,
    group="server",
    since="7.0.0",
    summary="Returns the cumulative distribution of latencies of a subset or all commands.",
    complexity="O(N) where N is the number of commands with latency information being retrieved.",
    arguments=(word("COMMAND", optional=True, multiple=True),),
)
def latency_histogram(call: Call) -> Reply:
    commands = call.state.commands
    names = [word.decode("latin-1").lower() for word in call.argv[2:]]
    if not names:
        chosen = list(commands.values())
    else:
        # A container stands for all its subcommands.
        chosen = [
            stats
            for name in names
            for stats in commands.values()
            if stats.name == name or stats.name.startswith(name + "|")
        ]
    return {
        stats.name.encode(): {b"calls": stats.calls, b"histogram_usec": stats.histogram()}
        for stats in chosen
        if stats.calls and call.state.latency_tracking
    }


@COMMANDS.command(
    "latency|graph",
    arity=3,
    flags=_ADMIN,
    group="server",
    since="2.8.13",
    summary="Returns a latency graph for an event.",
    complexity="O(1)",
    arguments=(word("event"),),
)
def latency_graph(call: Call) -> Reply:
    event = call.argv[2].decode("latin-1")
    history = call.state.latency.events.get(event)
    if not history:
        raise RedisError(b"ERR No samples available for event '%b'" % call.argv[2])
    return latency_report.graph(event, list(history), call.state.clock.wall_ms() // 1000).encode("latin-1")


@COMMANDS.command(
    "latency|doctor",
    arity=2,
    flags=_ADMIN,
    group="server",
    since="2.8.13",
    summary="Returns a human-readable latency analysis report.",
    complexity="O(1)",
)
def latency_doctor(call: Call) -> Reply:
    return Verbatim(b"txt", latency_report.analysis(call.state.latency).encode())


# SLOWLOG

_container("slowlog", "2.2.12", "A container for slow log commands.")
_help(
    "slowlog",
    "6.2.0",
    b"SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"GET [<count>]",
    b"    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
    b"    Entries are made of:",
    b"    id, timestamp, time in microseconds, arguments array, client IP and port,",
    b"    client name",
    b"LEN",
    b"    Return the length of the slowlog.",
    b"RESET",
    b"    Reset the slowlog.",
    b"HELP",
    b"    Print this help.",
)


@COMMANDS.command(
    "slowlog|get",
    arity=-2,
    flags=_SLOWLOG,
    group="server",
    since="2.2.12",
    summary="Returns the slow log's entries.",
    complexity="O(N) where N is the number of entries returned",
    arguments=(integer("count", optional=True),),
)
def slowlog_get(call: Call) -> Reply:
    argv = call.argv
    if len(argv) > 3:
        raise SYNTAX
    count = read_integer(argv[2], _BAD_COUNT) if len(argv) == 3 else 10
    if count < -1:
        raise _BAD_COUNT
    entries = list(call.state.slow_log.entries)
    return [
        [one.id, one.unix_seconds, one.microseconds, one.argv, one.address, one.client_name]
        for one in (entries if count == -1 else entries[:count])
    ]


@COMMANDS.command(
    "slowlog|len",
    arity=2,
    flags=_SLOWLOG,
    group="server",
    since="2.2.12",
    summary="Returns the number of entries in the slow log.",
    complexity="O(1)",
)
def slowlog_len(call: Call) -> Reply:
    return len(call.state.slow_log.entries)


@COMMANDS.command(
    "slowlog|reset",
    arity=2,
    flags=_SLOWLOG,
    group="server",
    since="2.2.12",
    summary="Clears all entries from the slow log.",
    complexity="O(N) where N is the number of entries in the slowlog",
)
def slowlog_reset(call: Call) -> Reply:
    call.state.slow_log.entries.clear()
    return OK


@COMMANDS.command(
    "monitor",
    arity=1,
    flags=Flag.ADMIN | Flag.NOSCRIPT | Flag.LOADING | Flag.STALE | Flag.LOCAL | Flag.SESSION,
    group="server",
    since="1.0.0",
    summary="Listens for all requests received by the server in real-time.",
)
def monitor(call: Call) -> Reply:
    """Of the clients of this node; RESET or the end of the connection ends it."""
    if call.session.in_exec:
        raise RedisError(b"ERR MONITOR isn't allowed for DENY BLOCKING client")
    call.state.monitors[call.session] = None
    return OK


# MEMORY

_container("memory", "4.0.0", "A container for memory diagnostics commands.")
_help(
    "memory",
    "4.0.0",
    b"MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"DOCTOR",
    b"    Return memory problems reports.",
    b"MALLOC-STATS",
    b"    Return internal statistics report from the memory allocator.",
    b"PURGE",
    b"    Attempt to give unused memory back.",
    b"STATS",
    b"    Return information about the memory usage of the server.",
    b"USAGE <key> [SAMPLES <count>]",
    b"    Return memory in bytes used by <key> and its value.",
    b"HELP",
    b"    Print this help.",
)


@COMMANDS.command(
    "memory|usage",
    arity=-3,
    flags=Flag.READONLY,
    keys=KeySpan(2, 2, 1),
    key_access=("RO",),
    group="server",
    since="4.0.0",
    summary="Estimates the memory usage of a key.",
    complexity="O(N) for N samples",
    arguments=(key(), integer("count", token="SAMPLES", optional=True)),
)
def memory_usage(call: Call) -> Reply:
    """The record, its key and its elements as they lie in memory before they are flushed; on disk they take less."""
    argv = call.argv
    if len(argv) not in (3, 5) or (len(argv) == 5 and argv[3].upper() != b"SAMPLES"):
        raise SYNTAX
    samples = read_integer(argv[4]) if len(argv) == 5 else _SAMPLES
    if samples < 0:
        raise SYNTAX
    record = call.db.lookup(argv[2])
    if record is None:
        return None
    return len(record.physical) + len(record.raw) + _RECORD_OVERHEAD + _elements_size(call, record, samples)


def _elements_size(call: Call, record: Record, samples: int) -> int:
    """Bytes of what lies apart from the record; from a few elements, or from all when `samples` is 0."""
    incarnation = incarnation_of(record.raw)
    if incarnation is None:
        return 0
    prefix = elements(incarnation)
    sizes = (
        len(where) + len(stored) + _RECORD_OVERHEAD for where, stored in call.view.scan(prefix, prefix_end(prefix))
    )
    if not samples or record.type is RecordType.LIST:
        # A list has few records, each with many elements.
        return sum(sizes)
    looked_at = list(islice(sizes, samples))
    each = 2 if record.type is RecordType.ZSET else 1
    return sum(looked_at) * KINDS[record.type].count(call.db, record) * each // max(len(looked_at), 1)


@COMMANDS.command(
    "memory|stats",
    arity=2,
    flags=_MEMORY,
    group="server",
    since="4.0.0",
    summary="Returns details about memory usage.",
    complexity="O(1)",
)
def memory_stats(call: Call) -> Reply:
    memory = call.state.memory
    used = memory.used()
    output = sum(one.link.figures().output_bytes for one in call.session.clients.values())
    return {
        b"peak.allocated": memory.peak,
        b"total.allocated": used,
        b"clients.normal": output,
        b"keys.count": sum(database.sizes()[0] for database in counted(call)),
        b"dataset.bytes": used,
        b"allocator.resident": resident_bytes(),
    }


@COMMANDS.command(
    "memory|doctor",
    arity=2,
    flags=_MEMORY,
    group="server",
    since="4.0.0",
    summary="Outputs a memory problems report.",
    complexity="O(1)",
)
def memory_doctor(call: Call) -> Reply:
    return Verbatim(b"txt", memory_report(call).encode())


def memory_report(call: Call) -> str:
    """What this process can know of itself: how much it holds against its peak, and what slow readers cost."""
    used, output = resident_bytes(), sum(one.link.figures().output_bytes for one in call.session.clients.values())
    found = []
    if peak_bytes() > used * 1.5:
        found.append(
            f" * Peak memory: it was {peak_bytes() >> 20} MB at its highest and is {used >> 20} MB now. What was "
            "freed may not have been given back; MEMORY PURGE asks for it."
        )
    if output > used // 4:
        found.append(
            f" * Unread replies: clients have yet to read {output >> 20} MB. CLIENT LIST shows whose omem is high."
        )
    if not found:
        return "Nothing stands out in the memory of this node.\n"
    return "What stands out in the memory of this node:\n\n" + "\n\n".join(found) + "\n"


@COMMANDS.command(
    "memory|malloc-stats",
    arity=2,
    flags=_MEMORY,
    group="server",
    since="4.0.0",
    summary="Returns the allocator statistics.",
    complexity="O(1)",
)
def memory_malloc_stats(_: Call) -> Reply:
    return b"Stats not supported for the current allocator"


@COMMANDS.command(
    "memory|purge",
    arity=2,
    flags=_MEMORY,
    group="server",
    since="4.0.0",
    summary="Asks the allocator to release memory.",
    complexity="O(N) where N is the number of live Python objects",
)
def memory_purge(_: Call) -> Reply:
    gc.collect()
    return OK
