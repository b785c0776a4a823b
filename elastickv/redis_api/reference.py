"""The table of commands in docs/redis.md, made from their declarations."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from elastickv.redis_api.registry import COMMANDS, Command

BEGIN: Final = "<!-- commands: begin, written by `make docs` -->"
END: Final = "<!-- commands: end -->"

REDIS_7_2: Final = {
    "bitmap": ("bitcount bitfield bitfield_ro bitop bitpos getbit setbit"),
    "cluster": ("asking cluster readonly readwrite"),
    "connection": ("auth client echo hello ping quit reset select"),
    "generic": (
        "copy del dump exists expire expireat expiretime keys migrate move object persist pexpire "
        "pexpireat pexpiretime pttl randomkey rename renamenx restore scan sort sort_ro touch ttl type "
        "unlink wait waitaof"
    ),
    "geo": (
        "geoadd geodist geohash geopos georadius georadius_ro georadiusbymember georadiusbymember_ro "
        "geosearch geosearchstore"
    ),
    "hash": (
        "hdel hexists hget hgetall hincrby hincrbyfloat hkeys hlen hmget hmset hrandfield hscan hset "
        "hsetnx hstrlen hvals"
    ),
    "hyperloglog": ("pfadd pfcount pfdebug pfmerge pfselftest"),
    "list": (
        "blmove blmpop blpop brpop brpoplpush lindex linsert llen lmove lmpop lpop lpos lpush lpushx "
        "lrange lrem lset ltrim rpop rpoplpush rpush rpushx"
    ),
    "pubsub": ("psubscribe publish pubsub punsubscribe spublish ssubscribe subscribe sunsubscribe unsubscribe"),
    "scripting": ("eval eval_ro evalsha evalsha_ro fcall fcall_ro function script"),
    "server": (
        "acl bgrewriteaof bgsave command config dbsize debug failover flushall flushdb info lastsave "
        "latency lolwut memory module monitor psync replconf replicaof restore-asking role save shutdown "
        "slaveof slowlog swapdb sync time"
    ),
    "set": (
        "sadd scard sdiff sdiffstore sinter sintercard sinterstore sismember smembers smismember smove "
        "spop srandmember srem sscan sunion sunionstore"
    ),
    "sorted-set": (
        "bzmpop bzpopmax bzpopmin zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard "
        "zinterstore zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange zrangebylex "
        "zrangebyscore zrangestore zrank zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange "
        "zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion zunionstore"
    ),
    "stream": (
        "xack xadd xautoclaim xclaim xdel xgroup xinfo xlen xpending xrange xread xreadgroup xrevrange xsetid xtrim"
    ),
    "string": (
        "append decr decrby get getdel getex getrange getset incr incrby incrbyfloat lcs mget mset "
        "msetnx psetex set setex setnx setrange strlen substr"
    ),
    "transactions": ("discard exec multi unwatch watch"),
}
"""The commands of Redis 7.2 by group, without subcommands; what it speaks with replicas included."""

_NOT_OFFERED: Final = "Not offered"


def offered(command: Command) -> bool:
    return not command.summary.startswith(_NOT_OFFERED)


def _row(command: Command) -> str:
    subcommands = ", ".join(sub.name.partition("|")[2].upper() for sub in command.subcommands.values() if offered(sub))
    what = command.summary + (f" ({subcommands})" if subcommands else "")
    return f"| {command.name.upper()} | {command.since} | {what.replace('|', chr(92) + '|')} |"


def table() -> str:
    """Markdown: one table for each group, and what is missing."""
    names = [name for group in REDIS_7_2.values() for name in group.split()]
    present = [name for name in names if name in COMMANDS and offered(COMMANDS[name])]
    parts = [f"{len(present)} of the {len(names)} commands of Redis 7.2."]
    for group, listed in sorted(REDIS_7_2.items()):
        theirs = listed.split()
        mine = [COMMANDS[name] for name in theirs if name in COMMANDS and offered(COMMANDS[name])]
        parts.append(f"### {group} ({len(mine)} of {len(theirs)})")
        if mine:
            parts.append("\n".join(["| command | since | what it does |", "|---|---|---|", *map(_row, mine)]))
        refused = [name.upper() for name in theirs if name in COMMANDS and not offered(COMMANDS[name])]
        if refused:
            parts.append(f"Answered with an error that says what to do instead: {', '.join(refused)}.")
        missing = [name.upper() for name in theirs if name not in COMMANDS]
        if missing:
            parts.append(f"Unknown here: {', '.join(missing)}.")
    return "\n\n".join(parts)


def inserted(page: str) -> str:
    """The page with its table of commands as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def main() -> None:
    """Rewrite the page that is named on the command line."""
    import elastickv.redis_api.commands  # noqa: F401 - fills the command table

    page = Path(sys.argv[1])
    page.write_text(inserted(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
