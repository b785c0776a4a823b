"""Serial execution on the leader: commands in, replies and batches of effects out.

Every command that arrives in one turn of the loop joins the *forming* batch, which becomes one log entry at the end of
the turn (group commit). While an entry is on its way to a majority the next batch forms, so that few large entries
travel instead of many small ones; `window` says how many may travel at once.

What a reply rests on:

- writes, and reads that saw a write of the forming batch: on that batch. Its entry is logged after the request came in,
  so its commit alone proves that nothing newer was missed.
- reads that saw a write in flight: on that batch *and* on proof that this node still led when it read. With a lease
  that proof is at hand; without one the reply moves to the forming batch, which then is proposed even if it is empty.
- other reads: nothing while the lease holds, else one ReadIndex round that all waiting reads share.

The lease is looked at after the reads were done, never before.

A batch whose leader steps down is not forgotten: the index at which it was logged tells its fate as soon as some entry
is applied there. The same term: it was committed, and its clients hear so. Another term: it is gone for good and the
requests may be repeated. Only if that does not show within the request timeout is the outcome reported as unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from elastickv.clock import Clock
from elastickv.errors import Fault, KvError
from elastickv.kv.effects import encode
from elastickv.kv.view import Batch, View

GATHER_SECONDS = 0.001
GATHER_ROUNDS = 8
GATHER_SHARE = 8
GATHER_WRITES = 256
"""See `Executor.committed`."""


class Lease(Protocol):
    @property
    def granted(self) -> float:
        """No other leader can exist before this time (monotonic); -inf when that is not known."""
        ...


class Replicator(Protocol):
    """What the executor needs from the log. `runtime.group` fulfils it."""

    def propose(self, data: bytes) -> int:
        """Append to the log, return the index. KvError: NOT_LEADER, OVERLOAD, DISK_FULL."""
        ...

    def proposals_paused(self) -> bool:
        """A leadership transfer is going on: keep what is forming until it ends."""
        ...

    @property
    def lease(self) -> Lease:
        """That of the present leadership; the executor asks for it when it begins to serve."""
        ...

    def begin_read(self, round: ReadRound) -> bool:
        """Start a ReadIndex round; `Executor.read_confirmed` is called when it ends. False: not now."""
        ...


class Waiter(Protocol):
    def release(self, ticket: Batch | ReadRound) -> None: ...

    def fail(self, ticket: Batch | ReadRound, fault: Exception) -> None: ...


@dataclass(eq=False, slots=True)
class ReadRound:
    """A confirmation that this node leads, shared by all reads that wait for one."""

    started_at: float
    waiters: list[Waiter] = field(default_factory=list)

    def wait(self, waiter: Waiter) -> None:
        if not self.waiters or self.waiters[-1] is not waiter:
            self.waiters.append(waiter)


class _NoLease:
    """Of who has never led."""

    granted = -math.inf


@dataclass(slots=True)
class _Logged:
    """A batch that is in the log, and what is needed to learn its fate."""

    batch: Batch
    term: int
    proposed_at: float
    data_bytes: int
    told: bool = False
    """Its waiters have been given up (OUTCOME_UNKNOWN after the timeout)."""


class Executor:
    """The serial executor of one group. Loop's thread only."""

    def __init__(
        self,
        view: View,
        replicator: Replicator,
        clock: Clock,
        schedule: Callable[[Callable[[], None]], object],
        later: Callable[[float, Callable[[], None]], object],
        *,
        request_timeout: float,
        window: int = 1,
        full_batch_writes: int = 256,
        full_batch_bytes: int = 1 << 20,
    ) -> None:
        self.view = view
        self.serving = False
        self.lease_reads = 0
        self.confirmed_reads = 0
        self.batches = 0
        self.before_proposal: list[Callable[[], None]] = []
        """Called right before a batch is encoded: the last chance to write to it."""
        self.on_serving: list[Callable[[], None]] = []
        """Called when this node begins to serve, and when writes that were executed have been dropped."""
        self.on_not_serving: list[Callable[[], None]] = []
        self.refusal: KvError | None = None
        """Why writes are refused at the moment (disk full); reads go on."""
        self._replicator = replicator
        self._clock = clock
        self._monotonic = clock.monotonic
        self._lease: Lease = _NoLease()
        self._schedule = schedule
        self._later = later
        self._timeout = request_timeout
        self._window = window
        self._full_batch_writes = full_batch_writes
        self._full_batch_bytes = full_batch_bytes
        self._term = 0
        self._seal_scheduled = False
        self._logged: list[_Logged] = []
        """In flight under this leadership, oldest first; mirrors `view.inflight`."""
        self._orphans: dict[int, _Logged] = {}
        """By log index: batches of a leadership that ended, whose fate is open."""
        self._round: ReadRound | None = None
        self._sequence = 0
        self._expected = 0
        """Bursts that are waited for before the forming batch leaves (see `committed`)."""
        self._few = 0
        """So few of them are not waited for again."""
        self._gather_number = 0

    # bursts

    def settle(self) -> Batch | ReadRound | None:
        """Close a burst: what its replies rest on; None when they may go out at once."""
        view = self.view
        batch = view.dependency
        if batch is None:
            batch = view.pinned
            if batch is None:
                if self._monotonic() < self._lease.granted:
                    self.lease_reads += 1
                    return None
                return self._join_round()
        view.dependency = None
        if batch is not view.forming:
            pinned = view.pinned
            if pinned is not None and pinned.sequence > batch.sequence:
                batch = pinned
            if self._monotonic() >= self._lease.granted:
                batch = view.forming
                batch.must_log = True
        if batch is view.forming:
            self._expected -= 1
            if self._expected <= 0 and not self._seal_scheduled:
                self._seal_scheduled = True
                self._schedule(self._seal_turn)
        return batch

    def _join_round(self) -> ReadRound:
        round = self._round
        if round is None:
            round = self._round = ReadRound(self._clock.monotonic())
            # The round begins in the next turn, so that all reads of this one share it.
            self._schedule(lambda: self._start_round(round))
        return round

    def _start_round(self, round: ReadRound) -> None:
        if self._round is not round:
            return
        self._round = None
        if not self.serving or not self._replicator.begin_read(round):
            self.read_failed(round, KvError(Fault.NOT_LEADER))

    def read_confirmed(self, round: ReadRound) -> None:
        """This node led when the round began, and its state is at least that new."""
        self.confirmed_reads += len(round.waiters)
        for waiter in round.waiters:
            waiter.release(round)

    def read_failed(self, round: ReadRound, fault: KvError) -> None:
        for waiter in round.waiters:
            waiter.fail(round, fault)

    # proposing

    def _seal_turn(self) -> None:
        self._seal_scheduled = False
        self.seal()

    def seal(self) -> None:
        """Turn the forming batch into a log entry, unless enough entries are on their way already; a full batch leaves
        all the same, so that entries stay small enough to be copied and sent in one go."""
        view = self.view
        batch = view.forming
        if not batch or not self.serving:
            return
        if (
            len(view.inflight) >= self._window
            and len(batch.puts) < self._full_batch_writes
            and batch.size_bytes < self._full_batch_bytes
        ):
            return
        if self._replicator.proposals_paused():
            return
        try:
            if self.refusal is not None and (batch.puts or batch.unwritten or batch.ranges or batch.timestamp):
                raise self.refusal
            for hook in self.before_proposal:
                hook()
            view.write_out()
            data = encode(batch, batch.timestamp)
            batch.index = self._replicator.propose(data)
        except KvError as fault:
            self._drop_forming(fault)
            return
        self.batches += 1
        self._logged.append(_Logged(batch, self._term, self._clock.monotonic(), len(data)))
        view.inflight.append(batch)
        self._fresh_batch()

    def _fresh_batch(self) -> None:
        self._sequence += 1
        self.view.forming = Batch(self._sequence)
        self.view.dependency = None

    def _drop_forming(self, fault: KvError) -> None:
        """The forming batch is provably not in the log: undo it and tell its clients."""
        batch = self.view.forming
        if self.view.pinned is batch:
            self.view.pinned = None
        self._fresh_batch()
        for hook in self.on_serving if self.serving else ():
            hook()
        self.view.dependency = None
        for waiter in batch.waiters:
            waiter.fail(batch, fault)

    # what the log says

    def take_own(self, index: int, term: int) -> tuple[Batch, int] | None:
        """The batch that was logged at this entry by the present leadership, with the size of its data; removed from
        the layers in flight, because it is about to be applied."""
        logged = self._logged
        if not logged or logged[0].batch.index != index:
            return None
        first = logged.pop(0)
        popped = self.view.inflight.pop(0)
        # Entries are applied in the order in which they were logged.
        assert popped is first.batch
        assert first.term == term
        if self.view.pinned is popped:
            self.view.pinned = None
        return first.batch, first.data_bytes

    def committed(self, batch: Batch) -> None:
        """The batch is applied: its replies may go out, and the next one may travel."""
        # Clients that now get their replies are likely to send the next request at once, and one entry with all of them
        # costs less than two: wait for as many bursts as were answered, as long as some come each moment and more than
        # an eighth is missing, but not for ever. Not after an entry that was large already: then it is better that the
        # next one travels while those are executed.
        small = len(batch.puts) < GATHER_WRITES
        answered = len(batch.waiters)
        self._expected = answered if small else 0
        self._few = answered // GATHER_SHARE
        self._gather_number += 1
        for waiter in batch.waiters:
            waiter.release(batch)
        batch.waiters.clear()
        if small:
            self._gather(self._gather_number, answered, GATHER_ROUNDS)
        elif self.view.forming:
            self.seal()

    def _gather(self, number: int, missing: int, rounds: int) -> None:
        """Look in a moment whether some of the missing bursts have come."""
        self._later(GATHER_SECONDS, lambda: self._gathered(number, missing, rounds - 1))

    def _gathered(self, number: int, missing: int, rounds: int) -> None:
        if number != self._gather_number:
            return
        if self._few < self._expected < missing and rounds:
            self._gather(number, self._expected, rounds)
            return
        self._expected = 0
        if self.view.forming:
            self.seal()

    def entry_applied(self, index: int, term: int) -> None:
        """Some entry was applied at this index: the fate of an orphan logged there is known."""
        orphan = self._orphans.pop(index, None)
        if orphan is None or orphan.told:
            return
        if orphan.term == term:
            for waiter in orphan.batch.waiters:
                waiter.release(orphan.batch)
        else:
            for waiter in orphan.batch.waiters:
                waiter.fail(orphan.batch, KvError(Fault.NOT_LEADER, "the request was dropped with the former leader"))

    def history_skipped(self, index: int) -> None:
        """A snapshot replaced the log up to `index`: orphans in there will never show their fate."""
        for at in [at for at in self._orphans if at <= index]:
            self._give_up(self._orphans.pop(at))

    @property
    def has_orphans(self) -> bool:
        return bool(self._orphans)

    def _give_up(self, logged: _Logged) -> None:
        if not logged.told:
            logged.told = True
            for waiter in logged.batch.waiters:
                waiter.fail(logged.batch, KvError(Fault.OUTCOME_UNKNOWN, "the leader was lost; outcome unknown"))
            logged.batch.waiters.clear()

    # leadership

    def begin(self, term: int) -> None:
        """This node leads in `term` and has applied its own no-op: everything committed before is in the view."""
        self._term = term
        self._lease = self._replicator.lease
        self.serving = True
        self._fresh_batch()
        for hook in self.on_serving:
            hook()
        self.view.dependency = None

    def end(self) -> None:
        """This node does not lead any more: nothing that was proposed may be seen here until it comes back as log."""
        if not self.serving:
            return
        self.serving = False
        for logged in self._logged:
            self._orphans[logged.batch.index] = logged
        self._logged.clear()
        self.view.inflight.clear()
        self.view.pinned = None
        self._drop_forming(KvError(Fault.NOT_LEADER))
        round, self._round = self._round, None
        if round is not None:
            self.read_failed(round, KvError(Fault.NOT_LEADER))
        for hook in self.on_not_serving:
            hook()

    def check_deadlines(self) -> None:
        """Give up what has waited longer than the request timeout; called a few times a second."""
        limit = self._clock.monotonic() - self._timeout
        for logged in self._logged:
            if logged.proposed_at < limit:
                self._give_up(logged)
        for index in [index for index, logged in self._orphans.items() if logged.proposed_at < limit]:
            self._give_up(self._orphans.pop(index))
        if self._logged and self._logged[0].told and self.view.forming:
            # What forms behind an entry that does not come through has no better prospects.
            self._drop_forming(KvError(Fault.NO_QUORUM, "no majority confirmed earlier writes in time"))
