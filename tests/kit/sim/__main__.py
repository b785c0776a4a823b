"""python -m tests.kit.sim: run seeds until a number or a time is reached, and say what came out.

python -m tests.kit.sim --seeds 10000 --start 0 --minutes 30     a soak
python -m tests.kit.sim --start 4711 --seeds 1 --show            one seed, event by event
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests.kit.sim.runner import Failure, build, run_seeds

PROGRESS_SECONDS = 10.0


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kit.sim", description="Run simulated clusters from seeds.")
    parser.add_argument("--seeds", type=int, default=1000, metavar="N", help="how many seeds (default: 1000)")
    parser.add_argument("--start", type=int, default=0, metavar="N", help="the first seed (default: 0)")
    parser.add_argument("--minutes", type=float, default=None, metavar="M", help="stop after this time")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="how many at once (default: 2)")
    parser.add_argument("--failures", type=int, default=1, metavar="N", help="stop after this many (default: 1)")
    parser.add_argument("--show", action="store_true", help="print each event; for one seed")
    options = parser.parse_args(argv)
    if options.show:
        return _show(options.start)
    return _soak(options)


def _show(seed: int) -> int:
    cluster = build(seed)
    print(cluster.profile)
    cluster.show = print
    print(cluster.run())
    return 0


def _soak(options: argparse.Namespace) -> int:
    started = said = time.monotonic()
    done = failed = steps = acknowledged = 0
    limit = None if options.minutes is None else options.minutes * 60
    seeds = range(options.start, options.start + options.seeds)
    for outcome in run_seeds(seeds, processes=options.processes, time_limit_seconds=limit):
        done += 1
        if isinstance(outcome, Failure):
            failed += 1
            print(outcome, flush=True)
            if failed >= options.failures:
                break
        else:
            steps += outcome.steps
            acknowledged += outcome.acknowledged
        if time.monotonic() - said >= PROGRESS_SECONDS:
            said = time.monotonic()
            print(f"{done} of {options.seeds} seeds, {failed} failed, {said - started:.0f} s", flush=True)
    print(
        f"{done} seeds from {options.start} on: {failed} failed, {steps} steps, {acknowledged} answers,"
        f" {time.monotonic() - started:.0f} s"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
