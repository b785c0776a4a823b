"""What the front ends may ask of the cluster. `runtime` fulfils it; tests put a fake in its place.

Two doors: `Store` runs requests, `ClusterControl` looks after the cluster. Everything is called on the loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from elastickv.kv.snapshot_view import SnapshotView
from elastickv.kv.view import View

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Leader:
    """Who leads, as far as this node knows. `address` is the Raft address, which is the gRPC door too."""

    id: str
    address: str


class Waiter(Protocol):
    """Something that is told how a ticket ends. Exactly one of the two is called, once per ticket, on the loop."""

    def release(self, ticket: Ticket) -> None:
        """What the ticket stands for has happened: replies that waited for it may go out."""
        ...

    def fail(self, ticket: Ticket, fault: Exception) -> None:
        """It has not, or nobody can tell; `fault` is a KvError (OUTCOME_UNKNOWN, NOT_LEADER, NO_QUORUM, DISK_FULL)."""
        ...


class Ticket(Protocol):
    """A point that replies wait for: a log entry's commit, or a confirmation that this node still leads."""

    def wait(self, waiter: Waiter) -> None: ...


class Store(Protocol):
    """Executes requests, serially, on the leader.

    The fast way (Redis door): check `serving`, run any number of commands on `view` synchronously, then `settle()`:
    None means that all replies may go out now, else they must wait for the ticket that it returns.
    The convenient way: `await execute(body)`.
    """

    @property
    def serving(self) -> bool:
        """This node leads and has applied its own no-op: commands may run here."""
        ...

    @property
    def view(self) -> View:
        """The state, readable and writable only synchronously and only while `serving`."""
        ...

    def snapshot(self, look: Callable[[], None]) -> SnapshotView:
        """The view as it is now, held still, only to be read; call it within a burst, whose ticket then stands for what
        it shows. `look` is called every few dozen reads. Close it."""
        ...

    def settle(self) -> Ticket | None:
        """Close a burst of commands: what its replies depend on. Call once after each burst, in the same turn."""
        ...

    async def execute(self, body: Callable[[View], T], *, timeout: float | None = None) -> T:
        """Run `body` in its turn and return its result when that is safe to show.

        Raises KvError: NOT_LEADER (with the leader, when known) when this node does not serve, NO_QUORUM when
        leadership cannot be confirmed in time, OUTCOME_UNKNOWN when writes were logged and then the lead or the
        deadline was lost, DISK_FULL; and whatever `body` raises, whose writes are then undone. `timeout` in seconds;
        the node's request timeout when None.
        """
        ...

    def observe(self, key: bytes, observer: Callable[[bytes | None], None]) -> None:
        """Tell the committed record at `key`, on every node: now, and whenever it changes. Once per key."""
        ...

    def used_bytes(self) -> int:
        """Bytes that this node's copy of the data occupies: what is on disk, without the space that deletions left, and
        what is in memory until it is flushed (where a key that was written twice counts twice)."""
        ...

    def leader(self) -> Leader | None: ...

    async def wait_for_leader(self, *, timeout: float | None = None) -> Leader:
        """The leader (this node, once it is `serving`, or another one), or KvError(NO_QUORUM) after the timeout."""
        ...

    async def read_barrier(self, *, timeout: float | None = None) -> None:
        """After this, local applied state is at least as new as every write acknowledged before the call.

        Works on every node (ReadIndex). Raises KvError(NO_QUORUM).
        """
        ...


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """A member of the configuration, as this node sees it."""

    id: str
    address: str
    voter: bool
    instance: str
    """Empty until the leader has met it."""
    leader: bool
    match_index: int | None = None
    """Known on the leader only."""
    last_contact_seconds: float | None = None
    """Since the last message from it; None when never heard."""
    refused: str = ""
    """Why its connection is refused ("amnesiac", "wrong_cluster", ...); empty when all is well."""


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """One node's view of its group. Indexes and terms as in Raft; 0 when there is none."""

    group_id: int
    node_id: str
    instance: str
    cluster_id: str
    role: str
    """follower, candidate (pre-candidates too), leader or shutdown."""
    term: int
    leader_id: str
    leader_address: str
    commit_index: int
    applied_index: int
    flushed_index: int
    first_log_index: int
    last_log_index: int
    last_log_term: int
    snapshot_index: int
    snapshot_term: int
    pending_entries: int
    """Committed but not applied."""
    configuration_index: int
    pending_configuration_change: bool
    members: tuple[MemberStatus, ...]
    last_contact_unix_nano: int
    """When this node last heard from the leader (now, on the leader; 0 when never)."""
    last_contact_seconds: float | None
    problem: str = ""
    """Why this node cannot take part ("amnesiac: …", "waiting for …", "disk full"); empty when all is well."""
    extra: dict[str, str] = field(default_factory=dict)
    """More figures for Stats and logs."""


class ClusterControl(Protocol):
    """Administration. Changes run on the leader and return the log index of the committed change.

    They raise KvError: NOT_LEADER (with the leader), CONFLICT (stale `previous_index`, a change is pending, the
    target lags), BAD_REQUEST, NOT_FOUND, NO_QUORUM, OUTCOME_UNKNOWN. `previous_index` 0: no check, else it must equal
    the configuration's log index.
    """

    def status(self) -> ClusterStatus: ...

    async def add_voter(self, node_id: str, address: str, previous_index: int, *, timeout: float | None = None) -> int:
        """Add a voter, or promote a learner, or change the address of a voter. A new node joins as a learner first
        and is promoted once it has caught up, so that quorum never depends on an empty log."""
        ...

    async def add_learner(
        self, node_id: str, address: str, previous_index: int, *, timeout: float | None = None
    ) -> int: ...

    async def promote_learner(
        self,
        node_id: str,
        previous_index: int,
        *,
        min_applied_index: int = 0,
        timeout: float | None = None,
    ) -> int:
        """CONFLICT while the learner's known index is below `min_applied_index`."""
        ...

    async def demote_voter(self, node_id: str, previous_index: int, *, timeout: float | None = None) -> int: ...

    async def remove_member(self, node_id: str, previous_index: int, *, timeout: float | None = None) -> int: ...

    async def transfer_leadership(
        self,
        node_id: str = "",
        address: str = "",
        *,
        candidates: tuple[tuple[str, str], ...] = (),
        max_lag: int | None = None,
        timeout: float | None = None,
    ) -> None:
        """Hand the lead to the named voter (by ID, else by address), else to the first of `candidates` that is fit,
        else to the most up-to-date one. `max_lag`: CONFLICT when the target lags more entries than that."""
        ...

    async def barrier(self, *, timeout: float | None = None) -> int:
        """Index up to which everything logged before the call is applied here. Leader only."""
        ...

    async def verify_leader(self, *, timeout: float | None = None) -> None:
        """A majority confirms that this node leads; else NOT_LEADER or NO_QUORUM."""
        ...

    async def snapshot(self, *, timeout: float | None = None) -> int:
        """Flush, make a snapshot and cut the log; returns the snapshot's index. Works on every node."""
        ...

    async def shutdown(self) -> None:
        """Begin the graceful stop of this node and return."""
        ...

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` whenever role, leader, term or membership changes; returns the function that stops it."""
        ...
