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


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("c", [1e-12, 1e-8, 1.0, 1e8])
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("method", [*SEARCHED, "numerical"])
def test_success_does_not_depend_on_units(method, c, unit, batch):
    """Of f or of x; the start of a small f is no minimum."""
    if batch and method not in ("l-bfgs", "bfgs"):
        pytest.skip("not for many problems")
    options = {"grad": "numerical"} if method == "numerical" else {"method": method}
    start = np.asarray([-1.2, 1.0]) * unit
    if batch:
        start, options = np.stack([start, 0.9 * start]), {**options, "batch": True}
    if method == "numerical" and unit != 1:
        pytest.skip("differences need x of order 1")
    if (method, c, unit) == ("cg", 1e8, 1e-6):
        pytest.skip("at 2e-30 of the first f, it takes the rounding of f for a failure")
    result = gdx.minimize(lambda x: c * rosenbrock(x.T / unit), start, **options)
    assert np.all(result.success)
    np.testing.assert_allclose(result.x, np.full(start.shape, unit), rtol=1e-5)


def test_descents_and_minimisers_mean_the_same_by_converged():
    curvatures = np.asarray([1.0, 30.0])

    def f(x):
        return 1e-9 * (curvatures * (x - 1) ** 2).sum() + 1e-9

    for steps in (3, 30, 100, 200, 400, 800):
        one = gdx.gradient_descent(f, [0.0, 0.0], 2e7, steps)
        other = gdx.minimize(f, [0.0, 0.0], method=gdx.optimize.sgd(2e7), max_steps=steps)
        assert one.success == other.success
        if one.success:
            assert (one.status, other.status) == ("converged", "converged")
            np.testing.assert_allclose(one.x, 1, atol=1e-4)
    assert one.success


@pytest.mark.parametrize("f", ["-x", "x**3", "log"])
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("method", SEARCHED)
def test_an_f_without_a_minimum_is_told(method, batch, f):
    functions = {"-x": lambda x: -x, "x**3": lambda x: x**3, "log": np.log}
    starts = {"-x": 0.0, "x**3": -1.0, "log": 1.0}
    if batch and method not in ("l-bfgs", "bfgs"):
        pytest.skip("not for many problems")
    start = np.full((2, 1) if batch else 1, starts[f])
    with np.errstate(all="ignore"):
        result = gdx.minimize(
            lambda x: functions[f](x[..., 0]), start, method=method, batch=batch, max_steps=500
        )
    assert not np.any(result.success)
    statuses = result.status if batch else [result.status]
    if not (method == "newton-cg" and f == "-x"):  # it goes on by steps of one length
        assert [*statuses] == [gdx.Status.UNBOUNDED] * len(statuses)
    if not batch:
        assert "gradient right" not in result.message


TOLERANCES = {
    "ftol": "f by no more",
    "xtol": "each element of x by",
    "rtol": "each element of x, and",
}


@pytest.mark.parametrize("name", TOLERANCES)
@pytest.mark.parametrize("method", ["l-bfgs", "bb", "adam"])
def test_the_result_says_which_tolerance_ended_it(method, name):
    def f(x):
        return 1 + rosenbrock(x)

    result = gdx.minimize(f, [-1.2, 1.0], method=method, tol=0, **{name: 1e-4}, max_steps=20_000)
    assert (result.status, result.success) == (gdx.Status.HARDLY_CHANGED, True)
    assert TOLERANCES[name] in result.message
    assert f"{name}=0.0001" in result.message


@pytest.mark.parametrize("name", TOLERANCES)
def test_tolerances_of_changes_for_many_problems(name):
    def f(x):
        return 1 + rosenbrock(x.T)

    starts = np.asarray([[-1.2, 1.0], [0.3, 2.0], [2.0, 2.0]])
    exact, loose = (
        gdx.minimize(f, starts, batch=True, tol=0, max_steps=500, **{name: bound})
        for bound in (0.0, 1e-6)
    )
    assert {*loose.status} == {gdx.Status.HARDLY_CHANGED}
    assert loose.nfev < exact.nfev
    np.testing.assert_allclose(loose.fun, 1, atol=1e-3)  # a small change says little of x itself


def test_a_change_of_x_is_that_of_each_element():
    """Beside a large element, a small one has far to go."""

    def f(x):
        return (x[0] - 1e6) ** 2 / 1e12 + (np.exp(x[1]) - x[1])

    result = gdx.minimize(f, np.asarray([1e6, 3.0]), method=gdx.optimize.sgd(1e-2), rtol=1e-4)
    assert abs(result.x[1]) < 0.1


def test_tol_and_gtol_are_one_bound():
    one, other = (gdx.minimize(rosenbrock, [-1.2, 1.0], **{name: 1e-3}) for name in ("tol", "gtol"))
    assert one.nfev == other.nfev
    assert abs(one.grad).max() <= 1e-3
    with pytest.raises(ValueError, match="tol and gtol are one bound"):
        gdx.minimize(rosenbrock, [-1.2, 1.0], tol=1e-3, gtol=1e-3)


@pytest.mark.parametrize("grad", [None, "numerical"])
@pytest.mark.parametrize("method", [*SEARCHED, "adam", "batch"])
@pytest.mark.parametrize("most", [7, 20, 33])
def test_no_more_evaluations_than_allowed(method, grad, most):
    calls = []

    def f(x):
        calls.append(1)
        return rosenbrock(x.T)

    batch = method == "batch"
    start = np.asarray([[-1.2, 1.0], [0.3, 2.0]]) if batch else np.asarray([-1.2, 1.0])
    gdx_method = "l-bfgs" if batch else method
    before = 2 * batch  # where problems are as many as elements, two look for a mistake
    result = gdx.minimize(
        f, start, method=gdx_method, batch=batch, grad=grad, max_nfev=most, tol=1e-12
    )
    assert result.nfev <= most
    assert result.nfev == len(calls) or (method == "newton-cg" and grad is None)  # traced by hvp
    if grad is None and method != "adam":
        assert result.nfev == most
    assert result.nfev > most - 8 - before


@pytest.mark.parametrize("method", [*SEARCHED, "adam"])
def test_the_callback_sees_the_last_point(method):
    seen = []
    result = gdx.minimize(
        rosenbrock, [-1.2, 1.0], method=method, max_steps=30, callback=lambda d: seen.append(d.step)
    )
    assert seen[0] == 0
    assert seen[-1] == result.nit
    points = []
    x = gdx.gradient_descent(
        rosenbrock, [-1.2, 1.0], 1e-3, 30, callback=lambda d: points.append((d.x.copy(), d.grad))
    ).x
    np.testing.assert_array_equal(points[-1][0], x)
    np.testing.assert_allclose(points[-1][1], gdx.grad(rosenbrock)(x))
    assert len(points) == 31
