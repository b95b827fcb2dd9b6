"""What is said of a run that has ended."""

from __future__ import annotations

import math

from gdx.optimize.result import Status
from gdx.optimize.runs.limits import Limits
from gdx.optimize.runs.loop import Trail

_REACHED = (Status.CONVERGED, Status.HARDLY_CHANGED, Status.TARGET_REACHED)

_SENTENCES = {
    Status.CONVERGED: "Converged: the largest absolute value in the gradient fell to {norm:.2g} in "
    "{nit} steps.",
    Status.HARDLY_CHANGED: "Converged: the last of {nit} steps changed x and f by no more than "
    "rtol={limits.rtol:g} of their size.",
    Status.TARGET_REACHED: "Target reached: f fell to {fun:.6g} in {nit} steps.",
    Status.STEP_LIMIT: "Step limit: after {nit} steps the gradient still has {norm:.2g}, above "
    "tol={limits.tol:g}. Try a larger max_steps, or another method.",
    Status.EVALUATION_LIMIT: "Evaluation limit: after {nfev} evaluations of f the gradient still "
    "has {norm:.2g}, above tol={limits.tol:g}. Try a larger max_nfev.",
    Status.TIME_LIMIT: "Time limit: after {limits.seconds:.3g} s and {nit} steps the gradient "
    "still has {norm:.2g}, above tol={limits.tol:g}. Try a larger max_seconds.",
    Status.PRECISION_LIMIT: "Precision limit: what another step can gain is lost in the rounding "
    "of f, where the gradient has {norm:.2g}. Try a larger tol, f with a smaller offset, or "
    "a wider dtype.",
    Status.NO_DESCENT: "No descent: the line search found no lower f, though the gradient, which "
    "has {norm:.2g}, promises one. Is the gradient right (gdx.check_gradient), and f smooth?",
    Status.DIVERGED: "Diverged: f or its gradient became NaN or infinite within {nit} steps, and x "
    "is the best point seen. Try a smaller learning rate.",
    Status.STOPPED: "Stopped by the callback after {nit} steps.",
    Status.INTERRUPTED: "Interrupted after {nit} steps; x is the best point seen.",
}
_AT_THE_START = "Diverged: f or its gradient is NaN or infinite at the start. Try another x0."


def judged(status: Status, trail: Trail, limits: Limits) -> tuple[Status, bool]:
    """Return a status, and whether what was asked for is reached, or all that rounding allows.

    The latter takes a gradient that has become small beside that of the start.
    """
    small = trail.end.grad_norm <= math.sqrt(limits.rounding) * limits.first_norm
    if status is Status.NO_DESCENT and small:
        status = Status.PRECISION_LIMIT
    return status, status in _REACHED or (status is Status.PRECISION_LIMIT and small)


def sentence(
    status: Status, trail: Trail, nit: int, nfev: int = 0, limits: Limits | None = None
) -> str:
    """Return how a run ended, and what to do next."""
    if trail.best is None:
        return _AT_THE_START
    return _SENTENCES[status].format(
        norm=trail.end.grad_norm, fun=trail.end.fun, nit=nit, nfev=nfev, limits=limits
    )
