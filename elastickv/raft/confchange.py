"""Changes of membership, as pure functions from configuration to configuration.

Two ways lead from one set of voters to another (thesis chapter 4). A *simple* change moves at most one voter, so that
any two majorities overlap by themselves (4.1). A *joint* change takes any number: it first asks for majorities of both
sets, the incoming and the outgoing one, and is left in a second step (4.3). As in etcd a change takes effect when its
entry is applied, not when it is appended; the core keeps two changes from overlapping.

A node that has to become a learner while it still votes in the outgoing half waits in `learners_next`: learners and
voters never share a node, so a vote is never counted and not counted at once.

Every node applies the same change to the same configuration: a ValueError here is the same on all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from elastickv.raft.types import (
    ConfChange,
    ConfChangeKind,
    ConfChangeStep,
    ConfState,
    Member,
    NodeId,
    Transition,
)

_NONE: frozenset[NodeId] = frozenset()


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration in the form that is good to count with; `ConfState` is the form that is good to store."""

    voters: frozenset[NodeId] = _NONE
    """The incoming half while the configuration is joint."""
    outgoing: frozenset[NodeId] = _NONE
    learners: frozenset[NodeId] = _NONE
    learners_next: frozenset[NodeId] = _NONE
    auto_leave: bool = False
    members: Mapping[NodeId, Member] = field(default_factory=dict)

    @property
    def joint(self) -> bool:
        return bool(self.outgoing)

    @property
    def ids(self) -> frozenset[NodeId]:
        return self.voters | self.outgoing | self.learners | self.learners_next

    def check(self) -> None:
        """Raise ValueError when the sets contradict each other."""
        if both := self.learners & (self.voters | self.outgoing):
            raise ValueError(f"both learner and voter: {', '.join(sorted(both))}")
        if stray := self.learners_next - self.outgoing:
            raise ValueError(f"to become learner, yet not an outgoing voter: {', '.join(sorted(stray))}")
        if both := self.learners_next & self.voters:
            raise ValueError(f"to become learner, yet an incoming voter: {', '.join(sorted(both))}")
        if self.auto_leave and not self.joint:
            raise ValueError("automatic leave without a joint configuration")


def from_conf_state(state: ConfState) -> Config:
    config = Config(
        voters=frozenset(state.voters),
        outgoing=frozenset(state.voters_outgoing),
        learners=frozenset(state.learners),
        learners_next=frozenset(state.learners_next),
        auto_leave=state.auto_leave,
    )
    config.check()
    known = {member.id: member for member in state.members}
    return replace(config, members={node: known.get(node, Member(node)) for node in config.ids})


def to_conf_state(config: Config) -> ConfState:
    return ConfState(
        voters=tuple(sorted(config.voters)),
        learners=tuple(sorted(config.learners)),
        voters_outgoing=tuple(sorted(config.outgoing)),
        learners_next=tuple(sorted(config.learners_next)),
        auto_leave=config.auto_leave,
        members=tuple(config.members[node] for node in sorted(config.members)),
    )


def changed(config: Config, change: ConfChange) -> Config:
    """The configuration after `change`. Raises ValueError with a sentence when it is refused."""
    if not change.steps:
        return leave_joint(config)
    if config.joint:
        raise ValueError("the configuration is joint: it has to be left before another change")
    match change.transition:
        case Transition.AUTO:
            # An empty configuration is founded in one step: there is no older majority to overlap with.
            target = _with_steps(config, change.steps)
            if not config.voters or _distance(config, target) <= 1:
                return target
            return enter_joint(config, change.steps, auto_leave=True)
        case Transition.JOINT_IMPLICIT:
            return enter_joint(config, change.steps, auto_leave=True)
        case Transition.JOINT_EXPLICIT:
            return enter_joint(config, change.steps, auto_leave=False)
        case _:
            assert_never(change.transition)


def enter_joint(config: Config, steps: Iterable[ConfChangeStep], *, auto_leave: bool) -> Config:
    if config.joint:
        raise ValueError("the configuration is joint already")
    if not config.voters:
        raise ValueError("a configuration without voters cannot become joint")
    return _with_steps(replace(config, outgoing=config.voters, auto_leave=auto_leave), steps)


def leave_joint(config: Config) -> Config:
    if not config.joint:
        raise ValueError("the configuration is not joint, there is nothing to leave")
    left = Config(voters=config.voters, learners=config.learners | config.learners_next, members=config.members)
    return _tidied(left)


def _distance(before: Config, after: Config) -> int:
    """How many voters differ."""
    return len(before.voters ^ after.voters)


def _with_steps(config: Config, steps: Iterable[ConfChangeStep]) -> Config:
    for step in steps:
        config = _with_step(config, step)
    if not config.voters:
        raise ValueError("the last voter cannot be removed")
    config = _tidied(config)
    config.check()
    return config


def _with_step(config: Config, step: ConfChangeStep) -> Config:
    node = step.node
    if not node:
        raise ValueError("a change needs a node ID")
    one = frozenset((node,))
    match step.kind:
        case ConfChangeKind.ADD_VOTER:
            config = replace(
                config,
                voters=config.voters | one,
                learners=config.learners - one,
                learners_next=config.learners_next - one,
            )
            return _described(config, step)
        case ConfChangeKind.ADD_LEARNER:
            voters = config.voters - one
            if node in config.outgoing:
                config = replace(config, voters=voters, learners_next=config.learners_next | one)
            else:
                config = replace(config, voters=voters, learners=config.learners | one)
            return _described(config, step)
        case ConfChangeKind.REMOVE:
            return replace(
                config,
                voters=config.voters - one,
                learners=config.learners - one,
                learners_next=config.learners_next - one,
            )
        case ConfChangeKind.UPDATE:
            if node not in config.ids:
                raise ValueError(f"{node} is not a member")
            return _described(config, step)
        case _:
            assert_never(step.kind)


def _described(config: Config, step: ConfChangeStep) -> Config:
    """Put address and instance beside the node; empty fields keep what is there."""
    known = config.members.get(step.node, Member(step.node))
    member = Member(step.node, step.address or known.address, step.instance or known.instance)
    if member == known and step.node in config.members:
        return config
    return replace(config, members={**config.members, step.node: member})


def _tidied(config: Config) -> Config:
    """Forget the addresses of nodes that are in no set any more."""
    ids = config.ids
    if config.members.keys() == ids:
        return config
    return replace(config, members={node: config.members.get(node, Member(node)) for node in ids})
