"""Commands of Redis that mean nothing here: each says so, and what to do instead (see docs/redis.md)."""

from __future__ import annotations

from typing import Final

from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.registry import COMMANDS, NO_KEYS, Flag, KeySpan, Reply
from elastickv.redis_api.session import Call

_COMMON: Final = Flag.LOADING | Flag.STALE | Flag.LOCAL
_ADMIN: Final = _COMMON | Flag.ADMIN | Flag.NOSCRIPT


def _refuse(
    name: str,
    arity: int,
    since: str,
    text: bytes,
    *,
    group: str = "server",
    flags: Flag = _ADMIN,
    keys: KeySpan = NO_KEYS,
    categories: tuple[str, ...] = (),
) -> None:
    """Declare a command that this server knows but does not offer; `text` is its answer."""
    error = RedisError(text)

    @COMMANDS.command(
        name,
        arity=arity,
        flags=flags,
        keys=keys,
        group=group,
        since=since,
        summary=f"Not offered: {text.decode().partition(' ')[2]}.",
        complexity="O(1)",
        categories=categories,
    )
    def refuse(_: Call) -> Reply:
        raise error


_BY_RAFT: Final = b"ERR replication is managed by Raft; members are changed with RaftAdmin, not with this command"
_refuse("replicaof", 3, "5.0.0", _BY_RAFT)
_refuse("slaveof", 3, "1.0.0", _BY_RAFT)
_refuse("sync", 1, "1.0.0", _BY_RAFT)
_refuse("psync", -3, "2.8.0", _BY_RAFT)
_refuse("replconf", -1, "3.0.0", _BY_RAFT)
_refuse("failover", -1, "6.2.0", b"ERR the lead is handed over with RaftAdmin (LeadershipTransfer), not with FAILOVER")

# Redis' own words where it is no cluster: every node here serves the whole keyspace.
_NO_CLUSTER: Final = b"ERR This instance has cluster support disabled"
_refuse("cluster", -2, "3.0.0", _NO_CLUSTER, group="cluster", flags=Flag.LOCAL)
_CHANGES_CLUSTER: Final = Flag.ADMIN | Flag.STALE | Flag.LOCAL
_ASKS_CLUSTER: Final = Flag.STALE | Flag.LOCAL
for _name, _arity, _since, _flags in (
    ("addslots", -3, "3.0.0", _CHANGES_CLUSTER),
    ("addslotsrange", -4, "7.0.0", _CHANGES_CLUSTER),
    ("bumpepoch", 2, "3.0.0", _CHANGES_CLUSTER),
    ("count-failure-reports", 3, "3.0.0", _CHANGES_CLUSTER),
    ("countkeysinslot", 3, "3.0.0", _ASKS_CLUSTER),
    ("delslots", -3, "3.0.0", _CHANGES_CLUSTER),
    ("delslotsrange", -4, "7.0.0", _CHANGES_CLUSTER),
    ("failover", -2, "3.0.0", _CHANGES_CLUSTER),
    ("flushslots", 2, "3.0.0", _CHANGES_CLUSTER),
    ("forget", 3, "3.0.0", _CHANGES_CLUSTER),
    ("getkeysinslot", 4, "3.0.0", _ASKS_CLUSTER),
    ("help", 2, "5.0.0", _ASKS_CLUSTER | Flag.LOADING),
    ("info", 2, "3.0.0", _ASKS_CLUSTER),
    ("keyslot", 3, "3.0.0", _ASKS_CLUSTER),
    ("links", 2, "7.0.0", _ASKS_CLUSTER),
    ("meet", -4, "3.0.0", _CHANGES_CLUSTER),
    ("myid", 2, "3.0.0", _ASKS_CLUSTER),
    ("myshardid", 2, "7.2.0", _ASKS_CLUSTER),
    ("nodes", 2, "3.0.0", _ASKS_CLUSTER),
    ("replicas", 3, "5.0.0", _CHANGES_CLUSTER),
    ("replicate", 3, "3.0.0", _CHANGES_CLUSTER),
    ("reset", -2, "3.0.0", _CHANGES_CLUSTER | Flag.NOSCRIPT),
    ("saveconfig", 2, "3.0.0", _CHANGES_CLUSTER),
    ("set-config-epoch", 3, "3.0.0", _CHANGES_CLUSTER),
    ("setslot", -4, "3.0.0", _CHANGES_CLUSTER),
    ("shards", 2, "7.0.0", _ASKS_CLUSTER),
    ("slaves", 3, "3.0.0", _CHANGES_CLUSTER),
    ("slots", 2, "3.0.0", _ASKS_CLUSTER),
):
    _refuse(f"cluster|{_name}", _arity, _since, _NO_CLUSTER, group="cluster", flags=_flags)
_refuse("asking", 1, "3.0.0", _NO_CLUSTER, group="cluster", flags=_COMMON | Flag.FAST, categories=("connection",))
_refuse("readonly", 1, "3.0.0", _NO_CLUSTER, group="cluster", flags=_COMMON | Flag.FAST, categories=("connection",))
_refuse("readwrite", 1, "3.0.0", _NO_CLUSTER, group="cluster", flags=_COMMON | Flag.FAST, categories=("connection",))

_NO_MODULES: Final = b"ERR this server has no modules"
_refuse("module", -2, "4.0.0", _NO_MODULES, flags=Flag.LOCAL)
_refuse("module|help", 2, "5.0.0", _NO_MODULES, flags=_COMMON)
_refuse("module|load", -3, "4.0.0", _NO_MODULES, flags=Flag.ADMIN | Flag.NOSCRIPT | Flag.LOCAL)
_refuse("module|loadex", -3, "7.0.0", _NO_MODULES, flags=Flag.ADMIN | Flag.NOSCRIPT | Flag.LOCAL)
_refuse("module|unload", 3, "4.0.0", _NO_MODULES, flags=Flag.ADMIN | Flag.NOSCRIPT | Flag.LOCAL)


@COMMANDS.command(
    "module|list",
    arity=2,
    flags=Flag.ADMIN | Flag.NOSCRIPT | Flag.LOCAL,
    group="server",
    since="4.0.0",
    summary="Returns all loaded modules: none.",
    complexity="O(1)",
)
def module_list(_: Call) -> Reply:
    return []


_refuse(
    "migrate",
    -6,
    "2.6.0",
    b"ERR keys are carried to another server with DUMP and RESTORE, not with MIGRATE",
    group="generic",
    flags=Flag.WRITE | Flag.LOCAL | Flag.MOVABLEKEYS,
    keys=KeySpan(3, 3, 1),
    categories=("dangerous",),
)
