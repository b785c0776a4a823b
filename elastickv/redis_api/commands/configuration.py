"""CONFIG: the parameters of redis.conf that mean something here.

What can be set takes effect on this node at once and until it stops; flags, environment and file say what holds after
the next start. A few parameters (`Parameter.shared`) are the cluster's: the leader executes every command, so what they
say must hold wherever it is; they are set through the log and live in the keyspace. Parameters that clients ask for and
that have only one possible value here are shown and cannot be set.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from elastickv.config import parse_output_limits, parse_size
from elastickv.redis_api import glob, notifications
from elastickv.redis_api.argument_docs import block, word
from elastickv.redis_api.arguments import string_to_float, string_to_integer
from elastickv.redis_api.errors import RedisError, unknown_subcommand, wrong_arity
from elastickv.redis_api.registry import COMMANDS, Flag, Reply
from elastickv.redis_api.replies import OK, Simple
from elastickv.redis_api.session import Call
from elastickv.redis_api.state import ServerState

log = logging.getLogger(__name__)

_ADMIN: Final = Flag.ADMIN | Flag.NOSCRIPT | Flag.LOADING | Flag.STALE | Flag.LOCAL


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    show: Callable[[ServerState], object]
    parse: Callable[[str], object] | None = None
    """From text to value, or ValueError with the reason as Redis words it; None: cannot be set."""
    store: Callable[[ServerState, object], None] | None = None
    """None beside `parse`: it can only be set to what it is."""
    shared: bool = False
    """One for the whole cluster, kept in the keyspace: set on any node, it holds on all, and after their next start."""


def _integer(low: int, high: int) -> Callable[[str], object]:
    def parse(text: str) -> object:
        number = string_to_integer(text.encode())
        if number is None:
            raise ValueError("argument couldn't be parsed into an integer")
        if not low <= number <= high:
            raise ValueError(f"argument must be between {low} and {high} inclusive")
        return number

    return parse


def _memory(low: int, high: int) -> Callable[[str], object]:
    def parse(text: str) -> object:
        try:
            size = parse_size(text)
        except ValueError:
            raise ValueError("argument must be a memory value") from None
        if not low <= size <= high:
            raise ValueError(f"argument must be between {low} and {high} inclusive")
        return size

    return parse


def _output_limits(text: str) -> object:
    try:
        return parse_output_limits(text)
    except ValueError as error:
        raise ValueError(str(error)) from None


def _percentiles(text: str) -> object:
    numbers = []
    for one in text.split():
        number = string_to_float(one.encode())
        if number is None or not 0 <= number <= 100:
            raise ValueError("latency-tracking-info-percentiles should contain floats between 0 and 100")
        numbers.append(number)
    return tuple(numbers)


def _attribute(name: str, attribute: str, parse: Callable[[str], object] | None) -> Parameter:
    """A parameter that is an attribute of the server's state."""

    def store(state: ServerState, value: object) -> None:
        setattr(state, attribute, value)

    return Parameter(name, lambda state: getattr(state, attribute), parse, store)


def _limit(name: str, attribute: str, parse: Callable[[str], object], alias: str = "") -> list[Parameter]:
    """Up to where collections keep a compact encoding; `alias` is the older name."""

    def store(state: ServerState, value: object) -> None:
        setattr(state.databases.limits, attribute, value)

    def show(state: ServerState) -> object:
        return getattr(state.databases.limits, attribute)

    return [Parameter(one, show, parse, store, shared=True) for one in (name, alias) if one]


def _fixed(name: str, value: object) -> Parameter:
    return Parameter(name, lambda _: value)


def _only(name: str, show: Callable[[ServerState], object] | str) -> Parameter:
    """A parameter with one value here. Setting it to that is accepted: programs put back what they have read."""

    return Parameter(name, (lambda _: show) if isinstance(show, str) else show, parse=str, store=None)


def _set_slow_log_length(state: ServerState, value: object) -> None:
    assert isinstance(value, int)
    state.slow_log.max_length = value
    state.slow_log.trim()


def _set_audit_length(state: ServerState, value: object) -> None:
    assert isinstance(value, int)
    state.audit.max_length = value
    state.audit.trim()


def _set_latency_threshold(state: ServerState, value: object) -> None:
    assert isinstance(value, int)
    state.latency.threshold_ms = value


_INT_MAX: Final = (1 << 31) - 1
_LONG_MAX: Final = (1 << 63) - 1
_COUNT: Final = _integer(0, _LONG_MAX)
_BYTES: Final = _memory(0, _LONG_MAX)

PARAMETERS: Final[dict[str, Parameter]] = {
    parameter.name: parameter
    for parameter in (
        _attribute("maxclients", "max_clients", _integer(1, 10**6)),
        _attribute("timeout", "timeout_seconds", _integer(0, _INT_MAX)),
        _attribute("tcp-keepalive", "keepalive_seconds", _integer(0, _INT_MAX)),
        _attribute("client-query-buffer-limit", "query_buffer_limit", _memory(1 << 20, _LONG_MAX)),
        _attribute("client-output-buffer-limit", "output_limits", _output_limits),
        _attribute("slowlog-log-slower-than", "slow_microseconds", _integer(-1, _LONG_MAX)),
        Parameter(
            "slowlog-max-len", lambda state: state.slow_log.max_length, _integer(0, 1 << 20), _set_slow_log_length
        ),
        Parameter(
            "tracking-table-max-keys",
            lambda state: state.tracking.max_keys,
            _integer(0, _LONG_MAX),
            lambda state, value: setattr(state.tracking, "max_keys", value),
        ),
        Parameter("acllog-max-len", lambda state: state.audit.max_length, _integer(0, 1 << 20), _set_audit_length),
        Parameter(
            "latency-monitor-threshold",
            lambda state: state.latency.threshold_ms,
            _integer(0, _LONG_MAX),
            _set_latency_threshold,
        ),
        Parameter(
            "latency-tracking-info-percentiles",
            lambda state: " ".join(f"{percent:g}" for percent in state.percentiles),
            _percentiles,
            lambda state, value: setattr(state, "percentiles", value),
        ),
        _attribute("busy-reply-threshold", "busy_reply_ms", _integer(0, _LONG_MAX)),
        _attribute("lua-time-limit", "busy_reply_ms", _integer(0, _LONG_MAX)),
        _attribute("proto-max-bulk-len", "max_bulk_bytes", _memory(1 << 20, _LONG_MAX)),
        _only("requirepass", lambda state: state.require_pass.decode("utf-8", "replace")),
        _only("port", lambda state: state.port),
        _only("bind", lambda state: state.settings.address.host),
        Parameter("databases", lambda state: len(state.databases.numbered)),
        _only("dir", lambda state: state.facts.data_dir),
        _only("latency-tracking", "yes"),
        *_limit("hash-max-listpack-entries", "hash_entries", _COUNT, "hash-max-ziplist-entries"),
        *_limit("hash-max-listpack-value", "hash_value", _BYTES, "hash-max-ziplist-value"),
        *_limit("set-max-intset-entries", "set_intset_entries", _COUNT),
        *_limit("set-max-listpack-entries", "set_entries", _COUNT),
        *_limit("set-max-listpack-value", "set_value", _COUNT),
        *_limit("zset-max-listpack-entries", "zset_entries", _COUNT, "zset-max-ziplist-entries"),
        *_limit("zset-max-listpack-value", "zset_value", _BYTES, "zset-max-ziplist-value"),
        *_limit("list-max-listpack-size", "list_size", _integer(-_INT_MAX - 1, _INT_MAX), "list-max-ziplist-size"),
        *_limit("list-compress-depth", "list_compress_depth", _integer(0, _INT_MAX)),
        *_limit("hll-sparse-max-bytes", "hll_sparse_bytes", _BYTES),
        *_limit("stream-node-max-bytes", "stream_node_bytes", _BYTES),
        *_limit("stream-node-max-entries", "stream_node_entries", _COUNT),
        # redis-benchmark, redis-py and exporters ask for these.
        _only("save", ""),
        _only("appendonly", "yes"),
        _only("appendfsync", "always"),
        Parameter(
            "maxmemory",
            lambda state: state.memory.maximum,
            _memory(0, _LONG_MAX),
            lambda state, value: state.memory.set(cast(int, value)),
            shared=True,
        ),
        _only("maxmemory-policy", "noeviction"),
        _fixed("cluster-enabled", "no"),
        _fixed("aclfile", ""),
        _only("acl-pubsub-default", "resetchannels"),
        _fixed("io-threads", 1),
        Parameter(
            "notify-keyspace-events",
            lambda state: state.notifier.letters,
            notifications.parse,
            lambda state, value: state.notifier.listen(value),
            shared=True,
        ),
        _only("replica-read-only", "no"),
        _only("slave-read-only", "no"),
        _only("protected-mode", "no"),
        _only("min-replicas-to-write", "0"),
        _only("min-slaves-to-write", "0"),
        _fixed("replicaof", ""),
        _fixed("slaveof", ""),
        _fixed("daemonize", "no"),
    )
}


@COMMANDS.command(
    "config",
    arity=-2,
    flags=Flag.NONE,
    group="server",
    since="2.0.0",
    summary="A container for server configuration commands.",
    complexity="Depends on subcommand.",
)
def config(call: Call) -> Reply:
    raise unknown_subcommand(call.argv[0], call.argv[1])


@COMMANDS.command(
    "config|get",
    arity=-3,
    flags=_ADMIN,
    group="server",
    since="2.0.0",
    summary="Returns the effective values of configuration parameters.",
    complexity="O(N) when N is the number of configuration parameters provided",
    history=(("7.0.0", "Added the ability to pass multiple pattern parameters in one call"),),
    arguments=(word("parameter", multiple=True),),
)
def config_get(call: Call) -> Reply:
    state = call.state
    found: dict[bytes, bytes] = {}
    for pattern in call.argv[2:]:
        wanted = glob.matcher(pattern.lower())
        for name, parameter in PARAMETERS.items():
            if wanted(name.encode()):
                found[name.encode()] = str(parameter.show(state)).encode()
    return found


def _names_shared(argv: Sequence[bytes]) -> bool:
    names = {name.decode("latin-1").lower() for name in argv[2::2]}
    return any(PARAMETERS[name].shared for name in names if name in PARAMETERS)


def _refused(name: bytes, reason: str) -> RedisError:
    return RedisError(b"ERR CONFIG SET failed (possibly related to argument '%b') - %b" % (name, reason.encode()))


@COMMANDS.command(
    "config|set",
    arity=-4,
    flags=_ADMIN,
    group="server",
    since="2.0.0",
    summary="Sets configuration parameters in-flight.",
    complexity="O(N) when N is the number of configuration parameters provided",
    history=(("7.0.0", "Added the ability to set multiple parameters in one call."),),
    arguments=(block("data", word("parameter"), word("value"), multiple=True),),
    at_leader=_names_shared,
)
def config_set(call: Call) -> Reply:
    """All or nothing: every value is parsed before the first one is stored."""
    argv = call.argv
    if len(argv) % 2:
        raise wrong_arity("config|set")
    chosen: list[tuple[Parameter, object]] = []
    names = [name.lower() for name in argv[2::2]]
    for name in argv[2::2]:
        if names.count(name.lower()) > 1:
            raise _refused(name, "duplicate parameter")
    for place in range(2, len(argv), 2):
        name, text = argv[place], argv[place + 1]
        parameter = PARAMETERS.get(name.decode("latin-1").lower())
        if parameter is None:
            raise RedisError(b"ERR Unknown option or number of arguments for CONFIG SET - '%b'" % name)
        if parameter.parse is None:
            raise _refused(name, "can't set immutable config")
        try:
            value = parameter.parse(text.decode("latin-1"))
        except ValueError as error:
            raise _refused(name, str(error)) from None
        shown = str(parameter.show(call.state))
        if parameter.store is None and str(value).lower() != shown.lower():
            raise _refused(name, f"this server has no other value than '{shown}'")
        chosen.append((parameter, value))
    shared = {parameter.name: argv[3 + 2 * at] for at, (parameter, _) in enumerate(chosen) if parameter.shared}
    if shared:
        for name, (parameter, _) in zip(names, chosen, strict=True):
            if not parameter.shared and parameter.store is not None:
                raise _refused(name, "a parameter of one node, to be set apart from the cluster's")
        call.state.shared.write(shared)
        return OK
    for parameter, value in chosen:
        if parameter.store is not None:
            parameter.store(call.state, value)
    call.state.settings_changed()
    return OK


def take_shared(state: ServerState, values: Mapping[str, bytes], defaults: Mapping[str, bytes]) -> None:
    """The cluster's parameters are these (again); what is not among them has its default."""
    for name, text in (*defaults.items(), *values.items()):
        parameter = PARAMETERS.get(name)
        if parameter is None or parameter.parse is None or parameter.store is None:
            continue  # of a newer version
        try:
            parameter.store(state, parameter.parse(text.decode("latin-1")))
        except ValueError:
            log.warning("the cluster's setting of %s means nothing to this version", name)


def shared_defaults(state: ServerState) -> dict[str, bytes]:
    """What holds where nobody has set anything."""
    return {one.name: str(one.show(state)).encode("latin-1") for one in PARAMETERS.values() if one.shared}


@COMMANDS.command(
    "config|resetstat",
    arity=2,
    flags=_ADMIN,
    group="server",
    since="2.0.0",
    summary="Resets the server's statistics.",
    complexity="O(1)",
)
def config_resetstat(call: Call) -> Reply:
    state = call.state
    state.stats.reset()
    for command in state.commands.values():
        command.clear()
    databases = call.databases
    databases.hits = databases.misses = databases.expired = 0
    return OK


@COMMANDS.command(
    "config|rewrite",
    arity=2,
    flags=_ADMIN,
    group="server",
    since="2.8.0",
    summary="Not offered: settings come from flags, environment and file.",
    complexity="O(1)",
)
def config_rewrite(_: Call) -> Reply:
    raise RedisError(b"ERR The configuration comes from flags, environment and file; the server does not write it")


@COMMANDS.command(
    "config|help",
    arity=2,
    flags=Flag.LOADING | Flag.STALE | Flag.LOCAL,
    group="server",
    since="5.0.0",
    summary="Returns helpful text about the different subcommands.",
    complexity="O(1)",
)
def config_help(_: Call) -> Reply:
    return [
        Simple(line)
        for line in (
            b"CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            b"GET <pattern>",
            b"    Return parameters matching the glob-like <pattern> and their values.",
            b"SET <directive> <value>",
            b"    Set the configuration <directive> to <value>, until the node stops.",
            b"RESETSTAT",
            b"    Reset statistics reported by the INFO command.",
            b"HELP",
            b"    Print this help.",
        )
    ]
