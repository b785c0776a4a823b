"""IDs of stream entries: <milliseconds>-<sequence>, each of 64 bits; here one integer of 128 bits.

In keys they are 16 bytes, big-endian, so that order is order.
"""

from __future__ import annotations

import re
from typing import Final

from elastickv.redis_api.errors import RedisError

LAST: Final = (1 << 128) - 1
SEQUENCE: Final = (1 << 64) - 1
"""The largest sequence number, and a mask for it."""
_MAX_WORD: Final = 127
_NUMBER: Final = re.compile(rb"[ \t\n\v\f\r]*([+-]?)(\d+)\Z").match
_CANONICAL: Final = re.compile(rb"(?:0|-?[1-9]\d*)\Z").match

INVALID_ID: Final = RedisError(b"ERR Invalid stream ID specified as stream command argument")


def key_of(id: int) -> bytes:
    return id.to_bytes(16)


def id_of(key: bytes) -> int:
    return int.from_bytes(key)


def text(id: int) -> bytes:
    return b"%d-%d" % (id >> 64, id & SEQUENCE)


def parse(word: bytes, missing: int = 0, *, strict: bool = True) -> int:
    """What a client calls an ID. `missing` is the sequence number of one that has none; unless `strict`, "-" and "+"
    are the first and the last."""
    id, automatic = _parse(word, missing, strict=strict)
    if automatic:
        raise INVALID_ID
    return id


def parse_for_adding(word: bytes) -> tuple[int, bool]:
    """(ID, whether its sequence number is "*" and to be found)."""
    return _parse(word, 0, strict=True)


def _parse(word: bytes, missing: int, *, strict: bool) -> tuple[int, bool]:
    if len(word) > _MAX_WORD:
        raise INVALID_ID
    if word in (b"-", b"+"):
        if strict:
            raise INVALID_ID
        return (0 if word == b"-" else LAST), False
    word = word.split(b"\0", 1)[0]  # C's strings end there
    first, dash, second = word.partition(b"-")
    milliseconds = _number(first)
    if not dash:
        return milliseconds << 64 | missing, False
    if second == b"*":
        return milliseconds << 64, True
    return milliseconds << 64 | _number(second), False


def _number(word: bytes) -> int:
    """As Redis' string2ull: a 64-bit integer, or what else strtoull takes for one."""
    match = _NUMBER(word)
    if match is None:
        raise INVALID_ID
    number = int(match[2])
    if match[1] == b"-":
        if _CANONICAL(word) is not None and number <= 1 << 63:
            raise INVALID_ID
        number = -number & SEQUENCE if number <= SEQUENCE else SEQUENCE + 1
    if number > SEQUENCE:
        raise INVALID_ID
    return number


def interval_start(word: bytes) -> int:
    """ "(" makes it exclusive."""
    if len(word) > 1 and word.startswith(b"("):
        id = parse(word[1:], 0)
        if id == LAST:
            raise RedisError(b"ERR invalid start ID for the interval")
        return id + 1
    return parse(word, 0, strict=False)


def interval_end(word: bytes) -> int:
    if len(word) > 1 and word.startswith(b"("):
        id = parse(word[1:], SEQUENCE)
        if id == 0:
            raise RedisError(b"ERR invalid end ID for the interval")
        return id - 1
    return parse(word, SEQUENCE, strict=False)
