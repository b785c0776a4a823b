"""Arithmetic on strings seen as rows of bits, bit 0 being the highest of the first byte.

Counting and combining go through big integers, searching through the regular expression engine: a few passes in C over
a string of any size, and nothing of its size is made that is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from operator import and_, or_, xor
from typing import Final

Bytes = bytes | bytearray | memoryview

_CHUNK: Final = 1 << 20
_NOT_ZERO = re.compile(rb"[^\x00]")
_NOT_ONES = re.compile(rb"[^\xff]")
_COMPLEMENT: Final = bytes(255 - byte for byte in range(256))


def count(data: Bytes, first: int, last: int) -> int:
    """Ones among the bits from `first` to `last`, both included and both there."""
    head, tail = first >> 3, last >> 3
    total = sum(
        int.from_bytes(data[at : min(at + _CHUNK, tail + 1)]).bit_count() for at in range(head, tail + 1, _CHUNK)
    )
    before = data[head] >> (8 - (first & 7))
    after = data[tail] & (0x7F >> (last & 7))
    return total - before.bit_count() - after.bit_count()


def find(data: Bytes, bit: int, first: int, last: int) -> int:
    """The first `bit` among the bits from `first` to `last`, both included and both there; -1 when there is none."""
    head, tail = first >> 3, last >> 3
    flip = 0 if bit else 0xFF
    # The first byte without the bits before `first`, then whole bytes; what is behind `last` does not count.
    byte = (data[head] ^ flip) & 0xFF >> (first & 7)
    at = head
    if not byte:
        found = (_NOT_ZERO if bit else _NOT_ONES).search(data, head + 1, tail + 1)
        if found is None:
            return -1
        at = found.start()
        byte = data[at] ^ flip
    place = at * 8 + 8 - byte.bit_length()
    return place if place <= last else -1


def combine(operation: bytes, strings: Sequence[Bytes]) -> bytes:
    """AND, OR or XOR of strings, the shorter ones followed by zeros; NOT of the only one."""
    size = max(map(len, strings), default=0)
    if operation == b"NOT":
        return bytes(strings[0]).translate(_COMPLEMENT)
    function = {b"AND": and_, b"OR": or_, b"XOR": xor}[operation]
    # Little endian: zeros behind a string are zeros above its number.
    return reduce(function, (int.from_bytes(one, "little") for one in strings)).to_bytes(size, "little")


def read_field(data: Bytes, offset: int, bits: int, signed: bool) -> int:
    """The integer of `bits` bits from bit `offset` on; what is behind the string is zero."""
    head = offset >> 3
    size = (offset + bits + 7 >> 3) - head
    window = bytes(data[head : head + size]).ljust(size, b"\0")
    value = int.from_bytes(window) >> (size * 8 - (offset & 7) - bits) & (1 << bits) - 1
    return value - (1 << bits) if signed and value >> bits - 1 else value


def write_field(data: bytearray, offset: int, bits: int, value: int) -> None:
    """Put the low `bits` bits of an integer at bit `offset`; the bytes must be there."""
    head = offset >> 3
    size = (offset + bits + 7 >> 3) - head
    shift = size * 8 - (offset & 7) - bits
    mask = (1 << bits) - 1
    window = int.from_bytes(data[head : head + size]) & ~(mask << shift)
    data[head : head + size] = (window | (value & mask) << shift).to_bytes(size)
