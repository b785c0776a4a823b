#!/usr/bin/python
# Copyright the Elastickv authors
# SPDX-License-Identifier: Apache-2.0
"""See DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.elastickv_admin import (
    IMPORT_PROBLEM,
    NEEDS,
    AdminError,
    ask,
    change,
    leader_of,
    summary,
)

DOCUMENTATION = r"""
module: elastickv_member
short_description: Add, promote or remove a member of an Elastickv cluster
description:
  - Brings one member to the wished state. The change goes to the leader, whichever node that is.
  - A removal that would leave fewer answering voters than the smaller cluster needs is refused.
options:
  nodes:
    description: Raft address of each node that can be asked, by node ID. The member itself need not be among them.
    type: dict
    required: true
  id:
    description: ID of the member.
    type: str
    required: true
  address:
    description: Raft address of the member; required unless it is to be absent.
    type: str
  state:
    description:
      - V(voter) votes, V(learner) receives the data and does not vote, V(absent) is no member.
      - A new voter catches up as a learner first; that takes as long as its data takes to copy.
    type: str
    choices: [voter, learner, absent]
    default: voter
  timeout:
    description: Seconds for the change.
    type: float
    default: 300
requirements:
  - the elastickv package and grpcio (on the controller)
author: The Elastickv authors
"""

EXAMPLES = r"""
- name: Let n6 in
  elastickv_member:
    nodes: "{{ my_nodes }}"
    id: n6
    address: 10.0.0.16:50051
  delegate_to: localhost

- name: Take n2 out, whose disk was lost
  elastickv_member:
    nodes: "{{ my_nodes }}"
    id: n2
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
before: {description: The member as it was; empty when it was none., type: dict, returned: success}
after: {description: The member as it is, or in check mode would be., type: dict, returned: success}
"""


def plan(member: dict[str, str] | None, state: str, address: str) -> list[str]:
    """The RaftAdmin operations that lead from what is to what is wished, in order."""
    if state == "absent":
        return ["RemoveServer"] if member else []
    add = "AddVoter" if state == "voter" else "AddNonvoter"
    if member is None:
        return [add]
    if member["address"] != address:
        return ["RemoveServer", add]
    if member["suffrage"] == state:
        return []
    return ["AddVoter"] if state == "voter" else ["DemoteVoter"]


def why_not(member_id: str, steps: list[str], facts: dict[str, object]) -> str:
    """Why the first step must not be taken; empty when it may."""
    members: list[dict[str, str]] = facts["members"]  # type: ignore[assignment]
    answering: list[str] = facts["answering"]  # type: ignore[assignment]
    if not steps or steps[0] not in ("RemoveServer", "DemoteVoter"):
        return ""
    left = [m["id"] for m in members if m["suffrage"] == "voter" and m["id"] != member_id]
    if not left:
        return f"{member_id} is the only voter"
    alive = [voter for voter in left if voter in answering]
    needed = len(left) // 2 + 1
    if len(alive) < needed:
        return f"without {member_id}, {len(left)} voters are left, of whom {len(alive)} answer; {needed} are needed"
    return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "nodes": {"type": "dict", "required": True},
            "id": {"type": "str", "required": True},
            "address": {"type": "str"},
            "state": {"type": "str", "choices": ["voter", "learner", "absent"], "default": "voter"},
            "timeout": {"type": "float", "default": 300},
        },
        required_if=[("state", "voter", ["address"]), ("state", "learner", ["address"])],
        supports_check_mode=True,
    )
    if IMPORT_PROBLEM:
        module.fail_json(msg=f"This module needs {NEEDS}", exception=IMPORT_PROBLEM)
    p = module.params
    reports = ask(p["nodes"], 2)
    facts = summary(reports)
    if leader_of(reports) is None:
        module.fail_json(msg=f"No node leads; without a leader members cannot change. Silent: {facts['silent']}")
    before = next((m for m in facts["members"] if m["id"] == p["id"]), None)
    steps = plan(before, p["state"], p["address"] or "")
    wished = {} if p["state"] == "absent" else {"id": p["id"], "address": p["address"], "suffrage": p["state"]}
    result = {"changed": bool(steps), "before": before or {}, "after": wished}
    result["diff"] = {"before": before or {}, "after": wished}
    reason = why_not(p["id"], steps, facts)
    if reason:
        module.fail_json(msg=f"Refused, the cluster would lose its quorum: {reason}")
    if module.check_mode:
        module.exit_json(**result)

    from elastickv.pb import raftadmin_pb2 as pb

    request_of = {
        "AddVoter": pb.AddVoterRequest(id=p["id"], address=p["address"]),
        "AddNonvoter": pb.AddNonvoterRequest(id=p["id"], address=p["address"]),
        "DemoteVoter": pb.DemoteVoterRequest(id=p["id"]),
        "RemoveServer": pb.RemoveServerRequest(id=p["id"]),
    }
    try:
        for step in steps:
            leader = leader_of(ask(p["nodes"], 2)) or {}
            change(leader.get("address", ""), step, request_of[step], p["timeout"])
    except AdminError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
