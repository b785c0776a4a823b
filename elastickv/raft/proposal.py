"""Why a proposal did not enter the log.

A dropped proposal is provably not in the log of anybody: the driver may repeat it elsewhere without doing it twice.
"""

from __future__ import annotations

from enum import Enum


class DropReason(Enum):
    NOT_LEADER = "this node does not lead"
    TRANSFERRING = "the lead is being handed over"
    UNCOMMITTED_LIMIT = "too many bytes wait for a majority"
    CONFIG_PENDING = "a configuration change is not applied yet"
    ALREADY_JOINT = "the joint configuration has to be left first"
    NOT_JOINT = "there is no joint configuration to leave"


class ProposalDropped(Exception):
    """The core refused a proposal; nothing was appended."""

    def __init__(self, reason: DropReason) -> None:
        super().__init__(reason.value)
        self.reason = reason
