# Copyright the Elastickv authors
# SPDX-License-Identifier: Apache-2.0
"""What the modules share: calls to RaftAdmin, and the question whether a cluster is well.

The judging half is plain functions on plain values; the asking half needs grpcio and the elastickv package, which the
controller has. Nodes' hosts need neither.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

IMPORT_PROBLEM = ""
try:
    import grpc

    from elastickv.pb import raftadmin_pb2 as pb
except ImportError:
    IMPORT_PROBLEM = traceback.format_exc()

NEEDS = (
    "the elastickv package and grpcio, in the Python that runs this module; run it on the controller "
    "(delegate_to: localhost) with Ansible started from the environment that `make setup` creates"
)

Report = dict[str, Any]
"""What one node says: id, address, reachable, and when it is reachable the rest (see `ask`)."""


class AdminError(Exception):
    """A change that the cluster refused, in its words."""


# ---- judging --------------------------------------------------------------------------------------------------------


def leader_of(reports: Sequence[Report]) -> Report | None:
    """The node that leads in the newest term; a deposed leader may still call itself one."""
    leading = [report for report in reports if report["reachable"] and report["state"] == "leader"]
    return max(leading, key=lambda report: report["term"], default=None)


def quorum_of(members: Sequence[Mapping[str, str]]) -> int:
    """Of the voters in the live configuration, not of the inventory."""
    return sum(1 for member in members if member["suffrage"] == "voter") // 2 + 1


def summary(reports: Sequence[Report]) -> Report:
    leader = leader_of(reports)
    informed = [report for report in reports if report["reachable"] and report["members"]]
    source = leader or max(informed, key=lambda report: report["configuration_index"], default=None)
    members = list(source["members"]) if source else []
    cluster_ids = sorted({report["cluster_id"] for report in reports if report["reachable"] and report["cluster_id"]})
    answering = [report["id"] for report in reports if report["reachable"]]
    voters = {member["id"] for member in members if member["suffrage"] == "voter"}
    working = [i for i in answering if i in voters]
    return {
        "leader": leader["id"] if leader else "",
        "leader_address": leader["address"] if leader else "",
        "term": max((report["term"] for report in reports if report["reachable"]), default=0),
        "cluster_id": cluster_ids[0] if len(cluster_ids) == 1 else "",
        "cluster_ids": cluster_ids,
        "members": members,
        "quorum": quorum_of(members) if members else 0,
        "answering": answering,
        "silent": [report["id"] for report in reports if not report["reachable"]],
        "can_lose": max(len(working) - quorum_of(members), 0) if members else 0,
    }


def problems(reports: Sequence[Report], expected: Mapping[str, str], commit: int = 0) -> list[str]:
    """Why this is not the cluster that `expected` (id -> address) describes, all of it well. Empty: it is.

    `commit`: what every node must have applied, normally the leader's commit index when the wait began.
    """
    found: list[str] = []
    facts = summary(reports)
    by_id = {report["id"]: report for report in reports}
    if len(facts["cluster_ids"]) > 1:
        found.append(f"more than one cluster: {', '.join(facts['cluster_ids'])}")
    if not facts["leader"]:
        found.append("no node leads")
    for node_id, address in expected.items():
        report = by_id.get(node_id)
        if report is None or not report["reachable"]:
            found.append(f"{node_id} at {address} does not answer" + (f": {report['error']}" if report else ""))
            continue
        if report["node_id"] and report["node_id"] != node_id:
            found.append(f"{address} is {report['node_id']}, not {node_id}")
        if report["problem"]:
            found.append(f"{node_id} reports: {report['problem']}")
        if not report["cluster_id"]:
            found.append(f"{node_id} belongs to no cluster yet")
        if facts["leader"] and report["leader_id"] != facts["leader"]:
            found.append(f"{node_id} follows {report['leader_id'] or 'nobody'}, not {facts['leader']}")
        if report["applied_index"] < commit:
            found.append(f"{node_id} has applied {report['applied_index']} of {commit}")
    if not facts["members"]:
        return found  # nobody who could be asked knows any; that they do not answer was said above
    configured = {member["id"]: member for member in facts["members"]}
    for node_id, address in expected.items():
        member = configured.get(node_id)
        if member is None:
            found.append(f"{node_id} is not a member")
        elif member["suffrage"] != "voter":
            found.append(f"{node_id} does not vote: it is a {member['suffrage']}")
        elif member["address"] != address:
            found.append(f"{node_id} is a member under {member['address']}, not {address}")
    found += [f"{node_id} is a member, but not expected" for node_id in configured if node_id not in expected]
    return found


# ---- asking ---------------------------------------------------------------------------------------------------------


def _method(channel: Any, name: str, request: Any, response: Any) -> Any:
    return channel.unary_unary(
        f"/RaftAdmin/{name}", request_serializer=request.SerializeToString, response_deserializer=response.FromString
    )


def _words(error: Any) -> str:
    code = error.code()
    words = {grpc.StatusCode.UNAVAILABLE: "not reachable", grpc.StatusCode.DEADLINE_EXCEEDED: "no answer in time"}
    return words.get(code) or f"{code.name}: {error.details()}"


def ask(nodes: Mapping[str, str], timeout: float) -> list[Report]:
    """Every node's own account, all asked at the same time; a node that does not answer is a report too."""
    # A fresh subchannel each time: a shared one would remember that a node was down, and wait before it tries again.
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = {node_id: grpc.insecure_channel(address, options=options) for node_id, address in nodes.items()}
    try:
        calls = {
            node_id: (
                _method(channel, "Status", pb.RaftAdminStatusRequest, pb.RaftAdminStatusResponse).future(
                    pb.RaftAdminStatusRequest(), timeout=timeout
                ),
                _method(
                    channel, "Configuration", pb.RaftAdminConfigurationRequest, pb.RaftAdminConfigurationResponse
                ).future(pb.RaftAdminConfigurationRequest(), timeout=timeout),
                _method(channel, "Stats", pb.StatsRequest, pb.StatsResponse).future(pb.StatsRequest(), timeout=timeout),
            )
            for node_id, channel in channels.items()
        }
        reports: list[Report] = []
        for node_id, (status, configuration, stats) in calls.items():
            base: Report = {"id": node_id, "address": nodes[node_id]}
            try:
                reports.append(base | _report(status.result(), configuration.result(), stats.result().stats))
            except grpc.RpcError as error:
                reports.append(base | {"reachable": False, "error": _words(error)})
        _add_lag(reports)
        return reports
    finally:
        for channel in channels.values():
            channel.close()


def _report(status: Any, configuration: Any, stats: Mapping[str, str]) -> Report:
    return {
        "reachable": True,
        "node_id": stats.get("node_id", ""),
        "state": pb.RaftAdminState.Name(status.state).removeprefix("RAFT_ADMIN_STATE_").lower(),
        "leader_id": status.leader_id,
        "term": status.term,
        "commit_index": status.commit_index,
        "applied_index": status.applied_index,
        "last_log_index": status.last_log_index,
        "last_contact_seconds": None if status.last_contact_nanos < 0 else status.last_contact_nanos / 1e9,
        "configuration_index": status.configuration_index,
        "change_pending": status.pending_conf_change,
        "members": [{"id": m.id, "address": m.address, "suffrage": m.suffrage} for m in configuration.servers],
        "cluster_id": stats.get("cluster_id", ""),
        "instance": stats.get("instance", ""),
        "problem": stats.get("problem", ""),
    }


def _add_lag(reports: Sequence[Report]) -> None:
    leader = leader_of(reports)
    for report in reports:
        if report["reachable"]:
            report["lag"] = max(leader["commit_index"] - report["applied_index"], 0) if leader else None


def wait_well(
    nodes: Mapping[str, str], *, timeout: float, wait: float, stable: float, tolerate_silent: int = 0
) -> tuple[list[Report], list[str]]:
    """Ask until nothing is wrong for `stable` seconds under one leader in one term, or `wait` seconds are over."""
    end = time.monotonic() + wait
    well_since, under, commit = 0.0, ("", 0), 0
    while True:
        reports = ask(nodes, timeout)
        facts = summary(reports)
        leader = leader_of(reports)
        if leader and not commit:
            commit = leader["commit_index"]
        expected = dict(nodes)
        if len(facts["silent"]) <= tolerate_silent:
            expected = {node_id: address for node_id, address in nodes.items() if node_id not in facts["silent"]}
        wrong = problems(reports, expected, commit)
        if tolerate_silent:
            wrong = [text for text in wrong if not text.endswith("is a member, but not expected")]
        now = time.monotonic()
        if wrong or (facts["leader"], facts["term"]) != under:
            well_since, under = now, (facts["leader"], facts["term"])
        if not wrong and now - well_since >= stable:
            return reports, []
        if now >= end:
            if not wrong:
                wrong = [f"the leader changed within the last {stable:g} s (now {facts['leader']})"]
            return reports, wrong
        time.sleep(0.3)


def change(address: str, name: str, request: Any, timeout: float) -> int:
    """An operation of the first generation, awaited. Raises AdminError with what the cluster said."""
    try:
        with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            future = _method(channel, name, type(request), pb.Future)(request, timeout=timeout)
            answer = _method(channel, "Await", pb.Future, pb.AwaitResponse)(future, timeout=timeout)
            _method(channel, "Forget", pb.Future, pb.ForgetResponse)(future, timeout=timeout)
    except grpc.RpcError as error:
        raise AdminError(f"{name} at {address}: {_words(error)}") from None
    if answer.error:
        raise AdminError(f"{name} at {address}: {answer.error}")
    return int(answer.index)


def transfer(address: str, target: str, target_address: str, max_lag: int, timeout: float) -> None:
    request = pb.RaftAdminTransferLeadershipRequest(
        target_id=target, target_address=target_address, gated=True, max_lag=max_lag
    )
    try:
        with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            response = pb.RaftAdminTransferLeadershipResponse
            _method(channel, "TransferLeadership", type(request), response)(request, timeout=timeout)
    except grpc.RpcError as error:
        raise AdminError(f"TransferLeadership at {address}: {_words(error)}") from None
