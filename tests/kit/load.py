"""Redis clients that work on a cluster while it is being mistreated, and remember everything they were told.

They run on a loop and a thread of their own, so that a test can kill, pause and ask nodes in plain sequence. What they
record is checked afterwards: the operations on a handful of contended keys for linearizability (`elastickv.drill`), and
a ledger of keys that are written once each for losses (acknowledged, but not there) and resurrections (refused, but
there).

A client talks to one node. When the connection breaks it goes to the next node that answers, as clients of a cluster
do; it never repeats a request by itself.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType

import hiredis

from elastickv.drill.checker import Report, Verdict, check
from elastickv.drill.history import Outcome, Pending, Recorder, Value
from tests.kit.local_cluster import LocalCluster, Node
from tests.kit.resp_client import Hung, NoAnswer, NotSent, Reply, RespConnection

REGISTERS = 3
COUNTERS = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """An acknowledged request."""

    client: str
    write: bool
    asked_at: float
    answered_at: float

    @property
    def seconds(self) -> float:
        return self.answered_at - self.asked_at


@dataclass(frozen=True, slots=True)
class Findings:
    """What the clients saw, judged."""

    report: Report
    lost: tuple[str, ...]
    resurrected: tuple[str, ...]
    ledger: int
    """Acknowledged entries of the ledger."""

    def assert_sound(self) -> None:
        assert self.report.verdict is Verdict.LINEARIZABLE, str(self.report)
        assert not self.lost, f"acknowledged but not there: {self.lost[:10]}"
        assert not self.resurrected, f"refused but there: {self.resurrected[:10]}"
        assert self.ledger, "no write was acknowledged"


def certainly_not_done(error: str) -> bool:
    """Error replies that promise that nothing was done (contracts, section 3)."""
    return error.startswith(("CLUSTERDOWN", "BUSY", "EXECABORT")) or "disk full" in error


class Load:
    """Use as a context manager: leaving it stops the clients. Then `findings`."""

    def __init__(
        self,
        cluster: LocalCluster,
        *,
        writers: Sequence[str] = ("w0",),
        mixed: int = 3,
        readers: int = 0,
        seed: int = 1,
        timeout: float = 15.0,
    ) -> None:
        """`writers` (by name) only write, without a pause; `mixed` clients read, write, count and compare-and-set;
        `readers` only read. `timeout`: after how many seconds a client calls a request hung."""
        self.cluster = cluster
        self.timeout = timeout
        self.recorder = Recorder(time.monotonic)
        self.answers: list[Answer] = []
        self.refused: list[str] = []
        """Error replies that promise that nothing was done."""
        self.unknown: list[str] = []
        """Writes whose outcome nobody told: error replies that say so, and connections that broke."""
        self.surprises: list[str] = []
        """Error replies that no client should ever see."""
        self.hung: list[str] = []
        self.stopping = False
        self.epoch = 0
        self.entries: dict[str, Outcome] = {}
        """The ledger: key to what became of its write."""
        names = [(name, "writer") for name in writers]
        names += [(f"m{n}", "mixed") for n in range(mixed)] + [(f"r{n}", "reader") for n in range(readers)]
        running = cluster.running
        self._clients = {
            name: _Client(self, name, role, running[n % len(running)], random.Random(seed * 1000 + n))
            for n, (name, role) in enumerate(names)
        }
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._failure: BaseException | None = None

    # the test's side

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Let every client finish its request."""
        self.stopping = True
        self._thread.join(self.timeout + 10)
        assert not self._thread.is_alive(), "a client does not end"
        if self._failure is not None:
            raise self._failure

    def steer(self, client: str, node: Node) -> None:
        """Make the client go to this node before its next request."""
        self._clients[client].wanted = node

    def node_of(self, client: str) -> Node:
        return self._clients[client].wanted

    @property
    def clients(self) -> list[str]:
        return list(self._clients)

    def new_keys(self) -> None:
        """Go on with fresh keys: short histories are checked quickly, and the old keys are read again at the end."""
        self.epoch += 1

    def wait_for_write(self, client: str, *, asked_after: float, timeout: float = 30.0) -> Answer:
        """The client's first acknowledged write that was asked for after that time."""
        deadline = time.monotonic() + timeout
        while self._thread.is_alive():
            for answer in self._recent(asked_after):
                if answer.client == client and answer.write and answer.asked_at >= asked_after:
                    return answer
            if time.monotonic() > deadline:
                tails = "\n".join(node.log_tail() for node in self.cluster.nodes)
                raise AssertionError(
                    f"{client} at {self.node_of(client)!r} got no write acknowledged within {timeout:g} s; "
                    f"refused: {self.refused[-3:]}, unknown: {self.unknown[-3:]}\n{tails}"
                )
            time.sleep(0.005)
        raise AssertionError(f"the clients have ended: {self._failure!r}")

    def _recent(self, after: float) -> list[Answer]:
        """Oldest first; answers are in the order in which they came."""
        index = len(self.answers)
        while index and self.answers[index - 1].answered_at >= after:
            index -= 1
        return self.answers[index:]

    def longest_gap(self, client: str, begin: float, end: float) -> float:
        """Longest time between two acknowledged writes of the client, inside that span."""
        times = [a.answered_at for a in self._recent(begin) if a.client == client and a.write and a.answered_at <= end]
        assert len(times) > 1, f"{client} wrote nothing between {begin:.3f} and {end:.3f}"
        return max(after - before for before, after in itertools.pairwise(times))

    @property
    def troubles(self) -> list[str]:
        """Every request that was not answered with what was asked for."""
        return [*self.refused, *self.unknown, *self.surprises, *self.hung]

    def findings(self, node: Node, *, seconds: float = 60.0) -> Findings:
        """Read everything once more through `node` and judge. After `stop`."""
        lost, resurrected = asyncio.run(self._final_reads(node))
        report = check(self.recorder.history(), timeout_seconds=seconds)
        kept = sum(outcome is Outcome.OK for outcome in self.entries.values())
        return Findings(report, tuple(lost), tuple(resurrected), kept)

    # the clients' side

    def _run(self) -> None:
        try:
            asyncio.run(self._all())
        except BaseException as error:
            self._failure = error

    async def _all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for client in self._clients.values():
                group.create_task(client.run())

    async def _final_reads(self, node: Node) -> tuple[list[str], list[str]]:
        connection = await RespConnection.open(node.ip, self.cluster.ports.redis)
        try:
            for epoch in range(self.epoch + 1):
                for key, kind in _keys(epoch):
                    pending = self.recorder.invoke("final", kind, key)
                    reply = await connection.call("GET", key, timeout=self.timeout)
                    assert reply is None or isinstance(reply, bytes), f"final read of {key}: {reply!r}"
                    pending.ok(_value(kind, reply))
            lost, resurrected = [], []
            for keys in _chunks(list(self.entries), 500):
                values = await connection.call("MGET", *keys, timeout=self.timeout)
                assert isinstance(values, list), f"final read of the ledger: {values!r}"
                for key, value in zip(keys, values, strict=True):
                    outcome = self.entries[key]
                    if outcome is Outcome.OK and value != key.encode():
                        lost.append(key)
                    elif outcome is Outcome.FAIL and value is not None:
                        resurrected.append(key)
            return lost, resurrected
        finally:
            connection.close()


class _Client:
    def __init__(self, load: Load, name: str, role: str, node: Node, rng: random.Random) -> None:
        self.load = load
        self.name = name
        self.wanted = node
        self._rng = rng
        self._turn = {"writer": self._write, "mixed": self._mix, "reader": self._read}[role]
        self._pause = 0.0 if role == "writer" else 0.004
        self._node = node
        self._connection: RespConnection | None = None
        self._count = 0

    async def run(self) -> None:
        try:
            while not self.load.stopping:
                if self._node is not self.wanted:
                    self._disconnect()
                    self._node = self.wanted
                try:
                    if self._connection is None:
                        self._connection = await RespConnection.open(self._node.ip, self.load.cluster.ports.redis)
                    await self._turn()
                except (NotSent, NoAnswer):
                    self._next_node()
                    await asyncio.sleep(0.01)
                await asyncio.sleep(self._pause and self._rng.uniform(0.5, 1.5) * self._pause)
        finally:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _next_node(self) -> None:
        self._disconnect()
        if self.wanted is self._node:
            nodes = self.load.cluster.nodes
            self.wanted = nodes[(nodes.index(self._node) + 1) % len(nodes)]

    async def _request(
        self,
        *words: str,
        pending: Pending | None = None,
        write: bool = False,
        told: Callable[[Reply], Value] | None = None,
    ) -> Reply:
        """One command. Ends `pending` with what became of it; `told` makes its result of the reply.

        An error reply is counted, ends a transaction that was under way, and comes back.
        """
        assert self._connection is not None
        asked_at = time.monotonic()
        where = f"{self.name} at {self._node.id}, {words[0]}"
        try:
            reply = await self._connection.call(*words, timeout=self.load.timeout)
        except NoAnswer as error:
            if pending is not None:
                pending.unknown()
            if isinstance(error, Hung):
                self.load.hung.append(f"{where}: {error}")
            else:
                self.load.unknown.append(f"{where}: {error}")
            raise
        if words[0] == "EXEC" and isinstance(reply, list) and reply and isinstance(reply[0], hiredis.ReplyError):
            reply = reply[0]
        if isinstance(reply, hiredis.ReplyError):
            self._refused(where, str(reply), pending, time.monotonic() - asked_at)
            return reply
        if pending is not None:
            if told is None:
                pending.ok()
            elif reply is None and words[0] == "EXEC":
                pending.fail()
            else:
                pending.ok(told(reply))
        self.load.answers.append(Answer(self.name, write, asked_at, time.monotonic()))
        return reply

    def _refused(self, where: str, error: str, pending: Pending | None, seconds: float) -> None:
        line = f"{where} after {seconds:.2f} s: {error}"
        if certainly_not_done(error):
            self.load.refused.append(line)
        elif "outcome unknown" in error:
            self.load.unknown.append(line)
        else:
            self.load.surprises.append(line)
        if pending is not None:
            if certainly_not_done(error):
                pending.fail()
            else:
                pending.unknown()

    # what clients do

    def _key(self) -> tuple[str, str]:
        return self._rng.choice(_keys(self.load.epoch))

    def _unique(self) -> str:
        self._count += 1
        return f"{self.name}.{self._count}"

    async def _read(self) -> None:
        key, kind = self._key()
        await self._get(key, kind)

    async def _get(self, key: str, kind: str) -> Reply:
        pending = self.load.recorder.invoke(self.name, kind, key)
        return await self._request("GET", key, pending=pending, told=lambda reply: _value(kind, reply))

    async def _write(self) -> None:
        match self._count % 3:
            case 0:
                await self._set(f"register-{self._rng.randrange(REGISTERS)}:{self.load.epoch}")
            case 1:
                self._count += 1
                await self._add(f"counter-{self._rng.randrange(COUNTERS)}:{self.load.epoch}")
            case _:
                await self._enter()

    async def _mix(self) -> None:
        key, kind = self._key()
        chance = self._rng.random()
        if chance < 0.1:
            await self._enter()
        elif chance < 0.5:
            await self._get(key, kind)
        elif kind == "total":
            await self._add(key)
        elif chance < 0.75:
            await self._set(key)
        else:
            await self._compare_and_set(key)

    async def _set(self, key: str) -> None:
        value = self._unique()
        pending = self.load.recorder.invoke(self.name, "set", key, value)
        await self._request("SET", key, value, pending=pending, write=True)

    async def _add(self, key: str) -> None:
        pending = self.load.recorder.invoke(self.name, "add", key, 1)
        await self._request("INCR", key, pending=pending, write=True, told=_number)

    async def _enter(self) -> None:
        """A key of the ledger, written once."""
        key = f"ledger:{self._unique()}"
        entries = self.load.entries
        entries[key] = Outcome.UNKNOWN
        reply = await self._request("SET", key, key, write=True)
        if not isinstance(reply, hiredis.ReplyError):
            entries[key] = Outcome.OK
        elif certainly_not_done(str(reply)):
            entries[key] = Outcome.FAIL

    async def _compare_and_set(self, key: str) -> None:
        """WATCH, GET, MULTI, SET, EXEC. An EXEC that answers nil has done nothing: the key changed, or might have."""
        value = self._unique()
        if isinstance(await self._request("WATCH", key), hiredis.ReplyError):
            return
        seen = await self._get(key, "get")
        if isinstance(seen, hiredis.ReplyError):
            await self._request("UNWATCH")
            return
        for words in (("MULTI",), ("SET", key, value)):
            if isinstance(await self._request(*words), hiredis.ReplyError):
                self._disconnect()
                return
        pending = self.load.recorder.invoke(self.name, "cas", key, (_value("get", seen), value))
        await self._request("EXEC", pending=pending, write=True, told=_swapped)


def _keys(epoch: int) -> list[tuple[str, str]]:
    """The contended keys, each with the kind of its reads."""
    registers = [(f"register-{n}:{epoch}", "get") for n in range(REGISTERS)]
    return registers + [(f"counter-{n}:{epoch}", "total") for n in range(COUNTERS)]


def _value(kind: str, reply: Reply) -> Value:
    if reply is None:
        return 0 if kind == "total" else None
    assert isinstance(reply, bytes), f"a GET was answered with {reply!r}"
    return int(reply) if kind == "total" else reply.decode()


def _number(reply: Reply) -> Value:
    assert isinstance(reply, int), f"an INCR was answered with {reply!r}"
    return reply


def _swapped(reply: Reply) -> Value:
    assert reply == [b"OK"], f"an EXEC was answered with {reply!r}"
    return True


def _chunks(items: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
