"""What is said of a run that has ended."""

from __future__ import annotations

from gdx.optimize.result import Status
from gdx.optimize.runs.limits import Limits
from gdx.optimize.runs.loop import Seen

REACHED = (Status.CONVERGED, Status.HARDLY_CHANGED, Status.TARGET_REACHED)

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
    "of f, where the gradient has {norm:.2g}. Where that is too much: a smaller offset of f, or a "
    "wider dtype.",
    Status.NO_REACTION: "No reaction: f did not change within the steps of the differences, after "
    "{nit} steps. Does it use its argument? Then try f with a smaller offset, a wider dtype, or "
    "give grad.",
    Status.NO_DESCENT: "No descent: the line search found no lower f, though the gradient, which "
    "has {norm:.2g}, promises one. Is the gradient right (gdx.check_gradient), and f smooth?",
    Status.DIVERGED: "Diverged: f or its gradient became NaN or infinite within {nit} steps, and x "
    "is the best point seen. Has f a minimum? If so, try another x0, or a smaller learning rate.",
    Status.STOPPED: "Stopped by the callback after {nit} steps.",
    Status.INTERRUPTED: "Interrupted after {nit} steps; x is the best point seen.",
}
_AT_THE_START = "Diverged: f or its gradient is NaN or infinite at the start. Try another x0."


def within_rounding(seen: Seen, size: float, rounding: float) -> bool:
    """Tell whether a gradient is all that rounding lets it be, where the largest |x_i| is `size`.

    The relative gradient, max |g_i| max(|x|, 1) / max(|f|, 1), is no more than rounding^(1/3)
    (Dennis and Schnabel 1983, Numerical Methods for Unconstrained Optimization, eq. 7.2.5).
    """
    relative = seen.grad_norm * max(size, 1.0) / max(abs(seen.fun), 1.0)
    return bool(relative <= rounding ** (1 / 3))


def sentence(
    status: Status, seen: Seen, nit: int, nfev: int = 0, limits: Limits | None = None
) -> str:
    """Return how a run ended, and what to do next."""
    if status is Status.DIVERGED and nit == 0:
        return _AT_THE_START
    return _SENTENCES[status].format(
        norm=seen.grad_norm, fun=seen.fun, nit=nit, nfev=nfev, limits=limits
    )
