"""Scripts, functions and their commands, played on ours and on a real redis-server: replies are the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tests.kit.raw_redis import RawRedis
from tests.kit.redis_reference import RedisReference
from tests.kit.server_calls import ServerCalls
from tests.redis_api.scripting import cases


class Both:
    """Ours and the reference, both empty."""

    def __init__(self, reference: RedisReference, protocol: int) -> None:
        self.ours = ServerCalls()
        self.ours.call.protocol = protocol
        self.theirs = RawRedis(reference.host, reference.port)
        self.theirs.many([[b"HELLO", b"%d" % protocol], [b"FLUSHALL"], [b"SCRIPT", b"FLUSH"], [b"FUNCTION", b"FLUSH"]])

    def differences(self, commands: Sequence[Sequence[bytes]]) -> list[tuple[Sequence[bytes], bytes, bytes]]:
        found = []
        for argv in commands:
            ours = self.ours.wire(list(argv))
            theirs = self.theirs.one(*argv)
            if ours != theirs:
                found.append((argv, ours, theirs))
        return found


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def both(redis_reference: RedisReference, request: pytest.FixtureRequest) -> Iterator[Both]:
    both = Both(redis_reference, request.param)
    yield both
    both.theirs.close()


@pytest.mark.parametrize(
    "scripts", [cases.ERRORS, cases.VALUES, cases.LIBRARIES], ids=["errors", "values", "libraries"]
)
def test_scripts(both: Both, scripts: Sequence[str]) -> None:
    commands = [[b"EVAL", script.encode("latin-1"), b"1", b"key", b"arg"] for script in scripts]
    assert both.differences(commands) == []


def test_commands(both: Both) -> None:
    assert both.differences([[word.encode() for word in argv] for argv in cases.COMMANDS]) == []


def test_loading_of_libraries(both: Both) -> None:
    commands = []
    for code in cases.LOADS:
        commands += [[b"FUNCTION", b"LOAD", code.encode()], [b"FUNCTION", b"FLUSH"]]
    assert both.differences(commands) == []


def test_payloads_of_functions_go_both_ways(redis_reference: RedisReference) -> None:
    code = b"#!lua name=mine\nredis.register_function('f', function(keys, args) return args[1] end)\n" + b"--" * 100
    theirs = RawRedis(redis_reference.host, redis_reference.port)
    theirs.many([[b"FUNCTION", b"FLUSH"], [b"FUNCTION", b"LOAD", code]])
    dumped = theirs.one(b"FUNCTION", b"DUMP")
    ours = ServerCalls()
    assert ours.run("FUNCTION", "RESTORE", dumped.split(b"\r\n", 1)[1][:-2]) == b"OK"
    assert ours.run("FCALL", "f", 0, "here") == b"here"
    payload = ours.run("FUNCTION", "DUMP")
    assert theirs.many([[b"FUNCTION", b"FLUSH"], [b"FUNCTION", b"RESTORE", payload]]) == [b"+OK\r\n"] * 2
    assert theirs.one(b"FCALL", b"f", b"0", b"there") == b"$5\r\nthere\r\n"
    theirs.close()
