"""What is said of a run that has ended."""

from __future__ import annotations

from gdx.optimize.result import Status
from gdx.optimize.runs import endings
from gdx.optimize.runs.limits import Limits
from gdx.optimize.runs.loop import Seen, Stepper, Trail

REACHED = (Status.CONVERGED, Status.HARDLY_CHANGED, Status.TARGET_REACHED)
STUCK = (Status.NO_DESCENT, Status.PRECISION_LIMIT)
LIMITED = (Status.STEP_LIMIT, Status.EVALUATION_LIMIT, Status.TIME_LIMIT)
FALLING = (*STUCK, *LIMITED, Status.DIVERGED)

_SENTENCES = {
    Status.CONVERGED: "Converged: the largest absolute value in the gradient fell to {norm:.2g} in "
    "{nit} steps.",
    Status.HARDLY_CHANGED: "Converged: the last of {nit} steps changed {limits.change[0]} by no "
    "more than {limits.fired}={limits.change[1]:g} of its size.",
    Status.TARGET_REACHED: "Target reached: f fell to {fun:.6g} in {nit} steps.",
    Status.STEP_LIMIT: "Step limit: after {nit} steps the gradient still has {norm:.2g}{above}. "
    "Try a larger max_steps, or another method.",
    Status.EVALUATION_LIMIT: "Evaluation limit: after {nfev} evaluations of f the gradient still "
    "has {norm:.2g}{above}. Try a larger max_nfev.",
    Status.TIME_LIMIT: "Time limit: after {limits.seconds:.3g} s and {nit} steps the gradient "
    "still has {norm:.2g}{above}. Try a larger max_seconds.",
    Status.PRECISION_LIMIT: "Precision limit: what another step can gain is lost in the rounding "
    "of f, where the gradient has {norm:.2g}. Where that is too much: a smaller offset of f, or a "
    "wider dtype.",
    Status.NO_REACTION: "No reaction: f did not change within the steps of the differences, after "
    "{nit} steps. Does it use its argument, as lambda W: net.loss(x, t, {{'W': W}}) does, and not "
    "lambda W: net.loss(x, t)? Then try f with a smaller offset, a wider dtype, or give grad.",
    Status.NO_DESCENT: "No descent: the line search found no lower f, though the gradient, which "
    "has {norm:.2g}, promises one. Is the gradient right (gdx.check_gradient), and f smooth?",
    Status.UNBOUNDED: "Unbounded below: f fell to {fun:.6g} within {nit} steps, with no end in "
    "sight. Has it a minimum? If so, give bounds, or another x0.",
    Status.DIVERGED: "Diverged: f or its gradient became NaN or infinite within {nit} steps, and x "
    "is the best point seen. Has f a minimum? If so, try another x0, or a smaller learning rate.",
    Status.STOPPED: "Stopped by the callback after {nit} steps.",
    Status.INTERRUPTED: "Interrupted after {nit} steps; x is the best point seen.",
}
_AT_THE_START = "Diverged: f or its gradient is NaN or infinite at the start. Try another x0."


def judged(status: Status, stepper: Stepper, trail: Trail, limits: Limits) -> tuple[Status, bool]:
    """Return how a run ended, with what is seen at its end, and whether that is a success."""
    if status in REACHED:
        return status, True
    if status in STUCK and (
        limits.at_minimum(trail.end, stepper, endings.STUCK)
        or endings.precise(stepper.slopes(1.0), trail.end.fun, limits.rounding)
    ):
        return Status.PRECISION_LIMIT, True
    ended = status in LIMITED and limits.gtol is None
    if ended and limits.at_minimum(trail.end, stepper, endings.ENDED):
        return Status.CONVERGED, True
    if status in FALLING and trail.best is not None and limits.endless(trail.best):
        return Status.UNBOUNDED, False
    return status, False


def sentence(
    status: Status, seen: Seen, nit: int, nfev: int = 0, limits: Limits | None = None
) -> str:
    """Return how a run ended, and what to do next."""
    if status is Status.DIVERGED and nit == 0:
        return _AT_THE_START
    above = "" if limits is None or limits.gtol is None else f", above gtol={limits.gtol:g}"
    return _SENTENCES[status].format(
        norm=seen.grad_norm, fun=seen.fun, nit=nit, nfev=nfev, limits=limits, above=above
    )
