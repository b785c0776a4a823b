"""The ordered state in memory: the reference for the contract suite, and an engine for tests that need no disk.

One sorted map. It keeps the promise of `Engine` about what a reader sees: written batches wait in a queue until
`refresh`.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from pathlib import Path

from sortedcontainers import SortedDict

from elastickv.storage.codec import Corruption, decode_applied, encode_applied
from elastickv.storage.durable import write_file
from elastickv.storage.engine import Applied, WriteBatch, check_keys

COPY_FILE = "data.memory"

_length = struct.Struct(">I")


class MemoryEngine:
    """Implements `Engine`; "durable" means until the process ends, or until `copy_to`."""

    def __init__(self, directory: Path | None = None) -> None:
        """With a directory: the state that `copy_to` left there."""
        self._visible: SortedDict = SortedDict()
        self._waiting: list[WriteBatch] = []
        """Written, not yet visible."""
        self._lock = threading.Lock()
        self._applied = Applied()
        if directory is not None:
            self._load(directory / COPY_FILE)

    # -- ReadView -----------------------------------------------------------------------------------------------------

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._visible.get(key)
        return value

    def scan(self, start: bytes, end: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        return self._scan_down(start, end) if reverse else self._scan_up(start, end)

    def refresh(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for batch in waiting:
            _apply(self._visible, batch)

    def snapshot(self) -> MemoryEngine:
        """A copy, written batches included."""
        with self._lock:
            held = MemoryEngine()
            held._visible = self._visible.copy()
            waiting = list(self._waiting)
        for batch in waiting:
            _apply(held._visible, batch)
        return held

    def _scan_up(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        at = self._visible.bisect_left(start)
        while at < len(self._visible):
            key, value = self._visible.peekitem(at)
            if end and key >= end:
                return
            yield key, value
            at = self._visible.bisect_right(key)

    def _scan_down(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        at = self._visible.bisect_left(end) if end else len(self._visible)
        while at > 0:
            key, value = self._visible.peekitem(at - 1)
            if key < start:
                return
            yield key, value
            at = self._visible.bisect_left(key)

    # -- the worker's side --------------------------------------------------------------------------------------------

    def applied(self) -> Applied:
        return self._applied

    def write(self, batch: WriteBatch) -> None:
        check_keys(batch.puts)
        copy = WriteBatch(batch.applied, dict(batch.puts), list(batch.ranges))
        with self._lock:
            self._waiting.append(copy)
            self._applied = batch.applied

    def copy_to(self, directory: Path) -> Applied:
        """Not beside the loop's reads: both walk over one map."""
        if any(directory.iterdir()):
            raise ValueError(f"{directory} is not empty")
        with self._lock:
            data = self._visible.copy()
            for batch in self._waiting:
                _apply(data, batch)
            applied = self._applied
        parts = [_framed(encode_applied(applied))]
        for key, value in data.items():
            parts += _framed(key), _framed(value)
        write_file(directory / COPY_FILE, b"".join(parts))
        return applied

    def size_bytes(self) -> int:
        return sum(len(key) + len(value) for key, value in self._visible.items())

    def used_bytes(self) -> int:
        return self.size_bytes()

    def close(self) -> None:
        """Nothing to let go."""

    def _load(self, path: Path) -> None:
        if not path.exists():
            return
        data = path.read_bytes()
        frames = []
        at = 0
        while at < len(data):
            (size,) = _length.unpack_from(data, at)
            at += _length.size
            frames.append(data[at : at + size])
            at += size
        if at != len(data) or len(frames) % 2 == 0:
            raise Corruption(f"{path} is damaged")
        self._applied = decode_applied(frames[0])
        self._visible.update(zip(frames[1::2], frames[2::2], strict=True))


def _framed(data: bytes) -> bytes:
    return _length.pack(len(data)) + data


def _apply(data: SortedDict, batch: WriteBatch) -> None:
    for start, end in batch.ranges:
        for key in list(data.irange(start, end or None, inclusive=(True, False))):
            del data[key]
    for key, value in batch.puts.items():
        if value is None:
            data.pop(key, None)
        else:
            data[key] = value
