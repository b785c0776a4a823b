"""What is behind a key: OBJECT, DUMP, RESTORE.

OBJECT answers what is true here or says that it is not known: a string has Redis' encoding and reference count (small
integers are shared there), but times of access are not kept.
"""

from __future__ import annotations

from typing import Final

from elastickv.redis_api import rdb, rdb_values
from elastickv.redis_api.argument_docs import integer, key, token, word
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.arguments import string_to_integer
from elastickv.redis_api.errors import BUSY_KEY, SYNTAX, RedisError, unknown_subcommand
from elastickv.redis_api.registry import COMMANDS, NO_KEYS, ONE_KEY, Flag, KeySpan, Reply
from elastickv.redis_api.replies import OK, Simple
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events
from elastickv.redis_api.values.kinds import KINDS
from elastickv.redis_api.values.records import Record, RecordType

_SECOND: Final = KeySpan(2, 2, 1)
_EMBEDDED: Final = 44
"""Redis keeps strings up to this length in one piece with their header."""
_LONGEST_INTEGER: Final = 20
_SHARED_INTEGERS: Final = 10_000
_SHARED: Final = (1 << 31) - 1

_HELP: Final = (
    b"OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"ENCODING <key>",
    b"    Return how the value at <key> is represented.",
    b"FREQ <key>",
    b"    Return how often <key> is accessed (not kept by this server: always an error).",
    b"HELP",
    b"    Print this help.",
    b"IDLETIME <key>",
    b"    Return how long <key> was not accessed (not kept by this server: always an error).",
    b"REFCOUNT <key>",
    b"    Return the number of references to the value at <key>.",
)


@COMMANDS.command(
    "object",
    arity=-2,
    flags=Flag.NONE,
    group="generic",
    since="2.2.3",
    complexity="depends on the subcommand",
)
def object_(call: Call) -> Reply:
    """Tells about the value at a key."""
    raise unknown_subcommand(call.argv[0], call.argv[1])


def _integer(record: Record) -> int | None:
    """The integer that Redis would store in place of the string."""
    if record.type is not RecordType.STRING or record.edited or record.length > _LONGEST_INTEGER:
        return None
    return string_to_integer(record.payload)


@COMMANDS.command(
    "object|encoding",
    arity=3,
    flags=Flag.READONLY,
    keys=_SECOND,
    group="generic",
    since="2.2.3",
    complexity="O(1)",
    key_access=("RO",),
    arguments=(key(),),
)
def object_encoding(call: Call) -> Reply:
    """Returns how the value at a key is represented."""
    record = call.db.read(call.argv[2])
    if record is None:
        return None
    if record.type is not RecordType.STRING:
        return KINDS[record.type].encoding(call.db, record)
    if _integer(record) is not None:
        return b"int"
    return b"embstr" if record.length <= _EMBEDDED and not record.edited else b"raw"


@COMMANDS.command(
    "object|refcount",
    arity=3,
    flags=Flag.READONLY,
    keys=_SECOND,
    group="generic",
    since="2.2.3",
    complexity="O(1)",
    key_access=("RO",),
    arguments=(key(),),
)
def object_refcount(call: Call) -> Reply:
    """Returns the number of references to the value at a key."""
    record = call.db.read(call.argv[2])
    if record is None:
        return None
    number = _integer(record)
    return _SHARED if number is not None and 0 <= number < _SHARED_INTEGERS else 1


@COMMANDS.command(
    "object|idletime",
    arity=3,
    flags=Flag.READONLY,
    keys=_SECOND,
    group="generic",
    since="2.2.3",
    complexity="O(1)",
    key_access=("RO",),
    arguments=(key(),),
)
def object_idletime(call: Call) -> Reply:
    """Refuses to say how long a key was not accessed: this server does not keep that."""
    if call.db.read(call.argv[2]) is None:
        return None
    raise RedisError(b"ERR Idle time is not tracked by this server.")


@COMMANDS.command(
    "object|freq",
    arity=3,
    flags=Flag.READONLY,
    keys=_SECOND,
    group="generic",
    since="4.0.0",
    complexity="O(1)",
    key_access=("RO",),
    arguments=(key(),),
)
def object_freq(call: Call) -> Reply:
    """Refuses to say how often a key is accessed: this server does not keep that."""
    if call.db.read(call.argv[2]) is None:
        return None
    raise RedisError(
        b"ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching"
        b" between policies at runtime LRU and LFU data will take some time to adjust."
    )


@COMMANDS.command(
    "object|help",
    arity=2,
    flags=Flag.LOADING | Flag.STALE,
    keys=NO_KEYS,
    group="generic",
    since="6.2.0",
    complexity="O(1)",
)
def object_help(call: Call) -> Reply:
    """Lists the subcommands."""
    return [Simple(line) for line in _HELP]


@COMMANDS.command(
    "dump",
    arity=2,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="generic",
    since="2.6.0",
    complexity="O(N) for a value of N bytes",
    key_access=("RO ACCESS",),
    arguments=(key(),),
)
def dump(call: Call) -> Reply:
    """Returns the value at a key in Redis' own format, for RESTORE."""
    record = call.db.read(call.argv[1])
    if record is None:
        return None
    if record.type is RecordType.STRING:
        return rdb.dump_string(record.view)
    kind = KINDS[record.type]
    return rdb_values.dump(record.type, kind.encoding(call.db, record), kind.load(call.db, record))


@COMMANDS.command(
    "restore",
    arity=-4,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=ONE_KEY,
    group="generic",
    since="2.6.0",
    complexity="O(N) for a value of N bytes",
    categories=("dangerous",),
    key_access=("OW UPDATE",),
    history=(
        ("3.0.0", "Option REPLACE."),
        ("5.0.0", "Option ABSTTL."),
        ("5.0.0", "Options IDLETIME and FREQ."),
    ),
    arguments=(
        key(),
        integer("ttl"),
        word("serialized-value"),
        token("REPLACE", since="3.0.0", optional=True),
        token("ABSTTL", since="5.0.0", optional=True),
        integer("seconds", token="IDLETIME", since="5.0.0", optional=True),
        integer("frequency", token="FREQ", since="5.0.0", optional=True),
    ),
)
def restore(call: Call) -> Reply:
    """Stores a value that DUMP gave, here or in a Redis server."""
    _, name, ttl_text, payload, *options = call.argv
    replace, absolute = _restore_options(options)
    if not replace and call.db.exists(name):
        raise BUSY_KEY
    ttl = read_integer(ttl_text)
    if ttl < 0:
        raise RedisError(b"ERR Invalid TTL value, must be >= 0")
    try:
        type, value = rdb_values.restore(payload)
    except rdb.WrongFooter:
        raise RedisError(b"ERR DUMP payload version or checksum are wrong") from None
    except rdb.BadFormat:
        raise RedisError(b"ERR Bad data format") from None
    deadline = ttl if absolute or not ttl else ttl + call.view.now_ms
    # Redis lets the sum wrap around to the distant past.
    if deadline and (deadline <= call.view.now_ms or deadline >= 1 << 63):
        if call.db.delete(name):
            call.db.notify(events.GENERIC, b"del", name)
    else:
        if type is RecordType.STRING:
            call.db.set_string(name, value, deadline)
        else:
            KINDS[type].save(call.db, name, value, deadline)
        call.db.notify(events.GENERIC, b"restore", name)
    return OK


def _restore_options(options: list[bytes]) -> tuple[bool, bool]:
    """(REPLACE, ABSTTL). IDLETIME and FREQ are checked, exclude each other, and mean nothing here."""
    replace = absolute = False
    idle = frequency = False
    at = 0
    while at < len(options):
        option = options[at].upper()
        if option == b"REPLACE":
            replace = True
        elif option == b"ABSTTL":
            absolute = True
        elif option == b"IDLETIME" and at + 1 < len(options) and not frequency:
            at += 1
            if read_integer(options[at]) < 0:
                raise RedisError(b"ERR Invalid IDLETIME value, must be >= 0")
            idle = True
        elif option == b"FREQ" and at + 1 < len(options) and not idle:
            at += 1
            if not 0 <= read_integer(options[at]) <= 255:
                raise RedisError(b"ERR Invalid FREQ value, must be >= 0 and <= 255")
            frequency = True
        else:
            raise SYNTAX
        at += 1
    return replace, absolute
