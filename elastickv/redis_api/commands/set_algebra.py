"""Several sets at once: intersection, union and difference, as replies and as new sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from elastickv.redis_api.argument_docs import integer, key
from elastickv.redis_api.arguments import INT64_MAX, string_to_integer
from elastickv.redis_api.errors import SYNTAX, RedisError
from elastickv.redis_api.registry import ALL_KEYS, COMMANDS, NO_KEYS, Flag, KeySpec, Reply, counted_keys
from elastickv.redis_api.replies import CachedMembers
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events, sets
from elastickv.redis_api.values.collections import HASHTABLE, INTSET, EncodingLimits
from elastickv.redis_api.values.sets import Set

_STORE: Final = Flag.WRITE | Flag.DENYOOM


def _sources(call: Call, names: Sequence[bytes]) -> list[Set | None]:
    return [sets.read(call.db, name) for name in names]


def _intersection(sources: Sequence[Set | None]) -> tuple[Set | None, Iterator[bytes]]:
    """(the smallest set, the members that all have); no set when one of them is missing."""
    there = [one for one in sources if one is not None]
    if len(there) < len(sources):
        return None, iter(())
    smallest, *others = sorted(there, key=len)
    return smallest, (member for member in smallest.members() if all(member in other for other in others))


def _union(sources: Sequence[Set | None]) -> list[bytes]:
    united: dict[bytes, None] = {}
    for one in sources:
        if one is not None:
            united.update(dict.fromkeys(one.members()))
    return list(united)


def _difference(sources: Sequence[Set | None]) -> tuple[list[bytes], list[bytes]]:
    """(members, what Redis puts into the result on the way there, which decides on its encoding).

    Look for each member in the others, or take the members of the others away: Redis' rule says which is less work.
    """
    first, *others = sources
    if first is None:
        return [], []
    there = [one for one in others if one is not None]
    if len(first) * (len(there) + 1) // 2 <= len(first) + sum(map(len, there)):
        there.sort(key=len, reverse=True)
        kept = [member for member in first.members() if not any(member in other for other in there)]
        return kept, kept
    began = list(first.members())
    left = dict.fromkeys(began)
    for other in there:
        for member in other.members():
            left.pop(member, None)
    return list(left), began


def _store(call: Call, members: list[bytes], encoding: int, event: bytes) -> Reply:
    """Store the result, or delete what is at the destination when it is empty."""
    destination = call.argv[1]
    if members:
        sets.store(call.db, destination, members, encoding)
        call.db.notify(events.SET, event, destination)
    elif call.db.delete(destination):
        call.db.notify(events.GENERIC, b"del", destination)
    return len(members)


def _one_by_one(limits: EncodingLimits, members: list[bytes]) -> int:
    """The encoding of a set that began as an empty intset."""
    return sets.grown(limits, INTSET, 0, members, ()) if members else INTSET


def _like(limits: EncodingLimits, smallest: Set | None, members: list[bytes]) -> int:
    """The encoding of an intersection: Redis begins with that of the smallest set, and prefers integers in the end."""
    if smallest is None or smallest.encoding == INTSET:
        return _one_by_one(limits, members)
    if len(members) <= limits.set_intset_entries and all(string_to_integer(one) is not None for one in members):
        return INTSET
    return sets.grown(limits, smallest.encoding, 0, members, ()) if members else HASHTABLE


@COMMANDS.command(
    "sinter",
    arity=-2,
    flags=Flag.READONLY,
    keys=ALL_KEYS,
    group="set",
    since="1.0.0",
    complexity="O(N*M) at most, for M sets, the smallest of N members",
    key_access=("RO ACCESS",),
    arguments=(key(multiple=True),),
)
def sinter(call: Call) -> Reply:
    """Returns the members that all of several sets have."""
    return CachedMembers(_intersection(_sources(call, call.argv[1:]))[1])


@COMMANDS.command(
    "sinterstore",
    arity=-3,
    flags=_STORE,
    keys=ALL_KEYS,
    group="set",
    since="1.0.0",
    complexity="O(N*M) at most, for M sets, the smallest of N members",
    key_access=("RW UPDATE", "RO ACCESS"),
    arguments=(key("destination"), key(spec=1, multiple=True)),
)
def sinterstore(call: Call) -> Reply:
    """Stores the members that all of several sets have; the reply is how many."""
    smallest, common = _intersection(_sources(call, call.argv[2:]))
    members = list(common)
    return _store(call, members, _like(call.databases.limits, smallest, members), b"sinterstore")


@COMMANDS.command(
    "sintercard",
    arity=-3,
    flags=Flag.READONLY,
    keys=NO_KEYS,
    find_keys=counted_keys(1),
    key_specs=(KeySpec("RO ACCESS", index=1, counted=(0, 1, 1)),),
    group="set",
    since="7.0.0",
    complexity="O(N*M) at most, for M sets, the smallest of N members",
    arguments=(integer("numkeys"), key(multiple=True), integer("limit", token="LIMIT", optional=True)),
)
def sintercard(call: Call) -> Reply:
    """Counts the members that all of several sets have, up to a limit."""
    argv = call.argv
    count = _between(argv[1], 1, RedisError(b"ERR numkeys should be greater than 0"))
    if count > len(argv) - 2:
        raise RedisError(b"ERR Number of keys can't be greater than number of args")
    limit = 0
    options = argv[2 + count :]
    for at in range(0, len(options), 2):
        if options[at].upper() != b"LIMIT" or at + 1 == len(options):
            raise SYNTAX
        limit = _between(options[at + 1], 0, RedisError(b"ERR LIMIT can't be negative"))
    _, common = _intersection(_sources(call, argv[2 : 2 + count]))
    return sum(1 for _ in islice(common, limit or None))


def _between(word: bytes, low: int, error: RedisError) -> int:
    number = string_to_integer(word)
    if number is None or not low <= number <= INT64_MAX:
        raise error
    return number


@COMMANDS.command(
    "sunion",
    arity=-2,
    flags=Flag.READONLY,
    keys=ALL_KEYS,
    group="set",
    since="1.0.0",
    complexity="O(N) for N members in all sets",
    key_access=("RO ACCESS",),
    arguments=(key(multiple=True),),
)
def sunion(call: Call) -> Reply:
    """Returns the members that any of several sets has."""
    return CachedMembers(_union(_sources(call, call.argv[1:])))


@COMMANDS.command(
    "sunionstore",
    arity=-3,
    flags=_STORE,
    keys=ALL_KEYS,
    group="set",
    since="1.0.0",
    complexity="O(N) for N members in all sets",
    key_access=("OW UPDATE", "RO ACCESS"),
    arguments=(key("destination"), key(spec=1, multiple=True)),
)
def sunionstore(call: Call) -> Reply:
    """Stores the members that any of several sets has; the reply is how many."""
    members = _union(_sources(call, call.argv[2:]))
    return _store(call, members, _one_by_one(call.databases.limits, members), b"sunionstore")


@COMMANDS.command(
    "sdiff",
    arity=-2,
    flags=Flag.READONLY,
    keys=ALL_KEYS,
    group="set",
    since="1.0.0",
    complexity="O(N) for N members in all sets",
    key_access=("RO ACCESS",),
    arguments=(key(multiple=True),),
)
def sdiff(call: Call) -> Reply:
    """Returns the members of the first set that none of the others has."""
    return CachedMembers(_difference(_sources(call, call.argv[1:]))[0])


@COMMANDS.command(
    "sdiffstore",
    arity=-3,
    flags=_STORE,
    keys=ALL_KEYS,
    group="set",
    since="1.0.0",
    complexity="O(N) for N members in all sets",
    key_access=("OW UPDATE", "RO ACCESS"),
    arguments=(key("destination"), key(spec=1, multiple=True)),
)
def sdiffstore(call: Call) -> Reply:
    """Stores the members of the first set that none of the others has; the reply is how many."""
    members, began = _difference(_sources(call, call.argv[2:]))
    return _store(call, members, _one_by_one(call.databases.limits, began), b"sdiffstore")
