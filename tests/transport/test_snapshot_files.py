from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path
from random import Random

import pytest

from elastickv.raft.types import SnapshotMeta
from elastickv.transport.snapshot_files import (
    Damaged,
    IncomingFiles,
    OutgoingFiles,
    Stopped,
    check_files,
    is_disk_full,
    on_thread,
    snapshot_id,
)
from elastickv.transport.wire import FileInfo, WireError

CONTENTS = {"a": Random(1).randbytes(2500), "b": b"", "c": Random(2).randbytes(1000), "d": b""}
META = SnapshotMeta(5, 2)


@pytest.fixture
def outgoing(tmp_path: Path) -> OutgoingFiles:
    directory = tmp_path / "out"
    directory.mkdir()
    for name, content in CONTENTS.items():
        (directory / name).write_bytes(content)
    files = OutgoingFiles(directory)
    files.survey()
    return files


def incoming(tmp_path: Path, outgoing: OutgoingFiles, reserve_bytes: int = 0) -> IncomingFiles:
    return IncomingFiles(tmp_path / "in", snapshot_id(META, outgoing.files), outgoing.files, reserve_bytes)


def transfer(outgoing: OutgoingFiles, target: IncomingFiles, offsets: tuple[int, ...], chunks: int = 1000) -> None:
    for position, file in enumerate(outgoing.files):
        offset = offsets[position]
        while offset < file.size and chunks:
            packet, size = outgoing.chunk(position, offset, 1000)
            target.write(packet)
            offset += size
            chunks -= 1


def finish(target: IncomingFiles) -> dict[str, bytes]:
    assert target.complete
    target.sync()
    return {path.name: path.read_bytes() for path in target.hand_over().iterdir()}


def test_all_files_arrive(tmp_path: Path, outgoing: OutgoingFiles) -> None:
    target = incoming(tmp_path, outgoing)
    transfer(outgoing, target, target.open())
    assert finish(target) == CONTENTS


@pytest.mark.parametrize("chunks", range(5))
def test_another_attempt_goes_on_where_the_first_ended(tmp_path: Path, outgoing: OutgoingFiles, chunks: int) -> None:
    first = incoming(tmp_path, outgoing)
    transfer(outgoing, first, first.open(), chunks)
    first.close()
    second = incoming(tmp_path, outgoing)
    offsets = second.open()
    assert sum(offsets) == [0, 1000, 2000, 2500, 3500][chunks]
    transfer(outgoing, second, offsets)
    assert finish(second) == CONTENTS


def test_a_prefix_that_rotted_on_disk_is_found_when_the_file_is_complete(
    tmp_path: Path, outgoing: OutgoingFiles
) -> None:
    first = incoming(tmp_path, outgoing)
    transfer(outgoing, first, first.open(), 1)
    first.close()
    [partial] = (tmp_path / "in").iterdir()
    (partial / "a").write_bytes(bytes(1000))
    second = incoming(tmp_path, outgoing)
    with pytest.raises(Damaged):
        transfer(outgoing, second, second.open())
    second.close()
    third = incoming(tmp_path, outgoing)
    offsets = third.open()
    assert offsets == (0, 0, 0, 0)
    transfer(outgoing, third, offsets)
    assert finish(third) == CONTENTS


def test_a_whole_file_that_rotted_is_fetched_again(tmp_path: Path, outgoing: OutgoingFiles) -> None:
    first = incoming(tmp_path, outgoing)
    transfer(outgoing, first, first.open())
    [partial] = (tmp_path / "in").iterdir()
    (partial / "a").write_bytes(bytes(2500))
    second = incoming(tmp_path, outgoing)
    offsets = second.open()
    assert offsets[0] == 0
    transfer(outgoing, second, offsets)
    assert finish(second) == CONTENTS


def test_a_damaged_chunk_changes_nothing(tmp_path: Path, outgoing: OutgoingFiles) -> None:
    target = incoming(tmp_path, outgoing)
    offsets = target.open()
    packet, _ = outgoing.chunk(0, 0, 1000)
    with pytest.raises(Damaged):
        target.write(packet[:-1] + bytes((packet[-1] ^ 1,)))
    transfer(outgoing, target, offsets)
    assert finish(target) == CONTENTS


def test_only_the_chunk_that_follows_is_taken(tmp_path: Path, outgoing: OutgoingFiles) -> None:
    target = incoming(tmp_path, outgoing)
    target.open()
    for file, offset in ((0, 1000), (2, 0)):
        with pytest.raises(WireError):
            target.write(outgoing.chunk(file, offset, 1000)[0])
    target.discard()
    assert not list((tmp_path / "in").iterdir())


def test_what_is_left_of_another_snapshot_goes(tmp_path: Path, outgoing: OutgoingFiles) -> None:
    other = IncomingFiles(tmp_path / "in", "other", outgoing.files, 0)
    other.open()
    other.close()
    whole = tmp_path / "in" / "whole-of-somebody"
    whole.mkdir()
    target = incoming(tmp_path, outgoing)
    target.open()
    target.close()
    assert len(list((tmp_path / "in").iterdir())) == 2
    assert whole.exists()


def test_a_snapshot_that_does_not_fit_is_refused_before_it_begins(tmp_path: Path, outgoing: OutgoingFiles) -> None:
    with pytest.raises(OSError, match="reserve") as caught:
        incoming(tmp_path, outgoing, reserve_bytes=1 << 62).open()
    assert is_disk_full(caught.value)


def test_a_disk_that_is_full_in_the_middle(
    tmp_path: Path, outgoing: OutgoingFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = incoming(tmp_path, outgoing)
    offsets = target.open()

    def full(descriptor: int, data: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="no space"):
        transfer(outgoing, target, offsets)
    target.discard()
    assert not list((tmp_path / "in").iterdir())


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "a\n", "a\0"])
def test_names_stay_inside_the_directory(name: str) -> None:
    with pytest.raises(WireError):
        check_files((FileInfo(name, 1, b""),))


def test_names_are_unique() -> None:
    with pytest.raises(WireError):
        check_files((FileInfo("a", 1, b""), FileInfo("a", 1, b"")))


def test_the_identity_is_that_of_the_bytes() -> None:
    file = FileInfo("a", 1, b"d")
    others = [
        snapshot_id(META, (file,)),
        snapshot_id(META, (FileInfo("a", 1, b"e"),)),
        snapshot_id(META, (FileInfo("a", 2, b"d"),)),
        snapshot_id(META, (FileInfo("b", 1, b"d"),)),
        snapshot_id(SnapshotMeta(5, 3), (file,)),
        snapshot_id(META, ()),
    ]
    assert len(set(others)) == len(others)
    assert snapshot_id(META, (file,)) == others[0]


def test_a_file_that_shrinks_while_it_is_sent(tmp_path: Path, outgoing: OutgoingFiles) -> None:
    (tmp_path / "out" / "a").write_bytes(b"")
    with pytest.raises(ValueError, match="became shorter"):
        outgoing.chunk(0, 0, 1000)
    outgoing.close()


def test_only_plain_files_are_sent(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    with pytest.raises(ValueError, match="plain file"):
        OutgoingFiles(tmp_path).survey()


def test_a_survey_can_be_stopped(outgoing: OutgoingFiles) -> None:
    outgoing.stop.set()
    with pytest.raises(Stopped):
        outgoing.survey()


async def test_cancellation_waits_until_the_thread_has_let_go() -> None:
    stop, entered = threading.Event(), threading.Event()
    left = []

    def work() -> None:
        entered.set()
        stop.wait(5)
        left.append(True)

    task = asyncio.create_task(on_thread(stop, work))
    await asyncio.to_thread(entered.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left == [True]
