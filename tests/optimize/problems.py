"""The problems of unconstrained minimisation of Moré, Garbow and Hillstrom.

J. J. Moré, B. S. Garbow and K. E. Hillstrom (1981), Testing unconstrained optimization software,
ACM Trans. Math. Software 7, 17-41, with the standard starts, and the minima that it gives: the
eighteen functions of its list for unconstrained minimisation, in the order of that list, then
those of its other lists, by number. 1 and 13 are 21 and 22 of the least n; 10, 15 and 17 are MGH10,
MGH09 and MGH17 of NIST from their second starts (tests/benchmarks/nist_strd.py).
The functions are written against the Array API standard; their constants are computed on the host
in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import gdx
from gdx.backends import device_of

PAPER = "Moré, Garbow and Hillstrom (1981)"


@dataclass(frozen=True)
class Problem:
    """A function of n variables, where to start, and what it is to come down to.

    Parameters
    ----------
    minima : tuple of float
        Values of f, local minima included. The paper has six digits; the others were computed here.
    source : str
        The number of the function in the paper, and what is not from the paper.
    """

    name: str
    n: int
    f: Callable[[Any], Any]
    start: tuple[float, ...]
    minima: tuple[float, ...]
    source: str

    def __str__(self) -> str:
        return f"{self.name}-{self.n}"

    def reached(self, fun: float, tol: float = 1e-9) -> float | None:
        """Return the listed minimum that `fun` is, or None.

        It is, but for `tol` of the size of the minimum and of the way there from the start, if that
        is less than 1.
        """
        start = float(self.f(np.asarray(self.start)))
        for minimum in self.minima:
            if abs(fun - minimum) <= tol * (minimum + min(1.0, start - minimum)):
                return minimum
        return None


def _like(x: Any, values: Any) -> Any:
    """Return constants of the library, the dtype and the device of x."""
    values = np.asarray(values, dtype=np.float64)
    xp = gdx.array_namespace(x)
    return xp.asarray(values.tolist(), dtype=x.dtype, device=device_of(x))


def _squares(r: Any) -> Any:
    return gdx.array_namespace(r).sum(r * r)


def helical_valley(x: Any) -> Any:
    xp = gdx.array_namespace(x)
    x1, x2, x3 = x[0], x[1], x[2]
    left = x1 < 0
    # arctan(x2 / x1) / 2π, and ±1/4 on the axis, where it jumps
    theta = xp.atan2(xp.where(left, -x2, x2), xp.where(left, -x1, x1)) / (2 * np.pi)
    theta = xp.where(left, theta + 0.5, theta)
    radius = xp.sqrt(x1 * x1 + x2 * x2)
    return 100 * (x3 - 10 * theta) ** 2 + 100 * (radius - 1) ** 2 + x3**2


def biggs_exp6(x: Any) -> Any:
    xp = gdx.array_namespace(x)
    times = np.arange(1, 14) / 10
    y = np.exp(-times) - 5 * np.exp(-10 * times) + 3 * np.exp(-4 * times)
    t = _like(x, times)
    sums = x[2] * xp.exp(-t * x[0]) - x[3] * xp.exp(-t * x[1]) + x[5] * xp.exp(-t * x[4])
    return _squares(sums - _like(x, y))


def gaussian(x: Any) -> Any:
    xp = gdx.array_namespace(x)
    half = [0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521]
    t = _like(x, (8 - np.arange(1, 16)) / 2)
    y = _like(x, [*half, 0.3989, *reversed(half)])
    return _squares(x[0] * xp.exp(-x[1] * (t - x[2]) ** 2 / 2) - y)


def powell_badly_scaled(x: Any) -> Any:
    xp = gdx.array_namespace(x)
    return (1e4 * x[0] * x[1] - 1) ** 2 + (xp.exp(-x[0]) + xp.exp(-x[1]) - 1.0001) ** 2


def box_three_dimensional(x: Any) -> Any:
    xp = gdx.array_namespace(x)
    times = np.arange(1, 11) / 10
    t = _like(x, times)
    last = _like(x, np.exp(-times) - np.exp(-10 * times))
    return _squares(xp.exp(-t * x[0]) - xp.exp(-t * x[1]) - x[2] * last)


def variably_dimensioned(x: Any) -> Any:
    xp = gdx.array_namespace(x)
    weighted = xp.sum(_like(x, np.arange(1, x.shape[0] + 1)) * (x - 1))
    return _squares(x - 1) + weighted**2 + weighted**4


def watson(x: Any) -> Any:
    t = np.arange(1, 30)[:, None] / 29
    j = np.arange(x.shape[0])
    powers, slopes = t**j, j * t ** np.maximum(j - 1, 0)
    residuals = _like(x, slopes) @ x - (_like(x, powers) @ x) ** 2 - 1
    return _squares(residuals) + x[0] ** 2 + (x[1] - x[0] ** 2 - 1) ** 2


def penalty_1(x: Any) -> Any:
    return 1e-5 * _squares(x - 1) + (_squares(x) - 0.25) ** 2


def penalty_2(x: Any) -> Any:
    xp = gdx.array_namespace(x)
    n = x.shape[0]
    i = np.arange(2, n + 1)
    power = xp.exp(x / 10)
    neighbours = power[1:] + power[:-1] - _like(x, np.exp(i / 10) + np.exp((i - 1) / 10))
    small = _squares(neighbours) + _squares(power[1:] - float(np.exp(-0.1)))
    weighted = xp.sum(_like(x, np.arange(n, 0, -1)) * x**2)
    return (x[0] - 0.2) ** 2 + 1e-5 * small + (weighted - 1) ** 2


def brown_badly_scaled(x: Any) -> Any:
    return (x[0] - 1e6) ** 2 + (x[1] - 2e-6) ** 2 + (x[0] * x[1] - 2) ** 2


def brown_and_dennis(x: Any) -> Any:
    times = np.arange(1, 21) / 5
    first = x[0] + _like(x, times) * x[1] - _like(x, np.exp(times))
    second = x[2] + _like(x, np.sin(times)) * x[3] - _like(x, np.cos(times))
    return _squares(first**2 + second**2)


def gulf_research_and_development(x: Any) -> Any:
    xp = gdx.array_namespace(x)
    times = np.arange(1, 100) / 100
    distance = xp.abs(_like(x, 25 + (-50 * np.log(times)) ** (2 / 3)) - x[1])
    # 0 ** x3 is 0, and so are its derivatives here; log(0) would make them NaN
    tiny = float(xp.finfo(x.dtype).smallest_normal)
    distance = xp.where(distance > 0, distance, tiny)
    return _squares(xp.exp(-(distance ** x[2]) / x[0]) - _like(x, times))


def trigonometric(x: Any) -> Any:
    xp = gdx.array_namespace(x)
    n = x.shape[0]
    cosines = xp.cos(x)
    return _squares(xp.sum(1 - cosines) + _like(x, np.arange(1, n + 1)) * (1 - cosines) - xp.sin(x))


def extended_rosenbrock(x: Any) -> Any:
    odd, even = x[::2], x[1::2]
    return _squares(10 * (even - odd**2)) + _squares(1 - odd)


def extended_powell_singular(x: Any) -> Any:
    x1, x2, x3, x4 = x[::4], x[1::4], x[2::4], x[3::4]
    quadratic = _squares(x1 + 10 * x2) + 5 * _squares(x3 - x4)
    return quadratic + _squares((x2 - 2 * x3) ** 2) + 10 * _squares((x1 - x4) ** 2)


def beale(x: Any) -> Any:
    return sum((y - x[0] * (1 - x[1] ** i)) ** 2 for i, y in enumerate((1.5, 2.25, 2.625), start=1))


def wood(x: Any) -> Any:
    x1, x2, x3, x4 = (x[i] for i in range(4))
    valleys = 100 * (x2 - x1**2) ** 2 + (1 - x1) ** 2 + 90 * (x4 - x3**2) ** 2 + (1 - x3) ** 2
    return valleys + 10 * (x2 + x4 - 2) ** 2 + (x2 - x4) ** 2 / 10


def chebyquad(x: Any) -> Any:
    xp = gdx.array_namespace(x)
    total, before, now = 0.0, 1.0, 2 * x - 1
    for i in range(1, x.shape[0] + 1):
        integral = 0.0 if i % 2 else -1 / (i * i - 1)
        total = total + (xp.mean(now) - integral) ** 2
        before, now = now, 2 * (2 * x - 1) * now - before
    return total


def freudenstein_and_roth(x: Any) -> Any:
    x1, x2 = x[0], x[1]
    first = x1 - 13 + ((5 - x2) * x2 - 2) * x2
    return first**2 + (x1 - 29 + ((x2 + 1) * x2 - 14) * x2) ** 2


def jennrich_and_sampson(x: Any) -> Any:
    xp = gdx.array_namespace(x)
    i = _like(x, np.arange(1, 11))
    return _squares(2 + 2 * i - (xp.exp(i * x[0]) + xp.exp(i * x[1])))


def bard(x: Any) -> Any:
    y = (0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39)
    u = np.arange(1, 16)
    curve = _like(x, u) / (_like(x, 16 - u) * x[1] + _like(x, np.minimum(u, 16 - u)) * x[2])
    return _squares(_like(x, y) - x[0] - curve)


def osborne_2(x: Any) -> Any:
    xp = gdx.array_namespace(x)
    y = (
        *(1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746, 0.679),
        *(0.608, 0.655, 0.616, 0.606, 0.602, 0.626, 0.651, 0.724, 0.649, 0.649, 0.694, 0.644),
        *(0.624, 0.661, 0.612, 0.558, 0.533, 0.495, 0.500, 0.423, 0.395, 0.375, 0.372, 0.391),
        *(0.396, 0.405, 0.428, 0.429, 0.523, 0.562, 0.607, 0.653, 0.672, 0.708, 0.633, 0.668),
        *(0.645, 0.632, 0.591, 0.559, 0.597, 0.625, 0.739, 0.710, 0.729, 0.720, 0.636, 0.581),
        *(0.428, 0.292, 0.162, 0.098, 0.054),
    )
    t = _like(x, np.arange(65) / 10)
    peaks = sum(x[i] * xp.exp(-x[4 + i] * (t - x[7 + i]) ** 2) for i in (1, 2, 3))
    return _squares(_like(x, y) - x[0] * xp.exp(-x[4] * t) - peaks)


def brown_almost_linear(x: Any) -> Any:
    xp = gdx.array_namespace(x)
    return _squares(x[:-1] + xp.sum(x) - (x.shape[0] + 1)) + (xp.prod(x) - 1) ** 2


def discrete_boundary_value(x: Any) -> Any:
    h, t = _grid(x)
    return _squares(2 * x - _shifted(x, 1) - _shifted(x, -1) + h**2 * (x + t + 1) ** 3 / 2)


def discrete_integral_equation(x: Any) -> Any:
    h, t = _grid(x)
    s = np.arange(1, x.shape[0] + 1) * h
    kernel = np.minimum.outer(s, s) * (1 - np.maximum.outer(s, s))
    return _squares(x + h / 2 * (_like(x, kernel) @ (x + t + 1) ** 3))


def broyden_tridiagonal(x: Any) -> Any:
    return _squares((3 - 2 * x) * x - _shifted(x, 1) - 2 * _shifted(x, -1) + 1)


def broyden_banded(x: Any) -> Any:
    around = sum(_shifted(x * (1 + x), by) for by in (-1, 1, 2, 3, 4, 5))
    return _squares(x * (2 + 5 * x**2) + 1 - around)


def linear_full_rank(x: Any) -> Any:
    """There are twice as many residuals as variables, here and below."""
    xp = gdx.array_namespace(x)
    n = x.shape[0]
    mean = xp.sum(x) / n
    return _squares(x - mean - 1) + n * (mean + 1) ** 2


def linear_rank_1(x: Any) -> Any:
    return _of_rank_1(x, np.arange(1, x.shape[0] + 1), np.arange(1, 2 * x.shape[0] + 1))


def linear_rank_1_with_zeros(x: Any) -> Any:
    columns, rows = np.arange(1, x.shape[0] + 1), np.arange(2 * x.shape[0])
    columns[[0, -1]] = rows[-1] = 0
    return _of_rank_1(x, columns, rows)


def _of_rank_1(x: Any, columns: Any, rows: Any) -> Any:
    xp = gdx.array_namespace(x)
    return _squares(_like(x, rows) * xp.sum(_like(x, columns) * x) - 1)


def _grid(x: Any) -> tuple[float, Any]:
    """Return the step, and n points between 0 and 1."""
    h = 1 / (x.shape[0] + 1)
    return h, _like(x, np.arange(1, x.shape[0] + 1) * h)


def _shifted(x: Any, by: int) -> Any:
    """Return x[i - by], and 0 where there is none."""
    return _like(x, np.eye(x.shape[0], k=-by)) @ x


def _problems() -> Iterator[Problem]:
    def problem(
        number: int,
        f: Callable[[Any], Any],
        start: Any,
        *minima: float,
        note: str = "",
    ) -> Problem:
        source = f"{PAPER}, function {number}{'; ' * bool(note)}{note}"
        name = f.__name__.replace("_", "-")
        return Problem(name, len(start), f, tuple(map(float, start)), minima, source)

    saddle = "its first is a saddle, where x1 = x5 and x3 = x6, which the standard start leads to"
    yield problem(7, helical_valley, (-1, 0, 0), 0.0)
    yield problem(18, biggs_exp6, (1, 2, 1, 1, 1, 1), 5.6556499255e-3, 0.0, note=saddle)
    yield problem(9, gaussian, (0.4, 1, 0), 1.127932769619e-8)
    yield problem(3, powell_badly_scaled, (0, 1), 0.0)
    yield problem(12, box_three_dimensional, (0, 10, 20), 0.0)
    yield problem(25, variably_dimensioned, 1 - np.arange(1, 11) / 10, 0.0)
    for n, minimum in ((6, 2.28767005355e-3), (9, 1.39976013810e-6), (12, 4.72238110589e-10)):
        yield problem(20, watson, (0,) * n, minimum)
    for n, minimum in ((4, 2.24997750090e-5), (10, 7.08765146709e-5)):
        yield problem(23, penalty_1, range(1, n + 1), minimum)
    for n, minimum in ((4, 9.37629300736e-6), (10, 2.93660537457e-4)):
        yield problem(24, penalty_2, (0.5,) * n, minimum)
    yield problem(4, brown_badly_scaled, (1, 1), 0.0)
    yield problem(16, brown_and_dennis, (25, 5, -5, -1), 85822.2016264)
    yield problem(11, gulf_research_and_development, (5, 2.5, 0.15), 0.0)
    yield problem(26, trigonometric, (1 / 5,) * 5, 0.0)
    note = "the second minimum was computed here, and its Hessian is positive definite"
    yield problem(26, trigonometric, (1 / 10,) * 10, 0.0, 2.79505612188e-5, note=note)
    for n in (2, 10):
        yield problem(21, extended_rosenbrock, (-1.2, 1) * (n // 2), 0.0)
    for n in (4, 12):
        yield problem(22, extended_powell_singular, (3, -1, 0, 1) * (n // 4), 0.0)
    yield problem(5, beale, (1, 1), 0.0)
    yield problem(14, wood, (-3, -1, -3, -1), 0.0)
    for n in range(1, 11):
        minima = {8: (3.51687372568e-3,), 10: (6.50395480088e-3, 4.77271369638e-3)}.get(n, (0.0,))
        yield problem(35, chebyquad, np.arange(1, n + 1) / (n + 1), *minima, note=note * (n == 10))

    n, m = 10, 20
    grid = np.arange(1, n + 1) / (n + 1)
    yield problem(2, freudenstein_and_roth, (0.5, -2), 0.0, 48.9842536792)
    yield problem(6, jennrich_and_sampson, (0.3, 0.4), 124.362182356)
    yield problem(8, bard, (1, 1, 1), 8.21487730658e-3)
    start = (1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5)
    yield problem(19, osborne_2, start, 4.01377362935e-2)
    yield problem(27, brown_almost_linear, (0.5,) * n, 0.0, 1.0)
    yield problem(28, discrete_boundary_value, grid * (grid - 1), 0.0)
    yield problem(29, discrete_integral_equation, grid * (grid - 1), 0.0)
    yield problem(30, broyden_tridiagonal, (-1,) * n, 0.0)
    yield problem(31, broyden_banded, (-1,) * n, 0.0)
    yield problem(32, linear_full_rank, (1,) * n, m - n)
    yield problem(33, linear_rank_1, (1,) * n, m * (m - 1) / (2 * (2 * m + 1)))
    yield problem(34, linear_rank_1_with_zeros, (1,) * n, (m * m + 3 * m - 6) / (2 * (2 * m - 3)))


PROBLEMS = tuple(_problems())
