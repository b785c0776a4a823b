"""Files that are there completely or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from elastickv.errors import Fault, KvError
from elastickv.storage.durable import (
    REFUSALS,
    disk_faults,
    make_directory,
    remove_tree,
    rename,
    size_of_tree,
    sync_tree,
    write_file,
)


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_refusals_of_the_disk_become_one_fault(code: int) -> None:
    with pytest.raises(KvError, match="the disk refused a test") as caught, disk_faults("a test"):
        raise OSError(code, "x")
    assert caught.value.fault is Fault.DISK_FULL


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(PermissionError), disk_faults("a test"):
        raise OSError(errno.EACCES, "x")


def test_writing_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    write_file(tmp_path / "f", b"old")
    write_file(tmp_path / "f", b"new" * 100_000)
    assert (tmp_path / "f").read_bytes() == b"new" * 100_000
    assert [it.name for it in tmp_path.iterdir()] == ["f"]


def test_directories_are_made_moved_and_removed(tmp_path: Path) -> None:
    make_directory(tmp_path / "a" / "b")
    make_directory(tmp_path / "a" / "b")
    write_file(tmp_path / "a" / "b" / "f", b"x" * 10_000)
    sync_tree(tmp_path / "a")
    assert size_of_tree(tmp_path / "a") >= 10_000
    rename(tmp_path / "a" / "b", tmp_path / "c")
    assert (tmp_path / "c" / "f").exists()
    for name in ("a", "c", "never there"):
        remove_tree(tmp_path / name)
    write_file(tmp_path / "f", b"")
    remove_tree(tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_a_directory(tmp_path: Path) -> None:
    write_file(tmp_path / "f", b"")
    with pytest.raises(NotADirectoryError):
        make_directory(tmp_path / "f")
