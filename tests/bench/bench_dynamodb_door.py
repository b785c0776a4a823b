"""What a request costs the DynamoDB door itself: bytes in, bytes out, on one core, without sockets, log and disk.

    python -m tests.bench.bench_dynamodb_door [--only PutItem]

Fifty connections each hand over a request of `bench_dynamodb`, then what they wrote is committed and answered, as in a
turn of a node's loop. CPU microseconds per request: of each group of fifty the best of many rounds, and of those the
lower half, which is steady also on a busy machine. Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import time
from typing import Any, cast

from elastickv.dynamodb_api.connection import Connection
from elastickv.dynamodb_api.dispatch import Router
from elastickv.dynamodb_api.door import Door
from elastickv.dynamodb_api.forwarding import Forwarder
from elastickv.dynamodb_api.operations import OPERATIONS
from elastickv.kv.ports import Store
from elastickv.kv.view import Batch
from tests.bench.bench_dynamodb import LOADS, Load, http
from tests.bench.nowhere import Nowhere
from tests.kit.dynamo_store import DynamoStore

CONNECTIONS = 50
GROUPS = 100
ROUNDS = 40


class Committing:
    """The store of a leader that is told when its batch is committed."""

    serving = True

    def __init__(self, store: DynamoStore) -> None:
        self.view = store.view

    def settle(self) -> Batch | None:
        batch = self.view.dependency
        self.view.dependency = None
        return batch

    def commit(self) -> None:
        batch = self.view.forming
        self.view.forming = Batch(batch.sequence + 1)
        self.view.applied.merge(batch)
        for waiter in batch.waiters:
            waiter.release(batch)


async def measure(load: Load) -> float:
    tables = DynamoStore()
    tables.table("bench", "p:S s:N")
    store = Committing(tables)
    forwarder = cast(Forwarder, None)  # this node leads
    door = Door(cast(Store, store), tables.clock, Router(OPERATIONS), forwarder, max_connections=CONNECTIONS)
    connections = []
    for _ in range(CONNECTIONS):
        connection = Connection(door)
        connection.connection_made(cast(Any, Nowhere()))
        connections.append(connection)
    rng = random.Random(1)
    for start in range(0, 10_000, 25):  # what the loads read is there
        puts = [
            {"PutRequest": {"Item": {"p": {"S": f"p{n // 10}"}, "s": {"N": str(n % 10)}, "v": {"S": "x" * 1000}}}}
            for n in range(start, start + 25)
        ]
        tables.call("BatchWriteItem", RequestItems={"bench": puts})
    requests = [http(load.operation, load.request(rng)) for _ in range(CONNECTIONS * GROUPS)]
    best = [float("inf")] * GROUPS
    for _ in range(ROUNDS):
        gc.collect()
        gc.disable()
        for group in range(GROUPS):
            batch = requests[group * CONNECTIONS : (group + 1) * CONNECTIONS]
            started = time.thread_time()
            for connection, request in zip(connections, batch, strict=True):
                connection.data_received(request)
            store.commit()
            best[group] = min(best[group], time.thread_time() - started)
        gc.enable()
    lower = sorted(best)[: GROUPS // 2]
    return sum(lower) / len(lower) / CONNECTIONS * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help='of the loads, such as "PutItem"')
    only = parser.parse_args().only
    for load in LOADS:
        if not only or load.name in only:
            print(f"{load.name:12}{asyncio.run(measure(load)):8.1f} µs")


if __name__ == "__main__":
    main()
