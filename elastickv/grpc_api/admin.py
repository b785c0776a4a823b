"""RaftAdmin, both generations (see the .proto).

First generation: an operation answers with a token at once, and what becomes of it is told by Await, as text, with
status OK; that is also how a change sent to a follower fails. Only what could never be an operation (no ID, no address,
raw log entries) is refused with a status. Second generation: the call blocks, and failures are statuses, with the
leader in the trailing metadata.

The client's deadline bounds the operation, in both generations; without one the node's request timeout does. Adding a
voter gets more time: a new member first catches up as a learner, and how long that takes depends on the data.

Operations belong to `Futures`, not to calls: a client that hangs up does not abandon a change half-way.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from elastickv.errors import Fault, KvError
from elastickv.grpc_api.calls import Methods, time_limit
from elastickv.grpc_api.errors import Context, describe
from elastickv.grpc_api.futures import Futures, Operation, UnknownToken
from elastickv.grpc_api.stats import peers, stats
from elastickv.kv.ports import ClusterControl, MemberStatus
from elastickv.pb import raftadmin_pb2 as pb

log = logging.getLogger(__name__)

_STATES: Final = {
    "follower": pb.StateResponse.FOLLOWER,
    "candidate": pb.StateResponse.CANDIDATE,
    "leader": pb.StateResponse.LEADER,
    "shutdown": pb.StateResponse.SHUTDOWN,
}
_ADMIN_STATES: Final = {
    "follower": pb.RAFT_ADMIN_STATE_FOLLOWER,
    "candidate": pb.RAFT_ADMIN_STATE_CANDIDATE,
    "leader": pb.RAFT_ADMIN_STATE_LEADER,
    "shutdown": pb.RAFT_ADMIN_STATE_SHUTDOWN,
}


@dataclass(frozen=True, slots=True)
class AdminLimits:
    request_timeout: float = 5.0
    """Seconds for an operation whose client set no deadline."""
    join_timeout: float = 300.0
    """The same for AddVoter, which waits until the new member has caught up."""
    shutdown_linger: float = 1.0
    """After Shutdown, how long the node goes on so that the client can await and forget its token."""


class RaftAdmin:
    def __init__(self, control: ClusterControl, futures: Futures, limits: AdminLimits | None = None) -> None:
        self._control = control
        self._futures = futures
        self._limits = limits or AdminLimits()

    def methods(self) -> Methods:
        return {
            "AddNonvoter": self.add_nonvoter,
            "AddVoter": self.add_voter,
            "AppliedIndex": self.applied_index,
            "ApplyLog": self.apply_log,
            "Barrier": self.barrier,
            "DemoteVoter": self.demote_voter,
            "GetConfiguration": self.get_configuration,
            "LastContact": self.last_contact,
            "LastIndex": self.last_index,
            "Leader": self.leader,
            "LeadershipTransfer": self.leadership_transfer,
            "LeadershipTransferToServer": self.leadership_transfer_to_server,
            "RemoveServer": self.remove_server,
            "Shutdown": self.shutdown,
            "Snapshot": self.snapshot,
            "State": self.state,
            "Stats": self.stats,
            "VerifyLeader": self.verify_leader,
            "Await": self.await_,
            "Forget": self.forget,
            "Status": self.status,
            "Configuration": self.configuration,
            "AddLearner": self.add_learner,
            "PromoteLearner": self.promote_learner,
            "TransferLeadership": self.transfer_leadership,
        }

    def _timeout(self, context: Context) -> float:
        return time_limit(context, self._limits.request_timeout)

    def _start(self, operation: Operation) -> pb.Future:
        return pb.Future(operation_token=self._futures.start(operation))

    # ---- what a node says about itself --------------------------------------------------------------------------

    async def get_configuration(self, request: pb.GetConfigurationRequest, _: Context) -> pb.GetConfigurationResponse:
        server = pb.GetConfigurationResponse.Server
        return pb.GetConfigurationResponse(
            servers=[
                server(suffrage=server.VOTER if member.voter else server.NONVOTER, id=member.id, address=member.address)
                for member in self._control.status().members
            ]
        )

    async def configuration(
        self, request: pb.RaftAdminConfigurationRequest, _: Context
    ) -> pb.RaftAdminConfigurationResponse:
        def describe_member(member: MemberStatus) -> pb.RaftAdminMember:
            suffrage = "voter" if member.voter else "learner"
            return pb.RaftAdminMember(id=member.id, address=member.address, suffrage=suffrage)

        return pb.RaftAdminConfigurationResponse(servers=map(describe_member, self._control.status().members))

    async def leader(self, request: pb.LeaderRequest, _: Context) -> pb.LeaderResponse:
        return pb.LeaderResponse(address=self._control.status().leader_address)

    async def state(self, request: pb.StateRequest, _: Context) -> pb.StateResponse:
        return pb.StateResponse(state=_STATES[self._control.status().role])

    async def stats(self, request: pb.StatsRequest, _: Context) -> pb.StatsResponse:
        return pb.StatsResponse(stats=stats(self._control.status()))

    async def last_contact(self, request: pb.LastContactRequest, _: Context) -> pb.LastContactResponse:
        return pb.LastContactResponse(unix_nano=self._control.status().last_contact_unix_nano)

    async def last_index(self, request: pb.LastIndexRequest, _: Context) -> pb.LastIndexResponse:
        return pb.LastIndexResponse(index=self._control.status().last_log_index)

    async def applied_index(self, request: pb.AppliedIndexRequest, _: Context) -> pb.AppliedIndexResponse:
        return pb.AppliedIndexResponse(index=self._control.status().applied_index)

    async def status(self, request: pb.RaftAdminStatusRequest, _: Context) -> pb.RaftAdminStatusResponse:
        now = self._control.status()
        contact = 0.0 if now.role == "leader" else now.last_contact_seconds
        return pb.RaftAdminStatusResponse(
            state=_ADMIN_STATES.get(now.role, pb.RAFT_ADMIN_STATE_UNKNOWN),
            leader_id=now.leader_id,
            leader_address=now.leader_address,
            term=now.term,
            commit_index=now.commit_index,
            applied_index=now.applied_index,
            last_log_index=now.last_log_index,
            last_snapshot_index=now.snapshot_index,
            fsm_pending=now.pending_entries,
            num_peers=peers(now),
            last_contact_nanos=-1 if contact is None else round(contact * 1e9),
            configuration_index=now.configuration_index,
            pending_conf_change=now.pending_configuration_change,
        )

    # ---- first generation: operations ---------------------------------------------------------------------------

    async def add_voter(self, request: pb.AddVoterRequest, context: Context) -> pb.Future:
        _require(id=request.id, address=request.address)
        timeout = time_limit(context, self._limits.join_timeout)
        add = self._control.add_voter
        return self._start(lambda: add(request.id, request.address, request.previous_index, timeout=timeout))

    async def add_nonvoter(self, request: pb.AddNonvoterRequest, context: Context) -> pb.Future:
        _require(id=request.id, address=request.address)
        timeout = self._timeout(context)
        add = self._control.add_learner
        return self._start(lambda: add(request.id, request.address, request.previous_index, timeout=timeout))

    async def demote_voter(self, request: pb.DemoteVoterRequest, context: Context) -> pb.Future:
        _require(id=request.id)
        timeout = self._timeout(context)
        return self._start(lambda: self._control.demote_voter(request.id, request.previous_index, timeout=timeout))

    async def remove_server(self, request: pb.RemoveServerRequest, context: Context) -> pb.Future:
        _require(id=request.id)
        timeout = self._timeout(context)
        return self._start(lambda: self._control.remove_member(request.id, request.previous_index, timeout=timeout))

    async def barrier(self, request: pb.BarrierRequest, context: Context) -> pb.Future:
        timeout = self._timeout(context)
        return self._start(lambda: self._control.barrier(timeout=timeout))

    async def snapshot(self, request: pb.SnapshotRequest, context: Context) -> pb.Future:
        timeout = self._timeout(context)
        return self._start(lambda: self._control.snapshot(timeout=timeout))

    async def verify_leader(self, request: pb.VerifyLeaderRequest, context: Context) -> pb.Future:
        timeout = self._timeout(context)
        return self._start(lambda: self._control.verify_leader(timeout=timeout))

    async def leadership_transfer(self, request: pb.LeadershipTransferRequest, context: Context) -> pb.Future:
        timeout = self._timeout(context)
        return self._start(lambda: self._control.transfer_leadership(timeout=timeout))

    async def leadership_transfer_to_server(
        self, request: pb.LeadershipTransferToServerRequest, context: Context
    ) -> pb.Future:
        if not request.id and not request.address:
            raise KvError(Fault.BAD_REQUEST, "id or address of the target is missing")
        timeout = self._timeout(context)
        return self._start(lambda: self._control.transfer_leadership(request.id, request.address, timeout=timeout))

    async def shutdown(self, request: pb.ShutdownRequest, context: Context) -> pb.Future:
        log.info("asked to shut down", extra={"client": context.peer()})
        future = self._start(_accepted)
        self._futures.spawn(lambda: self._stop_after(future.operation_token))
        return future

    async def _stop_after(self, token: str) -> None:
        """Stop when the client has its answer. A node that is gone at once could not be asked how it went."""
        await self._futures.collected(token, self._limits.shutdown_linger)
        await self._control.shutdown()

    async def apply_log(self, request: pb.ApplyLogRequest, _: Context) -> pb.Future:
        raise KvError(
            Fault.PERMISSION_DENIED,
            "raw log entries are not accepted: they would bypass the state machine's rules; write through RawKV",
        )

    async def await_(self, request: pb.Future, _: Context) -> pb.AwaitResponse:
        try:
            return pb.AwaitResponse(index=await self._futures.wait(request.operation_token))
        except UnknownToken:
            raise
        except KvError as error:
            return pb.AwaitResponse(error=_first_generation_text(error))

    async def forget(self, request: pb.Future, _: Context) -> pb.ForgetResponse:
        self._futures.forget(request.operation_token)
        return pb.ForgetResponse()

    # ---- second generation: operations --------------------------------------------------------------------------

    async def add_learner(
        self, request: pb.RaftAdminAddLearnerRequest, context: Context
    ) -> pb.RaftAdminConfigurationChangeResponse:
        _require(id=request.id, address=request.address)
        timeout = self._timeout(context)
        add = self._control.add_learner
        index = await self._futures.run(
            lambda: add(request.id, request.address, request.previous_index, timeout=timeout)
        )
        return pb.RaftAdminConfigurationChangeResponse(index=index)

    async def promote_learner(
        self, request: pb.RaftAdminPromoteLearnerRequest, context: Context
    ) -> pb.RaftAdminConfigurationChangeResponse:
        _require(id=request.id)
        if request.min_applied_index == 0 and not request.skip_min_applied_check:
            raise KvError(
                Fault.BAD_REQUEST,
                "min_applied_index is 0, which would promote an empty learner; name the index that it must have "
                "reached, or set skip_min_applied_check",
            )
        floor = 0 if request.skip_min_applied_check else request.min_applied_index
        timeout = self._timeout(context)
        promote = self._control.promote_learner
        index = await self._futures.run(
            lambda: promote(request.id, request.previous_index, min_applied_index=floor, timeout=timeout)
        )
        return pb.RaftAdminConfigurationChangeResponse(index=index)

    async def transfer_leadership(
        self, request: pb.RaftAdminTransferLeadershipRequest, context: Context
    ) -> pb.RaftAdminTransferLeadershipResponse:
        candidates = tuple((target.target_id, target.target_address) for target in request.target_candidates)
        max_lag = request.max_lag if request.gated else None
        timeout = self._timeout(context)
        await self._futures.run(
            lambda: self._control.transfer_leadership(
                request.target_id, request.target_address, candidates=candidates, max_lag=max_lag, timeout=timeout
            )
        )
        return pb.RaftAdminTransferLeadershipResponse()


def _require(**fields: str) -> None:
    missing = [name for name, value in fields.items() if not value]
    if missing:
        raise KvError(Fault.BAD_REQUEST, f"{' and '.join(missing)} missing")


async def _accepted() -> None:
    """The operation behind Shutdown's token: that the node will stop is all there is to wait for."""


def _first_generation_text(error: KvError) -> str:
    """What Await says. Clients of hashicorp/raft look for its words for the commonest of failures."""
    if error.fault is Fault.NOT_LEADER:
        return describe(
            KvError(
                Fault.NOT_LEADER,
                "node is not the leader",
                leader_id=error.leader_id,
                leader_address=error.leader_address,
            )
        )
    return error.message
