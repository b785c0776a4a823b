"""Throughput and latency beside redis-server with `appendonly yes, appendfsync always`, in one run, as ratios.

    python -m tests.bench.bench_redis [--seconds 3] [--rounds 3] [--nodes 1 3]

redis-benchmark -c 50 -d 64 -r 100000, against the leader. Machines are noisy, so the servers take turns, round by
round, and the figure is the median of the rounds. Beside the rates, which depend on what else the machine does, stands
what hardly does: the server's (the leader's) CPU time for a request, kernel included. Asserts nothing.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import redis

from tests.kit.local_cluster import LocalCluster
from tests.kit.redis_reference import running_redis_server

CLIENTS, VALUE_BYTES, KEYS = 50, 64, 100_000


@dataclass(frozen=True, slots=True)
class Load:
    """One line of the table."""

    test: str
    pipeline: int
    expected_per_second: int
    """Rough speed, to choose the number of requests."""

    @property
    def name(self) -> str:
        return self.test.upper() + (f" -P {self.pipeline}" if self.pipeline > 1 else "")


LOADS = (Load("set", 1, 15_000), Load("get", 1, 60_000), Load("set", 16, 80_000), Load("get", 16, 300_000))
WRITES = ("incr", "lpush", "rpush", "lpop", "sadd", "hset", "spop", "zadd", "zpopmin", "mset", "xadd")
MORE = (
    *(Load(test, pipeline, speed) for test in WRITES for pipeline, speed in ((1, 12_000), (16, 60_000))),
    Load("lrange_100", 1, 15_000),
    Load("lrange_100", 16, 20_000),
    Load("hgetall_100", 1, 15_000),
    Load("hgetall_100", 16, 20_000),
)
"""Not in the usual run, which is long enough: ask for them with --only, or with --all."""
_OWN: Final = {
    "xadd": ("XADD", "stream:__rand_int__", "*", "field", "x" * VALUE_BYTES),
    "hgetall_100": ("HGETALL", "hash:100"),
}
"""Commands that redis-benchmark has no test of."""
_POPPED: Final = {
    "spop": ("SADD", "myset", "element:__rand_int__"),
    "zpopmin": ("ZADD", "myzset", "__rand_int__", "element:__rand_int__"),
    "lpop": ("LPUSH", "mylist", "x" * VALUE_BYTES),
}
"""What fills the collection first, that a load takes elements from: a pop that finds nothing is not a write."""


@dataclass(frozen=True, slots=True)
class Figures:
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    address: Callable[[], tuple[str, int]]


def measure(host: str, port: int, load: Load, seconds: float) -> Figures:
    requests = int(load.expected_per_second * seconds)
    common = ["redis-benchmark", "-h", host, "-p", str(port), "-c", str(CLIENTS), "-d", str(VALUE_BYTES), "--csv"]
    if load.test in _POPPED:
        fill = [*common, "-r", str(1 << 30), "-n", str(requests + 1000), "-P", "16", *_POPPED[load.test]]
        subprocess.run(fill, capture_output=True, check=True, timeout=seconds * 60 + 60)
    elif load.test == "hgetall_100":
        fill = [*common, "-r", "100", "-n", "3000", "HSET", "hash:100", "field:__rand_int__", "x" * VALUE_BYTES]
        subprocess.run(fill, capture_output=True, check=True, timeout=60)
    command = [*common, "-r", str(KEYS), "-n", str(requests), "-P", str(load.pipeline)]
    command += _OWN.get(load.test, ("-t", load.test))
    with redis.Redis(host, port) as client:
        process = Path("/proc", str(client.info("server")["process_id"]))
    before = cpu_seconds(process)
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds * 60 + 60).stdout
    cpu_us = (cpu_seconds(process) - before) / requests * 1e6
    *_, row = csv.DictReader(output.splitlines())  # the last: LRANGE is preceded by what fills the list
    return Figures(float(row["rps"]), float(row["p50_latency_ms"]), float(row["p99_latency_ms"]), cpu_us)


def cpu_seconds(process: Path) -> float:
    """What all threads of a process have used so far."""
    return sum(int(thread.read_text().split()[0]) for thread in process.glob("task/*/schedstat")) / 1e9


@contextmanager
def targets(sizes: list[int]) -> Iterator[list[Target]]:
    with ExitStack() as stack:
        found = []
        options = ("--appendonly", "yes", "--appendfsync", "always")
        reference = stack.enter_context(running_redis_server(*options))
        found.append(Target("redis-server", lambda: (reference.host, reference.port)))
        for size in sizes:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            cluster = stack.enter_context(LocalCluster(root, nodes=size, base=f"127.0.{70 + size}.11"))
            cluster.wait_until_ready()

            def leader(cluster: LocalCluster = cluster) -> tuple[str, int]:
                node = cluster.wait_for_leader()
                return node.ip, cluster.ports.redis

            found.append(Target(f"{size} node{'s' if size > 1 else ''}", leader))
        yield found


def run(sizes: list[int], seconds: float, rounds: int, loads: tuple[Load, ...] = LOADS) -> None:
    with targets(sizes) as servers:
        figures: dict[tuple[str, str], list[Figures]] = {}
        for load in loads:
            for _ in range(rounds):
                for server in servers:
                    measured = measure(*server.address(), load, seconds)
                    figures.setdefault((load.name, server.name), []).append(measured)
        print(f"\n{'':12} {'server':14} {'requests/s':>11} {'ratio':>6} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs':>8}")
        for load in loads:
            base = statistics.median(one.per_second for one in figures[load.name, servers[0].name])
            for server in servers:
                taken = figures[load.name, server.name]
                speed = statistics.median(one.per_second for one in taken)
                p50 = statistics.median(one.p50_ms for one in taken)
                p99 = statistics.median(one.p99_ms for one in taken)
                cpu = statistics.median(one.cpu_us for one in taken)
                row = f"{load.name:12} {server.name:14} {speed:11,.0f} {speed / base:6.2f} {p50:8.2f} {p99:8.2f}"
                print(f"{row} {cpu:8.2f}")


@pytest.mark.bench
def test_beside_redis_server() -> None:
    run([1, 3], seconds=3, rounds=3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3, help="rough length of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nodes", type=int, nargs="*", default=[1, 3], help="sizes of the clusters")
    parser.add_argument("--only", nargs="*", help='of the loads, such as "SET -P 16"')
    parser.add_argument("--all", action="store_true", help="all loads, an hour or so")
    arguments = parser.parse_args()
    loads = LOADS + MORE if arguments.all else LOADS
    if arguments.only:
        loads = tuple(load for load in LOADS + MORE if load.name in arguments.only)
    run(arguments.nodes, arguments.seconds, arguments.rounds, loads)


if __name__ == "__main__":
    main()
