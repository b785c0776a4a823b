"""The view against a plain dict: whatever lies in which layer, it is one ordered map."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastickv.clock import ManualClock
from elastickv.kv.hybrid_clock import HybridClock
from elastickv.kv.layers import Layer
from elastickv.kv.view import Batch, View


class DictEngine:
    """The flushed layer as a dict."""

    def __init__(self) -> None:
        self.data: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.data.get(key)

    def scan(self, start: bytes, end: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        for key in sorted(self.data, reverse=reverse):
            if start <= key and (not end or key < end):
                yield key, self.data[key]

    def flush(self, layer: Layer) -> None:
        for start, end in layer.ranges:
            for key in [key for key in self.data if start <= key and (not end or key < end)]:
                del self.data[key]
        for key, value in layer.puts.items():
            if value is None:
                self.data.pop(key, None)
            else:
                self.data[key] = value


def new_view() -> tuple[View, DictEngine]:
    engine = DictEngine()
    return View(engine, HybridClock(ManualClock())), engine


KEYS = st.binary(min_size=1, max_size=2).map(lambda raw: bytes(byte % 5 + 97 for byte in raw))
ENDS = st.one_of(KEYS, st.just(b""))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.binary(max_size=2)),
        st.tuples(st.just("delete"), KEYS),
        st.tuples(st.just("delete_range"), KEYS, ENDS),
        st.tuples(st.just("propose")),
        st.tuples(st.just("commit")),
        st.tuples(st.just("freeze")),
        st.tuples(st.just("flush")),
        st.tuples(st.just("try"), KEYS, ENDS, st.booleans()),
        st.tuples(st.just("scan"), KEYS),
        st.tuples(st.just("get often"), KEYS),
    ),
    max_size=30,
)


def play(view: View, engine: DictEngine, model: dict[bytes, bytes], steps: list[tuple[object, ...]]) -> None:
    sequence = 0
    for step in steps:
        match step:
            case ("put", bytes() as key, bytes() as value):
                view.put(key, value)
                model[key] = value
            case ("delete", bytes() as key):
                view.delete(key)
                model.pop(key, None)
            case ("delete_range", bytes() as start, bytes() as end):
                view.delete_range(start, end)
                for key in [key for key in model if start <= key and (not end or key < end)]:
                    del model[key]
            case ("propose",):
                view.inflight.append(view.forming)
                sequence += 1
                view.forming = Batch(sequence)
            case ("commit",) if view.inflight:
                view.applied.merge(view.inflight.pop(0))
            case ("freeze",) if view.frozen is None:
                view.frozen, view.applied = view.applied, Layer()
            case ("flush",) if view.frozen is not None:
                engine.flush(view.frozen)
                view.frozen = None
            case ("try", bytes() as key, bytes() as end, bool() as keep):
                view.begin()
                view.put(key, b"tried")
                view.delete_range(key + b"\0", end)
                if keep:
                    view.keep()
                    model[key] = b"tried"
                    for other in [one for one in model if key + b"\0" <= one and (not end or one < end)]:
                        del model[other]
                else:
                    view.undo()
            case ("get often", bytes() as key):
                assert view.get_often(key) == model.get(key)
            case ("scan", bytes() as key):
                list(view.scan(key, b""))  # builds the ordered index in the middle of things


@settings(max_examples=400)
@given(STEPS, KEYS, ENDS)
def test_any_history_reads_like_a_dict(steps: list[tuple[object, ...]], start: bytes, end: bytes) -> None:
    view, engine = new_view()
    model: dict[bytes, bytes] = {}
    play(view, engine, model, steps)
    expected = sorted((key, value) for key, value in model.items() if start <= key and (not end or key < end))
    assert list(view.scan(start, end)) == expected
    assert list(view.scan(start, end, reverse=True)) == expected[::-1]
    for key in {start, *model, *(key for key, _ in expected)}:
        assert view.get(key) == view.get_often(key) == model.get(key)


def test_a_long_scan_finds_its_place_again_when_keys_come_in_between() -> None:
    view, _ = new_view()
    for number in range(0, 1000, 2):
        view.put(b"%04d" % number, b"")
    seen = []
    for key, _ in view.scan(b"", b""):
        seen.append(key)
        view.put(b"%04d" % (int(key) + 1), b"")
        if len(seen) > 2000:
            break
    assert {b"%04d" % number for number in range(0, 1000, 2)} <= set(seen)
    assert seen == sorted(seen)


def rests_on(view: View) -> Batch | None:
    return view.dependency


def test_an_answer_from_an_unconfirmed_batch_says_so() -> None:
    view, engine = new_view()
    engine.data[b"old"] = b"1"
    view.put(b"flying", b"1")
    flying = view.forming
    view.inflight.append(flying)
    view.forming = Batch(1)
    view.dependency = None
    assert view.get(b"old") == b"1"
    assert rests_on(view) is None
    assert view.get(b"flying") == b"1"
    assert rests_on(view) is flying
    view.put(b"forming", b"1")
    assert view.get(b"flying") == b"1"
    assert rests_on(view) is view.forming, "the newest batch counts"


def test_a_scan_rests_on_the_unconfirmed_keys_it_met_and_on_no_others() -> None:
    view, engine = new_view()
    engine.data |= {b"a": b"1", b"m": b"1"}
    view.delete(b"m")
    view.dependency = None
    assert list(view.scan(b"a", b"b")) == [(b"a", b"1")]
    assert rests_on(view) is None
    assert list(view.scan(b"a", b"z")) == [(b"a", b"1")]
    assert rests_on(view) is view.forming


def test_absence_in_an_unconfirmed_range_rests_on_it() -> None:
    view, engine = new_view()
    engine.data[b"k"] = b"1"
    view.delete_range(b"a", b"z")
    view.dependency = None
    assert view.get(b"k") is None
    assert rests_on(view) is view.forming
    view.dependency = None
    assert list(view.scan(b"b", b"c")) == []
    assert rests_on(view) is view.forming


def test_undo_keeps_timestamps_and_moves_the_dependency_out() -> None:
    view, _ = new_view()
    view.begin()
    stamp = view.timestamp()
    view.put(b"k", b"v")
    view.undo()
    assert view.get(b"k") is None
    assert view.forming.timestamp == stamp
    assert rests_on(view) is view.forming
    assert view.timestamp() > stamp


def test_a_layer_that_is_set_aside_is_seen_by_nobody_until_it_is_taken_up() -> None:
    view, engine = new_view()
    engine.data[b"a"] = b"flushed"
    view.put(b"before", b"1")
    view.begin()
    view.put(b"a", b"inside")
    view.pin()
    layered = view.set_aside()
    assert view.get(b"a") == b"flushed"
    assert view.get(b"before") == b"1"
    between = view.pinned
    assert between is None
    view.put(b"between", b"2")
    view.take_up(layered)
    assert view.get(b"a") == b"inside"
    assert view.get(b"between") == b"2"
    assert view.pinned is view.forming
    view.keep()
    assert view.forming.puts == {b"before": b"1", b"between": b"2", b"a": b"inside"}
    assert view.pinned is view.forming


def test_a_layer_that_was_set_aside_comes_after_what_was_logged_meanwhile() -> None:
    view, _ = new_view()
    view.begin()
    view.put(b"a", b"inside")
    first = view.timestamp()
    layered = view.set_aside()
    assert view.dependency is None
    second = view.timestamp()
    view.put(b"a", b"between")
    view.take_up(layered)
    view.keep()
    assert view.get(b"a") == b"inside"
    assert view.forming.timestamp == max(first, second)


class Counter:
    """A record that counts, and puts one of its own beside itself when it is written."""

    def __init__(self, view: View, key: bytes) -> None:
        self.view = view
        self.key = key
        self.number = 0
        self.asked = 0

    def add(self) -> None:
        self.number += 1
        self.view.put_unwritten(self.key, self)

    def written(self) -> bytes:
        self.asked += 1
        self.view.put(self.key + b"/beside", b"%d" % self.number)
        return b"%d" % self.number


def test_an_unwritten_record_is_written_when_someone_looks() -> None:
    view, _ = new_view()
    counter = Counter(view, b"k")
    for _ in range(3):
        counter.add()
    assert counter.asked == 0
    assert view.forming
    assert list(view.forming.unwritten) == [b"k"]
    assert view.get(b"other") is None
    assert counter.asked == 0
    rested: list[Batch | None] = []
    view.dependency = None
    assert view.get(b"k") == b"3"
    rested.append(view.dependency)
    assert rested == [view.forming]
    assert view.get(b"k/beside") == b"3"
    counter.add()
    assert list(view.scan(b"", b"")) == [(b"k", b"4"), (b"k/beside", b"4")]
    assert counter.asked == 2


def test_writing_out_is_no_reason_for_others_to_wait() -> None:
    view, _ = new_view()
    Counter(view, b"k").add()
    view.dependency = None
    assert list(view.scan(b"x", b"z")) == []
    view.begin()
    view.keep()
    assert view.dependency is None


def test_what_is_put_over_an_unwritten_record_or_deletes_it_stays() -> None:
    view, _ = new_view()
    for change, expected in (("put", b"other"), ("delete", None), ("delete_range", None)):
        Counter(view, b"k").add()
        match change:
            case "put":
                view.put(b"k", b"other")
            case "delete":
                view.delete(b"k")
            case _:
                view.delete_range(b"j", b"l")
        assert view.get(b"k") == expected
        assert not view.forming.unwritten


def test_undo_does_not_reach_what_was_unwritten_before() -> None:
    view, _ = new_view()
    counter = Counter(view, b"k")
    counter.add()
    view.begin()
    inner = Counter(view, b"k")
    inner.number = 5
    inner.add()
    view.undo()
    assert view.get(b"k") == b"1"
    view.begin()
    inner.add()
    layered = view.set_aside()
    counter.add()
    view.take_up(layered)
    view.keep()
    assert view.get(b"k") == b"7"
    assert not view.forming.unwritten


def test_an_empty_key_is_not_taken_for_the_engine_could_not_flush_it() -> None:
    view, _ = new_view()
    with pytest.raises(ValueError, match="empty key"):
        view.put(b"", b"value")
    with pytest.raises(ValueError, match="empty key"):
        view.delete(b"")
    with pytest.raises(ValueError, match="empty key"):
        Counter(view, b"").add()
    assert not view.forming.puts
    assert not view.forming.unwritten
