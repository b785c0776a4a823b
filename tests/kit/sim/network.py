"""Who hears whom, when and how often; and the checks of identity that the transport makes.

A node that lost its disk comes back under its old ID with another instance. The core knows nothing of instances; the
transport keeps the two apart (`transport.base`), and so does this one:

- A request (append, heartbeat, vote …) names the instance that the sender's configuration knows for the ID, and another
  one drops it: an empty disk must not vote, or ack, in the place of the full one.
- An answer goes to the very instance that asked, over the stream on which the question came.
- An answer counts only from the instance that the receiver's own configuration knows.

The first and the third rule are what safety needs. The second is for liveness: a node that lags behind still knows the
old instance of its new leader, and has to be able to answer it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from elastickv.raft.types import Message, NodeId
from tests.kit.sim.loop import Loop
from tests.kit.sim.machine import Image
from tests.kit.sim.node import ANSWERS, SimNode
from tests.kit.sim.profile import Profile

LATE_SECONDS = 4.0
SNAPSHOT_SECONDS = 0.15
"""A snapshot takes longer than a message, on average by this much."""


class Network:
    def __init__(self, loop: Loop, rng: random.Random, profile: Profile, nodes: dict[NodeId, SimNode]) -> None:
        self._loop = loop
        self._rng = rng
        self._profile = profile
        self._nodes = nodes
        self.loss = profile.loss
        self.doubling = profile.doubling
        self.late = profile.late
        self.delay_seconds = profile.delay_seconds
        self._cut: dict[tuple[NodeId, NodeId], int] = {}
        """Directed links that carry nothing, with the number of cuts that overlap there."""
        self._last_arrival: dict[tuple[NodeId, NodeId], float] = {}

    # -- partitions ---------------------------------------------------------------------------------------------------

    def cut(self, links: Sequence[tuple[NodeId, NodeId]]) -> Callable[[], None]:
        """Cut links, each in one direction; the result mends them."""
        for link in links:
            self._cut[link] = self._cut.get(link, 0) + 1

        def mend() -> None:
            for link in links:
                left = self._cut.get(link, 0) - 1
                if left > 0:
                    self._cut[link] = left
                else:
                    self._cut.pop(link, None)

        return mend

    def calm(self) -> None:
        """Everything works from now on."""
        self._cut.clear()
        self.loss = self.doubling = self.late = 0.0
        self.delay_seconds = min(self.delay_seconds, 0.01)

    def connected(self, source: NodeId, target: NodeId) -> bool:
        return (source, target) not in self._cut

    # -- messages -----------------------------------------------------------------------------------------------------

    def send(self, sender: SimNode, message: Message, image: Image | None = None) -> None:
        rng = self._rng
        addressed = sender.address_of(message.to, answer=message.kind in ANSWERS)
        target = self._nodes.get(message.to)
        lost = (
            target is None
            or (addressed != "" and addressed != target.instance)
            or (sender.id, message.to) in self._cut
            or (self.loss > 0 and rng.random() < self.loss)
        )
        if lost:
            # A broken stream is noticed now and then; a lost snapshot always is, the contract promises a report.
            if image is not None:
                self._report_snapshot(sender, message.to, False)
            elif rng.random() < 0.2:
                life = sender.life
                self._loop.after(0.01, lambda: sender.unreachable(message.to, life))
            return
        assert target is not None
        copies = 2 if self.doubling > 0 and rng.random() < self.doubling else 1
        for _ in range(copies):
            self._arrive(sender, target, message, image)

    def _arrive(self, sender: SimNode, target: SimNode, message: Message, image: Image | None) -> None:
        rng = self._rng
        delay = rng.expovariate(1.0) * self.delay_seconds
        if image is not None:
            delay += rng.expovariate(1.0) * SNAPSHOT_SECONDS
        if self.late > 0 and rng.random() < self.late:
            delay += rng.random() * LATE_SECONDS
        elif self._profile.in_order:
            link = (sender.id, target.id)
            arrival = max(self._loop.now + delay, self._last_arrival.get(link, 0.0))
            self._last_arrival[link] = arrival
            delay = arrival - self._loop.now
        instance, target_instance = sender.instance, target.instance

        def deliver() -> None:
            # Cut while it was under way: lost, in half of the cases; the rest had passed the broken place.
            cut = (sender.id, target.id) in self._cut and rng.random() < 0.5
            arrived = not cut and self._nodes[message.to].instance == target_instance
            if arrived:
                arrived = self._nodes[message.to].receive(message, instance, image)
            if image is not None:
                self._report_snapshot(sender, message.to, arrived)

        self._loop.after(delay, deliver)

    def _report_snapshot(self, sender: SimNode, to: NodeId, ok: bool) -> None:
        life = sender.life
        self._loop.after(
            self._rng.expovariate(1.0) * self.delay_seconds, lambda: sender.snapshot_reported(to, ok, life)
        )
