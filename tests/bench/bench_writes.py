"""What the writes that redis-benchmark sends cost the leader in this process: the handlers, and what is logged.

    python -m tests.bench.bench_writes [--rounds 3] [--only INCR ZADD ...]

Batches of 256 commands on 100,000 keys or members, as clients with a pipeline make them: microseconds of this process'
time for a handler, for applying the batch and for turning it into a log entry and back (a follower's part of it), bytes
of log and records a command. The lowest of the rounds. Asserts nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from random import Random
from typing import Final

from elastickv.kv.effects import decode, encode
from elastickv.redis_api.replies import encoders
from tests.kit.redis_calls import RedisCalls

Words = list[bytes]

BATCH: Final = 256
PIPELINE: Final = 16
COMMANDS: Final = 200 * BATCH
KEYS: Final = 100_000
VALUE: Final = b"x" * 64


def element(rng: Random) -> bytes:
    return b"element:%012d" % rng.randrange(KEYS)


LOADS: Final[dict[str, Callable[[Random], Words]]] = {
    "SET": lambda rng: [b"SET", b"key:%012d" % rng.randrange(KEYS), VALUE],
    "INCR": lambda rng: [b"INCR", b"counter:%012d" % rng.randrange(KEYS)],
    "LPUSH": lambda _: [b"LPUSH", b"mylist", VALUE],
    "LPOP": lambda _: [b"LPOP", b"mylist"],
    "SADD": lambda rng: [b"SADD", b"myset", element(rng)],
    "SPOP": lambda _: [b"SPOP", b"myset"],
    "HSET": lambda rng: [b"HSET", b"myhash", element(rng), VALUE],
    "ZADD": lambda rng: [b"ZADD", b"myzset", b"%012d" % rng.randrange(KEYS), element(rng)],
    "ZPOPMIN": lambda _: [b"ZPOPMIN", b"myzset"],
    "MSET": lambda rng: [b"MSET", *(word for _ in range(10) for word in (b"key:%012d" % rng.randrange(KEYS), VALUE))],
    "XADD": lambda rng: [b"XADD", b"stream:%012d" % rng.randrange(KEYS), b"*", b"field", VALUE],
}
_FILLED: Final = {"LPOP": "LPUSH", "SPOP": "SADD", "ZPOPMIN": "ZADD"}
"""Pops find as many elements as these commands leave behind, so that they are writes."""


class Bench:
    def __init__(self) -> None:
        self._calls = RedisCalls()

    def run(self, plan: list[Words]) -> tuple[float, float, float, float, float]:
        """(handler, batch to the memtable, entry made and read, bytes, records), each for one command."""
        calls = self._calls
        call, view = calls.call, calls.store.view
        encoder_of = encoders(2)
        handled = applied = coded = 0.0
        size = records = 0
        for start in range(0, len(plan), BATCH):
            batch = plan[start : start + BATCH]
            view.now_ms += 1
            command = calls._find(batch[0])
            alike = command.alike if batch[0] == batch[1] else None
            began = time.process_time()
            if alike is not None:
                for _ in range(0, len(batch), PIPELINE):
                    call.argv = batch[0]
                    for reply in alike(call, PIPELINE) or ():
                        encoder_of[type(reply)](reply)
            else:
                handler = command.handler
                for argv in batch:
                    call.argv = argv
                    reply = handler(call)
                    encoder_of[type(reply)](reply)
            calls.databases.save_sizes()
            view.write_out()
            handled += time.process_time() - began
            began = time.process_time()
            data = encode(view.forming)
            decode(data)
            coded += time.process_time() - began
            size += len(data)
            records += len(view.forming.puts)
            began = time.process_time()
            calls.store.settle()
            applied += time.process_time() - began
        each = 1e6 / len(plan)
        return handled * each, applied * each, coded * each, size / len(plan), records / len(plan)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(LOADS))
    arguments = parser.parse_args()
    print(f"{'':10}{'handler µs':>12}{'apply µs':>10}{'log µs':>10}{'log bytes':>11}{'records':>9}")
    for name in arguments.only:
        rng = Random(1)
        bench = Bench()
        found = []
        for _ in range(arguments.rounds):
            filler = _FILLED.get(name)
            if filler is not None:
                bench.run([LOADS[filler](rng) for _ in range(COMMANDS)])
            count = COMMANDS if filler != "SADD" else COMMANDS // 2
            found.append(bench.run([LOADS[name](rng) for _ in range(count)]))
        handled, applied, coded, size, records = min(found)
        print(f"{name:10}{handled:12.2f}{applied:10.2f}{coded:10.2f}{size:11.0f}{records:9.2f}", flush=True)


if __name__ == "__main__":
    main()
