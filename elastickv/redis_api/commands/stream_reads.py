"""XREAD and XREADGROUP: new entries of several streams, now or when they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from elastickv.redis_api.argument_docs import block, integer, key, token, word
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.arguments import timeout_milliseconds, wrapped
from elastickv.redis_api.commands.streams import shown
from elastickv.redis_api.errors import SYNTAX, RedisError, c_string
from elastickv.redis_api.registry import COMMANDS, NO_KEYS, Flag, KeySpec, Reply
from elastickv.redis_api.replies import NULL_ARRAY, Raw, encode
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events
from elastickv.redis_api.values import stream_ids as ids
from elastickv.redis_api.values.records import RecordType
from elastickv.redis_api.values.stream_groups import UNKNOWN, Consumer, Group, find_group
from elastickv.redis_api.values.streams import Stream, open_stream, read_stream

_GROUP_IN_XREAD: Final = RedisError(b"ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.")
_NOACK_IN_XREAD: Final = RedisError(b"ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.")
_NO_GROUP: Final = RedisError(b"ERR Missing GROUP option for XREADGROUP")
_DOLLAR_IN_GROUP: Final = RedisError(
    b"ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by"
    b" specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set."
)
_NEW_IN_XREAD: Final = RedisError(
    b"ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
)


@dataclass(slots=True)
class _Request:
    keys: list[bytes] = field(default_factory=list)
    ids: list[bytes] = field(default_factory=list)
    first_id: int = 0
    """Where the IDs begin in argv."""
    count: int = 0
    """0: all."""
    timeout_ms: int = -1
    """-1: do not wait."""
    group: bytes | None = None
    consumer: bytes = b""
    acknowledges: bool = True
    """An entry that is delivered must be acknowledged."""


def _parse(call: Call, *, grouped: bool) -> _Request:
    argv = call.argv
    request = _Request()
    at = 1
    while at < len(argv):
        option = argv[at].upper()
        more = len(argv) - 1 - at
        if option == b"BLOCK" and more:
            at += 1
            request.timeout_ms = timeout_milliseconds(argv[at], call.now_ms)
        elif option == b"COUNT" and more:
            at += 1
            request.count = max(read_integer(argv[at]), 0)
        elif option == b"STREAMS" and more:
            if more % 2:
                name, symbol = (b"xreadgroup", b">") if grouped else (b"xread", b"$")
                raise RedisError(
                    b"ERR Unbalanced '%b' list of streams: for each stream key an ID or '%b' must be specified."
                    % (name, symbol)
                )
            request.first_id = at + 1 + more // 2
            request.keys = argv[at + 1 : request.first_id]
            request.ids = argv[request.first_id :]
            break
        elif option == b"GROUP" and more >= 2:
            if not grouped:
                raise _GROUP_IN_XREAD
            request.group, request.consumer = argv[at + 1 : at + 3]
            at += 2
        elif option == b"NOACK":
            if not grouped:
                raise _NOACK_IN_XREAD
            request.acknowledges = False
        else:
            raise SYNTAX
        at += 1
    if not request.keys:
        raise SYNTAX
    if grouped and request.group is None:
        raise _NO_GROUP
    return request


def find_streams(argv: Sequence[bytes]) -> list[bytes]:
    """The keys of XREAD and XREADGROUP."""
    at = 1
    while at < len(argv):
        option = argv[at].upper()
        if option == b"STREAMS":
            return list(argv[at + 1 : at + 1 + (len(argv) - at - 1) // 2])
        at += {b"BLOCK": 2, b"COUNT": 2, b"GROUP": 3}.get(option, 1)
    return []


def _by_stream(found: list[tuple[bytes, list[object]]], protocol: int) -> Reply:
    """A map of streams in RESP3."""
    if protocol == 2:
        return [[name, entries] for name, entries in found]
    by_name = dict(found)
    if len(by_name) == len(found):
        return by_name
    # A stream that was named twice stands there twice.
    return Raw(b"%%%d\r\n" % len(found) + b"".join(encode(one, 3) for pair in found for one in pair))


@COMMANDS.command(
    "xread",
    arity=-4,
    flags=Flag.READONLY | Flag.BLOCKING,
    keys=NO_KEYS,
    find_keys=find_streams,
    group="stream",
    since="5.0.0",
    complexity="O(N) for N entries returned",
    key_specs=(KeySpec("RO ACCESS", keyword="STREAMS", start_from=1, last=-1, limit=2),),
    arguments=(
        integer("count", token="COUNT", optional=True),
        integer("milliseconds", token="BLOCK", optional=True),
        block("streams", key(multiple=True), word("id", multiple=True), token="STREAMS"),
    ),
)
def xread(call: Call) -> Reply:
    """Returns entries with greater IDs than the given ones, of one or more streams; waits for some with BLOCK."""
    request = _parse(call, grouped=False)
    streams: list[Stream | None] = []
    after: list[int] = []
    for name, text in zip(request.keys, request.ids, strict=True):
        stream = read_stream(call.db, name)
        if text == b"$":
            after.append(stream.last if stream is not None else 0)
        elif text == b">":
            raise _NEW_IN_XREAD
        else:
            after.append(ids.parse(text))
        streams.append(stream)
    found: list[tuple[bytes, list[object]]] = []
    for name, stream, last in zip(request.keys, streams, after, strict=True):
        if stream is None or last >= stream.last:
            continue
        entries: list[object] = []
        for entry in stream.range(last + 1, ids.LAST):
            entries.append(shown(entry))
            if len(entries) == request.count:
                break
        if entries:
            found.append((name, entries))
    if found:
        return _by_stream(found, call.protocol)
    if request.timeout_ms < 0:
        return NULL_ARRAY
    argv = [*call.argv[: request.first_id], *map(ids.text, after)]
    return call.block(request.keys, RecordType.STREAM, request.timeout_ms, argv=argv)


@COMMANDS.command(
    "xreadgroup",
    arity=-7,
    flags=Flag.WRITE | Flag.BLOCKING,
    keys=NO_KEYS,
    find_keys=find_streams,
    group="stream",
    since="5.0.0",
    complexity="O(N) for N entries returned",
    key_specs=(KeySpec("RO ACCESS", keyword="STREAMS", start_from=4, last=-1, limit=2),),
    arguments=(
        block("group-block", word("group"), word("consumer"), token="GROUP"),
        integer("count", token="COUNT", optional=True),
        integer("milliseconds", token="BLOCK", optional=True),
        token("NOACK", optional=True),
        block("streams", key(multiple=True), word("id", multiple=True), token="STREAMS"),
    ),
)
def xreadgroup(call: Call) -> Reply:
    """Returns entries that nobody of a group has got yet, or those that a consumer has not acknowledged."""
    request = _parse(call, grouped=True)
    wanted: list[tuple[bytes, Stream, Group, int | None]] = []
    assert request.group is not None
    for name, text in zip(request.keys, request.ids, strict=True):
        stream = open_stream(call.db, name)
        group = find_group(stream, request.group) if stream is not None else None
        if stream is None or group is None:
            raise RedisError(
                b"NOGROUP No such key '%b' or consumer group '%b' in XREADGROUP with GROUP option"
                % (c_string(name), c_string(request.group))
            )
        if text == b"$":
            raise _DOLLAR_IN_GROUP
        last = ids.LAST if text == b">" else ids.parse(text)
        wanted.append((name, stream, group, None if last == ids.LAST else last))
    found: list[tuple[bytes, list[object]]] = []
    opened: dict[bytes, tuple[Stream, Group]] = {}
    for name, stream, group, after in wanted:
        # A stream that is named twice is one.
        stream, group = opened.setdefault(name, (stream, group))
        consumer = group.consumer(request.consumer)
        is_new = consumer is None
        if consumer is None:
            consumer = group.new_consumer(request.consumer, call.now_ms)
            call.db.notify(events.STREAM, b"xgroup-createconsumer", name)
        if after is not None:
            found.append((name, _history(call, stream, group, consumer, after, request.count)))
        else:
            entries = _deliver(call, stream, group, consumer, request)
            if entries:
                found.append((name, entries))
            elif call.again and not is_new:
                continue  # it was seen when it came, and that is written
        consumer.seen_ms = call.now_ms
        group.save_consumer(consumer)
        group.save()
    if found:
        return _by_stream(found, call.protocol)
    if request.timeout_ms < 0:
        return NULL_ARRAY
    return call.block(request.keys, None, request.timeout_ms)


def _deliver(call: Call, stream: Stream, group: Group, consumer: Consumer, request: _Request) -> list[object]:
    """Entries that are new to the group go to the consumer."""
    entries: list[object] = []
    if group.last >= stream.last:
        return entries
    for entry in stream.range(group.last + 1, ids.LAST):
        id = entry[0]
        if group.entries_read != UNKNOWN and not stream.has_tombstones(id):
            group.entries_read = wrapped(group.entries_read + 1)  # XGROUP may have set it to anything
        elif stream.added:
            group.entries_read = stream.distance(id)
        group.last = id
        if request.acknowledges:
            group.deliver(consumer, id, call.now_ms)
            consumer.active_ms = call.now_ms
        entries.append(shown(entry))
        if len(entries) == request.count:
            break
    return entries


def _history(call: Call, stream: Stream, group: Group, consumer: Consumer, after: int, count: int) -> list[object]:
    """What the consumer got and did not acknowledge; entries that have gone meanwhile have no fields."""
    entries: list[object] = []
    delivered = []
    for id in group.pending_ids(consumer, after + 1, ids.LAST):
        fields = stream.get(id)
        if fields is None:
            entries.append([ids.text(id), NULL_ARRAY])
        else:
            entries.append([ids.text(id), fields])
            delivered.append(id)
        if len(entries) == count:
            break
    for id in delivered:
        pending = group.find(id)
        assert pending is not None, "both indexes of what is pending agree"
        pending.delivered_ms = call.now_ms
        pending.count += 1
        group.put(pending)
    return entries
