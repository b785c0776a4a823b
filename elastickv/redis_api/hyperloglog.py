"""HyperLogLog in Redis' own bytes: the same registers, the same estimates, the same string under GET.

    "HYLL"  encoding:1  zeros:3  cardinality:8 (little endian; highest bit: out of date)  registers

There are 2^14 registers of 6 bits. Dense: packed, the lowest bits first. Sparse: runs, in one or two bytes:

    00llllll    l+1 registers that are 0    01llllll llllllll    the same, up to 16384 of them
    1vvvvvll    l+1 registers that are v+1

Estimates: Otmar Ertl, New cardinality estimation algorithms for HyperLogLog sketches, arXiv:1702.01284. Hashes:
MurmurHash64A with Redis' seed. How runs are split and joined when a register changes follows Redis step by step,
because it decides on the bytes; runs are kept as a list of byte strings with the register each begins at.
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from bisect import bisect_right
from typing import Final

REGISTERS: Final = 1 << 14
MAX_SPARSE_VALUE: Final = 32
HEADER_SIZE: Final = 16
DENSE: Final = 0
SPARSE: Final = 1

_MAGIC: Final = b"HYLL"
_DENSE_BYTES: Final = REGISTERS * 6 // 8
_HASH_BITS: Final = 64 - 14
_ALPHA: Final = 0.721347520444481703680
_SEED: Final = 0xADC83B19
_MULTIPLIER: Final = 0xC6A4A7935BD1E995
_MASK: Final = (1 << 64) - 1
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_TO_VALUES: Final = bytes.maketrans(_ALPHABET, bytes(range(64)))
_TO_LETTERS: Final = bytes.maketrans(bytes(range(64)), _ALPHABET)
_LONGEST_ZERO: Final = 64
_LONGEST_VALUE: Final = 4
_JOIN_STEPS: Final = 5
_OUT_OF_DATE: Final = 0x80
_HIGHEST_BITS: Final = int.from_bytes(b"\x80" * REGISTERS, "little")


class NoHyperLogLog(ValueError):
    """The string is something else."""


class Corrupted(ValueError):
    """The registers make no sense."""


def murmur64a(data: bytes, seed: int = _SEED) -> int:
    size = len(data)
    whole = size & ~7
    result = (seed ^ size * _MULTIPLIER) & _MASK
    for at in range(0, whole, 8):
        word = int.from_bytes(data[at : at + 8], "little") * _MULTIPLIER & _MASK
        word = (word ^ word >> 47) * _MULTIPLIER & _MASK
        result = (result ^ word) * _MULTIPLIER & _MASK
    if size & 7:
        result = (result ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _MASK
    result = (result ^ result >> 47) * _MULTIPLIER & _MASK
    return result ^ result >> 47


def place(element: bytes) -> tuple[int, int]:
    """(register, value) of an element: the low bits of its hash, and the length of the run of zeros above them."""
    hashed = murmur64a(element)
    above = hashed >> 14 | 1 << _HASH_BITS
    return hashed & REGISTERS - 1, (above & -above).bit_length()


class HyperLogLog:
    """One sketch, to be changed; `to_bytes` is what is stored."""

    __slots__ = ("_cached", "_dense", "_rest", "_runs", "_size", "_starts", "_unused", "_whole")

    def __init__(self) -> None:
        self._cached = bytes(8)
        self._unused = bytes(3)
        self._dense: bytearray | None = None
        """A byte a register; None while sparse."""
        self._runs: list[bytes] = [b"\x7f\xff"]
        self._starts: list[int] = [0]
        self._size = HEADER_SIZE + 2
        """Bytes of the sparse form."""
        self._rest = b""
        """Half a run at the end of a damaged sketch: a run of zeros, whose other byte reads as 0 in Redis."""
        self._whole = True
        """The runs cover all registers. Damage shows where it matters and not earlier, as in Redis."""

    @classmethod
    def parse(cls, stored: bytes) -> HyperLogLog:
        """Raises NoHyperLogLog."""
        if len(stored) < HEADER_SIZE or stored[:4] != _MAGIC or stored[4] > SPARSE:
            raise NoHyperLogLog
        if stored[4] == DENSE and len(stored) != HEADER_SIZE + _DENSE_BYTES:
            raise NoHyperLogLog
        one = cls()
        one._unused, one._cached = stored[5:8], stored[8:16]
        if stored[4] == DENSE:
            one._dense = _unpack(stored[HEADER_SIZE:])
        else:
            one._parse_runs(stored)
        return one

    def _parse_runs(self, stored: bytes) -> None:
        runs: list[bytes] = []
        starts: list[int] = []
        at, first = HEADER_SIZE, 0
        while at < len(stored):
            end = at + (2 if stored[at] >> 6 == 1 else 1)
            run = stored[at:end]
            if len(run) < end - at:
                self._rest = run
                break
            runs.append(run)
            starts.append(first)
            first += _length(run)
            at = end
        if self._rest:
            first += _length(self._rest + b"\0")
        self._whole = first == REGISTERS
        self._runs, self._starts, self._size = runs, starts, len(stored)

    def to_bytes(self) -> bytes:
        if self._dense is not None:
            return b"%b\0%b%b%b" % (_MAGIC, self._unused, self._cached, _pack(self._dense))
        return b"%b\1%b%b%b" % (_MAGIC, self._unused, self._cached, b"".join((*self._runs, self._rest)))

    @property
    def is_sparse(self) -> bool:
        return self._dense is None

    def _check(self) -> None:
        if not self._whole:
            raise Corrupted

    def registers(self) -> bytes:
        """A byte a register. Raises Corrupted, as all do that look at registers."""
        self._check()
        if self._dense is not None:
            return bytes(self._dense)
        return b"".join([bytes((_value(run),)) * _length(run) for run in self._runs]).ljust(REGISTERS, b"\0")

    def runs(self) -> list[tuple[int, int, int]]:
        """(value, length, bytes of the run) of the sparse form."""
        runs = [*self._runs, self._rest + b"\0"] if self._rest else self._runs
        return [(_value(run), _length(run), len(run)) for run in runs]

    # changing

    def add(self, element: bytes, sparse_bytes: int) -> bool:
        """Whether a register changed; `sparse_bytes` is the size up to which a sketch may stay sparse."""
        return self.raise_register(*place(element), sparse_bytes)

    def raise_register(self, index: int, value: int, sparse_bytes: int) -> bool:
        if self._dense is None:
            if value <= MAX_SPARSE_VALUE:
                changed = self._raise_sparse(index, value, sparse_bytes)
                if changed is not None:
                    return changed
            self.make_dense()
        dense = self._dense
        assert dense is not None
        if dense[index] >= value:
            return False
        dense[index] = value
        return True

    def make_dense(self) -> None:
        if self._dense is None:
            self._dense = bytearray(self.registers())

    def _raise_sparse(self, index: int, value: int, sparse_bytes: int) -> bool | None:
        """None: the sketch would be too large, nothing was changed."""
        runs, starts = self._runs, self._starts
        if not runs:
            raise Corrupted
        at = bisect_right(starts, index) - 1
        run, first = runs[at], starts[at]
        held, length = _value(run), _length(run)
        if index >= first + length:
            raise Corrupted
        if held >= value:
            return False
        new = [_run(value, 1)]
        new_starts = [index]
        if index > first:
            new.insert(0, _run(held, index - first))
            new_starts.insert(0, first)
        if index < first + length - 1:
            new.append(_run(held, first + length - 1 - index))
            new_starts.append(index + 1)
        growth = sum(map(len, new)) - len(run)
        if growth > 0 and length > 1 and self._size + growth > sparse_bytes:
            return None
        runs[at : at + 1] = new
        starts[at : at + 1] = new_starts
        self._size += growth
        self._join(max(at - 1, 0))
        return True

    def _join(self, at: int) -> None:
        """Join neighbours of one value that fit into one run, in a few steps from a place on."""
        runs, starts = self._runs, self._starts
        for _ in range(_JOIN_STEPS):
            if at >= len(runs):
                return
            run = runs[at]
            following = runs[at + 1] if at + 1 < len(runs) else b"\0"
            length = (run[0] & 3) + (following[0] & 3) + 2
            if run[0] & 0x80 and (run[0] ^ following[0]) & 0xFC == 0 and length <= _LONGEST_VALUE:
                runs[at : at + 2] = [_run(_value(run), length)]
                del starts[at + 1]
                self._size -= 1
            else:
                at += 1

    # counting

    def forget_cardinality(self) -> None:
        """The cached one is out of date."""
        self._cached = self._cached[:7] + bytes((self._cached[7] | _OUT_OF_DATE,))

    @property
    def cached(self) -> int | None:
        return None if self._cached[7] & _OUT_OF_DATE else int.from_bytes(self._cached, "little")

    def count(self) -> int:
        """The estimate, cached from now on."""
        found = self.cached
        if found is None:
            found = estimate(self.registers())
            self._cached = found.to_bytes(8, "little")
        return found


def _value(run: bytes) -> int:
    return (run[0] >> 2 & 31) + 1 if run[0] & 0x80 else 0


def _length(run: bytes) -> int:
    if run[0] & 0x80:
        return (run[0] & 3) + 1
    return (run[0] & 0x3F) + 1 if len(run) == 1 else ((run[0] & 0x3F) << 8 | run[1]) + 1


def _run(value: int, length: int) -> bytes:
    if value:
        return bytes((0x80 | value - 1 << 2 | length - 1,))
    if length <= _LONGEST_ZERO:
        return bytes((length - 1,))
    return bytes((0x40 | length - 1 >> 8, length - 1 & 0xFF))


def _unpack(packed: bytes) -> bytearray:
    """From 6 bits to a byte a register: what base64 does, when the whole is read from its end."""
    return bytearray(b64encode(packed[::-1]).translate(_TO_VALUES)[::-1])


def _pack(registers: bytearray) -> bytes:
    return b64decode(bytes(registers[::-1]).translate(_TO_LETTERS))[::-1]


def merged(all_registers: list[bytes]) -> bytes:
    """The largest value of each register."""
    if not all_registers:
        return bytes(REGISTERS)
    largest = int.from_bytes(all_registers[0], "little")
    for registers in all_registers[1:]:
        # All registers at once, as bytes of two long numbers: values have six bits, so the highest is free to tell
        # which of two is not the smaller one.
        other = int.from_bytes(registers, "little")
        kept = (((largest | _HIGHEST_BITS) - other & _HIGHEST_BITS) >> 7) * 0xFF
        largest = largest & kept | other & ~kept
    return largest.to_bytes(REGISTERS, "little")


def estimate(registers: bytes) -> int:
    """How many different elements were added, about."""
    histogram = [0] * (_HASH_BITS + 2)
    left = REGISTERS
    for value in range(_HASH_BITS + 2):
        histogram[value] = registers.count(value)
        left -= histogram[value]
        if not left:
            break
    total = float(REGISTERS)
    z = total * _tau((total - histogram[_HASH_BITS + 1]) / total)
    for value in range(_HASH_BITS, 0, -1):
        z += histogram[value]
        z *= 0.5
    z += total * _sigma(histogram[0] / total)
    return math.floor(_ALPHA * total * total / z + 0.5)


def _sigma(x: float) -> float:
    if x == 1.0:
        return math.inf
    y, z = 1.0, x
    while True:
        x *= x
        before = z
        z += x * y
        y += y
        if before == z:
            return z


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z = 1.0, 1 - x
    while True:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= (1 - x) ** 2 * y
        if before == z:
            return z / 3
