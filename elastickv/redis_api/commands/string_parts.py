"""Parts of strings: APPEND, STRLEN, the range commands and LCS.

A change costs one copy of the string, a read only the part that is read.
"""

from __future__ import annotations

from typing import Final

from elastickv.redis_api import lcs
from elastickv.redis_api.argument_docs import integer, key, token, word
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.errors import STRING_TOO_LONG, SYNTAX, RedisError
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, KeySpan, Reply
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events
from elastickv.redis_api.values.records import Record, RecordType

_LCS_CELL_BYTES: Final = 4
"""What Redis' table takes for each cell; the bound on the table is part of the behaviour."""


@COMMANDS.command(
    "append",
    arity=3,
    flags=Flag.WRITE | Flag.DENYOOM | Flag.FAST,
    keys=ONE_KEY,
    group="string",
    since="2.0.0",
    complexity="O(N) for a string of N bytes",
    key_access=("RW INSERT",),
    arguments=(key(), word("value")),
)
def append(call: Call) -> Reply:
    """Adds to the end of the string stored at a key; the reply is its new length."""
    _, name, tail = call.argv
    record = call.db.string_record(name)
    if record is None:
        call.db.store(name, RecordType.STRING, tail)
        call.db.notify(events.STRING, b"append", name)
        return len(tail)
    length = record.length + len(tail)
    if length > call.state.max_bulk_bytes:
        raise STRING_TOO_LONG
    if tail or not record.edited:
        call.db.rewrite(record, record.view, tail, edited=True)
    call.db.notify(events.STRING, b"append", name)
    return length


@COMMANDS.command(
    "strlen",
    arity=2,
    flags=Flag.READONLY | Flag.FAST,
    keys=ONE_KEY,
    group="string",
    since="2.2.0",
    complexity="O(1)",
    key_access=("RO",),
    arguments=(key(),),
)
def strlen(call: Call) -> Reply:
    """Returns the length of the string stored at a key."""
    record = call.db.read_string(call.argv[1])
    return record.length if record is not None else 0


def _getrange(call: Call) -> Reply:
    _, name, start_text, end_text = call.argv
    start, end = read_integer(start_text), read_integer(end_text)
    record = call.db.read_string(name)
    if record is None or (start < 0 and end < 0 and start > end):
        return b""
    length = record.length
    start = max(start + length if start < 0 else start, 0)
    end = max(end + length if end < 0 else end, 0)
    return record.part(start, end + 1)


@COMMANDS.command(
    "getrange",
    arity=4,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="string",
    since="2.4.0",
    complexity="O(N) for N bytes returned",
    key_access=("RO ACCESS",),
    arguments=(key(), integer("start"), integer("end")),
)
def getrange(call: Call) -> Reply:
    """Returns a part of the string stored at a key; negative offsets count from the end."""
    return _getrange(call)


@COMMANDS.command(
    "substr",
    arity=4,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="string",
    since="1.0.0",
    complexity="O(N) for N bytes returned",
    key_access=("RO ACCESS",),
    arguments=(key(), integer("start"), integer("end")),
)
def substr(call: Call) -> Reply:
    """Returns a part of the string stored at a key (the old name of GETRANGE)."""
    return _getrange(call)


@COMMANDS.command(
    "setrange",
    arity=4,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=ONE_KEY,
    group="string",
    since="2.2.0",
    complexity="O(N) for a string of N bytes",
    key_access=("RW UPDATE",),
    arguments=(key(), integer("offset"), word("value")),
)
def setrange(call: Call) -> Reply:
    """Overwrites a part of the string stored at a key, which grows with zero bytes as needed."""
    _, name, offset_text, value = call.argv
    offset = read_integer(offset_text)
    if offset < 0:
        raise RedisError(b"ERR offset is out of range")
    record = call.db.string_record(name)
    if not value:
        return record.length if record is not None else 0
    end = offset + len(value)
    if end > call.state.max_bulk_bytes:
        raise STRING_TOO_LONG
    if record is None:
        call.db.store(name, RecordType.STRING, bytes(offset) + value, edited=True)
        call.db.notify(events.STRING, b"setrange", name)
        return end
    old = record.view
    call.db.rewrite(record, old[:offset], bytes(max(offset - len(old), 0)), value, old[end:], edited=True)
    call.db.notify(events.STRING, b"setrange", name)
    return max(end, len(old))


@COMMANDS.command(
    "lcs",
    arity=-3,
    flags=Flag.READONLY,
    keys=KeySpan(1, 2, 1),
    group="string",
    since="7.0.0",
    complexity="O(N*M) for strings of N and M bytes",
    key_access=("RO ACCESS",),
    arguments=(
        key("key1"),
        key("key2"),
        token("LEN", optional=True),
        token("IDX", optional=True),
        integer("min-match-len", token="MINMATCHLEN", optional=True),
        token("WITHMATCHLEN", optional=True),
    ),
)
def lcs_(call: Call) -> Reply:
    """Returns the longest common subsequence of two strings, its length, or where its pieces are."""
    argv = call.argv
    records = [call.db.read(name) for name in argv[1:3]]
    if any(record is not None and record.type is not RecordType.STRING for record in records):
        raise RedisError(b"ERR The specified keys must contain string values")
    want_length = want_index = with_lengths = False
    least = 0
    at = 3
    while at < len(argv):
        option = argv[at].upper()
        if option == b"IDX":
            want_index = True
        elif option == b"LEN":
            want_length = True
        elif option == b"WITHMATCHLEN":
            with_lengths = True
        elif option == b"MINMATCHLEN" and at + 1 < len(argv):
            at += 1
            least = read_integer(argv[at])
        else:
            raise SYNTAX
        at += 1
    if want_length and want_index:
        raise RedisError(b"ERR If you want both the length and indexes, please just use IDX.")
    first, second = (_bytes(record) for record in records)
    if (len(first) + 1) * (len(second) + 1) * _LCS_CELL_BYTES > call.state.max_bulk_bytes:
        raise RedisError(b"ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
    if want_length:
        return lcs.length(first, second)
    pieces = lcs.pieces(first, second)
    if not want_index:
        return b"".join(first[piece.first_start : piece.first_end + 1] for piece in reversed(pieces))
    matches: list[Reply] = []
    for piece in pieces:
        if piece.length >= least:
            match: list[Reply] = [[piece.first_start, piece.first_end], [piece.second_start, piece.second_end]]
            if with_lengths:
                match.append(piece.length)
            matches.append(match)
    return {b"matches": matches, b"len": sum(piece.length for piece in pieces)}


def _bytes(record: Record | None) -> bytes:
    return record.payload if record is not None else b""
