"""One client's socket: bursts of input through the hot loop, replies out in order, one write per burst.

How a command gets its reply:

- *here*, when this node serves. Commands run at once on the store's view; `settle()` then says whether their replies
  may go out or wait for a ticket. Replies that wait stand in `_outbox`, in order, with the commands they answer.
- *here without the store* for commands with Flag.LOCAL, for refusals, and while MULTI is queueing.
- *at the leader*, over `Upstream`, when another node serves.

What cannot go on right now waits in `_backlog`: commands behind a long burst (others get their turn first), behind a
command that takes time, or for a leader. The ways never mix: commands go upstream only when `_outbox` is empty, and
run here only when nothing is unanswered upstream. So order is kept without numbering anything.

A burst that is provably not in the log (the leader changed) goes back to the head of the backlog, with its replies not
yet sent, and is executed where the lead is now; when the session was in a state that cannot be put back, the client is
told.
"""

from __future__ import annotations

import asyncio
import logging
from itertools import islice
from time import perf_counter_ns
from typing import Any, Final, cast

from elastickv.errors import Fault, KvError
from elastickv.kv.ports import Ticket
from elastickv.redis_api.acl.sessions import would_refuse
from elastickv.redis_api.blocking import Blocked
from elastickv.redis_api.commands.transactions import run_queue
from elastickv.redis_api.dispatch import failure
from elastickv.redis_api.errors import MAX_CLIENTS, UNBLOCKED, RedisError, from_fault
from elastickv.redis_api.forwarding import UNBLOCK, Forwarder
from elastickv.redis_api.hot_loop import MAX_OUTBOX, TURN_NS, HotLoop
from elastickv.redis_api.hub import Hub
from elastickv.redis_api.long_reads import AGAIN, PIECE_BYTES, Pieces
from elastickv.redis_api.pauses import passes_pause
from elastickv.redis_api.pending import Burst, Fixed, SelectAgain, Transaction
from elastickv.redis_api.replies import NULL_ARRAY, QUEUED, Raw, encode
from elastickv.redis_api.resp import Parser, Words
from elastickv.redis_api.session import Block, Later, LinkFigures, Session
from elastickv.redis_api.sockets import address_of, set_socket_options

log = logging.getLogger(__name__)

TURN_COMMANDS: Final = 1000
ONLY_BYTES: Final = 512
"""A longer chunk is not looked at as if it were one short command."""
MAX_BACKLOG: Final = 1024
"""Commands that may wait before the socket is no longer read."""
CATCH_UP_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.002
SOCKET_BUFFER_HIGH: Final = 256 * 1024

LEAD_LOST: Final = RedisError(
    b"CLUSTERDOWN the leader changed before the command was logged; nothing was done, and it may be repeated"
)
NO_LEADER: Final = RedisError(b"CLUSTERDOWN no leader, or no majority of the members can be reached")


class Connection(HotLoop, asyncio.Protocol):
    """The socket of one client. It is the session's `Link` and waits for tickets."""

    # Not only for the memory: an object of more than thirty attributes finds its own methods only by way of its dict,
    # which cost an unpipelined GET 0.3 µs.
    __slots__ = (
        "_caught_up_for",
        "_continuing",
        "_ended",
        "_feed",
        "_only",
        "_parser",
        "_reading",
        "_store",
        "_task",
        "_unfinished",
        "_write_paused",
        "created_at",
    )

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub, Session(hub.state, hub.clients, self, hub.router.execute))
        self._store = hub.state.store
        self._parser = Parser(hub.state.max_bulk_bytes)
        self._feed = self._parser.feed
        self._only = self._parser.only
        self.forwarder = Forwarder(self)
        self._task: asyncio.Task[None] | None = None
        """The command that takes time."""
        self._caught_up_for: Words | None = None
        """The command at the head of the backlog, when this node has made sure that it knows the newest users."""
        self._ended = False
        """The client will send nothing more."""
        self._reading = True
        self._write_paused = False
        self._continuing = False
        self._unfinished = 0
        """Bytes of a command that is not complete."""
        self.created_at = self.last_active_at = perf_counter_ns()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its bases
        hub = self.hub
        state = self._state
        stats = self._stats
        self._transport = transport
        if hub.closing or len(hub.clients) >= state.max_clients:
            stats.connections_rejected += 1
            transport.write(encode(MAX_CLIENTS))
            transport.close()
            self._closing = True
            return
        stats.connections_received += 1
        session = self.session
        session.address = address_of(transport.get_extra_info("peername"))
        session.local_address = address_of(transport.get_extra_info("sockname"))
        hub.clients[session.id] = session
        transport.set_write_buffer_limits(high=SOCKET_BUFFER_HIGH)
        raw_socket = transport.get_extra_info("socket")
        if raw_socket is not None:
            set_socket_options(raw_socket, state.keepalive_seconds)
        self.authentication_changed()

    def connection_lost(self, error: Exception | None) -> None:
        self._closing = True
        self._straight = False
        session = self.session
        self.hub.clients.pop(session.id, None)
        self.hub.forget(self)
        self.stop_waiting()
        session.unwatch()
        self._state.pubsub.forget(session)
        self._state.tracking.stop(session)
        self._state.monitors.pop(session, None)
        if session.peer is not None:
            session.peer.close()
        self.backlog.clear()
        self.outbox.clear()
        self._unsent.clear()
        self.forwarder.close()
        if self._task is not None:
            self._task.cancel()

    def eof_received(self) -> bool:
        """Answer what was asked before the client closed its side; but nobody waits for keys who will not know."""
        self._ended = True
        self.send_unsent()
        if type(self.session.blocked) is Blocked or self.forwarder.waits_for_keys:
            self.abort()
            return False
        return bool(self.backlog or self.outbox or self.session.blocked or self.forwarder.unanswered)

    def data_received(self, data: bytes) -> None:
        size = len(data)
        self._stats.bytes_in += size
        straight = self._straight and self._store.serving and not self._state.paused_until
        if straight and size <= ONLY_BYTES:
            argv = self._only(data)
            if argv is not None:
                if not self._run_only(argv):
                    self.backlog.append(argv)
                    self._straight = False
                    self.advance()
                return
        commands = self._feed(data)
        if straight and commands:
            # The usual case: everything runs now.
            done = self._run_plain(commands)
            if done != len(commands):
                self.backlog.extend(islice(commands, done, None))
                self._straight = False
                if perf_counter_ns() - self.last_active_at > TURN_NS:
                    self._continue_later()
                    self._adjust_reading()
                else:
                    self.advance()
            parser = self._parser
            if parser.missing or parser.rest or parser.error is not None:
                self._receive(data, [])
        else:
            self._receive(data, commands)

    def _receive(self, data: bytes, commands: list[Words]) -> None:
        """The unusual cases: commands queue up, and the backlog takes its way."""
        if self._closing or self.session.closing:
            return  # above all after NOTLEADER, which promises that nothing behind it is executed
        parser = self._parser
        self.last_active_at = perf_counter_ns()
        if self.session.peer is not None:
            self.session.peer.take(commands)
            return
        if type(self.session.blocked) is Blocked and self.session.forwarded_from:
            commands = self._unblocking(commands, self.session.blocked)
        if commands:
            whole = not self._unfinished and parser.idle
            self._unfinished = 0
            if whole and not self.backlog:
                self.forwarder.remember_raw(data, commands)
            self.backlog.extend(commands)
            self.advance()
            while parser.limited and not self._closing:
                commands = parser.feed(b"")
                if not commands:
                    break
                self.backlog.extend(commands)
                self.advance()
            if not parser.limited and not parser.idle:
                # AUTH lifted the limits with more input in hand.
                commands = parser.feed(b"")
                self.backlog.extend(commands)
                self.advance()
        if parser.error is not None:
            error = RedisError(b"ERR " + parser.error)
            self._stats.error(error.text)
            self.backlog.append(Fixed(encode(error), last=True))
            self.advance()
        elif not parser.idle:
            self._hold(len(data))

    def _unblocking(self, commands: list[Words], blocked: Blocked) -> list[Words]:
        """Obey an ELASTICKV.UNBLOCK among what came while the client waits; the other commands."""
        others = [argv for argv in commands if argv[0] != UNBLOCK]
        if len(others) != len(commands):
            how = next(argv[1] for argv in commands if argv[0] == UNBLOCK)
            blocked.unblock(UNBLOCKED if how == b"ERROR" else None)
        return others

    def _obey_early(self) -> None:
        """An ELASTICKV.UNBLOCK came before the command that it is to end had begun to wait, as in one read with it."""
        blocked = self.session.blocked
        if self.session.forwarded_from and self.backlog and type(blocked) is Blocked:
            others = self._unblocking(list(self.backlog), blocked)
            self.backlog.clear()
            self.backlog.extend(others)

    def _hold(self, received: int) -> None:
        """Input that is not a whole command yet: count it against the limit."""
        self._unfinished += received
        if self._unfinished > self._state.query_buffer_limit:
            log.warning("client %d closed: it exceeded the limit of its input buffer", self.session.id)
            self._stats.input_limit_disconnections += 1
            self.abort()

    # execution on this node

    def advance(self) -> None:
        """Go on with the backlog, as far as that is possible now."""
        if self._behind_replies and not self.forwarder.unanswered:
            self._pushes += self._behind_replies
            self._behind_replies = []
        if self._pushes:
            self.write_pushes()
        backlog = self.backlog
        turn_end = perf_counter_ns() + TURN_NS
        while backlog and not (self._closing or self._write_paused or self.session.blocked):
            if self._state.paused_until and not passes_pause(self):
                break
            if perf_counter_ns() > turn_end:
                self._continue_later()
                break
            if not self._store.serving:
                if not self.forwarder.step():
                    break
            elif not self.forwarder.retire():
                break
            elif self.session.plain and backlog[0][0] in self._plain:
                done = self._run_plain(list(islice(backlog, TURN_COMMANDS)))
                for _ in range(done):
                    backlog.popleft()
                if not done:
                    self._run_rest()
            else:
                self._run_rest()
        if not backlog:
            if not self.forwarder.unanswered:
                self.hub.forget(self)
            if self._ended and not self.outbox and not self.session.blocked and not self.forwarder.unanswered:
                self.close_after_replies()
        session = self.session
        self._straight = (
            session.plain
            and session.blocked is None
            and self.forwarder.upstream is None
            and not (backlog or self._write_paused or self._closing or session.closing)
        )
        self._adjust_reading()

    def _continue_later(self) -> None:
        if not self._continuing:
            self._continuing = True
            self.hub.loop.call_soon(self._continue)

    def _continue(self) -> None:
        self._continuing = False
        if not self._closing:
            self.advance()

    def _run_rest(self) -> None:
        """Run what the hot loop does not: one burst of any commands from the head of the backlog."""
        session = self.session
        call = self._call
        backlog = self.backlog
        execute = self.hub.router.execute
        parts: list[bytes] = []
        commands: list[Words] = []
        database = call.db.number
        queue, guarded = session.queue, bool(session.watched) or session.dirty
        retryable = queue is None and not session.watched
        call.view.now_ms = self._state.clock.wall_ms()
        later: Later | Block | None = None
        ready = self._ready
        used = False
        reply: object = None
        turn_end = perf_counter_ns() + TURN_NS
        while backlog:
            argv = backlog[0]
            kind = type(argv)
            if kind is not list:
                if commands:
                    break
                if kind is Fixed or kind is SelectAgain:
                    self.take_marker()
                    return
            backlog.popleft()
            commands.append(argv)
            reply = run_queue(call, argv.queue) if type(argv) is Transaction else execute(call, argv)
            used = used or not (reply is QUEUED or self._is_local(argv))
            if type(reply) is Later or type(reply) is Block:
                later = reply
                break
            if ready:
                self._blocking.serve()
            self._take_reply(reply, parts)
            if self._closing or session.closing or perf_counter_ns() > turn_end:
                break
            if session.plain and backlog and backlog[0][0] in self._plain:
                break
        self.last_command = commands[-1] if commands else []
        if session.closing:
            backlog.clear()
        # Replies that rest on nothing in the store wait for nothing but those before them.
        ticket = self._store.settle() if used else None
        resting_on = ticket
        retryable = retryable and session.queue is None and later is None
        if queue is not None and session.queue is None and len(commands) == 1:
            # EXEC, as most clients send it: a burst of its own.
            if type(reply) is Raw:
                commands = [Transaction(queue, guarded)]
                retryable = True
            else:
                ticket = None  # nothing was executed, and that needs nobody's consent
        if parts or ticket is not None:
            burst = Burst(ticket, parts, commands, database, retryable)
            burst.watches = retryable and bool(session.watched)
            self.outbox.append(burst)
            if ticket is not None:
                ticket.wait(self)
        if self._served:
            self._blocking.deliver(ticket)
        if later is not None:
            if type(later) is Later and later.permit is not None:
                later.permit.after(resting_on)
            self._start(later, commands[-1])
        self._flush()
        if self._state.outgoing:
            self._announcements.after(resting_on)

    def _is_local(self, argv: Words) -> bool:
        try:
            return self.hub.router.find(argv).is_local(argv)
        except RedisError:
            return True

    def run_local(self, argv: Words) -> None:
        """Run a command that needs no store; nothing is unanswered before it."""
        session = self.session
        if argv is not self._caught_up_for and would_refuse(session, self.hub.router, argv):
            self._catch_up(argv)
            return
        self._caught_up_for = None
        self._call.view.now_ms = self._state.clock.wall_ms()
        reply = self.hub.router.execute(self._call, argv)
        self.last_command = argv
        if type(reply) is Later:
            self._start(reply, argv)
            return
        parts: list[bytes] = []
        self._take_reply(reply, parts)
        if session.closing:
            self.backlog.clear()
        self.push(parts)
        if self._state.outgoing:
            self._announcements.after(None)

    def _start(self, later: Later | Block, argv: Words) -> None:
        self._straight = False
        if type(later) is Block:
            if self._ended:
                self.abort()  # the client has closed its side: nobody would know what it got
            elif not self._closing:
                self._blocking.enter(self, later, self.hub.router.find(argv))
                self._obey_early()
            return
        assert type(later) is Later
        self.session.blocked = later
        self._task = self.hub.loop.create_task(self._finish(later, argv))

    def _catch_up(self, argv: Words) -> None:
        """This node would refuse, by what it knows of users: it asks first whether it knows the newest."""
        self._straight = False
        coroutine = self._run_caught_up(argv)
        self.session.blocked = Later(coroutine)
        self._task = self.hub.loop.create_task(coroutine)

    async def _run_caught_up(self, argv: Words) -> None:
        try:
            await self._store.read_barrier(timeout=CATCH_UP_SECONDS)
        except KvError:
            log.debug("client %d is refused by what this node knows", self.session.id)
        self._task = None
        self.session.blocked = None
        if not self._closing:
            self._caught_up_for = argv
            self.backlog.appendleft(argv)
            self.advance()

    async def _finish(self, later: Later, argv: Words) -> None:
        try:
            reply = await later.coroutine
        except Exception as error:
            reply = failure(self._state, self.session, None, [b"?"], error)
        if type(reply) is Pieces:
            parts: list[bytes] = []
            self._take_reply(Raw(b""), parts)
            if parts:  # the client wants to see it
                await self._write_in_pieces(reply)
        self._task = None
        self.session.blocked = None
        if self._closing:
            return
        if reply is AGAIN:
            self.backlog.appendleft(argv)
        elif type(reply) is not Pieces:
            parts = []
            self._take_reply(reply, parts)
            self.push(parts)
        self.advance()

    async def _write_in_pieces(self, reply: Pieces) -> None:
        """A long reply, as fast as the client takes it and the loop has time for others. Nothing comes in between."""
        left = reply.parts
        if self._state.output_limited:
            self.check_output(sum(map(len, left)))
        while left and not self._closing:
            if self.outbox or self._write_paused:
                # Replies before it, or the client, need time; `release` and `resume_writing` come by themselves.
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            self._mid_reply = True
            piece: list[bytes] = []
            size = 0
            while left and size < PIECE_BYTES:
                size += len(left[0])
                piece.append(left.popleft())
            self._stats.bytes_out += size
            self._send(b"".join(piece))
            if self._state.output_limited:
                self.check_output()
            await asyncio.sleep(0)
        self._mid_reply = False
        self.write_pushes()

    # waiting for keys

    def unblocked(self, argv: Words, reply: object, ticket: Ticket | None) -> None:
        """The reply of a command that was blocked. What the client sent after it goes on in a later turn."""
        if self._closing or self.session.closing:
            return
        parts: list[bytes] = []
        self._take_reply(reply, parts)
        retryable = ticket is not None and not self.session.watched
        self.outbox.append(Burst(ticket, parts, [argv], self._call.db.number, retryable))
        if ticket is not None:
            ticket.wait(self)
        self._flush()
        self._continue_later()

    def stop_waiting(self) -> None:
        blocked = self.session.blocked
        if type(blocked) is Blocked:
            self._blocking.leave(blocked)

    @property
    def is_paused(self) -> bool:
        return bool(self.backlog) and self._state.paused

    @property
    def waits_at_leader(self) -> bool:
        return self.forwarder.waits_for_keys

    def unblock_at_leader(self, how: bytes) -> None:
        self.forwarder.unblock(how)

    def take_marker(self) -> None:
        """The backlog begins with an answer that is known already, or with a selection that was undone by a retry."""
        marker = self.backlog.popleft()
        if type(marker) is SelectAgain:
            self._call.db = self._state.databases.numbered[marker.number]
        elif type(marker) is Fixed:
            self.push([marker.reply])
            if marker.last:
                self.close_after_replies()

    # replies

    def _origin(self) -> bytes:
        return self._state.tracking.origin(self.session)

    def announce(self) -> None:
        """What this node's own part of a transaction leaves behind: the leader's part is committed."""
        if self._state.outgoing:
            self._announcements.after(None)

    def release(self, ticket: Ticket) -> None:
        for burst in self.outbox:
            if burst.ticket is ticket:
                burst.ticket = None
        self._flush()
        self._after_tickets()

    def fail(self, ticket: Ticket, fault: Exception) -> None:
        error = fault if isinstance(fault, KvError) else KvError(Fault.INTERNAL)
        lead_lost = error.fault is Fault.NOT_LEADER
        for burst in self.outbox:
            if burst.ticket is not ticket:
                continue
            burst.ticket = None
            if lead_lost and self.session.forwarded_from:
                burst.parts = [encode(self.forwarder.not_leader())]
                burst.commands = []
                self._drop_rest_after(burst)
                break
            if lead_lost and burst.retryable:
                burst.retry = True
                continue
            if error.fault is Fault.OUTCOME_UNKNOWN:
                self._stats.outcome_unknown += len(burst.parts)
            reply = LEAD_LOST if lead_lost else from_fault(error)
            # A client that is told so in the middle of a transaction must not find half of it executed.
            self.session.queue_failed = self.session.queue is not None
            self._stats.error(reply.text)
            burst.parts = [encode(reply)] * len(burst.parts)
        self._flush()
        self._after_tickets()

    def _drop_rest_after(self, burst: Burst) -> None:
        """The node that forwards to us repeats everything from here on at the new leader."""
        while self.outbox and self.outbox[-1] is not burst:
            self.outbox.pop()
        self.close_after_replies()

    def _after_tickets(self) -> None:
        if self.backlog:
            self.advance()
        elif self._ended and not self.outbox:
            self.close_after_replies()
        elif not self._reading:
            self._adjust_reading()

    def execute_again(self) -> None:
        """The first burst is provably not in the log: put it and all replies behind it back into the backlog."""
        again: list[Words] = []
        for burst in self.outbox:
            if burst.retry:
                again.append(SelectAgain(burst.database))
                again += map(self._anew, burst.commands)
            else:
                again += [Fixed(part) for part in burst.parts]
        again.append(SelectAgain(self._call.db.number))
        if any(burst.watches for burst in self.outbox if burst.retry):
            self.session.unwatch()
        self.outbox.clear()
        self.backlog.extendleft(reversed(again))
        self._continue_later()

    def _anew(self, argv: Words) -> Words:
        """What to do for a command that was executed in vain: the same, but nobody has watched keys meanwhile."""
        if type(argv) is Transaction and argv.guarded:
            return Fixed(encode(NULL_ARRAY, self._call.protocol))
        return argv

    # waiting

    def wait_for_leader(self) -> None:
        self.hub.wait_for_leader(self)

    def look_again(self, now: float) -> None:
        if self._closing:
            self.hub.forget(self)
            return
        forwarder = self.forwarder
        if self._ended and forwarder.waits_for_keys:
            self.abort()
            return
        forwarder.check(now)
        self.advance()
        if not forwarder.unanswered:
            if not self.backlog:
                self.hub.forget(self)
        elif forwarder.rests:
            self.hub.rest(self)
        else:
            self.hub.wait(self)

    def wake(self) -> None:
        self._continue_later()

    # flow

    def _adjust_reading(self) -> None:
        """Read only as fast as commands are executed and replies are taken."""
        transport = self._transport
        if transport is None or self._closing or self._ended:
            return
        wanted = not (self._write_paused or len(self.backlog) > MAX_BACKLOG or len(self.outbox) > MAX_OUTBOX)
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                transport.resume_reading()
            else:
                transport.pause_reading()

    def pause_writing(self) -> None:
        self._write_paused = True
        self._straight = False
        self.forwarder.pause()
        self._adjust_reading()

    def resume_writing(self) -> None:
        self._write_paused = False
        self._soft_since = 0.0
        self.forwarder.resume()
        self._continue_later()

    def authentication_changed(self) -> None:
        self._parser.limited = not self.session.authenticated
        self._straight = self._straight and self.session.plain

    def figures(self) -> LinkFigures:
        now = perf_counter_ns()
        transport = self._transport
        raw_socket: Any = transport.get_extra_info("socket") if transport is not None else None
        return LinkFigures(
            input_bytes=self._unfinished,
            output_bytes=self.output_bytes(),
            output_parts=len(self.outbox),
            age_seconds=(now - self.created_at) // 1_000_000_000,
            idle_seconds=(now - self.last_active_at) // 1_000_000_000,
            descriptor=raw_socket.fileno() if raw_socket is not None else -1,
            last_command=self.last_command[:2],
        )
