"""Making the file system keep its word: what has to be synced, and what an error of the disk means.

A rename is atomic, but it is on disk only when the directory that holds the name has been synced; and a file's
name may be on disk before its bytes are. So everything here that must survive a power cut goes: bytes, sync of the
file, rename, sync of the directory. The helpers of this module are the only place where that order is spelled out.

All errors with which a disk refuses bytes become one fault, `DISK_FULL`: whoever asked keeps its data and asks again
later. A failed sync is no exception: the caller writes all bytes again with its next attempt, so nothing rests on pages
that the kernel may have marked clean although they never reached the disk.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elastickv.errors import Fault, KvError

REFUSALS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EROFS})
"""EIO also stands for a short write, which is how LMDB reports a disk that fills up in the middle of a page. EFBIG is a
file size limit; EROFS is what becomes of a file system that the kernel no longer trusts."""


def refusal(what: str, code: int) -> KvError:
    return KvError(Fault.DISK_FULL, f"the disk refused {what}: {os.strerror(code)}")


@contextmanager
def disk_faults(what: str) -> Iterator[None]:
    """Turn the refusals of the disk into KvError(DISK_FULL); `what` completes "the disk refused …"."""
    try:
        yield
    except OSError as error:
        if error.errno in REFUSALS:
            raise refusal(what, error.errno) from error
        raise


def sync_path(path: Path) -> None:
    """Sync a file or a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path) -> None:
    """Create a directory and the missing ones above it; each new name is on disk on return."""
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        directory.mkdir(exist_ok=True)
        sync_path(directory.parent)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def write_file(path: Path, data: bytes) -> None:
    """Create or replace a file: at any moment, and after any crash, it holds the old bytes or the new ones."""
    draft = path.with_name(path.name + ".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(path)
    sync_path(path.parent)


def rename(source: Path, target: Path) -> None:
    """Rename within one file system; on disk on return."""
    source.rename(target)
    sync_path(target.parent)
    if source.parent != target.parent:
        sync_path(source.parent)


def remove_tree(path: Path) -> None:
    """Remove a file or a directory with all that is in it; no error when there is nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.is_symlink() or path.exists():
        path.unlink()
    else:
        return
    sync_path(path.parent)


def sync_tree(directory: Path) -> None:
    """Sync every file below a directory, then the directories from the inside out."""
    for where, _, names in os.walk(directory, topdown=False):
        for name in names:
            sync_path(Path(where, name))
        sync_path(Path(where))


def size_of_tree(directory: Path) -> int:
    """Bytes that the files below a directory occupy (holes do not count)."""
    total = 0
    for where, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.stat(os.path.join(where, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total
