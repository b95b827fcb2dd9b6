"""Gradient descent, as it is taught: steps of one length, whose whole way is kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from gdx.backends import to_numpy
from gdx.devices import on_device_of
from gdx.optimize.methods import steepest
from gdx.optimize.result import DescentResult, Status
from gdx.optimize.runs.fixed import ByRule, Plain
from gdx.optimize.runs.loop import Descent, Observer, Seen, Stepper, Trail, run, told
from gdx.optimize.runs.outcome import sentence
from gdx.optimize.runs.points import own_copy, stacked
from gdx.optimize.runs.progress import progress_bar
from gdx.optimize.runs.slopes import slope
from gdx.optimize.runs.stopping import judge
from gdx.optimize.searches.searched import Searched
from gdx.optimize.updates.published import sgd
from gdx.options import function, positive, whole
from gdx.trees import Tree, map_leaves


@on_device_of(1)
def gradient_descent(
    f: Callable[[Tree], Any],
    init_x: Tree,
    lr: float = 0.01,
    step_num: int = 100,
    *,
    grad: Callable[[Tree], Tree] | str | None = None,
    history: bool | int = True,
    callback: Callable[[Descent], Any] | None = None,
    verbose: bool = False,
    progress: bool = False,
    check_every: int = 10,
    line_search: str | None = None,
) -> DescentResult:
    r"""Minimise a function by steps against its gradient, x ← x - lr · ∇f(x).

    Parameters
    ----------
    f : callable
        Takes `x` and returns one real number: a Python number or an array of one element.
    init_x : array_like, or dict, list or tuple of arrays
        The start. It is copied, never changed. Numbers and lists of numbers become an array of the
        current backend, integers become the default float.
    lr : float
        The learning rate: the length of a step in units of the gradient.
    step_num : int
        The number of steps. All of them are run, unless a value becomes NaN or infinite.
    grad : {"exact", "numerical"} or callable, optional
        The derivative of what `f` computes, as `gdx.grad` has it; central differences, as
        `numerical_gradient` has them; or a function that takes `x` and returns the gradient there,
        of the structure and shapes of `x`. By default it is exact where `f` can be traced and what
        it returns depends on `x`, else numerical; the result tells.
    history : bool or int
        Which of the points before each step are kept: all, none, or every k-th.
    callback : callable, optional
        Called before each step, and at the end, with a `Descent`: step, x, grad, fun, grad_norm,
        lr, nfev, njev. Its arrays are the run's own, which later steps overwrite: copy what you
        keep. Returning True or raising StopIteration stops; the truth of an array must be read by
        bool() first.
    verbose : bool
        Print each coordinate and its gradient before each step.
    progress : bool
        Show a progress bar (needs tqdm: ``pip install tqdm``).
    check_every : int
        After so many steps, and at both ends, f and x are looked at: is all finite, and is this
        the best point so far? Nothing else is read from the device.
    line_search : {"armijo", "wolfe", "bb"}, optional
        Search the length of each step: where f falls enough, where the slope has become flat, too,
        or by the steps of Barzilai and Borwein. The first that is tried is `lr`. Each evaluation
        is then a check. By default all steps are `lr` long.

    Returns
    -------
    result : DescentResult
        With `x`, `history`, `fun`, `success`, `status`, `message`, `gradient`, `nit`, `nfev`,
        `x_best`, `fun_best` and `checks`. It unpacks: ``x, history = gradient_descent(...)``,
        where `history` has the shape (steps, \*x.shape) and lies on the device of `x`.

    Raises
    ------
    TypeError
        If `init_x` is not real, or `f` returns something that is not a real number.
    ValueError
        If `lr`, `step_num`, `history`, `check_every` or `line_search` is out of range, or `grad`
        returns a gradient of another structure or shape than `x`.

    See Also
    --------
    minimize : other methods, and more ways to stop.

    Notes
    -----
    The status is judged at the end. *Diverged*: a value is NaN or infinite, or f ended above its
    start. *Converged*: nothing is left to gain, as `minimize` says it of a run that comes to one of
    its limits. *Hardly moved*: all steps together changed x by less than eps^(1/3) of its size.
    *Step limit*: none of these. The advice follows the curvature along the last steps. The gradient
    is the one of the last step. Ctrl-C ends the run, which returns the best point seen with the
    status *interrupted*.

    A Dask array is computed at every check; that is the only place where it must be.

    References
    ----------
    A. Cauchy (1847), Méthode générale pour la résolution des systèmes d'équations simultanées,
    C. R. Acad. Sci. Paris 25, 536-538.

    L. Armijo (1966), Minimization of functions having Lipschitz continuous first partial
    derivatives, Pacific J. Math. 16, 1-3.

    M. Raydan (1997), The Barzilai and Borwein gradient method for the large scale unconstrained
    minimization problem, SIAM J. Optim. 7, 26-33.

    Examples
    --------
    >>> import gdx
    >>> def f(x):
    ...     return x[0] ** 2 + x[1] ** 2
    >>> result = gdx.gradient_descent(f, [-3.0, 4.0], lr=0.1, step_num=100)
    >>> print(result.status, abs(result.x).max() < 1e-8)
    converged True
    >>> x, path = result
    >>> path.shape
    (100, 2)
    >>> gdx.gradient_descent(f, [-3.0, 4.0], step_num=3, line_search="bb").success
    True
    """
    function("f", f)
    if callback is not None:
        function("callback", callback)
    lr = positive("lr", lr, " To maximise f, minimise lambda x: -f(x).")
    step_num = whole("step_num", step_num, 0)
    check_every = whole("check_every", check_every, 1)
    history = whole("history", history, 0)
    method = None if line_search is None else steepest(line_search, lr)
    if not step_num:
        method = None  # there is nothing to search

    x = own_copy("init_x", init_x)
    of_f = slope(f, x, grad if step_num else "numerical")
    stepper: Plain | ByRule | Searched
    if method is not None:
        stepper, check_every = method.stepper(of_f, x), 1
    else:
        stepper = Plain(of_f, x, lr) if history else ByRule(of_f, x, sgd(lr))
        stepper.last_gradient = callback is not None  # which sees the last point, too
    stepper.watches = True
    trail, steps = _Checks(), range(step_num)
    points: list[Tree] = []
    before: list[Callable[[int], None]] = []
    observers: list[Observer] = []
    at_end: list[Observer] = []
    with ExitStack() as stack:
        if progress:
            before.append(stack.enter_context(progress_bar(steps, trail)))
        if history:
            observers.append(_keeping(history, points))
        if verbose:
            observers.append(_printed)
        if callback is not None:
            at_end.append(told(callback))
            observers.extend(at_end)
        ended = run(stepper, trail, _stop, steps, check_every, before, observers, at_end)

    start, end, nit = trail.start, trail.end, stepper.steps
    counts, shown = of_f.counts, stepper.shown
    best = trail.best or start
    status, message = judge(start, end, stepper, stepper.lr(nit) or lr)
    if nit > 0 and end.finite and end.grad_norm == 0 and not of_f.reacts(shown(end.x)):
        ended = Status.NO_REACTION
    if ended in (Status.STOPPED, Status.INTERRUPTED, Status.NO_REACTION) or (
        ended is not Status.STEP_LIMIT and status is Status.STEP_LIMIT
    ):
        status, message = ended, sentence(ended, end, nit)
    here = end if end.finite and ended is not Status.INTERRUPTED else best
    return DescentResult(
        x=shown(here.x),
        history=stacked(points, shown(stepper.form)) if history else None,
        fun=here.fun,
        success=status is Status.CONVERGED,
        status=status,
        message=message,
        gradient=of_f.name,
        nit=nit,
        nfev=counts.nfev,
        x_best=shown(best.x),
        fun_best=best.fun,
        checks=tuple(trail.checks),
    )


class _Checks(Trail):
    """A trail that knows its start, and f at all points at which the loop looked."""

    def __init__(self) -> None:
        super().__init__()
        self.checks: list[tuple[int, float]] = []

    def add(self, seen: Seen, stepper: Stepper) -> None:
        """Remember a point that was looked at."""
        super().add(seen, stepper)
        if not self.checks:
            self.start = self.best or stepper.own(seen)
        if not self.checks or self.checks[-1][0] != seen.step:
            self.checks.append((seen.step, seen.fun))


def _keeping(every: int, points: list[Tree]) -> Observer:
    """Return an observer that keeps one point in `every` so many."""

    def keep(step: int, stepper: Stepper, seen: Seen | None) -> bool:
        if step % every == 0:
            points.append(stepper.kept())
        return False

    return keep


def _printed(step: int, stepper: Stepper, seen: Seen | None) -> bool:
    x, g = (map_leaves(to_numpy, tree) for tree in (stepper.x, stepper.grad))
    print(f"step {step}: x = {x}, gradient = {g}")
    return False


def _stop(seen: Seen, stepper: Stepper) -> Status | None:
    """Return why a descent ends before its last step, if it does."""
    if not seen.finite:
        return Status.DIVERGED
    if seen.step == 0 and seen.grad_norm == 0 and not stepper.slope.reacts(stepper.x):
        return Status.NO_REACTION
    return Status.CONVERGED if seen.grad_norm == 0 and stepper.patience < math.inf else None
