"""Messages that commands leave behind, held back until what was executed with them is committed.

A command (PUBLISH, or one that changes a key somebody wants to hear about) puts its event into `ServerState.outgoing`.
Whoever closes the burst with `settle()` then calls `after(ticket)`: without a ticket the events go out at once, else
when it is released; when it fails they are dropped, and the commands that are executed again announce them again.
Per client nothing overtakes: an event that waits for nothing stands behind the ones that wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from elastickv.kv.ports import Ticket
from elastickv.redis_api.pubsub import Event
from elastickv.redis_api.state import ServerState
from elastickv.redis_api.tracking import with_origin


class _Held:
    """Events of one burst. It outlives the client: what was committed is announced."""

    __slots__ = ("events", "owner", "ready")

    def __init__(self, owner: Announcements, events: list[Event], *, ready: bool) -> None:
        self.owner = owner
        self.events = events
        self.ready = ready

    def release(self, ticket: Ticket) -> None:
        self.ready = True
        self.owner.flush()

    def fail(self, ticket: Ticket, fault: Exception) -> None:
        self.events = []
        self.release(ticket)


class Announcements:
    """The held events of one client, in order."""

    __slots__ = ("_held", "_origin", "_state")

    def __init__(self, state: ServerState, origin: Callable[[], bytes] = bytes) -> None:
        self._state = state
        self._origin = origin
        """Who causes them, among all clients of the cluster."""
        self._held: deque[_Held] = deque()

    def after(self, ticket: Ticket | None) -> None:
        """The burst that announced what is in `outgoing` rests on `ticket`."""
        state = self._state
        events = state.take_outgoing()
        if state.pubsub.tracked:
            events = with_origin(events, self._origin())
        if ticket is None and not self._held:
            state.pubsub.publish_all(events)
            return
        held = _Held(self, events, ready=ticket is None)
        self._held.append(held)
        if ticket is not None:
            ticket.wait(held)

    def flush(self) -> None:
        held = self._held
        while held and held[0].ready:
            self._state.pubsub.publish_all(held.popleft().events)
