"""A transport without peers: for groups of one node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from elastickv.raft.types import Member, Message, NodeId, SnapshotMeta
from elastickv.transport.base import Hello, Inbox


class SilentTransport:
    """Implements `PeerTransport`; nobody ever answers."""

    def __init__(self) -> None:
        self.posted: list[Message] = []
        self.peers: dict[NodeId, Member] = {}

    async def start(self, inbox: Inbox) -> None:
        self.inbox = inbox

    def set_peers(self, members: Mapping[NodeId, Member]) -> None:
        self.peers = dict(members)

    def post(self, message: Message) -> None:
        self.posted.append(message)

    def send_snapshot(
        self, message: Message, meta: SnapshotMeta, directory: Path, done: Callable[[bool], None]
    ) -> None:
        done(False)

    async def probe(self, address: str, timeout: float) -> Hello | None:
        return None

    async def stop(self) -> None:
        return None
