"""From words to a body: look up, check, queue or run, count, translate failures.

A `Route` is a command as this server runs it: its declaration and its figures. The hot loop in `connection` uses
`Router.plain` and knows only the rules that every ordinary command has; everything else comes through `execute`, which
knows all of them, in the order of Redis' processCommand: existence, arity, NOAUTH, MULTI, body.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from time import perf_counter_ns
from typing import Final

from elastickv.errors import KvError
from elastickv.redis_api.acl.permissions import denial, text_in_exec
from elastickv.redis_api.acl.sessions import log_denial
from elastickv.redis_api.errors import (
    INTERNAL,
    NO_AUTH,
    CountedError,
    RedisError,
    from_fault,
    not_while_listening,
    unknown_command,
    unknown_subcommand,
    wrong_arity,
)
from elastickv.redis_api.long_reads import STEPPING, LongReads, stepping
from elastickv.redis_api.memory_limit import OUT_OF_MEMORY
from elastickv.redis_api.pending import queue_in
from elastickv.redis_api.registry import Command, Flag, Registry
from elastickv.redis_api.replies import QUEUED
from elastickv.redis_api.session import Block, Call, Session
from elastickv.redis_api.state import ServerState
from elastickv.redis_api.stats import CommandStats
from elastickv.redis_api.traits import RUN_SCRIPTS, Traits, traits_of
from elastickv.redis_api.values.database import TooMany

log = logging.getLogger(__name__)

_IMMEDIATE: Final = frozenset({"exec", "discard", "multi", "watch", "quit", "reset"})
"""Not queued by MULTI."""
_LISTENING: Final = frozenset(
    ("ping", "subscribe", "ssubscribe", "unsubscribe", "sunsubscribe", "psubscribe", "punsubscribe", "quit", "reset")
)
"""What a RESP2 client with subscriptions may do."""
_WHEN_OUT_OF_MEMORY: Final = frozenset(("discard", "quit", "reset"))
"""What may come in MULTI when memory is used up: the queue must not grow."""
_MAX_SPELLINGS: Final = 8192

NOT_IN_MULTI: Final = RedisError(b"ERR Command not allowed inside a transaction")


class Route(CommandStats):
    __slots__ = (
        "alike",
        "allow_busy",
        "arity",
        "blocking",
        "command",
        "deny_oom",
        "executes_queue",
        "handler",
        "immediate",
        "internal",
        "listening",
        "local",
        "no_auth",
        "no_multi",
        "plain",
        "readonly",
        "replicates",
        "runs_script",
        "shown_first",
        "skip_slow_log",
        "steps_aside",
        "subroutes",
        "write",
    )

    def __init__(self, command: Command) -> None:
        super().__init__(command.name)
        flags = command.flags
        self.command = command
        self.steps_aside = command.name in STEPPING
        self.handler = stepping(command.handler) if self.steps_aside else command.handler
        self.alike = command.alike
        self.arity = command.arity
        self.write = Flag.WRITE in flags
        self.readonly = Flag.READONLY in flags
        self.replicates = bool(flags & (Flag.WRITE | Flag.MAY_REPLICATE))
        """CLIENT PAUSE WRITE holds it back."""
        self.deny_oom = Flag.DENYOOM in flags
        self.executes_queue = command.name in ("exec", "elastickv.exec")
        self.runs_script = command.name.encode() in RUN_SCRIPTS
        self.local = Flag.LOCAL in flags
        self.allow_busy = Flag.ALLOW_BUSY in flags
        self.blocking = Flag.BLOCKING in flags
        self.no_auth = Flag.NO_AUTH in flags
        self.no_multi = Flag.NO_MULTI in flags
        self.skip_slow_log = Flag.SKIP_SLOWLOG in flags
        self.shown_first = Flag.SKIP_MONITOR in flags
        """MONITOR shows a script before the commands that it calls; everything else, EXEC too, when it has run."""
        self.immediate = command.name in _IMMEDIATE
        self.internal = command.name.startswith("elastickv.")
        """Between nodes; what it executes for a client is checked one by one."""
        self.listening = command.name in _LISTENING
        self.plain = not (
            command.subcommands or flags & (Flag.SESSION | Flag.BLOCKING | Flag.NO_AUTH | Flag.SKIP_SLOWLOG)
        )
        self.subroutes: dict[bytes, Route] = {}

    def is_local(self, argv: list[bytes]) -> bool:
        """This node answers it, whoever leads."""
        at_leader = self.command.at_leader
        return self.local and (at_leader is None or not at_leader(argv))

    def accepts(self, words: int) -> bool:
        arity = self.arity
        return words == arity if arity > 0 else words >= -arity


class Router:
    """All commands of a server, by any spelling that clients have used."""

    def __init__(self, *registries: Registry) -> None:
        self.stats: dict[str, CommandStats] = {}
        self.plain: dict[bytes, Route] = {}
        """What the hot loop may run: commands that do nothing to the session and answer at once."""
        self._known: dict[bytes, Route] = {}
        """By lower-case name."""
        self._spelled: dict[bytes, Route] = {}
        self._growth_refused = False
        self.long_reads = LongReads()
        self.monitor: Callable[[Session, list[bytes]], None] = lambda session, argv: None
        """Shows a command to the clients in MONITOR; called while there are any."""
        for registry in registries:
            for name, command in registry.items():
                route = self._add(command)
                self._known[name.encode()] = route
                for spelling in (name, name.upper(), name.capitalize()):
                    self._remember(spelling.encode(), route)

    def _add(self, command: Command) -> Route:
        route = Route(command)
        self.stats[command.name] = route
        for name, sub in command.subcommands.items():
            subroute = self._add(sub)
            route.subroutes[name.encode()] = subroute
            route.subroutes[name.upper().encode()] = subroute
        return route

    def _remember(self, spelling: bytes, route: Route) -> None:
        if len(self._spelled) < _MAX_SPELLINGS:
            self._spelled[spelling] = route
            if route.plain and not (route.deny_oom and self._growth_refused):
                self.plain[spelling] = route

    def refuse_growth(self, refused: bool) -> None:
        """maxmemory is exceeded, or no longer: what it denies leaves the hot loop, and so meets `checked`."""
        self._growth_refused = refused
        for spelling, route in self._spelled.items():
            if route.plain and route.deny_oom:
                if refused:
                    self.plain.pop(spelling, None)
                else:
                    self.plain[spelling] = route

    def find(self, argv: list[bytes]) -> Route:
        """The route of a command or subcommand; RedisError when there is none."""
        name = argv[0]
        route = self._spelled.get(name)
        if route is None:
            route = self._known.get(name.lower())
            if route is None:
                raise unknown_command(argv)
            self._remember(name, route)
        subroutes = route.subroutes
        if not subroutes or len(argv) < 2:
            return route
        sub = argv[1]
        subroute = subroutes.get(sub) or subroutes.get(sub.lower())
        if subroute is None:
            raise unknown_subcommand(argv[0], sub)
        return subroute

    def checked(self, session: Session, argv: list[bytes]) -> Route:
        """The route, if the command may run or be queued now; else RedisError, and an open MULTI will abort."""
        route = None
        try:
            route = self.find(argv)
            if not route.accepts(len(argv)):
                raise wrong_arity(route.name)
            if not session.authenticated and not route.no_auth:
                raise NO_AUTH
            if not session.user.unrestricted and not route.internal:
                self._check_permission(session, route, argv)
            if session.queue is not None and route.no_multi:
                raise NOT_IN_MULTI
            if self._growth_refused and not session.in_exec and self._adds_data(session, route, argv):
                raise OUT_OF_MEMORY
            if not route.listening and session.only_listens and not session.in_exec:
                raise not_while_listening(route.name)
        except RedisError as error:
            if route is not None:
                route.rejected += 1
            if session.queue is not None:
                session.queue_failed = True
            if route is not None and route.executes_queue:
                session.end_transaction()
                reason = error.text.removeprefix(b"ERR ")
                raise RedisError(b"EXECABORT Transaction discarded because of: " + reason) from None
            raise
        return route

    def _adds_data(self, session: Session, route: Route, argv: list[bytes]) -> bool:
        """Whether it is denied while maxmemory is exceeded."""
        if session.queue is not None and not route.executes_queue:
            return route.name not in _WHEN_OUT_OF_MEMORY
        return any(traits.grows for traits in self._traits(session, route, argv))

    def may_write(self, session: Session, route: Route, argv: list[bytes]) -> bool:
        """CLIENT PAUSE WRITE holds it back."""
        return any(traits.writes for traits in self._traits(session, route, argv))

    def _traits(self, session: Session, route: Route, argv: list[bytes]) -> Iterator[Traits]:
        """What the command may do, or those that EXEC would execute."""
        if not route.executes_queue:
            yield traits_of(session.state, route, argv)
            return
        for queued in (session.queue if route.name == "exec" else queue_in(argv)) or ():
            try:
                found = self.find(queued)
            except RedisError:
                continue  # another node queued it; here it will be an error in the reply
            yield traits_of(session.state, found, queued)

    def _check_permission(self, session: Session, route: Route, argv: list[bytes]) -> None:
        found = denial(session.user, route.command, argv)
        if found is not None:
            in_transaction = session.in_exec or session.queue is not None
            log_denial(session, found, b"multi" if in_transaction else b"toplevel")
            raise RedisError(text_in_exec(found) if session.in_exec else b"NOPERM " + found.text())

    def execute(self, call: Call, argv: list[bytes]) -> object:
        """One command with all its rules. Returns a reply, `Later` or `Block`; every failure is a RedisError reply."""
        session = call.session
        try:
            route = self.checked(session, argv)
        except RedisError as error:
            return failure(session.state, session, None, argv, error)
        if session.queue is not None and not route.immediate:
            session.queue.append(argv)
            return QUEUED
        return self.run(call, route, argv)

    def run(self, call: Call, route: Route, argv: list[bytes]) -> object:
        """The body of a command that was checked, with its figures."""
        state = call.session.state
        call.argv = argv
        session = call.session
        if session.tracking is not None:
            follow_reads(session, route, argv)
        if state.monitors and route.shown_first:
            self.monitor(session, argv)
        started = perf_counter_ns()
        try:
            reply = route.handler(call)
        except TooMany:
            reply = self.long_reads.begin(call, route, argv)
            if state.monitors:
                self.monitor(session, argv)
            return reply
        except Exception as error:
            reply = failure(state, call.session, route, argv, error)
        spent = perf_counter_ns() - started
        if state.monitors and not route.shown_first:
            self.monitor(session, argv)
        if type(reply) is Block:
            reply.spent_ns = spent  # counted as one call when it is over
            return reply
        route.add(spent)
        if spent >= state.slow_ns and not route.skip_slow_log:
            session = call.session
            state.slow_command(route.name, argv, spent, session.address, session.name)
        return reply


def follow_reads(session: Session, route: Route, argv: list[bytes]) -> None:
    """A client that tracks keys runs a command, here or at the leader."""
    mode = session.tracking
    assert mode is not None
    if not session.state.store.serving if route.runs_script else route.readonly:
        # The leader knows what a script has read (`scripting.engine`); for others it may have read all its keys.
        session.state.tracking.remember(session, route.command, argv)
    if mode.caching and session.queue is None and not session.in_exec and not route.name.startswith("client|"):
        mode.caching = False


def failure(
    state: ServerState, session: Session, route: CommandStats | None, argv: list[bytes], error: Exception
) -> RedisError:
    """The reply for what a handler raised, counted. What nobody expected is logged and told as "internal error"."""
    if isinstance(error, RedisError):
        reply = error
        # Many are constants that are raised again and again: each raise would add to their traceback.
        error.__traceback__ = error.__context__ = None
    elif isinstance(error, KvError):
        reply = from_fault(error)
    else:
        name = route.name if route is not None else argv[0].decode("latin-1")
        log.error("command %r of client %d failed", name, session.id, exc_info=error)
        reply = INTERNAL
    if route is not None:
        route.failed += 1
    if type(reply) is not CountedError:
        state.stats.error(reply.text)
    return reply
