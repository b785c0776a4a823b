"""`kv.ports.ClusterControl` over a group: status, membership changes, transfer of leadership.

A new voter joins as a learner and is promoted once it has caught up (thesis 4.2.1), so that the quorum never depends on
a node with an empty log. All changes are compare-and-set on the configuration's index where the caller names one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from elastickv.errors import Fault, KvError
from elastickv.kv.ports import ClusterStatus, MemberStatus
from elastickv.raft.node import ProposalDropped
from elastickv.raft.types import ConfChange, ConfChangeKind, ConfChangeStep, Role
from elastickv.runtime.group import Group
from elastickv.storage.codec import encode_conf_change

T = TypeVar("T")

_CAUGHT_UP_ENTRIES = 64
"""A learner this close to the leader's log counts as caught up."""
_POLL_SECONDS = 0.02


class GroupControl:
    """Loop's thread only."""

    def __init__(self, group: Group, shutdown: Callable[[], None]) -> None:
        self._group = group
        self._shutdown = shutdown

    # looking

    def status(self) -> ClusterStatus:
        group = self._group
        node = group.node
        status = node.status()
        now = group.clock.monotonic()
        leading = status.role is Role.LEADER
        heard = group.gate.heard_at
        role = {
            Role.FOLLOWER: "follower",
            Role.PRE_CANDIDATE: "candidate",
            Role.CANDIDATE: "candidate",
            Role.LEADER: "leader",
        }[status.role]
        members = []
        for member in group.gate.members.values():
            progress = status.progress.get(member.id)
            own = member.id == group.settings.node_id
            refusal = group.gate.refused.get(member.id)
            members.append(
                MemberStatus(
                    id=member.id,
                    address=member.address,
                    voter=member.id in group.gate.voters,
                    instance=member.instance,
                    leader=member.id == status.leader,
                    match_index=progress.match if leading and progress is not None else None,
                    last_contact_seconds=0.0 if own else now - heard[member.id] if member.id in heard else None,
                    refused=refusal.code if refusal is not None else "",
                )
            )
        if leading:
            contact: float | None = 0.0
        else:
            contact = now - heard[status.leader] if status.leader in heard else None
        snapshot = group.snapshots.meta
        return ClusterStatus(
            group_id=1,
            node_id=group.settings.node_id,
            instance=group.data_dir.instance,
            cluster_id=group.data_dir.cluster_id,
            role="shutdown" if group.stopping else role,
            term=status.term,
            leader_id=status.leader,
            leader_address=group.address_of(status.leader),
            commit_index=status.commit,
            applied_index=group.machine.index,
            flushed_index=group.flushing.flushed_index,
            first_log_index=status.first_index,
            last_log_index=status.last_index,
            last_log_term=group.last_log_term(),
            snapshot_index=snapshot.index if snapshot is not None else status.first_index - 1,
            snapshot_term=snapshot.term if snapshot is not None else group.log.term(status.first_index - 1),
            pending_entries=status.commit - group.machine.index,
            configuration_index=group.conf_index,
            pending_configuration_change=status.pending_config,
            members=tuple(members),
            last_contact_unix_nano=0 if contact is None else int((group.clock.wall_ms() / 1000 - contact) * 1e9),
            last_contact_seconds=contact,
            problem=self.problem(),
            extra={
                "leader_changes": str(group.leader_changes),
                "proposals_failed": str(group.proposals_failed),
                "flushes": str(group.flushing.flushes),
                "lease_reads": str(group.executor.lease_reads),
                "confirmed_reads": str(group.executor.confirmed_reads),
                "log_entries_proposed": str(group.executor.batches),
                "snapshots_sent": str(group.snapshots.sent),
                "snapshots_installed": str(group.snapshots.installed),
                "transferring_to": status.transferring,
            },
        )

    def problem(self) -> str:
        """Why this node cannot take part; empty when all is well."""
        group = self._group
        if group.stopping:
            return "shutting down"
        return group.founding_problem or group.gate.problem or group.flushing.disk_full

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        self._group.watchers.append(callback)

        def stop() -> None:
            if callback in self._group.watchers:
                self._group.watchers.remove(callback)

        return stop

    # changing

    def _require_leader(self) -> None:
        if not self._group.executor.serving:
            raise self._group.not_leader()

    def _check_previous(self, previous_index: int) -> None:
        current = self._group.conf_index
        if previous_index and previous_index != current:
            raise KvError(
                Fault.CONFLICT, f"the configuration is at index {current}, not at the expected {previous_index}"
            )

    async def _bounded(self, what: str, work: Awaitable[T], timeout: float | None) -> T:
        try:
            async with asyncio.timeout(self._group.settings.request_timeout if timeout is None else timeout):
                return await work
        except TimeoutError:
            raise KvError(Fault.NO_QUORUM, f"{what} was not confirmed in time; it may still happen") from None

    async def _change(self, *steps: ConfChangeStep, previous_index: int) -> int:
        """Propose one configuration change and wait until it is applied here."""
        group = self._group
        while True:
            self._require_leader()
            self._check_previous(previous_index)
            change = ConfChange(steps)
            try:
                group.node.validate_conf_change(change)
            except ValueError as error:
                raise KvError(Fault.BAD_REQUEST, str(error)) from error
            try:
                index = group.node.propose_config(encode_conf_change(change))
                break
            except ProposalDropped as dropped:
                fault = group.dropped(dropped)
                # Our own bookkeeping (instances of new members) is over in a moment; another administrator's change
                # is for the caller to look at.
                if fault.fault is not Fault.CONFLICT or previous_index or not group.gate.unbound():
                    raise fault from dropped
                await asyncio.sleep(_POLL_SECONDS)
        applied = group.waiting.entry(index, group.node.term)
        group.kick()
        return await applied

    async def add_learner(
        self, node_id: str, address: str, previous_index: int, *, timeout: float | None = None
    ) -> int:
        return await self._bounded(
            f"adding learner {node_id}", self._add_learner(node_id, address, previous_index), timeout
        )

    async def _add_learner(self, node_id: str, address: str, previous_index: int) -> int:
        self._require_leader()
        _require(node_id, address)
        member = self._group.gate.members.get(node_id)
        if member is not None and node_id in self._group.gate.voters:
            raise KvError(Fault.CONFLICT, f"{node_id} is a voter; demote it instead")
        self._require_free_address(node_id, address)
        step = ConfChangeStep(ConfChangeKind.ADD_LEARNER, node_id, address)
        return await self._change(step, previous_index=previous_index)

    def _require_free_address(self, node_id: str, address: str) -> None:
        for member in self._group.gate.members.values():
            if member.address == address and member.id != node_id:
                raise KvError(Fault.CONFLICT, f"address {address} belongs to member {member.id}")

    async def add_voter(self, node_id: str, address: str, previous_index: int, *, timeout: float | None = None) -> int:
        return await self._bounded(
            f"adding voter {node_id}", self._add_voter(node_id, address, previous_index), timeout
        )

    async def _add_voter(self, node_id: str, address: str, previous_index: int) -> int:
        self._require_leader()
        _require(node_id, address)
        self._require_free_address(node_id, address)
        group = self._group
        member = group.gate.members.get(node_id)
        if member is not None and node_id in group.gate.voters:
            if member.address == address:
                self._check_previous(previous_index)
                return group.conf_index
            step = ConfChangeStep(ConfChangeKind.UPDATE, node_id, address)
            return await self._change(step, previous_index=previous_index)
        if member is None or member.address != address:
            step = ConfChangeStep(ConfChangeKind.ADD_LEARNER, node_id, address)
            await self._change(step, previous_index=previous_index)
        else:
            self._check_previous(previous_index)
        while not self._caught_up(node_id):
            await asyncio.sleep(_POLL_SECONDS)
            self._require_leader()
        step = ConfChangeStep(ConfChangeKind.ADD_VOTER, node_id, address)
        return await self._change(step, previous_index=0)

    def _caught_up(self, node_id: str) -> bool:
        progress = self._group.node.status().progress.get(node_id)
        if progress is None:
            raise KvError(Fault.CONFLICT, f"{node_id} was removed while it caught up")
        return bool(progress.match) and progress.match + _CAUGHT_UP_ENTRIES >= self._group.node.last_index

    async def promote_learner(
        self, node_id: str, previous_index: int, *, min_applied_index: int = 0, timeout: float | None = None
    ) -> int:
        self._require_leader()
        group = self._group
        member = group.gate.members.get(node_id)
        if member is None:
            raise KvError(Fault.NOT_FOUND, f"{node_id or '(empty)'} is not a member")
        if node_id in group.gate.voters:
            raise KvError(Fault.CONFLICT, f"{node_id} is a voter already")
        progress = group.node.status().progress.get(node_id)
        match = progress.match if progress is not None else 0
        if match < min_applied_index:
            raise KvError(Fault.CONFLICT, f"{node_id} has reached index {match}, not {min_applied_index} yet")
        step = ConfChangeStep(ConfChangeKind.ADD_VOTER, node_id, member.address)
        return await self._bounded(f"promoting {node_id}", self._change(step, previous_index=previous_index), timeout)

    async def demote_voter(self, node_id: str, previous_index: int, *, timeout: float | None = None) -> int:
        self._require_leader()
        member = self._group.gate.members.get(node_id)
        if member is None:
            raise KvError(Fault.NOT_FOUND, f"{node_id or '(empty)'} is not a member")
        step = ConfChangeStep(ConfChangeKind.ADD_LEARNER, node_id, member.address)
        return await self._bounded(f"demoting {node_id}", self._change(step, previous_index=previous_index), timeout)

    async def remove_member(self, node_id: str, previous_index: int, *, timeout: float | None = None) -> int:
        self._require_leader()
        if node_id not in self._group.gate.members:
            raise KvError(Fault.NOT_FOUND, f"{node_id or '(empty)'} is not a member")
        step = ConfChangeStep(ConfChangeKind.REMOVE, node_id)
        return await self._bounded(f"removing {node_id}", self._change(step, previous_index=previous_index), timeout)

    # leadership

    async def transfer_leadership(
        self,
        node_id: str = "",
        address: str = "",
        *,
        candidates: tuple[tuple[str, str], ...] = (),
        max_lag: int | None = None,
        timeout: float | None = None,
    ) -> None:
        self._require_leader()
        group = self._group
        if node_id or address:
            target = self._find(node_id, address)
            if target is None:
                raise KvError(Fault.NOT_FOUND, f"{node_id or address} is not a member")
            unfit = self._unfit(target, max_lag)
            if unfit:
                raise KvError(Fault.CONFLICT, unfit)
        else:
            target = self._choose(candidates, max_lag)
        if target == group.settings.node_id:
            return
        await self._bounded(f"handing the lead to {target}", self._transfer(target), timeout)

    def _find(self, node_id: str, address: str) -> str | None:
        for member in self._group.gate.members.values():
            if (node_id and member.id == node_id) or (not node_id and member.address == address):
                return member.id
        return None

    def _unfit(self, target: str, max_lag: int | None) -> str:
        """Why the member cannot take over; empty when it can."""
        group = self._group
        if target == group.settings.node_id:
            return ""
        if target not in group.gate.voters:
            return f"{target} is a learner and cannot lead"
        status = group.node.status()
        progress = status.progress.get(target)
        if progress is None or not progress.recent_active:
            return f"{target} does not answer"
        lag = status.last_index - progress.match
        if max_lag is not None and lag > max_lag:
            return f"{target} lags {lag} entries, more than {max_lag}"
        return ""

    def _choose(self, candidates: Sequence[tuple[str, str]], max_lag: int | None) -> str:
        group = self._group
        own = group.settings.node_id
        if candidates:
            reasons = []
            for node_id, address in candidates:
                target = self._find(node_id, address)
                unfit = f"{node_id or address} is not a member" if target is None else self._unfit(target, max_lag)
                if target is not None and not unfit and target != own:
                    return target
                reasons.append(unfit or f"{target} leads already")
            raise KvError(Fault.CONFLICT, "no candidate is fit: " + "; ".join(reasons))
        progress = group.node.status().progress
        fit = [one for one in group.gate.voters if one != own and not self._unfit(one, max_lag)]
        if not fit:
            raise KvError(Fault.CONFLICT, "no other voter is fit to lead")
        return max(fit, key=lambda one: (progress[one].match, one))

    async def _transfer(self, target: str) -> None:
        group = self._group
        try:
            group.node.transfer_leadership(target)
        except ValueError as error:
            raise KvError(Fault.BAD_REQUEST, str(error)) from error
        group.pump()
        changed = asyncio.Event()
        stop = self.watch(changed.set)
        try:
            while group.node.leader != target:
                if group.node.role is Role.LEADER and not group.node.transferring:
                    raise KvError(Fault.CONFLICT, f"{target} did not take over in time; this node still leads")
                changed.clear()
                try:
                    async with asyncio.timeout(_POLL_SECONDS * 5):
                        await changed.wait()
                except TimeoutError:
                    continue
        finally:
            stop()

    async def barrier(self, *, timeout: float | None = None) -> int:
        self._require_leader()
        group = self._group
        target = group.node.last_index
        if target <= group.machine.index:
            await self.verify_leader(timeout=timeout)
            return group.machine.index
        await self._bounded("the barrier", group.waiting.reaches(target), timeout)
        self._require_leader()
        return group.machine.index

    async def verify_leader(self, *, timeout: float | None = None) -> None:
        self._require_leader()
        group = self._group
        ticket: asyncio.Future[int] = group.loop.create_future()
        if not group.rounds.start(ticket):
            raise group.not_leader()
        try:
            await self._bounded("the lead", ticket, timeout)
        except KvError as error:
            if error.fault is Fault.NOT_LEADER:
                raise group.not_leader() from error
            raise
        finally:
            group.rounds.forget(ticket)
        self._require_leader()

    async def snapshot(self, *, timeout: float | None = None) -> int:
        group = self._group
        if not group.machine.index:
            raise KvError(Fault.CONFLICT, "there is nothing to snapshot yet")
        meta = await self._bounded("the snapshot", group.snapshots.make(), 60.0 if timeout is None else timeout)
        group.flushing.cut_to(meta.index)
        return meta.index

    async def shutdown(self) -> None:
        self._shutdown()


def _require(node_id: str, address: str) -> None:
    if not node_id:
        raise KvError(Fault.BAD_REQUEST, "the member's id is missing")
    if not address:
        raise KvError(Fault.BAD_REQUEST, "the member's address is missing")
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise KvError(Fault.BAD_REQUEST, f"{address} is not an address: host:port is expected")
    if host in ("0.0.0.0", "[::]", "::"):  # refused, not bound
        raise KvError(Fault.BAD_REQUEST, f"{address} is not an address that other members can reach")
