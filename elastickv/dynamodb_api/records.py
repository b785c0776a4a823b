"""A stored item: four bytes that say its format and size, then its JSON.

The JSON is what clients get, so an item that is read without a projection leaves as it lies there: no decoding, no
encoding (`Fragment`). Whoever has to look into it decodes it in C. See docs/decisions/0060-stored-items.md.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

import orjson
from orjson import Fragment

from elastickv.dynamodb_api.attributes import Item

_HEAD: Final = Struct(">I")
_FORMAT: Final = 1 << 24
"""The first byte; the other three are the size, which is at most 400 KB."""
_SIZE: Final = _FORMAT - 1
BODY: Final = _HEAD.size


def encode(item: Item, size: int) -> bytes:
    """`size`: the item's size by AWS' arithmetic (`attributes.check_item`)."""
    return _HEAD.pack(_FORMAT | size) + orjson.dumps(item)


def decode(record: bytes) -> Item:
    item: Item = orjson.loads(record[BODY:])
    return item


def size(record: bytes) -> int:
    """The item's size in bytes by AWS' arithmetic."""
    head: int = _HEAD.unpack_from(record)[0]
    return head & _SIZE


def fragment(record: bytes) -> Fragment:
    """The item as a piece of a JSON answer."""
    return Fragment(record[BODY:])
