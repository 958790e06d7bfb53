-- LuaJIT: integers, floats, tables, strings, and 64-bit FFI numbers. Prints numbers. Takes how much to do as a factor.
local scale = tonumber(arg[1])
local bit = require("bit")

local function sieve(n)
    local composite, primes = {}, 0
    for i = 2, n do
        if not composite[i] then
            primes = primes + 1
            for j = i * i, n, i do composite[j] = true end
        end
    end
    return primes
end

local function floats(n)
    local x, y = 0.1, 0
    for i = 1, n do
        x = 3.99 * x * (1 - x)
        y = y + math.sqrt(x) / (i % 10 + 1)
    end
    return string.format("%.17g", y)
end

local function hash(n)
    local h = 5381
    for i = 1, n do h = bit.bxor(bit.tobit(h * 33), bit.rol(i, h % 31)) end
    return h
end

local function strings(n)
    local parts, seen = {}, {}
    for i = 1, n do
        local s = string.format("%x", i * 7919 % 10007)
        seen[s] = (seen[s] or 0) + 1
        parts[#parts + 1] = s:sub(-2)
    end
    local joined = table.concat(parts)
    return #joined, select(2, joined:gsub("a(%d)", "%1"))
end

local function wide(n)
    local x = 1ULL
    for i = 1, n do x = x * 6364136223846793005ULL + 1442695040888963407ULL end
    return tostring(x)
end

print(sieve(1e6 * scale), floats(1e7 * scale), hash(2e7 * scale), wide(2e7 * scale))
print(strings(2e5 * scale))
