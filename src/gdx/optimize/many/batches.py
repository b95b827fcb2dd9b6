"""Many problems at once: each has its own search and its own end, and all share the evaluations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np

from gdx.backends import Array, device_of, epsilon, namespace_of, to_numpy
from gdx.optimize.many.learnt import Inverse, Learnt, Pairs
from gdx.optimize.many.runs import Columns, Run, Searching, Stepping
from gdx.optimize.many.search import RUNNING, STATUSES, ManySearched, coded
from gdx.optimize.many.slopes import slope_of_many, values_of
from gdx.optimize.methods import Method
from gdx.optimize.result import BatchResult, Status
from gdx.optimize.runs.bounds import Box
from gdx.optimize.runs.limits import Limits
from gdx.optimize.runs.loop import BatchDescent, stops
from gdx.optimize.runs.slopes import BudgetSpent, Function, Slope
from gdx.optimize.updates.optimizer import Optimizer

# What is said of the problems that did not succeed: how many, and what to do.
_ADVICE = {
    Status.STEP_LIMIT: "{} came to the limit of steps: try a larger max_steps",
    Status.EVALUATION_LIMIT: "{} came to the limit of evaluations: try a larger max_nfev",
    Status.TIME_LIMIT: "{} came to the limit of time: try a larger max_seconds",
    Status.PRECISION_LIMIT: "{} came to the rounding of f: try a smaller offset of f, or a wider "
    "dtype",
    Status.NO_DESCENT: "{} found no lower f: check the gradient (gdx.check_gradient), and that "
    "each value depends on its own row alone",
    Status.DIVERGED: "{} became NaN or infinite, or began so: try other starts",
    Status.UNBOUNDED: "{} fell with no end in sight: give bounds, or other starts",
    Status.STOPPED: "{} stopped by the callback",
    Status.INTERRUPTED: "{} interrupted",
}


def minimize_many(
    f: Function,
    x: Array,
    *,
    method: Method | Optimizer,
    grad: Callable[[Array], Array] | str | bool | None = None,
    box: Box | None = None,
    limits: Limits,
    check_every: int = 10,
    callback: Callable[[BatchDescent], object] | None = None,
) -> BatchResult:
    """Minimise k problems at once, each by its own way, which its companions do not change.

    Parameters
    ----------
    f : callable
        Takes all points, (k, ...), and returns one value for each, (k,), which depends on its own
        point alone.
    x : array, shape (k, ...)
        The starts.
    method : Method or Optimizer
        L-BFGS, BFGS, or an update rule.
    grad : callable, str, bool or None
        As for `minimize`; of stacks, (k, ...).
    box : Box, optional
        Of the shape of `x`, which lies in it.
    limits : Limits
        What ends each problem; of evaluations and seconds, all together.
    check_every : int
        After how many evaluations one number is read: how many problems have not ended.
    callback : callable, optional
        Takes a `BatchDescent` there; True ends the run.

    Returns
    -------
    result : BatchResult

    Raises
    ------
    ValueError
        If there is no problem, the method does not work on many, or f or its gradient returns
        arrays of another shape than it should.
    """
    if math.prod(x.shape) == 0 or not x.shape:
        raise ValueError(
            "the first axis of x0 goes over the problems, and the others over the elements of "
            f"each; x0 has the shape {tuple(x.shape)}, without any."
        )
    slope = slope_of_many(f, grad, box)
    if x.shape[:1] == x.shape[1:2]:
        _check_rows(slope, x, box)
    columns = Columns(slope, x)
    start = columns.columns_of(x)
    if box is not None:
        box = Box(columns.columns_of(box.lower), columns.columns_of(box.upper))
    run = _chosen(method, columns, start, box, limits)
    status = _ended(run, limits, check_every, callback)
    code = coded(run.state.code, [(status, run.state.code == RUNNING)])
    point, code, success = run.finished(code)
    statuses = tuple(STATUSES[number] for number in to_numpy(code).tolist())
    return BatchResult(
        x=columns.result_of(point.x),
        fun=point.fun,
        grad=columns.result_of(point.grad),
        success=success,
        status=statuses,
        message=_summary(statuses, to_numpy(success).tolist()),
        nit=run.state.nit,
        nfev=slope.counts.nfev,
        njev=slope.counts.njev,
        gradient=slope.name,
    )


def _check_rows(slope: Slope, x: Array, box: Box | None) -> None:
    """Raise if values of f depend on other rows than their own.

    Where there are as many problems as elements of each, f may take one for the other.
    """
    xp = namespace_of(x)
    step = epsilon(xp, x.dtype) ** (1 / 3) * xp.maximum(xp.abs(x), xp.ones_like(x))
    first = xp.reshape(xp.arange(x.shape[0], device=device_of(x)) == 0, (-1, *[1] * (x.ndim - 1)))
    moved = xp.where(first, x + step, x)
    points = (x, moved if box is None else box.nearest(moved))
    one, other = (to_numpy(values_of(slope.value(point), x))[1:] for point in points)
    rounding = 1e3 * epsilon(xp, x.dtype)
    if not np.allclose(one, other, rtol=rounding, atol=rounding, equal_nan=True):
        raise ValueError(
            "f must return one value for each row of x, which depends on that row alone; where the "
            "first row of x0 is another, other values change. Of an f of one vector, write "
            "lambda x: f(x.T) if it takes columns, too."
        )


def _chosen(
    method: Method | Optimizer, columns: Columns, x: Array, box: Box | None, limits: Limits
) -> Run:
    if isinstance(method, Optimizer):
        for link in method.links:
            if link.rule.reduction is not None:
                raise ValueError(
                    f"{link.name} would let the problems change each other: it takes all of x as "
                    "one vector. Leave it out, or clip each element: clip_by_value."
                )
        return Stepping(columns, x, method, box, limits)
    learnt = _LEARNT.get(method.name)
    if learnt is None:
        names = ", ".join(map(repr, _LEARNT))
        raise ValueError(
            f"of many problems at once, method must be one of {names}, or an update rule such as "
            f"'adam'; got {method.name!r}."
        )
    search = ManySearched(learnt(x, **dict(method.options)), box, limits)
    return Searching(columns, x, search)


def _pairs_or_all(x: Array, memory: int) -> Learnt:
    """Return what takes less memory: the pairs, or all that they tell of the inverse Hessian."""
    return Inverse() if x.shape[0] <= 2 * memory else Pairs(memory)


_LEARNT: dict[str, Callable[..., Learnt]] = {
    "l-bfgs": _pairs_or_all,
    "bfgs": lambda x: Inverse(),
}


def _ended(
    run: Run,
    limits: Limits,
    check_every: int,
    callback: Callable[[BatchDescent], object] | None,
) -> Status:
    """Run until all problems have ended; return how those ended that were still running."""
    counts, tick = run.columns.slope.counts, 0
    always = run.always_judged and run.columns.known.on_host(run.x)  # where reading costs nothing
    try:
        while True:
            last = tick >= run.ticks
            look = last or tick % check_every == 0
            run.prepare(tick, look)
            if look or always:
                running = _running(run.state.code)
                if not running:
                    return Status.STEP_LIMIT
                if limits.max_seconds is not None and limits.seconds >= limits.max_seconds:
                    return Status.TIME_LIMIT
            if limits.max_nfev is not None:
                counts.most = limits.max_nfev
                if counts.nfev >= counts.most:
                    return Status.EVALUATION_LIMIT
            if look and callback is not None and stops(callback, _seen(run, tick, running)):
                return Status.STOPPED
            run.advance()
            tick += 1
    except BudgetSpent:
        return Status.EVALUATION_LIMIT
    except KeyboardInterrupt:
        if run.state is None:
            raise
        return Status.INTERRUPTED


def _seen(run: Run, tick: int, running: int) -> BatchDescent:
    x, fun, grad, _ = run.state.point
    columns, counts = run.columns, run.columns.slope.counts
    x, grad = columns.stack_of(x), columns.stack_of(grad)
    return BatchDescent(tick, x, fun, grad, running, counts.nfev, counts.njev)


def _running(code: Array) -> int:
    """Read how many problems have not ended."""
    xp = namespace_of(code)
    return int(to_numpy(xp.sum(xp.astype(code == RUNNING, code.dtype))))


def _summary(statuses: tuple[Status, ...], success: list[bool]) -> str:
    """Return how many problems succeeded, and what to do about the others."""
    others = Counter(status for status, fine in zip(statuses, success, strict=True) if not fine)
    count = len(statuses)
    sentence = f"{count - others.total():,} of {count:,} problems converged"
    if not others:
        return sentence + "."
    parts = [_ADVICE[status].format(f"{many:,}") for status, many in others.most_common()]
    return "; ".join([sentence, *parts]) + "."
