-- The `struct` library (Roberto Ierusalimschy's, as it comes with Redis): C's structures in strings.
--
-- Integers are made of bytes with arithmetic; the two float formats come from the host.
local support, band, pack_float, unpack_float = ...
local fail, bad_argument, number, string_of = support.fail, support.bad_argument, support.number, support.string
local select, floor, byte, char, rep, sub, find = select, math.floor, string.byte, string.char, string.rep, string.sub, string.find
local concat, tonumber, unpack, lower = table.concat, tonumber, unpack, string.lower

local LARGEST_INTEGER, INT_MAX = 32, 2147483647
local SIZES = { b = 1, B = 1, h = 2, H = 2, l = 8, L = 8, T = 8, f = 4, d = 8, x = 1 }
local INTEGERS = { b = true, B = true, h = true, H = true, l = true, L = true, T = true, i = true, I = true }

-- The digits at `at`, or `default`; and where they end.
local function digits(fmt, at, default)
    local _, last = find(fmt, "^%d+", at)
    if not last then
        return default, at
    end
    local value = tonumber(sub(fmt, at, last))
    if value > INT_MAX then
        fail("integral size overflow")
    end
    return value, last + 1
end

local function size_of(fmt, option, at)
    local size = SIZES[option]
    if size then
        return size, at
    end
    if option == "c" then
        return digits(fmt, at, 1)
    end
    if option == "i" or option == "I" then
        size, at = digits(fmt, at, 4)
        if size > LARGEST_INTEGER then
            fail("integral size " .. size .. " is larger than limit of " .. LARGEST_INTEGER)
        end
        return size, at
    end
    return 0, at
end

local function padding(length, align, option, size)
    if size == 0 or option == "c" then
        return 0
    end
    if size > align then
        size = align
    end
    if size == 1 then
        return 0
    end
    -- To the letter, because sizes that are no powers of two are possible.
    return band(size - band(length, size - 1), size - 1)
end

local function control(fmt, option, at, big, align, name)
    if option == " " then
        return at, big, align
    end
    if option == ">" then
        return at, true, align
    end
    if option == "<" then
        return at, false, align
    end
    if option == "!" then
        align, at = digits(fmt, at, 8)
        local power = align
        while power > 1 and power % 2 == 0 do
            power = power / 2
        end
        if power ~= 1 then
            fail("alignment " .. align .. " is not a power of 2")
        end
        return at, big, align
    end
    bad_argument(1, name, "invalid format option '" .. option .. "'")
end

local function integer_bytes(value, size, big)
    local negative, carry = value < 0, 1
    value = floor(negative and -value or value)
    local parts = {}
    for place = 1, size do
        local low = 0 -- beyond 64 bits there is nothing
        if place <= 8 then
            low = value % 256
            value = (value - low) / 256
            if negative then
                -- The complement plus one.
                low = 255 - low + carry
                carry = low == 256 and 1 or 0
                low = low % 256
            end
        end
        parts[big and size + 1 - place or place] = char(low)
    end
    return concat(parts)
end

local function integer_value(data, at, size, big, is_signed)
    local counted = size > 8 and 8 or size
    -- Bytes from the least significant on; those beyond eight fall off the top, as in C.
    local function nth(place)
        return byte(data, big and at + size - place or at + place - 1)
    end
    local negative = is_signed and counted > 0 and nth(counted) >= 128
    local low, high = 0, 0
    for place = counted, 1, -1 do
        local one = nth(place)
        if negative then
            one = 255 - one
        end
        if place > 4 then
            high = high * 256 + one
        else
            low = low * 256 + one
        end
    end
    if negative then
        return -(high * 4294967296 + (low + 1))
    end
    return high * 4294967296 + low
end

local struct = {}

function struct.pack(...)
    local given = select("#", ...)
    local arguments = { ... }
    local fmt = string_of(1, "pack", arguments[1], given)
    given = given + 1 -- the original keeps a nil of its own behind the arguments
    local at, next_argument, length, big, align = 1, 2, 0, false, 1
    local parts = {}
    while at <= #fmt do
        local option = sub(fmt, at, at)
        local size
        size, at = size_of(fmt, option, at + 1)
        local pad = padding(length, align, option, size)
        length = length + pad
        parts[#parts + 1] = rep("\0", pad)
        if INTEGERS[option] then
            local value = number(next_argument, "pack", arguments[next_argument], given)
            parts[#parts + 1] = integer_bytes(value, size, big)
            next_argument = next_argument + 1
        elseif option == "x" then
            parts[#parts + 1] = "\0"
        elseif option == "f" or option == "d" then
            local value = number(next_argument, "pack", arguments[next_argument], given)
            support.room()
            parts[#parts + 1] = pack_float(value, size, big)
            next_argument = next_argument + 1
        elseif option == "c" or option == "s" then
            local value = string_of(next_argument, "pack", arguments[next_argument], given)
            next_argument = next_argument + 1
            if size == 0 then
                size = #value
            end
            if #value < size then
                bad_argument(next_argument, "pack", "string too short")
            end
            parts[#parts + 1] = sub(value, 1, size)
            if option == "s" then
                parts[#parts + 1] = "\0"
                size = size + 1
            end
        else
            at, big, align = control(fmt, option, at, big, align, "pack")
        end
        length = length + size
    end
    return concat(parts)
end

function struct.unpack(...)
    local given = select("#", ...)
    local fmt, data, start = ...
    fmt = string_of(1, "unpack", fmt, given)
    data = string_of(2, "unpack", data, given)
    start = start == nil and 1 or number(3, "unpack", start, given)
    start = start >= 0 and floor(start) or -floor(-start)
    if start < 1 then
        bad_argument(3, "unpack", "offset must be 1 or greater")
    end
    local at, position, big, align = 1, start, false, 1
    local results, count = {}, 0
    while at <= #fmt do
        local option = sub(fmt, at, at)
        local size
        size, at = size_of(fmt, option, at + 1)
        position = position + padding(position - 1, align, option, size)
        if position - 1 + size > #data then
            bad_argument(2, "unpack", "data string too short")
        end
        if count >= 7900 then
            fail("stack overflow (too many results)")
        end
        if INTEGERS[option] then
            count = count + 1
            results[count] = integer_value(data, position, size, big, lower(option) == option)
        elseif option == "f" or option == "d" then
            count = count + 1
            results[count] = unpack_float(sub(data, position, position + size - 1), big)
        elseif option == "c" then
            if size == 0 then
                size = count > 0 and tonumber(results[count])
                if not size then
                    fail("format 'c0' needs a previous size")
                end
                count = count - 1
                size = floor(size)
                if size < 0 or position - 1 + size > #data then
                    bad_argument(2, "unpack", "data string too short")
                end
            end
            count = count + 1
            results[count] = sub(data, position, position + size - 1)
        elseif option == "s" then
            local zero = find(data, "\0", position, true)
            if not zero then
                fail("unfinished string in data")
            end
            count = count + 1
            results[count] = sub(data, position, zero - 1)
            size = zero - position + 1
        elseif option ~= "x" then
            at, big, align = control(fmt, option, at, big, align, "unpack")
        end
        position = position + size
    end
    count = count + 1
    results[count] = position
    return unpack(results, 1, count)
end

function struct.size(...)
    local fmt = string_of(1, "size", (...), select("#", ...))
    local at, length, big, align = 1, 0, false, 1
    while at <= #fmt do
        local option = sub(fmt, at, at)
        local size
        size, at = size_of(fmt, option, at + 1)
        length = length + padding(length, align, option, size)
        if option == "s" then
            bad_argument(1, "size", "option 's' has no fixed size")
        elseif option == "c" and size == 0 then
            bad_argument(1, "size", "option 'c0' has no fixed size")
        end
        if not find(option, "%w") then
            at, big, align = control(fmt, option, at, big, align, "size")
        end
        length = length + size
    end
    return length
end

return struct
