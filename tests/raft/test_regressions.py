"""What the simulation found in the core, each told as the smallest story that still fails without the fix."""

from __future__ import annotations

import random

from elastickv.raft.config import RaftConfig
from elastickv.raft.memory_storage import MemoryStorage
from elastickv.raft.node import RawNode
from elastickv.raft.ready import Ready
from elastickv.raft.types import (
    ConfChange,
    ConfChangeKind,
    ConfChangeStep,
    ConfState,
    Entry,
    EntryKind,
    HardState,
    Kind,
    Member,
    Message,
    SnapshotMeta,
)


def test_a_change_after_a_snapshot_is_not_taken_for_one_that_the_snapshot_replaced() -> None:
    """A config entry was handed out, and before the driver applied it a snapshot took its place. The driver drops it;
    the core has to drop it from its own list as well, or it would pass over the next change that comes."""
    members = tuple(Member(node) for node in ("n1", "n2", "n3"))
    storage = MemoryStorage(
        ConfState(voters=("n1", "n2", "n3"), members=members), HardState(term=1, vote="n2", commit=0)
    )
    node = RawNode(RaftConfig(id="n1"), storage, random.Random(0))
    change = Entry(1, 1, b"some change", EntryKind.CONFIG)
    node.step(Message(Kind.APPEND, "n1", "n2", 1, entries=(change,), commit=1))
    ready = _persist(node, storage)
    assert ready.committed == (change,), "handed out, and the driver takes its time"

    snapshot = SnapshotMeta(5, 1, ConfState(voters=("n1", "n2"), members=members[:2]))
    node.step(Message(Kind.SNAPSHOT, "n1", "n2", 1, snapshot=snapshot))
    _persist(node, storage)

    addition = Entry(1, 6, b"n3 again", EntryKind.CONFIG)
    node.step(Message(Kind.APPEND, "n1", "n2", 1, index=5, log_term=1, entries=(addition,), commit=6))
    assert _persist(node, storage).committed == (addition,)
    state = node.apply_conf_change(ConfChange((ConfChangeStep(ConfChangeKind.ADD_VOTER, "n3"),)))
    assert state.voters == ("n1", "n2", "n3")


def _persist(node: RawNode, storage: MemoryStorage) -> Ready:
    ready = node.ready()
    storage.persist(ready.hard_state, ready.entries, ready.snapshot)
    node.persisted(ready.number)
    return ready
