"""The seam between the driver (`runtime`) and whatever carries messages.

The transport may lose, but must not block: `post` never waits. It checks who is at the other end before anything is
exchanged: same cluster, expected node ID, expected instance (see `raft.types.Member.instance`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from elastickv.raft.types import Member, Message, NodeId, SnapshotMeta


@dataclass(frozen=True, slots=True)
class Hello:
    """What each side says first on every stream."""

    cluster_id: str
    """Empty on a node that has not joined a cluster yet."""
    node_id: NodeId
    instance: str
    """Random, made with the data directory; a node that lost its disk comes back with another one."""
    address: str
    version: str
    fresh: bool
    """True when this node has no cluster, no vote and no log."""
    configuration_index: int = 0
    """Log index of the newest configuration that this node has applied: of two nodes that contradict each other about
    who is who, the one with the newer configuration is right."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a stream was turned down. `code` is one of the constants below; it becomes a metric label."""

    code: str
    reason: str


WRONG_CLUSTER = "wrong_cluster"
WRONG_NODE = "wrong_node"
"""Another node ID answers at this address, or the ID is not the one that was called for."""
AMNESIAC = "amnesiac"
"""The ID is a known voter's, the instance is not: the disk was lost (or copied)."""
REMOVED = "removed"
"""The caller is no longer a member."""


class Inbox(Protocol):
    """What the transport calls, always on the loop's thread. `runtime` implements it."""

    def hello(self) -> Hello:
        """This node's own introduction, as of now."""
        ...

    def check_peer(self, peer: Hello) -> Refusal | None:
        """Judge a peer's introduction (both directions); None lets it in.

        A fresh node may adopt the cluster ID of the first member that introduces itself; that is done in here.
        """
        ...

    def peer_refused_us(self, node_id: NodeId, refusal: Refusal) -> None:
        """A peer turned this node down (it may be this node that is in the wrong cluster, or amnesiac)."""
        ...

    def deliver(self, message: Message) -> None:
        """A message has arrived from a peer that passed `check_peer`."""
        ...

    def unreachable(self, node_id: NodeId) -> None:
        """A message to the peer was lost for sure (no stream, or the stream broke)."""
        ...

    def deliver_snapshot(self, message: Message, directory: Path) -> None:
        """A whole snapshot has arrived and its checksums hold; `message.kind` is SNAPSHOT. The receiver owns
        `directory` from now on."""
        ...


class PeerTransport(Protocol):
    async def start(self, inbox: Inbox) -> None: ...

    def set_peers(self, members: Mapping[NodeId, Member]) -> None:
        """The members to keep streams to (self is ignored). Streams of members that are gone, or whose address or
        instance no longer fits, are closed."""
        ...

    def post(self, message: Message) -> None:
        """Queue for the peer `message.to`. Never blocks; drops (and calls `unreachable`) when the peer is unknown,
        not connected, or its queue is full.

        Messages arrive in the order in which they were posted while one stream carries them. When another stream takes
        over (the first contact of two nodes that call each other, or a reconnection), later ones may overtake the last
        ones of the old stream. Raft is safe under loss, duplication and reordering (Raft paper, section 2)."""
        ...

    def send_snapshot(
        self, message: Message, meta: SnapshotMeta, directory: Path, done: Callable[[bool], None]
    ) -> None:
        """Stream the files of `directory` in checksummed chunks; resumes where a broken attempt left off.

        `done(ok)` is called once, on the loop's thread. The directory must stay untouched until then.
        """
        ...

    async def probe(self, address: str, timeout: float) -> Hello | None:
        """Ask who is at `address` (used before founding a cluster); None when nobody answers in `timeout` seconds."""
        ...

    async def stop(self) -> None: ...
