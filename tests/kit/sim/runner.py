"""Many seeds: one after another, or over a pool of processes; and what is printed when one fails.

A seed says everything: how many founders (even: three, odd: five), how hostile, and each misfortune. Nothing else goes
into a run, so a failure is replayed by one line.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context

from tests.kit.sim.cluster import Cluster, Result

SECONDS = 60.0
"""Virtual seconds of misfortune in one run."""
BATCH = 5
"""Seeds that a process of the pool takes at once."""


@dataclass(frozen=True, slots=True)
class Failure:
    seed: int
    text: str

    def __str__(self) -> str:
        return self.text


def founders(seed: int) -> int:
    return 3 if seed % 2 == 0 else 5


def build(seed: int) -> Cluster:
    return Cluster(seed, voters=founders(seed), seconds=SECONDS)


def run_seed(seed: int) -> Result | Failure:
    cluster = build(seed)
    try:
        return cluster.run()
    except Exception:
        # Whatever it is (a broken promise, an exception in the core), the last events and the way back belong to it.
        return Failure(
            seed,
            f"seed {seed}, {founders(seed)} founders, after {cluster.loop.now:.4f} s and {cluster.loop.steps} steps\n"
            f"{cluster.profile}\n"
            f"--- the last events\n{cluster.story()}\n"
            f"--- {traceback.format_exc()}"
            f"--- replay: python -m tests.kit.sim --start {seed} --seeds 1 --show",
        )


def run_seeds(
    seeds: Iterable[int], *, processes: int = 1, time_limit_seconds: float | None = None
) -> Iterator[Result | Failure]:
    """Results as they come. Ends early, without a failure, when the time is up."""
    deadline = None if time_limit_seconds is None else time.monotonic() + time_limit_seconds
    if processes <= 1:
        for seed in seeds:
            yield run_seed(seed)
            if deadline is not None and time.monotonic() >= deadline:
                return
        return
    # Fresh interpreters: the parent may have threads, which a fork would copy in whatever state they are.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=os.nice, initargs=(5,)) as pool:
        # Only a few batches are handed out at a time: a soak names more seeds than it will ever get to.
        batches = _batches(seeds)
        running = {pool.submit(_run_batch, batch) for batch in islice(batches, 2 * processes)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {pool.submit(_run_batch, batch) for batch in islice(batches, len(done))}
                for future in done:
                    yield from future.result()
                if deadline is not None and time.monotonic() >= deadline:
                    return
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _batches(seeds: Iterable[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    for seed in seeds:
        batch.append(seed)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _run_batch(seeds: list[int]) -> list[Result | Failure]:
    return [run_seed(seed) for seed in seeds]
