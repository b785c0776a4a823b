"""Disks that are really full: small ones, mounted for the test."""

from __future__ import annotations

import re
import time

import pytest
import redis

from tests.e2e.conftest import ClusterFactory
from tests.e2e.failover import transfer
from tests.kit.load import Load
from tests.kit.small_disk import mounted
from tests.kit.tools import redis_cli, stats

MEBIBYTES = 96


def test_a_single_node(make_cluster: ClusterFactory) -> None:
    cluster = make_cluster(1, started=False)
    node = cluster["n1"]

    def say(*words: str) -> str:
        return redis_cli(node.ip, 6379, *words)

    with mounted(node.data_dir, MEBIBYTES) as disk:
        cluster.start()
        cluster.wait_for_leader()
        assert say("SET", "before", "1") == "OK"

        disk.fill(leave_bytes=4 << 20)
        cluster.wait_until(lambda: "disk full" in stats(node.address)["problem"], "the node notices")
        for words in (("SET", "during", "1"), ("INCR", "before"), ("DEL", "before")):
            reply = say(*words)
            assert reply.startswith("ERR "), reply
            assert "disk full" in reply, reply
        assert say("GET", "before") == "1"
        assert re.search(r"^elastickv_storage_disk_full\{.*\} 1\.0$", node.http("/metrics")[1], re.MULTILINE)

        disk.empty()
        cluster.wait_until(lambda: say("SET", "after", "1") == "OK", "writes are taken again")

        # No warning time: the log itself meets the end of the disk, with more than it has free pages for.
        disk.fill()
        asked_at = time.monotonic()
        with node.redis(retry=None) as client, pytest.raises(redis.ResponseError, match=r"disk full|outcome unknown"):
            client.set("blocked", b"x" * (8 << 20))
        assert time.monotonic() - asked_at < 7.5
        assert say("GET", "after") == "1"
        disk.empty()
        cluster.wait_until(lambda: say("SET", "again", "1") == "OK", "writes are taken again")

        node.kill()
        node.start()
        cluster.wait_for_leader()
        assert [say("GET", key) for key in ("before", "during", "after", "again")] == ["1", "", "1", "1"]
        cluster.kill()


def test_a_follower_and_then_the_leader_of_three(make_cluster: ClusterFactory) -> None:
    cluster = make_cluster(3, started=False)
    node, others = cluster["n3"], [cluster["n1"], cluster["n2"]]
    with mounted(node.data_dir, MEBIBYTES) as disk:
        cluster.start()
        cluster.wait_for_leader()
        cluster.wait_until_ready()
        while (leader := cluster.wait_for_leader()) is node:
            transfer(leader)
        with Load(cluster, writers=("w0",), mixed=2) as load:
            load.steer("w0", others[0])
            load.wait_for_write("w0", asked_after=time.monotonic())

            # A follower's disk: nobody notices but the operator.
            disk.fill()
            cluster.wait_until(lambda: stats(node.address)["problem"] != "", "n3 notices")
            load.wait_for_write("w0", asked_after=time.monotonic() + 1)
            assert load.refused == []
            disk.empty()
            cluster.wait_until(lambda: stats(node.address)["problem"] == "", "n3 has recovered")
            cluster.wait_until(node.ready, "n3 is ready")
            target = leader.status().applied_index
            cluster.wait_until(lambda: node.status().applied_index >= target, "n3 has caught up")

            # The leader's: it hands the lead to a node with space, and writes go on; at most a few met the full disk.
            while not node.leads():
                transfer(cluster.wait_for_leader())
                cluster.wait_for_leader()
            load.wait_for_write("w0", asked_after=time.monotonic())
            disk.fill(leave_bytes=4 << 20)
            cluster.wait_until(lambda: "disk full" in stats(node.address)["problem"], "n3 notices")
            cluster.wait_for_leader(unlike=node)
            load.wait_for_write("w0", asked_after=time.monotonic())
            assert all("disk full" in line for line in load.refused)
            assert redis_cli(node.ip, 6379, "SET", "x", "1") == "OK", "its Redis door goes on, through the leader"
            disk.empty()
            load.wait_for_write("w0", asked_after=time.monotonic())
        assert load.surprises == []
        assert load.hung == []
        load.findings(others[0]).assert_sound()
        # What n3 says it has is on its disk: it is half of the majority now.
        others[0].kill()
        node.kill()
        node.start()
        load.findings(others[1]).assert_sound()
        cluster.kill()
