"""Flushed under applied under proposed, seen as one ordered map: what commands read and write.

Layers, newest first:

- *forming*: writes of the requests that are not in the log yet (the batch that is being formed);
- *in flight*: batches that are in the log and wait for a majority;
- *applied*: the memtable; committed, not yet in the engine;
- *frozen*: the part of the memtable that the flusher is writing right now;
- *flushed*: the engine.

A read that finds its answer in *forming* or *in flight* rests on that batch: its reply must wait until the batch is
committed. The view keeps the newest such batch in `dependency`; the executor turns it into a ticket.

A record that many requests of a batch change (a hot collection's) may stay an object, `Unwritten`, until someone asks
for its bytes: a get of its key, any scan, or the end of the batch. So what it costs is paid once.

`begin`/`keep`/`undo` put one more layer on top, so that a request that fails half-way leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from elastickv.kv.hybrid_clock import HybridClock
from elastickv.kv.layers import Layer
from elastickv.kv.merging import merged

_MAX_BENEATH = 4096
"""Records that are remembered for `View.get_often`."""


class Flushed(Protocol):
    """The read half of `storage.engine.Engine`, as far as the view needs it."""

    def get(self, key: bytes) -> bytes | None: ...

    def scan(self, start: bytes, end: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]: ...


class Unwritten(Protocol):
    """A record in the form of an object that its owner goes on changing (`View.put_unwritten`)."""

    def written(self) -> bytes:
        """The record. May put other records that belong to it; whoever changes the object afterwards puts it again."""
        ...


class BatchWaiter(Protocol):
    def release(self, ticket: Batch) -> None: ...

    def fail(self, ticket: Batch, fault: Exception) -> None: ...


class Batch(Layer):
    """The writes of one log entry, from the first request that joins it until it is applied. It is its own ticket."""

    __slots__ = ("index", "must_log", "sequence", "timestamp", "unwritten", "waiters")

    def __init__(self, sequence: int = 0) -> None:
        super().__init__()
        self.sequence = sequence
        """Order of batches within one term of leadership."""
        self.index = 0
        """Log index once proposed."""
        self.timestamp = 0
        """Newest hybrid timestamp handed out to a request of this batch; 0 for none."""
        self.must_log = False
        """Propose it even if it is empty: reads wait for its commit as proof of leadership."""
        self.waiters: list[BatchWaiter] = []
        self.unwritten: dict[bytes, Unwritten] = {}
        """What `puts` does not have yet, or in an older state. Only of the forming batch."""

    def __bool__(self) -> bool:
        return bool(self.puts or self.unwritten or self.ranges or self.timestamp or self.must_log)

    def wait(self, waiter: BatchWaiter) -> None:
        """Tell `waiter` how this batch ends. Asking twice in a row counts once."""
        waiters = self.waiters
        if not waiters or waiters[-1] is not waiter:
            waiters.append(waiter)


@dataclass(frozen=True, slots=True)
class Layered:
    """A layer that was set aside."""

    batch: Batch
    pinned: bool
    """`View.pin` was called in it."""


class View:
    """The ordered map that commands see. One per group; used only on the loop's thread.

    `now_ms` is the wall clock of the current burst: the leader's decision for everything in it.
    """

    __slots__ = (
        "_flushed_get",
        "_flushed_scan",
        "applied",
        "dependency",
        "forming",
        "frozen",
        "hybrid_clock",
        "inflight",
        "now_ms",
        "pinned",
    )

    def __init__(self, flushed: Flushed, hybrid_clock: HybridClock) -> None:
        self.forming = Batch()
        self.inflight: list[Batch] = []
        """In the log, oldest first."""
        self.applied = Layer()
        self.frozen: Layer | None = None
        self.dependency: Batch | None = None
        """The newest batch that an answer of the current burst rests on."""
        self.pinned: Batch | None = None
        """A batch on which every answer rests until it is committed (see `pin`)."""
        self.now_ms = 0
        self.hybrid_clock = hybrid_clock
        self.use_flushed(flushed)

    def use_flushed(self, flushed: Flushed) -> None:
        """Read from this engine from now on (start, or a snapshot was installed)."""
        self._flushed_get = flushed.get
        self._flushed_scan = flushed.scan

    # reading

    def get(self, key: bytes) -> bytes | None:
        """The value, or None. The hot path of every read: one dict lookup a layer."""
        forming = self.forming
        if forming.unwritten and key in forming.unwritten:
            self._write_out(key)
        if key in forming.puts:
            self.dependency = forming
            return forming.puts[key]
        if forming.ranges and forming.masks(key):
            self.dependency = forming
            return None
        if self.inflight:
            for batch in reversed(self.inflight):
                if key in batch.puts:
                    self.depend(batch)
                    return batch.puts[key]
                if batch.ranges and batch.masks(key):
                    self.depend(batch)
                    return None
        applied = self.applied
        if key in applied.puts:
            return applied.puts[key]
        if applied.ranges and applied.masks(key):
            return None
        frozen = self.frozen
        if frozen is not None:
            if key in frozen.puts:
                return frozen.puts[key]
            if frozen.ranges and frozen.masks(key):
                return None
        return self._flushed_get(key)

    def get_often(self, key: bytes) -> bytes | None:
        """`get`, for the few records that nearly every request asks for and that seldom change: what the engine says of
        them is remembered."""
        forming = self.forming
        if key in forming.puts or forming.ranges or key in forming.unwritten:
            return self.get(key)
        for batch in self.inflight:
            if key in batch.puts or batch.ranges:
                return self.get(key)
        lowest = self.applied
        if key in lowest.puts or lowest.ranges:
            return self.get(key)
        if self.frozen is not None:
            lowest = self.frozen
            if key in lowest.puts or lowest.ranges:
                return self.get(key)
        beneath = lowest.beneath
        if key in beneath:
            return beneath[key]
        if len(beneath) >= _MAX_BENEATH:
            beneath.clear()
        value = beneath[key] = self._flushed_get(key)
        return value

    def depend(self, batch: Batch) -> None:
        """The current burst rests on `batch` (and so on all before it)."""
        dependency = self.dependency
        if dependency is None or dependency.sequence < batch.sequence:
            self.dependency = batch

    def scan(self, start: bytes, end: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < end in order (end b"": no upper bound), from the top down when `reverse`.

        Lazy; what is written while it runs may or may not be seen where the scan has not been yet. It rests on what it
        has looked at, which may be a little more than what was taken of it.
        """
        self.write_out()
        layers: list[Layer] = [self.forming, *reversed(self.inflight), self.applied]
        if self.frozen is not None:
            layers.append(self.frozen)
        speculative = 1 + len(self.inflight)
        if not any(layer.puts or layer.ranges for layer in layers):
            yield from self._flushed_scan(start, end, reverse=reverse)
            return
        for layer in layers[:speculative]:
            if any(_overlaps(one, other, start, end) for one, other in layer.ranges):
                assert isinstance(layer, Batch)
                self.depend(layer)

        def met(place: int) -> None:
            if place < speculative:
                layer = layers[place]
                assert isinstance(layer, Batch)
                self.depend(layer)

        yield from merged(layers, self._flushed_scan(start, end, reverse=reverse), start, end, met, reverse=reverse)

    # writing

    def put(self, key: bytes, value: bytes) -> None:
        """`key` must not be empty: raises ValueError, for the engine could never flush it, on any node."""
        if not key:
            raise ValueError("an empty key")
        forming = self.forming
        forming.puts[key] = value
        forming.size_bytes += len(value)
        self.dependency = forming
        if forming.unwritten:
            forming.unwritten.pop(key, None)

    def put_unwritten(self, key: bytes, value: Unwritten) -> None:
        """`put`, but what is put is asked for as late as possible. It stands as `forming.unwritten[key]` until then."""
        if not key:
            raise ValueError("an empty key")
        forming = self.forming
        forming.unwritten[key] = value
        self.dependency = forming

    def write_out(self) -> None:
        """Turn everything unwritten into bytes."""
        unwritten = self.forming.unwritten
        if unwritten:
            dependency = self.dependency
            while unwritten:
                self._write_out(next(iter(unwritten)))
            self.dependency = dependency

    def _write_out(self, key: bytes) -> None:
        self.put(key, self.forming.unwritten.pop(key).written())

    def delete(self, key: bytes) -> None:
        """Deleting what is not there is fine, but costs an entry: look first where that is likely. Raises as `put`."""
        if not key:
            raise ValueError("an empty key")
        forming = self.forming
        forming.puts[key] = None
        self.dependency = forming
        if forming.unwritten:
            forming.unwritten.pop(key, None)

    def delete_range(self, start: bytes, end: bytes) -> None:
        """Delete start <= key < end (end b"": to the end of the keyspace). Costs one record, whatever it covers."""
        self.write_out()
        self.forming.delete_range(start, end)
        self.dependency = self.forming

    def timestamp(self) -> int:
        """A new hybrid logical timestamp, greater than every one the cluster ever handed out. Logged with the batch."""
        stamp = self.hybrid_clock.next()
        self.forming.timestamp = stamp
        self.dependency = self.forming
        return stamp

    @property
    def last_timestamp(self) -> int:
        """The newest timestamp handed out so far."""
        return self.hybrid_clock.last

    def pin(self) -> None:
        """Make every answer from now on rest on the batch that is being formed, whatever keys it reads.

        For writes that change where other keys are found (FLUSHDB, SWAPDB): who looks in the new place must not
        answer before the move is committed.
        """
        self.pinned = self.dependency = self.forming

    # all or nothing

    def begin(self) -> None:
        """Lay a fresh layer over `forming`; `keep` or `undo` must follow in the same turn. Nests."""
        self.write_out()
        outer = self.forming
        self.inflight.append(outer)
        self.forming = Batch(outer.sequence + 1)
        self.forming.timestamp = outer.timestamp

    def keep(self) -> None:
        self.write_out()
        inner = self.forming
        outer = self._close()
        outer.merge(inner)
        outer.size_bytes += inner.size_bytes
        outer.timestamp = inner.timestamp

    def undo(self) -> None:
        # Timestamps are never taken back: a gap is harmless, a repeat is not.
        inner = self.forming
        outer = self._close()
        outer.timestamp = inner.timestamp

    def set_aside(self) -> Layered:
        """Take off the layer of the last `begin`, whose work pauses until a later turn; others see nothing of it.

        `take_up` lays it over whatever is forming then, and `keep` or `undo` ends it as usual.
        """
        self.write_out()
        layered = Layered(self.forming, self.pinned is self.forming)
        self.forming = self.inflight.pop()
        if self.dependency is layered.batch:
            self.dependency = None
        if layered.pinned:
            self.pinned = None
        return layered

    def take_up(self, layered: Layered) -> None:
        self.write_out()
        outer = self.forming
        inner = layered.batch
        inner.sequence = outer.sequence + 1
        inner.timestamp = max(inner.timestamp, outer.timestamp)
        self.inflight.append(outer)
        self.forming = inner
        if layered.pinned:
            self.pinned = inner

    def _close(self) -> Batch:
        inner = self.forming
        outer = self.forming = self.inflight.pop()
        if self.dependency is inner:
            self.dependency = outer
        if self.pinned is inner:
            self.pinned = outer
        return outer


def _overlaps(start: bytes, end: bytes, other_start: bytes, other_end: bytes) -> bool:
    return (not other_end or start < other_end) and (not end or other_start < end)
