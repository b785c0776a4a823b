"""Keys whatever they hold: delete, look for, rename, copy, move, list.

Deadlines are in `key_expiry`, OBJECT, DUMP and RESTORE in `key_objects`.
"""

from __future__ import annotations

from typing import Final

from elastickv.redis_api import glob, scan_options
from elastickv.redis_api.argument_docs import integer, key, token, word
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.errors import (
    DB_OUT_OF_RANGE,
    NO_SUCH_KEY,
    SAME_OBJECT,
    SYNTAX,
    RedisError,
)
from elastickv.redis_api.registry import ALL_KEYS, COMMANDS, NO_KEYS, ONE_KEY, Flag, KeySpan, Reply
from elastickv.redis_api.replies import OK, Simple
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events
from elastickv.redis_api.values.database import Database
from elastickv.redis_api.values.records import TYPE_NAMES, Record

_TWO_KEYS: Final = KeySpan(1, 2, 1)
_TYPES: Final = {type: Simple(name) for type, name in TYPE_NAMES.items()}
_NO_TYPE: Final = Simple(b"none")


def _delete(call: Call) -> Reply:
    db = call.db
    if call.databases.listener is None:
        return sum(map(db.delete, call.argv[1:]))
    deleted = 0
    for name in call.argv[1:]:
        if db.delete(name):
            db.notify(events.GENERIC, b"del", name)
            deleted += 1
    return deleted


@COMMANDS.command(
    "del",
    arity=-2,
    flags=Flag.WRITE,
    keys=ALL_KEYS,
    group="generic",
    since="1.0.0",
    complexity="O(N) for N keys; what large values leave behind is cleared away in the background",
    key_access=("RM DELETE",),
    arguments=(key(multiple=True),),
)
def del_(call: Call) -> Reply:
    """Deletes keys; the reply is how many were there."""
    return _delete(call)


@COMMANDS.command(
    "unlink",
    arity=-2,
    flags=Flag.WRITE | Flag.FAST,
    keys=ALL_KEYS,
    group="generic",
    since="4.0.0",
    complexity="O(N) for N keys",
    key_access=("RM DELETE",),
    arguments=(key(multiple=True),),
)
def unlink(call: Call) -> Reply:
    """Deletes keys, as DEL does; the reply is how many were there."""
    return _delete(call)


def _count(call: Call) -> Reply:
    read = call.db.read
    return sum(read(name) is not None for name in call.argv[1:])


@COMMANDS.command(
    "exists",
    arity=-2,
    flags=Flag.READONLY | Flag.FAST,
    keys=ALL_KEYS,
    group="generic",
    since="1.0.0",
    complexity="O(N) for N keys",
    key_access=("RO",),
    history=(("3.0.3", "Takes several keys."),),
    arguments=(key(multiple=True),),
)
def exists(call: Call) -> Reply:
    """Counts which of the keys exist; a key named twice counts twice."""
    return _count(call)


@COMMANDS.command(
    "touch",
    arity=-2,
    flags=Flag.READONLY | Flag.FAST,
    keys=ALL_KEYS,
    group="generic",
    since="3.2.1",
    complexity="O(N) for N keys",
    key_access=("RO",),
    arguments=(key(multiple=True),),
)
def touch(call: Call) -> Reply:
    """Counts which of the keys exist (times of access are not kept)."""
    return _count(call)


@COMMANDS.command(
    "type",
    arity=2,
    flags=Flag.READONLY | Flag.FAST,
    keys=ONE_KEY,
    group="generic",
    since="1.0.0",
    complexity="O(1)",
    key_access=("RO",),
    arguments=(key(),),
)
def type_(call: Call) -> Reply:
    """Returns the type of what is stored at a key."""
    record = call.db.read(call.argv[1])
    return _TYPES[record.type] if record is not None else _NO_TYPE


@COMMANDS.command(
    "rename",
    arity=3,
    flags=Flag.WRITE,
    keys=_TWO_KEYS,
    group="generic",
    since="1.0.0",
    complexity="O(1)",
    key_access=("RW ACCESS DELETE", "OW UPDATE"),
    arguments=(key(), key("newkey", 1)),
)
def rename(call: Call) -> Reply:
    """Gives a key another name; what was stored there before is lost."""
    _, old, new = call.argv
    db = call.db
    record = db.lookup(old)
    if record is None:
        raise NO_SUCH_KEY
    if old != new:
        _rename(db, record, old, new)
    return OK


def _rename(db: Database, record: Record, old: bytes, new: bytes) -> None:
    db.store_record(new, record)
    db.remove(record, keep_elements=True)
    db.notify(events.GENERIC, b"rename_from", old)
    db.notify(events.GENERIC, b"rename_to", new)


@COMMANDS.command(
    "renamenx",
    arity=3,
    flags=Flag.WRITE | Flag.FAST,
    keys=_TWO_KEYS,
    group="generic",
    since="1.0.0",
    complexity="O(1)",
    key_access=("RW ACCESS DELETE", "OW INSERT"),
    history=(("3.2.0", "The same name twice is no error any more."),),
    arguments=(key(), key("newkey", 1)),
)
def renamenx(call: Call) -> Reply:
    """Gives a key another name unless that one exists."""
    _, old, new = call.argv
    db = call.db
    record = db.lookup(old)
    if record is None:
        raise NO_SUCH_KEY
    if old == new or db.exists(new):
        return 0
    _rename(db, record, old, new)
    return 1


def _database(call: Call, text: bytes) -> Database:
    number = read_integer(text)
    if not -(1 << 31) <= number < 1 << 31:
        raise RedisError(b"ERR value is out of range, value must between -2147483648 and 2147483647")
    if not 0 <= number < len(call.databases.numbered):
        raise DB_OUT_OF_RANGE
    return call.databases.numbered[number]


@COMMANDS.command(
    "copy",
    arity=-3,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=_TWO_KEYS,
    group="generic",
    since="6.2.0",
    complexity="O(N) for a collection of N elements, O(1) for a string",
    key_access=("RO ACCESS", "OW UPDATE"),
    arguments=(
        key("source"),
        key("destination", 1),
        integer("destination-db", token="DB", optional=True),
        token("REPLACE", optional=True),
    ),
)
def copy(call: Call) -> Reply:
    """Stores a copy of a key's value and deadline at another key."""
    argv = call.argv
    _, source, destination = argv[:3]
    target = call.db
    replace = False
    at = 3
    while at < len(argv):
        option = argv[at].upper()
        if option == b"REPLACE":
            replace = True
        elif option == b"DB" and at + 1 < len(argv):
            at += 1
            target = _database(call, argv[at])
        else:
            raise SYNTAX
        at += 1
    if target is call.db and source == destination:
        raise SAME_OBJECT
    record = call.db.read(source)
    if record is None or (not replace and target.exists(destination)):
        return 0
    target.copy_record(destination, record)
    target.notify(events.GENERIC, b"copy_to", destination)
    return 1


@COMMANDS.command(
    "move",
    arity=3,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="generic",
    since="1.0.0",
    complexity="O(1)",
    key_access=("RW ACCESS UPDATE",),
    arguments=(key(), integer("db")),
)
def move(call: Call) -> Reply:
    """Moves a key to another database unless it exists there."""
    _, name, number = call.argv
    target = _database(call, number)
    if target is call.db:
        raise SAME_OBJECT
    record = call.db.lookup(name)
    if record is None or target.exists(name):
        return 0
    target.store_record(name, record)
    call.db.remove(record, keep_elements=True)
    call.db.notify(events.GENERIC, b"move_from", name)
    target.notify(events.GENERIC, b"move_to", name)
    return 1


@COMMANDS.command(
    "keys",
    arity=2,
    flags=Flag.READONLY,
    keys=NO_KEYS,
    group="generic",
    since="1.0.0",
    complexity="O(N) for N keys in the database",
    categories=("dangerous",),
    arguments=(word("pattern", "pattern"),),
)
def keys(call: Call) -> Reply:
    """Returns all keys that match a pattern."""
    pattern = call.argv[1]
    if glob.literal(pattern) is None:
        call.db.will_touch(call.db.size)
    if pattern == b"*":
        return [name for name, _ in call.db.records()]
    only = glob.literal(pattern)
    if only is not None:
        return [only] if call.db.exists(only) else []
    matches = glob.matcher(pattern)
    return [name for name, _ in call.db.records() if matches(name)]


@COMMANDS.command(
    "scan",
    arity=-2,
    flags=Flag.READONLY,
    keys=NO_KEYS,
    group="generic",
    since="2.8.0",
    complexity="O(1) for a call, O(N) for a whole iteration over N keys",
    history=(("6.0.0", "Option TYPE."),),
    arguments=(
        *scan_options.ARGUMENTS,
        word("type", token="TYPE", since="6.0.0", optional=True),
    ),
)
def scan(call: Call) -> Reply:
    """Returns some of the keys, and the cursor to go on with; 0 begins and ends.

    The cursor is a place in the order of the keys' hashes, so it means the same on every node and never goes stale.
    """
    argv = call.argv
    at = scan_options.cursor(argv[1])
    options = scan_options.scan_options(argv[2:], with_type=True)
    call.db.will_touch(min(options.count, call.db.size))
    following, found = call.db.walk(at, options.count)
    if options.type is not None:
        found = [(name, record) for name, record in found if TYPE_NAMES[record.type] == options.type]
    names = [name for name, _ in found]
    if options.matches is not None:
        names = [name for name in names if options.matches(name)]
    return [b"%d" % following, names]


@COMMANDS.command(
    "randomkey",
    arity=1,
    flags=Flag.READONLY,
    keys=NO_KEYS,
    group="generic",
    since="1.0.0",
    complexity="O(1)",
)
def randomkey(call: Call) -> Reply:
    """Returns some key of the database."""
    return call.db.random_key()
