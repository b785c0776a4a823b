"""The node: the only place that builds real objects, wires them, starts and stops them.

Start: data directory (locked, identity checked) -> group (log and state reconciled) -> gRPC door (peers can reach us)
-> the group begins to tick -> client doors -> metrics. Stop, in reverse and within the shutdown timeout: hand the lead
over, take no new requests, let those in progress end, flush, close.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import signal

import uvloop

from elastickv import __version__, allocator
from elastickv.clock import SystemClock
from elastickv.config import Settings
from elastickv.dynamodb_api.server import DoorFacts, DynamoServer
from elastickv.dynamodb_api.signing import CredentialsError
from elastickv.errors import KvError
from elastickv.grpc_api.server import BindError, GrpcServer
from elastickv.observability import metrics as m
from elastickv.observability.health import Health, liveness, readiness
from elastickv.observability.http import MetricsServer
from elastickv.observability.metrics import Metrics
from elastickv.observability.sources import ClusterPoints, GrpcCounts, dynamodb_operations, health, redis_commands
from elastickv.raft.types import Member, Role
from elastickv.redis_api.server import RedisServer
from elastickv.redis_api.state import NodeFacts
from elastickv.redis_api.values.databases import Databases
from elastickv.runtime.group import Group
from elastickv.runtime.membership import GroupControl
from elastickv.runtime.settings import GroupSettings
from elastickv.runtime.store import GroupStore
from elastickv.storage.data_dir import DataDirectory, DataDirectoryError
from elastickv.transport.grpc_transport import GrpcTransport

_log = logging.getLogger(__name__)

PEER_SERVICE = "elastickv.peer.v1.Peer"


class StartError(Exception):
    """The node cannot start; the message is one clear line for the operator."""


class Node:
    """One running node."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self.settings = settings
        self.stop_requested = asyncio.Event()
        self.failed = ""
        """Why the node stopped by itself; empty after an orderly stop."""
        clock = SystemClock()
        rng = random.SystemRandom()
        raft = settings.raft
        self.data_dir = DataDirectory.open(raft.data_dir, raft.id)
        group_settings = GroupSettings(
            node_id=raft.id,
            address=str(settings.grpc.address),
            version=__version__,
            heartbeat_interval=raft.heartbeat_interval,
            election_timeout=raft.election_timeout,
            request_timeout=settings.node.request_timeout,
            max_append_bytes=raft.max_append_bytes,
            snapshot_entries=raft.snapshot_entries,
            log_retain=raft.log_retain,
            log_retain_bytes=raft.log_retain_bytes,
            flush_interval=settings.storage.flush_interval,
            memtable_bytes=settings.storage.memtable_bytes,
            disk_reserve_bytes=settings.storage.reserve_bytes,
            map_bytes=settings.storage.map_bytes,
        )
        self.transport = GrpcTransport(self.data_dir.incoming_dir, rng)
        self.group = Group(group_settings, self.data_dir, self.transport, clock, loop, rng)
        self.group.on_fatal = self._on_fatal
        self.store = GroupStore(self.group)
        self.control = GroupControl(self.group, self.request_stop)
        self.grpc_counts = GrpcCounts()
        self._contact_limit = 3 * raft.election_timeout
        self.grpc = GrpcServer(
            settings.grpc,
            self.store,
            self.control,
            request_timeout=settings.node.request_timeout,
            contact_limit_seconds=self._contact_limit,
            handlers=(self.transport.handlers(),),
            options=self.transport.settings.server_options(),
            service_names=(PEER_SERVICE,),
            finished=self.grpc_counts.finished,
            serve_dynamodb=self._serve_dynamodb,
        )
        self.databases = Databases(self.group.view, settings.redis.databases, random.Random(rng.getrandbits(64)))
        facts = NodeFacts(
            id=raft.id,
            raft_address=str(settings.grpc.address),
            redis_map=raft.redis_map,
            request_timeout=settings.node.request_timeout,
            version=__version__,
            data_dir=str(self.data_dir.path),
            config_file=str(settings.node.config or ""),
        )
        self.redis = RedisServer(settings.redis, facts, self.store, self.control, self.databases, clock)
        self.group.executor.on_serving.append(self.redis.on_serving)
        self.group.executor.on_not_serving.append(self.redis.on_not_serving)
        self.group.executor.before_proposal.append(self.databases.save_sizes)
        door = DoorFacts(dynamo_map=raft.dynamo_map, request_timeout=settings.node.request_timeout)
        self.dynamo = DynamoServer(settings.dynamo, door, self.store, clock, self.grpc.dynamodb)
        self.group.executor.on_serving.append(self.dynamo.on_serving)
        self.metrics = Metrics(raft.id, str(settings.grpc.address))
        self._register_metrics()
        self.metrics_server = MetricsServer(self.metrics, self._live, self._ready, token=settings.metrics.token)
        self._background: asyncio.Task[None] | None = None

    def _on_fatal(self, reason: str) -> None:
        self.failed = reason
        self.stop_requested.set()

    def request_stop(self) -> None:
        """Begin the orderly stop."""
        self.stop_requested.set()

    async def _serve_dynamodb(self, data: bytes) -> bytes:
        """The DynamoDB door is made after the gRPC door, which needs it."""
        return await self.dynamo.serve_carried(data)

    def _live(self) -> Health:
        return liveness(self.control.status())

    def _ready(self) -> Health:
        return readiness(self.control.status(), contact_limit_seconds=self._contact_limit)

    def _register_metrics(self) -> None:
        metrics, group = self.metrics, self.group
        metrics.register_source(ClusterPoints(self.control))
        metrics.register_source(self.grpc_counts)
        metrics.register_source(health(self._live, self._ready))
        metrics.register_source(redis_commands(lambda: self.redis.state.commands))
        redis = self.redis.state.stats
        metrics.register_value(m.REDIS_CLIENTS, lambda: len(self.redis.hub.clients))
        metrics.register_value(m.REDIS_CONNECTIONS, lambda: redis.connections_received)
        metrics.register_value(m.REDIS_CONNECTIONS_REJECTED, lambda: redis.connections_rejected)
        metrics.register_value(m.REDIS_INPUT_BYTES, lambda: redis.bytes_in)
        metrics.register_value(m.REDIS_OUTPUT_BYTES, lambda: redis.bytes_out)
        figures = self.dynamo.figures
        metrics.register_source(dynamodb_operations(self.dynamo.routes.values))
        metrics.register_value(m.DYNAMODB_CLIENTS, lambda: len(self.dynamo.door.connections))
        metrics.register_value(m.DYNAMODB_CONNECTIONS, lambda: figures.connections)
        metrics.register_value(m.DYNAMODB_CONNECTIONS_REJECTED, lambda: figures.rejected)
        metrics.register_value(m.RAFT_DISPATCH_DROPPED, lambda: self.transport.dropped, 1)
        metrics.register_value(m.RAFT_PROPOSALS_FAILED, lambda: group.proposals_failed, 1)
        metrics.register_value(m.LEASE_READS, lambda: group.executor.lease_reads, "hit")
        metrics.register_value(m.LEASE_READS, lambda: group.executor.confirmed_reads, "miss")
        metrics.register_value(m.STORAGE_MEMTABLE_BYTES, lambda: group.view.applied.size_bytes, 1)
        metrics.register_value(m.STORAGE_STATE_BYTES, self._state_bytes, 1)
        metrics.register_value(m.STORAGE_LOG_BYTES, group.log.size_bytes, 1)
        metrics.register_value(m.STORAGE_DISK_FULL, lambda: int(bool(group.flushing.disk_full)), 1)
        metrics.register_value(
            m.STORAGE_FLUSH_DURATION, lambda: m.CountAndSum(group.flushing.flushes, group.flushing.flush_seconds), 1
        )

    def _state_bytes(self) -> int:
        # A snapshot may bring another engine, so it is looked up each time.
        return self.group.engine.size_bytes()

    async def start(self) -> None:
        """Open all doors. Raises StartError when one cannot be opened."""
        settings = self.settings
        try:
            await self.grpc.start()
        except BindError as error:
            raise StartError(f"the gRPC door cannot be opened (--address): {error}") from error
        members = tuple(Member(one.id, str(one.address)) for one in settings.raft.bootstrap_members)
        await self.group.start(bootstrap=settings.raft.bootstrap, members=members)
        address = settings.redis.address
        try:
            await self.redis.start()
        except OSError as error:
            raise StartError(
                f"the Redis door cannot be opened at {address} (--redisAddress): {error.strerror}"
            ) from error
        address = settings.dynamo.address
        try:
            await self.dynamo.start()
        except OSError as error:
            raise StartError(
                f"the DynamoDB door cannot be opened at {address} (--dynamoAddress): {error.strerror}"
            ) from error
        await self._start_metrics()
        self._background = asyncio.create_task(self._keep_house(), name="background work")
        _log.info(
            "node is up",
            extra={
                "version": __version__,
                "grpc": str(settings.grpc.address),
                "redis": str(settings.redis.address),
                "dynamodb": str(settings.dynamo.address),
                "data": str(self.data_dir.path),
                "cluster": self.data_dir.cluster_id,
            },
        )

    async def _start_metrics(self) -> None:
        settings = self.settings.metrics
        if settings.address is None:
            return
        try:
            await self.metrics_server.start(settings.address.host, settings.address.port)
        except OSError as error:
            message = f"the metrics door cannot be opened at {settings.address} (--metricsAddress): {error.strerror}"
            if settings.address_given:
                raise StartError(message) from error
            _log.warning("%s; going on without it, because nobody asked for it", message)

    async def _keep_house(self) -> None:
        """The leader's background work: keys whose time has come, generations that nobody can see any more."""
        databases = self.databases
        while True:
            await asyncio.sleep(0.1)
            try:
                while self.store.serving and not self.group.executor.refusal:
                    expired = await self.redis.expire(200)
                    purged = await self.store.execute(lambda view: databases.clearing.purge(1000))
                    if expired < 200 and not purged:
                        break
                    await asyncio.sleep(0)
            except KvError as error:
                _log.debug("background work was interrupted: %s", error)
            except Exception:
                _log.exception("background work failed")

    async def stop(self) -> None:
        """Hand over, drain, flush, close; within the shutdown timeout as far as that is ours to decide."""
        budget = self.settings.node.shutdown_timeout
        started = asyncio.get_running_loop().time()

        def left(most: float) -> float:
            return max(0.0, min(most, budget - 0.5 - (asyncio.get_running_loop().time() - started)))

        if self._background is not None:
            self._background.cancel()
            await asyncio.gather(self._background, return_exceptions=True)
        await self._hand_over(left(2.0))
        await self.redis.stop(left(1.0))
        await self.dynamo.stop(left(1.0))
        self.group.stopping = True
        await self.transport.stop()
        await self.grpc.stop(left(1.0))
        await self.metrics_server.close()
        await self.group.stop()
        _log.info("node is down")

    async def _hand_over(self, seconds: float) -> None:
        group = self.group
        if group.node.role is not Role.LEADER or len(group.gate.voters) < 2 or not seconds:
            return
        try:
            await self.control.transfer_leadership(timeout=seconds)
        except KvError as error:
            _log.warning("the lead could not be handed over: %s", error)


async def _serve(settings: Settings) -> int:
    loop = asyncio.get_running_loop()
    node = Node(settings, loop)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, node.request_stop)
    try:
        await node.start()
        # What was made so far stays: the collector need not look at it ever again.
        gc.collect()
        gc.freeze()
        await node.stop_requested.wait()
    finally:
        await node.stop()
    if node.failed:
        _log.error("stopped: %s", node.failed)
        return 1
    return 0


def run(settings: Settings) -> int:
    """Run a node until it is told to stop; the exit code."""
    allocator.configure()
    # Long-lived objects are many and cyclic garbage is rare here: look for it less often than by default.
    gc.set_threshold(50_000, 20, 50)
    try:
        return uvloop.run(_serve(settings))
    except (StartError, DataDirectoryError, CredentialsError) as error:
        _log.error("%s", error)
        return 1
    except KvError as error:
        _log.error("the node cannot start: %s", error)
        return 1
