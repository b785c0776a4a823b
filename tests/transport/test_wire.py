from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.pb import peer_pb2
from elastickv.raft.types import ConfState, Entry, EntryKind, Kind, Member, Message, SnapshotMeta
from elastickv.transport import wire
from elastickv.transport.base import Hello, Refusal
from elastickv.transport.wire import PacketWriter, WireError

HELLO = Hello("cluster", "n1", "instance", "host:1", "1.0", fresh=True)

numbers = st.integers(0, 2**63)
names = st.text(min_size=1, max_size=5)
several = st.lists(names, max_size=3).map(tuple)
conf_states = st.builds(
    ConfState, several, several, several, several, st.booleans(), st.lists(st.builds(Member, names, names)).map(tuple)
)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    index = draw(numbers)
    term = draw(st.integers(1, 2**40))
    entries = []
    for position in range(draw(st.integers(0, 4))):
        term += draw(st.integers(0, 2))
        entries.append(Entry(term, index + 1 + position, draw(st.binary()), draw(st.sampled_from(EntryKind))))
    return Message(
        draw(st.sampled_from(Kind)),
        "n2",
        "n1",
        draw(numbers),
        draw(numbers),
        index,
        tuple(entries),
        draw(numbers),
        draw(st.booleans()),
        draw(numbers),
        draw(st.none() | st.builds(SnapshotMeta, numbers, numbers, conf_states)),
        draw(st.binary()),
        draw(numbers),
    )


@given(st.lists(messages(), max_size=4))
def test_what_is_written_is_read(batch: list[Message]) -> None:
    assert wire.read_messages(wire.write_messages(batch), "n1", "n2") == batch


@given(st.lists(messages(), max_size=4))
def test_a_packet_is_plain_protobuf(batch: list[Message]) -> None:
    parsed = peer_pb2.Packet.FromString(wire.write_messages(batch))
    data = b"".join(entry.data for message in batch for entry in message.entries)
    assert parsed.data == data
    assert parsed.data_bytes == len(data)
    assert [message.index for message in parsed.messages] == [message.index for message in batch]


@given(st.lists(messages(), max_size=4))
def test_a_packet_of_the_ordinary_serializer_is_read(batch: list[Message]) -> None:
    packet = peer_pb2.Packet.FromString(wire.write_messages(batch)).SerializeToString()
    assert wire.read_messages(packet, "n1", "n2") == batch


@given(st.lists(messages(), min_size=1, max_size=2), st.data())
def test_no_entry_of_a_cut_packet_is_taken_for_whole(batch: list[Message], data: st.DataObject) -> None:
    packet = wire.write_messages(batch)
    cut = packet[: data.draw(st.integers(0, len(packet) - 1))]
    try:
        received = wire.read_messages(cut, "n1", "n2")
    except WireError:
        return
    assert isinstance(received, list)
    assert not any(entry.data for message in received for entry in message.entries)


@given(st.binary(max_size=60))
def test_rubbish_is_a_wire_error(rubbish: bytes) -> None:
    for read in (lambda packet: wire.read_messages(packet, "a", "b"), wire.read_opening, wire.read_snapshot):
        try:
            read(rubbish)
        except WireError:
            pass


def test_a_message_of_a_later_version_is_skipped() -> None:
    known = Message(Kind.APPEND, "n2", "n1", index=3, entries=(Entry(1, 4, b"known"),))
    packet = peer_pb2.Packet.FromString(wire.write_messages([known, known, known]))
    packet.messages[1].kind = 999
    assert wire.read_messages(packet.SerializeToString(), "n1", "n2") == [known, known]


def test_an_entry_of_a_later_version_is_not_skipped() -> None:
    append = Message(Kind.APPEND, "n2", "n1", entries=(Entry(1, 1, b"data"),))
    packet = peer_pb2.Packet.FromString(wire.write_messages([append]))
    packet.messages[0].entry_kinds.append(77)
    with pytest.raises(WireError):
        wire.read_messages(packet.SerializeToString(), "n1", "n2")


def test_entries_with_a_gap_are_not_written() -> None:
    with pytest.raises(ValueError, match="follow its index"):
        wire.write_messages([Message(Kind.APPEND, "n2", "n1", index=1, entries=(Entry(1, 3),))])


def test_the_same_append_to_two_followers_is_one_packet() -> None:
    writer = PacketWriter()
    entries = (Entry(1, 5, b"x" * 100), Entry(1, 6, b"y"))
    first = writer.packet([Message(Kind.APPEND, "n2", "n1", 1, 1, 4, entries, 3)])
    assert writer.packet([Message(Kind.APPEND, "n3", "n1", 1, 1, 4, tuple(entries), 3)]) is first


@pytest.mark.parametrize("field", ["term", "log_term", "commit", "round", "reject_hint"])
def test_an_append_that_differs_is_another_packet(field: str) -> None:
    writer = PacketWriter()
    entries = (Entry(1, 5, b"x"),)
    append = {"kind": Kind.APPEND, "sender": "n1", "index": 4, "entries": entries}
    first = writer.packet([Message(to="n2", **append)])  # type: ignore[arg-type]
    second = writer.packet([Message(to="n3", **{**append, field: 9})])  # type: ignore[arg-type]
    assert first != second
    received = wire.read_messages(second, "n1", "n3")
    assert isinstance(received, list)
    assert getattr(received[0], field) == 9


def test_openings() -> None:
    assert wire.read_opening(wire.write_introduction(HELLO, "n2")) == wire.Introduction(HELLO, "n2")
    assert wire.read_opening(wire.write_refusal(Refusal("code", "why"))) == Refusal("code", "why")
    assert wire.read_messages(wire.write_refusal(Refusal("code", "why")), "n1", "n2") == Refusal("code", "why")
    assert wire.read_probe_answer(wire.write_probe_answer(HELLO)) == HELLO
    with pytest.raises(WireError):
        wire.read_opening(wire.write_messages([Message(Kind.VOTE, "n2", "n1")]))
    with pytest.raises(WireError):
        wire.read_probe_answer(b"")


def test_snapshot_packets() -> None:
    meta = SnapshotMeta(9, 2, ConfState(("n1",)))
    message = Message(Kind.SNAPSHOT, "n2", "n1", term=3, snapshot=meta)
    files = (wire.FileInfo("data", 2**40, b"d" * 16), wire.FileInfo("empty", 0, b"e" * 16))
    begin = wire.SnapshotBegin(wire.Introduction(HELLO, "n2"), message, files)
    assert wire.read_snapshot(wire.write_snapshot_begin(HELLO, message, files)) == begin
    resume = wire.SnapshotResume(HELLO, (5, 0))
    assert wire.read_snapshot(wire.write_snapshot_resume(resume)) == resume
    for end in (wire.SnapshotEnd(True), wire.SnapshotEnd(False, "code", "why", retry=True)):
        assert wire.read_snapshot(wire.write_snapshot_end(end)) == end
    chunk = wire.read_snapshot(wire.write_snapshot_chunk(1, 2**40, 2**64 - 1, b"data"))
    assert isinstance(chunk, wire.SnapshotChunk)
    assert (chunk.file, chunk.offset, chunk.checksum, bytes(chunk.data)) == (1, 2**40, 2**64 - 1, b"data")
