"""Split hashes and sets that are read whole again and again: kept, and never out of date."""

from __future__ import annotations

from random import Random

import pytest

from tests.kit.redis_calls import RedisCalls


@pytest.fixture(params=[1, 7])
def redis(request: pytest.FixtureRequest) -> RedisCalls:
    redis = RedisCalls(batch=request.param)
    redis.databases.limits.inline_bytes = 100
    return redis


def test_a_hash_that_does_not_change_is_kept_whole() -> None:
    redis = RedisCalls()
    redis.databases.limits.inline_bytes = 100
    redis.run("HSET", "h", *range(200))
    first = redis.reply([b"HGETALL", b"h"])
    assert redis.reply([b"HGETALL", b"h"]) is first
    redis.run("HSET", "h", 0, 1)  # the same value; nobody looks
    assert redis.reply([b"HGETALL", b"h"]) == first
    redis.run("HSET", "large", *range(2000))
    assert redis.reply([b"HGETALL", b"large"]) is not redis.reply([b"HGETALL", b"large"])


@pytest.mark.parametrize("seed", range(3))
def test_what_is_read_whole_is_what_is_stored(redis: RedisCalls, seed: int) -> None:
    rng = Random(seed)
    fields: dict[bytes, bytes] = {}
    members: set[bytes] = set()
    for number in range(1500):
        name, value = b"f%d" % rng.randrange(60), b"%d" % number
        match rng.randrange(8):
            case 0 | 1:
                redis.run("HSET", "h", name, value)
                fields[name] = value
            case 2:
                redis.run("HDEL", "h", name)
                fields.pop(name, None)
            case 3:
                redis.run("SADD", "s", name, name + b"x")
                members |= {name, name + b"x"}
            case 4:
                redis.run("SREM", "s", name)
                members.discard(name)
            case 5 if number % 3 == 0:
                other, kept = (b"h", b"h2") if rng.random() < 0.5 else (b"s", b"s2")
                redis.run("COPY", other, kept, "REPLACE")
                redis.run("RENAME", kept, other) if redis.run("EXISTS", kept) else None
            case _:
                for _ in range(2):
                    found = redis.reply([b"HGETALL", b"h"])
                    assert found == fields
                    listed = redis.reply([b"SMEMBERS", b"s"])
                    assert isinstance(listed, list)
                    assert sorted(listed) == sorted(members)
