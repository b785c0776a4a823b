"""Applies committed entries to the memtable; a pure function of the log.

The same log gives the same layers on every node. On the leader the effects of its own entries are at hand as the batch
that was proposed, so nothing is decoded there; the result is the same.
"""

from __future__ import annotations

from collections.abc import Callable

from elastickv.kv.effects import decode
from elastickv.kv.keyspace import META, read_u64, u64
from elastickv.kv.layers import Layer, Puts
from elastickv.kv.view import Batch, View

TIMESTAMP_KEY = META + b"timestamp"
_ENTRY_OVERHEAD = 160
"""Rough bytes that a key costs in a dict beyond its own and its value's bytes. Once: a key that is written again and
again adds only what the log has of it, which a restart has to read."""


Observer = Callable[[bytes | None], None]
"""Is told of a record: its value, None when there is none."""


class StateMachine:
    """The applied layer of a view and how far it has come."""

    def __init__(self, view: View, index: int, term: int) -> None:
        self.view = view
        self.index = index
        self.term = term
        self._observers: dict[bytes, Observer] = {}
        self.restore(index, term)

    def observe(self, key: bytes, observer: Observer) -> None:
        """Tell what is applied at `key`, now and after each change. For the few records that every node has an eye on:
        each costs every entry one lookup."""
        self._observers[key] = observer
        observer(self._applied_at(key))

    def _applied_at(self, key: bytes) -> bytes | None:
        view = self.view
        forming, inflight = view.forming, view.inflight
        view.forming, view.inflight = Batch(), []
        try:
            return view.get(key)
        finally:
            view.forming, view.inflight = forming, inflight

    def restore(self, index: int, term: int) -> None:
        """The flushed state beneath has changed (start, snapshot): begin again from it."""
        self.index = index
        self.term = term
        self.view.applied = Layer()
        self.view.frozen = None
        stamp = self.view.get(TIMESTAMP_KEY)
        if stamp is not None:
            self.view.hybrid_clock.observe(read_u64(stamp))
        for key, observer in self._observers.items():
            observer(self._applied_at(key))

    def apply_data(self, index: int, term: int, data: bytes) -> None:
        """Apply one NORMAL entry. Empty data is a leader's no-op."""
        self.index = index
        self.term = term
        if not data:
            return
        effects = decode(data)
        applied = self.view.applied
        before = len(applied.puts)
        applied.merge_parts(effects.puts, effects.ranges)
        applied.size_bytes += len(data) + (len(applied.puts) - before) * _ENTRY_OVERHEAD
        if effects.timestamp:
            applied.puts[TIMESTAMP_KEY] = u64(effects.timestamp)
            self.view.hybrid_clock.observe(effects.timestamp)
        self._tell(effects.puts)

    def apply_batch(self, index: int, term: int, batch: Batch, data_bytes: int) -> None:
        """Apply an entry whose effects are `batch`: this node proposed it."""
        self.index = index
        self.term = term
        applied = self.view.applied
        before = len(applied.puts)
        applied.merge(batch)
        applied.size_bytes += data_bytes + (len(applied.puts) - before) * _ENTRY_OVERHEAD
        if batch.timestamp:
            applied.puts[TIMESTAMP_KEY] = u64(batch.timestamp)
        self._tell(batch.puts)

    def _tell(self, puts: Puts) -> None:
        for key, observer in self._observers.items():
            if key in puts:
                observer(puts[key])

    def skip(self, index: int, term: int) -> None:
        """A configuration entry: it counts, but changes no data."""
        self.index = index
        self.term = term
