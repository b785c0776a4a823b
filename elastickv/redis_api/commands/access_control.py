"""ACL: users and what they may do. They belong to the cluster; ACL LOG to the node that is asked."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from elastickv.redis_api.acl import rules
from elastickv.redis_api.acl.categories import CATEGORIES, members
from elastickv.redis_api.acl.permissions import denial
from elastickv.redis_api.acl.rules import RuleError, Selector, UnmatchedParenthesis, User, merge_selectors
from elastickv.redis_api.acl.users import DEFAULT
from elastickv.redis_api.argument_docs import integer, oneof, token, word
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.errors import RedisError, subcommand_syntax, unknown_subcommand
from elastickv.redis_api.registry import COMMANDS, Command, Flag, Handler, Reply
from elastickv.redis_api.replies import OK, Members, Simple
from elastickv.redis_api.session import Call

_OPEN: Final = Flag.NOSCRIPT | Flag.LOADING | Flag.STALE | Flag.LOCAL
_AT_LEADER: Final = Flag.ADMIN | Flag.NOSCRIPT | Flag.LOADING | Flag.STALE
_HERE: Final = _AT_LEADER | Flag.LOCAL

_NO_FILE: Final = RedisError(
    b"ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER "
    b"command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store "
    b"users in the Redis configuration."
)
_MAX_BITS: Final = 4096
_BAD_BITS: Final = RedisError(
    b"ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096"
)
_BAD_USERNAME: Final = RedisError(b"ERR Usernames can't contain spaces or null characters")


@COMMANDS.command(
    "acl",
    arity=-2,
    flags=Flag.NONE,
    group="server",
    since="6.0.0",
    summary="A container for Access List Control commands.",
    complexity="Depends on subcommand.",
)
def acl(call: Call) -> Reply:
    raise unknown_subcommand(call.argv[0], call.argv[1])


def _sub(
    name: str,
    arity: int,
    flags: Flag,
    since: str,
    summary: str,
    complexity: str,
    *arguments: dict[str, object],
    history: tuple[tuple[str, str], ...] = (),
) -> Callable[[Handler], Handler]:
    return COMMANDS.command(
        f"acl|{name}",
        arity=arity,
        flags=flags,
        group="server",
        since=since,
        summary=summary,
        complexity=complexity,
        arguments=arguments,
        history=history,
    )


@_sub(
    "setuser",
    -3,
    _AT_LEADER,
    "6.0.0",
    "Creates and modifies an ACL user and its rules.",
    "O(N). Where N is the number of rules provided.",
    word("username"),
    word("rule", optional=True, multiple=True),
    history=(
        ("6.2.0", "Added Pub/Sub channel patterns."),
        ("7.0.0", "Added selectors and key based permissions."),
    ),
)
def acl_setuser(call: Call) -> Reply:
    """All rules or none."""
    users = call.state.users
    name = call.argv[2]
    if rules.has_spaces(name):
        raise _BAD_USERNAME
    try:
        user = (users.get(name) or User(name)).changed(merge_selectors(call.argv[3:]))
    except UnmatchedParenthesis as error:
        raise RedisError(b"ERR Unmatched parenthesis in acl selector starting at '%b'." % error.word) from None
    except RuleError as error:
        raise RedisError(b"ERR Error in ACL SETUSER modifier '%b': %b" % (error.word, error.reason)) from None
    users.acting = call.session
    try:
        users.put(user)
    finally:
        users.acting = None
    return OK


@_sub(
    "deluser",
    -3,
    _AT_LEADER,
    "6.0.0",
    "Deletes ACL users, and terminates their connections.",
    "O(1) amortized time considering the typical user.",
    word("username", multiple=True),
)
def acl_deluser(call: Call) -> Reply:
    users = call.state.users
    names = call.argv[2:]
    if DEFAULT in names:
        raise RedisError(b"ERR The 'default' user cannot be removed")
    users.acting = call.session
    try:
        return sum(users.delete(name) for name in names)
    finally:
        users.acting = None


def _selector(selector: Selector) -> dict[bytes, object]:
    return {
        b"commands": selector.describe_commands(),
        b"keys": selector.describe_keys(),
        b"channels": selector.describe_channels(),
    }


@_sub(
    "getuser",
    3,
    _AT_LEADER,
    "6.0.0",
    "Lists the ACL rules of a user.",
    "O(N). Where N is the number of password, command and pattern rules that the user has.",
    word("username"),
    history=(
        ("6.2.0", "Added Pub/Sub channel patterns."),
        (
            "7.0.0",
            "Added selectors and changed the format of key and channel patterns from a list to their rule "
            "representation.",
        ),
    ),
)
def acl_getuser(call: Call) -> Reply:
    user = call.state.users.get(call.argv[2])
    if user is None:
        return None
    return {
        b"flags": Members(user.flags()),
        b"passwords": list(user.passwords),
        **_selector(user.root),
        b"selectors": [_selector(selector) for selector in user.selectors[1:]],
    }


@_sub(
    "list",
    2,
    _AT_LEADER,
    "6.0.0",
    "Dumps the effective rules in ACL file format.",
    "O(N). Where N is the number of configured users.",
)
def acl_list(call: Call) -> Reply:
    return [user.describe() for user in call.state.users.all.values()]


@_sub("users", 2, _AT_LEADER, "6.0.0", "Lists all ACL users.", "O(N). Where N is the number of configured users.")
def acl_users(call: Call) -> Reply:
    return list(call.state.users.all)


@_sub("whoami", 2, _OPEN, "6.0.0", "Returns the authenticated username of the current connection.", "O(1)")
def acl_whoami(call: Call) -> Reply:
    return call.session.user.name


@_sub(
    "cat",
    -2,
    _OPEN,
    "6.0.0",
    "Lists the ACL categories, or the commands inside a category.",
    "O(1) since the categories and commands are a fixed set.",
    word("category", optional=True),
)
def acl_cat(call: Call) -> Reply:
    argv = call.argv
    if len(argv) > 3:
        raise subcommand_syntax(argv[0], argv[1])
    if len(argv) == 2:
        return [name.encode() for name in CATEGORIES]
    category = argv[2].decode("latin-1").lower()
    if category not in CATEGORIES:
        raise RedisError(b"ERR Unknown category '%b'" % argv[2][:128])
    return [command.name.encode() for command in members(category)]


def _find(argv: list[bytes]) -> Command | None:
    command = COMMANDS.get(argv[0].decode("latin-1").lower())
    if command is not None and command.subcommands and len(argv) > 1:
        return command.subcommands.get(argv[1].decode("latin-1").lower())
    return command


@_sub(
    "dryrun",
    -4,
    _AT_LEADER,
    "7.0.0",
    "Simulates the execution of a command by a user, without executing the command.",
    "O(1).",
    word("username"),
    word("command"),
    word("arg", optional=True, multiple=True),
)
def acl_dryrun(call: Call) -> Reply:
    user = call.state.users.get(call.argv[2])
    if user is None:
        raise RedisError(b"ERR User '%b' not found" % call.argv[2])
    argv = call.argv[3:]
    command = _find(argv)
    if command is None:
        raise RedisError(b"ERR Command '%b' not found" % argv[0])
    if not command.accepts(len(argv)):
        raise RedisError(b"ERR wrong number of arguments for '%b' command" % command.name.encode())
    found = denial(user, command, argv)
    return OK if found is None else found.text(verbose=True)


@_sub(
    "genpass",
    -2,
    _OPEN,
    "6.0.0",
    "Generates a pseudorandom, secure password that can be used to identify ACL users.",
    "O(1)",
    integer("bits", optional=True),
)
def acl_genpass(call: Call) -> Reply:
    argv = call.argv
    if len(argv) > 3:
        raise subcommand_syntax(argv[0], argv[1])
    bits = read_integer(argv[2]) if len(argv) == 3 else 256
    if not 0 < bits <= _MAX_BITS:
        raise _BAD_BITS
    digits = (bits + 3) // 4
    return secrets.token_hex((digits + 1) // 2).encode()[:digits]


@_sub(
    "log",
    -2,
    _HERE,
    "6.0.0",
    "Lists recent security events generated due to ACL rules.",
    "O(N) with N being the number of entries shown.",
    oneof("operation", integer("count"), token("RESET"), optional=True),
    history=(("7.2.0", "Added entry ID, timestamp created, and timestamp last updated."),),
)
def acl_log(call: Call) -> Reply:
    argv = call.argv
    audit = call.state.audit
    if len(argv) > 3:
        raise subcommand_syntax(argv[0], argv[1])
    if len(argv) == 3 and argv[2].lower() == b"reset":
        audit.entries.clear()
        return OK
    count = max(0, read_integer(argv[2])) if len(argv) == 3 else 10
    now = call.state.clock.wall_ms()
    return [
        {
            b"count": entry.count,
            b"reason": entry.reason,
            b"context": entry.context,
            b"object": entry.object,
            b"username": entry.username,
            b"age-seconds": (now - entry.created_ms) / 1000,
            b"client-info": entry.client_info,
            b"entry-id": entry.id,
            b"timestamp-created": entry.created_ms,
            b"timestamp-last-updated": entry.updated_ms,
        }
        for entry in list(audit.entries)[:count]
    ]


@_sub("load", 2, _HERE, "6.0.0", "Not offered: users live in the keyspace, and there is no ACL file.", "O(1)")
def acl_load(_: Call) -> Reply:
    raise _NO_FILE


@_sub("save", 2, _HERE, "6.0.0", "Not offered: users are kept as soon as they are set.", "O(1)")
def acl_save(_: Call) -> Reply:
    raise _NO_FILE


_HELP: Final = (
    b"ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"CAT [<category>]",
    b"    List all commands that belong to <category>, or all command categories",
    b"    when no category is specified.",
    b"DELUSER <username> [<username> ...]",
    b"    Delete a list of users.",
    b"DRYRUN <username> <command> [<arg> ...]",
    b"    Returns whether the user can execute the given command without executing the command.",
    b"GETUSER <username>",
    b"    Get the user's details.",
    b"GENPASS [<bits>]",
    b"    Generate a secure 256-bit user password. The optional `bits` argument can",
    b"    be used to specify a different size.",
    b"LIST",
    b"    Show users details in config file format.",
    b"LOAD",
    b"    Not offered: there is no ACL file.",
    b"LOG [<count> | RESET]",
    b"    Show the ACL log entries of this node.",
    b"SAVE",
    b"    Not offered: users are kept as soon as they are set.",
    b"SETUSER <username> <attribute> [<attribute> ...]",
    b"    Create or modify a user with the specified attributes.",
    b"USERS",
    b"    List all the registered usernames.",
    b"WHOAMI",
    b"    Return the current connection username.",
    b"HELP",
    b"    Print this help.",
)


@_sub(
    "help",
    2,
    Flag.LOADING | Flag.STALE | Flag.LOCAL,
    "6.0.0",
    "Returns helpful text about the different subcommands.",
    "O(1)",
)
def acl_help(_: Call) -> Reply:
    return [Simple(line) for line in _HELP]
