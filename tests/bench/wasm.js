// WebAssembly: a module put together here, of calls, 64-bit integers, floating point and memory. Takes how much to do
// as a factor. Opcodes: the WebAssembly core specification, section 5.4.
"use strict";
const scale = Number(process.argv[2]);
const I32 = 0x7f, I64 = 0x7e, F64 = 0x7c;

function leb(n) {
    const bytes = [];
    for (;;) {
        const byte = n & 0x7f;
        n >>= 7;
        if ((n === 0 && !(byte & 0x40)) || (n === -1 && byte & 0x40)) return [...bytes, byte];
        bytes.push(byte | 0x80);
    }
}
const section = (id, items) => {
    const body = [items.length, ...items.flat()];
    return [id, ...leb(body.length), ...body];
};
const get = (n) => [0x20, n], set = (n) => [0x21, n], tee = (n) => [0x22, n], i32 = (n) => [0x41, ...leb(n)];
// while local 0 counts down to zero
const countdown = (...body) => [0x03, 0x40, ...body.flat(), ...get(0), ...i32(1), 0x6b, ...tee(0), 0x0d, 0, 0x0b];
const f64 = (x) => [0x44, ...new Uint8Array(new Float64Array([x]).buffer)];

const functions = {
    // f(n) = n < 2 ? n : f(n - 1) + f(n - 2)
    fibonacci: [[I32], I32, [], [
        get(0), i32(2), [0x48, 0x04, I32], get(0), [0x05], get(0), i32(1), [0x6b, 0x10, 0], get(0), i32(2),
        [0x6b, 0x10, 0, 0x6a, 0x0b]]],
    // x = rotl(x * 6364136223846793005 + 1, 13) xor x, n times
    mix: [[I32], I64, [[1, I64]], [
        countdown(get(1), [0x42, 0xad, 0xfe, 0xd5, 0xe4, 0xd4, 0x85, 0xfd, 0xa8, 0xd8, 0x00], [0x7e, 0x42, 1, 0x7c],
            [0x42, 13, 0x89], get(1), [0x85], set(1)),
        get(1)]],
    // the sum of sqrt(k) / (k + 1.5)
    roots: [[I32], F64, [[1, F64]], [
        countdown(get(1), get(0), [0xb7, 0x9f], get(0), [0xb7], f64(1.5), [0xa0, 0xa3, 0xa0], set(1)),
        get(1)]],
    // memory[n * 40503 & 65532] += n, and the sum of what was there
    scatter: [[I32], I32, [[2, I32]], [
        countdown(get(0), i32(40503), [0x6c], i32(65532), [0x71], tee(1), get(1), [0x28, 2, 0], tee(1), get(0),
            [0x6a, 0x36, 2, 0], get(2), get(1), [0x6a], set(2)),
        get(2)]],
};
const rows = Object.values(functions);
const bytes = [
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, rows.map(([from, to]) => [0x60, from.length, ...from, 1, to])),
    ...section(3, rows.map((_, n) => [n])),
    ...section(5, [[0, 1]]),
    ...section(7, Object.keys(functions).map((name, n) => [name.length, ...Buffer.from(name), 0, n])),
    ...section(10, rows.map(([, , locals, code]) => {
        const body = [locals.length, ...locals.flat(), ...code.flat(), 0x0b];
        return [...leb(body.length), ...body];
    })),
];
const { fibonacci, mix, roots, scatter } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes))).exports;
const n = Math.floor(scale * 1e6);
console.log(fibonacci(25 + Math.floor(Math.log2(scale))), mix(n * 5), roots(n * 5), scatter(n * 5));
