"""One Raft group on this node: log, core, executor and state, and the loop that moves work between them.

The core decides, `pump` does, in the order that `raft.ready` promises is safe. Nothing here waits: messages are posted,
writes to the log go to the log writer's thread and come back as a callback, flushes go to the flusher's thread. So
there is no task per request and no await on the way of a write; everything runs in callbacks of one event loop.

    front end -> executor -> propose -> [core] -> messages to peers
                                              \\-> log writer -> persisted -> [core] -> committed -> applied -> replies

A node may hold several groups; nothing in here is global.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from pathlib import Path

from elastickv.clock import Clock
from elastickv.errors import Fault, KvError
from elastickv.kv.executor import Executor, Lease, ReadRound
from elastickv.kv.hybrid_clock import HybridClock
from elastickv.kv.state_machine import StateMachine
from elastickv.kv.view import Batch, View
from elastickv.raft.node import DropReason, ProposalDropped, RawNode
from elastickv.raft.ready import Ready
from elastickv.raft.types import (
    ConfState,
    Entry,
    EntryKind,
    Kind,
    Member,
    Message,
    NodeId,
    Role,
    SnapshotMeta,
)
from elastickv.runtime.flushing import Flushing
from elastickv.runtime.founding import Founder, founding_log, new_cluster_id
from elastickv.runtime.gate import Gate, binding
from elastickv.runtime.group_log import GroupLog
from elastickv.runtime.read_rounds import ReadRounds
from elastickv.runtime.settings import GroupSettings
from elastickv.runtime.snapshots import Snapshots
from elastickv.runtime.waiting import Waiting
from elastickv.storage.codec import decode_conf_change
from elastickv.storage.data_dir import DataDirectory
from elastickv.storage.engine import Applied
from elastickv.storage.lmdb_engine import LmdbEngine
from elastickv.storage.log_writer import LogWriter
from elastickv.transport.base import Hello, PeerTransport, Refusal

_log = logging.getLogger(__name__)


class Group:
    """Owns everything of one group. Implements `executor.Replicator` and `transport.Inbox`."""

    def __init__(
        self,
        settings: GroupSettings,
        data_dir: DataDirectory,
        transport: PeerTransport,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        rng: random.Random,
    ) -> None:
        self.settings = settings
        self.data_dir = data_dir
        self.transport = transport
        self.clock = clock
        self.loop = loop
        self.waiting = Waiting(loop)
        self.gate = Gate(settings.node_id, self.hello, self._adopt_cluster)
        self.engine = self.open_engine()
        self.log = GroupLog(data_dir.log_dir, first_map_bytes=settings.map_bytes, cache_bytes=settings.log_cache_bytes)
        self._reconcile()
        applied = self.engine.applied()
        self.conf_state: ConfState = applied.conf_state
        self.conf_index = applied.conf_index
        self.view = View(self.engine, HybridClock(clock))
        self.machine = StateMachine(self.view, applied.index, applied.term)
        self.executor = Executor(
            self.view, self, clock, loop.call_soon, loop.call_later, request_timeout=settings.request_timeout
        )
        self.log.set_conf_state(applied.conf_state, applied.index)
        self.node = RawNode(settings.raft_config(), self.log, rng, applied=applied.index, now=clock.monotonic())
        self.gate.configure(self.conf_state)
        self.writer = LogWriter(
            self.log,
            loop,
            on_persisted=self._on_persisted,
            on_error=self._on_log_error,
            on_recovered=self._on_log_recovered,
        )
        self.flushing = Flushing(self)
        self.snapshots = Snapshots(self)
        self.founding_problem = ""
        self.on_fatal: Callable[[str], None] = lambda reason: None
        """Called when this node cannot go on."""
        self.stopping = False
        self.stopped = False
        self.leader_changes = 0
        self.proposals_failed = 0
        self.watchers: list[Callable[[], None]] = []
        self._pending: deque[tuple[int, tuple[Message, ...], bool]] = deque()
        """Readies whose promises wait for the disk: (number, promises, goes to disk)."""
        self.rounds = ReadRounds(self, rng.getrandbits(62))
        self._pump_scheduled = False
        self._pumping = False
        self.paused = False
        """A snapshot is being installed: the core may be fed, but its work waits."""
        self._known_leader: tuple[int, NodeId, Role] = (0, "", Role.FOLLOWER)
        self._tick_handle: asyncio.TimerHandle | None = None
        self._ticked_at = 0.0
        self._longest_burst = settings.raft_config().election_ticks + 1
        """A leader that was held up catches up with its ticks, so that it steps down if nobody answered meanwhile."""
        self._bind_after = 0.0
        self._stepped_aside = 0
        self._founder_task: asyncio.Task[None] | None = None

    # life

    def _reconcile(self) -> None:
        """Make log and state agree after a crash between two of their commits.

        The state is only ever flushed behind the log, so a state that is ahead of the log, or that the log's term
        contradicts, is a snapshot that was installed just before the crash: the log starts anew behind it.
        """
        applied = self.engine.applied()
        first, last = self.log.first_index(), self.log.last_index()
        consistent = first - 1 <= applied.index <= last and self.log.term(applied.index) == applied.term
        if not consistent:
            if applied.index < first - 1:
                raise KvError(
                    Fault.INTERNAL,
                    f"the log begins at {first} but the state only reaches {applied.index}: "
                    "the data directory has lost files",
                )
            _log.warning("log restarts behind the state at index %d", applied.index)
            self.log.install_snapshot(SnapshotMeta(applied.index, applied.term, applied.conf_state))

    async def start(self, *, bootstrap: bool, members: tuple[Member, ...]) -> None:
        """Begin to talk and to tick; found the cluster when asked to and safe. `members` empty: this node alone."""
        await self.transport.start(self)
        self.transport.set_peers(self.gate.members)
        self._ticked_at = self.clock.monotonic()
        self._tick_handle = self.loop.call_later(self.settings.tick_interval, self._tick)
        if self.gate.voters == {self.settings.node_id}:
            # Nobody else could win, so there is nothing to wait for.
            self.node.campaign()
            self.kick()
        if not bootstrap:
            return
        if not self.fresh:
            _log.info("this node has state: bootstrap flags are ignored", extra={"cluster": self.data_dir.cluster_id})
            return
        own = Member(self.settings.node_id, self.settings.address, self.data_dir.instance)
        voters = tuple(own if one.id == own.id else one for one in members) or (own,)
        if len(voters) == 1:
            self._found(voters)
        else:
            self._founder_task = self.loop.create_task(self._found_when_safe(voters), name="founding")

    async def _found_when_safe(self, voters: tuple[Member, ...]) -> None:
        founder = Founder(self.settings.node_id, voters, self.transport, self._report_founding)
        if await founder.may_found(lambda: self.fresh and not self.stopping):
            self._found(voters)
        self._report_founding("")

    def _report_founding(self, problem: str) -> None:
        self.founding_problem = problem
        self._notify()

    def _found(self, voters: tuple[Member, ...]) -> None:
        cluster_id = new_cluster_id()
        entries, hard_state = founding_log(voters)
        self.log.bootstrap(entries, hard_state)
        self.data_dir.set_cluster_id(cluster_id)
        _log.info("cluster founded", extra={"cluster": cluster_id, "members": ",".join(one.id for one in voters)})
        # The core reads its storage once, at birth: it is born again over the log that now exists.
        self.node = RawNode(
            self.settings.raft_config(),
            self.log,
            random.Random(random.getrandbits(64)),
            applied=self.machine.index,
            now=self.clock.monotonic(),
        )
        self.founding_problem = ""
        self.pump()
        self.node.campaign()
        self.pump()

    async def stop(self) -> None:
        """Stop ticking, wait for the disk, flush, close. The lead should have been handed over before."""
        if self.stopped:
            return
        self.stopping = True
        if self._tick_handle is not None:
            self._tick_handle.cancel()
        if self._founder_task is not None:
            self._founder_task.cancel()
            await asyncio.gather(self._founder_task, return_exceptions=True)
        self.executor.end()
        await self.transport.stop()
        await self.snapshots.stop()
        await asyncio.to_thread(self.writer.stop)
        await self.flushing.stop()
        self.waiting.close(KvError(Fault.SHUTTING_DOWN))
        self.rounds.fail(Fault.SHUTTING_DOWN)
        self.stopped = True
        self.log.close()
        self.engine.close()
        self.data_dir.close()
        self._notify()

    # time

    def _tick(self) -> None:
        now = self.clock.monotonic()
        interval = self.settings.tick_interval
        self._tick_handle = self.loop.call_later(interval, self._tick)
        missed = int((now - self._ticked_at) / interval)
        if missed > 1 and self.node.role is not Role.LEADER:
            # This process was held up. That others were silent meanwhile proves nothing, so no hurry to campaign.
            missed = 1
        if missed <= 0:
            return
        # What is left over of a tick counts towards the next one, unless there was a pause.
        self._ticked_at = now if now - self._ticked_at > 2 * interval else self._ticked_at + missed * interval
        missed = min(missed, self._longest_burst)
        for _ in range(missed):
            self.node.tick(now)
            if self.node.role is not Role.LEADER:
                break
        self.pump()
        self.flushing.tick(now)
        self.snapshots.tick(now)
        if self.executor.serving:
            if self.view.forming:
                self.executor.seal()
            if now >= self._bind_after:
                self._bind_instances(now)
            if self.flushing.disk_full:
                self._step_aside()

    def _step_aside(self) -> None:
        """This leader's disk is full: hand the lead to a voter whose disk may have space, once per time it fills up."""
        if self._stepped_aside == self.flushing.disk_full_episodes:
            return
        self._stepped_aside = self.flushing.disk_full_episodes
        status = self.node.status()
        fit = {
            one: progress.match
            for one, progress in status.progress.items()
            if one in self.gate.voters and one != status.id and progress.recent_active
        }
        if fit:
            target = max(fit, key=lambda one: (fit[one], one))
            _log.warning("the disk is full: handing the lead over", extra={"member": target})
            self.node.transfer_leadership(target)
            self.kick()

    def _bind_instances(self, now: float) -> None:
        """Write the instances of members that were met for the first time into the configuration."""
        self._bind_after = now + 0.2
        unbound = self.gate.unbound()
        if unbound and self.node.leader_ready:
            try:
                self.node.propose_config(binding(unbound))
            except ProposalDropped:
                return
            self.kick()

    # identity (transport.Inbox)

    @property
    def fresh(self) -> bool:
        """No cluster, no vote, no log."""
        return not self.data_dir.cluster_id and self.node.term == 0 and self.node.last_index == 0

    def hello(self) -> Hello:
        return Hello(
            cluster_id=self.data_dir.cluster_id,
            node_id=self.settings.node_id,
            instance=self.data_dir.instance,
            address=self.settings.address,
            version=self.settings.version,
            fresh=self.fresh,
            configuration_index=self.conf_index,
        )

    def _adopt_cluster(self, cluster_id: str) -> None:
        self.data_dir.set_cluster_id(cluster_id)
        _log.info("joined cluster", extra={"cluster": cluster_id})

    def check_peer(self, peer: Hello) -> Refusal | None:
        return self.gate.check(peer)

    def peer_refused_us(self, node_id: NodeId, refusal: Refusal) -> None:
        self.gate.refused_us(node_id, refusal)
        self._notify()

    def deliver(self, message: Message) -> None:
        if self.stopping:
            return
        now = self.clock.monotonic()
        self.gate.heard_at[message.sender] = now
        self.node.step(message)
        self.kick()

    def unreachable(self, node_id: NodeId) -> None:
        if not self.stopping:
            self.node.report_unreachable(node_id)

    def deliver_snapshot(self, message: Message, directory: Path) -> None:
        self.snapshots.arrived(message, directory)

    # the pump

    def kick(self) -> None:
        """Look for work of the core at the end of this turn."""
        if not self._pump_scheduled:
            self._pump_scheduled = True
            self.loop.call_soon(self._pump_turn)

    def _pump_turn(self) -> None:
        self._pump_scheduled = False
        self.pump()

    def pump(self) -> None:
        """Do all the work that the core has ready."""
        if self._pumping or self.paused or self.stopped:
            return
        self._pumping = True
        try:
            while self.node.has_ready() and not self.paused:
                self._handle(self.node.ready())
        except Exception as error:
            # Lost disk contents or a defect. To go on half-way would be worse than to stop.
            _log.critical("the node cannot go on", exc_info=True)
            self.stopping = True
            self.fatal(f"the node cannot go on: {error}")
            return
        finally:
            self._pumping = False
        self.snapshots.check_wanted()

    def _handle(self, ready: Ready) -> None:
        post = self.transport.post
        for message in ready.messages:
            if message.kind is Kind.SNAPSHOT:
                self.snapshots.send(message)
            else:
                post(message)
        if ready.snapshot is not None:
            self.paused = True
            self.snapshots.install(ready)
            return
        self.handle_rest(ready)

    def handle_rest(self, ready: Ready) -> None:
        """Everything of a Ready that comes after its messages and its snapshot."""
        # A follower's answer waits for its disk and for nothing else, so the write is done at once where it can be.
        now = (
            ready.must_sync
            and not self._pending
            and ready.snapshot is None
            and self.node.role is not Role.LEADER
            and self.writer.append_now(ready.hard_state, ready.entries)
        )
        if ready.must_sync and not now:
            self._pending.append((ready.number, ready.promises, True))
            self.writer.append(ready.number, ready.hard_state, ready.entries, snapshot=ready.snapshot)
        elif self._pending:
            self._pending.append((ready.number, ready.promises, False))
        else:
            self.node.persisted(ready.number)
            for message in ready.promises:
                self.transport.post(message)
        if ready.role_changed:
            self._role_changed()
        if ready.committed:
            self._apply(ready.committed)
        for state in ready.read_states:
            self.rounds.came(state.context, state.index)

    def _on_persisted(self, number: int) -> None:
        pending = self._pending
        post = self.transport.post
        self.node.persisted(number)
        while pending and (pending[0][0] <= number or not pending[0][2]):
            done, promises, _ = pending.popleft()
            if done > number:
                self.node.persisted(done)
            for message in promises:
                post(message)
        self.pump()

    def _on_log_error(self, error: Exception) -> None:
        if isinstance(error, KvError) and error.fault is Fault.DISK_FULL:
            self.flushing.disk_trouble(str(error))
        else:
            _log.critical("the log cannot be written; this node stops", exc_info=error)
            self.fatal(f"the log cannot be written: {error}")

    def _on_log_recovered(self) -> None:
        _log.info("the log can be written again")
        self.flushing.disk_recovered()

    def _apply(self, entries: tuple[Entry, ...]) -> None:
        executor, machine = self.executor, self.machine
        done: list[Batch] = []
        for entry in entries:
            index, term = entry.index, entry.term
            if entry.kind is EntryKind.CONFIG:
                self._apply_config(entry)
                machine.skip(index, term)
            else:
                own = executor.take_own(index, term) if entry.data else None
                if own is not None:
                    machine.apply_batch(index, term, *own)
                    done.append(own[0])
                else:
                    machine.apply_data(index, term, entry.data)
            if executor.has_orphans:
                executor.entry_applied(index, term)
        self.node.applied_to(machine.index)
        self.flushing.note_applied(machine.index, sum([len(entry.data) for entry in entries]))
        self.waiting.applied(machine.index, entries)
        self.rounds.applied()
        if not executor.serving and self.node.leader_ready and machine.index >= self.node.noop_index:
            _log.info("leading", extra={"term": self.node.term})
            executor.begin(self.node.term)
            self._notify()
        for batch in done:
            executor.committed(batch)

    def _apply_config(self, entry: Entry) -> None:
        change = decode_conf_change(entry.data)
        try:
            self.conf_state = self.node.apply_conf_change(change)
        except ValueError as error:
            # Every node judges alike, and for every one of them the configuration stays as it was.
            _log.error("a configuration change did not fit: %s", error, extra={"index": entry.index})
        self.conf_index = entry.index
        self.gate.configure(self.conf_state)
        self.transport.set_peers(self.gate.members)
        self._notify()

    def _role_changed(self) -> None:
        node = self.node
        known = (node.term, node.leader, node.role)
        if known[1] and known[1] != self._known_leader[1]:
            self.leader_changes += 1
            _log.info("leader is %s", node.leader, extra={"term": node.term})
        self._known_leader = known
        if self.executor.serving and (node.role is not Role.LEADER or not node.leader_ready):
            _log.info("no longer leading", extra={"term": node.term})
            self.executor.end()
            self.rounds.fail(Fault.NOT_LEADER)
        self._notify()

    def _notify(self) -> None:
        for watcher in list(self.watchers):
            watcher()

    # executor.Replicator

    def propose(self, data: bytes) -> int:
        try:
            index = self.node.propose(data)
        except ProposalDropped as dropped:
            self.proposals_failed += 1
            raise self.dropped(dropped) from dropped
        self.kick()
        return index

    def dropped(self, dropped: ProposalDropped) -> KvError:
        """The fault that stands for a dropped proposal."""
        if dropped.reason is DropReason.UNCOMMITTED_LIMIT:
            return KvError(Fault.OVERLOAD, "too many writes wait for a majority")
        if dropped.reason is DropReason.CONFIG_PENDING:
            return KvError(Fault.CONFLICT, "a configuration change is pending")
        if dropped.reason in (DropReason.ALREADY_JOINT, DropReason.NOT_JOINT):
            return KvError(
                Fault.CONFLICT,
                "the configuration is joint"
                if dropped.reason is DropReason.ALREADY_JOINT
                else "the configuration is not joint",
            )
        if dropped.reason is DropReason.TRANSFERRING:
            return KvError(Fault.CONFLICT, "the leadership is being transferred")
        return self.not_leader()

    def not_leader(self) -> KvError:
        leader = self.node.leader
        address = self.address_of(leader)
        message = f"node {self.settings.node_id} is not the leader"
        message += f"; the leader is {leader} at {address}" if leader else "; no leader is known"
        return KvError(Fault.NOT_LEADER, message, leader_id=leader, leader_address=address)

    def address_of(self, node_id: NodeId) -> str:
        member = self.gate.members.get(node_id)
        return member.address if member is not None else ""

    def proposals_paused(self) -> bool:
        return bool(self.node.transferring)

    @property
    def lease(self) -> Lease:
        return self.node.lease

    def begin_read(self, round: ReadRound) -> bool:
        return self.rounds.start(round)

    def fatal(self, reason: str) -> None:
        """This node cannot go on: stop it, so that a supervisor starts it anew."""
        self.founding_problem = reason
        self._notify()
        self.on_fatal(reason)

    def open_engine(self) -> LmdbEngine:
        return LmdbEngine(self.data_dir.state_dir, first_map_bytes=self.settings.map_bytes)

    # marks

    def last_log_term(self) -> int:
        return self.node.term if self.node.role is Role.LEADER else self.log.term(self.log.last_index())

    def applied_mark(self) -> Applied:
        return Applied(self.machine.index, self.machine.term, self.conf_state, self.conf_index)
