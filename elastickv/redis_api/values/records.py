"""A key's record: one value in the keyspace, the same for every type.

    head:1  [deadline ms:8]  [length:4 key]  payload

The low half of `head` is the type, HAS_DEADLINE and LONG_KEY_FLAG say which optional parts follow. The payload of a
string is the string; of other types it is what their module says.

Values may have 512 MB. They are cut and joined through memoryviews of the record, so that changing one costs one copy
and reading a part of one costs that part.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from elastickv.kv.keyspace import LONG_KEY, hash_of, read_u32, read_u64, redis_prefix, u32, u64

_LARGE: Final = 1 << 16
PREFIX_LENGTH: Final = len(redis_prefix(0))
_HASH_END: Final = PREFIX_LENGTH + len(hash_of(b""))


class RecordType(IntEnum):
    """Redis' own object type numbers; on disk."""

    STRING = 0
    LIST = 1
    SET = 2
    ZSET = 3
    HASH = 4
    STREAM = 6


TYPE_NAMES: Final = {
    RecordType.STRING: b"string",
    RecordType.LIST: b"list",
    RecordType.SET: b"set",
    RecordType.ZSET: b"zset",
    RecordType.HASH: b"hash",
    RecordType.STREAM: b"stream",
}

Data = bytes | bytearray | memoryview

HAS_DEADLINE: Final = 0x80
LONG_KEY_FLAG: Final = 0x40
EDITED: Final = 0x20
"""A string that was changed in place: OBJECT ENCODING calls it "raw" however short it is, as Redis does."""
_TYPE_MASK: Final = 0x0F
_TYPES: Final = {int(one): one for one in RecordType}
PLAIN: Final = frozenset((0, EDITED))
"""Heads of strings without optional parts."""


@dataclass(slots=True)
class Record:
    """A live key, taken apart."""

    physical: bytes
    raw: bytes
    type: RecordType
    deadline: int
    """Unix milliseconds; 0 when the key does not expire."""
    start: int
    """Where the payload begins in `raw`."""

    @property
    def payload(self) -> bytes:
        """A copy; where that matters, use `view`."""
        return self.raw[self.start :]

    @property
    def view(self) -> memoryview:
        return memoryview(self.raw)[self.start :]

    def part(self, start: int = 0, end: int | None = None) -> bytes | memoryview:
        """Payload from `start` to `end` (neither negative) for a reply: a view when it is too large to copy lightly."""
        stop = len(self.raw) if end is None else self.start + end
        if stop - start < _LARGE:
            return self.raw[self.start + start : stop]
        return memoryview(self.raw)[self.start + start : stop]

    @property
    def length(self) -> int:
        """Bytes of payload."""
        return len(self.raw) - self.start

    @property
    def edited(self) -> bool:
        return bool(self.raw[0] & EDITED)


def parse(physical: bytes, raw: bytes) -> Record:
    """What is stored at `physical`, taken apart."""
    head = raw[0]
    start = 1
    deadline = 0
    if head & HAS_DEADLINE:
        deadline = read_u64(raw, 1)
        start = 9
    if head & LONG_KEY_FLAG:
        start += 4 + read_u32(raw, start)
    return Record(physical, raw, _TYPES[head & _TYPE_MASK], deadline, start)


def build(key: bytes, head: int, payload: Data, deadline: int) -> bytes:
    """A record; `head` is the type and EDITED."""
    parts: list[Data] = []
    if deadline:
        head |= HAS_DEADLINE
        parts.append(u64(deadline))
    if len(key) > LONG_KEY:
        head |= LONG_KEY_FLAG
        parts += [u32(len(key)), key]
    return b"".join((bytes((head,)), *parts, payload))


def key_of(physical: bytes, raw: bytes) -> bytes:
    """The user's key."""
    if not raw[0] & LONG_KEY_FLAG:
        return physical[_HASH_END:]
    at = 9 if raw[0] & HAS_DEADLINE else 1
    return raw[at + 4 : at + 4 + read_u32(raw, at)]
