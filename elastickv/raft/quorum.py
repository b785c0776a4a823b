"""Majorities and joint majorities. Pure functions.

A joint configuration (thesis section 4.3) decides only where both of its halves decide. Its outgoing half is empty when
the configuration is not joint; an empty half agrees to everything, so that it never stands in the way of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import Enum

from elastickv.raft.types import NodeId

UNBOUNDED = 1 << 63
"""What an empty half agrees to: more than any index."""


class VoteResult(Enum):
    PENDING = "pending"
    LOST = "lost"
    WON = "won"


def majority_agreed(voters: Collection[NodeId], value: Callable[[NodeId], int]) -> int:
    """The largest number that a majority of `voters` has reached."""
    count = len(voters)
    if count == 0:
        return UNBOUNDED
    # Sorted upwards, the values from position (count - 1) // 2 on are held by count // 2 + 1 voters.
    return sorted(map(value, voters))[(count - 1) // 2]


def joint_agreed(incoming: Collection[NodeId], outgoing: Collection[NodeId], value: Callable[[NodeId], int]) -> int:
    """The largest number that a majority of each half has reached."""
    agreed = majority_agreed(incoming, value)
    return min(agreed, majority_agreed(outgoing, value)) if outgoing else agreed


def majority_vote(voters: Collection[NodeId], votes: Mapping[NodeId, bool]) -> VoteResult:
    """LOST as soon as a majority can no longer be reached."""
    if not voters:
        return VoteResult.WON
    needed = len(voters) // 2 + 1
    granted = sum(1 for voter in voters if votes.get(voter) is True)
    refused = sum(1 for voter in voters if votes.get(voter) is False)
    if granted >= needed:
        return VoteResult.WON
    return VoteResult.LOST if len(voters) - refused < needed else VoteResult.PENDING


def joint_vote(incoming: Collection[NodeId], outgoing: Collection[NodeId], votes: Mapping[NodeId, bool]) -> VoteResult:
    """Won when both halves are won, lost when either is."""
    results = {majority_vote(incoming, votes), majority_vote(outgoing, votes)}
    if VoteResult.LOST in results:
        return VoteResult.LOST
    return VoteResult.PENDING if VoteResult.PENDING in results else VoteResult.WON
