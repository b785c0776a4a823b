"""SUBSCRIBE, PUBLISH and their kin. Subscriptions belong to the node that the client is connected to; messages and
counts to the cluster (see `pubsub` and `peers`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from elastickv.redis_api import glob
from elastickv.redis_api.argument_docs import block, word
from elastickv.redis_api.errors import subcommand_syntax, unknown_subcommand
from elastickv.redis_api.pubsub import Kind
from elastickv.redis_api.registry import ALL_KEYS, COMMANDS, ONE_KEY, Flag, Handler, Reply
from elastickv.redis_api.replies import Push, Raw, Simple, encode
from elastickv.redis_api.session import Call, Later, Session

_LISTEN: Final = Flag.PUBSUB | Flag.NOSCRIPT | Flag.LOADING | Flag.STALE | Flag.LOCAL | Flag.SESSION
_PUBLISH: Final = Flag.PUBSUB | Flag.LOADING | Flag.STALE | Flag.FAST | Flag.MAY_REPLICATE | Flag.LOCAL
_LOOK: Final = Flag.PUBSUB | Flag.LOADING | Flag.STALE | Flag.LOCAL


def _confirmation(session: Session, what: bytes, kind: Kind, name: bytes | None) -> bytes:
    return encode(Push([what, name, session.subscriptions.count(kind)]), session.call.protocol)


def _subscribe(call: Call, what: bytes, kind: Kind) -> Reply:
    session = call.session
    pubsub = call.state.pubsub
    parts = []
    for name in call.argv[1:]:
        pubsub.subscribe(session, kind, name)
        parts.append(_confirmation(session, what, kind, name))
    session.settle_mode()
    reply = Raw(b"".join(parts))
    if session.in_exec or pubsub.nodes is None or not pubsub.nodes.reachable:
        return reply
    session.held_pushes = []
    return Later(_confirm(session, reply))


async def _confirm(session: Session, reply: Raw) -> Reply:
    """The confirmation, when the other nodes know of it; behind it what came meanwhile."""
    nodes = session.state.pubsub.nodes
    try:
        if nodes is not None:
            await nodes.informed()
    finally:
        held, session.held_pushes = session.held_pushes or [], None
    return Raw(reply.encoded + b"".join(held))


def _unsubscribe(call: Call, what: bytes, kind: Kind) -> Reply:
    session = call.session
    pubsub = call.state.pubsub
    names: list[bytes] = call.argv[1:] or list(session.subscriptions.names[kind])
    parts = []
    for name in names:
        pubsub.unsubscribe(session, kind, name)
        parts.append(_confirmation(session, what, kind, name))
    if not names:
        parts.append(_confirmation(session, what, kind, None))
    session.settle_mode()
    return Raw(b"".join(parts))


_CHANNELS_OPTIONAL: Final = word("channel", optional=True, multiple=True)
_SHARDS: Final = word("shardchannel", multiple=True)


@COMMANDS.command(
    "subscribe",
    arity=-2,
    flags=_LISTEN,
    group="pubsub",
    since="2.0.0",
    summary="Listens for messages published to channels.",
    complexity="O(N) where N is the number of channels to subscribe to.",
    arguments=(word("channel", multiple=True),),
)
def subscribe(call: Call) -> Reply:
    return _subscribe(call, b"subscribe", Kind.CHANNEL)


@COMMANDS.command(
    "unsubscribe",
    arity=-1,
    flags=_LISTEN,
    group="pubsub",
    since="2.0.0",
    summary="Stops listening to messages posted to channels.",
    complexity="O(N) where N is the number of channels to unsubscribe.",
    arguments=(_CHANNELS_OPTIONAL,),
)
def unsubscribe(call: Call) -> Reply:
    return _unsubscribe(call, b"unsubscribe", Kind.CHANNEL)


@COMMANDS.command(
    "psubscribe",
    arity=-2,
    flags=_LISTEN,
    group="pubsub",
    since="2.0.0",
    summary="Listens for messages published to channels that match one or more patterns.",
    complexity="O(N) where N is the number of patterns to subscribe to.",
    arguments=(block("pattern", word("pattern", "pattern"), multiple=True),),
)
def psubscribe(call: Call) -> Reply:
    return _subscribe(call, b"psubscribe", Kind.PATTERN)


@COMMANDS.command(
    "punsubscribe",
    arity=-1,
    flags=_LISTEN,
    group="pubsub",
    since="2.0.0",
    summary="Stops listening to messages published to channels that match one or more patterns.",
    complexity="O(N) where N is the number of patterns to unsubscribe.",
    arguments=(word("pattern", "pattern", optional=True, multiple=True),),
)
def punsubscribe(call: Call) -> Reply:
    return _unsubscribe(call, b"punsubscribe", Kind.PATTERN)


@COMMANDS.command(
    "ssubscribe",
    arity=-2,
    flags=_LISTEN,
    keys=ALL_KEYS,
    key_access=("NOT_KEY",),
    group="pubsub",
    since="7.0.0",
    summary="Listens for messages published to shard channels.",
    complexity="O(N) where N is the number of shard channels to subscribe to.",
    arguments=(_SHARDS,),
)
def ssubscribe(call: Call) -> Reply:
    """Here every node serves all slots, so shard channels differ from channels in their name only."""
    return _subscribe(call, b"ssubscribe", Kind.SHARD)


@COMMANDS.command(
    "sunsubscribe",
    arity=-1,
    flags=_LISTEN,
    keys=ALL_KEYS,
    key_access=("NOT_KEY",),
    group="pubsub",
    since="7.0.0",
    summary="Stops listening to messages posted to shard channels.",
    complexity="O(N) where N is the number of shard channels to unsubscribe.",
    arguments=(word("shardchannel", optional=True, multiple=True),),
)
def sunsubscribe(call: Call) -> Reply:
    return _unsubscribe(call, b"sunsubscribe", Kind.SHARD)


def _publish(call: Call, kind: Kind) -> Reply:
    _, channel, message = call.argv
    state = call.state
    state.outgoing.append((kind, channel, message))
    return state.pubsub.receivers(kind, channel)


@COMMANDS.command(
    "publish",
    arity=3,
    flags=_PUBLISH,
    group="pubsub",
    since="2.0.0",
    summary="Posts a message to a channel.",
    complexity="O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number "
    "of subscribed patterns (by any client).",
    arguments=(word("channel"), word("message")),
)
def publish(call: Call) -> Reply:
    return _publish(call, Kind.CHANNEL)


@COMMANDS.command(
    "spublish",
    arity=3,
    flags=_PUBLISH,
    keys=ONE_KEY,
    key_access=("NOT_KEY",),
    group="pubsub",
    since="7.0.0",
    summary="Post a message to a shard channel.",
    complexity="O(N) where N is the number of clients subscribed to the receiving shard channel.",
    arguments=(word("shardchannel"), word("message")),
)
def spublish(call: Call) -> Reply:
    return _publish(call, Kind.SHARD)


@COMMANDS.command(
    "pubsub",
    arity=-2,
    flags=Flag.NONE,
    group="pubsub",
    since="2.8.0",
    summary="A container for Pub/Sub commands.",
    complexity="Depends on subcommand.",
)
def pubsub(call: Call) -> Reply:
    raise unknown_subcommand(call.argv[0], call.argv[1])


def _sub(
    name: str, arity: int, since: str, summary: str, complexity: str, *arguments: dict[str, object]
) -> Callable[[Handler], Handler]:
    return COMMANDS.command(
        f"pubsub|{name}",
        arity=arity,
        flags=_LOOK,
        group="pubsub",
        since=since,
        summary=summary,
        complexity=complexity,
        arguments=arguments,
    )


def _active(call: Call, kind: Kind) -> Reply:
    argv = call.argv
    if len(argv) > 3:
        raise subcommand_syntax(argv[0], argv[1])
    names = call.state.pubsub.counts(kind)
    if len(argv) == 2:
        return list(names)
    wanted = glob.matcher(argv[2])
    return [name for name in names if wanted(name)]


def _numbers(call: Call, kind: Kind) -> Reply:
    found: list[object] = []
    for name in call.argv[2:]:
        found += (name, call.state.pubsub.count(kind, name))
    return found


@_sub(
    "channels",
    -2,
    "2.8.0",
    "Returns the active channels.",
    "O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively short "
    "channels and patterns)",
    word("pattern", "pattern", optional=True),
)
def pubsub_channels(call: Call) -> Reply:
    return _active(call, Kind.CHANNEL)


@_sub(
    "numsub",
    -2,
    "2.8.0",
    "Returns a count of subscribers to channels.",
    "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
    _CHANNELS_OPTIONAL,
)
def pubsub_numsub(call: Call) -> Reply:
    return _numbers(call, Kind.CHANNEL)


@_sub("numpat", 2, "2.8.0", "Returns a count of unique pattern subscriptions.", "O(1)")
def pubsub_numpat(call: Call) -> Reply:
    return len(call.state.pubsub.counts(Kind.PATTERN))


@_sub(
    "shardchannels",
    -2,
    "7.0.0",
    "Returns the active shard channels.",
    "O(N) where N is the number of active shard channels, and assuming constant time pattern matching (relatively "
    "short shard channels).",
    word("pattern", "pattern", optional=True),
)
def pubsub_shardchannels(call: Call) -> Reply:
    return _active(call, Kind.SHARD)


@_sub(
    "shardnumsub",
    -2,
    "7.0.0",
    "Returns the count of subscribers of shard channels.",
    "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
    word("shardchannel", optional=True, multiple=True),
)
def pubsub_shardnumsub(call: Call) -> Reply:
    return _numbers(call, Kind.SHARD)


_HELP: Final = (
    b"PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"CHANNELS [<pattern>]",
    b"    Return the currently active channels matching a <pattern> (default: '*').",
    b"NUMPAT",
    b"    Return number of subscriptions to patterns.",
    b"NUMSUB [<channel> ...]",
    b"    Return the number of subscribers for the specified channels, excluding",
    b"    pattern subscriptions(default: no channels).",
    b"SHARDCHANNELS [<pattern>]",
    b"    Return the currently active shard level channels matching a <pattern> (default: '*').",
    b"SHARDNUMSUB [<shardchannel> ...]",
    b"    Return the number of subscribers for the specified shard level channel(s)",
    b"HELP",
    b"    Print this help.",
)


@COMMANDS.command(
    "pubsub|help",
    arity=2,
    flags=Flag.LOADING | Flag.STALE | Flag.LOCAL,
    group="pubsub",
    since="6.2.0",
    summary="Returns helpful text about the different subcommands.",
    complexity="O(1)",
)
def pubsub_help(_: Call) -> Reply:
    return [Simple(line) for line in _HELP]
