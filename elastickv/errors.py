"""What can go wrong, independent of any protocol.

Inside the server every expected failure is a `KvError` that carries a `Fault`. Each front end owns one table that turns
a fault into its own words (RESP error line, gRPC status, DynamoDB exception); a test walks `Fault` through all of them,
so a new member here turns the tables red until each door has a word for it.
"""

from __future__ import annotations

from enum import Enum, auto


class Fault(Enum):
    """The kinds of failure that a request can meet."""

    NOT_LEADER = auto()
    """This node does not lead and the request is provably not in the log: safe to repeat at the leader."""
    NO_QUORUM = auto()
    """No leader, or no majority, within the deadline. The request is provably not in the log."""
    OUTCOME_UNKNOWN = auto()
    """The request is in the log, and then the lead or the deadline was lost. It may or may not take effect."""
    OVERLOAD = auto()
    """A queue or a connection limit is full; nothing was done."""
    DISK_FULL = auto()
    """The disk refused a write; reads go on, and writes work again once there is space."""
    TOO_LARGE = auto()
    """A key, value or request is over its limit; nothing was done."""
    BAD_REQUEST = auto()
    """The request makes no sense; nothing was done."""
    WRONG_TYPE = auto()
    """The key holds a value of another type."""
    CONFLICT = auto()
    """A precondition did not hold (stale configuration index, pending configuration change, watched key)."""
    NOT_FOUND = auto()
    """The named thing (a member, an operation token) does not exist."""
    COMPACTED = auto()
    """The history that was asked for is older than the retention window."""
    PERMISSION_DENIED = auto()
    """The operation is deliberately not offered."""
    SHUTTING_DOWN = auto()
    """This node is stopping; nothing was done."""
    INTERNAL = auto()
    """A defect of ours. Logged with its traceback; the client never sees one."""


class KvError(Exception):
    """An expected failure.

    `message` is a plain sentence without a protocol prefix. `leader_id` and `leader_address` name the leader where
    it is known (`NOT_LEADER`).
    """

    def __init__(self, fault: Fault, message: str = "", *, leader_id: str = "", leader_address: str = "") -> None:
        super().__init__(message or fault.name.lower().replace("_", " "))
        self.fault = fault
        self.leader_id = leader_id
        self.leader_address = leader_address

    @property
    def message(self) -> str:
        return str(self.args[0])
