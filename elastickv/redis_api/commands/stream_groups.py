"""XGROUP: consumer groups and their consumers. What they have not acknowledged is in `stream_pending`."""

from __future__ import annotations

from typing import Final

from elastickv.redis_api.argument_docs import integer, key, oneof, token, word
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.errors import RedisError, c_string, subcommand_syntax, unknown_subcommand
from elastickv.redis_api.registry import COMMANDS, NO_KEYS, Flag, KeySpan, Reply
from elastickv.redis_api.replies import OK, Simple
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events
from elastickv.redis_api.values import stream_ids as ids
from elastickv.redis_api.values.stream_groups import UNKNOWN, Group, find_group, new_group
from elastickv.redis_api.values.streams import Stream, open_stream

_SECOND: Final = KeySpan(2, 2, 1)
_BUSY: Final = RedisError(b"BUSYGROUP Consumer Group name already exists")
_BAD_ENTRIES_READ: Final = RedisError(b"ERR value for ENTRIESREAD must be positive or -1")
_NO_KEY: Final = RedisError(
    b"ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option"
    b" to create an empty stream automatically."
)

_HELP: Final = (
    b"XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"CREATE <key> <groupname> <id|$> [option]",
    b"    Create a new consumer group. Options are:",
    b"    * MKSTREAM",
    b"      Create the empty stream if it does not exist.",
    b"    * ENTRIESREAD entries_read",
    b"      Set the group's entries_read counter (internal use).",
    b"CREATECONSUMER <key> <groupname> <consumer>",
    b"    Create a new consumer in the specified group.",
    b"DELCONSUMER <key> <groupname> <consumer>",
    b"    Remove the specified consumer.",
    b"DESTROY <key> <groupname>",
    b"    Remove the specified group.",
    b"SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    b"    Set the current group ID and entries_read counter.",
    b"HELP",
    b"    Print this help.",
)


def no_group(name: bytes, group: bytes) -> RedisError:
    return RedisError(b"NOGROUP No such key '%b' or consumer group '%b'" % (c_string(name), c_string(group)))


def no_group_of_key(group: bytes, name: bytes) -> RedisError:
    return RedisError(b"NOGROUP No such consumer group '%b' for key name '%b'" % (c_string(group), c_string(name)))


@COMMANDS.command(
    "xgroup",
    arity=-2,
    flags=Flag.NONE,
    group="stream",
    since="5.0.0",
    summary="A container for consumer groups commands.",
    complexity="Depends on subcommand.",
)
def xgroup(call: Call) -> Reply:
    raise unknown_subcommand(call.argv[0], call.argv[1])


def _options(call: Call, *, creates: bool) -> tuple[bool, int]:
    """(MKSTREAM, ENTRIESREAD)."""
    argv = call.argv
    make = False
    entries_read = UNKNOWN
    at = 5
    while at < len(argv):
        option = argv[at].upper()
        if creates and option == b"MKSTREAM":
            make = True
            at += 1
        elif option == b"ENTRIESREAD" and at + 1 < len(argv):
            entries_read = read_integer(argv[at + 1])
            if entries_read < UNKNOWN:
                raise _BAD_ENTRIES_READ
            at += 2
        else:
            raise subcommand_syntax(b"XGROUP", argv[1])
    return make, entries_read


def _stream(call: Call) -> Stream:
    stream = open_stream(call.db, call.argv[2])
    if stream is None:
        raise _NO_KEY
    return stream


def _group(call: Call, stream: Stream) -> Group:
    group = find_group(stream, call.argv[3])
    if group is None:
        raise no_group_of_key(call.argv[3], call.argv[2])
    return group


_ID: Final = oneof("id-selector", word("id"), token("$", "new-id"))
_ENTRIES_READ: Final = integer("entries-read", token="ENTRIESREAD", optional=True)


@COMMANDS.command(
    "xgroup|create",
    arity=-5,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=_SECOND,
    group="stream",
    since="5.0.0",
    complexity="O(1)",
    key_access=("RW INSERT",),
    history=(("7.0.0", "ENTRIESREAD."),),
    arguments=(key(), word("group"), _ID, token("MKSTREAM", optional=True), _ENTRIES_READ),
)
def xgroup_create(call: Call) -> Reply:
    """Creates a consumer group."""
    argv = call.argv
    make, entries_read = _options(call, creates=True)
    stream = open_stream(call.db, argv[2])
    if stream is None and not make:
        raise _NO_KEY
    if len(argv) > 8:
        raise subcommand_syntax(b"XGROUP", argv[1])
    if argv[4] == b"$":
        last = stream.last if stream is not None else 0
    else:
        last = ids.parse(argv[4])
    if stream is None:
        stream = Stream(call.db, argv[2], None)
    elif find_group(stream, argv[3]) is not None:
        raise _BUSY
    new_group(stream, argv[3], last, entries_read)
    stream.save()
    call.db.notify(events.STREAM, b"xgroup-create", argv[2])
    return OK


@COMMANDS.command(
    "xgroup|setid",
    arity=-5,
    flags=Flag.WRITE,
    keys=_SECOND,
    group="stream",
    since="5.0.0",
    complexity="O(1)",
    key_access=("RW UPDATE",),
    history=(("7.0.0", "ENTRIESREAD."),),
    arguments=(key(), word("group"), _ID, _ENTRIES_READ),
)
def xgroup_setid(call: Call) -> Reply:
    """Sets how far a consumer group has read."""
    argv = call.argv
    _, entries_read = _options(call, creates=False)
    stream = _stream(call)
    group = _group(call, stream)
    if len(argv) not in (5, 7):
        raise subcommand_syntax(b"XGROUP", argv[1])
    last = stream.last if argv[4] == b"$" else ids.parse(argv[4], strict=False)
    if not group.pending:
        group.floor = last
    group.last = last
    group.entries_read = entries_read
    group.save()
    call.db.notify(events.STREAM, b"xgroup-setid", argv[2])
    return OK


@COMMANDS.command(
    "xgroup|destroy",
    arity=4,
    flags=Flag.WRITE,
    keys=_SECOND,
    group="stream",
    since="5.0.0",
    complexity="O(N) for N pending entries, O(1) for a great many",
    key_access=("RW DELETE",),
    arguments=(key(), word("group")),
)
def xgroup_destroy(call: Call) -> Reply:
    """Removes a consumer group with all that is pending in it; returns whether it was there."""
    stream = _stream(call)
    group = find_group(stream, call.argv[3])
    if group is None:
        return 0
    group.destroy()
    stream.save()
    call.db.notify(events.STREAM, b"xgroup-destroy", call.argv[2])
    return 1


@COMMANDS.command(
    "xgroup|createconsumer",
    arity=5,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=_SECOND,
    group="stream",
    since="6.2.0",
    complexity="O(1)",
    key_access=("RW INSERT",),
    arguments=(key(), word("group"), word("consumer")),
)
def xgroup_createconsumer(call: Call) -> Reply:
    """Creates a consumer in a group; returns whether it is new."""
    group = _group(call, _stream(call))
    name = call.argv[4]
    if group.consumer(name) is not None:
        return 0
    group.new_consumer(name, call.now_ms)
    group.save()
    call.db.notify(events.STREAM, b"xgroup-createconsumer", call.argv[2])
    return 1


@COMMANDS.command(
    "xgroup|delconsumer",
    arity=5,
    flags=Flag.WRITE,
    keys=_SECOND,
    group="stream",
    since="5.0.0",
    complexity="O(N) for N entries pending for the consumer",
    key_access=("RW DELETE",),
    arguments=(key(), word("group"), word("consumer")),
)
def xgroup_delconsumer(call: Call) -> Reply:
    """Removes a consumer of a group; returns how many entries were pending for it."""
    group = _group(call, _stream(call))
    consumer = group.consumer(call.argv[4])
    if consumer is None:
        return 0
    group.delete_consumer(consumer)
    group.save()
    call.db.notify(events.STREAM, b"xgroup-delconsumer", call.argv[2])
    return consumer.pending


@COMMANDS.command(
    "xgroup|help",
    arity=2,
    flags=Flag.LOADING | Flag.STALE,
    keys=NO_KEYS,
    group="stream",
    since="5.0.0",
    complexity="O(1)",
)
def xgroup_help(call: Call) -> Reply:
    """Lists the subcommands."""
    return [Simple(line) for line in _HELP]
