"""A huge hash on three nodes is deleted: how long DEL takes, and what the purge behind it does to everybody else.

    python -m tests.bench.bench_huge_delete [--fields 5000000]

Asserts nothing but that the purge ends and that the leader stays.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path

import pytest

from elastickv.pb import raftadmin_pb2 as pb
from tests.kit.local_cluster import LocalCluster, Node

BATCH = 500
PIPELINE = 8
CALM_SECONDS = 5.0
QUIET_SECONDS = 2.0
"""So long without a change in the number of entries: the purge is over."""


def show(what: str, value: object) -> None:
    print(f"{what:58} {value}")


class Watch:
    """Asks all nodes, again and again, when they heard from the leader last, and the leader for a PING."""

    def __init__(self, leader: Node, followers: list[Node]) -> None:
        self._leader = leader
        self._followers = followers
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ping), *(
            threading.Thread(target=self._contact, args=(one,)) for one in followers)]  # fmt: skip
        self.pings: list[float] = []
        self.contacts: list[float] = []
        """Milliseconds since the leader's last message, seen at followers."""

    def __enter__(self) -> Watch:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ping(self) -> None:
        client = self._leader.redis(socket_timeout=30)
        while not self._stop.wait(0.005):
            began = time.perf_counter()
            client.get("other")
            self.pings.append((time.perf_counter() - began) * 1000)

    def _contact(self, node: Node) -> None:
        with node.channel() as channel:
            ask = channel.unary_unary(
                "/RaftAdmin/Status",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=pb.RaftAdminStatusResponse.FromString,
            )
            while not self._stop.wait(0.02):
                self.contacts.append(ask(pb.RaftAdminStatusRequest(), timeout=10).last_contact_nanos / 1e6)

    def report(self, when: str) -> None:
        for what, numbers in (("GET at the leader", self.pings), ("silence seen by a follower", self.contacts)):
            ordered = sorted(numbers)
            last = len(ordered) - 1
            shown = [f"{ordered[round(last * part)]:.1f} ms" for part in (0.5, 0.99, 1)]
            show(f"{what}, {when}: p50 / p99 / most", " / ".join(shown))


def run(fields: int) -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        LocalCluster(Path(directory), nodes=3, base="127.7.41.11") as cluster,
    ):
        cluster.wait_until_ready()
        leader = cluster.wait_for_leader()
        client = leader.redis(socket_timeout=120)
        client.set("other", "x")
        began = time.monotonic()
        for start in range(0, fields, BATCH * PIPELINE):
            pipe = client.pipeline(transaction=False)
            for low in range(start, min(start + BATCH * PIPELINE, fields), BATCH):
                pipe.hset(
                    "huge", mapping={b"field:%08d" % at: b"x" * 16 for at in range(low, min(low + BATCH, fields))}
                )
            pipe.execute()
        show(f"{fields:,} fields loaded", f"{time.monotonic() - began:.0f} s")
        assert client.hlen("huge") == fields
        time.sleep(3)
        followers = cluster.followers()
        term = leader.status().term
        with Watch(leader, followers) as calm:
            time.sleep(CALM_SECONDS)
        calm.report("before")
        with Watch(leader, followers) as busy:
            began = time.perf_counter()
            assert client.delete("huge") == 1
            show("DEL answered after", f"{(time.perf_counter() - began) * 1000:.2f} ms")
            assert client.exists("huge") == 0
            index, changed_at = 0, time.monotonic()
            while time.monotonic() - changed_at < QUIET_SECONDS:
                time.sleep(0.1)
                now = leader.status().last_log_index
                if now != index:
                    index, changed_at = now, time.monotonic()
            took = changed_at - began
        show("purged after", f"{took:.1f} s")
        busy.report("during the purge")
        assert leader.status().term == term, "the leader stays"


@pytest.mark.bench
def test_a_huge_hash_is_deleted() -> None:
    run(200_000)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, default=5_000_000)
    run(parser.parse_args().fields)
