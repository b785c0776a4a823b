-- What the other chunks share: errors as a C library would raise them, and checks of arguments.
--
-- All chunks of this directory are named "redis" (see lua_state.py), so that a walk up the stack can tell them from
-- what the user wrote.
local debug, limit_kilobytes = ...
local getinfo = debug.getinfo
local collectgarbage, error, type, tonumber, tostring = collectgarbage, error, type, tonumber, tostring
local format = string.format

local support = {}

-- "user_script:3: " of the function that called into this library, as luaL_where(L, 1) has it; empty when that is a
-- function of C (pcall, say).
local function where()
    local level = 2
    while true do
        local info = getinfo(level, "Sl")
        if not info then
            return ""
        end
        if info.source ~= "=redis" and info.what ~= "tail" then
            if info.currentline > 0 then
                return info.short_src .. ":" .. info.currentline .. ": "
            end
            return ""
        end
        level = level + 1
    end
end
support.where = where

local function fail(message)
    error(where() .. message, 0)
end
support.fail = fail

local function bad_argument(number, name, message)
    fail(format("bad argument #%d to '%s' (%s)", number, name, message))
end
support.bad_argument = bad_argument

local function wrong_type(number, name, wanted, value, given)
    local found = number > given and "no value" or type(value)
    bad_argument(number, name, wanted .. " expected, got " .. found)
end
support.wrong_type = wrong_type

-- `given` is how many arguments there were: it tells nil from nothing.
function support.number(number, name, value, given)
    if type(value) == "number" then
        return value
    end
    local read = type(value) == "string" and tonumber(value)
    return read or wrong_type(number, name, "number", value, given)
end

function support.string(number, name, value, given)
    if type(value) == "string" then
        return value
    end
    if type(value) == "number" then
        return tostring(value)
    end
    return wrong_type(number, name, "string", value, given)
end

function support.table(number, name, value, given)
    if type(value) ~= "table" then
        wrong_type(number, name, "table", value, given)
    end
    return value
end

-- Where an error that nobody caught was raised: source and line of the innermost function of the user. For xpcall's
-- handler.
function support.raised_at()
    local level = 2
    while true do
        local info = getinfo(level, "Sl")
        if not info then
            return nil
        end
        if info.source ~= "=redis" and info.what ~= "tail" and info.what ~= "C" then
            return info.source, info.currentline
        end
        level = level + 1
    end
end

local HEADROOM = 1024 -- kilobytes

-- Before the host is asked for anything that it hands back as a string or a table: it could not get over a failure.
function support.room()
    if collectgarbage("count") + HEADROOM > limit_kilobytes then
        collectgarbage()
        if collectgarbage("count") + HEADROOM > limit_kilobytes then
            error("not enough memory", 0)
        end
    end
end

return support
