"""XINFO: what can be told about streams, groups and consumers, as Redis 7.2 does."""

from __future__ import annotations

from itertools import islice
from typing import Final

from elastickv.redis_api.argument_docs import block, integer, key, word
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.arguments import wrapped
from elastickv.redis_api.commands.stream_groups import no_group_of_key
from elastickv.redis_api.commands.streams import shown
from elastickv.redis_api.errors import NO_SUCH_KEY, subcommand_syntax, unknown_subcommand
from elastickv.redis_api.registry import COMMANDS, NO_KEYS, Flag, KeySpan, Reply
from elastickv.redis_api.replies import Simple
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import stream_ids as ids
from elastickv.redis_api.values.stream_groups import UNKNOWN, Consumer, Group, all_groups, find_group
from elastickv.redis_api.values.streams import Stream, read_stream

_SECOND: Final = KeySpan(2, 2, 1)
_SHOWN: Final = 10
"""Entries that FULL shows unless it is told otherwise."""

_HELP: Final = (
    b"XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"CONSUMERS <key> <groupname>",
    b"    Show consumers of <groupname>.",
    b"GROUPS <key>",
    b"    Show the stream consumer groups.",
    b"STREAM <key> [FULL [COUNT <count>]",
    b"    Show information about the stream.",
    b"HELP",
    b"    Print this help.",
)


@COMMANDS.command(
    "xinfo",
    arity=-2,
    flags=Flag.NONE,
    group="stream",
    since="5.0.0",
    summary="A container for stream introspection commands.",
    complexity="Depends on subcommand.",
)
def xinfo(call: Call) -> Reply:
    raise unknown_subcommand(call.argv[0], call.argv[1])


def _stream(call: Call) -> Stream:
    stream = read_stream(call.db, call.argv[2])
    if stream is None:
        raise NO_SUCH_KEY
    return stream


@COMMANDS.command(
    "xinfo|stream",
    arity=-3,
    flags=Flag.READONLY,
    keys=_SECOND,
    group="stream",
    since="5.0.0",
    complexity="O(1), or O(N) for N entries and pending entries shown with FULL",
    key_access=("RO ACCESS",),
    history=(
        ("6.0.0", "FULL."),
        ("7.0.0", "Counters and IDs that tell how far groups are behind."),
    ),
    arguments=(
        key(),
        block("full-block", integer("count", token="COUNT", optional=True), token="FULL", optional=True),
    ),
)
def xinfo_stream(call: Call) -> Reply:
    """Tells about a stream; FULL adds its entries, groups, consumers and what is pending."""
    argv = call.argv
    stream = _stream(call)
    count = _SHOWN
    full = len(argv) > 3
    if full:
        counted = len(argv) == 6
        if len(argv) not in (4, 6) or argv[3].upper() != b"FULL" or (counted and argv[4].upper() != b"COUNT"):
            raise subcommand_syntax(b"XINFO", argv[1])
        if counted:
            count = read_integer(argv[5])
            if count < 0:
                count = _SHOWN
    nodes = stream.nodes()
    told: dict[object, object] = {
        b"length": stream.count,
        b"radix-tree-keys": nodes,
        b"radix-tree-nodes": nodes + 1,
        b"last-generated-id": ids.text(stream.last),
        b"max-deleted-entry-id": ids.text(stream.max_deleted),
        b"entries-added": wrapped(stream.added),
        b"recorded-first-entry-id": ids.text(stream.first),
    }
    if full:
        told[b"entries"] = [shown(entry) for entry in islice(stream.range(0, ids.LAST), count or None)]
        told[b"groups"] = [_group_in_full(stream, group, count) for group in all_groups(stream)]
    else:
        first = next(stream.range(0, ids.LAST), None)
        last = next(stream.range(0, ids.LAST, reverse=True), None)
        told[b"groups"] = stream.groups
        told[b"first-entry"] = shown(first) if first is not None else None
        told[b"last-entry"] = shown(last) if last is not None else None
    return told


def _group_in_full(stream: Stream, group: Group, count: int) -> Reply:
    pending = [
        [ids.text(one.id), group.numbered(one.consumer).name, one.delivered_ms, one.count]
        for one in islice(group.all_pending(0, ids.LAST), count or None)
    ]
    return {
        b"name": group.name,
        b"last-delivered-id": ids.text(group.last),
        b"entries-read": None if group.entries_read == UNKNOWN else group.entries_read,
        b"lag": _lag(stream, group),
        b"pel-count": group.pending,
        b"pending": pending,
        b"consumers": [_consumer_in_full(group, consumer, count) for consumer in group.consumers()],
    }


def _consumer_in_full(group: Group, consumer: Consumer, count: int) -> Reply:
    pending = []
    for id in islice(group.pending_ids(consumer, 0, ids.LAST), count or None):
        one = group.find(id)
        assert one is not None, "both indexes of what is pending agree"
        pending.append([ids.text(id), one.delivered_ms, one.count])
    return {
        b"name": consumer.name,
        b"seen-time": consumer.seen_ms,
        b"active-time": consumer.active_ms,
        b"pel-count": consumer.pending,
        b"pending": pending,
    }


def _lag(stream: Stream, group: Group) -> int | None:
    """Entries that the group has still to read; None when deletions made that unknowable."""
    if not stream.added:
        return 0
    read = group.entries_read
    if read == UNKNOWN or stream.has_tombstones(group.last):
        read = stream.distance(group.last)
    return None if read == UNKNOWN else wrapped(stream.added - read)


@COMMANDS.command(
    "xinfo|groups",
    arity=3,
    flags=Flag.READONLY,
    keys=_SECOND,
    group="stream",
    since="5.0.0",
    complexity="O(N) for N groups",
    key_access=("RO ACCESS",),
    history=(("7.0.0", "How many entries were read, and how many are left."),),
    arguments=(key(),),
)
def xinfo_groups(call: Call) -> Reply:
    """Lists the consumer groups of a stream."""
    stream = _stream(call)
    return [
        {
            b"name": group.name,
            b"consumers": len(group.consumers()),
            b"pending": group.pending,
            b"last-delivered-id": ids.text(group.last),
            b"entries-read": None if group.entries_read == UNKNOWN else group.entries_read,
            b"lag": _lag(stream, group),
        }
        for group in all_groups(stream)
    ]


@COMMANDS.command(
    "xinfo|consumers",
    arity=4,
    flags=Flag.READONLY,
    keys=_SECOND,
    group="stream",
    since="5.0.0",
    complexity="O(N) for N consumers",
    key_access=("RO ACCESS",),
    history=(("7.2.0", "How long a consumer has been inactive."),),
    arguments=(key(), word("group")),
)
def xinfo_consumers(call: Call) -> Reply:
    """Lists the consumers of a group."""
    stream = _stream(call)
    group = find_group(stream, call.argv[3])
    if group is None:
        raise no_group_of_key(call.argv[3], call.argv[2])
    now = call.now_ms
    return [
        {
            b"name": one.name,
            b"pending": one.pending,
            b"idle": max(now - one.seen_ms, 0),
            b"inactive": max(now - one.active_ms, 0) if one.active_ms >= 0 else -1,
        }
        for one in group.consumers()
    ]


@COMMANDS.command(
    "xinfo|help",
    arity=2,
    flags=Flag.LOADING | Flag.STALE,
    keys=NO_KEYS,
    group="stream",
    since="5.0.0",
    complexity="O(1)",
)
def xinfo_help(call: Call) -> Reply:
    """Lists the subcommands."""
    return [Simple(line) for line in _HELP]
