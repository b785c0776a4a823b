"""Random commands of the list group."""

from __future__ import annotations

from random import Random
from typing import Final

from tests.conformance.group import Group, Maker
from tests.conformance.words import Words, cased, integer, key, keys, repeated, small, some, value


def _element(rng: Random) -> bytes:
    """Mostly a few, so that they are found again."""
    return rng.choice((b"x", b"y", b"z", b"", b"12", b"long" * 20)) if rng.random() < 0.7 else value(rng)


def _index(rng: Random) -> bytes:
    return b"%d" % rng.randint(-6, 6) if rng.random() < 0.7 else small(rng)


def _side(rng: Random) -> bytes:
    return cased(rng, rng.choice((b"LEFT", b"RIGHT"))) if rng.random() < 0.96 else b"MIDDLE"


def _timeout(rng: Random) -> bytes:
    """Short: the reference really waits."""
    if rng.random() < 0.85:
        return rng.choice((b"0.001", b".001", b"1e-3", b"0.0005"))
    # 7.0 lets large ones overflow.
    return rng.choice((b"-1", b"-0.1", b"x", b"", b"-inf", b"nan", b"1_0", b" 1"))


def _counted_keys(rng: Random) -> Words:
    names = keys(rng)
    number = b"%d" % len(names) if rng.random() < 0.93 else rng.choice((b"0", b"-1", b"x", b"5", b"1"))
    return [number, *names]


def _count(rng: Random) -> Words:
    if rng.random() < 0.5:
        return []
    return [cased(rng, b"COUNT"), b"%d" % rng.randint(1, 6) if rng.random() < 0.9 else integer(rng)]


COMMANDS: tuple[Maker, ...] = (
    *2 * (lambda rng: [cased(rng, rng.choice((b"LPUSH", b"RPUSH"))), key(rng), *repeated(
        rng, lambda rng: [_element(rng)], 8)],),
    lambda rng: [rng.choice((b"LPUSHX", b"RPUSHX")), key(rng), _element(rng), *some(rng, lambda rng: [_element(rng)])],
    lambda rng: [rng.choice((b"LPOP", b"RPOP")), key(rng)],
    lambda rng: [rng.choice((b"LPOP", b"RPOP")), key(rng), rng.choice((b"1", b"2", b"3", b"7", b"0", small(rng)))],
    lambda rng: [b"LLEN", key(rng)],
    lambda rng: [b"LINDEX", key(rng), _index(rng)],
    lambda rng: [b"LRANGE", key(rng), _index(rng), _index(rng)],
    lambda rng: [b"LRANGE", key(rng), b"0", b"-1"],
    lambda rng: [b"LINSERT", key(rng), cased(rng, rng.choice((b"BEFORE", b"AFTER", b"AFTER", b"BEFORE", b"AT"))),
                 _element(rng), _element(rng)],
    lambda rng: [b"LREM", key(rng), rng.choice((b"0", b"1", b"2", b"-1", b"-2", small(rng))), _element(rng)],
    lambda rng: [b"LSET", key(rng), _index(rng), _element(rng)],
    lambda rng: [b"LTRIM", key(rng), _index(rng), _index(rng)],
    lambda rng: [b"LPOS", key(rng), _element(rng), *some(
        rng, lambda rng: [cased(rng, b"RANK"), _index(rng)], lambda rng: [cased(rng, b"COUNT"), _index(rng)],
        lambda rng: [cased(rng, b"MAXLEN"), _index(rng)])],
    lambda rng: [b"LMOVE", key(rng), key(rng), _side(rng), _side(rng)],
    lambda rng: [b"RPOPLPUSH", key(rng), key(rng)],
    lambda rng: [b"LMPOP", *_counted_keys(rng), _side(rng), *_count(rng)],
    lambda rng: [b"BLMPOP", _timeout(rng), *_counted_keys(rng), _side(rng), *_count(rng)],
    lambda rng: [rng.choice((b"BLPOP", b"BRPOP")), *keys(rng), _timeout(rng)],
    lambda rng: [b"BLMOVE", key(rng), key(rng), _side(rng), _side(rng), _timeout(rng)],
    lambda rng: [b"BRPOPLPUSH", key(rng), key(rng), _timeout(rng)],
)  # fmt: skip


def _excused(argv: Words, ours: bytes, theirs: bytes) -> bool:
    # 7.2 refuses a rank that it cannot negate.
    if argv[0].upper() == b"LPOS" and b"-9223372036854775808" in argv:
        return ours.startswith(b"-ERR value is out of range, value must between")
    # 7.0 has no other encoding than quicklist.
    return argv[0].upper() == b"OBJECT" and (ours, theirs) == (b"$8\r\nlistpack\r\n", b"$9\r\nquicklist\r\n")


GROUP: Final = Group(COMMANDS, questions=(b"LRANGE KEY 0 -1",), excused=_excused)
