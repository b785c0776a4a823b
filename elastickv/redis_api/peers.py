"""Connections from this node's Redis door to those of all other nodes, for what must reach their clients.

One connection to each address of --raftRedisMap, opened by the node that has something to say; so there are two between
any two nodes, one each way, and each is an ordered stream of commands (docs/decisions/0031-pubsub.md):

    ELASTICKV.PEER node [secret]       who speaks; answered with the other's ID, and all that follows goes to `PeerSink`
    I kind name count                  this node has so many subscribers there
    M channel message, S ..., T ...    a message for subscribers, for those of a shard channel, for who tracks keys
    A number                           answered :number when everything before it has been taken in

Nothing waits for a node that does not take what it is sent: a link with more than MAX_QUEUED_BYTES to write, or that
leaves an A unanswered for DEAD_SECONDS, is closed, and what it held is lost (messages are delivered at most once). When
it is up again it begins with the whole list of subscriptions.

SUBSCRIBE is confirmed to a client when the nodes that are up know of it, so that what is published anywhere after the
confirmation arrives. That is a round trip; a node that takes longer than CONFIRM_SECONDS counts as down.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Final, cast

import hiredis

from elastickv.redis_api.pubsub import KINDS, Event, Interest, Kind, PubSub
from elastickv.redis_api.resp import Words, encode_command
from elastickv.redis_api.state import ServerState

if TYPE_CHECKING:
    from elastickv.redis_api.session import Session

log = logging.getLogger(__name__)

MAX_QUEUED_BYTES: Final = 32 << 20
CONNECT_SECONDS: Final = 1.0
CONFIRM_SECONDS: Final = 0.5
DEAD_SECONDS: Final = 5.0
RETRY_SECONDS: Final = (0.05, 0.1, 0.2, 0.5)
"""Pauses between attempts; the last one goes on."""


_OPS: Final = {Kind.CHANNEL: b"M", Kind.SHARD: b"S", Kind.TRACKING: b"T"}


class Progress(Enum):
    TRYING = "trying"
    UP = "up"
    DOWN = "down"


class _Stream(asyncio.Protocol):
    """One connection to another node."""

    def __init__(self, link: PeerLink) -> None:
        self.link = link
        loop = asyncio.get_running_loop()
        self.welcomed: asyncio.Future[str] = loop.create_future()
        """The ID of the node at the other end."""
        self.closed: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader()
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._asked = 0
        self._open: deque[tuple[int, float, asyncio.Future[None]]] = deque()
        """Numbers that were asked for and not answered yet, since when, and who waits."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its bases

    def connection_lost(self, error: Exception | None) -> None:
        if not self.welcomed.done():
            self.welcomed.set_exception(ConnectionResetError("closed before it answered"))
            self.welcomed.exception()  # whoever waited may have gone
        if not self.closed.done():
            self.closed.set_result(None)
        for _, _, waiter in self._open:
            if not waiter.done():
                waiter.set_result(None)
        self._open.clear()

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not False:
                self._take(reply)
        except hiredis.HiredisError:
            log.error("the node at %s sent no sense", self.link.address)
            self.abort()

    def _take(self, reply: object) -> None:
        if not self.welcomed.done():
            if isinstance(reply, Exception):
                self.welcomed.set_exception(ConnectionRefusedError(str(reply)))
            else:
                self.welcomed.set_result(reply.decode("utf-8", "replace") if isinstance(reply, bytes) else "?")
            return
        while self._open and isinstance(reply, int) and self._open[0][0] <= reply:
            _, _, waiter = self._open.popleft()
            if not waiter.done():
                waiter.set_result(None)

    def write(self, data: bytes) -> None:
        """What is written in one turn of the loop goes out together."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)
        self._out_bytes += len(data)
        if self._out_bytes > MAX_QUEUED_BYTES:
            self._flush()

    def _flush(self) -> None:
        out, self._out = self._out, []
        self._out_bytes = 0
        transport = self._transport
        if not out or transport is None or transport.is_closing():
            return
        transport.write(b"".join(out))
        if transport.get_write_buffer_size() > MAX_QUEUED_BYTES:
            log.warning("the node at %s does not take its messages: they are dropped", self.link.address)
            self.abort()

    def ask(self) -> asyncio.Future[None]:
        """Done when the other side has taken in everything so far, or when the connection is lost."""
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._asked += 1
        self._open.append((self._asked, self._loop.time(), waiter))
        self.write(encode_command([b"A", b"%d" % self._asked]))
        return waiter

    def check(self) -> None:
        """Once a second: is there anybody?"""
        if self._open and self._loop.time() - self._open[0][1] > DEAD_SECONDS:
            log.warning("the node at %s does not answer", self.link.address)
            self.abort()
        elif not self._open:
            self.ask()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class PeerLink:
    """The way to one other node (`pubsub.Route`), kept open."""

    def __init__(self, state: ServerState, address: str) -> None:
        self._state = state
        self.address = address
        self.progress = Progress.TRYING
        self.is_self = False
        """The address turned out to be this node's own."""
        self._stream: _Stream | None = None
        self._waiting: list[asyncio.Future[None]] = []
        """Who waits for the outcome of the present attempt."""
        self._wake = asyncio.Event()

    def tell(self, kind: Kind, name: bytes, count: int) -> None:
        assert self._stream is not None
        self._stream.write(encode_command([b"I", kind.value, name, b"%d" % count]))

    def send(self, event: Event) -> None:
        assert self._stream is not None
        kind, channel, message = event
        self._stream.write(encode_command([_OPS[kind], channel, message]))

    def informed(self) -> asyncio.Future[None]:
        """Done when the node knows all subscriptions of this one, or turns out to be down."""
        if self._stream is not None:
            return self._stream.ask()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        return waiter

    def wake(self) -> None:
        """The node may be there again: try now."""
        self._wake.set()

    def check(self) -> None:
        if self._stream is not None:
            self._stream.check()

    def drop(self) -> None:
        if self._stream is not None:
            self._stream.abort()

    async def run(self) -> None:
        """Until cancelled, or it turns out that the address is this node's own."""
        failures = 0
        while True:
            stream = _Stream(self)
            try:
                node = await self._open(stream)
            except (OSError, TimeoutError, ValueError) as error:
                log.debug("the Redis door at %s: %s", self.address, error)
                stream.abort()
                self._settle(Progress.DOWN)
                if self.is_self:
                    return
                pause = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
                failures += 1
                self._wake.clear()
                try:
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
                    self.progress = Progress.TRYING
                except TimeoutError:
                    pass
                continue
            except BaseException:
                stream.abort()
                raise
            failures = 0
            pubsub = self._state.pubsub
            try:
                self._stream = stream
                pubsub.routes[node] = self
                for kind, name, count in pubsub.own():
                    self.tell(kind, name, count)
                self._settle(Progress.UP)
                log.info("the Redis door at %s takes messages", self.address)
                await stream.closed
            finally:
                self._stream = None
                pubsub.routes.pop(node, None)
                stream.abort()
            self.progress = Progress.TRYING

    async def _open(self, stream: _Stream) -> str:
        host, _, port = self.address.rpartition(":")
        state = self._state
        words = [b"ELASTICKV.PEER", state.facts.id.encode() or b"?"]
        if state.users.node_secret:
            words.append(state.users.node_secret)
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().create_connection(lambda: stream, host.strip("[]"), int(port))
            stream.write(encode_command(words))
            try:
                return await stream.welcomed
            except ConnectionRefusedError as error:
                self.is_self = str(error).startswith("SELF")
                if not self.is_self:
                    log.warning("the node at %s refuses messages of this one: %s", self.address, error)
                raise

    def _settle(self, progress: Progress) -> None:
        self.progress = progress
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if progress is Progress.DOWN or self._stream is None:
                _finish(waiter)
            else:
                self._stream.ask().add_done_callback(lambda _, waiter=waiter: _finish(waiter))  # type: ignore[misc]


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Peers:
    """All links of this node (`pubsub.Nodes`)."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._links: list[PeerLink] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        facts = self._state.facts
        addresses = {address for raft, address in facts.redis_map.items() if raft != facts.raft_address}
        for address in sorted(addresses):
            link = PeerLink(self._state, address)
            self._links.append(link)
            self._tasks.append(asyncio.create_task(link.run(), name=f"messages to {address}"))
        self._state.pubsub.nodes = self

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for session in list(self._state.pubsub.sinks):
            session.link.abort()

    @property
    def reachable(self) -> bool:
        """There is a node that must hear of a subscription before it is confirmed."""
        return any(link.progress is not Progress.DOWN for link in self._links)

    async def informed(self) -> None:
        """Return when all nodes that are up know the subscriptions of this one; soon in any case."""
        waiters = {link.informed(): link for link in self._links if link.progress is not Progress.DOWN}
        if not waiters:
            return
        _, late = await asyncio.wait(waiters, timeout=CONFIRM_SECONDS)
        for waiter in late:
            waiters[waiter].drop()

    def met(self) -> None:
        """Another node has called: it is up."""
        for link in self._links:
            link.wake()

    def check(self) -> None:
        """Once a second: close what is dead, on either end."""
        for link in self._links:
            link.check()
        for session in list(self._state.pubsub.sinks):
            if session.link.figures().idle_seconds > DEAD_SECONDS:
                session.link.abort()


class PeerSink:
    """The receiving end: what another node says over a connection that it opened."""

    def __init__(self, session: Session, pubsub: PubSub, node: str) -> None:
        self.session = session
        self.node = node
        self._pubsub = pubsub
        self._interest = Interest()
        pubsub.interests[node] = self._interest
        pubsub.sinks.append(session)
        session.clients.pop(session.id, None)  # no client: it counts for nobody and cannot be killed by mistake
        if pubsub.nodes is not None:
            pubsub.nodes.met()
        pubsub.stream_changed()

    def take(self, commands: list[Words]) -> None:
        pubsub = self._pubsub
        for argv in commands:
            match argv:
                case [b"M", channel, message]:
                    pubsub.deliver((Kind.CHANNEL, channel, message))
                case [b"S", channel, message]:
                    pubsub.deliver((Kind.SHARD, channel, message))
                case [b"T", key, message]:
                    pubsub.deliver((Kind.TRACKING, key, message))
                case [b"I", kind, name, count]:
                    self._interest.note(KINDS[kind], name, int(count))
                    if kind == Kind.TRACKING.value:
                        pubsub.tracked_changed()
                case [b"A", number]:
                    self.session.link.push_out(b":%b\r\n" % number)
                case _:
                    log.error("node %s says what this one does not understand: %r", self.node, argv[0][:32])
        pubsub.settle()

    def close(self) -> None:
        self._pubsub.sinks.remove(self.session)
        if self._pubsub.interests.get(self.node) is self._interest:
            del self._pubsub.interests[self.node]
            self._pubsub.stream_changed()
