"""Plays the same commands on ours and on a real redis-server, and holds the replies against each other.

Replies are compared as the bytes on the wire, except where two right servers may differ: `normalised` lists those
places with what the groups add, `excused` the known differences between the reference (Redis 7.0) and what we answer as
(7.2).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from elastickv.redis_api.parameters import PARAMETERS
from elastickv.redis_api.state import ServerState
from elastickv.redis_api.values.counted_tree import Shape
from tests.conformance.groups import GROUPS
from tests.conformance.words import KEYS, Words
from tests.kit.raw_redis import ErrorLine, RawRedis, decode
from tests.kit.redis_calls import RedisCalls

_CLOCK_TOLERANCE_MS = 5000
_TIMES = {b"TTL": 1, b"EXPIRETIME": 1, b"PTTL": 1000, b"PEXPIRETIME": 1000}
"""Command to its units in a second."""
BATCHES: Final = (1, 5, 60)
_SMALL_RECORD = 120
"""Bytes up to which ours keeps a collection in one record, in plays with low limits."""
_SMALL_TREE = Shape(leaf_entries=4, leaf_bytes=200, slots=3, lower_children=3, upper_children=4)


@dataclass(frozen=True, slots=True)
class Difference:
    commands: list[Words]
    """What was played before."""
    question: Words
    ours: object
    theirs: object

    def __str__(self) -> str:
        history = [*self.commands, self.question]
        return "\n".join(map(_shown, history)) + f"\n  ours:   {self.ours!r}\n  theirs: {self.theirs!r}"


def _shown(argv: Words) -> str:
    return "  " + " ".join(repr(word if len(word) < 200 else word[:20] + b"...")[1:] for word in argv)


class Pair:
    """Both servers, emptied before each play."""

    def __init__(self, host: str, port: int) -> None:
        self._theirs = RawRedis(host, port)
        self.compared = 0
        self._default: dict[str, bytes] = {}
        """The reference's own limits; parameters that it does not know are missing."""
        for name in _LIMITS:
            found = decode(self._theirs.one(b"CONFIG", b"GET", name.encode()))
            if isinstance(found, list) and found:
                self._default[name] = found[1]

    def close(self) -> None:
        self._theirs.close()

    def _configure(self, ours: RedisCalls, small: bool) -> list[Words]:
        """Set the limits of ours; the commands that do the same for the reference."""
        # Sets have known listpacks since 7.2 only.
        ours.databases.limits.set_entries = 0
        if small:
            ours.databases.limits.inline_bytes = _SMALL_RECORD
            ours.databases.trees.shape = _SMALL_TREE
            for name, value in _LIMITS.items():
                store = PARAMETERS[name].store
                assert store is not None
                store(cast(ServerState, ours.state), value)
        return [
            [b"CONFIG", b"SET", name.encode(), b"%d" % _LIMITS[name] if small else default]
            for name, default in self._default.items()
        ]

    def _asked_of_reference(self, asked: Sequence[Words]) -> list[bytes]:
        """Its replies to what is asked, without those to what only sets it right."""
        sent: list[Words] = []
        counted: list[int] = []
        for argv in asked:
            corrective = _CORRECTIVES.get(argv[0].upper())
            if corrective is not None:
                sent.append(corrective)
            counted.append(len(sent))
            sent.append(argv)
        replies = self._theirs.many(sent)
        return [replies[at] for at in counted]

    def play(
        self, commands: Sequence[Words], protocol: int, *, small: bool = False, batch: int = 1
    ) -> Difference | None:
        """The first difference in a reply or, after all, in what is stored. `batch`: ours commits so many commands at a
        time."""
        ours = RedisCalls(batch=batch)
        ours.store.view.now_ms = time.time_ns() // 1_000_000
        # COPY and MOVE put keys into database 1.
        asked = [*commands, *_QUESTIONS, [b"SELECT", b"1"], *_QUESTIONS]
        self._theirs.many(
            [[b"HELLO", b"%d" % protocol], [b"SELECT", b"0"], [b"FLUSHALL"], *self._configure(ours, small)]
        )
        theirs = self._asked_of_reference(asked)
        floats = any(argv[0].upper() == b"INCRBYFLOAT" for argv in commands)
        sorts = any(argv[0].upper().startswith(b"SORT") for argv in commands)
        for at, (argv, their_wire) in enumerate(zip(asked, theirs, strict=True)):
            if argv[0] == b"SELECT":
                ours.select(int(argv[1]))
                continue
            try:
                our_wire = ours.wire(argv, protocol)
            except Exception as error:
                return Difference(list(commands[:at]), argv, repr(error), their_wire)
            self.compared += 1
            if our_wire == their_wire or excused(argv, our_wire, their_wire):
                continue
            mine, reference = (normalised(argv, wire, floats, sorts) for wire in (our_wire, their_wire))
            if mine == reference or close_enough(argv, mine, reference):
                continue
            return Difference(list(commands[:at]), argv, mine, reference)
        return None


_LIMITS: Final = {name: value for group in GROUPS.values() for name, value in group.small.items()}
_CORRECTIVES: Final = {name: words for group in GROUPS.values() for name, words in group.correctives.items()}
_NORMALISERS: Final = {name: one for group in GROUPS.values() for name, one in group.normalisers.items()}


def _asked(question: bytes, name: bytes) -> Words:
    words = question.split()
    return [name if word == b"KEY" else word for word in words] if b"KEY" in words else [*words, name]


_QUESTIONS: Final[list[Words]] = [
    [b"KEYS", b"*"],
    *(_asked(question, name) for name in KEYS for group in GROUPS.values() for question in group.questions),
]
"""What is there in the end."""


def normalised(argv: Words, wire: bytes, floats: bool, sorts: bool) -> object:
    """The reply without what may differ."""
    reply = decode(wire)
    if isinstance(reply, ErrorLine):
        return reply
    name = argv[0].upper()
    if name == b"OBJECT" and sorts and reply in (b"listpack", b"skiplist"):
        # To sort a sorted set, Redis turns it into a skiplist for good.
        return "sorted set"
    if name == b"OBJECT" and floats and reply in (b"int", b"embstr"):
        # What INCRBYFLOAT wrote is text to Redis until it is loaded again, also when it is an integer.
        return "short"
    normaliser = _NORMALISERS.get(name)
    return (wire[:1], normaliser(argv, reply) if normaliser is not None else reply)


def close_enough(argv: Words, ours: object, theirs: object) -> bool:
    """Times that differ only because the clocks were read at different moments."""
    units = _TIMES.get(argv[0].upper())
    if units is None or not isinstance(ours, tuple) or not isinstance(theirs, tuple):
        return False
    mine, reference = ours[1], theirs[1]
    if not isinstance(mine, int) or not isinstance(reference, int) or mine < 0 or reference < 0:
        return False
    return abs(mine - reference) <= max(1, _CLOCK_TOLERANCE_MS * units // 1000)


def excused(argv: Words, ours: bytes, theirs: bytes) -> bool:
    """Known differences between Redis 7.0 and 7.2, of which we follow the latter."""
    return any(group.excused is not None and group.excused(argv, ours, theirs) for group in GROUPS.values())
