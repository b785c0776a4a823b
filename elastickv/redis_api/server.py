"""The Redis door: listens, makes connections, looks after the clients, stops in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from time import perf_counter_ns
from typing import Final

from elastickv.clock import Clock
from elastickv.config import RedisSettings
from elastickv.kv.ports import ClusterControl, Store
from elastickv.kv.view import View
from elastickv.listening import addresses
from elastickv.redis_api.acl.sessions import follow_users
from elastickv.redis_api.commands import COMMANDS, INTERNAL
from elastickv.redis_api.connection import Connection
from elastickv.redis_api.dispatch import Router
from elastickv.redis_api.hub import Hub
from elastickv.redis_api.monitor import feed
from elastickv.redis_api.parameters import shared_defaults, take_shared
from elastickv.redis_api.pubsub import Event
from elastickv.redis_api.scripting.scripts import Scripts
from elastickv.redis_api.state import NodeFacts, ServerState
from elastickv.redis_api.values.databases import Databases

log = logging.getLogger(__name__)

CRON_SECONDS: Final = 1.0


class RedisServer:
    """One per node. Make it on the loop, `start()`, and `stop()` before the loop ends."""

    def __init__(
        self,
        settings: RedisSettings,
        facts: NodeFacts,
        store: Store,
        control: ClusterControl,
        databases: Databases,
        clock: Clock,
    ) -> None:
        self.state = ServerState(settings, facts, store, control, databases, clock)
        self.router = Router(COMMANDS, INTERNAL)
        self.state.commands = self.router.stats
        self.state.scripts = Scripts(self.state, self.router)
        self.hub = Hub(self.state, self.router)
        self.state.memory.changed = self.router.refuse_growth
        self.router.monitor = lambda session, argv: feed(session, self.router, (argv,))
        self.state.shared.start(partial(take_shared, self.state), shared_defaults(self.state))
        self.state.users.start(self._users_changed)
        self.state.scripts.slices.on_free = self._script_ended
        self._server: asyncio.Server | None = None
        self._cron: asyncio.TimerHandle | None = None
        self._calls = 0
        self._last_leader = ""
        self._unwatch = control.watch(self._leadership_changed)

    @property
    def port(self) -> int:
        """The port that is listened on (the system's choice when the settings say 0)."""
        return self.state.port

    async def start(self) -> None:
        address = self.state.settings.address
        self._server = await self.hub.loop.create_server(
            partial(Connection, self.hub), addresses(address.host), address.port, backlog=511
        )
        self.state.port = self._server.sockets[0].getsockname()[1]
        self._cron = self.hub.loop.call_later(CRON_SECONDS, self._look_after_clients)
        self.state.memory.start(self.hub.loop)
        self.hub.peers.start()

    async def stop(self, grace: float = 0.0) -> None:
        """Take no new connections, let replies that are due go out for at most `grace` seconds, close all."""
        self.hub.closing = True
        self.state.scripts.stop()
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the client whose script was ended gets its reply
        self._unwatch()
        self.state.memory.stop()
        if self._cron is not None:
            self._cron.cancel()
        if self._server is not None:
            self._server.close()
        await self.hub.peers.stop()
        deadline = self.hub.loop.time() + grace
        await self._until(lambda: not self._busy(), deadline)
        for session in list(self.hub.clients.values()):
            session.link.close_after_replies()
        await self._until(lambda: not self.hub.clients, deadline)
        for session in list(self.hub.clients.values()):
            session.link.abort()
        self.hub.stop()
        if self._server is not None:
            await self._server.wait_closed()

    def on_serving(self) -> None:
        """This node begins to serve, or writes that had been executed were dropped: what is kept in memory beside the
        view is read again. Call before any command runs."""
        for session in self.hub.clients.values():
            # Also those whose keys are watched at the former leader: EXEC would run here, where nobody watches.
            session.lose_watches()
        self.state.databases.load()
        self.state.shared.reload()
        self.state.users.reload()
        self.state.scripts.reset()
        self._leadership_changed()

    def _users_changed(self) -> None:
        for session in list(self.hub.clients.values()):
            follow_users(session)

    async def expire(self, limit: int) -> int:
        """Remove at most `limit` keys whose time has come, and tell those who want to know; how many were removed."""
        databases, state = self.state.databases, self.state
        if state.paused:
            return 0  # as Redis: nothing changes during CLIENT PAUSE

        def cycle(_: View) -> tuple[int, list[Event]]:
            started = perf_counter_ns()
            removed = databases.clearing.expire_due(limit)
            state.latency_of("expire-cycle", perf_counter_ns() - started)
            return removed, state.take_outgoing()

        expired, events = await state.store.execute(cycle)
        state.pubsub.publish_all(events)
        return expired

    def on_not_serving(self) -> None:
        """This node leads no more."""
        self.hub.blocking.step_down()
        self.state.shared.reload()
        self.state.users.reload()
        self.state.scripts.reset()

    def _script_ended(self) -> None:
        """A script that had stepped aside is over: the clients that waited go on."""
        self.hub.blocking.serve_soon()
        self.hub.loop.call_soon(self.hub.wake)

    def _leadership_changed(self) -> None:
        leader = self.state.leader()
        if leader is not None and leader.id != self._last_leader:
            self._last_leader = leader.id
            self.state.tracking.forget_all()  # the former one may have had no time to tell of its last changes
        if self.hub.waiting or self.hub.resting:
            self.hub.loop.call_soon(self.hub.wake)

    async def _until(self, done: Callable[[], bool], deadline: float) -> None:
        while not done() and self.hub.loop.time() < deadline:  # noqa: ASYNC110 - once per stop; events would cost always
            await asyncio.sleep(0.01)

    def _busy(self) -> bool:
        return any(session.link.figures().output_parts for session in self.hub.clients.values())

    def _look_after_clients(self) -> None:
        """Once a second: idle clients, clients that do not read."""
        self._cron = self.hub.loop.call_later(CRON_SECONDS, self._look_after_clients)
        state = self.state
        calls = sum(command.calls for command in self.router.stats.values())
        state.operations_per_second = max(0, calls - self._calls)
        self._calls = calls
        self.hub.peers.check()
        limit = state.timeout_seconds
        for session in list(self.hub.clients.values()):
            link = session.link
            waits = session.blocked is not None or link.waits_at_leader or bool(session.subscriptions)
            if limit and not waits and link.figures().idle_seconds > limit:
                log.debug("client %d closed: idle", session.id)
                link.abort()
            elif state.output_limited or session.subscriptions:
                link.check_output()
