"""Queues and the choice of links, on streams that are lists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from elastickv.raft.types import Entry, Kind, Message, NodeId
from elastickv.transport import wire
from elastickv.transport.base import Hello
from elastickv.transport.links import Links
from elastickv.transport.settings import TransportSettings
from tests.kit.transport_worlds import RecordingInbox


class ListStream:
    """Writes into a list, one packet per `allow`; reads what is put."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.incoming: asyncio.Queue[object] = asyncio.Queue()
        self.may_write = asyncio.Semaphore(0)

    async def read(self) -> object:
        return await self.incoming.get()

    async def write(self, packet: bytes) -> None:
        await self.may_write.acquire()
        self.packets.append(packet)

    def terms(self) -> list[list[int]]:
        """Per packet the terms of its messages."""
        batches = [wire.read_messages(packet, "n1", "n2") for packet in self.packets]
        return [[message.term for message in batch] for batch in batches if isinstance(batch, list)]

    async def allow(self, count: int = 1) -> None:
        for _ in range(count):
            self.may_write.release()
        for _ in range(5 * count):
            await asyncio.sleep(0)


def make_links(node_id: NodeId = "n1", settings: TransportSettings | None = None) -> tuple[Links, RecordingInbox]:
    inbox = RecordingInbox(hello(node_id))
    return Links(node_id, inbox, settings or TransportSettings()), inbox


def hello(node_id: NodeId) -> Hello:
    return Hello("c", node_id, "i", "a", "1", fresh=False)


def message(term: int, data: bytes = b"") -> Message:
    return Message(Kind.APPEND, "n2", "n1", term=term, entries=(Entry(1, 1, data),))


@asynccontextmanager
async def carried(links: Links, stream: ListStream, opened_by_us: bool = True) -> AsyncIterator[None]:
    task = asyncio.create_task(links.carry(stream, hello("n2"), opened_by_us=opened_by_us))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    yield
    if not task.done():
        stream.incoming.put_nowait(None)
    await task


async def test_one_turn_makes_one_packet_and_what_piles_up_the_next() -> None:
    links, _ = make_links()
    stream = ListStream()
    async with carried(links, stream):
        for term in (1, 2, 3):
            links.post(message(term))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for term in (4, 5):
            links.post(message(term))
            await asyncio.sleep(0)
        await stream.allow(3)
        assert stream.terms() == [[1, 2, 3], [4, 5]]


async def test_packets_have_a_size_but_a_message_always_fits() -> None:
    links, _ = make_links(settings=TransportSettings(max_packet_bytes=400))
    stream = ListStream()
    async with carried(links, stream):
        for term, size in enumerate((100, 100, 1000, 10, 10)):
            links.post(message(term, bytes(size)))
        await stream.allow(4)
        assert stream.terms() == [[0, 1], [2], [3, 4]]


async def test_both_sides_choose_the_stream_of_the_node_that_sorts_first() -> None:
    for node_id, other, ours_wins in (("n1", "n2", True), ("n3", "n2", False)):
        links, _ = make_links(node_id)
        ours, theirs = ListStream(), ListStream()
        async with carried(links, ours, opened_by_us=True), carried(links, theirs, opened_by_us=False):
            await ours.allow()
            await theirs.allow()
            links.post(Message(Kind.HEARTBEAT, other, node_id))
            await asyncio.sleep(0.001)
            assert (len(ours.packets), len(theirs.packets)) == ((1, 0) if ours_wins else (0, 1))


async def test_what_is_queued_takes_the_other_stream_when_one_breaks() -> None:
    links, inbox = make_links()
    ours, theirs = ListStream(), ListStream()
    async with carried(links, theirs, opened_by_us=False):
        async with carried(links, ours):
            links.post(message(1))
            await asyncio.sleep(0.001)
            links.post(message(2))
            ours.incoming.put_nowait(None)
            await asyncio.sleep(0.001)
            await theirs.allow(2)
        assert ours.packets == []
        assert theirs.terms() == [[2]]
        assert inbox.lost == ["n2"]


async def test_a_stream_of_the_same_opener_replaces_the_older_one() -> None:
    links, _ = make_links()
    older, newer = ListStream(), ListStream()
    first = asyncio.create_task(links.carry(older, hello("n2"), opened_by_us=False))
    await asyncio.sleep(0.001)
    async with carried(links, newer, opened_by_us=False):
        await asyncio.wait_for(first, 1)
        links.post(message(1))
        await newer.allow()
        assert newer.terms() == [[1]]


async def test_rubbish_ends_the_stream_and_delivers_nothing() -> None:
    links, inbox = make_links()
    stream = ListStream()
    async with carried(links, stream):
        stream.incoming.put_nowait(b"\xff" * 20)
        await asyncio.sleep(0.001)
        assert not links.connected("n2")
    assert not inbox.delivered


async def test_close_ends_every_carry_and_later_ones_do_not_begin() -> None:
    links, inbox = make_links()
    task = asyncio.create_task(links.carry(ListStream(), hello("n2"), opened_by_us=True))
    await asyncio.sleep(0.001)
    links.close()
    await asyncio.wait_for(task, 1)
    await asyncio.wait_for(links.carry(ListStream(), hello("n2"), opened_by_us=True), 1)
    await asyncio.sleep(0)
    assert inbox.lost == []
