-- Memory: `chase BYTES STRIDE STEPS` follows pointers in an order that no prefetcher guesses; `copy BYTES TIMES` copies.
local ffi = require("ffi")
ffi.cdef("int memcmp(const void *, const void *, size_t);")
local kind, bytes = arg[1], tonumber(arg[2])

if kind == "chase" then
    local stride, steps = tonumber(arg[3]), tonumber(arg[4])
    local count = bytes / stride
    local cells = ffi.new("int32_t[?]", bytes / 4)
    -- i -> i * 5 + 1 mod 2^k visits all.
    local words = stride / 4
    for i = 0, count - 1 do cells[i * words] = (i * 5 + 1) % count * words end
    local at = 0
    for _ = 1, steps do at = cells[at] end
    print(at)
else
    local times = tonumber(arg[3])
    local a, b = ffi.new("uint8_t[?]", bytes), ffi.new("uint8_t[?]", bytes)
    for i = 0, bytes - 1 do a[i] = i * 7 % 251 end
    for i = 1, times do
        if i % 2 == 1 then ffi.copy(b, a, bytes) else ffi.copy(a, b, bytes) end
    end
    print(ffi.C.memcmp(a, b, bytes))
end
