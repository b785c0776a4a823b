"""CLIENT TRACKING on a real cluster: whoever writes, wherever: copies on every node are invalidated."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import hiredis
import pytest

from tests.e2e.conftest import ClusterFactory
from tests.kit.local_cluster import LocalCluster, Node


class Reader:
    """A RESP3 client that keeps copies."""

    def __init__(self, node: Node) -> None:
        host, port = node.redis_address.rsplit(":", 1)
        self.node = node
        self._socket = socket.create_connection((host, int(port)), timeout=60)
        self._parser = hiredis.Reader()
        self.invalidated: list[object] = []
        self.ask("HELLO", "3")
        assert self.ask("CLIENT", "TRACKING", "ON") == b"OK"

    def close(self) -> None:
        self._socket.close()

    def ask(self, *words: str) -> object:
        self._socket.sendall(hiredis.pack_command(words))  # type: ignore[arg-type]  # it says Tuple[one word]
        while True:
            reply = self._next()
            if not isinstance(reply, hiredis.PushNotification):
                return reply
            self.invalidated.append(reply[1])

    def _next(self) -> object:
        while (reply := self._parser.gets()) is False:
            data = self._socket.recv(1 << 16)
            assert data, f"{self.node.id} closed the connection"
            self._parser.feed(data)
        return reply

    def heard(self, keys: list[bytes] | None) -> bool:
        """These were invalidated (None: all) since the last look."""
        assert self.ask("PING") == b"PONG"
        if keys not in self.invalidated:
            return False
        self.invalidated.clear()
        return True


@pytest.fixture
def cluster(make_cluster: ClusterFactory) -> LocalCluster:
    return make_cluster(3)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def opened(stack: ExitStack, node: Node) -> Reader:
    reader = Reader(node)
    stack.callback(reader.close)
    return reader


def written(node: Node, value: str) -> bool:
    with node.redis(retry=None) as client:
        return bool(client.set("k", value))


def test_a_write_through_any_node_invalidates_copies_on_all(cluster: LocalCluster, stack: ExitStack) -> None:
    leader = cluster.wait_for_leader()
    readers = [opened(stack, node) for node in cluster.nodes]
    for writer in cluster.nodes:
        for reader in readers:
            reader.ask("GET", "k")
        assert written(writer, writer.id)
        for reader in readers:
            cluster.wait_until(partial(reader.heard, [b"k"]), f"{reader.node.id} hears of what {writer.id} wrote")
            assert reader.ask("GET", "k") == writer.id.encode()
    with cluster.followers()[0].redis(retry=None) as client:
        client.eval("return redis.call('append', KEYS[1], '!')", 1, "k")
    for reader in readers:
        cluster.wait_until(partial(reader.heard, [b"k"]), f"{reader.node.id} hears of what a script wrote")

    # The dead leader may have told nobody of its last writes: all copies are dropped. Then it goes on as before.
    survivors = [reader for reader in readers if reader.node is not leader]
    for reader in survivors:
        reader.ask("GET", "k")
    leader.kill()
    cluster.wait_for_leader(unlike=leader)
    for reader in survivors:
        cluster.wait_until(partial(reader.heard, None), f"{reader.node.id} drops all copies")
    for writer in cluster.running:
        for reader in survivors:
            reader.ask("GET", "k")
        cluster.wait_until(partial(written, writer, f"again {writer.id}"), f"{writer.id} writes")
        for reader in survivors:
            cluster.wait_until(partial(reader.heard, [b"k"]), f"{reader.node.id} hears of what {writer.id} wrote")
            assert reader.ask("GET", "k") == f"again {writer.id}".encode()
