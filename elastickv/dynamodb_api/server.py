"""The DynamoDB door: listens, makes connections, ends idle ones, does the leader's background work, stops in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from elastickv.clock import Clock
from elastickv.config import DynamoSettings
from elastickv.dynamodb_api.connection import Connection
from elastickv.dynamodb_api.dispatch import Route, Router
from elastickv.dynamodb_api.door import Door, Figures
from elastickv.dynamodb_api.forwarding import Carrier, Forwarder
from elastickv.dynamodb_api.housekeeping import Housekeeping
from elastickv.dynamodb_api.operations import OPERATIONS
from elastickv.dynamodb_api.signing import Verifier, read_credentials
from elastickv.kv.ports import Store
from elastickv.listening import addresses

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class DoorFacts:
    """What the door needs to know of the node and its cluster."""

    dynamo_map: Mapping[str, str]
    """Raft address to DynamoDB address, from --raftDynamoMap."""
    request_timeout: float
    """Seconds."""


class DynamoServer:
    """One per node. Make it on the loop, `start()`, and `stop()` before the loop ends."""

    def __init__(
        self, settings: DynamoSettings, facts: DoorFacts, store: Store, clock: Clock, carrier: Carrier | None = None
    ) -> None:
        """Raises CredentialsError when --dynamoCredentialsFile cannot be read."""
        self._settings = settings
        forwarder = Forwarder(store, facts.dynamo_map, carrier, request_timeout=facts.request_timeout)
        verify = None
        if settings.credentials_file is not None:
            verify = Verifier(read_credentials(settings.credentials_file), clock).verify
        router = Router(OPERATIONS, verify)
        self.door = Door(store, clock, router, forwarder, max_connections=settings.max_connections)
        self.housekeeping = Housekeeping(store)
        self._server: asyncio.Server | None = None
        self._checks: asyncio.TimerHandle | None = None
        self._background: asyncio.Task[None] | None = None
        self.port = settings.address.port
        """The one really listened on."""

    @property
    def figures(self) -> Figures:
        return self.door.figures

    @property
    def routes(self) -> Mapping[bytes, Route]:
        return self.door.router.routes

    async def serve_carried(self, data: bytes) -> bytes:
        """See `Door.serve_carried`."""
        return await self.door.serve_carried(data)

    def on_serving(self) -> None:
        """This node begins to serve, or writes that had been executed were dropped."""
        self.housekeeping.reset()

    async def start(self) -> None:
        """Raises OSError when the address cannot be listened on."""
        address = self._settings.address
        self._server = await self.door.loop.create_server(
            partial(Connection, self.door), addresses(address.host), address.port, backlog=511
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._checks = self.door.loop.call_later(CHECK_SECONDS, self._check_connections)
        self._background = asyncio.create_task(self.housekeeping.run(), name="DynamoDB housekeeping")

    async def stop(self, grace: float = 0.0) -> None:
        """Take no new connections, let answers that are due go out for at most `grace` seconds, close all."""
        if self._background is not None:
            self._background.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._background
        if self._checks is not None:
            self._checks.cancel()
        if self._server is not None:
            self._server.close()
        connections = self.door.connections
        for connection in list(connections):
            connection.finish()
        await self._until(lambda: not connections, self.door.loop.time() + grace)
        for connection in list(connections):
            connection.abort()
        await self.door.end_tasks()
        self.door.forwarder.close()
        if self._server is not None:
            await self._server.wait_closed()

    async def _until(self, done: Callable[[], bool], deadline: float) -> None:
        while not done() and self.door.loop.time() < deadline:  # noqa: ASYNC110 - once per stop; events would cost always
            await asyncio.sleep(0.01)

    def _check_connections(self) -> None:
        """Once a second: connections on which nothing happens, and requests that do not get finished."""
        loop = self.door.loop
        self._checks = loop.call_later(CHECK_SECONDS, self._check_connections)
        limit = self._settings.idle_timeout
        if not limit:
            return
        oldest = loop.time() - limit
        for connection in list(self.door.connections):
            quiet = connection.last_active < oldest and not connection.busy
            if quiet and (connection.inside_request or not connection.peer_node):
                connection.abort()
