"""All numbered databases of a node: which generation of keys each number shows, their sizes, and what they share.

A database is a *generation* of keys; which generation each number shows is one record, the catalog. FLUSHDB gives a
number a new generation and leaves the old one to the purge (`clearing`), SWAPDB exchanges two. A number that the
catalog does not mention shows the generation of the same number, so nodes whose --redisDatabases differ agree on what
is where. Counts live in memory, are written with each batch that changes them, and are read back when this node begins
to lead.

Only the serving leader uses this; everything is synchronous and goes through the view.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Final

from elastickv.kv.keyspace import (
    META,
    read_u32,
    u32,
    u64,
)
from elastickv.kv.view import View
from elastickv.redis_api.values.clearing import Clearing
from elastickv.redis_api.values.collections import (
    DecodedCache,
    EncodingLimits,
)
from elastickv.redis_api.values.database import SIZE, SIZE_PREFIX, Database
from elastickv.redis_api.values.list_cache import ListCache
from elastickv.redis_api.values.reservoirs import Reservoirs
from elastickv.redis_api.values.tree_cache import TreeCache

FIRST_FREE_GENERATION: Final = 1 << 16
"""Generations below are the numbers that were never flushed or swapped; --redisDatabases stays well below it."""
_CATALOG_KEY: Final = META + b"redis"

Listener = Callable[["Database", int, bytes, bytes], None]
"""Told of (database, event class, event name, key); see `events`."""


class Databases:
    """All databases of the node, and what they share."""

    def __init__(self, view: View, count: int, rng: random.Random) -> None:
        self.view = view
        self.rng = rng
        self.numbered = [Database(self, number) for number in range(count)]
        self.next_generation = FIRST_FREE_GENERATION
        self._beyond: list[int] = []
        """Generations of numbers that a larger --redisDatabases once showed."""
        self.watched: dict[bytes, set[Callable[[], None]]] = {}
        """What is to be told when a key changes (WATCH), by `Database.watch_name`."""
        self.dirty: set[Database] = set()
        """Databases whose counts differ from what is written."""
        self.hits = 0
        self.misses = 0
        self.expired = 0
        """Keys removed because their time had come."""
        self.held = False
        """A script is in the middle of its work (`scripting.slices`): nothing else may change what it sees."""
        self.interruptible = False
        """The command that runs now can be broken off by TooMany."""
        self.limits = EncodingLimits()
        self.decoded = DecodedCache()
        self.reservoirs = Reservoirs()
        self.trees = TreeCache()
        self.lists = ListCache()
        self.clearing = Clearing(self)
        self.drop = self.clearing.drop
        self.listener: Listener | None = None
        """Is told of every keyspace event; None while nobody listens, and then an event costs nothing."""

    def new_incarnation(self) -> bytes:
        """A name for the elements of a collection that splits; never used before, by any leader.

        It is a hybrid timestamp: those are logged with their batch and never repeat. What a lost batch named is not
        stored anywhere, so its name may not even be missed.
        """
        return u64(self.view.timestamp())

    def load(self) -> None:
        """Read the catalog and the sizes from the view: this node begins to lead, or its proposals were dropped."""
        self.dirty.clear()
        self.reservoirs.clear()
        self.clearing.reset()
        catalog = self.view.get(_CATALOG_KEY) or u32(FIRST_FREE_GENERATION)
        self.next_generation, *generations = (read_u32(catalog, at) for at in range(0, len(catalog), 4))
        generations.extend(range(len(generations), len(self.numbered)))
        self._beyond = generations[len(self.numbered) :]
        for database, generation in zip(self.numbered, generations, strict=False):
            database.show(generation)
        told, self.watched = self.watched, {}
        for callbacks in told.values():
            for callback in callbacks:
                callback()

    def save_sizes(self) -> None:
        """Put the counts that changed into the batch; called right before it is proposed."""
        for database in self.dirty:
            self.view.put(SIZE_PREFIX + u32(database.generation), SIZE.pack(database.size, database.expiring))
        self.dirty.clear()

    def flush(self, numbers: Iterable[int]) -> None:
        """Empty the named databases. The old generations are purged in the background."""
        changed = False
        for number in numbers:
            database = self.numbered[number]
            if not database.sizes()[0]:
                continue
            changed = True
            database.touch_all()
            self.clearing.drop_generation(database.generation)
            self.view.delete(SIZE_PREFIX + u32(database.generation))
            self.dirty.discard(database)
            database.show(self.next_generation)
            self.next_generation += 1
        if changed:
            self._save_catalog()

    def swap(self, one: int, other: int) -> None:
        """Exchange what two numbers show."""
        if one == other:
            return
        first, second = self.numbered[one], self.numbered[other]
        self.save_sizes()
        # A watched key has changed when it was there before or is there after.
        first.touch_all()
        second.touch_all()
        generation = first.generation
        first.show(second.generation)
        second.show(generation)
        first.touch_all()
        second.touch_all()
        self._save_catalog()

    def _save_catalog(self) -> None:
        generations = [database.generation for database in self.numbered] + self._beyond
        self.view.put(_CATALOG_KEY, b"".join(map(u32, [self.next_generation, *generations])))
        self.view.pin()

    def unwatch(self, name: bytes, callback: Callable[[], None]) -> None:
        """Forget a `Database.watch`, whether it was called back already or not."""
        callbacks = self.watched.get(name)
        if callbacks is not None:
            callbacks.discard(callback)
            if not callbacks:
                del self.watched[name]
