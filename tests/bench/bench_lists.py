"""What list and stream commands cost in process: one client's handlers on a view over a dict, without sockets.

    python -m tests.bench.bench_lists [--elements 1000000]

Microseconds per command, for a short queue and for one of a million elements. Asserts nothing.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable

import pytest

from elastickv.kv.view import Batch
from elastickv.redis_api.replies import encode
from tests.kit.redis_calls import RedisCalls, words

VALUE = "x" * 64
BATCH = 50
"""Commands that are committed together."""


def apply(redis: RedisCalls) -> None:
    """Commit what was written, as a node does that has not flushed it yet."""
    redis.databases.save_sizes()
    view = redis.store.view
    view.applied.merge(view.forming)
    view.forming = Batch()
    view.dependency = None


def measure(redis: RedisCalls, name: str, argv: Callable[[int], list[bytes]], count: int) -> None:
    asked = [argv(number) for number in range(count)]
    call, find = redis.call, redis._find
    handlers = [find(one).handler for one in asked]
    gc.disable()
    began = time.perf_counter()
    for number, (handler, one) in enumerate(zip(handlers, asked, strict=True)):
        call.argv = one
        encode(handler(call))
        if number % BATCH == BATCH - 1:
            apply(redis)
    spent = time.perf_counter() - began
    gc.enable()
    apply(redis)
    print(f"  {name:34} {spent / count * 1e6:8.2f} µs")


def _ends_and_middle(redis: RedisCalls, middle: int) -> None:
    measure(redis, "LPUSH", lambda n: words("LPUSH", "q", VALUE), 2000)
    measure(redis, "RPOP", lambda n: words("RPOP", "q"), 2000)
    measure(redis, "LMOVE q q", lambda n: words("LMOVE", "q", "q", "LEFT", "RIGHT"), 2000)
    measure(redis, "LRANGE 0 99", lambda n: words("LRANGE", "q", 0, 99), 2000)
    measure(redis, "LINDEX in the middle", lambda n: words("LINDEX", "q", middle + n % 5), 2000)
    measure(redis, "LRANGE of 100 in the middle", lambda n: words("LRANGE", "q", middle, middle + 99), 2000)
    measure(redis, "LSET in the middle", lambda n: words("LSET", "q", middle, VALUE), 2000)


def run(elements: int) -> None:
    for size in (10, elements):
        print(f"\na list of {size:,} elements of {len(VALUE)} bytes")
        redis = RedisCalls()
        redis.store.settle = lambda: None  # type: ignore[method-assign]
        for start in range(0, size, 10_000):
            redis.run("RPUSH", "q", *[f"{VALUE[:50]}{n:014d}" for n in range(start, min(size, start + 10_000))])
        apply(redis)
        _ends_and_middle(redis, size // 2)
    print("\na stream")
    redis = RedisCalls()
    redis.store.settle = lambda: None  # type: ignore[method-assign]
    measure(redis, "XADD *", lambda n: words("XADD", "s", "*", "field", VALUE), 20_000)
    redis.run("XGROUP", "CREATE", "s", "g", "0")
    apply(redis)
    measure(redis, "XADD MAXLEN ~ 1000", lambda n: words("XADD", "t", "MAXLEN", "~", 1000, "*", "field", VALUE), 5000)
    read = words("XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "s", ">")
    measure(redis, "XREADGROUP COUNT 1", lambda n: read, 2000)
    ids = [id for id, *_ in redis.run("XPENDING", "s", "g", "-", "+", 2000)]  # type: ignore[attr-defined]
    measure(redis, "XACK", lambda n: [b"XACK", b"s", b"g", ids[n]], 2000)
    measure(redis, "XRANGE - + COUNT 100", lambda n: words("XRANGE", "s", "-", "+", "COUNT", 100), 500)


@pytest.mark.bench
def test_costs() -> None:
    run(1_000_000)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", type=int, default=1_000_000)
    run(parser.parse_args().elements)
