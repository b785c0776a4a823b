"""Random commands of the hash group."""

from __future__ import annotations

from random import Random
from typing import Final

from tests.conformance.group import Group, Maker, how_many, shuffled
from tests.conformance.words import Words, cased, fraction, integer, key, pattern, repeated, small, some, value


def field(rng: Random) -> bytes:
    if rng.random() < 0.7:
        return rng.choice((b"f1", b"f2", b"f3", b"a", b"b", b"", b"\x00\xff"))
    return rng.choice((b"field:%d" % rng.randint(0, 40), b"%d" % rng.randint(-5, 20), b"x" * 64, b"x" * 65, b"y" * 500))


def _pairs(rng: Random) -> Words:
    return repeated(rng, lambda rng: [field(rng), value(rng)], rng.choice((1, 1, 2, 3, 12)))


def _count(rng: Random) -> bytes:
    if rng.random() < 0.8:
        return b"%d" % rng.randint(-8, 40)
    return rng.choice(
        (b"9223372036854775807", b"4611686018427387904", b"-9223372036854775808", b"-9223372036854775809", b"x", b"0")
    )


def _draw(rng: Random) -> Words:
    words = [b"HRANDFIELD", key(rng)]
    if rng.random() < 0.9:
        count = _count(rng)
        words.append(count)
        if rng.random() < 0.5:
            words.append(cased(rng, rng.choice((b"WITHVALUES", b"WITHVALUES", b"WITHVALUE"))))
    return words


def _scan(rng: Random) -> Words:
    cursor = rng.choice((b"0", b"0", b"0", b"0", b"x", b"", b"18446744073709551616"))
    options = some(
        rng,
        lambda rng: [cased(rng, b"MATCH"), pattern(rng)],
        lambda rng: [cased(rng, b"COUNT"), rng.choice((b"1000", b"0", b"-1", b"x"))],
        lambda rng: [cased(rng, b"TYPE"), b"hash"],
    )
    return [b"HSCAN", key(rng), cursor, *options, b"COUNT", b"1000"]


def _pairwise(_: Words, reply: object) -> object:
    """The pairs of a flat array, whatever their order."""
    if isinstance(reply, list):
        return sorted(zip(reply[::2], reply[1::2], strict=True))
    return reply


def _scanned(words: Words, reply: object) -> object:
    if not isinstance(reply, list) or b"1000" not in words:
        # How much comes at once is open.
        return "some"
    return [reply[0], _pairwise(words, reply[1])]


COMMANDS: tuple[Maker, ...] = (
    lambda rng: [b"HSET", key(rng), *_pairs(rng)],
    lambda rng: [b"HSET", key(rng), *_pairs(rng)],
    lambda rng: [b"HSET", key(rng), field(rng), integer(rng)],
    lambda rng: [b"HMSET", key(rng), *_pairs(rng)],
    lambda rng: [b"HSETNX", key(rng), field(rng), value(rng)],
    lambda rng: [b"HGET", key(rng), field(rng)],
    lambda rng: [b"HMGET", key(rng), *repeated(rng, lambda rng: [field(rng)])],
    lambda rng: [b"HGETALL", key(rng)],
    lambda rng: [rng.choice((b"HKEYS", b"HVALS", b"HLEN")), key(rng)],
    lambda rng: [rng.choice((b"HEXISTS", b"HSTRLEN")), key(rng), field(rng)],
    lambda rng: [b"HDEL", key(rng), *repeated(rng, lambda rng: [field(rng)], 8)],
    lambda rng: [b"HDEL", key(rng), field(rng)],
    lambda rng: [b"HINCRBY", key(rng), field(rng), integer(rng)],
    lambda rng: [b"HINCRBYFLOAT", key(rng), field(rng), fraction(rng)],
    lambda rng: [b"HINCRBY", key(rng), field(rng), small(rng)],
    lambda rng: [b"OBJECT", b"ENCODING", key(rng)],
    lambda rng: [b"DEL", key(rng)],
    _draw,
    _scan,
)  # fmt: skip


GROUP: Final = Group(
    COMMANDS,
    questions=(b"HGETALL",),
    normalisers={
        b"HGETALL": _pairwise,
        b"HKEYS": shuffled,
        b"HVALS": shuffled,
        b"HRANDFIELD": how_many,
        b"HSCAN": _scanned,
    },
    small={"hash-max-listpack-entries": 5, "hash-max-listpack-value": 20},
)
