"""CRC-64: the published check value, and the fast way against the slow one."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.redis_api.crc64 import crc64


def bit_by_bit(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
    return crc


def test_check_value() -> None:
    assert crc64(b"123456789") == 0xE9C6D914C4B8D9CA
    assert crc64(b"") == 0


@given(st.binary(max_size=300))
def test_short(data: bytes) -> None:
    assert crc64(data) == crc64(memoryview(data)) == bit_by_bit(data)


@pytest.mark.parametrize("size", [(1 << 16) - 1, 1 << 16, (1 << 16) + 1, 100_000, (1 << 17) + 511])
def test_in_lanes(size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert crc64(data) == bit_by_bit(data)


def test_over_several_blocks() -> None:
    # Appending a message's own checksum leaves the state at zero, whatever way it was computed.
    data = random.Random(1).randbytes((2 << 20) + 70_000)
    assert crc64(data + crc64(data).to_bytes(8, "little")) == 0
    assert crc64(data[:-1] + bytes((data[-1] ^ 1,)) + crc64(data).to_bytes(8, "little")) != 0


def test_a_megabyte_is_quick() -> None:
    data = random.Random(1).randbytes(1 << 20)
    crc64(data)
    fastest = 9.0
    for _ in range(5):
        started = time.perf_counter()
        crc64(data)
        fastest = min(fastest, time.perf_counter() - started)
    assert fastest < 0.1  # 15 ms on a quiet machine
