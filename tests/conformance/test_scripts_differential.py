"""Random scripts beside a real redis-server (see `script_commands`).

As a program it goes on for a while: python -m tests.conformance.test_scripts_differential SECONDS [SEED]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from random import Random

import pytest

from tests.conformance.differential import close_enough, excused, normalised
from tests.conformance.script_commands import Asked, play
from tests.kit.raw_redis import RawRedis
from tests.kit.redis_reference import AVAILABLE, running_redis_server
from tests.kit.server_calls import ServerCalls

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="redis-server is not installed")


@pytest.fixture(scope="module")
def theirs() -> Iterator[RawRedis]:
    with running_redis_server() as server:
        connection = RawRedis(server.host, server.port)
        yield connection
        connection.close()


def same(asked: Asked, ours: bytes, theirs: bytes) -> bool:
    if ours == theirs:
        return True
    if asked.inner is None or not asked.inner:
        return False
    if excused(asked.inner, ours, theirs):
        return True
    mine, reference = normalised(asked.inner, ours, True, True), normalised(asked.inner, theirs, True, True)
    return mine == reference or close_enough(asked.inner, mine, reference)


def difference(theirs: RawRedis, plan: list[Asked], protocol: int) -> str:
    """The first reply that differs, in words; empty when all are the same."""
    ours = ServerCalls()
    ours.databases.limits.set_entries = 0  # sets have known listpacks since 7.2 only
    ours.call.protocol = protocol
    ours.store.view.now_ms = time.time_ns() // 1_000_000
    theirs.many([[b"HELLO", b"%d" % protocol], [b"FLUSHALL"], [b"SCRIPT", b"FLUSH"]])
    for asked, their_wire in zip(plan, theirs.many([asked.argv for asked in plan]), strict=True):
        our_wire = ours.wire(asked.argv)
        if not same(asked, our_wire, their_wire):
            return f"RESP{protocol} {asked.argv!r}\n  ours:   {our_wire!r}\n  theirs: {their_wire!r}"
    return ""


@pytest.mark.parametrize("seed", range(12))
def test_random_scripts(theirs: RawRedis, seed: int) -> None:
    assert difference(theirs, play(Random(seed), 150), 2 + seed % 2) == ""


def main() -> int:
    seconds, seed = float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 10**9
    ends_at = time.monotonic() + seconds
    scripts = found = 0
    with running_redis_server() as server:
        theirs = RawRedis(server.host, server.port)
        while time.monotonic() < ends_at and found < 20:
            plan = play(Random(seed), 150)
            shown = difference(theirs, plan, 2 + seed % 2)
            scripts += len(plan)
            if shown:
                found += 1
                sys.stdout.write(f"seed {seed}: {shown}\n")
            seed += 1
        theirs.close()
    sys.stdout.write(f"{scripts} scripts up to seed {seed}: {found} differences\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
