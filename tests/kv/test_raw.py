"""RawKV's data against a model that keeps every version for ever, and the rules that the model cannot show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from elastickv.clock import ManualClock
from elastickv.errors import Fault, KvError
from elastickv.kv import raw
from elastickv.kv.hybrid_clock import earliest
from elastickv.kv.keyspace import MAX_ENGINE_KEY
from elastickv.kv.view import Batch, View
from tests.kit.fake_store import FakeView

FOREVER = 1 << 46

# Few keys, so that they meet; among them prefixes of each other, zeros, and bytes that look like lengths and (inverted)
# timestamps.
KEYS = st.sampled_from(
    [b"a", b"a\0", b"a\0\0", b"a\xff", b"ab", b"b", b"\0", b"\xff", b"\xff\xff", b"\0\1a", b"z" * raw.MAX_KEY_BYTES]
)
VALUES = st.one_of(st.binary(max_size=3), st.just(b"L" * (raw.INLINE_BYTES + 1)), st.just(b"M" * raw.INLINE_BYTES))
BOUNDS = st.one_of(st.just(b""), KEYS, st.just(b"z" * (raw.MAX_KEY_BYTES + 9)), st.binary(max_size=3))


@dataclass
class Model:
    """Every version of every key, oldest first."""

    versions: dict[bytes, list[tuple[int, bytes | None]]] = field(default_factory=dict)

    def at(self, ts: int) -> dict[bytes, bytes]:
        state = {}
        for key, versions in self.versions.items():
            value = next((value for when, value in reversed(versions) if ts == 0 or when <= ts), None)
            if value is not None:
                state[key] = value
        return state


class RawMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.view = FakeView(self.clock)
        self.model = Model()
        self.stamps = [0]
        self.horizon = 0

    @rule(key=KEYS, value=VALUES)
    def put(self, key: bytes, value: bytes) -> None:
        ts = self.view.run(lambda view: raw.put(view, key, value))
        assert ts > self.stamps[-1]
        self.model.versions.setdefault(key, []).append((ts, value))
        self.stamps.append(ts)

    @rule(key=KEYS)
    def delete(self, key: bytes) -> None:
        existed = self.view.run(lambda view: raw.delete(view, key))
        assert existed == (key in self.model.at(0))
        if existed:
            ts = self.view.last_timestamp
            self.model.versions[key].append((ts, None))
            self.stamps.append(ts)

    @rule(milliseconds=st.integers(-50, 50))
    def time(self, milliseconds: int) -> None:
        self.clock.jump_wall(milliseconds)

    def pick(self, data: st.DataObject) -> int:
        """0, or a timestamp from the past that may be read."""
        past = [ts for ts in self.stamps if ts >= self.horizon]
        ts = data.draw(st.sampled_from([0, *past]))
        return ts if ts == 0 else max(self.horizon, ts + data.draw(st.sampled_from([-1, 0])))

    @rule(key=KEYS, data=st.data())
    def get(self, key: bytes, data: st.DataObject) -> None:
        ts = self.pick(data)
        assert self.view.run(lambda view: raw.get(view, key, ts, retention_ms=FOREVER)) == self.model.at(ts).get(key)

    @rule(start=BOUNDS, end=BOUNDS, limit=st.integers(0, 12), step=st.integers(1, 4), data=st.data())
    def scan(self, start: bytes, end: bytes, limit: int, step: int, data: st.DataObject) -> None:
        ts = self.pick(data)
        reverse, keys_only = data.draw(st.booleans()), data.draw(st.booleans())
        expected = sorted(
            (key, b"" if keys_only else value)
            for key, value in self.model.at(ts).items()
            if key >= start and (not end or key < end)
        )
        if reverse:
            expected.reverse()
        pairs: list[tuple[bytes, bytes]] = []
        low, high, at = start, end, ts
        while True:
            page = self.view.run(
                partial(
                    raw.scan,
                    start=low,
                    end=high,
                    limit=limit - len(pairs),
                    ts=at,
                    reverse=reverse,
                    keys_only=keys_only,
                    max_visited=step,
                    retention_ms=FOREVER,
                )
            )
            pairs += page.pairs
            at = page.ts
            if page.resume is None:
                break
            # What is written between two pages must not be seen by the second.
            self.put(b"a\0", b"between")
            low, high = (low, page.resume) if reverse else (page.resume, high)
        assert pairs == expected[:limit]

    @rule(key=KEYS)
    def latest(self, key: bytes) -> None:
        versions = [ts for ts, _ in self.model.versions.get(key, [])]
        found = self.view.run(lambda view: raw.latest_ts(view, key))
        if key in self.model.at(0):
            assert found == versions[-1]
        else:
            assert found in (0, versions[-1] if versions else 0)

    @precondition(lambda self: len(self.stamps) > 1)
    @rule(data=st.data(), limit=st.integers(1, 5))
    def purge(self, data: st.DataObject, limit: int) -> None:
        before = data.draw(st.sampled_from(self.stamps))
        assert self.view.run(lambda view: raw.purge(view, before, limit)) <= limit
        assert self.horizon <= raw.horizon(self.view) <= max(self.horizon, before)
        self.horizon = raw.horizon(self.view)

    @invariant()
    def current_state_is_right(self) -> None:
        page = raw.scan(self.view, b"", b"", 100)
        assert dict(page.pairs) == self.model.at(0)

    def teardown(self) -> None:
        """A purge of everything leaves nothing but what is there now."""
        while self.view.run(lambda view: raw.purge(view, max(self.stamps), 3)):
            pass
        state = self.model.at(0)
        dump = self.view.dump()
        assert [key[1:] for key in dump if key[:1] == raw.CURRENT] == sorted(state)
        assert [key for key in dump if key[:1] == raw.PURGE] == []
        large = sum(len(value) > raw.INLINE_BYTES for value in state.values())
        assert sum(key[:1] == raw.VERSION for key in dump) == large
        assert all(len(key) <= MAX_ENGINE_KEY for key in dump)


TestRawAgainstModel = RawMachine.TestCase
TestRawAgainstModel.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@given(st.binary(min_size=1, max_size=raw.MAX_KEY_BYTES), VALUES)
@settings(max_examples=50)
def test_any_key_of_legal_length_can_be_stored(key: bytes, value: bytes) -> None:
    view = FakeView()
    view.run(lambda v: raw.put(v, key, b"old"))
    view.run(lambda v: raw.put(v, key, value))
    assert raw.get(view, key) == value
    assert raw.scan(view, key, key + b"\0", 2).pairs == [(key, value)]
    assert all(len(stored) <= MAX_ENGINE_KEY for stored in view.dump())


@pytest.mark.parametrize(
    ("key", "fault"), [(b"", Fault.BAD_REQUEST), (b"k" * (raw.MAX_KEY_BYTES + 1), Fault.TOO_LARGE)]
)
def test_illegal_keys_are_refused_everywhere(key: bytes, fault: Fault) -> None:
    view = FakeView()
    calls: list[Callable[[], object]] = [
        lambda: raw.put(view, key, b""),
        lambda: raw.delete(view, key),
        lambda: raw.get(view, key),
    ]
    if key:
        calls.append(lambda: raw.latest_ts(view, key))
    for call in calls:
        with pytest.raises(KvError) as caught:
            call()
        assert caught.value.fault is fault
    assert view.dump() == {}


def test_a_timestamp_ahead_of_the_clock_is_refused() -> None:
    clock = ManualClock()
    view = FakeView(clock)
    view.run(lambda v: raw.put(v, b"k", b"1"))
    with pytest.raises(KvError, match="ahead of the store's clock") as caught:
        view.run(lambda v: raw.get(v, b"k", earliest(clock.wall_ms() + 1000)))
    assert caught.value.fault is Fault.BAD_REQUEST


def test_a_read_at_a_time_not_handed_out_yet_moves_the_clock_past_it() -> None:
    """Else a later write could get a smaller timestamp, and the same read would answer differently."""
    clock = ManualClock()
    view = FakeView(clock)
    view.run(lambda v: raw.put(v, b"k", b"1"))
    clock.advance(1)
    ts = earliest(clock.wall_ms())
    assert view.run(lambda v: raw.get(v, b"k", ts)) == b"1"
    clock.jump_wall(-900)
    assert view.run(lambda v: raw.put(v, b"k", b"2")) > ts
    assert view.run(lambda v: raw.get(v, b"k", ts)) == b"1"


def rests_on(view: View) -> Batch | None:
    return view.dependency


def test_reads_at_a_timestamp_rest_on_the_batch_that_handed_it_out() -> None:
    view = FakeView()
    ts = view.timestamp()
    for read in (lambda: raw.get(view, b"k", ts), lambda: raw.latest_ts(view)):
        view.dependency = None
        read()
        assert rests_on(view) is view.forming


def test_reads_outside_the_window_are_refused_purged_or_not() -> None:
    clock = ManualClock()
    view = FakeView(clock)
    first = view.run(lambda v: raw.put(v, b"k", b"1"))
    clock.advance(10)
    view.run(lambda v: raw.put(v, b"k", b"2"))
    assert view.run(lambda v: raw.get(v, b"k", first, retention_ms=10_000)) == b"1"
    clock.advance(0.001)
    with pytest.raises(KvError) as caught:
        view.run(lambda v: raw.get(v, b"k", first, retention_ms=10_000))
    assert caught.value.fault is Fault.COMPACTED


def test_purged_history_is_refused_whatever_the_window_says() -> None:
    view = FakeView()
    first = view.run(lambda v: raw.put(v, b"k", b"1"))
    second = view.run(lambda v: raw.put(v, b"k", b"2"))
    assert view.run(lambda v: raw.purge(v, second, 10)) == 1
    with pytest.raises(KvError) as caught:
        view.run(lambda v: raw.get(v, b"k", first))
    assert caught.value.fault is Fault.COMPACTED
    assert view.run(lambda v: raw.get(v, b"k", second)) == b"2"


def test_a_purge_with_nothing_to_do_writes_nothing() -> None:
    view = FakeView()
    view.run(lambda v: raw.put(v, b"k", b"1"))
    assert raw.purge(view, view.last_timestamp, 10) == 0
    assert raw.purge(view, 0, 10) == 0
    assert raw.purge(view, view.last_timestamp, 0) == 0
    assert not view.forming


def test_deleting_nothing_writes_nothing() -> None:
    view = FakeView()
    assert not raw.delete(view, b"k")
    assert not view.forming


def test_a_large_value_is_written_once_however_often_it_is_superseded() -> None:
    view = FakeView()
    large = b"x" * 100_000
    view.run(lambda v: raw.put(v, b"k", large))
    view.begin()
    raw.put(view, b"k", b"small")
    assert sum(len(value or b"") for value in view.forming.puts.values()) < 200
    view.keep()


def test_a_scan_that_would_exceed_its_bytes_says_so() -> None:
    view = FakeView()
    for key in (b"a", b"b"):
        view.run(partial(raw.put, key=key, value=b"x" * 100))
    with pytest.raises(KvError) as caught:
        raw.scan(view, b"", b"", 10, max_bytes=150)
    assert caught.value.fault is Fault.TOO_LARGE
    assert len(raw.scan(view, b"", b"", 10, max_bytes=150, keys_only=True).pairs) == 2


def test_versions_of_keys_that_begin_alike_do_not_mix() -> None:
    r"""The versions of b"a\xff" would lie between those of b"a", were it not for the length in front."""
    view = FakeView()
    neighbour = b"a\xff"
    for value in (b"1", b"2"):
        ts = view.run(partial(raw.put, key=neighbour, value=value))
    for value in (b"3", b"4", b"5"):
        view.run(partial(raw.put, key=b"a", value=value))
    assert raw.get(view, b"a", ts) is None
    assert raw.get(view, neighbour, ts) == b"2"
