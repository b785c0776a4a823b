"""Random scripts: commands of all groups called from Lua, nested values, the libraries on random input.

A play is a list of EVALs that both servers run one after the other. `Asked.inner` is the command that a script calls,
if its reply is what the script returns: then what is said about the command's reply in the groups holds for that of the
script.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.conformance.redis_commands import commands
from tests.conformance.words import Words

GROUPS: Final = ("string", "bitmap", "list", "sorted-set", "hash", "set", "generic")


@dataclass(frozen=True, slots=True)
class Asked:
    argv: Words
    inner: Words | None = None


_CALLERS: Final = (
    b"return redis.call(unpack(ARGV))",
    b"return redis.pcall(unpack(ARGV))",
    b"local call = redis.call local reply = call(unpack(ARGV)) return reply",
    b"#!lua\nreturn redis.call(unpack(ARGV))",
    b"redis.setresp(3) return redis.call(unpack(ARGV))",
    b"redis.setresp(3) local r = redis.pcall(unpack(ARGV)) return r",
    b"local ok, r = pcall(redis.call, unpack(ARGV)) return r",
    b"return coroutine.wrap(function() return redis.call(unpack(ARGV)) end)()",
)
_OTHERWISE: Final = frozenset(
    (b"BITCOUNT", b"BITPOS", b"SPOP", b"SRANDMEMBER", b"HRANDFIELD", b"ZRANDMEMBER", b"ZRANK", b"ZREVRANK")
)
"""Commands that 7.2 answers otherwise than the reference, or that draw lots."""
_TYPES: Final = (
    b"local r = redis.pcall(unpack(ARGV)) return {type(r), type(r) == 'table' and tostring(r.err) or 'none'}",
    b"redis.setresp(3) local r = redis.pcall(unpack(ARGV)) local k = {} if type(r) == 'table' then "
    b"for name in pairs(r) do if type(name) == 'string' then k[#k + 1] = name end end table.sort(k) end "
    b"return {type(r), k}",
)


def _word(rng: Random) -> bytes:
    return rng.choice((b"", b"a", b"two words", b"\\0\\1\\255", b"1", b"-1.5", b"err", b"x" * 40))


def _number(rng: Random) -> bytes:
    return rng.choice(
        (b"0", b"1", b"-1", b"1.5", b"-2.75", b"2^31", b"2^53", b"-2^53", b"1e15", b"0.1", b"-0.1", b"255")
    )


def _value(rng: Random, depth: int = 0, *, plain: bool = False) -> bytes:
    """A Lua expression whose value has one order only: maps have one key."""
    chance = rng.random()
    if depth > 3 or chance < 0.25:
        return _number(rng)
    if chance < 0.45:
        return b"'" + _word(rng) + b"'"
    if chance < 0.55:
        return rng.choice((b"true", b"false", b"nil") if not plain else (b"true", b"false"))
    if chance < 0.85 or plain:
        if rng.random() < 0.25:
            return b"{k=" + _value(rng, depth + 1, plain=plain) + b"}"
        return b"{" + b",".join(_value(rng, depth + 1, plain=plain) for _ in range(rng.randint(0, 4))) + b"}"
    inner = _value(rng, depth + 1)
    return rng.choice(
        (
            b"{ok='" + _word(rng) + b"'}",
            b"{err='" + _word(rng) + b"'}",
            b"{double=" + rng.choice((b"1.5", b"-2", b"1e15", b"0")) + b"}",
            b"{map={k=" + inner + b"}}",
            b"{set={k=true}}",
            b"{set={[" + _number(rng) + b"]=true}}",
            b"{big_number='123456789012345678901234567890'}",
            b"{verbatim_string={format='txt',string='" + _word(rng) + b"'}}",
            b"{ok=" + inner + b"}",
            b"{double='1'}",
        )
    )


def _json(rng: Random, depth: int = 0) -> bytes:
    chance = rng.random()
    if depth > 3 or chance < 0.3:
        return rng.choice(
            (b"1", b"-0.5", b"1e3", b"1E-2", b"12345678901234567890", b"0x1F", b"nan", b"01", b"-", b"+1")
        )
    if chance < 0.5:
        return rng.choice(
            (b'"a"', b'"\\u00e9\\n"', b'"\\ud83d\\ude00"', b'"\\x"', b'"', b'"\\ud83d"', b'"/\\/"', b"''")
        )
    if chance < 0.65:
        return rng.choice((b"true", b"false", b"null", b"nul", b" true ", b"\t\n1"))
    if chance < 0.85:
        return (
            b"[" + b",".join(_json(rng, depth + 1) for _ in range(rng.randint(0, 3))) + rng.choice((b"]",) * 9 + (b"",))
        )
    return b'{"k"' + rng.choice((b":",) * 9 + (b"",)) + _json(rng, depth + 1) + rng.choice((b"}",) * 9 + (b",}",))


def _broken(rng: Random, data: bytes) -> bytes:
    if data and rng.random() < 0.5:
        at = rng.randrange(len(data))
        return data[:at] + bytes((rng.randrange(256),)) + data[at + 1 :]
    return data[: rng.randint(0, len(data))]


def _eval(script: bytes, *arguments: bytes) -> Asked:
    return Asked([b"EVAL", script, b"0", *arguments])


def _format(rng: Random) -> bytes:
    return b"".join(
        rng.choice(
            (b"<", b">", b"!", b"!4", b"b", b"B", b"h", b"H", b"i", b"I", b"l", b"L", b"i3", b"I7", b"x", b"f", b"d")
        )
        for _ in range(rng.randint(1, 6))
    )


_PACKED: Final = (
    b"local t = {} for i = 1, 20 do t[i] = tonumber(ARGV[2]) * i end return struct.pack(ARGV[1], unpack(t))"
)
_UNPACKED: Final = b"local r = {struct.unpack(ARGV[1], ARGV[2])} for i = 1, #r do r[i] = tostring(r[i]) end return r"
_BITS: Final = (b"band", b"bor", b"bxor", b"lshift", b"rshift", b"arshift", b"rol", b"ror", b"tohex")
_OPEN: Final = b"local function show(v) if type(v) ~= 'table' then return tostring(v) end local r = {} "
_SHOW: Final = _OPEN + b"for i = 1, #v do r[i] = show(v[i]) end r[#r + 1] = show(v.k) return r end "

_MAKERS: Final[tuple[Callable[[Random], Asked], ...]] = (
    lambda rng: _eval(b"return " + _value(rng)),
    lambda rng: _eval(b"redis.setresp(3) return " + _value(rng)),
    lambda rng: _eval(b"return cjson.encode(" + _value(rng, plain=True) + b")"),
    lambda rng: _eval(_SHOW + b"return show(cjson.decode(ARGV[1]))", _json(rng)),
    lambda rng: _eval(b"return cmsgpack.pack(" + _value(rng) + b")"),
    lambda rng: _eval(_SHOW + b"return show(cmsgpack.unpack(cmsgpack.pack(" + _value(rng, plain=True) + b")))"),
    lambda rng: _eval(
        _SHOW + b"return show({cmsgpack.unpack(ARGV[1])})", _broken(rng, rng.randbytes(rng.randint(0, 6)))
    ),
    lambda rng: _eval(
        _PACKED, _format(rng), rng.choice((b"1", b"-1", b"1.5", b"1000000", b"-70000", b"0", b"2147483648"))
    ),
    lambda rng: _eval(_UNPACKED, _format(rng), rng.randbytes(rng.randint(0, 50))),
    lambda rng: _eval(
        b"return bit."
        + rng.choice(_BITS)
        + b"("
        + _number(rng)
        + b","
        + rng.choice((b"1", b"7", b"31", b"33", b"-3"))
        + b")"
    ),
)


def play(rng: Random, count: int) -> list[Asked]:
    asked = []
    for _ in range(count):
        if rng.random() < 0.6:
            [inner] = commands(rng, 1, [rng.choice(GROUPS)])
            if len(inner) < 5000 and inner[0].upper() not in _OTHERWISE:
                caller = rng.choice(_CALLERS)
                if rng.random() < 0.15:
                    asked.append(Asked([b"EVAL", rng.choice(_TYPES), b"0", *inner]))
                else:
                    asked.append(Asked([b"EVAL", caller, b"0", *inner], inner))
        else:
            asked.append(rng.choice(_MAKERS)(rng))
    return asked
