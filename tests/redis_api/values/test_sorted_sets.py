"""How sorted sets lie in the keyspace, and what stays in memory of them."""

from __future__ import annotations

from random import Random

import pytest

from elastickv.kv.keyspace import ELEMENT, prefix_end
from elastickv.redis_api.values import sorted_sets
from elastickv.redis_api.values.counted_tree import Shape
from elastickv.redis_api.values.sorted_sets import INLINE_BYTES, InlineSet, SplitSet
from elastickv.redis_api.values.tree_cache import TreeCache
from tests.kit.redis_calls import RedisCalls

TINY = Shape(leaf_entries=4, leaf_bytes=200, slots=3, lower_children=3, upper_children=4)


@pytest.fixture
def redis() -> RedisCalls:
    calls = RedisCalls()
    calls.databases.trees.shape = TINY
    return calls


def add(redis: RedisCalls, key: str, count: int, start: int = 0) -> None:
    redis.run(
        "ZADD", key, *(word for number in range(start, start + count) for word in (number, f"member:{number:06}"))
    )


def members(redis: RedisCalls, key: str) -> list[bytes]:
    reply = redis.run("ZRANGE", key, 0, -1)
    assert isinstance(reply, list)
    return reply


def elements(redis: RedisCalls) -> int:
    return sum(1 for _ in redis.store.view.scan(ELEMENT, prefix_end(ELEMENT)))


def layout(redis: RedisCalls, key: bytes) -> type:
    return type(sorted_sets.find(redis.call.db, key))


def test_small_ones_are_one_record(redis: RedisCalls) -> None:
    add(redis, "z", 20)
    assert layout(redis, b"z") is InlineSet
    assert elements(redis) == 0
    add(redis, "z", 100)
    assert layout(redis, b"z") is SplitSet
    assert redis.run("ZCARD", "z") == 100
    assert redis.run("OBJECT", "ENCODING", "z") == b"listpack"
    assert members(redis, "z") == [b"member:%06d" % number for number in range(100)]


@pytest.mark.parametrize("pop", [("ZPOPMIN", "z"), ("ZPOPMAX", "z"), ("ZMPOP", 1, "z", "MIN"), ("ZPOPMIN", "z", 1)])
def test_a_member_without_a_name_can_be_popped_and_come_again(redis: RedisCalls, pop: tuple[str | int, ...]) -> None:
    add(redis, "z", 200)
    redis.run("ZADD", "z", 999 if pop[0] == "ZPOPMAX" else -1, "")
    redis.run(*pop)
    assert redis.run("ZSCORE", "z", "") is None
    assert redis.run("ZADD", "z", 5, "") == 1
    assert redis.run("ZRANK", "z", "") == 5


def test_a_large_member_splits(redis: RedisCalls) -> None:
    redis.run("ZADD", "z", 1, "m" * INLINE_BYTES)
    assert layout(redis, b"z") is SplitSet
    assert members(redis, "z") == [b"m" * INLINE_BYTES]


def test_the_last_member_takes_everything_along(redis: RedisCalls) -> None:
    add(redis, "z", 200)
    redis.run("ZREM", "z", *members(redis, "z"))
    assert redis.run("EXISTS", "z") == 0
    while redis.databases.clearing.purge(50):
        pass
    assert elements(redis) == 0


@pytest.mark.parametrize("command", ["DEL z", "SET z x", "ZREMRANGEBYRANK z 0 -1", "ZUNIONSTORE z 1 none", "FLUSHALL"])
def test_whatever_removes_the_key_removes_the_elements(redis: RedisCalls, command: str) -> None:
    add(redis, "z", 200)
    redis.store.settle()
    assert elements(redis) > 200
    if command == "FLUSHALL":
        redis.databases.flush([0])
    else:
        redis.run(*command.split())
    while redis.databases.clearing.purge(1000):
        pass
    assert elements(redis) == 0


def test_rename_and_copy(redis: RedisCalls) -> None:
    add(redis, "z", 100)
    redis.run("COPY", "z", "copy")
    redis.run("RENAME", "z", "other")
    add(redis, "other", 10, 1000)
    redis.run("ZREM", "copy", "member:000050")
    assert redis.run("ZCARD", "other") == 110
    assert redis.run("ZRANK", "other", "member:000051") == 51
    assert redis.run("ZRANK", "copy", "member:000051") == 50
    assert len(members(redis, "copy")) == 99


def test_what_was_undone_is_not_remembered(redis: RedisCalls) -> None:
    view = redis.store.view
    for count in (10, 100):
        add(redis, "z", count)
        before = members(redis, "z")
        view.begin()
        for number in range(0, count, 2):
            found = sorted_sets.find(redis.call.db, b"z")
            assert found is not None
            member = b"member:%06d" % number
            key = found.key_of(member)
            assert key is not None
            found.drop(member, key)
            found.save()
        assert len(members_now(redis)) == count // 2
        view.undo()
        assert members_now(redis) == before
        assert redis.run("ZRANK", "z", "member:000009") == 9


def members_now(redis: RedisCalls) -> list[bytes]:
    found = sorted_sets.find(redis.call.db, b"z")
    assert found is not None
    return [entry[8:] for entry in found.slice(0, len(found))]


def test_a_command_that_fails_half_way_is_not_remembered(redis: RedisCalls) -> None:
    view = redis.store.view
    add(redis, "z", 100)
    view.begin()
    found = sorted_sets.find(redis.call.db, b"z")
    assert found is not None
    found.set(b"new", None, b"\x80" + bytes(7))
    view.undo()  # and `save` was never called
    assert redis.run("ZRANK", "z", "member:000009") == 9
    assert redis.run("ZCARD", "z") == len(members(redis, "z")) == 100


def test_leaves_are_let_go_when_they_are_many(redis: RedisCalls) -> None:
    redis.databases.trees = TreeCache(limit_bytes=40_000)
    redis.databases.trees.shape = TINY
    rng = Random(1)
    for key in ("y", "z"):
        add(redis, key, 500)
    expected = {key: [b"member:%06d" % number for number in range(500)] for key in ("y", "z")}
    for _ in range(300):
        key = rng.choice("yz")
        member = rng.choice(expected[key])
        assert redis.run("ZRANK", key, member) == expected[key].index(member)
        if rng.random() < 0.5:
            redis.run("ZREM", key, member)
            expected[key].remove(member)
    assert redis.databases.trees._size < 40_000 + 500 * 4096
    for key in ("y", "z"):
        assert members(redis, key) == expected[key]


def test_few_trees_are_kept(redis: RedisCalls) -> None:
    redis.databases.trees = TreeCache(trees_limit=3)
    for number in range(10):
        add(redis, f"z{number}", 60)
    assert len(redis.databases.trees._trees) == 3
    for number in range(10):
        assert redis.run("ZRANK", f"z{number}", "member:000033") == 33


def test_what_it_rests_on(redis: RedisCalls) -> None:
    """An answer from a tree in memory waits for the batch that changed it last."""
    add(redis, "z", 100)
    view = redis.store.view
    view.dependency = None
    redis.call.argv = [b"ZADD", b"z", b"5", b"new"]
    redis._find(redis.call.argv).handler(redis.call)
    view.dependency = None
    redis.call.argv = [b"ZRANGE", b"z", b"90", b"99"]
    redis._find(redis.call.argv).handler(redis.call)
    assert view.dependency is view.forming
