"""What commands that work on every type (OBJECT, DUMP, RESTORE, SORT, MEMORY) need to know of a collection's type.

Each type's module puts its `Kind` into `KINDS` when it is imported. Whole values travel between types, RDB payloads and
records in one plain form per type:

    list    [element, ...]                     set     [member, ...]
    zset    [(member, score), ...], by rank    hash    [(field, value), ...]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from elastickv.redis_api.values.database import Database
from elastickv.redis_api.values.records import Record, RecordType


@dataclass(frozen=True, slots=True)
class Kind:
    encoding: Callable[[Database, Record], bytes]
    """OBJECT ENCODING, as Redis 7.2 would answer."""
    count: Callable[[Database, Record], int]
    """How many elements there are."""
    load: Callable[[Database, Record], Any]
    """The whole value."""
    save: Callable[[Database, bytes, Any, int], None]
    """(database, key, whole value, deadline or 0): store it in place of what was there; an empty one only deletes."""


KINDS: Final[dict[RecordType, Kind]] = {}
