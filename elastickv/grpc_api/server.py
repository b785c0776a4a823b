"""The gRPC server of a node: one port for administration, RawKV, Distribution, health, reflection, and the peers.

Start binds every address that the host name stands for, or fails with the reason. grpc alone would be content with one
of them: with `localhost` taken on 127.0.0.1 by another program it binds ::1 only and says nothing, and two nodes that
share a port by accident are hard to find. Port sharing between processes is off for the same reason.

Stop is graceful: health says NOT_SERVING and watches end, background operations end, no new calls are taken, and those
in progress have the given time. Streams that never end by themselves (the peers') must be ended by their owner before,
else they use up the time.

Each service has a gate of its own, so none can starve another (`calls`); the peers' handlers have none.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

from elastickv.clock import Clock, SystemClock
from elastickv.config import GrpcSettings
from elastickv.grpc_api.admin import AdminLimits, RaftAdmin
from elastickv.grpc_api.calls import Finished, Gate, Methods, ignore, service
from elastickv.grpc_api.distribution import Distribution
from elastickv.grpc_api.dynamodb_carrier import DynamoDbCarrier, Serve, nobody
from elastickv.grpc_api.forwarding import Forwarder
from elastickv.grpc_api.futures import Futures
from elastickv.grpc_api.health import Health
from elastickv.grpc_api.raw_kv import RawKv
from elastickv.grpc_api.raw_purge import RawPurge
from elastickv.grpc_api.reflection import V1_SERVICE, V1ALPHA_SERVICE, Reflection
from elastickv.kv.ports import ClusterControl, Store
from elastickv.pb import distribution_pb2, dynamodb_pb2, raftadmin_pb2, rawkv_pb2

log = logging.getLogger(__name__)

ADMIN_CALLS: Final = 1024
"""Administration calls in progress, most of them Awaits."""
WATCH_CALLS: Final = 4096
"""Health checks and watches, and reflection streams, in progress (each)."""


class BindError(OSError):
    """The address cannot be listened on; the message says which and why."""


class GrpcServer:
    def __init__(
        self,
        settings: GrpcSettings,
        store: Store,
        control: ClusterControl,
        *,
        request_timeout: float = 5.0,
        contact_limit_seconds: float = 5.0,
        handlers: Sequence[grpc.GenericRpcHandler[Any, Any]] = (),
        options: Sequence[tuple[str, int]] = (),
        service_names: Sequence[str] = (),
        finished: Finished = ignore,
        clock: Clock | None = None,
        admin_limits: AdminLimits | None = None,
        serve_dynamodb: Serve = nobody,
    ) -> None:
        """`handlers` are other rooms' services (the peers' transport), `options` what they want of the server, which
        goes before our own, and `service_names` their full names, for reflection. `finished` is told of every call.
        `contact_limit_seconds`: a leader that was silent for longer counts as lost in health. `serve_dynamodb` is where
        DynamoDB requests that other members send over this address go."""
        self._settings = settings
        self._extra_handlers = tuple(handlers)
        self._extra_options = tuple(options)
        self._finished = finished
        limits = replace(admin_limits or AdminLimits(), request_timeout=request_timeout)
        self._futures = Futures(clock or SystemClock())
        self._forwarder = Forwarder(
            store, request_timeout=request_timeout, max_message_bytes=settings.max_message_bytes
        )
        self._health = Health(store, control, contact_limit_seconds=contact_limit_seconds)
        raw = RawKv(
            store,
            control,
            self._forwarder,
            max_value_bytes=settings.raw_max_value_bytes,
            max_message_bytes=settings.max_message_bytes,
            retention_seconds=settings.raw_retention,
        )
        self._raw_purge = RawPurge(store, retention_seconds=settings.raw_retention)
        distribution = Distribution(store, self._forwarder)
        self.dynamodb = DynamoDbCarrier(self._forwarder, serve_dynamodb)
        admin = RaftAdmin(control, self._futures, limits)
        requests = settings.max_concurrent_requests
        self._services: list[tuple[Any, Methods, int]] = [
            (raftadmin_pb2.DESCRIPTOR.services_by_name["RaftAdmin"], admin.methods(), ADMIN_CALLS),
            (rawkv_pb2.DESCRIPTOR.services_by_name["RawKV"], raw.methods(), requests),
            (distribution_pb2.DESCRIPTOR.services_by_name["Distribution"], distribution.methods(), requests),
            (dynamodb_pb2.DESCRIPTOR.services_by_name["DynamoDb"], self.dynamodb.methods(), requests),
            (health_pb2.DESCRIPTOR.services_by_name["Health"], self._health.methods(), WATCH_CALLS),
        ]
        reflection = Reflection([*(descriptor.full_name for descriptor, _, _ in self._services), *service_names])
        for descriptor in (V1_SERVICE, V1ALPHA_SERVICE):
            self._services.append((descriptor, reflection.methods(), WATCH_CALLS))
        self._server: grpc.aio.Server | None = None
        self._purging: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Bind and serve; returns the port. Raises BindError."""
        size = self._settings.max_message_bytes
        options = {
            "grpc.so_reuseport": 0,
            # Each service checks its requests itself (`calls`): what peers send here has no such limit.
            "grpc.max_send_message_length": -1,
            "grpc.max_receive_message_length": -1,
            # Clients may ping as often as they like, also while nothing is going on: a load balancer's or a driver's
            # keepalive must not get its connection closed for "too many pings".
            "grpc.keepalive_permit_without_calls": 1,
            "grpc.http2.max_ping_strikes": 0,
            "grpc.http2.min_ping_interval_without_data_ms": 1_000,
            # And the server finds out about clients that vanished.
            "grpc.keepalive_time_ms": 30_000,
            "grpc.keepalive_timeout_ms": 10_000,
        }
        options.update(self._extra_options)
        self._server = server = grpc.aio.server(options=tuple(options.items()))
        server.add_generic_rpc_handlers(self._extra_handlers)
        for descriptor, methods, limit in self._services:
            handlers = service(descriptor, methods, Gate(limit), self._finished, max_request_bytes=size)
            server.add_generic_rpc_handlers((handlers,))
        port = await self._bind(server)
        await server.start()
        self._purging = asyncio.create_task(self._raw_purge.run())
        log.info("gRPC door is open", extra={"address": str(self._settings.address), "port": port})
        return port

    async def _bind(self, server: grpc.aio.Server) -> int:
        wanted = self._settings.address
        hosts = await _free_hosts(wanted.host, wanted.port)
        port = wanted.port
        for host in hosts:
            # Asked for port 0, all addresses get the one that the first was given.
            target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            try:
                port = server.add_insecure_port(target)
            except RuntimeError as error:
                raise BindError(f"cannot listen for gRPC on {target} (--address {wanted}): {error}") from None
        return port

    async def stop(self, grace: float) -> None:
        """Take no new calls, give those in progress `grace` seconds, then break what is left."""
        self._health.stop()
        if self._purging is not None:
            self._purging.cancel()
            await asyncio.gather(self._purging, return_exceptions=True)
        await self._futures.close()
        if self._server is not None:
            await self._server.stop(grace)
        await self._forwarder.close()


async def _free_hosts(host: str, port: int) -> list[str]:
    """The numeric addresses behind `host`, all of them free; an empty host is every interface."""
    if not host:
        host = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise BindError(f"cannot listen for gRPC on {host}:{port}: {error.strerror}") from None
    hosts: list[str] = []
    unusable: list[str] = []
    for family, kind, protocol, _, address in dict.fromkeys(found):
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
                hosts.append(str(address[0]))
            except OSError as error:
                reason = f"{address[0]}: {error.strerror}"
                if port and error.errno == errno.EADDRINUSE:
                    raise BindError(
                        f"cannot listen for gRPC on {host}:{port}: {reason}; is another node running here?"
                    ) from None
                unusable.append(reason)  # such as IPv6 on a machine that has switched it off
    if not hosts:
        raise BindError(f"cannot listen for gRPC on {host}:{port}: {'; '.join(unusable)}")
    return hosts
