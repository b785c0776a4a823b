"""Ready: the work that the core has decided on, and the order in which it is safe to do it.

The contract between core and driver (compare etcd's "asynchronous storage writes"):

1. `messages` go out at once. They need not wait for this node's disk: a leader's appends and heartbeats (thesis
   10.2.1), answers that promise nothing.
2. A `snapshot` replaces the state: committed entries that were handed out before and are not applied yet are dropped.
   `snapshot`, `hard_state` and `entries` go to disk as one durable unit, in the order of `number`. Several Readies may
   be on their way to the disk at the same time as long as they reach it in order. When the disk has said yes, the
   driver calls `RawNode.persisted(number)`.
3. `promises` go out only after that: votes asked and given, acknowledgements of appends (thesis 3.8). They were
   computed on the assumption that everything up to this Ready is durable.
4. `committed` goes to the state machine in order; it may be applied before the local disk has the entries (a majority
   has them), but nothing derived from them may become durable *state* before the local log has them.
   Then the driver calls `RawNode.applied_to(index)`. CONFIG entries: the driver decodes them and calls
   `apply_conf_change` before it goes on.
5. `read_states`: these reads may be answered once the state machine has reached their index.

Each thing is handed out exactly once: calling `ready()` again gives only what came up since.
"""

from __future__ import annotations

from dataclasses import dataclass

from elastickv.raft.types import Entry, HardState, Message, ReadState, SnapshotMeta


@dataclass(frozen=True, slots=True)
class Ready:
    number: int
    """1, 2, 3 … within one life of a RawNode."""
    messages: tuple[Message, ...] = ()
    snapshot: SnapshotMeta | None = None
    """Install this snapshot (its data arrived beside the message) before `entries`."""
    hard_state: HardState | None = None
    entries: tuple[Entry, ...] = ()
    """A tail: entries[0].index may be at or before the log's last index, then the old tail is replaced."""
    must_sync: bool = False
    """False when only the commit index moved: then the write may be lazy."""
    promises: tuple[Message, ...] = ()
    committed: tuple[Entry, ...] = ()
    read_states: tuple[ReadState, ...] = ()
    role_changed: bool = False
    """The role, the term or the known leader differs from the previous Ready."""
