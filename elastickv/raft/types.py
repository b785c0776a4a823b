"""The nouns of the consensus core: entries, state, configuration, messages.

Everything here is a frozen value. Indexes and terms are ints that start at 1; 0 means "none". Node IDs are non-empty
strings; the empty string means "nobody".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

NodeId = str
NOBODY: NodeId = ""


class Role(Enum):
    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


class EntryKind(IntEnum):
    """What an entry's bytes are. The numbers are on disk."""

    NORMAL = 0
    """For the state machine. Empty data is the no-op with which a leader opens its term (thesis 6.4)."""
    CONFIG = 1
    """An encoded `ConfChange`. Empty data leaves a joint configuration."""


@dataclass(frozen=True, slots=True)
class Entry:
    term: int
    index: int
    data: bytes = b""
    kind: EntryKind = EntryKind.NORMAL


@dataclass(frozen=True, slots=True)
class HardState:
    """What must be on disk before a promise leaves the node (thesis figure 3.1)."""

    term: int = 0
    vote: NodeId = NOBODY
    commit: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """Where a member is, and which incarnation of its disk the cluster knows.

    `instance` is the random ID that a node makes when it creates its data directory; empty until the leader has met the
    node for the first time. A voter that shows up with another instance has lost its disk, and with it its votes.
    """

    id: NodeId
    address: str = ""
    instance: str = ""


@dataclass(frozen=True, slots=True)
class ConfState:
    """The configuration as of an index. `voters_outgoing` is non-empty while it is joint (thesis 4.3)."""

    voters: tuple[NodeId, ...] = ()
    learners: tuple[NodeId, ...] = ()
    voters_outgoing: tuple[NodeId, ...] = ()
    learners_next: tuple[NodeId, ...] = ()
    """Voters of the outgoing half that become learners when the joint configuration is left."""
    auto_leave: bool = False
    members: tuple[Member, ...] = ()
    """Address and instance of each node named above, sorted by ID."""


@dataclass(frozen=True, slots=True)
class SnapshotMeta:
    """A snapshot covers all entries up to `index`, the last of which has `term`."""

    index: int = 0
    term: int = 0
    conf_state: ConfState = ConfState()


class ConfChangeKind(IntEnum):
    """The numbers are on disk."""

    ADD_VOTER = 0
    """Also promotes a learner."""
    ADD_LEARNER = 1
    """Also demotes a voter."""
    REMOVE = 2
    UPDATE = 3
    """Changes address or instance only; the roles stay. Empty fields keep what is there."""


@dataclass(frozen=True, slots=True)
class ConfChangeStep:
    kind: ConfChangeKind
    node: NodeId
    address: str = ""
    instance: str = ""


class Transition(IntEnum):
    """How a change of several steps is carried out. The numbers are on disk."""

    AUTO = 0
    """Simple when at most one voter changes, else joint with automatic leave."""
    JOINT_IMPLICIT = 1
    JOINT_EXPLICIT = 2


@dataclass(frozen=True, slots=True)
class ConfChange:
    """A change of membership. No steps at all means: leave the joint configuration."""

    steps: tuple[ConfChangeStep, ...] = ()
    transition: Transition = Transition.AUTO


class Kind(IntEnum):
    """The messages between peers. The numbers are on the wire."""

    APPEND = 1
    APPEND_REPLY = 2
    HEARTBEAT = 3
    HEARTBEAT_REPLY = 4
    PRE_VOTE = 5
    PRE_VOTE_REPLY = 6
    VOTE = 7
    VOTE_REPLY = 8
    SNAPSHOT = 9
    TIMEOUT_NOW = 10
    """Leadership transfer: campaign at once, past the leases (thesis 3.10)."""
    READ_INDEX = 11
    """A follower asks the leader for a read index (thesis 6.4)."""
    READ_INDEX_REPLY = 12


@dataclass(frozen=True, slots=True)
class Message:
    """One message between two peers. Fields that a kind does not use stay at their defaults."""

    kind: Kind
    to: NodeId
    sender: NodeId
    term: int = 0
    log_term: int = 0
    """APPEND: term of the entry before `entries`. VOTE, PRE_VOTE: term of the candidate's last entry.
    A rejecting APPEND_REPLY: the follower's term at `reject_hint`.
    A rejecting VOTE_REPLY or PRE_VOTE_REPLY: the voter's term at `commit`."""
    index: int = 0
    """APPEND: index of the entry before `entries`. APPEND_REPLY: last matching index, or the rejected one.
    VOTE, PRE_VOTE: the candidate's last index. READ_INDEX_REPLY: the read index."""
    entries: tuple[Entry, ...] = ()
    commit: int = 0
    """APPEND, HEARTBEAT: the leader's commit index (for a HEARTBEAT never beyond what the peer is known to have).
    A rejecting VOTE_REPLY or PRE_VOTE_REPLY: the voter's commit index, see `candidate.learn_commit`."""
    reject: bool = False
    reject_hint: int = 0
    """A rejecting APPEND_REPLY: the follower's best guess of where the logs agree."""
    snapshot: SnapshotMeta | None = None
    context: bytes = b""
    """HEARTBEAT and its reply: the read round. VOTE: b"transfer" when a transfer forces it. READ_INDEX: request ID."""
    round: int = 0
    """APPEND, HEARTBEAT and their replies: the leader's lease round, echoed. See `core` on leases."""


@dataclass(frozen=True, slots=True)
class ReadState:
    """A read asked for with `context` is linearizable once the node has applied up to `index`."""

    index: int
    context: bytes
