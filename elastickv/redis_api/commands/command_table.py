"""COMMAND: the command table as data, for clients that route and people who read.

Everything is derived from the declarations. Flags that are only ours (or that Redis keeps to itself) and commands
between nodes are not shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from elastickv.redis_api import glob
from elastickv.redis_api.acl.categories import all_commands, categories
from elastickv.redis_api.argument_docs import oneof, word
from elastickv.redis_api.errors import SYNTAX, RedisError
from elastickv.redis_api.registry import COMMANDS, Command, Flag, Handler, KeySpec, Reply
from elastickv.redis_api.replies import Members, Simple
from elastickv.redis_api.session import Call

_COMMON: Final = Flag.LOADING | Flag.STALE | Flag.LOCAL

_SHOWN_FLAGS: Final = {
    Flag.WRITE: b"write",
    Flag.READONLY: b"readonly",
    Flag.DENYOOM: b"denyoom",
    Flag.ADMIN: b"admin",
    Flag.PUBSUB: b"pubsub",
    Flag.NOSCRIPT: b"noscript",
    Flag.BLOCKING: b"blocking",
    Flag.LOADING: b"loading",
    Flag.STALE: b"stale",
    Flag.SKIP_MONITOR: b"skip_monitor",
    Flag.SKIP_SLOWLOG: b"skip_slowlog",
    Flag.FAST: b"fast",
    Flag.NO_AUTH: b"no_auth",
    Flag.NO_MANDATORY_KEYS: b"no_mandatory_keys",
    Flag.NO_MULTI: b"no_multi",
    Flag.MOVABLEKEYS: b"movablekeys",
    Flag.ALLOW_BUSY: b"allow_busy",
}

_NO_KEYS: Final = RedisError(b"ERR The command has no key arguments")
_INVALID_COMMAND: Final = RedisError(b"ERR Invalid command specified")
_INVALID_ARITY: Final = RedisError(b"ERR Invalid number of arguments specified for command")


def key_specs(command: Command) -> list[dict[bytes, object]]:
    """One specification per kind of access; keys that are accessed alike are one range."""
    if command.key_specs:
        return [_key_spec(one) for one in command.key_specs]
    span = command.keys
    if not span.first:
        return []
    access = command.key_access or ("RW",)
    end = span.last - span.first + 1 if span.last >= 0 else None
    specs = []
    for number, words in enumerate(access):
        is_last = number + 1 == len(access)
        last = 0 if not is_last else span.last if end is None else end - number - 1
        specs.append(KeySpec(words, span.first + number, last=last, step=span.step if is_last else 1))
    return [_key_spec(one) for one in specs]


def _key_spec(spec: KeySpec) -> dict[bytes, object]:
    flags = [one if one in ("RO", "RW", "OW", "RM") else one.lower() for one in spec.access.split()]
    shown: dict[bytes, object] = {b"notes": spec.notes.encode()} if spec.notes else {}
    shown[b"flags"] = Members(Simple(flag.encode()) for flag in flags)
    if spec.index:
        shown[b"begin_search"] = {b"type": b"index", b"spec": {b"index": spec.index}}
    elif spec.keyword:
        search = {b"keyword": spec.keyword.encode(), b"startfrom": spec.start_from}
        shown[b"begin_search"] = {b"type": b"keyword", b"spec": search}
    else:
        shown[b"begin_search"] = shown[b"find_keys"] = {b"type": b"unknown", b"spec": {}}
        return shown
    if spec.counted is not None:
        count, first, step = spec.counted
        found: dict[bytes, object] = {b"keynumidx": count, b"firstkey": first, b"keystep": step}
        shown[b"find_keys"] = {b"type": b"keynum", b"spec": found}
    else:
        found = {b"lastkey": spec.last, b"keystep": spec.step, b"limit": spec.limit}
        shown[b"find_keys"] = {b"type": b"range", b"spec": found}
    return shown


def describe(command: Command) -> list[object]:
    """The ten fields of COMMAND INFO."""
    flags = Members(Simple(name) for flag, name in _SHOWN_FLAGS.items() if flag in command.flags)
    if command.find_keys is not None and Flag.MOVABLEKEYS not in command.flags:
        flags.append(Simple(b"movablekeys"))
    span = command.keys
    return [
        command.name.encode(),
        command.arity,
        flags,
        span.first,
        span.last,
        span.step,
        Members(Simple(b"@" + name.encode()) for name in categories(command)),
        [],
        key_specs(command),
        [describe(sub) for sub in command.subcommands.values()],
    ]


def _find(name: bytes) -> Command | None:
    container, _, sub = name.decode("latin-1").lower().partition("|")
    command = COMMANDS.get(container)
    if command is not None and sub:
        return command.subcommands.get(sub)
    return command


def _sub(name: str, arity: int, since: str, summary: str, *arguments: dict[str, Any]) -> Callable[[Handler], Handler]:
    return COMMANDS.command(
        f"command|{name}",
        arity=arity,
        flags=_COMMON,
        group="server",
        since=since,
        summary=summary,
        complexity="O(N) where N is the number of commands to look up",
        categories=("connection",),
        arguments=arguments,
    )


@COMMANDS.command(
    "command",
    arity=-1,
    flags=_COMMON,
    group="server",
    since="2.8.13",
    summary="Returns detailed information about all commands.",
    complexity="O(N) where N is the total number of commands",
    categories=("connection",),
)
def command(_: Call) -> Reply:
    return [describe(one) for one in COMMANDS.values()]


@_sub("count", 2, "2.8.13", "Returns a count of commands.")
def command_count(_: Call) -> Reply:
    return len(COMMANDS)


@_sub(
    "info",
    -2,
    "2.8.13",
    "Returns information about one, multiple or all commands.",
    word("command-name", optional=True, multiple=True),
)
def command_info(call: Call) -> Reply:
    names = call.argv[2:]
    if not names:
        return [describe(one) for one in COMMANDS.values()]
    found = [_find(name) for name in names]
    return [None if one is None else describe(one) for one in found]


@_sub(
    "list",
    -2,
    "7.0.0",
    "Returns a list of command names.",
    oneof(
        "filterby",
        word("module-name", token="MODULE"),
        word("category", token="ACLCAT"),
        word("pattern", "pattern", token="PATTERN"),
        token="FILTERBY",
        optional=True,
    ),
)
def command_list(call: Call) -> Reply:
    argv = call.argv
    if len(argv) == 2:
        return [one.name.encode() for one in all_commands()]
    if len(argv) != 5 or argv[2].upper() != b"FILTERBY":
        raise SYNTAX
    kind, value = argv[3].upper(), argv[4]
    if kind == b"MODULE":
        return []
    if kind == b"ACLCAT":
        category = value.decode("latin-1").lower()
        return [one.name.encode() for one in all_commands() if category in categories(one)]
    if kind == b"PATTERN":
        wanted = glob.matcher(value, nocase=True)
        return [one.name.encode() for one in all_commands() if wanted(one.name.encode())]
    raise SYNTAX


def _argument(tree: dict[str, Any]) -> dict[bytes, object]:
    shown: dict[bytes, object] = {}
    for member, value in tree.items():
        if member == "arguments":
            shown[b"arguments"] = [_argument(one) for one in value]
        elif member == "flags":
            shown[b"flags"] = [Simple(flag.encode()) for flag in value]
        elif isinstance(value, int):
            shown[member.encode()] = value
        else:
            shown[member.encode()] = str(value).encode()
    return shown


def document(one: Command) -> dict[bytes, object]:
    """What COMMAND DOCS says of a command."""
    shown: dict[bytes, object] = {
        b"summary": one.summary.encode(),
        b"since": one.since.encode(),
        b"group": one.group.encode(),
        b"complexity": one.complexity.encode(),
    }
    if one.history:
        shown[b"history"] = [[version.encode(), text.encode()] for version, text in one.history]
    if one.arguments:
        shown[b"arguments"] = [_argument(argument) for argument in one.arguments]
    if one.subcommands:
        shown[b"subcommands"] = {sub.name.encode(): document(sub) for sub in one.subcommands.values()}
    return shown


@_sub(
    "docs",
    -2,
    "7.0.0",
    "Returns documentary information about one, multiple or all commands.",
    word("command-name", optional=True, multiple=True),
)
def command_docs(call: Call) -> Reply:
    names = call.argv[2:]
    chosen = list(COMMANDS.values()) if not names else [one for one in map(_find, names) if one is not None]
    return {one.name.encode(): document(one) for one in chosen}


def _asked(call: Call) -> tuple[Command, list[bytes]]:
    """The command that GETKEYS is asked about, with its words."""
    argv = call.argv[2:]
    found = COMMANDS.get(argv[0].decode("latin-1").lower())
    if found is not None and found.subcommands and len(argv) > 1:
        found = found.subcommands.get(argv[1].decode("latin-1").lower())
    if found is None:
        raise _INVALID_COMMAND
    if not found.keys.first and found.find_keys is None:
        raise _NO_KEYS
    if not found.accepts(len(argv)):
        raise _INVALID_ARITY
    return found, argv


def _keys(found: Command, argv: list[bytes]) -> list[bytes]:
    keys = found.keys_of(argv)
    if not keys and found.group != "scripting":
        raise _NO_KEYS
    return keys


@_sub(
    "getkeys",
    -3,
    "2.8.13",
    "Extracts the key names from an arbitrary command.",
    word("command"),
    word("arg", optional=True, multiple=True),
)
def command_getkeys(call: Call) -> Reply:
    return _keys(*_asked(call))


def _access_by_words(name: str, argv: list[bytes]) -> tuple[str, ...]:
    """Of commands whose options decide it."""
    if name == "set":
        reads = any(word.upper() == b"GET" for word in argv[3:])
        return ("RW ACCESS UPDATE" if reads else "OW UPDATE",)
    if name == "sort":
        return ("RO ACCESS", "OW UPDATE")
    if name == "bitfield":
        writes = any(word.upper() in (b"SET", b"INCRBY") for word in argv[2:])
        return ("RW ACCESS UPDATE" if writes else "RO ACCESS",)
    return ()


@_sub(
    "getkeysandflags",
    -3,
    "7.0.0",
    "Extracts the key names and access flags for an arbitrary command.",
    word("command"),
    word("arg", optional=True, multiple=True),
)
def command_getkeysandflags(call: Call) -> Reply:
    found, argv = _asked(call)
    keys = _keys(found, argv)
    access = _access_by_words(found.name, argv) or found.key_access or ("RW",)
    return [
        [
            key,
            Members(
                Simple((one if one in ("RO", "RW", "OW", "RM") else one.lower()).encode())
                for one in access[min(place, len(access) - 1)].split()
            ),
        ]
        for place, key in enumerate(keys)
    ]


@_sub("help", 2, "5.0.0", "Returns helpful text about the different subcommands.")
def command_help(_: Call) -> Reply:
    return [
        Simple(line)
        for line in (
            b"COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            b"(no subcommand)",
            b"    Return details about all commands.",
            b"COUNT",
            b"    Return the total number of commands in this server.",
            b"LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
            b"    Return a list of all commands in this server.",
            b"INFO [<command-name> ...]",
            b"    Return details about commands.",
            b"DOCS [<command-name> ...]",
            b"    Return documentation details about commands.",
            b"GETKEYS <full-command>",
            b"    Return the keys from a full command.",
            b"GETKEYSANDFLAGS <full-command>",
            b"    Return the keys and the access flags from a full command.",
            b"HELP",
            b"    Print this help.",
        )
    ]
