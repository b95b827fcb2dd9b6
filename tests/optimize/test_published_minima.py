"""Minima that Moré, Garbow and Hillstrom have published; see problems.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from problems import PROBLEMS

import gdx

METHODS = {"l-bfgs": "L-BFGS-B", "bfgs": "BFGS", "cg": "CG", "newton-cg": "Newton-CG"}
ALL = {str(problem): problem for problem in PROBLEMS}

# On these, quasi-Newton methods stand still before they have the published digits, SciPy's, too:
# the gradient is known to about 1e-10, and the curvature along the valley is less than that.
FLAT = {"powell-badly-scaled-2": 1e-6, "watson-12": 2e-8}

# Conjugate gradients take more than 3000 steps on these, SciPy's, too; and in float32 the rounding
# of f hides the rest of the way on others.
LONG_FOR_CG = {"watson-9", "watson-12"}
COARSE_FOR_CG = {
    *("biggs-exp6-6", "gulf-research-and-development-3"),
    *("brown-badly-scaled-2", "watson-6"),
}

# Of most functions, a problem that takes a hundred evaluations or so.
SMALL = (
    *("helical-valley-3", "biggs-exp6-6", "gaussian-3", "box-three-dimensional-3"),
    *("variably-dimensioned-10", "watson-6", "penalty-1-4", "brown-badly-scaled-2"),
    *("brown-and-dennis-4", "gulf-research-and-development-3", "trigonometric-5"),
    *("extended-rosenbrock-2", "extended-powell-singular-4", "beale-2", "chebyquad-4"),
)
# A gradient takes 10 ms with JAX, uncompiled, and 30 ms with Dask.
FEW = {"jax": ("helical-valley-3", "gaussian-3"), "dask": ("gaussian-3",)}


def by_name(names):
    return pytest.mark.parametrize("problem", [ALL[name] for name in names], ids=str)


with_methods = pytest.mark.parametrize("method", METHODS)


def minimize(problem, x, method):
    """Return the minimum by gdx, as far as it can be had in the dtype of x."""
    tol = 1e-10 if "float64" in str(x.dtype) else 1e-6
    with np.errstate(all="ignore"):  # far away, exp overflows
        return gdx.minimize(problem.f, x, method=method, tol=tol, max_steps=3000)


def exact(problem, x):
    """Return f(x), computed on the host in float64."""
    return float(problem.f(np.asarray(gdx.to_numpy(x), dtype=np.float64)))


def assert_reached(problem, result, eps):
    fun = exact(problem, result.x)
    # In float32, x is only known to eps, and so is f, which decides where the search ends.
    tol = FLAT.get(str(problem), 1e-9) if eps < 1e-15 else 10 * eps
    assert problem.reached(fun, tol) is not None, f"f is {fun}. {result.message}"
    assert isinstance(result.fun, float)
    assert result.fun == pytest.approx(fun, rel=1e3 * eps, abs=10 * eps)


@by_name(ALL)
@with_methods
def test_published_minima(problem, method):
    if method == "cg" and str(problem) in LONG_FOR_CG:
        pytest.skip("takes conjugate gradients more than 3000 steps")
    result = minimize(problem, np.asarray(problem.start), method)
    assert_reached(problem, result, np.finfo(np.float64).eps)


@pytest.mark.slow
@by_name(SMALL)
@with_methods
def test_published_minima_on_every_library(problem, method, case):
    if case.name == "numpy":
        pytest.skip("has run all problems")
    if str(problem) not in FEW.get(case.name, SMALL):
        pytest.skip(f"{case.name} is slow on small arrays")
    if method == "cg" and case.eps > 1e-15 and str(problem) in COARSE_FOR_CG:
        pytest.skip("conjugate gradients end in the rounding of float32")
    result = minimize(problem, case.asarray(problem.start), method)
    assert case.holds(result.x)
    assert_reached(problem, result, case.eps)


@pytest.mark.slow
@by_name(ALL)
@with_methods
def test_no_worse_than_scipy(problem, method):
    optimize = pytest.importorskip("scipy.optimize")
    of_point = gdx.value_and_grad(problem.f)

    def value_and_grad(x):
        value, gradient = of_point(x)
        return float(value), gradient

    options = {
        "l-bfgs": {"ftol": 0, "gtol": 1e-10, "maxiter": 3000, "maxfun": 10_000},
        "bfgs": {"gtol": 1e-10, "maxiter": 3000},
        "cg": {"gtol": 1e-10, "maxiter": 3000},
        "newton-cg": {"xtol": 1e-12, "maxiter": 200},
    }
    hessp = {"hessp": lambda x, v: gdx.hvp(problem.f, x, v)} if method == "newton-cg" else {}
    start = np.asarray(problem.start)
    with np.errstate(all="ignore"):
        theirs = optimize.minimize(
            value_and_grad,
            start,
            jac=True,
            method=METHODS[method],
            options=options[method],
            **hessp,
        )
    tol = FLAT.get(str(problem), 1e-9)
    if problem.reached(theirs.fun, tol) is None:
        pytest.skip(f"SciPy's {METHODS[method]} ends at f = {theirs.fun:.6g}")
    ours = minimize(problem, start, method)
    assert ours.fun <= theirs.fun + tol * min(1, float(problem.f(start))) + 1e-6 * theirs.fun


def test_models_of_nist_have_the_certified_sums_of_squares(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    from nist_strd import regressions

    found = {
        each.name: (np.sum(each.residuals(each.at) ** 2), each.minimum) for each in regressions()
    }
    assert len(found) == 27
    for name, (fun, minimum) in found.items():
        # The parameters have eleven digits, too few for Lanczos1, whose minimum is 1e-25.
        assert fun == pytest.approx(minimum, rel=1e-9, abs=1e-20), name


# The functions themselves, beside figures and closed forms from elsewhere.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # closed forms
        ("helical-valley-3", 2500),
        ("watson-6", 30),
        ("penalty-1-4", 885.06264),
        ("brown-badly-scaled-2", 999998000003),
        ("extended-rosenbrock-2", 24.2),
        ("extended-rosenbrock-10", 121),
        ("extended-powell-singular-4", 215),
        ("extended-powell-singular-12", 645),
        ("beale-2", 14.203125),
        ("wood-4", 19192),
        ("chebyquad-1", 0),
        ("freudenstein-and-roth-2", 400.5),
        ("broyden-tridiagonal-10", 21),
        ("broyden-banded-10", 360),
        ("linear-full-rank-10", 50),
        ("linear-rank-1-10", 8658670),
        ("linear-rank-1-with-zeros-10", 4067996),
        # what OBJFCN of Algorithm 566, ACM Trans. Math. Software 7 (1981), 136-140, returns
        ("biggs-exp6-6", 0.7790700756559702),
        ("gaussian-3", 3.888106991166885e-06),
        ("powell-badly-scaled-2", 1.1352617173483783),
        ("box-three-dimensional-3", 1031.1538106093983),
        ("variably-dimensioned-10", 2198551.1625),
        ("penalty-2-4", 2.3400088054630244),
        ("penalty-2-10", 162.65277656596712),
        ("brown-and-dennis-4", 7926693.336997432),
        ("gulf-research-and-development-3", 12.11070582556949),
        ("trigonometric-10", 0.007075759466222607),
        ("chebyquad-8", 0.03861769828593027),
    ],
)
def test_values_at_the_start(name, value):
    assert ALL[name].f(np.asarray(ALL[name].start)) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "x"),
    [
        ("helical-valley-3", (1, 0, 0)),
        ("biggs-exp6-6", (1, 10, 1, 5, 4, 3)),
        ("box-three-dimensional-3", (1, 10, 1)),
        ("box-three-dimensional-3", (10, 1, -1)),
        ("box-three-dimensional-3", (2.5, 2.5, 0)),
        ("variably-dimensioned-10", (1,) * 10),
        ("brown-badly-scaled-2", (1e6, 2e-6)),
        ("gulf-research-and-development-3", (50, 25, 1.5)),
        ("trigonometric-10", (0,) * 10),
        ("extended-rosenbrock-10", (1,) * 10),
        ("extended-powell-singular-12", (0,) * 12),
        ("beale-2", (3, 0.5)),
        ("freudenstein-and-roth-2", (5, 4)),
        ("brown-almost-linear-10", (1,) * 10),
        ("wood-4", (1,) * 4),
        ("chebyquad-2", (0.5 - 12**-0.5, 0.5 + 12**-0.5)),
    ],
)
def test_published_zeros(name, x):
    value, gradient = gdx.value_and_grad(ALL[name].f)(np.asarray(x, dtype=np.float64))
    assert value == pytest.approx(0, abs=1e-28)
    np.testing.assert_allclose(gradient, 0, atol=1e-8)


@by_name(["discrete-boundary-value-10", "discrete-integral-equation-10"])
def test_discretised_equations_have_the_closed_solution(problem):
    t = np.arange(1, 11) / 11  # u'' = (u + t + 1)³ / 2, u(0) = u(1) = 0
    result = minimize(problem, np.asarray(problem.start), "bfgs")
    np.testing.assert_allclose(result.x, 2 / (2 - t) - t - 1, atol=1 / 11**2 / 8)


@by_name(ALL)
def test_gradients_are_those_of_torch(problem):
    torch = pytest.importorskip("torch")
    x = np.asarray(problem.start) + 0.03125
    point = torch.asarray(x.copy(), requires_grad=True)
    (theirs,) = torch.autograd.grad(problem.f(point), point)
    scale = abs(theirs.numpy()).max()
    np.testing.assert_allclose(gdx.grad(problem.f)(x), theirs.numpy(), atol=1e-12 * scale)


def test_helical_valley_jumps_where_the_paper_says():
    f = ALL["helical-valley-3"].f
    right, left = (float(f(np.asarray([x, -1.0, 0.0]))) for x in (1e-12, -1e-12))
    assert (right, left) == pytest.approx((625, 5625), rel=1e-9)  # θ = -1/4 and 3/4


def test_gulf_has_a_gradient_where_a_distance_vanishes():
    x = np.asarray([5.0, 25 + (-50 * np.log(0.5)) ** (2 / 3), 0.15])
    assert np.isfinite(gdx.grad(ALL["gulf-research-and-development-3"].f)(x)).all()
