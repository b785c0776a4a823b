"""Snapshots: complete or not there, verified, installed in a way that survives a kill between any two steps."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from elastickv.errors import Fault, KvError
from elastickv.raft.types import ConfState, Member, SnapshotMeta
from elastickv.storage import snapshot_file
from elastickv.storage.codec import Corruption
from elastickv.storage.engine import Applied, Engine, WriteBatch
from elastickv.storage.lmdb_engine import LmdbEngine
from elastickv.storage.memory_engine import MemoryEngine
from elastickv.storage.snapshot_file import SnapshotStore, install, repair_install, verify
from tests.kit.small_disk import SmallDisk

CONF = ConfState(voters=("n1", "n2"), learners=("n3",), members=(Member("n1", "h:1", "i1"),))


def filled(engine: Engine, index: int, value: bytes = b"v") -> Engine:
    engine.write(WriteBatch(Applied(index, 2, CONF, 3), {b"k%d" % number: value for number in range(1000)}))
    return engine


@pytest.fixture(params=[MemoryEngine, LmdbEngine])
def open_engine(request: pytest.FixtureRequest) -> Callable[[Path], Engine]:
    opener: Callable[[Path], Engine] = request.param
    return opener


def test_a_snapshot_says_what_it_is(tmp_path: Path, open_engine: Callable[[Path], Engine]) -> None:
    engine = filled(open_engine(tmp_path / "state"), 7)
    store = SnapshotStore(tmp_path / "snapshots")
    assert store.latest() is None
    snapshot = store.create(engine, cluster_id="c1")
    assert snapshot.directory == tmp_path / "snapshots" / "snapshot-2-7"
    assert snapshot.meta == SnapshotMeta(7, 2, CONF)
    assert snapshot.applied == Applied(7, 2, CONF, 3)
    assert snapshot.cluster_id == "c1"
    assert snapshot.size_bytes > 0
    assert store.latest() == snapshot == store.open(snapshot.meta) == store.verify(snapshot.directory)
    assert store.create(engine) == snapshot  # nothing new to copy
    with pytest.raises(KvError) as caught:
        store.open(SnapshotMeta(8, 2))
    assert caught.value.fault is Fault.NOT_FOUND
    engine.close()


def test_old_ones_are_pruned(tmp_path: Path) -> None:
    engine = MemoryEngine()
    store = SnapshotStore(tmp_path)
    for index in (9, 10, 11):
        store.create(filled(engine, index))
    (tmp_path / "snapshot-of-the-harbour").mkdir()
    newest = store.latest()
    assert newest is not None
    assert newest.meta.index == 11  # by number, not by name
    store.prune(keep=2)
    assert sorted(it.name for it in tmp_path.iterdir()) == ["snapshot-2-10", "snapshot-2-11", "snapshot-of-the-harbour"]
    store.prune()
    assert store.latest() == newest
    store.prune(keep=0)
    assert store.latest() is None


def test_installing_replaces_the_state(tmp_path: Path, open_engine: Callable[[Path], Engine]) -> None:
    state = tmp_path / "state"
    engine = filled(open_engine(tmp_path / "leader"), 50, b"leader")
    snapshot = SnapshotStore(tmp_path / "snapshots").create(engine)
    incoming = tmp_path / "incoming"
    shutil.copytree(snapshot.directory, incoming)
    state.mkdir()
    old = filled(open_engine(state), 5, b"follower")
    old.write(WriteBatch(Applied(6, 2), {b"only here": b""}))
    old.close()
    installed = install(incoming, state)
    assert installed.meta == snapshot.meta
    assert not incoming.exists()
    assert [it.name for it in tmp_path.iterdir() if it.name.startswith("state")] == ["state"]
    new = open_engine(state)
    assert new.applied() == snapshot.applied
    assert dict(new.scan(b"", b"")) == dict.fromkeys([b"k%d" % number for number in range(1000)], b"leader")
    new.write(WriteBatch(Applied(51, 2), {b"more": b""}))
    new.close()
    engine.close()


@pytest.fixture
def snapshot_dir(tmp_path: Path) -> Path:
    return SnapshotStore(tmp_path / "snapshots").create(filled(MemoryEngine(), 7)).directory


def only_part(directory: Path) -> Path:
    (part,) = (it for it in directory.iterdir() if it.name != "manifest.json")
    return part


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_damage_is_found_before_anything_is_replaced(tmp_path: Path, snapshot_dir: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "old").write_bytes(b"old")
    part = only_part(snapshot_dir)
    whole = part.read_bytes()

    def refused(reason: str) -> None:
        with pytest.raises(Corruption, match=reason):
            install(snapshot_dir, state)
        assert (state / "old").read_bytes() == b"old"

    flip(part, len(whole) // 2)
    refused("checksum does not match")
    part.write_bytes(whole[:-1])
    refused("should have")
    part.unlink()
    refused("missing")
    part.write_bytes(whole)
    (snapshot_dir / "stranger").write_bytes(b"")
    refused("not in its manifest")
    (snapshot_dir / "stranger").unlink()
    manifest = snapshot_dir / "manifest.json"
    text = manifest.read_bytes()
    manifest.write_bytes(text.replace(b'"index": 7', b'"index": 8'))
    refused("manifest of .* is damaged")
    manifest.write_bytes(text[:-20])
    refused("manifest of .* is damaged")
    manifest.write_bytes(text.replace(b'"version": 1', b'"version": 2'))
    refused("version 2")
    manifest.unlink()
    refused("no manifest")
    manifest.write_bytes(text)
    verify(snapshot_dir)


@pytest.mark.parametrize("name", ["../state/data", "/etc/passwd", "..", "", "manifest.json", "a/b", 5])
def test_a_manifest_cannot_lead_out_of_its_directory(snapshot_dir: Path, name: object) -> None:
    record = orjson.loads((snapshot_dir / "manifest.json").read_bytes())
    record["files"][0]["name"] = name
    del record["manifest_xxh3_128"]
    record["manifest_xxh3_128"] = snapshot_file._sum_of_record(record)
    (snapshot_dir / "manifest.json").write_bytes(orjson.dumps(record))
    with pytest.raises(Corruption, match="no name for a file"):
        verify(snapshot_dir)


class Killed(BaseException):
    """Stands for SIGKILL: nothing after this point happens, not even `finally`."""


STEPS = ("rename", "remove_tree", "make_directory", "sync_tree", "sync_path")


@pytest.mark.parametrize("point", range(40))
def test_a_kill_between_any_two_steps_leaves_one_whole_state(
    tmp_path: Path, snapshot_dir: Path, monkeypatch: pytest.MonkeyPatch, point: int
) -> None:
    """Every step on the file system is counted; at step `point` the process dies. The next start sees old or new."""
    state = tmp_path / "state"
    state.mkdir()
    old = filled(MemoryEngine(), 1, b"old")
    old.copy_to(state)
    count = 0

    def mortal(step: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object) -> object:
            nonlocal count
            if count == point:
                raise Killed
            count += 1
            return step(*arguments)

        return run

    for name in STEPS:
        monkeypatch.setattr(snapshot_file, name, mortal(getattr(snapshot_file, name)))
    monkeypatch.setattr(Path, "rename", mortal(Path.rename))
    try:
        install(snapshot_dir, state)
        completed = True
    except Killed:
        completed = False
    monkeypatch.undo()
    repair_install(state)
    repair_install(state)
    assert [it.name for it in tmp_path.iterdir() if it.name.startswith("state")] == ["state"]
    engine = MemoryEngine(state)
    values = {value for _, value in engine.scan(b"", b"")}
    assert (engine.applied().index, values) in ((1, {b"old"}), (7, {b"v"}))
    if completed:
        assert engine.applied().index == 7
        assert point >= count, "raise the range of points: some steps were not tried"
    else:
        assert len(list(engine.scan(b"", b""))) == 1000


def test_a_kill_while_making_one_leaves_no_half_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SnapshotStore(tmp_path)
    engine = filled(MemoryEngine(), 7)

    def die(*_: object) -> None:
        raise Killed

    for step in ("write_file", "sync_tree", "rename"):
        monkeypatch.setattr(snapshot_file, step, die)
        with pytest.raises(Killed):
            store.create(engine)
        monkeypatch.undo()
        assert store.latest() is None
    assert store.create(engine) == store.latest()


def test_no_room_for_a_snapshot(small_disk: SmallDisk) -> None:
    engine = LmdbEngine(small_disk.path / "state")
    engine.write(WriteBatch(Applied(1, 1), {b"k": b"x" * (1 << 20)}))
    store = SnapshotStore(small_disk.path / "snapshots")
    small_disk.fill(leave_bytes=256 << 10)
    with pytest.raises(KvError) as caught:
        store.create(engine)
    assert caught.value.fault is Fault.DISK_FULL
    assert store.latest() is None
    assert list((small_disk.path / "snapshots").iterdir()) == []
    small_disk.empty()
    assert store.create(engine) == store.latest()
    engine.close()
