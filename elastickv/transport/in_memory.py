"""`PeerTransport` without a network, for tests: delay, loss, doubling, reordering, partitions, all from one seed.

Time belongs to a `Scheduler`. `ManualScheduler` has virtual time and no asyncio: a test, or a simulation, steps from
event to event, and the same seed gives the same run. `LoopScheduler` puts the same network under an asyncio loop. None
of the coroutines here ever suspends, so a simulation may drive them with `run_now`.

Behaviour follows the gRPC transport where a caller can see it: nodes dial the addresses of their members and introduce
themselves, either side may refuse, a link serves both directions whoever opened it, a queue has limits, a broken link
is reported and dialled again. A cut network first swallows messages in silence; only after `detection_seconds` does
the link break. Snapshots go through the same code for disk and checksums, chunk by chunk.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Protocol, TypeVar

from elastickv.clock import ManualClock
from elastickv.raft.types import Member, Message, NodeId, SnapshotMeta
from elastickv.transport.base import Hello, Inbox
from elastickv.transport.introductions import judge_callee, judge_caller
from elastickv.transport.settings import TransportSettings
from elastickv.transport.snapshot_files import Damaged, IncomingFiles, OutgoingFiles, is_disk_full, snapshot_id
from elastickv.transport.wire import WireError, message_bytes

logger = logging.getLogger(__name__)

T = TypeVar("T")


def run_now(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that does not suspend, without a loop."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError("the coroutine waits for something")


class Scheduler(Protocol):
    def now(self) -> float: ...

    def call_at(self, at: float, callback: Callable[[], None]) -> None:
        """Never calls back from within; equal times in the order of the calls."""
        ...


class ManualScheduler:
    """Events in order of their virtual time; the clock moves with them."""

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def now(self) -> float:
        return self.clock.monotonic()

    def call_at(self, at: float, callback: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (at, self._count, callback))

    def step(self) -> bool:
        """Let the next event happen; False when there is none."""
        if not self._events:
            return False
        at, _, callback = heapq.heappop(self._events)
        if at > self.now():
            self.clock.advance(at - self.now())
        callback()
        return True

    def run_for(self, seconds: float) -> None:
        """Let everything happen that is due in the next `seconds`."""
        end = self.now() + seconds
        while self._events and self._events[0][0] <= end:
            self.step()
        if end > self.now():
            self.clock.advance(end - self.now())


class LoopScheduler:
    """The time of the running asyncio loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # asyncio does not keep the order of equal times. So each of its timers lets the earliest of our events
        # happen, whichever that is.
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def now(self) -> float:
        return self._loop.time()

    def call_at(self, at: float, callback: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (at, self._count, callback))
        if at <= self.now():
            self._loop.call_soon(self._next)
        else:
            self._loop.call_at(at, self._next)

    def _next(self) -> None:
        heapq.heappop(self._events)[2]()


@dataclass(slots=True)
class Faults:
    """What happens to traffic. May be changed at any time; chances are between 0 and 1, per message or chunk."""

    min_delay_seconds: float = 0.0002
    max_delay_seconds: float = 0.001
    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    """A reordered message is up to ten times as late, and others overtake it."""
    damage: float = 0.0
    """Chunks of snapshots only: a bit is flipped."""
    detection_seconds: float = 2.0
    """How long a cut stays unnoticed by the links over it."""


class _Link:
    """A stream between two running transports."""

    def __init__(self, opener: InMemoryTransport, callee: InMemoryTransport) -> None:
        self.opener = opener
        self.callee = callee
        self.is_up = True
        self.last_at = {opener.node_id: 0.0, callee.node_id: 0.0}
        """Per receiver: when the latest message that keeps the order arrives."""
        self.queued = {opener.node_id: [0, 0], callee.node_id: [0, 0]}
        """Per receiver: messages and bytes on their way."""

    def other(self, transport: InMemoryTransport) -> InMemoryTransport:
        return self.callee if transport is self.opener else self.opener


class InMemoryNetwork:
    def __init__(self, scheduler: Scheduler, random: Random, faults: Faults | None = None) -> None:
        self.scheduler = scheduler
        self.random = random
        self.faults = faults or Faults()
        self._at: dict[str, InMemoryTransport] = {}
        self._cuts: set[tuple[NodeId, NodeId]] = set()

    def transport(
        self, address: str, incoming: Path | None = None, settings: TransportSettings | None = None
    ) -> InMemoryTransport:
        """A transport that will listen at `address`. Without `incoming` it cannot receive snapshots."""
        return InMemoryTransport(self, address, incoming, settings or TransportSettings())

    # --- faults ---

    def cut(self, sender: NodeId, to: NodeId) -> None:
        """From now on nothing gets from one node to the other; the way back stays open."""
        self._cuts.add((sender, to))
        for transport in list(self._at.values()):
            for link in transport.links:
                ends = (link.opener.node_id, link.callee.node_id)
                if ends in ((sender, to), (to, sender)):
                    self.call_later(self.faults.detection_seconds, lambda link=link: self._detect(link))  # type: ignore[misc]

    def isolate(self, node_id: NodeId) -> None:
        """Cut a node off from all others, in both directions."""
        self.partition({node_id}, {transport.node_id for transport in self._at.values()} - {node_id})

    def partition(self, *groups: Collection[NodeId]) -> None:
        """Cut every way between nodes of different groups."""
        for number, group in enumerate(groups):
            for other in groups[number + 1 :]:
                for left in sorted(group):
                    for right in sorted(other):
                        self.cut(left, right)
                        self.cut(right, left)

    def heal(self) -> None:
        self._cuts.clear()

    def break_links(self, left: NodeId, right: NodeId) -> None:
        """Reset the connections between two nodes; they dial again."""
        for transport in list(self._at.values()):
            for link in list(transport.links):
                if {link.opener.node_id, link.callee.node_id} == {left, right}:
                    self.close_link(link)

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None:
        self.scheduler.call_at(self.scheduler.now() + delay_seconds, callback)

    def is_cut(self, sender: NodeId, to: NodeId) -> bool:
        return (sender, to) in self._cuts

    # --- for the transports ---

    def listen(self, transport: InMemoryTransport) -> None:
        if transport.address in self._at:
            raise OSError(f"{transport.address} is taken")
        self._at[transport.address] = transport

    def forget(self, transport: InMemoryTransport) -> None:
        del self._at[transport.address]

    def find(self, address: str, caller: InMemoryTransport) -> InMemoryTransport | None:
        """Who answers at an address, as seen by a caller: both ways must be open."""
        found = self._at.get(address)
        if found is None or self.is_cut(caller.node_id, found.node_id) or self.is_cut(found.node_id, caller.node_id):
            return None
        return found

    def close_link(self, link: _Link) -> None:
        if not link.is_up:
            return
        link.is_up = False
        for end in (link.opener, link.callee):
            end.links.remove(link)
            end.report_lost(link.other(end).node_id)

    def send(self, link: _Link, message: Message, to: InMemoryTransport) -> None:
        """Put a message on its way; all chances are drawn here."""
        faults, random, now = self.faults, self.random, self.scheduler.now()
        copies = 2 if random.random() < faults.duplicate else 1
        for copy in range(copies):
            delay = random.uniform(faults.min_delay_seconds, faults.max_delay_seconds)
            at = now + delay
            if random.random() < faults.reorder:
                at = now + delay * random.uniform(1.0, 10.0)
            elif copy == 0:
                at = link.last_at[to.node_id] = max(at, link.last_at[to.node_id])
            lost = random.random() < faults.drop
            size = message_bytes(message)
            queued = link.queued[to.node_id]
            queued[0] += 1
            queued[1] += size
            self.scheduler.call_at(at, _Arrival(self, link, message, to, size, lost))

    def _detect(self, link: _Link) -> None:
        left, right = link.opener.node_id, link.callee.node_id
        if self.is_cut(left, right) or self.is_cut(right, left):
            self.close_link(link)


@dataclass(slots=True)
class _Arrival:
    """A message at the far end of a link."""

    network: InMemoryNetwork
    link: _Link
    message: Message
    to: InMemoryTransport
    size: int
    lost: bool

    def __call__(self) -> None:
        queued = self.link.queued[self.to.node_id]
        queued[0] -= 1
        queued[1] -= self.size
        if self.lost or not self.link.is_up or self.network.is_cut(self.message.sender, self.to.node_id):
            return
        if self.to.inbox is not None:
            self.to.inbox.deliver(self.message)


class InMemoryTransport:
    def __init__(
        self, network: InMemoryNetwork, address: str, incoming: Path | None, settings: TransportSettings
    ) -> None:
        self.network = network
        self.address = address
        self.incoming = incoming
        self.settings = settings
        self.node_id: NodeId = ""
        self.inbox: Inbox | None = None
        """None before `start` and after `stop`."""
        self.links: list[_Link] = []
        self.receiving: _Transfer | None = None
        self._members: dict[NodeId, Member] = {}
        self._dialling: set[NodeId] = set()
        self._transfers: dict[NodeId, _Transfer] = {}
        self._lost: set[NodeId] = set()

    # --- PeerTransport ---

    async def start(self, inbox: Inbox) -> None:
        self.node_id = inbox.hello().node_id
        self.inbox = inbox
        self.network.listen(self)
        members, self._members = self._members, {}
        self.set_peers(members)

    def set_peers(self, members: Mapping[NodeId, Member]) -> None:
        before, self._members = self._members, dict(members)
        if self.inbox is None:
            return
        for link in list(self.links):
            peer = link.other(self)
            member = self._members.get(peer.node_id)
            old = before.get(peer.node_id)
            if member is None:
                fits = old is None
            else:
                instance = peer.inbox.hello().instance if peer.inbox is not None else ""
                moved = link.opener is self and old is not None and old.address != member.address
                fits = member.instance in ("", instance) and not moved
            if not fits:
                self.network.close_link(link)
        for node_id, transfer in list(self._transfers.items()):
            if transfer.address != getattr(self._members.get(node_id), "address", ""):
                transfer.end(False)
        for node_id in sorted(self._members):
            self._dial_later(node_id, 0.0)

    def post(self, message: Message) -> None:
        link = self._link_to(message.to)
        if link is None:
            self.report_lost(message.to)
            return
        count, size = link.queued[message.to]
        if count and (
            count >= self.settings.max_queued_messages or size + message_bytes(message) > self.settings.max_queued_bytes
        ):
            self.report_lost(message.to)
            return
        if message.sender != self.node_id:
            message = replace(message, sender=self.node_id)  # nobody speaks for another
        self.network.send(link, message, link.other(self))

    def send_snapshot(
        self, message: Message, meta: SnapshotMeta, directory: Path, done: Callable[[bool], None]
    ) -> None:
        member = self._members.get(message.to)
        if self.inbox is None or member is None or not member.address:
            self.network.call_later(0.0, lambda: done(False))
            return
        older = self._transfers.get(message.to)
        if older is not None:
            older.end(False)
        transfer = _Transfer(self, replace(message, snapshot=meta), directory, member.address, done)
        self._transfers[message.to] = transfer
        self.network.call_later(0.0, transfer.begin)

    async def probe(self, address: str, timeout: float) -> Hello | None:
        found = self.network.find(address, self)
        return None if found is None or found.inbox is None else found.inbox.hello()

    async def stop(self) -> None:
        if self.inbox is None:
            return
        for transfer in list(self._transfers.values()):
            transfer.end(False)
        if self.receiving is not None:
            self.receiving.break_off("the receiver stopped")
        self.inbox = None
        for link in list(self.links):
            self.network.close_link(link)
        self.network.forget(self)

    def connected(self, node_id: NodeId) -> bool:
        return self._link_to(node_id) is not None

    # --- inside ---

    def report_lost(self, node_id: NodeId) -> None:
        if not self._lost:
            self.network.call_later(0.0, self._tell_lost)
        self._lost.add(node_id)
        if node_id in self._members:
            self._dial_later(node_id, self._pause())

    def _tell_lost(self) -> None:
        lost, self._lost = self._lost, set()
        for node_id in sorted(lost):
            if self.inbox is not None:
                self.inbox.unreachable(node_id)

    def forget_transfer(self, transfer: _Transfer) -> None:
        if self._transfers.get(transfer.message.to) is transfer:
            del self._transfers[transfer.message.to]

    def _link_to(self, node_id: NodeId) -> _Link | None:
        """The link that messages take: the one opened by the node that sorts first, else whatever there is."""
        links = [link for link in self.links if link.other(self).node_id == node_id]
        first = min(self.node_id, node_id)
        return next((link for link in links if link.opener.node_id == first), links[0] if links else None)

    def _pause(self) -> float:
        return self.network.random.uniform(self.settings.backoff_min_seconds, self.settings.backoff_max_seconds)

    def _dial_later(self, node_id: NodeId, pause_seconds: float) -> None:
        if node_id == self.node_id or node_id in self._dialling:
            return
        self._dialling.add(node_id)
        faults = self.network.faults
        travel = self.network.random.uniform(faults.min_delay_seconds, faults.max_delay_seconds)
        self.network.call_later(pause_seconds + travel, lambda: self._dial(node_id))

    def _dial(self, node_id: NodeId) -> None:
        self._dialling.discard(node_id)
        member = self._members.get(node_id)
        if self.inbox is None or member is None or not member.address:
            return
        if any(link.opener is self and link.other(self).node_id == node_id for link in self.links):
            return
        callee = self.network.find(member.address, self)
        if callee is not None and self.may_talk(callee, node_id):
            link = _Link(self, callee)
            self.links.append(link)
            callee.links.append(link)
        else:
            self._dial_later(node_id, self._pause())

    def may_talk(self, callee: InMemoryTransport, node_id: NodeId) -> bool:
        """Introduce both sides; a side that is refused hears of it."""
        if self.inbox is None or callee.inbox is None:
            return False
        hello = self.inbox.hello()
        refusal = judge_caller(callee.inbox, callee.node_id, hello, node_id)
        if refusal is not None:
            self.inbox.peer_refused_us(node_id, refusal)
            return False
        refusal = judge_callee(self.inbox, node_id, callee.inbox.hello())
        if refusal is not None:
            callee.inbox.peer_refused_us(self.node_id, refusal)
            return False
        return True


class _Transfer:
    """One snapshot on its way, chunk by chunk, attempt by attempt."""

    def __init__(
        self,
        sender: InMemoryTransport,
        message: Message,
        directory: Path,
        address: str,
        done: Callable[[bool], None],
    ) -> None:
        self.sender = sender
        self.message = message
        self.address = address
        self._outgoing = OutgoingFiles(directory)
        self._done = done
        self._has_ended = False
        self._receiver: InMemoryTransport | None = None
        self._incoming: IncomingFiles | None = None
        self._offsets: list[int] = []
        self._best = -1
        self._attempts = 0

    def begin(self) -> None:
        if self._has_ended:
            return
        try:
            self._outgoing.survey()
        except (OSError, ValueError):
            logger.exception("the snapshot for %s cannot be read", self.message.to)
            self.end(False)
            return
        self._attempt()

    def end(self, ok: bool) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        self._let_go()
        self._outgoing.close()
        self.sender.forget_transfer(self)
        self.sender.network.call_later(0.0, lambda: self._done(ok))

    def break_off(self, why: str) -> None:
        """This attempt is over; the next one goes on from what has arrived."""
        self._let_go()
        if self._has_ended:
            return
        logger.debug("sending a snapshot to %s broke: %s", self.message.to, why)
        if sum(self._offsets) > self._best:
            self._best = sum(self._offsets)
            self._attempts = 0
        self._attempts += 1
        if self._attempts >= self.sender.settings.snapshot_attempts:
            self.end(False)
            return
        settings = self.sender.settings
        pause = self.sender.network.random.uniform(settings.backoff_min_seconds, settings.backoff_max_seconds)
        self.sender.network.call_later(pause, self._attempt)

    def _let_go(self) -> None:
        if self._incoming is not None:
            self._incoming.close()
            self._incoming = None
        if self._receiver is not None and self._receiver.receiving is self:
            self._receiver.receiving = None
        self._receiver = None

    def _attempt(self) -> None:
        if self._has_ended:
            return
        receiver = self.sender.network.find(self.address, self.sender)
        if receiver is None:
            self.break_off("nobody answers")
            return
        if not self.sender.may_talk(receiver, self.message.to) or receiver.incoming is None:
            self.end(False)
            return
        rival = receiver.receiving
        if rival is not None:
            if self.message.term < rival.message.term:
                self.end(False)
                return
            rival.break_off("another snapshot took its place")
        receiver.receiving = self
        self._receiver = receiver
        identity = snapshot_id(self.message.snapshot or SnapshotMeta(), self._outgoing.files)
        reserve = receiver.settings.snapshot_reserve_bytes
        try:
            self._incoming = IncomingFiles(receiver.incoming, identity, self._outgoing.files, reserve)
            self._offsets = list(self._incoming.open())
        except (OSError, WireError) as error:
            logger.warning("%s cannot take a snapshot: %s", self.message.to, error)
            if self._incoming is not None:
                self._incoming.discard()
            self.end(False)
            return
        self._next()

    def _next(self) -> None:
        faults, random = self.sender.network.faults, self.sender.network.random
        delay = random.uniform(faults.min_delay_seconds, faults.max_delay_seconds)
        incoming = self._incoming
        self.sender.network.call_later(delay, lambda: self._chunk(incoming))

    def _chunk(self, incoming: IncomingFiles | None) -> None:
        receiver = self._receiver
        if self._has_ended or incoming is None or incoming is not self._incoming or receiver is None:
            return  # of an attempt that is over
        network = self.sender.network
        if network.find(self.address, self.sender) is not receiver or receiver.inbox is None:
            self.break_off("the connection is gone")
            return
        if incoming.complete:
            incoming.sync()
            directory = incoming.hand_over()
            inbox = receiver.inbox
            self._let_go()
            inbox.deliver_snapshot(self.message, directory)
            self.end(True)
            return
        files = self._outgoing.files
        position = next(i for i, file in enumerate(files) if self._offsets[i] < file.size)
        offset = self._offsets[position]
        try:
            packet, size = self._outgoing.chunk(position, offset, self.sender.settings.snapshot_chunk_bytes)
            if network.random.random() < network.faults.damage:
                packet = packet[:-1] + bytes((packet[-1] ^ 1,))
            incoming.write(packet)
        except Damaged as error:
            self.break_off(str(error))
            return
        except OSError as error:
            if is_disk_full(error):
                incoming.discard()
            logger.warning("the snapshot for %s failed: %s", self.message.to, error)
            self.end(False)
            return
        self._offsets[position] += size
        self._next()
