-- The `cmsgpack` library: MessagePack, with the choices of Salvatore Sanfilippo's lua-cmsgpack as it comes with Redis.
local support, pack_float, unpack_float = ...
local fail, bad_argument, number, string_of = support.fail, support.bad_argument, support.number, support.string
local error, next, select, type, floor = error, next, select, type, math.floor
local byte, char, sub, concat, unpack = string.byte, string.char, string.sub, table.concat, unpack

local DEEPEST = 16
local TWO_63 = 2 ^ 63

local function big_endian(value, size)
    if size == 1 then
        return char(value % 256)
    end
    local parts = {}
    local negative, carry = value < 0, 1
    if negative then
        value = -value
    end
    for place = size, 1, -1 do
        local low = value % 256
        value = (value - low) / 256
        if negative then
            -- The complement plus one.
            low = 255 - low + carry
            carry = low == 256 and 1 or 0
            low = low % 256
        end
        parts[place] = char(low)
    end
    return concat(parts)
end

local function integer(value)
    if value >= 0 then
        if value <= 127 then
            return char(value)
        elseif value <= 0xff then
            return "\204" .. char(value)
        elseif value <= 0xffff then
            return "\205" .. big_endian(value, 2)
        elseif value <= 0xffffffff then
            return "\206" .. big_endian(value, 4)
        end
        return "\207" .. big_endian(value, 8)
    end
    if value >= -32 then
        return char(256 + value)
    elseif value >= -128 then
        return "\208" .. char(256 + value)
    elseif value >= -32768 then
        return "\209" .. big_endian(value, 2)
    elseif value >= -2147483648 then
        return "\210" .. big_endian(value, 4)
    end
    return "\211" .. big_endian(value, 8)
end

local function double(value)
    support.room()
    local short = pack_float(value, 4, true)
    if value ~= value or unpack_float(short, true) ~= value then
        return "\203" .. pack_float(value, 8, true)
    end
    return "\202" .. short
end

local function text(value)
    local size = #value
    if size < 32 then
        return char(160 + size) .. value
    elseif size <= 0xff then
        return "\217" .. char(size) .. value
    elseif size <= 0xffff then
        return "\218" .. big_endian(size, 2) .. value
    end
    return "\219" .. big_endian(size, 4) .. value
end

local function head(size, small, short, long)
    if size <= 15 then
        return char(small + size)
    elseif size <= 65535 then
        return short .. big_endian(size, 2)
    end
    return long .. big_endian(size, 4)
end

-- The keys are 1 to n without a gap: n; else nil.
local function array_size(value)
    local count, most = 0, 0
    for key in next, value do
        if type(key) ~= "number" or key <= 0 or floor(key) ~= key or key > 2147483647 then
            return nil
        end
        if key > most then
            most = key
        end
        count = count + 1
    end
    return most == count and count or nil
end

local encode

local function encode_table(value, level, parts)
    local size = array_size(value)
    if size then
        parts[#parts + 1] = head(size, 144, "\220", "\221")
        for place = 1, size do
            encode(value[place], level + 1, parts)
        end
        return
    end
    size = 0
    for _ in next, value do
        size = size + 1
    end
    parts[#parts + 1] = head(size, 128, "\222", "\223")
    for key, one in next, value do
        encode(key, level + 1, parts)
        encode(one, level + 1, parts)
    end
end

function encode(value, level, parts)
    local kind = type(value)
    if kind == "table" and level == DEEPEST then
        kind = "nil"
    end
    if kind == "string" then
        parts[#parts + 1] = text(value)
    elseif kind == "boolean" then
        parts[#parts + 1] = value and "\195" or "\194"
    elseif kind == "number" then
        if value == floor(value) and value >= -TWO_63 and value < TWO_63 then
            parts[#parts + 1] = integer(value)
        else
            parts[#parts + 1] = double(value)
        end
    elseif kind == "table" then
        encode_table(value, level, parts)
    else
        parts[#parts + 1] = "\192"
    end
end

local cmsgpack = { _NAME = "cmsgpack", _VERSION = "lua-cmsgpack 0.4.0" }

function cmsgpack.pack(...)
    local given = select("#", ...)
    if given == 0 then
        bad_argument(0, "pack", "MessagePack pack needs input.")
    end
    local parts = {}
    for place = 1, given do
        encode((select(place, ...)), 0, parts)
    end
    return concat(parts)
end

local function missing()
    fail("Missing bytes in input.")
end

local function unsigned(data, at, size)
    if at + size - 1 > #data then
        missing()
    end
    local low, high = 0, 0
    for place = at, at + size - 1 do
        if place > at + size - 5 then
            low = low * 256 + byte(data, place)
        else
            high = high * 256 + byte(data, place)
        end
    end
    return high * 4294967296 + low
end

local function signed(data, at, size)
    local value = unsigned(data, at, size)
    if byte(data, at) < 128 then
        return value
    end
    if size < 8 then
        return value - 256 ^ size
    end
    -- Of the complement, which is small where the number is: its digits are not lost to rounding.
    local low, high = 0, 0
    for place = at, at + 3 do
        high = high * 256 + 255 - byte(data, place)
    end
    for place = at + 4, at + 7 do
        low = low * 256 + 255 - byte(data, place)
    end
    return -(high * 4294967296 + (low + 1))
end

local decode

local function bytes(data, at, size)
    if at + size - 1 > #data then
        missing()
    end
    return sub(data, at, at + size - 1), at + size
end

local function array(data, at, size, level)
    local result = {}
    for place = 1, size do
        result[place], at = decode(data, at, level)
    end
    return result, at
end

local function map(data, at, size, level)
    local result = {}
    for _ = 1, size do
        local key, value
        key, at = decode(data, at, level)
        value, at = decode(data, at, level)
        if key == nil then
            error("table index is nil", 0)
        elseif key ~= key then
            error("table index is NaN", 0)
        end
        result[key] = value
    end
    return result, at
end

local DEEPEST_INPUT = 150 -- C's stack bounds it there; ours is bounded at the same order

function decode(data, at, level)
    local first = byte(data, at)
    if not first then
        missing()
    end
    if level > DEEPEST_INPUT then
        fail("Bad data format in input.")
    end
    at = at + 1
    if first < 0x80 then
        return first, at
    elseif first < 0x90 then
        return map(data, at, first - 0x80, level + 1)
    elseif first < 0xa0 then
        return array(data, at, first - 0x90, level + 1)
    elseif first < 0xc0 then
        return bytes(data, at, first - 0xa0)
    elseif first >= 0xe0 then
        return first - 256, at
    elseif first == 0xc0 then
        return nil, at
    elseif first == 0xc2 then
        return false, at
    elseif first == 0xc3 then
        return true, at
    elseif first == 0xca or first == 0xcb then
        local value
        value, at = bytes(data, at, first == 0xca and 4 or 8)
        return unpack_float(value, true), at
    elseif first >= 0xcc and first <= 0xcf then
        local size = 2 ^ (first - 0xcc)
        -- Of 64 bits the original makes a signed integer, whatever the type says.
        return (size == 8 and signed or unsigned)(data, at, size), at + size
    elseif first >= 0xd0 and first <= 0xd3 then
        local size = 2 ^ (first - 0xd0)
        return signed(data, at, size), at + size
    elseif first >= 0xd9 and first <= 0xdb then
        local size = 2 ^ (first - 0xd9)
        return bytes(data, at + size, unsigned(data, at, size))
    elseif first == 0xdc or first == 0xdd then
        local size = first == 0xdc and 2 or 4
        return array(data, at + size, unsigned(data, at, size), level + 1)
    elseif first == 0xde or first == 0xdf then
        local size = first == 0xde and 2 or 4
        return map(data, at + size, unsigned(data, at, size), level + 1)
    end
    fail("Bad data format in input.")
end

-- limit 0: all; the offset where the next value begins (-1: none is left) is returned first when `shown`.
local function unpack_some(data, limit, offset, shown)
    if offset < 0 or limit < 0 then
        -- The length stands where the limit should: so it is in the original.
        fail("Invalid request to unpack with offset of " .. offset .. " and limit of " .. #data .. ".")
    elseif offset > #data then
        fail("Start offset " .. offset .. " greater than input length " .. #data .. ".")
    end
    local results, count, at = {}, 0, offset + 1
    while at <= #data and (limit == 0 or count < limit) do
        if count >= 7900 then
            fail("stack overflow (too many values)")
        end
        count = count + 1
        results[count], at = decode(data, at, 0)
    end
    if shown then
        return at > #data and -1 or at - 1, unpack(results, 1, count)
    end
    return unpack(results, 1, count)
end

local function integer_argument(position, name, value, given)
    value = number(position, name, value, given)
    return value >= 0 and floor(value) or -floor(-value)
end

function cmsgpack.unpack(...)
    return unpack_some(string_of(1, "unpack", (...), select("#", ...)), 0, 0, false)
end

function cmsgpack.unpack_one(...)
    local given = select("#", ...)
    local data, offset = ...
    offset = offset == nil and 0 or integer_argument(2, "unpack_one", offset, given)
    return unpack_some(string_of(1, "unpack_one", data, given), 1, offset, true)
end

function cmsgpack.unpack_limit(...)
    local given = select("#", ...)
    local data, limit, offset = ...
    limit = integer_argument(2, "unpack_limit", limit, given)
    offset = offset == nil and 0 or integer_argument(3, "unpack_limit", offset, given)
    return unpack_some(string_of(1, "unpack_limit", data, given), limit, offset, true)
end

return cmsgpack
