"""Random commands of the generic group: keys whatever they hold."""

from __future__ import annotations

from random import Random
from typing import Final

from elastickv.redis_api.rdb import dump_string
from elastickv.redis_api.rdb_values import restore
from elastickv.redis_api.values.records import RecordType
from elastickv.redis_api.values.stream_values import StreamValue
from tests.conformance.group import Group, Maker, how_many, shuffled
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


def _sort(rng: Random) -> Words:
    words = [rng.choice((b"SORT", b"SORT", b"SORT", b"SORT_RO")), key(rng)]
    options = some(
        rng,
        token_of(b"DESC"),
        token_of(b"ASC"),
        lambda rng: [cased(rng, b"GET"), rng.choice((b"#", b"*", b"key:*", b"*->f1", b"key:*->a", b"none", b"*->"))],
        lambda rng: [
            cased(rng, b"LIMIT"),
            rng.choice((b"0", b"1", b"-1", b"x")),
            rng.choice((b"0", b"2", b"-1", b"99")),
        ],
    )
    if rng.random() < 0.3:
        # Elements of the same weight come in any order when letters are compared: see `_sorted`.
        options = [cased(rng, b"BY"), rng.choice((b"key:*", b"*", b"*->f1", b"nosort", b"*->f2")), *options]
    if rng.random() < 0.6 and b"*" not in options[1:2]:
        options.append(cased(rng, b"ALPHA"))
    if rng.random() < 0.2 and b"BY" not in map(bytes.upper, options):
        options += [cased(rng, b"STORE"), key(rng)]
    return [*words, *options]


def _sorted(words: Words, reply: object) -> object:
    spelled = [word.upper() for word in words]
    if b"BY" in spelled and b"LIMIT" in spelled:
        return how_many(words, reply)
    if b"ALPHA" in spelled and isinstance(reply, list):
        # strcoll looks no further than a zero byte.
        reply = [one.partition(b"\0")[0] if isinstance(one, bytes) else one for one in reply]
    return shuffled(words, reply) if b"BY" in spelled else reply


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
    _sort,
    _sort,
    lambda rng: [b"RESTORE", key(rng), rng.choice((b"0", b"0", b"100000", b"-1", b"x")), _dump(rng), *some(
        rng, token_of(b"REPLACE"), token_of(b"REPLACE"), lambda rng: [b"IDLETIME", rng.choice((b"5", b"-1", b"x"))],
        lambda rng: [b"FREQ", rng.choice((b"5", b"256", b"-1"))])],
    lambda rng: [b"RESTORE", key(rng), unix_milliseconds(rng), _dump(rng), b"ABSTTL", b"REPLACE"],
)  # fmt: skip


def _scanned(words: Words, reply: object) -> object:
    if not isinstance(reply, list):
        return reply
    if b"COUNT" not in map(bytes.upper, words):
        return "a page"  # how much of the table it covers is a matter of its size
    cursor, found = reply
    return [cursor, sorted(found)]


def _dumped(_: Words, reply: object) -> object:
    """LZF leaves open which match is taken; large sets and hashes come in any order."""
    if not isinstance(reply, bytes):
        return reply
    type, value = restore(reply)
    if isinstance(value, StreamValue):
        # Clocks were read at different moments, and 7.2 makes consumers also when there is nothing for them.
        for group in value.groups:
            owners = {pending.consumer for pending in group.pending}
            group.consumers = [one for one in group.consumers if one.name in owners]
            for consumer in group.consumers:
                consumer.seen_ms = consumer.active_ms = 0
            for pending in group.pending:
                pending.delivered_ms = 0
    return type, sorted(value) if type in (RecordType.SET, RecordType.HASH) else value


def _object(_: Words, reply: object) -> object:
    """Redis shares small integers, but not those that COPY or INCRBYFLOAT made."""
    return "references" if isinstance(reply, int) else reply


_RESET_ERRNO: Final[Words] = [b"ZADD", b"no such key", b"XX", b"0", b"member"]
"""SORT in Redis does not set errno back before strtod: after an overflow in any earlier command, no text is a number to
it. ZADD does set it back, and so changes nothing else."""


GROUP: Final = Group(
    COMMANDS,
    correctives={b"SORT": _RESET_ERRNO, b"SORT_RO": _RESET_ERRNO},
    # Without ABSTTL a time in the distant past is a moment in the near future.
    whole=frozenset((b"RESTORE",)),
    questions=(b"PEXPIRETIME", b"OBJECT ENCODING", b"DUMP"),
    normalisers={
        b"KEYS": shuffled,
        b"SCAN": _scanned,
        b"RANDOMKEY": lambda _, reply: reply is None,
        b"DUMP": _dumped,
        b"SORT": _sorted,
        b"SORT_RO": _sorted,
        b"OBJECT": _object,
    },
)
