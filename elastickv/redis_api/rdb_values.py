"""Values of every type in Redis' serialisation: from the plain form of `values.kinds` and back.

    list  18 (quicklist of listpacks)      read: 1, 10, 14      set   2 (strings), 11 (intset)        read: 20
    hash  4 (strings), 16 (listpack)       read: 9, 13          zset  5 (binary scores), 17 (listpack)  read: 3, 12
    stream  19, read: 15, 21 (`rdb_streams`)

Which form is written follows from the encoding that OBJECT ENCODING tells, as in Redis 7.0; all others that some
release has written are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from struct import Struct
from typing import Any, Final

from elastickv.redis_api import listpack, rdb, rdb_streams, ziplist
from elastickv.redis_api.arguments import string_to_float
from elastickv.redis_api.rdb import BadFormat, Reader
from elastickv.redis_api.rdb_streams import StreamReader
from elastickv.redis_api.replies import format_double
from elastickv.redis_api.values.records import RecordType

Parts = list[bytes | memoryview]

_DOUBLE: Final = Struct("<d")
_PACKED_NODE: Final = 2
_PLAIN_NODE: Final = 1
_NODE_BYTES: Final = 8192
"""What Redis puts into one node of a list by default."""
_NAN, _INFINITE, _MINUS_INFINITE = 253, 254, 255
_MODULES: Final = (6, 7)


def dump(type: RecordType, encoding: bytes, value: Any) -> bytes:
    """The DUMP payload of a whole value (`values.kinds.Kind.load`)."""
    kind, parts = _WRITERS[type](encoding, value)
    return rdb.framed(kind, parts)


def restore(payload: bytes) -> tuple[RecordType, Any]:
    """Type and whole value of a DUMP payload. WrongFooter or BadFormat. No collection is empty or has doubles."""
    rdb.check_footer(payload)
    kind = payload[0] if len(payload) > 10 else -1
    found = _READERS.get(kind)
    if found is None:
        raise BadFormat
    type, read = found
    try:
        value = read(Reader(payload))
    except BadFormat:
        raise
    except ValueError as error:
        raise BadFormat from error
    if type is not RecordType.STRING and not value:
        raise BadFormat
    return type, value


# writing


def _write_list(_: bytes, elements: Sequence[bytes]) -> tuple[int, Parts]:
    nodes: list[list[bytes]] = [[]]
    room = _NODE_BYTES
    for element in elements:
        room -= len(element) + 11
        if room < 0 and nodes[-1]:
            nodes.append([])
            room = _NODE_BYTES - len(element) - 11
        nodes[-1].append(element)
    parts: Parts = [rdb.length(len(nodes))]
    for node in nodes:
        parts += [rdb.length(_PACKED_NODE), *rdb.string(listpack.encode(node))]
    return 18, parts


def _write_set(encoding: bytes, members: Sequence[bytes]) -> tuple[int, Parts]:
    if encoding == b"intset":
        return 11, rdb.string(ziplist.encode_intset(sorted(map(int, members))))
    return 2, _strings(len(members), members)


def _write_hash(encoding: bytes, pairs: Sequence[tuple[bytes, bytes]]) -> tuple[int, Parts]:
    words = [word for pair in pairs for word in pair]
    if encoding == b"listpack":
        return 16, rdb.string(listpack.encode(words))
    return 4, _strings(len(pairs), words)


def _write_zset(encoding: bytes, ranked: Sequence[tuple[bytes, float]]) -> tuple[int, Parts]:
    if encoding == b"listpack":
        return 17, rdb.string(
            listpack.encode(word for member, score in ranked for word in (member, format_double(score)))
        )
    parts: Parts = [rdb.length(len(ranked))]
    for member, score in reversed(ranked):
        parts += [*rdb.string(member), _DOUBLE.pack(score)]
    return 5, parts


def _strings(count: int, words: Iterable[bytes]) -> Parts:
    parts: Parts = [rdb.length(count)]
    for one in words:
        parts += rdb.string(one)
    return parts


_WRITERS: Final[dict[RecordType, Callable[[bytes, Any], tuple[int, Parts]]]] = {
    RecordType.LIST: _write_list,
    RecordType.SET: _write_set,
    RecordType.ZSET: _write_zset,
    RecordType.HASH: _write_hash,
    RecordType.STREAM: lambda _, stream: (rdb_streams.WRITTEN, rdb_streams.write(stream)),
}


# reading


def _read_strings(reader: Reader) -> list[bytes]:
    return [reader.string() for _ in range(reader.length())]


def _read_set(reader: Reader) -> list[bytes]:
    return _distinct(_read_strings(reader))


def _read_intset(reader: Reader) -> list[bytes]:
    return [b"%d" % number for number in ziplist.decode_intset(reader.string())]


def _read_hash(reader: Reader) -> list[tuple[bytes, bytes]]:
    pairs = [(reader.string(), reader.string()) for _ in range(reader.length())]
    _distinct([field for field, _ in pairs])
    return pairs


def _read_quicklist(reader: Reader) -> list[bytes]:
    elements: list[bytes] = []
    for _ in range(reader.length()):
        elements += ziplist.decode_ziplist(reader.string())
    return elements


def _read_quicklist_2(reader: Reader) -> list[bytes]:
    elements: list[bytes] = []
    for _ in range(reader.length()):
        container = reader.length()
        node = reader.string()
        if container == _PLAIN_NODE:
            elements.append(node)
        elif container == _PACKED_NODE:
            elements += listpack.decode(node)
        else:
            raise BadFormat
    return elements


def _read_zset_2(reader: Reader) -> list[tuple[bytes, float]]:
    return _ranked([(reader.string(), _DOUBLE.unpack(reader.take(8))[0]) for _ in range(reader.length())])


def _read_zset(reader: Reader) -> list[tuple[bytes, float]]:
    return _ranked([(reader.string(), _text_score(reader)) for _ in range(reader.length())])


def _text_score(reader: Reader) -> float:
    size = reader.take(1)[0]
    if size >= _NAN:
        return {_NAN: float("nan"), _INFINITE: float("inf"), _MINUS_INFINITE: -float("inf")}[size]
    return _score(reader.take(size))


def _score(word: bytes) -> float:
    score = string_to_float(word)
    if score is None:
        raise BadFormat
    return score


def _pairs(words: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    if len(words) % 2:
        raise BadFormat
    _distinct(words[::2])
    return list(zip(words[::2], words[1::2], strict=True))


def _scored(words: Sequence[bytes]) -> list[tuple[bytes, float]]:
    return _ranked([(member, _score(score)) for member, score in _pairs(words)])


def _ranked(pairs: list[tuple[bytes, float]]) -> list[tuple[bytes, float]]:
    if any(score != score for _, score in pairs):
        raise BadFormat
    _distinct([member for member, _ in pairs])
    return sorted(pairs, key=lambda pair: (pair[1], pair[0]))


def _distinct(words: Sequence[bytes]) -> list[bytes]:
    if len(set(words)) != len(words):
        raise BadFormat
    return list(words)


_READERS: Final[dict[int, tuple[RecordType, Callable[[Reader], Any]]]] = {
    rdb.TYPE_STRING: (RecordType.STRING, Reader.string),
    1: (RecordType.LIST, _read_strings),
    10: (RecordType.LIST, lambda reader: ziplist.decode_ziplist(reader.string())),
    14: (RecordType.LIST, _read_quicklist),
    18: (RecordType.LIST, _read_quicklist_2),
    2: (RecordType.SET, _read_set),
    11: (RecordType.SET, _read_intset),
    20: (RecordType.SET, lambda reader: _distinct(listpack.decode(reader.string()))),
    3: (RecordType.ZSET, _read_zset),
    5: (RecordType.ZSET, _read_zset_2),
    12: (RecordType.ZSET, lambda reader: _scored(ziplist.decode_ziplist(reader.string()))),
    17: (RecordType.ZSET, lambda reader: _scored(listpack.decode(reader.string()))),
    4: (RecordType.HASH, _read_hash),
    9: (RecordType.HASH, lambda reader: _pairs(ziplist.decode_zipmap(reader.string()))),
    13: (RecordType.HASH, lambda reader: _pairs(ziplist.decode_ziplist(reader.string()))),
    16: (RecordType.HASH, lambda reader: _pairs(listpack.decode(reader.string()))),
    **{kind: (RecordType.STREAM, StreamReader(kind)) for kind in rdb_streams.READ},
}
"""By RDB type."""
