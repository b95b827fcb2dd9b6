"""How exact gdx is beside its peers, on functions whose derivatives are known."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import peers
import problems
from problems import Problem

import gdx

ORDER = 8

Errors = dict[str, float]


@dataclass(frozen=True)
class Measure:
    """A row of the table: an error, or in how many cases it is larger than a peer's."""

    name: str
    values: Callable[[], Errors]
    most: float | None = None
    kind: str = "error"

    def row(self) -> dict[str, Any]:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of peers, and of functions that end beside x
            values = self.values()
        return {"case": self.name, "kind": self.kind, "bar": self.most, "values": values}


def measures() -> Iterator[Measure]:
    """Yield what is measured. Errors are the largest one, relative to the largest element."""
    for name, problem, most in (
        ("Σx²", problems.sum_of_squares, 1e-11),
        ("Rosenbrock", problems.rosenbrock, 1e-12),
    ):
        yield Measure(
            f"{name}, n = 1000, return_error=True, error",
            lambda problem=problem: with_error(problem(1000)),
            most,
        )
    for name, problem in (
        ("Σx², n = 1000", lambda dtype: problems.sum_of_squares(1000, dtype)),
        ("Rosenbrock, n = 1000", lambda dtype: problems.rosenbrock(1000, dtype)),
        ("TwoLayerNet", lambda dtype: problems.TwoLayerNet(dtype).problem()),
    ):
        yield Measure(
            f"{name}, float32, error",
            lambda problem=problem: default_step(problem(np.float32)),
        )
    for name, pairs in (
        ("numdifftools' example functions", example_functions),
        ("cases of SciPy's test__numdiff", scipy_cases),
    ):
        yield Measure(f"order {ORDER}, {name}, largest error", lambda pairs=pairs: largest(pairs()))
        yield Measure(
            f"order {ORDER}, {name}, how many are worse than the peer's",
            lambda pairs=pairs: {"gdx": float(sum(map(is_worse, pairs().values())))},
            0,
            "count",
        )


def off(found: Any, exact: Any) -> float:
    """Return the largest error, relative to the largest element."""
    exact = np.asarray(exact, dtype=np.float64)
    found = np.asarray(found, dtype=np.float64).reshape(exact.shape)
    return float(abs(found - exact).max() / abs(exact).max())


def with_error(problem: Problem) -> Errors:
    exact = problem.exact(problem.x)
    gradient, _ = gdx.numerical_gradient(
        problem.stacked, problem.x, vectorized=True, return_error=True
    )
    return {
        "gdx": off(gradient, exact),
        "scipy.differentiate": off(peers.scipy_differentiate(problem)(), exact),
        "numdifftools": off(peers.numdifftools_gradient(problem)(), exact),
    }


def default_step(problem: Problem) -> Errors:
    exact = problem.exact(problem.x.astype(np.float64))
    return {
        "gdx": off(gdx.numerical_gradient(problem.f, problem.x), exact),
        "scipy 3-point": off(peers.scipy_three_point(problem)(), exact),
        "course": off(peers.numerical_gradient(problem.f, problem.x.copy()), exact),
    }


def largest(cases: dict[str, Errors]) -> Errors:
    names = next(iter(cases.values()))
    return {name: max(errors[name] for errors in cases.values()) for name in names}


def is_worse(errors: Errors) -> bool:
    """Tell whether gdx has a larger error than the first of its peers, which is the bar."""
    ours, theirs, *_ = errors.values()
    return ours > theirs


def example_functions() -> dict[str, Errors]:
    """Return, for each function, the root of the mean square of 100 relative errors.

    Both sides extrapolate; a single error near 1e-15 would be a matter of luck.
    """
    import numdifftools
    from numdifftools.example_functions import function_names, get_function

    x = np.random.default_rng(1).uniform(0.3, 0.7, 100)
    cases = {}
    for name in function_names:
        f, slope = get_function(name, n=1)
        jacobian, _ = gdx.numerical_jacobian(
            f, x, order=ORDER, sparsity=np.eye(len(x)), return_error=True
        )
        found = {
            "gdx": np.diag(jacobian),
            "numdifftools": numdifftools.Derivative(f)(x),
            f"numdifftools, order={ORDER}": numdifftools.Derivative(f, order=ORDER)(x),
        }
        cases[name] = {
            who: float(np.sqrt(np.mean((slopes / slope(x) - 1) ** 2)))
            for who, slopes in found.items()
        }
    return cases


def scipy_cases() -> dict[str, Errors]:
    """Return the errors in the functions of SciPy's own tests, from its wheel."""
    from scipy.optimize._numdiff import approx_derivative
    from scipy.optimize.tests.test__numdiff import (
        TestApproxDerivativesDense,
        TestApproxDerivativeSparse,
    )

    dense, sparse = TestApproxDerivativesDense(), TestApproxDerivativeSparse()
    sparse.setup_method()
    free = (-np.inf, np.inf)
    functions = {
        "scalar to scalar": (dense.fun_scalar_scalar, dense.jac_scalar_scalar, [1.0], free),
        "scalar to vector": (dense.fun_scalar_vector, dense.jac_scalar_vector, [0.5], free),
        "vector to scalar": (dense.fun_vector_scalar, dense.jac_vector_scalar, [100, -0.5], free),
        "vector to vector": (dense.fun_vector_vector, dense.jac_vector_vector, [-100, 0.2], free),
        "small": (dense.fun_vector_vector, dense.jac_vector_vector, [-0.1, 0.1], free),
        "at corners": (dense.fun_vector_vector, dense.jac_vector_vector, [1, 2], (1, 2)),
        "tight bounds": (
            dense.fun_vector_vector,
            dense.jac_vector_vector,
            [10, 10],
            (10 - 3e-9, 10 + 2e-9),
        ),
        "ten": (dense.fun_vector_vector, dense.jac_vector_vector, [-10, 10], free),
        "sparse": (sparse.fun, sparse.jac, sparse.x0, free),
        "sparse, bounds": (sparse.fun, sparse.jac, sparse.x0, (sparse.lb, sparse.ub)),
    }
    cases = {}
    for name, (f, jacobian, x, bounds) in functions.items():
        point = np.asarray(x, dtype=np.float64)
        exact = jacobian(point)
        cases[name] = {
            "gdx": off(gdx.numerical_jacobian(f, point, order=ORDER, bounds=bounds), exact),
            "scipy 3-point": off(approx_derivative(f, point, bounds=bounds), exact),
        }
    return cases
