"""What keeps all clients waiting for a while: CLIENT PAUSE, and a script that takes long; who may go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.pending import Fixed, SelectAgain, Transaction
from elastickv.redis_api.replies import encode

if TYPE_CHECKING:
    from elastickv.redis_api.connection import Connection


def passes_pause(connection: Connection) -> bool:
    """Whether the first command of the backlog may run all the same."""
    state = connection.hub.state
    if state.scripts.slices.aside is not None and state.store.serving:
        return _passes_script(connection)
    if not state.paused:
        state.paused_until = 0.0
        return True
    argv = connection.backlog[0]
    try:
        route = connection.hub.router.find(argv)
    except RedisError:
        return True
    if connection.session.forwarded_from == "" and route.name.startswith("client|"):
        return True
    if not route.accepts(len(argv)) and type(argv) is not Transaction:
        return True  # the error does not wait
    if not state.paused_all and not connection.hub.router.may_write(connection.session, route, argv):
        return True
    connection.hub.wait(connection)
    return False


def _passes_script(connection: Connection) -> bool:
    """A script is in the middle of its work: others wait, and hear BUSY when it has taken too long."""
    argv = connection.backlog[0]
    if type(argv) is Fixed or type(argv) is SelectAgain:
        return True
    try:
        route = connection.hub.router.find(argv)
    except RedisError:
        return True
    if route.allow_busy or route.name == "elastickv.session":
        return True
    busy = connection.hub.state.scripts.engine.busy
    if busy is None:
        connection.hub.wait(connection)
        return False
    if route.name in ("exec", "elastickv.exec"):
        connection.session.end_transaction()
        busy = RedisError(b"EXECABORT Transaction discarded because of: " + busy.text)
    elif connection.session.queue is not None:
        connection.session.queue_failed = True
    connection.hub.state.stats.error(busy.text)
    connection.backlog[0] = Fixed(encode(busy))
    return True
