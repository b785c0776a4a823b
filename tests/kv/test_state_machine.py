"""What an applied batch counts against the size of the memtable."""

from __future__ import annotations

from elastickv.clock import ManualClock
from elastickv.kv.effects import encode
from elastickv.kv.hybrid_clock import HybridClock
from elastickv.kv.state_machine import StateMachine
from elastickv.kv.view import Batch, View
from tests.kit.fake_redis_store import DictEngine


def test_a_key_that_is_written_again_costs_its_bytes_but_no_place() -> None:
    sizes = []
    for own in (True, False):
        machine = StateMachine(View(DictEngine(), HybridClock(ManualClock())), 0, 0)
        found = []
        for index in (1, 2):
            batch = Batch()
            batch.puts = {b"key": b"x" * 1000}
            data = encode(batch)
            if own:
                machine.apply_batch(index, 1, batch, len(data))
            else:
                machine.apply_data(index, 1, data)
            found.append(machine.view.applied.size_bytes)
        first, second = found
        assert 1000 < len(data) == second - first < first
        sizes.append(found)
    assert sizes[0] == sizes[1]
