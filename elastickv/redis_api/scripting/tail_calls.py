"""Turns tail calls of library functions into plain calls, in compiled Lua 5.1.

`return redis.call(...)` is a tail call: it removes the frame of its caller. To a function of C that is no matter,
because it runs before that happens; but ours are functions of Lua, and an error in one could not be told where the
script was. So where a tail call's function comes from a global or from a field of a table, as libraries do (scripts
cannot define globals), or from another call (coroutine.wrap), the opcode is changed. Functions in local variables keep
their tail calls, and so recursion its depth.

The format is that of ldump.c: 64-bit Linux, as lupa is built.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

HEADER: Final = b"\x1bLuaQ\0\x01\x04\x08\x04\x08\0"
_GETGLOBAL, _GETTABLE, _CALL, _TAILCALL = 5, 6, 28, 29
_OPCODE: Final = 0x3F
# Opcodes that write nothing into register A: SETGLOBAL SETUPVAL SETTABLE, JMP EQ LT LE TEST, RETURN, SETLIST CLOSE.
_READERS: Final = frozenset((7, 8, 9, 22, 23, 24, 25, 26, 30, 34, 35))
_INT = Struct("<i")
_SIZE = Struct("<Q")
_NIL, _BOOLEAN, _NUMBER, _STRING = 0, 1, 3, 4


def without_tail_calls(dumped: bytes) -> bytes:
    """The same program with the opcodes changed. ValueError when it is in another format than expected."""
    if not dumped.startswith(HEADER):
        raise ValueError("compiled in another format")
    code = bytearray(dumped)
    end = _function(code, len(HEADER))
    if end != len(code):
        raise ValueError("the compiled program ends elsewhere")
    return bytes(code)


def _integer(code: bytearray, at: int) -> int:
    return int(_INT.unpack_from(code, at)[0])


def _past_string(code: bytearray, at: int) -> int:
    return at + 8 + int(_SIZE.unpack_from(code, at)[0])


def _function(code: bytearray, at: int) -> int:
    """Change a function and those within it; where it ends."""
    at = _past_string(code, at) + 4 + 4 + 4
    count = _integer(code, at)
    _instructions(code, at + 4, count)
    at = _past_constants(code, at + 4 + 4 * count)
    inner = _integer(code, at)
    at += 4
    for _ in range(inner):
        at = _function(code, at)
    at += 4 + 4 * _integer(code, at)  # line numbers
    variables = _integer(code, at)
    at += 4
    for _ in range(variables):
        at = _past_string(code, at) + 8
    names = _integer(code, at)
    at += 4
    for _ in range(names):
        at = _past_string(code, at)
    return at


def _past_constants(code: bytearray, at: int) -> int:
    count = _integer(code, at)
    at += 4
    for _ in range(count):
        kind = code[at]
        at += 1
        if kind == _BOOLEAN:
            at += 1
        elif kind == _NUMBER:
            at += 8
        elif kind == _STRING:
            at = _past_string(code, at)
        elif kind != _NIL:
            raise ValueError("an unknown kind of constant")
    return at


def _instructions(code: bytearray, start: int, count: int) -> None:
    for at in range(start, start + 4 * count, 4):
        instruction = int.from_bytes(code[at : at + 4], "little")
        if instruction & _OPCODE != _TAILCALL:
            continue
        register = instruction >> 6 & 0xFF
        # The function was put into its register before its arguments were put into the next ones.
        before = at - 4
        while before >= start:
            earlier = int.from_bytes(code[before : before + 4], "little")
            if earlier >> 6 & 0xFF == register and earlier & _OPCODE not in _READERS:
                if earlier & _OPCODE in (_GETGLOBAL, _GETTABLE, _CALL):
                    code[at : at + 4] = (instruction & ~_OPCODE | _CALL).to_bytes(4, "little")
                break
            before -= 4
