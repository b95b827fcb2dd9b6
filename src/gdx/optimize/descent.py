"""Gradient descent with a fixed learning rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gdx.backends import (
    Array,
    device_of,
    floating,
    library,
    namespace_of,
    to_numpy,
)
from gdx.optimize.result import DescentResult, Status
from gdx.optimize.slopes import slope
from gdx.optimize.stopping import check, judge
from gdx.options import positive, whole
from gdx.trees import Tree, is_tree, leaves, map_leaves


@dataclass(frozen=True)
class Descent:
    """What a callback sees of a running descent, before a step is taken.

    Attributes
    ----------
    step : int
        The number of steps taken so far.
    x : array or tree
        The current point.
    grad : array or tree
        The gradient there.
    lr : float
        The learning rate.
    nfev : int
        Evaluations of f so far.
    """

    step: int
    x: Tree
    grad: Tree
    lr: float
    nfev: int


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
        Called before each step with a `Descent`: step, x, grad, lr, nfev. Returning True stops;
        the truth of an array must be read by bool() first.
    verbose : bool
        Print each coordinate and its gradient before each step.
    progress : bool
        Show a progress bar (needs tqdm: ``pip install tqdm``).
    check_every : int
        After so many steps, and at both ends, f and x are looked at: is all finite, and is this
        the best point so far? Nothing else is read from the device.

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
        If `lr`, `step_num`, `history` or `check_every` is out of range, or `grad` returns a
        gradient of another structure or shape than `x`.

    Notes
    -----
    The status is judged at the end. *Diverged*: a value is NaN or infinite, or f ended above its
    start. *Converged*: the relative gradient max \|g_i\| max(\|x_i\|, 1) / max(\|f\|, 1) is at most
    eps^(1/3) (Dennis and Schnabel 1983, eq. 7.2.5), and the last step changed x by no more than
    that, relatively. *Hardly moved*: all steps together did. *Step limit*: none of these. The
    gradient is the one of the last step.

    A Dask array is computed at every check; that is the only place where it must be.

    References
    ----------
    A. Cauchy (1847), Méthode générale pour la résolution des systèmes d'équations simultanées,
    C. R. Acad. Sci. Paris 25, 536-538.

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
    """
    lr = positive("lr", lr, " To maximise f, minimise lambda x: -f(x).")
    step_num = whole("step_num", step_num, 0)
    check_every = whole("check_every", check_every, 1)
    history = whole("history", history, 0)
    if not leaves(init_x):
        raise ValueError(f"init_x must hold an array; got {init_x!r}.")

    x = map_leaves(_own_copy, init_x)
    seen = [check(0, x, f(x))]
    rates = map_leaves(lambda p: _rate(lr, p), x)
    gradient_at = slope(f, x, grad if step_num else "numerical")
    step_taken, settled = _over_leaves(_stepped, x), _over_leaves(_settled, x)
    kept: list[Tree] = []
    g: Tree | None = None
    nit, stopped = 0, False
    for step in _counting(step_num, progress):
        if history and step % history == 0:
            kept.append(x)
        g = gradient_at(x)
        if verbose:
            print(f"step {step}: x = {_shown(x)}, gradient = {_shown(g)}")
        if callback is not None:
            answer = callback(Descent(step, x, g, lr, len(seen) + gradient_at.nfev))
            if isinstance(answer, bool | np.bool_) and answer:
                stopped = True
                break
        x = step_taken(x, g, rates)
        nit = step + 1
        if nit % check_every == 0:
            x = settled(x)
            seen.append(check(nit, x, f(x)))
            if not seen[-1].finite:
                break
    if seen[-1].step != nit:
        seen.append(check(nit, x, f(x)))

    end = seen[-1]
    best = min((c for c in seen if c.finite), key=lambda c: c.fun, default=seen[0])
    status, message = judge(seen[0], end, g, lr, stopped=stopped)
    here = end if end.finite else best
    return DescentResult(
        x=here.x,
        history=_stacked(kept, x) if history else None,
        fun=here.fun,
        success=status is Status.CONVERGED,
        status=status,
        message=message,
        gradient=gradient_at.name,
        nit=nit,
        nfev=len(seen) + gradient_at.nfev,
        x_best=best.x,
        fun_best=best.fun,
        checks=tuple((c.step, c.fun) for c in seen),
    )


def _counting(step_num: int, progress: bool) -> Iterable[int]:
    if not progress:
        return range(step_num)
    try:
        from tqdm import trange
    except ImportError as error:
        raise ImportError("progress=True needs tqdm: pip install tqdm.") from error
    bar: Iterable[int] = trange(step_num, unit="step")
    return bar


def _over_leaves(function: Callable[..., Any], like: Tree) -> Callable[..., Any]:
    """Return `function` for trees of the structure of `like`."""
    return partial(map_leaves, function) if is_tree(like) else function


def _own_copy(given: object) -> Array:
    x, xp = floating(given, "init_x")
    known = library(xp)
    return known.copied(known.detached(x))


def _rate(lr: float, x: Array) -> Array:
    """Return `lr` beside `x`: two arrays multiply quicker than an array and a number."""
    return namespace_of(x).asarray(lr, dtype=x.dtype, device=device_of(x))


def _stepped(x: Array, g: Array, rate: Array) -> Array:
    moved = x - rate * g
    return moved if moved.shape else namespace_of(x).asarray(moved)  # NumPy makes it a scalar


def _settled(x: Array) -> Array:
    return library(namespace_of(x)).settled(x)


def _shown(tree: Tree) -> Any:
    return map_leaves(to_numpy, tree)


def _stacked(points: list[Tree], x: Tree) -> Tree:
    """Return `points` as one tree, stacked along a new first axis."""
    if not points:
        return map_leaves(lambda leaf: namespace_of(leaf).stack([leaf])[:0, ...], x)
    return map_leaves(_stacked_leaf, *points)


def _stacked_leaf(*rows: Array) -> Array:
    xp, shape = namespace_of(rows[0]), rows[0].shape
    if not shape:
        return xp.stack(rows)
    return xp.reshape(xp.concat(rows), (len(rows), *shape))  # quicker than stack
