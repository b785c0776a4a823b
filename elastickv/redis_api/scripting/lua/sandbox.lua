-- The world that scripts live in, and the functions that the host runs them with.
--
-- A script sees proxies: empty tables whose metatable reads from the real one and refuses to write. Nothing of the real
-- tables, of `debug`, or of the host's objects can be reached from them: host functions are upvalues of functions of
-- this file, which a script cannot look into, and none of their errors gets out as anything but a string.
local host, support, answer, libraries, debug, codes = ...
local STATUS, ERROR, ARRAY = codes.STATUS, codes.ERROR, codes.ARRAY
local assert, error, getmetatable, next, pcall, rawget, rawset, select, setmetatable, tostring, type, unpack, xpcall =
    assert, error, getmetatable, next, pcall, rawget, rawset, select, setmetatable, tostring, type, unpack, xpcall
local collectgarbage, loadstring, setfenv = collectgarbage, loadstring, setfenv
local byte, concat, dump, find, format, gsub, sub =
    string.byte, table.concat, string.dump, string.find, string.format, string.gsub, string.sub
local create, resume, status = coroutine.create, coroutine.resume, coroutine.status
local sethook = debug.sethook
local fail, bad_argument, raised_at, room = support.fail, support.bad_argument, support.raised_at, support.room
local host_call, host_tick, host_log, host_setresp, host_sha1 =
    host.call, host.tick, host.log, host.setresp, host.sha1
local host_acl, host_adjust, host_call_packed = host.acl, host.adjust, host.call_packed

local READONLY = "Attempt to modify a readonly table"
local HOOK_COUNT = 100000

-- proxies

local real = setmetatable({}, { __mode = "k" })
local proxies = {}
local locked

local function refuse()
    error(READONLY, 2)
end

local function proxy_of(original, missing)
    local proxy = {}
    if missing then
        setmetatable(original, { __index = missing })
    end
    real[proxy] = original
    proxies[#proxies + 1] = proxy
    local behaviour = { __index = original, __newindex = refuse, __metatable = locked }
    return setmetatable(proxy, behaviour), behaviour
end

locked = {}
real[locked] = {}
setmetatable(locked, { __newindex = refuse, __metatable = false })

local function missing_global(_, name)
    error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end

-- interruption

local REASONS = {
    "ERR Script killed by user with SCRIPT KILL.",
    "ERR Script killed by user with FUNCTION KILL.",
    "ERR FUNCTION LOAD timeout",
    "ERR the script was ended",
}
local stopping -- why the script must end
local stopped_source, stopped_line

local function hook()
    local ok, number = pcall(host_tick)
    local reason = ok and REASONS[number]
    if reason then
        if not stopping then
            stopped_source, stopped_line = raised_at()
        end
        stopping = reason
        -- Whatever catches the error is interrupted again by its next instruction.
        sethook(hook, "l", 1)
        error({ err = reason }, 0)
    end
end
sethook(hook, "", HOOK_COUNT)

-- the base library

local base = {}
for _, name in next, {
    "assert", "error", "gcinfo", "getmetatable", "ipairs", "rawequal", "select", "tonumber", "tostring", "type",
    "unpack", "_VERSION",
} do
    base[name] = _G[name]
end

local function safe_next(...)
    local original = real[(...)]
    if original then
        return next(original, (select(2, ...)))
    end
    return next(...)
end

function base.next(...)
    local t = ...
    if type(t) ~= "table" then
        support.table(1, "next", t, select("#", ...))
    end
    return safe_next(...)
end

function base.pairs(...)
    local t = ...
    if type(t) ~= "table" then
        support.table(1, "pairs", t, select("#", ...))
    end
    if real[t] then
        return safe_next, t, nil
    end
    return next, t, nil
end

function base.rawget(...)
    local t, key = ...
    local given = select("#", ...)
    support.table(1, "rawget", t, given)
    if given < 2 then
        bad_argument(2, "rawget", "value expected")
    end
    return rawget(real[t] or t, key)
end

function base.rawset(...)
    local t, key, value = ...
    local given = select("#", ...)
    support.table(1, "rawset", t, given)
    if given < 3 then
        bad_argument(given + 1, "rawset", "value expected")
    end
    if real[t] then
        error(READONLY, 0)
    end
    if key == nil then
        error("table index is nil", 0)
    elseif key ~= key then
        error("table index is NaN", 0)
    end
    return rawset(t, key, value)
end

function base.setmetatable(...)
    local t, metatable = ...
    local given = select("#", ...)
    support.table(1, "setmetatable", t, given)
    if given < 2 or (metatable ~= nil and type(metatable) ~= "table") then
        bad_argument(2, "setmetatable", "nil or table expected")
    end
    if real[t] then
        error(READONLY, 0)
    end
    local ok, problem = pcall(setmetatable, t, metatable)
    if not ok then
        fail(problem)
    end
    return t
end

-- An error that is a table with a text becomes that text, as in Redis.
local function caught(ok, ...)
    if not ok then
        local problem = ...
        if type(problem) == "table" then
            local text = rawget(problem, "err")
            if type(text) == "string" or type(text) == "number" then
                return false, text
            end
        end
    end
    return ok, ...
end

function base.pcall(...)
    return caught(pcall(...))
end

-- Hooks are off while an error that a hook raised is on its way: a handler that runs then could not be interrupted.
function base.xpcall(...)
    local body, handler = ...
    if select("#", ...) < 2 then
        bad_argument(2, "xpcall", "value expected")
    end
    return xpcall(body, function(problem)
        if stopping then
            return problem
        end
        return handler(problem)
    end)
end

-- Only text is compiled: byte code can do to the interpreter what it likes.
local function compile(environment, text, name)
    if byte(text, 1) == 27 then
        return nil, '[string "' .. sub(text, 1, 5) .. '"]:1: unexpected symbol near \'char(27)\''
    end
    local compiled, problem = loadstring(text, name)
    if compiled then
        room()
        return setfenv(assert(loadstring(host_adjust(dump(compiled)))), environment)
    end
    return nil, problem
end

-- collectgarbage may count and collect, but not change how memory is looked after for all the others.
function base.collectgarbage(...)
    local given = select("#", ...)
    local option, number = ...
    option = option == nil and "collect" or support.string(1, "collectgarbage", option, given)
    if option == "count" or option == "collect" then
        return collectgarbage(option)
    elseif option == "step" then
        return collectgarbage("step", number)
    elseif option == "stop" or option == "restart" then
        return 0
    elseif option == "setpause" or option == "setstepmul" then
        return 200
    end
    bad_argument(1, "collectgarbage", "invalid option '" .. option .. "'")
end

-- coroutines: each has a hook of its own

local threads = {}
for name, value in next, coroutine do
    threads[name] = value
end

function threads.create(...)
    local body = ...
    if type(body) ~= "function" then
        bad_argument(1, "create", "Lua function expected")
    end
    if stopping then
        error({ err = stopping }, 0)
    end
    local ok, thread = pcall(create, body)
    if not ok then
        bad_argument(1, "create", "Lua function expected")
    end
    sethook(thread, hook, "", HOOK_COUNT)
    return thread
end

local function passed_on(ok, ...)
    if ok then
        return ...
    end
    local problem = ...
    if type(problem) == "string" then
        fail(problem)
    end
    error(problem, 0)
end

function threads.wrap(...)
    local body = ...
    if type(body) ~= "function" then
        bad_argument(1, "wrap", "Lua function expected")
    end
    local thread = threads.create(body)
    return function(...)
        return passed_on(resume(thread, ...))
    end
end

-- the API

local client_protocol, script_protocol = 2, 2

local function raise(text)
    error({ err = "ERR " .. text }, 0)
end

local function reply(raising, ok, value, code, ...)
    if ok and code == nil then
        return value
    end
    if not ok then
        value, code = type(value) == "string" and "ERR " .. value or "ERR internal error", ERROR
    end
    if code == ARRAY then
        return { ... }
    elseif code == STATUS then
        return { ok = value }
    end
    local problem = { err = value, ignore_error_stats_update = true }
    if raising then
        error(problem, 0)
    end
    return problem
end

-- Lua has 8000 places for what C functions get; unpack fills nearly all of them, and the host needs some for itself.
local MOST_WORDS = 7900

local function ask(...)
    room()
    local count = select("#", ...)
    if count > MOST_WORDS then
        return pcall(host_call_packed, { ... }, count)
    end
    return pcall(host_call, ...)
end

local function call(...)
    return reply(true, ask(...))
end

local function protected_call(...)
    return reply(false, ask(...))
end

local function asked(ok, ...)
    if not ok then
        error("not enough memory", 0)
    end
    return ...
end

local api = {
    LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
    REDIS_VERSION = host.version, REDIS_VERSION_NUM = host.version_number,
    call = call, pcall = protected_call,
}

local function given_text(...)
    local text = ...
    if select("#", ...) ~= 1 or type(text) ~= "string" then
        return nil, { err = "ERR wrong number or type of arguments" }
    end
    return text
end

function api.error_reply(...)
    local text, problem = given_text(...)
    if problem then
        return problem
    end
    text = gsub(text, "^-", "")
    if not find(text, " ", 1, true) then
        text = "ERR " .. text
    end
    return { err = (gsub(text, "[\r\n]+$", "")) }
end

function api.status_reply(...)
    local text, problem = given_text(...)
    return problem or { ok = text }
end

function api.sha1hex(...)
    if select("#", ...) ~= 1 then
        raise("wrong number of arguments")
    end
    local text = ...
    text = (type(text) == "string" or type(text) == "number") and tostring(text) or ""
    room()
    return asked(pcall(host_sha1, text))
end

function api.log(...)
    local given = select("#", ...)
    local level = ...
    if given < 2 then
        raise("redis.log() requires two arguments or more.")
    elseif type(level) ~= "number" then
        raise("First argument must be a number (log level).")
    elseif level < 0 or level > 3 then
        raise("Invalid debug level.")
    end
    local words = {}
    for place = 2, given do
        local word = select(place, ...)
        if type(word) == "string" or type(word) == "number" then
            words[#words + 1] = tostring(word)
        end
    end
    room()
    asked(pcall(host_log, level, concat(words, " ")))
end

function api.setresp(...)
    local version = ...
    if select("#", ...) ~= 1 then
        raise("redis.setresp() requires one argument.")
    elseif version ~= 2 and version ~= 3 then
        raise("RESP version must be 2 or 3.")
    end
    asked(pcall(host_setresp, version))
    script_protocol = version
end

function api.acl_check_cmd(...)
    room()
    return reply(true, pcall(host_acl, ...))
end

-- Effects are replicated, and nothing else: what these two once switched is always on.
local evaluating = {
    REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
}
for name, value in next, api do
    evaluating[name] = value
end

function evaluating.set_repl(...)
    local flags = ...
    if select("#", ...) ~= 1 then
        raise("redis.set_repl() requires two arguments.")
    elseif type(flags) ~= "number" or flags % 1 ~= 0 or flags < 0 or flags > 3 then
        raise("Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
    elseif flags ~= 3 then
        raise("Commands of scripts are always replicated to all.")
    end
end

-- What `redis` is in a function; scripts have some more.
local calling = {}
for name, value in next, evaluating do
    calling[name] = value
end

function evaluating.replicate_commands()
    return true
end

-- There is no debugger to stop in or to write to.
function evaluating.breakpoint()
    return false
end

function evaluating.debug() end

-- functions

local registered -- by the library that is being loaded

local function register(name, body, flags, description)
    if not registered then
        raise("redis.register_function can only be called on FUNCTION LOAD command")
    end
    if type(body) ~= "function" then
        raise("second argument to redis.register_function must be a function")
    end
    if registered[name] then
        raise("Function already exists in the library")
    end
    if not find(name, "^[%w_]+$") then
        raise("Library names can only contain letters, numbers, or underscores(_) and must be at least one character long")
    end
    registered[name] = true
    registered[#registered + 1] = { name = name, body = body, flags = flags, description = description }
end

local FLAGS = { ["no-writes"] = true, ["allow-oom"] = true, ["allow-stale"] = true, ["no-cluster"] = true,
    ["allow-cross-slot-keys"] = true }

local function flag_words(flags)
    local words, place = {}, 1
    while true do
        local flag = rawget(flags, place)
        if flag == nil then
            return concat(words, ",")
        end
        if type(flag) ~= "string" or not FLAGS[flag] then
            raise("unknown flag given")
        end
        words[place] = flag
        place = place + 1
    end
end

local function named_arguments(arguments)
    local name, body, flags, description
    for key, value in next, arguments do
        if type(key) ~= "string" and type(key) ~= "number" then
            raise("named argument key given to redis.register_function is not a string")
        end
        local is_text = type(value) == "string" or type(value) == "number"
        if key == "function_name" then
            if not is_text then
                raise("function_name argument given to redis.register_function must be a string")
            end
            name = tostring(value)
        elseif key == "description" then
            if not is_text then
                raise("description argument given to redis.register_function must be a string")
            end
            description = tostring(value)
        elseif key == "callback" then
            if type(value) ~= "function" then
                raise("callback argument given to redis.register_function must be a function")
            end
            body = value
        elseif key == "flags" then
            if type(value) ~= "table" then
                raise("flags argument to redis.register_function must be a table representing function flags")
            end
            flags = flag_words(value)
        else
            raise("unknown argument given to redis.register_function")
        end
    end
    if not name then
        raise("redis.register_function must get a function name argument")
    elseif not body then
        raise("redis.register_function must get a callback argument")
    end
    register(name, body, flags or "", description)
end

-- What `redis` is while a library is being loaded.
local loading = {}
for name, value in next, api do
    if type(value) ~= "function" then
        loading[name] = value
    end
end
loading.log = api.log

function loading.register_function(...)
    local given = select("#", ...)
    local first, second = ...
    if given < 1 or given > 2 then
        raise("wrong number of arguments to redis.register_function")
    elseif given == 1 then
        if type(first) ~= "table" then
            raise(
                "calling redis.register_function with a single argument is only applicable to Lua table "
                    .. "(representing named arguments)."
            )
        end
        return named_arguments(first)
    end
    if type(first) ~= "string" and type(first) ~= "number" then
        raise("first argument to redis.register_function must be a string")
    end
    register(tostring(first), second, "", nil)
end

-- two worlds

libraries.os = { clock = os.clock }
libraries.coroutine = threads

local shared = {}
for name, value in next, libraries do
    shared[name] = proxy_of(value)
end
for name, value in next, base do
    shared[name] = value
end

local function world(redis)
    local globals = {}
    for name, value in next, shared do
        globals[name] = value
    end
    globals.redis = proxy_of(redis)
    local environment, behaviour = proxy_of(globals, missing_global)
    globals._G = environment
    globals.loadstring = function(...)
        local text, name = ...
        local given = select("#", ...)
        text = support.string(1, "loadstring", text, given)
        return compile(environment, text, name == nil and text or support.string(2, "loadstring", name, given))
    end
    globals.load = function(...)
        local reader, name = ...
        if type(reader) ~= "function" then
            support.wrong_type(1, "load", "function", reader, select("#", ...))
        end
        local parts = {}
        while true do
            local part = reader()
            if part == nil or part == "" then
                break
            elseif type(part) ~= "string" then
                return nil, "reader function must return a string"
            end
            parts[#parts + 1] = part
        end
        return compile(environment, concat(parts), name == nil and "=(load)" or name)
    end
    return globals, environment, behaviour
end

local script_globals, script_world = world(evaluating)
local function_globals, function_world, function_behaviour = world(calling)
local loading_globals = setmetatable({ redis = proxy_of(loading, missing_global) }, { __index = missing_global })
script_globals.KEYS, script_globals.ARGV = {}, {}

-- Methods of strings are looked up in the real library.
local of_strings = getmetatable("")
of_strings.__index = string
of_strings.__metatable = locked

-- what the host calls

local function on_error(problem)
    local text, mark
    if type(problem) == "table" then
        text = rawget(problem, "err")
        if type(text) == "number" then
            text = tostring(text)
        elseif type(text) ~= "string" then
            text = "ERR unknown error"
        end
        mark = rawget(problem, "ignore_error_stats_update")
    else
        text = "ERR " .. tostring(problem)
    end
    local source, line = raised_at()
    return { text = text, source = source, line = line, mark = mark }
end

local function tidy()
    for place = 1, #proxies do
        local proxy = proxies[place]
        local key = next(proxy)
        while key ~= nil do
            rawset(proxy, key, nil)
            key = next(proxy)
        end
    end
end

local function finish(ok, value)
    if next(proxies[1]) ~= nil or next(script_world) ~= nil or next(function_world) ~= nil then
        tidy()
    end
    if ok then
        if type(value) == "table" and rawget(value, "ignore_error_stats_update") then
            -- A command failed and was counted; the script hands the error on.
            local text, code = answer(value, client_protocol, script_protocol)
            if code == ERROR then
                return text, code, true
            end
        end
        return answer(value, client_protocol, script_protocol)
    end
    if type(value) ~= "table" then
        -- Out of memory, or an error in the handler: nobody knows where.
        return "ERR " .. tostring(value), codes.FAILED, false, 0
    end
    return value.text, codes.FAILED, value.source or false, value.line or 0, value.mark and true or false
end

local exports = {}

-- -> function, or nil and the problem
function exports.compile_script(text)
    return compile(script_world, text, "@user_script")
end

function exports.set_protocols(client, script)
    client_protocol, script_protocol = client, script
end

-- Long lists of words come in pieces: so many fit on Lua's stack.
local words = {}
function exports.push(...)
    local count = #words
    for place = 1, select("#", ...) do
        words[count + place] = (select(place, ...))
    end
end

local function take(count)
    local keys, arguments = {}, {}
    for place = 1, count do
        keys[place] = words[place]
    end
    for place = count + 1, #words do
        arguments[place - count] = words[place]
    end
    words = {}
    return keys, arguments
end

local function split(count, ...)
    if count == 0 then
        return {}, { ... }
    elseif count == 1 then
        return { (...) }, { select(2, ...) }
    end
    local all, keys = { ... }, {}
    for place = 1, count do
        keys[place] = all[place]
    end
    return keys, { select(count + 1, ...) }
end

function exports.run_script(body, count, ...)
    script_globals.KEYS, script_globals.ARGV = split(count, ...)
    return finish(xpcall(body, on_error))
end

function exports.run_script_pushed(body, count)
    script_globals.KEYS, script_globals.ARGV = take(count)
    return finish(xpcall(body, on_error))
end

local function run_function(body, keys, arguments)
    return finish(xpcall(function()
        return body(keys, arguments)
    end, on_error))
end

function exports.run_function(body, count, ...)
    return run_function(body, split(count, ...))
end

function exports.run_function_pushed(body, count)
    return run_function(body, take(count))
end

-- -> list of functions, or nil, the problem, and whether it came while compiling
function exports.load_library(text)
    local body, problem = compile(function_world, text, "@user_function")
    if not body then
        return nil, problem, true
    end
    registered = {}
    -- Nothing else exists until the functions are called, not even the libraries.
    function_behaviour.__index = loading_globals
    local ok, raised = xpcall(body, on_error)
    function_behaviour.__index = function_globals
    local functions = registered
    registered = nil
    tidy()
    if ok then
        return functions
    end
    return nil, type(raised) == "table" and raised.text or "ERR " .. tostring(raised), false
end

-- After a script was interrupted, and before the next one.
function exports.restore()
    local source, line = stopped_source or false, stopped_line or 0
    stopping, stopped_source, stopped_line = nil, nil, nil
    registered = nil
    function_behaviour.__index = function_globals
    words = {}
    sethook(hook, "", HOOK_COUNT)
    return source, line
end

return exports
