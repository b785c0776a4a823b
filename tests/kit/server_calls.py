"""A whole Redis server in process, without sockets: the router, one client, all rules of the dispatcher."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, cast

from elastickv.config import RedisSettings
from elastickv.redis_api.commands import COMMANDS, INTERNAL
from elastickv.redis_api.dispatch import Router
from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.replies import encode
from elastickv.redis_api.scripting.scripts import Scripts
from elastickv.redis_api.session import Clients, Link, LinkFigures, Session
from elastickv.redis_api.state import NodeFacts, ServerState
from tests.kit.fake_redis_store import FakeStore, make_databases
from tests.kit.raw_redis import decode
from tests.kit.redis_calls import Word, plain, words


class _Link:
    """A connection that nobody reads."""

    def figures(self) -> LinkFigures:
        return LinkFigures(*(0,) * 6, [])

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


class ServerCalls:
    def __init__(self, settings: RedisSettings | None = None) -> None:
        self.store = FakeStore()
        self.databases = make_databases(self.store)
        facts = NodeFacts(
            id="n1",
            raft_address="127.0.0.1:50051",
            redis_map=MappingProxyType({}),
            request_timeout=1.0,
            version="0.0.0",
        )
        control = cast(Any, None)  # no test of scripts looks at the cluster
        self.state = ServerState(
            settings or RedisSettings(), facts, self.store, control, self.databases, self.store.clock
        )
        self.router = Router(COMMANDS, INTERNAL)
        self.state.commands = self.router.stats
        self.state.scripts = Scripts(self.state, self.router)
        self.session = Session(self.state, Clients(), cast(Link, _Link()), self.router.execute)
        self.call = self.session.call

    def reply(self, argv: list[bytes]) -> object:
        """The reply; errors are returned."""
        try:
            return self.router.execute(self.call, argv)
        finally:
            self.databases.save_sizes()
            self.store.settle()

    def wire(self, argv: list[bytes]) -> bytes:
        return encode(self.reply(argv), self.call.protocol)

    def run(self, *argv: Word) -> Any:
        """The reply in plain Python: simple strings as bytes; errors are raised."""
        reply = self.reply(words(*argv))
        if isinstance(reply, RedisError):
            raise reply
        decoded = decode(encode(reply, self.call.protocol))
        return plain(decoded)

    def error(self, *argv: Word) -> bytes:
        reply = self.reply(words(*argv))
        assert isinstance(reply, RedisError), f"no error: {reply!r}"
        return reply.text

    def eval(self, script: str | bytes, *rest: Word) -> Any:
        """EVAL without keys."""
        return self.run("EVAL", script, 0, *rest)

    def eval_error(self, script: str | bytes, *rest: Word) -> bytes:
        return self.error("EVAL", script, 0, *rest)
