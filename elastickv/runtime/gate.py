"""Who may talk to this node, and what it has learned about its peers.

Three things are checked on every connection, both ways (architecture, section 5): the cluster ID, the node ID, and the
*instance*, the random ID that each data directory carries. A known voter that shows up with another instance has lost
its disk and with it the votes and acknowledgements it once gave; letting it vote again could elect a leader that lacks
committed entries. It is refused and reported until an operator replaces it (remove, add as learner, promote).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from elastickv.raft.types import ConfChange, ConfChangeKind, ConfChangeStep, ConfState, Member, NodeId
from elastickv.storage.codec import encode_conf_change
from elastickv.transport.base import AMNESIAC, WRONG_CLUSTER, Hello, Refusal

_log = logging.getLogger(__name__)


class Gate:
    """Judges introductions; remembers instances, refusals and when each peer was last heard."""

    def __init__(self, node_id: NodeId, hello: Callable[[], Hello], adopt_cluster: Callable[[str], None]) -> None:
        self._node_id = node_id
        self._hello = hello
        self._adopt_cluster = adopt_cluster
        self.members: dict[NodeId, Member] = {}
        self.voters: frozenset[NodeId] = frozenset()
        self.instances: dict[NodeId, str] = {}
        """What each peer said its instance is, when it was last let in."""
        self.refused: dict[NodeId, Refusal] = {}
        """Peers that this node refuses, or that refuse it, and why."""
        self.heard_at: dict[NodeId, float] = {}
        """Monotonic time of the last message from each peer."""
        self._amnesia = ""
        """What a member said that does not know this node's instance."""

    def configure(self, conf_state: ConfState) -> None:
        """A new configuration is in force."""
        former, self.members = self.members, {member.id: member for member in conf_state.members}
        for node_id, before in former.items():
            again = self.members.get(node_id)
            if again is None or (before.instance and not again.instance):
                # Removed, and perhaps added again: what comes next under this ID is another disk. Were the former one
                # remembered, it would be recorded before the new one could introduce itself, and keep it out for good.
                self.instances.pop(node_id, None)
        self.voters = frozenset(conf_state.voters) | frozenset(conf_state.voters_outgoing)
        for node_id in list(self.refused):
            member = self.members.get(node_id)
            if member is None or not member.instance or member.instance == self.instances.get(node_id):
                del self.refused[node_id]
        own = self.members.get(self._node_id)
        if own is not None and (not own.instance or own.instance == self._hello().instance):
            self._amnesia = ""

    @property
    def problem(self) -> str:
        """Why this node cannot take part; empty when it can."""
        if self._amnesia:
            return self._amnesia
        strangers = [
            refusal.reason
            for node_id, refusal in self.refused.items()
            if refusal.code == WRONG_CLUSTER and node_id in self.voters
        ]
        # One stranger at a member's address is that one's problem; a majority of them is ours.
        return f"{WRONG_CLUSTER}: {strangers[0]}" if strangers and len(strangers) > (len(self.voters) - 1) // 2 else ""

    def check(self, peer: Hello) -> Refusal | None:
        """None lets the peer in. May adopt the peer's cluster when this node has none."""
        refusal = self._judge(peer)
        if refusal is None:
            self.instances[peer.node_id] = peer.instance
            self.refused.pop(peer.node_id, None)
        elif peer.node_id not in self.refused or self.refused[peer.node_id].code != refusal.code:
            self.refused[peer.node_id] = refusal
            _log.error("peer refused: %s", refusal.reason, extra={"peer": peer.node_id, "code": refusal.code})
        return refusal

    def _judge(self, peer: Hello) -> Refusal | None:
        own = self._hello()
        if own.cluster_id and peer.cluster_id and own.cluster_id != peer.cluster_id:
            return Refusal(
                WRONG_CLUSTER,
                f"node {peer.node_id} at {peer.address} belongs to cluster {peer.cluster_id}, "
                f"node {own.node_id} to cluster {own.cluster_id}",
            )
        member = self.members.get(peer.node_id)
        known = member is None or not member.instance or member.instance == peer.instance
        # A peer with a newer configuration than ours was replaced by rule, and we have not heard of it yet: refusing
        # it, who may be the leader, would keep us from ever hearing. One that lost its disk has no configuration at
        # all, and the one that was replaced has an older one.
        if member is not None and not known and peer.configuration_index <= own.configuration_index:
            return Refusal(
                AMNESIAC,
                f"node {peer.node_id} is known with instance {member.instance} but came with {peer.instance}: its data "
                "directory was lost or replaced; remove the member, add it again as a learner and promote it",
            )
        if peer.cluster_id and not own.cluster_id and own.fresh:
            self._adopt_cluster(peer.cluster_id)
        return None

    def refused_us(self, node_id: NodeId, refusal: Refusal) -> None:
        """A peer turned this node down."""
        if refusal.code == AMNESIAC:
            if not self._amnesia:
                _log.error("refused by a peer: %s", refusal.reason, extra={"peer": node_id, "code": refusal.code})
            self._amnesia = f"{AMNESIAC}: {refusal.reason}"
        elif refusal.code == WRONG_CLUSTER and node_id not in self.refused:
            self.refused[node_id] = refusal
            _log.error("refused by a peer: %s", refusal.reason, extra={"peer": node_id, "code": refusal.code})

    def unbound(self) -> list[tuple[NodeId, str]]:
        """Members whose instance the configuration does not know yet, with the one they introduced themselves by."""
        own = self._hello()
        seen = {**self.instances, own.node_id: own.instance}
        return [
            (member.id, seen[member.id])
            for member in self.members.values()
            if not member.instance and seen.get(member.id)
        ]


def binding(unbound: Sequence[tuple[NodeId, str]]) -> bytes:
    """The configuration entry that records instances."""
    steps = tuple(ConfChangeStep(ConfChangeKind.UPDATE, node_id, instance=instance) for node_id, instance in unbound)
    return encode_conf_change(ConfChange(steps))
