"""How often gdx evaluates f beside SciPy: python tests/benchmarks/evaluations.py [--only TEXT].

On the problems of Moré, Garbow and Hillstrom (tests/optimize/problems.py), from the standard
starts, each of the two to the end of what it can do in float64. An evaluation is one of f with its
gradient; Newton's products with the Hessian are counted beside them. A value that is not a
published minimum is marked with a !.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize

import gdx

TOL, MAX_STEPS = 1e-10, 3000
OURS = ("l-bfgs", "bfgs", "newton-cg")
THEIRS = {"L-BFGS-B": {"ftol": 0, "maxfun": 10 * MAX_STEPS}, "BFGS": {}}


class Run(NamedTuple):
    """Where a minimiser ended, and how often it looked."""

    fun: float
    evaluations: int
    products: int = 0


def problems() -> ModuleType:
    """Return tests/optimize/problems.py, which has the name of a file beside this one."""
    path = Path(__file__).parents[1] / "optimize" / "problems.py"
    spec = importlib.util.spec_from_file_location("published_problems", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def by_gdx(problem: Any, method: str) -> Run:
    result = gdx.minimize(
        problem.f, np.asarray(problem.start), method=method, tol=TOL, max_steps=MAX_STEPS
    )
    return Run(result.fun, max(result.nfev, result.njev), result.nhev)


def by_scipy(problem: Any, method: str) -> Run:
    of_point = gdx.value_and_grad(problem.f)

    def value_and_grad(x: Any) -> tuple[float, Any]:
        value, gradient = of_point(x)
        return float(value), gradient

    result = optimize.minimize(
        value_and_grad,
        np.asarray(problem.start),
        jac=True,
        method=method,
        options={"gtol": TOL, "maxiter": MAX_STEPS, **THEIRS[method]},
    )
    return Run(float(result.fun), result.nfev)


def minimizers() -> dict[str, Callable[[Any], Run]]:
    ours = {f"gdx {method}": lambda p, m=method: by_gdx(p, m) for method in OURS}
    theirs = {f"SciPy {method}": lambda p, m=method: by_scipy(p, m) for method in THEIRS}
    return ours | theirs


def rows(only: str = "") -> Iterator[tuple[Any, dict[str, Run]]]:
    """Yield the problems whose names contain `only`, with a run of each minimiser."""
    for problem in problems().PROBLEMS:
        if only in str(problem):
            with np.errstate(all="ignore"):
                yield problem, {name: run(problem) for name, run in minimizers().items()}


def shown(problem: Any, run: Run) -> str:
    count = f"{run.evaluations} + {run.products}" if run.products else f"{run.evaluations}"
    mark = "" if problem.reached(run.fun) is not None else " !"
    return f"{count}, {run.fun:.3g}{mark}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", metavar="TEXT", default="", help="problems of this name")
    print("| problem | " + " | ".join(minimizers()) + " |")
    print("|---|" + "---|" * len(minimizers()))
    for problem, runs in rows(parser.parse_args().only.lower()):
        cells = " | ".join(shown(problem, run) for run in runs.values())
        print(f"| {problem} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
