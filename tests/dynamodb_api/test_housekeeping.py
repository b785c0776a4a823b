from __future__ import annotations

import asyncio

import pytest

from elastickv.dynamodb_api import housekeeping, tables
from elastickv.dynamodb_api.housekeeping import Housekeeping
from elastickv.errors import Fault, KvError
from elastickv.kv.view import View
from tests.kit.eventually import eventually
from tests.kit.fake_store import FakeStore


def drop(view: View, entries: int) -> None:
    for number in range(entries):
        view.put(tables.data_prefix(7) + number.to_bytes(4), b"x")
    tables.drop(view, 7)


def left(store: FakeStore) -> int:
    return sum(key.startswith(tables.DATA) for key in store.view.dump())


async def test_the_leader_works_and_others_wait() -> None:
    store = FakeStore()
    store.view.run(lambda view: drop(view, 2500))
    store.serving = False
    task = asyncio.create_task(Housekeeping(store, idle_seconds=0.01).run())
    await asyncio.sleep(0.05)
    assert store.executions == 0
    store.serving = True
    await eventually(lambda: left(store) == 0)
    task.cancel()


@pytest.mark.parametrize("fault", [Fault.NOT_LEADER, Fault.DISK_FULL, Fault.INTERNAL])
async def test_what_fails_is_tried_again(fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    store = FakeStore()
    store.view.run(lambda view: drop(view, 10))
    store.fault = KvError(fault)
    task = asyncio.create_task(Housekeeping(store, idle_seconds=0.01).run())
    await eventually(lambda: left(store) == 0)
    task.cancel()
    assert bool(caplog.records) is (fault is Fault.INTERNAL)


async def test_a_step_looks_at_a_thousand_entries() -> None:
    store = FakeStore()
    store.view.run(lambda view: drop(view, housekeeping.STEP + 5))
    house = Housekeeping(store)
    assert await house.round()
    assert left(store) == 5
    while await house.round():
        pass
    assert left(store) == 0
    assert not [key for key in store.view.dump() if key.startswith(tables.PURGE)]


async def test_a_quiet_catalog_is_not_walked_over_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = FakeStore()
    house = Housekeeping(store)
    while await house.round():
        pass

    def walk(*arguments: object, **options: object) -> None:
        raise AssertionError("an ordered walk")

    with monkeypatch.context() as patched:
        patched.setattr(View, "scan", walk)
        house._walk_at = 0.0
        house._trim_at = 1e18  # old change records are looked for once a minute, by a walk
        assert not await house.round()
    store.view.run(lambda view: drop(view, 10))
    assert await house.round()
    assert left(store) == 0
    house.reset()
    assert not await house.round(), "a new leader looks again, and finds nothing"
