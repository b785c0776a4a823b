"""What the leader clears away in the background: keys whose time has come, and records that nobody can see any more.

Each deadline has an index entry (`keyspace.expiry_key`), so that what is due is found without looking at anything else.
FLUSHDB leaves the records of a generation behind, and whatever takes a split collection away leaves its elements; one
record says so each time, and the purge works through them in steps.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from elastickv.kv.keyspace import (
    EXPIRY,
    META,
    REDIS,
    expiry_key,
    prefix_end,
    read_u32,
    read_u64,
    redis_prefix,
    u32,
    u64,
)
from elastickv.redis_api.values import events
from elastickv.redis_api.values.collections import (
    elements,
    incarnation_of,
)
from elastickv.redis_api.values.database import SIZE, SIZE_PREFIX
from elastickv.redis_api.values.records import (
    HAS_DEADLINE,
    PREFIX_LENGTH,
    key_of,
)

if TYPE_CHECKING:
    from elastickv.redis_api.values.databases import Databases

_INDEX_PREFIX: Final = len(EXPIRY) + 8
PURGE_PREFIX: Final = META + b"redis-purge"
"""<generation:4>: its keys are to be removed."""
DROP_PREFIX: Final = META + b"redis-drop"
"""<incarnation:8>: its elements are to be removed."""


class Clearing:
    def __init__(self, databases: Databases) -> None:
        self._all = databases
        self._view = databases.view
        self.due_from = EXPIRY
        """The expiry index is empty before this: what was removed lately need not be waded through again."""
        self._purged_to: dict[bytes, bytes] = {}
        """Prefix to where its purge goes on, so that it does not wade through what it removed already."""
        self._purgeable = True
        """There may be something to purge; else it is not looked for, because scans while much is written are dear."""
        self.purged = 0
        """Large collections and flushed keys that were cleared away behind."""

    def reset(self) -> None:
        """This node begins to lead, or its proposals were dropped."""
        self.due_from = EXPIRY
        self._purged_to.clear()
        self._purgeable = True

    def drop(self, incarnation: bytes) -> None:
        """The elements of this incarnation belong to no key any more: one record now, the purge does the rest."""
        self._purgeable = True
        self._view.put(DROP_PREFIX + incarnation, b"")

    def drop_generation(self, generation: int) -> None:
        """No number shows this generation any more."""
        self._purgeable = True
        self._view.put(PURGE_PREFIX + u32(generation), b"")

    def expire_due(self, limit: int) -> int:
        """Remove at most `limit` keys whose deadline has passed; how many were removed."""
        view = self._view
        end = EXPIRY + u64(view.now_ms + 1)
        if self.due_from >= end or self._all.held:
            return 0
        due: list[bytes] = []
        following = prefix_end(EXPIRY)
        for key, _ in view.scan(self.due_from, following):
            if key >= end or len(due) == limit:
                following = key
                break
            due.append(key)
        # Until its time comes, nothing needs to be looked at again: a scan while much is written is not cheap.
        self.due_from = following
        by_prefix = {database.prefix: database for database in self._all.numbered}
        for index_key in due:
            physical = index_key[_INDEX_PREFIX:]
            raw = view.get(physical)
            assert raw is not None, "an index entry is there exactly as long as its record"
            incarnation = incarnation_of(raw)
            if incarnation is not None:
                self.drop(incarnation)
            view.delete(index_key)
            view.delete(physical)
            database = by_prefix.get(physical[:PREFIX_LENGTH])
            if database is not None:
                self._all.expired += 1
                database.count(-1, -1)
                database.touched(physical)
                if self._all.listener is not None:
                    database.notify(events.EXPIRED, b"expired", key_of(physical, raw))
            else:
                # No number shows it here: it waits for the purge, or for a node with more databases.
                size_key = SIZE_PREFIX + physical[len(REDIS) : PREFIX_LENGTH]
                packed = view.get(size_key)
                if packed:
                    size, expiring = SIZE.unpack(packed)
                    view.put(size_key, SIZE.pack(size - 1, expiring - 1))
        return len(due)

    def purge(self, limit: int) -> int:
        """Remove at most about `limit` records and elements that nobody can see any more; how many were removed.

        One call is one log entry, and takes the loop for as long as it takes to look at so many.
        """
        if self._all.held or not self._purgeable:
            return 0
        for purge_key, _ in self._view.scan(PURGE_PREFIX, prefix_end(PURGE_PREFIX)):
            return max(self._purge_generation(purge_key, limit), 1)
        removed = self._purge_elements(limit)
        self._purgeable = removed > 0
        return removed

    def waiting_for_purge(self, most: int) -> int:
        """Large collections and emptied databases that are not cleared away yet, as far as `most`."""
        waiting = (self._view.scan(prefix, prefix_end(prefix)) for prefix in (DROP_PREFIX, PURGE_PREFIX))
        return sum(1 for _ in islice(chain.from_iterable(waiting), most))

    def _purge_generation(self, purge_key: bytes, limit: int) -> int:
        prefix = redis_prefix(read_u32(purge_key, len(PURGE_PREFIX)))
        start = self._purged_to.get(prefix, prefix)
        seen = 0
        last = b""
        for physical, record in islice(self._view.scan(start, prefix_end(prefix)), limit):
            if record[0] & HAS_DEADLINE:
                self._view.delete(expiry_key(read_u64(record, 1), physical))
            incarnation = incarnation_of(record)
            if incarnation is not None:
                self.drop(incarnation)
            last = physical
            seen += 1
        if seen:
            end = last + b"\0"
            self._view.delete_range(start, end)
            self._purged_to[prefix] = end
        self.purged += seen
        if seen < limit:
            self._view.delete(purge_key)
            self._purged_to.pop(prefix, None)
        return seen

    def _purge_elements(self, limit: int) -> int:
        """Elements of dropped incarnations.

        Those of a large one are removed as ranges that join into one; small ones key by key, because each range costs
        every later read a little until it is flushed.
        """
        view = self._view
        work = 0
        dropped = [key for key, _ in islice(view.scan(DROP_PREFIX, prefix_end(DROP_PREFIX)), limit)]
        for drop_key in dropped:
            prefix = elements(drop_key[len(DROP_PREFIX) :])
            start = self._purged_to.get(prefix, prefix)
            left = limit - work
            found = [key for key, _ in islice(view.scan(start, prefix_end(prefix)), left)]
            work += len(found) + 1
            if start == prefix and len(found) < left:
                for key in found:
                    view.delete(key)
            elif found:
                end = found[-1] + b"\0"
                view.delete_range(start, end)
                self._purged_to[prefix] = end
            if len(found) < left:
                view.delete(drop_key)
                self.purged += 1
                self._purged_to.pop(prefix, None)
            if work >= limit:
                break
        return work
