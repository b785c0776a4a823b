"""A node's directory: identity, lock, leftovers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from elastickv.errors import Fault, KvError
from elastickv.storage.data_dir import DataDirectory, DataDirectoryError
from tests.kit.small_disk import SmallDisk


def test_a_new_directory_gets_an_identity_that_stays(tmp_path: Path) -> None:
    path = tmp_path / "some" / "where"
    first = DataDirectory.open(path, "n1")
    instance = first.instance
    assert (first.node_id, first.cluster_id) == ("n1", "")
    assert len(instance) == 32
    for place in (first.log_dir, first.state_dir, first.snapshots_dir, first.incoming_dir):
        assert place.is_dir()
    first.close()
    again = DataDirectory.open(path, "n1")
    assert again.instance == instance
    again.close()
    other = DataDirectory.open(tmp_path / "other", "n1")
    assert other.instance != instance
    other.close()


def test_the_cluster_id_is_set_once(tmp_path: Path) -> None:
    directory = DataDirectory.open(tmp_path, "n1")
    with pytest.raises(ValueError, match="not empty"):
        directory.set_cluster_id("")
    directory.set_cluster_id("c1")
    directory.set_cluster_id("c1")
    with pytest.raises(DataDirectoryError, match="belongs to cluster c1, not to c2"):
        directory.set_cluster_id("c2")
    directory.close()
    directory = DataDirectory.open(tmp_path, "n1")
    assert directory.cluster_id == "c1"
    directory.close()


def test_another_node_is_refused_by_name(tmp_path: Path) -> None:
    DataDirectory.open(tmp_path, "n1").close()
    with pytest.raises(DataDirectoryError, match="belongs to node 'n1', but this node is 'n2'"):
        DataDirectory.open(tmp_path, "n2")
    with pytest.raises(DataDirectoryError, match="needs an ID"):
        DataDirectory.open(tmp_path, "")


def test_one_process_at_a_time(tmp_path: Path, python: Callable[..., subprocess.Popen[str]]) -> None:
    program = """
import sys
from elastickv.storage.data_dir import DataDirectory
DataDirectory.open(sys.argv[1], "n1")
print("open", flush=True)
sys.stdin.read()
"""
    path = tmp_path / "data"
    directory = DataDirectory.open(path, "n1")
    with pytest.raises(DataDirectoryError, match="in use by another process"):
        DataDirectory.open(path, "n1")
    with python(program, path) as refused:
        assert refused.stdout is not None
        assert "is in use by another process (process" in refused.stdout.read()
    directory.close()
    with python("import time; " + program.replace("sys.stdin.read()", "time.sleep(60)"), path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(DataDirectoryError, match=f"process {holder.pid}"):
            DataDirectory.open(path, "n1")
        holder.kill()
    DataDirectory.open(path, "n1").close()  # the lock died with its process


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    DataDirectory.open(tmp_path, "n1").close()
    file = tmp_path / "identity.json"
    file.write_bytes(orjson.dumps(orjson.loads(file.read_bytes()) | {"format": 2}))
    with pytest.raises(DataDirectoryError, match="has format 2; this release knows format 1 only"):
        DataDirectory.open(tmp_path, "n1")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1}', b'{"format": "x"}', b'{"node_id": "n1"}'])
def test_a_damaged_identity_is_refused(tmp_path: Path, content: bytes) -> None:
    DataDirectory.open(tmp_path, "n1").close()
    (tmp_path / "identity.json").write_bytes(content)
    with pytest.raises(DataDirectoryError, match="damaged"):
        DataDirectory.open(tmp_path, "n1")


def test_data_without_an_identity_is_not_adopted(tmp_path: Path) -> None:
    directory = DataDirectory.open(tmp_path, "n1")
    (directory.log_dir / "data.mdb").write_bytes(b"log")
    directory.close()
    (tmp_path / "identity.json").unlink()
    with pytest.raises(DataDirectoryError, match=r"identity\.json is missing"):
        DataDirectory.open(tmp_path, "n1")


def test_leftovers_are_swept(tmp_path: Path) -> None:
    directory = DataDirectory.open(tmp_path, "n1")
    partial = directory.incoming_dir / "partial"
    partial.mkdir()
    (partial / "chunk").write_bytes(b"x")
    (directory.incoming_dir / "file").write_bytes(b"x")
    draft = directory.snapshots_dir / "draft-snapshot-1-1"
    draft.mkdir()
    kept = directory.snapshots_dir / "snapshot-1-1"
    kept.mkdir()
    (tmp_path / "identity.json.draft").write_bytes(b"half")
    (tmp_path / "state.new").mkdir()
    directory.close()
    directory = DataDirectory.open(tmp_path, "n1")
    assert list(directory.incoming_dir.iterdir()) == []
    assert list(directory.snapshots_dir.iterdir()) == [kept]
    assert not (tmp_path / "identity.json.draft").exists()
    assert not (tmp_path / "state.new").exists()
    directory.close()


def test_places_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataDirectoryError, match="cannot be used: Not a directory"):
        DataDirectory.open(tmp_path / "file", "n1")


def test_a_full_disk_is_a_fault_and_not_a_crash(small_disk: SmallDisk) -> None:
    small_disk.fill()
    with pytest.raises(KvError) as caught:
        DataDirectory.open(small_disk.path / "data", "n1")
    assert caught.value.fault is Fault.DISK_FULL
    small_disk.empty()
    directory = DataDirectory.open(small_disk.path / "data", "n1")
    small_disk.fill()
    with pytest.raises(KvError) as caught:
        directory.set_cluster_id("c1")
    assert caught.value.fault is Fault.DISK_FULL
    assert directory.cluster_id == ""
    small_disk.empty()
    directory.set_cluster_id("c1")
    directory.close()
