"""The gradient of a function of many variables."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from operator import sub, truediv
from typing import Any

import numpy as np

from gdx.backends import (
    FEW_BYTES,
    Array,
    Library,
    Namespace,
    cast,
    device_of,
    epsilon,
    floating,
    is_array,
    is_real_floating,
    library,
    namespace_of,
)
from gdx.caller import warn
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
    gradient, _ = counted_gradient(f, x, STENCILS[method], None if h is None else positive("h", h))
    return gradient


def counted_gradient(
    f: Function, x: Tree, stencil: Stencil, h: float | None = None
) -> tuple[Tree, int]:
    """Return the gradient at an array or a tree of arrays, and how often `f` was evaluated."""
    if not is_tree(x):
        return _gradient(f, x, stencil, h)
    evaluations = 0
    places = itertools.count()

    def at_leaf(leaf: Array) -> Array:
        nonlocal evaluations
        gradient, count = _gradient(_at_leaf(f, x, next(places)), leaf, stencil, h)
        evaluations += count
        return gradient

    return map_leaves(at_leaf, x), evaluations


def _at_leaf(f: Function, tree: Tree, place: int) -> Function:
    """Return `f` as a function of one leaf of `tree`, the others staying as they are."""
    return lambda leaf: f(with_leaf(tree, place, leaf))


def _gradient(
    f: Function, given: object, stencil: Stencil, h: float | None, coarser_eps: float | None = None
) -> tuple[Array, int]:
    """Return the gradient at one array, and how often `f` was evaluated."""
    x, xp = floating(given, "x")
    if 0 in x.shape:
        return xp.zeros_like(x), 0
    known = library(xp)
    x = known.detached(x)
    eps = coarser_eps or epsilon(xp, x.dtype)

    floats = known.floats(x)
    distances: list[float] | Array
    if floats is not None and floats.nbytes <= FEW_BYTES:
        values, distances = _evaluated_few(f, x, floats, known, stencil, h, eps)
    else:
        places = x if floats is None else floats
        values, distances = _evaluated_many(f, x, places, known, stencil, h, eps)
    if stencil.one_sided:
        values.append(f(x))
    count = len(values)

    if isinstance(distances, list) and _FLOAT64.issuperset(map(type, values)):
        gradient = np.asarray(_quotients_of_floats(values, distances, stencil, h))
    else:
        if h is None and (coarser := _epsilon_of(values[0])) > eps:
            gradient, more = _gradient(f, given, stencil, h, coarser)
            return gradient, count + more
        numbers = gathered(values, x, xp)
        gradient = _quotients(numbers, distances, x, stencil, h, xp)

    if known.on_host(x):
        if h is not None and _has_zero(distances):
            warn(_VANISHED.format(h=h), RuntimeWarning)
        elif values[0] == values[-1] and _all_equal(values):
            count += not stencil.one_sided
            if stencil.one_sided or f(x) == values[0]:
                in_place = known.writable(x) and is_array(given)
                warn(_UNMOVED if in_place else _UNMOVED + _COPIED, RuntimeWarning)
    return gradient if gradient.shape == x.shape else xp.reshape(gradient, x.shape), count


_FLOAT64 = {float, np.float64}


def _evaluated_few(
    f: Function,
    x: Array,
    places: memoryview,
    known: Library,
    stencil: Stencil,
    h: float | None,
    eps: float,
) -> tuple[list[Any], list[float]]:
    """Return f at the points of the stencil, and how far these are apart, of a few float64."""
    pairs = stencil.points_of_each(known.elements(x), h, eps)
    rows = [(a,) for a, _ in pairs] if stencil.one_sided else pairs
    return evaluate_in_place(f, x, places, rows, known), [a - b for a, b in pairs]


def _evaluated_many(
    f: Function,
    x: Array,
    places: Array | memoryview,
    known: Library,
    stencil: Stencil,
    h: float | None,
    eps: float,
) -> tuple[list[Any], Array]:
    """Return f at the points of the stencil, and how far these are apart, of any array."""
    a, b = stencil.points(x, h, eps, namespace_of(x))
    columns = [a] if stencil.one_sided else [a, b]
    if known.writable(x):
        rows = zip(*map(known.elements, columns), strict=True)
        values = evaluate_in_place(f, x, places, rows, known)
    else:
        values = evaluate_in_copies(f, x, columns)
    return values, a - b


def _quotients_of_floats(
    values: list[float], distances: list[float], stencil: Stencil, h: float | None
) -> list[float]:
    if h is not None:
        distances = [stencil.distance(h)] * len(distances)
    if stencil.one_sided:
        differences = map(sub, values, itertools.repeat(values[-1]))
    else:
        differences = map(sub, values[0::2], values[1::2])
    return list(map(truediv, differences, distances))


def _quotients(
    numbers: Array,
    distances: list[float] | Array,
    x: Array,
    stencil: Stencil,
    h: float | None,
    xp: Namespace,
) -> Array:
    difference = numbers[:-1] - numbers[-1] if stencil.one_sided else numbers[0::2] - numbers[1::2]
    if type(difference) is not type(x):
        difference = xp.asarray(difference, dtype=x.dtype, device=device_of(x))
    if difference.shape != x.shape:
        difference = xp.reshape(difference, x.shape)
    if h is not None:
        distances = stencil.distance(h)
    elif isinstance(distances, list):
        distances = np.asarray(distances).reshape(x.shape)
    gradient = difference / distances
    if not is_array(gradient):  # NumPy makes scalars of 0-d arrays
        gradient = xp.asarray(gradient)
    return cast(gradient, x.dtype, xp)


def _has_zero(distances: list[float] | Array) -> bool:
    if isinstance(distances, list):
        return 0.0 in distances
    return bool(namespace_of(distances).any(distances == 0))


def _all_equal(values: list[Any]) -> bool:
    return all(value == values[0] for value in values)


_VANISHED = "h={h} vanished in the rounding of x + h; without h, the step fits each element"
_UNMOVED = (
    "f did not react to x: it has one value at x and at all points beside it. Write f so that it "
    "uses its argument, as lambda W: loss(W) does."
)
_COPIED = (
    " A function that reads the array elsewhere, as lambda W: net.loss(x, t) reads net.W, sees no "
    "step here, because x cannot be stepped in place (it is immutable, read-only, a list or of "
    "integers): write lambda W: net.loss(x, t, {'W': W})."
)


def _epsilon_of(value: object) -> float:
    """Return the epsilon of a value of f; a Python number says nothing of its precision."""
    if isinstance(value, np.floating):
        return epsilon(np, value.dtype)
    if is_array(value):
        xp = namespace_of(value)
        dtype = value.dtype  # type: ignore[attr-defined]
        return epsilon(xp, dtype) if is_real_floating(xp, dtype) else 0.0
    return 0.0
