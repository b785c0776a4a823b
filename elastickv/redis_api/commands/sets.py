"""Sets: members come and go, and are looked for.

Several sets at once are in `set_algebra`, random members and SSCAN in `set_walks`.
"""

from __future__ import annotations

from typing import Final

from elastickv.redis_api.argument_docs import key, word
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, KeySpan, Reply
from elastickv.redis_api.replies import CachedMembers
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events, sets

_READ: Final = Flag.READONLY | Flag.FAST
_MEMBER: Final = word("member")
_MEMBERS: Final = word("member", multiple=True)


@COMMANDS.command(
    "sadd",
    arity=-3,
    flags=Flag.WRITE | Flag.DENYOOM | Flag.FAST,
    keys=ONE_KEY,
    group="set",
    since="1.0.0",
    complexity="O(N) for N members",
    key_access=("RW INSERT",),
    history=(("2.4.0", "Takes several members."),),
    arguments=(key(), _MEMBERS),
)
def sadd(call: Call) -> Reply:
    """Adds members to a set; the reply is how many of them are new."""
    _, name, *members = call.argv
    found = sets.find(call.db, name)
    added = sets.create(call.db, name, members) if found is None else found.add(members)
    if added:
        call.db.notify(events.SET, b"sadd", name)
    return added


@COMMANDS.command(
    "srem",
    arity=-3,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="set",
    since="1.0.0",
    complexity="O(N) for N members",
    key_access=("RW DELETE",),
    history=(("2.4.0", "Takes several members."),),
    arguments=(key(), _MEMBERS),
)
def srem(call: Call) -> Reply:
    """Removes members of a set, and the key with the last one; the reply is how many were there."""
    _, name, *members = call.argv
    found = sets.find(call.db, name)
    if found is None:
        return 0
    before = len(found)
    removed = found.remove(members)
    if removed:
        call.db.notify(events.SET, b"srem", name)
        if removed == before:
            call.db.notify(events.GENERIC, b"del", name)
    return removed


@COMMANDS.command(
    "smove",
    arity=4,
    flags=Flag.WRITE | Flag.FAST,
    keys=KeySpan(1, 2, 1),
    group="set",
    since="1.0.0",
    complexity="O(1)",
    key_access=("RW ACCESS DELETE", "RW INSERT"),
    arguments=(key("source"), key("destination", 1), _MEMBER),
)
def smove(call: Call) -> Reply:
    """Moves a member from one set to another; the reply is whether it was there."""
    _, source, destination, member = call.argv
    db = call.db
    found = sets.find(db, source)
    if found is None:
        return 0
    target = sets.find(db, destination)
    if source == destination:
        return int(member in found)
    alone = len(found) == 1
    if not found.remove([member]):
        return 0
    db.notify(events.SET, b"srem", source)
    if alone:
        db.notify(events.GENERIC, b"del", source)
    if sets.create(db, destination, [member]) if target is None else target.add([member]):
        db.notify(events.SET, b"sadd", destination)
    return 1


@COMMANDS.command(
    "sismember",
    arity=3,
    flags=_READ,
    keys=ONE_KEY,
    group="set",
    since="1.0.0",
    complexity="O(1)",
    key_access=("RO",),
    arguments=(key(), _MEMBER),
)
def sismember(call: Call) -> Reply:
    """Tells whether a set has a member."""
    found = sets.read(call.db, call.argv[1])
    return int(found is not None and call.argv[2] in found)


@COMMANDS.command(
    "smismember",
    arity=-3,
    flags=_READ,
    keys=ONE_KEY,
    group="set",
    since="6.2.0",
    complexity="O(N) for N members",
    key_access=("RO ACCESS",),
    arguments=(key(), _MEMBERS),
)
def smismember(call: Call) -> Reply:
    """Tells for each of several members whether a set has it."""
    found = sets.read(call.db, call.argv[1])
    return [int(found is not None and member in found) for member in call.argv[2:]]


@COMMANDS.command(
    "scard",
    arity=2,
    flags=_READ,
    keys=ONE_KEY,
    group="set",
    since="1.0.0",
    complexity="O(1)",
    key_access=("RO",),
    arguments=(key(),),
)
def scard(call: Call) -> Reply:
    """Counts the members of a set."""
    found = sets.read(call.db, call.argv[1])
    return 0 if found is None else len(found)


@COMMANDS.command(
    "smembers",
    arity=2,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="set",
    since="1.0.0",
    complexity="O(N) for a set of N members",
    key_access=("RO ACCESS",),
    arguments=(key(),),
)
def smembers(call: Call) -> Reply:
    """Returns all members of a set."""
    found = sets.read(call.db, call.argv[1])
    return CachedMembers() if found is None else found.all()
