"""The problems of unconstrained minimisation of Moré, Garbow and Hillstrom.

J. J. Moré, B. S. Garbow and K. E. Hillstrom (1981), Testing unconstrained optimization software,
ACM Trans. Math. Software 7, 17-41: the eighteen functions of its list for unconstrained
minimisation, in the order of that list, with the standard starts, and the minima that it gives.
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
        Values of f, local minima included. The paper cuts off a minimum that is not 0 after six
        digits, so the exact one is less than a unit of the last digit above.
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

        It is, if it agrees in all digits that are given, but for `tol` of the size of the minimum
        and of the way there from the start, if that is less than 1.
        """
        start = float(self.f(np.asarray(self.start)))
        for minimum in self.minima:
            last_digit = 10 ** (np.floor(np.log10(minimum)) - 5) if minimum else 0.0
            allowed = tol * (minimum + min(1.0, start - minimum))
            if -allowed <= fun - minimum <= last_digit + allowed:
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

    yield problem(7, helical_valley, (-1, 0, 0), 0.0)
    yield problem(18, biggs_exp6, (1, 2, 1, 1, 1, 1), 5.65565e-3, 0.0)
    yield problem(9, gaussian, (0.4, 1, 0), 1.12793e-8)
    yield problem(3, powell_badly_scaled, (0, 1), 0.0)
    yield problem(12, box_three_dimensional, (0, 10, 20), 0.0)
    yield problem(25, variably_dimensioned, 1 - np.arange(1, 11) / 10, 0.0)
    for n, minimum in ((6, 2.28767e-3), (9, 1.39976e-6), (12, 4.72238e-10)):
        yield problem(20, watson, (0,) * n, minimum)
    for n, minimum in ((4, 2.24997e-5), (10, 7.08765e-5)):
        yield problem(23, penalty_1, range(1, n + 1), minimum)
    for n, minimum in ((4, 9.37629e-6), (10, 2.93660e-4)):
        yield problem(24, penalty_2, (0.5,) * n, minimum)
    yield problem(4, brown_badly_scaled, (1, 1), 0.0)
    yield problem(16, brown_and_dennis, (25, 5, -5, -1), 85822.2)
    yield problem(11, gulf_research_and_development, (5, 2.5, 0.15), 0.0)
    yield problem(26, trigonometric, (1 / 5,) * 5, 0.0)
    note = "the second minimum was computed here, and its Hessian is positive definite"
    yield problem(26, trigonometric, (1 / 10,) * 10, 0.0, 2.79505e-5, note=note)
    for n in (2, 10):
        yield problem(21, extended_rosenbrock, (-1.2, 1) * (n // 2), 0.0)
    for n in (4, 12):
        yield problem(22, extended_powell_singular, (3, -1, 0, 1) * (n // 4), 0.0)
    yield problem(5, beale, (1, 1), 0.0)
    yield problem(14, wood, (-3, -1, -3, -1), 0.0)
    for n in range(1, 11):
        minima = {8: (3.51687e-3,), 10: (6.50395e-3, 4.77271e-3)}.get(n, (0.0,))
        yield problem(35, chebyquad, np.arange(1, n + 1) / (n + 1), *minima, note=note * (n == 10))


PROBLEMS = tuple(_problems())
