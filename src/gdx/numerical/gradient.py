"""The gradient of a function of many variables."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from gdx.backends import Array
from gdx.numerical.differences import Differences
from gdx.numerical.evaluation import Function
from gdx.numerical.stencils import STENCILS
from gdx.options import positive
from gdx.trees import Tree, map_leaves, with_leaf


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
    stencil, h = STENCILS[method], None if h is None else positive("h", h)
    differences = map_leaves(lambda leaf: Differences(leaf, stencil, h), x)
    gradient, _ = gradient_at(f, map_leaves(lambda _, of: of.x, x, differences), differences)
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
        gradient, count = of_leaf.gradient(_at_leaf(f, x, next(places)), leaf)
        evaluations += count
        return gradient

    return map_leaves(at_leaf, x, differences), evaluations


def _at_leaf(f: Function, tree: Tree, place: int) -> Function:
    """Return `f` as a function of one leaf of `tree`, the others staying as they are."""
    return lambda leaf: f(with_leaf(tree, place, leaf))
