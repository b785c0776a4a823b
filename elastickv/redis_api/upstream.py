"""The connection to the leader's Redis door: bytes up, replies down, counted but not taken apart.

What to send and what to do with the answers is the business of `forwarding`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from typing import Final, Protocol, cast

import hiredis

from elastickv.redis_api.resp import Words, encode_command

log = logging.getLogger(__name__)

_NOT_LEADER: Final = b"-NOTLEADER"


class _Nothing:
    __slots__ = ()


_NOTHING: Final = _Nothing()


class Recipient(Protocol):
    """Who hears of replies and of the end: the forwarder."""

    congested: bool

    def now(self) -> float: ...

    def replies(self, upstream: Upstream, data: bytes, last: object) -> None: ...

    def all_answered(self) -> None: ...

    def upstream_lost(self, upstream: Upstream, *, repeat_all: bool) -> None: ...

    def sync_refused(self, upstream: Upstream, text: str) -> None: ...


class Upstream(asyncio.Protocol):
    """The connection to the leader's Redis door."""

    def __init__(self, forwarder: Recipient, address: str) -> None:
        self.forwarder = forwarder
        self.address = address
        self.epoch = -1
        """The `sync_epoch` of the session that the leader knows."""
        self.syncing = -1
        self.unanswered: deque[Words] = deque()
        self.waiting_since = 0.0
        """Loop time of the last progress while something is unanswered."""
        self.between_replies = True
        """The client has got whole replies only: something else may go out now."""
        self.transport: asyncio.Transport | None = None
        self.lost = False
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._held = b""
        """The start of a line that may become -NOTLEADER."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its bases
        self.transport = transport
        raw_socket = transport.get_extra_info("socket")
        if raw_socket is not None:
            raw_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.lost:
            self.lost = True
            self.forwarder.upstream_lost(self, repeat_all=False)

    def close(self) -> None:
        self.lost = True
        if self.transport is not None:
            self.transport.abort()

    def sync(self, command: Words, epoch: int) -> None:
        self.syncing = epoch
        self.waiting_since = self.forwarder.now()
        assert self.transport is not None
        self.transport.write(encode_command(command))

    def send(self, data: bytes, commands: list[Words]) -> None:
        if not self.unanswered:
            self.waiting_since = self.forwarder.now()
            self.between_replies = True
        self.unanswered.extend(commands)
        assert self.transport is not None
        self.transport.write(data)

    def cut_short(self) -> bool:
        """The connection is lost: whether the last thing passed on was only a part of a reply.

        The reader does not tell where it stands, but one more line does: it comes back as a reply of its own only
        when nothing is open before it.
        """
        try:
            self._reader.feed(b"+probe\r\n")
            reply = self._reader.gets()
        except hiredis.HiredisError:
            return True
        if type(reply) is hiredis.ReplyError:
            return not self._held  # the start of an error line, which nobody has seen
        return bool(reply != b"probe")

    def data_received(self, data: bytes) -> None:
        forwarder = self.forwarder
        reader = self._reader
        try:
            reader.feed(data)
            if self.syncing >= 0:
                self._take_sync_reply(reader.gets())
                return
            unanswered = self.unanswered
            not_leader = False
            last: object = None
            while True:
                reply = reader.gets()
                if reply is _NOTHING:
                    break
                if type(reply) is hiredis.ReplyError and str(reply).startswith("NOTLEADER"):
                    not_leader = True
                    break
                if type(reply) is not hiredis.PushNotification:
                    last = reply
                    unanswered.popleft()
        except (hiredis.HiredisError, IndexError, TypeError) as error:
            log.error("the leader at %s sent no sense: %s", self.address, error)
            self.close()
            forwarder.upstream_lost(self, repeat_all=False)
            return
        self.waiting_since = forwarder.now()
        self.between_replies = not unanswered
        if self._held:
            data = self._held + data
            self._held = b""
        if not_leader:
            data = data[: data.rindex(_NOT_LEADER)]
        elif unanswered:
            # NOTLEADER may arrive in two pieces; no part of it may reach the client.
            tail_start = data.rfind(b"\n") + 1
            tail = data[tail_start:]
            if tail and _NOT_LEADER.startswith(tail[: len(_NOT_LEADER)]) and reader.has_data():
                self._held = tail
                data = data[:tail_start]
        if data:
            forwarder.replies(self, data, last)
        if not_leader:
            self.close()
            forwarder.upstream_lost(self, repeat_all=True)
        elif not unanswered:
            forwarder.all_answered()

    def _take_sync_reply(self, reply: object) -> None:
        if reply is _NOTHING:
            return
        if isinstance(reply, hiredis.ReplyError):
            self.close()
            self.forwarder.sync_refused(self, str(reply))
            return
        self.epoch = self.syncing
        self.syncing = -1
        self.forwarder.all_answered()

    def pause_writing(self) -> None:
        self.forwarder.congested = True

    def resume_writing(self) -> None:
        self.forwarder.congested = False
        self.forwarder.all_answered()


def reply_end(data: bytes, at: int) -> int:
    """Where the RESP value that begins at `at` ends."""
    open_items = 1
    while open_items:
        open_items -= 1
        line_end = data.index(b"\r\n", at)
        mark = data[at : at + 1]
        after = line_end + 2
        if mark in b"$=!":
            length = int(data[at + 1 : line_end])
            if length >= 0:
                after += length + 2
        elif mark in b"*~>":
            open_items += max(0, int(data[at + 1 : line_end]))
        elif mark == b"%":
            open_items += 2 * int(data[at + 1 : line_end])
        at = after
    return at
