"""What a message costs: an append to another process and its acknowledgement, over `GrpcTransport` on loopback.

    .venv/bin/python tests/bench/bench_transport.py            all sizes
    GRPC_EXPERIMENTS= .venv/bin/python tests/bench/...         the same with grpcio's own choice of I/O

Prints numbers and asserts nothing. CPU is that of both processes, all threads.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import uvloop

from elastickv.raft.types import Entry, Kind, Member, Message, NodeId, SnapshotMeta
from elastickv.transport import engine
from elastickv.transport.base import Hello, Refusal

engine.choose()

import grpc  # noqa: E402 - after the choice of its engine

from elastickv.transport.grpc_transport import GrpcTransport  # noqa: E402

ROUNDS = 3000


class Inbox:
    def __init__(self, node_id: NodeId, deliver: Callable[[Message], None]) -> None:
        self._hello = Hello("bench", node_id, node_id, "", "1", fresh=False)
        self.deliver = deliver
        self.snapshots = 0

    def hello(self) -> Hello:
        return self._hello

    def check_peer(self, peer: Hello) -> Refusal | None:
        return None

    def peer_refused_us(self, node_id: NodeId, refusal: Refusal) -> None:
        print("refused:", refusal)

    def unreachable(self, node_id: NodeId) -> None:
        pass

    def deliver_snapshot(self, message: Message, directory: Path) -> None:
        self.snapshots += 1


async def serve(
    node_id: NodeId, deliver: Callable[[Message], None], directory: str
) -> tuple[GrpcTransport, grpc.aio.Server, int]:
    transport = GrpcTransport(Path(directory), Random(1))
    server = grpc.aio.server(options=transport.settings.server_options())
    server.add_generic_rpc_handlers((transport.handlers(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await transport.start(Inbox(node_id, deliver))
    await server.start()
    return transport, server, port


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def follow(directory: str) -> None:
    """The other process: acknowledges appends, and tells its CPU time for each line of input."""

    def deliver(message: Message) -> None:
        transport.post(Message(Kind.APPEND_REPLY, message.sender, "n2", 1, index=message.index + len(message.entries)))

    transport, server, port = await serve("n2", deliver, directory)
    print(port, flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(cpu_seconds(), flush=True)
    await transport.stop()
    await server.stop(None)


class Leader:
    def __init__(self) -> None:
        self.transport: GrpcTransport | None = None
        self._acknowledged: asyncio.Future[None] | None = None

    def deliver(self, message: Message) -> None:
        if self._acknowledged is not None and not self._acknowledged.done():
            self._acknowledged.set_result(None)

    async def rounds(self, count: int, data: bytes) -> None:
        assert self.transport is not None
        for index in range(count):
            self._acknowledged = asyncio.get_running_loop().create_future()
            entry = Entry(1, index + 1, data)
            self.transport.post(Message(Kind.APPEND, "n2", "n1", 1, 1, index, (entry,), index))
            await self._acknowledged


async def lead(directory: str) -> None:
    with subprocess.Popen(  # noqa: ASYNC220 - nothing else runs yet
        [sys.executable, "-m", "tests.bench.bench_transport", "follow"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as follower:
        assert follower.stdin is not None
        assert follower.stdout is not None
        ask, answers = follower.stdin, follower.stdout

        def follower_cpu() -> float:
            ask.write("\n")
            ask.flush()
            return float(answers.readline())

        port = int(answers.readline())
        leader = Leader()
        transport, server, _ = await serve("n1", leader.deliver, directory)
        leader.transport = transport
        transport.set_peers({"n2": Member("n2", f"127.0.0.1:{port}")})
        while not transport.connected("n2"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        print(f"{'append of':>12} {'us/round':>10} {'CPU us/round':>13} {'rounds/s':>10}")
        for size in (0, 5_000, 50_000, 500_000):
            data = Random(size).randbytes(size)
            count = ROUNDS if size < 100_000 else ROUNDS // 10
            await leader.rounds(count // 10, data)
            cpu, started = cpu_seconds() + follower_cpu(), time.perf_counter()
            await leader.rounds(count, data)
            wall = time.perf_counter() - started
            cpu = cpu_seconds() + follower_cpu() - cpu
            print(f"{size:>12} {wall / count * 1e6:>10.0f} {cpu / count * 1e6:>13.0f} {count / wall:>10.0f}")
        await snapshot_beside_heartbeats(leader, Path(directory))
        await transport.stop()
        await server.stop(None)
        ask.close()


async def snapshot_beside_heartbeats(leader: Leader, directory: Path) -> None:
    """How long small messages take while a snapshot is on its way."""
    assert leader.transport is not None
    files = directory / "files"
    files.mkdir()
    size = 256 << 20
    with (files / "data").open("wb") as file:
        for block in range(size >> 20):
            file.write(Random(block).randbytes(1 << 20))
    done = asyncio.get_running_loop().create_future()
    started = time.perf_counter()
    message = Message(Kind.SNAPSHOT, "n2", "n1", 1)
    leader.transport.send_snapshot(message, SnapshotMeta(1, 1), files, done.set_result)
    rounds = []
    while not done.done():
        sent = time.perf_counter()
        await leader.rounds(1, b"")
        rounds.append(time.perf_counter() - sent)
        await asyncio.sleep(0.005)
    seconds = time.perf_counter() - started
    rounds.sort()
    median, late, last = (rounds[position] * 1e3 for position in (len(rounds) // 2, -len(rounds) // 100, -1))
    print(f"snapshot of {size >> 20} MiB: ok={done.result()}, {size / seconds / 2**20:.0f} MiB/s")
    print(f"meanwhile a round takes {median:.1f} ms (median), {late:.1f} ms (99 %), {last:.1f} ms (longest)")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        uvloop.run(follow(directory) if sys.argv[1:] == ["follow"] else lead(directory))


if __name__ == "__main__":
    main()
