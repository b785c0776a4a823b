"""A client at one of the nodes: asks, waits for a while, gives up, and writes down what it saw.

It knows what a real one knows. A request that never left is a failure; one that was refused before it entered a log is
a failure; one that was logged and then lost from sight is unknown.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from elastickv.drill.history import Pending, Value
from elastickv.raft.types import NodeId
from tests.kit.sim.machine import Command

if TYPE_CHECKING:
    from tests.kit.sim.cluster import Cluster

_Arrive: TypeAlias = "Callable[[NodeId], None]"

TIMEOUT_SECONDS = 1.2
REFUSED_SECONDS = 0.1
"""Nobody hammers at a closed door; it would only make the history long."""


class Client:
    def __init__(self, cluster: Cluster, name: str, home: NodeId, rng: random.Random) -> None:
        self._cluster = cluster
        self._name = name
        self.home = home
        """The node it asks first; when the misfortune is over, clients of nodes that were removed move elsewhere."""
        self._rng = rng
        self._last_seen: str | None = None
        self.stopped = False

    def begin(self) -> None:
        self._think()

    def _think(self, *, refused: bool = False) -> None:
        delay = self._rng.expovariate(1.0) * self._cluster.profile.think_seconds
        if refused:
            delay += REFUSED_SECONDS
        self._cluster.loop.after(delay, self._ask)

    def _ask(self) -> None:
        if self.stopped:
            return
        cluster, rng = self._cluster, self._rng
        key = f"k{rng.randrange(cluster.profile.keys)}"
        draw = rng.random()
        reads = cluster.profile.reads
        if draw < reads:
            self.read(key)
            return
        draw = (draw - reads) / (1.0 - reads)
        if draw < 0.64:
            self.write(self._command("set", key))
        elif draw < 0.87:
            self.write(self._command("cas", key))
        else:
            self.write(self._command("delete", key))

    def _command(self, kind: str, key: str) -> Command:
        number = self._cluster.next_command()
        if kind == "delete":
            return Command(number, kind, key)
        return Command(number, kind, key, f"v{number}", self._last_seen if kind == "cas" else None)

    # -- requests -----------------------------------------------------------------------------------------------------

    def _target(self) -> NodeId:
        """Writes go to the leader the home node knows of, or to whoever is at hand, which is then refused."""
        home = self._cluster.nodes[self.home]
        if home.raw is not None and home.raw.leader and self._rng.random() < 0.9:
            return home.raw.leader
        return self.home

    def write(self, command: Command) -> None:
        pending = self._cluster.recorder.invoke(self._name, command.kind, command.key, command.argument)

        def arrive(target: NodeId) -> None:
            self._cluster.nodes[target].write(command, lambda outcome, result: self._answered(pending, outcome, result))

        self._send(pending, self._target(), arrive)

    def read(self, key: str) -> None:
        """At home, whatever it is; now and then somewhere else, so that followers and leaders both get their share."""
        rng = self._rng
        pending = self._cluster.recorder.invoke(self._name, "get", key)

        def arrive(target: NodeId) -> None:
            self._cluster.nodes[target].read(key, lambda outcome, result: self._answered(pending, outcome, result))

        self._send(pending, self.home if rng.random() < 0.6 else self._target(), arrive)

    def read_at_home(self, key: str) -> None:
        pending = self._cluster.recorder.invoke(self._name, "get", key)

        def arrive(target: NodeId) -> None:
            self._cluster.nodes[target].read(key, lambda outcome, result: self._answered(pending, outcome, result))

        self._send(pending, self.home, arrive)

    def _send(self, pending: Pending, target: NodeId, arrive: _Arrive) -> None:
        cluster, rng = self._cluster, self._rng
        if target not in cluster.nodes or (target != self.home and not cluster.network.connected(self.home, target)):
            cluster.loop.after(0.01, lambda: self._finish(pending, "fail", None))
            return
        delay = rng.expovariate(1.0) * cluster.network.delay_seconds
        cluster.loop.after(delay, lambda: arrive(target))
        cluster.loop.after(TIMEOUT_SECONDS, lambda: self._finish(pending, "unknown", None))

    def _answered(self, pending: Pending, outcome: str, result: Value) -> None:
        """The answer is on its way back. A lost one shows as a timeout, as does one that comes too late."""
        rng, network = self._rng, self._cluster.network
        if network.loss and rng.random() < network.loss / 2:
            return
        delay = rng.expovariate(1.0) * network.delay_seconds
        self._cluster.loop.after(delay, lambda: self._finish(pending, outcome, result))

    def _finish(self, pending: Pending, outcome: str, result: Value) -> None:
        if not pending.open:
            return
        match outcome:
            case "ok":
                self._cluster.acknowledged += 1
                if pending.kind == "get":
                    self._last_seen = result if isinstance(result, str) else None
                pending.ok(result)
            case "fail":
                pending.fail()
            case _:
                pending.unknown()
        if not self.stopped:
            self._think(refused=outcome == "fail")
