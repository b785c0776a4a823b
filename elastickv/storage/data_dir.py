"""A node's directory: whose it is, who holds it, and what lies where.

    LOCK             held with flock by the process that uses the directory
    identity.json    node ID, instance, cluster ID, format version
    log/             the Raft log (LMDB)
    state/           the applied state (LMDB); state.new and state.old only while a snapshot is being installed
    snapshots/       this node's own snapshots
    incoming/        snapshots under way from a peer

The identity is written once, before anything else, and it is what makes a lost disk visible: a directory that is made
anew gets another instance, and the cluster remembers the old one.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from elastickv.storage.durable import disk_faults, make_directory, remove_tree, size_of_tree, write_file
from elastickv.storage.snapshot_file import DRAFT_PREFIX, repair_install

logger = logging.getLogger(__name__)

FORMAT = 1
"""Of the directory as a whole: raised when an older release could do harm in it."""


class DataDirectoryError(ValueError):
    """The directory cannot be used; the message is for the operator."""


class DataDirectory:
    """Open and locked until `close`."""

    def __init__(self, path: Path, lock: int, identity: dict[str, Any]) -> None:
        """Use `open`."""
        self.path = path
        self._lock: int | None = lock
        self._identity = identity

    @classmethod
    def open(cls, path: Path | str, node_id: str) -> DataDirectory:
        """Create or take over a node's directory.

        Raises DataDirectoryError when it is in use, damaged, or another node's; KvError(DISK_FULL) without room.
        """
        path = Path(path).absolute()
        if not node_id:
            raise DataDirectoryError("a node needs an ID")
        with disk_faults(f"to prepare {path}"):
            try:
                make_directory(path)
                lock = _take_lock(path)
            except (PermissionError, NotADirectoryError) as error:
                raise DataDirectoryError(f"data directory {path} cannot be used: {error.strerror}") from error
            try:
                identity = _claim(path, node_id)
                directory = cls(path, lock, identity)
                directory._prepare()
            except BaseException:
                os.close(lock)
                raise
        return directory

    # -- whose it is --------------------------------------------------------------------------------------------------

    @property
    def node_id(self) -> str:
        return str(self._identity["node_id"])

    @property
    def instance(self) -> str:
        """Random, made once with the directory."""
        return str(self._identity["instance"])

    @property
    def cluster_id(self) -> str:
        """Empty until the node founds or joins a cluster."""
        return str(self._identity["cluster_id"])

    def set_cluster_id(self, cluster_id: str) -> None:
        """Durable on return. A directory never changes its cluster."""
        if not cluster_id:
            raise ValueError("a cluster ID is not empty")
        if self.cluster_id == cluster_id:
            return
        if self.cluster_id:
            raise DataDirectoryError(
                f"data directory {self.path} belongs to cluster {self.cluster_id}, not to {cluster_id}"
            )
        identity = self._identity | {"cluster_id": cluster_id}
        with disk_faults(f"to write to {self.path}"):
            _write_identity(self.path, identity)
        self._identity = identity

    # -- what lies where ----------------------------------------------------------------------------------------------

    @property
    def log_dir(self) -> Path:
        return self.path / "log"

    @property
    def state_dir(self) -> Path:
        return self.path / "state"

    @property
    def snapshots_dir(self) -> Path:
        return self.path / "snapshots"

    @property
    def incoming_dir(self) -> Path:
        return self.path / "incoming"

    def size_bytes(self) -> int:
        """Bytes that everything in here occupies."""
        return size_of_tree(self.path)

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _prepare(self) -> None:
        repair_install(self.state_dir)
        for place in (self.log_dir, self.state_dir, self.snapshots_dir, self.incoming_dir):
            make_directory(place)
        for leftover in self._leftovers():
            logger.info("removing %s, left over from an earlier run", leftover)
            remove_tree(leftover)

    def _leftovers(self) -> Iterator[Path]:
        yield from sorted(self.incoming_dir.iterdir())
        yield from sorted(it for it in self.snapshots_dir.iterdir() if it.name.startswith(DRAFT_PREFIX))
        yield from sorted(self.path.glob("*.draft"))


def _take_lock(path: Path) -> int:
    descriptor = os.open(path / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        os.close(descriptor)
        who = f" (process {holder})" if holder else ""
        raise DataDirectoryError(f"data directory {path} is in use by another process{who}") from None
    except BaseException:
        os.close(descriptor)
        raise
    try:
        # For the message above only; a full disk is no reason not to start.
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError:
        pass
    return descriptor


def _claim(path: Path, node_id: str) -> dict[str, Any]:
    """The identity, written now if the directory is new."""
    file = path / "identity.json"
    if not file.exists():
        for place in ("log", "state"):
            if (path / place / "data.mdb").exists():
                raise DataDirectoryError(
                    f"data directory {path} holds data but {file.name} is missing: restore it, or replace the node"
                )
        identity = {
            "format": FORMAT,
            "node_id": node_id,
            "instance": secrets.token_hex(16),
            "cluster_id": "",
        }
        _write_identity(path, identity)
        return identity
    try:
        identity = orjson.loads(file.read_bytes())
        form = int(identity["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataDirectoryError(f"{file} is damaged: {error}") from error
    if form != FORMAT:
        raise DataDirectoryError(
            f"data directory {path} has format {form}; this release knows format {FORMAT} only. Use a newer release"
        )
    for name in ("node_id", "instance", "cluster_id"):
        if not isinstance(identity.get(name), str):
            raise DataDirectoryError(f"{file} is damaged: {name} is missing")
    if identity["node_id"] != node_id:
        raise DataDirectoryError(
            f"data directory {path} belongs to node {identity['node_id']!r}, but this node is {node_id!r}"
        )
    return dict(identity)


def _write_identity(path: Path, identity: dict[str, Any]) -> None:
    write_file(path / "identity.json", orjson.dumps(identity, option=orjson.OPT_INDENT_2) + b"\n")
