"""Groups that talk over real gRPC: founding, replication, lost disks, snapshots, transfers, membership."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from elastickv.errors import Fault, KvError
from tests.kit.eventually import eventually
from tests.kit.group_cluster import GroupCluster


@asynccontextmanager
async def cluster(path: Path, size: int = 3, **changes: float) -> AsyncIterator[GroupCluster]:
    made = GroupCluster(path, size, changes)
    try:
        yield made
    finally:
        await made.stop()


async def test_the_first_node_alone_founds_nothing(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        await nodes.start("n1")
        await asyncio.sleep(1.0)
        group = nodes.running["n1"].group
        assert group.fresh
        assert "waiting for a majority" in nodes.running["n1"].control.status().problem
        with pytest.raises(KvError) as caught:
            await nodes.running["n1"].store.wait_for_leader(timeout=0.1)
        assert caught.value.fault is Fault.NO_QUORUM


async def test_a_majority_founds_and_the_rest_joins_later(tmp_path: Path) -> None:
    async with cluster(tmp_path, 5) as nodes:
        await nodes.start("n1", "n2", "n3")
        await nodes.put(b"k", b"v")
        await nodes.start("n4", "n5")
        await nodes.converged()
        status = (await nodes.leader()).control.status()
        assert [member.id for member in status.members] == ["n1", "n2", "n3", "n4", "n5"]
        assert len({node.group.data_dir.cluster_id for node in nodes.running.values()}) == 1
        for node in nodes.running.values():
            assert node.group.view.get(b"k") == b"v"


async def test_every_instance_is_recorded(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        await nodes.start()
        await _bound(nodes)
        status = (await nodes.leader()).control.status()
        assert {member.id: member.instance for member in status.members} == {
            name: node.group.data_dir.instance for name, node in nodes.running.items()
        }


async def test_a_restart_of_all_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        await nodes.start()
        for number in range(20):
            await nodes.put(b"k%d" % number, b"v")
        await nodes.stop()
        await nodes.start()
        assert [await nodes.get(b"k%d" % number) for number in range(20)] == [b"v"] * 20


async def _bound(nodes: GroupCluster) -> None:
    """Every member's instance is known to all."""

    async def known() -> bool:
        return all(member.instance for member in (await nodes.leader()).control.status().members)

    await eventually(known)
    await nodes.converged()


@pytest.mark.parametrize("lost", ["n1", "n2"])
async def test_a_node_that_lost_its_disk_is_recognised_and_can_be_replaced(tmp_path: Path, lost: str) -> None:
    async with cluster(tmp_path) as nodes:
        await nodes.start()
        await nodes.put(b"k", b"v")
        await _bound(nodes)
        cluster_id = (await nodes.leader()).group.data_dir.cluster_id
        await nodes.stop(lost)
        nodes.wipe(lost)
        await nodes.start(lost)
        await nodes.put(b"k2", b"v2")
        returned = nodes.running[lost]
        await eventually(lambda: "amnesiac" in returned.control.status().problem)
        leader = await nodes.leader()
        await eventually(lambda: {m.id: m.refused for m in leader.control.status().members}[lost] == "amnesiac")
        assert returned.group.node.last_index == 0, "it takes part in nothing"
        assert returned.group.data_dir.cluster_id in ("", cluster_id), "it founded no cluster of its own"
        control = leader.control
        await control.remove_member(lost, 0)
        await control.add_voter(lost, nodes.members[lost].address, 0, timeout=20)
        await nodes.converged()
        assert returned.group.view.get(b"k2") == b"v2"
        assert returned.control.status().problem == ""
        assert {m.id for m in control.status().members if m.voter} == {"n1", "n2", "n3"}


async def test_a_far_behind_follower_is_caught_up_by_snapshot(tmp_path: Path) -> None:
    async with cluster(tmp_path, snapshot_entries=10, log_retain=5, flush_interval=0.02) as nodes:
        await nodes.start()
        await nodes.put(b"before", b"v")
        await nodes.converged()
        await nodes.stop("n3")
        for number in range(200):
            await nodes.put(b"k%d" % number, b"v%d" % number)
        await asyncio.sleep(0.3)
        leader = await nodes.leader()
        assert leader.group.log.first_index() > 100
        await nodes.start("n3")
        await nodes.converged()
        late = nodes.running["n3"].group
        assert late.snapshots.installed == 1
        assert late.view.get(b"k199") == b"v199"
        assert late.view.get(b"before") == b"v"
        # And it goes on from there, also after a restart.
        await nodes.put(b"after", b"v")
        await nodes.converged()
        await nodes.stop("n3")
        await nodes.start("n3")
        await nodes.converged()
        assert nodes.running["n3"].group.view.get(b"k150") == b"v150"


async def test_a_transfer_loses_no_request(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        await nodes.start()
        await nodes.put(b"k", b"0")
        await nodes.converged()
        for _ in range(5):
            leader = await nodes.leader()
            before = leader.group.settings.node_id
            writes = [
                asyncio.ensure_future(leader.store.execute(lambda view, n=number: view.put(b"k%d" % n, b"v")))  # type: ignore[misc]
                for number in range(50)
            ]
            await leader.control.transfer_leadership()
            outcomes = await asyncio.gather(*writes, return_exceptions=True)
            # A write either came through or is provably not in the log, so that it can be repeated elsewhere.
            assert {one.fault for one in outcomes if isinstance(one, KvError)} <= {Fault.NOT_LEADER}
            assert all(one is None or isinstance(one, KvError) for one in outcomes)
            assert (await nodes.leader()).group.settings.node_id != before


async def test_a_leader_without_majority_answers_no_read(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        await nodes.start()
        await nodes.put(b"k", b"v")
        leader = await nodes.leader()
        for name, node in list(nodes.running.items()):
            if node is not leader:
                await nodes.stop(name)
        # Longer than any lease: from now on no read may be answered.
        await asyncio.sleep(leader.group.settings.election_timeout)
        with pytest.raises(KvError) as caught:
            await leader.store.execute(lambda view: view.get(b"k"), timeout=0.5)
        assert caught.value.fault in (Fault.NO_QUORUM, Fault.NOT_LEADER)
        with pytest.raises(KvError):
            await leader.store.execute(lambda view: view.put(b"k", b"w"), timeout=0.5)


async def test_reads_on_followers_are_linearizable(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        await nodes.start()
        for number in range(30):
            await nodes.put(b"k", b"%d" % number)
            for node in nodes.running.values():
                await node.store.read_barrier()
                assert node.group.view.get(b"k") == b"%d" % number


async def test_a_learner_is_added_promoted_demoted_and_removed(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        await nodes.start()
        await nodes.put(b"k", b"v")
        address = nodes.add_address("n4")
        await nodes.start("n4")
        control = (await nodes.leader()).control
        index = await control.add_learner("n4", address, 0)
        with pytest.raises(KvError, match="configuration is at index"):
            await control.promote_learner("n4", index + 1_000)
        await nodes.converged("n4")
        assert nodes.running["n4"].group.view.get(b"k") == b"v"
        await control.promote_learner("n4", 0)
        assert {m.id for m in control.status().members if m.voter} == {"n1", "n2", "n3", "n4"}
        await control.demote_voter("n4", 0)
        await control.remove_member("n4", 0)
        assert "n4" not in {m.id for m in control.status().members}


async def test_the_leader_can_remove_itself(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        await nodes.start()
        await nodes.put(b"k", b"v")
        await nodes.converged()
        leader = await nodes.leader()
        name = leader.group.settings.node_id
        await leader.control.remove_member(name, 0)
        await nodes.stop(name)
        assert await nodes.get(b"k") == b"v"
        assert name not in {m.id for m in (await nodes.leader()).control.status().members}


async def test_nodes_of_two_clusters_refuse_each_other(tmp_path: Path) -> None:
    async with cluster(tmp_path / "a") as one, cluster(tmp_path / "b") as other:
        await one.start()
        await other.start()
        await one.put(b"k", b"one")
        await other.put(b"k", b"other")
        # n3 of the second cluster comes back at the address of the first one's n3.
        await one.stop("n3")
        await other.stop("n3")
        other.members["n3"] = one.members["n3"]
        await other.start("n3")
        stranger = other.running["n3"]
        first = await one.leader()
        await eventually(lambda: "n3" in first.group.gate.refused)
        assert first.group.gate.refused["n3"].code == "wrong_cluster"
        assert first.control.status().problem == "", "one stranger is not this node's problem"
        await eventually(lambda: stranger.control.status().problem.startswith("wrong_cluster"))
        assert stranger.group.view.get(b"k") != b"one"


async def test_a_leader_with_a_full_disk_hands_over_and_writes_go_on(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes:
        await nodes.start()
        await nodes.put(b"k", b"v")
        await nodes.converged()
        full = await nodes.leader()
        # As the look at the file system would find it; the others have space.
        full.group.flushing._check_space = lambda: None  # type: ignore[method-assign]
        full.group.flushing._set_disk_full("disk full: as the test says")
        await eventually(lambda: not full.store.serving)
        await nodes.put(b"k", b"w")
        assert await nodes.get(b"k") == b"w"
        assert (await nodes.leader()) is not full
