"""Databases: a random history against a dict, and the promises that a dict cannot show."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from elastickv.clock import ManualClock
from elastickv.errors import Fault, KvError
from elastickv.kv.hybrid_clock import HybridClock
from elastickv.kv.keyspace import ELEMENT, EXPIRY, META, REDIS, expiry_key, prefix_end
from elastickv.kv.layers import Layer
from elastickv.kv.view import Batch, View
from elastickv.redis_api.values import database as database_module
from elastickv.redis_api.values import events
from elastickv.redis_api.values.collections import (
    DecodedCache,
    elements,
    incarnation_of,
    is_split,
    read_split,
    split_header,
)
from elastickv.redis_api.values.database import Database
from elastickv.redis_api.values.databases import Databases
from elastickv.redis_api.values.records import HAS_DEADLINE, Record, RecordType
from tests.kit.fake_redis_store import DictEngine

START = 1_700_000_000_000
NUMBERS = 3


class World:
    """A view whose batches are proposed, applied, flushed or lost by hand."""

    def __init__(self, count: int = NUMBERS, engine: DictEngine | None = None, timestamp: int = 0) -> None:
        self.engine = engine or DictEngine()
        self.view = View(self.engine, HybridClock(ManualClock(wall_ms=START), timestamp))
        self.view.now_ms = START
        self.databases = Databases(self.view, count, random.Random(1))
        self.databases.load()

    def __getitem__(self, number: int) -> Database:
        return self.databases.numbered[number]

    def propose(self) -> None:
        self.databases.save_sizes()
        batch = self.view.forming
        if batch:
            self.view.inflight.append(batch)
            self.view.forming = Batch(batch.sequence + 1)
        self.view.dependency = None

    def apply(self) -> None:
        """Everything that was proposed is committed."""
        for batch in self.view.inflight:
            self.view.applied.merge(batch)
        self.view.inflight.clear()
        if self.view.pinned is not self.view.forming:
            self.view.pinned = None

    def flush_memory(self) -> None:
        applied, self.view.applied = self.view.applied, Layer()
        data = self.engine.data
        for start, end in applied.ranges:
            for key in [key for key in data if start <= key and (not end or key < end)]:
                del data[key]
        for key, value in applied.puts.items():
            if value is None:
                data.pop(key, None)
            else:
                data[key] = value

    def content(self, record: Record) -> bytes:
        """The payload, or the elements when they lie apart."""
        if record.type is RecordType.STRING or not is_split(record):
            return record.payload
        prefix = elements(read_split(record.payload)[0])
        return b"|".join(
            [key[len(prefix) :] + b"=" + value for key, value in self.view.scan(prefix, prefix_end(prefix))]
        )

    def store_split(self, number: int, key: bytes, members: list[bytes], deadline: int) -> None:
        incarnation = self.databases.new_incarnation()
        for member in members:
            self.view.put(elements(incarnation) + member, b"v")
        self[number].store(key, RecordType.SET, split_header(incarnation, len(members)), deadline)

    def lose(self) -> None:
        """The lead is lost: what was not committed is dropped."""
        self.view.inflight.clear()
        self.view.forming = Batch(self.view.forming.sequence + 1)
        self.view.dependency = self.view.pinned = None
        self.databases.load()


@dataclass
class Model:
    """What users see: per number, key to (type, payload, deadline)."""

    numbered: list[dict[bytes, tuple[RecordType, bytes, int]]] = field(
        default_factory=lambda: [{} for _ in range(NUMBERS)]
    )

    def copy(self) -> Model:
        return Model([dict(one) for one in self.numbered])

    def live(self, number: int, now: int) -> dict[bytes, tuple[RecordType, bytes, int]]:
        return {key: value for key, value in self.numbered[number].items() if not value[2] or value[2] > now}


KEYS = st.sampled_from([b"", b"a", b"b", b"c", b"x" * 400, b"x" * 401, b"x" * 401 + b"y", b"z" * 100_000, b"\xff\x00"])
ONE = st.integers(0, NUMBERS - 1)
VALUES = st.binary(max_size=8)
MEMBERS = st.lists(st.binary(min_size=1, max_size=2), min_size=1, max_size=12, unique=True)
DELAYS = st.sampled_from([0, 0, 1, 5, 50, 10_000])


class AgainstADict(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.model = Model()
        self.committed = Model()

    def deadline(self, delay: int) -> int:
        return self.world.view.now_ms + delay if delay else 0

    @rule(number=ONE, key=KEYS, value=VALUES, delay=DELAYS)
    def set_string(self, number: int, key: bytes, value: bytes, delay: int) -> None:
        self.world[number].set_string(key, value, self.deadline(delay))
        self.model.numbered[number][key] = (RecordType.STRING, value, self.deadline(delay))

    @rule(number=ONE, key=KEYS, value=VALUES, delay=DELAYS)
    def store_a_list(self, number: int, key: bytes, value: bytes, delay: int) -> None:
        self.world[number].store(key, RecordType.LIST, b"\0" + value, self.deadline(delay))
        self.model.numbered[number][key] = (RecordType.LIST, b"\0" + value, self.deadline(delay))

    @rule(number=ONE, key=KEYS, members=MEMBERS, delay=DELAYS)
    def store_a_split_set(self, number: int, key: bytes, members: list[bytes], delay: int) -> None:
        self.world.store_split(number, key, members, self.deadline(delay))
        content = b"|".join(member + b"=v" for member in sorted(members))
        self.model.numbered[number][key] = (RecordType.SET, content, self.deadline(delay))

    @rule(one=ONE, other=ONE, source=KEYS, destination=KEYS)
    def copy(self, one: int, other: int, source: bytes, destination: bytes) -> None:
        record = self.world[one].lookup(source)
        if record is not None and (one, source) != (other, destination):
            self.world[other].copy_record(destination, record)
            self.model.numbered[other][destination] = self.model.numbered[one][source]

    @rule(number=ONE, key=KEYS)
    def delete(self, number: int, key: bytes) -> None:
        was_there = key in self.model.live(number, self.world.view.now_ms)
        assert self.world[number].delete(key) == was_there
        self.model.numbered[number].pop(key, None)

    @rule(number=ONE, key=KEYS, delay=DELAYS)
    def set_deadline(self, number: int, key: bytes, delay: int) -> None:
        record = self.world[number].lookup(key)
        assert (record is not None) == (key in self.model.live(number, self.world.view.now_ms))
        if record is not None:
            self.world[number].set_deadline(record, self.deadline(delay))
            type, payload, _ = self.model.numbered[number][key]
            self.model.numbered[number][key] = (type, payload, self.deadline(delay))

    @rule(number=ONE, key=KEYS, value=VALUES, edited=st.booleans())
    def rewrite(self, number: int, key: bytes, value: bytes, edited: bool) -> None:
        record = self.world[number].lookup(key)
        if record is not None:
            type, payload, deadline = self.model.numbered[number][key]
            if type is RecordType.STRING:
                self.world[number].rewrite(record, value, record.view, edited=edited)
                payload = value + payload
            elif is_split(record) and edited:
                incarnation, count, _ = read_split(record.payload)
                self.world[number].rewrite(record, split_header(incarnation, count, b"rest"))
            else:
                self.world[number].rewrite(record, b"\0", value)
                payload = b"\0" + value
            self.model.numbered[number][key] = (type, payload, deadline)

    @rule(one=ONE, other=ONE, old=KEYS, new=KEYS)
    def move(self, one: int, other: int, old: bytes, new: bytes) -> None:
        record = self.world[one].lookup(old)
        if record is not None and (one, old) != (other, new):
            self.world[other].store_record(new, record)
            self.world[one].remove(record, keep_elements=True)
            self.model.numbered[other][new] = self.model.numbered[one].pop(old)

    @rule(numbers=st.lists(ONE, max_size=3))
    def flush(self, numbers: list[int]) -> None:
        self.world.databases.flush(numbers)
        for number in numbers:
            self.model.numbered[number].clear()

    @rule(one=ONE, other=ONE)
    def swap(self, one: int, other: int) -> None:
        self.world.databases.swap(one, other)
        numbered = self.model.numbered
        numbered[one], numbered[other] = numbered[other], numbered[one]

    @rule(milliseconds=st.integers(0, 60))
    def time_passes(self, milliseconds: int) -> None:
        self.world.view.now_ms += milliseconds

    @rule(limit=st.integers(1, 5))
    def expire(self, limit: int) -> None:
        now = self.world.view.now_ms
        due = [
            (number, key)
            for number, keys in enumerate(self.model.numbered)
            for key, (_, _, deadline) in keys.items()
            if deadline and deadline <= now
        ]
        removed = self.world.databases.clearing.expire_due(limit)
        assert removed >= min(limit, len(due))
        for number, key in due:
            if self.world.view.get(self.world[number].physical(key)) is None:
                del self.model.numbered[number][key]

    @rule(limit=st.integers(1, 5))
    def purge(self, limit: int) -> None:
        self.world.databases.clearing.purge(limit)

    @rule()
    def propose(self) -> None:
        self.world.propose()

    @rule()
    def commit(self) -> None:
        self.world.propose()
        self.world.apply()
        self.committed = self.model.copy()

    @rule()
    def commit_and_flush(self) -> None:
        self.commit()
        self.world.flush_memory()

    @rule()
    def lose_the_lead(self) -> None:
        self.world.lose()
        self.model = self.committed.copy()

    @precondition(lambda self: not self.world.view.inflight and not self.world.view.forming)
    @rule(count=st.integers(NUMBERS, NUMBERS + 2))
    def another_node_leads(self, count: int) -> None:
        if not self.world.view.forming and not self.world.databases.dirty:
            self.world.flush_memory()
            now = self.world.view.now_ms
            self.world = World(count, self.world.engine, self.world.view.last_timestamp)
            self.world.view.now_ms = now
            self.model = self.committed.copy()

    @invariant()
    def users_see_what_the_model_says(self) -> None:
        now = self.world.view.now_ms
        for number in range(NUMBERS):
            database = self.world[number]
            live = self.model.live(number, now)
            seen = {
                key: (record.type, self.world.content(record), record.deadline) for key, record in database.records()
            }
            assert seen == live
            for key, (type, payload, _) in live.items():
                assert database.exists(key)
                if type is RecordType.STRING:
                    assert database.string(key) == payload
            cursor, walked = database.walk(0, 1000)
            assert cursor == 0
            assert {key for key, _ in walked} == set(live)
            assert (database.random_key() in live) if live else database.random_key() is None

    @invariant()
    def counts_are_right(self) -> None:
        for number in range(NUMBERS):
            keys = self.model.numbered[number]
            expiring = sum(1 for _, _, deadline in keys.values() if deadline)
            assert self.world[number].sizes() == (len(keys), expiring)

    @invariant()
    def the_expiry_index_is_exactly_the_deadlines(self) -> None:
        view = self.world.view
        indexed = {key[9:]: int.from_bytes(key[1:9]) for key, _ in view.scan(EXPIRY, prefix_end(EXPIRY))}
        stored = {
            physical: int.from_bytes(raw[1:9])
            for physical, raw in view.scan(REDIS, prefix_end(REDIS))
            if raw[0] & HAS_DEADLINE
        }
        assert indexed == stored

    @invariant()
    def elements_belong_to_one_key_or_are_dropped(self) -> None:
        view = self.world.view
        named = [incarnation_of(raw) for _, raw in view.scan(REDIS, prefix_end(REDIS))]
        owned = [one for one in named if one is not None]
        assert len(owned) == len(set(owned))
        drop = META + b"redis-drop"
        dropped = {key[len(drop) :] for key, _ in view.scan(drop, prefix_end(drop))}
        assert not dropped & set(owned)
        assert {key[1:9] for key, _ in view.scan(ELEMENT, prefix_end(ELEMENT))} <= dropped | set(owned)

    def teardown(self) -> None:
        databases = self.world.databases
        while databases.clearing.purge(7):
            pass
        shown = {database.prefix for database in databases.numbered}
        left = {key[:5] for key, _ in self.world.view.scan(REDIS, prefix_end(REDIS))}
        assert left <= shown, "the purge leaves nothing behind"
        view = self.world.view
        owned = {incarnation_of(raw) for _, raw in view.scan(REDIS, prefix_end(REDIS))}
        assert {key[1:9] for key, _ in view.scan(ELEMENT, prefix_end(ELEMENT))} <= owned
        assert not list(view.scan(META + b"redis-drop", META + b"redis-drop\xff"))


TestAgainstADict = AgainstADict.TestCase
TestAgainstADict.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("length", [0, 1, 399, 400, 401, 511, 512, 70_000, 1 << 20])
def test_keys_of_any_length(world: World, length: int) -> None:
    database = world[0]
    key, sibling = b"k" * length, b"k" * length + b"!"
    database.set_string(key, b"one", START + 5)
    database.set_string(sibling, b"two")
    assert (database.string(key), database.string(sibling)) == (b"one", b"two")
    assert sorted(found for found, _ in database.records()) == [key, sibling]
    assert all(len(physical) <= 511 for physical in world.view.forming.puts)
    world.view.now_ms += 5
    assert database.string(key) is None
    assert world.databases.clearing.expire_due(10) == 1
    assert database.sizes() == (1, 0)


def test_a_folded_key_never_meets_a_short_one(world: World) -> None:
    long = b"k" * 1000
    folded = world[0].physical(long)
    short = folded[13:]
    assert len(short) > 400
    assert world[0].physical(short) != folded


def test_another_type_is_a_fault(world: World) -> None:
    world[0].store(b"l", RecordType.LIST, b"\0")
    for read in (world[0].string, world[0].string_record, world[0].read_string):
        with pytest.raises(KvError) as raised:
            read(b"l")
        assert raised.value.fault is Fault.WRONG_TYPE


def test_hits_misses_and_expired_are_counted(world: World) -> None:
    database, all = world[0], world.databases
    database.set_string(b"a", b"1", START + 1)
    database.string(b"a")
    database.read(b"a")
    database.read(b"b")
    world.view.now_ms += 1
    database.string(b"a")
    assert (all.hits, all.misses, all.expired) == (2, 2, 0)
    assert not database.delete(b"a")
    assert all.expired == 1


# Collections


@pytest.mark.parametrize("limit", [3, 1000])
def test_a_large_collection_goes_with_one_record_and_is_purged_in_steps(world: World, limit: int) -> None:
    world.store_split(0, b"k", [b"%03d" % number for number in range(100)], 0)
    world.store_split(0, b"stays", [b"a", b"b"], 0)
    world.propose()
    world.apply()
    world.flush_memory()
    assert world[0].delete(b"k")
    assert len(world.view.forming.puts) == 2, "the key and the drop record"
    steps = 0
    while removed := world.databases.clearing.purge(limit):
        assert removed <= limit + 1
        steps += 1
        world.propose()
        world.apply()
    assert steps >= 100 // limit
    world.flush_memory()
    assert len([key for key in world.engine.data if key.startswith(ELEMENT)]) == 2
    assert not any(b"redis-drop" in key for key in world.engine.data)


def test_a_huge_collection_is_not_copied_in_one_step(world: World) -> None:
    world.databases.limits.copied_records = 5
    world.store_split(0, b"fits", [b"%d" % number for number in range(5)], 0)
    world.store_split(0, b"large", [b"%d" % number for number in range(6)], 0)
    for key in (b"fits", b"large"):
        record = world[0].lookup(key)
        assert record is not None
        if key == b"fits":
            world[0].copy_record(b"copy", record)
        else:
            with pytest.raises(KvError) as raised:
                world[0].copy_record(b"copy2", record)
            assert raised.value.fault is Fault.TOO_LARGE
    assert (world[0].exists(b"copy"), world[0].exists(b"copy2")) == (True, False)


def test_typed_reads(world: World) -> None:
    database, all = world[0], world.databases
    database.store(b"l", RecordType.LIST, b"\0")
    record = database.typed(b"l", RecordType.LIST)
    assert record is not None
    assert record.payload == b"\0"
    assert database.typed(b"none", RecordType.LIST) is None
    assert (all.hits, all.misses) == (0, 0)
    assert database.read_typed(b"l", RecordType.LIST) == record
    assert database.read_typed(b"none", RecordType.LIST) is None
    assert (all.hits, all.misses) == (1, 1)
    for read in (database.typed, database.read_typed):
        with pytest.raises(KvError) as raised:
            read(b"l", RecordType.HASH)
        assert raised.value.fault is Fault.WRONG_TYPE


def test_incarnations_survive_a_change_of_leader(world: World) -> None:
    first = world.databases.new_incarnation()
    world.lose()
    assert world.databases.new_incarnation() > first


def test_decoded_values_count_only_for_the_bytes_they_were_made_from(world: World) -> None:
    database, decoded = world[0], world.databases.decoded
    physical, raw = database.store(b"l", RecordType.LIST, b"\0a")
    decoded.put(physical, raw, ["a"])

    def value() -> object:
        record = database.lookup(b"l")
        assert record is not None
        return decoded.get(record, lambda payload: ["decoded", payload])

    assert value() == ["a"]
    world.view.begin()
    record = database.lookup(b"l")
    assert record is not None
    decoded.put(physical, database.rewrite(record, b"\0b"), ["b"])
    assert value() == ["b"]
    world.view.undo()
    assert value() == ["decoded", b"\0a"]
    assert value() is value()


def test_the_cache_of_decoded_values_is_bounded() -> None:
    cache = DecodedCache(limit_bytes=100)
    for number in range(50):
        cache.put(b"%d" % number, bytes(10), number)
    kept = [
        number
        for number in range(50)
        if cache.get(Record(b"%d" % number, bytes(10), RecordType.SET, 0, 1), lambda _: -1) == number
    ]
    assert kept == [], "each look at a forgotten one pushed out the next"
    assert cache.get(Record(b"49", bytes(10), RecordType.SET, 0, 1), lambda _: 0) == -1


def test_events_are_told_only_while_somebody_listens(world: World) -> None:
    heard: list[tuple[int, int, bytes, bytes]] = []
    database = world[0]
    database.notify(events.SET, b"sadd", b"k")
    world.databases.listener = lambda database, kind, event, key: heard.append((database.number, kind, event, key))
    database.notify(events.SET, b"sadd", b"k")
    database.store(b"z", RecordType.ZSET, b"\0")
    database.set_string(b"s", b"1", START + 1)
    database.read(b"none")
    world.view.now_ms += 1
    world.databases.clearing.expire_due(10)
    assert heard == [
        (0, events.SET, b"sadd", b"k"),
        (0, events.NEW, b"new", b"z"),
        (0, events.NEW, b"new", b"s"),
        (0, events.KEY_MISS, b"keymiss", b"none"),
        (0, events.EXPIRED, b"expired", b"s"),
    ]


# What answers rest on


def rests_on(world: World) -> Batch | None:
    """What an answer with the count of database 0 waits for."""
    world.view.dependency = None
    assert world[0].sizes() == (1, 0)
    return world.view.dependency


def test_a_count_rests_on_the_batch_that_changed_it(world: World) -> None:
    world[0].set_string(b"a", b"1")
    assert rests_on(world) is world.view.forming
    world.propose()
    assert rests_on(world) is world.view.inflight[-1]
    world.apply()
    assert rests_on(world) is None


def test_flushing_what_is_empty_writes_nothing(world: World) -> None:
    world.databases.flush([0, 1])
    assert not world.view.forming


def test_flush_pins_and_a_loss_brings_everything_back(world: World) -> None:
    world[0].set_string(b"a", b"1")
    world.propose()
    world.apply()
    world.databases.flush([0])
    assert world.view.pinned is world.view.forming
    world[0].set_string(b"b", b"2")
    world.propose()
    world.lose()
    assert [key for key, _ in world[0].records()] == [b"a"]
    assert world[0].sizes() == (1, 0)


# Nodes that have different numbers of databases


def test_nodes_with_fewer_databases_keep_what_others_hold() -> None:
    wide = World(6)
    wide[5].set_string(b"five", b"5", START + 10)
    wide[5].set_string(b"stays", b"5")
    wide[0].set_string(b"zero", b"0")
    wide.databases.flush([0])
    wide.propose()
    wide.apply()
    wide.flush_memory()
    narrow = World(2, wide.engine)
    narrow[1].set_string(b"one", b"1")
    narrow.databases.flush([0, 1])
    narrow[0].set_string(b"new", b"0")
    narrow.databases.swap(0, 1)
    narrow.view.now_ms += 10
    assert narrow.databases.clearing.expire_due(10) == 1
    while narrow.databases.clearing.purge(10):
        pass
    narrow.propose()
    narrow.apply()
    narrow.flush_memory()
    wide = World(6, narrow.engine)
    assert [[key for key, _ in wide[number].records()] for number in range(6)] == [[], [b"new"], [], [], [], [b"stays"]]
    assert wide[5].sizes() == (1, 0)


def test_the_first_flush_of_a_narrow_node_meets_no_number_of_a_wide_one() -> None:
    wide = World(8)
    wide[4].set_string(b"four", b"4")
    wide.propose()
    wide.apply()
    wide.flush_memory()
    narrow = World(4, wide.engine)
    narrow[0].set_string(b"zero", b"0")
    narrow.databases.flush([0])
    assert narrow[0].sizes() == (0, 0)
    assert list(narrow[0].records()) == []


# WATCH


class Told:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.mark.parametrize(
    "change",
    [
        lambda world: world[0].set_string(b"k", b"2"),
        lambda world: world[0].delete(b"k"),
        lambda world: world[0].set_deadline(world[0].lookup(b"k"), START + 9),
        lambda world: world[0].rewrite(world[0].lookup(b"k"), b"new"),
        lambda world: world.databases.flush([0]),
        lambda world: world.databases.swap(0, 1),
        lambda world: world.lose(),
    ],
)
def test_whoever_watches_is_told_once(world: World, change: Callable[[World], None]) -> None:
    world[0].set_string(b"k", b"1")
    told, other = Told(), Told()
    world[0].watch(b"k", told)
    world[1].watch(b"k2", other)
    change(world)
    world[0].set_string(b"k", b"3")
    assert told.times == 1


@pytest.mark.parametrize("move", [lambda world: world.databases.flush([0]), lambda world: world.databases.swap(0, 1)])
def test_a_watched_key_that_is_absent_is_still_watched_after_the_generation_changed(
    world: World, move: Callable[[World], None]
) -> None:
    world[0].set_string(b"other", b"1")
    told = Told()
    name = world[0].watch(b"k", told)
    move(world)
    assert told.times == 0
    world[0].set_string(b"k", b"1")
    assert told.times == 1
    world.databases.unwatch(name, told)
    assert world.databases.watched == {}


def test_the_active_cycle_tells_watchers(world: World) -> None:
    world[0].set_string(b"k", b"1", START + 1)
    told = Told()
    world[0].watch(b"k", told)
    world.view.now_ms += 1
    world.databases.clearing.expire_due(1)
    assert told.times == 1


def test_unwatch_forgets(world: World) -> None:
    told = Told()
    name = world[0].watch(b"k", told)
    world.databases.unwatch(name, told)
    world[0].set_string(b"k", b"1")
    assert told.times == 0
    assert world.databases.watched == {}


# SCAN and RANDOMKEY


def few_hashes(key: bytes) -> bytes:
    """A hash that collides all the time."""
    return bytes((0x80 if len(key) % 2 else 0,)) + bytes(6) + bytes((sum(key) % 3,))


@pytest.fixture(params=[False, True], ids=["xxh3", "colliding"])
def hashing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        monkeypatch.setattr(database_module, "xxh3_64_digest", few_hashes)


@pytest.mark.usefixtures("hashing")
@pytest.mark.parametrize("seed", range(12))
def test_scan_meets_every_key_that_stays_whatever_else_happens(seed: int) -> None:
    rng = random.Random(seed)
    world = World()
    database = world[0]
    stay = {b"stay:%d" % number for number in range(40)}
    for key in stay:
        database.set_string(key, b"", START + 1_000_000 if rng.random() < 0.3 else 0)
    names = [b"come:%d" % number for number in range(60)]
    met: list[bytes] = []
    cursor = 0
    for _ in range(10_000):
        cursor, found = database.walk(cursor, rng.choice((1, 2, 3, 10)))
        met += [key for key, _ in found]
        if cursor == 0:
            break
        for _ in range(rng.randint(0, 6)):
            key = rng.choice(names)
            if rng.random() < 0.5:
                database.set_string(key, b"", START + rng.choice((0, 1, 5)))
            else:
                database.delete(key)
        chance = rng.random()
        if chance < 0.1:
            world.propose()
        elif chance < 0.2:
            world.propose()
            world.apply()
            world.flush_memory()
        elif chance < 0.3:
            world.view.now_ms += 1
            world.databases.clearing.expire_due(5)
    else:
        pytest.fail("the iteration did not end")
    assert stay <= set(met)
    counts = {key: met.count(key) for key in stay}
    assert set(counts.values()) == {1}, "and exactly once"


@pytest.mark.usefixtures("hashing")
def test_a_quiet_walk_gives_every_key_once_in_steps_of_about_count(world: World) -> None:
    keys = {b"key:%d" % number for number in range(100)}
    for key in keys:
        world[0].set_string(key, b"")
    met: list[bytes] = []
    cursor, steps = 0, 0
    while True:
        cursor, found = world[0].walk(cursor, 10)
        met += [key for key, _ in found]
        steps += 1
        assert 0 <= cursor < 1 << 64
        if cursor == 0:
            break
    assert sorted(met) == sorted(keys)
    assert steps <= 11


def test_random_key_draws_evenly_from_a_few(world: World) -> None:
    for number in range(8):
        world[0].set_string(b"%d" % number, b"")
    world[0].set_string(b"gone", b"", START - 1)
    drawn = [world[0].random_key() for _ in range(4000)]
    counts = {key: drawn.count(key) for key in set(drawn)}
    assert len(counts) == 8
    assert min(counts.values()) > 350


def test_random_key_of_many_reaches_all(world: World) -> None:
    for number in range(100):
        world[0].set_string(b"%d" % number, b"")
    assert len({world[0].random_key() for _ in range(5000)}) == 100


# The active cycle


def test_expiry_goes_by_deadline_and_keeps_its_limit(world: World) -> None:
    for number in range(10):
        world[number % 2].set_string(b"%d" % number, b"", START + 10 - number)
    world.view.now_ms += 7
    assert world.databases.clearing.expire_due(3) == 3
    assert {key for database in world.databases.numbered for key in database_keys(world, database)} == {
        b"%d" % number for number in range(7)
    }
    assert world.databases.clearing.expire_due(100) == 4
    assert world.databases.clearing.expire_due(100) == 0
    assert world.databases.expired == 7


def database_keys(world: World, database: Database) -> set[bytes]:
    """With those whose time has come but that are still there."""
    return {key[13:] for key, _ in world.view.scan(database.prefix, prefix_end(database.prefix))}


def test_what_waits_for_the_purge_expires_without_changing_counts(world: World) -> None:
    world[0].set_string(b"old", b"", START + 1)
    world.databases.flush([0])
    world[0].set_string(b"old", b"new")
    world.view.now_ms += 2
    assert world.databases.clearing.expire_due(10) == 1
    assert world[0].sizes() == (1, 0)
    assert world.databases.expired == 0
    assert world[0].string(b"old") == b"new"


def test_a_large_value_is_copied_once_when_it_changes(world: World) -> None:
    database = world[0]
    database.set_string(b"big", bytes(1 << 20))
    record = database.lookup(b"big")
    assert record is not None
    assert record.view.obj is record.raw
    part = record.part(5)
    assert isinstance(part, memoryview)
    assert part.obj is record.raw
    assert isinstance(record.part(5, 10), bytes)


def test_the_purge_goes_on_where_it_was_and_starts_over_when_its_work_was_lost(world: World) -> None:
    for number in range(30):
        world[0].set_string(b"%d" % number, b"", START + number if number % 3 else 0)
    world.databases.flush([0])
    world.propose()
    world.apply()
    assert world.databases.clearing.purge(10) == 10
    world.propose()
    assert world.databases.clearing.purge(10) == 10
    world.lose()
    removed = 0
    while step := world.databases.clearing.purge(10):
        removed += step
        world.propose()
        world.apply()
    assert removed == 31, "all thirty, and the note that there was something to purge"
    assert len(world.view.applied.ranges) == 1
    assert list(world.view.scan(REDIS, prefix_end(REDIS))) == []
    assert list(world.view.scan(EXPIRY, prefix_end(EXPIRY))) == []


def test_the_active_cycle_finds_what_became_due_before_what_it_removed_last(world: World) -> None:
    world[0].set_string(b"late", b"", START + 50)
    world.view.now_ms += 100
    assert world.databases.clearing.expire_due(10) == 1
    world.view.now_ms -= 90  # the wall clock was set back
    world[0].set_string(b"early", b"", START + 20)
    world.view.now_ms += 20
    assert world.databases.clearing.expire_due(10) == 1
    assert world.databases.clearing.expire_due(10) == 0
    world.lose()
    assert world.databases.clearing.due_from == EXPIRY


def test_nothing_is_looked_at_before_the_next_deadline(world: World) -> None:
    databases, view = world.databases, world.view
    view.now_ms = 1000
    database = databases.numbered[0]
    assert databases.clearing.expire_due(10) == 0
    assert databases.clearing.due_from > expiry_key(1 << 62, b"")
    database.set_string(b"later", b"", 3000)
    database.set_string(b"soon", b"", 2000)
    assert databases.clearing.expire_due(10) == 0
    assert databases.clearing.due_from == expiry_key(2000, database.physical(b"soon"))
    view.now_ms = 2000
    assert databases.clearing.expire_due(10) == 1
    assert databases.clearing.due_from == expiry_key(3000, database.physical(b"later"))
    database.set_string(b"at once", b"", 2500)
    view.now_ms = 5000
    assert databases.clearing.expire_due(1) == 1
    assert databases.clearing.expire_due(10) == 1
    assert database.sizes() == (0, 0)


def test_a_purge_that_found_nothing_looks_again_when_there_may_be_something(world: World) -> None:
    databases = world.databases
    assert databases.clearing.purge(10) == 0
    databases.drop(b"12345678")
    assert databases.clearing.purge(10) > 0
    assert databases.clearing.purge(10) == 0
    world[0].set_string(b"key", b"")
    databases.flush([0])
    assert databases.clearing.purge(10) > 0
    while databases.clearing.purge(10):
        pass
    world.propose()
    world.apply()
    world.view.put(META + b"redis-drop12345678", b"")  # as another leader did
    databases.load()
    assert databases.clearing.purge(10) > 0
