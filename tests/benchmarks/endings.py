"""How far the endings of gdx.minimize can be trusted, beside those of SciPy.

    python tests/benchmarks/endings.py [--methods NAME ...] [--problems nist] [--cap N] [--each]

Each method runs with its default options and exact gradients, from the published starts. A run
comes to be one of these, where a minimum is reached when f is within TOL of it, relative; one that
is 0 in float64, when f is within ZERO of that at the start:

solved          a success, at a published minimum
elsewhere       a success, at another minimum: an independent solver gains nothing from there
false success   a success, and no minimum: that solver goes on to a lower f
false failure   no success, at a published minimum
failure         no success, and no published minimum
cut off         no ending: the evaluations have reached the cap

Evaluations are those of f with its gradient, and products with the Hessian. --each lists the false
successes and failures.
"""

from __future__ import annotations

import os

for _pool in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{_pool}_NUM_THREADS"] = "1"  # SciPy's arrays are small; its threads fight

import argparse
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from nist_strd import regressions
from scipy import optimize

import gdx

TOL, ZERO, CAP = 1e-6, 1e-10, 500
EPS = np.finfo(float).eps
OURS = ("l-bfgs", "bfgs", "cg", "bb", "newton-cg")
THEIRS = ("L-BFGS-B", "BFGS", "CG", "Newton-CG")
VERDICTS = ("solved", "elsewhere", "false success", "false failure", "failure", "cut off")


class Problem(NamedTuple):
    """A function, a start, the published minima, and what an independent solver makes of a point.

    `lowest` takes a point and returns the f to which that solver comes from there.
    """

    name: str
    f: Callable[[Any], Any]
    start: Any
    minima: tuple[float, ...]
    lowest: Callable[[Any], float]

    def reached(self, fun: float, minimum: float) -> bool:
        start = float(self.f(self.start))
        allowed = ZERO * start if minimum <= EPS * start else TOL * minimum
        return fun - minimum <= allowed


class Run(NamedTuple):
    """Where a method ended, why, whether it calls that a success; None, if it was cut off."""

    x: Any
    fun: float
    success: bool | None
    status: str
    evaluations: int


class CutOffError(Exception):
    """SciPy has had its evaluations."""


def nist() -> Iterator[Problem]:
    """Yield the sums of squares of nonlinear regressions, from two starts each."""
    for each in regressions():

        def f(b: Any, residuals: Any = each.residuals) -> Any:
            return np.sum(residuals(b) ** 2)

        def lowest(b: Any, residuals: Any = each.residuals) -> float:
            exact = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15}
            try:
                found = optimize.least_squares(residuals, b, jac="cs", x_scale="jac", **exact)
            except ValueError:  # exp has overflown, and the Jacobian is NaN: certainly no minimum
                return -np.inf
            return 2 * found.cost

        for i, start in enumerate(each.starts, start=1):
            yield Problem(f"{each.name}, start {i}", f, start, (each.minimum,), lowest)


PROBLEMS = {"nist": nist}


def by_gdx(method: str, problem: Problem, cap: int) -> Run:
    result = gdx.minimize(problem.f, problem.start, method=method, max_nfev=cap)
    success = None if result.status == "evaluation limit" else result.success
    evaluations = max(result.nfev, result.njev) + result.nhev
    return Run(result.x, result.fun, success, result.status, evaluations)


def by_scipy(method: str, problem: Problem, cap: int) -> Run:
    both, counts = gdx.value_and_grad(problem.f), Counter()

    def value_and_grad(x: Any) -> tuple[float, Any]:
        if counts["f"] == cap:
            raise CutOffError
        counts["f"] += 1
        value, gradient = both(x)
        return float(value), gradient

    def product(x: Any, v: Any) -> Any:
        counts["Hv"] += 1
        return gdx.hvp(problem.f, x, v)

    newton = {"hessp": product} if method == "Newton-CG" else {}
    try:
        result = optimize.minimize(value_and_grad, problem.start, jac=True, method=method, **newton)
    except CutOffError:
        return Run(problem.start, np.nan, None, "evaluation limit", counts.total())
    return Run(result.x, result.fun, result.success, result.message, counts.total())


METHODS = {f"gdx {method}": partial(by_gdx, method) for method in OURS} | {
    f"SciPy {method}": partial(by_scipy, method) for method in THEIRS
}


def verdict(problem: Problem, run: Run) -> str:
    if run.success is None:
        return "cut off"
    if any(problem.reached(run.fun, minimum) for minimum in problem.minima):
        return "solved" if run.success else "false failure"
    if not run.success:
        return "failure"
    at_minimum = problem.reached(run.fun, problem.lowest(run.x))
    return "elsewhere" if at_minimum else "false success"


def runs(family: str, names: list[str], cap: int) -> Iterator[tuple[Problem, str, Run, str]]:
    """Yield each problem with each method, its run and the verdict."""
    for problem in PROBLEMS[family]():
        for name in names:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                run = METHODS[name](problem, cap)
                yield problem, name, run, verdict(problem, run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--methods", nargs="+", metavar="NAME", choices=METHODS, default=METHODS)
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=PROBLEMS)
    parser.add_argument("--cap", type=int, default=CAP, metavar="N", help="evaluations of f a run")
    parser.add_argument("--each", action="store_true", help="list what cannot be trusted")
    options = parser.parse_args()
    for family in options.problems:
        counts = {name: Counter() for name in options.methods}
        for problem, name, run, verdict in runs(family, options.methods, options.cap):
            counts[name].update({verdict: 1, "evaluations": run.evaluations})
            if options.each and verdict.startswith("false"):
                print(f"{verdict}: {problem.name}, {name}, f = {run.fun:.10g}, {run.status}")
        columns = (*VERDICTS, "evaluations")
        print(f"\n| {family} | {' | '.join(columns)} |\n|---|{'--:|' * len(columns)}")
        for name, count in counts.items():
            cells = " | ".join(f"{count[column]:,}" for column in columns)
            print(f"| {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
