"""SPOP from large sets: everyone once, whoever comes or goes meanwhile, with the same chance."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from elastickv.redis_api.values import reservoirs
from tests.kit.redis_calls import RedisCalls


def large_set(redis: RedisCalls, size: int) -> set[bytes]:
    members = {b"member:%d" % number for number in range(size)}
    redis.databases.limits.inline_bytes = 64
    redis.run("SADD", "s", *sorted(members))
    return members


@pytest.fixture(params=["whole", "windows"])
def redis(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> RedisCalls:
    if request.param == "windows":
        monkeypatch.setattr(reservoirs, "_WHOLE", 64)
        monkeypatch.setattr(reservoirs, "_WHOLE_DRAINED", 128)
    return RedisCalls()


def test_everyone_is_popped_once_while_others_come_and_go(redis: RedisCalls) -> None:
    there = large_set(redis, 2000)
    rng = Random(3)
    for number in range(6000):
        choice = rng.random()
        if choice < 0.6:
            member = redis.run("SPOP", "s")
            if member is None:
                break
            assert isinstance(member, bytes)
            there.remove(member)
        elif choice < 0.8:
            member = rng.choice(sorted(there)) if rng.random() < 0.5 and there else b"new:%d" % (number % 300)
            assert redis.run("SADD", "s", member) == (member not in there)
            there.add(member)
        elif there:
            member = rng.choice(sorted(there)) if number % 2 else b"new:%d" % (number % 300)
            assert redis.run("SREM", "s", member) == (member in there)
            there.discard(member)
        assert redis.run("SCARD", "s") == len(there)
    while (member := redis.run("SPOP", "s")) is not None:
        assert isinstance(member, bytes)
        there.remove(member)
    assert not there
    assert redis.run("EXISTS", "s") == 0


def test_who_comes_or_comes_back_has_the_same_chance() -> None:
    first: Counter[object] = Counter()
    for seed in range(600):
        redis = RedisCalls(seed=seed)
        large_set(redis, 10)
        redis.run("SPOP", "s")
        redis.run("SADD", "s", "back", "new")
        for _ in range(3):
            redis.run("SREM", "s", "back")
            redis.run("SADD", "s", "back")
        first[redis.run("SPOP", "s")] += 1
    # 11 members: 54.5 of 600 on average, with a standard deviation of 7.
    assert 28 < first[b"back"] < 82
    assert 28 < first[b"new"] < 82


def test_reservoirs_do_not_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reservoirs, "_WHOLE_DRAINED", 100)
    monkeypatch.setattr(reservoirs, "_MOST_RESERVOIRS", 4)
    redis = RedisCalls()
    there = large_set(redis, 50)
    there.remove(redis.run("SPOP", "s"))  # type: ignore[arg-type]
    for number in range(200):
        redis.run("SADD", "s", b"later:%d" % number)
        there.add(b"later:%d" % number)
    for number in range(10):
        redis.run("SADD", f"t{number}", *range(100))
        redis.run("SPOP", f"t{number}")
    kept = redis.databases.reservoirs._by_prefix
    assert len(kept) <= 4
    assert all(len(one.waiting) <= 100 for one in kept.values())
    popped = {redis.run("SPOP", "s") for _ in range(len(there))}
    assert popped == there


def test_a_reservoir_of_former_proposals_is_forgotten(redis: RedisCalls) -> None:
    there = large_set(redis, 200)
    there.remove(redis.run("SPOP", "s"))  # type: ignore[arg-type]
    redis.databases.load()
    assert not redis.databases.reservoirs._by_prefix
    assert {redis.run("SPOP", "s") for _ in range(199)} == there
