"""FCALL, FCALL_RO and FUNCTION."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from elastickv.redis_api import glob
from elastickv.redis_api.argument_docs import oneof, token, word
from elastickv.redis_api.commands.scripts import (
    KEYS_AND_ARGUMENTS,
    READ_ONLY_ONLY,
    READS_KEYS,
    READS_SCRIPT,
    RUNS_SCRIPT,
    WRITES_KEYS,
    find_keys,
    key_count,
)
from elastickv.redis_api.errors import RedisError, subcommand_syntax
from elastickv.redis_api.rdb import BadFormat, WrongFooter
from elastickv.redis_api.registry import COMMANDS, Flag, Handler, Reply
from elastickv.redis_api.replies import OK, Members, Simple
from elastickv.redis_api.scripting.functions import LibraryFunction
from elastickv.redis_api.scripting.payload import dump_functions, restore_functions
from elastickv.redis_api.session import Call

_NOT_FOUND: Final = RedisError(b"ERR Function not found")
_NO_LIBRARY: Final = RedisError(b"ERR Library not found")
_BAD_NUMBER: Final = RedisError(b"ERR Bad number of keys provided")
_FLUSH_OPTION: Final = RedisError(b"ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
_NO_PATTERN: Final = RedisError(b"ERR library name argument was not given")
_BAD_PAYLOAD: Final = RedisError(b"ERR DUMP payload version or checksum are wrong")
_BAD_FORMAT: Final = RedisError(b"ERR failed loading functions: bad format")
_BAD_POLICY: Final = RedisError(b"ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.")
_COMPLEXITY: Final = "Depends on the function that is executed."


def _call(call: Call, *, read_only: bool) -> Reply:
    function = call.state.scripts.functions.find(call.argv[1])
    if function is None:
        raise _NOT_FOUND
    count = key_count(call.argv, _BAD_NUMBER)
    if read_only and not function.read_only:
        raise READ_ONLY_ONLY
    return call.state.scripts.engine.run(
        call,
        function.body,
        function.name,
        count,
        call.argv[3:],
        is_function=True,
        read_only=function.read_only,
        may_grow=b"allow-oom" in function.flags,
    )


@COMMANDS.command(
    "fcall",
    arity=-3,
    flags=RUNS_SCRIPT,
    group="scripting",
    since="7.0.0",
    summary="Invokes a function.",
    complexity=_COMPLEXITY,
    find_keys=find_keys,
    key_specs=(WRITES_KEYS,),
    arguments=(word("function"), *KEYS_AND_ARGUMENTS),
)
def fcall(call: Call) -> Reply:
    return _call(call, read_only=False)


@COMMANDS.command(
    "fcall_ro",
    arity=-3,
    flags=READS_SCRIPT,
    group="scripting",
    since="7.0.0",
    summary="Invokes a read-only function.",
    complexity=_COMPLEXITY,
    find_keys=find_keys,
    key_specs=(READS_KEYS,),
    arguments=(word("function"), *KEYS_AND_ARGUMENTS),
)
def fcall_read_only(call: Call) -> Reply:
    return _call(call, read_only=True)


@COMMANDS.command(
    "function",
    arity=-2,
    flags=Flag.NONE,
    group="scripting",
    since="7.0.0",
    summary="A container for function commands.",
    complexity="Depends on subcommand.",
)
def function(_: Call) -> Reply:
    raise AssertionError("the router asks for a subcommand")


def _sub(
    name: str, arity: int, flags: Flag, summary: str, complexity: str, *arguments: dict[str, Any]
) -> Callable[[Handler], Handler]:
    return COMMANDS.command(
        f"function|{name}",
        arity=arity,
        flags=flags if name == "help" else Flag.NOSCRIPT | flags,
        keys=None,
        find_keys=_no_keys if Flag.WRITE in flags else None,
        group="scripting",
        since="7.0.0",
        summary=summary,
        complexity=complexity,
        arguments=arguments,
    )


def _no_keys(argv: object) -> list[bytes]:
    return []


@_sub(
    "load", -3, Flag.WRITE | Flag.DENYOOM, "Creates a library.", "O(1) (considering compilation time is redundant)",
    token("REPLACE", optional=True), word("function-code"),
)  # fmt: skip
def function_load(call: Call) -> Reply:
    *options, code = call.argv[2:]
    replace = False
    for option in options:
        if option.upper() != b"REPLACE":
            raise RedisError(b"ERR Unknown option given: " + option)
        replace = True
    [name] = call.state.scripts.functions.load([code], replace=replace)
    return name


@_sub("delete", 3, Flag.WRITE, "Deletes a library and its functions.", "O(1)", word("library-name"))
def function_delete(call: Call) -> Reply:
    if not call.state.scripts.functions.delete(call.argv[2]):
        raise _NO_LIBRARY
    return OK


@_sub(
    "flush", -2, Flag.WRITE, "Deletes all libraries and functions.", "O(N) where N is the number of functions deleted",
    oneof("flush-type", token("ASYNC"), token("SYNC"), optional=True),
)  # fmt: skip
def function_flush(call: Call) -> Reply:
    options = call.argv[2:]
    if len(options) > 1:
        raise subcommand_syntax(*call.argv[:2])
    if options and options[0].upper() not in (b"SYNC", b"ASYNC"):
        raise _FLUSH_OPTION
    call.state.scripts.functions.flush()
    return OK


def _shown(function: LibraryFunction) -> dict[bytes, object]:
    return {
        b"name": function.name,
        b"description": function.description,
        b"flags": Members(Simple(flag) for flag in function.flags),
    }


@_sub(
    "list", -2, Flag.NONE, "Returns information about all libraries.", "O(N) where N is the number of functions",
    word("library-name-pattern", token="LIBRARYNAME", optional=True), token("WITHCODE", optional=True),
)  # fmt: skip
def function_list(call: Call) -> Reply:
    pattern: bytes | None = None
    with_code = False
    words = iter(call.argv[2:])
    for option in words:
        if not with_code and option.upper() == b"WITHCODE":
            with_code = True
        elif pattern is None and option.upper() == b"LIBRARYNAME":
            pattern = next(words, None)
            if pattern is None:
                raise _NO_PATTERN
        else:
            raise RedisError(b"ERR Unknown argument " + option)
    matches = glob.matcher(pattern, nocase=True) if pattern is not None else None
    functions = call.state.scripts.functions
    functions.rest_on_records()
    found = []
    for library in functions.libraries.values():
        if matches is not None and not matches(library.name):
            continue
        shown: dict[bytes, object] = {
            b"library_name": library.name,
            b"engine": b"LUA",
            b"functions": [_shown(one) for one in library.functions.values()],
        }
        if with_code:
            shown[b"library_code"] = library.code
        found.append(shown)
    return found


@_sub("stats", 2, Flag.ALLOW_BUSY, "Returns information about a function during execution.", "O(1)")
def function_stats(call: Call) -> Reply:
    scripts = call.state.scripts
    running = scripts.engine.running
    shown = None
    if running is not None:
        shown = {b"name": running.name, b"command": running.argv, b"duration_ms": running.milliseconds}
    else:
        scripts.functions.rest_on_records()
        len(scripts.functions.libraries)  # brings the counts up to date
    libraries, functions = scripts.functions.counts()
    engine = {b"libraries_count": libraries, b"functions_count": functions}
    return {b"running_script": shown, b"engines": {b"LUA": engine}}


@_sub("kill", 2, Flag.ALLOW_BUSY, "Terminates a function during execution.", "O(1)")
def function_kill(call: Call) -> Reply:
    call.state.scripts.engine.kill(is_function=True)
    return OK


@_sub(
    "dump", 2, Flag.NONE, "Dumps all libraries into a serialized binary payload.",
    "O(N) where N is the number of functions",
)  # fmt: skip
def function_dump(call: Call) -> Reply:
    functions = call.state.scripts.functions
    functions.rest_on_records()
    return dump_functions([library.code for library in functions.libraries.values()])


@_sub(
    "restore", -3, Flag.WRITE | Flag.DENYOOM, "Restores all libraries from a payload.",
    "O(N) where N is the number of functions on the payload",
    word("serialized-value"),
    oneof("policy", token("FLUSH"), token("APPEND"), token("REPLACE"), optional=True),
)  # fmt: skip
def function_restore(call: Call) -> Reply:
    if len(call.argv) > 4:
        raise RedisError(
            b"ERR unknown subcommand or wrong number of arguments for '%b'. Try FUNCTION HELP." % call.argv[1][:128]
        )
    policy = call.argv[3].upper() if len(call.argv) == 4 else b"APPEND"
    if policy not in (b"FLUSH", b"APPEND", b"REPLACE"):
        raise _BAD_POLICY
    try:
        codes = restore_functions(call.argv[2])
    except WrongFooter:
        raise _BAD_PAYLOAD from None
    except BadFormat:
        raise _BAD_FORMAT from None
    call.state.scripts.functions.load(codes, replace=policy == b"REPLACE", flush=policy == b"FLUSH", restoring=True)
    return OK


@_sub("help", 2, Flag.LOADING | Flag.STALE, "Returns helpful text about the different subcommands.", "O(1)")
def function_help(_: Call) -> Reply:
    return [
        Simple(line)
        for line in (
            b"FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            b"LOAD [REPLACE] <FUNCTION CODE>",
            b"    Create a new library with the given library name and code.",
            b"DELETE <LIBRARY NAME>",
            b"    Delete the given library.",
            b"LIST [LIBRARYNAME PATTERN] [WITHCODE]",
            b"    Return general information on all the libraries:",
            b"    * Library name",
            b"    * The engine used to run the Library",
            b"    * Library description",
            b"    * Functions list",
            b"    * Library code (if WITHCODE is given)",
            b"    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
            b"STATS",
            b"    Return information about the current function running:",
            b"    * Function name",
            b"    * Command used to run the function",
            b"    * Duration in MS that the function is running",
            b"    If no function is running, return nil",
            b"    In addition, returns a list of available engines.",
            b"KILL",
            b"    Kill the current running function.",
            b"FLUSH [ASYNC|SYNC]",
            b"    Delete all the libraries.",
            b"    When called without the optional mode argument, the behavior is determined by the",
            b"    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
            b"    * ASYNC: Asynchronously flush the libraries.",
            b"    * SYNC: Synchronously flush the libraries.",
            b"DUMP",
            b"    Return a serialized payload representing the current libraries, can be restored using "
            b"FUNCTION RESTORE command",
            b"RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
            b"    Restore the libraries represented by the given payload, it is possible to give a restore policy to",
            b"    control how to handle existing libraries (default APPEND):",
            b"    * FLUSH: delete all existing libraries.",
            b"    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
            b"    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
            b"      libraries with the new libraries (notice that even on this option there is a chance of failure",
            b"      in case of functions name collision with another library).",
            b"HELP",
            b"    Prints this help.",
        )
    ]
