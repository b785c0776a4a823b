"""What a command answered, as values of Lua: Redis' conversions for RESP2 and, after redis.setresp(3), RESP3.

int, bytes            number, string
Simple, RedisError    {ok=...}, {err=...}
None                  false           (RESP3: nil)
bool                  1 or 0          (RESP3: true, false)
float                 string          (RESP3: {double=...})
list, tuple           table
dict                  table of pairs, flat   (RESP3: {map={...}})
set, Members          table                  (RESP3: {set={[member]=true}})
Verbatim              string          (RESP3: {verbatim_string={format=, string=}})
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import hiredis

from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.replies import Bulks, Members, NullArray, Push, Raw, Simple, Verbatim, encode, format_double
from elastickv.redis_api.scripting.lua_state import ARRAY, ERROR, STATUS, LuaState

_FLAT: Final = 100
"""Items up to which a list of plain values goes over Lua's stack, which is quicker than a table made from outside."""
_PLAIN: Final = frozenset((bytes, int))
_SMALL: Final = 256 * 1024
_TOO_LARGE: Final = (b"ERR not enough memory", ERROR)


def to_lua(reply: object, protocol: int, lua: LuaState) -> object:
    """What a host function returns for `reply`: one value, or a tuple of several (see `lua/sandbox.lua`)."""
    kind = type(reply)
    if kind is bytes:
        if len(reply) > _SMALL and not lua.has_room(2 * len(reply)):  # type: ignore[arg-type]  # bytes, as just seen
            return _TOO_LARGE
        return reply
    if kind is int:
        return reply
    if kind is Simple:
        return reply.text, STATUS  # type: ignore[attr-defined]  # a Simple, as just seen
    if reply is None:
        return False if protocol == 2 else None
    if isinstance(reply, RedisError):
        return reply.text, ERROR
    if (kind is list or kind is tuple or kind is Bulks) and len(reply) <= _FLAT:  # type: ignore[arg-type]  # a sequence, as just seen
        items: list[Any] = reply  # type: ignore[assignment]
        if _PLAIN.issuperset(map(type, items)) and sum([len(one) for one in items if type(one) is bytes]) < _SMALL:
            return (False, ARRAY, *items)
    value, size = _value(reply, protocol)
    if size > _SMALL and not lua.has_room(2 * size):
        return _TOO_LARGE
    return lua.table(value) if isinstance(value, list | dict) else value


def _value(reply: object, protocol: int) -> tuple[Any, int]:
    """Nested lists and dicts for `LuaState.table`, and about how many bytes they need in Lua."""
    if isinstance(reply, bool):
        return (reply if protocol == 3 else int(reply)), 16
    if isinstance(reply, int):
        return int(reply), 16
    if isinstance(reply, bytes | bytearray | memoryview):
        return bytes(reply), len(reply) + 40
    if reply is None or isinstance(reply, NullArray):
        return (False if protocol == 2 else None), 16
    if isinstance(reply, Simple):
        return {b"ok": reply.text}, len(reply.text) + 150
    if isinstance(reply, RedisError):
        return {b"err": reply.text}, len(reply.text) + 150
    if isinstance(reply, float):
        return ({b"double": reply}, 150) if protocol == 3 else (format_double(reply), 60)
    if isinstance(reply, Verbatim):
        if protocol == 2:
            return reply.text, len(reply.text) + 40
        return {b"verbatim_string": {b"format": reply.format, b"string": reply.text}}, len(reply.text) + 300
    if isinstance(reply, dict):
        if protocol == 2:
            return _list((one for pair in reply.items() for one in pair), protocol)
        mapping: dict[Any, Any] = {}
        size = 150
        for key, value in reply.items():
            name, name_size = _value(key, protocol)
            mapping[name], value_size = _value(value, protocol)
            size += name_size + value_size + 40
        return {b"map": mapping}, size
    if isinstance(reply, set | frozenset | Members):
        if protocol == 2:
            return _list(reply, protocol)
        members: dict[Any, Any] = {}
        size = 150
        for member in reply:
            name, name_size = _value(member, protocol)
            members[name] = True
            size += name_size + 40
        return {b"set": members}, size
    if isinstance(reply, list | tuple):
        return _list(reply, protocol)
    if isinstance(reply, Push):
        return _list(reply.items, protocol)
    if isinstance(reply, Raw):
        return _list_or_one(reply.encoded, protocol)
    return _value(_decoded(encode(reply, protocol)), protocol)


def _list(items: Iterable[object], protocol: int) -> tuple[list[Any], int]:
    values = []
    total = 100
    for item in items:
        value, size = _value(item, protocol)
        values.append(value)
        total += size
    return values, total


def _list_or_one(encoded: bytes, protocol: int) -> tuple[Any, int]:
    return _value(_decoded(encoded), protocol)


def _decoded(encoded: bytes) -> object:
    """A reply that was encoded already, taken apart again."""
    reader = hiredis.Reader(replyError=_error)
    reader.feed(encoded)
    return reader.gets()


def _error(text: str) -> Exception:
    return RedisError(text.encode("utf-8", "surrogateescape"))
