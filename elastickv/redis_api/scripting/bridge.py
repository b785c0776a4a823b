"""redis.call: from the words of a script to the body of a command, under Redis' rules for scripts."""

from __future__ import annotations

import logging
from time import perf_counter_ns
from typing import Final

from elastickv.redis_api.acl.permissions import denial
from elastickv.redis_api.acl.sessions import log_denial
from elastickv.redis_api.arguments import string_to_integer
from elastickv.redis_api.dispatch import Route, Router, failure
from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.memory_limit import OUT_OF_MEMORY
from elastickv.redis_api.monitor import feed_called
from elastickv.redis_api.registry import Flag
from elastickv.redis_api.replies import NULL_ARRAY
from elastickv.redis_api.scripting.lua_state import ERROR, LuaState
from elastickv.redis_api.scripting.replies import to_lua
from elastickv.redis_api.session import Block, Call, Later, Session
from elastickv.redis_api.state import ServerState

log = logging.getLogger(__name__)

_NO_WORDS: Final = (b"ERR Please specify at least one argument for this redis lib call", ERROR)
_BAD_WORDS: Final = (b"ERR Lua redis lib command arguments must be strings or integers", ERROR)
_UNKNOWN: Final = RedisError(b"ERR Unknown Redis command called from script")
_ARITY: Final = RedisError(b"ERR Wrong number of args calling Redis command from script")
_NOT_ALLOWED: Final = RedisError(b"ERR This Redis command is not allowed from script")
_READ_ONLY: Final = RedisError(b"ERR Write commands are not allowed from read-only scripts.")
_ENDED: Final = (b"ERR the script was ended", ERROR)
_NOT_NOW: Final = (b"ERR redis.call can only be called inside a script invocation", ERROR)
_BAD_ACL_COMMAND: Final = (b"ERR Invalid command passed to redis.acl_check_cmd()", ERROR)

_EXACT_DIGITS: Final = 10**17
"""Integers below look the same as "%d" and as "%.17g"."""


class Bridge:
    """The client that a script is."""

    def __init__(self, state: ServerState, router: Router) -> None:
        self._state = state
        self._router = router
        self._find = router.find
        self._rules: dict[Route, tuple[RedisError | None, bool]] = {}
        """Why scripts may not call it, and whether it may change something."""
        self._call: Call | None = None
        self._lua: LuaState | None = None
        self.protocol = 2
        self.read_only = False
        self.may_grow = False
        """It said allow-oom: maxmemory does not hold for it."""
        self.read = False
        """The present script has called a command that only reads."""
        self.wrote = False
        """The present script has called a command that may write."""
        self.ended = False
        """It must not do anything any more."""

    def open(self, session: Session, database: int, lua: LuaState, *, read_only: bool, may_grow: bool) -> None:
        """A script begins, on behalf of this session."""
        call = self._call
        if call is None or call.session is not session:
            call = self._call = Call(session, self._state.databases, self._state.view)
        call.db = self._state.databases.numbered[database]
        call.protocol = self.protocol = 2
        self._lua = lua
        self.read_only = read_only
        self.may_grow = may_grow
        self.read = False
        self.wrote = False
        self.ended = False

    def close(self) -> None:
        self._lua = None

    def remember_keys(self, session: Session, argv: list[bytes]) -> None:
        """The client tracks keys: it may have a copy of what the script was given, if the script has read anything."""
        if self.read and session.tracking is not None:
            self._state.tracking.remember(session, self._find(argv).command, argv)

    def set_protocol(self, version: int) -> None:
        """redis.setresp"""
        self.protocol = version
        assert self._call is not None
        self._call.protocol = version
        if self._lua is not None:
            self._lua.script_protocol_changed(version)

    def call(self, *words: object) -> object:
        """A command; what the sandbox makes of the answer is in `lua/sandbox.lua`."""
        lua = self._lua
        call = self._call
        if lua is None or call is None:
            return _NOT_NOW
        if self.ended:
            return _ENDED
        if not words:
            return _NO_WORDS
        argv: list[bytes] = list(words)  # type: ignore[arg-type]  # what is no bytes is replaced right below
        for place, word in enumerate(words):
            if type(word) is bytes:
                continue
            if type(word) is int:
                argv[place] = b"%d" % word if -_EXACT_DIGITS < word < _EXACT_DIGITS else b"%.17g" % word
            elif type(word) is float:
                argv[place] = b"%.17g" % word
            else:
                return _BAD_WORDS
        state = self._state
        route: Route | None = None
        executing: Route | None = None
        call.argv = argv
        try:
            try:
                route = self._find(argv)
            except RedisError:
                raise _UNKNOWN from None
            arity = route.arity
            if arity != len(argv) and (arity > 0 or len(argv) < -arity):
                raise _ARITY
            refusal, changes = self._rules.get(route) or self._learn(route)
            if refusal is not None:
                raise refusal
            if not call.session.user.unrestricted:
                self._check_permission(call.session, route, argv)
            if route.blocking and route.name.startswith("xread"):
                _refuse_block(argv)
            if changes:
                if self.read_only:
                    raise _READ_ONLY
                if state.memory.exceeded and route.deny_oom and not (self.wrote or self.may_grow):
                    raise OUT_OF_MEMORY
                self.wrote = True
            if route.readonly:
                self.read = True
            executing = route
            started = perf_counter_ns()
            try:
                reply = route.handler(call)
            finally:
                route.add(perf_counter_ns() - started)
            if state.monitors:
                feed_called(call.session, route, argv, call.db.number)
            if type(reply) is Later:
                reply.coroutine.close()
                raise _NOT_ALLOWED
            if type(reply) is Block:
                reply = NULL_ARRAY  # what it would answer when its time is over
        except Exception as error:
            if executing is None and route is not None:
                route.rejected += 1
            reply = failure(state, call.session, executing, argv, error)
        return to_lua(reply, self.protocol, lua)

    def _learn(self, route: Route) -> tuple[RedisError | None, bool]:
        flags = route.command.flags
        rules = (
            _NOT_ALLOWED if Flag.NOSCRIPT in flags else None,
            bool(flags & (Flag.WRITE | Flag.MAY_REPLICATE)),
        )
        self._rules[route] = rules
        return rules

    def _check_permission(self, session: Session, route: Route, argv: list[bytes]) -> None:
        found = denial(session.user, route.command, argv)
        if found is not None:
            log_denial(session, found, b"lua")
            raise RedisError(b"ERR ACL failure in script: " + found.text())

    def check_acl(self, *words: object) -> object:
        """redis.acl_check_cmd: whether the user may run this."""
        if not words:
            return _NO_WORDS
        argv = [word if isinstance(word, bytes) else b"%d" % word for word in words if isinstance(word, bytes | int)]
        if len(argv) != len(words):
            return _BAD_WORDS
        try:
            route = self._find(argv)
        except RedisError:
            return _BAD_ACL_COMMAND
        call = self._call
        return call is None or denial(call.session.user, route.command, argv) is None


_OPTION_WORDS: Final = {b"GROUP": 3, b"COUNT": 2, b"NOACK": 1}


def _refuse_block(argv: list[bytes]) -> None:
    """XREAD and XREADGROUP must not even be asked to wait."""
    at = 1
    while at < len(argv):
        option = argv[at].upper()
        if option == b"BLOCK" and at + 1 < len(argv):
            raise RedisError(b"ERR %b command is not allowed with BLOCK option from scripts" % argv[0])
        step = _OPTION_WORDS.get(option)
        if step is None or (option == b"COUNT" and string_to_integer(b"".join(argv[at + 1 : at + 2])) is None):
            return  # something that the command itself refuses, or no option any more
        at += step
