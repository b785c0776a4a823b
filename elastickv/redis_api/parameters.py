"""The parameters of redis.conf that mean something here: what CONFIG GET shows and CONFIG SET takes.

What can be set takes effect on this node at once and until it stops; flags, environment and file say what holds after
the next start. A few parameters (`Parameter.shared`) are the cluster's: the leader executes every command, so what they
say must hold wherever it is; they are set through the log and live in the keyspace. Parameters that clients ask for and
that have only one possible value here are shown and can only be set to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, cast

from elastickv.config import OutputLimit, named_output_limits, parse_size
from elastickv.redis_api import notifications
from elastickv.redis_api.acl.rules import hash_password
from elastickv.redis_api.arguments import string_to_float, string_to_integer
from elastickv.redis_api.state import ServerState

log = logging.getLogger(__name__)


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
    of_users: bool = False
    """It is another way to change users, which are the cluster's."""

    @property
    def at_leader(self) -> bool:
        return self.shared or self.of_users


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


def _yes_or_no(text: str) -> object:
    if text.lower() not in ("yes", "no"):
        raise ValueError("argument must be 'yes' or 'no'")
    return text.lower() == "yes"


def _output_limits(text: str) -> object:
    words = text.lower().split()
    if len(words) % 4:
        raise ValueError("Wrong number of arguments in buffer limit configuration.")
    if not {"normal", "replica", "slave", "pubsub"}.issuperset(words[::4]):
        raise ValueError("Invalid client class specified in buffer limit configuration.")
    try:
        return named_output_limits(text)
    except ValueError:
        raise ValueError("Error in hard, soft or soft_seconds setting in buffer limit configuration.") from None


def _store_output_limits(state: ServerState, value: object) -> None:
    """Classes that are not named stay as they are."""
    state.output_limits = replace(state.output_limits, **cast(dict[str, OutputLimit], value))


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


def _known_password(state: ServerState) -> str:
    """Only this node's memory has it as text, from its flag or since it was set here; users have a digest."""
    known = state.require_pass
    valid = hash_password(known) in state.users.default.passwords
    return known.decode("utf-8", "replace") if valid else ""


def _set_password(state: ServerState, value: object) -> None:
    """On the leader, within a command."""
    password = cast(str, value).encode("latin-1")
    rules = [b"resetpass", b">" + password] if password else [b"nopass"]
    state.users.put(state.users.default.changed(rules))
    state.require_pass = password


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

_ONE_VALUE: Final = {
    # Nothing is evicted.
    "maxmemory-clients": "0",
    "maxmemory-samples": "5",
    "maxmemory-eviction-tenacity": "10",
    "replica-ignore-maxmemory": "yes",
    "lfu-log-factor": "10",
    "lfu-decay-time": "1",
    # What a key held is cleared away behind, whatever removed it.
    "lazyfree-lazy-eviction": "yes",
    "lazyfree-lazy-expire": "yes",
    "lazyfree-lazy-server-del": "yes",
    "lazyfree-lazy-user-del": "yes",
    "lazyfree-lazy-user-flush": "yes",
    "replica-lazy-flush": "yes",
    "active-expire-effort": "1",
    "hz": "10",
    "dynamic-hz": "no",
    "activedefrag": "no",
    # Every acknowledged write is synced, and refused when that is not possible.
    "no-appendfsync-on-rewrite": "no",
    "auto-aof-rewrite-percentage": "0",
    "stop-writes-on-bgsave-error": "yes",
    "rdbcompression": "yes",
    "rdbchecksum": "yes",
    "sanitize-dump-payload": "yes",
    # No member answers from its own memory.
    "replica-serve-stale-data": "no",
    "replica-priority": "100",
    "min-replicas-max-lag": "10",
    "enable-protected-configs": "no",
    "enable-module-command": "no",
    "io-threads-do-reads": "no",
    "tcp-backlog": "511",
    "tls-port": "0",
    "unixsocket": "",
    "logfile": "",
    "syslog-enabled": "no",
    "supervised": "no",
    "oom-score-adj": "no",
}

PARAMETERS: Final[dict[str, Parameter]] = {
    parameter.name: parameter
    for parameter in (
        _attribute("maxclients", "max_clients", _integer(1, 10**6)),
        _attribute("timeout", "timeout_seconds", _integer(0, _INT_MAX)),
        _attribute("tcp-keepalive", "keepalive_seconds", _integer(0, _INT_MAX)),
        _attribute("client-query-buffer-limit", "query_buffer_limit", _memory(1 << 20, _LONG_MAX)),
        Parameter(
            "client-output-buffer-limit", lambda state: state.output_limits, _output_limits, _store_output_limits
        ),
        _attribute("slowlog-log-slower-than", "slow_microseconds", _integer(-1, _LONG_MAX)),
        Parameter(
            "slowlog-max-len", lambda state: state.slow_log.max_length, _integer(0, 1 << 20), _set_slow_log_length
        ),
        Parameter(
            "tracking-table-max-keys",
            lambda state: state.tracking.max_keys,
            _integer(0, _LONG_MAX),
            lambda state, value: state.tracking.limit(cast(int, value)),
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
        Parameter("requirepass", _known_password, str, _set_password, of_users=True),
        _only("port", lambda state: state.port),
        _only("bind", lambda state: state.settings.address.host),
        Parameter("databases", lambda state: len(state.databases.numbered)),
        _only("dir", lambda state: state.facts.data_dir),
        Parameter(
            "latency-tracking",
            lambda state: "yes" if state.latency_tracking else "no",
            _yes_or_no,
            lambda state, value: setattr(state, "latency_tracking", value),
        ),
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
        # redis-benchmark, client libraries and exporters ask for these.
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
        *(_only(name, value) for name, value in _ONE_VALUE.items()),
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
