"""One follower as the leader sees it.

                 rejected, unreachable                      an ack
        +--------------------------------+   +-------------------------------+
        v                                |   |                               v
      PROBE  -- an ack -------------->  REPLICATE                          REPLICATE
        |  ^                             |   ^
        |  | snapshot reported           |   | an ack reaches the log
        v  | (or failed)                 v   |
      SNAPSHOT <-- entries are compacted ----+

PROBE: where the logs agree is not known; one append at a time. REPLICATE: `next` runs ahead of the acknowledgements, in
a bounded window. SNAPSHOT: nothing is sent until the snapshot is reported or its ack comes.

All transitions are methods here; who calls them is in `replication` and `leader`.
"""

from __future__ import annotations

from enum import Enum

from elastickv.raft.inflights import Inflights


class ProgressState(Enum):
    PROBE = "probe"
    REPLICATE = "replicate"
    SNAPSHOT = "snapshot"


class Progress:
    __slots__ = (
        "acked_read_round",
        "acked_round",
        "inflights",
        "learner",
        "match",
        "next",
        "paused_flow",
        "pending_snapshot",
        "recent_active",
        "sent_commit",
        "state",
    )

    def __init__(self, next_index: int, inflights: Inflights) -> None:
        self.inflights = inflights
        self.learner = False
        self.reset(next_index)

    def reset(self, next_index: int) -> None:
        """As at the start of a term: nothing is known about the follower."""
        self.match = 0
        """The follower's log is known to agree with ours up to here, durably."""
        self.next = next_index
        """The next entry to send; match < next."""
        self.state = ProgressState.PROBE
        self.pending_snapshot = 0
        """SNAPSHOT: the index of the snapshot that is on its way."""
        self.recent_active = False
        """Heard from since the last check-quorum."""
        self.paused_flow = False
        """No further append until an answer of any kind: PROBE after one append, REPLICATE with a full window."""
        self.sent_commit = 0
        """The highest commit index that was put in a message; what was lost is repaired by heartbeats."""
        self.acked_round = 0
        """The newest lease round that the follower has echoed in this term."""
        self.acked_read_round = 0
        """The newest ReadIndex round that the follower has echoed in this term."""
        self.inflights.clear()

    def _enter(self, state: ProgressState) -> None:
        self.state = state
        self.paused_flow = False
        self.pending_snapshot = 0
        self.inflights.clear()

    def become_probe(self) -> None:
        # After a snapshot the log goes on behind it, even when the ack has not come yet.
        after_snapshot = self.pending_snapshot + 1 if self.state is ProgressState.SNAPSHOT else 0
        self._enter(ProgressState.PROBE)
        self.next = max(self.match + 1, after_snapshot)
        self.sent_commit = min(self.sent_commit, self.next - 1)

    def become_replicate(self) -> None:
        self._enter(ProgressState.REPLICATE)
        self.next = self.match + 1

    def become_snapshot(self, index: int) -> None:
        self._enter(ProgressState.SNAPSHOT)
        self.pending_snapshot = index
        self.next = index + 1
        self.sent_commit = index

    @property
    def paused(self) -> bool:
        return self.paused_flow or self.state is ProgressState.SNAPSHOT

    def sent(self, count: int, size: int, commit: int) -> None:
        """An append with `count` entries of `size` bytes and this commit index goes out."""
        self.sent_commit = max(self.sent_commit, commit)
        if self.state is ProgressState.REPLICATE:
            if count:
                self.next += count
                self.inflights.add(self.next - 1, size)
            self.paused_flow = self.inflights.full
        else:
            self.paused_flow = True

    def maybe_update(self, index: int) -> bool:
        """An ack up to `index`; False when it is old news."""
        if index <= self.match:
            return False
        self.match = index
        self.next = max(self.next, index + 1)
        self.paused_flow = False
        return True

    def maybe_decrease(self, rejected: int, hint: int) -> bool:
        """The append after entry `rejected` was refused; try behind `hint` next. False when the refusal is stale."""
        match self.state:
            case ProgressState.SNAPSHOT:
                return False
            case ProgressState.REPLICATE:
                if rejected <= self.match:
                    return False
                self.next = self.match + 1
            case ProgressState.PROBE:
                # One append is on its way at a time, so only a refusal of that one counts.
                if rejected != self.next - 1:
                    return False
                self.next = max(min(rejected, hint + 1), self.match + 1)
                self.paused_flow = False
        self.sent_commit = min(self.sent_commit, self.next - 1)
        return True
