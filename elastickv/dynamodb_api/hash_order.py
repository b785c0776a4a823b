"""The order in which AWS lists what it keeps in sets: that of Java's HashSet.

Found in answers of October 2026 and before: attributes that a request defines come from a set made for as many, keys
that it uses from one of the usual sixteen buckets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

USUAL: Final = 16
_FULL: Final = 0.75


def in_hash_order(words: Iterable[str], buckets: int = USUAL) -> list[str]:
    """Each word once, as a HashSet with this initial capacity lists them; it doubles when it is three quarters full."""
    distinct = list(dict.fromkeys(words))
    size = 1
    while size < buckets or len(distinct) > _FULL * size:
        size *= 2
    return sorted(distinct, key=lambda word: _spread(word) % size)


def _spread(word: str) -> int:
    """String.hashCode, mixed as HashMap does."""
    units = word.encode("utf-16-le", "surrogatepass")
    value = 0
    for low, high in zip(units[::2], units[1::2], strict=True):
        value = (31 * value + (high << 8 | low)) & 0xFFFFFFFF
    return value ^ (value >> 16)
