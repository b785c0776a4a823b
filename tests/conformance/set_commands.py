"""Random commands of the set group."""

from __future__ import annotations

from random import Random
from typing import Final

from tests.conformance.group import Group, Maker, how_many, shuffled
from tests.conformance.words import Words, cased, integer, key, keys, pattern, repeated, some, value


def member(rng: Random) -> bytes:
    chance = rng.random()
    if chance < 0.45:
        return b"%d" % rng.randint(-3, 25)
    if chance < 0.8:
        return rng.choice((b"a", b"b", b"c", b"", b"\x00\xff", b"007", b"x" * 64, b"x" * 65, b"y" * 500))
    return value(rng)


def _members(rng: Random) -> Words:
    if rng.random() < 0.4:
        return [b"%d" % rng.randint(-50, 50) for _ in range(rng.randint(1, 8))]
    return repeated(rng, lambda rng: [member(rng)], rng.choice((1, 1, 3, 10)))


def _count(rng: Random) -> bytes:
    if rng.random() < 0.8:
        return b"%d" % rng.randint(-8, 40)
    return rng.choice((b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"x", b"0"))


def _cardinality(rng: Random) -> Words:
    names = keys(rng)
    count = b"%d" % len(names) if rng.random() < 0.85 else rng.choice((b"0", b"-1", b"x", b"9", b"1"))
    options = some(rng, lambda rng: [cased(rng, b"LIMIT"), rng.choice((b"0", b"1", b"3", b"-1", b"x", b"100"))])
    return [b"SINTERCARD", count, *names, *options]


def _scan(rng: Random) -> Words:
    cursor = rng.choice((b"0", b"0", b"0", b"0", b"x", b"", b"18446744073709551616"))
    options = some(
        rng,
        lambda rng: [cased(rng, b"MATCH"), pattern(rng)],
        lambda rng: [cased(rng, b"COUNT"), rng.choice((b"1000", b"0", b"-1", b"x"))],
    )
    return [b"SSCAN", key(rng), cursor, *options, b"COUNT", b"1000"]


def _scanned(words: Words, reply: object) -> object:
    if not isinstance(reply, list) or b"1000" not in words:
        # How much comes at once is open.
        return "some"
    return [reply[0], shuffled(words, reply[1])]


COMMANDS: tuple[Maker, ...] = (
    lambda rng: [b"SADD", key(rng), *_members(rng)],
    lambda rng: [b"SADD", key(rng), *_members(rng)],
    lambda rng: [b"SADD", key(rng), *_members(rng)],
    lambda rng: [b"SADD", key(rng), integer(rng)],
    lambda rng: [b"SREM", key(rng), *_members(rng)],
    lambda rng: [b"SREM", key(rng), member(rng)],
    lambda rng: [b"SISMEMBER", key(rng), member(rng)],
    lambda rng: [b"SMISMEMBER", key(rng), *_members(rng)],
    lambda rng: [rng.choice((b"SCARD", b"SMEMBERS")), key(rng)],
    lambda rng: [b"SMOVE", key(rng), key(rng), member(rng)],
    lambda rng: [rng.choice((b"SINTER", b"SUNION", b"SDIFF")), *keys(rng)],
    lambda rng: [rng.choice((b"SINTERSTORE", b"SUNIONSTORE", b"SDIFFSTORE")), key(rng), *keys(rng)],
    _cardinality,
    lambda rng: [b"SRANDMEMBER", key(rng), _count(rng)],
    # With less than everything the two servers would go on with different sets.
    lambda rng: [b"SPOP", key(rng), rng.choice((b"1000", b"0", b"-1", b"x", b"9223372036854775807"))],
    lambda rng: [b"OBJECT", b"ENCODING", key(rng)],
    lambda rng: [b"DEL", key(rng)],
    _scan,
)  # fmt: skip

GROUP: Final = Group(
    COMMANDS,
    questions=(b"SMEMBERS",),
    normalisers={
        b"SMEMBERS": shuffled,
        b"SINTER": shuffled,
        b"SUNION": shuffled,
        b"SDIFF": shuffled,
        b"SPOP": shuffled,
        b"SRANDMEMBER": how_many,
        b"SSCAN": _scanned,
    },
    whole=frozenset((b"SPOP",)),
    small={"set-max-intset-entries": 12},
)
