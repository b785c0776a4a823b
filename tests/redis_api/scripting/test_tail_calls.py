"""Compiled Lua with its tail calls of library functions changed."""

from __future__ import annotations

import pytest

from elastickv.redis_api.scripting.tail_calls import HEADER, without_tail_calls
from tests.kit.server_calls import ServerCalls


def test_other_formats_are_refused() -> None:
    with pytest.raises(ValueError, match="another format"):
        without_tail_calls(b"\x1bLuaR" + bytes(50))
    with pytest.raises(ValueError, match="another format"):
        without_tail_calls(HEADER[:-1] + b"\1" + bytes(50))


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("\nreturn redis.call('nosuch')", 2),
        ("\n\nlocal function f() return redis.call('nosuch') end\nreturn f()", 3),
        ("local t = {f = function()\nreturn cjson.decode('[') end}\nreturn t.f()", 2),
        ("return coroutine.wrap(function()\n return redis.call('nosuch') end)()", 2),
        (
            "local function outer()\n local x, y = 1, 2\n return redis.call('get', x and y, y or x)\nend outer()",
            3,
        ),
        ("return 1 and\nredis.call('nosuch', (function() return redis.call('ping') end)())", 2),
    ],
)
def test_errors_know_their_line(script: str, line: int) -> None:
    assert ServerCalls().eval_error(script).endswith(b", on @user_script:%d." % line)


def test_programs_mean_the_same() -> None:
    server = ServerCalls()
    script = (
        "local function sum(...) local all = 0 for _, one in ipairs({...}) do all = all + one end return all end "
        "local lib = {sum = function(...) return sum(...) end} "
        "local function many() return unpack({1, 2, 3}) end "
        "return {lib.sum(many()), select('#', many()), (many()), string.rep('a', 3), #{unpack({1, 2})}}"
    )
    assert server.eval(script) == [6, 3, 1, b"aaa", 2]
