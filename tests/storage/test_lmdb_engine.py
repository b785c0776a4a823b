"""What the contract suite does not say about the state on LMDB: restarts, a full disk, growth under a reader."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import lmdb
import pytest

from elastickv.errors import Fault, KvError
from elastickv.raft.types import ConfState
from elastickv.storage.codec import Corruption
from elastickv.storage.engine import Applied, WriteBatch
from elastickv.storage.lmdb_engine import PUT_CHUNK, LmdbEngine, read_mark
from tests.kit.small_disk import SmallDisk


def test_data_and_mark_are_there_after_a_restart(tmp_path: Path) -> None:
    engine = LmdbEngine(tmp_path)
    mark = Applied(12, 3, ConfState(voters=("n1",)), 9)
    puts: dict[bytes, bytes | None] = {b"%d" % number: b"v" * number for number in range(PUT_CHUNK * 2 + 10)}
    engine.write(WriteBatch(mark, puts))
    engine.close()
    engine = LmdbEngine(tmp_path)
    assert engine.applied() == mark
    assert dict(engine.scan(b"", b"")) == puts
    engine.close()
    assert read_mark(tmp_path) == mark


def test_a_directory_without_a_state_has_no_mark(tmp_path: Path) -> None:
    lmdb.open(str(tmp_path)).close()
    assert read_mark(tmp_path) == Applied()


def test_a_refused_write_changes_nothing(small_disk: SmallDisk) -> None:
    engine = LmdbEngine(small_disk.path / "state")
    engine.write(WriteBatch(Applied(1, 1), {b"a": b"1", b"b": b"2"}))
    engine.refresh()
    small_disk.fill(leave_bytes=20 << 10)
    large = WriteBatch(Applied(2, 1), {b"a": b"x" * 100_000, b"c": b"x" * 100_000}, [(b"b", b"c")])
    for _ in range(3):
        with pytest.raises(KvError) as caught:
            engine.write(large)
        assert caught.value.fault is Fault.DISK_FULL
        engine.refresh()
        assert list(engine.scan(b"", b"")) == [(b"a", b"1"), (b"b", b"2")]
        assert engine.applied() == Applied(1, 1)
    small_disk.empty()
    engine.write(large)
    engine.refresh()
    assert [key for key, _ in engine.scan(b"", b"")] == [b"a", b"c"]
    assert engine.applied() == Applied(2, 1)
    engine.close()


def test_reads_go_on_while_the_environment_is_replaced(tmp_path: Path) -> None:
    """A writer whose map doubles again and again, beside gets and scans."""
    engine = LmdbEngine(tmp_path, first_map_bytes=1 << 17)
    engine.write(WriteBatch(Applied(1, 1), {b"%03d" % number: b"constant" for number in range(100)}))
    engine.refresh()
    wrong: list[object] = []
    stop = threading.Event()

    def write() -> None:
        try:
            for number in range(60):
                engine.write(WriteBatch(Applied(2 + number, 1), {b"x%d" % number: b"x" * 60_000}))
        except BaseException as error:
            wrong.append(error)
        stop.set()

    thread = threading.Thread(target=write)
    thread.start()
    scans = 0
    while not stop.is_set():
        if engine.get(b"050") != b"constant":
            wrong.append("get")
        for reverse in (False, True):
            found = []
            for key, value in engine.scan(b"", b"x", reverse=reverse):
                found.append(key)
                if value != b"constant":
                    wrong.append(key)
            expected = [b"%03d" % number for number in range(100)]
            if found != (expected[::-1] if reverse else expected):
                wrong.append(found)
            scans += 1
        if scans % 10 == 0:
            engine.refresh()
    thread.join()
    assert wrong == []
    assert engine._environment.generation >= 4
    engine.close()


def test_a_copy_beside_the_writer_is_one_state(tmp_path: Path) -> None:
    """Each batch gives all keys the same value, which is also its index."""
    engine = LmdbEngine(tmp_path / "state")
    stop = threading.Event()

    def write() -> None:
        index = 1
        while not stop.is_set():
            index += 1
            engine.write(WriteBatch(Applied(index, 1), dict.fromkeys([b"%d" % n for n in range(200)], b"%d" % index)))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        time.sleep(0.05)
        for number in range(10):
            target = tmp_path / f"copy{number}"
            target.mkdir()
            applied = engine.copy_to(target)
            copy = LmdbEngine(target)
            assert {value for _, value in copy.scan(b"", b"")} == {b"%d" % applied.index}
            assert copy.applied() == applied
            copy.close()
    finally:
        stop.set()
        thread.join()
    engine.close()


class Damaged:
    """A transaction that meets a broken page."""

    def get(self, key: bytes) -> bytes:
        raise lmdb.CorruptedError("mdb_get", -30796)

    def cursor(self) -> lmdb.Cursor[bytes]:
        raise lmdb.CorruptedError("mdb_cursor_open", -30796)


def test_damage_is_an_error_and_not_an_endless_loop(tmp_path: Path) -> None:
    engine = LmdbEngine(tmp_path)
    damaged = Damaged()
    engine._transaction, engine._get = damaged, damaged.get  # type: ignore[assignment]
    with pytest.raises(Corruption, match="damaged"):
        engine.get(b"k")
    for reverse in (False, True):
        with pytest.raises(Corruption, match="damaged"):
            list(engine.scan(b"", b"", reverse=reverse))
    engine.close()


def test_a_closed_engine_says_so(tmp_path: Path) -> None:
    engine = LmdbEngine(tmp_path)
    engine.close()
    with pytest.raises(KvError) as caught:
        engine.get(b"k")
    assert caught.value.fault is Fault.SHUTTING_DOWN
