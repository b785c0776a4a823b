"""Random commands of the sorted-set group.

Ranges by member mean something only where all scores are equal; elsewhere even two runs of Redis differ. So they are
asked of one key that nothing else touches.
"""

from __future__ import annotations

from random import Random
from typing import Final

from tests.conformance.group import Group, Maker, how_many
from tests.conformance.words import Words, cased, fraction, integer, key, keys, pattern, repeated, some, token_of

_LEX_KEYS: Final = (b"lex", b"lex2")


def member(rng: Random) -> bytes:
    if rng.random() < 0.75:
        return rng.choice((b"a", b"b", b"c", b"d", b"m1", b"m2", b"m3", b"", b"\x00\xff", b"10", b"-1"))
    return rng.choice(
        (b"member:%d" % rng.randint(0, 60), b"%d" % rng.randint(-5, 20), b"x" * 64, b"x" * 65, b"y" * 450)
    )


def score(rng: Random) -> bytes:
    chance = rng.random()
    if chance < 0.5:
        return b"%d" % rng.randint(-6, 12)
    if chance < 0.8:
        return b"%.*f" % (rng.randint(1, 18), rng.uniform(-100, 100))
    if chance < 0.92:
        return rng.choice(
            (b"inf", b"-inf", b"+inf", b"1e300", b"-1e-300", b"0x10", b".5", b"3.", b"1e5", b"4503599627370497")
        )
    return rng.choice((fraction, integer))(rng)


def _pairs(rng: Random) -> Words:
    return repeated(rng, lambda rng: [score(rng), member(rng)], rng.choice((1, 1, 2, 3, 12)))


def _add(rng: Random) -> Words:
    options = some(rng, *map(token_of, (b"NX", b"XX", b"GT", b"LT", b"CH", b"CH", b"INCR")))
    return [b"ZADD", key(rng), *options, *_pairs(rng)]


def _bound(rng: Random) -> bytes:
    chance = rng.random()
    word = rng.choice((b"-inf", b"+inf", b"inf")) if chance < 0.2 else score(rng)
    if rng.random() < 0.03:
        word = rng.choice((b"", b" 1", b"1 ", b"1\x00x", b"nan", b"(", b"((1", b"1e999", b"-1e999", b"abc", b"0x1p3"))
    return b"(" + word if rng.random() < 0.3 else word


def _lex_bound(rng: Random) -> bytes:
    chance = rng.random()
    if chance < 0.25:
        return rng.choice((b"-", b"+"))
    if chance < 0.95:
        return rng.choice((b"[", b"(")) + rng.choice(
            (b"", b"a", b"b", b"bb", b"c", b"m1", b"m2\xff", b"\xff", b"x" * 64)
        )
    return rng.choice((b"", b"a", b"-x", b"+\x00", b"-\x00", b"]a", b"++"))


def _place(rng: Random) -> bytes:
    return b"%d" % rng.randint(-12, 12) if rng.random() < 0.9 else integer(rng)


def _limit(rng: Random) -> Words:
    return [cased(rng, b"LIMIT"), _place(rng), _place(rng)]


def _lex_key(rng: Random) -> bytes:
    return rng.choice(_LEX_KEYS)


def _range(rng: Random) -> Words:
    """ZRANGE or ZRANGESTORE in one of their forms."""
    store = rng.random() < 0.25
    form = rng.choice((b"", b"", b"BYSCORE", b"BYLEX"))
    source = _lex_key(rng) if form == b"BYLEX" else key(rng)
    make = {b"": _place, b"BYSCORE": _bound, b"BYLEX": _lex_bound}[form]
    options = [[form]] if form else []
    if rng.random() < 0.3:
        options.append([b"REV"])
    if rng.random() < 0.3 and (form or rng.random() < 0.2):
        options.append(_limit(rng))
    if rng.random() < 0.4 and (form != b"BYLEX" or rng.random() < 0.2):
        options.append([b"WITHSCORES"])
    rng.shuffle(options)
    words = [cased(rng, word) for option in options for word in option]
    if store:
        # What comes from the key of equal scores must not go where scores differ, or the other way round.
        target = _lex_key(rng) if form == b"BYLEX" else key(rng)
        return [b"ZRANGESTORE", target, source, make(rng), make(rng), *words]
    return [b"ZRANGE", source, make(rng), make(rng), *words]


def _count(rng: Random) -> bytes:
    if rng.random() < 0.85:
        return b"%d" % rng.randint(-4, 20)
    return rng.choice((b"9223372036854775807", b"-9223372036854775808", b"4611686018427387904", b"x", b"", b"0"))


def _sources(rng: Random) -> Words:
    names = keys(rng)
    count = len(names) if rng.random() < 0.93 else rng.randint(-1, 6)
    return [b"%d" % count if rng.random() < 0.98 else integer(rng), *names]


def _weighted(rng: Random, sources: Words) -> Words:
    return some(
        rng,
        lambda rng: [cased(rng, b"WEIGHTS"), *(_weight(rng) for _ in sources[1:])],
        lambda rng: [cased(rng, b"AGGREGATE"), cased(rng, rng.choice((b"SUM", b"MIN", b"MAX", b"MAX", b"AVG")))],
        token_of(b"WITHSCORES"),
    )


def _weight(rng: Random) -> bytes:
    return rng.choice((b"1", b"2", b"0.5", b"3.1", b"inf", b"1e10", score(rng)))


def _union(rng: Random) -> Words:
    sources = _sources(rng)
    name = rng.choice((b"ZUNION", b"ZINTER"))
    if rng.random() < 0.5:
        return [name + b"STORE", key(rng), *sources, *_weighted(rng, sources)]
    return [name, *sources, *_weighted(rng, sources)]


def _difference(rng: Random) -> Words:
    sources = _sources(rng)
    if rng.random() < 0.4:
        return [b"ZDIFFSTORE", key(rng), *sources]
    return [b"ZDIFF", *sources, *some(rng, token_of(b"WITHSCORES"), token_of(b"WITHSCORES"))]


def _mpop(rng: Random) -> Words:
    side = cased(rng, rng.choice((b"MIN", b"MAX", b"MAX", b"LEFT")))
    return [b"ZMPOP", *_sources(rng), side, *some(rng, lambda rng: [cased(rng, b"COUNT"), _count(rng)])]


def _timeout(rng: Random) -> bytes:
    """Short: the reference really waits."""
    return rng.choice((b"0.001", b".001", b"0.0005")) if rng.random() < 0.9 else rng.choice((b"-1", b"x", b"", b"nan"))


def _blocking_mpop(rng: Random) -> Words:
    return [b"BZMPOP", _timeout(rng), *_mpop(rng)[1:]]


def _draw(rng: Random) -> Words:
    words = [b"ZRANDMEMBER", key(rng)]
    if rng.random() < 0.9:
        words.append(_count(rng))
        if rng.random() < 0.5:
            words.append(cased(rng, rng.choice((b"WITHSCORES", b"WITHSCORES", b"WITHSCORE"))))
    return words


def _scan(rng: Random) -> Words:
    cursor = rng.choice((b"0", b"0", b"0", b"0", b"x", b"", b"18446744073709551616"))
    options = some(
        rng,
        lambda rng: [cased(rng, b"MATCH"), pattern(rng)],
        lambda rng: [cased(rng, b"COUNT"), rng.choice((b"1000", b"0", b"-1", b"x"))],
    )
    return [b"ZSCAN", key(rng), cursor, *options, b"COUNT", b"1000"]


def numbers(_: Words, reply: object) -> object:
    """Doubles by value: 7.0 prints 17 digits, 7.2 as many as are needed. And a zero has no sign: Redis keeps it in
    large sets and not in small ones."""
    if isinstance(reply, list):
        return [numbers(_, one) for one in reply]
    if isinstance(reply, bytes) and reply.strip(b"0123456789.e+-") in (b"", b"inf") and reply[-1:].isalnum():
        try:
            return float(reply)
        except ValueError:
            return reply
    return reply


def _scanned(words: Words, reply: object) -> object:
    if not isinstance(reply, list) or b"1000" not in words:
        # How much comes at once is open.
        return "some"
    flat = numbers(words, reply[1])
    assert isinstance(flat, list)
    return [reply[0], sorted(zip(map(repr, flat[::2]), flat[1::2], strict=True))]


COMMANDS: tuple[Maker, ...] = (
    _add,
    _add,
    _add,
    lambda rng: [b"ZADD", key(rng), *_pairs(rng)],
    lambda rng: [b"ZADD", key(rng), *_pairs(rng)],
    lambda rng: [b"ZADD", _lex_key(rng), *repeated(rng, lambda rng: [b"0", member(rng)], 6)],
    lambda rng: [b"ZINCRBY", key(rng), score(rng), member(rng)],
    lambda rng: [b"ZREM", key(rng), *repeated(rng, lambda rng: [member(rng)], 4)],
    lambda rng: [b"ZREM", _lex_key(rng), *repeated(rng, lambda rng: [member(rng)], 2)],
    lambda rng: [b"ZCARD", key(rng)],
    lambda rng: [b"ZSCORE", key(rng), member(rng)],
    lambda rng: [b"ZMSCORE", key(rng), *repeated(rng, lambda rng: [member(rng)])],
    lambda rng: [rng.choice((b"ZRANK", b"ZREVRANK")), key(rng), member(rng)],
    lambda rng: [rng.choice((b"ZRANK", b"ZREVRANK")), key(rng), member(rng)],
    _range,
    _range,
    _range,
    lambda rng: [b"ZREVRANGE", key(rng), _place(rng), _place(rng), *some(rng, token_of(b"WITHSCORES"))],
    lambda rng: [rng.choice((b"ZRANGEBYSCORE", b"ZREVRANGEBYSCORE")), key(rng), _bound(rng), _bound(rng), *some(
        rng, token_of(b"WITHSCORES"), _limit)],
    lambda rng: [rng.choice((b"ZRANGEBYLEX", b"ZREVRANGEBYLEX")), _lex_key(rng), _lex_bound(rng), _lex_bound(rng),
        *some(rng, token_of(b"WITHSCORES"), _limit, _limit)],
    lambda rng: [b"ZCOUNT", key(rng), _bound(rng), _bound(rng)],
    lambda rng: [b"ZLEXCOUNT", _lex_key(rng), _lex_bound(rng), _lex_bound(rng)],
    lambda rng: [b"ZREMRANGEBYRANK", key(rng), _place(rng), _place(rng)],
    lambda rng: [b"ZREMRANGEBYSCORE", key(rng), _bound(rng), _bound(rng)],
    lambda rng: [b"ZREMRANGEBYLEX", _lex_key(rng), _lex_bound(rng), _lex_bound(rng)],
    lambda rng: [rng.choice((b"ZPOPMIN", b"ZPOPMAX")), key(rng)],
    lambda rng: [rng.choice((b"ZPOPMIN", b"ZPOPMAX")), key(rng), _count(rng)],
    _mpop,
    lambda rng: [rng.choice((b"BZPOPMIN", b"BZPOPMAX")), *keys(rng), _timeout(rng)],
    _blocking_mpop,
    _union,
    _union,
    _difference,
    lambda rng: [b"ZINTERCARD", *_sources(rng), *some(rng, lambda rng: [cased(rng, b"LIMIT"), _count(rng)])],
    _draw,
    _scan,
    lambda rng: [b"OBJECT", b"ENCODING", key(rng)],
    lambda rng: [b"DEL", key(rng)],
    lambda rng: [b"COPY", key(rng), key(rng), b"REPLACE"],
)  # fmt: skip

_SCORED: Final = (
    b"ZADD ZINCRBY ZSCORE ZMSCORE ZRANGE ZREVRANGE ZRANGEBYSCORE ZREVRANGEBYSCORE ZPOPMIN ZPOPMAX ZMPOP"
    b" BZPOPMIN BZPOPMAX BZMPOP ZUNION ZINTER ZDIFF"
).split()


def _excused(argv: Words, ours: bytes, theirs: bytes) -> bool:
    # 7.2 has WITHSCORE, so that a fourth word is its syntax error, or right.
    return argv[0].upper() in (b"ZRANK", b"ZREVRANK") and len(argv) > 3 and theirs.startswith(b"-ERR wrong number")


GROUP: Final = Group(
    COMMANDS,
    questions=(b"ZCARD",),
    normalisers={**dict.fromkeys(_SCORED, numbers), b"ZRANDMEMBER": how_many, b"ZSCAN": _scanned},
    excused=_excused,
    small={"zset-max-listpack-entries": 5, "zset-max-listpack-value": 20},
)
