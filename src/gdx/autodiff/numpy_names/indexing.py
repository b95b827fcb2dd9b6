"""Elements by their places: taken, sorted and searched."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdx.autodiff.numpy_names import given
from gdx.autodiff.numpy_names.table import Row, translate, translates
from gdx.backends import Array, Namespace


@translates("take")
def take(xp: Namespace, a: Any, indices: Any, axis: Any = None, mode: str = "raise") -> Array:
    """Return the elements at indices of any shape."""
    a, axis = given.raveled(xp, given.array(xp, a, given.found(indices)), axis)
    axis = given.known_axis(axis, a.ndim)
    n = a.shape[axis]
    if not given.is_array(indices):
        at = np.asarray(indices, dtype=int)
        if mode == "raise" and not ((-n <= at) & (at < n)).all():
            raise IndexError(f"an index is out of bounds for an axis of {n} elements")
        at = np.clip(at, 0, n - 1) if mode == "clip" else at % max(n, 1)
        taken = given.gather(xp, a, at.reshape(-1), axis)
    else:
        at = xp.clip(indices, 0, n - 1) if mode == "clip" else xp.remainder(indices, n)
        at = xp.where((indices < 0) | (indices >= n), at, indices) if mode != "raise" else at
        taken = xp.take(a, xp.reshape(at, (-1,)), axis=axis)
    return xp.reshape(taken, tuple(a.shape[:axis]) + tuple(at.shape) + tuple(a.shape[axis + 1 :]))


@translates("compress")
def compress(xp: Namespace, condition: Any, a: Any, axis: Any = None) -> Array:
    """Return the elements where a condition is true."""
    a, axis = given.raveled(xp, a, axis)
    if isinstance(condition, list | tuple | np.ndarray):
        return given.gather(xp, a, np.flatnonzero(np.asarray(condition)), axis)
    return xp.take(a, xp.nonzero(given.truths(xp, condition, a))[0], axis=axis)


@translates("take_along_axis")
def _take_along_axis(xp: Namespace, arr: Any, indices: Any, axis: Any = -1) -> Array:
    arr, axis = given.raveled(xp, arr, axis)
    return xp.take_along_axis(arr, indices, axis=axis)


def _sorted(name: str) -> Row:
    def row(xp: Namespace, a: Any, axis: Any = -1) -> Array:
        a, axis = given.raveled(xp, a, axis)
        return getattr(xp, name)(a, axis=axis)

    return row


@translates("searchsorted")
def searchsorted(xp: Namespace, a: Any, v: Any, side: str = "left", sorter: Any = None) -> Array:
    """Return where elements of any shape would be put into a sorted array."""
    a, v = given.arrays(xp, a, v)
    flat = xp.searchsorted(a, xp.reshape(v, (-1,)), side=side, sorter=sorter)
    return xp.reshape(flat, tuple(v.shape))


def _nonzero(xp: Namespace, a: Any) -> tuple[Array, ...]:
    return tuple(xp.nonzero(given.truths(xp, a)))


translate(
    {
        "argsort": _sorted("argsort"),
        "argwhere": lambda xp, a: xp.stack(_nonzero(xp, a), axis=-1),
        "flatnonzero": lambda xp, a: _nonzero(xp, xp.reshape(given.array(xp, a), (-1,)))[0],
        "nonzero": _nonzero,
        "sort": _sorted("sort"),
        "extract": lambda xp, condition, arr: compress(
            xp, *(xp.reshape(given.array(xp, v), (-1,)) for v in (condition, arr))
        ),
    }
)
