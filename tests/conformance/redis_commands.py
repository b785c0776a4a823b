"""Lists of random commands for playing against two servers.

A list is mostly about one or two groups, so that commands meet values of their own type, with a few of any other. About
one command in twelve is broken on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from tests.conformance.group import Group
from tests.conformance.groups import GROUPS
from tests.conformance.words import Words, cased

_ALL = tuple(GROUPS)
_TIMEOUT_LAST = frozenset((b"BLPOP", b"BRPOP", b"BZPOPMIN", b"BZPOPMAX", b"XREAD", b"XREADGROUP"))


def command(rng: Random, group: Group) -> Words:
    words = rng.choice(group.makers)(rng)
    if rng.random() < 0.04 and words[0] not in group.whole:
        words = words[: rng.randint(1, len(words))]
    elif rng.random() < 0.04:
        # Not as a timeout: nobody would ever wake the reference.
        extra = (b"x", b"", b"EX", b"GET") if words[0] in _TIMEOUT_LAST else (b"x", b"", b"0", b"EX", b"GET")
        words = [*words, rng.choice(extra)]
    words[0] = cased(rng, words[0])
    return words


def commands(rng: Random, count: int, names: Sequence[str] = ()) -> list[Words]:
    """`names` are the groups that the list is about; empty: one or two at random."""
    topics = names or [rng.choice(_ALL) for _ in range(2)]
    return [command(rng, GROUPS[rng.choice(topics if rng.random() < 0.85 else _ALL)]) for _ in range(count)]
