"""One drill, from the first question to the last: clients at work, nodes being watched, marks being noted.

Everything goes to the drill's directory the moment it is known, so that a drill that is killed can still be reported.
The faults are somebody else's: a playbook's, or a person's at another terminal. The drill only learns of them through
the events file. It ends when its time is up, when an event says so, or at SIGINT or SIGTERM.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import grpc
import grpc.aio

from elastickv.config.kinds import Address, parse_address
from elastickv.drill.clients import Closer, Keys, Shared, clients
from elastickv.drill.history import Recorder
from elastickv.drill.recording import (
    END,
    EVENTS,
    HISTORY,
    NOTE,
    SAMPLES,
    Mark,
    Node,
    Recording,
    Run,
    Sample,
    marks_of,
    sample_line,
    save_run,
)
from elastickv.pb import raftadmin_pb2 as pb

REDIS_PORT = 6379
SAMPLE_SECONDS = 1.0
"""How long a node may think about how it is; a silence of this length is one."""
EVENTS_POLL_SECONDS = 0.1

_CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
"""A node that comes back is seen again within a second."""


class DrillError(Exception):
    """The drill could not begin. The text says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Durations in seconds."""

    title: str
    address: Address
    chosen: Sequence[str]
    """IDs of the nodes that clients use; empty means all."""
    redis_map: Mapping[str, str]
    duration: float
    """0: until somebody ends it."""
    steady: int
    roaming: int
    pause: float
    timeout: float
    sample_interval: float
    key_lifetime: float
    keep_keys: bool
    password: str | None
    options: Mapping[str, str]
    """As written, for the report."""
    seed: int = 1


async def members(address: Address, redis_map: Mapping[str, str], timeout: float = 5.0) -> list[Node]:
    """Who belongs to the cluster, by the word of one node. Raises DrillError."""
    async with grpc.aio.insecure_channel(str(address)) as channel:
        ask = channel.unary_unary(
            "/RaftAdmin/Configuration",
            request_serializer=pb.RaftAdminConfigurationRequest.SerializeToString,
            response_deserializer=pb.RaftAdminConfigurationResponse.FromString,
        )
        try:
            answer = await ask(pb.RaftAdminConfigurationRequest(), timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise DrillError(f"{address}: {error.code().name}: {error.details()}") from None
    if not answer.servers:
        raise DrillError(f"{address} belongs to no cluster yet")
    return [Node(m.id, m.address, redis_map.get(m.address) or _redis_of(m.address), m.suffrage) for m in answer.servers]


def _redis_of(address: str) -> str:
    return str(Address(parse_address(address).host, REDIS_PORT))


async def drill(plan: Plan, directory: Path, say: Callable[[str], object]) -> Recording:
    """`directory` exists and holds no drill. Raises DrillError when there is nothing to drill."""
    nodes = await members(plan.address, plan.redis_map)
    unknown = sorted(set(plan.chosen) - {node.id for node in nodes})
    if unknown:
        raise DrillError(f"{', '.join(unknown)}: not a member; members are {', '.join(node.id for node in nodes)}")
    with (
        (directory / HISTORY).open("x", buffering=1, encoding="utf-8") as history,
        (directory / SAMPLES).open("x", buffering=1, encoding="utf-8") as samples,
    ):
        return await _Drill(plan, directory, nodes, history, samples, say).run()


class _Drill:
    def __init__(
        self,
        plan: Plan,
        directory: Path,
        nodes: list[Node],
        history: TextIO,
        samples: TextIO,
        say: Callable[[str], object],
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._say = say
        self._samples_file = samples
        self._samples: list[Sample] = []
        self._marks: list[Mark] = []
        self._began = time.monotonic()
        self._run = Run(plan.title, time.time(), nodes, dict(plan.options))
        self._recorder = Recorder(self._now, history.write)
        self._stopping = asyncio.Event()
        self._shared = Shared(
            recorder=self._recorder,
            nodes=[node for node in nodes if not plan.chosen or node.id in plan.chosen],
            keys=Keys(f"drill:{secrets.token_hex(6)}"),
            timeout=plan.timeout,
            pause=plan.pause,
            password=plan.password,
            stopping=self._stopping,
        )

    def _now(self) -> float:
        return time.monotonic() - self._began

    async def run(self) -> Recording:
        save_run(self._directory, self._run)
        self._obey_signals()
        watchers = [
            asyncio.create_task(self._note_events()),
            asyncio.create_task(self._renew_keys()),
            *(asyncio.create_task(self._watch(node)) for node in self._run.nodes),
        ]
        workers = clients(self._shared, steady=self._plan.steady, roaming=self._plan.roaming, seed=self._plan.seed)
        self._say(f"{len(workers)} clients at {', '.join(node.id for node in self._shared.nodes)}; {self._until()}")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._end_in_time())
                for worker in workers:
                    group.create_task(worker.run())
            self._run.ended_at = round(self._now(), 4)
            await self._close()
        finally:
            for watcher in watchers:
                watcher.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)
            self._run.errors = [(node, text, count) for (node, text), count in sorted(self._shared.errors.items())]
            save_run(self._directory, self._run)
        return Recording(self._run, self._recorder.history(), self._samples, self._marks)

    def _until(self) -> str:
        if self._plan.duration:
            return f"for {self._plan.duration:g} s, or until Ctrl-C"
        return "until Ctrl-C or `elastickv drill stop`"

    def _obey_signals(self) -> None:
        # Not where loops run outside the main thread, as in tests.
        with suppress(ValueError, NotImplementedError, RuntimeError):
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)

    async def _end_in_time(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), self._plan.duration or None)
        self._stopping.set()

    async def _close(self) -> None:
        closer = Closer(self._shared)
        try:
            if not await closer.read_all():
                self._say("no node answers: the last values could not be read, and the drill's keys remain")
            elif not self._plan.keep_keys and not await closer.delete_all():
                self._say(f"no node deletes: the keys {self._shared.keys.prefix}:* remain")
        finally:
            await closer.close()

    # ---- watching ---------------------------------------------------------------------------------------------------

    async def _renew_keys(self) -> None:
        while True:
            await asyncio.sleep(self._plan.key_lifetime)
            if not self._stopping.is_set():
                self._shared.keys.epoch += 1

    async def _watch(self, node: Node) -> None:
        async with grpc.aio.insecure_channel(node.address, options=_CHANNEL_OPTIONS) as channel:
            ask = channel.unary_unary(
                "/RaftAdmin/Status",
                request_serializer=pb.RaftAdminStatusRequest.SerializeToString,
                response_deserializer=pb.RaftAdminStatusResponse.FromString,
            )
            while True:
                at = round(self._now(), 4)
                try:
                    status = await ask(pb.RaftAdminStatusRequest(), timeout=SAMPLE_SECONDS)
                except grpc.aio.AioRpcError as error:
                    sample = Sample(at, node.id, error=error.code().name)
                else:
                    sample = Sample(
                        at,
                        node.id,
                        state=pb.RaftAdminState.Name(status.state).removeprefix("RAFT_ADMIN_STATE_").lower(),
                        leader=status.leader_id,
                        term=status.term,
                        commit=status.commit_index,
                        applied=status.applied_index,
                    )
                self._samples.append(sample)
                self._samples_file.write(sample_line(sample))
                await asyncio.sleep(max(0.0, at + self._plan.sample_interval - self._now()))

    async def _note_events(self) -> None:
        """Follow the events file; it may appear at any time."""
        path, position, rest = self._directory / EVENTS, 0, ""
        while True:
            if path.exists():
                with path.open(encoding="utf-8") as file:
                    file.seek(position)
                    rest += file.read()
                    position = file.tell()
                *lines, rest = rest.split("\n")
                for mark in marks_of(lines, self._run.began):
                    self._marks.append(mark)
                    if mark.kind == END:
                        self._stopping.set()
                    elif mark.kind != NOTE or mark.text:
                        self._say(f"{mark.at:8.2f} s  {mark.kind}: {mark.text}")
            await asyncio.sleep(EVENTS_POLL_SECONDS)
