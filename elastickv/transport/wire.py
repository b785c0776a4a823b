"""Messages of the core <-> packets of `peer.proto`. Nobody else knows both.

A packet carries everything that was queued for a peer in one turn of the loop. Its bulk is the data of log entries, so
the layout spares copies: a small protobuf head, then all data as the last field, whose length is the first field:

    0d <data_bytes: 4 bytes> | hello, refusal, messages ... | 2a <varint data_bytes> <data of entry, data of entry ...>

Writing joins the pieces once; reading parses the head alone and slices each entry out of the packet once. It is plain
protobuf to anybody else (a test holds it against the ordinary parser). Python's protobuf would copy the data three
times more on either side.

Sender and receiver are not sent: they are those of the Hellos that opened the stream. So the same append to several
followers is the same packet, and `PacketWriter` makes it once.

What cannot be understood raises `WireError`; a message of a kind that this version does not know is skipped, because
a newer peer may speak of things that are not ours yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from elastickv.pb import peer_pb2
from elastickv.raft.types import ConfState, Entry, EntryKind, Kind, Member, Message, NodeId, SnapshotMeta
from elastickv.transport.base import Hello, Refusal

MESSAGE_OVERHEAD_BYTES: Final = 64
"""What a message counts against queue limits beside its data."""

_DATA_BYTES_TAG: Final = 0x0D
"""Field 1, fixed32, in `Packet` and in `SnapshotPacket`."""
_PACKET_DATA_TAG: Final = b"\x2a"
_SNAPSHOT_DATA_TAG: Final = b"\x32"
_MAX_DATA_BYTES: Final = 2**31 - 1
"""Protobuf readers refuse longer fields."""

_KINDS: Final[dict[int, Kind]] = {kind.value: kind for kind in Kind}
_ENTRY_KINDS: Final[dict[int, EntryKind]] = {kind.value: kind for kind in EntryKind}


class WireError(ValueError):
    """A packet that no peer of any version should send."""


@dataclass(frozen=True, slots=True)
class Introduction:
    """A Hello, and whom the opener of the stream believes to call (empty in an answer)."""

    hello: Hello
    callee: NodeId = ""


# --- packets of the message stream ----------------------------------------------------------------------------------


def write_introduction(hello: Hello, callee: NodeId = "") -> bytes:
    return peer_pb2.Packet(hello=hello_to_pb(hello, callee)).SerializeToString()


def write_refusal(refusal: Refusal) -> bytes:
    return peer_pb2.Packet(refusal=peer_pb2.Refusal(code=refusal.code, reason=refusal.reason)).SerializeToString()


def read_opening(packet: bytes) -> Introduction | Refusal:
    """The first packet of a stream, which is one or the other."""
    try:
        parsed = peer_pb2.Packet.FromString(packet)
    except DecodeError as error:
        raise WireError("the first packet of the stream is not one of ours") from error
    if parsed.HasField("refusal"):
        return Refusal(parsed.refusal.code, parsed.refusal.reason)
    if not parsed.HasField("hello"):
        raise WireError("the stream does not begin with an introduction")
    return Introduction(hello_from_pb(parsed.hello), parsed.hello.callee)


def message_bytes(message: Message) -> int:
    """What a message counts against queue limits."""
    size = MESSAGE_OVERHEAD_BYTES + len(message.context)
    for entry in message.entries:
        size += len(entry.data)
    return size


class PacketWriter:
    """Makes packets, and remembers the last one: a leader sends the same append to follower after follower."""

    __slots__ = ("_message", "_packet")

    def __init__(self) -> None:
        self._message: Message | None = None
        self._packet = b""

    def packet(self, messages: Sequence[Message]) -> bytes:
        if len(messages) != 1 or not messages[0].entries:
            self._message = None
            self._packet = b""
            return write_messages(messages)
        message = messages[0]
        if self._message is None or not _same_on_the_wire(self._message, message):
            self._packet = write_messages(messages)
            self._message = message
        return self._packet


def _same_on_the_wire(left: Message, right: Message) -> bool:
    """True only for two appends of the very same entries that differ in nothing that is sent."""
    return (
        left.entries[-1] is right.entries[-1]
        and left.entries[0] is right.entries[0]
        and len(left.entries) == len(right.entries)
        and left.round == right.round
        and left.commit == right.commit
        and left.index == right.index
        and left.term == right.term
        and left.log_term == right.log_term
        and left.kind is right.kind
        and left.context == right.context
        and left.reject == right.reject
        and left.reject_hint == right.reject_hint
        and left.snapshot is right.snapshot
    )


def write_messages(messages: Sequence[Message]) -> bytes:
    packet = peer_pb2.Packet()
    pieces: list[bytes] = []
    for message in messages:
        _message_to_pb(message, packet.messages.add(), pieces)
    return _join(packet.SerializeToString(), _PACKET_DATA_TAG, pieces)


def read_messages(packet: bytes, sender: NodeId, to: NodeId) -> list[Message] | Refusal:
    """The messages of a packet; or a Refusal, the only other thing a peer may say once it has introduced itself."""
    head_end, data_start = _split(packet)
    try:
        parsed = peer_pb2.Packet.FromString(packet if head_end == len(packet) else packet[:head_end])
    except DecodeError as error:
        raise WireError("not a packet") from error
    if not parsed.messages and parsed.HasField("refusal"):
        return Refusal(parsed.refusal.code, parsed.refusal.reason)
    messages: list[Message] = []
    position = data_start
    for message in parsed.messages:
        kind = _KINDS.get(message.kind)
        entries: tuple[Entry, ...] = ()
        if message.entry_sizes:
            entries, position = _entries_from_pb(message, packet, position)
        if kind is None:
            continue
        messages.append(
            Message(
                kind,
                to,
                sender,
                message.term,
                message.log_term,
                message.index,
                entries,
                message.commit,
                message.reject,
                message.reject_hint,
                _snapshot_meta_from_pb(message.snapshot) if message.HasField("snapshot") else None,
                message.context,
                message.round,
            )
        )
    if position != len(packet):
        raise WireError("the data is longer than its entries")
    return messages


def _message_to_pb(message: Message, target: peer_pb2.Message, pieces: list[bytes]) -> None:
    """Fill `target`, and put the data of the entries behind what is in `pieces`."""
    target.kind = message.kind
    target.term = message.term
    target.index = message.index
    # Setting a field to its default is as dear as any, and most are at it.
    if message.log_term:
        target.log_term = message.log_term
    if message.commit:
        target.commit = message.commit
    if message.round:
        target.round = message.round
    if message.reject:
        target.reject = True
    if message.reject_hint:
        target.reject_hint = message.reject_hint
    if message.context:
        target.context = message.context
    if message.snapshot is not None:
        _snapshot_meta_to_pb(message.snapshot, target.snapshot)
    entries = message.entries
    if not entries:
        return
    first = message.index + 1
    if entries[0].index != first or entries[-1].index != first + len(entries) - 1:
        raise ValueError(f"the entries of an append must follow its index {message.index}")
    if len(entries) == 1:
        entry = entries[0]
        target.entry_terms.append(entry.term)
        target.entry_sizes.append(len(entry.data))
        if entry.kind:
            target.entry_kinds.append(entry.kind)
        pieces.append(entry.data)
        return
    terms = [entry.term for entry in entries]
    # Terms never fall along a log, so the ends tell whether they are all the same.
    target.entry_terms.extend(terms[:1] if terms[0] == terms[-1] else terms)
    kinds = [entry.kind for entry in entries]
    if any(kinds):
        target.entry_kinds.extend(kinds)
    data = [entry.data for entry in entries]
    target.entry_sizes.extend(map(len, data))
    pieces += data


def _entries_from_pb(message: peer_pb2.Message, packet: bytes, position: int) -> tuple[tuple[Entry, ...], int]:
    """The entries of a message that has some, and where in the packet the data of the next one begins."""
    sizes = message.entry_sizes
    count = len(sizes)
    terms, kinds = message.entry_terms, message.entry_kinds
    if len(terms) not in (1, count) or len(kinds) not in (0, 1, count):
        raise WireError("entries without a term or kind of their own")
    same_term = len(terms) == 1
    same_kind = len(kinds) <= 1
    kind = _entry_kind(kinds[0]) if kinds else EntryKind.NORMAL
    term = terms[0]
    entries: list[Entry] = []
    index = message.index
    for offset, size in enumerate(sizes):
        index += 1
        end = position + size
        if not same_term:
            term = terms[offset]
        if not same_kind:
            kind = _entry_kind(kinds[offset])
        entries.append(Entry(term, index, packet[position:end], kind))
        position = end
    if position > len(packet):
        raise WireError("the data is shorter than its entries")
    return tuple(entries), position


def _entry_kind(value: int) -> EntryKind:
    # Unlike an unknown message this must not be skipped: it would leave a hole in the log.
    try:
        return _ENTRY_KINDS[value]
    except KeyError:
        raise WireError(f"an entry of kind {value}, which this version does not know") from None


# --- the shared layout ----------------------------------------------------------------------------------------------


def _join(head: bytes, tag: bytes, pieces: list[bytes]) -> bytes:
    size = sum(map(len, pieces))
    if size == 0:
        return head
    if size > _MAX_DATA_BYTES:
        raise ValueError(f"{size} bytes of data do not fit in one packet")
    front = b"\x0d" + size.to_bytes(4, "little")
    return b"".join((front, head, tag, _varint(size), *pieces))


def _split(packet: bytes) -> tuple[int, int]:
    """Where the head of a packet ends, and where its data begins."""
    if len(packet) < 5 or packet[0] != _DATA_BYTES_TAG:
        return len(packet), len(packet)
    size = int.from_bytes(packet[1:5], "little")
    start = len(packet) - size
    head_end = start - len(_varint(size)) - 1
    if head_end < 5:
        raise WireError("the data is longer than its packet")
    return head_end, start


def _varint(value: int) -> bytes:
    if value < 0x80:
        return value.to_bytes(1, "little")
    if value < 0x4000:
        return (value & 0x7F | 0x80 | value >> 7 << 8).to_bytes(2, "little")
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


# --- introductions and snapshots ------------------------------------------------------------------------------------


def hello_to_pb(hello: Hello, callee: NodeId = "") -> peer_pb2.Hello:
    return peer_pb2.Hello(
        cluster_id=hello.cluster_id,
        node_id=hello.node_id,
        instance=hello.instance,
        address=hello.address,
        version=hello.version,
        fresh=hello.fresh,
        configuration_index=hello.configuration_index,
        callee=callee,
    )


def hello_from_pb(hello: peer_pb2.Hello) -> Hello:
    if not hello.node_id:
        raise WireError("an introduction without a name")
    return Hello(
        hello.cluster_id,
        hello.node_id,
        hello.instance,
        hello.address,
        hello.version,
        hello.fresh,
        hello.configuration_index,
    )


def write_probe_answer(hello: Hello) -> bytes:
    return hello_to_pb(hello).SerializeToString()


def read_probe_answer(answer: bytes) -> Hello:
    try:
        return hello_from_pb(peer_pb2.Hello.FromString(answer))
    except DecodeError as error:
        raise WireError("not an introduction") from error


def _snapshot_meta_to_pb(meta: SnapshotMeta, target: peer_pb2.SnapshotMeta) -> None:
    target.SetInParent()  # even an empty one is there
    target.index = meta.index
    target.term = meta.term
    state = meta.conf_state
    target.conf_state.CopyFrom(
        peer_pb2.ConfState(
            voters=state.voters,
            learners=state.learners,
            voters_outgoing=state.voters_outgoing,
            learners_next=state.learners_next,
            auto_leave=state.auto_leave,
            members=[
                peer_pb2.Member(id=member.id, address=member.address, instance=member.instance)
                for member in state.members
            ],
        )
    )


def _snapshot_meta_from_pb(meta: peer_pb2.SnapshotMeta) -> SnapshotMeta:
    state = meta.conf_state
    return SnapshotMeta(
        meta.index,
        meta.term,
        ConfState(
            tuple(state.voters),
            tuple(state.learners),
            tuple(state.voters_outgoing),
            tuple(state.learners_next),
            state.auto_leave,
            tuple(Member(member.id, member.address, member.instance) for member in state.members),
        ),
    )


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One file of a snapshot; `digest` is xxh3 (128 bit) of all of it."""

    name: str
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class SnapshotBegin:
    introduction: Introduction
    message: Message
    files: tuple[FileInfo, ...]


@dataclass(frozen=True, slots=True)
class SnapshotResume:
    hello: Hello
    offsets: tuple[int, ...]
    """Per file of SnapshotBegin: how many bytes the receiver already has."""


@dataclass(frozen=True, slots=True)
class SnapshotChunk:
    file: int
    """Position in `SnapshotBegin.files`."""
    offset: int
    checksum: int
    """xxh3 (64 bit) of the data."""
    data: memoryview


@dataclass(frozen=True, slots=True)
class SnapshotEnd:
    ok: bool
    code: str = ""
    reason: str = ""
    retry: bool = False
    """Trying again may help: a damaged chunk was bad luck, a refusal was not."""


def write_snapshot_begin(hello: Hello, message: Message, files: Sequence[FileInfo]) -> bytes:
    if message.entries:
        raise ValueError("a snapshot message has no entries")
    packet = peer_pb2.SnapshotPacket()
    packet.begin.hello.CopyFrom(hello_to_pb(hello, message.to))
    _message_to_pb(message, packet.begin.message, [])
    packet.begin.files.extend(
        peer_pb2.SnapshotFile(name=file.name, size=file.size, digest=file.digest) for file in files
    )
    return packet.SerializeToString()


def write_snapshot_resume(resume: SnapshotResume) -> bytes:
    answer = peer_pb2.SnapshotResume(offsets=resume.offsets, hello=hello_to_pb(resume.hello))
    return peer_pb2.SnapshotPacket(resume=answer).SerializeToString()


def write_snapshot_chunk(file: int, offset: int, checksum: int, data: bytes) -> bytes:
    chunk = peer_pb2.SnapshotChunk(file=file, offset=offset, checksum=checksum)
    return _join(peer_pb2.SnapshotPacket(chunk=chunk).SerializeToString(), _SNAPSHOT_DATA_TAG, [data])


def write_snapshot_end(end: SnapshotEnd) -> bytes:
    answer = peer_pb2.SnapshotEnd(ok=end.ok, code=end.code, reason=end.reason, retry=end.retry)
    return peer_pb2.SnapshotPacket(end=answer).SerializeToString()


def read_snapshot(packet: bytes) -> SnapshotBegin | SnapshotResume | SnapshotChunk | SnapshotEnd:
    head_end, data_start = _split(packet)
    try:
        parsed = peer_pb2.SnapshotPacket.FromString(packet if head_end == len(packet) else packet[:head_end])
    except DecodeError as error:
        raise WireError("not a snapshot packet") from error
    if parsed.HasField("chunk"):
        chunk = parsed.chunk
        return SnapshotChunk(chunk.file, chunk.offset, chunk.checksum, memoryview(packet)[data_start:])
    if parsed.HasField("resume"):
        return SnapshotResume(hello_from_pb(parsed.resume.hello), tuple(parsed.resume.offsets))
    if parsed.HasField("end"):
        return SnapshotEnd(parsed.end.ok, parsed.end.code, parsed.end.reason, parsed.end.retry)
    if not parsed.HasField("begin"):
        raise WireError("a snapshot packet with nothing in it")
    begin = parsed.begin
    introduction = Introduction(hello_from_pb(begin.hello), begin.hello.callee)
    if begin.message.kind != Kind.SNAPSHOT or not begin.message.HasField("snapshot"):
        raise WireError("a snapshot without its description")
    message = Message(
        Kind.SNAPSHOT,
        introduction.callee,
        introduction.hello.node_id,
        term=begin.message.term,
        log_term=begin.message.log_term,
        index=begin.message.index,
        commit=begin.message.commit,
        snapshot=_snapshot_meta_from_pb(begin.message.snapshot),
        context=begin.message.context,
        round=begin.message.round,
    )
    files = tuple(FileInfo(file.name, file.size, file.digest) for file in begin.files)
    return SnapshotBegin(introduction, message, files)
