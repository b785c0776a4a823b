"""What a read costs the Redis door itself: bytes in, bytes out, on one core, without sockets.

    python -m tests.bench.bench_redis_door [--pipeline 1 16]

A whole node of one member in this process, with its lease, its log and its state on disk, and fifty connections that
each hand over the GETs of `bench_redis`, one after another. CPU microseconds per command: of each group of fifty
requests the best of many rounds, and of those the lower half, which is steady also on a busy machine. What the kernel
and the loop cost, and the caches that they empty, comes on top: a loaded node's CPU time shows that. Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import uvloop

from elastickv.app import Node
from elastickv.config.load import load
from elastickv.redis_api.connection import Connection
from elastickv.redis_api.resp import encode_command
from tests.bench.nowhere import Nowhere
from tests.kit.eventually import eventually
from tests.kit.ports import free_port

CONNECTIONS = 50
GROUPS = 100
ROUNDS = 40
KEYS = 100_000
VALUE = b"x" * 64


def key(number: int) -> bytes:
    return b"key:%012d" % number


async def fill(connection: Connection) -> None:
    """Every key has a value, and all are flushed."""
    for start in range(0, KEYS, 100):
        connection.data_received(b"".join(encode_command([b"SET", key(n), VALUE]) for n in range(start, start + 100)))
        await eventually(lambda: not connection.outbox, pause=0.001)


async def measure(connections: list[Connection], pipeline: int) -> float:
    rng = random.Random(1)
    requests = [
        b"".join(encode_command([b"GET", key(rng.randrange(KEYS))]) for _ in range(pipeline))
        for _ in range(CONNECTIONS * GROUPS)
    ]
    hub = connections[0].hub
    best = [float("inf")] * GROUPS
    for _ in range(ROUNDS):
        await asyncio.sleep(0)  # the node keeps its lease
        gc.collect()
        gc.disable()
        for group in range(GROUPS):
            batch = requests[group * CONNECTIONS : (group + 1) * CONNECTIONS]
            started = time.thread_time()
            for connection, request in zip(connections, batch, strict=True):
                connection.data_received(request)
            hub.send_all()
            best[group] = min(best[group], time.thread_time() - started)
        gc.enable()
    lower = sorted(best)[: GROUPS // 2]
    return sum(lower) / len(lower) / CONNECTIONS / pipeline * 1e6


async def run(pipelines: list[int], directory: Path) -> None:
    doors = {f"{door}Address": f"127.0.0.1:{free_port()}" for door in ("redis", "dynamo", "metrics")}
    own = {
        "address": f"127.0.0.1:{free_port()}",
        "raftDataDir": str(directory),
        "raftId": "n1",
        "raftBootstrap": "true",
    }
    node = Node(load({**own, **doors}, {}), asyncio.get_running_loop())
    await node.start()
    try:
        await node.store.wait_for_leader()
        connections = []
        for _ in range(CONNECTIONS):
            connection = Connection(node.redis.hub)
            connection.connection_made(cast(Any, Nowhere()))
            connections.append(connection)
        await fill(connections[0])
        await asyncio.sleep(2 * node.settings.storage.flush_interval)
        for pipeline in pipelines:
            print(f"GET -P {pipeline:<5}{await measure(connections, pipeline):8.2f} µs")
    finally:
        await node.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", type=int, nargs="*", default=[1, 16])
    with tempfile.TemporaryDirectory() as directory:
        uvloop.run(run(parser.parse_args().pipeline, Path(directory)))


if __name__ == "__main__":
    main()
