"""Collections in DUMP payloads: every form that Redis has written, damage, and both directions with a real server."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.redis_api import listpack, rdb, ziplist
from elastickv.redis_api.rdb import BadFormat, framed, length, string
from elastickv.redis_api.rdb_values import dump, restore
from elastickv.redis_api.values.records import RecordType
from tests.kit.raw_redis import RawRedis, decode
from tests.kit.redis_reference import RedisReference

INTEGERS = st.one_of(
    st.integers(-300, 300),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.sampled_from([1 << 63, -(1 << 63) - 1, 4095, -4096]),
).map(lambda number: b"%d" % number)
ITEMS = st.one_of(st.binary(max_size=70), INTEGERS, st.integers(60, 5000).map(lambda size: b"x" * size))


def strings(*words: bytes) -> list[bytes | memoryview]:
    return [part for word in words for part in string(word)]


@given(st.lists(ITEMS, max_size=40))
def test_listpacks_there_and_back(items: list[bytes]) -> None:
    assert listpack.decode(listpack.encode(items)) == items


def test_a_listpack_byte_by_byte() -> None:
    packed = listpack.encode([b"hi", b"5", b"-1", b"300", b"70000", b"05", b"x" * 70])
    assert packed[:6] == struct.pack("<IH", len(packed), 7)
    assert packed[6:].startswith(b"\x82hi\x03\x05\x01\xdf\xff\x02\xc1\x2c\x02\xf2\x70\x11\x01\x04\x8205\x03\xe0\x46xxx")
    assert packed.endswith(b"xxx\x48\xff")


@given(st.binary(max_size=60))
def test_listpacks_of_nonsense(data: bytes) -> None:
    packed = struct.pack("<IH", len(data) + 7, 3) + data + b"\xff"
    for reader in (listpack.decode, ziplist.decode_ziplist, ziplist.decode_intset, ziplist.decode_zipmap):
        for one in (packed, data):
            try:
                reader(one)
            except ValueError:
                pass


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), unique=True))
def test_intsets_there_and_back(numbers: list[int]) -> None:
    assert ziplist.decode_intset(ziplist.encode_intset(sorted(numbers))) == sorted(numbers)


def old_ziplist(*entries: bytes) -> bytes:
    body = b""
    previous = 0
    for entry in entries:
        back = bytes((previous,)) if previous < 254 else b"\xfe" + struct.pack("<I", previous)
        body += back + entry
        previous = len(back) + len(entry)
    return struct.pack("<IIH", 11 + len(body), 10, len(entries)) + body + b"\xff"


ZIPLIST = old_ziplist(
    b"\x02ab",
    b"\x41\x2c" + b"x" * 300,
    b"\x80" + struct.pack(">I", 5) + b"later",
    b"\xf1",
    b"\xfd",
    b"\xfe\x80",
    b"\xc0\x00\x80",
    b"\xf0\x00\x00\x80",
    b"\xd0" + struct.pack("<i", -70000),
    b"\xe0" + struct.pack("<q", 1 << 40),
)
ZIPLIST_ITEMS = [b"ab", b"x" * 300, b"later", b"0", b"12", b"-128", b"-32768", b"-8388608", b"-70000", b"1099511627776"]


@pytest.mark.parametrize(
    ("kind", "parts", "type", "value"),
    [
        (1, [length(2), *strings(b"a", b"a")], RecordType.LIST, [b"a", b"a"]),
        (10, strings(ZIPLIST), RecordType.LIST, ZIPLIST_ITEMS),
        (14, [length(2), *strings(ZIPLIST, ZIPLIST)], RecordType.LIST, ZIPLIST_ITEMS * 2),
        (18, [length(2), length(1), *strings(b"plain"), length(2), *strings(listpack.encode([b"1", b"b"]))],
         RecordType.LIST, [b"plain", b"1", b"b"]),
        (2, [length(2), *strings(b"a", b"17")], RecordType.SET, [b"a", b"17"]),
        (11, strings(ziplist.encode_intset([-5, 70000])), RecordType.SET, [b"-5", b"70000"]),
        (20, strings(listpack.encode([b"a", b"17"])), RecordType.SET, [b"a", b"17"]),
        (3, [length(4), *strings(b"a"), b"\x031.5", *strings(b"b"), b"\xfe", *strings(b"c"), b"\xff",
             *strings(b"d"), b"\x02-2"],
         RecordType.ZSET, [(b"c", -float("inf")), (b"d", -2.0), (b"a", 1.5), (b"b", float("inf"))]),
        (5, [length(2), *strings(b"b"), struct.pack("<d", 2.5), *strings(b"a"), struct.pack("<d", 2.5)],
         RecordType.ZSET, [(b"a", 2.5), (b"b", 2.5)]),
        (12, strings(old_ziplist(b"\x01a", b"\xf3", b"\x01b", b"\x033.5")), RecordType.ZSET,
         [(b"a", 2.0), (b"b", 3.5)]),
        (17, strings(listpack.encode([b"a", b"2", b"b", b"3.5"])), RecordType.ZSET, [(b"a", 2.0), (b"b", 3.5)]),
        (4, [length(1), *strings(b"f", b"v")], RecordType.HASH, [(b"f", b"v")]),
        (9, strings(b"\x02\x01f\x03\x00abc\xfe\x02\x00\x00\x00f2\x01\x02x??\xff"), RecordType.HASH,
         [(b"f", b"abc"), (b"f2", b"x")]),
        (13, strings(old_ziplist(b"\x01f", b"\xf2")), RecordType.HASH, [(b"f", b"1")]),
        (16, strings(listpack.encode([b"f", b"1"])), RecordType.HASH, [(b"f", b"1")]),
    ],
)  # fmt: skip
def test_every_form_is_read(kind: int, parts: list[bytes], type: RecordType, value: object) -> None:
    assert restore(framed(kind, parts)) == (type, value)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (1, [length(0)]),
        (1, [length(3), *strings(b"a", b"b")]),
        (2, [length(2), *strings(b"a", b"a")]),
        (4, [length(2), *strings(b"f", b"v", b"f", b"w")]),
        (4, [length(1), *strings(b"f")]),
        (16, strings(listpack.encode([b"f"]))),
        (16, strings(listpack.encode([]))),
        (13, strings(old_ziplist(b"\x01f", b"\xf2", b"\x01f", b"\xf2"))),
        (11, strings(struct.pack("<IIhh", 2, 2, 5, 5))),
        (11, strings(struct.pack("<IIh", 3, 1, 5))),
        (5, [length(1), *strings(b"a"), struct.pack("<d", float("nan"))]),
        (3, [length(1), *strings(b"a"), b"\xfd"]),
        (17, strings(listpack.encode([b"a", b"x"]))),
        (18, [length(1), length(3), *strings(b"plain")]),
        (18, [length(1), length(2), *strings(listpack.encode([b"a"])[:-1])]),
        (14, [length(1), *strings(ZIPLIST[:-3])]),
        (9, strings(b"\x02\x01f\xff")),
        (20, strings(listpack.encode([b"a", b"a"]))),
    ],
)
def test_damaged_or_empty_collections_are_refused(kind: int, parts: list[bytes]) -> None:
    with pytest.raises(BadFormat):
        restore(framed(kind, parts))


def samples(rng: random.Random) -> list[tuple[RecordType, bytes, Any, list[bytes]]]:
    """(type, encoding, whole value, command that builds it on a real server)."""
    found: list[tuple[RecordType, bytes, Any, list[bytes]]] = []
    for size in (1, 2, 100, 129, 600):
        words = list(dict.fromkeys(
            rng.choice((b"%d" % rng.randrange(-(10**12), 10**12), b"w%d" % rng.randrange(10**9), rng.randbytes(30)))
            for _ in range(size)
        ))  # fmt: skip
        words.append(b"last" if size < 600 else b"long" * 5000)
        small = size <= 100
        found.append((RecordType.LIST, b"quicklist", words + words, [b"RPUSH", b"k", *words, *words]))
        found.append((RecordType.SET, b"hashtable", sorted(words), [b"SADD", b"k", *words]))
        numbers = sorted({rng.randrange(-(10 ** size.bit_length()), 10**10) for _ in range(min(size, 500))})
        integers = [b"%d" % number for number in numbers]
        found.append((RecordType.SET, b"intset", integers, [b"SADD", b"k", *integers]))
        pairs = list(zip(words, reversed(words), strict=True))
        found.append((
            RecordType.HASH, b"listpack" if small else b"hashtable", pairs if small else sorted(pairs),
            [b"HSET", b"k", *(word for pair in pairs for word in pair)],
        ))  # fmt: skip
        scores = [rng.choice((1.0, 0.1, -1e300, float("inf"), rng.random(), 2.0**60)) for _ in words]
        ranked = sorted(zip(words, scores, strict=True), key=lambda pair: (pair[1], pair[0]))
        found.append((
            RecordType.ZSET, b"listpack" if small else b"skiplist", ranked,
            [b"ZADD", b"k", *(word for member, score in ranked for word in (b"%r" % score, member))],
        ))  # fmt: skip
    return found


READ_ALL = {
    RecordType.LIST: [b"LRANGE", b"k", b"0", b"-1"],
    RecordType.SET: [b"SMEMBERS", b"k"],
    RecordType.HASH: [b"HGETALL", b"k"],
    RecordType.ZSET: [b"ZRANGE", b"k", b"0", b"-1", b"WITHSCORES"],
}


def in_order(type: RecordType, value: Any) -> Any:
    return sorted(value) if type in (RecordType.SET, RecordType.HASH) else value


def test_both_directions_with_a_real_server(redis_reference: RedisReference) -> None:
    connection = RawRedis(redis_reference.host, redis_reference.port)
    for type, encoding, value, build in samples(random.Random(5)):
        connection.one(b"DEL", b"k")
        connection.one(*build)
        theirs = decode(connection.one(b"DUMP", b"k"))
        assert isinstance(theirs, bytes)
        read_type, read_value = restore(theirs)
        assert (read_type, in_order(type, read_value)) == (type, in_order(type, value))
        everything = decode(connection.one(*READ_ALL[type]))
        payload = dump(type, encoding, value)
        assert connection.one(b"RESTORE", b"k", b"0", payload, b"REPLACE") == b"+OK\r\n"
        again = decode(connection.one(*READ_ALL[type]))
        assert isinstance(everything, list)
        assert isinstance(again, list)
        if type is RecordType.ZSET or type is RecordType.LIST:
            assert again == everything
        else:
            assert sorted(again) == sorted(everything)
    connection.close()


def test_compact_values_are_written_byte_by_byte_as_redis_does(redis_reference: RedisReference) -> None:
    """As far as LZF does not come in."""
    connection = RawRedis(redis_reference.host, redis_reference.port)
    connection.one(b"CONFIG", b"SET", b"rdbcompression", b"no")
    cases: list[tuple[RecordType, bytes, Any, list[bytes]]] = [
        (RecordType.HASH, b"listpack", [(b"a", b"1"), (b"b", b"-300")], [b"HSET", b"k", b"a", b"1", b"b", b"-300"]),
        (RecordType.SET, b"intset", [b"5", b"-70000"], [b"SADD", b"k", b"5", b"-70000"]),
        (RecordType.LIST, b"quicklist", [b"a", b"b"], [b"RPUSH", b"k", b"a", b"b"]),
        (RecordType.ZSET, b"listpack", [(b"a", -1.0), (b"b", 0.5)], [b"ZADD", b"k", b"-1", b"a", b"0.5", b"b"]),
    ]
    for type, encoding, value, build in cases:
        connection.one(b"DEL", b"k")
        connection.one(*build)
        kind, _ = dump(type, encoding, value)[0], None
        theirs = decode(connection.one(b"DUMP", b"k"))
        assert isinstance(theirs, bytes)
        assert theirs[0] == kind
        reader = rdb.Reader(theirs)
        ours = rdb.Reader(dump(type, encoding, value))
        if type is RecordType.LIST:
            assert [reader.length(), reader.length()] == [ours.length(), ours.length()]
        assert reader.string() == ours.string()
    connection.one(b"CONFIG", b"SET", b"rdbcompression", b"yes")
    connection.close()
