"""How hostile one seed is.

Swarm testing: each seed leaves out some kinds of misfortune altogether and exaggerates others. A run in which
everything goes wrong all the time gets nowhere, and finds less than many runs that are each bad in one way.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

TICK_SECONDS = 0.1
HEARTBEAT_TICKS = 2
ELECTION_TICKS = 10
PACE_ERROR = 0.05
"""Clocks run at 0.95 to 1.05 times the true speed."""
LEASE_SECONDS = 0.8
"""A voter is bound for at least ELECTION_TICKS - 1 whole ticks of its own clock, which are (10 - 1) * 0.1 / 1.05 =
0.857 seconds for the fastest; the lease on the slowest leader's clock ends after 0.8 / 0.95 = 0.842. The margin is
meant to be thin: a wider one would hide mistakes."""


@dataclass(frozen=True, slots=True)
class Profile:
    voters: int
    seconds: float
    """Virtual seconds of misfortune."""
    loss: float
    doubling: float
    delay_seconds: float
    """Mean of one way, exponential: reordering comes with it."""
    late: float
    """Share of messages that come seconds late."""
    in_order: bool
    """Links keep the order, as TCP does."""
    disk_seconds: float
    notify_seconds: float
    """Between the commit on disk and the core being told."""
    apply_seconds: float
    """0: committed entries are applied in the turn in which they are handed out."""
    flush_seconds: float
    """Between two flushes of the state machine; the log is cut behind them."""
    kept_entries: int
    """How many entries before the flushed one stay when the log is cut."""
    down_seconds: float
    """Mean between a crash and the restart."""
    fault_seconds: float
    """Mean between two misfortunes."""
    faults: tuple[str, ...]
    clients: int
    think_seconds: float
    reads: float
    """Share of reads among the requests. With few writes the logs of all nodes are equally good, so elections can be
    won by anybody, also by those who should not be able to win them."""
    keys: int
    max_append_bytes: int
    max_inflight: int
    max_committed_bytes: int


FAULTS = (
    "crash",
    "power",
    "blackout",
    "partition",
    "isolate_leader",
    "one_way",
    "bridge",
    "pause",
    "pause_leader",
    "slow_disk",
    "transfer",
    "campaign",
    "member",
    "replace",
    "pace",
    "storm",
    "ambush",
    "assassin",
)


def draw(rng: random.Random, voters: int, seconds: float) -> Profile:
    # Some seeds know one or two kinds of misfortune and do little else.
    count = rng.randint(1, 3) if rng.random() < 0.3 else rng.randint(4, len(FAULTS))
    faults = tuple(rng.sample(FAULTS, count))
    return Profile(
        voters=voters,
        seconds=seconds,
        loss=rng.choice([0.0, 0.0, 0.02, 0.1, 0.25]),
        doubling=rng.choice([0.0, 0.02, 0.15]),
        delay_seconds=rng.choice([0.002, 0.01, 0.04]),
        late=rng.choice([0.0, 0.0, 0.005, 0.02]),
        in_order=rng.random() < 0.3,
        disk_seconds=rng.choice([0.0, 0.003, 0.03]),
        notify_seconds=rng.choice([0.0, 0.0, 0.01]),
        apply_seconds=rng.choice([0.0, 0.0, 0.01, 0.08]),
        flush_seconds=rng.choice([0.5, 1.5, 4.0]),
        kept_entries=rng.choice([0, 2, 10]),
        down_seconds=rng.choice([0.1, 0.5, 1.5]),
        fault_seconds=rng.choice([0.25, 0.6, 1.5]),
        faults=faults,
        clients=rng.choice([3, 5, 8]),
        think_seconds=rng.choice([0.03, 0.1, 0.3]),
        reads=rng.choice([0.45, 0.45, 0.92]),
        keys=rng.choice([1, 3, 5]),
        max_append_bytes=rng.choice([1, 60, 1 << 20]),
        max_inflight=rng.choice([1, 3, 64]),
        max_committed_bytes=rng.choice([1, 200, 1 << 20]),
    )
