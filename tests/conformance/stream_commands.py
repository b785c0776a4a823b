"""Random commands of the stream group. IDs are given, because two servers never read their clocks together."""

from __future__ import annotations

from random import Random
from typing import Final

from tests.conformance.group import Group, Maker
from tests.conformance.words import Words, cased, integer, key, keys, repeated, small, some, token_of, value

_LEFT_OUT: Final = {b"idle", b"inactive", b"seen-time", b"active-time", b"radix-tree-keys", b"radix-tree-nodes"}
"""Fields of XINFO that two right servers tell differently; 7.0 does not know two of them."""
_LONG_AGO: Final = 1_000_000_000_000


def _id(rng: Random) -> bytes:
    chance = rng.random()
    if chance < 0.6:
        return b"%d-%d" % (rng.randint(0, 30), rng.randint(0, 3))
    if chance < 0.9:
        return b"%d" % rng.randint(0, 40)
    return rng.choice(
        (
            b"0-0", b"18446744073709551615", b"18446744073709551615-18446744073709551615", b"-", b"+", b"$", b">", b"x",
            b"1-", b"-1", b"1--1", b"01-02", b"+1-1", b" 1-1", b"1-+2", b"18446744073709551616-0", b"1-1-1", b"",
            b"1-*", b"1" * 130, b"(1-1", b"5-18446744073709551615", b"1\x00-5", b"0x1-1", b"-01-1", b"1--01",
        )
    )  # fmt: skip


def _new_id(rng: Random) -> bytes:
    """Mostly greater than those before."""
    if rng.random() < 0.8:
        return b"%d-%s" % (rng.randint(10, 60), rng.choice((b"*", b"0", b"1", b"5")))
    return _id(rng).replace(b"$", b"9-*")


def _bound(rng: Random) -> bytes:
    chance = rng.random()
    if chance < 0.35:
        return rng.choice((b"-", b"+"))
    return b"(" + _id(rng) if chance < 0.5 else _id(rng)


def _group(rng: Random) -> bytes:
    return rng.choice((b"g1", b"g1", b"g2", b"none", b"n" * 500))


def _consumer(rng: Random) -> bytes:
    return rng.choice((b"c1", b"c1", b"c2", b"c3", b"", b"c" * 500))


def _idle(rng: Random) -> bytes:
    """No time that could just pass."""
    return rng.choice((b"0", b"0", b"0", b"100000000", b"-5")) if rng.random() < 0.93 else integer(rng)


def _trim(rng: Random) -> Words:
    words = []
    for _ in range(rng.choice((1, 1, 1, 1, 2))):
        words.append(cased(rng, rng.choice((b"MAXLEN", b"MAXLEN", b"MINID"))))
        words += rng.choice(([], [], [b"~"], [b"="]))
        words.append(b"%d" % rng.randint(0, 12) if rng.random() < 0.8 else _id(rng))
    if rng.random() < 0.25:
        words += [cased(rng, b"LIMIT"), rng.choice((b"0", b"1", b"4", b"5", b"100", b"-1", b"x"))]
    return words


def _count(rng: Random) -> Words:
    if rng.random() < 0.6:
        return []
    return [cased(rng, b"COUNT"), b"%d" % rng.randint(-1, 6) if rng.random() < 0.9 else small(rng)]


def _block(rng: Random) -> Words:
    """Short: the reference really waits."""
    return rng.choice(([], [], [], [b"BLOCK", b"1"], [b"BLOCK", b"1"], [b"block", b"-1"], [b"BLOCK", b"x"]))


def _streams(rng: Random, newest: bytes) -> Words:
    names = keys(rng)[: rng.choice((1, 1, 1, 2, 3))]
    positions = [newest if rng.random() < 0.5 else _id(rng) for _ in names]
    return [cased(rng, b"STREAMS"), *names, *positions]


def _add(rng: Random) -> Words:
    options = [*([b"NOMKSTREAM"] if rng.random() < 0.1 else []), *(_trim(rng) if rng.random() < 0.2 else [])]
    fields = repeated(rng, lambda rng: [rng.choice((b"f", b"g", b"")), value(rng)], rng.choice((1, 1, 2)))
    return [b"XADD", key(rng), *options, _new_id(rng), *fields]


def _create(rng: Random) -> Words:
    position = rng.choice((b"$", b"0", b"0", _id(rng)))
    options = some(rng, token_of(b"MKSTREAM"), lambda rng: [b"ENTRIESREAD", small(rng)])
    return [b"XGROUP", cased(rng, b"CREATE"), key(rng), _group(rng), position, *options]


def _read_group(rng: Random) -> Words:
    options = [*_count(rng), *_block(rng), *([b"NOACK"] if rng.random() < 0.15 else [])]
    group = [cased(rng, b"GROUP"), _group(rng), _consumer(rng)] if rng.random() < 0.97 else []
    return [b"XREADGROUP", *group, *options, *_streams(rng, b">")]


def _ids(rng: Random) -> Words:
    return repeated(rng, lambda rng: [_id(rng)], 4)


def _claim(rng: Random) -> Words:
    options = some(
        rng,
        token_of(b"FORCE"),
        token_of(b"JUSTID"),
        lambda rng: [b"IDLE", _idle(rng)],
        lambda rng: [b"TIME", rng.choice((b"1000", b"99999999999999", b"x"))],
        lambda rng: [b"RETRYCOUNT", small(rng)],
        lambda rng: [b"LASTID", _id(rng)],
        token_of(b"WHAT"),
    )
    return [b"XCLAIM", key(rng), _group(rng), _consumer(rng), _idle(rng), *_ids(rng), *options]


def _pending(rng: Random) -> Words:
    words = [b"XPENDING", key(rng), _group(rng)]
    if rng.random() < 0.4:
        return words
    idle = [cased(rng, b"IDLE"), _idle(rng)] if rng.random() < 0.3 else []
    consumer = [_consumer(rng)] if rng.random() < 0.4 else []
    return [*words, *idle, _bound(rng), _bound(rng), b"%d" % rng.randint(0, 8), *consumer]


COMMANDS: tuple[Maker, ...] = (
    _add,
    _add,
    _add,
    lambda rng: [b"XLEN", key(rng)],
    lambda rng: [rng.choice((b"XRANGE", b"XREVRANGE")), key(rng), _bound(rng), _bound(rng), *_count(rng)],
    lambda rng: [b"XRANGE", key(rng), b"-", b"+"],
    lambda rng: [b"XDEL", key(rng), *_ids(rng)],
    lambda rng: [b"XTRIM", key(rng), *_trim(rng)],
    # 7.0 lets it go back behind what was deleted.
    lambda rng: [b"XSETID", key(rng), rng.choice((b"61-1", b"70", b"x", b"-", b"62-3")), *some(
        rng, lambda rng: [b"ENTRIESADDED", small(rng)], lambda rng: [b"MAXDELETEDID", _id(rng)])],
    lambda rng: [b"XREAD", *_count(rng), *_block(rng), *_streams(rng, b"$")],
    _create,
    _create,
    lambda rng: [b"XGROUP", b"SETID", key(rng), _group(rng), rng.choice((b"$", b"0", _id(rng))), *some(
        rng, lambda rng: [b"ENTRIESREAD", small(rng)])],
    lambda rng: [b"XGROUP", b"DESTROY", key(rng), _group(rng)],
    lambda rng: [b"XGROUP", rng.choice((b"CREATECONSUMER", b"DELCONSUMER")), key(rng), _group(rng), _consumer(rng)],
    _read_group,
    _read_group,
    _read_group,
    lambda rng: [b"XACK", key(rng), _group(rng), *_ids(rng)],
    _pending,
    _claim,
    lambda rng: [b"XAUTOCLAIM", key(rng), _group(rng), _consumer(rng), _idle(rng), _bound(rng), *_count(rng), *some(
        rng, token_of(b"JUSTID"))],
    lambda rng: [b"XINFO", cased(rng, b"STREAM"), key(rng), *rng.choice(
        ([], [], [b"FULL"], [b"FULL", b"COUNT", b"2"], [b"full", b"count", b"0"], [b"FULL", b"COUNT"], [b"x"]))],
    lambda rng: [b"XINFO", b"GROUPS", key(rng)],
    lambda rng: [b"XINFO", b"CONSUMERS", key(rng), _group(rng)],
)  # fmt: skip


def _told(_: Words, reply: object) -> object:
    """What XINFO tells, without clocks and memory; times are only times.

    7.2 makes a consumer also when there is nothing for it, so those that have nothing pending do not count.
    """
    return _plain(reply)


def _plain(reply: object) -> object:
    if isinstance(reply, int):
        return "a time" if reply > _LONG_AGO else reply
    if not isinstance(reply, list):
        return reply
    kept = []
    items = iter(reply)
    for one in items:
        if isinstance(one, bytes) and one in _LEFT_OUT:
            next(items)
        elif one == b"consumers":
            consumers = next(items)
            kept += [one, "some" if isinstance(consumers, int) else _plain(consumers)]
        elif not _is_idle_consumer(one):
            kept.append(_plain(one))
    return kept


def _is_idle_consumer(told: object) -> bool:
    if not isinstance(told, list) or told[:1] != [b"name"]:
        return False
    if b"last-delivered-id" in told:
        return False  # a group
    pending = told[told.index(b"pel-count" if b"pel-count" in told else b"pending") + 1]
    return bool(pending == 0)


def _not_how_long(words: Words, reply: object) -> object:
    """XPENDING's entries without the time since their delivery."""
    if isinstance(reply, list) and len(words) > 3:
        return [[id, consumer, count] for id, consumer, _, count in reply]
    return reply


def _excused(argv: Words, ours: bytes, theirs: bytes) -> bool:
    # 7.2 names the command, with the sign that fits.
    if b"Unbalanced" in ours and b"Unbalanced" in theirs:
        return True
    # The consumer is there already, because 7.2 makes it also when there is nothing for it.
    named = [word.upper() for word in argv[:2]]
    return named == [b"XGROUP", b"CREATECONSUMER"] and (ours, theirs) == (b":0\r\n", b":1\r\n")


GROUP: Final = Group(
    COMMANDS,
    questions=(b"XINFO STREAM KEY FULL COUNT 0",),
    normalisers={b"XINFO": _told, b"XPENDING": _not_how_long},
    excused=_excused,
    small={"stream-node-max-entries": 4, "stream-node-max-bytes": 0},
)
