"""Strings as rows of bits: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP. BITFIELD is in `bitfields`."""

from __future__ import annotations

from typing import Final

from elastickv.redis_api import bits
from elastickv.redis_api.argument_docs import block, integer, key, oneof, token
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.arguments import string_to_integer
from elastickv.redis_api.errors import SYNTAX, RedisError
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, KeySpan, Reply
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events
from elastickv.redis_api.values.records import RecordType

BAD_OFFSET: Final = RedisError(b"ERR bit offset is not an integer or out of range")
_BAD_BIT: Final = RedisError(b"ERR bit is not an integer or out of range")


def bit_offset(text: bytes, limit: int, width: int = 0) -> int:
    """A bit of a string of at most `limit` bytes; with `width`, "#3" is where the fourth field of that width begins."""
    scaled = width and text.startswith(b"#")
    offset = string_to_integer(text[1:] if scaled else text)
    if offset is None:
        raise BAD_OFFSET
    if scaled:
        offset *= width
    if not 0 <= offset >> 3 < limit:
        raise BAD_OFFSET
    return offset


@COMMANDS.command(
    "setbit",
    arity=4,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=ONE_KEY,
    group="bitmap",
    since="2.2.0",
    complexity="O(N) for a string of N bytes",
    key_access=("RW ACCESS UPDATE",),
    arguments=(key(), integer("offset"), integer("value")),
)
def setbit(call: Call) -> Reply:
    """Sets or clears a bit of the string stored at a key, which grows as needed; the reply is the bit before."""
    _, name, offset_text, bit_text = call.argv
    offset = bit_offset(offset_text, call.state.max_bulk_bytes)
    bit = read_integer(bit_text, _BAD_BIT)
    if bit not in (0, 1):
        raise _BAD_BIT
    at = offset >> 3
    mask = 0x80 >> (offset & 7)
    record = call.db.string_record(name)
    if record is None:
        call.db.store(name, RecordType.STRING, bytes(at) + bytes((mask if bit else 0,)), edited=True)
        call.db.notify(events.STRING, b"setbit", name)
        return 0
    old = record.view
    byte = old[at] if at < len(old) else 0
    changed = byte | mask if bit else byte & ~mask
    if changed != byte or at >= len(old) or not record.edited:
        gap = bytes(max(at - len(old), 0))
        call.db.rewrite(record, old[:at], gap, bytes((changed,)), old[at + 1 :], edited=True)
        call.db.notify(events.STRING, b"setbit", name)
    return int(bool(byte & mask))


@COMMANDS.command(
    "getbit",
    arity=3,
    flags=Flag.READONLY | Flag.FAST,
    keys=ONE_KEY,
    group="bitmap",
    since="2.2.0",
    complexity="O(1)",
    key_access=("RO ACCESS",),
    arguments=(key(), integer("offset")),
)
def getbit(call: Call) -> Reply:
    """Returns a bit of the string stored at a key."""
    _, name, offset_text = call.argv
    offset = bit_offset(offset_text, call.state.max_bulk_bytes)
    record = call.db.read_string(name)
    if record is None or offset >> 3 >= record.length:
        return 0
    return record.view[offset >> 3] >> (7 - (offset & 7)) & 1


def _unit_is_bit(text: bytes) -> bool:
    unit = text.upper()
    if unit not in (b"BIT", b"BYTE"):
        raise SYNTAX
    return unit == b"BIT"


def _bit_range(start: int, end: int, length: int, by_bit: bool) -> tuple[int, int]:
    """First and last bit of a range in a string of `length` bytes; the last is before the first when it is empty."""
    total = length * 8 if by_bit else length
    first = max(start + total if start < 0 else start, 0)
    last = min(max(end + total if end < 0 else end, 0), total - 1)
    return (first, last) if by_bit else (first * 8, last * 8 + 7)


@COMMANDS.command(
    "bitcount",
    arity=-2,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="bitmap",
    since="2.6.0",
    complexity="O(N) for N bytes of the range",
    key_access=("RO ACCESS",),
    history=(("7.0.0", "Units BYTE and BIT."),),
    arguments=(
        key(),
        block(
            "range",
            integer("start"),
            integer("end"),
            oneof("unit", token("BYTE"), token("BIT"), since="7.0.0", optional=True),
            optional=True,
        ),
    ),
)
def bitcount(call: Call) -> Reply:
    """Counts the ones in the string stored at a key, or in a range of it."""
    argv = call.argv
    start, end, by_bit = 0, -1, False
    if len(argv) in (4, 5):
        start, end = read_integer(argv[2]), read_integer(argv[3])
        by_bit = len(argv) == 5 and _unit_is_bit(argv[4])
    elif len(argv) != 2:
        raise SYNTAX
    record = call.db.read_string(argv[1])
    if record is None or (start < 0 and end < 0 and start > end):
        return 0
    first, last = _bit_range(start, end, record.length, by_bit)
    return bits.count(record.view, first, last) if first <= last else 0


@COMMANDS.command(
    "bitpos",
    arity=-3,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="bitmap",
    since="2.8.7",
    complexity="O(N) for N bytes of the range",
    key_access=("RO ACCESS",),
    history=(("7.0.0", "Units BYTE and BIT."),),
    arguments=(
        key(),
        integer("bit"),
        block(
            "range",
            integer("start"),
            block(
                "end-unit-block",
                integer("end"),
                oneof("unit", token("BYTE"), token("BIT"), since="7.0.0", optional=True),
                optional=True,
            ),
            optional=True,
        ),
    ),
)
def bitpos(call: Call) -> Reply:
    """Finds the first one or zero in the string stored at a key, or in a range of it.

    A string goes on with zeros for ever, unless the range says where it ends.
    """
    argv = call.argv
    bit = read_integer(argv[2])
    if bit not in (0, 1):
        raise RedisError(b"ERR The bit argument must be 1 or 0.")
    if len(argv) > 6:
        raise SYNTAX
    start = read_integer(argv[3]) if len(argv) > 3 else 0
    by_bit = len(argv) == 6 and _unit_is_bit(argv[5])
    end = read_integer(argv[4]) if len(argv) > 4 else -1
    record = call.db.read_string(argv[1])
    if record is None:
        return -1 if bit else 0
    first, last = _bit_range(start, end, record.length, by_bit)
    if first > last:
        return -1
    place = bits.find(record.view, bit, first, last)
    return last + 1 if place < 0 and not bit and len(argv) < 5 else place


@COMMANDS.command(
    "bitop",
    arity=-4,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=KeySpan(2, -1, 1),
    group="bitmap",
    since="2.6.0",
    complexity="O(N) for N bytes of all strings",
    key_access=("OW UPDATE", "RO ACCESS"),
    arguments=(
        oneof("operation", token("AND"), token("OR"), token("XOR"), token("NOT")),
        key("destkey"),
        key(spec=1, multiple=True),
    ),
)
def bitop(call: Call) -> Reply:
    """Combines strings bit by bit and stores the result; the reply is its length."""
    operation = call.argv[1].upper()
    _, _, destination, *sources = call.argv
    if operation not in (b"AND", b"OR", b"XOR", b"NOT"):
        raise SYNTAX
    if operation == b"NOT" and len(sources) != 1:
        raise RedisError(b"ERR BITOP NOT must be called with a single source key.")
    records = [call.db.read_string(name) for name in sources]
    result = bits.combine(operation, [record.view if record is not None else b"" for record in records])
    if result:
        call.db.store(destination, RecordType.STRING, result, edited=True)
        call.db.notify(events.STRING, b"set", destination)
    elif call.db.delete(destination):
        call.db.notify(events.GENERIC, b"del", destination)
    return len(result)
