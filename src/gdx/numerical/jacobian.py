"""First derivatives of functions that return arrays: all of them, or along one direction."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gdx.backends import Array, as_like, floating, namespace_of
from gdx.devices import on_device_of
from gdx.numerical.complex_parts import of_parts
from gdx.numerical.leafwise import derivative_of_leaf, leafwise, shape_of_f_and_x
from gdx.numerical.line import Line
from gdx.numerical.locks import undisturbed
from gdx.numerical.reactions import warn_vanished
from gdx.numerical.result import Derivative, answer
from gdx.numerical.settings import Settings, fx_given, settings
from gdx.numerical.sparsity import Pattern
from gdx.numerical.values import Function
from gdx.trees import StructureError, Tree, leaves, map_leaves


@on_device_of(1)
def numerical_jacobian(
    f: Callable[[Tree], Any],
    x: Tree,
    *,
    h: Any = None,
    x_scale: Any = None,
    method: str = "central",
    order: int | None = None,
    bounds: Any = None,
    sparsity: Any = None,
    f0: Any = None,
    vectorized: bool = False,
    max_bytes: int | None = None,
    workers: Any = None,
    return_error: bool = False,
    full_output: bool = False,
) -> Any:
    r"""Jacobian of a function that returns an array, by finite differences.

        J[i, j] = ∂f_i/∂x_j ≈ (f_i(x + h e_j) - f_i(x - h e_j)) / 2h

    Parameters
    ----------
    f : callable
        Takes `x` and returns an array of any shape, or a number; its values may be complex. With
        ``vectorized=True`` it maps (k, \*x.shape) to (k, \*f(x).shape); on the host, three more
        evaluations tell whether it mixes the points.
    x, h, x_scale, method, order, bounds, f0, vectorized, max_bytes, workers, return_error, \
    full_output
        As for `numerical_gradient`.
    sparsity : array of truth values, or (array, groups), optional
        Where the Jacobian may differ from zero: of its shape, or of the shape (f(x).size, x.size);
        a matrix of scipy.sparse will do. Columns that have no row in common are moved together, so
        a banded Jacobian needs as many evaluations as it has bands, however large it is. `groups`
        gives the number of the group of each column, where the caller has found better ones. It is
        believed: where a Jacobian has more elements than it says, those and others are wrong.

    Returns
    -------
    jacobian : array, or dict, list or tuple of arrays
        Of shape f(x).shape + x.shape, never squeezed. Where `x` is a tree, a tree of its structure.
        For a complex `x` = a + ib it is ∂f/∂a - i ∂f/∂b if `f` is real, as JAX has it, and
        (∂f/∂a - i ∂f/∂b) / 2 if `f` is complex, which is f'(x) for an analytic one.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `numerical_gradient`; also if `f` returns arrays of different shapes, or `sparsity` does
        not fit.

    Notes
    -----
    An `x` whose elements can be assigned is stepped in place; about other threads meanwhile, see
    `numerical_gradient`. With `sparsity` and `bounds` both, a complex step does not tell whether
    `f` is analytic.

    References
    ----------
    A. R. Curtis, M. J. D. Powell and J. K. Reid (1974), On the estimation of sparse Jacobian
    matrices, IMA Journal of Applied Mathematics 13, 117-119: the groups.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> def f(x):
    ...     return np.stack([x[0] * x[1], x[0] ** 2, 3 * x[1]])
    >>> gdx.numerical_jacobian(f, np.asarray([1.0, 2.0])).round(6)
    array([[2., 1.],
           [2., 0.],
           [0., 3.]])
    """
    chosen = settings(
        1, method, order, h, bounds, f0, vectorized, max_bytes, workers, x_scale, of_numbers=False
    )
    with chosen.sending(f) as (sent, chosen):
        if sparsity is None:
            result = of_parts(leafwise, sent, x, chosen, shape_of_f_and_x, return_error)
        else:
            pattern = Pattern.of(sparsity, x)
            result = leafwise(sent, x, chosen, pattern.form, return_error, [pattern.directions])
    return answer(result, return_error, full_output)


@on_device_of(1)
def numerical_jvp(
    f: Callable[[Tree], Any],
    x: Tree,
    v: Tree,
    *,
    h: float | None = None,
    x_scale: Any = None,
    method: str = "central",
    order: int | None = None,
    bounds: Any = None,
    f0: Any = None,
    vectorized: bool = False,
    workers: Any = None,
    return_error: bool = False,
    full_output: bool = False,
) -> Any:
    r"""Directional derivative by finite differences, J(x) v: two evaluations.

        ∂f/∂v = J(x) v ≈ (f(x + h v) - f(x - h v)) / 2h

    Parameters
    ----------
    f : callable
        Takes `x` and returns an array of any shape, or a number.
    x : array_like, or dict, list or tuple of arrays
        Where the derivative is taken; real.
    v : array_like, or dict, list or tuple of arrays
        The direction, of the structure and shapes of `x`; its length counts.
    h : float, optional
        The step, in units of `v`. By default, no element moves further than its own step in
        `numerical_gradient` would be, unless one that is much larger would move by less than its
        rounding, which counts: the quotient divides by 2h, not by what rounding makes of it in
        each element.
    x_scale, method, order, bounds, f0, vectorized, workers, return_error, full_output
        As for `numerical_gradient`.

    Returns
    -------
    derivative : array
        Of the shape of f(x).

    Raises
    ------
    TypeError, ValueError
        As `numerical_gradient`; also if `v` has not the structure and shapes of `x`.

    Notes
    -----
    An `x` whose elements can be assigned is stepped in place; about other threads meanwhile, see
    `numerical_gradient`.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> x, v = np.asarray([1.0, 2.0]), np.asarray([1.0, -1.0])
    >>> gdx.numerical_jvp(lambda x: x**2, x, v).round(6)
    array([ 2., -4.])
    """
    chosen = settings(
        1, method, order, h, bounds, f0, vectorized, None, workers, x_scale, of_numbers=False
    )
    if not leaves(x):
        raise ValueError(f"x must hold an array; got {x!r}.")
    x = map_leaves(lambda leaf: floating(leaf, "x")[0], x)
    v = _direction(v, x)
    with chosen.sending(f) as (sent, chosen):
        result = undisturbed(
            lambda x: directional(sent, x, v, chosen, return_error), x, chosen.in_place
        )
    return answer(result, return_error, full_output)


def directional(
    f: Function, x: Tree, v: Tree, chosen: Settings, return_error: bool = False
) -> Derivative:
    """Return the derivative of `f` at the arrays `x` along `v`."""
    line = Line(f, x, v, chosen)
    fx = fx_given(chosen.f0, line.differences.x, chosen.evaluation)
    with line.function() as moved:
        result = derivative_of_leaf(moved, line.differences, fx, _only, return_error)
    result = line.unscaled(result)
    some, every = line.vanishes()
    if every or (some and chosen.h is not None):
        warn_vanished(h=chosen.h, x_scale=chosen.x_scale)
    if every:
        xp = namespace_of(result.value)
        return replace(result, value=xp.full_like(result.value, math.nan))
    return result


def _only(quotients: Array, s: Array) -> Array:
    return quotients[0, ...]


def _direction(v: Tree, x: Tree) -> Tree:
    def beside(leaf: Array, own: object) -> Array:
        xp = namespace_of(leaf)
        array = as_like(own, leaf, xp, "v", dtype=leaf.dtype)
        if array.shape != leaf.shape:
            raise ValueError(
                f"v must have the shape of x, {tuple(leaf.shape)}; got {tuple(array.shape)}."
            )
        return array

    try:
        return map_leaves(beside, x, v)
    except StructureError as error:
        raise ValueError(f"v must have the structure of x: {error}.") from None
