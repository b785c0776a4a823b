"""A whole stream in plain form, with its groups: what DUMP, RESTORE and `kinds` carry."""

from __future__ import annotations

from dataclasses import dataclass, field

from elastickv.redis_api.values import stream_ids as ids
from elastickv.redis_api.values.database import Database
from elastickv.redis_api.values.kinds import KINDS, Kind
from elastickv.redis_api.values.records import Record, RecordType
from elastickv.redis_api.values.stream_groups import UNKNOWN, Group, Pending, all_groups, new_group
from elastickv.redis_api.values.streams import Entry, Stream


@dataclass(slots=True)
class PendingValue:
    id: int
    consumer: bytes
    delivered_ms: int
    count: int


@dataclass(slots=True)
class ConsumerValue:
    name: bytes
    seen_ms: int
    active_ms: int
    """NEVER of `stream_groups` when it was not."""


@dataclass(slots=True)
class GroupValue:
    name: bytes
    last: int
    entries_read: int | None
    """None: an older release did not say."""
    consumers: list[ConsumerValue] = field(default_factory=list)
    pending: list[PendingValue] = field(default_factory=list)
    """By ID."""


@dataclass(slots=True)
class StreamValue:
    entries: list[Entry]
    last: int
    max_deleted: int = 0
    added: int | None = None
    """None: an older release did not say."""
    groups: list[GroupValue] = field(default_factory=list)


def load(db: Database, record: Record) -> StreamValue:
    stream = Stream(db, b"", record)
    groups = [_loaded(one) for one in all_groups(stream)]
    return StreamValue(list(stream.range(0, ids.LAST)), stream.last, stream.max_deleted, stream.added, groups)


def _loaded(group: Group) -> GroupValue:
    consumers = [ConsumerValue(one.name, one.seen_ms, one.active_ms) for one in group.consumers()]
    pending = [
        PendingValue(one.id, group.numbered(one.consumer).name, one.delivered_ms, one.count)
        for one in group.all_pending(0, ids.LAST)
    ]
    return GroupValue(group.name, group.last, group.entries_read, consumers, pending)


def save(db: Database, key: bytes, value: StreamValue, deadline: int) -> None:
    stream = Stream(db, key, None)
    for id, words in value.entries:
        stream.append(id, words)
    stream.last = value.last
    stream.max_deleted = value.max_deleted
    stream.added = len(value.entries) if value.added is None else value.added
    for group in value.groups:
        _save_group(stream, group)
    stream.save()
    if deadline:
        record = db.lookup(key)
        assert record is not None, "it was just stored"
        db.set_deadline(record, deadline)


def _save_group(stream: Stream, value: GroupValue) -> None:
    read = stream.distance(value.last) if value.entries_read is None else value.entries_read
    group = new_group(stream, value.name, value.last, max(read, UNKNOWN))
    consumers = {}
    for one in value.consumers:
        consumer = consumers[one.name] = group.new_consumer(one.name, one.seen_ms)
        consumer.active_ms = one.active_ms
    for pending in value.pending:
        owner = consumers[pending.consumer]
        group.add(owner, Pending(pending.id, owner.number, pending.delivered_ms, pending.count))
    for consumer in consumers.values():
        group.save_consumer(consumer)
    group.save()


KINDS[RecordType.STREAM] = Kind(
    encoding=lambda db, record: b"stream",
    count=lambda db, record: Stream(db, b"", record).count,
    load=load,
    save=save,
)
