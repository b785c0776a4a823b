"""What one greedy client costs the others: KEYS * and HGETALL of a million elements on three nodes.

    python -m tests.bench.bench_fairness --keys 1000000

A second client sends GETs and SETs one after the other. Shown are its times while nothing else happens and while the
greedy one is at work, and whether anybody stood for election.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import redis

from tests.kit.local_cluster import LocalCluster, Node


class Prober(threading.Thread):
    """One client after another request; milliseconds of each."""

    def __init__(self, node: Node) -> None:
        super().__init__(daemon=True)
        self.client = node.redis()
        self.reads: list[float] = []
        self.writes: list[float] = []
        self.end = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.end.is_set():
            number += 1
            started = time.perf_counter()
            self.client.get("probe")
            middle = time.perf_counter()
            self.client.set("probe", number)
            self.reads.append((middle - started) * 1000)
            self.writes.append((time.perf_counter() - middle) * 1000)


def line(name: str, times: list[float]) -> str:
    ordered = sorted(times)
    median, p99, worst = statistics.median(times), ordered[int(len(ordered) * 0.99)], ordered[-1]
    return f"  {name:6} n={len(times):6}  median {median:7.2f}  p99 {p99:7.2f}  worst {worst:7.2f} ms"


def probed(node: Node, what: str, work: Callable[[], object]) -> None:
    prober = Prober(node)
    prober.start()
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    prober.end.set()
    prober.join()
    print(f"{what}: {seconds:.2f} s")
    print(line("GET", prober.reads))
    print(line("SET", prober.writes), flush=True)


def greedy(nodes: Sequence[Node], words: Sequence[str]) -> None:
    """The command at each node, by processes of their own: what they do with the reply is not to be measured."""
    running = [
        subprocess.Popen(["redis-cli", "-h", node.ip, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for node in nodes
    ]
    for process in running:
        assert process.wait(300) == 0


def fill(client: redis.Redis, count: int) -> None:
    step = 10_000
    for start in range(0, count, step):
        numbers = range(start, start + step)
        client.mset({f"key:{number}": b"v" for number in numbers})
        client.hset("hash", mapping={f"field:{number}": b"v" for number in numbers})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_fairness")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--base", default="127.9.0.11")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="elastickv-fairness-") as root,
        LocalCluster(Path(root), nodes=3, base=arguments.base) as cluster,
    ):
        leader = cluster.wait_for_leader()
        cluster.wait_until_ready()
        client = leader.redis(socket_timeout=120)
        fill(client, arguments.keys)
        follower = next(node for node in cluster.nodes if node is not leader)
        term = leader.status().term
        probed(leader, "nothing else", lambda: time.sleep(3))
        for words in (("KEYS", "*"), ("HGETALL", "hash")):
            probed(leader, " ".join(words), partial(greedy, [leader], words))
            probed(leader, " ".join(words) + " at a follower", partial(greedy, [follower], words))
        probed(leader, "KEYS * by four clients", partial(greedy, [leader] * 4, ("KEYS", "*")))
        changed = leader.status().term - term
        print(f"elections meanwhile: {changed}")


if __name__ == "__main__":
    main()
