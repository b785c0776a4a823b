"""The small records of this room as bytes: configurations, marks, the hard state, membership changes.

Records that people may want to read in an emergency (configuration, mark, manifest) are JSON; the two that are
written with every batch (hard state, the cut of the log) are packed. Every encoding starts with or contains a version,
and a decoder refuses one that it does not know instead of guessing. JSON objects may gain keys: decoders ignore keys
they do not know, so a node can be rolled back by one release.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import xxhash

from elastickv.errors import Fault, KvError
from elastickv.raft.types import (
    ConfChange,
    ConfChangeKind,
    ConfChangeStep,
    ConfState,
    HardState,
    Member,
    SnapshotMeta,
    Transition,
)
from elastickv.storage.engine import Applied

VERSION = 1


class Corruption(KvError):
    """Bytes on disk are not the bytes that were written. Nothing repairs that by itself: the node must stop."""

    def __init__(self, message: str) -> None:
        super().__init__(Fault.INTERNAL, message)


def load_object(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object of a version that is known, or Corruption."""
    try:
        record = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Corruption(f"{what} is damaged: {error}") from error
    if not isinstance(record, dict):
        raise Corruption(f"{what} is damaged: not an object")
    if record.get("version") != VERSION:
        raise Corruption(f"{what} has version {record.get('version')!r}; this release knows version {VERSION}")
    return record


# -- configuration and snapshots --------------------------------------------------------------------------------------


def conf_state_to_dict(state: ConfState) -> dict[str, Any]:
    return {
        "voters": list(state.voters),
        "learners": list(state.learners),
        "voters_outgoing": list(state.voters_outgoing),
        "learners_next": list(state.learners_next),
        "auto_leave": state.auto_leave,
        "members": [{"id": it.id, "address": it.address, "instance": it.instance} for it in state.members],
    }


def conf_state_from_dict(record: Mapping[str, Any]) -> ConfState:
    try:
        return ConfState(
            voters=_names(record["voters"]),
            learners=_names(record["learners"]),
            voters_outgoing=_names(record["voters_outgoing"]),
            learners_next=_names(record["learners_next"]),
            auto_leave=bool(record["auto_leave"]),
            members=tuple(Member(str(it["id"]), str(it["address"]), str(it["instance"])) for it in record["members"]),
        )
    except (KeyError, TypeError) as error:
        raise Corruption(f"a configuration record is damaged: {error!r}") from error


def _names(names: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(name) for name in names)


def snapshot_meta_to_dict(meta: SnapshotMeta) -> dict[str, Any]:
    return {"index": meta.index, "term": meta.term, "conf_state": conf_state_to_dict(meta.conf_state)}


def snapshot_meta_from_dict(record: Mapping[str, Any]) -> SnapshotMeta:
    try:
        return SnapshotMeta(int(record["index"]), int(record["term"]), conf_state_from_dict(record["conf_state"]))
    except (KeyError, TypeError, ValueError) as error:
        raise Corruption(f"a snapshot record is damaged: {error!r}") from error


def encode_applied(applied: Applied) -> bytes:
    return orjson.dumps(
        {
            "version": VERSION,
            "index": applied.index,
            "term": applied.term,
            "conf_state": conf_state_to_dict(applied.conf_state),
            "conf_index": applied.conf_index,
        }
    )


def decode_applied(data: bytes) -> Applied:
    record = load_object(data, "the applied mark")
    try:
        return Applied(
            index=int(record["index"]),
            term=int(record["term"]),
            conf_state=conf_state_from_dict(record["conf_state"]),
            conf_index=int(record["conf_index"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Corruption(f"the applied mark is damaged: {error!r}") from error


# -- what the log keeps beside its entries ----------------------------------------------------------------------------

_HARD = struct.Struct(">BQQ")
_CUT = struct.Struct(">BQQ")
_SUM = struct.Struct(">Q")


def _seal(body: bytes) -> bytes:
    return body + _SUM.pack(xxhash.xxh3_64_intdigest(body))


def _open_seal(data: bytes, what: str, smallest: int) -> bytes:
    body = data[: -_SUM.size]
    if len(body) < smallest or _SUM.unpack(data[-_SUM.size :])[0] != xxhash.xxh3_64_intdigest(body):
        raise Corruption(f"{what} is damaged: its checksum does not match")
    if body[0] != VERSION:
        raise Corruption(f"{what} has version {body[0]}; this release knows version {VERSION}")
    return body


def encode_hard_state(state: HardState) -> bytes:
    return _seal(_HARD.pack(VERSION, state.term, state.commit) + state.vote.encode())


def decode_hard_state(data: bytes) -> HardState:
    body = _open_seal(data, "the hard state of the log", _HARD.size)
    _, term, commit = _HARD.unpack_from(body)
    return HardState(term=term, vote=body[_HARD.size :].decode(), commit=commit)


def encode_cut(index: int, term: int) -> bytes:
    """Index and term of the last entry that the log no longer has."""
    return _seal(_CUT.pack(VERSION, index, term))


def decode_cut(data: bytes) -> tuple[int, int]:
    _, index, term = _CUT.unpack_from(_open_seal(data, "the cut mark of the log", _CUT.size))
    return index, term


# -- membership changes in log entries --------------------------------------------------------------------------------


def encode_conf_change(change: ConfChange) -> bytes:
    """The data of a CONFIG entry. No bytes at all for the change that leaves a joint configuration."""
    if change == ConfChange():
        return b""
    return orjson.dumps(
        {
            "version": VERSION,
            "transition": int(change.transition),
            "steps": [
                {"kind": int(step.kind), "node": step.node, "address": step.address, "instance": step.instance}
                for step in change.steps
            ],
        }
    )


def decode_conf_change(data: bytes) -> ConfChange:
    if not data:
        return ConfChange()
    record = load_object(data, "a configuration entry")
    try:
        return ConfChange(
            steps=tuple(
                ConfChangeStep(ConfChangeKind(it["kind"]), str(it["node"]), str(it["address"]), str(it["instance"]))
                for it in record["steps"]
            ),
            transition=Transition(record["transition"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Corruption(f"a configuration entry is damaged: {error!r}") from error
