"""The first start of a cluster, exactly once.

`--raftBootstrap` may stay on the command line for ever: it only means something to a node without state, and even then
it founds nothing before it has asked around. Founding waits until a majority of the listed members answers and every
one that answers is fresh. If one of them already belongs to a cluster, this node's disk is the one that is new: it
waits to be contacted (and will be recognised as amnesiac, see `gate`). So a first node that lost its disk can never
found a second cluster over the first one while any of its members can be reached.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence

from elastickv.raft.types import ConfChange, ConfChangeKind, ConfChangeStep, Entry, EntryKind, HardState, Member, NodeId
from elastickv.storage.codec import encode_conf_change
from elastickv.transport.base import Hello, PeerTransport

_log = logging.getLogger(__name__)

FOUNDING_TERM = 1


def founding_log(members: Sequence[Member]) -> tuple[list[Entry], HardState]:
    """The first entries of a new cluster's log: one configuration change per voter, committed by definition (as in
    etcd's bootstrap), so that every later member replays the same beginning."""
    entries = [
        Entry(
            term=FOUNDING_TERM,
            index=index,
            kind=EntryKind.CONFIG,
            data=encode_conf_change(
                ConfChange((ConfChangeStep(ConfChangeKind.ADD_VOTER, member.id, member.address, member.instance),))
            ),
        )
        for index, member in enumerate(members, start=1)
    ]
    return entries, HardState(term=FOUNDING_TERM, commit=len(entries))


def new_cluster_id() -> str:
    return secrets.token_hex(16)


class Founder:
    """Asks the listed members until founding is safe, or is seen to be wrong."""

    def __init__(
        self,
        node_id: NodeId,
        members: Sequence[Member],
        transport: PeerTransport,
        report: Callable[[str], None],
        *,
        interval: float = 0.3,
        probe_timeout: float = 0.5,
    ) -> None:
        self._node_id = node_id
        self._members = members
        self._transport = transport
        self._report = report
        self._interval = interval
        self._probe_timeout = probe_timeout
        self._said = ""

    async def may_found(self, still_fresh: Callable[[], bool]) -> bool:
        """Wait until this node may found the cluster (True) or has been adopted by one (False)."""
        others = [member for member in self._members if member.id != self._node_id]
        quorum = len(self._members) // 2 + 1
        while still_fresh():
            answers = await asyncio.gather(*(self._transport.probe(one.address, self._probe_timeout) for one in others))
            if not still_fresh():
                return False
            verdict = self._judge(others, answers, quorum)
            if not verdict:
                return True
            if verdict != self._said:
                self._said = verdict
                _log.warning("not founding the cluster: %s", verdict)
                self._report(verdict)
            await asyncio.sleep(self._interval)
        return False

    def _judge(self, others: Sequence[Member], answers: Sequence[Hello | None], quorum: int) -> str:
        """Why not to found now; empty when it is safe."""
        fresh = [self._node_id]
        for member, hello in zip(others, answers, strict=True):
            if hello is None:
                continue
            if hello.node_id != member.id:
                return f"{member.address} answers as node {hello.node_id}, not as {member.id}"
            if hello.cluster_id or not hello.fresh:
                return (
                    f"node {member.id} already belongs to cluster {hello.cluster_id or '(unnamed)'}: this node's data "
                    "directory is new; waiting to be contacted by that cluster"
                )
            fresh.append(member.id)
        if len(fresh) < quorum:
            missing = ", ".join(member.id for member in others if member.id not in fresh)
            return f"waiting for a majority of {len(others) + 1} first members; not answering: {missing}"
        return ""
