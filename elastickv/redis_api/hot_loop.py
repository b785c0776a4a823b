"""The hot loop: ordinary commands of one client, run at once on the view of the node that serves.

What it does not take (commands with flags of their own, MULTI, sessions in an unusual state, long reads) is left to
`Connection._run_rest`. What a command costs here, and why it is written as it is: docs/decisions/0041.
"""

from __future__ import annotations

from abc import abstractmethod
from time import perf_counter_ns
from typing import Final

from elastickv.kv.ports import Ticket
from elastickv.redis_api.alike import run_alike
from elastickv.redis_api.announcements import Announcements
from elastickv.redis_api.dispatch import Route, failure
from elastickv.redis_api.hub import Hub
from elastickv.redis_api.monitor import feed
from elastickv.redis_api.outgoing import Outgoing
from elastickv.redis_api.pending import Burst
from elastickv.redis_api.replies import encode, encoders
from elastickv.redis_api.resp import Words
from elastickv.redis_api.session import Session
from elastickv.redis_api.values.database import TooMany

TURN_NS: Final = 4_000_000
"""How long one client's commands may run before the others get their turn."""
MAX_OUTBOX: Final = 64
"""Bursts that may wait for their commit before the socket is no longer read."""


class HotLoop(Outgoing):
    """The part of a `Connection` that runs bursts of ordinary commands."""

    __slots__ = ("_announcements", "_blocking", "_plain", "_ready", "_served", "_settle", "last_command")

    def __init__(self, hub: Hub, session: Session) -> None:
        super().__init__(hub, session)
        self._settle = hub.state.store.settle
        self._plain = hub.router.plain
        self._blocking = hub.blocking
        self._ready = hub.blocking.ready
        self._served = hub.blocking.served
        self._announcements = Announcements(hub.state, self._origin)
        self.last_command: Words = []

    @abstractmethod
    def _adjust_reading(self) -> None:
        """Read from the socket, or leave off, by how much is waiting."""

    @abstractmethod
    def release(self, ticket: Ticket) -> None:
        """What this ticket held back may go out."""

    @abstractmethod
    def fail(self, ticket: Ticket, fault: Exception) -> None:
        """What this ticket was for has failed, or nobody knows."""

    @abstractmethod
    def _origin(self) -> bytes:
        """Where this session's messages come from."""

    def _run_only(self, argv: Words) -> bool:
        """The hot loop for a burst of one, without the loop: what an unpipelined GET costs; whether it was run.

        It is half of all that this door does for such a client (docs/decisions/0041), so it says again what
        `_run_plain` says in a way that also fits many.
        """
        route = self._plain.get(argv[0])
        if route is None:
            return False
        arity = route.arity
        if arity != len(argv) and (arity > 0 or len(argv) < -arity):
            return False
        state = self._state
        call = self._call
        call.argv = argv
        call.view.now_ms = state.clock.wall_ms()
        database = call.db.number
        self.last_active_at = before = perf_counter_ns()
        try:
            reply = route.handler(call)
            if type(reply) is bytes:
                part = b"$%d\r\n%b\r\n" % (len(reply), reply)
            else:
                part = encode(reply, call.protocol)
        except TooMany:
            return False  # it begins anew in `_run_rest`
        except Exception as error:
            part = encode(failure(state, self.session, route, argv, error))
        spent = perf_counter_ns() - before
        route.ns += spent
        route.buckets[spent.bit_length()] += 1
        if spent >= state.slow_ns:
            state.slow_command(route.name, argv, spent, self.session.address, self.session.name)
        if self._ready:
            self._blocking.serve()
        self._conclude([part], [argv], database)
        return True

    def _run_plain(self, commands: list[Words]) -> int:
        """The hot loop: run ordinary commands from the start of the list; how many were run.

        It ends at the first command that is not ordinary, or when the turn is over. No attribute chains and no calls
        that are not needed: this is what a request costs.
        """
        state = self._state
        call = self._call
        route_of = self._plain.get
        encoder_of = encoders(call.protocol)
        database = call.db.number
        parts: list[bytes] = []
        append = parts.append
        clock = perf_counter_ns
        call.view.now_ms = state.clock.wall_ms()
        ready = self._ready
        before = clock()
        self.last_active_at = before
        turn_end = before + TURN_NS
        route = None
        # Commands of one name and length in a row, as a pipeline has them, share the look-up and are counted together.
        name, length = b"", 0
        ends: list[int] = []
        ended = ends.append
        rest = commands
        if len(commands) > 1 and commands[0] == commands[1]:
            route = route_of(commands[0][0])
            if route is not None:
                parts += run_alike(call, route, commands)
                rest = commands[len(parts) :]
                before = clock()
                if ready:
                    self._blocking.serve()
        for argv in rest:
            if argv[0] != name or len(argv) != length:
                found = route_of(argv[0])
                if found is None:
                    break
                length = len(argv)
                arity = found.arity
                if arity != length and (arity > 0 or length < -arity):
                    break
                if ends:
                    self._count(route, before, ends, commands, len(parts))
                    before = ends[-1]
                    ends.clear()
                route = found
                handler = found.handler
                name = argv[0]
            call.argv = argv
            try:
                reply = handler(call)
                if type(reply) is bytes:
                    append(b"$%d\r\n%b\r\n" % (len(reply), reply))
                else:
                    append(encoder_of[type(reply)](reply))
            except TooMany:
                break  # it begins anew in `_run_rest`
            except Exception as error:
                append(encode(failure(state, self.session, route, argv, error)))
            after = clock()
            ended(after)
            if ready:
                self._count(route, before, ends, commands, len(parts))
                ends.clear()
                self._blocking.serve()
                before = clock()
            if after > turn_end:
                break
        if not parts:
            return 0
        if ends:
            self._count(route, before, ends, commands, len(parts))
        done = len(parts)
        self._conclude(parts, commands if done == len(commands) else commands[:done], database)
        return done

    def _count(self, route: Route | None, began: int, ends: list[int], commands: list[Words], done: int) -> None:
        """Figures of commands that ran one after the other: the last ones of `commands[:done]`, which were over at
        `ends`."""
        assert route is not None
        route.add_row(began, ends)
        slow_ns = self._state.slow_ns
        if ends[-1] - began >= slow_ns:
            session = self.session
            for argv, end in zip(commands[done - len(ends) : done], ends, strict=True):
                if end - began >= slow_ns:
                    self._state.slow_command(route.name, argv, end - began, session.address, session.name)
                began = end

    def _conclude(self, parts: list[bytes], commands: list[Words], database: int) -> None:
        """Close a burst that was run: its replies go out, or wait for what they rest on."""
        state = self._state
        self.last_command = commands[-1]
        if state.monitors:
            feed(self.session, self.hub.router, commands)
        ticket = self._settle()
        if ticket is None and not self.outbox:
            self._write(parts, later=True)
        else:
            self.outbox.append(Burst(ticket, parts, commands, database, True))
            if ticket is not None:
                ticket.wait(self)
                if len(self.outbox) > MAX_OUTBOX:
                    self._adjust_reading()
        if self._served:
            self._blocking.deliver(ticket)
        if state.outgoing:
            # Last: who publishes to himself gets his reply first.
            self._announcements.after(ticket)
