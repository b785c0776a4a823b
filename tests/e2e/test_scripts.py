"""Scripts on a cluster of real processes: through followers, across changes of leader, long ones, killed ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from tests.e2e.conftest import ClusterFactory
from tests.kit.local_cluster import LocalCluster, Node

LIBRARY = (
    "#!lua name=lib\n"
    "redis.register_function('add', function(keys, args) return redis.call('incrby', keys[1], args[1]) end)"
)
TURNS = "local x = 0 for i = 1, %d do x = x + i end "
FOREVER = "while true do end"


def insist(cluster: LocalCluster, node: Node, *words: Any) -> Any:
    """The reply once the node knows a leader again."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with node.redis() as client:
                return client.execute_command(*words)
        except (redis.ConnectionError, redis.ResponseError) as error:
            if time.monotonic() > deadline or not ("CLUSTERDOWN" in str(error) or "Connection" in type(error).__name__):
                raise
            time.sleep(0.1)


class Running:
    """A command in a thread of its own."""

    def __init__(self, node: Node, *words: Any) -> None:
        self.outcome: Any = None
        self._thread = threading.Thread(target=self._run, args=(node, words))
        self._thread.start()

    def _run(self, node: Node, words: tuple[Any, ...]) -> None:
        try:
            with node.redis(socket_timeout=120.0, retry=None) as client:
                self.outcome = client.execute_command(*words)
        except redis.RedisError as error:
            self.outcome = error

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def result(self) -> Any:
        self._thread.join(120)
        assert self.ended
        return self.outcome


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def is_busy(node: Node) -> bool:
    with node.redis() as client:
        try:
            client.get("anything")
        except redis.ResponseError as error:
            return str(error).startswith("BUSY")
    return False


def test_scripts_and_libraries_survive_their_leader(make_cluster: ClusterFactory) -> None:
    cluster = make_cluster(3)
    leader = cluster.wait_for_leader()
    one, other = (node for node in cluster.nodes if node is not leader)
    sha = insist(cluster, one, "SCRIPT", "LOAD", "return redis.call('incr', KEYS[1])")
    assert insist(cluster, other, "EVAL", "return redis.call('set', KEYS[1], ARGV[1])", 1, "k", 5) in (b"OK", True)
    assert insist(cluster, one, "FUNCTION", "LOAD", LIBRARY) == b"lib"
    assert insist(cluster, other, "EVALSHA", sha, 1, "k") == 6
    assert insist(cluster, leader, "FCALL", "add", 1, "k", 4) == 10
    leader.kill()
    cluster.wait_for_leader(unlike=leader)
    assert insist(cluster, one, "EVALSHA", sha, 1, "k") == 11
    assert insist(cluster, other, "FCALL", "add", 1, "k", 9) == 20
    with one.redis() as client:
        transaction = client.pipeline(transaction=True)
        transaction.evalsha(sha, 1, "k")
        transaction.fcall("add", 1, "k", 1)
        assert transaction.execute() == [21, 22]
    leader.start()
    cluster.stop()
    cluster.start()
    cluster.wait_for_leader()
    cluster.wait_until_ready()
    assert insist(cluster, leader, "EVALSHA", sha, 1, "k") == 23
    assert insist(cluster, one, "FCALL", "add", 1, "k", 7) == 30
    assert insist(cluster, other, "SCRIPT", "FLUSH")
    with pytest.raises(redis.exceptions.NoScriptError):
        insist(cluster, one, "EVALSHA", sha, 1, "k")


def test_a_long_script_costs_nobody_the_lead(make_cluster: ClusterFactory) -> None:
    cluster = make_cluster(3, extra_flags=("--redisBusyReplyThreshold=300", "--electionTimeout=500ms"))
    leader = cluster.wait_for_leader()
    term = leader.status().term
    follower = next(node for node in cluster.nodes if node is not leader)
    insist(cluster, follower, "SET", "k", "before")
    script = "redis.call('set', KEYS[1], 'during') while redis.call('get', 'never') do end " + FOREVER
    quiet = Running(follower, "EVAL", FOREVER, 0)
    wait_for(lambda: is_busy(follower), "others hear BUSY")
    until = time.monotonic() + 7  # longer than a request may take, and than many elections
    while time.monotonic() < until:
        assert not quiet.ended
        assert leader.leads()
        time.sleep(0.2)
    assert leader.status().term == term
    assert is_busy(leader)
    assert insist(cluster, follower, "SCRIPT", "KILL") in (b"OK", True)
    assert "Script killed by user" in str(quiet.result())

    writing = Running(leader, "EVAL", script, 1, "k")
    wait_for(lambda: is_busy(leader), "others hear BUSY")
    with leader.redis() as client, pytest.raises(redis.ResponseError, match="UNKILLABLE"):
        client.execute_command("SCRIPT", "KILL")
    leader.kill()
    cluster.wait_for_leader(unlike=leader)
    assert isinstance(writing.result(), redis.RedisError)
    assert insist(cluster, follower, "GET", "k") == b"before"


def test_a_long_script_is_one_entry_and_its_effect_is_whole(make_cluster: ClusterFactory) -> None:
    cluster = make_cluster(3)
    leader = cluster.wait_for_leader()
    one, other = (node for node in cluster.nodes if node is not leader)
    script = (
        "local before = redis.call('get', KEYS[1]) redis.call('set', KEYS[1], before + 1) "
        + TURNS % 60_000_000
        + "redis.call('set', KEYS[2], before + 1) return redis.call('get', KEYS[1])"
    )
    insist(cluster, one, "SET", "a", 0)
    running = [Running(node, "EVAL", script, 2, "a", "b") for node in (one, other, leader)]
    seen = []
    while not all(one.ended for one in running):
        seen.append(insist(cluster, one, "MGET", "a", "b"))
    assert sorted(int(one.result()) for one in running) == [1, 2, 3]
    assert all(a == b or (a, b) == (b"0", None) for a, b in seen), "half a script was seen"
    assert insist(cluster, other, "MGET", "a", "b") == [b"3", b"3"]
