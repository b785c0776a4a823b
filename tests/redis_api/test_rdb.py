"""DUMP payloads: encodings, damage and LZF, and that a real server reads ours and we read its."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.redis_api.crc64 import crc64
from elastickv.redis_api.lzf import compress, decompress
from elastickv.redis_api.rdb import BadFormat, WrongFooter, dump_string
from elastickv.redis_api.rdb_values import restore
from elastickv.redis_api.values.records import RecordType
from tests.kit.raw_redis import RawRedis, decode
from tests.kit.redis_reference import RedisReference

COMPRESSIBLE = st.lists(st.sampled_from([b"a", b"bc", b"hello world ", b"\x00" * 40, b"xyz"]), max_size=80).map(
    b"".join
)
INTEGERS = st.integers(-(2**33), 2**33).map(lambda number: b"%d" % number)
VALUES = st.one_of(st.binary(max_size=300), COMPRESSIBLE, INTEGERS)


def restore_string(payload: bytes) -> bytes:
    type, value = restore(payload)
    assert type is RecordType.STRING
    assert isinstance(value, bytes)
    return value


def signed(body: bytes, version: int = 10) -> bytes:
    body += version.to_bytes(2, "little")
    return body + crc64(body).to_bytes(8, "little")


@pytest.mark.parametrize(
    ("value", "body"),
    [
        (b"", b"\x00\x00"),
        (b"abc", b"\x00\x03abc"),
        (b"0", b"\x00\xc0\x00"),
        (b"-128", b"\x00\xc0\x80"),
        (b"128", b"\x00\xc1\x80\x00"),
        (b"-32769", b"\x00\xc2\xff\x7f\xff\xff"),
        (b"2147483647", b"\x00\xc2\xff\xff\xff\x7f"),
        (b"2147483648", b"\x00\x0a2147483648"),
        (b"007", b"\x00\x03007"),
        (b"+7", b"\x00\x02+7"),
        (b" 7", b"\x00\x02 7"),
        (b"1_0", b"\x00\x031_0"),
        (bytes(range(100)), b"\x00\x40\x64" + bytes(range(100))),
        (b"a" * 21, b"\x00\xc3\x05\x15\x00a\xe0\x0b\x00"),
    ],
)
def test_encodings(value: bytes, body: bytes) -> None:
    assert dump_string(value) == signed(body)
    assert restore_string(signed(body)) == value


def test_long_lengths() -> None:
    noise = random.Random(2).randbytes(20_000)
    assert dump_string(noise)[:6] == b"\x00\x80" + len(noise).to_bytes(4)
    assert restore_string(dump_string(noise)) == noise
    assert restore_string(signed(b"\x00\x81" + (3).to_bytes(8) + b"abc")) == b"abc"


@given(VALUES)
def test_there_and_back(value: bytes) -> None:
    assert restore_string(dump_string(value)) == value


@given(VALUES, st.data())
def test_any_damage_is_noticed(value: bytes, data: st.DataObject) -> None:
    payload = bytearray(dump_string(value))
    at = data.draw(st.integers(0, len(payload) - 1))
    payload[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(WrongFooter):
        restore_string(bytes(payload))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"\x00\x05abc",
        b"\x00\x40",
        b"\x00\x80\x00",
        b"\x00\x82\x00\x00",
        b"\x00\xc0",
        b"\x00\xc4\x00",
        b"\x00\xc3\x05\x16\x00a\xe0\x0b\x00",
        b"\x00\xc3\x05\x14\x00a\xe0\x0b\x00",
        b"\x00\xc3\x03\x15\x05ab",
        b"\x00\xc3\x02\x15\x20\x05",
        b"\x00\xc3\x01\x15\xe0",
        b"\x00\xc3\xc0\x05\x15",
        b"\x00\xc3\x05\x80\xff\xff\xff\xff\x00a\xe0\x0b\x00",
        b"\x63\x00",
    ],
)
def test_nonsense_with_a_right_checksum(body: bytes) -> None:
    with pytest.raises(BadFormat):
        restore_string(signed(body))


@pytest.mark.parametrize("kind", [6, 7, 8, 22, 99])
def test_modules_and_unknown_types_are_refused(kind: int) -> None:
    with pytest.raises(BadFormat):
        restore(signed(bytes((kind, 0))))


@pytest.mark.parametrize(("version", "right"), [(6, True), (10, True), (11, True), (12, False), (0xFFFF, False)])
def test_versions(version: int, right: bool) -> None:
    payload = signed(b"\x00\x01a", version)
    if right:
        assert restore_string(payload) == b"a"
    else:
        with pytest.raises(WrongFooter):
            restore_string(payload)


@pytest.mark.parametrize("payload", [b"", b"short", b"\x00" * 9])
def test_too_short(payload: bytes) -> None:
    with pytest.raises(WrongFooter):
        restore_string(payload)


@given(st.one_of(COMPRESSIBLE, st.binary(max_size=400)))
def test_lzf_there_and_back(data: bytes) -> None:
    packed = compress(data, len(data) + 100)
    assert packed is not None
    assert decompress(packed, len(data)) == data


@given(st.binary(max_size=60), st.integers(0, 100))
def test_lzf_of_nonsense_ends_in_an_error_or_the_right_size(data: bytes, size: int) -> None:
    try:
        assert len(decompress(data, size)) == size
    except ValueError:
        pass


@pytest.mark.parametrize("length", [3, 10, 264, 265, 266, 5000, 9000])
def test_lzf_runs(length: int) -> None:
    data = b"ab" * length + b"tail" + bytes(range(256)) * 40 + b"ab" * length
    packed = compress(data, len(data))
    assert packed is not None
    assert decompress(packed, len(data)) == data


def test_lzf_gives_up_on_noise_early() -> None:
    noise = random.Random(3).randbytes(1 << 20)
    started = time.process_time()
    assert compress(noise, len(noise) - 4) is None
    assert time.process_time() - started < 5


def test_both_directions_with_a_real_server(redis_reference: RedisReference) -> None:
    connection = RawRedis(redis_reference.host, redis_reference.port)
    rng = random.Random(4)
    values = [
        b"%d" % (sign * 2**bits + plus) for bits in (0, 6, 7, 15, 31, 62) for sign in (1, -1) for plus in (-1, 0, 1)
    ]
    for size in (0, 1, 11, 12, 20, 21, 63, 64, 65, 300, 16383, 16384, 70_000):
        values += [rng.randbytes(size), b"x" * size, (b"some words " * (size // 11 + 1))[:size]]
        values.append(bytes(rng.choice(b"ab") for _ in range(size)))
    for value in values:
        connection.one(b"SET", b"theirs", value)
        theirs = decode(connection.one(b"DUMP", b"theirs"))
        assert isinstance(theirs, bytes)
        assert restore_string(theirs) == value
        assert connection.one(b"RESTORE", b"ours", b"0", dump_string(value), b"REPLACE") == b"+OK\r\n"
        assert decode(connection.one(b"GET", b"ours")) == value
    connection.close()
