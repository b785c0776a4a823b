"""The hyperloglog group; its bytes and replies are compared with Redis' in tests/conformance."""

from __future__ import annotations

from elastickv.redis_api.values import events
from tests.kit.redis_calls import RedisCalls

WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"
NO_SKETCH = b"WRONGTYPE Key is not a valid HyperLogLog string value."


def test_add_count_and_merge(redis: RedisCalls) -> None:
    run = redis.run
    assert run("PFADD", "h") == 1
    assert run("PFADD", "h") == 0
    assert run("PFCOUNT", "h") == 0
    assert run("PFADD", "h", "a", "b", "c") == 1
    assert run("PFADD", "h", "a", "b") == 0
    assert (run("PFCOUNT", "h"), run("PFCOUNT", "none"), run("PFCOUNT", "none", "h")) == (3, 0, 3)
    run("PFADD", "other", "c", "d")
    assert run("PFCOUNT", "h", "other") == 4
    assert run("PFMERGE", "union", "h", "other", "none") == b"OK"
    assert run("PFCOUNT", "union") == 4
    assert run("TYPE", "h") == b"string"
    assert run("OBJECT", "ENCODING", "h") == b"raw"
    assert run("PFDEBUG", "ENCODING", "h") == b"sparse"
    assert run("PFDEBUG", "TODENSE", "h") == 1
    assert run("PFDEBUG", "TODENSE", "h") == 0
    assert (run("PFCOUNT", "h"), run("STRLEN", "h")) == (3, 12304)
    run("PFMERGE", "union", "h")
    assert run("PFDEBUG", "ENCODING", "union") == b"dense"
    assert sum(map(bool, run("PFDEBUG", "GETREG", "h"))) == 3  # type: ignore[call-overload]
    assert run("PFSELFTEST") == b"OK"


def test_errors(redis: RedisCalls) -> None:
    redis.run("SET", "text", "abc")
    redis.run("SADD", "set", "a")
    redis.run("SET", "damaged", b"HYLL\x01" + bytes(10) + b"\x80" + b"\x00")
    for argv in (("PFADD", "text", "a"), ("PFCOUNT", "text"), ("PFMERGE", "d", "text"), ("PFDEBUG", "GETREG", "text")):
        assert redis.error(*argv) == NO_SKETCH
    for argv in (("PFADD", "set", "a"), ("PFCOUNT", "set"), ("PFMERGE", "set"), ("PFCOUNT", "none", "set")):
        assert redis.error(*argv) == WRONG_TYPE
    assert redis.error("PFCOUNT", "damaged") == b"INVALIDOBJ Corrupted HLL object detected"
    assert redis.error("PFMERGE", "d", "damaged") == b"INVALIDOBJ Corrupted HLL object detected"
    assert redis.error("PFDEBUG", "GETREG", "none") == b"ERR The specified key does not exist"
    redis.run("PFADD", "h", "a")
    assert redis.error("PFDEBUG", "WHAT", "h") == b"ERR Unknown PFDEBUG subcommand 'WHAT'"
    redis.run("PFDEBUG", "TODENSE", "h")
    assert redis.error("PFDEBUG", "DECODE", "h") == b"ERR HLL encoding is not sparse"


def test_the_deadline_stays_and_events_are_told(redis: RedisCalls) -> None:
    redis.run("PFADD", "h", "a")
    redis.run("PEXPIRE", "h", 500)
    heard: list[bytes] = []
    redis.databases.listener = lambda database, kind, event, key: heard.append(event) if kind == events.STRING else None
    redis.run("PFADD", "h", "b")
    redis.run("PFADD", "h", "b")
    redis.run("PFMERGE", "h")
    assert heard == [b"pfadd", b"pfadd"]
    assert redis.run("PTTL", "h") == 500
