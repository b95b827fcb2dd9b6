"""The matrix of all second derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from gdx.backends import Array, cast, device_of, floating, is_array, library, namespace_of
from gdx.devices import on_device_of
from gdx.numerical.differences import Differences, Quotients
from gdx.numerical.layout import Bounds, Step, lay_out
from gdx.numerical.locks import exclusively, undisturbed
from gdx.numerical.points import Directions, Points
from gdx.numerical.result import Derivative, answer
from gdx.numerical.settings import Settings, ends_beside, fx_given, length_beside, settings
from gdx.numerical.values import Function
from gdx.trees import Tree, Unraveled, coarsest_epsilon, is_tree, leaves, map_leaves, raveled


@on_device_of(1)
def numerical_hessian(
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
    r"""Hessian of a scalar function by finite differences: by default n² + n + 1 evaluations.

    The second derivative along e_i h_i + e_j h_j holds H_ij twice, beside H_ii and H_jj:

        H_ij ≈ (D(e_i h_i + e_j h_j) - D(e_i h_i) - D(e_j h_j)) / (2 h_i h_j),
        D(d) = f(x + d) - 2 f(x) + f(x - d).

    Parameters
    ----------
    f, x, h, x_scale, bounds, f0, vectorized, max_bytes, workers, return_error, full_output
        As for `numerical_gradient`; `x` is real. The default step is max(1, \|x_i\|), or `x_scale`,
        times eps^(1/(order+2)), of orders above 2 divided by the number of points. Near a bound all
        points lie on one side of x.
    method : {"central", "forward", "backward"}
        Where the points lie.
    order : int, optional
        The error falls like h^order: 2, 4, 6 or 8 for central differences (default 2), 1 to 8 for
        one-sided ones (default 1).

    Returns
    -------
    hessian : array, or dict, list or tuple of such
        Of shape x.shape + x.shape, symmetric to the bit. Where `x` is a tree, a tree of trees:
        ``hessian["W"]["b"]`` has the shape of ``x["W"]`` followed by that of ``x["b"]``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `numerical_gradient`.

    Notes
    -----
    In float64, the default is right to about 1e-8 of the largest element where `f` varies over
    lengths of order one; over a length L below 1, the error grows like L^-2: give ``x_scale=L``.
    For standard errors, the roots of the diagonal of the inverse, give x_scale for each parameter,
    and ``order=4``: the inverse magnifies errors by the condition number, and they are some forty
    times smaller, with 2n² + 2n + 1 evaluations. ``return_error=True`` tells how many digits hold.

    Where the values of `f` are rounded, the steps are wider. Other noise is seen where it is larger
    than the changes of `f` in these steps; ``return_error=True`` sees it always.

    Where `x` is a tree, its arrays are not stepped in place: `f` must use its argument. Another `x`
    whose elements can be assigned is; about other threads meanwhile, see `numerical_gradient`.

    References
    ----------
    B. Fornberg (1988), Generation of finite difference formulas on arbitrarily spaced grids, Math.
    Comp. 51, 699-706: the weights of D for other methods and orders.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> def f(x):
    ...     return x[0] ** 2 * x[1]
    >>> gdx.numerical_hessian(f, np.asarray([1.0, 3.0])).round(4)
    array([[6., 2.],
           [2., 0.]])
    """
    chosen = settings(2, method, order, h, bounds, f0, vectorized, max_bytes, workers, x_scale)
    with chosen.sending(f) as (sent, chosen):
        if is_tree(x):
            arrays = map_leaves(_detached, x)
            result = undisturbed(
                lambda arrays: _of_tree(sent, arrays, chosen, return_error), arrays, in_place=False
            )
        else:
            of = chosen.at_leaves(
                partial(Differences, of=chosen.stencil, evaluation=chosen.evaluation), x
            )
            result = exclusively(of.held, _of_array, sent, of, f0, return_error)
    return answer(result, return_error, full_output)


def _of_tree(f: Function, arrays: Tree, chosen: Settings, return_error: bool) -> Derivative:
    """Return the Hessian at a tree, from that at the vector of all its elements."""
    if not leaves(arrays):
        return Derivative(arrays, arrays if return_error else None, 0, arrays)
    vector, unraveled = raveled(arrays)
    xp = namespace_of(vector)
    steps: list[Array] = []
    units: list[Array] = []
    ends: list[Bounds] = []

    relative = chosen.stencil.relative_step(coarsest_epsilon(arrays))

    def gather(leaf: Array, h: Any, x_scale: Any, bounds: tuple[Any, Any]) -> None:
        flat = xp.reshape(leaf, (-1,))
        scale = length_beside("x_scale", x_scale, leaf)
        step = Step(length_beside("h", h, leaf), relative, scale)
        steps.append(step.beside(flat, xp) + 0 * flat)
        units.append(step.unit(flat, xp) + 0 * flat)
        ends.append(ends_beside(*bounds, leaf))

    chosen.at_leaves(gather, arrays)
    within = (xp.concat([end.lower for end in ends]), xp.concat([end.upper for end in ends]))
    of = Differences(
        vector,
        chosen.stencil,
        None if chosen.h is None else xp.concat(steps),
        (None, None) if chosen.bounds is None else within,
        None if chosen.x_scale is None else xp.concat(units),
        chosen.evaluation,
        of_copy=True,
        eps=coarsest_epsilon(arrays),
    )
    result = _of_array(_OfVector(f, unraveled), of, chosen.f0, return_error)
    return Derivative(
        _blocks(result.value, arrays),
        None if result.error is None else _blocks(result.error, arrays),
        result.nfev,
        unraveled(result.step),
    )


@dataclass(frozen=True, eq=False)
class _OfVector:
    """A function of a tree as one of its vector; a class, since workers pickle it."""

    f: Function
    unraveled: Unraveled

    def __call__(self, vector: Array) -> Any:
        return self.f(self.unraveled(vector))


def _detached(leaf: object) -> Array:
    x, xp = floating(leaf, "x")
    return library(xp).detached(x)


def _blocks(matrix: Array, x: Tree) -> Tree:
    """Return the Hessian of a vector as that of the tree that the vector was made of."""
    sizes = [math.prod(leaf.shape) for leaf in leaves(x)]
    spans = [slice(end - size, end) for end, size in zip(accumulate(sizes), sizes, strict=True)]
    xp, rows = namespace_of(matrix), iter(spans)

    def row_of(leaf: Array) -> Tree:
        row, columns = next(rows), iter(spans)
        return map_leaves(
            lambda other: xp.reshape(matrix[row, next(columns)], (*leaf.shape, *other.shape)), x
        )

    return map_leaves(row_of, x)


def _of_array(f: Function, of: Differences, f0: Any, return_error: bool) -> Derivative:
    x, xp = of.x, of.xp
    if of.empty:
        nothing = _formed(x, xp.zeros_like(x))
        return Derivative(nothing, nothing if return_error else None, 0, xp.zeros_like(x))
    fx = fx_given(f0, x, of.evaluation)
    count = int(fx is None)
    if fx is None:
        fx = of.evaluation.at_x(f, x)
    result = of.derivative(f, partial(_hessian, f, of, fx), partial(_formed, x), return_error)
    return replace(result, nfev=result.nfev + count)


def _formed(x: Array, matrix: Array) -> Array:
    xp = namespace_of(x)
    return xp.reshape(cast(matrix, x.dtype, xp), x.shape + x.shape)


def _hessian(
    f: Function, of: Differences, fx: Array, step: Step | None = None, watched: bool = True
) -> Quotients:
    """Return the Hessian at a vector, as quotients of two dimensions."""
    x, xp = of.x, of.xp
    flat = xp.reshape(x, (-1,))
    n = flat.shape[0]
    layout = lay_out(flat, of.stencil, step or of.step, xp, of.bounds, together=True)
    singles = of.evaluation.at_points(f, Points(x, layout.columns), of.in_place)
    count = n * len(singles)
    if step is None:
        widened, more = of.widened(f, x, singles)
        count += more
        if widened:
            again = _hessian(f, of, fx)
            return again._replace(nfev=count + again.nfev)
    if watched and of.on_host:
        of.check_reaction(f, x, layout, singles, fx)
    second = layout.difference(singles, fx, xp)
    distance = layout.distance + 0 * flat
    of_f = namespace_of(second)  # of the host, where f returns numbers
    i, j = np.triu_indices(n, 1)
    values = singles
    both = second
    if n > 1:
        directions = Directions(np.arange(n), (i, j))
        pairs = of.evaluation.at_points(f, Points(x, layout.columns, directions), of.in_place)
        both = of_f.concat([second, layout.difference(pairs, fx, xp)])
        values = [*singles, *pairs]
        count += len(i) * len(pairs)
    places = np.zeros((n, n), dtype=np.int64)
    places[i, j] = places[j, i] = n + np.arange(len(i))
    places[np.arange(n), np.arange(n)] = np.arange(n)
    index = of_f.asarray(places.reshape(-1), device=device_of(both))
    along = of_f.reshape(of_f.take(both, index, axis=0), (n, n))
    mixed = (along - (_column(second) + _row(second))) / 2
    diagonal = of_f.asarray(np.eye(n, dtype=bool), device=device_of(both))
    divisor = _column(distance) * _row(distance)
    value = of.divided(of_f.where(diagonal, along, mixed), divisor)
    if is_array(layout.gain):  # all elements lie on the same sides
        layout = layout._replace(gain=layout.gain[:1])
    return Quotients(value, count, values, divisor, layout)


def _column(x: Array) -> Array:
    return namespace_of(x).expand_dims(x, axis=1)


def _row(x: Array) -> Array:
    return namespace_of(x).expand_dims(x, axis=0)
