"""What commands on hashes and sets cost in this process, from the words to the bytes of the reply:

    python -m tests.bench.bench_collections [--seconds 0.3]

Writes are applied in batches of 64, as a leader does when they come back from the log; the log itself, the disk and the
network are left out. SET and GET stand beside for comparison.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from itertools import count

from elastickv.kv.view import Batch
from elastickv.redis_api.registry import COMMANDS
from elastickv.redis_api.replies import RESP2
from tests.kit.redis_calls import RedisCalls, Word, words

_BATCH = 64
_VALUE = b"x" * 64
_LARGE = 100_000


class Bench:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._calls = RedisCalls()
        self._numbers = count()
        self._reference = 0.0

    def run(self, *argv: Word) -> None:
        call = self._calls.call
        call.argv = words(*argv)
        COMMANDS[call.argv[0].decode()].handler(call)
        self._apply()

    def _apply(self) -> None:
        view = self._calls.store.view
        self._calls.databases.save_sizes()
        view.applied.merge(view.forming)
        view.forming = Batch(view.forming.sequence + 1)

    def measure(self, title: str, make: Callable[[int], tuple[Word, ...]]) -> None:
        call = self._calls.call
        # What is done once only (the order of keys for the first scan) is not counted.
        self.run(*make(next(self._numbers)))
        self.run(*make(next(self._numbers)))
        done = 0
        spent = 0.0
        while spent < self._seconds:
            batch = [words(*make(next(self._numbers))) for _ in range(_BATCH)]
            began = time.perf_counter()
            for argv in batch:
                call.argv = argv
                reply = COMMANDS[argv[0].decode()].handler(call)
                RESP2[type(reply)](reply)
            self._apply()
            spent += time.perf_counter() - began
            done += len(batch)
        each = spent / done * 1e6
        self._reference = self._reference or each
        sys.stdout.write(f"{title:45} {each:8.2f} µs {each / self._reference:6.1f} times SET\n")


def field(number: int) -> bytes:
    return b"field:%d" % number


def hashes(bench: Bench, size: int) -> None:
    name = b"h%d" % size
    bench.run("hset", name, *(word for at in range(size) for word in (field(at), _VALUE)))
    bench.measure(f"HSET, one of {size:,} fields", lambda n: ("hset", name, field(n * 7919 % size), b"%064d" % n))
    bench.measure(f"HGET, {size:,} fields", lambda n: ("hget", name, field(n * 7919 % size)))
    if size < _LARGE:
        bench.measure(f"HGETALL, {size:,} fields", lambda n: ("hgetall", name))
        bench.measure(f"HSET and HGETALL in turn, {size:,} fields", lambda n: (
            ("hset", name, field(0), b"%064d" % n) if n % 2 else ("hgetall", name)))  # fmt: skip
    else:
        bench.measure("HSET, a new field", lambda n: ("hset", name, b"new:%d" % n, _VALUE))


def sets(bench: Bench, size: int) -> None:
    name = b"s%d" % size
    bench.run("sadd", name, *(b"member:%d" % at for at in range(size)))
    bench.measure(f"SADD, there already, {size:,} members", lambda n: ("sadd", name, "member:0"))
    bench.measure(f"SADD and SREM in turn, {size:,} members", lambda n: ("sadd" if n % 2 else "srem", name, "other"))
    bench.measure(f"SISMEMBER, {size:,} members", lambda n: ("sismember", name, "member:0"))
    if size < _LARGE:
        bench.measure(f"SMEMBERS, {size:,} members", lambda n: ("smembers", name))
    else:
        bench.measure("SADD, a new member", lambda n: ("sadd", name, b"new:%d" % n))
    bench.measure(f"SRANDMEMBER, {size:,} members", lambda n: ("srandmember", name))
    bench.measure(f"SPOP and SADD in turn, {size:,} members", lambda n: (
        ("sadd", name, b"new:%d" % n) if n % 2 else ("spop", name)))  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of commands on hashes and sets.")
    parser.add_argument("--seconds", type=float, default=0.3, help="for each line")
    bench = Bench(parser.parse_args().seconds)
    bench.measure("SET", lambda n: ("set", "k", _VALUE))
    bench.measure("GET", lambda n: ("get", "k"))
    for size in (1, 10, 100, _LARGE):
        hashes(bench, size)
    for size in (1, 10, 100, _LARGE):
        sets(bench, size)


if __name__ == "__main__":
    main()
