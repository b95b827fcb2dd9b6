"""The gradient of a function of many variables."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from gdx.backends import (
    Array,
    cast,
    device_of,
    epsilon,
    floating,
    is_array,
    is_real_floating,
    library,
    namespace_of,
)
from gdx.numerical.evaluation import (
    Function,
    evaluate_in_copies,
    evaluate_in_place,
    gathered,
)
from gdx.numerical.stencils import STENCILS, Stencil
from gdx.options import positive
from gdx.trees import Tree, is_tree, map_leaves, with_leaf


def numerical_gradient(
    f: Callable[[Tree], Any], x: Tree, *, h: float | None = None, method: str = "central"
) -> Tree:
    r"""Gradient of a scalar function by finite differences, one element at a time.

    For each element i of x, the central difference quotient is

        ∂f/∂x_i ≈ (f(x + h e_i) - f(x - h e_i)) / 2h.

    Parameters
    ----------
    f : callable
        Takes `x` and returns one real number: a Python number or an array of one element.
    x : array_like, or dict, list or tuple of arrays
        Where the gradient is taken; of any shape and real dtype. Numbers and lists of numbers
        become an array of the current backend, integers become the default float.
    h : float, optional
        An absolute step, in the units of `x`. By default each element has a step of its own,
        max(1, \|x_i\|) times eps^(1/3) (eps^(1/2) for one-sided differences), where eps is that of
        the dtype of x or of f(x), whichever is coarser. The quotient divides by the distance of
        the points as they came out of rounding.
    method : {"central", "forward", "backward"}
        Central differences need two evaluations an element and have an error of order h²; the
        one-sided ones need one, and one more for f(x), and have an error of order h.

    Returns
    -------
    gradient : array, or dict, list or tuple of arrays
        Of the structure, shapes, dtypes and devices of `x`.

    Raises
    ------
    TypeError
        If `x` is not real, or `f` returns something that is not a real number.
    ValueError
        If `f` returns more than one number, or `h` or `method` is not one of the above.

    Warns
    -----
    RuntimeWarning
        On the host, where looking is free: if `f` did not react to `x` at all, or if an explicit
        `h` vanished in the rounding of x ± h.

    Notes
    -----
    An `x` whose elements can be assigned is stepped **in place**, and every bit of it is put back,
    also if `f` raises or is interrupted. So a function that ignores its argument and reads the
    very array, as ``lambda W: net.loss(x, t)`` reads ``net.W``, is differentiated too. Read-only
    and immutable arrays (JAX, Dask) are stepped in copies, and `f` must use its argument.

    On a device no value is read back. On a Dask array the gradient stays lazy.

    References
    ----------
    J. Nocedal and S. J. Wright (2006), Numerical Optimization, 2nd ed., §8.1: the steps.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> def f(x):
    ...     return x[0] ** 2 + x[1] ** 2
    >>> gdx.numerical_gradient(f, np.asarray([3.0, 4.0])).round(6)
    array([6., 8.])
    """
    if method not in tuple(STENCILS):
        raise ValueError(f"method must be one of {', '.join(STENCILS)}; got {method!r}.")
    stencil = STENCILS[method]
    if h is not None:
        h = positive("h", h)
    if not is_tree(x):
        return _gradient(f, x, stencil, h)
    places = itertools.count()
    return map_leaves(lambda leaf: _gradient(_at_leaf(f, x, next(places)), leaf, stencil, h), x)


def _at_leaf(f: Function, tree: Tree, place: int) -> Function:
    """Return `f` as a function of one leaf of `tree`, the others staying as they are."""
    return lambda leaf: f(with_leaf(tree, place, leaf))


def _gradient(
    f: Function, given: object, stencil: Stencil, h: float | None, coarser_eps: float = 0.0
) -> Array:
    x, xp = floating(given, "x")
    if 0 in x.shape:
        return xp.zeros_like(x)
    known = library(xp)
    x = known.detached(x)
    in_place = known.writable(x)
    evaluate = evaluate_in_place if in_place else evaluate_in_copies
    eps = max(epsilon(xp, x.dtype), coarser_eps)

    a, b = stencil.points(x, h, eps, xp)
    shared = b is x  # one-sided: all elements are compared with f(x)
    values = evaluate(f, x, [a] if shared else [a, b], known)
    if shared:
        values.append(f(x))
    if h is None and _epsilon_of(values[0]) > eps:
        return _gradient(f, given, stencil, h, _epsilon_of(values[0]))
    numbers = gathered(values, x, xp)
    if known.on_host(x):
        if h is not None and xp.any(a == b):
            _warn(f"h={h} vanished in the rounding of x + h; without h, the step fits each element")
        elif values[0] == values[-1] and _all_equal(values) and (shared or f(x) == values[0]):
            _warn(_UNMOVED if in_place and is_array(given) else _UNMOVED + _COPIED)

    difference = numbers[:-1] - numbers[-1] if shared else numbers[0::2] - numbers[1::2]
    if type(difference) is not type(x):
        difference = xp.asarray(difference, dtype=x.dtype, device=device_of(x))
    if difference.shape != x.shape:
        difference = xp.reshape(difference, x.shape)
    gradient = difference / (a - b if h is None else (stencil.a - stencil.b) * h)
    if not is_array(gradient):  # NumPy makes scalars of 0-d arrays
        gradient = xp.asarray(gradient)
    return cast(gradient, x.dtype, xp)


def _all_equal(values: list[Any]) -> bool:
    return all(value == values[0] for value in values)


_UNMOVED = (
    "f did not react to x: it has one value at x and at all points beside it. Write f so that it "
    "uses its argument, as lambda W: loss(W) does."
)
_COPIED = (
    " A function that reads the array elsewhere, as lambda W: net.loss(x, t) reads net.W, sees no "
    "step here, because x cannot be stepped in place (it is immutable, read-only, a list or of "
    "integers): write lambda W: net.loss(x, t, {'W': W})."
)


def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=4)


def _epsilon_of(value: object) -> float:
    """Return the epsilon of a value of f; a Python number says nothing of its precision."""
    if isinstance(value, np.floating):
        return epsilon(np, value.dtype)
    if is_array(value):
        xp = namespace_of(value)
        dtype = value.dtype  # type: ignore[attr-defined]
        return epsilon(xp, dtype) if is_real_floating(xp, dtype) else 0.0
    return 0.0
