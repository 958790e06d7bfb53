"""Writes a C file of many functions, for a compiler to work on. Takes how many."""
import sys

print("#include <string.h>\n#include <stdlib.h>\nstruct item { int key; double weight; struct item *next; char name[16]; };")
for n in range(int(sys.argv[1])):
    print(f"""
static int pick_{n}(int a, int b) {{ switch (a % {n % 7 + 3}) {{ case 0: return b + {n}; case 1: return a ^ b; \
case 2: return a * {n + 3}; default: return b - a; }} }}
int work_{n}(struct item *list, int limit) {{
    int total = {n};
    for (struct item *i = list; i && total < limit; i = i->next) {{
        total += pick_{n}(i->key, total) + (int)(i->weight * {n}.5);
        for (unsigned k = 0; k < sizeof i->name; k++) total = total * 31 + i->name[k];
        if (total % {n + 2} == 1) {{ struct item *t = malloc(sizeof *t); memcpy(t, i, sizeof *t); i->next = t; }}
    }}
    return total;
}}""")
