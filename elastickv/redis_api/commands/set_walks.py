"""Some of a set: SPOP, SRANDMEMBER, SSCAN."""

from __future__ import annotations

from elastickv.redis_api import scan_options
from elastickv.redis_api.argument_docs import integer, key
from elastickv.redis_api.arguments import MOST_DRAWS, draw_count, positive
from elastickv.redis_api.errors import OUT_OF_RANGE, SYNTAX
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, Reply
from elastickv.redis_api.replies import CachedMembers
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events, sets


def _pop_alike(call: Call, times: int) -> list[Reply] | None:
    """So many SPOP of one key in a row; of a small set one by one."""
    found = sets.find(call.db, call.argv[1])
    if found is None:
        return [None] * times
    if not isinstance(found, sets.SplitSet):
        return None
    popped: list[Reply] = [*found.pop_many(min(times, len(found)))]
    return popped + [None] * (times - len(popped))


@COMMANDS.command(
    "spop",
    arity=-2,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="set",
    since="1.0.0",
    complexity="O(1), or O(N) with a count of N",
    key_access=("RW ACCESS DELETE",),
    history=(("3.2.0", "Option count."),),
    arguments=(key(), integer("count", since="3.2.0", optional=True)),
    alike=_pop_alike,
)
def spop(call: Call) -> Reply:
    """Removes random members of a set and returns them."""
    argv = call.argv
    if len(argv) > 3:
        raise SYNTAX
    name = argv[1]
    if len(argv) == 2:
        found = sets.find(call.db, name)
        if found is None:
            return None
        alone = len(found) == 1
        member = found.pop()
        _tell(call, emptied=alone)
        return member
    count = positive(argv[2])
    found = sets.find(call.db, name)
    if found is None or not count:
        return CachedMembers()
    before = len(found)
    members = found.draw_distinct(count)
    found.remove(members)
    _tell(call, emptied=len(members) == before)
    return CachedMembers(members)


def _tell(call: Call, *, emptied: bool) -> None:
    name = call.argv[1]
    call.db.notify(events.SET, b"spop", name)
    if emptied:
        call.db.notify(events.GENERIC, b"del", name)


@COMMANDS.command(
    "srandmember",
    arity=-2,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="set",
    since="1.0.0",
    complexity="O(1), or O(N) with a count of N",
    key_access=("RO ACCESS",),
    history=(("2.6.0", "Option count."),),
    arguments=(key(), integer("count", since="2.6.0", optional=True)),
)
def srandmember(call: Call) -> Reply:
    """Returns random members of a set: different ones, or with a negative count each drawn from all."""
    argv = call.argv
    if len(argv) > 3:
        raise SYNTAX
    if len(argv) == 2:
        found = sets.read(call.db, argv[1])
        return None if found is None else found.draw()
    count = draw_count(argv[2])
    found = sets.read(call.db, argv[1])
    if found is None or not count:
        return []
    if count < -MOST_DRAWS:
        raise OUT_OF_RANGE
    return found.draw_distinct(count) if count > 0 else found.draw_many(-count)


@COMMANDS.command(
    "sscan",
    arity=-3,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="set",
    since="2.8.0",
    complexity="O(1) for a call, O(N) for a whole iteration over N members",
    key_access=("RO ACCESS",),
    arguments=(key(), *scan_options.ARGUMENTS),
)
def sscan(call: Call) -> Reply:
    """Returns some members of a set, and the cursor to go on with; 0 begins and ends."""
    argv = call.argv
    at = scan_options.cursor(argv[2])
    found = sets.read(call.db, argv[1])
    if found is None:
        return [b"0", []]
    options = scan_options.scan_options(argv[3:])
    following, members = found.walk(at, options.count)
    matches = options.matches
    return [b"%d" % following, members if matches is None else [one for one in members if matches(one)]]
