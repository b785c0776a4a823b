# Copyright the Elastickv authors
# SPDX-License-Identifier: Apache-2.0
"""What an operator reads: the status table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def status_table(info: Mapping[str, Any], containers: Mapping[str, str] | None = None) -> list[str]:
    """Lines: one per node, then one that says how the cluster is. `containers`: state by node ID."""
    containers = containers or {}
    voters = {member["id"]: member["suffrage"] for member in info["members"]}
    rows = [("NODE", "ADDRESS", "CONTAINER", "ROLE", "TERM", "APPLIED", "LAG", "REMARK")]
    for node in info["nodes"]:
        container = containers.get(node["id"], "-")
        if not node["reachable"]:
            rows.append((node["id"], node["address"], container, "-", "-", "-", "-", node["error"]))
            continue
        suffrage = voters.get(node["id"])
        role = node["state"] if suffrage == "voter" else suffrage or "no member"
        lag = "-" if node.get("lag") is None else str(node["lag"])
        remark = node["problem"]
        rows.append(
            (node["id"], node["address"], container, role, str(node["term"]), str(node["applied_index"]), lag, remark)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*lines, *verdict(info)]


def verdict(info: Mapping[str, Any]) -> list[str]:
    lines = []
    answer = f"{len(info['answering'])} of {len(info['nodes'])} nodes answer"
    if info["leader"]:
        can_lose = info["can_lose"]
        lines.append(f"{info['leader']} leads in term {info['term']}; {answer}; {can_lose} more may fail")
    else:
        lines.append(f"No node leads: writes and reads are refused; {answer}")
    lines.append(f"cluster {info['cluster_id'] or ' and '.join(info['cluster_ids']) or 'not founded'}")
    return [*lines, *(f"problem: {text}" for text in info["problems"])]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"elastickv_status_table": status_table}
