"""Estimates of the error are honest, and what they are estimates of is accurate."""

from __future__ import annotations

import numpy as np
import pytest

import gdx

# The family that the docstring speaks of: name, f, f', and the range of x.
FAMILY = [
    ("exp", np.exp, np.exp, (-3, 3)),
    ("sin", np.sin, np.cos, (-10, 10)),
    ("tanh", np.tanh, lambda x: 1 / np.cosh(x) ** 2, (-3, 3)),
    ("log", np.log, lambda x: 1 / x, (0.5, 20)),
    ("sqrt", np.sqrt, lambda x: 0.5 / np.sqrt(x), (0.5, 20)),
    ("1/x", lambda x: 1 / x, lambda x: -1 / x**2, (0.5, 5)),
    ("cubic", lambda x: x**3 - 2 * x, lambda x: 3 * x**2 - 2, (-3, 3)),
    ("x^7", lambda x: x**7, lambda x: 7 * x**6, (-2, 2)),
    ("logistic", lambda x: np.log1p(np.exp(-x)), lambda x: -1 / (1 + np.exp(x)), (-5, 5)),
    ("runge", lambda x: 1 / (1 + 25 * x**2), lambda x: -50 * x / (1 + 25 * x**2) ** 2, (-1, 1)),
    ("gauss", lambda x: np.exp(-(x**2)), lambda x: -2 * x * np.exp(-(x**2)), (-2, 2)),
    ("arctan", np.arctan, lambda x: 1 / (1 + x**2), (-5, 5)),
]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["central", "forward", "backward", "complex"])
@pytest.mark.parametrize("order", [None, 2])
def test_estimates_over_a_family(method, order):
    rng = np.random.default_rng(0)
    below, relative = [], []
    for _, f, exact, (low, high) in FAMILY:
        x = rng.uniform(low, high, 100)
        with np.errstate(invalid="ignore", divide="ignore"):
            jacobian, error = gdx.numerical_jacobian(
                f, x, method=method, order=order, sparsity=np.eye(100), return_error=True
            )
        found, estimate = np.diag(jacobian), np.diag(error)
        below.append(abs(found - exact(x)) <= 10 * estimate)
        relative.append(estimate / abs(exact(x)))
    assert np.mean(below) >= 0.95
    assert np.median(relative) < (1e-6 if method in ("central", "complex") else 1e-5)


# Periods of the widest steps, features narrower than they, poles, and offsets.
HARD = [
    ("fast", lambda x: np.sin(50 * x), lambda x: 50 * np.cos(50 * x), (-3, 3)),
    ("faster", lambda x: np.sin(500 * x), lambda x: 500 * np.cos(500 * x), (-3, 3)),
    ("peak", lambda x: np.exp(-100 * x**2), lambda x: -200 * x * np.exp(-100 * x**2), (-1, 1)),
    ("step", lambda x: np.tanh(20 * x), lambda x: 20 / np.cosh(20 * x) ** 2, (-0.5, 0.5)),
    ("near 0", np.log, lambda x: 1 / x, (0.01, 1)),
    ("poles", np.tan, lambda x: 1 / np.cos(x) ** 2, (-10, 10)),
    ("kink", lambda x: np.maximum(x, 0), lambda x: 1.0 * (x > 0), (-1, 1)),
    ("far from 0", np.sin, np.cos, (1e4, 1.1e4)),
    (
        "periods of the steps",
        lambda x: np.cos(8 * np.pi * x),
        lambda x: -8 * np.pi * np.sin(8 * np.pi * x),
        (0, 1),
    ),
    ("small numbers", lambda x: 1 / x, lambda x: -1 / x**2, (1e-3, 1e-2)),
    ("offset", lambda x: 1e8 + np.sin(x), np.cos, (-3, 3)),
]


@pytest.mark.slow
@pytest.mark.parametrize("order", [2, 4, 8])
@pytest.mark.parametrize("hard", HARD, ids=[name for name, *_ in HARD])
def test_estimates_of_hard_functions(hard, order):
    _, f, exact, (low, high) = hard
    x = np.random.default_rng(3).uniform(low, high, 200)
    with np.errstate(invalid="ignore", divide="ignore"):
        jacobian, error = gdx.numerical_jacobian(
            f, x, order=order, sparsity=np.eye(200), return_error=True
        )
    off = abs(np.diag(jacobian) - exact(x))
    assert (off <= 10 * np.diag(error)).mean() >= 0.95


@pytest.mark.parametrize("method", ["central", "forward", "backward"])
@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize(
    "room", [(0.2, 0.1), (0.01, 0.01), (0, 0.4), (1e-4, 0.4), (9, 0), (0, 1e-5)]
)
def test_estimates_within_bounds(method, order, room):
    """The steps of the ladder stay in their ratio where bounds cut the widest."""
    x = np.linspace(-1, 1, 50)
    jacobian, error = gdx.numerical_jacobian(
        lambda x: np.exp(3 * x),
        x,
        method=method,
        order=order,
        bounds=(x - room[0], x + room[1]),
        sparsity=np.eye(50),
        return_error=True,
    )
    off = abs(np.diag(jacobian) / (3 * np.exp(3 * x)) - 1)
    assert (off <= 10 * np.diag(error) / (3 * np.exp(3 * x))).mean() >= 0.95
    assert off.max() < (1e-10 if min(room) + max(room) > 1e-3 else 1e-7)


def test_accuracy():
    """What scipy.differentiate (1e-12, 2e-13) and numdifftools (1e-11, 1e-12) reach."""
    optimize = pytest.importorskip("scipy.optimize")
    x = np.random.default_rng(0).standard_normal(1000)
    for f, exact, bar in (
        (lambda x: np.sum(x**2), 2 * x, 1e-11),
        (optimize.rosen, optimize.rosen_der(x), 1e-12),
    ):
        found, error = gdx.numerical_gradient(f, x, return_error=True)
        off = abs(found - exact)
        assert off.max() <= bar * abs(exact).max()
        assert (off <= 10 * error).mean() > 0.95


def test_on_every_library(case):
    x = case.asarray([0.5, 1.5, -2.0])
    xp = case.xp
    for vectorized in (False, True):
        found, error = gdx.numerical_gradient(
            lambda x: xp.sum(xp.exp(x), axis=-1), x, return_error=True, vectorized=vectorized
        )
        assert case.holds(found)
        assert case.holds(error)
        assert found.dtype == error.dtype == x.dtype
        off = abs(gdx.to_numpy(found) - np.exp([0.5, 1.5, -2.0]))
        assert off.max() < 200 * case.eps
        assert (off <= 10 * gdx.to_numpy(error)).all()


def test_an_explicit_step_is_the_widest():
    result = gdx.numerical_gradient(
        lambda x: np.sum(np.exp(x)), np.ones(3), h=0.5, return_error=True, full_output=True
    )
    assert result.step.tolist() == [0.5] * 3
    np.testing.assert_allclose(result.value, np.e, rtol=1e-12)


def test_points_where_f_is_not_defined_are_passed_over():
    x = np.asarray([0.01])
    with np.errstate(invalid="ignore"):
        found, error = gdx.numerical_gradient(lambda x: np.log(x[0]), x, return_error=True)
    assert abs(found[0] - 100) < 1e-6
    assert abs(found[0] - 100) <= 10 * error[0]
