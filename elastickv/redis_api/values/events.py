"""Classes of keyspace events, as notify-keyspace-events names them; bits, so that a set of them is one integer."""

from __future__ import annotations

from typing import Final

GENERIC: Final = 1 << 0
STRING: Final = 1 << 1
LIST: Final = 1 << 2
SET: Final = 1 << 3
HASH: Final = 1 << 4
ZSET: Final = 1 << 5
EXPIRED: Final = 1 << 6
EVICTED: Final = 1 << 7
STREAM: Final = 1 << 8
KEY_MISS: Final = 1 << 9
MODULE: Final = 1 << 10
NEW: Final = 1 << 11

LETTERS: Final = {
    "g": GENERIC,
    "$": STRING,
    "l": LIST,
    "s": SET,
    "h": HASH,
    "z": ZSET,
    "x": EXPIRED,
    "e": EVICTED,
    "t": STREAM,
    "m": KEY_MISS,
    "d": MODULE,
    "n": NEW,
}
