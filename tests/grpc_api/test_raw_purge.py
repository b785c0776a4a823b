from __future__ import annotations

import asyncio
from functools import partial

import pytest

from elastickv.clock import ManualClock
from elastickv.errors import Fault, KvError
from elastickv.grpc_api.raw_purge import RawPurge
from elastickv.kv import raw
from tests.kit.fake_store import FakeStore


def versions(store: FakeStore) -> int:
    return sum(key[:1] == raw.VERSION for key in store.view.dump())


async def run(purge: RawPurge, seconds: float = 0.05) -> None:
    task = asyncio.create_task(purge.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> FakeStore:
    store = FakeStore(clock)
    for number in range(10):
        store.view.run(partial(raw.put, key=b"k", value=b"%d" % number))
    return store


async def test_old_versions_go_in_small_steps(store: FakeStore, clock: ManualClock) -> None:
    purge = RawPurge(store, retention_seconds=60, step=4, busy_seconds=0.001)
    await run(purge)
    assert versions(store) == 9
    clock.advance(61)
    before = store.executions
    await run(purge)
    assert versions(store) == 0
    assert store.executions - before == 3
    assert raw.get(store.view, b"k") == b"9"


async def test_only_the_leader_purges(store: FakeStore, clock: ManualClock) -> None:
    clock.advance(3600)
    store.serving = False
    await run(RawPurge(store, retention_seconds=60))
    assert store.executions == 0


@pytest.mark.parametrize(("error", "logged"), [(KvError(Fault.NOT_LEADER), False), (KvError(Fault.INTERNAL), True)])
async def test_a_failure_is_not_the_end(
    store: FakeStore, clock: ManualClock, error: KvError, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    clock.advance(3600)
    store.fault = error
    await run(RawPurge(store, retention_seconds=60, idle_seconds=0.005))
    assert versions(store) == 0
    assert bool(caplog.records) == logged
