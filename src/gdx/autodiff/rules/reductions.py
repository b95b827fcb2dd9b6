"""Derivatives of sums, products, extrema, statistics and sorting."""

from __future__ import annotations

import math
from typing import Any

from gdx.backends import is_complex

Array = Any
Axis = int | tuple[int, ...] | None


def kept_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """Return a shape in which the reduced axes have the length 1."""
    if axis is None or not shape:  # NumPy lets a number be reduced along the axis 0
        return (1,) * len(shape)
    axes = {i % len(shape) for i in (axis if isinstance(axis, tuple) else (axis,))}
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def _reduced(shape: tuple[int, ...], axis: Axis) -> int:
    """Return how many elements become one."""
    kept = kept_shape(shape, axis)
    return math.prod(n for n, left in zip(shape, kept, strict=True) if left != n)


def _sum(
    xp: Any, y: Array, x: Array, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False
) -> Any:
    shape = x.shape
    if axis is None or keepdims:
        return lambda g: xp.broadcast_to(g, shape)
    kept = kept_shape(shape, axis)
    return lambda g: xp.broadcast_to(xp.reshape(g, kept), shape)


def _mean(xp: Any, y: Array, x: Array, *, axis: Axis = None, keepdims: bool = False) -> Any:
    spread = _sum(xp, y, x, axis=axis, keepdims=keepdims)
    count = _reduced(x.shape, axis)
    return lambda g: spread(g / count)


def _var(
    xp: Any, x: Array, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False
) -> Array:
    away = x - xp.mean(x, axis=axis, keepdims=True)
    squares = xp.real(away * xp.conj(away)) if is_complex(xp, x.dtype) else away * away
    total = xp.sum(squares, axis=axis, keepdims=keepdims)
    return total / (_reduced(x.shape, axis) - correction)


def _std(
    xp: Any,
    y: Array,
    x: Array,
    *,
    axis: Axis = None,
    correction: float = 0.0,
    keepdims: bool = False,
) -> Any:
    """Return the pull of the standard deviation: zero where all elements are equal."""
    kept = kept_shape(x.shape, axis)
    count = _reduced(x.shape, axis) - correction
    size = xp.reshape(xp.where(y == 0, xp.ones_like(y), y), kept)
    away = x - xp.mean(x, axis=axis, keepdims=True)
    away = xp.conj(away) if is_complex(xp, x.dtype) else away
    return lambda g: xp.reshape(g, kept) * (away / (size * count))


def _extremum(xp: Any, y: Array, x: Array, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the pull of max or min; elements that are equal share evenly."""
    kept = kept_shape(x.shape, axis)
    reached = xp.astype(x == xp.reshape(y, kept), x.dtype)
    share = reached / xp.sum(reached, axis=axis, keepdims=True)
    return lambda g: xp.reshape(g, kept) * share


def _prod(
    xp: Any, y: Array, x: Array, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False
) -> Any:
    """Return the pull of a product: of each element, the product of all others."""
    kept = kept_shape(x.shape, axis)
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    reduced = [i % x.ndim for i in axes] if x.ndim else []
    order = [i for i in range(x.ndim) if i not in reduced] + reduced
    back = tuple(order.index(i) for i in range(x.ndim))
    moved = xp.permute_dims(x, tuple(order))
    rows = xp.reshape(moved, (*moved.shape[: x.ndim - len(reduced)], _reduced(x.shape, axis)))
    others = _before(xp, rows) * xp.flip(_before(xp, xp.flip(rows, axis=-1)), axis=-1)
    others = xp.permute_dims(xp.reshape(others, moved.shape), back)
    return lambda g: xp.reshape(g, kept) * others


def _before(xp: Any, x: Array) -> Array:
    """Return the products of all elements before each one, along the last axis."""
    if x.shape[-1] == 0:
        return x
    products = xp.cumulative_prod(x, axis=-1)
    return xp.concat([xp.ones_like(x[..., :1]), products[..., :-1]], axis=-1)


def _cumulative_sum(
    xp: Any,
    y: Array,
    x: Array,
    *,
    axis: int | None = None,
    dtype: Any = None,
    include_initial: bool = False,
) -> Any:
    along = 0 if axis is None else axis

    def pull(g: Array) -> Array:
        g = _without_initial(xp, g, along) if include_initial else g
        return xp.flip(xp.cumulative_sum(xp.flip(g, axis=along), axis=along), axis=along)

    return pull


def _cumulative_prod(
    xp: Any,
    y: Array,
    x: Array,
    *,
    axis: int | None = None,
    dtype: Any = None,
    include_initial: bool = False,
) -> Any:
    """Return the pull of running products, without a division.

    With s_k = g_k + x_{k+1} s_{k+1}, the cotangent of x_k is s_k times the product before it.
    """
    along = 0 if axis is None else axis
    rows = xp.moveaxis(x, along, -1)
    before = _before(xp, rows)
    following = _later(xp, rows, 1)

    def pull(g: Array) -> Array:
        g = _without_initial(xp, g, along) if include_initial else g
        s, factor, distance = xp.moveaxis(g, along, -1), following, 1
        while distance < rows.shape[-1]:  # a recurrence in log n steps (Hillis and Steele 1986)
            s = s + _later(xp, s, distance) * factor
            factor = factor * _later(xp, factor, distance)
            distance *= 2
        return xp.moveaxis(s * before, -1, along)

    return pull


def _later(xp: Any, x: Array, distance: int) -> Array:
    """Return what comes so much later along the last axis, zero beyond its end."""
    return xp.concat([x[..., distance:], xp.zeros_like(x[..., :distance])], axis=-1)


def _without_initial(xp: Any, g: Array, axis: int) -> Array:
    return xp.moveaxis(xp.moveaxis(g, axis, 0)[1:, ...], 0, axis)


def _sort(
    xp: Any, x: Array, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> Array:
    order = xp.argsort(x, axis=axis, descending=descending, stable=stable)
    return xp.take_along_axis(x, order, axis=axis)


def _diff(
    xp: Any,
    x: Array,
    *,
    axis: int = -1,
    n: int = 1,
    prepend: Array | None = None,
    append: Array | None = None,
) -> Array:
    parts = [part for part in (prepend, x, append) if part is not None]
    moved = xp.moveaxis(xp.concat(parts, axis=axis) if len(parts) > 1 else x, axis, 0)
    for _ in range(n):
        moved = moved[1:, ...] - moved[:-1, ...]
    return xp.moveaxis(moved, 0, axis)


LINEAR = {"sum": _sum, "mean": _mean, "cumulative_sum": _cumulative_sum}

VJPS = {
    "prod": (_prod,),
    "cumulative_prod": (_cumulative_prod,),
    "max": (_extremum,),
    "min": (_extremum,),
    "std": (_std,),
}

COMPOSITE = {"var": _var, "sort": _sort, "diff": _diff}
