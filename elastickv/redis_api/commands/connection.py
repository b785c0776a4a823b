"""PING, ECHO, AUTH, HELLO, SELECT, RESET, QUIT. The CLIENT family is in `clients`."""

from __future__ import annotations

from elastickv.redis_api.acl.sessions import log_in
from elastickv.redis_api.acl.users import DEFAULT
from elastickv.redis_api.arguments import string_to_integer
from elastickv.redis_api.errors import (
    DB_OUT_OF_RANGE,
    NO_PROTO,
    NOT_AN_INTEGER,
    SYNTAX,
    RedisError,
    wrong_arity,
)
from elastickv.redis_api.registry import COMMANDS, Flag, Reply
from elastickv.redis_api.replies import OK, PONG, Simple
from elastickv.redis_api.session import Call
from elastickv.redis_api.state import REDIS_VERSION

_OPEN = (
    Flag.NOSCRIPT | Flag.LOADING | Flag.STALE | Flag.FAST | Flag.NO_AUTH | Flag.ALLOW_BUSY | Flag.LOCAL | Flag.SESSION
)

_NO_PASSWORD = RedisError(
    b"ERR AUTH <password> called without any password configured for the default user. "
    b"Are you sure your configuration is correct?"
)
_BAD_NAME = RedisError(b"ERR Client names cannot contain spaces, newlines or special characters.")
_BAD_PROTOCOL = RedisError(b"ERR Protocol version is not an integer or out of range")
_HELLO_NO_AUTH = RedisError(
    b"NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> "
    b"<pass> option can be used to authenticate the client and select the RESP protocol version at the same time"
)


@COMMANDS.command(
    "ping",
    arity=-1,
    flags=Flag.FAST | Flag.LOCAL,
    group="connection",
    since="1.0.0",
    summary="Returns the server's liveliness response.",
    complexity="O(1)",
    arguments=({"name": "message", "type": "string", "flags": ("optional",)},),
)
def ping(call: Call) -> Reply:
    argv = call.argv
    if len(argv) > 2:
        raise wrong_arity("ping")
    if call.session.only_listens:
        return [b"pong", argv[1] if len(argv) == 2 else b""]
    return argv[1] if len(argv) == 2 else PONG


@COMMANDS.command(
    "echo",
    arity=2,
    flags=Flag.LOADING | Flag.STALE | Flag.FAST | Flag.LOCAL,
    group="connection",
    since="1.0.0",
    summary="Returns the given string.",
    complexity="O(1)",
    arguments=({"name": "message", "type": "string"},),
)
def echo(call: Call) -> Reply:
    return call.argv[1]


@COMMANDS.command(
    "auth",
    arity=-2,
    flags=_OPEN | Flag.SKIP_SLOWLOG,
    group="connection",
    since="1.0.0",
    summary="Authenticates the connection.",
    complexity="O(N) where N is the number of passwords defined for the user",
    history=(("6.0.0", "Added ACL style (username and password)."),),
    arguments=(
        {"name": "username", "type": "string", "since": "6.0.0", "flags": ("optional",)},
        {"name": "password", "type": "string"},
    ),
)
def auth(call: Call) -> Reply:
    argv = call.argv
    if len(argv) > 3:
        raise SYNTAX
    if len(argv) == 2 and call.state.users.default.no_password:
        raise _NO_PASSWORD
    log_in(call.session, argv[1] if len(argv) == 3 else DEFAULT, argv[-1], argv[0])
    return OK


def is_name(name: bytes) -> bool:
    """Printable characters without blanks, as CLIENT LIST needs it."""
    return all(33 <= byte <= 126 for byte in name)


@COMMANDS.command(
    "hello",
    arity=-1,
    flags=_OPEN | Flag.SKIP_SLOWLOG,
    group="connection",
    since="6.0.0",
    summary="Handshakes with the Redis server.",
    complexity="O(1)",
    history=(
        (
            "6.2.0",
            "`protover` made optional; when called without arguments the command reports the current "
            "connection's context.",
        ),
    ),
    arguments=(
        {
            "name": "arguments",
            "type": "block",
            "flags": ("optional",),
            "arguments": (
                {"name": "protover", "type": "integer"},
                {
                    "name": "auth",
                    "type": "block",
                    "token": "AUTH",
                    "flags": ("optional",),
                    "arguments": ({"name": "username", "type": "string"}, {"name": "password", "type": "string"}),
                },
                {"name": "clientname", "type": "string", "token": "SETNAME", "flags": ("optional",)},
            ),
        },
    ),
)
def hello(call: Call) -> Reply:
    argv = call.argv
    session = call.session
    protocol = 0
    at = 1
    if len(argv) > 1:
        number = string_to_integer(argv[1])
        if number is None:
            raise _BAD_PROTOCOL
        if number not in (2, 3):
            raise NO_PROTO
        protocol = number
        at = 2
    login: tuple[bytes, bytes] | None = None
    name: bytes | None = None
    while at < len(argv):
        word = argv[at].upper()
        left = len(argv) - at - 1
        if word == b"AUTH" and left >= 2:
            login = argv[at + 1], argv[at + 2]
            at += 3
        elif word == b"SETNAME" and left >= 1:
            name = argv[at + 1]
            if not is_name(name):
                raise _BAD_NAME
            at += 2
        else:
            raise RedisError(b"ERR Syntax error in HELLO option '%b'" % argv[at])
    if login is not None:
        log_in(session, *login, argv[0])
    if not session.authenticated:
        raise _HELLO_NO_AUTH
    if name is not None:
        session.name = name
        session.sync_epoch += 1
    if protocol and protocol != call.protocol:
        call.protocol = protocol
        session.sync_epoch += 1
        session.settle_mode()
    return {
        b"server": b"redis",
        b"version": REDIS_VERSION.encode(),
        b"proto": call.protocol,
        b"id": session.id,
        b"mode": b"standalone",
        b"role": b"master" if call.state.store.serving else b"replica",
        b"modules": [],
    }


@COMMANDS.command(
    "select",
    arity=2,
    flags=Flag.LOADING | Flag.STALE | Flag.FAST | Flag.LOCAL | Flag.SESSION,
    group="connection",
    since="1.0.0",
    summary="Changes the selected database.",
    complexity="O(1)",
    arguments=({"name": "index", "type": "integer"},),
)
def select(call: Call) -> Reply:
    number = string_to_integer(call.argv[1])
    if number is None:
        raise NOT_AN_INTEGER
    numbered = call.databases.numbered
    if not 0 <= number < len(numbered):
        raise DB_OUT_OF_RANGE
    if call.db is not numbered[number]:
        call.db = numbered[number]
        call.session.sync_epoch += 1
    return OK


@COMMANDS.command(
    "reset",
    arity=1,
    flags=_OPEN,
    group="connection",
    since="6.2.0",
    summary="Resets the connection.",
    complexity="O(1)",
)
def reset(call: Call) -> Reply:
    call.session.reset()
    call.session.link.authentication_changed()
    return Simple(b"RESET")


@COMMANDS.command(
    "quit",
    arity=-1,
    flags=_OPEN,
    group="connection",
    since="1.0.0",
    summary="Closes the connection.",
    complexity="O(1)",
)
def quit(call: Call) -> Reply:
    call.session.closing = True
    return OK
