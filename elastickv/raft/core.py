"""Core: what a node remembers between two messages, its changes of role, and its outbox.

Nothing here decides what a message means: that is `step` and the modules of the roles. The functions there take a Core
and work on it; RawNode owns it.

Two outboxes, because of two kinds of messages (see `ready`): `send` is for what may leave at once, `promise` for what
must wait until the disk has everything it speaks of.

On leases. A leader's lease holds because each voter that answered it refuses votes to others for a while. Whether this
node is still bound by such an answer is `bound_to_leader`; it is also true for a while after a restart, since the node
may have answered just before it crashed.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import replace

from elastickv.raft import confchange
from elastickv.raft.config import RaftConfig
from elastickv.raft.lease import Lease
from elastickv.raft.log import RaftLog
from elastickv.raft.progress import ProgressState
from elastickv.raft.read_index import ReadIndexQueue
from elastickv.raft.storage import LogStorage
from elastickv.raft.tracker import Tracker
from elastickv.raft.types import (
    NOBODY,
    ConfState,
    Entry,
    EntryKind,
    HardState,
    Kind,
    Message,
    NodeId,
    ReadState,
    Role,
)


class Core:
    def __init__(
        self, config: RaftConfig, storage: LogStorage, rng: random.Random, applied: int = 0, now: float = 0.0
    ) -> None:
        config.check()
        hard_state, conf_state = storage.initial_state()
        self.config = config
        self.id: NodeId = config.id
        self.rng = rng
        self.now = now
        """Monotonic seconds as last handed in; may be old, never from the future."""
        self.log = RaftLog(
            storage,
            commit=hard_state.commit,
            applied=applied,
            max_committed_bytes=config.max_committed_bytes_per_ready,
        )
        self.tracker = Tracker(config.id, config.max_inflight_appends, config.max_inflight_bytes)
        self.tracker.adopt(confchange.from_conf_state(conf_state), self.log.last_index)
        self.conf_state: ConfState = confchange.to_conf_state(self.tracker.config)
        self.config_index = self.log.applied
        """Index of the last applied config entry; after a restart or a snapshot an upper bound of it."""
        self.unapplied_configs: deque[int] = deque()
        """Config entries that were handed to the driver and not reported as applied yet."""

        self.role = Role.FOLLOWER
        self.term = hard_state.term
        self.vote = hard_state.vote
        self.leader: NodeId = NOBODY
        self.durable = hard_state
        """The hard state that is known to be on disk."""

        self.election_elapsed = 0
        """Ticks since the election timer was reset; a leader counts to its next check-quorum."""
        self.heartbeat_elapsed = 0
        self.election_timeout = 0
        """Drawn anew by each reset from election_ticks .. 2 * election_ticks - 1 (thesis 3.4)."""
        self.ticks_since_leader = 0 if hard_state.term > 0 else config.election_ticks
        """Ticks since a message of a current leader. 0 after a restart: we may have answered just before it."""

        self.transferee: NodeId = NOBODY
        """Leader: to whom the lead is being handed (thesis 3.10)."""
        self.transfer_elapsed = 0
        self.noop_index = 0
        """Leader: the entry with which this term began. Its commit makes the leader's commit index trustworthy."""
        self.pending_config_index = 0
        """Leader: no config entry may be proposed while this index is not applied (thesis 4.1: one at a time)."""
        self._uncommitted: deque[tuple[int, int]] = deque()
        self.uncommitted_bytes = 0
        self.lease = Lease(config.lease_seconds)
        self.reads = ReadIndexQueue()

        self.messages: list[Message] = []
        self.promises: list[Message] = []
        self.read_states: list[ReadState] = []
        self.reset(self.term)

    # -- roles ----------------------------------------------------------------------------------------------------

    def reset(self, term: int) -> None:
        """What every change of role or term has in common."""
        if term != self.term:
            self.term = term
            self.vote = NOBODY
        self.leader = NOBODY
        self.restart_election_timer()
        self.heartbeat_elapsed = 0
        self.transferee = NOBODY
        self.noop_index = 0
        self.pending_config_index = 0
        self._uncommitted.clear()
        self.uncommitted_bytes = 0
        self.lease.reset()
        self.reads.clear()
        self.tracker.reset(self.log.last_index)

    def restart_election_timer(self) -> None:
        self.election_elapsed = 0
        ticks = self.config.election_ticks
        self.election_timeout = self.rng.randrange(ticks, 2 * ticks)

    def become_follower(self, term: int, leader: NodeId) -> None:
        if self.role is Role.LEADER:
            # The only lease it stood by was its own, and that one ends here.
            self.ticks_since_leader = self.config.election_ticks
        self.reset(term)
        self.role = Role.FOLLOWER
        self.leader = leader

    def become_pre_candidate(self) -> None:
        """Ask whether an election could be won, without touching term or vote (thesis 9.6)."""
        self.role = Role.PRE_CANDIDATE
        self.leader = NOBODY
        self.tracker.votes = {}
        self.restart_election_timer()

    def become_candidate(self) -> None:
        self.reset(self.term + 1)
        self.role = Role.CANDIDATE
        self.vote = self.id

    def become_leader(self) -> None:
        self.reset(self.term)
        self.role = Role.LEADER
        self.leader = self.id
        mine = self.tracker.progress[self.id]
        mine.state = ProgressState.REPLICATE
        mine.recent_active = True
        mine.match = self.log.unstable.stable
        # Whether the tail holds a config entry is not worth a search: wait until all of it is applied.
        self.pending_config_index = self.log.last_index
        # Entries of older terms are committed only through one of this term (thesis 3.6.2 and 6.4).
        self.noop_index = self.append(b"", EntryKind.NORMAL)

    # -- questions ------------------------------------------------------------------------------------------------

    @property
    def bound_to_leader(self) -> bool:
        """Whether a leader (this node included) may rely on our not voting for somebody else (thesis 4.2.3, 6.4.1)."""
        return self.role is Role.LEADER or self.ticks_since_leader < self.config.election_ticks

    @property
    def promotable(self) -> bool:
        """Whether this node may campaign: a voter whose state is not about to be replaced."""
        return self.tracker.is_voter(self.id) and self.log.unstable.snapshot is None

    @property
    def leader_ready(self) -> bool:
        return self.role is Role.LEADER and self.log.committed >= self.noop_index

    @property
    def lease_until(self) -> float:
        """-inf without a lease."""
        return self.lease.granted

    @property
    def hard_state(self) -> HardState:
        return HardState(self.term, self.vote, self.log.committed)

    # -- writing --------------------------------------------------------------------------------------------------

    def heard_from_leader(self, leader: NodeId) -> None:
        self.leader = leader
        self.election_elapsed = 0
        self.ticks_since_leader = 0

    def append(self, data: bytes, kind: EntryKind) -> int:
        """Leader: one more entry. It counts as ours only when the disk has it."""
        index = self.log.last_index + 1
        self.log.append((Entry(self.term, index, data, kind),))
        if data:
            self._uncommitted.append((index, len(data)))
            self.uncommitted_bytes += len(data)
        return index

    def forget_uncommitted(self, commit: int) -> None:
        """Entries up to `commit` do not wait for a majority any more."""
        waiting = self._uncommitted
        while waiting and waiting[0][0] <= commit:
            self.uncommitted_bytes -= waiting.popleft()[1]

    def adopt_config(self, config: confchange.Config) -> None:
        self.tracker.adopt(config, self.log.last_index)
        self.conf_state = confchange.to_conf_state(config)

    # -- outbox ---------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Leaves at once: nothing in it depends on our disk."""
        self.messages.append(message)

    def promise(self, message: Message) -> None:
        """Leaves when everything up to the coming Ready is durable (thesis 3.8)."""
        if message.kind is Kind.APPEND_REPLY and not message.reject:
            message = self._superseding(message)
        self.promises.append(message)

    def _superseding(self, message: Message) -> Message:
        """Acks are cumulative: an older one in the same Ready says nothing that the new one does not say."""
        for position in range(len(self.promises) - 1, -1, -1):
            old = self.promises[position]
            if (
                old.kind is Kind.APPEND_REPLY
                and old.to == message.to
                and old.term == message.term
                and not old.reject
                and old.index <= message.index
            ):
                del self.promises[position]
                return message if old.round <= message.round else replace(message, round=old.round)
        return message
