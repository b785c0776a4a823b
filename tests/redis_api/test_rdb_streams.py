"""Streams in DUMP payloads, in both directions with a real server."""

from __future__ import annotations

import random
from typing import Any

import pytest

from elastickv.redis_api import listpack, rdb
from elastickv.redis_api.rdb import BadFormat, framed, length, string
from elastickv.redis_api.rdb_streams import NEW, OLD, WRITTEN, write
from elastickv.redis_api.rdb_values import dump, restore
from elastickv.redis_api.values.records import RecordType
from elastickv.redis_api.values.stream_values import ConsumerValue, GroupValue, PendingValue, StreamValue
from tests.kit.raw_redis import RawRedis, decode
from tests.kit.redis_calls import RedisCalls
from tests.kit.redis_reference import RedisReference


def commands(rng: random.Random) -> list[list[bytes]]:
    """Builds a stream with groups on any server."""
    built: list[list[bytes]] = []
    for number in range(rng.choice((1, 5, 150, 250))):
        names = rng.choice(([b"a", b"b"], [b"a", b"b"], [b"other"]))
        words = [word for name in names for word in (name, rng.choice((b"%d" % number, b"text", b"x" * 100)))]
        built.append([b"XADD", b"k", b"%d-%d" % (1000 + number // 3, number), *words])
    built.append([b"XDEL", b"k", *(b"%d-%d" % (1000 + number // 3, number) for number in (3, 100, 101))])
    built.append([b"XGROUP", b"CREATE", b"k", b"g1", b"0"])
    built.append([b"XGROUP", b"CREATE", b"k", b"g2", b"$"])
    # 7.2 makes consumers when they ask and there is nothing for them, 7.0 does not.
    for group, consumer in ((b"g2", b""), (b"g1", b"c1"), (b"g1", b"c2")):
        built.append([b"XGROUP", b"CREATECONSUMER", b"k", group, consumer])
    built.append([b"XREADGROUP", b"GROUP", b"g1", b"c1", b"COUNT", b"4", b"STREAMS", b"k", b">"])
    built.append([b"XREADGROUP", b"GROUP", b"g1", b"c2", b"COUNT", b"2", b"STREAMS", b"k", b">"])
    built.append([b"XACK", b"k", b"g1", b"1000-1"])
    return built


QUESTIONS: list[list[bytes]] = [
    [b"XRANGE", b"k", b"-", b"+"],
    [b"XINFO", b"GROUPS", b"k"],
    [b"XPENDING", b"k", b"g1"],
    [b"XPENDING", b"k", b"g2"],
    [b"XLEN", b"k"],
]


def replies(connection: RawRedis) -> list[Any]:
    return [decode(connection.one(*argv)) for argv in QUESTIONS]


@pytest.mark.parametrize("seed", range(6))
def test_both_directions_with_a_real_server(redis_reference: RedisReference, seed: int) -> None:
    connection = RawRedis(redis_reference.host, redis_reference.port)
    connection.one(b"DEL", b"k")
    ours = RedisCalls()
    for argv in commands(random.Random(seed)):
        connection.one(*argv)
        ours.reply(argv)
    expected = replies(connection)
    theirs = decode(connection.one(b"DUMP", b"k"))
    assert isinstance(theirs, bytes)
    payload = ours.run("DUMP", "k")
    assert isinstance(payload, bytes)
    assert ours.run("RESTORE", "k", 0, theirs, "REPLACE") == b"OK"
    assert [decode(ours.wire(argv, 2)) for argv in QUESTIONS] == expected
    assert connection.one(b"RESTORE", b"k", b"0", payload, b"REPLACE") == b"+OK\r\n"
    assert replies(connection) == expected
    connection.close()


def test_there_and_back_with_a_deadline() -> None:
    calls = RedisCalls()
    for argv in commands(random.Random(9)):
        calls.reply(argv)
    calls.run("XADD", "k", "5000-0", "f", "v")
    before = [calls.run(*argv) for argv in QUESTIONS]
    payload = calls.run("DUMP", "k")
    assert isinstance(payload, bytes)
    calls.run("RESTORE", "k", 5000, payload, "REPLACE")
    assert [calls.run(*argv) for argv in QUESTIONS] == before
    assert calls.run("PTTL", "k") == 5000
    assert calls.run("DUMP", "k") == payload
    calls.run("XADD", "k", "*", "after", "1")
    assert calls.run("XLEN", "k") == before[-1] + 1  # type: ignore[operator]


def test_an_empty_stream_keeps_what_it_remembers() -> None:
    calls = RedisCalls()
    calls.run("XADD", "k", "7-7", "f", "v")
    calls.run("XDEL", "k", "7-7")
    payload = calls.run("DUMP", "k")
    assert isinstance(payload, bytes)
    calls.run("RESTORE", "copy", 0, payload)
    assert calls.run("XINFO", "STREAM", "copy") == calls.run("XINFO", "STREAM", "k")


SAMPLE = StreamValue(
    [(1 << 64 | 1, [b"f", b"v"]), (2 << 64, [b"f", b"w"]), (2 << 64 | 5, [b"g", b"1", b"h", b"2"])],
    last=3 << 64,
    max_deleted=2 << 64 | 1,
    added=9,
    groups=[
        GroupValue(b"g", 2 << 64, 2, [ConsumerValue(b"", 50, 50)], [PendingValue(2 << 64, b"", 40, 3)]),
        GroupValue(b"idle", 0, -1),
    ],
)


def test_plain_form_there_and_back() -> None:
    assert restore(dump(RecordType.STREAM, b"stream", SAMPLE)) == (RecordType.STREAM, SAMPLE)


def test_the_forms_of_other_releases() -> None:
    node = listpack.encode([b"1", b"1", b"1", b"f", b"0", b"3", b"0", b"0", b"x", b"4", b"2", b"1", b"0", b"v", b"4"])
    head = [length(1), *string((1 << 64).to_bytes(16)), *string(node), length(1), length(2), length(0)]
    pending = [length(1), (2 << 64).to_bytes(16), (77).to_bytes(8, "little"), length(2)]
    owned = [length(1), (2 << 64).to_bytes(16)]
    old = [*head, length(1), *string(b"g"), length(2), length(0), *pending, length(1), *string(b"c"),
           (5).to_bytes(8, "little"), *owned]  # fmt: skip
    expected = StreamValue([(2 << 64, [b"f", b"v"])], 2 << 64)
    expected.groups = [
        GroupValue(b"g", 2 << 64, None, [ConsumerValue(b"c", 5, 5)], [PendingValue(2 << 64, b"c", 77, 2)])
    ]
    assert restore(framed(OLD, old)) == (RecordType.STREAM, expected)
    new = [*head, length(2), length(0), length(1), length(0), length(2), length(1), *string(b"g"), length(2), length(0),
           length(1), *pending, length(1), *string(b"c"), (5).to_bytes(8, "little"), (6).to_bytes(8, "little"),
           *owned]  # fmt: skip
    expected.max_deleted, expected.added = 1 << 64, 2
    expected.groups[0].entries_read = 1
    expected.groups[0].consumers[0].active_ms = 6
    assert restore(framed(NEW, new)) == (RecordType.STREAM, expected)


def test_damage_is_refused() -> None:
    whole = b"".join(write(SAMPLE))
    for cut in range(len(whole)):
        with pytest.raises(BadFormat):
            restore(framed(WRITTEN, [whole[:cut]]))
    for items in (
        [b"1", b"0", b"1", b"f", b"1"],
        [b"2", b"0", b"1", b"f", b"0", b"2", b"0", b"0", b"v", b"4"],
        [b"1", b"0", b"1", b"f", b"0", b"2", b"0", b"0", b"v", b"5"],
        [b"1", b"0", b"1", b"f", b"0", b"2", b"x", b"0", b"v", b"4"],
        [b"1", b"0", b"1", b"f", b"0", b"0", b"0", b"0", b"99"],
    ):
        node = [*rdb.string((1 << 64).to_bytes(16)), *rdb.string(listpack.encode(items))]
        rest = [length(1), *[length(1), length(0)] * 3, length(1), length(0)]
        with pytest.raises(BadFormat):
            restore(framed(WRITTEN, [length(1), *node, *rest]))
