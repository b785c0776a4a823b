#!/usr/bin/python
# Copyright the Elastickv authors
# SPDX-License-Identifier: Apache-2.0
"""See DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.elastickv_admin import IMPORT_PROBLEM, NEEDS, ask, problems, summary, wait_well

DOCUMENTATION = r"""
module: elastickv_info
short_description: What the nodes of an Elastickv cluster say about it
description:
  - Asks RaftAdmin of every node, all at the same time, and puts the answers together.
  - With O(wait) it is a gate, and fails unless the nodes become one healthy cluster in time. Healthy means that every
    node answers, follows the one leader, is a voter under its address, reports no problem and has applied what was
    committed when the wait began, and that leader and term stay the same for O(stable) seconds.
  - Changes nothing, so it does the same in check mode.
options:
  nodes:
    description: Raft address of each node, by node ID.
    type: dict
    required: true
  timeout:
    description: Seconds to wait for each answer.
    type: float
    default: 2
  wait:
    description: Seconds in which the cluster must become healthy; V(0) only looks and never fails.
    type: float
    default: 0
  stable:
    description: Seconds for which leader and term must stay the same before a wait is over.
    type: float
    default: 2
  tolerate_silent:
    description: This many nodes may be silent all the same. For drills and for nodes that are stopped on purpose.
    type: int
    default: 0
requirements:
  - the elastickv package and grpcio (on the controller)
author: The Elastickv authors
"""

EXAMPLES = r"""
- name: Look
  elastickv_info:
    nodes:
      n1: 10.0.0.11:50051
      n2: 10.0.0.12:50051
      n3: 10.0.0.13:50051
  delegate_to: localhost
  register: cluster

- name: Go on only when the cluster is healthy
  elastickv_info:
    nodes: "{{ my_nodes }}"
    wait: 60
  delegate_to: localhost
"""

RETURN = r"""
leader: {description: ID of the leader; empty when there is none., type: str, returned: always}
leader_address: {description: Raft address of the leader., type: str, returned: always}
term: {description: The newest term that any node knows., type: int, returned: always}
cluster_id: {description: The cluster's ID; empty when none or more than one was seen., type: str, returned: always}
cluster_ids: {description: Every cluster ID that was seen., type: list, elements: str, returned: always}
members: {description: The live configuration (id, address, suffrage)., type: list, elements: dict, returned: always}
quorum: {description: Voters that a decision needs., type: int, returned: always}
can_lose: {description: Voters that may still fail now., type: int, returned: always}
answering: {description: IDs of the nodes that answered., type: list, elements: str, returned: always}
silent: {description: IDs of those that did not., type: list, elements: str, returned: always}
problems: {description: Why this is no healthy cluster., type: list, elements: str, returned: always}
nodes:
  description: What each node said (id, address, reachable, state, leader_id, term, applied_index, lag, problem, ...).
  type: list
  elements: dict
  returned: always
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "nodes": {"type": "dict", "required": True},
            "timeout": {"type": "float", "default": 2},
            "wait": {"type": "float", "default": 0},
            "stable": {"type": "float", "default": 2},
            "tolerate_silent": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    if IMPORT_PROBLEM:
        module.fail_json(msg=f"This module needs {NEEDS}", exception=IMPORT_PROBLEM)
    p = module.params
    if p["wait"] > 0:
        reports, wrong = wait_well(
            p["nodes"], timeout=p["timeout"], wait=p["wait"], stable=p["stable"], tolerate_silent=p["tolerate_silent"]
        )
    else:
        reports = ask(p["nodes"], p["timeout"])
        wrong = problems(reports, p["nodes"])
    result = summary(reports) | {"nodes": reports, "problems": wrong, "changed": False}
    if wrong and p["wait"] > 0:
        text = f"After {p['wait']:g} s this is not a healthy cluster: {'; '.join(wrong)}"
        module.fail_json(msg=text, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
