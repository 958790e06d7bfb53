// Calls and indirect branches: `recursive N` calls itself, `virtual N` calls through tables of functions, `sort N` calls
// back from the C library, `dispatch N` interprets a program of bytes. Prints a number.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t seed = 1;

static uint32_t number(void)
{
    return seed = seed * 1664525 + 1013904223;
}

// Takeuchi's function.
static int tak(int x, int y, int z)
{
    return y < x ? tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y)) : z;
}

static uint64_t recursion(int rounds)
{
    uint64_t sum = 0;
    while (rounds-- > 0)
        sum += tak(18, 12, 6 + rounds % 3);
    return sum;
}

struct shape;
struct methods {
    uint64_t (*area)(const struct shape *);
    void (*grow)(struct shape *);
};
struct shape {
    const struct methods *methods;
    uint64_t side;
};

static uint64_t square_area(const struct shape *s) { return s->side * s->side; }
static uint64_t disc_area(const struct shape *s) { return 3 * s->side * s->side; }
static uint64_t line_area(const struct shape *s) { return s->side & 1; }
static uint64_t cube_area(const struct shape *s) { return 6 * s->side * s->side; }
static void grow_by_one(struct shape *s) { s->side += 1; }
static void grow_by_half(struct shape *s) { s->side = s->side * 3 / 2 % 1000; }

static const struct methods kinds[] = {
    { square_area, grow_by_one },
    { disc_area, grow_by_half },
    { line_area, grow_by_one },
    { cube_area, grow_by_half },
};

static uint64_t shapes(int rounds)
{
    enum { COUNT = 1024 };
    static struct shape all[COUNT];
    for (int i = 0; i < COUNT; i++)
        all[i] = (struct shape){ &kinds[number() >> 30], i };
    uint64_t sum = 0;
    while (rounds-- > 0) {
        for (int i = 0; i < COUNT; i++) {
            all[i].methods->grow(&all[i]);
            sum += all[i].methods->area(&all[i]);
        }
    }
    return sum;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t sort(int rounds)
{
    enum { COUNT = 65536 };
    static uint32_t all[COUNT];
    uint64_t sum = 0;
    while (rounds-- > 0) {
        for (int i = 0; i < COUNT; i++)
            all[i] = number();
        qsort(all, COUNT, sizeof all[0], compare);
        sum += all[COUNT / 3];
    }
    return sum;
}

// Its arithmetic makes no sense; the jump from each operation to the next is the point.
static uint64_t dispatch(int rounds)
{
    enum { LENGTH = 4096, OPERATIONS = 8 };
    static const void *const table[] = { &&add, &&subtract, &&exclusive, &&shift, &&multiply, &&invert, &&skip, &&swap, &&end };
    static uint8_t program[LENGTH + 2];
    for (int i = 0; i < LENGTH; i++)
        program[i] = (number() >> 24) % OPERATIONS;
    program[LENGTH] = program[LENGTH + 1] = OPERATIONS;
    uint64_t a = 1, b = 2;
    const uint8_t *at = program;
#define NEXT goto *table[*at++]
    NEXT;
add: a += b; NEXT;
subtract: a -= b * 3; NEXT;
exclusive: b ^= a; NEXT;
shift: a = a >> 7 | a << 57; NEXT;
multiply: b *= 2862933555777941757; NEXT;
invert: a = ~a; NEXT;
skip: at += b & 1; NEXT;
swap: { uint64_t c = a; a = b; b = c; } NEXT;
end:
    if (--rounds > 0) {
        at = program;
        NEXT;
    }
    return a ^ b;
}

int main(int count, char **words)
{
    const char *what = count == 3 ? words[1] : "";
    int n = count == 3 ? atoi(words[2]) : 0;
    if (!strcmp(what, "recursive"))
        printf("%llu\n", (unsigned long long)recursion(n));
    else if (!strcmp(what, "virtual"))
        printf("%llu\n", (unsigned long long)shapes(n));
    else if (!strcmp(what, "sort"))
        printf("%llu\n", (unsigned long long)sort(n));
    else if (!strcmp(what, "dispatch"))
        printf("%llu\n", (unsigned long long)dispatch(n));
    else
        return 2;
}
