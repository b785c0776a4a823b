"""The view as it is at one moment, held still for reads that take long and step aside in between.

The flushed state is a snapshot of the engine; of the layers above it, which are small, there are shallow copies. So
the reader sees one moment however long it takes, and nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

from elastickv.kv.layers import Layer
from elastickv.kv.view import Batch, Flushed, View

_PAIRS_BETWEEN_LOOKS: Final = 64


class Still(Flushed, Protocol):
    """The engine's part (`storage.engine.Snapshot`)."""

    def close(self) -> None: ...


class SnapshotView(View):
    """Only to be read. `look` is called every few dozen reads; it may take its time. `close` when done."""

    __slots__ = ("_flushed", "_look", "_reads")

    def __init__(self, view: View, flushed: Still, look: Callable[[], None]) -> None:
        super().__init__(flushed, view.hybrid_clock)
        self._flushed = flushed
        self._look = look
        self._reads = 0
        view.write_out()
        for batch in (*view.inflight, view.forming):
            if batch.puts or batch.ranges:
                copy = Batch(batch.sequence)
                copy.copy_from(batch)
                self.inflight.append(copy)
        self.applied = Layer()
        self.applied.copy_from(view.applied)
        self.frozen = view.frozen
        self.now_ms = view.now_ms

    def get(self, key: bytes) -> bytes | None:
        self._reads += 1
        if self._reads >= _PAIRS_BETWEEN_LOOKS:
            self._reads = 0
            self._look()
        return super().get(key)

    def scan(self, start: bytes, end: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        for number, pair in enumerate(super().scan(start, end, reverse=reverse), start=1):
            yield pair
            if not number % _PAIRS_BETWEEN_LOOKS:
                self._look()

    def close(self) -> None:
        self._flushed.close()
