"""What a sorted set costs at a million members against a thousand.

    python -m tests.bench.bench_sorted_set [--sizes 30 1000 1000000] [--server]

Handlers in process on the real view (microseconds of this process' time, so that neighbours disturb little), and the
bytes that a change writes to the log, one change a batch and 800 (50 clients with a pipeline of 16). With --server also
through a node, with redis-benchmark. Asserts nothing.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from elastickv.kv.effects import encode
from tests.kit.local_cluster import LocalCluster
from tests.kit.redis_calls import RedisCalls

Words = list[bytes]

CALLS = 20_000


def member(number: int) -> bytes:
    return b"element:%012d" % number


def fill(calls: RedisCalls, size: int) -> None:
    rng = Random(1)
    for start in range(0, size, 10_000):
        words = [b"ZADD", b"z"]
        for number in range(start, min(start + 10_000, size)):
            words += (b"%d" % rng.randrange(size), member(number))
        calls.reply(words)


def cases(size: int) -> dict[str, Callable[[Random, int], Words]]:
    return {
        "ZADD new": lambda rng, number: [b"ZADD", b"z", b"%d" % rng.randrange(size), member(size + number)],
        "ZADD moved": lambda rng, _: [b"ZADD", b"z", b"%d" % rng.randrange(size), member(rng.randrange(size))],
        "ZINCRBY 1": lambda rng, _: [b"ZINCRBY", b"z", b"1", member(rng.randrange(size))],
        "ZSCORE": lambda rng, _: [b"ZSCORE", b"z", member(rng.randrange(size))],
        "ZRANK": lambda rng, _: [b"ZRANK", b"z", member(rng.randrange(size))],
        "ZRANGE 10": lambda rng, _: [b"ZRANGE", b"z", *_ten(rng.randrange(size))],
        "ZRANGE 10 by score": lambda rng, _: [
            b"ZRANGE", b"z", b"%d" % rng.randrange(size), b"+inf", b"BYSCORE", b"LIMIT", b"0", b"10"],
        "ZCOUNT": lambda rng, _: [b"ZCOUNT", b"z", b"%d" % rng.randrange(size), b"+inf"],
        "ZREM": lambda rng, number: [b"ZREM", b"z", member(number * 7919 % size)],
        "ZPOPMIN": lambda rng, _: [b"ZPOPMIN", b"z"],
    }  # fmt: skip


def _ten(start: int) -> Words:
    return [b"%d" % start, b"%d" % (start + 9)]


def in_process(size: int, batch: int) -> dict[str, tuple[float, float]]:
    """Case to (microseconds a call, log bytes a call)."""
    figures = {}
    calls = RedisCalls()
    fill(calls, size)
    rng = Random(2)
    for name, make in cases(size).items():
        # What takes members away must not run out of them.
        count = min(CALLS, size // 3) if name in ("ZREM", "ZPOPMIN") else CALLS
        plan = [make(rng, number) for number in range(count)]
        spent = written = 0.0
        for start in range(0, count, batch):
            handlers = [(calls._find(argv).handler, argv) for argv in plan[start : start + batch]]
            began = time.process_time()
            for handler, argv in handlers:
                calls.call.argv = argv
                handler(calls.call)
            calls.databases.save_sizes()
            calls.store.view.write_out()
            spent += time.process_time() - began
            written += len(encode(calls.store.view.forming))
            calls.store.settle()
        figures[name] = (spent / count * 1e6, written / count)
        if name == "ZADD new":
            for number in range(count):
                calls.reply([b"ZREM", b"z", member(size + number)])
    return figures


def table(title: str, sizes: list[int], columns: list[dict[str, float]]) -> None:
    print(f"\n{title:32}" + "".join(f"{size:>12,}" for size in sizes) + "       ratio")
    for name in columns[0]:
        values = [column[name] for column in columns]
        ratio = f"{values[-1] / values[-2]:12.2f}" if len(values) > 1 and values[-2] else ""
        print(f"{name:32}" + "".join(f"{value:12.1f}" for value in values) + ratio)


def run(sizes: list[int], *, server: bool) -> None:
    for batch in (1, 800):
        found = [in_process(size, batch) for size in sizes]
        for place, what in enumerate(("microseconds", "log bytes")):
            columns = [{name: pair[place] for name, pair in one.items()} for one in found]
            table(f"{what}, batches of {batch}", sizes, columns)
    if server:
        through_a_node([size for size in sizes if size >= 1000])


def through_a_node(sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as root, LocalCluster(Path(root), nodes=1, base="127.0.83.11") as cluster:
        cluster.wait_until_ready()
        node = cluster.wait_for_leader()
        client = node.redis(socket_timeout=120)
        for size in sizes:
            rng = Random(size)
            for start in range(0, size, 5_000):
                numbers = range(start, min(start + 5_000, size))
                client.zadd(f"z{size}", {member(number): rng.randrange(size) for number in numbers})
        commands = {
            "ZADD": ["ZADD", "z{}", "__rand_int__", "element:__rand_int__"],
            "ZRANK": ["ZRANK", "z{}", "element:__rand_int__"],
            "ZRANGE 10": ["ZREVRANGE", "z{}", "0", "9"],
        }
        for pipeline in (1, 16):
            columns: list[dict[str, float]] = [{} for _ in sizes]
            for name, words in commands.items():
                for column, size in zip(columns, sizes, strict=True):
                    taken = [_measure(node.ip, cluster.ports.redis, words, size, pipeline) for _ in range(3)]
                    column[name] = sorted(taken)[1]
            table(f"requests/s on a node, -P {pipeline}", sizes, columns)


def _measure(host: str, port: int, words: list[str], size: int, pipeline: int) -> float:
    command = ["redis-benchmark", "-h", host, "-p", str(port), "-c", "50", "-r", str(size), "-P", str(pipeline)]
    command += ["-n", str(30_000 * (3 if pipeline > 1 else 1)), "--csv", *(word.format(size) for word in words)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    return float(next(csv.DictReader(output.splitlines()))["rps"])


@pytest.mark.bench
def test_a_million_members_against_a_thousand() -> None:
    run([1000, 1_000_000], server=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[30, 1000, 1_000_000])
    parser.add_argument("--server", action="store_true")
    arguments = parser.parse_args()
    run(arguments.sizes, server=arguments.server)


if __name__ == "__main__":
    main()
