"""RawKV over a real connection. The data itself has its own tests (tests/kv/test_raw.py)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from elastickv.errors import Fault, KvError
from elastickv.kv.hybrid_clock import earliest
from elastickv.kv.raw import MAX_KEY_BYTES
from tests.kit.grpc_node import Node, grpc_node


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with grpc_node() as node:
        yield node


async def code_of(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    code: grpc.StatusCode = caught.value.code()
    return code


async def scan(node: Node, **fields: Any) -> list[tuple[bytes, bytes]]:
    return [(pair.key, pair.value) for pair in (await node.call("RawKV/RawScanAt", **fields)).kv]


async def test_put_get_delete(node: Node) -> None:
    put = await node.call("RawKV/RawPut", key=b"k", value=b"v")
    assert (put.success, put.commit_index) == (True, 90)
    got = await node.call("RawKV/RawGet", key=b"k")
    assert (got.exists, got.value, got.read_at_index) == (True, b"v", 88)
    deleted = await node.call("RawKV/RawDelete", key=b"k")
    assert (deleted.success, deleted.commit_index) == (True, 90)
    got = await node.call("RawKV/RawGet", key=b"k")
    assert (got.exists, got.value) == (False, b"")
    assert (await node.call("RawKV/RawDelete", key=b"k")).success


async def test_an_empty_value_exists(node: Node) -> None:
    await node.call("RawKV/RawPut", key=b"k")
    got = await node.call("RawKV/RawGet", key=b"k")
    assert (got.exists, got.value) == (True, b"")


async def test_reading_the_past(node: Node) -> None:
    await node.call("RawKV/RawPut", key=b"k", value=b"1")
    first = (await node.call("RawKV/RawLatestCommitTS", key=b"k")).ts
    await node.call("RawKV/RawPut", key=b"k", value=b"2")
    assert (await node.call("RawKV/RawGet", key=b"k", ts=first)).value == b"1"
    assert await scan(node, limit=5, ts=first) == [(b"k", b"1")]
    assert not (await node.call("RawKV/RawGet", key=b"k", ts=first - 1)).exists
    whole = await node.call("RawKV/RawLatestCommitTS")
    assert whole.exists
    assert whole.ts > first
    missing = await node.call("RawKV/RawLatestCommitTS", key=b"missing")
    assert (missing.exists, missing.ts) == (False, 0)


async def test_a_timestamp_from_distribution_can_be_read_at(node: Node) -> None:
    await node.call("RawKV/RawPut", key=b"k", value=b"1")
    ts = (await node.call("Distribution/GetTimestamp")).timestamp
    await node.call("RawKV/RawPut", key=b"k", value=b"2")
    assert (await node.call("RawKV/RawGet", key=b"k", ts=ts)).value == b"1"


async def test_scans(node: Node) -> None:
    pairs = [(bytes((letter,)), bytes((letter,)) * 2) for letter in b"abcde"]
    for key, value in pairs:
        await node.call("RawKV/RawPut", key=key, value=value)
    assert await scan(node, limit=10) == pairs
    assert await scan(node, limit=1025, start_key=b"b", end_key=b"d") == pairs[1:3]
    assert await scan(node, limit=2, reverse=True) == pairs[:2:-1]
    assert await scan(node, limit=2, keys_only=True) == [(b"a", b""), (b"b", b"")]
    assert await scan(node, limit=0) == []
    assert await scan(node, limit=5, start_key=b"d", end_key=b"b") == []


async def test_a_long_scan_takes_several_turns(node: Node) -> None:
    for number in range(50):
        await node.call("RawKV/RawPut", key=b"%02d" % number, value=b"v")
    service = next(methods for d, methods, _ in node.server._services if d.full_name == "RawKV")
    service["RawScanAt"].__self__._keys_per_turn = 7  # type: ignore[union-attr]
    before = node.store.executions
    assert [key for key, _ in await scan(node, limit=40, reverse=True)] == [b"%02d" % n for n in range(49, 9, -1)]
    assert node.store.executions - before == 6


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("RawPut", {"value": b"v"}, grpc.StatusCode.INVALID_ARGUMENT),
        ("RawGet", {}, grpc.StatusCode.INVALID_ARGUMENT),
        ("RawDelete", {}, grpc.StatusCode.INVALID_ARGUMENT),
        ("RawPut", {"key": b"k" * (MAX_KEY_BYTES + 1)}, grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("RawPut", {"key": b"k", "value": b"v" * ((1 << 20) + 1)}, grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("RawGet", {"key": b"k", "group_id": 2}, grpc.StatusCode.NOT_FOUND),
        ("RawScanAt", {"limit": 1, "group_id": 2}, grpc.StatusCode.NOT_FOUND),
        ("RawScanAt", {"limit": -1}, grpc.StatusCode.INVALID_ARGUMENT),
        ("RawScanAt", {"limit": 1026}, grpc.StatusCode.INVALID_ARGUMENT),
        ("RawGet", {"key": b"k", "ts": earliest(1 << 45)}, grpc.StatusCode.INVALID_ARGUMENT),
        ("RawGet", {"key": b"k", "ts": (1 << 64) - 1}, grpc.StatusCode.INVALID_ARGUMENT),
        ("RawGet", {"key": b"k", "ts": 1}, grpc.StatusCode.FAILED_PRECONDITION),
        ("RawScanAt", {"limit": 1, "ts": 1}, grpc.StatusCode.FAILED_PRECONDITION),
    ],
)
async def test_refusals(node: Node, path: str, fields: dict[str, Any], code: grpc.StatusCode) -> None:
    assert await code_of(node.call(f"RawKV/{path}", **fields)) is code
    assert node.store.view.dump() == {}


async def test_group_1_is_accepted(node: Node) -> None:
    await node.call("RawKV/RawPut", key=b"k", value=b"v")
    assert (await node.call("RawKV/RawGet", key=b"k", group_id=1)).exists
    assert await scan(node, limit=1, group_id=1) == [(b"k", b"v")]


async def test_an_answer_that_fits_into_no_message_is_refused_with_a_reason(node: Node) -> None:
    for number in range(5):
        await node.call("RawKV/RawPut", key=b"%d" % number, value=b"x" * (1 << 20))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await scan(node, limit=5)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "ask for fewer pairs" in (caught.value.details() or "")
    assert len(await scan(node, limit=3)) == 3


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.NO_QUORUM, grpc.StatusCode.UNAVAILABLE),
        (Fault.OUTCOME_UNKNOWN, grpc.StatusCode.UNKNOWN),
        (Fault.DISK_FULL, grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
async def test_faults_of_the_store(node: Node, fault: Fault, code: grpc.StatusCode) -> None:
    node.store.fault = KvError(fault)
    assert await code_of(node.call("RawKV/RawPut", key=b"k")) is code


async def test_a_lead_that_was_lost_and_found_again_is_not_seen(node: Node) -> None:
    """NOT_LEADER means that nothing was logged, so even a write is tried again."""
    node.store.fault = KvError(Fault.NOT_LEADER)
    await node.call("RawKV/RawPut", key=b"k", value=b"v")
    assert (await node.call("RawKV/RawGet", key=b"k")).value == b"v"
