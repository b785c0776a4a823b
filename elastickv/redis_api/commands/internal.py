"""What nodes say to each other at the Redis door (see `forwarding`). In no list and no documentation of commands."""

from __future__ import annotations

from typing import Final

from elastickv.redis_api.arguments import string_to_integer
from elastickv.redis_api.commands.transactions import is_dirty, run_queue
from elastickv.redis_api.errors import DB_OUT_OF_RANGE, EXEC_ABORT, SYNTAX, WRONG_PASSWORD, RedisError
from elastickv.redis_api.peers import PeerSink
from elastickv.redis_api.pending import queue_in
from elastickv.redis_api.registry import Flag, Registry, Reply
from elastickv.redis_api.replies import NO_REPLY, NULL_ARRAY, OK
from elastickv.redis_api.session import Call

INTERNAL: Final = Registry()


@INTERNAL.command(
    "elastickv.session",
    arity=-8,
    flags=Flag.NO_AUTH | Flag.NOSCRIPT | Flag.NO_MULTI | Flag.LOCAL | Flag.SESSION | Flag.SKIP_SLOWLOG,
    group="connection",
    since="7.2.0",
    summary="Makes this session the image of a client's session on another node.",
)
def elastickv_session(call: Call) -> Reply:
    """node db protocol name watches user origin [secret]

    `watches` is 1 when the keys watched over this connection stay so.
    """
    session = call.session
    state = call.state
    node, db, protocol, name, watches, username, origin = call.argv[1:8]
    if not state.users.is_node(b"".join(call.argv[8:])):
        raise WRONG_PASSWORD
    number = string_to_integer(db)
    if number is None or not 0 <= number < len(call.databases.numbered):
        raise DB_OUT_OF_RANGE
    if protocol not in (b"2", b"3"):
        raise SYNTAX
    if not state.store.serving:
        leader = state.leader()
        raise RedisError(b"NOTLEADER " + (leader.address.encode() if leader is not None else b"unknown"))
    session.forwarded_from = node.decode("utf-8", "replace")
    if watches != b"1":
        session.unwatch()
    user = state.users.get(username)
    if user is None:
        raise WRONG_PASSWORD
    session.user = user
    session.origin = origin
    session.name = name
    session.authenticated = True
    session.link.authentication_changed()
    session.settle_mode()
    call.db = call.databases.numbered[number]
    call.protocol = int(protocol)
    return OK


@INTERNAL.command(
    "elastickv.peer",
    arity=-2,
    flags=Flag.NO_AUTH | Flag.NOSCRIPT | Flag.NO_MULTI | Flag.LOCAL | Flag.SESSION | Flag.SKIP_SLOWLOG,
    group="connection",
    since="7.2.0",
    summary="Makes this connection the stream of another node's messages and subscriptions (see `peers`).",
)
def elastickv_peer(call: Call) -> Reply:
    """node [secret]"""
    session = call.session
    state = call.state
    if not state.users.is_node(b"".join(call.argv[2:])):
        raise WRONG_PASSWORD
    node = call.argv[1].decode("utf-8", "replace")
    if node == state.facts.id:
        raise RedisError(b"SELF this is the node itself")
    session.authenticated = True
    session.link.authentication_changed()
    session.peer = PeerSink(session, state.pubsub, node)
    session.settle_mode()
    return state.facts.id.encode()


@INTERNAL.command(
    "elastickv.exec",
    arity=-1,
    flags=Flag.NOSCRIPT | Flag.NO_MULTI | Flag.SKIP_SLOWLOG | Flag.SESSION,
    group="transactions",
    since="7.2.0",
    summary="A transaction that was queued on another node, as one command.",
)
def elastickv_exec(call: Call) -> Reply:
    """[number-of-words word ...]..."""
    queue = queue_in(call.argv)
    if queue is None:
        raise EXEC_ABORT
    dirty = is_dirty(call)
    call.session.unwatch()
    if dirty:
        return NULL_ARRAY
    return run_queue(call, queue)


@INTERNAL.command(
    "elastickv.unblock",
    arity=2,
    flags=Flag.NOSCRIPT | Flag.NO_MULTI | Flag.LOCAL | Flag.SESSION | Flag.SKIP_SLOWLOG,
    group="connection",
    since="7.2.0",
    summary="CLIENT UNBLOCK for the client behind this session: TIMEOUT or ERROR. Is not answered itself.",
)
def elastickv_unblock(call: Call) -> Reply:
    """The connection obeys it when it comes while the client waits; here it comes too late."""
    return NO_REPLY
