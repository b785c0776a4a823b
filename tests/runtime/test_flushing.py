"""How a memtable is cut into commits."""

from __future__ import annotations

from random import Random

import pytest

from elastickv.runtime.flushing import _CHUNK_KEYS, chunks_of


@pytest.mark.parametrize("count", [0, 1, _CHUNK_KEYS, _CHUNK_KEYS + 1, 10 * _CHUNK_KEYS + 77])
@pytest.mark.parametrize("in_order", [True, False])
def test_chunks_are_the_memtable_in_order(count: int, in_order: bool) -> None:
    keys = [b"E%09d" % number for number in range(count)]
    if not in_order:
        Random(1).shuffle(keys)
    puts = {key: None if key.endswith(b"7") else b"value of " + key for key in keys}
    chunks = list(chunks_of(puts))
    assert [pair for chunk in chunks for pair in chunk.items()] == sorted(puts.items())
    assert all(0 < len(chunk) < 2 * _CHUNK_KEYS for chunk in chunks)
    assert len(chunks) <= count // _CHUNK_KEYS + 2
