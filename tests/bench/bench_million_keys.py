"""A million keys of 64 bytes on three nodes: memory of a node, time of a restart, a lost disk caught up by snapshot.

    python -m tests.bench.bench_million_keys [--keys 1000000]

Asserts nothing but that the data is there.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import grpc
import pytest
import redis

from elastickv.pb import raftadmin_pb2 as pb
from tests.kit.local_cluster import LocalCluster, Node

VALUE = b"x" * 64
PIPELINE = 500
MEBIBYTE = 1 << 20


def resident(node: Node) -> dict[str, int]:
    """RssAnon and RssFile (pages of the maps; the kernel takes them back when it needs them), in MiB."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{node.pid}/status").read_text().splitlines())
    return {name: int(fields[name].split()[0]) // 1024 for name in ("VmRSS", "RssAnon", "RssFile", "VmHWM")}


def load(node: Node, keys: int) -> float:
    client = node.redis(socket_timeout=60)
    began = time.monotonic()
    for start in range(0, keys, PIPELINE):
        pipe = client.pipeline(transaction=False)
        for number in range(start, min(start + PIPELINE, keys)):
            pipe.set(b"key:%07d" % number, VALUE)
        pipe.execute()
    return time.monotonic() - began


def first_answer(node: Node, key: bytes) -> float:
    """Seconds from the start of the process to a right answer from it."""
    began = time.monotonic()
    node.start()
    while True:
        try:
            if node.redis(socket_timeout=5).get(key) == VALUE:
                return time.monotonic() - began
        except redis.RedisError:
            pass
        time.sleep(0.02)


def call(node: Node, method: str, request: object, answer: type) -> object:
    with node.channel() as channel:
        run = channel.unary_unary(
            f"/RaftAdmin/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,  # type: ignore[attr-defined]
        )
        return run(request, timeout=120)


def change(leader: Node, method: str, request: object) -> None:
    """A first-generation membership change, awaited."""
    future = call(leader, method, request, pb.Future)
    outcome = call(leader, "Await", future, pb.AwaitResponse)
    assert isinstance(outcome, pb.AwaitResponse)
    if outcome.error:
        raise RuntimeError(f"{method}: {outcome.error}")


def show(what: str, value: object) -> None:
    print(f"{what:58} {value}")


def run(keys: int) -> None:
    with (
        tempfile.TemporaryDirectory() as root,
        LocalCluster(Path(root), nodes=3, base="127.0.88.11") as cluster,
    ):
        cluster.wait_until_ready()
        leader = cluster.wait_for_leader()
        seconds = load(leader, keys)
        show(f"{keys:,} SETs of 64 bytes, pipeline of {PIPELINE}, one client", f"{keys / seconds:,.0f}/s")
        time.sleep(8)  # the last flush
        for node in cluster.nodes:
            role = "leader" if node is leader else "follower"
            show(f"{node.id} ({role}): resident MiB", resident(node))
        follower = cluster.followers()[0]
        follower.stop()
        show("follower stopped and started, first answer after (s)", f"{first_answer(follower, b'key:0000007'):.2f}")
        show(f"{follower.id}: resident MiB", resident(follower))
        follower.kill()
        show("follower killed and started, first answer after (s)", f"{first_answer(follower, b'key:0000007'):.2f}")
        cluster.kill()
        began = time.monotonic()
        for node in cluster.nodes[1:]:
            node.start()
        seconds = first_answer(cluster.nodes[0], b"key:0000007")
        show("all killed and started, first answer after (s)", f"{time.monotonic() - began:.2f}")
        leader = cluster.wait_for_leader()
        wiped = cluster.followers()[0]
        wiped.kill()
        wiped.wipe()
        wiped.start()

        def up() -> bool:
            try:
                wiped.status()
            except grpc.RpcError:
                return False
            return True

        cluster.wait_until(up, "the wiped node is up")
        began = time.monotonic()
        change(leader, "RemoveServer", pb.RemoveServerRequest(id=wiped.id))
        change(leader, "AddVoter", pb.AddVoterRequest(id=wiped.id, address=wiped.address))
        show("wiped node replaced and caught up by snapshot after (s)", f"{time.monotonic() - began:.2f}")
        target = leader.status().applied_index
        cluster.wait_until(lambda: wiped.status().applied_index >= target, "the wiped node has everything", 60)
        show(f"{wiped.id}: resident MiB", resident(wiped))
        client = leader.redis()
        assert client.dbsize() == keys


@pytest.mark.bench
@pytest.mark.timeout(1200)
def test_a_million_keys() -> None:
    run(1_000_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000)
    run(parser.parse_args().keys)


if __name__ == "__main__":
    main()
