"""The disk side of a snapshot transfer: a directory read in chunks, and one written from them. No network in here.

Everything in the two classes blocks and is meant for a thread (`on_thread`), except where it says otherwise.

Two checksums guard a transfer. Each chunk has one, so damage on the way is found at once and only that chunk is sent
again. Each file has one too, which the sender computes before anything else: it names the snapshot together with index
and term, so a broken transfer is only ever continued with the very same bytes, and it proves that what lies on disk is
what was meant, including parts that an earlier attempt, or an earlier process, has written.

A partial snapshot is a directory `partial-<id>` in which files are written strictly in order from front to back. What
is there after a crash is therefore a prefix, and its length is all there is to know; whether it is intact shows when
the file is complete.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import xxhash

from elastickv.raft.types import SnapshotMeta
from elastickv.transport.wire import FileInfo, SnapshotChunk, WireError, read_snapshot, write_snapshot_chunk

P = ParamSpec("P")
T = TypeVar("T")

PARTIAL_PREFIX: Final = "partial-"
WHOLE_PREFIX: Final = "whole-"

_HASH_BLOCK_BYTES: Final = 1 << 20
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")


class Damaged(Exception):
    """Bytes are not what their checksum says. Trying again is worth while."""


class Stopped(Exception):
    """The work on the thread was told to stop."""


def is_disk_full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


async def on_thread(stop: threading.Event, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Like `asyncio.to_thread`, but a cancelled caller sets `stop`, and goes on only after the thread has let go of
    the files."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        while not work.done():
            try:
                await asyncio.wait((work,))
            except asyncio.CancelledError:
                continue
        if not work.cancelled():
            work.exception()  # seen; the cancellation is what counts
        raise


def snapshot_id(meta: SnapshotMeta, files: Sequence[FileInfo]) -> str:
    """Names the bytes of a snapshot: the same ID, the same contents."""
    identity = xxhash.xxh3_128()
    for part in (meta.index, meta.term, *((file.name, file.size, file.digest.hex()) for file in files)):
        identity.update(repr(part).encode() + b"\n")
    return f"{meta.index}-{meta.term}-{identity.hexdigest()}"


def check_files(files: Sequence[FileInfo]) -> None:
    """Raise WireError on names and sizes that have no business on our disk."""
    if len({file.name for file in files}) != len(files):
        raise WireError("two files of the same name in a snapshot")
    for file in files:
        if not _FILE_NAME.fullmatch(file.name):
            raise WireError(f"{file.name!r} is no name for a file of a snapshot")


class OutgoingFiles:
    """The files of a directory, in the order of their names."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.stop = threading.Event()
        """Set from anywhere: long work ends soon."""
        self._open_file = -1
        self._descriptor = -1
        self.files: tuple[FileInfo, ...] = ()

    def survey(self) -> None:
        """Fill in `files`."""
        files = []
        for path in sorted(self._directory.iterdir()):
            if not path.is_file():
                raise ValueError(f"{path} is not a plain file; a snapshot has nothing else")
            digest = xxhash.xxh3_128()
            size = 0
            with path.open("rb", buffering=0) as file:
                while block := file.read(_HASH_BLOCK_BYTES):
                    if self.stop.is_set():
                        raise Stopped
                    digest.update(block)
                    size += len(block)
            files.append(FileInfo(path.name, size, digest.digest()))
        check_files(files)
        self.files = tuple(files)

    def chunk(self, file: int, offset: int, limit_bytes: int) -> tuple[bytes, int]:
        """The packet with the bytes from `offset` on, and how many they are."""
        info = self.files[file]
        if self._open_file != file:
            self.close()
            self._descriptor = os.open(self._directory / info.name, os.O_RDONLY | os.O_CLOEXEC)
            self._open_file = file
        data = os.pread(self._descriptor, min(limit_bytes, info.size - offset), offset)
        if not data:
            raise ValueError(f"{self._directory / info.name} became shorter while it was being sent")
        return write_snapshot_chunk(file, offset, xxhash.xxh3_64_intdigest(data), data), len(data)

    def close(self) -> None:
        """Quick enough for the loop."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = self._open_file = -1


class IncomingFiles:
    """A snapshot on its way to this disk."""

    def __init__(self, root: Path, identity: str, files: tuple[FileInfo, ...], reserve_bytes: int) -> None:
        check_files(files)
        self._root = root
        self._identity = identity
        self._files = files
        self._reserve_bytes = reserve_bytes
        self._directory = root / (PARTIAL_PREFIX + identity)
        self.stop = threading.Event()
        """Set from anywhere: long work ends soon."""
        self._descriptor = -1
        self._file = 0
        """The file being written; all before it are whole and synced."""
        self._offset = 0
        self._digest = xxhash.xxh3_128()

    @property
    def complete(self) -> bool:
        return self._file == len(self._files)

    def open(self) -> tuple[int, ...]:
        """Take up what an earlier attempt left, drop what is left of other snapshots, make sure that there is room
        (OSError, ENOSPC otherwise); tells how many bytes of each file are here."""
        self._root.mkdir(parents=True, exist_ok=True)
        for other in self._root.glob(PARTIAL_PREFIX + "*"):
            if other != self._directory:
                shutil.rmtree(other)
        self._directory.mkdir(exist_ok=True)
        here = [self._intact_prefix(position) for position in range(len(self._files))]
        # Files are written in order: whatever follows the first incomplete one is not to be trusted.
        first = next((i for i, file in enumerate(self._files) if here[i] < file.size), len(self._files))
        here[first + 1 :] = [0] * len(here[first + 1 :])
        missing = sum(file.size for file in self._files) - sum(here)
        free = shutil.disk_usage(self._root).free
        if missing + self._reserve_bytes > free:
            raise OSError(
                errno.ENOSPC, f"{missing} bytes are to come, {free} are free, {self._reserve_bytes} stay in reserve"
            )
        self._file = 0
        self._offset = 0
        while not self.complete and here[self._file] == self._files[self._file].size:
            self._begin_file(0, resume=True)
            self._end_file()
        if not self.complete:
            self._begin_file(here[self._file], resume=here[self._file] > 0)
        return tuple(here)

    def write(self, packet: bytes) -> None:
        """Verify a chunk and write it."""
        chunk = read_snapshot(packet)
        if not isinstance(chunk, SnapshotChunk):
            raise WireError("a chunk was expected")
        if self.complete or (chunk.file, chunk.offset) != (self._file, self._offset):
            raise WireError(f"a chunk of file {chunk.file} at {chunk.offset}, which is not what follows")
        info = self._files[self._file]
        if not 0 < len(chunk.data) <= info.size - chunk.offset:
            raise WireError(f"a chunk of {len(chunk.data)} bytes does not fit into {info.name}")
        if xxhash.xxh3_64_intdigest(chunk.data) != chunk.checksum:
            raise Damaged(f"a chunk of {info.name} at {chunk.offset} was damaged on the way")
        rest = chunk.data
        while rest:
            rest = rest[os.pwrite(self._descriptor, rest, chunk.offset + len(chunk.data) - len(rest)) :]
        self._digest.update(chunk.data)
        self._offset += len(chunk.data)
        if self._offset < info.size:
            return
        if self._digest.digest() != info.digest:
            self.close()
            (self._directory / info.name).unlink()
            raise Damaged(f"{info.name} is not what was announced; it has to be sent again")
        self._end_file()
        while not self.complete and self._files[self._file].size == 0:
            self._begin_file(0, resume=False)
            self._end_file()
        if not self.complete:
            self._begin_file(0, resume=False)

    def sync(self) -> None:
        """Make the names durable; the contents are already."""
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def hand_over(self) -> Path:
        """Give the complete directory a name under which nobody here touches it again. Quick enough for the loop."""
        number = 0
        while (target := self._root / f"{WHOLE_PREFIX}{self._identity}-{number}").exists():
            number += 1
        return self._directory.rename(target)

    def discard(self) -> None:
        self.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _intact_prefix(self, position: int) -> int:
        """How many bytes of a file are here and may be right; a whole file that is wrong counts as absent."""
        info = self._files[position]
        path = self._directory / info.name
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return 0
        if size < info.size:
            return size
        if size == info.size and self._hash(path, size).digest() == info.digest:
            return size
        path.unlink()
        return 0

    def _hash(self, path: Path, limit_bytes: int) -> xxhash.xxh3_128:
        digest = xxhash.xxh3_128()
        with path.open("rb", buffering=0) as file:
            while limit_bytes and (block := file.read(min(_HASH_BLOCK_BYTES, limit_bytes))):
                if self.stop.is_set():
                    raise Stopped
                digest.update(block)
                limit_bytes -= len(block)
        return digest

    def _begin_file(self, offset: int, resume: bool) -> None:
        path = self._directory / self._files[self._file].name
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (0 if resume else os.O_TRUNC)
        self._descriptor = os.open(path, flags, 0o644)
        self._offset = offset
        self._digest = self._hash(path, offset)

    def _end_file(self) -> None:
        os.fsync(self._descriptor)
        self.close()
        self._file += 1
        self._offset = 0
