"""Random commands of the generic group: keys whatever they hold."""

from __future__ import annotations

from random import Random
from typing import Final

from elastickv.redis_api.rdb import dump_string
from elastickv.redis_api.rdb_values import restore
from elastickv.redis_api.values.records import RecordType
from tests.conformance.group import Group, Maker, shuffled
from tests.conformance.words import (
    Words,
    cased,
    key,
    keys,
    milliseconds,
    pattern,
    seconds,
    small_safe,
    some,
    token_of,
    unix_milliseconds,
    unix_seconds,
    value,
)


def _dump(rng: Random) -> bytes:
    payload = dump_string(value(rng))
    if rng.random() < 0.2:
        at = rng.randrange(len(payload))
        payload = payload[:at] + bytes((payload[at] ^ 1 << rng.randrange(8),)) + payload[at + 1 :]
    if rng.random() < 0.05:
        payload = payload[: rng.randrange(len(payload) + 1)]
    return payload


def _scan(rng: Random) -> Words:
    if rng.random() < 0.1:
        cursor = rng.choice((b"x", b"", b" 0", b"1.5", b"18446744073709551616", b"99999999999999999999999"))
        return [b"SCAN", cursor, b"COUNT", b"1000"]
    options = some(
        rng,
        lambda rng: [cased(rng, b"MATCH"), pattern(rng)],
        lambda rng: [cased(rng, b"TYPE"), rng.choice((b"string", b"STRING", b"list", b"nothing"))],
        lambda rng: [cased(rng, b"COUNT"), rng.choice((b"1000", b"0", b"-1", b"x", b"1001"))],
    )
    return [b"SCAN", b"0", *options, b"COUNT", b"1000"]


def _database(rng: Random) -> bytes:
    return rng.choice((b"0", b"1", b"1", b"1", b"16", b"-1", b"x", b"4294967296", b"99999999999999999999"))


COMMANDS: tuple[Maker, ...] = (
    lambda rng: [rng.choice((b"DEL", b"UNLINK", b"EXISTS", b"TOUCH")), *keys(rng)],
    lambda rng: [b"TYPE", key(rng)],
    lambda rng: [rng.choice((b"RENAME", b"RENAMENX")), key(rng), key(rng)],
    lambda rng: [b"COPY", key(rng), key(rng), *some(
        rng, token_of(b"REPLACE"), lambda rng: [cased(rng, b"DB"), _database(rng)])],
    lambda rng: [b"MOVE", key(rng), _database(rng)],
    lambda rng: [b"EXPIRE", key(rng), small_safe(seconds(rng)), *some(rng, token_of(b"NX"), token_of(b"XX"))],
    lambda rng: [b"PEXPIRE", key(rng), milliseconds(rng), *some(rng, token_of(b"NX"), token_of(b"XX"))],
    lambda rng: [b"EXPIREAT", key(rng), unix_seconds(rng), *some(
        rng, token_of(b"NX"), token_of(b"XX"), token_of(b"GT"), token_of(b"LT"), token_of(b"gt?"))],
    lambda rng: [b"PEXPIREAT", key(rng), unix_milliseconds(rng), *some(
        rng, token_of(b"NX"), token_of(b"XX"), token_of(b"GT"), token_of(b"LT"))],
    lambda rng: [rng.choice((b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME", b"PERSIST")), key(rng)],
    lambda rng: [b"KEYS", pattern(rng)],
    _scan,
    lambda rng: [b"RANDOMKEY"],
    lambda rng: [b"OBJECT", cased(rng, rng.choice((b"ENCODING", b"REFCOUNT", b"FREQ", b"NONE"))), key(rng)],
    lambda rng: [b"DUMP", key(rng)],
    lambda rng: [b"RESTORE", key(rng), rng.choice((b"0", b"0", b"100000", b"-1", b"x")), _dump(rng), *some(
        rng, token_of(b"REPLACE"), token_of(b"REPLACE"), lambda rng: [b"IDLETIME", rng.choice((b"5", b"-1", b"x"))],
        lambda rng: [b"FREQ", rng.choice((b"5", b"256", b"-1"))])],
    lambda rng: [b"RESTORE", key(rng), unix_milliseconds(rng), _dump(rng), b"ABSTTL", b"REPLACE"],
)  # fmt: skip


def _scanned(_: Words, reply: object) -> object:
    if not isinstance(reply, list):
        return reply
    cursor, found = reply
    return [cursor, sorted(found)]


def _dumped(_: Words, reply: object) -> object:
    """LZF leaves open which match is taken; large sets and hashes come in any order."""
    if not isinstance(reply, bytes):
        return reply
    type, value = restore(reply)
    return type, sorted(value) if type in (RecordType.SET, RecordType.HASH) else value


def _object(_: Words, reply: object) -> object:
    """Redis shares small integers, but not those that COPY or INCRBYFLOAT made."""
    return "references" if isinstance(reply, int) else reply


GROUP: Final = Group(
    COMMANDS,
    questions=(b"PEXPIRETIME", b"OBJECT ENCODING", b"DUMP"),
    normalisers={
        b"KEYS": shuffled,
        b"SCAN": _scanned,
        b"RANDOMKEY": lambda _, reply: reply is None,
        b"DUMP": _dumped,
        b"OBJECT": _object,
    },
)
