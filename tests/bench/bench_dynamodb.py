"""Throughput and latency of the DynamoDB door beside moto's server and dynalite, in one run, as ratios.

    python -m tests.bench.bench_dynamodb [--seconds 3] [--rounds 3] [--nodes 1 3] [--clients 200]

GetItem, PutItem (1 KB) and Query (10 items) against the leader, with --clients connections that each have one request
in flight. Ours is replicated and synced to disk before it answers; moto and dynalite keep everything in memory, and
"dyn. on disk" is dynalite with a LevelDB that it does not sync (--path). dynalite comes from npm, as
tests/kit/dynalite/package-lock.json says. Machines are noisy, so the servers take turns, round by round, and the figure
is the median of the rounds. Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httptools
import orjson
import pytest
import uvloop

from tests.kit import dynalite_server, tools
from tests.kit.dynamo_door import client
from tests.kit.local_cluster import LocalCluster

TABLE = "bench"
PARTITIONS, SORTED = 1000, 10
FILLER = "x" * 1000

AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, "
    "Signature=0000000000000000000000000000000000000000000000000000000000000000"
)
"""None of the three checks it, but dynalite and moto want to see one."""


@dataclass(frozen=True, slots=True)
class Load:
    name: str
    operation: str
    request: Callable[[random.Random], dict[str, Any]]


def _item(rng: random.Random) -> dict[str, Any]:
    return {"p": {"S": f"p{rng.randrange(PARTITIONS)}"}, "s": {"N": str(rng.randrange(SORTED))}, "v": {"S": FILLER}}


LOADS = (
    Load("PutItem", "PutItem", lambda rng: {"TableName": TABLE, "Item": _item(rng)}),
    Load(
        "GetItem",
        "GetItem",
        lambda rng: {"TableName": TABLE, "Key": {key: _item(rng)[key] for key in ("p", "s")}, "ConsistentRead": True},
    ),
    Load(
        "Query (10)",
        "Query",
        lambda rng: {
            "TableName": TABLE,
            "KeyConditionExpression": "p = :p",
            "ExpressionAttributeValues": {":p": {"S": f"p{rng.randrange(PARTITIONS)}"}},
            "Limit": 10,
        },
    ),
)


@dataclass(frozen=True, slots=True)
class Figures:
    per_second: float
    p50_ms: float
    p99_ms: float
    server_us: float
    """CPU time of all processes of the server, per request."""
    client_us: float


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    address: Callable[[], tuple[str, int]]
    processes: tuple[int, ...]


_LENGTH = re.compile(rb"content-length: (\d+)\r", re.IGNORECASE).search
_CLOSE = re.compile(rb"connection: close\r", re.IGNORECASE).search


class _Client(asyncio.Protocol):
    """One connection with one request in flight; it connects again where the server hangs up after each answer.

    An answer that comes in one piece, as nearly all do, is only looked at, so that the generator costs less than any of
    the servers; the others go through a parser.
    """

    def __init__(self, load: _Running) -> None:
        self.load = load
        self.transport: Any = None
        self.started = 0.0
        self.parser: httptools.HttpResponseParser | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.started = time.perf_counter()
        if self.started >= self.load.end:
            self.transport.close()
            return
        self.transport.write(self.load.request())

    def data_received(self, data: bytes) -> None:
        if self.parser is None:
            head = data.find(b"\r\n\r\n") + 4
            length = _LENGTH(data, 0, head) if head >= 4 else None
            if length is not None and head + int(length[1]) == len(data):
                self.answered(data.startswith(b"HTTP/1.1 200 "), _CLOSE(data, 0, head) is None)
                return
            self.parser = httptools.HttpResponseParser(self)
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        parser, self.parser = self.parser, None
        assert parser is not None
        # Not before the parser has returned: it must not be fed from within.
        self.load.loop.call_soon(self.answered, parser.get_status_code() == 200, parser.should_keep_alive())

    def answered(self, fine: bool, keep_alive: bool) -> None:
        self.load.latencies.append(time.perf_counter() - self.started)
        if not fine:
            self.load.failed += 1
        if keep_alive:
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self.load.over():
            self.load.gone()
        else:
            self.load.connect()


class _Running:
    def __init__(self, address: tuple[str, int], requests: list[bytes], clients: int, seconds: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.address = address
        self.requests = requests
        self.clients = clients
        self.latencies: list[float] = []
        self.failed = 0
        self._next = 0
        self.end = time.perf_counter() + seconds
        self._tasks: set[asyncio.Task[Any]] = set()
        self._left = clients
        self.finished = asyncio.Event()

    def request(self) -> bytes:
        self._next = (self._next + 1) % len(self.requests)
        return self.requests[self._next]

    def over(self) -> bool:
        return time.perf_counter() >= self.end

    def connect(self) -> None:
        task = self.loop.create_task(self._connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        await self.loop.create_connection(lambda: _Client(self), *self.address)

    def gone(self) -> None:
        self._left -= 1
        if not self._left:
            self.finished.set()


def http(operation: str, request: dict[str, Any]) -> bytes:
    body = orjson.dumps(request)
    lines = [
        "POST / HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: identity\r\nUser-Agent: bench\r\n",
        "Content-Type: application/x-amz-json-1.0\r\nX-Amz-Date: 20260101T000000Z\r\n",
        f"X-Amz-Target: DynamoDB_20120810.{operation}\r\nAuthorization: {AUTHORIZATION}\r\n",
        f"Content-Length: {len(body)}\r\n\r\n",
    ]
    return "".join(lines).encode() + body


def _cpu_seconds(processes: Iterable[int]) -> float:
    """User and system time that processes have used so far."""
    total = 0
    for one in processes:
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def measure(target: Target, load: Load, clients: int, seconds: float) -> Figures:
    address = target.address()
    rng = random.Random(1)
    requests = [http(load.operation, load.request(rng)) for _ in range(5000)]

    async def run() -> Figures:
        running = _Running(address, requests, clients, seconds)
        before, own = _cpu_seconds(target.processes), time.process_time()
        started = time.perf_counter()
        for _ in range(clients):
            running.connect()
        await running.finished.wait()
        spent = time.perf_counter() - started
        used, own = _cpu_seconds(target.processes) - before, time.process_time() - own
        taken = sorted(running.latencies)
        if running.failed:
            print(f"   {running.failed} of {len(taken)} {load.name} failed at {address}")
        return Figures(
            len(taken) / spent,
            statistics.median(taken) * 1000,
            taken[int(len(taken) * 0.99)] * 1000,
            used / len(taken) * 1e6,
            own / len(taken) * 1e6,
        )

    return uvloop.run(run())


# the servers


@contextmanager
def _process(name: str, command: list[str], address: tuple[str, int], **options: Any) -> Iterator[Target]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        for _ in range(200):
            try:
                client(f"http://{address[0]}:{address[1]}").list_tables()
                break
            except Exception:  # whatever a server says that is only starting
                time.sleep(0.1)
        yield Target(name, lambda: address, (process.pid,))
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def targets(sizes: list[int]) -> Iterator[list[Target]]:
    with ExitStack() as stack:
        found = []
        moto = [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", "8190"]
        found.append(stack.enter_context(_process("moto", moto, ("127.0.0.1", 8190))))
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tools.npm_ci(dynalite_server.HERE)
        command = [tools.node(), str(dynalite_server.PROGRAM), "--host", "127.0.0.1", "--createTableMs", "0", "--port"]
        found.append(stack.enter_context(_process("dynalite", [*command, "8191"], ("127.0.0.1", 8191))))
        on_disk = [*command, "8192", "--path", str(root / "data")]
        found.append(stack.enter_context(_process("dyn. on disk", on_disk, ("127.0.0.1", 8192))))
        for size in sizes:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            cluster = stack.enter_context(LocalCluster(root, nodes=size, base=f"127.0.{80 + size}.11"))
            cluster.wait_until_ready()

            def leader(cluster: LocalCluster = cluster) -> tuple[str, int]:
                node = cluster.wait_for_leader()
                return node.ip, cluster.ports.dynamo

            nodes = tuple(node.pid for node in cluster.nodes)
            found.append(Target(f"{size} node{'s' if size > 1 else ''}", leader, nodes))
        yield found


def prepare(target: Target) -> None:
    host, port = target.address()
    dynamodb = client(f"http://{host}:{port}")
    dynamodb.create_table(
        TableName=TABLE,
        AttributeDefinitions=[
            {"AttributeName": "p", "AttributeType": "S"},
            {"AttributeName": "s", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.get_waiter("table_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1})
    keys = [(p, s) for p in range(PARTITIONS) for s in range(SORTED)]
    for start in range(0, len(keys), 25):
        puts = [
            {"PutRequest": {"Item": {"p": {"S": f"p{p}"}, "s": {"N": str(s)}, "v": {"S": FILLER}}}}
            for p, s in keys[start : start + 25]
        ]
        dynamodb.batch_write_item(RequestItems={TABLE: puts})


def run(sizes: list[int], seconds: float, rounds: int, clients: int, loads: tuple[Load, ...] = LOADS) -> None:
    with targets(sizes) as servers:
        for server in servers:
            prepare(server)
        figures: dict[tuple[str, str], list[Figures]] = {}
        for load in loads:
            for _ in range(rounds):
                for server in servers:
                    measured = measure(server, load, clients, seconds)
                    figures.setdefault((load.name, server.name), []).append(measured)
        print(f"\n{clients} connections; CPU in microseconds per request, of all processes of a server")
        print(
            f"{'':12} {'server':12} {'requests/s':>11} {'ours to it':>10} {'p50 ms':>8} {'p99 ms':>8}"
            f" {'CPU':>7} {'client':>7}"
        )
        ours = servers[-1].name
        for load in loads:
            best = _median(figures[load.name, ours], "per_second")
            for server in servers:
                taken = figures[load.name, server.name]
                speed = _median(taken, "per_second")
                print(
                    f"{load.name:12} {server.name:12} {speed:11,.0f} {best / speed:10.2f}"
                    f" {_median(taken, 'p50_ms'):8.2f} {_median(taken, 'p99_ms'):8.2f}"
                    f" {_median(taken, 'server_us'):7.0f} {_median(taken, 'client_us'):7.0f}"
                )


def _median(taken: list[Figures], figure: str) -> float:
    values: list[float] = [getattr(one, figure) for one in taken]
    return statistics.median(values)


@pytest.mark.bench
def test_beside_moto_and_dynalite() -> None:
    run([1, 3], seconds=3, rounds=3, clients=200)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nodes", type=int, nargs="*", default=[1, 3], help="sizes of the clusters")
    parser.add_argument("--clients", type=int, default=200, help="connections")
    parser.add_argument("--only", nargs="*", help='of the loads, such as "PutItem"')
    arguments = parser.parse_args()
    loads = tuple(load for load in LOADS if not arguments.only or load.name in arguments.only)
    run(arguments.nodes, arguments.seconds, arguments.rounds, arguments.clients, loads)


if __name__ == "__main__":
    main()
