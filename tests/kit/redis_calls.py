"""Runs Redis commands in process: handler by handler, on a real view over a dict, without sockets or sessions."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import cast

from elastickv.errors import KvError
from elastickv.redis_api.commands import COMMANDS
from elastickv.redis_api.errors import RedisError, from_fault, unknown_command, unknown_subcommand, wrong_arity
from elastickv.redis_api.registry import Command
from elastickv.redis_api.replies import NULL_ARRAY, Simple, encode
from elastickv.redis_api.session import Block, Call, Session
from elastickv.redis_api.values.databases import Databases
from tests.kit.fake_redis_store import FakeStore

Word = bytes | str | int


def words(*argv: Word) -> list[bytes]:
    return [one if isinstance(one, bytes) else str(one).encode() for one in argv]


class RedisCalls:
    """One client on an empty server. Commands that would block time out at once."""

    def __init__(self, *, seed: int = 1, max_bulk_bytes: int = 512 << 20, batch: int = 1) -> None:
        """`batch`: so many commands are committed together."""
        self._batch = batch
        self._unsettled = 0
        self.store = FakeStore()
        self.databases = Databases(self.store.view, 16, random.Random(seed))
        self.databases.load()
        no_script = SimpleNamespace(engine=SimpleNamespace(running=None))
        self.state = SimpleNamespace(max_bulk_bytes=max_bulk_bytes, databases=self.databases, scripts=no_script)
        session = cast(
            Session, SimpleNamespace(state=self.state, in_exec=False, user=SimpleNamespace(unrestricted=True))
        )
        self.call = Call(session, self.databases, self.store.view)

    @property
    def now_ms(self) -> int:
        return self.store.view.now_ms

    def sleep(self, milliseconds: int) -> None:
        self.store.view.now_ms += milliseconds

    def select(self, number: int) -> None:
        self.call.db = self.databases.numbered[number]

    def reply(self, argv: list[bytes]) -> object:
        """The reply; errors are returned."""
        try:
            command = self._find(argv)
            if not command.accepts(len(argv)):
                raise wrong_arity(command.name)
            self.call.argv = argv
            reply = command.handler(self.call)
            # Nobody else is there who could end the wait.
            return NULL_ARRAY if isinstance(reply, Block) else reply
        except RedisError as error:
            error.__traceback__ = error.__context__ = None
            return error
        except KvError as fault:
            return from_fault(fault)
        finally:
            self._unsettled += 1
            if self._unsettled >= self._batch:
                self._unsettled = 0
                self.databases.save_sizes()
                self.store.settle()

    def _find(self, argv: list[bytes]) -> Command:
        command = COMMANDS.get(argv[0].lower().decode("latin-1"))
        if command is None:
            raise unknown_command(argv)
        if command.subcommands and len(argv) > 1:
            sub = command.subcommands.get(argv[1].lower().decode("latin-1"))
            if sub is None:
                raise unknown_subcommand(argv[0], argv[1])
            return sub
        return command

    def wire(self, argv: list[bytes], protocol: int) -> bytes:
        """The reply as it goes over the wire."""
        self.call.protocol = protocol
        return encode(self.reply(argv), protocol)

    def run(self, *argv: Word) -> object:
        """The reply in plain Python: simple strings and views as bytes; errors are raised."""
        reply = self.reply(words(*argv))
        if isinstance(reply, RedisError):
            raise reply
        return plain(reply)

    def error(self, *argv: Word) -> bytes:
        """The text of the error that this must be answered with."""
        reply = self.reply(words(*argv))
        assert isinstance(reply, RedisError), f"no error: {reply!r}"
        return reply.text


def plain(reply: object) -> object:
    if isinstance(reply, Simple):
        return reply.text
    if isinstance(reply, memoryview | bytearray):
        return bytes(reply)
    if isinstance(reply, list | tuple):
        return [plain(one) for one in reply]
    if isinstance(reply, dict):
        return {plain(key): plain(value) for key, value in reply.items()}
    return reply
