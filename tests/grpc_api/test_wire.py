"""Golden bytes: every message that existing clients know, field number by field number.

The bytes are written by hand from the contract (tag = number << 3 | wire type; 0 varint, 2 length-delimited), so a
change of a number or a type in a .proto cannot pass, whatever the generated code thinks.
"""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message

from elastickv.pb import distribution_pb2 as dist
from elastickv.pb import raftadmin_pb2 as admin
from elastickv.pb import rawkv_pb2 as raw

SERVER = admin.GetConfigurationResponse.Server
TARGET = admin.RaftAdminTransferLeadershipRequest.TransferTarget

ID_ADDRESS_INDEX: dict[str, Any] = {"id": "n4", "address": "h:1", "previous_index": 300}
ID_ADDRESS_INDEX_HEX = "0a026e34 1203683a31 18ac02"

GOLDEN: list[tuple[Message, str]] = [
    # RaftAdmin, first generation
    (admin.Future(operation_token="ab"), "0a026162"),
    (admin.AwaitResponse(error="no", index=5), "0a026e6f 1005"),
    (admin.ForgetResponse(), ""),
    (admin.AddNonvoterRequest(**ID_ADDRESS_INDEX), ID_ADDRESS_INDEX_HEX),
    (admin.AddVoterRequest(**ID_ADDRESS_INDEX), ID_ADDRESS_INDEX_HEX),
    (admin.AppliedIndexRequest(), ""),
    (admin.AppliedIndexResponse(index=300), "08ac02"),
    (admin.ApplyLogRequest(data=b"d", extensions=b"e"), "0a0164 120165"),
    (admin.BarrierRequest(), ""),
    (admin.DemoteVoterRequest(id="n4", previous_index=300), "0a026e34 10ac02"),
    (admin.GetConfigurationRequest(), ""),
    (
        admin.GetConfigurationResponse(
            servers=[
                SERVER(suffrage=SERVER.VOTER, id="a", address="b"),
                SERVER(suffrage=SERVER.NONVOTER, id="c"),
                SERVER(suffrage=SERVER.STAGING),
            ]
        ),
        "0a06 120161 1a0162  0a05 0801 120163  0a02 0802",
    ),
    (admin.LastContactRequest(), ""),
    (admin.LastContactResponse(unix_nano=-1), "08ffffffffffffffffff01"),
    (admin.LastIndexRequest(), ""),
    (admin.LastIndexResponse(index=1), "0801"),
    (admin.LeaderRequest(), ""),
    (admin.LeaderResponse(address="h:1"), "0a03683a31"),
    (admin.LeadershipTransferRequest(), ""),
    (admin.LeadershipTransferToServerRequest(id="a", address="b"), "0a0161 120162"),
    (admin.RemoveServerRequest(id="n4", previous_index=300), "0a026e34 10ac02"),
    (admin.ShutdownRequest(), ""),
    (admin.SnapshotRequest(), ""),
    (admin.StateRequest(), ""),
    (admin.StateResponse(state=admin.StateResponse.FOLLOWER), ""),
    (admin.StateResponse(state=admin.StateResponse.CANDIDATE), "0801"),
    (admin.StateResponse(state=admin.StateResponse.LEADER), "0802"),
    (admin.StateResponse(state=admin.StateResponse.SHUTDOWN), "0803"),
    (admin.StatsRequest(), ""),
    (admin.StatsResponse(stats={"k": "v"}), "0a06 0a016b 120176"),
    (admin.VerifyLeaderRequest(), ""),
    # RaftAdmin, second generation
    (admin.RaftAdminStatusRequest(), ""),
    (
        admin.RaftAdminStatusResponse(
            state=admin.RAFT_ADMIN_STATE_LEADER,
            leader_id="a",
            leader_address="b",
            term=4,
            commit_index=5,
            applied_index=6,
            last_log_index=7,
            last_snapshot_index=8,
            fsm_pending=9,
            num_peers=10,
            last_contact_nanos=11,
            configuration_index=12,
            pending_conf_change=True,
        ),
        "0803 120161 1a0162 2004 2805 3006 3807 4008 4809 500a 580b 600c 6801",
    ),
    (admin.RaftAdminStatusResponse(state=admin.RAFT_ADMIN_STATE_UNKNOWN), ""),
    (admin.RaftAdminStatusResponse(state=admin.RAFT_ADMIN_STATE_FOLLOWER), "0801"),
    (admin.RaftAdminStatusResponse(state=admin.RAFT_ADMIN_STATE_CANDIDATE), "0802"),
    (admin.RaftAdminStatusResponse(state=admin.RAFT_ADMIN_STATE_SHUTDOWN), "0804"),
    (admin.RaftAdminConfigurationRequest(), ""),
    (
        admin.RaftAdminConfigurationResponse(servers=[admin.RaftAdminMember(id="a", address="b", suffrage="voter")]),
        "0a0d 0a0161 120162 1a05766f746572",
    ),
    (admin.RaftAdminAddLearnerRequest(**ID_ADDRESS_INDEX), ID_ADDRESS_INDEX_HEX),
    (
        admin.RaftAdminPromoteLearnerRequest(
            id="n4", previous_index=1, min_applied_index=2, skip_min_applied_check=True
        ),
        "0a026e34 1001 1802 2001",
    ),
    (admin.RaftAdminConfigurationChangeResponse(index=300), "08ac02"),
    (
        admin.RaftAdminTransferLeadershipRequest(
            target_id="a",
            target_address="b",
            gated=True,
            max_lag=4,
            target_candidates=[TARGET(target_id="c", target_address="d")],
        ),
        "0a0161 120162 1801 2004 2a06 0a0163 120164",
    ),
    (admin.RaftAdminTransferLeadershipResponse(), ""),
    # RawKV
    (raw.RawPutRequest(key=b"k", value=b"v"), "0a016b 120176"),
    (raw.RawPutResponse(commit_index=1, success=True), "0801 1001"),
    (raw.RawGetRequest(key=b"k", ts=3, group_id=4), "0a016b 1803 2004"),
    (raw.RawGetResponse(read_at_index=1, value=b"v", exists=True), "0801 120176 1801"),
    (raw.RawDeleteRequest(key=b"k"), "0a016b"),
    (raw.RawDeleteResponse(commit_index=1, success=True), "0801 1001"),
    (raw.RawLatestCommitTSRequest(key=b"k"), "0a016b"),
    (raw.RawLatestCommitTSResponse(ts=1, exists=True), "0801 1001"),
    (
        raw.RawScanAtRequest(start_key=b"a", end_key=b"b", limit=3, ts=4, reverse=True, group_id=6, keys_only=True),
        "0a0161 120162 1803 2004 2801 3006 3801",
    ),
    (raw.RawScanAtRequest(limit=-1), "18ffffffffffffffffff01"),
    (raw.RawScanAtResponse(kv=[raw.RawKVPair(key=b"k", value=b"v")]), "0a06 0a016b 120176"),
    # Distribution
    (dist.GetTimestampRequest(), ""),
    (dist.GetTimestampResponse(timestamp=1), "0801"),
    (dist.GetRouteRequest(key=b"k"), "0a016b"),
    (dist.GetRouteResponse(start=b"a", end=b"b", raft_group_id=3), "0a0161 120162 1803"),
    (dist.ListRoutesRequest(), ""),
    (
        dist.ListRoutesResponse(
            catalog_version=1,
            routes=[
                dist.RouteDescriptor(
                    route_id=1,
                    start=b"a",
                    end=b"b",
                    raft_group_id=4,
                    state=dist.ROUTE_STATE_ACTIVE,
                    parent_route_id=6,
                )
            ],
        ),
        "0801 120e 0801 120161 1a0162 2004 2801 3006",
    ),
    (dist.RouteDescriptor(state=dist.ROUTE_STATE_WRITE_FENCED), "2802"),
    (dist.RouteDescriptor(state=dist.ROUTE_STATE_MIGRATING_SOURCE), "2803"),
    (dist.RouteDescriptor(state=dist.ROUTE_STATE_MIGRATING_TARGET), "2804"),
    (dist.RouteDescriptor(state=dist.ROUTE_STATE_UNSPECIFIED), ""),
]


@pytest.mark.parametrize(("message", "golden"), GOLDEN, ids=[type(message).__name__ for message, _ in GOLDEN])
def test_bytes_on_the_wire(message: Message, golden: str) -> None:
    assert message.SerializeToString(deterministic=True) == bytes.fromhex(golden)


@pytest.mark.parametrize("module", [admin, raw, dist])
def test_every_message_has_its_golden_bytes(module: Any) -> None:
    covered = {type(message).DESCRIPTOR.full_name for message, _ in GOLDEN}
    nested = {"GetConfigurationResponse.Server", "RaftAdminTransferLeadershipRequest.TransferTarget", "RawKVPair"}
    nested |= {"RaftAdminMember"}
    assert set(module.DESCRIPTOR.message_types_by_name) <= covered | nested
    assert module.DESCRIPTOR.package == ""


METHODS = {
    admin: (
        "RaftAdmin",
        "AddNonvoter AddVoter AppliedIndex ApplyLog Barrier DemoteVoter GetConfiguration LastContact LastIndex Leader "
        "LeadershipTransfer LeadershipTransferToServer RemoveServer Shutdown Snapshot State Stats VerifyLeader Await "
        "Forget Status Configuration AddLearner PromoteLearner TransferLeadership",
    ),
    raw: ("RawKV", "RawPut RawGet RawDelete RawLatestCommitTS RawScanAt"),
    dist: ("Distribution", "GetTimestamp GetRoute ListRoutes"),
}


@pytest.mark.parametrize("module", METHODS)
def test_services_have_the_methods_that_clients_call(module: Any) -> None:
    service, methods = METHODS[module]
    assert list(module.DESCRIPTOR.services_by_name) == [service]
    assert list(module.DESCRIPTOR.services_by_name[service].methods_by_name) == methods.split()


FUTURES = (
    "AddNonvoter AddVoter ApplyLog Barrier DemoteVoter LeadershipTransfer LeadershipTransferToServer RemoveServer "
    "Shutdown Snapshot VerifyLeader"
)


@pytest.mark.parametrize("method", FUTURES.split())
def test_first_generation_operations_answer_with_a_future(method: str) -> None:
    descriptor = admin.DESCRIPTOR.services_by_name["RaftAdmin"].methods_by_name[method]
    assert descriptor.input_type.name == f"{method}Request"
    assert descriptor.output_type.name == "Future"
