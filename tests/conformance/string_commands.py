"""Random commands of the string group."""

from __future__ import annotations

from typing import Final

from tests.conformance.group import Group, Maker
from tests.conformance.words import (
    bounds,
    cased,
    fraction,
    integer,
    key,
    keys,
    lifetimes,
    milliseconds,
    repeated,
    seconds,
    small,
    small_safe,
    some,
    token_of,
    value,
)

COMMANDS: tuple[Maker, ...] = (
    lambda rng: [b"GET", key(rng)],
    lambda rng: [b"SET", key(rng), value(rng)],
    lambda rng: [b"SET", key(rng), value(rng)],
    lambda rng: [b"SET", key(rng), value(rng), *some(
        rng, token_of(b"NX"), token_of(b"XX"), token_of(b"GET"), token_of(b"KEEPTTL"), token_of(b"PERSIST"),
        *lifetimes())],
    lambda rng: [b"SETNX", key(rng), value(rng)],
    lambda rng: [b"SETEX", key(rng), small_safe(seconds(rng)), value(rng)],
    lambda rng: [b"PSETEX", key(rng), milliseconds(rng), value(rng)],
    lambda rng: [b"GETSET", key(rng), value(rng)],
    lambda rng: [b"GETDEL", key(rng)],
    lambda rng: [b"GETEX", key(rng), *some(rng, token_of(b"PERSIST"), token_of(b"KEEPTTL"), *lifetimes())],
    lambda rng: [b"MGET", *keys(rng)],
    lambda rng: [b"MSET", *repeated(rng, lambda rng: [key(rng), value(rng)], 3)],
    lambda rng: [b"MSETNX", *repeated(rng, lambda rng: [key(rng), value(rng)], 3)],
    lambda rng: [b"APPEND", key(rng), value(rng)],
    lambda rng: [b"STRLEN", key(rng)],
    lambda rng: [rng.choice((b"GETRANGE", b"SUBSTR")), key(rng), *bounds(rng)],
    lambda rng: [b"SETRANGE", key(rng), small(rng), value(rng)],
    lambda rng: [rng.choice((b"INCR", b"DECR")), key(rng)],
    lambda rng: [rng.choice((b"INCRBY", b"DECRBY")), key(rng), integer(rng)],
    lambda rng: [b"INCRBYFLOAT", key(rng), fraction(rng)],
    lambda rng: [b"INCRBYFLOAT", key(rng), fraction(rng)],
    lambda rng: [b"LCS", key(rng), key(rng), *some(
        rng, token_of(b"LEN"), token_of(b"IDX"), token_of(b"IDX"), token_of(b"WITHMATCHLEN"),
        lambda rng: [cased(rng, b"MINMATCHLEN"), small(rng)])],
)  # fmt: skip


GROUP: Final = Group(COMMANDS, questions=(b"GET",))
