"""The two forms of a stream's record, and the short way to add to a young stream, beside the long one."""

from __future__ import annotations

from random import Random

import pytest

from elastickv.redis_api.commands import streams as commands
from elastickv.redis_api.values import streams
from tests.kit.redis_calls import RedisCalls, words

LONG_RECORD = 1 + 17 + 104
YOUNG_RECORD = 1 + 17 + 36


@pytest.fixture
def redis() -> RedisCalls:
    return RedisCalls()


def record(calls: RedisCalls, key: bytes = b"s") -> bytes:
    found = calls.call.db.lookup(key)
    assert found is not None
    return found.raw


def plan(rng: Random) -> list[list[bytes]]:
    def key() -> bytes:
        return b"s%d" % rng.randrange(3)

    def added() -> list[bytes]:
        fields = [b"x" * rng.choice((0, 1, 40, 200)) for _ in range(2 * rng.randint(1, 2))]
        return [b"XADD", key(), rng.choice((b"*", b"*", b"*", b"%d-*" % (1 << 42))), *fields]

    rare = [
        lambda: [b"XDEL", key(), b"%d-0" % (1 << 42)],
        lambda: [b"XTRIM", key(), b"MAXLEN", b"%d" % rng.randrange(5)],
        lambda: [b"XGROUP", b"CREATE", key(), b"g", b"0", b"MKSTREAM"],
        lambda: [b"XSETID", key(), b"%d-5" % (1 << 42)],
        lambda: [b"DEL", key()],
        lambda: [b"EXPIRE", key(), b"100"],
        lambda: [b"SET", key(), b"a string"],
    ]
    return [rng.choice(rare)() if rng.random() < 0.1 else added() for _ in range(200)]


@pytest.mark.parametrize("seed", range(6))
def test_both_ways_to_add_leave_the_same_records(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    commands_run = plan(Random(seed))
    stored = []
    replies = []
    for quick in (True, False):
        if not quick:
            monkeypatch.setattr(commands, "add_next", lambda *_: None)
        calls = RedisCalls(seed=1)
        calls.databases.limits.stream_node_entries = 7
        calls.databases.limits.stream_node_bytes = 600
        found = []
        for number, argv in enumerate(commands_run):
            calls.sleep(number % 3 - 1)
            found.append(calls.wire(argv, 2))
        replies.append(found)
        stored.append(list(calls.store.view.scan(b"", b"")))
    assert replies[0] == replies[1]
    assert stored[0] == stored[1]


def test_a_young_stream_has_a_short_record_until_it_is_more(redis: RedisCalls) -> None:
    redis.run("XADD", "s", "*", "f", "v")
    assert len(record(redis)) == YOUNG_RECORD
    redis.run("XADD", "s", "*", "f", "v", "f", "v")
    assert len(record(redis)) == YOUNG_RECORD
    redis.run("XGROUP", "CREATE", "s", "g", "0")
    assert len(record(redis)) == LONG_RECORD
    redis.run("XADD", "s", "*", "f", "v")
    assert redis.run("XLEN", "s") == 3
    redis.run("XGROUP", "DESTROY", "s", "g")
    assert len(record(redis)) == LONG_RECORD  # the number of the next group is not told by the short form


def test_records_of_earlier_versions_are_read(redis: RedisCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(commands, "add_next", lambda *_: None)
        earlier.setattr(streams.Stream, "_young", False)
        for _ in range(3):
            redis.run("XADD", "s", "*", "f", "v")
        assert len(record(redis)) == LONG_RECORD
        before = redis.wire(words("XINFO", "STREAM", "s", "FULL"), 2)
    assert redis.wire(words("XINFO", "STREAM", "s", "FULL"), 2) == before
    redis.run("XADD", "s", "*", "f", "v")
    assert redis.run("XLEN", "s") == 4
    assert len(record(redis)) == LONG_RECORD
    redis.run("XADD", "s", "9999999999999-1", "f", "v")
    assert len(record(redis)) == YOUNG_RECORD
    assert redis.run("XLEN", "s") == 5
