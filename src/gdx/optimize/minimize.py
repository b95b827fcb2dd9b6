"""Minimisation of a function of arrays, by any method."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import ExitStack
from numbers import Real
from typing import Any, Never

import numpy as np

from gdx.devices import on_device_of
from gdx.optimize.methods import METHODS, Method, chosen
from gdx.optimize.result import BatchResult, History, OptimizeResult, Status
from gdx.optimize.runs.bounds import boxes, nearest
from gdx.optimize.runs.fixed import ByRule
from gdx.optimize.runs.limits import Limits
from gdx.optimize.runs.loop import Observer, Seen, Stepper, Trail, run, told
from gdx.optimize.runs.outcome import judged, sentence
from gdx.optimize.runs.points import own_copy, stacked
from gdx.optimize.runs.progress import progress_bar
from gdx.optimize.runs.slopes import slope
from gdx.optimize.updates.optimizer import Optimizer
from gdx.options import function, not_negative, positive, whole
from gdx.trees import Tree, coarsest_epsilon, is_tree, leaves

# What SciPy calls otherwise.
_OF_SCIPY = {
    "jac": "write grad=, a function of x that returns the gradient, or True",
    "hess": "write hvp=, a function of x and v that returns the Hessian times v",
    "hessp": "write hvp=, a function of x and v",
    "args": "write a lambda, as in minimize(lambda x: f(x, a), x0)",
    "options": "write its entries as arguments, as in minimize(f, x0, max_steps=100)",
    "maxiter": "write max_steps=",
    "maxfun": "write max_nfev=",
    "maxfev": "write max_nfev=",
    "disp": "write progress=True, or print the result",
    "constraints": "it has bounds= alone; add a penalty for others to f",
    "return_all": "write history=True",
}


@on_device_of(1)
def minimize(
    f: Callable[[Tree], Any],
    x0: Tree,
    *,
    method: str | Method | Optimizer = "l-bfgs",
    grad: Callable[[Tree], Tree] | str | bool | None = None,
    hvp: Callable[[Tree, Tree], Tree] | None = None,
    bounds: Any = None,
    tol: float | None = None,
    gtol: float | None = None,
    ftol: float = 0.0,
    xtol: float = 0.0,
    rtol: float = 0.0,
    target: float | None = None,
    max_steps: int = 10_000,
    max_nfev: int | None = None,
    max_seconds: float | None = None,
    check_every: int = 10,
    history: bool = False,
    callback: Callable[[Any], Any] | None = None,
    progress: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 100,
    batch: bool = False,
    **others: Never,
) -> OptimizeResult | BatchResult:
    r"""Minimise a function of one or many arrays, which never leave their device.

    Parameters
    ----------
    f : callable
        Takes `x` and returns one real number: a Python number or an array of one element. What it
        is handed is a copy, or is traced; it may keep or change it.
    x0 : array_like, or dict, list or tuple of arrays
        The start. It is copied, never changed. Numbers and lists of numbers become an array of the
        current backend, integers become the default float.
    method : str, Method or Optimizer
        "l-bfgs", "bfgs", "cg" (conjugate gradients), "bb" (gradient descent with steps of Barzilai
        and Borwein) and "newton-cg" search along lines; all that they need of an evaluation, or of
        a product with the Hessian, is read from the device in one small array. "sgd", "momentum",
        "nesterov", "adagrad", "rmsprop", "adam", "adamw", "amsgrad" and "lion" take steps as the
        rule says and read nothing between two checks. With options, they are
        ``gdx.optimize.adam(0.01)``, and "l-bfgs" is ``gdx.optimize.lbfgs(memory=20)``.
    grad : {"exact", "numerical"}, True or callable, optional
        The derivative of what `f` computes; central differences; True, if `f` returns both its
        value and its gradient; or a function of `x` that returns the gradient, of the structure and
        shapes of `x`. By default it is exact where `f` can be traced, else numerical.
    hvp : callable, optional
        For "newton-cg": takes `x` and `v` and returns the Hessian at `x` times `v`. By default it
        is exact where the gradient is, else a difference of two gradients.
    bounds : (lower, upper) or object with lb and ub, optional
        As in `numerical_gradient`: each a number, an array of the shape of `x` or a tree of them,
        or None. f is never evaluated outside, and a start outside is moved to the nearest point.
        Not for "bfgs", "cg" and "newton-cg".
    tol, gtol : float, optional
        Two names of one bound: the run has converged where no element of the gradient is larger
        (within bounds, of the projected gradient). With 0, only a gradient of 0 has converged. By
        default it has converged where nothing is left to gain, whatever the units of f and x; see
        the notes.
    ftol : float
        It has converged, too, where f has changed since the last look by no more than ``ftol *
        max(|f|, 1)``, the larger of both |f|. 0 switches it off, here and below.
    xtol : float
        The same, where a step changes no element of x by more than `xtol` of its size.
    rtol : float
        The same, where a step changes no element of x, and f has changed since the last look, by
        more than `rtol` of its size.
    target : float, optional
        It ends where f is at most this.
    max_steps : int
        The largest number of steps; of searches along a line, not of their evaluations.
    max_nfev : int, optional
        It takes no more evaluations of `f`, those for numerical gradients counted; but the start
        is always evaluated.
    max_seconds : float, optional
        It ends at the first look after so many seconds of this call.
    check_every : int
        Methods without a line search look at f, x and the gradient after so many steps only; the
        others after each.
    history : bool
        Keep the points at which the run looked.
    callback : callable, optional
        Called before each step, and at the end, with a `Descent`: step, x, grad, fun, grad_norm,
        lr, nfev, njev. Its arrays are the run's own, which later steps overwrite, and JAX deletes:
        copy what you keep. Returning True or raising StopIteration stops.
    progress : bool
        Show a progress bar with f and the gradient (needs tqdm: ``pip install tqdm``).
    checkpoint : str or path, optional
        A file in which the run is kept. If it exists, the run goes on from it.
    checkpoint_every : int
        After how many steps it is written anew.
    batch : bool
        Minimise k problems at once, which lie along the first axis of `x0`: f takes (k, ...) and
        returns (k,), of which each value depends on its own point alone. Each problem has its own
        line search and end. For "l-bfgs", "bfgs" and update rules; without `hvp`, `history`,
        `progress` and `checkpoint`. After every `check_every` evaluations of all problems one
        number is read, and `callback` called.

    Returns
    -------
    result : OptimizeResult
        With `x`, `fun`, `grad`, `success`, `status`, `message`, `nit`, `nfev`, `njev`, `nhev`,
        `gradient` and `history`. If `batch`, a `BatchResult`, in which most of these have an entry
        for each problem.

    Raises
    ------
    TypeError
        If `x0` is not real, or `f` returns something that is not a real number.
    ValueError
        If an option is out of range, bounds cross or are not for the method, or `grad` or `hvp`
        return another structure or shape than that of `x`.
    CheckpointError
        If the file is none, a damaged one, or that of another run.
    OSError
        If the file cannot be written.

    See Also
    --------
    gradient_descent : steps of a fixed length against the gradient, and their whole way.

    Notes
    -----
    Who comes from ``scipy.optimize.minimize`` finds `jac` as `grad`, `hessp` as `hvp`, `maxiter` as
    `max_steps` and `maxfun` as `max_nfev`; for `args`, write a lambda, and `options` are arguments.
    "l-bfgs-b" is another name of "l-bfgs".

    By default, a run has converged where, at two looks in a row, nothing is left to gain. That is
    so where the model of the method (the inverse Hessian of a quasi-Newton method, the curvature
    along the last step of others) falls from here to its minimum by no more than eps^(2/3) \|f\|,
    and no element of the relative gradient, \|x_i g_i\| / \|f\|, is larger than eps^(2/5) (Dennis
    and Schnabel 1983, Numerical Methods for Unconstrained Optimization, eq. 7.2.5). If the minimum
    is 0, nothing is small beside f; then f must have come down to eps^(5/3) of its fall, and x must
    be as near to the minimum of the model as eps^(2/3) of the way from the start, or of its size.
    Numerical gradients have eps^(2/3) in place of eps. A run that comes to one of its limits is
    judged once more, by eps^(1/6) for the gradient, eps^(6/5) for f and eps^(3/5) for x.

    *Precision limit* means that f cannot show, in its dtype, what another step gains. It is a
    success if nothing is left to gain, or if no \|g_i\| max(\|x_i\|, 1) / max(\|f\|, 1) is larger
    than eps^(1/3). *No reaction* means that f does not change at all within the steps of numerical
    differences, and *unbounded* that f falls without an end in sight; they are none.

    A value that is NaN or infinite makes a line search go back; a run that cannot go on returns the
    best point seen and its status. So does Ctrl-C, with the status *interrupted*; it leaves the
    checkpoint as it was.

    A checkpoint replaces the last one as a whole, so that a process can be killed at any moment;
    the run that goes on takes the same way, bit for bit. It knows its method, bounds, start and
    library, and refuses others; it warns if f has another value at the best point. The file stays
    after the run. Stopping rules may change: a larger `max_steps` continues a run that has ended.

    Within bounds, steps are cut at them, and f falls as Armijo's rule asks.

    References
    ----------
    J. Nocedal and S. J. Wright (2006), Numerical Optimization, 2nd ed., chapters 3 to 7.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> def rosenbrock(x):
    ...     return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    >>> result = gdx.minimize(rosenbrock, [-1.2, 1.0])
    >>> print(result.status, np.round(result.x, 4))
    converged [1. 1.]
    >>> result = gdx.minimize(rosenbrock, [-1.2, 1.0], bounds=(None, 0.5))
    >>> np.round(result.x, 4)
    array([0.5 , 0.25])
    >>> starts = np.asarray([[-1.2, 1.0], [2.0, 2.0], [0.0, -1.0]])
    >>> result = gdx.minimize(lambda x: rosenbrock(x.T), starts, batch=True)
    >>> result.message
    '3 of 3 problems converged.'
    """
    for name in others:
        meant = _OF_SCIPY.get(name, "see help(gdx.minimize) for its options")
        raise TypeError(f"minimize() has no option {name!r}: {meant}.")
    function("f", f)
    for name, given in (("callback", callback), ("hvp", hvp)):
        if given is not None:
            function(name, given)
    max_steps = whole("max_steps", max_steps, 0)
    check_every = whole("check_every", check_every, 1)
    checkpoint_every = whole("checkpoint_every", checkpoint_every, 1)
    x = own_copy("x0", x0)
    if not any(map(_has_elements, leaves(x))):
        raise ValueError(f"x0 must hold at least one element; got {x0!r}.")
    box = boxes(bounds, x)
    if box is not None:
        x = nearest(box, x)
    how = _within(chosen(method), box is not None)
    if hvp is not None and how is not METHODS["newton-cg"]():
        raise ValueError(f"hvp is for method='newton-cg' only; method is {how!r}.")
    if tol is not None and gtol is not None:
        raise ValueError(f"tol and gtol are one bound: give one of them; got {tol!r} and {gtol!r}.")
    gtol = tol if gtol is None else gtol
    limits = Limits(
        coarsest_epsilon(x),
        None if gtol is None else not_negative("gtol" if tol is None else "tol", gtol),
        not_negative("ftol", ftol),
        not_negative("xtol", xtol),
        not_negative("rtol", rtol),
        _number("target", target),
        max_steps,
        None if max_nfev is None else whole("max_nfev", max_nfev, 1),
        None if max_seconds is None else positive("max_seconds", max_seconds),
    )
    if batch:
        single = {"hvp": hvp, "history": history, "progress": progress, "checkpoint": checkpoint}
        _check_batch(x, single)
        from gdx.optimize.many.batches import minimize_many

        return minimize_many(
            f,
            x,
            method=how,
            grad=grad,
            box=box,
            limits=limits,
            check_every=check_every,
            callback=callback,
        )
    kept = None
    if checkpoint is not None:
        from gdx.optimize.files.kept import Kept
        from gdx.optimize.files.snapshot import identity_of

        identity = {
            "method": repr(how),
            "grad": "given" if callable(grad) else grad,
            "history": bool(history),
            **identity_of(x, box),
        }
        kept = Kept(checkpoint, checkpoint_every, identity)
    of_f = slope(f, x, grad, bounds)
    stepper: Stepper
    if isinstance(how, Method):
        stepper, check_every = how.stepper(of_f, x, box, hvp), 1
    else:
        stepper = ByRule(of_f, x, how, box)
    stepper.watches = limits.watches or limits.gtol is None
    trail = Trail(keeps=bool(history))
    before: list[Callable[[int], None]] = []
    start = 0
    if kept is not None:
        start = kept.attached(stepper, trail, limits)
        before.append(kept)
    steps = range(start, max(start, max_steps))
    observers: list[Observer] = [] if callback is None else [told(callback)]
    with ExitStack() as stack:
        if progress:
            before.append(stack.enter_context(progress_bar(steps, trail)))
        status = run(stepper, trail, limits, steps, check_every, before, observers, observers)
    if kept is not None and status is not Status.INTERRUPTED:
        kept.save(stepper.steps)
    return _result(stepper, trail, limits, status)


def _within(method: Method | Optimizer, bounded: bool) -> Method | Optimizer:
    """Return the method, if it can keep to bounds where there are any."""
    if bounded and isinstance(method, Method) and method.within_bounds is None:
        raise ValueError(
            f"method {method.name!r} takes no bounds; got some. Write method='l-bfgs' or 'bb', or "
            "one without a line search, such as 'adam'."
        )
    return method


def _check_batch(x: Tree, single: dict[str, Any]) -> None:
    """Raise what is wrong with a call that wants many problems at once."""
    if is_tree(x):
        raise ValueError(
            "with batch=True, x0 must be one array, with the problems along its first axis; got a "
            f"{type(x).__name__} of arrays."
        )
    for name, value in single.items():
        if value:
            raise ValueError(f"{name} is not for many problems: leave it out, or batch=True.")


def _result(stepper: Stepper, trail: Trail, limits: Limits, status: Status) -> OptimizeResult:
    status, reached = judged(status, stepper, trail, limits)
    seen = trail.end if reached else trail.best or trail.end
    counts, shown = stepper.slope.counts, stepper.shown
    message = sentence(status, seen, stepper.steps, counts.nfev, limits)
    seen = stepper.own(seen)
    return OptimizeResult(
        x=shown(seen.x),
        fun=seen.fun,
        grad=shown(seen.grad),
        success=reached,
        status=status,
        message=message,
        nit=stepper.steps,
        nfev=counts.nfev,
        njev=counts.njev,
        nhev=counts.nhev,
        gradient=stepper.slope.name,
        history=_history(trail.points, stepper) if trail.keeps else None,
    )


def _history(points: list[Seen], stepper: Stepper) -> History:
    return History(
        np.asarray([seen.step for seen in points]),
        stacked([stepper.shown(seen.x) for seen in points], stepper.shown(stepper.form)),
        np.asarray([seen.fun for seen in points]),
        np.asarray([seen.grad_norm for seen in points]),
    )


def _has_elements(x: Any) -> bool:
    return 0 not in x.shape


def _number(name: str, value: Any) -> float | None:
    if value is not None and (not isinstance(value, Real) or math.isnan(value)):
        raise ValueError(f"{name} must be a number or None; got {value!r}.")
    return None if value is None else float(value)
