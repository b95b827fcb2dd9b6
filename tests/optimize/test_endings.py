"""Where runs end, and what they say of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gdx

SEARCHED = ("l-bfgs", "bfgs", "cg", "bb", "newton-cg")

# Functions that fall without end outside a basin: a start within, and the minimum there.
ROOT = (2 - math.sqrt(2.8)) / 0.3  # of 2 (x - 1) = 0.15 x²
BASINS = {
    "cubic": (
        lambda x: (x[0] - 1) ** 2 + x[1] ** 2 - 0.05 * x[0] ** 3,
        (0.0, 2.0),
        (ROOT - 1) ** 2 - 0.05 * ROOT**3,
    ),
    "quartic": (
        lambda x: x[0] ** 2 - 0.1 * x[0] ** 4 + 2 * x[1] ** 2 + x[0] * x[1],
        (0.8, 0.7),
        0.0,
    ),
    "himmelbh": (lambda x: -3 * x[0] - 2 * x[1] + 2 + x[0] ** 3 + x[1] ** 2, (0.0, 2.0), -1.0),
    "one variable": (lambda x: x[0] ** 2 / 2 - x[0] ** 3 / 6, (1.0,), 0.0),
    "sixth": (lambda x: (x**2).sum() - 0.01 * (x**6).sum(), (0.9, -0.3, 0.5, 1.1), 0.0),
}


@pytest.mark.parametrize("name", BASINS)
@pytest.mark.parametrize("method", SEARCHED)
def test_a_run_stays_in_its_basin(name, method):
    f, start, minimum = BASINS[name]
    result = gdx.minimize(f, np.asarray(start), method=method)
    assert result.success
    assert result.fun == pytest.approx(minimum, abs=1e-8)


def huber(x):
    r = np.abs(x - 1000)
    return (np.minimum(r, 1) * (r - np.minimum(r, 1) / 2)).sum()


def softplus(x):
    return (np.logaddexp(0, x) - 0.3 * x).sum()


WIDE = (-1e9, 1e9)


@pytest.mark.parametrize(("f", "start"), [(huber, 0.0), (softplus, -1000.0), (softplus, 1e4)])
def test_bounds_that_do_not_bind_change_nothing(f, start):
    """Where f is nearly linear, steps must grow, within bounds as without."""
    free, bounded = (gdx.minimize(f, np.full(3, start), bounds=bounds) for bounds in (None, WIDE))
    assert free.success
    assert bounded.nfev == free.nfev <= 30
    np.testing.assert_array_equal(bounded.x, free.x)


@pytest.mark.parametrize("c", [2.0**-40, 2.0**40])
@pytest.mark.parametrize("method", ["l-bfgs", "bfgs", "cg", "bb"])
def test_the_path_does_not_depend_on_the_scale_of_f(method, c):
    def rosenbrock(x):
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    start, options = np.tile([-1.2, 1.0], 5), {"method": method, "tol": 0, "max_steps": 15}
    x = gdx.minimize(rosenbrock, start, **options).x
    np.testing.assert_array_equal(gdx.minimize(lambda x: c * rosenbrock(x), start, **options).x, x)
