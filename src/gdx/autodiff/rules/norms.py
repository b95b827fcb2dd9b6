"""Derivatives of norms of vectors and matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gdx.autodiff.core import Maker, Pull
from gdx.autodiff.rules.matrices import conjugate, nonzero, on_matrices
from gdx.backends import Array, cast


def _vector_norm(
    xp: Any,
    y: Array,
    x: Array,
    axis: int | tuple[int, ...] | None = None,
    keepdims: bool = False,
    ord: float = 2,
) -> Pull:
    if axis is None:
        axes = tuple(range(x.ndim))
    else:
        axes = tuple(i % x.ndim for i in (axis if isinstance(axis, tuple) else (axis,)))
    shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape))

    def pull(g: Array) -> Array:
        norm, g = xp.reshape(y, shape), xp.reshape(g, shape)
        if ord == 2:
            return g * (conjugate(xp, x) / nonzero(xp, norm))
        if ord == 0:
            return xp.zeros_like(x)
        size = xp.abs(x)
        phase = conjugate(xp, x) / nonzero(xp, size)
        if ord == 1:
            return g * phase
        if math.isinf(ord):
            taken = cast(size == norm, norm.dtype, xp)
            return (g / nonzero(xp, xp.sum(taken, axis=axes, keepdims=True))) * (taken * phase)
        # Of negative powers, the norm is zero if one element is, and does not depend on others.
        still = (size == 0) | (norm == 0)
        ratio = xp.where(still, xp.ones_like(size), size / nonzero(xp, norm))
        return xp.where(still, xp.zeros_like(x), g * (phase * ratio ** (ord - 1)))

    return pull


# Of each matrix norm, the order of the vector norm of its columns, rows or singular values,
# and that of the vector norm of these norms.
_OF_VECTORS: dict[float | str, tuple[float, int, float]] = {
    1: (1, -2, math.inf),
    -1: (1, -2, -math.inf),
    math.inf: (1, -1, math.inf),
    -math.inf: (1, -1, -math.inf),
}
_OF_SINGULAR_VALUES: dict[float | str, float] = {2: math.inf, -2: -math.inf, "nuc": 1}


def _matrix_norm(
    xp: Any,
    x: Array,
    *,
    keepdims: bool = False,
    ord: float | str | None = "fro",
) -> Array:
    norm = xp.linalg.vector_norm
    if ord is None or ord == "fro":
        return norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in _OF_VECTORS:
        inner, axis, outer = _OF_VECTORS[ord]
        y = norm(norm(x, axis=axis, ord=inner), axis=-1, ord=outer)
    elif ord in _OF_SINGULAR_VALUES:
        y = norm(xp.linalg.svdvals(x), axis=-1, ord=_OF_SINGULAR_VALUES[ord])
    else:
        raise ValueError(
            f"linalg.matrix_norm has no ord={ord!r}; one of 'fro', 'nuc', ±1, ±2, ±inf."
        )
    return on_matrices(xp, y) if keepdims else y


VJPS: dict[str, tuple[Maker | None, ...]] = {"linalg.vector_norm": (_vector_norm,)}

COMPOSITE: dict[str, Callable[..., Array]] = {"linalg.matrix_norm": _matrix_norm}
