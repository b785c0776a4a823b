#!/usr/bin/python
# Copyright the Elastickv authors
# SPDX-License-Identifier: Apache-2.0
"""See DOCUMENTATION."""

from __future__ import annotations

import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.elastickv_admin import IMPORT_PROBLEM, NEEDS, AdminError, ask, leader_of, summary, transfer

DOCUMENTATION = r"""
module: elastickv_leader
short_description: Say which node leads an Elastickv cluster, or which one must not
description:
  - Moves leadership and waits until the new leader is known. Nothing happens when all is as wished already.
options:
  nodes:
    description: Raft address of each node, by node ID.
    type: dict
    required: true
  target:
    description: ID of the node that is to lead.
    type: str
  away_from:
    description: ID of the node that must not lead; the voter that is furthest along takes over.
    type: str
  max_lag:
    description: A target that lags by more entries is refused.
    type: int
    default: 1000
  timeout:
    description: Seconds in which the new leader must be there.
    type: float
    default: 15
requirements:
  - the elastickv package and grpcio (on the controller)
author: The Elastickv authors
"""

EXAMPLES = r"""
- name: Let n2 lead
  elastickv_leader:
    nodes: "{{ my_nodes }}"
    target: n2
  delegate_to: localhost

- name: Before n1 is replaced
  elastickv_leader:
    nodes: "{{ my_nodes }}"
    away_from: n1
  delegate_to: localhost
"""

RETURN = r"""
leader: {description: ID of the leader; in check mode the one that would lead., type: str, returned: success}
previous: {description: ID of the leader before., type: str, returned: success}
"""


def choose(reports: list[dict[str, object]], away_from: str) -> str:
    """The reachable voter, other than `away_from`, that is furthest along; empty when there is none."""
    voters = {m["id"] for m in summary(reports)["members"] if m["suffrage"] == "voter"}
    candidates = [r for r in reports if r["reachable"] and r["id"] in voters and r["id"] != away_from]
    return str(max(candidates, key=lambda r: (r["last_log_index"], r["id"]), default={"id": ""})["id"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "nodes": {"type": "dict", "required": True},
            "target": {"type": "str"},
            "away_from": {"type": "str"},
            "max_lag": {"type": "int", "default": 1000},
            "timeout": {"type": "float", "default": 15},
        },
        mutually_exclusive=[("target", "away_from")],
        required_one_of=[("target", "away_from")],
        supports_check_mode=True,
    )
    if IMPORT_PROBLEM:
        module.fail_json(msg=f"This module needs {NEEDS}", exception=IMPORT_PROBLEM)
    p = module.params
    nodes, target, away = p["nodes"], p["target"], p["away_from"]
    named = target or away
    if named not in nodes:
        module.fail_json(msg=f"{named} is not one of the nodes {', '.join(nodes)}")
    reports = ask(nodes, 2)
    leader = leader_of(reports)
    if leader is None:
        module.fail_json(msg="No node leads, so leadership cannot be moved; see elastickv_info")
    before = leader["id"]
    if before == target or (away and before != away):
        module.exit_json(changed=False, leader=before, previous=before)
    target = target or choose(reports, away)
    if not target:
        module.fail_json(msg=f"{away} leads and no other voter answers")
    if module.check_mode:
        module.exit_json(changed=True, leader=target, previous=before)
    end = time.monotonic() + p["timeout"]
    try:
        transfer(leader["address"], target, nodes[target], p["max_lag"], p["timeout"])
    except AdminError as error:
        module.fail_json(msg=str(error))
    while time.monotonic() < end:
        now = leader_of(ask(nodes, 2))
        if now and now["id"] == target:
            module.exit_json(changed=True, leader=target, previous=before)
        time.sleep(0.2)
    module.fail_json(msg=f"{target} was asked to take over from {before}, but does not lead after {p['timeout']:g} s")


if __name__ == "__main__":
    main()
