"""What was delivered to the consumers of a group and not acknowledged: XACK, XPENDING, XCLAIM, XAUTOCLAIM."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from elastickv.redis_api.argument_docs import block, integer, key, token, word
from elastickv.redis_api.arguments import INT64_MAX, integer_between
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.commands.stream_groups import no_group
from elastickv.redis_api.commands.streams import parsed_ids
from elastickv.redis_api.errors import SYNTAX, RedisError, c_string
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, Reply
from elastickv.redis_api.replies import NULL_ARRAY
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events
from elastickv.redis_api.values import stream_ids as ids
from elastickv.redis_api.values.stream_groups import Consumer, Group, Pending, find_group
from elastickv.redis_api.values.streams import Stream, open_stream, read_stream

_BAD_COUNT: Final = RedisError(b"ERR COUNT must be > 0")
_ATTEMPTS: Final = 10
"""XAUTOCLAIM looks at so many entries for each that it may claim."""
_MAX_COUNT: Final = INT64_MAX // 16


def _bad(what: bytes) -> RedisError:
    return RedisError(b"ERR Invalid %b" % what)


def _open_group(call: Call) -> tuple[Stream, Group] | None:
    stream = open_stream(call.db, call.argv[1])
    if stream is None:
        return None
    group = find_group(stream, call.argv[2])
    return None if group is None else (stream, group)


def _needed_group(call: Call) -> tuple[Stream, Group]:
    opened = _open_group(call)
    if opened is None:
        raise no_group(call.argv[1], call.argv[2])
    return opened


def _save(group: Group, consumers: Iterable[Consumer]) -> None:
    for consumer in {one.number: one for one in consumers}.values():
        group.save_consumer(consumer)
    group.save()


@COMMANDS.command(
    "xack",
    arity=-4,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="stream",
    since="5.0.0",
    complexity="O(1) for each ID",
    key_access=("RW UPDATE",),
    arguments=(key(), word("group"), word("id", multiple=True)),
)
def xack(call: Call) -> Reply:
    """Acknowledges entries; returns how many of them were pending."""
    opened = _open_group(call)
    if opened is None:
        return 0
    _, group = opened
    owners = []
    for id in parsed_ids(call.argv[3:]):
        pending = group.find(id)
        if pending is not None:
            owners.append(group.settle(pending))
    if owners:
        _save(group, owners)
    return len(owners)


@COMMANDS.command(
    "xpending",
    arity=-3,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="stream",
    since="5.0.0",
    complexity="O(N) for N entries returned, or looked at with IDLE; O(C) for C consumers in the short form",
    key_access=("RO ACCESS",),
    history=(("6.2.0", "IDLE and exclusive intervals."),),
    arguments=(
        key(),
        word("group"),
        block(
            "filters",
            integer("min-idle-time", token="IDLE", since="6.2.0", optional=True),
            word("start"),
            word("end"),
            integer("count"),
            word("consumer", optional=True),
            optional=True,
        ),
    ),
)
def xpending(call: Call) -> Reply:
    """Tells what is pending in a group: in short, or entry by entry."""
    argv = call.argv
    if len(argv) != 3 and not 6 <= len(argv) <= 9:
        raise SYNTAX
    min_idle = start = end = count = 0
    name: bytes | None = None
    if len(argv) > 3:
        at = 3
        if argv[3].upper() == b"IDLE":
            min_idle = read_integer(argv[4])
            if len(argv) < 8:
                raise SYNTAX
            at = 5
        count = max(read_integer(argv[at + 2]), 0)
        start, end = ids.interval_start(argv[at]), ids.interval_end(argv[at + 1])
        if at + 3 < len(argv):
            name = argv[at + 3]
    stream = read_stream(call.db, argv[1])
    group = find_group(stream, argv[2]) if stream is not None else None
    if group is None:
        raise no_group(argv[1], argv[2])
    if len(argv) == 3:
        return _summary(group)
    if name is not None:
        consumer = group.consumer(name)
        if consumer is None:
            return []
        entries = _pending_of(group, consumer, start, end)
    else:
        entries = group.all_pending(start, end)
    found: list[object] = []
    if not count:
        return found
    for pending in entries:
        idle = call.now_ms - pending.delivered_ms
        if min_idle and idle < min_idle:
            continue
        owner = group.numbered(pending.consumer)
        found.append([ids.text(pending.id), owner.name, max(idle, 0), pending.count])
        if len(found) == count:
            break
    return found


def _pending_of(group: Group, consumer: Consumer, start: int, end: int) -> Iterable[Pending]:
    for id in group.pending_ids(consumer, start, end):
        pending = group.find(id)
        assert pending is not None, "both indexes of what is pending agree"
        yield pending


def _summary(group: Group) -> Reply:
    if not group.pending:
        return [0, None, None, NULL_ARRAY]
    first = next(iter(group.all_pending(0, ids.LAST)))
    last = next(iter(group.all_pending(0, ids.LAST, reverse=True)))
    owners = [[one.name, b"%d" % one.pending] for one in group.consumers() if one.pending]
    return [group.pending, ids.text(first.id), ids.text(last.id), owners]


def _claimant(call: Call, group: Group) -> Consumer:
    name = call.argv[3]
    consumer = group.consumer(name)
    if consumer is None:
        consumer = group.new_consumer(name, call.now_ms)
        call.db.notify(events.STREAM, b"xgroup-createconsumer", call.argv[1])
    consumer.seen_ms = call.now_ms
    return consumer


@COMMANDS.command(
    "xclaim",
    arity=-6,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="stream",
    since="5.0.0",
    complexity="O(1) for each ID",
    key_access=("RW UPDATE",),
    arguments=(
        key(),
        word("group"),
        word("consumer"),
        word("min-idle-time"),
        word("id", multiple=True),
        integer("ms", token="IDLE", optional=True),
        word("unix-time-milliseconds", "unix-time", token="TIME", optional=True),
        integer("count", token="RETRYCOUNT", optional=True),
        token("FORCE", optional=True),
        token("JUSTID", optional=True),
        word("lastid", token="LASTID", optional=True),
    ),
)
def xclaim(call: Call) -> Reply:
    """Makes a consumer the owner of pending entries that have been idle long enough."""
    argv = call.argv
    now = call.now_ms
    stream, group = _needed_group(call)
    min_idle = max(read_integer(argv[4], _bad(b"min-idle-time argument for XCLAIM")), 0)
    wanted: list[int] = []
    at = 5
    while at < len(argv):
        try:
            wanted.append(ids.parse(argv[at]))
        except RedisError:
            break
        at += 1
    force = just_id = False
    delivered = retries = -1
    last = 0
    while at < len(argv):
        option = argv[at].upper()
        more = at + 1 < len(argv)
        if option == b"FORCE":
            force = True
        elif option == b"JUSTID":
            just_id = True
        elif option in (b"IDLE", b"TIME", b"RETRYCOUNT") and more:
            at += 1
            number = read_integer(argv[at], _bad(b"%b option argument for XCLAIM" % option))
            if option == b"IDLE":
                delivered = now - number
            elif option == b"TIME":
                delivered = number
            else:
                retries = number
        elif option == b"LASTID" and more:
            at += 1
            last = ids.parse(argv[at])
        else:
            raise RedisError(b"ERR Unrecognized XCLAIM option '%b'" % c_string(argv[at]))
        at += 1
    group.last = max(group.last, last)
    if delivered < 0 or delivered > now:
        delivered = now
    consumer = _claimant(call, group)
    owners = [consumer]
    claimed: list[object] = []
    for id in wanted:
        pending = group.find(id)
        fields = stream.get(id)
        if fields is None:
            if pending is not None:
                owners.append(group.settle(pending))
            continue
        if pending is None:
            if not force:
                continue
            pending = Pending(id, consumer.number, delivered, 1)
            group.add(consumer, pending)
        elif min_idle and now - pending.delivered_ms < min_idle:
            continue
        pending.delivered_ms = delivered
        if retries >= 0:
            pending.count = retries
        elif not just_id:
            pending.count += 1
        group.give(pending, consumer)
        consumer.active_ms = now
        claimed.append(ids.text(id) if just_id else [ids.text(id), fields])
    _save(group, owners)
    return claimed


@COMMANDS.command(
    "xautoclaim",
    arity=-6,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="stream",
    since="6.2.0",
    complexity="O(1) if COUNT is small",
    key_access=("RW DELETE",),
    history=(("7.0.0", "A third element in the reply: IDs of entries that have gone."),),
    arguments=(
        key(),
        word("group"),
        word("consumer"),
        word("min-idle-time"),
        word("start"),
        integer("count", token="COUNT", optional=True),
        token("JUSTID", optional=True),
    ),
)
def xautoclaim(call: Call) -> Reply:
    """Makes a consumer the owner of the next pending entries that have been idle long enough."""
    argv = call.argv
    now = call.now_ms
    min_idle = max(read_integer(argv[4], _bad(b"min-idle-time argument for XAUTOCLAIM")), 0)
    start = ids.interval_start(argv[5])
    count = 100
    just_id = False
    at = 6
    while at < len(argv):
        option = argv[at].upper()
        if option == b"COUNT" and at + 1 < len(argv):
            at += 1
            count = integer_between(argv[at], 1, _MAX_COUNT, _BAD_COUNT)
        elif option == b"JUSTID":
            just_id = True
        else:
            raise SYNTAX
        at += 1
    stream, group = _needed_group(call)
    consumer = _claimant(call, group)
    owners = [consumer]
    attempts = count * _ATTEMPTS
    claimed: list[object] = []
    gone: list[object] = []
    following = 0
    chosen: list[tuple[Pending, list[bytes] | None]] = []
    for pending in group.all_pending(start, ids.LAST):
        if not attempts or not count:
            following = pending.id
            break
        attempts -= 1
        fields = stream.get(pending.id)
        if fields is None or not min_idle or now - pending.delivered_ms >= min_idle:
            chosen.append((pending, fields))
            count -= 1
    for pending, fields in chosen:
        if fields is None:
            owners.append(group.settle(pending))
            gone.append(ids.text(pending.id))
            continue
        pending.delivered_ms = now
        if not just_id:
            pending.count += 1
        group.give(pending, consumer)
        consumer.active_ms = now
        claimed.append(ids.text(pending.id) if just_id else [ids.text(pending.id), fields])
    _save(group, owners)
    return [ids.text(following), claimed, gone]
