"""What a run says of itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

from gdx.backends import Array, is_array, to_numpy
from gdx.trees import Tree


class Status(StrEnum):
    """How a run ended."""

    CONVERGED = "converged"
    TARGET_REACHED = "target reached"
    STEP_LIMIT = "step limit"
    EVALUATION_LIMIT = "evaluation limit"
    TIME_LIMIT = "time limit"
    HARDLY_MOVED = "hardly moved"
    HARDLY_CHANGED = "hardly changed"
    PRECISION_LIMIT = "precision limit"
    NO_REACTION = "no reaction"
    NO_DESCENT = "no descent"
    UNBOUNDED = "unbounded"
    DIVERGED = "diverged"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, eq=False)
class DescentResult:
    """The result of `gradient_descent`; ``x, history = result`` unpacks it.

    Attributes
    ----------
    x : array, or dict, list or tuple of arrays
        Where the run ended; the best point seen, if the run ended in NaN or infinity.
    history : array, or dict, list or tuple of arrays; or None
        The points before each step that was kept, stacked along a new first axis.
    fun : float
        f(x).
    success : bool
        Whether the run converged.
    status : Status
        "converged", "step limit", "hardly moved", "diverged", "no reaction" (of f), "stopped" (by
        the callback), "interrupted" (by Ctrl-C); of a line search, "no descent" and "precision
        limit", too.
    message : str
        The status as a sentence, with what to do next.
    gradient : {"exact", "numerical", "given"}
        How the gradient was had.
    nit, nfev : int
        Steps taken; evaluations of f, those for gradients counted.
    x_best, fun_best : array or tree, float
        The best of the points at which the loop looked.
    checks : tuple of (int, float)
        The steps after which the loop looked, and f there: a loss curve.
    """

    x: Tree
    history: Tree | None
    fun: float
    success: bool
    status: Status
    message: str
    gradient: str
    nit: int
    nfev: int
    x_best: Tree
    fun_best: float
    checks: tuple[tuple[int, float], ...]

    def __iter__(self) -> Iterator[Tree]:
        """Unpack into the end and the way to it, as ``x, history``."""
        return iter((self.x, self.history))

    def __len__(self) -> int:
        return 2

    def __getitem__(self, key: int | str) -> Any:
        """Return x or the history by its place, or any attribute by its name."""
        return getattr(self, key) if isinstance(key, str) else (self.x, self.history)[key]

    def __repr__(self) -> str:
        """Show one line per field, without the history."""
        shown = ("message", "status", "success", "fun", "x", "gradient", "nit", "nfev")
        return _lines(self, shown)


class History(NamedTuple):
    """The points at which a minimisation looked.

    Attributes
    ----------
    step : numpy.ndarray of int, shape (k,)
        The steps taken before.
    x : array, or dict, list or tuple of arrays
        The points, stacked along a new first axis, on the device of x.
    fun, grad_norm : numpy.ndarray of float, shape (k,)
        f, and the largest absolute value in its gradient.
    """

    step: Any
    x: Tree
    fun: Any
    grad_norm: Any


@dataclass(frozen=True, eq=False)
class OptimizeResult:
    """The result of `minimize`.

    Attributes
    ----------
    x : array, or dict, list or tuple of arrays
        The minimum that was found; the best point seen, if the run did not succeed.
    fun : float
        f(x).
    grad : array, or dict, list or tuple of arrays
        The gradient there.
    success : bool
        Whether a minimum, or the target, was reached.
    status : Status
        How the run ended.
    message : str
        The status as a sentence, with what to do next.
    nit : int
        Steps taken.
    nfev, njev, nhev : int
        Evaluations of f (those for numerical gradients counted), of its gradient, and of products
        with its Hessian.
    gradient : {"exact", "numerical", "given"}
        How the gradient was had.
    history : History or None
        The way to the minimum, if it was asked for.
    """

    x: Tree
    fun: float
    grad: Tree
    success: bool
    status: Status
    message: str
    nit: int
    nfev: int
    njev: int
    nhev: int
    gradient: str
    history: History | None

    def __getitem__(self, name: str) -> Any:
        """Return an attribute by its name, as of SciPy's results."""
        return getattr(self, name)

    def __repr__(self) -> str:
        """Show one line per field, as SciPy does, without the history."""
        shown = ("message", "success", "status", "fun", "x", "nit", "grad", "gradient")
        return _lines(self, (*shown, "nfev", "njev"))


@dataclass(frozen=True, eq=False)
class BatchResult:
    """The result of `minimize` for k problems at once.

    Attributes
    ----------
    x : array, shape (k, ...)
        The minima that were found; of a problem that did not succeed, the best point seen.
    fun : array, shape (k,)
        f(x).
    grad : array, shape (k, ...)
        The gradients there.
    success : array of bool, shape (k,)
        Which problems came to a minimum, or to the target.
    status : tuple of Status
        How each problem ended.
    message : str
        How many ended how, and what to do next.
    nit : array of int, shape (k,)
        Steps taken by each problem.
    nfev, njev : int
        Evaluations of f (those for numerical gradients counted) and of its gradient, each of all
        problems at once.
    gradient : {"exact", "numerical", "given"}
        How the gradient was had.
    """

    x: Array
    fun: Array
    grad: Array
    success: Array
    status: tuple[Status, ...]
    message: str
    nit: Array
    nfev: int
    njev: int
    gradient: str

    def __getitem__(self, name: str) -> Any:
        """Return an attribute by its name, as of SciPy's results."""
        return getattr(self, name)

    def __repr__(self) -> str:
        """Show one line per field, as SciPy does, and of long arrays the ends."""
        shown = ("message", "success", "fun", "x", "nit", "grad", "gradient", "nfev", "njev")
        with np.printoptions(threshold=20, edgeitems=2):
            lines = [f"{name:>8}: {_on_host(getattr(self, name))}" for name in shown]
        return "\n".join(lines)


def _on_host(value: Any) -> Any:
    return to_numpy(value) if is_array(value) else value


def _lines(result: object, names: Iterable[str]) -> str:
    width = max(map(len, names))
    return "\n".join(f"{name:>{width}}: {getattr(result, name)}" for name in names)
