"""Clients that wait for keys: BLPOP, BZPOPMIN, XREAD BLOCK and their kin.

A command that finds nothing returns `session.Block`. Its client then stands in one line for each key, behind those who
came before. When something happens to such a key (WATCH hears the same bell: `Database.watch`), the key is *ready*.
After each command, transaction or script, `serve` goes through the keys in the order in which they became ready and
runs the commands of those who wait for them again, longest waiting first, as ordinary commands in the executor's
order: what they take away is logged as every write is, and their replies wait for it as all replies do. A client whose
command finds nothing again keeps its place. Nobody polls.

As in Redis 7.2 a command runs again from the start: of several keys the first in *its* order counts. Only those are
run again whose key holds the type they wait for; a group reader (`any_change`) also when the key is gone or has become
something else, to hear that.

When this node leads no more everybody is told UNBLOCKED and may ask the new leader.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from time import perf_counter_ns
from typing import Final, Protocol

from elastickv.kv.ports import Ticket
from elastickv.redis_api.announcements import Announcements
from elastickv.redis_api.dispatch import Route, failure
from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.replies import NULL_ARRAY
from elastickv.redis_api.session import Block, Session
from elastickv.redis_api.state import ServerState
from elastickv.redis_api.values.database import Database

ROLE_CHANGED: Final = RedisError(
    b"UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
)
_LONGEST_TIMER: Final = 365 * 86400.0
"""Seconds; who waits longer than that gets no timer."""


class Client(Protocol):
    """The connection of a blocked client."""

    session: Session

    def unblocked(self, argv: list[bytes], reply: object, ticket: Ticket | None) -> None:
        """The reply of the command that blocked, or what came instead; it may go out when the ticket says so."""
        ...


class Blocked:
    """A client that stands in line, until `Blocking.leave`."""

    __slots__ = ("_blocking", "argv", "client", "kind", "lines", "route", "spent_ns", "timer")

    def __init__(self, blocking: Blocking, client: Client, block: Block, route: Route) -> None:
        self._blocking = blocking
        self.client = client
        self.argv = block.argv
        self.kind = block.kind
        self.route = route
        self.spent_ns = block.spent_ns
        """What running the command has cost so far; waiting costs nothing."""
        self.lines: list[_Line] = []
        self.timer: asyncio.TimerHandle | None = None

    def unblock(self, error: RedisError | None) -> None:
        """Answer with the error (CLIENT UNBLOCK), or as if the time had run out."""
        self._blocking.leave(self)
        self.route.add(self.spent_ns)
        if error is not None:
            self.route.failed += 1
            self.client.session.state.stats.error(error.text)
        self.client.unblocked(self.argv, error or NULL_ARRAY, None)


class _Line:
    """Who waits for one key."""

    __slots__ = ("_blocking", "any_change", "clients", "database", "key", "name")

    def __init__(self, blocking: Blocking, database: Database, key: bytes) -> None:
        self._blocking = blocking
        self.clients: OrderedDict[Blocked, None] = OrderedDict()
        """Longest waiting first."""
        self.database = database
        self.key = key
        self.any_change = 0
        """How many of them want to hear of any change."""
        self.name = database.watch(key, self.ring)

    def ring(self) -> None:
        """The bell: something happened to the key."""
        self._blocking.ring(self)

    def __iter__(self) -> Iterator[Blocked]:
        """From the first to the last of those who stand there now. Usually each is served and leaves, so that looking
        at the head is enough and costs nothing for those behind."""
        clients = self.clients
        for _ in range(len(clients)):
            first = next(iter(clients), None)
            if first is None:
                return
            yield first
            if first in clients:
                break
        for blocked in list(clients)[1:]:
            if blocked in clients:
                yield blocked


class Blocking:
    """All who wait for keys at this node."""

    def __init__(self, state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
        self._state = state
        self._databases = state.databases
        self._loop = loop
        self._lines: dict[tuple[Database, bytes], _Line] = {}
        self._clients: dict[Blocked, None] = {}
        self.ready: list[_Line] = []
        """Lines whose key changed, first come first; always the same list, for loops that look at it often."""
        self.served: list[tuple[Blocked, object]] = []
        """Who got a reply since the last `deliver`; always the same list."""
        self._scheduled = False
        self._announcements = Announcements(state)

    def __len__(self) -> int:
        return len(self._clients)

    def enter(self, client: Client, block: Block, route: Route) -> None:
        """Put a client at the end of the lines for its keys."""
        blocked = Blocked(self, client, block, route)
        database = client.session.call.db
        for key in dict.fromkeys(block.keys):
            line = self._lines.get((database, key))
            if line is None:
                line = self._lines[database, key] = _Line(self, database, key)
            line.clients[blocked] = None
            line.any_change += block.any_change
            blocked.lines.append(line)
        self._clients[blocked] = None
        client.session.blocked = blocked
        if 0 < block.timeout_ms < _LONGEST_TIMER * 1000:
            blocked.timer = self._loop.call_later(block.timeout_ms / 1000, blocked.unblock, None)

    def leave(self, blocked: Blocked) -> None:
        """Take a client out of all lines."""
        client = blocked.client
        if client.session.blocked is blocked:
            client.session.blocked = None
        self._clients.pop(blocked, None)
        if blocked.timer is not None:
            blocked.timer.cancel()
            blocked.timer = None
        lines, blocked.lines = blocked.lines, []
        for line in lines:
            line.clients.pop(blocked, None)
            line.any_change -= blocked.kind is None
            if not line.clients:
                self._databases.unwatch(line.name, line.ring)
                self._lines.pop((line.database, line.key), None)

    def step_down(self) -> None:
        """This node leads no more."""
        self.ready.clear()
        for blocked in list(self._clients):
            blocked.unblock(ROLE_CHANGED)

    def ring(self, line: _Line) -> None:
        self.ready.append(line)
        self.serve_soon()

    def serve_soon(self) -> None:
        """Most changes come from commands, whose connection serves at once; this is for all others."""
        if self.ready and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._serve_rest)

    def _serve_rest(self) -> None:
        self._scheduled = False
        state = self._state
        if not self.ready or not state.store.serving or self._databases.held:
            return
        state.view.now_ms = state.clock.wall_ms()
        self.serve()
        ticket = state.store.settle()
        self.deliver(ticket)
        if state.outgoing:
            self._announcements.after(ticket)

    # serving

    def serve(self) -> None:
        """Run the commands of those who wait for keys that are ready. Call after each command, in the same turn; after
        the burst, `deliver` the replies."""
        ready = self.ready
        while ready and not self._databases.held:
            lines = ready[:]
            ready.clear()
            for line in lines:
                if line.clients:
                    line.name = line.database.watch(line.key, line.ring)
                    self._serve_line(line)

    def _serve_line(self, line: _Line) -> None:
        for blocked in line:
            record = line.database.lookup(line.key)
            if record is None and not line.any_change:
                return
            if blocked.kind is not None and (record is None or record.type is not blocked.kind):
                continue
            reply = self._run_again(blocked)
            if type(reply) is not Block:
                self.leave(blocked)
                self.served.append((blocked, reply))

    def _run_again(self, blocked: Blocked) -> object:
        state = self._state
        session = blocked.client.session
        call = session.call
        call.argv = blocked.argv
        call.again = True
        started = perf_counter_ns()
        try:
            reply = blocked.route.handler(call)
        except Exception as error:
            reply = failure(state, session, blocked.route, blocked.argv, error)
        call.again = False
        blocked.spent_ns += perf_counter_ns() - started
        if type(reply) is not Block:
            blocked.route.add(blocked.spent_ns)
            if blocked.spent_ns >= state.slow_ns and not blocked.route.skip_slow_log:
                state.slow_command(blocked.route.name, blocked.argv, blocked.spent_ns, session.address, session.name)
        return reply

    def deliver(self, ticket: Ticket | None) -> None:
        """The burst in which they were served is closed: hand out the replies."""
        served = self.served[:]
        self.served.clear()
        for blocked, reply in served:
            blocked.client.unblocked(blocked.argv, reply, ticket)
