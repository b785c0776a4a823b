"""A transaction as it travels from a follower to the leader: one command, `ELASTICKV.EXEC`.

Commands that only this node can answer (CLIENT GETNAME and the like) stay behind; their answers are put between those
of the leader.
"""

from __future__ import annotations

from typing import Any

import hiredis

from elastickv.redis_api.dispatch import Router
from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.pending import Transaction
from elastickv.redis_api.replies import encode
from elastickv.redis_api.session import Session
from elastickv.redis_api.upstream import reply_end


def take_queue(session: Session) -> Transaction:
    """The queue of the session as one command; MULTI and WATCH are over with it."""
    assert session.queue is not None
    transaction = Transaction(session.queue, session.remote_watch)
    session.remote_watch = False
    session.end_transaction()
    return transaction


def prepare(router: Router, transaction: Transaction) -> bool:
    """Fill in the words to send, without what this node answers itself. True when the reply is needed whole."""
    transaction[1:] = []
    transaction.here.clear()
    transaction.selects.clear()
    sent = 0
    for place, argv in enumerate(transaction.queue):
        try:
            route = router.find(argv)
        except RedisError:
            route = None  # the leader will say so
        if route is not None and route.name != "select" and route.is_local(argv):
            transaction.here.append(place)
            continue
        if route is not None and route.name == "select":
            transaction.selects.append((sent, argv[1]))
        transaction.append(b"%d" % len(argv))
        transaction += argv
        sent += 1
    return bool(transaction.here or transaction.selects)


def answered(session: Session, router: Router, transaction: Transaction, reply: list[Any], data: bytes) -> bytes:
    """What the client gets for the leader's `reply`, which came as `data`. Takes over which database was selected."""
    for place, number in transaction.selects:
        if not isinstance(reply[place], hiredis.ReplyError):
            session.call.db = session.state.databases.numbered[int(number)]
    return _splice(session, router, transaction, data) if transaction.here else data


def _splice(session: Session, router: Router, transaction: Transaction, data: bytes) -> bytes:
    """Put this node's own answers between those of the leader."""
    call = session.call
    at = data.index(b"\r\n") + 2
    parts = [b"*%d\r\n" % len(transaction.queue)]
    here = set(transaction.here)
    session.in_exec = True
    for place, argv in enumerate(transaction.queue):
        if place in here:
            parts.append(encode(router.execute(call, argv), call.protocol))
        else:
            end = reply_end(data, at)
            parts.append(data[at:end])
            at = end
    session.in_exec = False
    return b"".join(parts)
