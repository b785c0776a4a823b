"""Plays the same commands on ours and on a real redis-server, and holds the replies against each other.

Replies are compared as the bytes on the wire, except where two right servers may differ: `normalised` lists those
places, `excused` the known differences between the reference (Redis 7.0) and what we answer as (7.2).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from elastickv.redis_api.rdb import restore_string
from tests.conformance.redis_commands import KEYS
from tests.kit.raw_redis import ErrorLine, RawRedis, decode
from tests.kit.redis_calls import RedisCalls

Words = list[bytes]

_CLOCK_TOLERANCE_MS = 5000
_TIMES = {b"TTL": 1, b"EXPIRETIME": 1, b"PTTL": 1000, b"PEXPIRETIME": 1000}
"""Command to its units in a second."""


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

    def close(self) -> None:
        self._theirs.close()

    def play(self, commands: Sequence[Words], protocol: int) -> Difference | None:
        """The first difference in a reply or, after all, in what is stored."""
        ours = RedisCalls()
        ours.store.view.now_ms = time.time_ns() // 1_000_000
        # COPY and MOVE put keys into database 1.
        asked = [*commands, *_QUESTIONS, [b"SELECT", b"1"], *_QUESTIONS]
        self._theirs.many([[b"HELLO", b"%d" % protocol], [b"SELECT", b"0"], [b"FLUSHALL"]])
        theirs = self._theirs.many(asked)
        floats = any(argv[0].upper() == b"INCRBYFLOAT" for argv in commands)
        for at, (argv, their_wire) in enumerate(zip(asked, theirs, strict=True)):
            if argv[0] == b"SELECT":
                ours.select(int(argv[1]))
                continue
            our_wire = ours.wire(argv, protocol)
            self.compared += 1
            if our_wire == their_wire or excused(argv, our_wire, their_wire):
                continue
            mine, reference = normalised(argv, our_wire, floats), normalised(argv, their_wire, floats)
            if mine == reference or _close(argv, mine, reference):
                continue
            return Difference(list(commands[:at]), argv, mine, reference)
        return None


_QUESTIONS: Final[list[Words]] = [
    [b"KEYS", b"*"],
    *(
        argv
        for name in KEYS
        for argv in ([b"GET", name], [b"PEXPIRETIME", name], [b"OBJECT", b"ENCODING", name], [b"DUMP", name])
    ),
]
"""What is there in the end."""


def normalised(argv: Words, wire: bytes, floats: bool) -> object:
    """The reply without what may differ."""
    reply = decode(wire)
    name = argv[0].upper()
    if isinstance(reply, ErrorLine):
        return reply
    if name == b"KEYS" and isinstance(reply, list):
        return sorted(reply)
    if name == b"SCAN" and isinstance(reply, list):
        cursor, found = reply
        return [cursor, sorted(found)]
    if name == b"RANDOMKEY":
        return reply is None
    if name == b"DUMP" and isinstance(reply, bytes):
        # LZF leaves open which match is taken.
        return restore_string(reply)
    if name == b"OBJECT" and isinstance(reply, int):
        # Redis shares small integers, but not those that COPY or INCRBYFLOAT made.
        return "references"
    if name == b"OBJECT" and floats and reply in (b"int", b"embstr"):
        # What INCRBYFLOAT wrote is text to Redis until it is loaded again, also when it is an integer.
        return "short"
    return (wire[:1], reply)


def _close(argv: Words, ours: object, theirs: object) -> bool:
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
    name = argv[0].upper()
    # 7.2 (pull request 11734): arguments are checked before the key is looked for.
    return name in (b"BITCOUNT", b"BITPOS") and ours.startswith(b"-ERR") and theirs in (b":0\r\n", b":-1\r\n")
