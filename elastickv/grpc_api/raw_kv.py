"""RawKV: plain keys and values with versions (the data itself: `kv.raw`). On a follower each call goes to the leader.

A scan that has to look at many keys runs in several turns of the executor, so that one client cannot hold up all
others; from the second turn on it reads at the timestamp of the first, so the answer is still one snapshot.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from elastickv.errors import Fault, KvError
from elastickv.grpc_api.calls import Methods
from elastickv.grpc_api.errors import Context
from elastickv.grpc_api.forwarding import Forwarder, Method
from elastickv.kv import raw
from elastickv.kv.ports import ClusterControl, Store
from elastickv.pb import rawkv_pb2 as pb

MAX_SCAN: Final = 1025
GROUPS: Final = (0, 1)
"""0 is "whichever holds the key"; there is one group."""
ANSWER_ROOM: Final = 64 << 10
"""Bytes of a message that are not pairs."""
PAIR_BYTES: Final = 24
"""More than tags and lengths of one pair take."""

_PUT = Method("/RawKV/RawPut", pb.RawPutResponse, write=True)
_GET = Method("/RawKV/RawGet", pb.RawGetResponse, write=False)
_DELETE = Method("/RawKV/RawDelete", pb.RawDeleteResponse, write=True)
_LATEST = Method("/RawKV/RawLatestCommitTS", pb.RawLatestCommitTSResponse, write=False)
_SCAN = Method("/RawKV/RawScanAt", pb.RawScanAtResponse, write=False)


class RawKv:
    def __init__(
        self,
        store: Store,
        control: ClusterControl,
        forwarder: Forwarder,
        *,
        max_value_bytes: int = 16 << 20,
        max_message_bytes: int = 64 << 20,
        retention_seconds: float = 1800.0,
        keys_per_turn: int = 4096,
    ) -> None:
        self._store = store
        self._control = control
        self._forwarder = forwarder
        self._max_value_bytes = max_value_bytes
        self._max_answer_bytes = max_message_bytes - ANSWER_ROOM
        self._retention_ms = round(retention_seconds * 1000)
        self._keys_per_turn = keys_per_turn

    def methods(self) -> Methods:
        return {
            "RawPut": self.put,
            "RawGet": self.get,
            "RawDelete": self.delete,
            "RawLatestCommitTS": self.latest_commit_ts,
            "RawScanAt": self.scan_at,
        }

    async def put(self, request: pb.RawPutRequest, context: Context) -> pb.RawPutResponse:
        raw.check_key(request.key)
        if len(request.value) > self._max_value_bytes:
            raise KvError(
                Fault.TOO_LARGE, f"the value has {len(request.value)} bytes; the limit is {self._max_value_bytes}"
            )

        async def local(timeout: float) -> pb.RawPutResponse:
            await self._store.execute(partial(raw.put, key=request.key, value=request.value), timeout=timeout)
            return pb.RawPutResponse(commit_index=self._control.status().commit_index, success=True)

        return await self._forwarder.serve(_PUT, request, context, local)

    async def get(self, request: pb.RawGetRequest, context: Context) -> pb.RawGetResponse:
        raw.check_key(request.key)
        _check_group(request.group_id)
        body = partial(raw.get, key=request.key, ts=request.ts, retention_ms=self._retention_ms)

        async def local(timeout: float) -> pb.RawGetResponse:
            value = await self._store.execute(body, timeout=timeout)
            index = self._control.status().applied_index
            return pb.RawGetResponse(read_at_index=index, value=value or b"", exists=value is not None)

        return await self._forwarder.serve(_GET, request, context, local)

    async def delete(self, request: pb.RawDeleteRequest, context: Context) -> pb.RawDeleteResponse:
        raw.check_key(request.key)

        async def local(timeout: float) -> pb.RawDeleteResponse:
            await self._store.execute(partial(raw.delete, key=request.key), timeout=timeout)
            # Deleting what is not there succeeds, as it always has in this API.
            return pb.RawDeleteResponse(commit_index=self._control.status().commit_index, success=True)

        return await self._forwarder.serve(_DELETE, request, context, local)

    async def latest_commit_ts(
        self, request: pb.RawLatestCommitTSRequest, context: Context
    ) -> pb.RawLatestCommitTSResponse:
        if request.key:
            raw.check_key(request.key)

        async def local(timeout: float) -> pb.RawLatestCommitTSResponse:
            ts = await self._store.execute(partial(raw.latest_ts, key=request.key), timeout=timeout)
            return pb.RawLatestCommitTSResponse(ts=ts, exists=ts > 0)

        return await self._forwarder.serve(_LATEST, request, context, local)

    async def scan_at(self, request: pb.RawScanAtRequest, context: Context) -> pb.RawScanAtResponse:
        _check_group(request.group_id)
        if not 0 <= request.limit <= MAX_SCAN:
            raise KvError(Fault.BAD_REQUEST, f"limit {request.limit} is not between 0 and {MAX_SCAN}")

        async def local(timeout: float) -> pb.RawScanAtResponse:
            return pb.RawScanAtResponse(
                kv=[pb.RawKVPair(key=key, value=value) for key, value in await self._scan(request, timeout)]
            )

        return await self._forwarder.serve(_SCAN, request, context, local)

    async def _scan(self, request: pb.RawScanAtRequest, timeout: float) -> list[tuple[bytes, bytes]]:
        pairs: list[tuple[bytes, bytes]] = []
        start, end, ts = request.start_key, request.end_key, request.ts
        room = self._max_answer_bytes
        while True:
            body = partial(
                raw.scan,
                start=start,
                end=end,
                limit=request.limit - len(pairs),
                ts=ts,
                reverse=request.reverse,
                keys_only=request.keys_only,
                max_visited=self._keys_per_turn,
                max_bytes=room,
                pair_bytes=PAIR_BYTES,
                retention_ms=self._retention_ms,
            )
            page = await self._store.execute(body, timeout=timeout)
            pairs += page.pairs
            room -= page.size
            if page.resume is None:
                return pairs
            ts = page.ts
            if request.reverse:
                end = page.resume
            else:
                start = page.resume


def _check_group(group_id: int) -> None:
    if group_id not in GROUPS:
        raise KvError(Fault.NOT_FOUND, f"group {group_id} does not exist; there is group 1 (and 0 for any)")
