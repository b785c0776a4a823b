"""Hashes: fields and their values.

Numbers in fields are in `hash_numbers`, HRANDFIELD and HSCAN in `hash_walks`.
"""

from __future__ import annotations

from typing import Final

from elastickv.redis_api.argument_docs import block, key, word
from elastickv.redis_api.errors import wrong_arity
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, Reply
from elastickv.redis_api.replies import OK, CachedMap
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events, hashes

_WRITE: Final = Flag.WRITE | Flag.DENYOOM | Flag.FAST
_READ: Final = Flag.READONLY | Flag.FAST
_FIELD: Final = word("field")
_PAIRS: Final = block("data", word("field"), word("value"), multiple=True)


def _set(call: Call, name: bytes, pairs: list[bytes]) -> int:
    """Set fields, and create the hash if need be; how many are new."""
    db = call.db
    found = hashes.find(db, name)
    added = hashes.create(db, name, pairs) if found is None else found.update(pairs)
    if call.databases.listener is not None:
        db.notify(events.HASH, b"hset", name)
    return added


@COMMANDS.command(
    "hset",
    arity=-4,
    flags=_WRITE,
    keys=ONE_KEY,
    group="hash",
    since="2.0.0",
    complexity="O(N) for N fields",
    key_access=("RW UPDATE",),
    history=(("4.0.0", "Takes several fields."),),
    arguments=(key(), _PAIRS),
)
def hset(call: Call) -> Reply:
    """Sets fields of a hash; the reply is how many of them are new."""
    argv = call.argv
    if len(argv) % 2:
        raise wrong_arity("hset")
    return _set(call, argv[1], argv[2:])


@COMMANDS.command(
    "hmset",
    arity=-4,
    flags=_WRITE,
    keys=ONE_KEY,
    group="hash",
    since="2.0.0",
    complexity="O(N) for N fields",
    key_access=("RW UPDATE",),
    arguments=(key(), _PAIRS),
)
def hmset(call: Call) -> Reply:
    """Sets fields of a hash."""
    argv = call.argv
    if len(argv) % 2:
        raise wrong_arity("hmset")
    _set(call, argv[1], argv[2:])
    return OK


@COMMANDS.command(
    "hsetnx",
    arity=4,
    flags=_WRITE,
    keys=ONE_KEY,
    group="hash",
    since="2.0.0",
    complexity="O(1)",
    key_access=("RW INSERT",),
    arguments=(key(), _FIELD, word("value")),
)
def hsetnx(call: Call) -> Reply:
    """Sets a field of a hash unless it is there already."""
    _, name, field, value = call.argv
    db = call.db
    found = hashes.find(db, name)
    if found is None:
        hashes.create(db, name, [field, value])
    elif found.get(field) is not None:
        return 0
    else:
        found.update([field, value])
    db.notify(events.HASH, b"hset", name)
    return 1


@COMMANDS.command(
    "hget",
    arity=3,
    flags=_READ,
    keys=ONE_KEY,
    group="hash",
    since="2.0.0",
    complexity="O(1)",
    key_access=("RO ACCESS",),
    arguments=(key(), _FIELD),
)
def hget(call: Call) -> Reply:
    """Returns the value of a field of a hash."""
    _, name, field = call.argv
    found = hashes.read(call.db, name)
    return None if found is None else found.get(field)


@COMMANDS.command(
    "hmget",
    arity=-3,
    flags=_READ,
    keys=ONE_KEY,
    group="hash",
    since="2.0.0",
    complexity="O(N) for N fields",
    key_access=("RO ACCESS",),
    arguments=(key(), word("field", multiple=True)),
)
def hmget(call: Call) -> Reply:
    """Returns the values of several fields of a hash; null where there is no field."""
    call.db.will_touch(len(call.argv))
    fields = call.argv[2:]
    found = hashes.read(call.db, call.argv[1])
    return [None] * len(fields) if found is None else list(map(found.get, fields))


@COMMANDS.command(
    "hgetall",
    arity=2,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="hash",
    since="2.0.0",
    complexity="O(N) for a hash of N fields",
    key_access=("RO ACCESS",),
    arguments=(key(),),
)
def hgetall(call: Call) -> Reply:
    """Returns all fields of a hash and their values."""
    found = hashes.read(call.db, call.argv[1])
    return CachedMap() if found is None else found.all()


@COMMANDS.command(
    "hkeys",
    arity=2,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="hash",
    since="2.0.0",
    complexity="O(N) for a hash of N fields",
    key_access=("RO ACCESS",),
    arguments=(key(),),
)
def hkeys(call: Call) -> Reply:
    """Returns all fields of a hash."""
    found = hashes.read(call.db, call.argv[1])
    return [] if found is None else [field for field, _ in found.items()]


@COMMANDS.command(
    "hvals",
    arity=2,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="hash",
    since="2.0.0",
    complexity="O(N) for a hash of N fields",
    key_access=("RO ACCESS",),
    arguments=(key(),),
)
def hvals(call: Call) -> Reply:
    """Returns the values of all fields of a hash."""
    found = hashes.read(call.db, call.argv[1])
    return [] if found is None else [value for _, value in found.items()]


@COMMANDS.command(
    "hdel",
    arity=-3,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="hash",
    since="2.0.0",
    complexity="O(N) for N fields",
    key_access=("RW DELETE",),
    history=(("2.4.0", "Takes several fields."),),
    arguments=(key(), word("field", multiple=True)),
)
def hdel(call: Call) -> Reply:
    """Removes fields of a hash, and the key with the last one; the reply is how many were there."""
    _, name, *fields = call.argv
    found = hashes.find(call.db, name)
    if found is None:
        return 0
    before = len(found)
    deleted = found.delete(fields)
    if deleted:
        call.db.notify(events.HASH, b"hdel", name)
        if deleted == before:
            call.db.notify(events.GENERIC, b"del", name)
    return deleted


@COMMANDS.command(
    "hexists",
    arity=3,
    flags=_READ,
    keys=ONE_KEY,
    group="hash",
    since="2.0.0",
    complexity="O(1)",
    key_access=("RO",),
    arguments=(key(), _FIELD),
)
def hexists(call: Call) -> Reply:
    """Tells whether a hash has a field."""
    found = hashes.read(call.db, call.argv[1])
    return int(found is not None and found.get(call.argv[2]) is not None)


@COMMANDS.command(
    "hlen",
    arity=2,
    flags=_READ,
    keys=ONE_KEY,
    group="hash",
    since="2.0.0",
    complexity="O(1)",
    key_access=("RO",),
    arguments=(key(),),
)
def hlen(call: Call) -> Reply:
    """Counts the fields of a hash."""
    found = hashes.read(call.db, call.argv[1])
    return 0 if found is None else len(found)


@COMMANDS.command(
    "hstrlen",
    arity=3,
    flags=_READ,
    keys=ONE_KEY,
    group="hash",
    since="3.2.0",
    complexity="O(1)",
    key_access=("RO",),
    arguments=(key(), _FIELD),
)
def hstrlen(call: Call) -> Reply:
    """Returns the length of the value of a field of a hash."""
    found = hashes.read(call.db, call.argv[1])
    return len(found.get(call.argv[2]) or b"") if found is not None else 0
