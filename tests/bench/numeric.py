"""Floating point in Python: planets, a matrix's largest eigenvalue, the Mandelbrot set. Prints numbers that every
IEEE 754 machine computes alike. Takes how much to do as a factor."""
import math
import sys

scale = float(sys.argv[1])


def planets(steps):
    """Position, velocity and mass of the Sun and the four large planets, moved in steps of a hundredth of a year."""
    bodies = [
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], 39.47841760435743],
        [[4.84143144, -1.16032004, -0.103622044], [0.606326392, 2.81198684, -0.0252183616], 0.0376936749],
        [[8.34336671, 4.12479856, -0.403523417], [-1.01077434, 1.82566237, 0.00841576137], 0.0112863261],
        [[12.8943695, -15.1111514, -0.223307578], [1.08279100, 0.868713018, -0.0108326374], 0.00172372405],
        [[15.3796971, -25.9193146, 0.179258772], [0.979090732, 0.594698998, -0.0347559555], 0.00203368686],
    ]
    pairs = [(a, b) for i, a in enumerate(bodies) for b in bodies[i + 1:]]
    for _ in range(steps):
        for (p, v, m), (q, w, n) in pairs:
            d = [p[i] - q[i] for i in range(3)]
            pull = 0.01 / (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]) ** 1.5
            for i in range(3):
                v[i] -= d[i] * n * pull
                w[i] += d[i] * m * pull
        for p, v, _ in bodies:
            for i in range(3):
                p[i] += 0.01 * v[i]
    return sum(m * sum(x * x for x in v) / 2 for _, v, m in bodies)


def eigenvalue(n):
    rows = [[1.0 / ((i + j) * (i + j + 1) // 2 + i + 1) for j in range(n)] for i in range(n)]
    columns = list(zip(*rows))
    u = [1.0] * n
    for _ in range(5):
        v = [sum(map(float.__mul__, row, u)) for row in rows]
        u = [sum(map(float.__mul__, column, v)) for column in columns]
    v = [sum(map(float.__mul__, row, u)) for row in rows]
    return math.sqrt(sum(map(float.__mul__, v, v)) / sum(map(float.__mul__, u, u)))


def mandelbrot(n):
    inside = 0
    for y in range(n):
        for x in range(n):
            c = complex(3.0 * x / n - 2.0, 2.0 * y / n - 1.0)
            z = 0j
            for _ in range(40):
                z = z * z + c
                if z.real * z.real + z.imag * z.imag > 4.0:
                    break
            else:
                inside += 1
    return inside


print(planets(int(4000 * scale)), eigenvalue(int(200 * scale ** 0.5)), mandelbrot(int(120 * scale ** 0.5)))
print([math.fsum(f(i / 7) for i in range(1, 500)) for f in (math.sin, math.exp,
                                                            math.log, math.atan, math.erf)])
