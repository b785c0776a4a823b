"""INFO. Every figure is real or absent; sections and names are those that clients and exporters parse.

`used_memory` is what the data occupies on this node, as maxmemory counts it (`memory_limit`); `used_memory_rss` is the
process. Figures about replication come from Raft: an offset is a log index.
"""

from __future__ import annotations

import os
import platform
import random
import resource
import sys
from collections.abc import Callable, Iterator
from typing import Final

from elastickv.redis_api.argument_docs import word
from elastickv.redis_api.commands.server import redis_address, replicas
from elastickv.redis_api.pubsub import Kind
from elastickv.redis_api.registry import COMMANDS, Flag, Reply
from elastickv.redis_api.replies import Verbatim
from elastickv.redis_api.session import Call
from elastickv.redis_api.state import REDIS_VERSION
from elastickv.redis_api.stats import CommandStats
from elastickv.redis_api.values.database import Database
from elastickv.redis_api.values.databases import Databases

_MOST_WAITING: Final = 10_000
"""Where `lazyfree_pending_objects` stops counting."""

Lines = Iterator[tuple[str, object]]


def human(count: int) -> str:
    """Bytes as Redis prints them for people."""
    if count < 1024:
        return f"{count}B"
    size = float(count)
    for unit in "KMGTP":
        size /= 1024
        if size < 1024 or unit == "P":
            break
    return f"{size:.2f}{unit}"


def resident_bytes() -> int:
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:
        return peak_bytes()


def peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def total_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _server(call: Call) -> Lines:
    state = call.state
    uptime = int(state.clock.monotonic() - state.started_at)
    yield "redis_version", REDIS_VERSION
    yield "redis_git_sha1", "00000000"
    yield "redis_git_dirty", 0
    yield "redis_build_id", f"elastickv-{state.facts.version}"
    yield "redis_mode", "standalone"
    yield "os", f"{platform.system()} {platform.release()} {platform.machine()}"
    yield "arch_bits", 64 if sys.maxsize > 1 << 32 else 32
    yield "multiplexing_api", "uvloop"
    yield "process_id", os.getpid()
    yield "run_id", run_id(state.facts.id, state.control.status().instance)
    yield "tcp_port", state.port
    yield "server_time_usec", state.clock.wall_ms() * 1000
    yield "uptime_in_seconds", uptime
    yield "uptime_in_days", uptime // 86400
    yield "executable", sys.executable
    yield "config_file", state.facts.config_file
    yield "io_threads_active", 0


def run_id(*parts: str) -> str:
    """40 hexadecimal digits that stay the same for the same parts."""
    return f"{random.Random('/'.join(parts)).getrandbits(160):040x}"


def _clients(call: Call) -> Lines:
    clients = call.session.clients
    yield "connected_clients", len(clients)
    yield "cluster_connections", sum(bool(one.forwarded_from) for one in clients.values())
    yield "maxclients", call.state.max_clients
    yield (
        "blocked_clients",
        sum(
            one.blocked is not None or one.link.waits_at_leader or (one is not call.session and one.link.is_paused)
            for one in clients.values()
        ),
    )
    yield "tracking_clients", len(call.state.tracking.sessions)
    yield "clients_in_monitor", len(call.state.monitors)


def _memory(call: Call) -> Lines:
    state = call.state
    memory = state.memory
    used = memory.used()
    peak = memory.peak
    resident = resident_bytes()
    total = total_bytes()
    yield "used_memory", used
    yield "used_memory_human", human(used)
    yield "used_memory_rss", resident
    yield "used_memory_rss_human", human(resident)
    yield "used_memory_peak", peak
    yield "used_memory_peak_human", human(peak)
    yield "used_memory_peak_perc", f"{used / max(peak, 1) * 100:.2f}%"
    yield "used_memory_dataset", used
    yield "total_system_memory", total
    yield "total_system_memory_human", human(total)
    scripts = state.scripts
    yield "used_memory_lua", scripts.engine.used_bytes
    yield "used_memory_scripts", scripts.engine.used_bytes
    yield "number_of_cached_scripts", scripts.store.known
    yield "number_of_functions", sum(len(one.functions) for one in scripts.functions.libraries.values())
    yield "number_of_libraries", len(scripts.functions.libraries)
    yield "mem_not_counted_for_evict", 0
    yield "maxmemory", memory.maximum
    yield "maxmemory_human", human(memory.maximum)
    yield "maxmemory_policy", "noeviction"
    yield "mem_fragmentation_ratio", f"{resident / max(used, 1):.2f}"
    yield "mem_clients_normal", sum(one.link.figures().output_bytes for one in call.session.clients.values())
    yield "mem_allocator", "libc"
    yield (
        "lazyfree_pending_objects",
        call.databases.clearing.waiting_for_purge(_MOST_WAITING) if state.store.serving else 0,
    )
    yield "lazyfreed_objects", call.databases.clearing.purged


def _persistence(call: Call) -> Lines:
    state = call.state
    status = state.control.status()
    yield "loading", 0
    yield "async_loading", 0
    yield "rdb_changes_since_last_save", max(0, status.last_log_index - status.snapshot_index)
    yield "rdb_bgsave_in_progress", int(state.saving)
    yield "rdb_last_save_time", state.last_save_unix
    yield "rdb_last_bgsave_status", "err" if state.last_save_failed else "ok"
    yield "rdb_last_bgsave_time_sec", state.last_save_seconds
    # The Raft log is an append-only file that is synced before every answer.
    yield "aof_enabled", 1
    yield "aof_rewrite_in_progress", int(state.saving)
    yield "aof_last_bgrewrite_status", "err" if state.last_save_failed else "ok"
    yield "aof_last_write_status", "err" if "disk full" in status.problem else "ok"


def _stats(call: Call) -> Lines:
    state = call.state
    stats = state.stats
    databases = call.databases
    yield "total_connections_received", stats.connections_received
    yield "total_commands_processed", sum(command.calls for command in state.commands.values())
    yield "instantaneous_ops_per_sec", state.operations_per_second
    yield "total_net_input_bytes", stats.bytes_in
    yield "total_net_output_bytes", stats.bytes_out
    yield "rejected_connections", stats.connections_rejected
    yield "expired_keys", databases.expired
    yield "evicted_keys", 0
    yield "evicted_clients", 0
    yield "keyspace_hits", databases.hits
    yield "keyspace_misses", databases.misses
    yield "pubsub_channels", len(state.pubsub.listeners[Kind.CHANNEL])
    yield "pubsub_patterns", len(state.pubsub.listeners[Kind.PATTERN])
    yield "pubsubshard_channels", len(state.pubsub.listeners[Kind.SHARD])
    tracking = state.tracking
    yield "tracking_total_keys", len(tracking.keys)
    yield "tracking_total_items", sum(map(len, tracking.keys.values()))
    yield "tracking_total_prefixes", len(tracking.prefixes)
    yield "total_forks", 0
    yield "total_error_replies", sum(stats.errors.values())
    yield "client_query_buffer_limit_disconnections", stats.input_limit_disconnections
    yield "client_output_buffer_limit_disconnections", stats.output_limit_disconnections


def _replication(call: Call) -> Lines:
    state = call.state
    status = state.control.status()
    if state.store.serving:
        members = replicas(state)
        yield "role", "master"
        yield "connected_slaves", len(members)
        for number, member in enumerate(members):
            host, port = redis_address(state, member.address)
            contact = member.last_contact_seconds
            lag = -1 if contact is None else int(contact)
            online = "online" if contact is not None and not member.refused else "wait_bgsave"
            offset = member.match_index or 0
            yield f"slave{number}", f"ip={host},port={port},state={online},offset={offset},lag={lag}"
    else:
        leader = state.leader()
        known = leader is not None and leader.id != state.facts.id
        host, port = redis_address(state, leader.address) if leader is not None and known else ("", 0)
        contact = status.last_contact_seconds
        yield "role", "slave"
        yield "master_host", host
        yield "master_port", port
        yield "master_link_status", "up" if known else "down"
        yield "master_last_io_seconds_ago", -1 if contact is None else int(contact)
        yield "master_sync_in_progress", 0
        yield "slave_read_repl_offset", status.last_log_index
        yield "slave_repl_offset", status.applied_index
        yield "slave_priority", 100
        yield "slave_read_only", 0  # writes are taken, and sent to the leader
        yield "replica_announced", 1
        yield "connected_slaves", 0
    yield "master_failover_state", "no-failover"
    yield "master_replid", run_id(status.cluster_id)
    yield "master_replid2", "0" * 40
    yield "master_repl_offset", status.last_log_index
    yield "second_repl_offset", -1
    yield "repl_backlog_active", 1
    yield "repl_backlog_first_byte_offset", status.first_log_index
    yield "repl_backlog_histlen", max(0, status.last_log_index - status.first_log_index + 1)


def _cpu(_: Call) -> Lines:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    yield "used_cpu_sys", f"{own.ru_stime:.6f}"
    yield "used_cpu_user", f"{own.ru_utime:.6f}"
    yield "used_cpu_sys_children", f"{children.ru_stime:.6f}"
    yield "used_cpu_user_children", f"{children.ru_utime:.6f}"


def _modules(_: Call) -> Lines:
    return iter(())


def _used(call: Call) -> list[CommandStats]:
    return [stats for stats in call.state.commands.values() if stats.calls or stats.rejected]


def _commandstats(call: Call) -> Lines:
    for stats in _used(call):
        calls = stats.calls
        each = stats.microseconds / calls if calls else 0.0
        yield (
            f"cmdstat_{stats.name}",
            f"calls={calls},usec={stats.microseconds},usec_per_call={each:.2f},"
            f"rejected_calls={stats.rejected},failed_calls={stats.failed}",
        )


def _errorstats(call: Call) -> Lines:
    for prefix, count in call.state.stats.errors.items():
        yield f"errorstat_{prefix.decode('latin-1')}", f"count={count}"


def _latencystats(call: Call) -> Lines:
    percentiles = call.state.percentiles
    for stats in _used(call) if call.state.latency_tracking else ():
        if stats.calls:
            shown = ",".join(f"p{percent:g}={stats.percentile(percent):.3f}" for percent in percentiles)
            yield f"latency_percentiles_usec_{stats.name}", shown


def _cluster(_: Call) -> Lines:
    yield "cluster_enabled", 0


def counted(call: Call) -> list[Database]:
    """The databases with the number of their keys."""
    databases = call.databases
    if not call.state.store.serving:
        # A follower keeps no counts: it reads those that came with the log.
        databases = Databases(call.view, len(databases.numbered), random.Random(0))
        databases.load()
    return databases.numbered


def _keyspace(call: Call) -> Lines:
    for database in counted(call):
        size, expiring = database.sizes()
        if size:
            yield f"db{database.number}", f"keys={size},expires={expiring},avg_ttl=0"


def _elastickv(call: Call) -> Lines:
    # Clients flatten all sections into one map: no name here may be one of Redis'.
    state = call.state
    status = state.control.status()
    stats = state.stats
    yield "elastickv_version", state.facts.version
    yield "node_id", state.facts.id
    yield "raft_address", state.facts.raft_address
    yield "cluster_id", status.cluster_id
    yield "raft_role", status.role
    yield "raft_serving", int(state.store.serving)
    yield "raft_term", status.term
    yield "raft_leader_id", status.leader_id
    yield "raft_leader_address", status.leader_address
    yield "raft_members", len(status.members)
    yield "raft_voters", sum(member.voter for member in status.members)
    yield "raft_commit_index", status.commit_index
    yield "raft_applied_index", status.applied_index
    yield "raft_flushed_index", status.flushed_index
    yield "raft_first_log_index", status.first_log_index
    yield "raft_last_log_index", status.last_log_index
    yield "raft_snapshot_index", status.snapshot_index
    yield "raft_problem", status.problem
    yield "forwarded_commands", stats.forwarded
    yield "forward_retries", stats.forward_retries
    yield "outcomes_unknown", stats.outcome_unknown


_SECTIONS: Final[dict[str, Callable[[Call], Lines]]] = {
    "Server": _server,
    "Clients": _clients,
    "Memory": _memory,
    "Persistence": _persistence,
    "Stats": _stats,
    "Replication": _replication,
    "CPU": _cpu,
    "Modules": _modules,
    "Commandstats": _commandstats,
    "Errorstats": _errorstats,
    "Latencystats": _latencystats,
    "Cluster": _cluster,
    "Keyspace": _keyspace,
    "Elastickv": _elastickv,
}
_NOT_DEFAULT: Final = {"Commandstats", "Latencystats"}


@COMMANDS.command(
    "info",
    arity=-1,
    flags=Flag.LOADING | Flag.STALE | Flag.LOCAL,
    group="server",
    since="1.0.0",
    summary="Returns information and statistics about the server.",
    complexity="O(1)",
    categories=("dangerous",),
    history=(("7.0.0", "Added support for taking multiple section arguments."),),
    arguments=(word("section", optional=True, multiple=True),),
)
def info(call: Call) -> Reply:
    asked = {word.decode("latin-1").lower() for word in call.argv[1:]} or {"default"}
    parts = []
    for title, lines in _SECTIONS.items():
        default = title not in _NOT_DEFAULT
        wanted = (
            title.lower() in asked
            or "everything" in asked
            or ("all" in asked and title != "Modules")
            or ("default" in asked and default)
        )
        if wanted:
            body = "".join(f"{name}:{value}\r\n" for name, value in lines(call))
            parts.append(f"# {title}\r\n{body}")
    return Verbatim(b"txt", "\r\n".join(parts).encode("utf-8", "replace"))
