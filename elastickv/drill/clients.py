"""The clients of a drill: they ask one node at a time, never repeat a request by themselves, and remember every answer.

Two sorts. A *steady* client belongs to one node for the whole drill; it shows what that node can do. A *roaming* client
goes on to the next node when its own breaks; it shows what the cluster can do. Each request is recorded with the node
in the client's name ("s1@n4").

Redis' protocol is spoken on single connections of redis.asyncio, below its client: there, a request that was not sent
can be told from one whose answer was lost, and nothing is retried behind our back.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from elastickv.config.kinds import parse_address
from elastickv.drill.history import Pending, Recorder, Value
from elastickv.drill.recording import FINAL, Node

REGISTERS, COUNTERS = 3, 2
CONNECT_SECONDS = 2.0
PAUSE_AFTER_FAILURE = 0.05
FINAL_SECONDS = 15.0
"""How long a final request may look for a node that answers."""

Reply: TypeAlias = Any
"""bytes decoded to text, an int, a list, None, or a ResponseError."""


class NotSent(Exception):
    """No connection: the request never left."""


class NoAnswer(Exception):
    """It left, and nobody said what became of it."""


def certainly_not_done(error: str) -> bool:
    """Error replies by which a node promises that nothing was done."""
    return error.startswith(("CLUSTERDOWN", "BUSY", "EXECABORT", "LOADING", "NOAUTH")) or "disk full" in error


@dataclass(slots=True)
class Keys:
    """The contended keys. They change every few seconds, because short histories are checked quickly."""

    prefix: str
    epoch: int = 0

    def of(self, epoch: int) -> list[tuple[str, str]]:
        """Each with the kind of its reads."""
        registers = [(f"{self.prefix}:{epoch}:register-{n}", "get") for n in range(REGISTERS)]
        return registers + [(f"{self.prefix}:{epoch}:counter-{n}", "total") for n in range(COUNTERS)]

    @property
    def now(self) -> list[tuple[str, str]]:
        return self.of(self.epoch)

    @property
    def all(self) -> list[tuple[str, str]]:
        return [key for epoch in range(self.epoch + 1) for key in self.of(epoch)]


@dataclass(slots=True)
class Shared:
    """What all clients of a drill have in common."""

    recorder: Recorder
    nodes: Sequence[Node]
    keys: Keys
    timeout: float
    pause: float
    password: str | None
    stopping: asyncio.Event
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By node and what was said instead of an answer."""


class Client:
    def __init__(self, shared: Shared, name: str, node: int, *, roams: bool, rng: random.Random) -> None:
        self._shared = shared
        self._name = name
        self._at = node
        self._roams = roams
        self._rng = rng
        self._connection: Connection | None = None
        self._count = 0

    @property
    def node(self) -> Node:
        return self._shared.nodes[self._at]

    async def run(self) -> None:
        try:
            while not self._shared.stopping.is_set():
                pause = self._shared.pause
                try:
                    await self._turn()
                except (NotSent, NoAnswer) as error:
                    self._shared.errors[self.node.id, str(error)] += 1
                    await self._leave()
                    pause = PAUSE_AFTER_FAILURE
                await asyncio.sleep(self._rng.uniform(0.5, 1.5) * pause)
        finally:
            await self.close()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _leave(self) -> None:
        await self.close()
        if self._roams:
            self._at = (self._at + 1) % len(self._shared.nodes)

    # ---- requests ---------------------------------------------------------------------------------------------------

    async def _connect(self) -> Connection:
        if self._connection is None:
            address = parse_address(self.node.redis)
            connection = Connection(
                host=address.host,
                port=address.port,
                password=self._shared.password,
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=None,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
                lib_name=None,
                decode_responses=True,
            )
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await connection.connect()  # type: ignore[no-untyped-call]
            except (OSError, RedisError, TimeoutError) as error:
                await connection.disconnect(nowait=True)
                raise NotSent(_words(error, "no connection")) from None
            self._connection = connection
        return self._connection

    async def call(self, *words: str) -> Reply:
        """The reply; an error reply is one like any other. Raises NotSent or NoAnswer."""
        connection = await self._connect()
        try:
            async with asyncio.timeout(self._shared.timeout):
                await connection.send_command(*words)
                return await connection.read_response()
        except ResponseError as error:
            return error
        except TimeoutError:
            raise NoAnswer(f"no answer within {self._shared.timeout:g} s") from None
        except (OSError, RedisError) as error:
            raise NoAnswer(_words(error, "connection lost")) from None

    async def _ask(self, kind: str, key: str, argument: Value, told: Callable[[Reply], Value], *words: str) -> Reply:
        """One recorded request."""
        pending = self._shared.recorder.invoke(f"{self._name}@{self.node.id}", kind, key, argument)
        try:
            reply = await self.call(*words)
        except NotSent:
            pending.fail()
            raise
        except NoAnswer:
            pending.unknown()
            raise
        except asyncio.CancelledError:
            pending.unknown()
            raise
        self._end(pending, reply, told)
        return reply

    def _end(self, pending: Pending, reply: Reply, told: Callable[[Reply], Value]) -> None:
        if isinstance(reply, list) and reply and isinstance(reply[0], ResponseError):
            reply = reply[0]  # of the one command in a transaction
        if isinstance(reply, ResponseError):
            self._shared.errors[self.node.id, str(reply)] += 1
            if certainly_not_done(str(reply)):
                pending.fail()
            else:
                pending.unknown()
        elif pending.kind == "cas" and reply is None:
            pending.fail()  # the key changed, or might have: nothing was done
        else:
            pending.ok(told(reply))

    async def read(self, kind: str, key: str) -> Reply:
        return await self._ask(kind, key, None, lambda reply: _value(kind, reply), "GET", key)

    # ---- what a client does -----------------------------------------------------------------------------------------

    async def _turn(self) -> None:
        key, kind = self._rng.choice(self._shared.keys.now)
        chance = self._rng.random()
        if chance < 0.5:
            await self.read(kind, key)
        elif kind == "total":
            await self._ask("add", key, 1, int, "INCR", key)
        elif chance < 0.9:
            value = self._unique()
            await self._ask("set", key, value, lambda _: None, "SET", key, value)
        else:
            await self._compare_and_set(key)

    def _unique(self) -> str:
        self._count += 1
        return f"{self._name}.{self._count}"

    async def _compare_and_set(self, key: str) -> None:
        """WATCH, GET, MULTI, SET, EXEC."""
        if isinstance(await self.call("WATCH", key), ResponseError):
            return
        seen = await self.read("get", key)
        if isinstance(seen, ResponseError):
            await self.call("UNWATCH")
            return
        value = self._unique()
        for words in (("MULTI",), ("SET", key, value)):
            if isinstance(await self.call(*words), ResponseError):
                await self.close()
                return
        await self._ask("cas", key, (seen, value), lambda _: True, "EXEC")


def _value(kind: str, reply: Reply) -> Value:
    if kind == "total":
        return int(reply or 0)
    return None if reply is None else str(reply)


def _words(error: BaseException, otherwise: str) -> str:
    """Without what differs from one time to the next, so that the same trouble counts as the same."""
    if isinstance(error, TimeoutError):
        return "no connection in time"
    text = str(error).strip() or otherwise
    return text if len(text) <= 160 else text[:157] + "..."


def clients(shared: Shared, *, steady: int, roaming: int, seed: int) -> list[Client]:
    """`steady` for each node, and `roaming` that begin at different ones."""
    count = len(shared.nodes)
    plan = [(f"s{n}", n % count, False) for n in range(steady * count)]
    plan += [(f"r{n}", n % count, True) for n in range(roaming)]
    return [
        Client(shared, name, node, roams=roams, rng=random.Random(seed * 7919 + number))
        for number, (name, node, roams) in enumerate(plan)
    ]


class Closer(Client):
    """Comes when the others have ended: reads every key once more, and leaves nothing behind in the cluster."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared, FINAL, 0, roams=True, rng=random.Random(0))

    async def read_all(self) -> bool:
        """Through whichever node answers. False when none did in time."""
        for key, kind in self._shared.keys.all:
            if not await self._insist(self._final_read, kind, key):
                return False
        return True

    async def delete_all(self) -> bool:
        keys = [key for key, _ in self._shared.keys.all]
        for start in range(0, len(keys), 500):
            if not await self._insist(self.call, "DEL", *keys[start : start + 500]):
                return False
        return True

    async def _final_read(self, kind: str, key: str) -> Reply:
        pending = self._shared.recorder.invoke(FINAL, kind, key)
        try:
            reply = await self.call("GET", key)
        except (NotSent, NoAnswer):
            pending.fail()
            raise
        self._end(pending, reply, lambda reply: _value(kind, reply))
        return reply

    async def _insist(self, ask: Callable[..., Awaitable[Reply]], *words: str) -> bool:
        """At one node after the other, until one does it."""
        deadline = asyncio.get_running_loop().time() + max(FINAL_SECONDS, self._shared.timeout)
        while asyncio.get_running_loop().time() < deadline:
            try:
                if not isinstance(await ask(*words), ResponseError):
                    return True
            except (NotSent, NoAnswer):
                pass
            await self._leave()
            await asyncio.sleep(PAUSE_AFTER_FAILURE)
        return False
