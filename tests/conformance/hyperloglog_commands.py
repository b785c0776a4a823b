"""Random commands of the hyperloglog group."""

from __future__ import annotations

from random import Random
from typing import Final

from tests.conformance.group import Group, Maker
from tests.conformance.words import Words, cased, key, keys, value


def _elements(rng: Random) -> Words:
    if rng.random() < 0.1:
        # Enough to leave the sparse form.
        start = rng.randrange(10**6)
        return [b"element:%d" % number for number in range(start, start + rng.choice((300, 1500)))]
    return [value(rng) for _ in range(rng.choice((0, 1, 1, 5, 40)))]


def _wrong(rng: Random) -> bytes:
    """Something that looks like a sketch."""
    return rng.choice((b"HYLL", b"HYLL" + bytes(12), b"HYLL\x02" + bytes(20)))


_DEBUG: Final = (b"ENCODING", b"DECODE", b"TODENSE", b"GETREG", b"NONE")

COMMANDS: tuple[Maker, ...] = (
    lambda rng: [b"PFADD", key(rng), *_elements(rng)],
    lambda rng: [b"PFADD", key(rng), *_elements(rng)],
    lambda rng: [b"PFADD", key(rng), value(rng)],
    lambda rng: [b"PFCOUNT", key(rng)],
    lambda rng: [b"PFCOUNT", *keys(rng)],
    lambda rng: [b"PFMERGE", *keys(rng)],
    lambda rng: [b"PFDEBUG", cased(rng, rng.choice(_DEBUG)), key(rng)],
    lambda rng: [b"GET", key(rng)],
    lambda rng: [b"DEL", key(rng)],
    lambda rng: [b"SET", key(rng), _wrong(rng)] if rng.random() < 0.2 else [b"STRLEN", key(rng)],
)  # fmt: skip

GROUP: Final = Group(COMMANDS, small={"hll-sparse-max-bytes": 60})
