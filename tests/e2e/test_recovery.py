"""Processes that die all at once, and one that sleeps and wakes up in another time."""

from __future__ import annotations

import os
import signal
import time

from elastickv.pb import raftadmin_pb2 as pb
from tests.e2e.conftest import ClusterFactory
from tests.kit.load import Load
from tests.kit.local_cluster import Node


def test_all_nodes_die_at_once(make_cluster: ClusterFactory) -> None:
    cluster = make_cluster(3)
    with Load(cluster, writers=("w0", "w1")) as load:
        for _ in range(2):
            load.wait_for_write("w0", asked_after=time.monotonic() + 0.5)
            for node in cluster.nodes:
                os.kill(node.pid, signal.SIGKILL)
            cluster.kill()
            died_at = time.monotonic()
            cluster.start()
            for client in ("w0", "w1"):
                load.wait_for_write(client, asked_after=died_at)
    assert load.surprises == []
    assert load.hung == []
    load.findings(cluster.nodes[0]).assert_sound()


def test_a_leader_that_was_paused_answers_nothing_stale(make_cluster: ClusterFactory) -> None:
    """Stopped for 10 s with requests in its sockets, it wakes up with a lease that looks fresh to nobody but itself."""
    cluster = make_cluster(3)
    leader = cluster.wait_for_leader()
    term = leader.status().term
    others = [node for node in cluster.nodes if node is not leader]
    with Load(cluster, writers=("w0",), mixed=4, readers=6, timeout=30.0) as load:
        load.steer("w0", others[0])
        for number, client in enumerate(load.clients):
            if client != "w0":
                load.steer(client, leader if number % 2 or client.startswith("r") else others[1])
        load.wait_for_write("w0", asked_after=time.monotonic() + 0.3)
        leader.pause()
        paused_at = time.monotonic()
        load.wait_for_write("w0", asked_after=paused_at)
        assert cluster_leader(others) != leader.id
        time.sleep(max(0.0, paused_at + 10 - time.monotonic()))
        during = [answer for answer in load.answers if answer.write and answer.asked_at > paused_at]
        leader.resume()
        resumed_at = time.monotonic()
        cluster.wait_until(lambda: steps_down(leader.status(), term), "the old leader steps down", 10)
        load.wait_for_write("w0", asked_after=resumed_at)
        cluster.wait_until(leader.ready, "the old leader follows")
        load.wait_for_write("w0", asked_after=time.monotonic() + 0.5)
    assert len(during) > 100, "while the leader slept, the others worked"
    slept = [line for line in load.troubles if line.startswith("r")]
    slept += [str(a) for a in load.answers if a.client.startswith("r") and a.asked_at < paused_at + 1 < a.answered_at]
    assert slept, "no read was under way at the paused leader"
    assert load.surprises == []
    assert load.hung == []
    load.findings(others[0]).assert_sound()


def steps_down(status: pb.RaftAdminStatusResponse, term: int) -> bool:
    return status.term > term and status.state == pb.RAFT_ADMIN_STATE_FOLLOWER


def cluster_leader(nodes: list[Node]) -> str:
    """Whom these nodes follow; all of them the same."""
    leaders = {node.status().leader_id for node in nodes}
    assert len(leaders) == 1
    return leaders.pop()
