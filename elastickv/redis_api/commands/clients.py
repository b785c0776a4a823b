"""CLIENT: who is connected to this node, and what can be done about it.

Everything here is about the node that is asked: its connections, its pause. A client whose node forwards for it is seen
by the leader as a connection of that node. Which keys a client keeps copies of (TRACKING) is known to its own node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from elastickv.redis_api.argument_docs import block, integer, oneof, token, word
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.arguments import integer_between, string_to_integer
from elastickv.redis_api.client_info import describe
from elastickv.redis_api.commands.connection import is_name
from elastickv.redis_api.errors import SYNTAX, UNBLOCKED, RedisError, unknown_subcommand
from elastickv.redis_api.pubsub import Nodes
from elastickv.redis_api.registry import COMMANDS, Flag, Handler, Reply
from elastickv.redis_api.replies import NO_REPLY, OK, Members, Simple, Verbatim
from elastickv.redis_api.session import Call, Later, Session
from elastickv.redis_api.tracking import Mode

_COMMON: Final = Flag.NOSCRIPT | Flag.LOADING | Flag.STALE | Flag.LOCAL | Flag.SESSION
_ADMIN: Final = _COMMON | Flag.ADMIN

_NO_SUCH_CLIENT: Final = RedisError(b"ERR No such client")
_BAD_ID: Final = RedisError(b"ERR client-id should be greater than 0")
_BAD_LIST_ID: Final = RedisError(b"ERR Invalid client ID")
_BAD_NAME: Final = RedisError(b"ERR Client names cannot contain spaces, newlines or special characters.")
_BAD_TIMEOUT: Final = RedisError(b"ERR timeout is not an integer or out of range")
_NEGATIVE_TIMEOUT: Final = RedisError(b"ERR timeout is negative")
_NOT_TRACKING: Final = RedisError(
    b"ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"
)

_TYPES: Final = {b"normal", b"master", b"replica", b"slave", b"pubsub"}

_HELP: Final = (
    b"CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"CACHING (YES|NO)",
    b"    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
    b"GETREDIR",
    b"    Return the client ID we are redirecting to when tracking is enabled.",
    b"GETNAME",
    b"    Return the name of the current connection.",
    b"ID",
    b"    Return the ID of the current connection.",
    b"INFO",
    b"    Return information about the current client connection.",
    b"KILL <ip:port>",
    b"    Kill connection made from <ip:port>.",
    b"KILL <option> <value> [<option> <value> [...]]",
    b"    Kill connections. Options are:",
    b"    * ADDR (<ip:port>|<unixsocket>:0)",
    b"      Kill connections made from the specified address",
    b"    * LADDR (<ip:port>|<unixsocket>:0)",
    b"      Kill connections made to specified local address",
    b"    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    b"      Kill connections by type.",
    b"    * USER <username>",
    b"      Kill connections authenticated by <username>.",
    b"    * SKIPME (YES|NO)",
    b"      Skip killing current connection (default: yes).",
    b"    * ID <client-id>",
    b"      Kill connections by client id.",
    b"LIST [options ...]",
    b"    Return information about client connections. Options:",
    b"    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    b"      Return clients of specified type.",
    b"UNPAUSE",
    b"    Stop the current client pause, resuming traffic.",
    b"PAUSE <timeout> [WRITE|ALL]",
    b"    Suspend all, or just write, clients for <timeout> milliseconds.",
    b"REPLY (ON|OFF|SKIP)",
    b"    Control the replies sent to the current connection.",
    b"SETNAME <name>",
    b"    Assign the name <name> to the current connection.",
    b"SETINFO <option> <value>",
    b"    Set client meta attr. Options are:",
    b"    * LIB-NAME: the client lib name.",
    b"    * LIB-VER: the client lib version.",
    b"UNBLOCK <clientid> [TIMEOUT|ERROR]",
    b"    Unblock the specified blocked client.",
    b"TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    b"         [OPTIN] [OPTOUT] [NOLOOP]",
    b"    Control server assisted client side caching.",
    b"TRACKINGINFO",
    b"    Report tracking status for the current connection.",
    b"NO-EVICT (ON|OFF)",
    b"    Protect current client connection from eviction.",
    b"NO-TOUCH (ON|OFF)",
    b"    Will not touch LRU/LFU stats when this mode is on.",
    b"HELP",
    b"    Print this help.",
)


@COMMANDS.command(
    "client",
    arity=-2,
    flags=Flag.NONE,
    group="connection",
    since="2.4.0",
    summary="A container for client connection commands.",
    complexity="Depends on subcommand.",
)
def client(call: Call) -> Reply:
    raise unknown_subcommand(call.argv[0], call.argv[1])


def _sub(
    name: str,
    arity: int,
    since: str,
    summary: str,
    *arguments: dict[str, object],
    flags: Flag = _COMMON,
    complexity: str = "O(1)",
) -> Callable[[Handler], Handler]:
    return COMMANDS.command(
        f"client|{name}",
        arity=arity,
        flags=flags,
        group="connection",
        since=since,
        summary=summary,
        complexity=complexity,
        categories=("connection",),
        arguments=arguments,
    )


def _is_of(type: bytes) -> Callable[[Session], bool]:
    """Normal ones and those that subscribed: replicas of ours speak another protocol at another door."""
    lowered = type.lower()
    if lowered not in _TYPES:
        raise RedisError(b"ERR Unknown client type '%b'" % type)
    if lowered == b"pubsub":
        return lambda session: bool(session.subscriptions)
    return lambda session: lowered == b"normal" and not session.subscriptions


@_sub("id", 2, "5.0.0", "Returns the unique client ID of the connection.")
def client_id(call: Call) -> Reply:
    return call.session.id


@_sub("info", 2, "6.2.0", "Returns information about the connection.")
def client_info(call: Call) -> Reply:
    return Verbatim(b"txt", describe(call.session, call.argv))


@_sub(
    "list",
    -2,
    "2.4.0",
    "Lists open connections.",
    oneof(
        "client-type",
        token("NORMAL"),
        token("MASTER"),
        token("REPLICA"),
        token("PUBSUB"),
        token="TYPE",
        since="5.0.0",
        optional=True,
    ),
    integer("client-id", token="ID", since="6.2.0", optional=True, multiple=True),
    flags=_ADMIN,
    complexity="O(N) where N is the number of client connections",
)
def client_list(call: Call) -> Reply:
    argv = call.argv
    clients = call.session.clients
    shown: Iterable[Session]
    if len(argv) == 2:
        shown = clients.values()
    elif len(argv) == 4 and argv[2].upper() == b"TYPE":
        wanted = _is_of(argv[3])
        shown = [session for session in clients.values() if wanted(session)]
    elif len(argv) > 3 and argv[2].upper() == b"ID":
        ids = [read_integer(one, _BAD_LIST_ID) for one in argv[3:]]
        shown = [clients[id] for id in ids if id in clients]
    else:
        raise SYNTAX
    return Verbatim(b"txt", b"".join(describe(session, argv if session is call.session else None) for session in shown))


@_sub(
    "kill",
    -3,
    "2.4.0",
    "Terminates open connections.",
    oneof(
        "filter",
        word("ip:port"),
        block(
            "new-format",
            integer("client-id", token="ID", optional=True),
            word("client-type", token="TYPE", optional=True),
            word("username", token="USER", optional=True),
            word("addr", token="ADDR", optional=True),
            word("laddr", token="LADDR", optional=True),
            word("skipme", token="SKIPME", optional=True),
        ),
    ),
    flags=_ADMIN,
    complexity="O(N) where N is the number of client connections",
)
def client_kill(call: Call) -> Reply:
    argv = call.argv
    me = call.session
    if len(argv) == 3:
        for session in list(me.clients.values()):
            if session.address == argv[2]:
                _kill(session, me)
                return OK
        raise _NO_SUCH_CLIENT
    if len(argv) % 2:
        raise SYNTAX
    filters: list[Callable[[Session], bool]] = []
    skip_me = True
    for place in range(2, len(argv), 2):
        option, value = argv[place].upper(), argv[place + 1]
        if option == b"ID":
            number = string_to_integer(value)
            if number is None or number < 1:
                raise _BAD_ID
            filters.append(lambda one, number=number: one.id == number)  # type: ignore[misc]
        elif option == b"TYPE":
            filters.append(_is_of(value))
        elif option == b"ADDR":
            filters.append(lambda one, value=value: one.address == value)  # type: ignore[misc]
        elif option == b"LADDR":
            filters.append(lambda one, value=value: one.local_address == value)  # type: ignore[misc]
        elif option == b"USER":
            if call.state.users.get(value) is None:
                raise RedisError(b"ERR No such user '%b'" % value)
            filters.append(lambda one, value=value: one.authenticated and one.user.name == value)  # type: ignore[misc]
        elif option == b"SKIPME" and value.lower() in (b"yes", b"no"):
            skip_me = value.lower() == b"yes"
        else:
            raise SYNTAX
    killed = 0
    for session in list(me.clients.values()):
        if (skip_me and session is me) or not all(wanted(session) for wanted in filters):
            continue
        _kill(session, me)
        killed += 1
    return killed


def _kill(session: Session, me: Session) -> None:
    """One's own connection lives until the reply is out."""
    if session is me:
        session.closing = True
    else:
        session.link.abort()


@_sub("getname", 2, "2.6.9", "Returns the name of the connection.")
def client_getname(call: Call) -> Reply:
    return call.session.name or None


@_sub("setname", 3, "2.6.9", "Sets the connection name.", word("connection-name"))
def client_setname(call: Call) -> Reply:
    name = call.argv[2]
    if not is_name(name):
        raise _BAD_NAME
    call.session.name = name
    call.session.sync_epoch += 1
    return OK


@_sub(
    "setinfo",
    4,
    "7.2.0",
    "Sets information specific to the client or connection.",
    oneof("attr", word("libname", token="LIB-NAME"), word("libver", token="LIB-VER")),
)
def client_setinfo(call: Call) -> Reply:
    _, _, option, value = call.argv
    lowered = option.lower()
    if lowered not in (b"lib-name", b"lib-ver"):
        raise RedisError(b"ERR Unrecognized option '%b'" % option)
    if not is_name(value):
        raise RedisError(b"ERR %b cannot contain spaces, newlines or special characters." % lowered)
    if lowered == b"lib-name":
        call.session.library_name = value
    else:
        call.session.library_version = value
    return OK


def _on_or_off(value: bytes) -> bool:
    lowered = value.lower()
    if lowered not in (b"on", b"off"):
        raise SYNTAX
    return lowered == b"on"


_ON_OFF: Final = oneof("enabled", token("ON"), token("OFF"))


@_sub("no-evict", 3, "7.0.0", "Sets the client eviction mode of the connection.", _ON_OFF, flags=_ADMIN)
def client_no_evict(call: Call) -> Reply:
    """Nobody is ever evicted here, so both are true at once; the flag shows in CLIENT LIST."""
    call.session.no_evict = _on_or_off(call.argv[2])
    return OK


@_sub("no-touch", 3, "7.2.0", "Controls whether commands affect the LRU/LFU of accessed keys.", _ON_OFF)
def client_no_touch(call: Call) -> Reply:
    """Access times are not kept, so no command touches them."""
    call.session.no_touch = _on_or_off(call.argv[2])
    return OK


@_sub(
    "pause",
    -3,
    "3.0.0",
    "Suspends commands processing.",
    integer("timeout"),
    oneof("mode", token("WRITE"), token("ALL"), since="6.2.0", optional=True),
    flags=_ADMIN,
)
def client_pause(call: Call) -> Reply:
    argv = call.argv
    state = call.state
    milliseconds = read_integer(argv[2], _BAD_TIMEOUT)
    if milliseconds < 0:
        raise _NEGATIVE_TIMEOUT
    mode = argv[3].upper() if len(argv) > 3 else b"ALL"
    if len(argv) > 4 or mode not in (b"WRITE", b"ALL"):
        raise SYNTAX
    # A pause is never shortened by a second one, and ALL stays ALL (pauseActions in Redis).
    paused = state.paused
    state.paused_until = max(state.paused_until if paused else 0.0, state.clock.monotonic() + milliseconds / 1000)
    state.paused_all = mode == b"ALL" or (paused and state.paused_all)
    return OK


@_sub("unpause", 2, "6.2.0", "Resumes processing commands from paused clients.", flags=_ADMIN)
def client_unpause(call: Call) -> Reply:
    call.state.paused_until = 0.0
    for session in call.session.clients.values():
        session.link.wake()
    return OK


@_sub(
    "reply",
    3,
    "3.2.0",
    "Instructs the server whether to reply to commands.",
    oneof("action", token("ON"), token("OFF"), token("SKIP")),
)
def client_reply(call: Call) -> Reply:
    session = call.session
    match call.argv[2].upper():
        case b"ON":
            session.muted = session.skip_next = session.skipping = False
            session.settle_mode()
            return OK
        case b"OFF":
            session.muted = True
        case b"SKIP":
            session.skip_next = not session.muted
        case _:
            raise SYNTAX
    session.settle_mode()
    return NO_REPLY


@_sub("getredir", 2, "6.0.0", "Returns the client ID to which the connection's tracking notifications are redirected.")
def client_getredir(call: Call) -> Reply:
    mode = call.session.tracking
    return -1 if mode is None else mode.redirect


@_sub("trackinginfo", 2, "6.2.0", "Returns information about server-assisted client-side caching for the connection.")
def client_trackinginfo(call: Call) -> Reply:
    mode = call.session.tracking
    if mode is None:
        return {b"flags": Members([b"off"]), b"redirect": -1, b"prefixes": []}
    flags = [b"on"]
    if mode.broadcast:
        flags.append(b"bcast")
    if mode.optin:
        flags += [b"optin", b"caching-yes"] if mode.caching else [b"optin"]
    if mode.optout:
        flags += [b"optout", b"caching-no"] if mode.caching else [b"optout"]
    if mode.noloop:
        flags.append(b"noloop")
    if mode.broken:
        flags.append(b"broken_redirect")
    return {b"flags": Members(flags), b"redirect": mode.redirect, b"prefixes": sorted(mode.prefixes)}


@_sub(
    "tracking",
    -3,
    "6.0.0",
    "Controls server-assisted client-side caching for the connection.",
    oneof("status", token("ON"), token("OFF")),
    integer("client-id", token="REDIRECT", optional=True),
    word("prefix", token="PREFIX", optional=True, multiple=True),
    token("BCAST", optional=True),
    token("OPTIN", optional=True),
    token("OPTOUT", optional=True),
    token("NOLOOP", optional=True),
    complexity="O(1). Some options may introduce additional complexity.",
)
def client_tracking(call: Call) -> Reply:
    """On is answered when the other nodes know that changes of keys are to be told to this one."""
    session = call.session
    tracking = call.state.tracking
    mode, prefixes = _tracking_options(call)
    status = call.argv[2].lower()
    if status == b"off":
        tracking.stop(session)
        session.link.authentication_changed()
        return OK
    if status != b"on":
        raise SYNTAX
    _check_switch(session.tracking, mode, prefixes)
    tracking.start(session, mode, prefixes)
    nodes = call.state.pubsub.nodes
    if session.in_exec or nodes is None or not nodes.reachable:
        return OK
    return Later(_informed(nodes))


async def _informed(nodes: Nodes) -> Reply:
    await nodes.informed()
    return OK


def _tracking_options(call: Call) -> tuple[Mode, list[bytes]]:
    argv = call.argv
    redirect = 0
    options: set[bytes] = set()
    prefixes: list[bytes] = []
    at = 3
    while at < len(argv):
        option = argv[at].lower()
        more = at + 1 < len(argv)
        if option == b"redirect" and more:
            at += 1
            if redirect:
                raise RedisError(b"ERR A client can only redirect to a single other client")
            redirect = read_integer(argv[at])
            if redirect not in call.session.clients:
                raise RedisError(b"ERR The client ID you want redirect to does not exist")
        elif option == b"prefix" and more:
            at += 1
            prefixes.append(argv[at])
        elif option in (b"bcast", b"optin", b"optout", b"noloop"):
            options.add(option)
        else:
            raise SYNTAX
        at += 1
    mode = Mode(
        redirect=redirect,
        broadcast=b"bcast" in options,
        optin=b"optin" in options,
        optout=b"optout" in options,
        noloop=b"noloop" in options,
    )
    return mode, prefixes


def _check_switch(old: Mode | None, new: Mode, prefixes: list[bytes]) -> None:
    """Options that contradict each other, or how the client tracks already; in Redis' order."""
    if prefixes and not new.broadcast:
        raise RedisError(b"ERR PREFIX option requires BCAST mode to be enabled")
    if old is not None and old.broadcast != new.broadcast:
        raise RedisError(
            b"ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling "
            b"it with a different mode."
        )
    if new.broadcast and (new.optin or new.optout):
        raise RedisError(b"ERR OPTIN and OPTOUT are not compatible with BCAST")
    if new.optin and new.optout:
        raise RedisError(b"ERR You can't specify both OPTIN mode and OPTOUT mode")
    if old is not None and ((new.optin and old.optout) or (new.optout and old.optin)):
        raise RedisError(
            b"ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling "
            b"it with a different mode."
        )
    known = old.prefixes if old is not None else []
    for place, prefix in enumerate(prefixes):
        for other in known:
            if prefix != other and (prefix.startswith(other) or other.startswith(prefix)):
                raise RedisError(
                    b"ERR Prefix '%b' overlaps with an existing prefix '%b'. Prefixes for a single client must not "
                    b"overlap." % (prefix, other)
                )
        for other in prefixes[place + 1 :]:
            if prefix.startswith(other) or other.startswith(prefix):
                raise RedisError(
                    b"ERR Prefix '%b' overlaps with another provided prefix '%b'. Prefixes for a single client must "
                    b"not overlap." % (prefix, other)
                )


@_sub(
    "caching",
    3,
    "6.0.0",
    "Instructs the server whether to track the keys in the next request.",
    oneof("mode", token("YES"), token("NO")),
)
def client_caching(call: Call) -> Reply:
    mode = call.session.tracking
    if mode is None:
        raise _NOT_TRACKING
    match call.argv[2].lower():
        case b"yes":
            if not mode.optin:
                raise RedisError(b"ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
        case b"no":
            if not mode.optout:
                raise RedisError(b"ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
        case _:
            raise SYNTAX
    mode.caching = True
    return OK


@_sub(
    "unblock",
    -3,
    "5.0.0",
    "Unblocks a client blocked by a blocking command from a different connection.",
    integer("client-id"),
    oneof("unblock-type", token("TIMEOUT"), token("ERROR"), optional=True),
    flags=_ADMIN,
    complexity="O(log N) where N is the number of client connections",
)
def client_unblock(call: Call) -> Reply:
    argv = call.argv
    how = argv[3].upper() if len(argv) > 3 else b"TIMEOUT"
    if len(argv) > 4:
        raise SYNTAX
    if how not in (b"TIMEOUT", b"ERROR"):
        raise RedisError(b"ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    id = integer_between(argv[2], -(1 << 63), (1 << 63) - 1)
    session = call.session.clients.get(id)
    if session is None:
        return 0
    if session.link.waits_at_leader:
        session.link.unblock_at_leader(how)
        return 1
    if session.blocked is None or session.blocked.unblock is None:
        return 0
    session.blocked.unblock(UNBLOCKED if how == b"ERROR" else None)
    return 1


@_sub("help", 2, "5.0.0", "Returns helpful text about the different subcommands.", flags=_COMMON & ~Flag.NOSCRIPT)
def client_help(call: Call) -> Reply:
    return [Simple(line) for line in _HELP]
