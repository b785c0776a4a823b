"""Lists of all sizes against Python's, with limits so low that few elements need many chunks and pages."""

from __future__ import annotations

from random import Random

import pytest

from elastickv.kv.keyspace import prefix_end
from elastickv.redis_api.replies import encode
from elastickv.redis_api.values import list_chunks, list_directory
from elastickv.redis_api.values.collections import elements, incarnation_of
from elastickv.redis_api.values.database import Database
from elastickv.redis_api.values.list_cache import ListCache
from elastickv.redis_api.values.list_ends import open_ends
from elastickv.redis_api.values.lists import List, open_list, store_list
from elastickv.redis_api.values.records import RecordType
from tests.kit.redis_calls import RedisCalls


@pytest.fixture(params=["small", "usual"])
def db(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Database:
    calls = RedisCalls()
    if request.param == "small":
        monkeypatch.setattr(list_directory, "PAGE_CHUNKS", 4)
        monkeypatch.setattr(list_chunks, "MAX_COUNT", 5)
        calls.databases.limits.inline_bytes = 40
    return calls.call.db


def opened(db: Database) -> List:
    return open_list(db, b"k") or List(db, b"k", None)


def check(db: Database, model: list[bytes]) -> None:
    """What is stored is the model, and nothing else is stored."""
    there = open_list(db, b"k")
    if there is None:
        assert model == []
        return
    assert list(there) == model
    assert there.count == len(model)
    assert there.range(0, len(model)) == model
    record = db.lookup(b"k")
    assert record is not None
    incarnation = incarnation_of(record.raw)
    if incarnation is not None:
        prefix = elements(incarnation)
        stored = [key[len(prefix) :] for key, _ in db.view.scan(prefix, prefix_end(prefix))]
        directory = there._middle() if there._had_middle else None
        named = 1 + bool(there._tail_count)
        pages = 0
        if directory is not None:
            pages = len(directory.order)
            assert pages
            assert [sum(count for _, count in directory.page(at)) for at in range(pages)] == directory.totals
            named += sum(len(directory.page(at)) for at in range(pages))
        assert len([one for one in stored if one.startswith(b"c")]) == named
        assert len([one for one in stored if one.startswith(b"p")]) == pages
        assert (b"r" in stored) == bool(pages)


def element(rng: Random) -> bytes:
    return rng.choice((b"", b"a", b"b", b"c" * rng.randint(1, 30), b"x" * 70, b"%d" % rng.randrange(10)))


@pytest.mark.parametrize("seed", range(25))
def test_any_sequence_of_changes(db: Database, seed: int) -> None:
    rng = Random(seed)
    model: list[bytes] = []
    for _ in range(250):
        change = rng.randrange(11)
        one = opened(db)
        size = len(model)
        if change < 2:
            # One at a time, as clients do it: mostly in few steps.
            left, value = rng.random() < 0.5, element(rng)
            ends = open_ends(db, b"k")
            if ends is not None and (length := ends.push([value], left=left)) is not None:
                assert length == size + 1
            else:
                one.push((value,), left=left)
                one.save()
            model[:] = [value, *model] if left else [*model, value]
            while rng.random() < 0.4:
                left = rng.random() < 0.5
                ends = open_ends(db, b"k")
                if ends is not None and (taken := ends.pop(left=left)) is not None:
                    assert taken == model.pop(0 if left else -1)
            if rng.random() < 0.5:
                check(db, model)
            continue
        if change < 4:
            values = [element(rng) for _ in range(rng.choice((1, 1, 3, 30)))]
            left = rng.random() < 0.5
            one.push(values, left=left)
            model[:] = [*reversed(values), *model] if left else [*model, *values]
        elif change == 4:
            count = rng.choice((1, 1, 2, 10, 40))
            left = rng.random() < 0.5
            expected = model[:count] if left else list(reversed(model))[:count]
            assert one.pop(count, left=left) == expected
            model[:] = model[count:] if left else model[: max(0, size - count)]
        elif change == 5 and size:
            start = rng.randrange(min(size, 8))
            end = rng.randint(max(start, size - 8), size)
            one.trim(start, end)
            model[:] = model[start:end]
        elif change == 6 and size:
            at = rng.randrange(size)
            model[at] = element(rng)
            one.set(at, model[at])
        elif change == 7 and size:
            at = rng.randint(0, size)
            value = element(rng)
            one.insert(at, value)
            model.insert(at, value)
        elif change == 8:
            value, reverse, most = element(rng), rng.random() < 0.5, rng.choice((0, 1, 2, 50))
            places = [at for at, held in enumerate(model) if held == value]
            if reverse:
                places.reverse()
            gone = set(places[:most] if most else places)
            assert one.remove(value, most, reverse=reverse) == len(gone)
            model[:] = [held for at, held in enumerate(model) if at not in gone]
        elif change == 9:
            value, reverse, most = element(rng), rng.random() < 0.5, rng.choice((0, 3, 20))
            looked_at = list(enumerate(model))
            if reverse:
                looked_at.reverse()
            if most:
                looked_at = looked_at[:most]
            expected_places = [at for at, held in looked_at if held == value]
            assert list(one.find(value, reverse=reverse, most=most)) == expected_places
            continue
        elif size:
            start = rng.randrange(size)
            end = rng.randint(start + 1, size)
            assert one.range(start, end) == model[start:end]
            continue
        one.save()
        check(db, model)


def test_a_deadline_stays_and_what_was_there_before_is_replaced(db: Database) -> None:
    deadline = db.view.now_ms + 1000
    db.store(b"k", RecordType.STRING, b"text")
    assert store_list(db, b"k", [b"v" * 30] * 20, deadline) == 20
    one = opened(db)
    one.pop(19, left=True)
    one.save()
    record = db.lookup(b"k")
    assert record is not None
    assert record.deadline == deadline
    check(db, [b"v" * 30])


def test_an_end_of_a_long_list_costs_one_chunk() -> None:
    calls = RedisCalls()
    store_list(calls.call.db, b"k", [b"%d" % number for number in range(3000)])
    calls.store.settle()
    for left in (True, False):
        one = opened(calls.call.db)
        one.pop(1, left=left)
        one.push((b"other",), left=left)
        one.save()
        assert len(calls.store.view.forming.puts) == 2, "a chunk and the record"
        calls.store.settle()


@pytest.mark.parametrize("seed", range(6))
def test_ranges_that_are_read_again_are_those_of_the_list(seed: int) -> None:
    rng = Random(seed)
    redis = RedisCalls(batch=rng.choice((1, 20)))
    redis.databases.limits.inline_bytes = 60
    redis.databases.lists = ListCache(limit_bytes=rng.choice((200, 5000)))
    model: list[bytes] = []
    for number in range(1500):
        word = b"%d" % number
        match rng.randrange(8):
            case 0:
                redis.run("RPUSH", "l", word, word)
                model += [word, word]
            case 1:
                redis.run("LPUSH", "l", word)
                model.insert(0, word)
            case 2 if model:
                at = rng.randrange(len(model))
                redis.run("LSET", "l", at, word)
                model[at] = word
            case 3 if model:
                redis.run("LMOVE", "l", "l", "LEFT", "RIGHT")
                model.append(model.pop(0))
            case 4 if len(model) > 40:
                redis.run("LPOP", "l", 25)
                del model[:25]
            case _:
                start = rng.choice((0, 0, rng.randrange(60)))
                end = start + rng.choice((3, 30, 1000))
                for _ in range(3):
                    expected = model[start : end + 1]
                    assert redis.run("LRANGE", "l", start, end) == expected
                    assert redis.wire([b"LRANGE", b"l", b"%d" % start, b"%d" % end], 3) == encode(expected, 3)
    assert redis.databases.lists._size <= 5000
