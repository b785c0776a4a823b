"""From what the rooms count to points: the sources that `app` registers.

Each is a generator over something that is read when a scrape comes. The rooms are seen through protocols, so that this
room stays below them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from elastickv.observability import metrics as m
from elastickv.observability.health import Health, StatusView

ROLES = ("follower", "candidate", "leader", "shutdown")


class StatusSource(Protocol):
    """`elastickv.kv.ports.ClusterControl`, as far as it is read here."""

    def status(self) -> StatusView: ...
    def watch(self, callback: Callable[[], None]) -> Callable[[], None]: ...


class ClusterPoints:
    """The Raft metrics of one group. Leader changes are counted as they are announced; a scrape would miss some."""

    def __init__(self, control: StatusSource) -> None:
        self._control = control
        self._leader = control.status().leader_id
        self._leader_changes = 0
        self.close = control.watch(self._on_change)

    def _on_change(self) -> None:
        leader = self._control.status().leader_id
        # "Nobody" between two leaders is not a change, and neither is the return of the same one.
        if leader and leader != self._leader:
            if self._leader:
                self._leader_changes += 1
            self._leader = leader

    def __call__(self) -> Iterator[m.Point]:
        status = self._control.status()
        group = status.group_id
        for role in ROLES:
            yield m.RAFT_LOCAL_STATE(int(status.role == role), group, role)
        if status.leader_id:
            yield m.RAFT_LEADER_IDENTITY(1, group, status.leader_id, status.leader_address)
        yield m.RAFT_MEMBERS(len(status.members), group)
        yield m.RAFT_NUM_PEERS(sum(x.voter and x.id != status.node_id for x in status.members), group)
        for member in status.members:
            yield m.RAFT_MEMBER_PRESENT(1, group, member.id, member.address, "voter" if member.voter else "learner")
            yield m.RAFT_MEMBER_IS_LEADER(int(member.leader), group, member.id, member.address)
            if member.match_index is not None:
                yield m.RAFT_MEMBER_MATCH_INDEX(member.match_index, group, member.id)
            if member.id != status.node_id:
                yield m.RAFT_MEMBER_LAST_CONTACT(_or_never(member.last_contact_seconds), group, member.id)
            if member.refused:
                yield m.RAFT_MEMBER_REFUSED(1, group, member.id, member.refused)
        yield m.RAFT_TERM(status.term, group)
        yield m.RAFT_COMMIT_INDEX(status.commit_index, group)
        yield m.RAFT_APPLIED_INDEX(status.applied_index, group)
        yield m.RAFT_FLUSHED_INDEX(status.flushed_index, group)
        yield m.RAFT_FIRST_LOG_INDEX(status.first_log_index, group)
        yield m.RAFT_LAST_LOG_INDEX(status.last_log_index, group)
        yield m.RAFT_LAST_SNAPSHOT_INDEX(status.snapshot_index, group)
        yield m.RAFT_FSM_PENDING(status.pending_entries, group)
        yield m.RAFT_LAST_CONTACT(0 if status.role == "leader" else _or_never(status.last_contact_seconds), group)
        yield m.RAFT_CHANGE_PENDING(int(status.pending_configuration_change), group)
        yield m.RAFT_PROBLEM(int(bool(status.problem)), group)
        yield m.RAFT_LEADER_CHANGES(self._leader_changes, group)


def _or_never(seconds: float | None) -> float:
    return -1.0 if seconds is None else seconds


class CommandCounts(Protocol):
    """What the Redis door counts per command, with the meanings of Redis' `INFO commandstats`: `calls` ran, `failed`
    are those of them that answered with an error, `rejected` did not run; `microseconds` is the time of the calls."""

    @property
    def calls(self) -> int: ...
    @property
    def microseconds(self) -> float: ...
    @property
    def failed(self) -> int: ...
    @property
    def rejected(self) -> int: ...


def redis_commands(counts: Callable[[], Mapping[str, CommandCounts]]) -> m.Source:
    """Commands that were never called have no series: there are hundreds of them."""

    def points() -> Iterator[m.Point]:
        for command, count in counts().items():
            if count.calls:
                yield m.REDIS_REQUESTS(count.calls - count.failed, command, "ok")
                yield m.REDIS_DURATION(m.CountAndSum(count.calls, count.microseconds / 1e6), command)
            if count.failed:
                yield m.REDIS_REQUESTS(count.failed, command, "error")
            if count.rejected:
                yield m.REDIS_REQUESTS(count.rejected, command, "rejected")

    return points


class OperationCounts(Protocol):
    """What the DynamoDB door counts per operation."""

    @property
    def name(self) -> str: ...
    @property
    def outcomes(self) -> Mapping[str, int]: ...
    @property
    def durations(self) -> m.Durations: ...


def dynamodb_operations(counts: Callable[[], Iterable[OperationCounts]]) -> m.Source:
    """Operations that were never asked for have no series."""

    def points() -> Iterator[m.Point]:
        for operation in counts():
            for outcome, requests in operation.outcomes.items():
                yield m.DYNAMODB_REQUESTS(requests, operation.name, outcome)
            if operation.outcomes:
                yield m.DYNAMODB_DURATION(operation.durations, operation.name)

    return points


class GrpcCounts:
    """What the gRPC door counts: calls by method and code, and how long they took."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], int] = {}
        self._durations: dict[str, m.Durations] = {}

    def finished(self, method: str, code: str, seconds: float) -> None:
        """`method` must be one that is served: names that clients invent would be series without end."""
        key = (method, code)
        self._calls[key] = self._calls.get(key, 0) + 1
        durations = self._durations.get(method)
        if durations is None:
            durations = self._durations[method] = m.Durations()
        durations.observe(seconds)

    def __call__(self) -> Iterator[m.Point]:
        for (method, code), calls in self._calls.items():
            yield m.GRPC_REQUESTS(calls, method, code)
        for method, durations in self._durations.items():
            yield m.GRPC_DURATION(durations, method)


def health(live: Callable[[], Health], ready: Callable[[], Health]) -> m.Source:
    return lambda: (m.LIVE(int(live().ok)), m.READY(int(ready().ok)))
