-- math.random and math.randomseed with Redis' generator: a seed gives the same numbers on every machine. As in Redis 7
-- the numbers go on from script to script; what is replicated is what scripts did with them.
--
-- It is the 48-bit congruential generator of POSIX' lrand48. Its state is kept in three limbs of 16 bits, so that no
-- product needs more than a double's 53 bits.
local support, first_seed = ...
local number, bad_argument, wrong_type = support.number, support.bad_argument, support.wrong_type
local select, floor, type = select, math.floor, type

local A0, A1, A2, C = 0xE66D, 0xDEEC, 0x5, 0xB
local MOST = 2147483647
local x0, x1, x2

local function seed(value)
    -- As C converts a double to int32.
    value = value % 4294967296
    x0, x1, x2 = 0x330E, value % 65536, floor(value / 65536)
end

local function draw()
    local y0 = A0 * x0 + C
    local y1 = A1 * x0 + A0 * x1 + floor(y0 / 65536)
    local y2 = A2 * x0 + A1 * x1 + A0 * x2 + floor(y1 / 65536)
    x0, x1, x2 = y0 % 65536, y1 % 65536, y2 % 65536
    return x2 * 32768 + floor(x1 / 2)
end

-- luaL_checkint
local function integer(position, name, value, given)
    value = number(position, name, value, given)
    if value ~= value then
        return 0
    end
    return value >= 0 and floor(value) or -floor(-value)
end

local function random(...)
    local part = draw() % MOST / MOST
    local given = select("#", ...)
    if given == 0 then
        return part
    end
    local low, high = ...
    if given == 1 then
        high = integer(1, "random", low, given)
        if high < 1 then
            bad_argument(1, "random", "interval is empty")
        end
        return floor(part * high) + 1
    end
    if given == 2 then
        low, high = integer(1, "random", low, given), integer(2, "random", high, given)
        if low > high then
            bad_argument(2, "random", "interval is empty")
        end
        return floor(part * (high - low + 1)) + low
    end
    support.fail("wrong number of arguments")
end

local function randomseed(...)
    seed(integer(1, "randomseed", (...), select("#", ...)))
end

seed(first_seed)
return { random = random, randomseed = randomseed }
