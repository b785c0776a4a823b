"""What the state machine needs from an ordered, durable key-value engine.

Two implementations pass one contract suite (`tests/contract/test_engine.py`): `memory_engine` and `lmdb_engine`.
Keys are 1 to 511 bytes long (LMDB's limit for keys; `kv.keyspace` folds longer user keys), values up to 4 GiB.
Order is plain byte order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from elastickv.raft.types import ConfState


@dataclass(frozen=True, slots=True)
class Applied:
    """How far the durable state has come. Committed together with the data it describes."""

    index: int = 0
    term: int = 0
    conf_state: ConfState = ConfState()
    conf_index: int = 0
    """Log index of the last configuration entry that is in `conf_state`."""


@dataclass(slots=True)
class WriteBatch:
    """One atomic, durable step of the state: first the ranges are emptied, then the puts go in."""

    applied: Applied
    puts: dict[bytes, bytes | None] = field(default_factory=dict)
    """None deletes the key."""
    ranges: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Half-open ranges [start, end) to delete; end b"" means to the end of the keyspace."""


class ReadView(Protocol):
    """One consistent committed state. Unaffected by later writes until `Engine.refresh`."""

    def get(self, key: bytes) -> bytes | None: ...

    def scan(self, start: bytes, end: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < end in order (end b"": no upper bound); from the top down when `reverse`.

        An iterator stays valid across `Engine.refresh`: it finishes on the state on which it began or continues on a
        newer one, and never raises for that reason. Lazy: the cost is that of the pairs taken.
        """
        ...


class Snapshot(Protocol):
    """One committed state, at least as new as the engine's reads when it was made, which stays as it is until `close`.
    KvError(OVERLOAD) when it could not be kept."""

    def get(self, key: bytes) -> bytes | None: ...

    def scan(self, start: bytes, end: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]: ...

    def close(self) -> None: ...


class Engine(ReadView, Protocol):
    """`get` and `scan` (inherited) read the state as of the last `refresh` and are called on the loop's thread.

    `write`, `copy_to` block on the disk and are called on a worker thread; one `write` at a time.
    """

    def refresh(self) -> None:
        """Make reads see the newest committed write. Cheap; loop's thread."""
        ...

    def snapshot(self) -> Snapshot:
        """Hold the newest committed state still; loop's thread. Close it soon."""
        ...

    def applied(self) -> Applied:
        """The durable mark of the newest committed write."""
        ...

    def write(self, batch: WriteBatch) -> None:
        """Apply atomically; durable on return. Grows the map by itself.

        Raises KvError(DISK_FULL) with the state unchanged when there is no space.
        """
        ...

    def copy_to(self, directory: Path) -> Applied:
        """Write a compact, consistent copy of the state into an empty directory; the mark it holds is returned.

        May run while `write` is called from another thread.
        """
        ...

    def size_bytes(self) -> int:
        """Bytes in use on disk (not the reserved map)."""
        ...

    def used_bytes(self) -> int:
        """Bytes that what is stored needs: `size_bytes` without the space that deletions left for new data. Loop's
        thread; cheap."""
        ...

    def close(self) -> None: ...


MAX_KEY_BYTES = 511


def check_keys(keys: Iterable[bytes]) -> None:
    """Every engine refuses to write other keys. To read one is no error: it finds nothing."""
    lengths = set(map(len, keys))
    if lengths and not 1 <= min(lengths) <= max(lengths) <= MAX_KEY_BYTES:
        wrong = next(length for length in lengths if not 1 <= length <= MAX_KEY_BYTES)
        raise ValueError(f"a key has 1 to {MAX_KEY_BYTES} bytes, not {wrong}")
