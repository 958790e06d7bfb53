-- The kernel's smallest services. `null N` asks for the parent's id N times; `fault N` touches N fresh pages.
local ffi = require("ffi")
ffi.cdef([[
long syscall(long, ...);
void *mmap(void *, size_t, int, int, int, long);
int munmap(void *, size_t);
]])
local kind, count = arg[1], tonumber(arg[2])

if kind == "null" then
    local getppid, same = 173, 0
    local first = ffi.C.syscall(getppid)
    for _ = 1, count do
        if ffi.C.syscall(getppid) == first then same = same + 1 end
    end
    print(same)
else
    local read_write, private_anonymous, pages, sum = 3, 0x22, 4096, 0
    for _ = 1, count / pages do
        local map = ffi.C.mmap(nil, pages * 4096, read_write, private_anonymous, -1, 0)
        local bytes = ffi.cast("uint8_t *", map)
        for page = 0, pages - 1 do
            sum = sum + bytes[page * 4096]
            bytes[page * 4096] = 1
        end
        ffi.C.munmap(map, pages * 4096)
    end
    print(sum)
end
