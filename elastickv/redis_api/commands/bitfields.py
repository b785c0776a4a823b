"""BITFIELD: integers of any width inside a string.

All operations are read before the first one runs, so a mistake changes nothing. The string grows up to the farthest bit
that any of them writes, also when OVERFLOW FAIL then writes nothing; it is copied and stored once for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from elastickv.redis_api import bits
from elastickv.redis_api.argument_docs import Argument, block, integer, key, oneof, token, word
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.arguments import string_to_integer
from elastickv.redis_api.commands.bitmaps import bit_offset
from elastickv.redis_api.errors import SYNTAX, RedisError
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, Reply
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events
from elastickv.redis_api.values.records import RecordType

_BAD_TYPE: Final = RedisError(
    b"ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
)
_OVERFLOWS: Final = frozenset((b"WRAP", b"SAT", b"FAIL"))
_WORDS: Final = {b"GET": 3, b"SET": 4, b"INCRBY": 4}

_ENCODING: Final = word("encoding")
_OFFSET: Final = integer("offset")
_GET: Final[Argument] = block("get-block", _ENCODING, _OFFSET, token="GET")


@dataclass(frozen=True, slots=True)
class _Operation:
    name: bytes
    signed: bool
    width: int
    offset: int
    operand: int
    overflow: bytes

    @property
    def low(self) -> int:
        return -(1 << self.width - 1) if self.signed else 0

    @property
    def high(self) -> int:
        return (1 << self.width - self.signed) - 1

    def fitted(self, value: int) -> int | None:
        """`value` as the field takes it; None when it does not fit and is to fail."""
        if self.low <= value <= self.high:
            return value
        if self.overflow == b"FAIL":
            return None
        if self.overflow == b"SAT":
            return self.high if value > self.high else self.low
        wrapped = value & (1 << self.width) - 1
        return wrapped - (1 << self.width) if wrapped > self.high else wrapped


def _operations(argv: list[bytes], limit: int) -> list[_Operation]:
    operations: list[_Operation] = []
    overflow = b"WRAP"
    at = 2
    while at < len(argv):
        name = argv[at].upper()
        if name == b"OVERFLOW" and at + 1 < len(argv):
            overflow = argv[at + 1].upper()
            if overflow not in _OVERFLOWS:
                raise RedisError(b"ERR Invalid OVERFLOW type specified")
            at += 2
            continue
        size = _WORDS.get(name, 0)
        if not size or at + size > len(argv):
            raise SYNTAX
        signed, width = _encoding(argv[at + 1])
        offset = bit_offset(argv[at + 2], limit, width)
        operand = 0
        if size == 4:
            operand = read_integer(argv[at + 3])
            if name == b"SET" and not signed:
                operand &= (1 << 64) - 1
        operations.append(_Operation(name, signed, width, offset, operand, overflow))
        at += size
    return operations


def _encoding(text: bytes) -> tuple[bool, int]:
    width = string_to_integer(text[1:])
    signed = text.startswith(b"i")
    if (not signed and not text.startswith(b"u")) or width is None or not 1 <= width <= 63 + signed:
        raise _BAD_TYPE
    return signed, width


def _get(call: Call, operations: list[_Operation]) -> Reply:
    record = call.db.read_string(call.argv[1])
    data = record.view if record is not None else b""
    return [bits.read_field(data, one.offset, one.width, one.signed) for one in operations]


@COMMANDS.command(
    "bitfield",
    arity=-2,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=ONE_KEY,
    group="bitmap",
    since="3.2.0",
    complexity="O(1) for each operation, and O(N) for a string of N bytes that is changed",
    key_access=("RW ACCESS UPDATE VARIABLE_FLAGS",),
    arguments=(
        key(),
        oneof(
            "operation",
            _GET,
            block(
                "write",
                oneof(
                    "overflow-block",
                    token("WRAP"),
                    token("SAT"),
                    token("FAIL"),
                    token="OVERFLOW",
                    optional=True,
                ),
                oneof(
                    "write-operation",
                    block("set-block", _ENCODING, _OFFSET, integer("value"), token="SET"),
                    block("incrby-block", _ENCODING, _OFFSET, integer("increment"), token="INCRBY"),
                ),
            ),
            optional=True,
            multiple=True,
        ),
    ),
)
def bitfield(call: Call) -> Reply:
    """Reads, sets and adds to integers of any width inside the string stored at a key."""
    operations = _operations(call.argv, call.state.max_bulk_bytes)
    writes = [one for one in operations if one.name != b"GET"]
    if not writes:
        return _get(call, operations)
    name = call.argv[1]
    size = max(one.offset + one.width + 7 >> 3 for one in writes)
    record = call.db.string_record(name)
    data = bytearray(record.view if record is not None else b"")
    changed = record is None or not record.edited or size > len(data)
    data.extend(bytes(max(size - len(data), 0)))
    replies: list[int | None] = []
    for one in operations:
        before = bits.read_field(data, one.offset, one.width, one.signed)
        if one.name == b"GET":
            replies.append(before)
            continue
        after = one.fitted(one.operand if one.name == b"SET" else before + one.operand)
        if after is None:
            replies.append(None)
            continue
        bits.write_field(data, one.offset, one.width, after)
        changed = changed or after != before
        replies.append(before if one.name == b"SET" else after)
    if record is None:
        call.db.store(name, RecordType.STRING, data, edited=True)
    elif changed:
        call.db.rewrite(record, data, edited=True)
    if changed:
        call.db.notify(events.STRING, b"setbit", name)
    return replies


@COMMANDS.command(
    "bitfield_ro",
    arity=-2,
    flags=Flag.READONLY | Flag.FAST,
    keys=ONE_KEY,
    group="bitmap",
    since="6.0.0",
    complexity="O(1) for each operation",
    key_access=("RO ACCESS",),
    arguments=(key(), block("get-block", _ENCODING, _OFFSET, token="GET", optional=True, multiple=True)),
)
def bitfield_ro(call: Call) -> Reply:
    """Reads integers of any width inside the string stored at a key."""
    operations = _operations(call.argv, call.state.max_bulk_bytes)
    if any(one.name != b"GET" for one in operations):
        raise RedisError(b"ERR BITFIELD_RO only supports the GET subcommand")
    return _get(call, operations)
