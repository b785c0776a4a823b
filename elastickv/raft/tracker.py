"""All followers' progress, the active configuration, and the votes of a running election.

The configuration decides who counts; the progress says what was reached. Questions to the two together ("up to which
index does a majority agree?") are asked here.
"""

from __future__ import annotations

from collections.abc import Callable

from elastickv.raft import quorum
from elastickv.raft.confchange import Config
from elastickv.raft.inflights import Inflights
from elastickv.raft.progress import Progress
from elastickv.raft.quorum import VoteResult
from elastickv.raft.types import NodeId


class Tracker:
    __slots__ = ("_max_inflight_appends", "_max_inflight_bytes", "config", "id", "peers", "progress", "votes")

    def __init__(self, id: NodeId, max_inflight_appends: int, max_inflight_bytes: int) -> None:
        self.id = id
        self._max_inflight_appends = max_inflight_appends
        self._max_inflight_bytes = max_inflight_bytes
        self.config = Config()
        self.progress: dict[NodeId, Progress] = {}
        """Every node of the configuration, this one included, in the order of their IDs."""
        self.peers: tuple[tuple[NodeId, Progress], ...] = ()
        """The same without this node: the usual loop of a leader."""
        self.votes: dict[NodeId, bool] = {}

    def adopt(self, config: Config, last_index: int) -> None:
        """Make `config` the active one. Known nodes keep their progress."""
        progress: dict[NodeId, Progress] = {}
        for node in sorted(config.ids):
            known = self.progress.get(node)
            if known is None:
                # Probing starts at the last entry, so that there is something to send at once.
                known = Progress(max(last_index, 1), Inflights(self._max_inflight_appends, self._max_inflight_bytes))
                # Spared by the first check-quorum: it had no chance to answer yet.
                known.recent_active = True
            known.learner = node in config.learners
            progress[node] = known
        self.config = config
        self.progress = progress
        self.peers = tuple((node, known) for node, known in progress.items() if node != self.id)

    def reset(self, last_index: int) -> None:
        """A new term: forget what was known about the followers."""
        self.votes = {}
        for progress in self.progress.values():
            progress.reset(last_index + 1)

    @property
    def voters(self) -> frozenset[NodeId]:
        """Voters of either half."""
        config = self.config
        return config.voters | config.outgoing if config.outgoing else config.voters

    @property
    def sole_voter(self) -> bool:
        """This node is a majority by itself."""
        return self.voters == {self.id}

    def is_voter(self, node: NodeId) -> bool:
        return node in self.config.voters or node in self.config.outgoing

    def agreed(self, reached: Callable[[Progress], int]) -> int:
        """The largest number that a majority (of each half) has reached."""
        progress = self.progress
        return quorum.joint_agreed(self.config.voters, self.config.outgoing, lambda node: reached(progress[node]))

    def committed(self) -> int:
        """The largest index that a majority holds durably."""
        return self.agreed(lambda progress: progress.match)

    def quorum_active(self) -> bool:
        """Whether a majority was heard from since the last question (this node counts as heard from)."""
        votes = {node: node == self.id or progress.recent_active for node, progress in self.progress.items()}
        return quorum.joint_vote(self.config.voters, self.config.outgoing, votes) is VoteResult.WON

    # -- elections ------------------------------------------------------------------------------------------------

    def record_vote(self, node: NodeId, granted: bool) -> None:
        """The first answer of a node counts; messages may come twice."""
        self.votes.setdefault(node, granted)

    def vote_result(self) -> VoteResult:
        return quorum.joint_vote(self.config.voters, self.config.outgoing, self.votes)
