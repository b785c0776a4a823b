"""Some of a hash: HRANDFIELD and HSCAN."""

from __future__ import annotations

from elastickv.redis_api import scan_options
from elastickv.redis_api.argument_docs import block, integer, key, token
from elastickv.redis_api.arguments import MOST_DRAWS, draw_count
from elastickv.redis_api.errors import OUT_OF_RANGE, SYNTAX
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, Reply
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import hashes

_LONG_MAX = (1 << 63) - 1


@COMMANDS.command(
    "hrandfield",
    arity=-2,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="hash",
    since="6.2.0",
    complexity="O(N) for N fields in the reply",
    key_access=("RO ACCESS",),
    arguments=(key(), block("options", integer("count"), token("WITHVALUES", optional=True), optional=True)),
)
def hrandfield(call: Call) -> Reply:
    """Returns random fields of a hash: different ones, or with a negative count each drawn from all."""
    argv = call.argv
    if len(argv) == 2:
        found = hashes.read(call.db, argv[1])
        return None if found is None else found.draw()[0]
    count = draw_count(argv[2])
    if len(argv) > 4 or (len(argv) == 4 and argv[3].upper() != b"WITHVALUES"):
        raise SYNTAX
    with_values = len(argv) == 4
    if with_values and not -(_LONG_MAX // 2) <= count <= _LONG_MAX // 2:
        raise OUT_OF_RANGE
    found = hashes.read(call.db, argv[1])
    if found is None or not count:
        return []
    if count < -MOST_DRAWS:
        raise OUT_OF_RANGE
    pairs = found.draw_distinct(count) if count > 0 else found.draw_many(-count)
    if not with_values:
        return [field for field, _ in pairs]
    if call.protocol == 3:
        return list(map(list, pairs))
    return [word for pair in pairs for word in pair]


@COMMANDS.command(
    "hscan",
    arity=-3,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="hash",
    since="2.8.0",
    complexity="O(1) for a call, O(N) for a whole iteration over N fields",
    key_access=("RO ACCESS",),
    arguments=(key(), *scan_options.ARGUMENTS),
)
def hscan(call: Call) -> Reply:
    """Returns some fields of a hash with their values, and the cursor to go on with; 0 begins and ends."""
    argv = call.argv
    at = scan_options.cursor(argv[2])
    found = hashes.read(call.db, argv[1])
    if found is None:
        return [b"0", []]
    options = scan_options.scan_options(argv[3:])
    following, pairs = found.walk(at, options.count)
    matches = options.matches
    words = [word for pair in pairs if matches is None or matches(pair[0]) for word in pair]
    return [b"%d" % following, words]
