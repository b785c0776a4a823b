"""Snapshots as directories: a consistent copy out, a verified copy in.

A snapshot is a directory `snapshot-<term>-<index>` with the files that `Engine.copy_to` wrote and a `manifest.json`
that says what they are: mark, configuration, cluster, and size and checksum of every file. It is made under a draft
name and renamed when everything is synced, so a directory with that name is complete.

Installing one replaces the state's directory by three renames. At every moment one of these holds, and
`repair_install`, at the next start, ends each of them in one way:

    state                          nothing going on
    state, state.new               not yet decided: state.new goes, the leader will send again
    state.old, state.new           decided: state.new becomes state
    state, state.old               done: state.old goes
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import xxhash

from elastickv.errors import Fault, KvError
from elastickv.raft.types import SnapshotMeta
from elastickv.storage.codec import (
    VERSION,
    Corruption,
    load_object,
    snapshot_meta_from_dict,
    snapshot_meta_to_dict,
)
from elastickv.storage.durable import disk_faults, make_directory, remove_tree, rename, sync_path, sync_tree, write_file
from elastickv.storage.engine import Applied, Engine

MANIFEST = "manifest.json"
DRAFT_PREFIX = "draft-"
_NAME = re.compile(r"snapshot-(\d+)-(\d+)")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class SnapshotPart:
    """One file of a snapshot."""

    name: str
    size: int
    checksum: str
    """xxh3-128, hexadecimal."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A complete snapshot on disk, as its manifest describes it."""

    directory: Path
    meta: SnapshotMeta
    conf_index: int
    cluster_id: str
    parts: tuple[SnapshotPart, ...]

    @property
    def applied(self) -> Applied:
        """The mark that the state has once this snapshot is installed."""
        return Applied(self.meta.index, self.meta.term, self.meta.conf_state, self.conf_index)

    @property
    def size_bytes(self) -> int:
        return sum(part.size for part in self.parts)


class SnapshotStore:
    """This node's snapshots. Every method blocks on the disk; one thread at a time."""

    def __init__(self, snapshots_dir: Path) -> None:
        self.directory = snapshots_dir

    def create(self, engine: Engine, *, cluster_id: str = "") -> Snapshot:
        """Copy the state as it is now. The same state again gives the snapshot that is already there."""
        with disk_faults("a snapshot"):
            make_directory(self.directory)
            mark = engine.applied()
            present = self.directory / _name(SnapshotMeta(mark.index, mark.term))
            if present.exists():
                return read_manifest(present)
            draft = self.directory / (DRAFT_PREFIX + present.name)
            remove_tree(draft)
            draft.mkdir()
            try:
                applied = engine.copy_to(draft)
                snapshot = _described(draft, applied, cluster_id)
                target = self.directory / _name(snapshot.meta)
                write_file(draft / MANIFEST, encode_manifest(snapshot))
                sync_tree(draft)
                rename(draft, target)
            finally:
                remove_tree(draft)
        return read_manifest(target)

    def latest(self) -> Snapshot | None:
        """The newest complete one."""
        names = self._names()
        return read_manifest(self.directory / _name(names[-1])) if names else None

    def open(self, meta: SnapshotMeta) -> Snapshot:
        """The one with this index and term; KvError(NOT_FOUND) when it is gone."""
        directory = self.directory / _name(meta)
        if not directory.is_dir():
            raise KvError(Fault.NOT_FOUND, f"there is no snapshot of index {meta.index} in term {meta.term}")
        return read_manifest(directory)

    def prune(self, keep: int = 1) -> None:
        """Remove all but the newest ones. Files that someone still has open stay readable for them."""
        for meta in self._names()[: -keep or None]:
            directory = self.directory / _name(meta)
            # Under the draft name first: a directory that is half removed must not look complete.
            draft = self.directory / f"{DRAFT_PREFIX}{directory.name}"
            rename(directory, draft)
            remove_tree(draft)

    def verify(self, directory: Path) -> Snapshot:
        return verify(directory)

    def install(self, directory: Path, state_dir: Path) -> Snapshot:
        return install(directory, state_dir)

    def _names(self) -> list[SnapshotMeta]:
        """Index and term of each snapshot, oldest first."""
        if not self.directory.is_dir():
            return []
        found = (_NAME.fullmatch(it.name) for it in self.directory.iterdir())
        metas = [SnapshotMeta(index=int(it[2]), term=int(it[1])) for it in found if it is not None]
        return sorted(metas, key=lambda meta: (meta.index, meta.term))


def _name(meta: SnapshotMeta) -> str:
    return f"snapshot-{meta.term}-{meta.index}"


# -- the manifest -----------------------------------------------------------------------------------------------------


def _described(directory: Path, applied: Applied, cluster_id: str) -> Snapshot:
    parts = []
    for path in sorted(it for it in directory.iterdir() if it.name != MANIFEST):
        parts.append(SnapshotPart(path.name, path.stat().st_size, checksum_of(path)))
    meta = SnapshotMeta(applied.index, applied.term, applied.conf_state)
    return Snapshot(directory, meta, applied.conf_index, cluster_id, tuple(parts))


def encode_manifest(snapshot: Snapshot) -> bytes:
    record: dict[str, Any] = {
        "version": VERSION,
        **snapshot_meta_to_dict(snapshot.meta),
        "conf_index": snapshot.conf_index,
        "cluster_id": snapshot.cluster_id,
        "files": [{"name": it.name, "size": it.size, "xxh3_128": it.checksum} for it in snapshot.parts],
    }
    record["manifest_xxh3_128"] = _sum_of_record(record)
    return orjson.dumps(record, option=orjson.OPT_INDENT_2) + b"\n"


def decode_manifest(data: bytes, directory: Path) -> Snapshot:
    """The manifest's words only; `verify` looks at the files."""
    record = load_object(data, f"the manifest of {directory}")
    if record.pop("manifest_xxh3_128", None) != _sum_of_record(record):
        raise Corruption(f"the manifest of {directory} is damaged: its checksum does not match")
    meta = snapshot_meta_from_dict(record)
    try:
        parts = tuple(
            SnapshotPart(_file_name(it["name"]), int(it["size"]), str(it["xxh3_128"])) for it in record["files"]
        )
        return Snapshot(directory, meta, int(record["conf_index"]), str(record["cluster_id"]), parts)
    except (KeyError, TypeError, ValueError) as error:
        raise Corruption(f"the manifest of {directory} is damaged: {error!r}") from error


def read_manifest(directory: Path) -> Snapshot:
    try:
        data = (directory / MANIFEST).read_bytes()
    except FileNotFoundError:
        raise Corruption(f"the snapshot {directory} has no manifest") from None
    return decode_manifest(data, directory)


def _sum_of_record(record: dict[str, Any]) -> str:
    return xxhash.xxh3_128_hexdigest(orjson.dumps(record, option=orjson.OPT_SORT_KEYS))


def _file_name(name: Any) -> str:
    """A manifest can come from a peer: its names must not lead out of the directory."""
    if not isinstance(name, str) or name in ("", ".", "..", MANIFEST) or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} is no name for a file of a snapshot")
    return name


def checksum_of(path: Path) -> str:
    total = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()


def verify(directory: Path) -> Snapshot:
    """Check the manifest and every file against it; Corruption names what does not match."""
    snapshot = read_manifest(directory)
    names = {part.name for part in snapshot.parts}
    for path in directory.iterdir():
        if path.name != MANIFEST and path.name not in names:
            raise Corruption(f"the snapshot {directory} contains {path.name}, which is not in its manifest")
    for part in snapshot.parts:
        path = directory / part.name
        size = path.stat().st_size if path.is_file() else None
        if size != part.size:
            found = "missing" if size is None else f"{size} bytes long"
            raise Corruption(f"{path} should have {part.size} bytes and is {found}")
        if checksum_of(path) != part.checksum:
            raise Corruption(f"{path} is damaged: its checksum does not match")
    return snapshot


# -- installing -------------------------------------------------------------------------------------------------------


def install(directory: Path, state_dir: Path) -> Snapshot:
    """Verify a received snapshot and make it the state; its files are moved, not copied, so `directory` is used up.

    The engine on `state_dir` must be closed. On return, and after a crash at any point, `state_dir` holds the old state
    or the new one, complete. The log must be set behind the snapshot *after* this: a state that is newer than its log
    can be repaired at the start, a log that begins behind its state has lost entries.
    """
    snapshot = verify(directory)
    new, old = _beside(state_dir)
    with disk_faults("to install a snapshot"):
        repair_install(state_dir)
        make_directory(new)
        for part in snapshot.parts:
            (directory / part.name).rename(new / part.name)
        sync_tree(new)
        sync_path(directory)
        if state_dir.exists():
            rename(state_dir, old)  # from here on it is decided: the files above are synced
        rename(new, state_dir)
        remove_tree(old)
        remove_tree(directory)
    return snapshot


def repair_install(state_dir: Path) -> None:
    """End an installation that was interrupted. Before an engine opens `state_dir`."""
    new, old = _beside(state_dir)
    if state_dir.exists():
        remove_tree(new)
        remove_tree(old)
    elif old.exists():
        rename(new if new.exists() else old, state_dir)
        remove_tree(old)
    else:
        remove_tree(new)


def _beside(state_dir: Path) -> tuple[Path, Path]:
    return state_dir.with_name(state_dir.name + ".new"), state_dir.with_name(state_dir.name + ".old")
