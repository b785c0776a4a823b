"""Snapshots from node to node: the rpc `Snapshot`, both ends.

    sender                              receiver
    SnapshotBegin (who, what, files) ->
                                     <- SnapshotResume (who, bytes that are already here), or SnapshotEnd (refused)
    SnapshotChunk ...                ->
                                     <- SnapshotEnd (ok, or why not and whether to try again)

A transfer has a connection of its own, so heartbeats never wait behind it. Neither end holds more than a chunk in
memory beside what HTTP/2 has in flight; reading, hashing and writing happen on threads. What a broken attempt has
brought over stays on the receiver's disk, and the next attempt goes on from there. There is at most one partial
snapshot on a disk, and none after the disk was full: the space is what such a node lacks most.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Final

import grpc

from elastickv.raft.types import Message, NodeId, SnapshotMeta
from elastickv.transport.base import Inbox, Refusal
from elastickv.transport.introductions import judge_callee, judge_caller
from elastickv.transport.links import STREAM_ERRORS
from elastickv.transport.peer_client import SNAPSHOT_METHOD, Backoff
from elastickv.transport.peer_server import Context
from elastickv.transport.settings import TransportSettings
from elastickv.transport.snapshot_files import (
    Damaged,
    IncomingFiles,
    OutgoingFiles,
    is_disk_full,
    on_thread,
    snapshot_id,
)
from elastickv.transport.wire import (
    SnapshotBegin,
    SnapshotEnd,
    SnapshotResume,
    WireError,
    read_snapshot,
    write_snapshot_begin,
    write_snapshot_end,
    write_snapshot_resume,
)

logger = logging.getLogger(__name__)

DISK_FULL: Final = "disk_full"
DAMAGED: Final = "damaged"
SUPERSEDED: Final = "superseded"
MALFORMED: Final = "malformed"
FAILED: Final = "failed"

StreamCall = grpc.aio.StreamStreamCall[bytes, bytes]


class _Broken(Exception):
    """This attempt is over; another one may do better."""


class SnapshotSender:
    """All transfers from this node; at most one per peer."""

    def __init__(self, inbox: Inbox, settings: TransportSettings, random: Random) -> None:
        self._inbox = inbox
        self._settings = settings
        self._random = random
        self._transfers: dict[NodeId, asyncio.Task[bool]] = {}
        self._tasks: set[asyncio.Task[bool]] = set()

    def send(
        self, message: Message, meta: SnapshotMeta, directory: Path, address: str, done: Callable[[bool], None]
    ) -> None:
        """Start a transfer; an older one to the same peer ends, without success, before this one begins."""
        older = self._transfers.get(message.to)
        if older is not None:
            older.cancel()
        transfer = asyncio.create_task(self._send(replace(message, snapshot=meta), directory, address, older))
        self._transfers[message.to] = transfer
        self._tasks.add(transfer)
        # A callback and not a line in the task: a task that is cancelled before its first step runs no line at all.
        transfer.add_done_callback(lambda task: self._on_done(message, task, done))

    def _on_done(self, message: Message, task: asyncio.Task[bool], done: Callable[[bool], None]) -> None:
        self._tasks.discard(task)
        if self._transfers.get(message.to) is task:
            del self._transfers[message.to]
        if task.cancelled():
            done(False)
            return
        error = task.exception()
        if error is not None:
            logger.error("the snapshot for %s could not be sent", message.to, exc_info=error)
        done(error is None and task.result())

    def cancel(self, node_id: NodeId) -> None:
        transfer = self._transfers.get(node_id)
        if transfer is not None:
            transfer.cancel()

    async def close(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # lets the last `done` happen

    async def _send(self, message: Message, directory: Path, address: str, older: asyncio.Task[bool] | None) -> bool:
        if older is not None:
            await asyncio.wait((older,))
        files = OutgoingFiles(directory)
        try:
            await on_thread(files.stop, files.survey)
            backoff = Backoff(self._settings, self._random)
            best = -1
            attempts = 0
            while attempts < self._settings.snapshot_attempts:
                attempt = _Attempt(message, files, self._inbox, self._settings)
                try:
                    return await attempt.run(address)
                except (_Broken, *STREAM_ERRORS) as error:
                    logger.info("sending a snapshot to %s broke: %s", message.to, error or type(error).__name__)
                # Only bytes that are there for good count as progress, so this loop ends even if a file never
                # passes its checksum.
                if attempt.resumed_at > best:
                    best = attempt.resumed_at
                    attempts = 0
                    backoff.reset()
                attempts += 1
                await backoff.pause()
            return False
        finally:
            files.close()


class _Attempt:
    def __init__(self, message: Message, files: OutgoingFiles, inbox: Inbox, settings: TransportSettings) -> None:
        self._message = message
        self._files = files
        self._inbox = inbox
        self._settings = settings
        self.resumed_at = -1
        """How many bytes the receiver had when this attempt began."""

    async def run(self, address: str) -> bool:
        """True: delivered; False: turned down for good; otherwise it raises."""
        channel = grpc.aio.insecure_channel(address, options=self._settings.channel_options())
        try:
            call: StreamCall = channel.stream_stream(SNAPSHOT_METHOD, None, None)(None)
            async with asyncio.timeout(self._settings.connect_seconds):
                await channel.channel_ready()
            async with asyncio.timeout(self._settings.snapshot_idle_seconds):
                await call.write(write_snapshot_begin(self._inbox.hello(), self._message, self._files.files))
                answer = await self._read(call)
            if isinstance(answer, SnapshotEnd):
                return self._verdict(answer)
            refusal = judge_callee(self._inbox, self._message.to, answer.hello)
            if refusal is not None:
                logger.warning("no snapshot for %s: %s", self._message.to, refusal.reason)
                return False
            if len(answer.offsets) != len(self._files.files):
                raise WireError("the receiver speaks of other files")
            self.resumed_at = sum(answer.offsets)
            return await self._send_from(call, answer.offsets)
        finally:
            await channel.close(None)

    async def _send_from(self, call: StreamCall, offsets: tuple[int, ...]) -> bool:
        idle_seconds = self._settings.snapshot_idle_seconds
        verdict = asyncio.create_task(self._read(call))
        try:
            for position, info in enumerate(self._files.files):
                offset = offsets[position]
                while offset < info.size and not verdict.done():
                    packet, size = await on_thread(
                        self._files.stop, self._files.chunk, position, offset, self._settings.snapshot_chunk_bytes
                    )
                    try:
                        async with asyncio.timeout(idle_seconds):
                            await call.write(packet)
                    except STREAM_ERRORS:
                        if not verdict.done():
                            await asyncio.wait((verdict,), timeout=1.0)
                        if not verdict.done():
                            raise
                        break
                    offset += size
            if not verdict.done():
                await call.done_writing()
            async with asyncio.timeout(idle_seconds):
                answer = await verdict
            if not isinstance(answer, SnapshotEnd):
                raise WireError("the receiver did not say how it ended")
            return self._verdict(answer)
        finally:
            verdict.cancel()
            await asyncio.gather(verdict, return_exceptions=True)

    async def _read(self, call: StreamCall) -> SnapshotResume | SnapshotEnd:
        packet: object = await call.read()
        if not isinstance(packet, bytes):
            raise _Broken("the receiver hung up")
        answer = read_snapshot(packet)
        if not isinstance(answer, SnapshotResume | SnapshotEnd):
            raise WireError("not an answer")
        return answer

    def _verdict(self, end: SnapshotEnd) -> bool:
        if end.ok:
            return True
        if end.retry:
            raise _Broken(end.reason)
        logger.warning("%s turned the snapshot down: %s (%s)", self._message.to, end.reason, end.code)
        if end.code not in (DISK_FULL, SUPERSEDED, MALFORMED, FAILED):
            self._inbox.peer_refused_us(self._message.to, Refusal(end.code, end.reason))
        return False


@dataclass(eq=False, slots=True)
class _Receiving:
    """The transfer that is going on."""

    term: int
    task: asyncio.Task[object]
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class SnapshotReceiver:
    """All transfers to this node, of which one at a time goes on: the latest of the highest term."""

    def __init__(self, own_id: NodeId, incoming: Path, inbox: Inbox, settings: TransportSettings) -> None:
        self._own_id = own_id
        self._incoming = incoming
        self._inbox = inbox
        self._settings = settings
        self._receiving: _Receiving | None = None
        self._is_closed = False

    async def close(self) -> None:
        self._is_closed = True
        while self._receiving is not None:
            self._receiving.task.cancel()
            await self._receiving.ended.wait()

    async def serve(self, context: Context) -> None:
        """One call, from SnapshotBegin to SnapshotEnd."""
        try:
            end = await self._serve(context)
        except WireError as error:
            end = SnapshotEnd(False, MALFORMED, str(error))
        except STREAM_ERRORS as error:
            logger.info("receiving a snapshot broke: %s", error or type(error).__name__)
            end = SnapshotEnd(False, FAILED, str(error), retry=True)
        if end is not None:
            await context.write(write_snapshot_end(end))

    async def _serve(self, context: Context) -> SnapshotEnd | None:
        """The end to tell the sender; None when it has hung up."""
        async with asyncio.timeout(self._settings.connect_seconds):
            packet: object = await context.read()
        if not isinstance(packet, bytes):
            return None
        begin = read_snapshot(packet)
        if not isinstance(begin, SnapshotBegin):
            raise WireError("a transfer begins with a description")
        who = begin.introduction
        refusal = judge_caller(self._inbox, self._own_id, who.hello, who.callee)
        if refusal is not None:
            return SnapshotEnd(False, refusal.code, refusal.reason)
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("outside of a task")
        while self._receiving is not None:
            if begin.message.term < self._receiving.term:
                return SnapshotEnd(False, SUPERSEDED, "a snapshot of a later term is on its way")
            self._receiving.task.cancel()
            await self._receiving.ended.wait()
        if self._is_closed:
            return None
        self._receiving = receiving = _Receiving(begin.message.term, task)
        try:
            return await self._receive(context, begin)
        finally:
            self._receiving = None
            receiving.ended.set()

    async def _receive(self, context: Context, begin: SnapshotBegin) -> SnapshotEnd | None:
        meta = begin.message.snapshot or SnapshotMeta()
        files = IncomingFiles(
            self._incoming, snapshot_id(meta, begin.files), begin.files, self._settings.snapshot_reserve_bytes
        )
        try:
            offsets = await on_thread(files.stop, files.open)
            await context.write(write_snapshot_resume(SnapshotResume(self._inbox.hello(), offsets)))
            while not files.complete:
                async with asyncio.timeout(self._settings.snapshot_idle_seconds):
                    packet: object = await context.read()
                if not isinstance(packet, bytes):
                    return None
                await on_thread(files.stop, files.write, packet)
            await on_thread(files.stop, files.sync)
            # No await from here to the delivery: the directory is ours, or the inbox', but never nobody's.
            self._inbox.deliver_snapshot(begin.message, files.hand_over())
            return SnapshotEnd(True)
        except Damaged as error:
            return SnapshotEnd(False, DAMAGED, str(error), retry=True)
        except OSError as error:
            if not is_disk_full(error):
                raise
            await on_thread(files.stop, files.discard)
            return SnapshotEnd(False, DISK_FULL, error.strerror or str(error))
        finally:
            files.close()
