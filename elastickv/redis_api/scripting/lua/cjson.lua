-- The `cjson` library: Mark Pulford's lua-cjson 2.1 as it comes with Redis, its limits and its words.
local support = ...
local fail, bad_argument, string_of, wrong_type = support.fail, support.bad_argument, support.string, support.wrong_type
local next, rawget, select, tonumber, type = next, rawget, select, tonumber, type
local byte, char, find, format, gsub, lower, match, sub = string.byte, string.char, string.find, string.format, string.gsub, string.lower, string.match, string.sub
local concat, floor = table.concat, math.floor
local newproxy, getmetatable = newproxy, getmetatable

local INT_MAX = 2147483647

local null = newproxy(true)
do
    local behaviour = getmetatable(null)
    behaviour.__tostring = function()
        return "userdata: (nil)"
    end
    behaviour.__metatable = false
end

-- writing

local ESCAPES = {}
for code = 0, 31 do
    ESCAPES[char(code)] = format("\\u%04x", code)
end
ESCAPES["\b"], ESCAPES["\t"], ESCAPES["\n"], ESCAPES["\f"], ESCAPES["\r"] = "\\b", "\\t", "\\n", "\\f", "\\r"
ESCAPES['"'], ESCAPES["\\"], ESCAPES["/"], ESCAPES["\127"] = '\\"', "\\\\", "\\/", "\\u007f"
local NEEDS_ESCAPE = '[%z\1-\31"\\/\127]'

local function quoted(text)
    if find(text, NEEDS_ESCAPE) then
        text = gsub(text, NEEDS_ESCAPE, ESCAPES)
    end
    return '"' .. text .. '"'
end

local function cannot_serialise(kind, reason)
    fail("Cannot serialise " .. kind .. ": " .. reason)
end

-- The length of an array; nil for a table that is an object.
local function array_size(config, value)
    local most, items = 0, 0
    for key in next, value do
        if type(key) ~= "number" or key < 1 or floor(key) ~= key then
            return nil
        end
        if key > most then
            most = key
        end
        items = items + 1
    end
    if config.sparse_ratio > 0 and most > items * config.sparse_ratio and most > config.sparse_safe then
        if not config.sparse_convert then
            cannot_serialise("table", "excessively sparse array")
        end
        return nil
    end
    return most > 0 and most or nil
end

local function number_text(config, value)
    if value ~= value or value == 1 / 0 or value == -1 / 0 then
        if config.encode_invalid == "off" then
            cannot_serialise("number", "must not be NaN or Inf")
        elseif config.encode_invalid == "null" then
            return "null"
        elseif value ~= value then
            return "nan"
        end
    end
    return format(config.number_format, value)
end

local append

local function too_deep(depth)
    fail("Cannot serialise, excessive nesting (" .. depth .. ")")
end

local function append_table(config, value, depth, parts, count)
    if depth > config.encode_depth then
        too_deep(depth)
    end
    local size = array_size(config, value)
    if size then
        count = count + 1
        parts[count] = "["
        for place = 1, size do
            if place > 1 then
                count = count + 1
                parts[count] = ","
            end
            count = append(config, rawget(value, place), depth, parts, count)
        end
        count = count + 1
        parts[count] = "]"
        return count
    end
    count = count + 1
    parts[count] = "{"
    local first = true
    for key, one in next, value do
        local kind = type(key)
        local name
        if kind == "string" then
            name = quoted(key)
        elseif kind == "number" then
            name = '"' .. number_text(config, key) .. '"'
        else
            cannot_serialise(kind, "table key must be a number or string")
        end
        count = count + 1
        parts[count] = first and name .. ":" or "," .. name .. ":"
        first = false
        count = append(config, one, depth, parts, count)
    end
    count = count + 1
    parts[count] = "}"
    return count
end

function append(config, value, depth, parts, count)
    local kind = type(value)
    if kind == "table" then
        return append_table(config, value, depth + 1, parts, count)
    end
    count = count + 1
    if kind == "string" then
        parts[count] = quoted(value)
    elseif kind == "number" then
        parts[count] = number_text(config, value)
    elseif kind == "boolean" then
        parts[count] = value and "true" or "false"
    elseif value == nil or value == null then
        parts[count] = "null"
    else
        cannot_serialise(kind, "type not supported")
    end
    return count
end

-- reading

local ONE_CHARACTER = {
    [byte("{")] = "T_OBJ_BEGIN", [byte("}")] = "T_OBJ_END", [byte("[")] = "T_ARR_BEGIN", [byte("]")] = "T_ARR_END",
    [byte(",")] = "T_COMMA", [byte(":")] = "T_COLON", [0] = "T_END",
}
local UNESCAPED = {
    ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", t = "\t", n = "\n", f = "\f", r = "\r",
}
local NUMBER_FORMS = {
    "^[-+]?0[xX]%x+", "^[-+]?%d+%.?%d*[eE][-+]?%d+", "^[-+]?%d+%.?%d*", "^[-+]?%.%d+[eE][-+]?%d+", "^[-+]?%.%d+",
    "^[-+]?[iI][nN][fF][iI][nN][iI][tT][yY]", "^[-+]?[iI][nN][fF]", "^[-+]?[nN][aA][nN]",
}
local QUOTE, MINUS, ZERO, NINE = byte('"'), byte("-"), byte("0"), byte("9")

local function utf8(code)
    if code < 0x80 then
        return char(code)
    elseif code < 0x800 then
        return char(0xC0 + floor(code / 64), 0x80 + code % 64)
    elseif code < 0x10000 then
        return char(0xE0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
    end
    return char(0xF0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64, 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
end

-- The character of the escape at `at` (its backslash), and what follows it; nil when it is none.
local function unicode_escape(text, at)
    local digits = match(text, "^\\u(%x%x%x%x)", at)
    if not digits then
        return nil
    end
    local code = tonumber(digits, 16)
    if code < 0xD800 or code > 0xDFFF then
        return utf8(code), at + 6
    end
    digits = code < 0xDC00 and match(text, "^\\u([Dd][c-fC-F]%x%x)", at + 6)
    if not digits then
        return nil
    end
    return utf8((code - 0xD800) * 1024 + tonumber(digits, 16) - 0xDC00 + 0x10000), at + 12
end

-- kind, value, where the token ends, where it begins. `at` is behind the opening quote.
local function string_token(text, at)
    local begin = at - 1
    local special = find(text, '["\\%z]', at)
    if special and byte(text, special) == QUOTE then
        return "T_STRING", sub(text, at, special - 1), special + 1, begin
    end
    local parts, count = {}, 0
    while true do
        if not special then
            return "T_ERROR", "unexpected end of string", at, #text + 1
        end
        count = count + 1
        parts[count] = sub(text, at, special - 1)
        local mark = byte(text, special)
        if mark == QUOTE then
            return "T_STRING", concat(parts), special + 1, begin
        elseif mark == 0 then
            return "T_ERROR", "unexpected end of string", at, special
        end
        local letter = sub(text, special + 1, special + 1)
        local plain = UNESCAPED[letter]
        if plain then
            at = special + 2
        elseif letter == "u" then
            plain, at = unicode_escape(text, special)
            if not plain then
                return "T_ERROR", "invalid unicode escape code", special, special
            end
        else
            return "T_ERROR", "invalid escape code", special, special
        end
        count = count + 1
        parts[count] = plain
        special = find(text, '["\\%z]', at)
    end
end

-- Forms that strtod takes but JSON does not know: hexadecimal, leading zeros, a plus sign, infinity and NaN.
local function is_invalid_number(text, at)
    local c = sub(text, at, at)
    if c == "+" then
        return true
    end
    if c == "-" then
        at = at + 1
        c = sub(text, at, at)
    end
    if c == "0" then
        return find(text, "^[xX%d]", at + 1) ~= nil
    end
    if find(c, "%d") then
        return false
    end
    local word = lower(sub(text, at, at + 2))
    return word == "inf" or word == "nan"
end

-- What strtod reads at `at`: its value and where it ends; nil when it reads nothing. (Lua's tonumber is strtod.)
local function read_number(text, at)
    for place = 1, #NUMBER_FORMS do
        local _, last = find(text, NUMBER_FORMS[place], at)
        local value = last and tonumber(sub(text, at, last))
        if value then
            return value, last + 1
        end
    end
end

local function number_token(text, at)
    local _, last = find(text, "^-?%d+", at)
    if last then
        local following = byte(text, last + 1)
        -- . E X e x: not a plain integer
        if following ~= 46 and following ~= 69 and following ~= 88 and following ~= 101 and following ~= 120 then
            return "T_NUMBER", tonumber(sub(text, at, last)), last + 1, at
        end
    end
    local value, finish = read_number(text, at)
    if not value then
        return "T_ERROR", "invalid number", at, at
    end
    return "T_NUMBER", value, finish, at
end

local function token(config, text, at)
    local c = byte(text, at)
    while c == 32 or c == 10 or c == 13 or c == 9 do
        at = at + 1
        c = byte(text, at)
    end
    if c == QUOTE then
        return string_token(text, at + 1)
    end
    local one = ONE_CHARACTER[c or 0]
    if one then
        return one, nil, at + 1, at
    end
    if c == MINUS or (c >= ZERO and c <= NINE) then
        if not config.decode_invalid and is_invalid_number(text, at) then
            return "T_ERROR", "invalid number", at, at
        end
        return number_token(text, at)
    end
    if sub(text, at, at + 3) == "true" then
        return "T_BOOLEAN", true, at + 4, at
    elseif sub(text, at, at + 4) == "false" then
        return "T_BOOLEAN", false, at + 5, at
    elseif sub(text, at, at + 3) == "null" then
        return "T_NULL", null, at + 4, at
    elseif config.decode_invalid and is_invalid_number(text, at) then
        return number_token(text, at)
    end
    return "T_ERROR", "invalid token", at, at
end

local function unexpected(wanted, kind, value, at)
    local found = kind == "T_ERROR" and value or kind
    fail("Expected " .. wanted .. " but found " .. found .. " at character " .. at)
end

local function descend(config, depth, at)
    if depth > config.decode_depth then
        fail("Found too many nested data structures (" .. depth .. ") at character " .. at)
    end
end

local container

local function value_of(config, text, depth, kind, value, at, begin)
    if kind == "T_STRING" or kind == "T_NUMBER" or kind == "T_BOOLEAN" or kind == "T_NULL" then
        return value, at
    elseif kind == "T_OBJ_BEGIN" or kind == "T_ARR_BEGIN" then
        return container(config, text, depth + 1, kind, at)
    end
    unexpected("value", kind, value, begin)
end

local function array(config, text, depth, at)
    local result, count = {}, 0
    local kind, value, finish, begin = token(config, text, at)
    if kind == "T_ARR_END" then
        return result, finish
    end
    while true do
        count = count + 1
        result[count], at = value_of(config, text, depth, kind, value, finish, begin)
        kind, value, finish, begin = token(config, text, at)
        if kind == "T_ARR_END" then
            return result, finish
        elseif kind ~= "T_COMMA" then
            unexpected("comma or array end", kind, value, begin)
        end
        kind, value, finish, begin = token(config, text, finish)
    end
end

local function object(config, text, depth, at)
    local result = {}
    local kind, value, finish, begin = token(config, text, at)
    if kind == "T_OBJ_END" then
        return result, finish
    end
    while true do
        if kind ~= "T_STRING" then
            unexpected("object key string", kind, value, begin)
        end
        local key = value
        kind, value, finish, begin = token(config, text, finish)
        if kind ~= "T_COLON" then
            unexpected("colon", kind, value, begin)
        end
        result[key], at = value_of(config, text, depth, token(config, text, finish))
        kind, value, finish, begin = token(config, text, at)
        if kind == "T_OBJ_END" then
            return result, finish
        elseif kind ~= "T_COMMA" then
            unexpected("comma or object end", kind, value, begin)
        end
        kind, value, finish, begin = token(config, text, finish)
    end
end

function container(config, text, depth, kind, at)
    descend(config, depth, at - 1)
    if kind == "T_ARR_BEGIN" then
        return array(config, text, depth, at)
    end
    return object(config, text, depth, at)
end

-- the module

local function arguments(name, most, ...)
    if select("#", ...) > most then
        bad_argument(most + 1, name, "found too many arguments")
    end
    return ...
end

local function integer_option(config, field, name, position, value, least, most)
    if value ~= nil then
        value = support.number(position, name, value, position)
        value = value >= 0 and floor(value) or -floor(-value)
        if value < least or value > most then
            bad_argument(1, name, format("expected integer between %d and %d", least, most))
        end
        config[field] = value
    end
    return config[field]
end

local function flag_option(config, field, name, value)
    if value ~= nil then
        if type(value) ~= "boolean" then
            wrong_type(1, name, "boolean", value, 1)
        end
        config[field] = value
    end
    return config[field]
end

local function choice(name, value, allowed)
    if value == true then
        return "on"
    elseif value == false then
        return "off"
    end
    local word = string_of(1, name, value, 1)
    if not allowed[word] then
        bad_argument(1, name, "invalid option '" .. word .. "'")
    end
    return word
end

local function shown(word)
    if word == "null" then
        return word
    end
    return word == "on"
end

local new

local function module()
    local config = {
        sparse_convert = false, sparse_ratio = 2, sparse_safe = 10, encode_depth = 1000, decode_depth = 1000,
        encode_invalid = "off", decode_invalid = true, keep_buffer = true, precision = 14, number_format = "%.14g",
    }
    local cjson = { _NAME = "cjson", _VERSION = "2.1.0", null = null, new = new }

    function cjson.encode(...)
        if select("#", ...) ~= 1 then
            bad_argument(1, "encode", "expected 1 argument")
        end
        local parts = {}
        local count = append(config, (...), 0, parts, 0)
        return concat(parts, "", 1, count)
    end

    function cjson.decode(...)
        local given = select("#", ...)
        if given ~= 1 then
            bad_argument(1, "decode", "expected 1 argument")
        end
        local text = string_of(1, "decode", (...), given)
        if #text >= 2 and (byte(text, 1) == 0 or byte(text, 2) == 0) then
            fail("JSON parser does not support UTF-16 or UTF-32")
        end
        local result, at = value_of(config, text, 0, token(config, text, 1))
        local kind, value, _, begin = token(config, text, at)
        if kind ~= "T_END" then
            unexpected("the end", kind, value, begin)
        end
        return result
    end

    function cjson.encode_sparse_array(...)
        local convert, ratio, safe = arguments("encode_sparse_array", 3, ...)
        return flag_option(config, "sparse_convert", "encode_sparse_array", convert),
            integer_option(config, "sparse_ratio", "encode_sparse_array", 2, ratio, 0, INT_MAX),
            integer_option(config, "sparse_safe", "encode_sparse_array", 3, safe, 0, INT_MAX)
    end

    function cjson.encode_max_depth(...)
        local depth = arguments("encode_max_depth", 1, ...)
        return integer_option(config, "encode_depth", "encode_max_depth", 1, depth, 1, INT_MAX)
    end

    function cjson.decode_max_depth(...)
        local depth = arguments("decode_max_depth", 1, ...)
        return integer_option(config, "decode_depth", "decode_max_depth", 1, depth, 1, INT_MAX)
    end

    function cjson.encode_number_precision(...)
        local digits = arguments("encode_number_precision", 1, ...)
        digits = integer_option(config, "precision", "encode_number_precision", 1, digits, 1, 14)
        config.number_format = "%." .. digits .. "g"
        return digits
    end

    function cjson.encode_keep_buffer(...)
        return flag_option(config, "keep_buffer", "encode_keep_buffer", (arguments("encode_keep_buffer", 1, ...)))
    end

    function cjson.encode_invalid_numbers(...)
        local value = arguments("encode_invalid_numbers", 1, ...)
        if value ~= nil then
            config.encode_invalid = choice("encode_invalid_numbers", value, { off = true, on = true, null = true })
        end
        return shown(config.encode_invalid)
    end

    function cjson.decode_invalid_numbers(...)
        local value = arguments("decode_invalid_numbers", 1, ...)
        if value ~= nil then
            config.decode_invalid = choice("decode_invalid_numbers", value, { off = true, on = true }) == "on"
        end
        return config.decode_invalid
    end

    return cjson
end

function new()
    return module()
end

return module()
