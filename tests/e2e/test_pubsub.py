"""Subscribers on every node of a real cluster, publishers anywhere, and the leader killed in between."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial

import pytest
import redis
from redis.client import PubSub

from tests.e2e.conftest import ClusterFactory
from tests.kit.local_cluster import LocalCluster, Node


@pytest.fixture
def cluster(make_cluster: ClusterFactory) -> LocalCluster:
    return make_cluster(3)


def subscribe(node: Node, stack: ExitStack) -> PubSub:
    client = stack.enter_context(node.redis(retry=None))
    pubsub: PubSub = stack.enter_context(client.pubsub())
    pubsub.subscribe("c")
    confirmation = pubsub.get_message(timeout=5)
    assert confirmation is not None
    assert confirmation["type"] == "subscribe"
    return pubsub


def take(pubsub: PubSub, count: int) -> list[bytes]:
    """So many messages, or what came within the time."""
    found: list[bytes] = []
    deadline = time.monotonic() + 60
    while len(found) < count and time.monotonic() < deadline:
        message = pubsub.get_message(timeout=1)
        if message is not None:
            found.append(message["data"])
    return found


def reaches(client: redis.Redis, count: int) -> bool:
    return bool(client.publish("c", "probe") == count)


def test_messages_reach_all_nodes_in_order_and_again_after_the_leader_is_gone(cluster: LocalCluster) -> None:
    leader = cluster.wait_for_leader()
    cluster.wait_until_ready()
    with ExitStack() as stack:
        listeners = {node.id: subscribe(node, stack) for node in cluster.nodes}
        for publisher in cluster.nodes:
            with publisher.redis(retry=None) as client, client.pipeline(transaction=False) as pipe:
                wanted = [f"{publisher.id} {number}".encode() for number in range(500)]
                for text in wanted:
                    pipe.publish("c", text)
                assert pipe.execute() == [3] * 500
            for listener in listeners.values():
                assert take(listener, 500) == wanted
        leader.kill()
        del listeners[leader.id]
        new_leader = cluster.wait_for_leader(unlike=leader)
        for publisher in cluster.running:
            with publisher.redis(retry=None) as client:
                cluster.wait_until(partial(reaches, client, 2), "the dead node counts no more")
                with client.pipeline(transaction=True) as pipe:
                    pipe.set("k", publisher.id)
                    pipe.publish("c", f"from {publisher.id}")
                    assert pipe.execute() == [True, 2]
            for listener in listeners.values():
                seen = take(listener, 1)
                while seen == [b"probe"]:
                    seen = take(listener, 1)
                assert seen == [f"from {publisher.id}".encode()]
        leader.start()
        cluster.wait_until(leader.ready, "the killed node is back")
        listeners[leader.id] = subscribe(leader, stack)
        with new_leader.redis(retry=None) as client:
            assert client.publish("c", "all again") == 3
        for listener in listeners.values():
            assert take(listener, 1) == [b"all again"]


def test_a_node_that_hangs_holds_up_no_publisher(cluster: LocalCluster) -> None:
    leader = cluster.wait_for_leader()
    cluster.wait_until_ready()
    hung, other = [node for node in cluster.nodes if node is not leader]
    with ExitStack() as stack:
        subscribe(hung, stack)
        listener = subscribe(other, stack)
        publisher: redis.Redis = stack.enter_context(leader.redis(retry=None))
        hung.pause()
        try:
            payload = b"x" * 10_000
            for _ in range(10):  # more than the link to the hung node may hold
                for _ in range(500):
                    publisher.publish("c", payload)
                assert take(listener, 500) == [payload] * 500
            subscribe(other, stack)  # is confirmed although one node cannot answer
        finally:
            hung.resume()
