"""A node comes back with an empty disk, with another cluster's, or with another node's."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from elastickv.transport.base import AMNESIAC, WRONG_CLUSTER
from tests.e2e.conftest import ClusterFactory
from tests.kit.local_cluster import LocalCluster, Node
from tests.kit.tools import operate, redis_cli, stats


def say(node: Node, *words: str) -> str:
    return redis_cli(node.ip, 6379, *words)


def write(node: Node, key: str, value: str) -> None:
    assert say(node, "SET", key, value) == "OK"


def cluster_ids(nodes: list[Node]) -> set[str]:
    return {stats(node.address)["cluster_id"] for node in nodes}


def problem(node: Node) -> str:
    """What the node says is wrong with it; also that it does not answer (yet)."""
    try:
        return stats(node.address)["problem"]
    except subprocess.CalledProcessError as error:
        return str(error.stdout)


def stands_aside(cluster: LocalCluster, node: Node, code: str) -> None:
    """The node says why it does not take part, to operators and to load balancers."""
    cluster.wait_until(lambda: code in problem(node), f"{node.id} reports {code}")
    status, why = node.http("/readyz")
    assert status == 503
    assert code in why


def replace(cluster: LocalCluster, node: Node) -> None:
    """What an operator does about a lost disk, with grpcurl at the leader."""
    leader = cluster.wait_for_leader()
    for method in ("RemoveServer", "AddNonvoter", "AddVoter"):
        address = {} if method == "RemoveServer" else {"address": node.address}
        answer = operate(leader.address, method, id=node.id, **address)
        assert "error" not in answer, f"{method}: {answer}"
        assert int(answer["index"]) > 0


@pytest.mark.parametrize("lost", ["n1", "n2"])
def test_a_lost_disk_neither_votes_nor_founds(make_cluster: ClusterFactory, lost: str) -> None:
    cluster = make_cluster(3)
    node = cluster[lost]
    others = [one for one in cluster.nodes if one is not node]
    write(cluster.nodes[0], "before", "the loss")
    (cluster_id,) = cluster_ids(cluster.nodes)

    node.kill()
    node.wipe()
    node.start()
    stands_aside(cluster, node, AMNESIAC)
    assert cluster_ids(others) == {cluster_id}
    assert cluster_ids([node]) <= {cluster_id, ""}
    write(others[0], "during", "the loss")

    # With its vote, or with its acknowledgement, two of three would be a majority.
    others[1].kill()
    for words in (("SET", "lonely", "1"), ("GET", "before")):
        reply = say(others[0], *words)
        assert reply.startswith("CLUSTERDOWN ") or "outcome unknown" in reply, reply
    assert not node.leads()
    assert not others[0].leads()
    others[1].start()
    cluster.wait_until(lambda: say(others[0], "GET", "during") == "the loss", "the other two serve again", 30)

    replace(cluster, node)
    cluster.wait_until(node.ready, f"{lost} is back")
    assert problem(node) == ""
    assert cluster_ids(cluster.nodes) == {cluster_id}
    others[0].kill()
    cluster.wait_until(lambda: say(node, "GET", "before") == "the loss", f"{lost} is one of a majority", 30)
    write(node, "after", "the loss")


def test_a_first_node_without_disk_waits_for_the_others(make_cluster: ClusterFactory) -> None:
    """All are down, the bootstrap node's disk is lost, and it comes up first, with its bootstrap flags."""
    cluster = make_cluster(3)
    first, *others = cluster.nodes
    write(first, "before", "the loss")
    (cluster_id,) = cluster_ids(cluster.nodes)
    cluster.kill()

    first.wipe()
    first.start()
    cluster.wait_until(lambda: "waiting for a majority" in problem(first), "n1 waits")
    assert say(first, "SET", "second", "cluster").startswith("CLUSTERDOWN ")
    for node in others:
        node.start()
    cluster.wait_until(lambda: cluster.leader() in others, "the others elect one of themselves")
    stands_aside(cluster, first, AMNESIAC)
    assert cluster_ids(others) == {cluster_id}
    assert say(others[0], "GET", "before") == "the loss"


def test_two_clusters_never_mix(make_cluster: ClusterFactory) -> None:
    """n3 is started, at its own address, on the disk of another cluster's n3."""
    cluster, strangers = make_cluster(3), make_cluster(3)
    write(cluster.nodes[0], "whose", "ours")
    write(strangers.nodes[0], "whose", "theirs")
    (ours,), (theirs,) = cluster_ids(cluster.nodes), cluster_ids(strangers.nodes)
    assert ours != theirs
    strangers.stop()
    node, others = cluster["n3"], [cluster["n1"], cluster["n2"]]
    node.stop()
    own_disk = node.data_dir.rename(node.data_dir.with_name("own"))
    shutil.copytree(strangers["n3"].data_dir, node.data_dir)

    node.start()
    stands_aside(cluster, node, WRONG_CLUSTER)
    assert cluster_ids([node]) == {theirs}
    assert cluster_ids(others) == {ours}
    write(others[0], "still", "served")
    assert say(others[1], "GET", "whose") == "ours"
    assert say(node, "GET", "whose").startswith("CLUSTERDOWN ")

    node.stop()
    node.wipe()
    own_disk.rename(node.data_dir)
    node.start()
    cluster.wait_until(node.ready, "n3 is back")
    assert say(node, "GET", "still") == "served"
    assert cluster_ids(cluster.nodes) == {ours}
