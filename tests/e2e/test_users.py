"""ACL on a real cluster: a user made on one node is one on all, also after the leader was killed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import redis

from tests.e2e.conftest import ClusterFactory
from tests.kit.local_cluster import LocalCluster, Node


@pytest.fixture
def cluster(make_cluster: ClusterFactory) -> LocalCluster:
    return make_cluster(3)


def ask(node: Node, *words: Any, user: str | None = None, password: str | None = None) -> Any:
    """The reply, or the error as text."""
    with node.redis(username=user, password=password, retry=None) as client:
        try:
            return client.execute_command(*words)
        except redis.RedisError as error:
            return str(error)


def as_ann(node: Node, *words: Any, password: str = "secret") -> Any:
    return ask(node, *words, user="ann", password=password)


def answers(node: Node, expected: object, *words: Any, password: str = "secret") -> bool:
    return bool(as_ann(node, *words, password=password) == expected)


def check_ann(cluster: LocalCluster, number: int) -> None:
    """She may do on every node what her rules say, and nothing else."""
    for node in cluster.running:
        cluster.wait_until(partial(answers, node, b"ann", "ACL", "WHOAMI"), f"{node.id} knows ann")
        cluster.wait_until(partial(answers, node, True, "SET", "ann:k", number), f"ann writes through {node.id}")
        assert as_ann(node, "GET", "ann:k") == str(number).encode()
        refused = as_ann(node, "SET", "bob:k", 1)
        assert "No permissions to access a key" in refused, refused
        refused = as_ann(node, "DEL", "ann:k")
        assert "has no permissions to run the 'del' command" in refused, refused
        refused = as_ann(node, "PUBLISH", "bob:c", "x")
        assert "No permissions to access a channel" in refused, refused
        assert as_ann(node, "PUBLISH", "ann:c", "x") == 0
        refused = as_ann(node, "PING", password="wrong")
        assert "invalid username-password pair" in refused, refused


def other_nodes(cluster: LocalCluster, leader: Node) -> Iterator[Node]:
    return (node for node in cluster.running if node is not leader)


def test_users_are_those_of_the_whole_cluster(cluster: LocalCluster) -> None:
    leader = cluster.wait_for_leader()
    follower, other = other_nodes(cluster, leader)
    rules = ("on", ">secret", "~ann:*", "&ann:*", "-@all", "+set", "+get", "+publish", "+acl|whoami", "+ping")
    assert ask(follower, "ACL", "SETUSER", "ann", *rules) == b"OK"
    check_ann(cluster, 1)

    leader.kill()
    cluster.wait_for_leader(unlike=leader)
    check_ann(cluster, 2)

    # What is taken away on one survivor is taken away on the other, and on the one that was down meanwhile.
    cluster.wait_until(partial(says_ok, other, "ACL", "SETUSER", "ann", ">newer", "<secret", "-get"), "rules are set")
    leader.start()
    cluster.wait_until_ready()
    for node in cluster.running:
        cluster.wait_until(partial(answers, node, b"ann", "ACL", "WHOAMI", password="newer"), f"{node.id} knows it")
        assert "invalid username-password pair" in as_ann(node, "PING")
        assert "has no permissions to run the 'get' command" in as_ann(node, "GET", "ann:k", password="newer")
    assert ask(leader, "ACL", "DELUSER", "ann") == 1
    for node in cluster.running:
        cluster.wait_until(partial(gone, node), f"ann is gone from {node.id}")


def says_ok(node: Node, *words: Any) -> bool:
    return bool(ask(node, *words) == b"OK")


def gone(node: Node) -> bool:
    return "invalid username-password pair" in str(as_ann(node, "PING", password="newer"))


def test_a_connection_of_a_user_that_is_deleted_ends(cluster: LocalCluster) -> None:
    leader = cluster.wait_for_leader()
    follower, other = other_nodes(cluster, leader)
    assert ask(leader, "ACL", "SETUSER", "ann", "on", ">secret", "~*", "+@all") == b"OK"
    cluster.wait_until(partial(answers, follower, True, "PING"), "the follower knows ann")
    host, port = follower.redis_address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(b"AUTH ann secret\r\n")
        assert client.recv(100) == b"+OK\r\n"
        assert ask(other, "ACL", "DELUSER", "ann") == 1
        client.settimeout(60)
        assert client.recv(100) == b""
