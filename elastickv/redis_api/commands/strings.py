"""Strings as a whole: GET and SET with their many siblings.

Parts of strings are in `string_parts`, numbers in `string_numbers`. Options are read before anything is looked at, as
Redis does it, so that the same request meets the same error first.
"""

from __future__ import annotations

from typing import Final

from elastickv.redis_api.argument_docs import Argument, block, integer, key, oneof, token, word
from elastickv.redis_api.arguments import INT64_MAX
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.errors import SYNTAX, RedisError, wrong_arity
from elastickv.redis_api.registry import ALL_KEYS, COMMANDS, ONE_KEY, Flag, KeySpan, Reply
from elastickv.redis_api.replies import OK
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events
from elastickv.redis_api.values.database import Database
from elastickv.redis_api.values.records import Data, RecordType

_PAIRS: Final = KeySpan(1, -1, 2)
_PERSIST: Final = b"PERSIST"
_KEEPTTL: Final = b"KEEPTTL"
_EXPIRY_WORDS: Final = {b"EX": (1000, False), b"PX": (1, False), b"EXAT": (1000, True), b"PXAT": (1, True)}
"""Option to (milliseconds in its unit, absolute)."""


def _expiry_arguments(last: Argument) -> Argument:
    return oneof(
        "expiration",
        integer("seconds", token="EX"),
        integer("milliseconds", token="PX"),
        word("unix-time-seconds", "unix-time", token="EXAT"),
        word("unix-time-milliseconds", "unix-time", token="PXAT"),
        last,
        optional=True,
    )


class _Options:
    """The option words of SET and GETEX."""

    __slots__ = ("expiry", "flags", "time")

    def __init__(self, argv: list[bytes], start: int, words: frozenset[bytes]) -> None:
        """`words` are those without a value. Words that exclude each other are a syntax error; doubled ones are not."""
        self.flags: set[bytes] = set()
        self.expiry: bytes | None = None
        """EX, PX, EXAT or PXAT."""
        self.time = b""
        at = start
        while at < len(argv):
            option = argv[at].upper()
            if option in words:
                if _EXCLUDES.get(option, frozenset()) & self.flags or (option in _LIFETIME and self.expiry is not None):
                    raise SYNTAX
                self.flags.add(option)
            elif option in _EXPIRY_WORDS and at + 1 < len(argv):
                if self.flags & _LIFETIME or self.expiry not in (None, option):
                    raise SYNTAX
                self.expiry = option
                at += 1
                self.time = argv[at]
            else:
                raise SYNTAX
            at += 1

    def deadline(self, now_ms: int, name: str) -> int:
        """0 without an expiry option."""
        if self.expiry is None:
            return 0
        unit, absolute = _EXPIRY_WORDS[self.expiry]
        return _deadline(self.time, unit, 0 if absolute else now_ms, name)


_LIFETIME: Final = frozenset((_PERSIST, _KEEPTTL))
_EXCLUDES: Final = {
    b"NX": frozenset((b"XX",)),
    b"XX": frozenset((b"NX",)),
    _PERSIST: frozenset((_KEEPTTL,)),
    _KEEPTTL: frozenset((_PERSIST,)),
}
_SET_WORDS: Final = frozenset((b"NX", b"XX", b"GET", _KEEPTTL))
_GETEX_WORDS: Final = frozenset((_PERSIST,))


def _deadline(text: bytes, unit: int, start: int, name: str) -> int:
    time = read_integer(text)
    deadline = time * unit + start
    if time <= 0 or deadline > INT64_MAX:
        raise RedisError(b"ERR invalid expire time in '%b' command" % name.encode())
    return deadline


def _put(call: Call, key: bytes, value: bytes, deadline: int) -> None:
    """Set; a deadline in the past leaves nothing behind."""
    db = call.db
    if deadline and deadline <= call.view.now_ms:
        db.delete(key)
    else:
        db.set_string(key, value, deadline)
    if call.databases.listener is not None:
        db.notify(events.STRING, b"set", key)
        if deadline:
            db.notify(events.GENERIC, b"expire", key)
            if deadline <= call.view.now_ms:
                db.notify(events.EXPIRED, b"expired", key)


def _set(call: Call, key: bytes, value: bytes) -> None:
    call.db.set_string(key, value)
    if call.databases.listener is not None:
        call.db.notify(events.STRING, b"set", key)


@COMMANDS.command(
    "get",
    arity=2,
    flags=Flag.READONLY | Flag.FAST,
    keys=ONE_KEY,
    group="string",
    since="1.0.0",
    complexity="O(1)",
    key_access=("RO ACCESS",),
    arguments=(key(),),
)
def get(call: Call) -> Reply:
    """Returns the string stored at a key."""
    return call.db.string(call.argv[1])


@COMMANDS.command(
    "set",
    arity=-3,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=ONE_KEY,
    group="string",
    since="1.0.0",
    complexity="O(1)",
    key_access=("RW ACCESS UPDATE VARIABLE_FLAGS",),
    history=(
        ("2.6.12", "Options EX, PX, NX and XX."),
        ("6.0.0", "Option KEEPTTL."),
        ("6.2.0", "Options GET, EXAT and PXAT."),
        ("7.0.0", "NX and GET may be used together."),
    ),
    arguments=(
        key(),
        word("value"),
        oneof("condition", token("NX"), token("XX"), since="2.6.12", optional=True),
        token("GET", since="6.2.0", optional=True),
        oneof(
            "expiration",
            integer("seconds", token="EX", since="2.6.12"),
            integer("milliseconds", token="PX", since="2.6.12"),
            word("unix-time-seconds", "unix-time", token="EXAT", since="6.2.0"),
            word("unix-time-milliseconds", "unix-time", token="PXAT", since="6.2.0"),
            token("KEEPTTL", since="6.0.0"),
            optional=True,
        ),
    ),
)
def set_(call: Call) -> Reply:
    """Stores a string at a key, whatever was there before."""
    argv = call.argv
    if len(argv) == 3:
        _set(call, argv[1], argv[2])
        return OK
    _, name, value, *_ = argv
    options = _Options(argv, 3, _SET_WORDS)
    deadline = options.deadline(call.view.now_ms, "set")
    flags = options.flags
    previous = call.db.string(name) if b"GET" in flags else None
    if b"NX" in flags or b"XX" in flags or _KEEPTTL in flags:
        record = call.db.lookup(name)
        if record is None:
            if b"XX" in flags:
                return previous
        elif b"NX" in flags:
            return previous
        elif _KEEPTTL in flags:
            deadline = record.deadline
    _put(call, name, value, deadline)
    return previous if b"GET" in flags else OK


@COMMANDS.command(
    "setnx",
    arity=3,
    flags=Flag.WRITE | Flag.DENYOOM | Flag.FAST,
    keys=ONE_KEY,
    group="string",
    since="1.0.0",
    complexity="O(1)",
    key_access=("OW INSERT",),
    arguments=(key(), word("value")),
)
def setnx(call: Call) -> Reply:
    """Stores a string at a key that does not exist yet."""
    _, name, value = call.argv
    if call.db.exists(name):
        return 0
    _set(call, name, value)
    return 1


@COMMANDS.command(
    "setex",
    arity=4,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=ONE_KEY,
    group="string",
    since="2.0.0",
    complexity="O(1)",
    key_access=("OW UPDATE",),
    arguments=(key(), integer("seconds"), word("value")),
)
def setex(call: Call) -> Reply:
    """Stores a string that expires after so many seconds."""
    _, name, seconds, value = call.argv
    _put(call, name, value, _deadline(seconds, 1000, call.view.now_ms, "setex"))
    return OK


@COMMANDS.command(
    "psetex",
    arity=4,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=ONE_KEY,
    group="string",
    since="2.6.0",
    complexity="O(1)",
    key_access=("OW UPDATE",),
    arguments=(key(), integer("milliseconds"), word("value")),
)
def psetex(call: Call) -> Reply:
    """Stores a string that expires after so many milliseconds."""
    _, name, milliseconds, value = call.argv
    _put(call, name, value, _deadline(milliseconds, 1, call.view.now_ms, "psetex"))
    return OK


@COMMANDS.command(
    "getset",
    arity=3,
    flags=Flag.WRITE | Flag.DENYOOM | Flag.FAST,
    keys=ONE_KEY,
    group="string",
    since="1.0.0",
    complexity="O(1)",
    key_access=("RW ACCESS UPDATE",),
    arguments=(key(), word("value")),
)
def getset(call: Call) -> Reply:
    """Stores a string and returns the one that was there before."""
    _, name, value = call.argv
    previous = call.db.string(name)
    _set(call, name, value)
    return previous


@COMMANDS.command(
    "getdel",
    arity=2,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="string",
    since="6.2.0",
    complexity="O(1)",
    key_access=("RW ACCESS DELETE",),
    arguments=(key(),),
)
def getdel(call: Call) -> Reply:
    """Returns the string stored at a key and deletes the key."""
    name = call.argv[1]
    value = call.db.string(name)
    if value is not None:
        call.db.delete(name)
        call.db.notify(events.GENERIC, b"del", name)
    return value


@COMMANDS.command(
    "getex",
    arity=-2,
    flags=Flag.WRITE | Flag.FAST,
    keys=ONE_KEY,
    group="string",
    since="6.2.0",
    complexity="O(1)",
    key_access=("RW ACCESS UPDATE",),
    arguments=(key(), _expiry_arguments(token("PERSIST"))),
)
def getex(call: Call) -> Reply:
    """Returns the string stored at a key and sets or removes the key's deadline."""
    name = call.argv[1]
    options = _Options(call.argv, 2, _GETEX_WORDS)
    record = call.db.read_string(name)
    if record is None:
        return None
    deadline = options.deadline(call.view.now_ms, "getex")
    value = record.part()
    if deadline and deadline <= call.view.now_ms:
        call.db.remove(record)
        call.db.notify(events.GENERIC, b"del", name)
    elif deadline or (_PERSIST in options.flags and record.deadline):
        call.db.set_deadline(record, deadline)
        call.db.notify(events.GENERIC, b"expire" if deadline else b"persist", name)
    return value


@COMMANDS.command(
    "mget",
    arity=-2,
    flags=Flag.READONLY | Flag.FAST,
    keys=ALL_KEYS,
    group="string",
    since="1.0.0",
    complexity="O(N) for N keys",
    key_access=("RO ACCESS",),
    arguments=(key(multiple=True),),
)
def mget(call: Call) -> Reply:
    """Returns the strings stored at several keys; null where there is no string."""
    call.db.will_touch(len(call.argv))
    return [_string_or_none(call.db, name) for name in call.argv[1:]]


def _string_or_none(db: Database, name: bytes) -> Data | None:
    record = db.read(name)
    return record.part() if record is not None and record.type is RecordType.STRING else None


@COMMANDS.command(
    "mset",
    arity=-3,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=_PAIRS,
    group="string",
    since="1.0.1",
    complexity="O(N) for N keys",
    key_access=("OW UPDATE",),
    arguments=(block("data", key(), word("value"), multiple=True),),
)
def mset(call: Call) -> Reply:
    """Stores several strings at once."""
    argv = call.argv
    if len(argv) % 2 == 0:
        raise wrong_arity("mset")
    for at in range(1, len(argv), 2):
        _set(call, argv[at], argv[at + 1])
    return OK


@COMMANDS.command(
    "msetnx",
    arity=-3,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=_PAIRS,
    group="string",
    since="1.0.1",
    complexity="O(N) for N keys",
    key_access=("OW INSERT",),
    arguments=(block("data", key(), word("value"), multiple=True),),
)
def msetnx(call: Call) -> Reply:
    """Stores several strings at once when none of the keys exists yet, else nothing."""
    argv = call.argv
    if len(argv) % 2 == 0:
        raise wrong_arity("msetnx")
    if any(call.db.exists(name) for name in argv[1::2]):
        return 0
    for at in range(1, len(argv), 2):
        _set(call, argv[at], argv[at + 1])
    return 1
