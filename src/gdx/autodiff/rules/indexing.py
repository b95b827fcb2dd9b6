"""Derivatives of indexing: what is read is put back, and what is assigned is read.

An index is *plain* if it reads no element twice: integers, slices, None, Ellipsis and masks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gdx.autodiff.core import TracingError
from gdx.autodiff.memory import is_basic, is_plain
from gdx.autodiff.traced import lowered_key
from gdx.backends import device_of, library

Array = Any


def placed(xp: Any, g: Array, shape: tuple[int, ...], key: Any) -> Array:
    """Return zeros of `shape` with `g` added at `key`: the transpose of reading there."""
    z = xp.zeros(shape, dtype=g.dtype, device=device_of(g))
    known = library(xp)
    if isinstance(key, tuple) and any(part is None for part in key) and is_basic(key):
        key = tuple(part for part in key if part is not None)  # Dask does not assign to new axes
        g = xp.reshape(g, np.broadcast_to(0, shape)[key].shape)
    if not is_plain(key):
        return known.added(z, key, g)
    if not known.writable(z):
        return known.updated(z, key, g)
    z[key] = g
    return z


def replaced(xp: Any, x: Array, places: Any, new: Array) -> Array:
    """Return `x` with `new` at the places that a host array tells, counted in C order."""
    count = math.prod(x.shape)
    sources = np.arange(count)
    sources[places.ravel()] = count + np.arange(places.size)
    both = xp.concat([xp.reshape(x, (-1,)), xp.reshape(new, (-1,))])
    flat = xp.take(both, xp.asarray(sources, device=device_of(x)), axis=0)
    return xp.updated(x, ..., xp.reshape(flat, x.shape))  # in the layout of x


def _getitem(xp: Any, y: Array, x: Array, key: Any) -> Any:
    shape, key = x.shape, lowered_key(key)
    if math.isnan(sum(y.shape)):
        raise TracingError(
            "how many elements a mask chooses is not known before a lazy array is computed: write "
            "xp.where(mask, x, 0) for x[mask]."
        )
    return lambda g: xp.placed(g, shape, key)


def _placed(xp: Any, y: Array, g: Array, shape: tuple[int, ...], key: Any) -> Any:
    return lambda g: xp.getitem(g, key)


def _updated_old(xp: Any, y: Array, x: Array, key: Any, value: Any) -> Any:
    key = lowered_key(key)
    return lambda g: xp.updated(g, key, 0)


def _updated_new(xp: Any, y: Array, x: Array, key: Any, value: Any) -> Any:
    key = lowered_key(key)
    if is_plain(key):
        return lambda g: xp.getitem(g, key)
    # Where an element is assigned twice, the last value stays.
    places = xp.arange(math.prod(x.shape), device=device_of(x))
    size = xp.getitem(xp.reshape(places, x.shape), key).shape
    turns = xp.reshape(xp.arange(math.prod(size), device=device_of(x)), size)
    last = xp.getitem(xp.updated(xp.reshape(-1 - places, x.shape), key, turns), key) == turns
    return lambda g: xp.where(last, xp.getitem(g, key), 0)


def _take(xp: Any, y: Array, x: Array, indices: Array, *, axis: int | None = None) -> Any:
    shape = x.shape or (1,)  # NumPy takes elements of a number, too
    key = (*(slice(None),) * ((axis or 0) % len(shape)), lowered_key(indices))
    return lambda g: xp.reshape(xp.placed(g, shape, key), x.shape)


def _take_along_axis(xp: Any, y: Array, x: Array, indices: Array, *, axis: int = -1) -> Any:
    shape, along = x.shape, axis % x.ndim
    grids = [
        xp.reshape(
            xp.arange(n, device=device_of(x)), (1,) * i + (-1,) + (1,) * (len(shape) - i - 1)
        )
        for i, n in enumerate(shape)
    ]
    key = lowered_key(tuple(indices if i == along else grid for i, grid in enumerate(grids)))
    return lambda g: xp.placed(g, shape, key)


LINEAR = {
    "getitem": _getitem,
    "placed": _placed,
    "take": _take,
    "take_along_axis": _take_along_axis,
}

# Linear in both arrays together.
TOGETHER: dict[str, Any] = {"updated": (_updated_old, None, _updated_new)}
