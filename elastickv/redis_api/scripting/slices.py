"""Work that may take long runs on a stack of its own, and steps aside between slices so that the loop goes on.

Most scripts end within their first slice and cost a switch of stacks (a microsecond). One that does not is set aside:
the stack is kept by a greenlet, its writes by the layer that `View.begin` laid. Heartbeats, elections, other doors go
on; clients of this door wait, and are told BUSY when it takes too long (`connection`). Nothing of the work is in the
log before it ends, and then all of it is, in one entry; if the lead is lost before, all of it is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, Final

from greenlet import GreenletExit, getcurrent, greenlet

from elastickv.errors import Fault, KvError
from elastickv.kv.ports import Ticket
from elastickv.kv.view import Layered
from elastickv.redis_api.announcements import Announcements
from elastickv.redis_api.errors import RedisError, from_fault
from elastickv.redis_api.pubsub import Event
from elastickv.redis_api.session import Later
from elastickv.redis_api.state import ServerState

SLICE_NS: Final = 4_000_000
_LONG_AGO: Final = 1e-9
_ASIDE: Final = object()

LEAD_LOST: Final = RedisError(
    b"CLUSTERDOWN the leader changed before the script ended; nothing was done, and it may be repeated"
)
STOPPING: Final = RedisError(b"CLUSTERDOWN the node stops; the script was ended and nothing was done")


class Job:
    """One piece of work, from its start to its reply."""

    def __init__(self, work: Callable[[], object], now_ms: int) -> None:
        self.work = work
        self.now_ms = now_ms
        self.started_ns = perf_counter_ns()
        self.layer: Layered | None = None
        self.events: list[Event] = []
        """What it has announced so far."""
        self.lost: RedisError | None = None
        """What it did is gone: why."""
        self.outcome: asyncio.Future[object] | None = None
        """What its client waits for, once it has been set aside."""
        self.result: object = None

    def release(self, ticket: Ticket) -> None:
        """Its entry is committed."""
        self.settle(None)

    def fail(self, ticket: Ticket, fault: Exception) -> None:
        error = fault if isinstance(fault, KvError) else KvError(Fault.INTERNAL)
        self.settle(LEAD_LOST if error.fault is Fault.NOT_LEADER else from_fault(error))

    def settle(self, error: RedisError | None) -> None:
        outcome = self.outcome
        assert outcome is not None
        if outcome.done():
            return  # the client has gone
        if error is None and isinstance(self.result, BaseException):
            error = self.result if isinstance(self.result, RedisError) else from_fault(KvError(Fault.INTERNAL))
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(self.result)


def _nothing() -> None:
    pass


class Slices:
    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._view = state.view
        self._worker: greenlet | None = None
        self._parent: greenlet | None = None
        self._job: Job | None = None
        """What is running right now."""
        self._slice_end = 0
        self._forgotten = False
        self.aside: Job | None = None
        """What has been set aside and is not finished."""
        self.on_free: Callable[[], None] = lambda: None
        """Called when the last client's work is done and the others may go on."""

    @property
    def inside(self) -> bool:
        """The caller is itself running as such a piece of work."""
        return self._job is not None

    @property
    def lost(self) -> bool:
        """What runs right now does so only to come to its end: nothing that it does counts."""
        return self._job is not None and self._job.lost is not None

    def run(self, work: Callable[[], object]) -> object:
        """The result of `work`, or `Later` when it takes longer than a slice; raises what it raises.

        Work within work is part of it. What was written stays when `work` raises: that is Redis' rule.
        """
        if self._job is not None:
            return work()
        view = self._view
        depended, pinned = view.dependency, view.pinned
        job = Job(work, view.now_ms)
        announced = len(self._state.outgoing)
        view.begin()
        outcome = self._go_on(job)
        if outcome is not _ASIDE:
            view.keep()
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome
        self._set_aside(job, announced)
        view.dependency = depended
        if pinned is not None and view.pinned is None and pinned in view.inflight:
            view.pinned = pinned
        job.outcome = asyncio.get_running_loop().create_future()
        self.aside = job
        self._state.databases.held = True
        if not self._state.paused_until:
            self._state.paused_until = _LONG_AGO  # the hot loop looks at this and then asks (`connection`)
        asyncio.get_running_loop().call_soon(self._resume)
        return Later(self._wait(job.outcome))

    async def _wait(self, outcome: asyncio.Future[object]) -> object:
        return await outcome

    def breathe(self) -> None:
        """Called from within the work, often: step aside when the slice is over."""
        if self._job is None or self._parent is None or perf_counter_ns() < self._slice_end:
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return  # there is nobody to make way for
        try:
            self._parent.switch(_ASIDE)
        except GreenletExit:
            # Nobody holds this object any more: come to the end.
            self._forgotten = True
            self._job = job = Job(_nothing, 0)
            job.lost = STOPPING

    def drop(self, reason: RedisError) -> None:
        """What has been set aside is lost: the lead has moved, what it read has been dropped, or the node stops."""
        job = self.aside
        if job is not None and job.lost is None:
            job.lost = reason
            job.layer = None
            self._resume()

    # stacks

    def _go_on(self, job: Job) -> object:
        """Run until the end (its result, or the exception as an object) or until it steps aside."""
        worker = self._worker
        if worker is None or worker.dead:
            self._parent = getcurrent()
            worker = self._worker = greenlet(self._work)
            worker.switch()
        self._job = job
        self._slice_end = perf_counter_ns() + SLICE_NS
        try:
            return worker.switch(job.work if job.outcome is None else None)
        finally:
            self._job = None

    def _work(self) -> None:
        parent = self._parent
        assert parent is not None
        outcome: Any = None
        while not self._forgotten:
            work = parent.switch(outcome)
            try:
                outcome = work()
            except Exception as error:
                outcome = error

    # turns

    def _set_aside(self, job: Job, announced: int) -> None:
        outgoing = self._state.outgoing
        job.events += outgoing[announced:]
        del outgoing[announced:]
        self._state.databases.save_sizes()
        job.layer = self._view.set_aside()

    def _resume(self) -> None:
        job = self.aside
        if job is None:
            return
        view = self._view
        if job.lost is None and not self._state.store.serving:
            job.lost = LEAD_LOST
            job.layer = None
        if job.layer is not None:
            view.now_ms = job.now_ms
            view.take_up(job.layer)
        outcome = self._go_on(job)
        if outcome is _ASIDE:
            if job.lost is None:
                self._set_aside(job, 0)
                view.dependency = None
            asyncio.get_running_loop().call_soon(self._resume)
            return
        self.aside = None
        self._state.databases.held = False
        if self._state.paused_until == _LONG_AGO:
            self._state.paused_until = 0.0
        job.result = outcome
        assert job.outcome is not None
        if job.lost is not None:
            if not job.outcome.done():
                job.outcome.set_exception(job.lost)
        else:
            view.keep()
            # It may rest on anything that was ever in flight: an entry of its own proves all of that.
            view.dependency = view.forming
            view.forming.must_log = True
            self._state.outgoing[:0] = job.events
            ticket = self._state.store.settle()
            if self._state.outgoing:
                Announcements(self._state).after(ticket)
            if ticket is None:
                job.settle(None)
            else:
                ticket.wait(job)
        self.on_free()
