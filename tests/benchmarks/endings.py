"""How far the endings of gdx.minimize can be trusted, beside those of SciPy.

    python tests/benchmarks/endings.py [--problems nist|mgh|scaled ...] [--methods NAME ...]
                                       [--cap N] [--each]

Each method runs with its default options and exact gradients, from the published starts. A run
comes to be one of these, where a minimum is reached when f is within TOL of it, relative; one that
is 0 in float64, when f is within ZERO of that at the start:

solved          a success, at a published minimum
elsewhere       a success, at another minimum: the Hessian is positive definite there, and Newton's
                step reaches nothing below
false success   a success, and no minimum
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
from evaluations import problems as published
from nist_strd import regressions
from scipy import optimize

import gdx

TOL, ZERO, CAP = 1e-6, 1e-10, 500
EPS = np.finfo(float).eps
FLAT = 1e4 * EPS  # of curvatures: within their rounding
OURS = ("l-bfgs", "bfgs", "cg", "bb", "newton-cg")
THEIRS = ("L-BFGS-B", "BFGS", "CG", "Newton-CG")
VERDICTS = ("solved", "elsewhere", "false success", "false failure", "failure", "cut off")


class Problem(NamedTuple):
    """A function, a start, and the published values of its minima."""

    name: str
    f: Callable[[Any], Any]
    start: Any
    minima: tuple[float, ...]

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

        for i, start in enumerate(each.starts, start=1):
            yield Problem(f"{each.name}, start {i}", f, start, (each.minimum,))


def mgh() -> Iterator[Problem]:
    """Yield the problems of Moré, Garbow and Hillstrom, from the standard starts."""
    for each in published().PROBLEMS:
        yield Problem(str(each), each.f, np.asarray(each.start), each.minima)


def scaled(c: float, s: float) -> Iterator[Problem]:
    """Yield c f(x / s) for some of them."""
    for each in mgh():
        if each.name in SCALED:

            def f(x: Any, f: Callable[[Any], Any] = each.f) -> Any:
                return c * f(x / s)

            yield Problem(each.name, f, s * each.start, tuple(c * fun for fun in each.minima))


SCALED = ("watson-6", "brown-and-dennis-4", "extended-rosenbrock-2", "wood-4", "chebyquad-8")
PROBLEMS: dict[str, Callable[[], Iterator[Problem]]] = {
    "nist": nist,
    "mgh": mgh,
    **{f"scaled, {c:g} f(x)": partial(scaled, c, 1) for c in (1e-12, 1e-8, 1e8)},
    **{f"scaled, f(x / {s:g})": partial(scaled, 1, s) for s in (1e-6, 1e6)},
}


def by_gdx(method: str, problem: Problem, cap: int) -> Run:
    result = gdx.minimize(problem.f, problem.start, method=method, max_nfev=cap)
    success = None if result.status == "evaluation limit" else result.success
    evaluations = max(result.nfev, result.njev) + result.nhev
    return Run(result.x, result.fun, success, result.status, evaluations)


def by_scipy(method: str, problem: Problem, cap: int) -> Run:
    of_point, evaluations = gdx.value_and_grad(problem.f), 0

    def both(x: Any) -> tuple[float, Any]:
        nonlocal evaluations
        if evaluations == cap:
            raise CutOffError
        evaluations += 1
        value, gradient = of_point(x)
        return float(value), gradient

    try:
        result = optimize.minimize(both, problem.start, jac=True, method=method)
    except CutOffError:
        return Run(problem.start, np.nan, None, "evaluation limit", cap)
    return Run(result.x, result.fun, result.success, result.message, evaluations)


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
    return "elsewhere" if at_minimum(problem, run) else "false success"


def at_minimum(problem: Problem, run: Run) -> bool:
    """Tell from the curvatures, each in its own unit, and from the gain of Newton's step."""
    hessian, gradient = gdx.hessian(problem.f)(run.x), gdx.grad(problem.f)(run.x)
    unit = np.sqrt(np.diag(hessian))
    if not (np.isfinite(unit) & (unit > 0)).all():
        return False
    curvatures, directions = np.linalg.eigh(hessian / np.outer(unit, unit))
    gain = np.sum((gradient / unit @ directions) ** 2 / curvatures) / 2
    return curvatures[0] > FLAT and problem.reached(run.fun, run.fun - gain)


def runs(family: str, names: list[str], cap: int) -> Iterator[tuple[Problem, str, Run, str]]:
    """Yield each problem with each method, its run and the verdict."""
    for problem in PROBLEMS[family]():
        for name in names:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                run = METHODS[name](problem, cap)
                judged = verdict(problem, run)
            yield problem, name, run, judged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--methods", nargs="+", metavar="NAME", choices=METHODS, default=METHODS)
    parser.add_argument("--problems", nargs="+", choices=("nist", "mgh", "scaled"))
    parser.add_argument("--cap", type=int, default=CAP, metavar="N", help="evaluations of f a run")
    parser.add_argument("--each", action="store_true", help="list what cannot be trusted")
    options = parser.parse_args()
    for family in (name for name in PROBLEMS if name.startswith(tuple(options.problems or [""]))):
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
