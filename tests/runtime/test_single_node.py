"""A group of one node, on a real disk: what is acknowledged survives, what a body half did does not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from elastickv.clock import SystemClock
from elastickv.errors import Fault, KvError
from elastickv.kv.view import View
from elastickv.runtime.group import Group
from elastickv.runtime.membership import GroupControl
from elastickv.runtime.settings import GroupSettings
from elastickv.runtime.store import GroupStore
from elastickv.storage.data_dir import DataDirectory
from tests.kit.silent_transport import SilentTransport


@asynccontextmanager
async def node(path: Path, **changes: float) -> AsyncIterator[tuple[Group, GroupStore]]:
    settings = GroupSettings(
        node_id="n1",
        address="127.0.0.1:1",
        version="test",
        heartbeat_interval=0.02,
        election_timeout=0.1,
        request_timeout=2.0,
        map_bytes=64 << 20,
        disk_reserve_bytes=0,
        **changes,  # type: ignore[arg-type]
    )
    data_dir = DataDirectory.open(path, "n1")
    group = Group(settings, data_dir, SilentTransport(), SystemClock(), asyncio.get_running_loop(), random.Random(1))
    await group.start(bootstrap=True, members=())
    store = GroupStore(group)
    try:
        await store.wait_for_leader()
        yield group, store
    finally:
        await group.stop()


def put(key: bytes, value: bytes) -> Callable[[View], None]:
    return lambda view: view.put(key, value)


def get(key: bytes) -> Callable[[View], bytes | None]:
    return lambda view: view.get(key)


async def test_a_write_is_read_back_and_survives_a_restart(tmp_path: Path) -> None:
    async with node(tmp_path) as (_, store):
        await store.execute(put(b"k", b"v"))
        assert await store.execute(get(b"k")) == b"v"
    async with node(tmp_path) as (group, store):
        assert await store.execute(get(b"k")) == b"v"
        assert group.node.term > 1


async def test_writes_survive_without_any_flush(tmp_path: Path) -> None:
    """The tail of the log is replayed when the state on disk is older."""
    async with node(tmp_path, flush_interval=1000.0) as (group, store):
        for number in range(50):
            await store.execute(put(b"k%d" % number, b"v"))
        assert group.flushing.flushed_index < group.machine.index
        # As after kill -9: nothing is flushed at the end.
        group.flushing.disk_full = "skip the last flush"
    async with node(tmp_path) as (group, store):
        assert [await store.execute(get(b"k%d" % number)) for number in range(50)] == [b"v"] * 50


async def test_a_body_that_raises_leaves_nothing_behind(tmp_path: Path) -> None:
    def half(view: View) -> None:
        view.put(b"a", b"1")
        view.delete_range(b"b", b"c")
        raise KvError(Fault.BAD_REQUEST, "no")

    async with node(tmp_path) as (_, store):
        await store.execute(put(b"b", b"kept"))
        with pytest.raises(KvError, match="no"):
            await store.execute(half)
        assert await store.execute(get(b"a")) is None
        assert await store.execute(get(b"b")) == b"kept"


async def test_concurrent_writes_share_log_entries(tmp_path: Path) -> None:
    async with node(tmp_path) as (group, store):
        before = group.node.last_index
        await asyncio.gather(*(store.execute(put(b"k%d" % number, b"v")) for number in range(500)))
        assert group.node.last_index - before < 20


async def test_the_log_is_cut_behind_the_flush_and_a_restart_still_works(tmp_path: Path) -> None:
    async with node(tmp_path, snapshot_entries=10, log_retain=5, flush_interval=0.01) as (group, store):
        for number in range(100):
            await store.execute(put(b"k%d" % number, b"v"))
        await group.flushing.flush()
        await asyncio.sleep(0.2)
        assert group.log.first_index() > 50
    async with node(tmp_path) as (_, store):
        assert [await store.execute(get(b"k%d" % number)) for number in range(100)] == [b"v"] * 100


async def test_stopping_with_a_log_that_is_due_to_be_cut_ends(tmp_path: Path) -> None:
    """The last flush comes after the log writer has ended, so nothing may be asked of it any more."""
    async with asyncio.timeout(10):
        async with node(tmp_path, snapshot_entries=1, log_retain=0, flush_interval=1000.0) as (group, store):
            for number in range(20):
                await store.execute(put(b"k%d" % number, b"v"))
            assert group.log.first_index() == 1
    async with node(tmp_path) as (_, store):
        assert await store.execute(get(b"k19")) == b"v"


async def test_a_snapshot_cuts_the_log(tmp_path: Path) -> None:
    async with node(tmp_path) as (group, store):
        await store.execute(put(b"k", b"v"))
        index = await GroupControl(group, lambda: None).snapshot()
        assert index == group.machine.index
        await asyncio.sleep(0.1)
        assert group.log.first_index() == index + 1
        assert group.snapshots.store.latest() is not None


async def test_timestamps_grow_across_restarts(tmp_path: Path) -> None:
    async with node(tmp_path) as (_, store):
        first = [await store.execute(lambda view: view.timestamp()) for _ in range(3)]
    async with node(tmp_path) as (group, store):
        group.clock.wall_ms = lambda: 1  # type: ignore[method-assign]  # the clock was set back by decades
        later = [await store.execute(lambda view: view.timestamp()) for _ in range(3)]
    assert sorted({*first, *later}) == first + later


async def test_the_instance_of_the_only_member_is_recorded(tmp_path: Path) -> None:
    async with node(tmp_path) as (group, _):
        member = group.gate.members["n1"]
        assert member.instance == group.data_dir.instance


async def test_bootstrap_flags_do_nothing_to_a_node_with_state(tmp_path: Path) -> None:
    async with node(tmp_path) as (group, _):
        cluster = group.data_dir.cluster_id
    async with node(tmp_path) as (group, _):
        assert group.data_dir.cluster_id == cluster
