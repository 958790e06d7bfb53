// Loops over arrays that a compiler makes NEON of: `float N` and `int N` in the first cache, `stream N COUNT` in memory (the
// four loops of McCalpin's STREAM, over arrays of COUNT doubles that lie next to each other). Prints what the arrays hold.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void floats(int rounds)
{
    enum { COUNT = 1024 };
    static float x[COUNT], y[COUNT], z[COUNT];
    for (int i = 0; i < COUNT; i++) {
        x[i] = i / 1024.0f;
        y[i] = 1 - x[i];
    }
    while (rounds-- > 0) {
        for (int i = 0; i < COUNT; i++)
            z[i] = x[i] * y[i] + z[i] * 0.5f;
        for (int i = 0; i < COUNT; i++)
            y[i] = (z[i] - x[i]) * 0.25f + (x[i] > y[i] ? x[i] : y[i]) * 0.5f;
    }
    float sum = 0;
    for (int i = 0; i < COUNT; i++)
        sum += z[i];
    printf("%.9g\n", sum);
}

static void integers(int rounds)
{
    enum { COUNT = 4096 };
    static uint8_t a[COUNT], b[COUNT];
    static int16_t c[COUNT];
    static uint32_t sums[64];
    for (int i = 0; i < COUNT; i++) {
        a[i] = i * 7;
        b[i] = i * 13 >> 3;
    }
    while (rounds-- > 0) {
        uint32_t sum = 0;
        for (int i = 0; i < COUNT; i++)
            sum += abs(a[i] - b[i]);
        for (int i = 0; i < COUNT; i++)
            c[i] = c[i] * 3 + (a[i] << 4) - b[i];
        for (int i = 0; i < COUNT; i++)
            b[i] = (a[i] + b[i] + 1) >> 1 ^ (uint8_t)(c[i] >> 8);
        sums[rounds % 64] += sum;
    }
    uint32_t all = 0;
    for (int i = 0; i < 64; i++)
        all = all * 31 + sums[i];
    printf("%u %d\n", all, c[COUNT / 3]);
}

static void stream(int rounds, size_t count)
{
    double *restrict a = calloc(3 * count, sizeof *a), *restrict b = a + count, *restrict c = b + count;
    for (size_t i = 0; i < count; i++) {
        a[i] = 1;
        b[i] = 2;
    }
    while (rounds-- > 0) {
        for (size_t i = 0; i < count; i++)
            c[i] = a[i];
        for (size_t i = 0; i < count; i++)
            b[i] = 0.25 * c[i];
        for (size_t i = 0; i < count; i++)
            c[i] = a[i] + b[i];
        for (size_t i = 0; i < count; i++)
            a[i] = b[i] + 0.5 * c[i];
    }
    printf("%.17g %.17g %.17g\n", a[1], b[count / 2], c[count - 1]);
}

int main(int count, char **words)
{
    const char *what = count > 2 ? words[1] : "";
    int n = count > 2 ? atoi(words[2]) : 0;
    if (!strcmp(what, "float"))
        floats(n);
    else if (!strcmp(what, "int"))
        integers(n);
    else if (!strcmp(what, "stream") && count > 3)
        stream(n, atoi(words[3]));
    else
        return 2;
}
