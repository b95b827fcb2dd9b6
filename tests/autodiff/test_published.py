"""Examples that others have published, written anew, with their figures.

DeZero: K. Saito (2020), Deep Learning from Scratch 3. autograd: D. Maclaurin, D. Duvenaud and
R. P. Adams (2015), README and examples. J. M. Siskind and B. A. Pearlmutter: see test_tracing.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import gdx


def sphere(x, y):
    return x**2 + y**2


def matyas(x, y):
    return 0.26 * (x**2 + y**2) - 0.48 * x * y


def goldstein_price(x, y):
    first = 19 - 14 * x + 3 * x**2 - 14 * y + 6 * x * y + 3 * y**2
    second = 18 - 32 * x + 12 * x**2 + 48 * y - 36 * x * y + 27 * y**2
    return (1 + (x + y + 1) ** 2 * first) * (30 + (2 * x - 3 * y) ** 2 * second)


def rosenbrock(x, y):
    return 100 * (y - x**2) ** 2 + (x - 1) ** 2


@pytest.mark.parametrize(
    ("f", "at", "gradient"),
    [
        (sphere, (1.0, 1.0), (2.0, 2.0)),
        (matyas, (1.0, 1.0), (0.04, 0.04)),
        (goldstein_price, (1.0, 1.0), (-5376.0, 8064.0)),
        (rosenbrock, (0.0, 2.0), (-2.0, 400.0)),
    ],
)
def test_dezero_functions(f, at, gradient):
    np.testing.assert_allclose(gdx.grad(f, (0, 1))(*at), gradient, rtol=1e-12)


def test_dezero_composition():
    def f(x):
        return np.square(np.exp(np.square(x)))

    assert gdx.grad(f)(0.5) == pytest.approx(3.297442541400256, rel=1e-15)


def test_dezero_newton():
    """Newton's steps on x⁴ - 2x² from 2, whose first derivatives are 24 and 44."""

    def f(x):
        return x**4 - 2 * x**2

    slope, curvature = gdx.grad(f), gdx.grad(gdx.grad(f))
    assert (slope(2.0), curvature(2.0)) == (24, 44)
    x = 2.0
    for _ in range(7):
        x = x - slope(x) / curvature(x)
    assert x == pytest.approx(1, abs=1e-12)


def test_dezero_sine_by_its_series():
    def sine(x, threshold=1e-4):
        y = 0.0
        for i in range(100_000):
            term = (-1) ** i / math.factorial(2 * i + 1) * x ** (2 * i + 1)
            y = y + term
            if abs(term) < threshold:
                break
        return y

    value, slope = gdx.value_and_grad(sine)(np.pi / 4)
    assert value == pytest.approx(0.7071064695751781, rel=1e-15)
    assert slope == pytest.approx(0.7071032148228457, rel=1e-15)


def test_dezero_gradient_of_a_gradient():
    """z = y'³ + y with y = x² at 2: z' = 8x³·3 + 2x."""
    f = lambda x: gdx.grad(np.square)(x) ** 3 + x**2  # noqa: E731
    assert gdx.grad(f)(2.0) == 100


def test_autograd_tanh():
    def tanh(x):
        return (1.0 - np.exp(-2 * x)) / (1.0 + np.exp(-2 * x))

    assert gdx.grad(tanh)(1.0) == pytest.approx(0.41997434161402603, rel=1e-15)
    f = tanh
    for order in range(1, 5):
        f = gdx.grad(f)
        t = math.tanh(0.5)
        expected = [1 - t**2, -2 * t * (1 - t**2), (1 - t**2) * (6 * t**2 - 2),
                    8 * t * (1 - t**2) * (2 - 3 * t**2)][order - 1]  # fmt: skip
        assert f(0.5) == pytest.approx(expected, rel=1e-12)


def test_autograd_logistic_regression():
    inputs = np.asarray(
        [[0.52, 1.12, 0.77], [0.88, -1.08, 0.15], [0.52, 0.06, -1.30], [0.74, -2.49, 1.39]]
    )
    targets = np.asarray([True, True, False, True])

    def loss(weights):
        p = 0.5 * (np.tanh(np.dot(inputs, weights) / 2) + 1)
        return -np.sum(np.log(p * targets + (1 - p) * (1 - targets)))

    slope, weights = gdx.grad(loss), np.zeros(3)
    assert loss(weights) == pytest.approx(2.772588722239781)
    for _ in range(100):
        weights = weights - slope(weights) * 0.01
    assert loss(weights) == pytest.approx(1.067270675787016, rel=1e-12)
