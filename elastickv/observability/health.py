"""Liveness and readiness, as functions of a status snapshot.

*Live* asks whether restarting the process would help: only a node that has shut itself down says no. A lost majority or
a waiting disk is not cured by a restart, so a live node with such a problem stays live. *Ready* asks whether requests
should be sent here: the node takes part, and knows a leader that it has heard from lately. Each "no" has a reason that
an operator can act on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class MemberView(Protocol):
    """What is read of a member (`elastickv.kv.ports.MemberStatus`)."""

    @property
    def id(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def voter(self) -> bool: ...
    @property
    def leader(self) -> bool: ...
    @property
    def match_index(self) -> int | None: ...
    @property
    def last_contact_seconds(self) -> float | None: ...
    @property
    def refused(self) -> str: ...


class StatusView(Protocol):
    """What is read of a group's status (`elastickv.kv.ports.ClusterStatus`)."""

    @property
    def group_id(self) -> int: ...
    @property
    def node_id(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def term(self) -> int: ...
    @property
    def leader_id(self) -> str: ...
    @property
    def leader_address(self) -> str: ...
    @property
    def commit_index(self) -> int: ...
    @property
    def applied_index(self) -> int: ...
    @property
    def flushed_index(self) -> int: ...
    @property
    def first_log_index(self) -> int: ...
    @property
    def last_log_index(self) -> int: ...
    @property
    def snapshot_index(self) -> int: ...
    @property
    def pending_entries(self) -> int: ...
    @property
    def pending_configuration_change(self) -> bool: ...
    @property
    def members(self) -> Sequence[MemberView]: ...
    @property
    def last_contact_seconds(self) -> float | None: ...
    @property
    def problem(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Health:
    ok: bool
    reasons: tuple[str, ...] = ()
    """Whole sentences without a full stop; empty exactly when `ok`."""


HEALTHY = Health(True)


def liveness(status: StatusView) -> Health:
    if status.role == "shutdown":
        return Health(False, ("this node has shut down",))
    return HEALTHY


def readiness(status: StatusView, *, contact_limit_seconds: float, pending_limit: int = 100_000) -> Health:
    """`contact_limit_seconds`: a leader that was silent for longer has probably been replaced, so a few election
    timeouts. `pending_limit`: committed entries that may wait to be applied, such as after a restart."""
    if status.role == "shutdown":
        return Health(False, ("this node has shut down",))
    reasons = []
    if status.problem:
        reasons.append(status.problem)
    if not status.members:
        reasons.append("this node belongs to no cluster yet; add it to one, or start it with --raftBootstrap")
    elif not any(member.id == status.node_id for member in status.members):
        reasons.append("this node is not a member of its cluster (any more)")
    if status.members and not status.leader_id:
        reasons.append("no leader is known; a majority of the voters must be up and reachable")
    elif status.leader_id and status.role != "leader":
        contact = status.last_contact_seconds
        if contact is None:
            reasons.append(f'the leader "{status.leader_id}" has not been heard yet')
        elif contact > contact_limit_seconds:
            reasons.append(f'the leader "{status.leader_id}" was last heard {contact:.1f} s ago')
    if status.pending_entries > pending_limit:
        reasons.append(f"{status.pending_entries} committed entries wait to be applied")
    return Health(False, tuple(reasons)) if reasons else HEALTHY
