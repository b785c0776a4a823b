"""RawNode: the only door of the core.

The driver hands in ticks, messages and requests, and after that does what `ready()` says, as written in `ready`.
Nothing here blocks, reads a clock or draws from a generator that was not handed in: the same calls give the same work.

What the driver owes the core, beyond the order of a Ready:

- A tick stands for time that has really passed since the tick before. After a pause there must not be a burst of ticks
  to catch up with: a burst would let a voter forget too early that a leader counts on it.
- A log begins with the founding configuration: in a CONFIG entry at index 1, or in a snapshot before the first entry.
  A node that joins learns it from there.
- `now` is monotonic and never ahead of the clock.
- For each SNAPSHOT message there will be a `report_snapshot`, sooner or later, when its data could not be delivered or
  has been.
"""

from __future__ import annotations

import random
from collections import deque

from elastickv.raft import candidate, follower, leader, membership, replication
from elastickv.raft.config import RaftConfig
from elastickv.raft.core import Core
from elastickv.raft.lease import Lease
from elastickv.raft.proposal import DropReason, ProposalDropped
from elastickv.raft.ready import Ready
from elastickv.raft.status import PeerProgress, Status, status_of
from elastickv.raft.step import step
from elastickv.raft.storage import LogStorage
from elastickv.raft.types import NOBODY, ConfChange, ConfState, EntryKind, HardState, Message, NodeId, Role

__all__ = ["DropReason", "PeerProgress", "ProposalDropped", "RawNode", "Status"]


class RawNode:
    def __init__(
        self,
        config: RaftConfig,
        storage: LogStorage,
        rng: random.Random,
        *,
        applied: int = 0,
        now: float = 0.0,
    ) -> None:
        """`applied` is what the state machine has made durable; committed entries behind it are handed out anew."""
        self._core = Core(config, storage, rng, applied, now)
        self._number = 0
        self._handed_out = self._core.durable
        self._writes: deque[tuple[int, HardState]] = deque()
        self._seen: tuple[Role, int, NodeId] = self._standing

    # -- what happens to the node ---------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """One tick has passed."""
        core = self._core
        core.now = max(core.now, now)
        if core.role is Role.LEADER:
            leader.tick(core)
        else:
            candidate.tick(core)

    def step(self, message: Message, now: float | None = None) -> None:
        """A message has come, however late and however often."""
        core = self._core
        if now is not None:
            core.now = max(core.now, now)
        if message.sender != core.id:
            step(core, message)

    def report_unreachable(self, id: NodeId) -> None:
        """Messages to this peer were probably lost."""
        leader.report_unreachable(self._core, id)

    def report_snapshot(self, id: NodeId, ok: bool) -> None:
        """The snapshot for this peer was delivered, or will not be."""
        leader.report_snapshot(self._core, id, ok)

    # -- what clients and operators want --------------------------------------------------------------------------

    def propose(self, data: bytes) -> int:
        """Append an entry; returns its index. It is committed when an entry of this index *and of the current term*
        is. Raises ProposalDropped."""
        return leader.propose(self._core, data)

    def propose_config(self, data: bytes) -> int:
        """Append a configuration change, encoded by the driver; b"" leaves a joint configuration."""
        return leader.propose_config(self._core, data)

    def validate_conf_change(self, change: ConfChange) -> None:
        """Raise ValueError, with a sentence for the operator, when the change would be refused."""
        membership.validate(self._core, change)

    def apply_conf_change(self, change: ConfChange) -> ConfState:
        """The driver applies a CONFIG entry: from now on it is in effect here.

        Raises ValueError when the change does not fit, on every node alike, and then leaves all as it was.
        """
        return membership.apply(self._core, change)

    def read_index(self, context: bytes) -> bool:
        """Ask for a linearizable read; the answer comes in `Ready.read_states`, or never: the driver has a deadline.

        False when nobody can be asked now. An answer may come twice when messages do.
        """
        core = self._core
        if core.role is Role.LEADER:
            leader.add_read(core, core.id, context)
            return True
        if core.leader == NOBODY:
            return False
        follower.ask_for_read_index(core, context)
        return True

    def transfer_leadership(self, to: NodeId) -> None:
        """Hand over the lead (thesis 3.10). Raises ValueError for a bad target, ProposalDropped when not leading."""
        leader.transfer(self._core, to)

    def campaign(self) -> None:
        """Campaign now rather than at the timeout. Without effect while a leader may still count on this node's vote
        (see `lease`), unless this node is the only voter."""
        candidate.campaign(self._core)

    def step_down(self) -> None:
        """Stop leading; without effect on others."""
        core = self._core
        if core.role is Role.LEADER:
            core.become_follower(core.term, NOBODY)

    # -- work for the driver --------------------------------------------------------------------------------------

    def has_ready(self) -> bool:
        core = self._core
        return bool(
            core.messages
            or core.promises
            or core.read_states
            or core.log.unstable.has_work
            or core.log.has_next_committed
            or core.reads.wants_round
            or self._hard_state_moved
            or self._seen != self._standing
        )

    def ready(self) -> Ready:
        """All work that has come up since the last call; the contract is in `ready`."""
        core = self._core
        if core.reads.wants_round:
            replication.open_read_round(core)
        self._number += 1
        number = self._number
        snapshot, entries = core.log.unstable.hand_out(number)
        hard_state: HardState | None = None
        must_sync = bool(entries) or snapshot is not None
        if self._hard_state_moved:
            hard_state = core.hard_state
            before = self._handed_out
            must_sync = must_sync or (hard_state.term, hard_state.vote) != (before.term, before.vote)
            self._handed_out = hard_state
            self._writes.append((number, hard_state))
        committed = core.log.take_committed()
        for entry in committed:
            if entry.kind is EntryKind.CONFIG:
                core.unapplied_configs.append(entry.index)
        standing = self._standing
        ready = Ready(
            number=number,
            messages=tuple(core.messages),
            snapshot=snapshot,
            hard_state=hard_state,
            entries=entries,
            must_sync=must_sync,
            promises=tuple(core.promises),
            committed=committed,
            read_states=tuple(core.read_states),
            role_changed=standing != self._seen,
        )
        self._seen = standing
        core.messages.clear()
        core.promises.clear()
        core.read_states.clear()
        return ready

    def persisted(self, number: int) -> None:
        """The disk has everything up to Ready `number`."""
        if number > self._number:
            raise ValueError(f"Ready {number} has not been handed out, the last one was {self._number}")
        core = self._core
        core.log.persisted(number)
        # A snapshot may just have taken the place of entries that the driver then never applies one by one.
        self._forget_applied_configs()
        while self._writes and self._writes[0][0] <= number:
            core.durable = self._writes.popleft()[1]
        if core.role is Role.LEADER:
            replication.own_disk_reached(core)
        elif core.role is Role.CANDIDATE:
            candidate.own_vote_is_durable(core)

    def applied_to(self, index: int) -> None:
        """The state machine has applied everything up to `index`, configuration changes included."""
        core = self._core
        core.log.applied_to(index)
        self._forget_applied_configs()
        leader.maybe_leave_joint(core)

    def _forget_applied_configs(self) -> None:
        core = self._core
        while core.unapplied_configs and core.unapplied_configs[0] <= core.log.applied:
            core.unapplied_configs.popleft()

    @property
    def _hard_state_moved(self) -> bool:
        core, handed_out = self._core, self._handed_out
        return core.log.committed != handed_out.commit or core.term != handed_out.term or core.vote != handed_out.vote

    @property
    def _standing(self) -> tuple[Role, int, NodeId]:
        core = self._core
        return core.role, core.term, core.leader

    # -- what is known --------------------------------------------------------------------------------------------

    def status(self) -> Status:
        return status_of(self._core)

    @property
    def id(self) -> NodeId:
        return self._core.id

    @property
    def role(self) -> Role:
        return self._core.role

    @property
    def term(self) -> int:
        return self._core.term

    @property
    def leader(self) -> NodeId:
        return self._core.leader

    @property
    def commit(self) -> int:
        return self._core.log.committed

    @property
    def last_index(self) -> int:
        return self._core.log.last_index

    @property
    def durable_index(self) -> int:
        """The log is on this node's disk up to here. State derived from later entries may be used, not made durable."""
        log = self._core.log
        return log.unstable.stable if log.unstable.snapshot is None else log.storage.first_index() - 1

    @property
    def conf_state(self) -> ConfState:
        return self._core.conf_state

    @property
    def transferring(self) -> NodeId:
        """To whom the lead is being handed; nobody most of the time."""
        return self._core.transferee

    @property
    def noop_index(self) -> int:
        """Leader: the entry that opened its term; requests may be served once it is applied. 0 when not leading."""
        return self._core.noop_index

    @property
    def leader_ready(self) -> bool:
        """This node leads and its no-op is committed."""
        return self._core.leader_ready

    @property
    def lease(self) -> Lease:
        """For looking at `granted` only; the same object as long as this node lives."""
        return self._core.lease

    @property
    def lease_until(self) -> float:
        """Until then (monotonic) this leader may answer reads alone; -inf when it may not."""
        return self._core.lease_until
