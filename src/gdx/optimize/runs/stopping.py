"""How a descent is judged after all its steps, in a sentence that says what to do."""

from __future__ import annotations

import math
from typing import Any

from gdx.backends import epsilon_of, namespace_of, to_numpy
from gdx.optimize.result import Status
from gdx.optimize.runs.endings import ENDED, nothing_left
from gdx.optimize.runs.fixed import FixedStep, Passed
from gdx.optimize.runs.loop import Seen, Stepper
from gdx.trees import Tree, leaves

# In units of the step to the minimum of a parabola: a step that is longer swings from one side of
# the minimum to the other; one that is shorter creeps, and had better be as long as is advised.
_SWINGS, _CREEPS, _ADVISED = 1.2, 0.05, 0.5


def judge(start: Seen, end: Seen, stepper: Stepper, lr: float) -> tuple[Status, str]:
    """Return how a run of all its steps, the last of the length `lr`, ended, and the sentence."""
    eps = epsilon_of(leaves(start.x)[0])
    if not start.finite:
        return Status.DIVERGED, (
            "Diverged: x or f is NaN or infinite at the start. Try another init_x."
        )
    if end.grad is None:
        return Status.STEP_LIMIT, "No step was asked for: step_num is 0."
    fall = start.fun - end.fun
    if not end.finite or -fall > 10 * eps * max(1.0, abs(start.fun)):
        what = (
            f"f rose from {start.fun:.6g} to {end.fun:.6g} in {end.step} steps."
            if end.finite
            else f"x or f became NaN or infinite within {end.step} steps, and x is the best point "
            "seen."
        )
        longest, _ = _secants(stepper, lr, start)
        return Status.DIVERGED, (
            f"Diverged: {what} Try a smaller learning rate, for example {_shorter(lr, longest)}."
        )
    norm = f"the largest absolute value in the gradient {{}} {end.grad_norm:.2g}"
    if end.grad_norm == 0 or (end.step and _nothing_left(stepper, end, fall, eps)):
        return Status.CONVERGED, f"Converged: {norm.format('fell to')} in {end.step} steps."
    still = norm.format("is still")
    longest, shortest = _secants(stepper, lr)
    if lr > _SWINGS * longest:
        return Status.STEP_LIMIT, (
            f"Step limit: the steps swing from one side of the minimum to the other, and after "
            f"{end.step} of them {still}. Try a smaller learning rate, for example "
            f"{_shorter(lr, longest)}."
        )
    way = _largest(_change, end.x, start.x)
    creeps = lr < _CREEPS * shortest
    if shortest == math.inf:  # no curvature is seen: a step that changes x by some of its size
        shortest = _CREEPS * (_largest(_size, end.x) or 1.0) / end.grad_norm
    longer = f"lr={max(10 * lr, _ADVISED * shortest):.2g}"
    if way <= eps ** (1 / 3):
        return Status.HARDLY_MOVED, (
            f"Hardly moved: {end.step} steps changed x by {way:.2g} of its size, and {still}. "
            f"Try a larger learning rate, for example {longer}."
        )
    advice = "Try more steps"
    if creeps and end.grad_norm > start.grad_norm / 2:  # it has not come into a valley yet
        advice = f"Try a larger learning rate, for example {longer}, or more steps"
    elif not isinstance(stepper, FixedStep):
        advice = "Try more steps, or another line search"
    return Status.STEP_LIMIT, f"Step limit: after {end.step} steps {still}. {advice}."


def _nothing_left(stepper: Stepper, end: Seen, fall: float, eps: float) -> bool:
    gain, scale = stepper.gain(), (end.fun, fall, eps, stepper.slope.name, ENDED)
    if gain == math.inf or not nothing_left(gain, 0.0, 0.0, *scale):
        return False
    return bool(nothing_left(gain, stepper.slopes(), stepper.reach(), *scale))


def _secants(stepper: Stepper, lr: float, start: Seen | None = None) -> tuple[float, float]:
    """Return steps to the minimum of a parabola; of a line search, which needs none, its own."""
    if not isinstance(stepper, FixedStep):
        return lr, lr
    if start is None:
        return stepper.known_secants
    return stepper.secants(Passed(0, start.x, start.grad))


def _shorter(lr: float, longest: float) -> str:
    return f"lr={longest if longest < lr / _SWINGS else lr / 10:.2g}"


def _size(x: Any, xp: Any) -> Any:
    return xp.abs(x)


def _change(x: Any, y: Any, xp: Any) -> Any:
    return xp.abs(x - y) / xp.maximum(xp.abs(y), 1.0)


def _largest(measure: Any, *trees: Tree) -> float:
    """Return the largest value of `measure` over all elements of all leaves."""

    def of_leaf(*arrays: Any) -> float:
        xp = namespace_of(arrays[0])
        return 0.0 if 0 in arrays[0].shape else float(to_numpy(xp.max(measure(*arrays, xp))))

    return max(of_leaf(*arrays) for arrays in zip(*map(leaves, trees), strict=True))
