"""Means, variances and correlations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gdx.autodiff.numpy_names import given
from gdx.autodiff.numpy_names.shapes import atleast, expand_dims, squeeze
from gdx.autodiff.numpy_names.table import FUNCTIONS, Row, translate, translates
from gdx.backends import Array, Namespace


@translates("mean")
def mean(
    xp: Namespace, a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, *,
    where: Any = True,
) -> Array:  # fmt: skip
    """Return the mean of those elements for which `where` is true."""
    a = given.cast(xp, given.floating(xp, a), dtype)
    if not given.leaves_out(where) and not given.has_imaginary(xp, a):
        return xp.mean(a, axis=axis, keepdims=keepdims)
    total = xp.sum(_chosen(xp, a, where), axis=axis, keepdims=keepdims)
    return total / _count(xp, a, axis, keepdims, where)


def _chosen(xp: Namespace, a: Array, where: Any) -> Array:
    """Return `a` with zeros where `where` is false."""
    return (
        xp.where(given.truths(xp, where, a), a, xp.zeros_like(a)) if given.leaves_out(where) else a
    )


def _count(xp: Namespace, a: Array, axis: Any, keepdims: bool, where: Any) -> Any:
    """Return how many elements a reduction meets."""
    if not given.leaves_out(where):
        return math.prod(a.shape[k] for k in given.known_axes(axis, a.ndim))
    dtype = given.real(xp, xp.zeros_like(a)).dtype
    counted = xp.broadcast_to(xp.astype(given.truths(xp, where, a), dtype), tuple(a.shape))
    return xp.sum(counted, axis=axis, keepdims=keepdims)


def _spread(name: str) -> Row:
    """Return the row of the variance, or of its root."""

    def row(
        xp: Namespace, a: Any, axis: Any = None, dtype: Any = None, ddof: float = 0,
        keepdims: bool = False, *, where: Any = True, correction: Any = None,
    ) -> Array:  # fmt: skip
        a = given.cast(xp, given.floating(xp, a), dtype)
        ddof = ddof if correction is None else correction
        if not given.leaves_out(where) and not given.has_imaginary(xp, a):
            return getattr(xp, name)(a, axis=axis, correction=ddof, keepdims=keepdims)
        off = _chosen(xp, a - mean(xp, a, axis=axis, keepdims=True, where=where), where)
        total = xp.sum(given.real(xp, off * given.conj(xp, off)), axis=axis, keepdims=keepdims)
        variance = total / (_count(xp, a, axis, keepdims, where) - ddof)
        return variance if name == "var" else xp.sqrt(variance)

    return row


def _of_known(name: str) -> Row:
    """Return the row of a function of NumPy that leaves NaN out."""

    def row(xp: Namespace, a: Any, *args: Any, where: Any = True, **kwargs: Any) -> Array:
        a = given.floating(xp, a)
        known = ~xp.isnan(a)
        clean = xp.where(known, a, xp.zeros_like(a))
        where = known & given.truths(xp, where, a) if given.leaves_out(where) else known
        return FUNCTIONS[name](xp, clean, *args, where=where, **kwargs)

    return row


translate(
    {
        "nanmean": _of_known("mean"),
        "nanstd": _of_known("std"),
        "nanvar": _of_known("var"),
        "std": _spread("std"),
        "var": _spread("var"),
    }
)


@translates("average")
def _average(
    xp: Namespace, a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *,
    keepdims: bool = False,
) -> Any:  # fmt: skip
    like = given.found(a, weights)
    a = given.floating(xp, a, like)
    weights = xp.ones_like(a) if weights is None else given.floating(xp, weights, like)
    if tuple(weights.shape) != tuple(a.shape):
        if axis is None:
            raise TypeError("weights of another shape than that of a need an axis")
        axes = given.known_axes(axis, a.ndim)
        weights = xp.permute_dims(weights, tuple(np.argsort(np.argsort(axes)).tolist()))
        weights = expand_dims(xp, weights, [k for k in range(a.ndim) if k not in axes])
    scale = xp.sum(xp.broadcast_to(weights, tuple(a.shape)), axis=axis, keepdims=keepdims)
    average = xp.sum(a * weights, axis=axis, keepdims=keepdims) / scale
    return (average, scale) if returned else average


@translates("cov")
def _cov(
    xp: Namespace, m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None
) -> Array:
    like = given.found(m, y)
    rows = [
        part if rowvar or part.shape[0] == 1 else xp.matrix_transpose(part)
        for part in (atleast(xp, 2, given.floating(xp, v, like)) for v in (m, y) if v is not None)
    ]
    x = xp.concat(rows, axis=0) if len(rows) > 1 else rows[0]
    x = x - mean(xp, x, axis=1, keepdims=True)
    ddof = (0 if bias else 1) if ddof is None else ddof
    return squeeze(xp, xp.matmul(x, xp.matrix_transpose(given.conj(xp, x))) / (x.shape[1] - ddof))


@translates("corrcoef")
def _corrcoef(xp: Namespace, x: Any, y: Any = None, rowvar: bool = True) -> Array:
    c = _cov(xp, x, y, rowvar)
    if c.ndim == 0:
        return c / c
    deviation = xp.sqrt(given.real(xp, xp.linalg.diagonal(c)))
    return c / deviation[:, None] / deviation[None, :]
