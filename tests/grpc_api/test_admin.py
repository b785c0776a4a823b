"""Both generations of RaftAdmin over a real connection, with the cluster faked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from elastickv.errors import Fault, KvError
from elastickv.pb import raftadmin_pb2 as pb
from tests.kit.fake_store import healthy_status
from tests.kit.grpc_node import Node, grpc_node

NOT_LEADER = KvError(Fault.NOT_LEADER, "not the leader", leader_id="n2", leader_address="10.0.0.12:50051")


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with grpc_node() as node:
        yield node


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


# ---- first generation -----------------------------------------------------------------------------------------------


async def test_what_a_node_says_about_itself(node: Node) -> None:
    servers = (await node.call("RaftAdmin/GetConfiguration")).servers
    voter, nonvoter = pb.GetConfigurationResponse.Server.VOTER, pb.GetConfigurationResponse.Server.NONVOTER
    assert [(s.suffrage, s.id, s.address) for s in servers] == [
        (voter, "n1", "10.0.0.11:50051"),
        (voter, "n2", "10.0.0.12:50051"),
        (voter, "n3", "10.0.0.13:50051"),
        (nonvoter, "n4", "10.0.0.14:50051"),
    ]
    assert (await node.call("RaftAdmin/Leader")).address == "10.0.0.11:50051"
    assert (await node.call("RaftAdmin/State")).state == pb.StateResponse.LEADER
    assert (await node.call("RaftAdmin/LastContact")).unix_nano == 1_700_000_000_000_000_000
    assert (await node.call("RaftAdmin/LastIndex")).index == 91
    assert (await node.call("RaftAdmin/AppliedIndex")).index == 88
    assert (await node.call("RaftAdmin/Stats")).stats["state"] == "Leader"


@pytest.mark.parametrize(
    ("role", "first", "second"),
    [
        ("follower", pb.StateResponse.FOLLOWER, pb.RAFT_ADMIN_STATE_FOLLOWER),
        ("candidate", pb.StateResponse.CANDIDATE, pb.RAFT_ADMIN_STATE_CANDIDATE),
        ("leader", pb.StateResponse.LEADER, pb.RAFT_ADMIN_STATE_LEADER),
        ("shutdown", pb.StateResponse.SHUTDOWN, pb.RAFT_ADMIN_STATE_SHUTDOWN),
    ],
)
async def test_roles(node: Node, role: str, first: int, second: int) -> None:
    node.control.become(role=role)
    assert (await node.call("RaftAdmin/State")).state == first
    assert (await node.call("RaftAdmin/Status")).state == second


async def test_without_a_leader_its_address_is_empty(node: Node) -> None:
    node.control.become(role="follower", leader_id="", leader_address="")
    assert (await node.call("RaftAdmin/Leader")).address == ""


OPERATIONS: list[tuple[str, dict[str, Any], tuple[object, ...], int]] = [
    ("AddVoter", {"id": "n5", "address": "h:5", "previous_index": 42}, ("add_voter", "n5", "h:5", 42), 43),
    ("AddNonvoter", {"id": "n5", "address": "h:5"}, ("add_learner", "n5", "h:5", 0), 43),
    ("DemoteVoter", {"id": "n3", "previous_index": 42}, ("demote_voter", "n3", 42), 43),
    ("RemoveServer", {"id": "n3", "previous_index": 42}, ("remove_member", "n3", 42), 43),
    ("Barrier", {}, ("barrier",), 43),
    ("Snapshot", {}, ("snapshot",), 43),
    ("VerifyLeader", {}, ("verify_leader",), 0),
    ("LeadershipTransfer", {}, ("transfer_leadership", "", "", (), None), 0),
    (
        "LeadershipTransferToServer",
        {"id": "n2", "address": "h:2"},
        ("transfer_leadership", "n2", "h:2", (), None),
        0,
    ),
]


@pytest.mark.parametrize(("method", "fields", "call", "index"), OPERATIONS, ids=[x[0] for x in OPERATIONS])
async def test_call_await_forget(
    node: Node, method: str, fields: dict[str, Any], call: tuple[object, ...], index: int
) -> None:
    """What the raftadmin command line does for each operation."""
    future = await node.call(f"RaftAdmin/{method}", **fields)
    assert re.fullmatch("[0-9a-f]{40}", future.operation_token)
    answer = await node.call("RaftAdmin/Await", operation_token=future.operation_token)
    assert (answer.error, answer.index) == ("", index)
    assert node.control.calls == [call]
    await node.call("RaftAdmin/Forget", operation_token=future.operation_token)
    error = await refused(node.call("RaftAdmin/Await", operation_token=future.operation_token))
    assert error.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(("method", "fields"), [x[:2] for x in OPERATIONS], ids=[x[0] for x in OPERATIONS])
async def test_a_follower_says_so_in_the_result(node: Node, method: str, fields: dict[str, Any]) -> None:
    node.control.fault = NOT_LEADER
    future = await node.call(f"RaftAdmin/{method}", **fields)
    answer = await node.call("RaftAdmin/Await", operation_token=future.operation_token)
    assert answer.error == "node is not the leader; the leader is n2 at 10.0.0.12:50051"


async def test_any_failure_of_an_operation_is_a_result(node: Node) -> None:
    for fault in (Fault.NOT_FOUND, Fault.CONFLICT, Fault.OUTCOME_UNKNOWN):
        node.control.fault = KvError(fault, f"because {fault.name}")
        future = await node.call("RaftAdmin/RemoveServer", id="n9")
        answer = await node.call("RaftAdmin/Await", operation_token=future.operation_token)
        assert answer.error == f"because {fault.name}"


async def test_await_blocks_until_the_operation_ends(node: Node) -> None:
    node.control.hold = asyncio.Event()
    token = (await node.call("RaftAdmin/Snapshot")).operation_token
    error = await refused(node.call("RaftAdmin/Await", operation_token=token, timeout=0.05))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    waiters = [asyncio.create_task(node.call("RaftAdmin/Await", operation_token=token)) for _ in range(3)]
    await asyncio.sleep(0.05)
    node.control.hold.set()
    assert [answer.index for answer in await asyncio.gather(*waiters)] == [43, 43, 43]


async def test_unknown_tokens(node: Node) -> None:
    error = await refused(node.call("RaftAdmin/Await", operation_token="f" * 40))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    await node.call("RaftAdmin/Forget", operation_token="f" * 40)


async def test_the_clients_deadline_bounds_the_operation(node: Node) -> None:
    await node.call("RaftAdmin/Barrier", timeout=1.0)
    await node.call("RaftAdmin/Barrier", timeout=None)
    await node.call("RaftAdmin/AddVoter", id="n5", address="h:5", timeout=None)
    given, request_timeout, join_timeout = node.control.timeouts
    assert given is not None
    assert 0.5 < given < 0.95
    assert request_timeout == 2.0
    assert join_timeout == 300.0


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("AddVoter", {"address": "h:5"}),
        ("AddVoter", {"id": "n5"}),
        ("AddNonvoter", {}),
        ("DemoteVoter", {}),
        ("RemoveServer", {}),
        ("LeadershipTransferToServer", {}),
        ("AddLearner", {"id": "n5"}),
        ("AddLearner", {"address": "h:5"}),
        ("PromoteLearner", {"min_applied_index": 1}),
        ("PromoteLearner", {"id": "n4"}),
    ],
)
async def test_incomplete_requests_are_refused(node: Node, method: str, fields: dict[str, Any]) -> None:
    error = await refused(node.call(f"RaftAdmin/{method}", **fields))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert node.control.calls == []


async def test_raw_log_entries_are_refused_with_a_reason(node: Node) -> None:
    error = await refused(node.call("RaftAdmin/ApplyLog", data=b"x"))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "raw log entries" in (error.details() or "")


async def test_shutdown_waits_until_the_client_has_its_answer() -> None:
    async with grpc_node(shutdown_linger=60) as node:
        token = (await node.call("RaftAdmin/Shutdown")).operation_token
        assert (await node.call("RaftAdmin/Await", operation_token=token)).error == ""
        assert not node.control.stopped.is_set()
        await node.call("RaftAdmin/Forget", operation_token=token)
        await asyncio.wait_for(node.control.stopped.wait(), 8)


async def test_shutdown_happens_even_if_nobody_asks_how_it_went(node: Node) -> None:
    await node.call("RaftAdmin/Shutdown")
    await asyncio.wait_for(node.control.stopped.wait(), 8)


# ---- second generation ----------------------------------------------------------------------------------------------


async def test_status(node: Node) -> None:
    assert await node.call("RaftAdmin/Status") == pb.RaftAdminStatusResponse(
        state=pb.RAFT_ADMIN_STATE_LEADER,
        leader_id="n1",
        leader_address="10.0.0.11:50051",
        term=7,
        commit_index=90,
        applied_index=88,
        last_log_index=91,
        last_snapshot_index=10,
        fsm_pending=2,
        num_peers=2,
        last_contact_nanos=0,
        configuration_index=42,
        pending_conf_change=False,
    )
    node.control.current = healthy_status(role="follower", last_contact_seconds=0.25, pending_configuration_change=True)
    status = await node.call("RaftAdmin/Status")
    assert (status.last_contact_nanos, status.pending_conf_change) == (250_000_000, True)
    node.control.become(last_contact_seconds=None)
    assert (await node.call("RaftAdmin/Status")).last_contact_nanos == -1


async def test_configuration(node: Node) -> None:
    servers = (await node.call("RaftAdmin/Configuration")).servers
    assert [(s.id, s.suffrage) for s in servers] == [
        ("n1", "voter"),
        ("n2", "voter"),
        ("n3", "voter"),
        ("n4", "learner"),
    ]


async def test_changes_block_and_answer_with_their_index(node: Node) -> None:
    added = await node.call("RaftAdmin/AddLearner", id="n5", address="h:5", previous_index=42)
    promoted = await node.call("RaftAdmin/PromoteLearner", id="n5", previous_index=43, min_applied_index=80)
    skipped = await node.call("RaftAdmin/PromoteLearner", id="n5", min_applied_index=80, skip_min_applied_check=True)
    assert (added.index, promoted.index, skipped.index) == (43, 43, 43)
    assert node.control.calls == [
        ("add_learner", "n5", "h:5", 42),
        ("promote_learner", "n5", 43, 80),
        ("promote_learner", "n5", 0, 0),
    ]


async def test_transfer_leadership(node: Node) -> None:
    target = pb.RaftAdminTransferLeadershipRequest.TransferTarget
    await node.call("RaftAdmin/TransferLeadership", target_id="n2", max_lag=5)
    await node.call(
        "RaftAdmin/TransferLeadership",
        gated=True,
        max_lag=0,
        target_candidates=[target(target_id="n2"), target(target_address="h:3")],
    )
    assert node.control.calls == [
        ("transfer_leadership", "n2", "", (), None),
        ("transfer_leadership", "", "", (("n2", ""), ("", "h:3")), 0),
    ]


async def test_a_follower_names_the_leader_in_message_and_metadata(node: Node) -> None:
    node.control.fault = NOT_LEADER
    error = await refused(node.call("RaftAdmin/AddLearner", id="n5", address="h:5"))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert error.details() == "not the leader; the leader is n2 at 10.0.0.12:50051"
    metadata: Any = error.trailing_metadata()
    assert dict(metadata)["leader-id"] == "n2"
    assert dict(metadata)["leader-address"] == "10.0.0.12:50051"


async def test_a_client_that_hangs_up_does_not_abandon_a_change(node: Node) -> None:
    node.control.hold = asyncio.Event()
    ended: list[str] = []
    original = node.control.add_learner

    async def add_learner(*arguments: Any, **options: Any) -> int:
        try:
            return await original(*arguments, **options)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        finally:
            ended.append("end")

    node.control.add_learner = add_learner  # type: ignore[method-assign]
    error = await refused(node.call("RaftAdmin/AddLearner", id="n5", address="h:5", timeout=0.05))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.sleep(0.05)
    assert ended == []
    node.control.hold.set()
    await asyncio.sleep(0.05)
    assert ended == ["end"]
