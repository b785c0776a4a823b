-- What a script returns, as RESP: the rules of Redis' luaReplyToRedisReply.
--
-- The answer is one value for what the host encodes itself (a string, a number, a boolean, nil), else two: a text and
-- what it is.
local support, STATUS, ERROR, RAW = ...
local concat, format, next, rawget, type = table.concat, string.format, next, rawget, type
local gsub, find, sub = string.gsub, string.find, string.sub

-- Frames of C that Redis has for it; deeper, it gives up too.
local DEEPEST = 2000

-- Redis takes it for a string of C, which ends at a zero.
local function cut(text)
    local zero = find(text, "\0", 1, true)
    return zero and sub(text, 1, zero - 1) or text
end

local function line(text)
    if find(text, "[\r\n]") then
        return (gsub(text, "[\r\n]", " "))
    end
    return text
end

local function is_text(value)
    return type(value) == "string"
end

local function bulk(text)
    return "$" .. #text .. "\r\n" .. text .. "\r\n"
end

local double_text -- the host's
local null, yes, no -- of the protocol and of redis.setresp
local resp3

local append

local function append_map(map, parts, count, depth)
    local size = 0
    for _ in next, map do
        size = size + 1
    end
    parts[count] = resp3 and "%" .. size .. "\r\n" or "*" .. 2 * size .. "\r\n"
    for key, value in next, map do
        count = append(key, parts, count, depth)
        count = append(value, parts, count, depth)
    end
    return count
end

local function append_set(set, parts, count, depth)
    local size = 0
    for _ in next, set do
        size = size + 1
    end
    parts[count] = (resp3 and "~" or "*") .. size .. "\r\n"
    for member in next, set do
        count = append(member, parts, count, depth)
    end
    return count
end

local function append_table(value, parts, count, depth)
    local one = rawget(value, "err")
    if is_text(one) then
        parts[count] = "-" .. line(cut(one)) .. "\r\n"
        return count
    end
    one = rawget(value, "ok")
    if is_text(one) then
        parts[count] = "+" .. line(cut(one)) .. "\r\n"
        return count
    end
    one = rawget(value, "double")
    if type(one) == "number" then
        support.room()
        local text = double_text(one)
        parts[count] = resp3 and "," .. text .. "\r\n" or bulk(text)
        return count
    end
    one = rawget(value, "map")
    if type(one) == "table" then
        return append_map(one, parts, count, depth)
    end
    one = rawget(value, "set")
    if type(one) == "table" then
        return append_set(one, parts, count, depth)
    end
    one = rawget(value, "big_number")
    if is_text(one) then
        one = line(one)
        parts[count] = resp3 and "(" .. one .. "\r\n" or bulk(one)
        return count
    end
    one = rawget(value, "verbatim_string")
    if type(one) == "table" then
        local text, kind = rawget(one, "string"), rawget(one, "format")
        if is_text(text) and is_text(kind) then
            kind = sub(kind .. "   ", 1, 3)
            parts[count] = resp3 and "=" .. #text + 4 .. "\r\n" .. kind .. ":" .. text .. "\r\n" or bulk(text)
            return count
        end
    end
    local here, size = count, 0
    one = rawget(value, 1)
    while one ~= nil do
        size = size + 1
        count = append(one, parts, count, depth)
        one = rawget(value, size + 1)
    end
    parts[here] = "*" .. size .. "\r\n"
    return count
end

function append(value, parts, count, depth)
    count = count + 1
    local kind = type(value)
    if kind == "string" then
        parts[count] = "$" .. #value .. "\r\n" .. value .. "\r\n"
    elseif kind == "number" then
        parts[count] = format(":%d\r\n", value)
    elseif kind == "boolean" then
        parts[count] = value and yes or no
    elseif kind == "table" then
        if depth > DEEPEST then
            parts[count] = "-ERR reached lua stack limit\r\n"
            return count
        end
        parts[count] = ""
        return append_table(value, parts, count, depth + 1)
    else
        parts[count] = null
    end
    return count
end

-- `client`: the protocol of the client; `script`: that of redis.setresp.
local function answer(value, client, script)
    local kind = type(value)
    if kind == "string" or kind == "number" then
        return value
    elseif kind == "boolean" then
        if script == 3 then
            if client == 3 then
                return value and "#t\r\n" or "#f\r\n", RAW
            end
            return value and 1 or 0
        end
        return value or nil
    elseif kind ~= "table" then
        return nil
    end
    local one = rawget(value, "err")
    if is_text(one) then
        return cut(one), ERROR
    end
    one = rawget(value, "ok")
    if is_text(one) then
        return line(cut(one)), STATUS
    end
    resp3 = client == 3
    null = resp3 and "_\r\n" or "$-1\r\n"
    if script == 3 then
        yes, no = resp3 and "#t\r\n" or ":1\r\n", resp3 and "#f\r\n" or ":0\r\n"
    else
        yes, no = ":1\r\n", null
    end
    local parts = {}
    local count = append(value, parts, 0, 0)
    return concat(parts, "", 1, count), RAW
end

return answer, function(text)
    double_text = text
end
