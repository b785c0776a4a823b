"""What a request costs in Python, without sockets: python -m tests.bench.bench_resp

Bursts go straight into `Connection.data_received` over a transport that only counts. The first figures are for the
parser alone, the others for everything between the socket's read and its write.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from elastickv.redis_api.connection import Connection
from elastickv.redis_api.resp import Parser, encode_command
from tests.kit.redis_door import Door

BURSTS = 4000
ROUNDS = 7


class CountingTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = 0

    def write(self, data: Any) -> None:
        self.written += len(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


def best_ns(action: Callable[[], object]) -> float:
    """Nanoseconds of one call: the best of some rounds, because the machine has other things to do."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter_ns()
        for _ in range(BURSTS):
            action()
        best = min(best, (time.perf_counter_ns() - started) / BURSTS)
    return best


def burst(name: str, depth: int) -> bytes:
    commands = []
    for number in range(depth):
        key = b"key:%012d" % number
        commands.append({"get": [b"GET", key], "set": [b"SET", key, b"x" * 64], "ping": [b"PING"]}[name])
    return b"".join(map(encode_command, commands))


async def main() -> None:
    door = Door()
    transport = CountingTransport()
    connection = Connection(door.server.hub)
    connection.connection_made(transport)
    for number in range(16):
        connection.data_received(encode_command([b"SET", b"key:%012d" % number, b"x" * 64]))
    print(f"{'':14}{'parser':>12}{'whole':>12}   ns per command")
    for depth in (1, 16):
        for name in ("ping", "get", "set"):
            data = burst(name, depth)
            parser = Parser()
            parsing = best_ns(lambda data=data, parser=parser: parser.feed(data)) / depth  # type: ignore[misc]

            def turn(data: bytes = data) -> None:
                connection.data_received(data)
                connection.hub.send_all()

            whole = best_ns(turn) / depth
            print(f"{name + f' -P {depth}':14}{parsing:12.0f}{whole:12.0f}")


if __name__ == "__main__":
    asyncio.run(main())
