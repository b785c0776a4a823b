"""CONFIG: what the parameters of redis.conf are here (`parameters`), and setting them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from elastickv.redis_api import glob
from elastickv.redis_api.argument_docs import block, word
from elastickv.redis_api.errors import RedisError, unknown_subcommand, wrong_arity
from elastickv.redis_api.parameters import PARAMETERS, Parameter
from elastickv.redis_api.registry import COMMANDS, Flag, Reply
from elastickv.redis_api.replies import OK, Simple
from elastickv.redis_api.session import Call

log = logging.getLogger(__name__)

_ADMIN: Final = Flag.ADMIN | Flag.NOSCRIPT | Flag.LOADING | Flag.STALE | Flag.LOCAL


@COMMANDS.command(
    "config",
    arity=-2,
    flags=Flag.NONE,
    group="server",
    since="2.0.0",
    summary="A container for server configuration commands.",
    complexity="Depends on subcommand.",
)
def config(call: Call) -> Reply:
    raise unknown_subcommand(call.argv[0], call.argv[1])


@COMMANDS.command(
    "config|get",
    arity=-3,
    flags=_ADMIN,
    group="server",
    since="2.0.0",
    summary="Returns the effective values of configuration parameters.",
    complexity="O(N) when N is the number of configuration parameters provided",
    history=(("7.0.0", "Added the ability to pass multiple pattern parameters in one call"),),
    arguments=(word("parameter", multiple=True),),
)
def config_get(call: Call) -> Reply:
    state = call.state
    found: dict[bytes, bytes] = {}
    for pattern in call.argv[2:]:
        wanted = glob.matcher(pattern.lower())
        for name, parameter in PARAMETERS.items():
            if wanted(name.encode()):
                found[name.encode()] = str(parameter.show(state)).encode()
    return found


def _is_for_leader(argv: Sequence[bytes]) -> bool:
    names = {name.decode("latin-1").lower() for name in argv[2::2]}
    return any(PARAMETERS[name].at_leader for name in names if name in PARAMETERS)


def _refused(name: bytes, reason: str) -> RedisError:
    return RedisError(b"ERR CONFIG SET failed (possibly related to argument '%b') - %b" % (name, reason.encode()))


@COMMANDS.command(
    "config|set",
    arity=-4,
    flags=_ADMIN,
    group="server",
    since="2.0.0",
    summary="Sets configuration parameters in-flight.",
    complexity="O(N) when N is the number of configuration parameters provided",
    history=(("7.0.0", "Added the ability to set multiple parameters in one call."),),
    arguments=(block("data", word("parameter"), word("value"), multiple=True),),
    at_leader=_is_for_leader,
)
def config_set(call: Call) -> Reply:
    """All or nothing: every value is parsed before the first one is stored."""
    argv = call.argv
    if len(argv) % 2:
        raise wrong_arity("config|set")
    chosen: list[tuple[Parameter, object]] = []
    names = [name.lower() for name in argv[2::2]]
    for name in argv[2::2]:
        if names.count(name.lower()) > 1:
            raise _refused(name, "duplicate parameter")
    for place in range(2, len(argv), 2):
        name, text = argv[place], argv[place + 1]
        parameter = PARAMETERS.get(name.decode("latin-1").lower())
        if parameter is None:
            raise RedisError(b"ERR Unknown option or number of arguments for CONFIG SET - '%b'" % name)
        if parameter.parse is None:
            raise _refused(name, "can't set immutable config")
        try:
            value = parameter.parse(text.decode("latin-1"))
        except ValueError as error:
            raise _refused(name, str(error)) from None
        shown = str(parameter.show(call.state))
        if parameter.store is None and str(value).lower() != shown.lower():
            raise _refused(name, f"this server has no other value than '{shown}'")
        chosen.append((parameter, value))
    if call.session.forwarded_from:
        for name, (parameter, _) in zip(names, chosen, strict=True):
            if not parameter.at_leader and parameter.store is not None:
                # Of the client's own node, and that is another one.
                raise _refused(name, "a parameter of one node, to be set apart from the cluster's")
    shared = {parameter.name: argv[3 + 2 * at] for at, (parameter, _) in enumerate(chosen) if parameter.shared}
    if shared:
        call.state.shared.write(shared)
    for parameter, value in chosen:
        if parameter.store is not None and not parameter.shared:
            parameter.store(call.state, value)
    call.state.settings_changed()
    return OK


@COMMANDS.command(
    "config|resetstat",
    arity=2,
    flags=_ADMIN,
    group="server",
    since="2.0.0",
    summary="Resets the server's statistics.",
    complexity="O(1)",
)
def config_resetstat(call: Call) -> Reply:
    state = call.state
    state.stats.reset()
    for command in state.commands.values():
        command.clear()
    databases = call.databases
    databases.hits = databases.misses = databases.expired = databases.clearing.purged = 0
    return OK


@COMMANDS.command(
    "config|rewrite",
    arity=2,
    flags=_ADMIN,
    group="server",
    since="2.8.0",
    summary="Not offered: settings come from flags, environment and file.",
    complexity="O(1)",
)
def config_rewrite(_: Call) -> Reply:
    raise RedisError(b"ERR The configuration comes from flags, environment and file; the server does not write it")


@COMMANDS.command(
    "config|help",
    arity=2,
    flags=Flag.LOADING | Flag.STALE | Flag.LOCAL,
    group="server",
    since="5.0.0",
    summary="Returns helpful text about the different subcommands.",
    complexity="O(1)",
)
def config_help(_: Call) -> Reply:
    return [
        Simple(line)
        for line in (
            b"CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            b"GET <pattern>",
            b"    Return parameters matching the glob-like <pattern> and their values.",
            b"SET <directive> <value>",
            b"    Set the configuration <directive> to <value>, until the node stops.",
            b"RESETSTAT",
            b"    Reset statistics reported by the INFO command.",
            b"HELP",
            b"    Print this help.",
        )
    ]
