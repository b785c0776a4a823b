# Copyright the Elastickv authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a cluster may be founded: one pure function from what was seen to what may be done.

Founding twice is the one mistake that no later step can mend, so nothing here trusts a variable or the inventory's
order alone. Evidence comes from every node: its host (data directory, marker, container) and, where a node runs, what
it says itself. The verdicts:

    FRESH        nothing anywhere                          found it, with the flag on the first node
    INTERRUPTED  a first deployment that did not finish    go on; with the flag only if no cluster ID exists anywhere
    RUNNING      every node runs                           nothing to start
    STOPPED      no node runs, data is there               start them all, without the flag
    PARTIAL      some run                                  start the others, if each of them has its data
    CONFLICT     the pieces do not belong together         touch nothing

The marker is written on every node after the cluster has converged, so its absence everywhere tells an interrupted
first deployment from a cluster; it lies outside the data directory, so it also tells a lost disk from a new node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

FRESH, RUNNING, STOPPED, PARTIAL, INTERRUPTED, CONFLICT = (
    "FRESH", "RUNNING", "STOPPED", "PARTIAL", "INTERRUPTED", "CONFLICT",
)  # fmt: skip

Evidence = Mapping[str, Any]
"""One node: host, id, address, reachable; data {state, node_id, cluster_id}; marker {cluster_id, node_id};
container {state: absent|running|stopped}; live {reachable, cluster_id, problem}."""


def decide(evidence: Sequence[Evidence]) -> dict[str, Any]:
    seen = [node for node in evidence if node["reachable"]]
    unreachable = [node for node in evidence if not node["reachable"]]
    ids = _cluster_ids(evidence)
    conflicts = _conflicts(seen, ids)
    cluster_id = next(iter(ids), "")
    marked = [node for node in seen if node.get("marker", {}).get("cluster_id")]
    running = [node for node in evidence if _runs(node)]
    missing = [node for node in seen if not _runs(node)]
    start = [node["host"] for node in missing]

    if conflicts:
        return _decision(CONFLICT, cluster_id, refusals=conflicts)

    if not cluster_id:
        # Nobody ever founded anything, as far as can be seen: an unseen disk may hold a cluster.
        refusals = [
            f"{node['host']}: cannot be reached or was left out, so nobody knows whether its disk holds a cluster; "
            "repair the connection, leave out --limit, or take the host out of the inventory"
            for node in unreachable
        ]
        begun = any(_runs(node) or node["container"]["state"] != "absent" or _data(node) == "fresh" for node in seen)
        verdict = INTERRUPTED if begun else FRESH
        return _decision(verdict, "", bootstrap=True, start=[n["host"] for n in seen], refusals=refusals)

    with_data = [node for node in seen if _data(node) == "member"]
    complete = len(with_data) == len(seen)
    if not marked and not complete:
        refusals = [
            f"{node['host']}: cannot be reached, and the first deployment is not finished; repair the connection first"
            for node in unreachable
        ]
        return _decision(INTERRUPTED, cluster_id, start=start, refusals=refusals)

    lost = [node for node in evidence if (node["reachable"] and _data(node) != "member") or _forgot(node)]
    refusals = [_without_data(node, cluster_id) for node in lost]
    warnings = [f"{node['host']}: cannot be reached and stays as it is" for node in unreachable]
    if not running:
        refusals += [
            f"{node['host']}: cannot be reached while the whole cluster is stopped; repair the connection first"
            for node in unreachable
        ]
        return _decision(STOPPED, cluster_id, start=start, refusals=refusals)
    if start or refusals:
        return _decision(PARTIAL, cluster_id, start=start, refusals=refusals, warnings=warnings)
    return _decision(RUNNING, cluster_id, warnings=warnings)


def _decision(
    verdict: str,
    cluster_id: str,
    *,
    bootstrap: bool = False,
    start: Sequence[str] = (),
    refusals: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    proceed = not refusals
    return {
        "verdict": verdict,
        "cluster_id": cluster_id,
        "proceed": proceed,
        "bootstrap": bootstrap and proceed,
        "start": list(start) if proceed else [],
        "refusals": list(refusals),
        "warnings": list(warnings),
    }


def _data(node: Evidence) -> str:
    return str(node["data"]["state"])


def _forgot(node: Evidence) -> bool:
    """Started again on an empty disk, a node soon has files, and its cluster's ID from a peer, but not its memory."""
    return str(node.get("live", {}).get("problem", "")).startswith("amnesiac")


def _runs(node: Evidence) -> bool:
    return bool(node.get("live", {}).get("reachable")) or (
        bool(node["reachable"]) and node["container"]["state"] == "running"
    )


def _cluster_ids(evidence: Sequence[Evidence]) -> dict[str, list[str]]:
    """Every cluster ID that was seen, and where."""
    found: dict[str, list[str]] = {}
    for node in evidence:
        for place in ("data", "marker", "live"):
            cluster_id = node.get(place, {}).get("cluster_id")
            if cluster_id:
                found.setdefault(cluster_id, []).append(f"{node['host']} ({place})")
    return found


def _conflicts(seen: Sequence[Evidence], ids: Mapping[str, Sequence[str]]) -> list[str]:
    texts = []
    if len(ids) > 1:
        where = "; ".join(f"{cluster_id} at {', '.join(places)}" for cluster_id, places in sorted(ids.items()))
        texts.append(
            f"{seen[0]['host']}: the hosts hold more than one cluster: {where}; "
            "move the data directory and the marker that do not belong here aside, or correct the inventory"
        )
    for node in seen:
        if _data(node) == "foreign":
            texts.append(
                f"{node['host']}: {node.get('data_path', 'the data directory')} is not a data directory of Elastickv "
                f"({node['data'].get('why', 'unreadable')}); name another path or move it aside"
            )
        for place in ("data", "marker"):
            owner = node.get(place, {}).get("node_id")
            if owner and owner != node["id"]:
                texts.append(
                    f"{node['host']}: its {place} belongs to node {owner}, and the inventory calls it {node['id']}; "
                    "an ID stays with its data for ever, so correct the inventory or move the data aside"
                )
        if node.get("marker", {}).get("unreadable"):
            texts.append(
                f"{node['host']}: the marker cannot be read ({node['marker']['unreadable']}); "
                "restore it from another node or remove it after looking at the data directory"
            )
    return texts


def _without_data(node: Evidence, cluster_id: str) -> str:
    if node.get("marker", {}).get("cluster_id") or _forgot(node):
        return (
            f"{node['host']}: was a member of cluster {cluster_id} and its data is gone; a node without memory must "
            "not vote as if it remembered, so let it in anew: "
            f"ansible-playbook playbooks/rejoin.yml -e elastickv_rejoin_host={node['host']}"
        )
    return (
        f"{node['host']}: is not a member of cluster {cluster_id} yet; "
        f"let it in: ansible-playbook playbooks/rejoin.yml -e elastickv_rejoin_host={node['host']}"
    )


def evidence_of(
    hosts: Sequence[str], hostvars: Mapping[str, Any], reports: Sequence[Mapping[str, Any]], visited: Sequence[str]
) -> list[Any]:
    """Join what each host's tasks left in `_elastickv_evidence` with what the nodes said.

    A host that this run leaves out (--limit) is as unknown as one that cannot be reached.
    """
    by_id = {report["id"]: dict(report) for report in reports}
    joined = []
    for host in hosts:
        if host in visited:
            node = dict(hostvars[host]["_elastickv_evidence"])
        else:
            node = {"host": host, "id": str(hostvars[host].get("elastickv_id") or host), "reachable": False,
                    "data": {"state": "unknown"}, "marker": {}, "container": {"state": "unknown"}}  # fmt: skip
        node["live"] = by_id.get(node["id"], {"reachable": False})
        joined.append(node)
    return joined


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"elastickv_decide": decide, "elastickv_evidence": evidence_of}
