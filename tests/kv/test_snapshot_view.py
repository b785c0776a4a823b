"""A view that is held still: all layers, at one moment."""

from __future__ import annotations

from elastickv.clock import ManualClock
from elastickv.kv.hybrid_clock import HybridClock
from elastickv.kv.layers import Layer
from elastickv.kv.snapshot_view import SnapshotView
from elastickv.kv.view import Batch, View
from tests.kit.fake_redis_store import DictEngine


def test_it_shows_all_layers_and_nothing_that_came_later() -> None:
    engine = DictEngine()
    engine.data = {b"flushed": b"1", b"gone": b"1", b"masked1": b"1"}
    view = View(engine, HybridClock(ManualClock()))
    view.frozen = Layer()
    view.frozen.puts[b"frozen"] = b"2"
    view.applied.puts[b"applied"] = b"3"
    view.applied.puts[b"gone"] = None
    flying = Batch(1)
    flying.puts[b"flying"] = b"4"
    flying.delete_range(b"masked", b"maskee")
    view.inflight.append(flying)
    view.put(b"forming", b"5")
    held = DictEngine()
    held.data = dict(engine.data)
    looks: list[bytes] = []
    snapshot = SnapshotView(view, held, lambda: looks.append(b"look"))
    before = [b"applied", b"flushed", b"flying", b"forming", b"frozen"]
    view.put(b"forming", b"new")
    view.put(b"later", b"new")
    view.applied.puts[b"applied"] = b"new"
    flying.puts[b"flying"] = b"new"
    assert [key for key, _ in snapshot.scan(b"", b"")] == before
    assert [snapshot.get(key) for key in before] == [b"3", b"1", b"4", b"5", b"2"]
    assert snapshot.get(b"gone") is None
    assert snapshot.get(b"later") is None
    assert not looks
    for _ in range(64):
        snapshot.get(b"later")
    assert looks == [b"look"]
