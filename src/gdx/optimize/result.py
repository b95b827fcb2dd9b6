"""What a run of gradient descent says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from gdx.trees import Tree


class Status(StrEnum):
    """How a run ended."""

    CONVERGED = "converged"
    STEP_LIMIT = "step limit"
    HARDLY_MOVED = "hardly moved"
    DIVERGED = "diverged"
    STOPPED = "stopped"


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
        "converged", "step limit", "hardly moved", "diverged" or "stopped" (by the callback).
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

    def __repr__(self) -> str:
        """Show one line per field, without the history."""
        shown = ("message", "status", "success", "fun", "x", "gradient", "nit", "nfev")
        return "\n".join(f"{name:>8}: {getattr(self, name)}" for name in shown)
