"""Keeps one stream open to one member: dial, introduce, carry, and again.

Each attempt has a channel of its own, so the pauses are ours (50 ms, doubling to 1 s, shortened by chance) and not
those of a gRPC channel that believes its peer is down: a restarted peer is back within a second.
"""

from __future__ import annotations

import asyncio
import logging
from random import Random

import grpc

from elastickv.raft.types import NodeId
from elastickv.transport.base import Hello, Inbox, Refusal
from elastickv.transport.introductions import judge_callee
from elastickv.transport.links import STREAM_ERRORS, Links
from elastickv.transport.settings import TransportSettings
from elastickv.transport.wire import (
    WireError,
    read_opening,
    read_probe_answer,
    write_introduction,
    write_refusal,
)

logger = logging.getLogger(__name__)

SERVICE = "elastickv.peer.v1.Peer"
STREAM_METHOD = f"/{SERVICE}/Stream"
SNAPSHOT_METHOD = f"/{SERVICE}/Snapshot"
PROBE_METHOD = f"/{SERVICE}/Probe"


class Backoff:
    """Pauses between attempts."""

    def __init__(self, settings: TransportSettings, random: Random) -> None:
        self._settings = settings
        self._random = random
        self._next_seconds = settings.backoff_min_seconds

    def reset(self) -> None:
        self._next_seconds = self._settings.backoff_min_seconds

    async def pause(self) -> None:
        seconds = self._next_seconds
        self._next_seconds = min(2 * seconds, self._settings.backoff_max_seconds)
        await asyncio.sleep(seconds * self._random.uniform(0.5, 1.0))


class PeerClient:
    def __init__(
        self,
        node_id: NodeId,
        address: str,
        links: Links,
        inbox: Inbox,
        settings: TransportSettings,
        random: Random,
    ) -> None:
        self.node_id = node_id
        self.address = address
        self._links = links
        self._inbox = inbox
        self._settings = settings
        self._backoff = Backoff(settings, random)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._connect_and_carry()
            except STREAM_ERRORS as error:
                logger.debug("%s at %s: %s", self.node_id, self.address, error)
            except Exception:
                logger.exception("dialling %s at %s failed", self.node_id, self.address)
            await self._backoff.pause()

    async def _connect_and_carry(self) -> None:
        channel = grpc.aio.insecure_channel(self.address, options=self._settings.channel_options())
        try:
            call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(STREAM_METHOD, None, None)(None)
            async with asyncio.timeout(self._settings.connect_seconds):
                await call.write(write_introduction(self._inbox.hello(), callee=self.node_id))
                packet = await call.read()
                if not isinstance(packet, bytes):
                    raise WireError("the stream ended before the peer introduced itself")
                opening = read_opening(packet)
                if isinstance(opening, Refusal):
                    self._inbox.peer_refused_us(self.node_id, opening)
                    return
                refusal = judge_callee(self._inbox, self.node_id, opening.hello)
                if refusal is not None:
                    await call.write(write_refusal(refusal))
                    await call.done_writing()
                    await call.read()  # the other side hangs up once it has read it
                    return
            self._backoff.reset()
            await self._links.carry(call, opening.hello, opened_by_us=True)
        finally:
            # Cancels the call as well.
            await channel.close(None)


async def probe(address: str, timeout: float, settings: TransportSettings) -> Hello | None:
    """Ask who is at `address`; None when nobody who speaks our language answers in time."""
    channel = grpc.aio.insecure_channel(address, options=settings.channel_options())
    try:
        ask = channel.unary_unary(PROBE_METHOD, None, None)
        answer: object = await ask(b"", timeout=timeout, wait_for_ready=True)
        return read_probe_answer(answer) if isinstance(answer, bytes) else None
    except STREAM_ERRORS as error:
        logger.debug("probing %s: %s", address, error)
        return None
    finally:
        await channel.close(None)
