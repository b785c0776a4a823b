-- The `bit` library: 32-bit arithmetic as in LuaJIT and BitOp, whose results are signed.
local support = ...
local number, bad_argument = support.number, support.bad_argument
local select, floor, format, upper = select, math.floor, string.format, string.upper

local WORD, HALF = 2 ^ 32, 2 ^ 31
local ROUNDING = 6755399441055744 -- 2^52 + 2^51: adding it rounds to an integer, half to even
local INFINITE = math.huge

-- and_of[a * 256 + b] is a AND b of two bytes.
local and_of = {}
do
    local nibble = {}
    for a = 0, 15 do
        for b = 0, 15 do
            local result, place, x, y = 0, 1, a, b
            for _ = 1, 4 do
                if x % 2 == 1 and y % 2 == 1 then
                    result = result + place
                end
                x, y, place = floor(x / 2), floor(y / 2), place * 2
            end
            nibble[a * 16 + b] = result
        end
    end
    for a = 0, 255 do
        local high, low = floor(a / 16), a % 16
        for b = 0, 255 do
            and_of[a * 256 + b] = nibble[high * 16 + floor(b / 16)] * 16 + nibble[low * 16 + b % 16]
        end
    end
end

-- 0 <= result < 2^32
local function word(position, name, value, given)
    value = number(position, name, value, given)
    if value ~= value or value == INFINITE or value == -INFINITE then
        return 0
    end
    return (value + ROUNDING - ROUNDING) % WORD
end

local function signed(value)
    if value >= HALF then
        return value - WORD
    end
    return value
end

local function both(a, b)
    local a0, b0 = a % 256, b % 256
    a, b = (a - a0) / 256, (b - b0) / 256
    local a1, b1 = a % 256, b % 256
    a, b = (a - a1) / 256, (b - b1) / 256
    local a2, b2 = a % 256, b % 256
    a, b = (a - a2) / 256, (b - b2) / 256
    return and_of[a0 * 256 + b0] + and_of[a1 * 256 + b1] * 256 + and_of[a2 * 256 + b2] * 65536
        + and_of[a * 256 + b] * 16777216
end

local function either(a, b)
    return a + b - both(a, b)
end

local function one_of(a, b)
    return a + b - 2 * both(a, b)
end

local function folding(name, combine)
    return function(...)
        local given = select("#", ...)
        local result = word(1, name, (...), given)
        for position = 2, given do
            result = combine(result, word(position, name, (select(position, ...)), given))
        end
        return signed(result)
    end
end

local function shifting(name, shift)
    return function(...)
        local given = select("#", ...)
        local value, by = ...
        value = word(1, name, value, given)
        return signed(shift(value, word(2, name, by, given) % 32))
    end
end

local bit = {}

function bit.tobit(...)
    return signed(word(1, "tobit", (...), select("#", ...)))
end

function bit.bnot(...)
    return signed(WORD - 1 - word(1, "bnot", (...), select("#", ...)))
end

bit.band = folding("band", both)
bit.bor = folding("bor", either)
bit.bxor = folding("bxor", one_of)

-- Scaling by a power of two is exact, so nothing is lost before the remainder is taken.
bit.lshift = shifting("lshift", function(value, by)
    return value * 2 ^ by % WORD
end)
bit.rshift = shifting("rshift", function(value, by)
    return floor(value / 2 ^ by)
end)
bit.arshift = shifting("arshift", function(value, by)
    return floor(signed(value) / 2 ^ by) % WORD
end)
bit.rol = shifting("rol", function(value, by)
    return value * 2 ^ by % WORD + floor(value / 2 ^ (32 - by))
end)
bit.ror = shifting("ror", function(value, by)
    return floor(value / 2 ^ by) + value * 2 ^ (32 - by) % WORD
end)

function bit.bswap(...)
    local value = word(1, "bswap", (...), select("#", ...))
    local result = 0
    for _ = 1, 4 do
        local low = value % 256
        result = result * 256 + low
        value = (value - low) / 256
    end
    return signed(result)
end

function bit.tohex(...)
    local given = select("#", ...)
    local value, digits = ...
    value = word(1, "tohex", value, given)
    digits = given < 2 and 8 or signed(word(2, "tohex", digits, given))
    local capital = digits < 0
    if capital then
        digits = -digits
    end
    if digits > 8 then
        digits = 8
    end
    local text = digits == 0 and "" or format("%08x", value):sub(-digits)
    return capital and upper(text) or text
end

return bit
