"""What goes out to one client: replies in the order of their commands, pushes between them, and what is too much.

Replies that wait for their commit stand in `outbox`, burst by burst, and go out together. Replies that wait for
nothing are sent at the end of the turn, together with those to other clients (`Hub.send_later`); whatever else is sent
goes out at once, behind them. Pushes are written at the end of the turn, and never into the middle of a reply: a long
one of this node, or one of the leader that passes through.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Final

from elastickv.redis_api.errors import INTERNAL
from elastickv.redis_api.hub import Hub
from elastickv.redis_api.pending import Burst
from elastickv.redis_api.replies import NO_REPLY, Raw, encode
from elastickv.redis_api.resp import Words
from elastickv.redis_api.session import Session

if TYPE_CHECKING:
    from elastickv.redis_api.forwarding import Forwarder

log = logging.getLogger(__name__)

MAX_UNSENT: Final = 16
"""Bursts of replies to one client that may wait for the end of the turn."""
MAX_UNSENT_BYTES: Final = 64 * 1024
"""A larger burst does not wait."""


class Outgoing(ABC):
    """The half of a `Connection` that writes; the other half reads and executes."""

    __slots__ = (
        "_behind_replies",
        "_call",
        "_closing",
        "_mid_reply",
        "_push_bytes",
        "_pushes",
        "_soft_since",
        "_state",
        "_stats",
        "_straight",
        "_transport",
        "_unsent",
        "backlog",
        "forwarder",
        "hub",
        "last_active_at",
        "outbox",
        "session",
    )

    forwarder: Forwarder

    def __init__(self, hub: Hub, session: Session) -> None:
        self.hub = hub
        self.session = session
        self._state = hub.state
        self._stats = hub.state.stats
        self._call = session.call
        self.backlog: deque[Words] = deque()
        """Commands that are not executed yet."""
        self.outbox: deque[Burst] = deque()
        """Replies that may not go out yet."""
        self._unsent: list[bytes] = []
        """Replies that are sent at the end of the turn."""
        self._behind_replies: list[bytes] = []
        """Pushes that wait until the leader has answered what it was sent before them."""
        self._pushes: list[bytes] = []
        """Not written yet: until the end of the turn, or until no reply is half-way through."""
        self._push_bytes = 0
        self._transport: asyncio.Transport | None = None
        self.last_active_at = 0
        """When the client's last commands began to be executed, perf_counter_ns."""
        self._closing = False
        self._straight = True
        """Nothing is in the way of commands that come now: `advance` looks after it."""
        self._mid_reply = False
        """A long reply is being written."""
        self._soft_since = 0.0
        """Loop time since which more waits for the client than the soft limit; 0 when that is not so."""

    @abstractmethod
    def execute_again(self) -> None:
        """The first burst is provably not in the log."""

    @abstractmethod
    def stop_waiting(self) -> None:
        """The client waits for keys no longer."""

    def _take_reply(self, reply: object, parts: list[bytes]) -> None:
        """Encode what the client is to see of a reply, by CLIENT REPLY."""
        session = self.session
        if session.plain:
            parts.append(self._encode(reply))
            return
        silent = session.muted or session.skipping
        if silent and type(reply) is Raw and self._call.argv[0].lower().endswith(b"subscribe"):
            silent = False  # confirmations of subscriptions are pushes, and pushes are sent all the same
        if not (silent or reply is NO_REPLY):
            parts.append(self._encode(reply))
        session.skipping = session.skip_next
        session.skip_next = False
        session.settle_mode()

    def _encode(self, reply: object) -> bytes:
        try:
            return encode(reply, self._call.protocol)
        except Exception as error:
            log.error("a reply to client %d could not be encoded", self.session.id, exc_info=error)
            return encode(INTERNAL)

    def push(self, parts: list[bytes]) -> None:
        """Replies that wait for nothing but those before them."""
        if parts:
            self.outbox.append(Burst(None, parts, [], 0, False))
        self._flush()

    def push_out(self, data: bytes) -> None:
        held = self.session.held_pushes
        if held is not None:
            held.append(data)
            return
        pushes = self._pushes
        if not pushes:
            self.hub.push_later(self)
        pushes.append(data)
        self._push_bytes += len(data)
        if self._push_bytes > self._state.push_hard_bytes:
            self._cut_off()

    def push_behind_replies(self, data: bytes) -> None:
        if self.outbox:
            self.outbox.append(Burst(None, [data], [], 0, False))
        elif self.forwarder.unanswered:
            self._behind_replies.append(data)
        else:
            self.push_out(data)

    @property
    def has_pushes(self) -> bool:
        return bool(self._pushes or self._behind_replies)

    def write_pushes(self) -> None:
        pushes = self._pushes
        transport = self._transport
        if not pushes or transport is None or self._mid_reply or not self.forwarder.between_replies:
            return
        data = pushes[0] if len(pushes) == 1 else b"".join(pushes)
        pushes.clear()
        self._push_bytes = 0
        if self._closing:
            return
        self._stats.bytes_out += len(data)
        self._send(data)
        if transport.get_write_buffer_size() > self._state.push_hard_bytes:
            self._cut_off()

    def _write(self, parts: list[bytes], *, later: bool = False) -> None:
        """Replies that may go out; `later`: at the end of the turn."""
        if self._pushes:
            self.write_pushes()
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        size = len(data)
        self._stats.bytes_out += size
        if self._state.output_limited:
            self.check_output(size)
            if self._closing:
                return
        unsent = self._unsent
        if not later or size > MAX_UNSENT_BYTES or len(unsent) >= MAX_UNSENT:
            self._send(data)
        else:
            if not unsent:
                self.hub.send_later(self, self.last_active_at)
            unsent.append(data)

    def _send(self, data: bytes) -> None:
        """Hand bytes to the transport, behind all that came before."""
        if self._unsent:
            self._unsent.append(data)
            self.send_unsent()
        elif self._transport is not None:
            self._transport.write(data)

    def send_unsent(self) -> None:
        unsent = self._unsent
        if unsent and self._transport is not None:
            data = unsent[0] if len(unsent) == 1 else b"".join(unsent)
            unsent.clear()
            self._transport.write(data)

    def pass_through(self, data: bytes) -> None:
        """Replies of the leader, as they came. Pushes stay out of it: it may end in the middle of a reply."""
        self._stats.bytes_out += len(data)
        self._send(data)
        if self._state.output_limited:
            self.check_output()

    def _flush(self) -> None:
        """Write what may go out."""
        outbox = self.outbox
        if outbox and outbox[0].ticket is None:
            parts: list[bytes] = []
            while outbox and outbox[0].ticket is None and not outbox[0].retry:
                parts += outbox.popleft().parts
            if parts:
                self._write(parts)
            if outbox and outbox[0].retry and all(burst.ticket is None for burst in outbox):
                self.execute_again()
        if self.session.closing and not outbox:
            self._close()

    # limits

    def output_bytes(self) -> int:
        transport = self._transport
        waiting = sum(len(part) for burst in self.outbox for part in burst.parts)
        waiting += self._push_bytes + sum(map(len, self._unsent))
        return waiting + (transport.get_write_buffer_size() if transport is not None else 0)

    def check_output(self, more: int = 0) -> None:
        """client-output-buffer-limit: cut off a client that does not read its replies; `more` bytes are to be sent."""
        limits = self._state.output_limits
        limit = limits.pubsub if self.session.subscriptions else limits.normal
        held = self.output_bytes() + more
        now = self.hub.loop.time()
        over = 0 < limit.hard_bytes < held
        if 0 < limit.soft_bytes < held:
            self._soft_since = self._soft_since or now
            over = over or now - self._soft_since >= limit.soft_seconds
        else:
            self._soft_since = 0.0
        if over:
            self._cut_off()

    def _cut_off(self) -> None:
        if not self._closing:
            log.warning("client %d closed: it does not read its replies", self.session.id)
            self._stats.output_limit_disconnections += 1
            self.abort()

    # the end

    def close_after_replies(self) -> None:
        self.session.closing = True
        self._straight = False
        self.backlog.clear()
        if not self.outbox:
            self._close()

    def _close(self) -> None:
        self._closing = True
        self._straight = False
        self.stop_waiting()
        self.send_unsent()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        self._closing = True
        self._straight = False
        self.stop_waiting()
        self._unsent.clear()
        if self._transport is not None:
            self._transport.abort()
