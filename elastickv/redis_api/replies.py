"""What a command may return, and how it looks on the wire in RESP2 and RESP3.

    int          :1                         float        ,1.5          (RESP2: bulk string)
    bytes        $1 a                       bool         #t            (RESP2: :1)
    None         _      (RESP2: $-1)        NULL_ARRAY   _             (RESP2: *-1)
    list, tuple, Bulks  *n                  dict         %n            (RESP2: flat array)
    CachedMap    %n     (RESP2: flat array) Verbatim     =n txt:...    (RESP2: bulk string)
    set, Members, CachedMembers  ~n  (RESP2: *n)
    Simple       +OK                        Push         >n            (RESP2: *n)
    RedisError   -ERR ...   (also inside arrays, as EXEC needs it)     Raw   bytes that are RESP already

Encoding is one dict lookup by the exact type; a subclass (IntEnum, OrderedDict) is looked up once by its bases and then
remembered. A command that wants a Python bool shown as an integer in RESP3 returns `int(...)`: most of Redis' 0/1
replies are integers in both protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from elastickv.redis_api.errors import RedisError

Encoder = Callable[[Any], bytes]


class Simple:
    """A simple string: `+OK`. The text must not contain CR or LF."""

    __slots__ = ("encoded", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.encoded = b"+%b\r\n" % text

    def __repr__(self) -> str:
        return f"Simple({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Simple) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


class Verbatim:
    """Text with a three-letter format (`txt`, `mkd`)."""

    __slots__ = ("format", "text")

    def __init__(self, format: bytes, text: bytes) -> None:
        self.format = format
        self.text = text

    def __repr__(self) -> str:
        return f"Verbatim({self.format!r}, {self.text!r})"


class Push:
    """Out-of-band data; an ordinary array for RESP2 clients."""

    __slots__ = ("items",)

    def __init__(self, items: Iterable[object]) -> None:
        self.items = list(items)


class CachedMap(dict[bytes, bytes]):
    """A map of bulk strings that is not changed after its first reply: it remembers how it looks on the wire."""

    __slots__ = ("resp2", "resp3")

    def __init__(self, items: Iterable[tuple[bytes, bytes]] | Mapping[bytes, bytes] = ()) -> None:
        super().__init__(items)
        self.resp2 = b""
        self.resp3 = b""


class Members(list[object]):
    """A set whose members go out in this order."""

    __slots__ = ()


class CachedMembers(Members):
    """A set of bulk strings that is not changed after its first reply: it remembers how it looks on the wire."""

    __slots__ = ("resp2", "resp3")

    def __init__(self, members: Iterable[bytes] = ()) -> None:
        super().__init__(members)
        self.resp2 = b""
        self.resp3 = b""


class Bulks(list[bytes]):
    """A list of bulk strings that knows how each looks on the wire."""

    __slots__ = ("encoded",)

    def __init__(self, items: Iterable[bytes], encoded: list[bytes]) -> None:
        super().__init__(items)
        self.encoded = encoded


def encoded_bulks(items: Iterable[bytes]) -> list[bytes]:
    return [b"$%d\r\n%b\r\n" % (len(item), item) for item in items]


class Raw:
    """Bytes that are complete RESP already."""

    __slots__ = ("encoded",)

    def __init__(self, encoded: bytes) -> None:
        self.encoded = encoded


class NullArray:
    """The null of commands that otherwise answer with an array: `*-1` in RESP2."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NULL_ARRAY"


class NoReply:
    """Nothing at all goes out (CLIENT REPLY OFF and SKIP)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NO_REPLY"


NULL_ARRAY: Final = NullArray()
NO_REPLY: Final = NoReply()
OK: Final = Simple(b"OK")
QUEUED: Final = Simple(b"QUEUED")
PONG: Final = Simple(b"PONG")

SMALL_INTEGERS: Final = tuple(b":%d\r\n" % number for number in range(1024))


def format_double(number: float) -> bytes:
    """A double as Redis 7.2 prints it: the shortest digits that read back alike, in fpconv's layout."""
    if -(2.0**62) <= number <= 2.0**62 and number.is_integer():
        return b"%d" % number if number or str(number)[0] != "-" else b"-0"
    if number != number:
        return b"nan"
    if number in (float("inf"), float("-inf")):
        return b"inf" if number > 0 else b"-inf"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent_text = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + (fraction if fraction != "0" else "")
    shift = int(exponent_text or 0) - (len(digits) - len(whole))
    stripped = digits.lstrip("0")
    digits = stripped.rstrip("0")
    shift += len(stripped) - len(digits)
    exponent = shift + len(digits) - 1
    size = abs(exponent)
    if shift >= 0 and size < len(digits) + 7:
        text = digits + "0" * shift
    elif shift < 0 and (shift > -7 or size < 4):
        point = len(digits) + shift
        text = f"{digits[:point]}.{digits[point:]}" if point > 0 else f"0.{'0' * -point}{digits}"
    else:
        tail = f".{digits[1:]}" if len(digits) > 1 else ""
        text = f"{digits[0]}{tail}e{'-' if exponent < 0 else '+'}{size}"
    return (sign + text).encode()


class _Table(dict[type, Encoder]):
    """Encoders by exact type; subclasses are added when they are first met."""

    def __missing__(self, kind: type) -> Encoder:
        for base in kind.__mro__[1:]:
            if base in self:
                self[kind] = self[base]
                return self[base]
        raise TypeError(f"a command returned a {kind.__name__}, which is no reply")


def _integer(number: int) -> bytes:
    return SMALL_INTEGERS[number] if 0 <= number < 1024 else b":%d\r\n" % number


def _bulk(data: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(data), data)


def _bulks(reply: Bulks) -> bytes:
    return b"*%d\r\n%b" % (len(reply), b"".join(reply.encoded))


def _encoded(reply: Simple | Raw) -> bytes:
    return reply.encoded


def _error(error: RedisError) -> bytes:
    return b"-%b\r\n" % error.text


def _nothing(_: object) -> bytes:
    return b""


def _table(protocol: int) -> _Table:
    table = _Table()

    def items(mark: bytes, sequence: Iterable[object], count: int) -> bytes:
        parts = [b"%b%d\r\n" % (mark, count)]
        # Most items are bytes: no call for them.
        parts += [
            b"$%d\r\n%b\r\n" % (len(item), item) if type(item) is bytes else table[type(item)](item)
            for item in sequence
        ]
        return b"".join(parts)

    def array(sequence: list[object]) -> bytes:
        return items(b"*", sequence, len(sequence))

    def pairs(mark: bytes, mapping: Mapping[object, object], count: int) -> bytes:
        return items(mark, (one for pair in mapping.items() for one in pair), count)

    def bulk_pairs(mapping: CachedMap, mark: bytes, count: int) -> bytes:
        parts = [b"%b%d\r\n" % (mark, count)]
        parts += [
            b"$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(name), name, len(value), value) for name, value in mapping.items()
        ]
        return b"".join(parts)

    def cached_map2(mapping: CachedMap) -> bytes:
        if not mapping.resp2:
            mapping.resp2 = bulk_pairs(mapping, b"*", 2 * len(mapping))
        return mapping.resp2

    def cached_map3(mapping: CachedMap) -> bytes:
        if not mapping.resp3:
            mapping.resp3 = bulk_pairs(mapping, b"%", len(mapping))
        return mapping.resp3

    def bulks(mark: bytes, members: CachedMembers) -> bytes:
        return b"%b%d\r\n" % (mark, len(members)) + b"".join(map(_bulk, cast(list[bytes], members)))

    def cached_members2(members: CachedMembers) -> bytes:
        if not members.resp2:
            members.resp2 = bulks(b"*", members)
        return members.resp2

    def cached_members3(members: CachedMembers) -> bytes:
        if not members.resp3:
            members.resp3 = bulks(b"~", members)
        return members.resp3

    table.update(
        {
            int: _integer,
            bytes: _bulk,
            bytearray: _bulk,
            memoryview: _bulk,
            list: array,
            tuple: array,
            Simple: _encoded,
            Raw: _encoded,
            Bulks: _bulks,
            RedisError: _error,
            NoReply: _nothing,
            CachedMap: cached_map3 if protocol == 3 else cached_map2,
            CachedMembers: cached_members3 if protocol == 3 else cached_members2,
        }
    )
    if protocol == 3:
        table.update(
            {
                type(None): lambda _: b"_\r\n",
                NullArray: lambda _: b"_\r\n",
                bool: lambda flag: b"#t\r\n" if flag else b"#f\r\n",
                float: lambda number: b",%b\r\n" % format_double(number),
                dict: lambda mapping: pairs(b"%", mapping, len(mapping)),
                set: lambda members: items(b"~", members, len(members)),
                frozenset: lambda members: items(b"~", members, len(members)),
                Verbatim: lambda text: b"=%d\r\n%b:%b\r\n" % (len(text.text) + 4, text.format, text.text),
                Members: lambda members: items(b"~", members, len(members)),
                Push: lambda push: items(b">", push.items, len(push.items)),
            }
        )
    else:
        table.update(
            {
                type(None): lambda _: b"$-1\r\n",
                NullArray: lambda _: b"*-1\r\n",
                bool: lambda flag: b":1\r\n" if flag else b":0\r\n",
                float: lambda number: _bulk(format_double(number)),
                dict: lambda mapping: pairs(b"*", mapping, 2 * len(mapping)),
                set: lambda members: items(b"*", members, len(members)),
                frozenset: lambda members: items(b"*", members, len(members)),
                Verbatim: lambda text: _bulk(text.text),
                Push: lambda push: items(b"*", push.items, len(push.items)),
            }
        )
    return table


RESP2: Final = _table(2)
RESP3: Final = _table(3)


def encoders(protocol: int) -> Mapping[type, Encoder]:
    """The table of a protocol version, for loops that do the lookup themselves."""
    return RESP3 if protocol == 3 else RESP2


def encode(reply: object, protocol: int = 2) -> bytes:
    return (RESP3 if protocol == 3 else RESP2)[type(reply)](reply)
