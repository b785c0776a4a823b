"""A cluster in memory, moved by hand: for tests that tell a story step by step.

Each `Member` is a RawNode with a driver that honours the Ready contract. Nothing happens by itself: the test ticks,
delivers, loses or holds messages, and decides when a disk is done. The randomized simulation has its own, richer world;
this one is for stories where each step matters.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from elastickv.raft.config import RaftConfig
from elastickv.raft.memory_storage import MemoryStorage
from elastickv.raft.node import RawNode
from elastickv.raft.ready import Ready
from elastickv.raft.types import (
    ConfChange,
    ConfChangeKind,
    ConfChangeStep,
    ConfState,
    Entry,
    EntryKind,
    HardState,
    Kind,
    Member,
    Message,
    NodeId,
    ReadState,
    Role,
    SnapshotMeta,
    Transition,
)

TICK_SECONDS = 0.02

_LETTERS = {
    "v": ConfChangeKind.ADD_VOTER,
    "l": ConfChangeKind.ADD_LEARNER,
    "r": ConfChangeKind.REMOVE,
    "u": ConfChangeKind.UPDATE,
}
_TRANSITIONS = {
    "implicit": Transition.JOINT_IMPLICIT,
    "explicit": Transition.JOINT_EXPLICIT,
}


def parse_change(text: str) -> ConfChange:
    """`v4 l5 r2 u3=host:1` and, if wanted, `implicit` or `explicit`; no words at all leave a joint configuration."""
    steps: list[ConfChangeStep] = []
    transition = Transition.AUTO
    for word in text.split():
        if word in _TRANSITIONS:
            transition = _TRANSITIONS[word]
        else:
            node, _, address = word[1:].partition("=")
            steps.append(ConfChangeStep(_LETTERS[word[0]], node, address))
    return ConfChange(tuple(steps), transition)


def conf_state(voters: Iterable[str], learners: Iterable[str] = ()) -> ConfState:
    voters, learners = tuple(voters), tuple(learners)
    return ConfState(
        voters=voters, learners=learners, members=tuple(Member(node) for node in sorted([*voters, *learners]))
    )


@dataclass
class Machine:
    """A node with its driver, its disk and its state machine (a list of what was applied)."""

    node: RawNode
    storage: MemoryStorage
    disk_held: bool = False
    writes: deque[Ready] = field(default_factory=deque)
    """Readies whose disk work is not done yet."""
    applied: list[Entry] = field(default_factory=list)
    """Since the last restart or snapshot."""
    applied_index: int = 0
    conf_state_at: dict[int, ConfState] = field(default_factory=dict)
    read_states: list[ReadState] = field(default_factory=list)
    refused_changes: list[str] = field(default_factory=list)

    @property
    def data(self) -> list[bytes]:
        """What clients wrote, in order."""
        return [entry.data for entry in self.applied if entry.kind is EntryKind.NORMAL and entry.data]


class Cluster:
    def __init__(
        self,
        voters: str | Iterable[str] = "123",
        learners: Iterable[str] = (),
        *,
        outsiders: Iterable[str] = (),
        seed: int = 1,
        trace: Callable[[str], None] | None = None,
        **settings: int | float,
    ) -> None:
        """`outsiders` start empty, with no configuration at all. The members' logs begin behind a snapshot then, so
        that an outsider that joins learns the founding configuration."""
        self.now = 0.0
        self.seed = seed
        self.settings: dict[str, int | float] = {"heartbeat_ticks": 2, "election_ticks": 10, "lease_seconds": 0.15}
        self.settings.update(settings)
        self.trace = trace or (lambda line: None)
        self.machines: dict[NodeId, Machine] = {}
        self.wire: deque[Message] = deque()
        self.cut: set[tuple[NodeId, NodeId]] = set()
        """Directed links that lose everything."""
        self.down: set[NodeId] = set()
        self.lose: Callable[[Message], bool] = lambda message: False
        """Asked for each message; True loses it."""
        state = conf_state(voters, learners)
        outsiders = tuple(outsiders)
        for id in [*state.voters, *state.learners]:
            storage = MemoryStorage(state)
            if outsiders:
                storage.persist(HardState(1, "", 1), snapshot=SnapshotMeta(1, 1, state))
            self.start(id, storage, storage.first_index() - 1)
        for id in outsiders:
            self.start(id, MemoryStorage())

    # -- life and death -------------------------------------------------------------------------------------------

    def start(self, id: NodeId, storage: MemoryStorage, applied: int = 0) -> Machine:
        config = RaftConfig(id=id, **self.settings)  # type: ignore[arg-type]
        node = RawNode(config, storage, random.Random(f"{self.seed}/{id}"), applied=applied, now=self.now)
        machine = Machine(node, storage, applied_index=applied)
        machine.conf_state_at[applied] = node.conf_state
        self.machines[id] = machine
        self.down.discard(id)
        return machine

    def crash(self, id: NodeId) -> None:
        """What the disk was not done with is gone."""
        self.down.add(id)
        self.machines[id].writes.clear()
        self.wire = deque(message for message in self.wire if message.to != id)

    def restart(self, id: NodeId) -> RawNode:
        """From disk: log and hard state; the state machine replays from the last snapshot or compaction."""
        if id not in self.down:
            self.crash(id)
        old = self.machines[id]
        applied = old.storage.first_index() - 1
        old.storage.set_conf_state(
            old.conf_state_at[max((index for index in old.conf_state_at if index <= applied), default=0)]
        )
        return self.start(id, old.storage, applied).node

    def __getitem__(self, id: NodeId) -> RawNode:
        return self.machines[id].node

    @property
    def leader(self) -> RawNode:
        """The leader of the newest term."""
        leaders = [m.node for id, m in self.machines.items() if m.node.role is Role.LEADER and id not in self.down]
        assert leaders, "no leader"
        return max(leaders, key=lambda node: node.term)

    # -- time and network -----------------------------------------------------------------------------------------

    def tick(self, *ids: NodeId, times: int = 1, drain: bool = True) -> None:
        """Tick some nodes, or all; their work goes on the wire and is not delivered."""
        for _ in range(times):
            self.now += TICK_SECONDS
            for id in ids or tuple(self.machines):
                if id not in self.down:
                    self.machines[id].node.tick(self.now)
                    if drain:
                        self.drain(id)

    def run(self, ticks: int) -> None:
        """Tick all and deliver everything after each tick."""
        for _ in range(ticks):
            self.tick()
            self.settle()

    def partition(self, *groups: str) -> None:
        """Only nodes of one group hear each other."""
        self.heal()
        for group in groups:
            for other in groups:
                if group != other:
                    self.cut.update((a, b) for a in group for b in other)

    def heal(self) -> None:
        self.cut.clear()

    def settle(self, *ids: NodeId) -> None:
        """Drain and deliver until nothing moves, among all nodes or only those named."""
        for _ in range(10_000):
            for id in ids or tuple(self.machines):
                self.drain(id)
            if not self.deliver_some(lambda message: not ids or (message.to in ids and message.sender in ids)):
                return
        raise AssertionError("the cluster does not come to rest")

    def deliver_some(self, wanted: Callable[[Message], bool] = lambda message: True) -> bool:
        """Deliver the messages that are on the wire now; False when there was none."""
        batch, self.wire = self.wire, deque()
        kept = deque(message for message in batch if not wanted(message))
        delivered = False
        for message in batch:
            if wanted(message):
                self.deliver(message)
                delivered = True
        self.wire.extendleft(reversed(kept))
        return delivered

    def deliver(self, message: Message) -> None:
        if message.to not in self.machines or message.to in self.down:
            return
        if (message.sender, message.to) in self.cut or self.lose(message):
            self.trace(f"lost {describe(message)}")
            return
        self.trace(describe(message))
        self.machines[message.to].node.step(message, self.now)

    def post(self, messages: Iterable[Message]) -> None:
        self.wire.extend(messages)

    # -- the driver -----------------------------------------------------------------------------------------------

    def drain(self, id: NodeId) -> None:
        """Do the node's work as the Ready contract says. With `disk_held`, writes pile up and promises wait."""
        machine = self.machines[id]
        while id not in self.down:
            progressed = False
            if machine.node.has_ready():
                ready = machine.node.ready()
                if ready.role_changed:
                    node = machine.node
                    self.trace(f"{id}: {node.role.value} term={node.term} leader={node.leader or '-'}")
                self.post(ready.messages)
                machine.writes.append(ready)
                self._apply(machine, ready)
                machine.read_states += ready.read_states
                for read in ready.read_states:
                    self.trace(f"{id}: read {read.context.decode()} at {read.index}")
                progressed = True
            if machine.writes and not machine.disk_held:
                self.finish_write(id)
                progressed = True
            if not progressed:
                return

    def finish_write(self, id: NodeId) -> None:
        """The disk is done with the oldest Ready."""
        machine = self.machines[id]
        ready = machine.writes.popleft()
        machine.storage.persist(ready.hard_state, ready.entries, ready.snapshot)
        if ready.snapshot is not None:
            machine.applied.clear()
            machine.applied_index = ready.snapshot.index
            machine.conf_state_at[ready.snapshot.index] = ready.snapshot.conf_state
            self.trace(f"{id}: installed snapshot {ready.snapshot.index}/{ready.snapshot.term}")
        machine.node.persisted(ready.number)
        self.post(ready.promises)

    def _apply(self, machine: Machine, ready: Ready) -> None:
        for entry in ready.committed:
            if entry.kind is EntryKind.CONFIG:
                try:
                    state = machine.node.apply_conf_change(parse_change(entry.data.decode()))
                    machine.conf_state_at[entry.index] = state
                    self.trace(f"{machine.node.id}: {describe_conf(state)}")
                except ValueError as refusal:
                    machine.refused_changes.append(str(refusal))
            machine.applied.append(entry)
            machine.applied_index = entry.index
            machine.node.applied_to(entry.index)
        if ready.committed:
            self.trace(f"{machine.node.id}: applied {','.join(map(describe_entry, ready.committed))}")

    # -- frequent wishes ------------------------------------------------------------------------------------------

    def elect(self, id: NodeId) -> RawNode:
        """Let `id` time out until it leads; the others keep still (as if their timers were longer)."""
        for other, machine in self.machines.items():
            if other != id and other not in self.down and machine.node.role is not Role.LEADER:
                # Enough time for the others to stop counting on a former leader, not enough to campaign themselves.
                core = machine.node._core
                core.ticks_since_leader = max(core.ticks_since_leader, core.config.election_ticks)
                core.election_elapsed = 0
        for _ in range(2 * int(self.settings["election_ticks"])):
            self.tick(id)
            self.settle()
            if self[id].role is Role.LEADER:
                return self[id]
        raise AssertionError(f"{id} was not elected")

    def propose(self, data: bytes, *, settle: bool = True) -> int:
        """At the leader; with `settle`, until everybody has applied it (the commit goes out with a tick)."""
        node = self.leader
        index = node.propose(data)
        if settle:
            self.settle()
            self.tick(node.id)
            self.settle()
        return index

    def change(self, text: str) -> int:
        """Propose a change (see `parse_change`) at the leader and let it settle."""
        node = self.leader
        node.validate_conf_change(parse_change(text))
        index = node.propose_config(text.encode())
        for _ in range(4):
            self.settle()
            self.tick(node.id)
        self.settle()
        return index

    def compact(self, id: NodeId, index: int | None = None) -> SnapshotMeta:
        """Make a snapshot of what `id` has applied, and cut its log."""
        machine = self.machines[id]
        if index is None:
            index = min(machine.applied_index, machine.node.durable_index)
        if index <= machine.storage.first_index() - 1:
            return machine.storage.snapshot()
        state = machine.conf_state_at[max(at for at in machine.conf_state_at if at <= index)]
        snapshot = machine.storage.make_snapshot(index, state)
        machine.storage.compact(index)
        return snapshot


def describe(message: Message) -> str:
    """One message in one line, with what its kind uses."""
    words = [f"{message.sender}->{message.to}", message.kind.name.lower().replace("_", "-"), f"term={message.term}"]
    match message.kind:
        case Kind.APPEND:
            words.append(f"prev={message.index}/{message.log_term}")
            if message.entries:
                words.append("entries=" + ",".join(describe_entry(entry) for entry in message.entries))
            words.append(f"commit={message.commit}")
        case Kind.APPEND_REPLY if message.reject:
            words.append(f"reject={message.index} hint={message.reject_hint}/{message.log_term}")
        case Kind.APPEND_REPLY:
            words.append(f"index={message.index}")
        case Kind.HEARTBEAT:
            words.append(f"commit={message.commit}")
        case Kind.VOTE | Kind.PRE_VOTE:
            words.append(f"last={message.index}/{message.log_term}")
            if message.context:
                words.append(message.context.decode())
        case Kind.VOTE_REPLY | Kind.PRE_VOTE_REPLY:
            words.append("refused" if message.reject else "granted")
        case Kind.SNAPSHOT if message.snapshot is not None:
            state = message.snapshot.conf_state
            words.append(f"snapshot={message.snapshot.index}/{message.snapshot.term} {describe_conf(state)}")
        case Kind.READ_INDEX:
            words.append(message.context.decode())
        case Kind.READ_INDEX_REPLY:
            words.append(f"{message.context.decode()} index={message.index}")
        case _:
            pass
    if message.kind in (Kind.HEARTBEAT, Kind.HEARTBEAT_REPLY) and message.context:
        words.append(f"read={int.from_bytes(message.context, 'big')}")
    return " ".join(words)


def describe_entry(entry: Entry) -> str:
    text = f"{entry.index}/{entry.term}"
    if entry.kind is EntryKind.CONFIG:
        return f"{text}:config[{entry.data.decode()}]"
    return f"{text}:{entry.data.decode()}" if entry.data else text


def describe_conf(state: ConfState) -> str:
    text = f"voters={','.join(state.voters)}"
    if state.voters_outgoing:
        text += f"&{','.join(state.voters_outgoing)}"
    if state.learners:
        text += f" learners={','.join(state.learners)}"
    if state.learners_next:
        text += f" learners-next={','.join(state.learners_next)}"
    return text + (" auto-leave" if state.auto_leave else "")


def hard(term: int, vote: str = "", commit: int = 0) -> HardState:
    return HardState(term, vote, commit)


def storage_with(
    terms: Iterable[int], *, voters: str = "123", term: int = 0, vote: str = "", commit: int = 0
) -> MemoryStorage:
    """A disk whose log has entries of these terms; the term is that of the last entry unless told."""
    terms = tuple(terms)
    storage = MemoryStorage(conf_state(voters))
    storage.persist(
        HardState(term or (terms[-1] if terms else 0), vote, commit),
        [Entry(entry_term, index, b"%d" % index) for index, entry_term in enumerate(terms, 1)],
    )
    return storage
