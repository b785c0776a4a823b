"""Clients that wait for elements, through every node, while the leader is killed and hands over.

Every element is pushed once and is unique. What was acknowledged must be popped exactly once or still be there; a pop
whose answer was lost with its leader may account for one element that nobody has, and for no more.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from tests.e2e.conftest import ClusterFactory
from tests.e2e.failover import transfer
from tests.kit.local_cluster import LocalCluster, Node

KEYS = ("queue:urgent", "queue:usual")
DONE = "queue:done"
STEPPED_DOWN = "force unblock from blocking operation, instance state changed"


class History:
    """What the clients saw."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.acknowledged: set[str] = set()
        self.doubtful: set[str] = set()
        """Pushed, but the answer was lost."""
        self.popped: Counter[str] = Counter()
        self.lost_answers = 0
        """Pops whose answer was lost."""
        self.unblocked = 0
        """Waits that ended because the leader stepped down."""
        self.surprises: list[str] = []


def told_to_retry(error: redis.RedisError) -> bool:
    """The answer says that nothing was done."""
    return STEPPED_DOWN in str(error) or isinstance(error, redis.exceptions.ClusterDownError)


class Crew:
    """Producers and consumers, each a thread with a connection to one node; they connect again when it breaks."""

    def __init__(self, cluster: LocalCluster, consume: Callable[[redis.Redis], str | None]) -> None:
        self.cluster = cluster
        self.history = History()
        self.stop_producing = threading.Event()
        self.stop_consuming = threading.Event()
        self._consume = consume
        self._numbers = itertools.count()
        self._threads = [
            *(threading.Thread(target=self._produce, args=(node,)) for node in cluster.nodes),
            *(threading.Thread(target=self._pop, args=(node,)) for node in cluster.nodes for _ in range(3)),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self._threads), "a client hangs"

    def _produce(self, node: Node) -> None:
        history = self.history
        with node.redis(retry=None) as client:
            while not self.stop_producing.is_set():
                number = next(self._numbers)
                element = f"e{number}"
                try:
                    client.lpush(KEYS[number % 2], element)
                except redis.RedisError as error:
                    if not told_to_retry(error):
                        with history.lock:
                            history.doubtful.add(element)
                    time.sleep(0.05)
                else:
                    with history.lock:
                        history.acknowledged.add(element)
                time.sleep(0.003)

    def _pop(self, node: Node) -> None:
        history = self.history
        with node.redis(retry=None) as client:
            while not self.stop_consuming.is_set():
                try:
                    element = self._consume(client)
                except redis.RedisError as error:
                    with history.lock:
                        if STEPPED_DOWN in str(error):
                            history.unblocked += 1
                        elif isinstance(error, redis.ConnectionError) and "refused" in str(error).lower():
                            pass  # the node is down, and nothing was asked
                        elif not told_to_retry(error):
                            history.lost_answers += 1
                        if isinstance(error, redis.ResponseError) and not (
                            told_to_retry(error) or "outcome unknown" in str(error)
                        ):
                            history.surprises.append(str(error))
                    time.sleep(0.05)
                    continue
                if element is not None:
                    with history.lock:
                        history.popped[element] += 1


def check(history: History, left: list[str]) -> None:
    assert not history.surprises, history.surprises[:5]
    assert len(history.acknowledged) > 500, "the producers hardly got anywhere"
    twice = [element for element, times in (history.popped + Counter(left)).items() if times > 1]
    assert not twice, f"popped twice, or popped and still there: {twice[:5]}"
    seen = set(history.popped) | set(left)
    made_up = seen - history.acknowledged - history.doubtful
    assert not made_up, f"never pushed: {sorted(made_up)[:5]}"
    missing = history.acknowledged - seen
    assert len(missing) <= history.lost_answers, (
        f"{len(missing)} acknowledged elements are nowhere, but only {history.lost_answers} answers were lost: "
        f"{sorted(missing)[:5]}"
    )


@contextmanager
def crew(cluster: LocalCluster, consume: Callable[[redis.Redis], str | None]) -> Iterator[Crew]:
    working = Crew(cluster, consume)
    working.start()
    try:
        yield working
    finally:
        working.stop_producing.set()
        time.sleep(0.5)
        working.stop_consuming.set()
        working.join()


def elements(cluster: LocalCluster, *keys: str) -> list[str]:
    with cluster.wait_for_leader().redis() as client:
        found = [client.lrange(key, 0, -1) for key in keys]
    return [element.decode() for some in found for element in some]


def disturb(cluster: LocalCluster) -> None:
    """The leader is killed, comes back, and the next one hands over; twice."""
    for _ in range(2):
        time.sleep(1.0)
        leader = cluster.wait_for_leader()
        leader.kill()
        cluster.wait_for_leader(unlike=leader)
        time.sleep(0.5)
        leader.start()
        cluster.wait_until(leader.ready, f"{leader.id} is back")
        transfer(cluster.wait_for_leader())
    time.sleep(1.0)


def test_pops(make_cluster: ClusterFactory) -> None:
    def consume(client: redis.Redis) -> str | None:
        found: Any = client.blpop(KEYS, timeout=1)
        return str(found[1].decode()) if found else None

    cluster = make_cluster(3)
    with crew(cluster, consume) as working:
        disturb(cluster)
    check(working.history, elements(cluster, *KEYS))


def test_moves_lose_nothing_even_when_answers_are_lost(make_cluster: ClusterFactory) -> None:
    """BLMOVE into another list, the pattern of reliable queues: what a lost answer moved is in the other list."""

    def consume(client: redis.Redis) -> str | None:
        client.blmove(KEYS[0], DONE, 1, "RIGHT", "LEFT")
        client.blmove(KEYS[1], DONE, 1, "RIGHT", "LEFT")
        return None

    cluster = make_cluster(3)
    with crew(cluster, consume) as working:
        disturb(cluster)
    history = working.history
    history.lost_answers = 0
    check(history, elements(cluster, *KEYS, DONE))


def test_who_waits_at_a_leader_that_hands_over_is_told(make_cluster: ClusterFactory) -> None:
    cluster = make_cluster(3)
    leader = cluster.wait_for_leader()
    told: dict[str, str] = {}

    def wait(node: Node) -> None:
        with node.redis(retry=None, socket_timeout=30) as client:
            try:
                client.blpop(["nothing"], timeout=0)
            except redis.ResponseError as error:
                told[node.id] = str(error)

    threads = [threading.Thread(target=wait, args=(node,)) for node in cluster.nodes]
    for thread in threads:
        thread.start()
    with leader.redis() as client:

        def all_wait() -> bool:
            clients = client.info("clients")
            assert isinstance(clients, dict)
            return bool(clients["blocked_clients"] == len(cluster.nodes))

        cluster.wait_until(all_wait, "all clients wait at the leader")
    transfer(leader)
    for thread in threads:
        thread.join(15)
    assert set(told) == {node.id for node in cluster.nodes}
    assert all(STEPPED_DOWN in text for text in told.values()), told


def test_a_client_of_a_follower_that_goes_away_leaves_the_line(make_cluster: ClusterFactory) -> None:
    cluster = make_cluster(3)
    leader = cluster.wait_for_leader()
    follower = cluster.followers()[0]
    with leader.redis() as client:
        for leave in ("close", "kill the follower"):
            gone = follower.redis(socket_timeout=None)
            connection: Any = gone.connection_pool.get_connection()
            connection.send_command("BLPOP", "k", 0)

            def waits(count: int) -> bool:
                clients = client.info("clients")
                assert isinstance(clients, dict)
                return bool(clients["blocked_clients"] == count)

            cluster.wait_until(lambda: waits(1), "the client waits at the leader")
            if leave == "close":
                connection.disconnect()
            else:
                follower.kill()
            cluster.wait_until(lambda: waits(0), "nobody waits any more")
            gone.close()
        assert client.rpush("k", "x") == 1
        assert client.llen("k") == 1


@pytest.mark.parametrize("end", ["TIMEOUT", "ERROR"])
def test_client_unblock_at_a_follower(make_cluster: ClusterFactory, end: str) -> None:
    cluster = make_cluster(3)
    cluster.wait_for_leader()
    follower = cluster.followers()[0]
    with follower.redis(socket_timeout=20) as admin, follower.redis(socket_timeout=20) as client:
        connection: Any = client.connection_pool.get_connection()
        connection.send_command("CLIENT", "ID")
        id = connection.read_response()
        connection.send_command("BLPOP", "k", 0)
        cluster.wait_until(lambda: admin.execute_command("CLIENT", "UNBLOCK", id, end) == 1, "it waits and is told")
        if end == "TIMEOUT":
            assert connection.read_response() is None
        else:
            with pytest.raises(redis.ResponseError, match="client unblocked via CLIENT UNBLOCK"):
                connection.read_response()
