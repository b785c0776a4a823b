"""What scripts cannot get at, and what they cannot leave behind."""

from __future__ import annotations

import pytest

from elastickv.config import RedisSettings
from tests.kit.server_calls import ServerCalls

FILL = (
    "local t = {} "
    "while true do "
    "  if not pcall(function() for i = 1, 1000 do t[#t + 1] = %s end end) then break end "
    "end "
)
"""Fills the memory with values and goes on."""


@pytest.fixture
def server() -> ServerCalls:
    return ServerCalls()


@pytest.fixture
def small() -> ServerCalls:
    return ServerCalls(RedisSettings(script_memory=16 << 20))


def test_nothing_of_the_host_can_be_reached(server: ServerCalls) -> None:
    """Walk over everything that can be reached from the globals: no userdata but cjson.null, no debug, no python."""
    walk = """
    local seen, found = {}, {}
    local function visit(value, path)
        if type(value) == 'userdata' then
            found[#found + 1] = path
        elseif type(value) == 'table' and not seen[value] then
            seen[value] = true
            for key, one in pairs(value) do
                visit(key, path .. '<' .. tostring(key) .. '>')
                visit(one, path .. '.' .. tostring(key))
            end
            visit(getmetatable(value), path .. '!')
        elseif value ~= nil and type(value) ~= 'table' then
            visit(getmetatable(value), path .. '!')
        end
    end
    visit(_G, 'G')
    visit('', 'string')
    table.sort(found)
    return found
    """
    assert server.eval(walk) == [b"G.cjson.null"]


@pytest.mark.parametrize(
    "name", ["debug", "python", "io", "package", "require", "module", "newproxy", "setfenv", "getfenv"]
)
def test_these_do_not_exist(server: ServerCalls, name: str) -> None:
    assert b"nonexistent global variable '%b'" % name.encode() in server.eval_error(f"return {name}")
    assert server.eval(f"return tostring(rawget(_G, '{name}'))") == b"nil"


def test_failures_of_the_host_are_strings(server: ServerCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise SystemError("secret")

    monkeypatch.setattr("elastickv.redis_api.scripting.bridge.to_lua", broken)
    error = server.eval_error("return redis.call('ping')")
    assert error.startswith(b"ERR internal error script:")
    kinds = "local ok, e = pcall(redis.call, 'ping') local r = redis.pcall('ping') return {type(e), e, type(r), r.err}"
    assert server.eval(kinds) == [b"string", b"ERR internal error", b"table", b"ERR internal error"]


@pytest.mark.parametrize(
    "loader", ["loadstring(%s)", "load(function() local s = %s; _s = nil return s end)", "loadstring('\\27' .. %s)"]
)
def test_byte_code_is_not_loaded(server: ServerCalls, loader: str) -> None:
    code = "string.dump(function() return 1 end)"
    expression = loader % code
    if "load(function" in loader:
        reader = "function() n = n + 1 return n == 1 and s or nil end"
        expression = f"(function() local s, n = {code}, 0 return load({reader}) end)()"
    assert server.eval(f"local f, e = {expression} return {{tostring(f), type(e)}}") == [b"nil", b"string"]


@pytest.mark.parametrize(
    "attempt",
    [
        "rawset(_G, 'x', 1)",
        "_G.x = 1",
        "_G['redis'] = 1",
        "setmetatable(_G, nil)",
        "setmetatable(string, {})",
        "getmetatable(_G).__newindex = nil",
        "getmetatable('').__index.x = 1",
        "rawset(getmetatable(''), '__index', 1)",
        "rawset(string, 'x', 1)",
        "loadstring('y = 1')()",
        "coroutine.wrap(function() z = 1 end)()",
        "for k, v in pairs(_G) do _G[k] = 1 end",
        "redis.call = nil",
        "string.format = nil",
        "table.foreach(_G, function(k) _G[k] = 1 end) _G.x = 1",
    ],
)
def test_nothing_shared_can_be_changed(server: ServerCalls, attempt: str) -> None:
    error = server.eval_error(attempt)
    assert b"readonly table" in error or b"attempt to" in error
    assert server.eval("return {type(redis.call), type(string.format), tostring(rawget(_G, 'x'))}") == [
        b"function",
        b"function",
        b"nil",
    ]


def test_what_slips_into_a_proxy_is_gone_afterwards(server: ServerCalls) -> None:
    server.eval("table.insert(redis, 'left') table.insert(_G, 'left') table.insert(string, 'left')")
    assert server.eval("return {tostring(redis[1]), tostring(rawget(_G, 1)), tostring(string[1])}") == [b"nil"] * 3


def test_pairs_does_not_give_the_real_tables_away(server: ServerCalls) -> None:
    script = (
        "local f, t = pairs(string) local ok = pcall(function() t.x = 1 end) "
        "return {tostring(ok), tostring(t == string)}"
    )
    assert server.eval(script) == [b"false", b"true"]


def test_garbage_collection_stays_on(server: ServerCalls) -> None:
    server.eval("collectgarbage('stop') collectgarbage('setpause', 100000)")
    server.eval("for i = 1, 200000 do local x = {} end")
    assert server.state.scripts.engine.used_bytes < 20 << 20


def test_keys_and_arguments_are_each_scripts_own(server: ServerCalls) -> None:
    server.run("EVAL", "KEYS.mine = 1 ARGV[5] = 2", 1, "k", "a")
    assert server.run("EVAL", "return {#KEYS, #ARGV, tostring(KEYS.mine)}", 2, "a", "b", "c") == [2, 1, b"nil"]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 999, 1000, 1001, 2500])
@pytest.mark.parametrize("keys", [0, 1, 2, 1001])
def test_any_number_of_words(server: ServerCalls, count: int, keys: int) -> None:
    if keys > count:
        pytest.skip("more keys than words")
    words = [b"%d" % number for number in range(count)]
    reply = server.run("EVAL", "return {#KEYS, #ARGV, KEYS[#KEYS], ARGV[#ARGV]}", keys, *words)
    expected = [keys, count - keys]
    if keys:
        expected.append(words[keys - 1])  # type: ignore[arg-type]  # a list of both
        if count > keys:
            expected.append(words[-1])  # type: ignore[arg-type]  # a list of both
    assert reply == expected


@pytest.mark.parametrize(
    "script",
    [
        "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
        "return #string.rep('x', 1e9)",
        "local s = 'x' while true do s = s .. s end",
        FILL % "{}" + "return t",
        FILL % "{}" + "return redis.call('get', 'k')",
        FILL % "#t .. 'x'" + "for i = 1, 50 do redis.pcall({}, {}, {}) end return redis.call('get', 'k')",
        FILL % "{}" + "return cmsgpack.pack(0.1)",
        FILL % "#t .. 'x'" + "return struct.pack('d', 0.1)",
        FILL % "{}" + "return {double = 0.1}",
        FILL % "{}" + "return loadstring('return 1')()",
        FILL % "{}" + "return redis.sha1hex('a')",
        "local t = {} for i = 1, 1e7 do t[i] = coroutine.create(function() end) end",
        "return cjson.decode('[' .. ('[],'):rep(2000000) .. '1]')",
        "return redis.call('get', 'large')",
    ],
)
def test_memory_ends(small: ServerCalls, script: str) -> None:
    small.run("SET", "large", b"x" * (12 << 20))
    error = small.eval_error(script)
    assert b"not enough memory" in error
    assert small.eval("return redis.call('set', 'k', 'v')") == b"OK"
    assert small.state.scripts.engine.used_bytes <= 16 << 20


def test_memory_can_run_out_inside_pcall(small: ServerCalls) -> None:
    script = "local ok, e = pcall(string.rep, 'x', 1e9) return {tostring(ok), e}"
    assert small.eval(script) == [b"false", b"not enough memory"]


def test_words_that_do_not_fit(small: ServerCalls) -> None:
    assert small.eval_error("return #ARGV[1]", b"x" * (12 << 20)) == b"ERR not enough memory"
    assert small.eval("return #ARGV[1]", b"x" * (2 << 20)) == 2 << 20


def test_deep_recursion_is_an_error(server: ServerCalls) -> None:
    assert b"stack overflow" in server.eval_error("local function f() return 1 + f() end return f()")
    assert server.eval("local function f() pcall(f) return redis.call('ping') end return f()") == b"PONG"


def test_tail_calls_of_local_functions_stay_tail_calls(server: ServerCalls) -> None:
    assert (
        server.eval("local function f(n) if n == 0 then return 'end' end return f(n - 1) end return f(100000)")
        == b"end"
    )


def test_a_cycle_is_answered_with_an_error_inside(server: ServerCalls) -> None:
    wire = server.wire([b"EVAL", b"local t = {} t[1] = t return t", b"0"])
    assert wire.startswith(b"*1\r\n*1\r\n")
    assert wire.endswith(b"-ERR reached lua stack limit\r\n")
