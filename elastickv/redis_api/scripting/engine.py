"""Runs scripts and functions, one at a time, and interrupts those that must end.

A script runs inside a piece of work (`slices`), on the leader, between two turns of the executor: what it writes is in
one log entry. What it wrote before an error stays, as in Redis. It is interrupted by a hook that the interpreter calls
every 100 000 instructions: to let others have a turn, and to end it after SCRIPT KILL or when the lead is lost. (What
happens inside one call of a C function, such as a search with a malicious pattern, cannot be interrupted.)
"""

from __future__ import annotations

import logging
import math
from time import perf_counter_ns
from typing import Any, Final

from elastickv.redis_api.arguments import INT64_MAX, INT64_MIN
from elastickv.redis_api.dispatch import Router
from elastickv.redis_api.errors import CountedError, RedisError
from elastickv.redis_api.registry import Reply
from elastickv.redis_api.replies import Raw, Simple
from elastickv.redis_api.scripting.bridge import Bridge
from elastickv.redis_api.scripting.lua_state import ERROR, RAW, STATUS, Function, LuaState, OutOfMemory
from elastickv.redis_api.scripting.slices import Slices
from elastickv.redis_api.session import Call
from elastickv.redis_api.state import REDIS_VERSION, ServerState

log = logging.getLogger(__name__)

LOAD_NS: Final = 500_000_000
"""How long a library may take to load."""

NOT_BUSY: Final = RedisError(b"NOTBUSY No scripts in execution right now.")
UNKILLABLE: Final = RedisError(
    b"UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script "
    b"termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
)
BUSY_SCRIPT: Final = RedisError(
    b"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
)
BUSY_FUNCTION: Final = RedisError(
    b"BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
)
_NO_MEMORY: Final = RedisError(b"ERR not enough memory")
_SCRIPT_KILLED, _FUNCTION_KILLED, _LOAD_TIMEOUT, _ENDED = range(1, 5)
"""Why a script must end; the numbers are known to `lua/sandbox.lua`."""
_REASONS: Final = {
    _SCRIPT_KILLED: b"ERR Script killed by user with SCRIPT KILL.",
    _FUNCTION_KILLED: b"ERR Script killed by user with FUNCTION KILL.",
    _ENDED: b"ERR the script was ended",
}
_LEVELS: Final = (logging.DEBUG, logging.INFO, logging.INFO, logging.WARNING)


class Running:
    """The script that is in execution."""

    def __init__(self, name: bytes, argv: list[bytes], is_function: bool) -> None:
        self.name = name
        """SHA1 of a script, name of a function."""
        self.argv = argv
        self.is_function = is_function
        self.started_ns = perf_counter_ns()
        self.stop = 0
        """Why it must end; 0 when it need not."""

    @property
    def milliseconds(self) -> int:
        return (perf_counter_ns() - self.started_ns) // 1_000_000


class Engine:
    """One per node. `running` is None between scripts."""

    def __init__(self, state: ServerState, router: Router) -> None:
        self._state = state
        self.slices = Slices(state)
        self._bridge = Bridge(state, router)
        self.running: Running | None = None
        self._lua: LuaState | None = None
        self._load_until = 0
        self.call = self._bridge.call
        self.set_protocol = self._bridge.set_protocol
        self.check_acl = self._bridge.check_acl

    @property
    def lua(self) -> LuaState:
        if self._lua is None:
            major, minor, patch = map(int, REDIS_VERSION.split("."))
            version = REDIS_VERSION, major << 16 | minor << 8 | patch
            seed = self._state.databases.rng.getrandbits(32)
            self._lua = LuaState(self, self._state.script_memory, seed, version)
        return self._lua

    @property
    def used_bytes(self) -> int:
        return self._lua.used_bytes if self._lua is not None else 0

    # what scripts ask (`lua_state.Host`)

    def tick(self) -> object:
        """The hook: why the script must end, or None. (A number needs no memory in Lua.)"""
        if self._load_until:
            return _LOAD_TIMEOUT if perf_counter_ns() > self._load_until else None
        running = self.running
        if running is None:
            return None
        if not running.stop:
            self.slices.breathe()
            if self.slices.lost:
                self._bridge.ended = True
                running.stop = _ENDED
        return running.stop or None

    def log(self, level: int, text: bytes) -> None:
        log.log(_LEVELS[int(level)], "%s", text.decode("utf-8", "replace"))

    # running

    def run(
        self,
        call: Call,
        function: Function,
        name: bytes,
        key_count: int,
        words: list[bytes],
        *,
        is_function: bool = False,
        read_only: bool = False,
        may_grow: bool = False,
    ) -> Reply:
        """The script's reply, or Later; RedisError with Redis' words when it fails."""
        argv = call.argv
        return self.slices.run(
            lambda: self._execute(
                call, function, Running(name, argv, is_function), key_count, words, read_only, may_grow
            )
        )

    def _execute(
        self,
        call: Call,
        function: Function,
        running: Running,
        key_count: int,
        words: list[bytes],
        read_only: bool,
        may_grow: bool,
    ) -> Reply:
        lua = self.lua
        session = call.session
        in_exec = session.in_exec
        # Nothing may block, as inside EXEC.
        session.in_exec = True
        self.running = running
        self._bridge.open(session, call.db.number, lua, read_only=read_only, may_grow=may_grow)
        lua.begin(call.protocol)
        try:
            result = lua.run(function, key_count, words, is_function=running.is_function)
        except OutOfMemory:
            raise _NO_MEMORY from None
        except Exception as error:
            if not running.stop:
                # The sandbox catches all that scripts raise; this is the memory that it needs for that.
                log.warning("script %s failed: %s", running.name.decode("latin-1"), error)
                raise _NO_MEMORY from None
            result = None
        finally:
            session.in_exec = in_exec
            self.running = None
            self._bridge.remember_keys(session, running.argv)
            self._bridge.close()
        if running.stop:
            source, line = lua.restore()
            raise _error(_REASONS[running.stop], running.name, source, line)
        return self._reply(result, running.name)

    def _reply(self, result: Any, name: bytes) -> Reply:
        kind = type(result)
        if kind is bytes or kind is int or result is None:
            return result
        if kind is tuple:
            text, what = result[:2]
            if what == RAW:
                return Raw(text)
            if what == STATUS:
                return Simple(text)
            raised = CountedError if result[-1] is True else RedisError
            if what == ERROR:
                raise raised(text)
            raise _error(text, name, result[2], result[3], raised)
        if kind is bool:
            return int(result)
        # A double as C makes an integer of it.
        if math.isfinite(result) and INT64_MIN <= result <= INT64_MAX:
            return int(result)
        return INT64_MIN

    def load_library(self, code: bytes) -> tuple[list[tuple[bytes, Function, bytes, bytes | None]], bytes, bool]:
        """See `LuaState.load_library`."""
        lua = self.lua
        self._load_until = perf_counter_ns() + LOAD_NS
        try:
            loaded = lua.load_library(code)
        except Exception:
            loaded = [], b"ERR FUNCTION LOAD timeout", False
        finally:
            timed_out = perf_counter_ns() > self._load_until
            self._load_until = 0
            if timed_out:
                lua.restore()
        return loaded

    # ending

    def kill(self, *, is_function: bool) -> None:
        """SCRIPT KILL and FUNCTION KILL."""
        running = self.running
        if running is None:
            raise NOT_BUSY
        if running.is_function != is_function:
            raise BUSY_FUNCTION if running.is_function else BUSY_SCRIPT
        if self._bridge.wrote:
            raise UNKILLABLE
        self._bridge.ended = True
        running.stop = _FUNCTION_KILLED if is_function else _SCRIPT_KILLED

    @property
    def busy(self) -> RedisError | None:
        """What others hear while a script has been running for longer than busy-reply-threshold."""
        running = self.running
        if running is None or running.milliseconds < self._state.busy_reply_ms:
            return None
        return BUSY_FUNCTION if running.is_function else BUSY_SCRIPT


def _error(
    text: bytes, name: bytes, source: bytes | bool, line: int, kind: type[RedisError] = RedisError
) -> RedisError:
    if isinstance(source, bool):
        return kind(text)
    return kind(b"%b script: %b, on %b:%d." % (text, name, source, line))
