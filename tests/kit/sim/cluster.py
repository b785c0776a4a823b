"""One run: a seed, some seconds of misfortune, and then the question whether all is well again."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from elastickv.drill.checker import Report, Verdict, check
from elastickv.drill.history import Outcome, Recorder
from elastickv.raft.node import RawNode
from elastickv.raft.types import (
    ConfChange,
    ConfChangeKind,
    ConfChangeStep,
    ConfState,
    Entry,
    EntryKind,
    HardState,
    Member,
    Message,
    NodeId,
)
from tests.kit.sim.client import Client
from tests.kit.sim.disk import SimDisk, Unit
from tests.kit.sim.faults import Misfortune
from tests.kit.sim.invariants import Invariants, Violation
from tests.kit.sim.loop import Loop, NodeClock
from tests.kit.sim.machine import encode_change
from tests.kit.sim.network import Network
from tests.kit.sim.node import SimNode
from tests.kit.sim.profile import PACE_ERROR, Profile, draw

RECOVERY_SECONDS = 60.0
"""Virtual seconds after the last misfortune within which everybody has to be of one mind."""
CHECK_SECONDS = 30.0
"""Real seconds that the linearizability checker may take; it needs a few milliseconds."""
NOTES = 400


@dataclass(frozen=True, slots=True)
class Result:
    seed: int
    steps: int
    virtual_seconds: float
    operations: int
    acknowledged: int
    lease_reads: int
    snapshots: int
    """Installed."""
    entries: int
    terms: int
    configurations: int
    digest: int
    """Of everything the clients saw: the same seed gives the same digest."""


class Cluster:
    def __init__(
        self,
        seed: int,
        *,
        voters: int = 3,
        seconds: float = 12.0,
        core: Callable[..., RawNode] = RawNode,
        node: type[SimNode] = SimNode,
        profile: Profile | None = None,
    ) -> None:
        """`core` and `node` are replaced by tests that plant bugs."""
        self.seed = seed
        self.rng = random.Random(f"{seed}/{voters}")
        self.profile = profile or draw(self.rng, voters, seconds)
        self.core = core
        self._node_class = node
        self.show: Callable[[str], None] | None = None
        """Gets every event as it happens, in words."""
        self.loop = Loop()
        self.nodes: dict[NodeId, SimNode] = {}
        self.invariants = Invariants(self.nodes)
        self.network = Network(self.loop, self.rng, self.profile, self.nodes)
        self.recorder = Recorder(lambda: self.loop.now)
        self.acknowledged = 0
        self.lease_reads = 0
        self.snapshots = 0
        self._notes: deque[tuple[float, NodeId, str, object]] = deque(maxlen=NOTES)
        self._commands = 0
        self._read_contexts = 0
        self._instances = 0
        self._found()
        self.misfortune = Misfortune(self, self.rng)
        self.clients = [
            Client(self, f"c{number}", f"n{1 + number % self.profile.voters}", self.rng)
            for number in range(self.profile.clients)
        ]

    def _found(self) -> None:
        """The first entry is the founding configuration. Either every founder begins with it, or only the first, and
        the others wait empty until they hear of it."""
        founders = [f"n{number}" for number in range(1, self.profile.voters + 1)]
        for founder in founders:
            self._add_node(founder)
        change = ConfChange(
            tuple(
                ConfChangeStep(ConfChangeKind.ADD_VOTER, node, f"{node}:1", self.nodes[node].instance)
                for node in founders
            )
        )
        entry = Entry(1, 1, encode_change(change), EntryKind.CONFIG)
        self.invariants.founded(
            entry,
            ConfState(
                voters=tuple(founders),
                members=tuple(Member(node, f"{node}:1", self.nodes[node].instance) for node in founders),
            ),
        )
        together = self.rng.random() < 0.5
        for founder in founders if together else founders[:1]:
            self.nodes[founder].disk.write(
                Unit(0, HardState(1, "", 1), (entry,), None, True, ()),
                synced=True,
            )

    # -- who is there -------------------------------------------------------------------------------------------------

    def _add_node(self, id: NodeId) -> SimNode:
        self._instances += 1
        rng = self.rng
        clock = NodeClock(self.loop, rng.uniform(0, 1000), 1.0 + rng.uniform(-PACE_ERROR, PACE_ERROR))
        self.nodes[id] = self._node_class(self, id, f"i{self._instances}", SimDisk(), clock)
        return self.nodes[id]

    def add_node(self) -> NodeId:
        """An empty node that waits to be contacted."""
        node = self._add_node(f"n{len(self.nodes) + 1}")
        node.start()
        return node.id

    def wipe(self, id: NodeId) -> None:
        """The disk is lost; an empty one takes its place, and the node comes back under its old name."""
        self.note(id, "wipe", None)
        old = self.nodes[id]
        old.crash(power=True)
        old.retired = True
        self._add_node(id).start()

    def leader(self) -> SimNode | None:
        """The leader of the newest term, as an operator would find it."""
        leading = [node for node in self.nodes.values() if node.running and node.leading]
        return max(leading, key=lambda node: node.raw.term if node.raw else 0, default=None)

    def removed(self, id: NodeId) -> bool:
        """Whether the newest committed configuration, as far as anybody has applied it, is without this node."""
        state = self.invariants.newest_configuration
        return all(member.id != id for member in state.members)

    def change_in_flight(self) -> bool:
        """Whether some log holds a change that nobody has applied and that may still come into effect, or the
        configuration is joint and will be left by itself."""
        if self.invariants.newest_configuration.voters_outgoing:
            return True
        newest = max(self.invariants.configurations)
        return any(self.invariants.config_in_log(node) > newest for node in self.nodes.values())

    def next_command(self) -> int:
        self._commands += 1
        return self._commands

    def next_read(self) -> int:
        self._read_contexts += 1
        return self._read_contexts

    # -- the run ------------------------------------------------------------------------------------------------------

    def run(self) -> Result:
        for node in self.nodes.values():
            node.start()
        for client in self.clients:
            client.begin()
        self.misfortune.operator.begin()
        self.misfortune.begin()
        self.loop.run_until(self.profile.seconds)
        self._recover()
        self._check_history()
        return self._result()

    def _recover(self) -> None:
        """Everything works again: within bounded time all members agree, and every node can write and read."""
        self.note("", "heal", None)
        self.misfortune.over = True
        self.network.calm()
        members = [member.id for member in self.invariants.newest_configuration.members]
        for number, client in enumerate(self.clients):
            client.home = members[number % len(members)]
        for node in list(self.nodes.values()):
            node.slow_disk_until = 0.0
            if node.raw is None:
                node.start()
            node.resume(node.life)
        wanted = self.acknowledged + 10
        deadline = self.loop.now + RECOVERY_SECONDS

        def well() -> bool:
            return self.acknowledged >= wanted and self.misfortune.operator.done

        self._wait(well, deadline, "clients get no answers, or the operator cannot finish")
        for client in self.clients:
            client.stopped = True
        self._wait(self._of_one_mind, deadline, "the nodes do not come to the same state")
        self._last_reads(deadline)

    def _last_reads(self, deadline: float) -> None:
        """The last words of the history: what everybody reads now, on every member. Who is refused, for it may be in
        the middle of an election, asks again."""
        members = [member.id for member in self.invariants.newest_configuration.members]
        left = [(f"last{n}", member, f"k{key}") for n, member in enumerate(members) for key in range(self.profile.keys)]
        while left:
            self._wait(lambda: self.recorder.open == 0, deadline, "reads are not answered")
            for name, member, key in left:
                client = Client(self, name, member, self.rng)
                client.stopped = True
                client.read_at_home(key)
            self._wait(lambda: self.recorder.open == 0, deadline, "reads are not answered")
            answered = {(each.client, each.key) for each in self.recorder.history() if each.outcome is Outcome.OK}
            left = [each for each in left if (each[0], each[2]) not in answered]

    def _wait(self, condition: Callable[[], bool], deadline: float, complaint: str) -> None:
        while not condition():
            if self.loop.now >= deadline:
                raise Violation(f"no recovery within {RECOVERY_SECONDS} s: {complaint}\n{self._standing()}")
            self.loop.run_until(self.loop.now + 0.25)

    def _of_one_mind(self) -> bool:
        leader = self.leader()
        if leader is None or leader.raw is None:
            return False
        state = leader.raw.conf_state
        if state.voters_outgoing or leader.machine.applied != leader.raw.last_index:
            return False
        for member in state.members:
            node = self.nodes[member.id]
            if node.raw is None or node.machine.applied != leader.machine.applied:
                return False
            if node.machine.values != leader.machine.values or node.raw.conf_state != state:
                raise Violation(f"{leader.id} and {node.id} differ after {leader.machine.applied} entries")
        return True

    def _standing(self) -> str:
        lines = []
        for node in self.nodes.values():
            raw = node.raw
            if raw is None:
                lines.append(f"  {node.id}: down")
                continue
            state = raw.conf_state
            lines.append(
                f"  {node.id}/{node.instance}: {raw.role.value} of term {raw.term}, leader {raw.leader or '-'},"
                f" last {raw.last_index}, commit {raw.commit}, applied {node.machine.applied},"
                f" voters {','.join(state.voters)}, outgoing {','.join(state.voters_outgoing)},"
                f" learners {','.join(state.learners)}, next {','.join(state.learners_next)}"
            )
        return "\n".join(lines)

    def _check_history(self) -> None:
        report: Report = check(self.recorder.history(), timeout_seconds=CHECK_SECONDS)
        if report.verdict is not Verdict.LINEARIZABLE:
            raise Violation(str(report))

    def _result(self) -> Result:
        history = self.recorder.history()
        newest = max(self.invariants.committed, default=0)
        return Result(
            seed=self.seed,
            steps=self.loop.steps,
            virtual_seconds=self.loop.now,
            operations=len(history),
            acknowledged=self.acknowledged,
            lease_reads=self.lease_reads,
            snapshots=self.snapshots,
            entries=newest,
            terms=len(self.invariants.leaders),
            configurations=len(self.invariants.configurations),
            digest=_digest("\n".join(map(str, history))),
        )

    # -- what happened ------------------------------------------------------------------------------------------------

    def note(self, node: NodeId, what: str, detail: object) -> None:
        """Remember an event; it becomes text only when somebody wants to read it."""
        self._notes.append((self.loop.now, node, what, detail))
        if self.show is not None:
            self.show(_text(self.loop.now, node, what, detail))

    def story(self, count: int = 60) -> str:
        """The last events."""
        return "\n".join(_text(*note) for note in list(self._notes)[-count:])


def _text(at: float, node: NodeId, what: str, detail: object) -> str:
    if isinstance(detail, Message):
        detail = short(detail)
    elif what == "ready":
        fields = [
            f"{name}={_value(getattr(detail, name))}"
            for name in ("number", "hard_state", "snapshot", "entries", "committed", "messages", "promises")
            if getattr(detail, name)
        ]
        detail = " ".join(fields)
    return f"{at:9.4f} {node:3} {what} {'' if detail is None else detail}"


def _value(value: object) -> object:
    if isinstance(value, tuple):
        return "[" + ", ".join(str(_value(each)) for each in value) + "]"
    if isinstance(value, Message):
        return short(value)
    if isinstance(value, Entry):
        return f"{value.index}/{value.term}{'C' if value.kind is EntryKind.CONFIG else ''}"
    if isinstance(value, HardState):
        return f"{value.term}:{value.vote or '-'}:{value.commit}"
    return value


def short(message: Message) -> str:
    """A message in one line, without what is at its default."""
    parts = [f"{message.sender}->{message.to} {message.kind.name.lower()} t{message.term}"]
    if message.index or message.log_term:
        parts.append(f"{message.index}/{message.log_term}")
    if message.entries:
        parts.append(f"+{len(message.entries)}")
    if message.commit:
        parts.append(f"commit={message.commit}")
    if message.reject:
        parts.append(f"reject hint={message.reject_hint}")
    if message.snapshot is not None:
        parts.append(f"snapshot={message.snapshot.index}/{message.snapshot.term}")
    if message.context:
        parts.append(f"context={message.context!r}")
    return " ".join(parts)


def _digest(text: str) -> int:
    """Not `hash`, which differs from process to process."""
    from zlib import crc32

    return crc32(text.encode())
