"""Random commands of the geo group, on keys of their own: other sorted sets would have places at the same distance, and
in which order these come is a matter of chance in Redis."""

from __future__ import annotations

from random import Random
from typing import Final

from tests.conformance.group import Group, Maker
from tests.conformance.words import Words, cased, fraction, integer, key, repeated, some, token_of
from tests.conformance.zset_commands import numbers

_KEYS: Final = (b"geo1", b"geo2")
_STORED: Final = b"geo3"


def _key(rng: Random) -> bytes:
    return rng.choice(_KEYS) if rng.random() < 0.95 else key(rng)


def _member(rng: Random) -> bytes:
    return b"m%d" % rng.randint(0, 30) if rng.random() < 0.95 else rng.choice((b"", b"none", b"x" * 70))


def _degrees(rng: Random, most: float) -> bytes:
    # Many digits, so that no two distances are equal. Some close together, some anywhere.
    spread = rng.choice((0.01, 1, 10, most))
    return b"%.15f" % max(-most, min(most, rng.choice((0, 13, -70, 84)) + rng.uniform(-spread, spread)))


def _place(rng: Random) -> Words:
    if rng.random() < 0.03:
        words = (b"x", b"", b"181", b"-180.5", b"85.06", b"nan", b"inf", b"0", b"-0", fraction(rng))
        return [rng.choice(words), rng.choice(words)]
    return [_degrees(rng, 180), _degrees(rng, 85.05112878)]


def _unit(rng: Random) -> bytes:
    return (
        cased(rng, rng.choice((b"m", b"km", b"km", b"ft", b"mi"))) if rng.random() < 0.97 else rng.choice((b"", b"k"))
    )


def _length(rng: Random) -> bytes:
    if rng.random() < 0.93:
        return b"%.3f" % rng.choice((rng.uniform(0, 10), rng.uniform(0, 1000), rng.uniform(0, 30000)))
    return rng.choice((b"0", b"-1", b"x", b"", b"1e7", b"1e12", integer(rng)))


def _options(rng: Random, *more: Words) -> Words:
    return some(
        rng,
        *map(token_of, (b"WITHDIST", b"WITHHASH", b"WITHCOORD", b"ASC", b"DESC")),
        lambda rng: [cased(rng, b"COUNT"), b"%d" % rng.randint(1, 8) if rng.random() < 0.9 else integer(rng)],
        lambda rng: [cased(rng, b"COUNT"), b"%d" % rng.randint(1, 8), cased(rng, b"ANY")],
        *([lambda rng: rng.choice(more)] if more else []),
    )


def _search(rng: Random) -> Words:
    centre = [b"FROMMEMBER", _member(rng)] if rng.random() < 0.5 else [b"FROMLONLAT", *_place(rng)]
    shape = [b"BYRADIUS", _length(rng), _unit(rng)]
    if rng.random() < 0.5:
        shape = [b"BYBOX", _length(rng), _length(rng), _unit(rng)]
    parts = [centre, shape]
    if rng.random() < 0.05:
        parts = rng.choice(([centre], [shape], [centre, centre, shape], [centre, shape, shape]))
    rng.shuffle(parts)
    words = [word for part in parts for word in part]
    if rng.random() < 0.3:
        return [b"GEOSEARCHSTORE", _STORED, _key(rng), *words, *_options(rng, [b"STOREDIST"], [b"STOREDIST"])]
    return [b"GEOSEARCH", _key(rng), *words, *_options(rng)]


def _radius(rng: Random) -> Words:
    readonly = rng.random() < 0.4
    stores = [[cased(rng, word), _STORED] for word in (b"STORE", b"STOREDIST")]
    options = _options(rng, *stores) if not readonly or rng.random() < 0.1 else _options(rng)
    suffix = b"_RO" if readonly else b""
    if rng.random() < 0.5:
        return [b"GEORADIUS" + suffix, _key(rng), *_place(rng), _length(rng), _unit(rng), *options]
    return [b"GEORADIUSBYMEMBER" + suffix, _key(rng), _member(rng), _length(rng), _unit(rng), *options]


COMMANDS: tuple[Maker, ...] = (
    lambda rng: [b"GEOADD", _key(rng), *repeated(rng, lambda rng: [*_place(rng), _member(rng)], 12)],
    lambda rng: [b"GEOADD", _key(rng), *repeated(rng, lambda rng: [*_place(rng), _member(rng)], 12)],
    lambda rng: [b"GEOADD", _key(rng), *some(rng, token_of(b"NX"), token_of(b"XX"), token_of(b"CH")),
        *repeated(rng, lambda rng: [*_place(rng), _member(rng)], 3)],
    lambda rng: [b"GEODIST", _key(rng), _member(rng), _member(rng), *some(rng, lambda rng: [_unit(rng)])],
    lambda rng: [b"GEOHASH", _key(rng), *repeated(rng, lambda rng: [_member(rng)])],
    lambda rng: [b"GEOPOS", _key(rng), *repeated(rng, lambda rng: [_member(rng)])],
    lambda rng: [b"ZREM", _key(rng), _member(rng)],
    lambda rng: [b"ZRANGE", _STORED, b"0", b"-1", b"WITHSCORES"],
    lambda rng: [b"ZRANGE", _key(rng), b"0", b"-1", b"WITHSCORES"],
    lambda rng: [b"OBJECT", b"ENCODING", _STORED],
    _search,
    _search,
    _search,
    _radius,
    _radius,
)  # fmt: skip


def _rounded(words: Words, reply: object) -> object:
    """7.2 rounds a distance that ends in a five otherwise than 7.0, which is a matter of the fourth decimal."""
    reply = numbers(words, reply)
    if isinstance(reply, list):
        return [_rounded(words, one) for one in reply]
    return round(reply, 3) if isinstance(reply, float) else reply


_MEASURED: Final = b"GEODIST GEOSEARCH GEORADIUS GEORADIUS_RO GEORADIUSBYMEMBER GEORADIUSBYMEMBER_RO".split()

GROUP: Final = Group(COMMANDS, normalisers=dict.fromkeys(_MEASURED, _rounded))
