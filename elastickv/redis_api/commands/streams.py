"""Streams: add, read by ID, remove, trim. Waiting for entries is in `stream_reads`, groups are in `stream_groups`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from elastickv.redis_api.argument_docs import Argument, block, integer, key, oneof, token, word
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.errors import NO_SUCH_KEY, SYNTAX, RedisError, wrong_arity
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, Reply
from elastickv.redis_api.replies import NULL_ARRAY, OK
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events
from elastickv.redis_api.values import stream_ids as ids
from elastickv.redis_api.values.streams import Entry, Stream, add_next, open_stream, read_stream

_MAX_LIMIT: Final = 1_000_000
_BOTH_STRATEGIES: Final = RedisError(b"ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
_NEGATIVE_LENGTH: Final = RedisError(b"ERR The MAXLEN argument must be >= 0.")
_NEGATIVE_LIMIT: Final = RedisError(b"ERR The LIMIT argument must be >= 0.")
_LIMIT_ALONE: Final = RedisError(b"ERR syntax error, LIMIT cannot be used without specifying a trimming strategy")
_LIMIT_EXACT: Final = RedisError(b"ERR syntax error, LIMIT cannot be used without the special ~ option")
_NO_STRATEGY: Final = RedisError(b"ERR syntax error, XTRIM must be called with a trimming strategy")
_ZERO_ID: Final = RedisError(b"ERR The ID specified in XADD must be greater than 0-0")
_EXHAUSTED: Final = RedisError(b"ERR The stream has exhausted the last possible ID, unable to add more items")
_SMALLER_ID: Final = RedisError(b"ERR The ID specified in XADD is equal or smaller than the target stream top item")
_BAD_ADDED: Final = RedisError(b"ERR entries_added must be positive")
_SETID_BELOW_GIVEN: Final = RedisError(
    b"ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id"
)
_SETID_BELOW_DELETED: Final = RedisError(b"ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
_SETID_BELOW_TOP: Final = RedisError(b"ERR The ID specified in XSETID is smaller than the target stream top item")
_SETID_TOO_FEW: Final = RedisError(
    b"ERR The entries_added specified in XSETID is smaller than the target stream length"
)

_TRIM: Final = (
    oneof("strategy", token("MAXLEN"), token("MINID", since="6.2.0")),
    oneof("operator", token("=", "equal"), token("~", "approximately"), optional=True),
    word("threshold"),
    integer("count", token="LIMIT", since="6.2.0", optional=True),
)


def shown(entry: Entry) -> list[object]:
    """An entry as clients see it."""
    return [ids.text(entry[0]), entry[1]]


def parsed_ids(words: list[bytes]) -> list[int]:
    return [ids.parse(one) for one in words]


@dataclass(slots=True)
class _Options:
    """Of XADD and XTRIM."""

    next: int = 0
    """Where the words behind the options begin."""
    create: bool = True
    trims: bool = False
    most: int | None = None
    """MAXLEN; None with MINID."""
    min_id: int = 0
    approximate: bool = False
    limit: int | None = None

    def trim(self, call: Call, stream: Stream) -> int:
        limit = self.limit
        if limit is None:
            limit = 0
            if self.approximate:
                limit = 100 * call.databases.limits.stream_node_entries
                limit = 10_000 if limit <= 0 else min(limit, _MAX_LIMIT)
        return stream.trim(most=self.most, min_id=self.min_id, approximate=self.approximate, limit=limit)


def _options(argv: list[bytes], *, adding: bool) -> _Options:
    """From the third word on. For XADD they end at the ID, which is not looked at."""
    found = _Options()
    at = 2
    while at < len(argv):
        option = argv[at].upper()
        more = len(argv) - 1 - at
        if adding and option == b"*":
            break
        if option in (b"MAXLEN", b"MINID") and more:
            if found.trims:
                raise _BOTH_STRATEGIES
            found.trims = True
            found.approximate = False
            if more >= 2 and argv[at + 1] in (b"~", b"="):
                found.approximate = argv[at + 1] == b"~"
                at += 1
            at += 1
            if option == b"MAXLEN":
                found.most = read_integer(argv[at])
                if found.most < 0:
                    raise _NEGATIVE_LENGTH
            else:
                found.min_id = ids.parse(argv[at])
        elif option == b"LIMIT" and more:
            at += 1
            found.limit = read_integer(argv[at])
            if found.limit < 0:
                raise _NEGATIVE_LIMIT
        elif adding and option == b"NOMKSTREAM":
            found.create = False
        elif adding:
            ids.parse_for_adding(argv[at])
            break
        else:
            raise SYNTAX
        at += 1
    found.next = at
    if found.limit and not found.trims:
        raise _LIMIT_ALONE
    if not adding and not found.trims:
        raise _NO_STRATEGY
    if found.limit is not None and not found.approximate:
        raise _LIMIT_EXACT
    return found


@COMMANDS.command(
    "xadd",
    arity=-5,
    flags=Flag.WRITE | Flag.DENYOOM | Flag.FAST,
    keys=ONE_KEY,
    group="stream",
    since="5.0.0",
    complexity="O(1); O(N) when N entries are trimmed",
    key_access=("RW UPDATE",),
    history=(
        ("6.2.0", "NOMKSTREAM, MINID and LIMIT."),
        ("7.0.0", "IDs of the form <ms>-*."),
    ),
    arguments=(
        key(),
        token("NOMKSTREAM", since="6.2.0", optional=True),
        block("trim", *_TRIM, optional=True),
        oneof("id-selector", token("*", "auto-id"), word("id")),
        block("data", word("field"), word("value"), multiple=True),
    ),
)
def xadd(call: Call) -> Reply:
    """Adds an entry to the end of a stream, and returns its ID."""
    argv = call.argv
    if argv[2] == b"*" and len(argv) % 2:
        added = add_next(call.db, argv[1], argv[3:])
        if added is not None:
            call.db.notify(events.STREAM, b"xadd", argv[1])
            return b"%d-%d" % added
    options = _options(argv, adding=True)
    words = argv[options.next + 1 :]
    if len(words) < 2 or len(words) % 2:
        raise wrong_arity("xadd")
    given = None if argv[options.next] == b"*" else ids.parse_for_adding(argv[options.next])
    if given == (0, False):
        raise _ZERO_ID
    stream = open_stream(call.db, argv[1])
    if stream is None:
        if not options.create:
            return None
        stream = Stream(call.db, argv[1], None)
    if stream.last == ids.LAST:
        raise _EXHAUSTED
    id = _next_id(stream, given, call.now_ms)
    stream.append(id, words)
    trimmed = options.trim(call, stream) if options.trims else 0
    stream.save()
    call.db.notify(events.STREAM, b"xadd", argv[1])
    if trimmed:
        call.db.notify(events.STREAM, b"xtrim", argv[1])
    return ids.text(id)


def _next_id(stream: Stream, given: tuple[int, bool] | None, now_ms: int) -> int:
    last = stream.last
    if given is None:
        return max(now_ms << 64, last + 1)
    id, automatic = given
    if automatic and id >> 64 == last >> 64:
        if last & ids.SEQUENCE == ids.SEQUENCE:
            raise _SMALLER_ID
        return last + 1
    if id <= last:
        raise _SMALLER_ID
    return id


@COMMANDS.command(
    "xlen",
    arity=2,
    flags=Flag.READONLY | Flag.FAST,
    keys=ONE_KEY,
    group="stream",
    since="5.0.0",
    complexity="O(1)",
    key_access=("RO",),
    arguments=(key(),),
)
def xlen(call: Call) -> Reply:
    """Returns the number of entries of a stream."""
    stream = read_stream(call.db, call.argv[1])
    return stream.count if stream is not None else 0


def _range(call: Call, *, reverse: bool) -> Reply:
    argv = call.argv
    first, second = (argv[3], argv[2]) if reverse else (argv[2], argv[3])
    start, end = ids.interval_start(first), ids.interval_end(second)
    count: int | None = None
    at = 4
    while at < len(argv):
        if argv[at].upper() != b"COUNT" or at + 1 == len(argv):
            raise SYNTAX
        count = max(read_integer(argv[at + 1]), 0)
        at += 2
    stream = read_stream(call.db, argv[1])
    if stream is None:
        return []
    if count == 0:
        return NULL_ARRAY
    found = []
    for entry in stream.range(start, end, reverse=reverse):
        found.append(shown(entry))
        if len(found) == count:
            break
    return found


@COMMANDS.command(
    "xrange",
    arity=-4,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="stream",
    since="5.0.0",
    complexity="O(N) for N entries returned",
    key_access=("RO ACCESS",),
    history=(("6.2.0", "Exclusive ranges."),),
    arguments=(key(), word("start"), word("end"), integer("count", token="COUNT", optional=True)),
)
def xrange(call: Call) -> Reply:
    """Returns the entries of a stream whose IDs lie in an interval."""
    return _range(call, reverse=False)


@COMMANDS.command(
    "xrevrange",
    arity=-4,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="stream",
    since="5.0.0",
    complexity="O(N) for N entries returned",
    key_access=("RO ACCESS",),
    history=(("6.2.0", "Exclusive ranges."),),
    arguments=(key(), word("end"), word("start"), integer("count", token="COUNT", optional=True)),
)
def xrevrange(call: Call) -> Reply:
    """Returns the entries of a stream whose IDs lie in an interval, the newest first."""
    return _range(call, reverse=True)


@COMMANDS.command(
    "xdel",
    arity=-3,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="stream",
    since="5.0.0",
    complexity="O(1) for each ID",
    key_access=("RW DELETE",),
    arguments=(key(), word("id", multiple=True)),
)
def xdel(call: Call) -> Reply:
    """Removes entries from a stream; returns how many were there."""
    argv = call.argv
    stream = open_stream(call.db, argv[1])
    if stream is None:
        return 0
    deleted = sum(map(stream.delete, parsed_ids(argv[2:])))
    if deleted:
        stream.save()
        call.db.notify(events.STREAM, b"xdel", argv[1])
    return deleted


@COMMANDS.command(
    "xtrim",
    arity=-4,
    flags=Flag.WRITE,
    keys=ONE_KEY,
    group="stream",
    since="5.0.0",
    complexity="O(N) for N entries removed",
    key_access=("RW DELETE",),
    history=(("6.2.0", "MINID and LIMIT."),),
    arguments=(key(), block("trim", *_TRIM)),
)
def xtrim(call: Call) -> Reply:
    """Removes the oldest entries of a stream, down to a length or up to an ID; returns how many."""
    options = _options(call.argv, adding=False)
    stream = open_stream(call.db, call.argv[1])
    if stream is None:
        return 0
    removed = options.trim(call, stream)
    if removed:
        stream.save()
        call.db.notify(events.STREAM, b"xtrim", call.argv[1])
    return removed


_SETID: Final[tuple[Argument, ...]] = (
    key(),
    word("last-id"),
    integer("entries-added", token="ENTRIESADDED", since="7.0.0", optional=True),
    word("max-deleted-id", token="MAXDELETEDID", since="7.0.0", optional=True),
)


@COMMANDS.command(
    "xsetid",
    arity=-3,
    flags=Flag.WRITE | Flag.DENYOOM | Flag.FAST,
    keys=ONE_KEY,
    group="stream",
    since="5.0.0",
    complexity="O(1)",
    key_access=("RW UPDATE",),
    history=(("7.0.0", "ENTRIESADDED and MAXDELETEDID."),),
    arguments=_SETID,
)
def xsetid(call: Call) -> Reply:
    """Sets the last ID of a stream, for tools that copy streams."""
    argv = call.argv
    id = ids.parse(argv[2])
    added = -1
    max_deleted = 0
    at = 3
    while at < len(argv):
        option = argv[at].upper()
        if option == b"ENTRIESADDED" and at + 1 < len(argv):
            added = read_integer(argv[at + 1])
            if added < 0:
                raise _BAD_ADDED
        elif option == b"MAXDELETEDID" and at + 1 < len(argv):
            max_deleted = ids.parse(argv[at + 1])
            if id < max_deleted:
                raise _SETID_BELOW_GIVEN
        else:
            raise SYNTAX
        at += 2
    stream = open_stream(call.db, argv[1])
    if stream is None:
        raise NO_SUCH_KEY
    if id < stream.max_deleted:
        raise _SETID_BELOW_DELETED
    if stream.count:
        if id < stream.last_entry():
            raise _SETID_BELOW_TOP
        if added != -1 and stream.count > added:
            raise _SETID_TOO_FEW
    stream.last = id
    if added != -1:
        stream.added = added
    if max_deleted:
        stream.max_deleted = max_deleted
    stream.save()
    call.db.notify(events.STREAM, b"xsetid", argv[1])
    return OK
