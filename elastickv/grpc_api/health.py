"""grpc.health.v1: may requests be sent here?

    ""                the node can serve, itself or through the leader (readiness, as on the metrics door)
    Distribution      the same
    RawKV             this node is the serving leader. Other nodes answer RawKV too, by forwarding; clients that ask
    quis.RaftLeader   the health service want to find the leader, and `raftadmin --leader` asks for this name
    RaftAdmin         always, as long as the node is not stopping

Nothing is remembered: each answer is worked out from the status of the moment. A watcher looks again when the cluster
announces a change, and a few times a second besides, because some things change silently (a leader that was last heard
too long ago).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Final

from grpc_health.v1 import health_pb2

from elastickv.errors import Fault, KvError
from elastickv.grpc_api.calls import Methods
from elastickv.grpc_api.errors import Context
from elastickv.kv.ports import ClusterControl, Store
from elastickv.observability.health import readiness

LEADER_SERVICE: Final = "quis.RaftLeader"

_Response = health_pb2.HealthCheckResponse


class Health:
    def __init__(
        self,
        store: Store,
        control: ClusterControl,
        *,
        contact_limit_seconds: float = 5.0,
        poll_seconds: float = 0.25,
    ) -> None:
        self._store = store
        self._control = control
        self._contact_limit_seconds = contact_limit_seconds
        self._poll_seconds = poll_seconds
        self._stopping = False
        self._watchers: set[asyncio.Event] = set()
        self._services: dict[str, Callable[[], bool]] = {
            "": self._ready,
            "Distribution": self._ready,
            "RawKV": self._leads,
            LEADER_SERVICE: self._leads,
            "RaftAdmin": lambda: True,
            "grpc.health.v1.Health": lambda: True,
        }

    def methods(self) -> Methods:
        return {"Check": self.check, "List": self.list, "Watch": self.watch}

    def _ready(self) -> bool:
        status = self._control.status()
        if not readiness(status, contact_limit_seconds=self._contact_limit_seconds).ok:
            return False
        # A leader that has not applied its first entry yet would let requests wait.
        return self._store.serving or status.role != "leader"

    def _leads(self) -> bool:
        return self._store.serving

    def _status(self, name: str) -> health_pb2.HealthCheckResponse.ServingStatus:
        ask = self._services.get(name)
        if ask is None:
            return _Response.SERVICE_UNKNOWN
        return _Response.SERVING if not self._stopping and ask() else _Response.NOT_SERVING

    async def check(self, request: health_pb2.HealthCheckRequest, _: Context) -> health_pb2.HealthCheckResponse:
        status = self._status(request.service)
        if status == _Response.SERVICE_UNKNOWN:
            raise KvError(Fault.NOT_FOUND, f"unknown service {request.service!r}")
        return _Response(status=status)

    async def list(self, request: health_pb2.HealthListRequest, _: Context) -> health_pb2.HealthListResponse:
        return health_pb2.HealthListResponse(
            statuses={name: _Response(status=self._status(name)) for name in self._services}
        )

    async def watch(
        self, request: health_pb2.HealthCheckRequest, _: Context
    ) -> AsyncGenerator[health_pb2.HealthCheckResponse, None]:
        """The status now, then each change. An unknown service is no error here: the protocol wants SERVICE_UNKNOWN and
        an open stream."""
        changed = asyncio.Event()
        self._watchers.add(changed)
        unsubscribe = self._control.watch(changed.set)
        try:
            last = None
            while True:
                changed.clear()
                status = self._status(request.service)
                if status != last:
                    yield _Response(status=status)
                    last = status
                if self._stopping:
                    return
                try:
                    async with asyncio.timeout(self._poll_seconds):
                        await changed.wait()
                except TimeoutError:
                    pass
        finally:
            unsubscribe()
            self._watchers.discard(changed)

    def stop(self) -> None:
        """Say NOT_SERVING from now on, and end all watches: they would hold up the stop of the server."""
        self._stopping = True
        for changed in self._watchers:
            changed.set()
