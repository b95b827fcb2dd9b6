"""How a run is judged: from what was seen at its checks, in a sentence that says what to do."""

from __future__ import annotations

from typing import Any

from gdx.backends import epsilon_of, namespace_of, to_numpy
from gdx.optimize.result import Status
from gdx.optimize.runs.loop import Seen
from gdx.trees import Tree, leaves


def judge(start: Seen, end: Seen, lr: float, *, searched: bool) -> tuple[Status, str]:
    """Return how a run of all its steps ended, and the sentence for it.

    `lr` is the length of the last step, which a line search may have `searched`.
    """
    eps = epsilon_of(leaves(start.x)[0])
    if not start.finite:
        return Status.DIVERGED, (
            "Diverged: x or f is NaN or infinite at the start. Try another init_x."
        )
    if not end.finite:
        return Status.DIVERGED, (
            f"Diverged: x or f became NaN or infinite within {end.step} steps, and x is the best "
            f"point seen. Try a smaller learning rate, for example lr={lr / 10:g}."
        )
    if end.fun - start.fun > 10 * eps * max(1.0, abs(start.fun)):
        return Status.DIVERGED, (
            f"Diverged: f rose from {start.fun:.6g} to {end.fun:.6g} in {end.step} steps. Try a "
            f"smaller learning rate, for example lr={lr / 10:g}."
        )
    gradient = end.grad
    if gradient is None:
        return Status.STEP_LIMIT, "No step was asked for: step_num is 0."
    tolerance = eps ** (1 / 3)
    slope = _largest(_relative_slope, gradient, end.x) / max(1.0, abs(end.fun))
    if slope <= tolerance:
        last = lr * slope * max(1.0, abs(end.fun))  # at most
        if last > tolerance:
            last = lr * _largest(_relative_step, gradient, end.x)
        if last <= tolerance:
            return Status.CONVERGED, (
                f"Converged: the relative gradient fell to {slope:.2g} in {end.step} steps."
            )
        return Status.STEP_LIMIT, (
            f"Step limit: the relative gradient fell to {slope:.2g}, but the last of {end.step} "
            f"steps still changed x by {last:.2g} of its size. Try more steps."
        )
    way = _largest(_relative_distance, end.x, start.x)
    if way <= tolerance:
        return Status.HARDLY_MOVED, (
            f"Hardly moved: {end.step} steps changed x by {way:.2g} of its size, and the relative "
            f"gradient was still {slope:.2g}. Try a larger learning rate, for example "
            f"lr={min(lr * 10 / way, 0.1) if way else 0.1:.1g}."
        )
    advice = ", or another line search" if searched else f", or a learning rate above {lr:g}"
    return Status.STEP_LIMIT, (
        f"Step limit: at the last of {end.step} steps the relative gradient was still {slope:.2g}. "
        f"Try more steps{advice}."
    )


def _relative_slope(g: Any, x: Any, xp: Any) -> Any:
    # Dennis and Schnabel (1983), Numerical Methods for Unconstrained Optimization, eq. 7.2.5.
    return xp.abs(g) * xp.maximum(xp.abs(x), 1.0)


def _relative_step(g: Any, x: Any, xp: Any) -> Any:
    return xp.abs(g) / xp.maximum(xp.abs(x), 1.0)


def _relative_distance(x: Any, y: Any, xp: Any) -> Any:
    return xp.abs(x - y) / xp.maximum(xp.abs(y), 1.0)


def _largest(measure: Any, *trees: Tree) -> float:
    """Return the largest value of `measure` over all elements of all leaves."""

    def of_leaf(*arrays: Any) -> float:
        xp = namespace_of(arrays[0])
        return 0.0 if 0 in arrays[0].shape else float(to_numpy(xp.max(measure(*arrays, xp))))

    return max(of_leaf(*arrays) for arrays in zip(*map(leaves, trees), strict=True))
