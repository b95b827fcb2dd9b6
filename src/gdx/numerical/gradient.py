"""The gradient of a function of many variables, and the diagonal of its Hessian."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

from gdx.backends import Array, ComplexError
from gdx.devices import on_device_of
from gdx.numerical.complex_parts import of_parts
from gdx.numerical.differences import Differences, at_small
from gdx.numerical.evaluation import ONE_AT_A_TIME, Evaluation
from gdx.numerical.leafwise import AtOneLeaf, leafwise, shape_of_x, starts
from gdx.numerical.locks import exclusively
from gdx.numerical.result import answer, warn_where_not_finite
from gdx.numerical.settings import settings
from gdx.numerical.stencils import stencil
from gdx.numerical.values import Function
from gdx.trees import Tree, map_leaves


@on_device_of(1)
def numerical_gradient(
    f: Callable[[Tree], Any],
    x: Tree,
    *,
    h: Any = None,
    x_scale: Any = None,
    method: str = "central",
    order: int | None = None,
    bounds: Any = None,
    f0: Any = None,
    vectorized: bool = False,
    max_bytes: int | None = None,
    workers: Any = None,
    return_error: bool = False,
    full_output: bool = False,
) -> Any:
    r"""Gradient of a scalar function by finite differences, one element at a time.

    For each element i of x, the central difference quotient is

        ∂f/∂x_i ≈ (f(x + h e_i) - f(x - h e_i)) / 2h.

    Parameters
    ----------
    f : callable
        Takes `x` and returns one real number: a Python number or an array of one element.
    x : array_like, or dict, list or tuple of arrays
        Where the gradient is taken; of any shape and real or complex dtype. Numbers and lists of
        numbers become an array of the current backend, integers become the default float.
    h : float or array, optional
        An absolute step, in the units of `x`, one for all elements or one for each. By default each
        element has a step of its own, max(1, \|x_i\|) times eps^(1/(order+1)), where eps is that of
        the dtype of x or of f(x), whichever is coarser (of orders above 2, divided by the number of
        points; of the complex step, eps²). The quotient divides by the distance of the points as
        they came out of rounding.
    x_scale : float or array, optional
        The unit of the default step in place of max(1, \|x_i\|): the length over which `f` varies,
        one for all elements or one for each. Give it where that is far below 1: at x = 1e-4, the
        default step, 6e-6, is too wide for log(x_i); ``x_scale=1e-4`` makes it 6e-10.
    method : {"central", "forward", "backward", "complex"}
        Central differences need `order` evaluations an element; the one-sided ones need as many,
        and one more for f(x). The complex step, Im f(x + ih e_i) / h, needs one, and is exact to
        rounding for an `f` that is analytic and takes complex arrays: without abs, comparisons of
        complex numbers, real parts and conjugation (``numpy.vdot``, ``x.conj()``). On the host, one
        more evaluation tells whether it is, unless `h` is above sqrt(eps).
    order : int, optional
        The error falls like h^order: 2, 4, 6 or 8 for central differences (default 2), 1 to 8 for
        one-sided ones (default 1). Wide stencils need an f that is smooth over 0.1 max(1, \|x_i\|).
    bounds : (lower, upper) or object with lb and ub, optional
        Numbers or arrays of the shape of x, beyond which `f` is not evaluated: near them the points
        lie on the side with more room, and the step is cut to it. None is no bound. f(x) is
        evaluated, too.
    f0 : number, optional
        f(x), where it is known; it saves the one evaluation there.
    vectorized : bool
        `f` maps a stack of k points, of shape (k, \*x.shape), to an array of k numbers, each point
        by itself: ``x[..., 0]`` and ``sum(x, axis=-1)``, not ``x[0]`` and ``sum(x)``. It is called
        on stacks that fit the cache of a CPU or the free memory of a GPU. Where memory runs out,
        they are halved.
    max_bytes : int, optional
        The largest stack, in bytes.
    workers : int, map-like callable, executor or dask.distributed.Client, optional
        Who evaluates `f`: so many processes (-1: one for each core), or what is given. `f` must
        then use its argument.
    return_error : bool
        Return (gradient, error), where `gradient` is extrapolated from up to 17 steps, each half as
        wide as the one before, and `error` estimates its absolute error in each element. The widest
        step is `h`, by default max(1, \|x_i\|) / 4, and four times that where `f` is noisy: where
        `f` must not be evaluated so far away, give bounds. Ten evaluations more tell its noise.
    full_output : bool
        Return a `Derivative`: value, error, step, nfev, not_finite.

    Returns
    -------
    gradient : array, or dict, list or tuple of arrays
        Of the structure, shapes, dtypes and devices of `x`. Of a complex `x` = a + ib it is
        ∂f/∂a - i ∂f/∂b, as JAX has it; PyTorch has the conjugate of it.

    Raises
    ------
    TypeError
        If `x` does not hold numbers, or `f` returns something that is not one real number, or is
        not analytic where a complex step is taken.
    ValueError
        If `f` changes its argument, or an option is not one of the above, or `x` lies outside its
        bounds.
    MemoryError
        If memory runs out at one point.
    RuntimeError
        If this thread and another one wait for each other, see Notes.

    Warns
    -----
    RuntimeWarning
        On the host, where looking is free: if `f` did not react to `x` at all, if an explicit
        `h` vanished in the rounding of x ± h, or if elements of the gradient are not finite. Also
        if this thread has waited a minute for another one that steps `x` in place.

    Notes
    -----
    An `x` whose elements can be assigned is stepped **in place**, and every bit of it is put back,
    also if `f` raises or is interrupted. So a function that ignores its argument and reads the
    very array, as ``lambda W: net.loss(x, t)`` reads ``net.W``, is differentiated too. Stacks,
    workers, complex numbers, and read-only and immutable arrays (JAX, Dask) work on copies, and
    `f` must use its argument.

    Threads that step the same array in place, or views of it, take turns; copies are made while no
    thread does. A thread that reads the array in any other way meanwhile sees stepped elements.
    Hand each thread a copy, ``x.copy()``, or a read-only view (gdx steps a copy of it): then no
    thread waits, and none sees the steps of another. An `f` that starts a thread and waits for it
    must hand it a copy, too. A thread that needs the array itself raises RuntimeError where `f`
    waits by ``Thread.join`` or ``Future.result``, and warns after a minute where it waits
    otherwise.

    The error is estimated by the table of Richardson and by the noise of f; where f is smooth but
    for its noise, 95 of 100 errors are below 10 times the estimate, unless f varies over less than
    1e-4 max(1, \|x_i\|), which no step sees: then give `x_scale`.

    An f may be coarser than float64: its values rounded, read from the text that a simulation
    prints, computed in float32, or noisy. On the host, the default steps follow it, with the
    eps of its noise in place of that of its dtype: where the values beside the first and the last
    element of x have few digits, or change unevenly, the noise is estimated, by 10 to 58
    evaluations more, once in a descent. Noise that central differences do not show, since it is
    below a thousandth of their changes, and any that one-sided ones do not, is left to
    ``return_error=True``.

    On a device no value is read back. On a Dask array the gradient stays lazy.

    References
    ----------
    B. Fornberg (1988), Generation of finite difference formulas on arbitrarily spaced grids, Math.
    Comp. 51, 699-706: the weights.
    J. Nocedal and S. J. Wright (2006), Numerical Optimization, 2nd ed., §8.1: the steps.
    W. Squire and G. Trapp (1998), Using complex variables to estimate derivatives of real
    functions, SIAM Review 40, 110-112.
    C. J. F. Ridders (1982), Accurate computation of F'(x) and F'(x)F''(x), Advances in Engineering
    Software 4, 75-76: the error.
    J. J. Moré and S. M. Wild (2011), Estimating computational noise, SIAM Journal on Scientific
    Computing 33, 1292-1314: the noise of f.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> def f(x):
    ...     return x[0] ** 2 + x[1] ** 2
    >>> gdx.numerical_gradient(f, np.asarray([3.0, 4.0])).round(6)
    array([6., 8.])
    >>> gradient, error = gdx.numerical_gradient(f, [3.0, 4.0], return_error=True)
    >>> bool((abs(gradient - [6, 8]) <= 10 * error).all())
    True
    """
    plain = not (return_error or full_output) and isinstance(vectorized, bool)
    if plain and x_scale is bounds is f0 is workers is max_bytes is None:
        try:
            return _plain_gradient(f, x, h, method, order, _PLAIN[vectorized])
        except ComplexError:
            pass
    chosen = settings(1, method, order, h, bounds, f0, vectorized, max_bytes, workers, x_scale)
    with chosen.sending(f) as (sent, chosen):
        result = of_parts(leafwise, sent, x, chosen, shape_of_x, return_error)
    return answer(result, return_error, full_output)


_PLAIN = {False: ONE_AT_A_TIME, True: Evaluation(vectorized=True)}


def _plain_gradient(
    f: Callable[[Tree], Any],
    x: Tree,
    h: Any,
    method: str,
    order: int | None,
    evaluation: Evaluation,
) -> Tree:
    """Return the gradient with the options that cost nothing to look at."""
    of = stencil(method, order)
    differences = at_small(x, of, h, evaluation)
    if differences is None and isinstance(x, dict | list | tuple):
        chosen = settings(1, method, order, h)
        differences = chosen.at_leaves(partial(Differences, of=of, evaluation=evaluation), x)
        start, held = starts(x, differences)
        gradient, _ = exclusively(held, gradient_at, f, start, differences)
        map_leaves(warn_where_not_finite, gradient)
        return gradient
    if differences is None:
        differences = Differences(x, of, h, evaluation=evaluation)
    gradient, _ = exclusively(differences.held, differences.gradient, f, differences.x)
    if not differences.finite:
        warn_where_not_finite(gradient)
    return gradient


def gradient_at(f: Function, x: Tree, differences: Tree) -> tuple[Tree, int]:
    """Return the gradient at an array or a tree of arrays, and how often `f` was evaluated.

    `differences` has the structure of `x`.
    """
    if isinstance(differences, Differences):
        return differences.gradient(f, x)
    evaluations = 0
    places = itertools.count()

    def at_leaf(leaf: Array, of_leaf: Differences) -> Array:
        nonlocal evaluations
        function = AtOneLeaf(f, x, next(places), of_leaf.evaluation.vectorized)
        gradient, count = of_leaf.gradient(function, leaf)
        evaluations += count
        return gradient

    return map_leaves(at_leaf, x, differences), evaluations


@on_device_of(1)
def numerical_hessian_diagonal(
    f: Callable[[Tree], Any],
    x: Tree,
    *,
    h: Any = None,
    x_scale: Any = None,
    method: str = "central",
    order: int | None = None,
    bounds: Any = None,
    f0: Any = None,
    vectorized: bool = False,
    max_bytes: int | None = None,
    workers: Any = None,
    return_error: bool = False,
    full_output: bool = False,
) -> Any:
    r"""Second derivatives of a scalar function in each element, by finite differences.

        ∂²f/∂x_i² ≈ (f(x + h e_i) - 2 f(x) + f(x - h e_i)) / h²

    Parameters
    ----------
    f, x, h, x_scale, bounds, f0, vectorized, max_bytes, workers, return_error, full_output
        As for `numerical_gradient`; `x` is real. The default step is max(1, \|x_i\|), or `x_scale`,
        times eps^(1/(order+2)), of orders above 2 divided by the number of points.
    method : {"central", "forward", "backward"}
        Where the points lie.
    order : int, optional
        The error falls like h^order: 2, 4, 6 or 8 for central differences (default 2), 1 to 8 for
        one-sided ones (default 1).

    Returns
    -------
    diagonal : array, or dict, list or tuple of arrays
        Of the structure, shapes, dtypes and devices of `x`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `numerical_gradient`.

    Notes
    -----
    An `x` whose elements can be assigned is stepped in place; about other threads meanwhile, see
    `numerical_gradient`.

    References
    ----------
    B. Fornberg (1988), Generation of finite difference formulas on arbitrarily spaced grids, Math.
    Comp. 51, 699-706: the weights.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> gdx.numerical_hessian_diagonal(lambda x: np.sum(x**3), np.asarray([1.0, 2.0])).round(4)
    array([ 6., 12.])
    """
    chosen = settings(2, method, order, h, bounds, f0, vectorized, max_bytes, workers, x_scale)
    with chosen.sending(f) as (sent, chosen):
        result = leafwise(sent, x, chosen, shape_of_x, return_error)
    return answer(result, return_error, full_output)
