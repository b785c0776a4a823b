"""Misfortune, and the operators who work in the midst of it.

Each kind of misfortune is a function of the cluster; a seed uses some of them (`profile`). Whatever breaks is mended
after a while, so a run makes progress in between. Operators change the membership through whoever leads; the slow part
of that, replacing a node that lost its disk, is a to-do list that is looked at now and then (`Operator`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING

from elastickv.raft.types import ConfChange, ConfChangeKind, ConfChangeStep, ConfState, NodeId, Transition
from tests.kit.sim.machine import encode_change
from tests.kit.sim.node import SimNode
from tests.kit.sim.profile import PACE_ERROR

if TYPE_CHECKING:
    from tests.kit.sim.cluster import Cluster

UNIVERSE = 7
"""Never more node IDs than this in one run."""


class Misfortune:
    def __init__(self, cluster: Cluster, rng: random.Random) -> None:
        self._cluster = cluster
        self._rng = rng
        self.operator = Operator(cluster, rng)
        self.over = False
        self._kinds: dict[str, Callable[[], None]] = {
            "crash": lambda: self._crash(power=False),
            "power": lambda: self._crash(power=True),
            "blackout": self._blackout,
            "partition": self._partition,
            "isolate_leader": self._isolate_leader,
            "one_way": self._one_way,
            "bridge": self._bridge,
            "pause": lambda: self._pause(self._any()),
            "pause_leader": lambda: self._pause(self._cluster.leader() or self._any()),
            "slow_disk": self._slow_disk,
            "transfer": self._transfer,
            "campaign": lambda: self._any().campaign(),
            "member": self.operator.change_something,
            "replace": self.operator.lose_a_disk,
            "pace": self._pace,
            "storm": self._storm,
            "ambush": self._ambush,
            "assassin": self._assassin,
        }

    def begin(self) -> None:
        self._wait()

    def _wait(self) -> None:
        profile = self._cluster.profile
        self._cluster.loop.after(self._rng.expovariate(1.0) * profile.fault_seconds, self._strike)

    def _strike(self) -> None:
        if self.over:
            return
        kind = self._rng.choice(self._cluster.profile.faults)
        self._cluster.note("", "fault", kind)
        self._kinds[kind]()
        self._wait()

    def _any(self) -> SimNode:
        return self._rng.choice(list(self._cluster.nodes.values()))

    def _while(self, mean: float) -> float:
        return self._rng.expovariate(1.0) * mean

    # -- processes and disks ------------------------------------------------------------------------------------------

    def _crash(self, *, power: bool) -> None:
        leader = self._cluster.leader()
        node = leader if leader is not None and self._rng.random() < 0.4 else self._any()
        node.crash(power=power)
        self._restart(node, self._while(self._cluster.profile.down_seconds))

    def _blackout(self) -> None:
        """Everybody loses power at once."""
        for node in list(self._cluster.nodes.values()):
            node.crash(power=True)
            self._restart(node, self._while(0.5))

    def _restart(self, node: SimNode, delay: float) -> None:
        def start() -> None:
            if node.raw is None and not node.retired:
                node.start()

        self._cluster.loop.after(delay, start)

    def _pause(self, node: SimNode) -> None:
        node.pause()
        life = node.life
        self._cluster.loop.after(self._while(1.2), lambda: node.resume(life))

    def _slow_disk(self) -> None:
        self._any().slow_disk_until = self._cluster.loop.now + self._while(3.0)

    def _pace(self) -> None:
        self._any().clock.set_pace(1.0 + self._rng.uniform(-PACE_ERROR, PACE_ERROR))

    # -- network ------------------------------------------------------------------------------------------------------

    def _cut(self, links: list[tuple[NodeId, NodeId]]) -> None:
        self._cut_for(links, 0.2 + self._while(2.0))

    def _cut_for(self, links: list[tuple[NodeId, NodeId]], seconds: float) -> None:
        if self.over:
            return  # planned before the end, too late now
        mend = self._cluster.network.cut(links)
        self._cluster.note("", "cut", links)
        self._cluster.loop.after(seconds, mend)

    def _partition(self) -> None:
        one: list[NodeId] = []
        other: list[NodeId] = []
        for node in self._cluster.nodes:
            (one if self._rng.random() < 0.5 else other).append(node)
        self._cut([*product(one, other), *product(other, one)])

    def _isolate_leader(self) -> None:
        leader = self._cluster.leader() or self._any()
        others = [node for node in self._cluster.nodes if node != leader.id]
        self._cut([*product([leader.id], others), *product(others, [leader.id])])

    def _one_way(self) -> None:
        """Some node can be heard and not hear, or hear and not be heard."""
        node = self._any().id
        others = [other for other in self._cluster.nodes if other != node and self._rng.random() < 0.7]
        self._cut(list(product([node], others)) if self._rng.random() < 0.5 else list(product(others, [node])))

    def _bridge(self) -> None:
        """Two halves that only one node can reach."""
        nodes = list(self._cluster.nodes)
        self._rng.shuffle(nodes)
        middle = nodes[1:]
        half = len(middle) // 2
        one, other = middle[:half], middle[half:]
        self._cut([*product(one, other), *product(other, one)])

    def _storm(self) -> None:
        """Everything is lost, doubled and late for a moment."""
        network, profile = self._cluster.network, self._cluster.profile
        network.loss, network.doubling, network.late = 0.4, 0.3, 0.05

        def calm() -> None:
            if not self.over:
                network.loss, network.doubling, network.late = profile.loss, profile.doubling, profile.late

        self._cluster.loop.after(self._while(1.0), calm)

    # -- scenes in several acts: what chance alone brings about too rarely --------------------------------------------

    def _ambush(self) -> None:
        """A lease is put to the test. Somebody stops hearing the leader while the others go on confirming it; when that
        one is about to campaign, the leader loses all others as well; just before that they may have restarted, or
        slept, or been asked to take the lead over."""
        cluster, rng = self._cluster, self._rng
        leader = cluster.leader()
        others = [node for node in cluster.nodes if leader is None or node != leader.id]
        if leader is None or not others:
            return
        lead, rival = leader.id, rng.choice(others)
        self._cut_for([(lead, rival), (rival, lead)], 4.0)
        restarts, sleep, handover = rng.random() < 0.4, rng.random() < 0.3, rng.random() < 0.3
        strike_in = 0.7 + rng.random() * 1.5

        def strike() -> None:
            if self.over:
                return
            for node in asleep:
                node.resume(node.life)
            if handover:
                cluster.nodes[lead].transfer(rng.choice(others))
                cluster.loop.after(rng.random() * 0.1, lambda: isolate(0.3))
            else:
                # With a moment for the answers of those who just woke up.
                cluster.loop.after(0.05 if asleep else 0.0, lambda: isolate(1.0))

        def isolate(share: float) -> None:
            if self.over:
                return
            links = [*product([lead], others), *product(others, [lead])]
            self._cut_for([link for link in links if rng.random() < share], 2.0)
            if restarts:
                for node in others:
                    if node != rival:
                        cluster.nodes[node].crash(power=rng.random() < 0.5)
                        self._restart(cluster.nodes[node], 0.02 + rng.random() * 0.1)

        asleep: list[SimNode] = []

        def lull() -> None:
            if sleep and not self.over:
                asleep.extend(cluster.nodes[node] for node in others if node != rival)
                for node in asleep:
                    node.pause()

        cluster.loop.after(strike_in - 0.5, lull)
        cluster.loop.after(strike_in, strike)

    def _assassin(self) -> None:
        """For a while each new leader is struck down as soon as it has begun to lead, in the middle of its first
        appends: the terms of figure 3.7 of the thesis, one after another."""
        cluster, rng = self._cluster, self._rng
        until = cluster.loop.now + self._while(8.0)

        def elected(node: SimNode) -> None:
            if self.over or cluster.loop.now > until or rng.random() < 0.2:
                return
            life = node.life

            def strike() -> None:
                if life != node.life or self.over:
                    return
                if rng.random() < 0.6:
                    node.crash(power=rng.random() < 0.5)
                    self._restart(node, self._while(0.3))
                else:
                    others = [other for other in cluster.nodes if other != node.id and rng.random() < 0.7]
                    self._cut_for([*product([node.id], others), *product(others, [node.id])], self._while(1.5))

            cluster.loop.after(self._while(3.0 * cluster.network.delay_seconds), strike)

        cluster.invariants.on_election = elected

    # -- leadership ---------------------------------------------------------------------------------------------------

    def _transfer(self) -> None:
        leader = self._cluster.leader()
        if leader is not None:
            leader.transfer(self._any().id)


class Operator:
    """Changes the membership through whoever leads. What is refused is not insisted on, except what has to be done."""

    def __init__(self, cluster: Cluster, rng: random.Random) -> None:
        self._cluster = cluster
        self._rng = rng
        self._amnesiac: list[NodeId] = []
        """Voters and learners that came back without their disk and have to be replaced, one after another."""
        self._to_promote: list[NodeId] = []

    def begin(self) -> None:
        self._look()

    @property
    def done(self) -> bool:
        """Nothing is left that the cluster needs for its health."""
        return not self._amnesiac and not self._to_promote

    def _look(self) -> None:
        self._cluster.loop.after(0.2 + self._rng.random() * 0.3, self._look)
        leader = self._cluster.leader()
        if leader is None or leader.raw is None:
            return
        state = leader.raw.conf_state
        if state.voters_outgoing:
            if not state.auto_leave:
                leader.propose_config(b"")
            return
        members = {member.id: member for member in state.members}
        for node in list(self._amnesiac):
            if node not in members:
                # Gone: it may come in as somebody new.
                if self._propose(leader, [self._add(ConfChangeKind.ADD_LEARNER, node)]):
                    return
            elif members[node].instance == self._cluster.nodes[node].instance:
                self._amnesiac.remove(node)
                self._to_promote.append(node)
            elif self._propose(leader, [ConfChangeStep(ConfChangeKind.REMOVE, node)]):
                return
        for node in list(self._to_promote):
            if node in state.voters or node not in members:
                self._to_promote.remove(node)
            elif self._propose(leader, [self._add(ConfChangeKind.ADD_VOTER, node)]):
                return

    def _add(self, kind: ConfChangeKind, node: NodeId) -> ConfChangeStep:
        return ConfChangeStep(kind, node, address=f"{node}:1", instance=self._cluster.nodes[node].instance)

    def _propose(self, leader: SimNode, steps: list[ConfChangeStep], transition: Transition = Transition.AUTO) -> bool:
        assert leader.raw is not None
        change = ConfChange(tuple(steps), transition)
        try:
            leader.raw.validate_conf_change(change)
        except ValueError:
            return False
        return leader.propose_config(encode_change(change))

    # -- random changes -----------------------------------------------------------------------------------------------

    def lose_a_disk(self) -> None:
        """A member's disk is gone; the process comes back empty, under its old ID. One at a time: two of three disks
        would be more than anybody promises to survive."""
        cluster = self._cluster
        leader = cluster.leader()
        if self._amnesiac or leader is None or leader.raw is None or cluster.change_in_flight():
            return
        state = cluster.invariants.newest_configuration
        if len(state.voters) < 3 or not self._spare_one(leader, state):
            return
        node = self._rng.choice(_ids(state))
        cluster.wipe(node)
        self._amnesiac.append(node)

    def _spare_one(self, leader: SimNode, state: ConfState) -> bool:
        """Whether a majority of the voters have what the leader applied when one disk more is lost. A voter that has
        just come in counts as missing until it has caught up."""
        index, term = leader.machine.applied, leader.machine.applied_term
        healthy = [voter for voter in state.voters if self._cluster.nodes[voter].disk.holds(index, term)]
        return (len(healthy) - 1) * 2 > len(state.voters)

    def change_something(self) -> None:
        cluster, rng = self._cluster, self._rng
        leader = cluster.leader()
        if leader is None or leader.raw is None or self._amnesiac:
            return  # with a disk lost, nobody would take more voters away
        state = leader.raw.conf_state
        steps = [self._some_step(state) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
        taken: dict[NodeId, ConfChangeStep] = {}
        for step in steps:
            if step is not None:
                taken.setdefault(step.node, step)
        voters = set(state.voters)
        for step in taken.values():
            if step.kind is ConfChangeKind.ADD_VOTER:
                voters.add(step.node)
            else:
                voters.discard(step.node)
        if taken and len(voters) >= 2:
            self._propose(leader, list(taken.values()), rng.choice(list(Transition)))

    def _some_step(self, state: ConfState) -> ConfChangeStep | None:
        cluster, rng = self._cluster, self._rng
        members = _ids(state)
        draw = rng.random()
        if draw < 0.3:
            outside = [node for node in cluster.nodes if node not in members]
            if outside:
                # It was a member before, or was never one: only an empty disk may come in under that ID.
                node = rng.choice(outside)
                if node in self._amnesiac or not cluster.removed(node):
                    return None
                if cluster.nodes[node].disk.used:
                    if cluster.change_in_flight():
                        return None
                    cluster.wipe(node)
            elif len(cluster.nodes) < UNIVERSE:
                node = cluster.add_node()
            else:
                return None
            return self._add(rng.choice([ConfChangeKind.ADD_LEARNER, ConfChangeKind.ADD_VOTER]), node)
        if draw < 0.6 and state.learners:
            return self._add(ConfChangeKind.ADD_VOTER, rng.choice(state.learners))
        if draw < 0.75 and len(state.voters) > 2:
            return self._add(ConfChangeKind.ADD_LEARNER, rng.choice(state.voters))
        if len(state.voters) > 2 or state.learners:
            return ConfChangeStep(ConfChangeKind.REMOVE, rng.choice(members))
        return None


def _ids(state: ConfState) -> list[NodeId]:
    return [member.id for member in state.members]
