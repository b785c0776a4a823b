"""What scripts cost, in process and without sockets, beside the commands that they call:

    python -m tests.bench.bench_scripts [SECONDS]

Prints the best of many short runs, in microseconds per command.
"""

from __future__ import annotations

import sys
import time

from tests.kit.server_calls import ServerCalls

SET = b"return redis.call('set',KEYS[1],ARGV[1])"
CASES: dict[str, list[bytes]] = {
    "SET": [b"SET", b"k", b"v"],
    "GET": [b"GET", b"k"],
    "EVAL return 1": [b"EVAL", b"return 1", b"0"],
    "EVAL set": [b"EVAL", SET, b"1", b"k", b"v"],
    "EVAL get": [b"EVAL", b"return redis.call('get',KEYS[1])", b"1", b"k"],
    "EVAL 10 x get": [b"EVAL", b"for i = 1, 10 do redis.call('get',KEYS[1]) end", b"1", b"k"],
    "EVAL mget of 10": [b"EVAL", b"return redis.call('mget',unpack(ARGV))", b"0", *[b"k"] * 10],
    "EVAL lrange of 100": [b"EVAL", b"return #redis.call('lrange','list',0,-1)", b"0"],
    "EVAL return 10": [b"EVAL", b"return {1,2,3,4,5,'a','b','c','d','e'}", b"0"],
    "EVAL cjson, 200 bytes": [
        b"EVAL",
        b"return cjson.encode(cjson.decode(ARGV[1]))",
        b"0",
        b'{"id":12345,"name":"somebody","tags":["a","b","c"],"nested":{"x":1.5,"y":[1,2,3]},"text":"'
        + b"x" * 90
        + b'"}',
    ],
    "FCALL set": [b"FCALL", b"f", b"1", b"k", b"v"],
}


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    server = ServerCalls()
    server.run("RPUSH", "list", *[b"element:%d" % number for number in range(100)])
    server.run("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function(keys, args) "
               "return redis.call('set', keys[1], args[1]) end)")  # fmt: skip
    execute, call, settle = server.router.execute, server.call, server.store.settle
    best = dict.fromkeys(CASES, 1e9)
    ends_at = time.perf_counter() + seconds
    while time.perf_counter() < ends_at:
        for name, argv in CASES.items():
            started = time.perf_counter()
            for _ in range(20):
                execute(call, argv)
                settle()
            best[name] = min(best[name], (time.perf_counter() - started) / 20)
    for name, each in best.items():
        print(f"{name:24} {each * 1e6:7.2f} µs")


if __name__ == "__main__":
    main()
