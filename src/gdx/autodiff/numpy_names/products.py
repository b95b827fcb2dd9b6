"""Products of vectors, matrices and tensors, and sums of shifted products."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from gdx.autodiff.numpy_names import given
from gdx.autodiff.numpy_names.table import NotTranslated, translates
from gdx.backends import Array, Namespace


@translates("dot")
def _dot(xp: Namespace, a: Any, b: Any, out: Any = None) -> Array:
    a, b = given.alike(xp, *given.arrays(xp, a, b))
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if b.ndim <= 2:
        return xp.matmul(a, b)
    return xp.tensordot(a, b, axes=((a.ndim - 1,), (b.ndim - 2,)))


@translates("inner")
def _inner(xp: Namespace, a: Any, b: Any) -> Array:
    a, b = given.alike(xp, *given.arrays(xp, a, b))
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return xp.tensordot(a, b, axes=((a.ndim - 1,), (b.ndim - 1,)))


def _vectors(xp: Namespace, *values: Any) -> list[Array]:
    return [xp.reshape(v, (-1,)) for v in given.arrays(xp, *values)]


@translates("vdot")
def _vdot(xp: Namespace, a: Any, b: Any) -> Array:
    a, b = _vectors(xp, a, b)
    return xp.matmul(given.conj(xp, a), b)


@translates("outer")
def _outer(xp: Namespace, a: Any, b: Any) -> Array:
    a, b = _vectors(xp, a, b)
    return a[:, None] * b[None, :]


@translates("tensordot", "linalg.tensordot")
def _tensordot(xp: Namespace, a: Any, b: Any, axes: Any = 2) -> Array:
    a, b = given.arrays(xp, a, b)
    if isinstance(axes, Iterable):
        of_a, of_b = axes
        axes = given.known_axes(of_a, a.ndim), given.known_axes(of_b, b.ndim)
    return xp.tensordot(a, b, axes=axes)


@translates("kron")
def _kron(xp: Namespace, a: Any, b: Any) -> Array:
    a, b = given.arrays(xp, a, b)
    ndim = max(a.ndim, b.ndim)
    of_a, of_b = ((1,) * (ndim - x.ndim) + tuple(x.shape) for x in (a, b))
    a = xp.reshape(a, tuple(n for m in of_a for n in (m, 1)))
    b = xp.reshape(b, tuple(n for m in of_b for n in (1, m)))
    return xp.reshape(a * b, tuple(m * n for m, n in zip(of_a, of_b, strict=True)))


@translates("cross")
def _cross(
    xp: Namespace, a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1,
    axis: Any = None,
) -> Array:  # fmt: skip
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    a, b = given.arrays(xp, a, b)
    if a.shape[axisa] != 3 or b.shape[axisb] != 3:
        raise NotTranslated("vectors must have three components")
    a, b = xp.broadcast_arrays(xp.moveaxis(a, axisa, -1), xp.moveaxis(b, axisb, -1))
    return xp.moveaxis(xp.linalg.cross(a, b, axis=-1), -1, axisc)


@translates("convolve", "polymul")
def _convolve(xp: Namespace, a: Any, v: Any, mode: str = "full") -> Array:
    a, v = (xp.reshape(each, (-1,)) for each in given.arrays(xp, a, v))
    if a.shape[0] < v.shape[0]:
        a, v = v, a
    return _slid(xp, a, v, mode, (v.shape[0] - 1) // 2)


@translates("correlate")
def _correlate(xp: Namespace, a: Any, v: Any, mode: str = "valid") -> Array:
    a, v = given.arrays(xp, a, v)
    v = given.conj(xp, xp.flip(v))
    if a.shape[0] < v.shape[0]:
        return _slid(xp, v, a, mode, a.shape[0] // 2)
    return _slid(xp, a, v, mode, (v.shape[0] - 1) // 2)


def _slid(xp: Namespace, a: Array, v: Array, mode: str, start: int) -> Array:
    """Return the sums of a[i] v[k - i], with windows of the longer `a` as rows of a matrix."""
    n, m = a.shape[0], v.shape[0]
    first, count = {"full": (0, n + m - 1), "same": (start, n), "valid": (m - 1, n - m + 1)}[mode]
    zeros = xp.zeros((m - 1,), dtype=a.dtype, device=given.device(a))
    padded = xp.concat([zeros, a, zeros], axis=0)
    windows = np.arange(first, first + count)[:, None] + np.arange(m)
    rows = xp.reshape(given.gather(xp, padded, windows.reshape(-1), 0), (count, m))
    return xp.matmul(rows, xp.flip(v))
