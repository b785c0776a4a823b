"""Long runs of the comparison with redis-server:

    python -m tests.conformance.fuzz --seconds 300 [--seed 1] [--length 150] [--groups hash,set]

Prints each difference with the shortest list of commands that still shows it, and ends with the number of replies
compared; the exit status is 1 when there was a difference.
"""

from __future__ import annotations

import argparse
import sys
import time
from random import Random

from tests.conformance.differential import BATCHES, Difference, Pair
from tests.conformance.groups import GROUPS
from tests.conformance.redis_commands import commands
from tests.conformance.words import Words
from tests.kit.redis_reference import running_redis_server


def shortened(pair: Pair, plan: list[Words], protocol: int, small: bool, batch: int) -> Difference:
    """Leave out whatever is not needed for a difference to show."""
    difference = pair.play(plan, protocol, small=small, batch=batch)
    assert difference is not None
    at = len(plan) - 1
    while at >= 0:
        shorter = plan[:at] + plan[at + 1 :]
        found = pair.play(shorter, protocol, small=small, batch=batch)
        if found is not None:
            plan, difference = shorter, found
        at = min(at, len(plan)) - 1
    return difference


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare random commands with redis-server.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--length", type=int, default=150)
    parser.add_argument("--most", type=int, default=10, help="stop after so many differences")
    parser.add_argument("--groups", default="", help=f"of {', '.join(GROUPS)}; default: one or two at random")
    arguments = parser.parse_args()
    groups = [one for one in arguments.groups.split(",") if one]
    if unknown := set(groups) - GROUPS.keys():
        parser.error(f"no such groups: {', '.join(sorted(unknown))}")
    seed = arguments.seed if arguments.seed is not None else time.time_ns() % 10**9
    found = 0
    plays = 0
    with running_redis_server() as reference:
        pair = Pair(reference.host, reference.port)
        ends_at = time.monotonic() + arguments.seconds
        while time.monotonic() < ends_at and found < arguments.most:
            rng = Random(seed + plays)
            plan = commands(rng, arguments.length, groups)
            protocol = 2 + plays % 2
            small = plays % 4 >= 2
            batch = BATCHES[plays // 4 % len(BATCHES)]
            plays += 1
            if pair.play(plan, protocol, small=small, batch=batch) is not None:
                found += 1
                _say(f"seed {seed + plays - 1}, RESP{protocol}:\n{shortened(pair, plan, protocol, small, batch)}\n")
        _say(f"{pair.compared} replies compared in {plays} plays from seed {seed}: {found} differences")
        pair.close()
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
