"""Who may talk to whom: both ends of a stream judge the other's Hello before anything else is said."""

from __future__ import annotations

from elastickv.raft.types import NodeId
from elastickv.transport.base import WRONG_NODE, Hello, Inbox, Refusal


def judge_callee(inbox: Inbox, expected: NodeId, hello: Hello) -> Refusal | None:
    """What is wrong with the node that answered a call to `expected`."""
    if hello.node_id != expected:
        return Refusal(WRONG_NODE, f"called {expected}, but {hello.node_id} answers")
    return inbox.check_peer(hello)


def judge_caller(inbox: Inbox, own_id: NodeId, hello: Hello, callee: NodeId) -> Refusal | None:
    """What is wrong with a caller, or with whom it wants to call."""
    if callee != own_id:
        return Refusal(WRONG_NODE, f"{hello.node_id} called {callee}, but this is {own_id}")
    if hello.node_id == own_id:
        return Refusal(WRONG_NODE, f"{hello.address} calls itself {own_id}, as this node does")
    return inbox.check_peer(hello)
