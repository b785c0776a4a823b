"""Distribution: timestamps, and which group holds which keys.

There is one group, and it holds all keys. That answer is the same on every node and does not depend on who leads, so
routes are answered where they are asked. A timestamp is handed out by the leader and is durable before it is shown: a
successor can never hand out the same or a smaller one.
"""

from __future__ import annotations

from typing import Final

from elastickv.grpc_api.calls import Methods
from elastickv.grpc_api.errors import Context
from elastickv.grpc_api.forwarding import Forwarder, Method
from elastickv.kv.ports import Store
from elastickv.kv.view import View
from elastickv.pb import distribution_pb2 as pb

GROUP_ID: Final = 1
ROUTE_ID: Final = 1
CATALOG_VERSION: Final = 1

# Asking twice only skips a timestamp.
_TIMESTAMP = Method("/Distribution/GetTimestamp", pb.GetTimestampResponse, write=False)


class Distribution:
    def __init__(self, store: Store, forwarder: Forwarder) -> None:
        self._store = store
        self._forwarder = forwarder

    def methods(self) -> Methods:
        return {"GetTimestamp": self.get_timestamp, "GetRoute": self.get_route, "ListRoutes": self.list_routes}

    async def get_timestamp(self, request: pb.GetTimestampRequest, context: Context) -> pb.GetTimestampResponse:
        async def local(timeout: float) -> pb.GetTimestampResponse:
            return pb.GetTimestampResponse(timestamp=await self._store.execute(View.timestamp, timeout=timeout))

        return await self._forwarder.serve(_TIMESTAMP, request, context, local)

    async def get_route(self, request: pb.GetRouteRequest, _: Context) -> pb.GetRouteResponse:
        return pb.GetRouteResponse(start=b"", end=b"", raft_group_id=GROUP_ID)

    async def list_routes(self, request: pb.ListRoutesRequest, _: Context) -> pb.ListRoutesResponse:
        route = pb.RouteDescriptor(
            route_id=ROUTE_ID, start=b"", end=b"", raft_group_id=GROUP_ID, state=pb.ROUTE_STATE_ACTIVE
        )
        return pb.ListRoutesResponse(catalog_version=CATALOG_VERSION, routes=[route])
