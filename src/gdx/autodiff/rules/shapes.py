"""Derivatives of functions that move elements and leave them as they are."""

from __future__ import annotations

import itertools
import math
from typing import Any

from gdx.autodiff.core import names
from gdx.backends import device_of

Array = Any


def _back(xp: Any, y: Array, x: Array, *args: Any, **kwargs: Any) -> Any:
    """Return the pull of what changes the shape alone."""
    shape = x.shape
    return lambda g: xp.reshape(g, shape)


def _permute_dims(xp: Any, y: Array, x: Array, axes: tuple[int, ...]) -> Any:
    count = len(axes)
    inverse = tuple(sorted(range(count), key=lambda i: axes[i] % count))
    return lambda g: xp.permute_dims(g, inverse)


def _broadcast_to(xp: Any, y: Array, x: Array, shape: tuple[int, ...]) -> Any:
    shape = x.shape
    return lambda g: xp.unbroadcast(g, shape)


def _roll(xp: Any, y: Array, x: Array, shift: Any, *, axis: Any = None) -> Any:
    back = tuple(-s for s in shift) if isinstance(shift, tuple) else -shift
    return lambda g: xp.roll(g, back, axis=axis)


def _copied(xp: Any, x: Array) -> Array:
    """Return `x` in memory of its own, where views of it can be assigned."""
    return xp.astype(x, x.dtype)


class Each:
    """The makers of a function of any number of arrays: that of the i-th is told i."""

    def __init__(self, maker: Any) -> None:
        self.maker = maker

    def __getitem__(self, place: int) -> Any:
        maker = self.maker
        return lambda xp, y, *arrays, **kwargs: maker(xp, place, arrays, **kwargs)


def _concat(xp: Any, place: int, arrays: tuple[Array, ...], *, axis: int | None = 0) -> Any:
    if axis is None:
        sizes = [math.prod(array.shape) for array in arrays[: place + 1]]
        shape, part = arrays[place].shape, slice(sum(sizes[:-1]), sum(sizes))
        return lambda g: xp.reshape(g[part], shape)
    along = axis % arrays[0].ndim
    start = sum(array.shape[along] for array in arrays[:place])
    key = (*(slice(None),) * along, slice(start, start + arrays[place].shape[along]), ...)
    return lambda g: xp.getitem(g, key)


def _stack(xp: Any, place: int, arrays: tuple[Array, ...], *, axis: int = 0) -> Any:
    key = (*(slice(None),) * (axis % (arrays[0].ndim + 1)), place, ...)
    return lambda g: xp.getitem(g, key)


def _unstack(xp: Any, x: Array, *, axis: int = 0) -> tuple[Array, ...]:
    before = (slice(None),) * (axis % x.ndim)
    behind = (...,) if len(before) < x.ndim - 1 else ()
    return tuple(x[(*before, i, *behind)] for i in range(x.shape[axis]))


def _tile(xp: Any, x: Array, repetitions: tuple[int, ...]) -> Array:
    ndim = max(x.ndim, len(repetitions))
    shape = (1,) * (ndim - x.ndim) + tuple(x.shape)
    times = (1,) * (ndim - len(repetitions)) + tuple(repetitions)
    apart = xp.reshape(x, tuple(itertools.chain(*((1, n) for n in shape))))
    wide = xp.broadcast_to(apart, tuple(itertools.chain(*zip(times, shape, strict=True))))
    return _copied(xp, xp.reshape(wide, tuple(t * n for t, n in zip(times, shape, strict=True))))


def _repeat(xp: Any, x: Array, repeats: Any, *, axis: int | None = None) -> Array:
    if axis is None:
        x, axis = xp.reshape(x, (-1,)), 0
    places = xp.arange(x.shape[axis], device=device_of(x))
    return xp.take(x, xp.repeat(places, xp.settled(repeats)), axis=axis)


def _meshgrid(xp: Any, *arrays: Array, indexing: str = "xy") -> list[Array]:
    count = len(arrays)
    order = [1, 0, *range(2, count)] if indexing == "xy" and count > 1 else [*range(count)]
    shape = tuple(math.prod(arrays[i].shape) for i in order)
    along = [tuple(-1 if k == i else 1 for k in order) for i in range(count)]
    return [
        _copied(xp, xp.broadcast_to(xp.reshape(array, own), shape))
        for array, own in zip(arrays, along, strict=True)
    ]


def _broadcast_arrays(xp: Any, *arrays: Array) -> list[Array]:
    shape = broadcast_shape(*(array.shape for array in arrays))
    return [xp.broadcast_to(array, shape) for array in arrays]


def broadcast_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape to which all are broadcast."""
    ndim = max(map(len, shapes))
    columns = zip(*((1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes), strict=True)
    lengths = [{n for n in column if n != 1} or {1} for column in columns]
    if any(len(found) > 1 for found in lengths):
        raise ValueError(f"the shapes {', '.join(map(str, shapes))} do not fit each other.")
    return tuple(found.pop() for found in lengths)


def _clip(xp: Any, x: Array, min: Any = None, max: Any = None) -> Array:
    """Return x between two bounds; at a bound, the derivative is that of x."""
    if min is None and max is None:
        return x * 1
    if min is not None:
        x = xp.where(x < min, min, x)
    return x if max is None else xp.where(x > max, max, x)


def unbroadcast(xp: Any, x: Array, shape: tuple[int, ...]) -> Array:
    """Return the sums of `x` over the axes along which `shape` was broadcast."""
    extra = x.ndim - len(shape)
    axes = tuple(
        i for i, n in enumerate(x.shape) if i < extra or (n != 1 and shape[i - extra] == 1)
    )
    x = xp.sum(x, axis=axes) if axes else x
    return x if x.shape == shape else xp.reshape(x, shape)


LINEAR = {
    "duplicated": lambda xp, y, x: lambda g: g,
    "laid_out": lambda xp, y, x, like: lambda g: g,
    "reshape": _back,
    "expand_dims": _back,
    "squeeze": _back,
    "permute_dims": _permute_dims,
    "moveaxis": lambda xp, y, x, source, destination: lambda g: xp.moveaxis(g, destination, source),
    "broadcast_to": _broadcast_to,
    "flip": lambda xp, y, x, *, axis=None: lambda g: xp.flip(g, axis=axis),
    "roll": _roll,
    "tril": lambda xp, y, x, *, k=0: lambda g: xp.tril(g, k=k),
    "triu": lambda xp, y, x, *, k=0: lambda g: xp.triu(g, k=k),
}

# Functions of a list of arrays.
LISTS = {"concat": Each(_concat), "stack": Each(_stack)}

COMPOSITE = {
    "broadcast_arrays": _broadcast_arrays,
    "clip": _clip,
    "meshgrid": _meshgrid,
    "repeat": _repeat,
    "tile": _tile,
    "unstack": _unstack,
}

# What may share the memory of its argument.
FIXED_VIEWS = names("broadcast_to conj imag linalg.diagonal real")
VIEWS = names("expand_dims flip matrix_transpose moveaxis permute_dims positive reshape squeeze")
