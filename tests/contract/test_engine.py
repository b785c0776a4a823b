"""What every `Engine` promises, run over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastickv.raft.types import ConfState, Member
from elastickv.storage.engine import Applied, Engine, WriteBatch
from elastickv.storage.lmdb_engine import LmdbEngine
from elastickv.storage.memory_engine import MemoryEngine

Open = Callable[[Path], Engine]

OPENERS: dict[str, Open] = {
    "memory": MemoryEngine,
    "lmdb": LmdbEngine,
    "lmdb, growing": lambda directory: LmdbEngine(directory, first_map_bytes=64 << 10),
}


@pytest.fixture(params=OPENERS)
def open_engine(request: pytest.FixtureRequest) -> Open:
    return OPENERS[request.param]


@pytest.fixture
def engine(open_engine: Open, tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(tmp_path / "state")
    yield engine
    engine.close()


def put(engine: Engine, *keys: bytes, index: int = 1) -> None:
    engine.write(WriteBatch(Applied(index, 1), {key: b"=" + key for key in keys}))
    engine.refresh()


def keys(pairs: Iterator[tuple[bytes, bytes]]) -> list[bytes]:
    return [key for key, _ in pairs]


def test_a_new_engine_is_empty(engine: Engine) -> None:
    assert engine.get(b"k") is None
    assert list(engine.scan(b"", b"")) == []
    assert list(engine.scan(b"", b"", reverse=True)) == []
    assert engine.applied() == Applied()


def test_a_snapshot_stays_as_it_is(engine: Engine) -> None:
    put(engine, b"a", b"b", b"c")
    held = engine.snapshot()
    engine.write(WriteBatch(Applied(2, 1), {b"a": b"new", b"b": None, b"d": b"new"}, [(b"c", b"d")]))
    engine.refresh()
    assert held.get(b"a") == b"=a"
    assert held.get(b"d") is None
    assert held.get(b"") is None
    assert keys(held.scan(b"", b"")) == [b"a", b"b", b"c"]
    assert keys(held.scan(b"b", b"c")) == [b"b"]
    assert keys(held.scan(b"b", b"a")) == []
    assert keys(held.scan(b"a", b"c", reverse=True)) == [b"b", b"a"]
    assert keys(held.scan(b"", b"", reverse=True)) == [b"c", b"b", b"a"]
    held.close()
    assert keys(engine.scan(b"", b"")) == [b"a", b"d"]


def test_a_snapshot_knows_what_is_written_but_not_refreshed(engine: Engine) -> None:
    """It may be newer than the engine's own reads, never older."""
    put(engine, b"a")
    engine.write(WriteBatch(Applied(2, 1), {b"b": b"new"}))
    held = engine.snapshot()
    assert held.get(b"a") == b"=a"
    assert held.get(b"b") == b"new"
    held.close()


def test_reads_see_the_state_of_the_last_refresh(engine: Engine) -> None:
    put(engine, b"a")
    engine.write(WriteBatch(Applied(2, 1), {b"a": b"new", b"b": b"new"}))
    assert engine.get(b"a") == b"=a"
    assert keys(engine.scan(b"", b"")) == [b"a"]
    engine.refresh()
    assert engine.get(b"a") == b"new"
    assert keys(engine.scan(b"", b"")) == [b"a", b"b"]


def test_the_mark_is_that_of_the_newest_write(engine: Engine) -> None:
    state = ConfState(voters=("n1",), members=(Member("n1", "h:1", "i"),))
    mark = Applied(7, 3, state, 5)
    engine.write(WriteBatch(mark))
    assert engine.applied() == mark


def test_ranges_are_emptied_before_the_puts_go_in(engine: Engine) -> None:
    put(engine, b"a", b"b", b"c", b"d")
    engine.write(WriteBatch(Applied(2, 1), {b"b": b"back", b"d": None}, [(b"b", b"d")]))
    engine.refresh()
    assert list(engine.scan(b"", b"")) == [(b"a", b"=a"), (b"b", b"back")]


@pytest.mark.parametrize(
    ("start", "end", "left"),
    [
        (b"", b"", []),
        (b"", b"c", [b"c", b"d"]),
        (b"b", b"", [b"a"]),
        (b"b", b"b", [b"a", b"b", b"c", b"d"]),
        (b"c", b"b", [b"a", b"b", b"c", b"d"]),
        (b"bb", b"cc", [b"a", b"b", b"d"]),
        (b"x", b"", [b"a", b"b", b"c", b"d"]),
    ],
)
def test_range_deletes(engine: Engine, start: bytes, end: bytes, left: list[bytes]) -> None:
    put(engine, b"a", b"b", b"c", b"d")
    engine.write(WriteBatch(Applied(2, 1), ranges=[(start, end)]))
    engine.refresh()
    assert keys(engine.scan(b"", b"")) == left


def test_a_range_of_many_keys(engine: Engine) -> None:
    everything = [b"%06d" % number for number in range(20_000)]
    put(engine, *everything)
    engine.write(WriteBatch(Applied(2, 1), ranges=[(everything[10], everything[-10])]))
    engine.refresh()
    assert keys(engine.scan(b"", b"")) == everything[:10] + everything[-10:]


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (b"", b"", [b"a", b"b", b"c"]),
        (b"a", b"c", [b"a", b"b"]),
        (b"aa", b"", [b"b", b"c"]),
        (b"", b"b", [b"a"]),
        (b"d", b"", []),
        (b"b", b"b", []),
        (b"c", b"a", []),
        (b"a", b"z", [b"a", b"b", b"c"]),
    ],
)
def test_scans_in_both_directions(engine: Engine, start: bytes, end: bytes, found: list[bytes]) -> None:
    put(engine, b"c", b"a", b"b")
    assert keys(engine.scan(start, end)) == found
    assert keys(engine.scan(start, end, reverse=True)) == found[::-1]


def test_keys_of_every_legal_length_and_bounds_of_any(engine: Engine) -> None:
    longest = b"k" * 511
    put(engine, b"\0", longest, b"\xff" * 511)
    assert engine.get(longest) == b"=" + longest
    assert keys(engine.scan(longest + b"\0", b"")) == [b"\xff" * 511]
    assert keys(engine.scan(b"", longest + b"\0")) == [b"\0", longest]
    assert keys(engine.scan(b"", longest + b"\0", reverse=True)) == [longest, b"\0"]
    engine.write(WriteBatch(Applied(2, 1), ranges=[(longest + b"\0", b"\xff" * 600)]))
    engine.refresh()
    assert keys(engine.scan(b"", b"")) == [b"\0", longest]


@pytest.mark.parametrize("key", [b"", b"k" * 512])
def test_other_keys_are_not_written_and_not_found(engine: Engine, key: bytes) -> None:
    put(engine, b"a")
    assert engine.get(key) is None
    with pytest.raises(ValueError, match="1 to 511 bytes"):
        engine.write(WriteBatch(Applied(2, 1), {b"b": b"", key: b""}))
    engine.refresh()
    assert keys(engine.scan(b"", b"")) == [b"a"]
    assert engine.applied() == Applied(1, 1)


def test_values_of_any_size(engine: Engine) -> None:
    values = {b"empty": b"", b"page": b"p" * 4096, b"large": b"l" * (3 << 20)}
    engine.write(WriteBatch(Applied(1, 1), dict(values)))
    engine.refresh()
    assert dict(engine.scan(b"", b"")) == values


@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_goes_on_after_refreshes(engine: Engine, reverse: bool) -> None:
    everything = [b"%03d" % number for number in range(100)]
    put(engine, *everything)
    seen = []
    for turn, (key, _) in enumerate(engine.scan(b"", b"", reverse=reverse)):
        seen.append(key)
        # The key just seen goes, so the scan must find its place without it.
        engine.write(WriteBatch(Applied(turn + 2, 1), {key: None}))
        engine.refresh()
    assert seen == (everything[::-1] if reverse else everything)
    assert list(engine.scan(b"", b"")) == []


def test_a_scan_is_lazy_and_may_be_left(engine: Engine) -> None:
    put(engine, *[b"%03d" % number for number in range(100)])
    scan = engine.scan(b"", b"")
    assert next(scan)[0] == b"000"
    engine.refresh()
    engine.refresh()
    assert next(scan)[0] == b"001"
    del scan
    assert engine.get(b"050") == b"=050"


def test_a_copy_holds_the_newest_write(engine: Engine, open_engine: Open, tmp_path: Path) -> None:
    put(engine, b"a", b"b")
    mark = Applied(9, 2, ConfState(voters=("n1", "n2")), 4)
    engine.write(WriteBatch(mark, {b"c": b"=c", b"a": None}))  # not refreshed
    target = tmp_path / "copy"
    target.mkdir()
    assert engine.copy_to(target) == mark
    copy = open_engine(target)
    assert copy.applied() == mark
    assert list(copy.scan(b"", b"")) == [(b"b", b"=b"), (b"c", b"=c")]
    copy.close()


def test_a_copy_wants_an_empty_directory(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "something").write_bytes(b"")
    with pytest.raises(ValueError, match="not empty"):
        engine.copy_to(tmp_path / "copy")


def test_size_is_counted(engine: Engine) -> None:
    put(engine, b"a")
    assert engine.size_bytes() > 0


some_keys = st.binary(min_size=1, max_size=3)
bounds = st.binary(max_size=3)
batches = st.lists(
    st.tuples(
        st.lists(st.tuples(bounds, bounds), max_size=2),
        st.dictionaries(some_keys, st.none() | st.binary(max_size=4), max_size=8),
    ),
    max_size=6,
)


@given(batches=batches, scans=st.lists(st.tuples(bounds, bounds), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("name", OPENERS)
def test_an_engine_is_a_sorted_dict(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    batches: list[tuple[list[tuple[bytes, bytes]], dict[bytes, bytes | None]]],
    scans: list[tuple[bytes, bytes]],
) -> None:
    engine = OPENERS[name](tmp_path_factory.mktemp("engine") / "state")
    model: dict[bytes, bytes] = {}
    try:
        for index, (ranges, puts) in enumerate(batches):
            for start, end in ranges:
                model = {key: value for key, value in model.items() if key < start or (end and key >= end)}
            for key, value in puts.items():
                if value is None:
                    model.pop(key, None)
                else:
                    model[key] = value
            engine.write(WriteBatch(Applied(index, 1), puts, ranges))
            engine.refresh()
            for key in puts:
                assert engine.get(key) == model.get(key)
            for start, end in scans:
                expected = [pair for pair in sorted(model.items()) if pair[0] >= start and (not end or pair[0] < end)]
                assert list(engine.scan(start, end)) == expected
                assert list(engine.scan(start, end, reverse=True)) == expected[::-1]
    finally:
        engine.close()
