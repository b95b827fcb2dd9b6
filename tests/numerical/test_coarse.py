"""Derivatives of functions that are coarser than their dtype: rounded, of float32 inside, noisy."""

from __future__ import annotations

import numpy as np
import pytest

import gdx

# Smooth functions of three variables with gradients and Hessians in closed form.
W = np.asarray([0.7, -0.4, 1.1])
A = np.asarray([[2.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 3.0]])


def _bell(x):
    s = 1 + x @ x
    return 1 / s, -2 * x / s**2, 8 * np.outer(x, x) / s**3 - 2 * np.eye(3) / s**2


SMOOTH = {
    "quadratic": lambda x: (x @ A @ x / 2, A @ x, A),
    "waves": lambda x: (np.sum(W * np.sin(x)), W * np.cos(x), np.diag(-W * np.sin(x))),
    "exponential": lambda x: (np.exp(W @ x), W * np.exp(W @ x), np.outer(W, W) * np.exp(W @ x)),
    "bell": _bell,
}
COARSE = {
    "round 4": lambda value, rng: np.round(value, 4),
    "round 6": lambda value, rng: np.round(value, 6),
    "round 8": lambda value, rng: np.round(value, 8),
    "round 10": lambda value, rng: np.round(value, 10),
    "text": lambda value, rng: np.vectorize(lambda v: float(f"{v:.5e}"))(value)[()],
    "float32": lambda value, rng: np.float64(np.float32(value)),
    "noise 1e-8": lambda value, rng: value + 1e-8 * rng.standard_normal(np.shape(value)),
    "noise 1e-6": lambda value, rng: value + 1e-6 * rng.standard_normal(np.shape(value)),
    "noise 1e-4": lambda value, rng: value + 1e-4 * rng.standard_normal(np.shape(value)),
}
V = np.asarray([0.5, -1.0, 2.0])
JACOBIAN_OF = np.asarray([1.0, -2.0])  # f and -2 f, as a function that returns two numbers


def _derivatives():
    """Yield the name, how gdx takes the derivative, and how it follows from the closed forms."""
    yield "gradient", gdx.numerical_gradient, lambda g, h: g
    yield "jvp", lambda f, x, **how: gdx.numerical_jvp(f, x, V, **how), lambda g, h: g @ V
    yield "diagonal", gdx.numerical_hessian_diagonal, lambda g, h: np.diag(h)
    yield "hessian", gdx.numerical_hessian, lambda g, h: h
    yield "jacobian", gdx.numerical_jacobian, lambda g, h: np.outer(JACOBIAN_OF, g)


DERIVATIVES = {name: rest for name, *rest in _derivatives()}


def cases(kind, derivative, of, points=12):
    """Yield a coarse f, a point, and the derivative there."""
    rng = np.random.default_rng(0)
    for _ in range(points):
        x = rng.uniform(-1.5, 1.5, 3)
        factor = JACOBIAN_OF if derivative == "jacobian" else 1.0
        _, gradient, hessian = of(x)
        yield (
            lambda x, factor=factor: COARSE[kind](factor * of(x)[0], rng),
            x,
            DERIVATIVES[derivative][1](gradient, hessian),
        )


@pytest.mark.parametrize("derivative", DERIVATIVES)
@pytest.mark.parametrize("kind", COARSE)
def test_errors_are_known(kind, derivative):
    """Of 100 true errors, 95 are below ten times the estimate, and the estimates are not idle."""
    shares, sizes = [], []
    for of in SMOOTH.values():
        for f, x, exact in cases(kind, derivative, of):
            found, error = DERIVATIVES[derivative][0](f, x, return_error=True)
            shares.append(np.ravel(abs(found - exact) / error))
            sizes.append(np.ravel(error) / abs(exact).max())
    assert np.mean(np.concatenate(shares) < 10) >= 0.95
    limit = {"round 4": 0.1, "noise 1e-4": 0.3}.get(kind, 0.02)
    assert np.median(np.concatenate(sizes)) < limit


# By how much f is off, and what a step that fits makes of it; noise of 1e-8 is seen by chance.
UNITS = {
    "round 4": 1e-4,
    "round 6": 1e-6,
    "round 8": 1e-8,
    "round 10": 1e-10,
    "text": 1e-5,
    "float32": 1e-7,
    "noise 1e-6": 1e-6,
    "noise 1e-4": 1e-4,
}
ALLOWED = {("central", kind): 10 * unit ** (2 / 3) for kind, unit in UNITS.items()}
ALLOWED |= {("central", "noise 1e-8"): 1e-2}
# One-sided differences do not tell noise from a slope.
ALLOWED |= {("forward", k): 10 * unit ** (1 / 2) for k, unit in UNITS.items() if "noise" not in k}


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize(("method", "kind"), ALLOWED)
def test_plain_gradients_take_steps_as_wide_as_the_noise_needs(method, kind, vectorized):
    """Steps for float64 would make of noise errors that are 1e5 to 1e8 times larger."""
    off = []
    for of in SMOOTH.values():
        for f, x, exact in cases(kind, "gradient", of):

            def on_stacks(stack, f=f):
                return np.stack([f(row) for row in stack])

            given = on_stacks if vectorized else f
            found = gdx.numerical_gradient(given, x, vectorized=vectorized, method=method)
            off.append(abs(found - exact).max() / abs(exact).max())
    assert np.quantile(off, 0.95) < ALLOWED[method, kind]


@pytest.mark.parametrize("digits", [5, 7, 9])
@pytest.mark.parametrize("unit", [1e-200, 1e-12, 1e-8, 1e-3, 1e3, 3e4, 1e9, 1e200])
def test_digits_are_counted_in_any_unit(unit, digits):
    """The text of a simulation has so many digits, whatever the unit of f."""
    off = []
    for of in SMOOTH.values():
        for _, x, exact in cases("text", "gradient", of):

            def f(x, of=of):
                return float(f"{unit * (2 + of(x)[0]):.{digits - 1}e}")

            found, error = gdx.numerical_gradient(f, x, return_error=True)
            assert np.mean(abs(found / unit - exact) < 10 * error / unit) >= 2 / 3
            plain = gdx.numerical_gradient(f, x) / unit
            off.append(abs(plain - exact).max() / abs(exact).max())
    assert np.median(off) < 10 * 10 ** (-(digits - 1) * 2 / 3)


@pytest.mark.filterwarnings("ignore:f did not react")
@pytest.mark.parametrize(
    "how", [{}, {"h": 1e-3}, {"h": 1e-5}, {"x_scale": 0.01}, {"method": "forward"}, {"order": 4}]
)
def test_an_f_that_stays_on_one_stair_is_off_by_the_stair(how):
    x = np.asarray([0.3, 1.1])
    for digits in (3, 4, 5):
        found, error = gdx.numerical_gradient(
            lambda x, k=digits: float(f"{np.exp(x).sum():.{k - 1}e}"), x, return_error=True, **how
        )
        assert (abs(found - np.exp(x)) < 10 * error).all()
    _, error = gdx.numerical_jacobian(
        lambda x: np.stack([x[0] ** 2, x[1] * 0 + 2.5]), x, return_error=True, **how
    )
    assert (error < 1e-6).all()  # 2.5 is a number of its own


def test_the_noise_of_f_is_looked_for_once_in_a_descent():
    """The first gradient tells; those after it cost two evaluations an element, as ever."""
    calls = []

    def f(x):
        calls.append(0)
        return round(float(np.sum((x - 1) ** 2)), 5)

    counts = []
    for steps in (1, 2, 3):
        calls.clear()
        gdx.gradient_descent(f, [0.0, 2.5], lr=0.1, step_num=steps)
        counts.append(len(calls))
    assert counts[2] - counts[1] == counts[1] - counts[0] <= 6


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: float(np.sum(x**2)), [0.3, 0.7, 1.1]),
        (lambda x: float(np.sum(np.exp(x))), [1.0, 2.0]),
        (lambda x: np.log(x[0]) * np.cos(x[1]), [3.0, 1.0]),
    ],
)
def test_smooth_functions_cost_no_evaluation_more(f, x):
    calls = []

    def counted(x):
        calls.append(0)
        return f(x)

    gdx.numerical_gradient(counted, np.asarray(x))
    assert len(calls) == 2 * len(x)
