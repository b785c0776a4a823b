"""The driver of one simulated node: does what a Ready says, to the letter of the contract in `raft.ready`.

Messages leave at once. Snapshot, hard state and entries of a Ready are one unit for the disk; several may be queued,
and the writer takes as many as it likes in one sync. When the disk has said yes, the core is told (perhaps a little
later) and the promises leave. Committed entries are applied at once or a little later, before or after the disk has
them; but the state machine makes itself durable only up to what the log on disk has.

A node has an ID, an instance (the identity of its disk) and lives: each restart is a new life, and what an earlier life
had asked the loop for is void.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from elastickv.drill.history import Value
from elastickv.raft.config import RaftConfig
from elastickv.raft.node import ProposalDropped, RawNode
from elastickv.raft.ready import Ready
from elastickv.raft.types import ConfState, Entry, EntryKind, Kind, Message, NodeId, ReadState, Role
from tests.kit.sim.disk import SimDisk, Unit
from tests.kit.sim.loop import NodeClock
from tests.kit.sim.machine import Command, Image, Machine, decode_change
from tests.kit.sim.profile import ELECTION_TICKS, HEARTBEAT_TICKS, LEASE_SECONDS, TICK_SECONDS

if TYPE_CHECKING:
    from tests.kit.sim.cluster import Cluster

MAX_ROUNDS = 10_000
"""Readies that one input may cause; more is a core that never comes to rest."""

ANSWERS = frozenset(
    {Kind.APPEND_REPLY, Kind.HEARTBEAT_REPLY, Kind.PRE_VOTE_REPLY, Kind.VOTE_REPLY, Kind.READ_INDEX_REPLY}
)
"""Messages that answer a question of their receiver; `network` says why that matters."""


@dataclass(slots=True)
class Waiting:
    """A proposal whose client waits."""

    term: int
    done: Callable[[str, Value], None]


Answer = Callable[[str, Value], None]
"""("ok", result), ("fail", None) or ("unknown", None); for reads the value."""


class SimNode:
    """`raw` is None while the process is down."""

    def __init__(self, cluster: Cluster, id: NodeId, instance: str, disk: SimDisk, clock: NodeClock) -> None:
        self.cluster = cluster
        self.id = id
        self.instance = instance
        self.disk = disk
        self.clock = clock
        self.life = 0
        self.raw: RawNode | None = None
        self.paused = False
        self.retired = False
        """Its disk is gone: another instance has taken its place."""
        self.machine = Machine(disk.image)
        self.slow_disk_until = 0.0
        self._inbox: deque[Callable[[], None]] = deque()
        self._heard: dict[NodeId, str] = {}
        """The instance from which the last message of each peer came: where answers go."""
        self._queue: deque[Unit] = deque()
        self._writing: list[Unit] = []
        self._report_at = 0.0
        self._apply_queue: deque[Entry] = deque()
        self._applying = False
        self._writes: dict[int, Waiting] = {}
        self._reads: dict[bytes, tuple[str, Answer]] = {}
        self._ready_reads: list[tuple[int, str, Answer]] = []
        self._incoming: dict[tuple[int, int], Image] = {}

    # -- life and death -----------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return self.raw is not None and not self.paused

    @property
    def leading(self) -> bool:
        return self.raw is not None and self.raw.role is Role.LEADER

    def start(self) -> None:
        """A new process finds what the disk kept."""
        assert self.raw is None
        cluster, profile = self.cluster, self.cluster.profile
        self.life += 1
        self.machine = Machine(self.disk.image)
        config = RaftConfig(
            id=self.id,
            heartbeat_ticks=HEARTBEAT_TICKS,
            election_ticks=ELECTION_TICKS,
            lease_seconds=LEASE_SECONDS,
            max_append_bytes=profile.max_append_bytes,
            max_inflight_appends=profile.max_inflight,
            max_committed_bytes_per_ready=profile.max_committed_bytes,
        )
        self.raw = cluster.core(
            config,
            self.disk,
            random.Random(cluster.rng.getrandbits(64)),
            applied=self.machine.applied,
            now=self.clock.now(),
        )
        cluster.invariants.started(self)
        cluster.note(self.id, "start", self.life)
        self._later(self.clock.real(TICK_SECONDS) * cluster.rng.random(), self._tick)
        self._later(profile.flush_seconds * cluster.rng.random(), self._flush)
        self._work()

    def crash(self, *, power: bool) -> None:
        """kill -9, or the plug is pulled."""
        if self.raw is None:
            return
        rng = self.cluster.rng
        self.cluster.note(self.id, "power" if power else "crash", self.life)
        # Of the group being written some beginning has reached the disk; the unit behind it is torn.
        for unit in self._writing[: rng.randint(0, len(self._writing))]:
            self.disk.write(unit, synced=True)
        if power:
            self.disk.lose_power()
        self.life += 1
        self.raw = None
        self.paused = False
        for waiting in list(self._writes.values()):
            waiting.done("unknown", None)
        for _, answer in self._reads.values():
            answer("unknown", None)
        for _, _, answer in self._ready_reads:
            answer("unknown", None)
        self._inbox.clear()
        self._queue.clear()
        self._writing = []
        self._apply_queue.clear()
        self._applying = False
        self._writes.clear()
        self._reads.clear()
        self._ready_reads.clear()
        self._incoming.clear()
        self._heard.clear()

    def pause(self) -> None:
        """SIGSTOP: the process stands still, its disk finishes what it was given, its clock goes on."""
        if self.raw is not None:
            self.cluster.note(self.id, "pause", self.life)
            self.paused = True

    def resume(self, life: int) -> None:
        """What came meanwhile is found in the buffers, all at once; one tick at most, never a burst of them."""
        if not self.paused or life != self.life:
            return
        self.cluster.note(self.id, "resume", self.life)
        self.paused = False
        while self._inbox and not self.paused and life == self.life:
            self._inbox.popleft()()

    def _later(self, delay: float, action: Callable[[], None]) -> None:
        """Unless the process ends before; a frozen process does it when it wakes up."""
        life = self.life

        def act() -> None:
            if life != self.life:
                return
            if self.paused:
                self._inbox.append(action)
            else:
                action()

        self.cluster.loop.after(delay, act)

    # -- what happens to it -------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        raw = self.raw
        assert raw is not None
        raw.tick(self.clock.now())
        self._work()
        # A tick may come late and is then not made up for; it never comes early.
        rng = self.cluster.rng
        late = rng.expovariate(20.0) if rng.random() < 0.1 else 0.0
        self._later(self.clock.real(TICK_SECONDS) + late, self._tick)

    def receive(self, message: Message, instance: str, image: Image | None) -> bool:
        """False when nobody was there."""
        if self.raw is None:
            return False
        if self.paused:
            if len(self._inbox) < 200:
                self._inbox.append(lambda: self._step(message, instance, image))
            return True
        self._step(message, instance, image)
        return True

    def _step(self, message: Message, instance: str, image: Image | None) -> None:
        raw = self.raw
        assert raw is not None
        if message.kind in ANSWERS and self._known_instance(message.sender) not in ("", instance):
            return
        self._heard[message.sender] = instance
        if image is not None:
            self._incoming[image.meta.index, image.meta.term] = image
        self.cluster.note(self.id, "step", message)
        raw.step(message, self.clock.now())
        self._work()

    def _known_instance(self, node: NodeId) -> str:
        assert self.raw is not None
        for member in self.raw.conf_state.members:
            if member.id == node:
                return member.instance
        return ""

    def address_of(self, node: NodeId, *, answer: bool) -> str:
        return self._heard.get(node, "") if answer else self._known_instance(node)

    def unreachable(self, to: NodeId, life: int) -> None:
        if self.running and self.raw is not None and life == self.life:
            self.raw.report_unreachable(to)
            self._work()

    def snapshot_reported(self, to: NodeId, ok: bool, life: int) -> None:
        def report() -> None:
            assert self.raw is not None
            self.raw.report_snapshot(to, ok)
            self._work()

        if self.raw is not None and life == self.life:
            if self.paused:
                self._inbox.append(report)
            else:
                report()

    # -- what clients and operators ask -------------------------------------------------------------------------------

    def write(self, command: Command, answer: Answer) -> None:
        """Each write is answered once: ok with its result, fail when it is provably in no log, else unknown."""
        raw = self.raw
        if raw is None or self.paused:
            answer("fail", None)
            return
        try:
            index = raw.propose(command.encode())
        except ProposalDropped:
            answer("fail", None)
            return
        self.cluster.note(self.id, "propose", (index, command))
        older = self._writes.pop(index, None)
        if older is not None:
            older.done("unknown", None)  # of an earlier term in which this node led
        self._writes[index] = Waiting(raw.term, answer)
        self._work()

    def read(self, key: str, answer: Answer) -> None:
        """From memory while the lease holds, else after asking a majority."""
        raw = self.raw
        if raw is None or self.paused:
            answer("fail", None)
            return
        if raw.role is Role.LEADER and raw.noop_index and self.machine.applied >= raw.noop_index:
            # The lease says that nobody else has committed anything, so what is committed here is everything. The
            # machine may lag behind that, and a follower may already have shown what is still to be applied here.
            index, value = raw.commit, self.machine.values.get(key)
            # The clock is asked *after* we looked: the lease must have held while we did.
            if self.clock.now() < raw.lease_until:
                self.cluster.lease_reads += 1
                if index <= self.machine.applied:
                    answer("ok", value)
                else:
                    self._ready_reads.append((index, key, answer))
                return
        context = self.cluster.next_read().to_bytes(8, "big")
        if not raw.read_index(context):
            answer("fail", None)
            return
        self._reads[context] = (key, answer)
        self._work()

    def propose_config(self, data: bytes) -> bool:
        raw = self.raw
        if raw is None or self.paused:
            return False
        try:
            index = raw.propose_config(data)
        except ProposalDropped:
            return False
        self.cluster.note(self.id, "propose_config", (index, data))
        self._work()
        return True

    def transfer(self, to: NodeId) -> None:
        if self.raw is not None and not self.paused:
            try:
                self.raw.transfer_leadership(to)
            except (ValueError, ProposalDropped):
                return
            self.cluster.note(self.id, "transfer", to)
            self._work()

    def campaign(self) -> None:
        if self.raw is not None and not self.paused:
            self.cluster.note(self.id, "campaign", None)
            self.raw.campaign()
            self._work()

    # -- the Ready loop -----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        raw = self.raw
        assert raw is not None
        rounds = 0
        while raw.has_ready():
            rounds += 1
            if rounds > MAX_ROUNDS:
                raise AssertionError(f"{self.id} never runs out of work")
            self._handle(raw.ready())
        self.cluster.invariants.rested(self)

    def _handle(self, ready: Ready) -> None:
        raw, cluster = self.raw, self.cluster
        assert raw is not None
        cluster.note(self.id, "ready", ready)
        cluster.invariants.handed_out(self, ready)
        self._send(ready.messages)
        image: Image | None = None
        if ready.snapshot is not None:
            image = self._incoming.pop((ready.snapshot.index, ready.snapshot.term))
            # The core stands behind the snapshot already. What was committed before and waits here to be applied is
            # contained in it, and its configuration changes would meet the configuration of the snapshot.
            self._apply_queue.clear()
        writes = image is not None or ready.hard_state is not None or bool(ready.entries)
        if writes or ready.promises:
            self._queue.append(
                Unit(ready.number, ready.hard_state, ready.entries, image, ready.must_sync, ready.promises)
            )
            if not self._writing:
                self._start_writing()
        if ready.read_states:
            self._confirm_reads(ready.read_states)
        if ready.committed:
            self._apply_queue.extend(ready.committed)
            if cluster.profile.apply_seconds == 0.0:
                self._apply()
            elif not self._applying:
                self._applying = True
                self._later(cluster.rng.expovariate(1.0) * cluster.profile.apply_seconds, self._apply_later)
        if ready.role_changed and raw.role is not Role.LEADER and self._writes and cluster.rng.random() < 0.5:
            # The lead is lost and the entries are in a log: nobody knows. (Waiting on is as right; see `_apply`.)
            for waiting in self._writes.values():
                waiting.done("unknown", None)
            self._writes.clear()

    def _send(self, messages: tuple[Message, ...]) -> None:
        for message in messages:
            self.cluster.invariants.sent(self, message)
            image: Image | None = None
            if message.kind is Kind.SNAPSHOT:
                assert message.snapshot is not None
                image = self.disk.image_at(message.snapshot.index)
                if image is None:
                    self.snapshot_reported(message.to, False, self.life)
                    continue
            self.cluster.network.send(self, message, image)

    # -- disk ---------------------------------------------------------------------------------------------------------

    def _start_writing(self) -> None:
        cluster = self.cluster
        rng, profile = cluster.rng, cluster.profile
        count = len(self._queue) if rng.random() < 0.8 else rng.randint(1, len(self._queue))
        self._writing = [self._queue.popleft() for _ in range(count)]
        if any(unit.must_sync for unit in self._writing):
            delay = rng.expovariate(1.0) * profile.disk_seconds
            if cluster.loop.now < self.slow_disk_until:
                delay += rng.random() * 1.5
        else:
            delay = 0.0
        life, group = self.life, self._writing
        # The disk goes on while the process is frozen, so this is not `_later`.
        cluster.loop.after(delay, lambda: self._written(group, life))

    def _written(self, group: list[Unit], life: int) -> None:
        if life != self.life:
            return
        synced = any(unit.must_sync for unit in group)
        for unit in group:
            self.disk.write(unit, synced=synced)
        self._writing = []
        cluster = self.cluster
        if cluster.profile.notify_seconds:
            notify = cluster.rng.expovariate(1.0) * cluster.profile.notify_seconds
            # Reports come in the order of the writes, however late.
            self._report_at = max(self._report_at, cluster.loop.now + notify)
            self._later(self._report_at - cluster.loop.now, lambda: self._reported(group))
        elif self.paused:
            self._inbox.append(lambda: self._reported(group))
        else:
            self._reported(group)
        if self._queue and not self._writing:
            self._start_writing()

    def _reported(self, group: list[Unit]) -> None:
        raw = self.raw
        assert raw is not None
        for unit in group:
            if unit.image is not None:
                self._install(unit.image)
        raw.persisted(group[-1].number)
        for unit in group:
            self._send(unit.promises)
        self._work()

    def _install(self, image: Image) -> None:
        """The state machine jumps to the snapshot, at the moment at which log and state on disk do."""
        if image.meta.index <= self.machine.applied:
            return
        self.machine.install(image)
        self.cluster.snapshots += 1
        self.cluster.invariants.installed(self, image)
        for index in [index for index in self._writes if index <= image.meta.index]:
            self._writes.pop(index).done("unknown", None)
        self._answer_reads()

    def _flush(self) -> None:
        """The state machine makes itself durable, as far as the log is, and the log is cut behind it."""
        cluster, raw = self.cluster, self.raw
        assert raw is not None
        rng, profile = cluster.rng, cluster.profile
        self.disk.snapshot_ready = rng.random() < 0.9
        if self.machine.applied <= raw.durable_index:
            image = self.machine.image()

            def flushed() -> None:
                self.disk.flush(image)
                if rng.random() < 0.7:
                    self.disk.compact(image.meta.index - rng.randint(0, profile.kept_entries))

            self._later(rng.expovariate(1.0) * profile.disk_seconds, flushed)
        self._later(profile.flush_seconds * (0.5 + rng.random()), self._flush)

    # -- applying -----------------------------------------------------------------------------------------------------

    def _apply_later(self) -> None:
        self._applying = False
        self._apply()
        self._work()

    def _apply(self) -> None:
        raw, machine, cluster = self.raw, self.machine, self.cluster
        assert raw is not None
        queue = self._apply_queue
        while queue:
            entry = queue.popleft()
            if entry.index <= machine.applied:
                continue  # a snapshot came in between
            cluster.invariants.applies(self, entry)
            result: Value = None
            if entry.kind is EntryKind.CONFIG:
                self._apply_config(entry)
            elif entry.data:
                result = machine.apply(Command.decode(entry.data))
            machine.applied, machine.applied_term = entry.index, entry.term
            waiting = self._writes.pop(entry.index, None)
            if waiting is not None:
                # Another entry at our index: ours is in no log that counts, and never will be.
                if waiting.term == entry.term:
                    waiting.done("ok", result)
                else:
                    waiting.done("fail", None)
        raw.applied_to(machine.applied)
        self._answer_reads()

    def _apply_config(self, entry: Entry) -> None:
        assert self.raw is not None
        try:
            conf_state: ConfState = self.raw.apply_conf_change(decode_change(entry.data))
        except ValueError:
            conf_state = self.machine.conf_state  # refused, on every node alike
        self.machine.set_configuration(conf_state)
        self.cluster.invariants.configured(self, entry.index, conf_state)

    # -- reads --------------------------------------------------------------------------------------------------------

    def _confirm_reads(self, states: tuple[ReadState, ...]) -> None:
        for state in states:
            asked = self._reads.pop(state.context, None)
            if asked is not None:
                self._ready_reads.append((state.index, *asked))
        self._answer_reads()

    def _answer_reads(self) -> None:
        if not self._ready_reads:
            return
        applied, values = self.machine.applied, self.machine.values
        later = []
        for index, key, answer in self._ready_reads:
            if index <= applied:
                answer("ok", values.get(key))
            else:
                later.append((index, key, answer))
        self._ready_reads = later
