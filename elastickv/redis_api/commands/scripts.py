"""EVAL, EVALSHA, their read-only forms, and SCRIPT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from elastickv.redis_api.argument_docs import integer, key, oneof, token, word
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.registry import COMMANDS, Flag, Handler, KeySpec, Reply, counted_keys
from elastickv.redis_api.replies import OK, Simple
from elastickv.redis_api.scripting.store import Script
from elastickv.redis_api.session import Call

READS_SCRIPT: Final = (
    Flag.NOSCRIPT
    | Flag.STALE
    | Flag.SKIP_MONITOR
    | Flag.NO_MANDATORY_KEYS
    | Flag.MOVABLEKEYS
    | Flag.READONLY
    | Flag.SESSION
)
RUNS_SCRIPT: Final = READS_SCRIPT & ~Flag.READONLY | Flag.MAY_REPLICATE

_NO_SCRIPT: Final = RedisError(b"NOSCRIPT No matching script. Please use EVAL.")
_TOO_MANY_KEYS: Final = RedisError(b"ERR Number of keys can't be greater than number of args")
_NEGATIVE_KEYS: Final = RedisError(b"ERR Number of keys can't be negative")
READ_ONLY_ONLY: Final = RedisError(b"ERR Can not execute a script with write flag using *_ro command.")
_FLUSH_OPTION: Final = RedisError(b"ERR SCRIPT FLUSH only support SYNC|ASYNC option")
_DEBUG_OPTION: Final = RedisError(b"ERR Use SCRIPT DEBUG YES/SYNC/NO")
_NO_DEBUGGER: Final = RedisError(b"ERR the Lua debugger is not available: scripts run on the leader of a cluster")

KEYS_AND_ARGUMENTS: Final = (
    integer("numkeys"),
    key(optional=True, multiple=True),
    word("arg", optional=True, multiple=True),
)
_COMPLEXITY: Final = "Depends on the script that is executed."


find_keys: Final = counted_keys(2)
WRITES_KEYS: Final = KeySpec(
    "RW ACCESS UPDATE",
    index=2,
    counted=(0, 1, 1),
    notes="We cannot tell how the keys will be used so we assume the worst, RW and UPDATE",
)
READS_KEYS: Final = KeySpec(
    "RO ACCESS",
    index=2,
    counted=(0, 1, 1),
    notes="We cannot tell how the keys will be used so we assume the worst, RO and ACCESS",
)


def key_count(argv: list[bytes], not_a_number: RedisError | None = None) -> int:
    count = read_integer(argv[2]) if not_a_number is None else read_integer(argv[2], not_a_number)
    if count > len(argv) - 3:
        raise _TOO_MANY_KEYS
    if count < 0:
        raise _NEGATIVE_KEYS
    return count


def _run(call: Call, script: Script, count: int, *, read_only: bool) -> Reply:
    if read_only and not (script.head.compatible or script.read_only):
        raise READ_ONLY_ONLY
    return call.state.scripts.engine.run(
        call,
        script.function,
        script.sha,
        count,
        call.argv[3:],
        read_only=read_only or script.read_only,
        may_grow=b"allow-oom" in script.head.flags,
    )


def _declare(name: str, read_only: bool, since: str, summary: str, first: str) -> Callable[[Handler], Handler]:
    return COMMANDS.command(
        name,
        arity=-3,
        flags=READS_SCRIPT if read_only else RUNS_SCRIPT,
        group="scripting",
        since=since,
        summary=summary,
        complexity=_COMPLEXITY,
        find_keys=find_keys,
        key_specs=(READS_KEYS if read_only else WRITES_KEYS,),
        arguments=(word(first), *KEYS_AND_ARGUMENTS),
    )


@_declare("eval", False, "2.6.0", "Executes a server-side Lua script.", "script")
def evaluate(call: Call, *, read_only: bool = False) -> Reply:
    count = key_count(call.argv)
    return _run(call, call.state.scripts.store.evaluated(call.argv[1]), count, read_only=read_only)


@_declare("eval_ro", True, "7.0.0", "Executes a read-only server-side Lua script.", "script")
def evaluate_read_only(call: Call) -> Reply:
    return evaluate(call, read_only=True)  # type: ignore[call-arg]  # a handler with one more parameter


def _known(call: Call, *, read_only: bool) -> Reply:
    script = call.state.scripts.store.find(call.argv[1].lower())
    if script is None:
        raise _NO_SCRIPT
    return _run(call, script, key_count(call.argv), read_only=read_only)


@_declare("evalsha", False, "2.6.0", "Executes a server-side Lua script by SHA1 digest.", "sha1")
def evaluate_sha(call: Call) -> Reply:
    return _known(call, read_only=False)


@_declare("evalsha_ro", True, "7.0.0", "Executes a read-only server-side Lua script by SHA1 digest.", "sha1")
def evaluate_sha_read_only(call: Call) -> Reply:
    return _known(call, read_only=True)


@COMMANDS.command(
    "script",
    arity=-2,
    flags=Flag.NONE,
    group="scripting",
    since="2.6.0",
    summary="A container for Lua scripts management commands.",
    complexity="Depends on subcommand.",
)
def script(_: Call) -> Reply:
    raise AssertionError("the router asks for a subcommand")


def _sub(
    name: str, arity: int, flags: Flag, since: str, summary: str, complexity: str, *arguments: dict[str, Any]
) -> Callable[[Handler], Handler]:
    return COMMANDS.command(
        f"script|{name}",
        arity=arity,
        flags=flags if name == "help" else Flag.NOSCRIPT | flags,
        group="scripting",
        since=since,
        summary=summary,
        complexity=complexity,
        arguments=arguments,
    )


@_sub(
    "load", 3, Flag.STALE, "2.6.0", "Loads a server-side Lua script to the script cache.",
    "O(N) with N being the length in bytes of the script body.", word("script"),
)  # fmt: skip
def script_load(call: Call) -> Reply:
    return call.state.scripts.store.load(call.argv[2]).sha


@_sub(
    "exists", -3, Flag.NONE, "2.6.0", "Determines whether server-side Lua scripts exist in the script cache.",
    "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
    word("sha1", multiple=True),
)  # fmt: skip
def script_exists(call: Call) -> Reply:
    store = call.state.scripts.store
    return [int(store.exists(sha)) for sha in call.argv[2:]]


@_sub(
    "flush", -2, Flag.NONE, "2.6.0", "Removes all server-side Lua scripts from the script cache.",
    "O(N) with N being the number of scripts in cache",
    oneof("flush-type", token("ASYNC"), token("SYNC"), since="6.2.0", optional=True),
)  # fmt: skip
def script_flush(call: Call) -> Reply:
    options = call.argv[2:]
    if len(options) > 1 or (options and options[0].upper() not in (b"SYNC", b"ASYNC")):
        raise _FLUSH_OPTION
    call.state.scripts.store.flush()
    return OK


@_sub(
    "kill", 2, Flag.ALLOW_BUSY, "2.6.0", "Terminates a server-side Lua script during execution.", "O(1)",
)  # fmt: skip
def script_kill(call: Call) -> Reply:
    call.state.scripts.engine.kill(is_function=False)
    return OK


@_sub(
    "debug", 3, Flag.NONE, "3.2.0", "Sets the debug mode of server-side Lua scripts.", "O(1)",
    oneof("mode", token("YES"), token("SYNC"), token("NO")),
)  # fmt: skip
def script_debug(call: Call) -> Reply:
    mode = call.argv[2].upper()
    if mode == b"NO":
        return OK
    if mode in (b"YES", b"SYNC"):
        raise _NO_DEBUGGER
    raise _DEBUG_OPTION


@_sub("help", 2, Flag.LOADING | Flag.STALE, "5.0.0", "Returns helpful text about the different subcommands.", "O(1)")
def script_help(_: Call) -> Reply:
    return [
        Simple(line)
        for line in (
            b"SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            b"DEBUG (YES|SYNC|NO)",
            b"    Set the debug mode for subsequent scripts executed.",
            b"EXISTS <sha1> [<sha1> ...]",
            b"    Return information about the existence of the scripts in the script cache.",
            b"FLUSH [ASYNC|SYNC]",
            b"    Flush the Lua scripts cache. Very dangerous on replicas.",
            b"    When called without the optional mode argument, the behavior is determined by the",
            b"    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
            b"    * ASYNC: Asynchronously flush the scripts cache.",
            b"    * SYNC: Synchronously flush the scripts cache.",
            b"KILL",
            b"    Kill the currently executing Lua script.",
            b"LOAD <script>",
            b"    Load a script into the scripts cache without executing it.",
            b"HELP",
            b"    Prints this help.",
        )
    ]
