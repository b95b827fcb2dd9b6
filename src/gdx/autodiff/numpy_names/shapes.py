"""Shapes and orders of elements."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from gdx.autodiff.numpy_names import given
from gdx.autodiff.numpy_names.table import NotTranslated, Row, translate, translates
from gdx.autodiff.traced import settled
from gdx.backends import Array, Namespace


@translates("transpose")
def transpose(xp: Namespace, a: Any, axes: Any = None) -> Array:
    """Return `a` with its axes in another order, by default reversed."""
    a = given.array(xp, a)
    order = tuple(range(a.ndim))[::-1] if axes is None else given.known_axes(axes, a.ndim)
    return xp.permute_dims(a, order)


@translates("swapaxes")
def _swapaxes(xp: Namespace, a: Any, axis1: int, axis2: int) -> Array:
    a = given.array(xp, a)
    axes = list(range(a.ndim))
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return xp.permute_dims(a, tuple(axes))


@translates("squeeze")
def squeeze(xp: Namespace, a: Any, axis: Any = None) -> Array:
    """Return `a` without axes of length 1, by default all of them."""
    a = given.array(xp, a)
    ones = tuple(k for k, n in enumerate(a.shape) if n == 1)
    if axis is None or (not a.shape and axis in (0, -1)):
        return xp.squeeze(a, axis=ones)
    return xp.squeeze(a, axis=given.known_axes(axis, a.ndim))


@translates("expand_dims")
def expand_dims(xp: Namespace, a: Any, axis: Any) -> Array:
    """Return `a` with new axes at some places of the result."""
    a = given.array(xp, a)
    ndim = a.ndim + len(given.ints(axis))
    new, sizes = given.known_axes(axis, ndim), iter(a.shape)
    return xp.reshape(a, tuple(1 if k in new else next(sizes) for k in range(ndim)))


def atleast(xp: Namespace, ndim: int, a: Any) -> Array:
    """Return `a` with new axes where NumPy puts them: before the others, in 3-d one behind."""
    a = given.array(xp, a)
    if a.ndim >= ndim:
        return a
    ones = (1,) * (ndim - a.ndim)
    shape = tuple(a.shape)
    behind = ndim == 3 and a.ndim > 0
    return xp.reshape(a, ones[1:] + shape + ones[:1] if behind else ones + shape)


def _atleast_row(ndim: int) -> Row:
    def row(xp: Namespace, *arys: Any) -> Any:
        made = tuple(atleast(xp, ndim, a) for a in arys)
        return made[0] if len(made) == 1 else made

    return row


def _reshaped(xp: Namespace, a: Any, shape: tuple[int, ...], order: str) -> Array:
    """Return the elements in another shape, read and put in an order of the axes."""
    a = given.array(xp, a)
    axes = None if order == "C" else _axes_in(order, settled(a))
    if axes is None or axes == tuple(range(a.ndim)):
        return xp.reshape(a, shape)
    moved = xp.reshape(xp.permute_dims(a, axes), shape[::-1])
    return xp.permute_dims(moved, tuple(range(len(shape)))[::-1])


def _axes_in(order: str, a: Array) -> tuple[int, ...]:
    """Return the axes from the slowest to the fastest, as NumPy understands an order."""
    axes, strides = tuple(range(a.ndim)), getattr(a, "strides", None)
    if order in "AK" and strides is not None:
        if order == "K":
            if not all(strides):
                raise NotTranslated("order='K' of an array that was broadcast: write order='C'")
            return tuple(sorted(axes, key=lambda k: -abs(strides[k])))
        flags = a.flags
        order = "F" if flags.f_contiguous and not flags.c_contiguous else "C"
    return axes[::-1] if order == "F" else axes


@translates("repeat")
def _repeat(xp: Namespace, a: Any, repeats: Any, axis: Any = None) -> Array:
    a, axis = given.raveled(xp, a, axis)
    if isinstance(repeats, list | tuple | np.ndarray):
        counts = np.broadcast_to(np.asarray(repeats), (a.shape[axis],))
        return given.gather(xp, a, np.repeat(np.arange(a.shape[axis]), counts), axis)
    return xp.repeat(a, repeats, axis=axis)


@translates("roll")
def _roll(xp: Namespace, a: Any, shift: Any, axis: Any = None) -> Array:
    a = given.array(xp, a)
    if axis is None or not (isinstance(axis, Iterable) or isinstance(shift, Iterable)):
        return xp.roll(a, shift, axis=axis)
    shifts, axes = np.broadcast_arrays(given.ints(shift), given.ints(axis))
    return xp.roll(a, tuple(shifts.tolist()), axis=tuple(axes.tolist()))


@translates("rot90")
def _rot90(xp: Namespace, m: Any, k: int = 1, axes: Any = (0, 1)) -> Array:
    m = given.array(xp, m)
    first, second = given.known_axes(axes, m.ndim)
    if k % 2 == 0:
        return xp.flip(m, axis=(first, second)) if k % 4 == 2 else m
    return xp.flip(_swapaxes(xp, m, first, second), axis=first if k % 4 == 1 else second)


@translates("pad")
def pad(
    xp: Namespace, array: Any, pad_width: Any, mode: str = "constant", *,
    constant_values: Any = 0, **kwargs: Any,
) -> Array:  # fmt: skip
    """Return `array` with borders; those that repeat elements are gathered along each axis."""
    a = given.arrays(xp, array)[0]
    if not a.shape:
        return xp.asarray(a, copy=True)
    widths = np.broadcast_to(np.asarray(pad_width), (a.ndim, 2)).tolist()
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise NotTranslated(f"mode={mode!r}")
    if not isinstance(given.found(constant_values), np.ndarray | None):
        raise NotTranslated("constant_values= must be numbers")
    values = np.broadcast_to(np.asarray(constant_values), (a.ndim, 2)).tolist()
    for axis, pair in enumerate(widths):
        if mode == "constant":
            shapes = [tuple(w if k == axis else n for k, n in enumerate(a.shape)) for w in pair]
            left, right = (
                xp.full(shape, value, dtype=a.dtype, device=given.device(a))
                for shape, value in zip(shapes, values[axis], strict=True)
            )
            a = xp.concat([left, a, right], axis=axis)
        else:
            padded: Any = np.pad  # its types know each mode by itself
            at = padded(np.arange(a.shape[axis]), pair, mode, **kwargs)
            a = given.gather(xp, a, at, axis)
    return a


@translates("meshgrid")
def _meshgrid(
    xp: Namespace, *xi: Any, sparse: bool = False, indexing: str = "xy"
) -> tuple[Array, ...]:
    made = [xp.reshape(x, (-1,)) for x in given.arrays(xp, *xi)]
    if not sparse:
        return tuple(xp.meshgrid(*made, indexing=indexing))
    places = list(range(len(made)))
    if indexing == "xy":
        places[:2] = places[:2][::-1]
    shapes = (tuple(-1 if k == place else 1 for k in range(len(made))) for place in places)
    return tuple(xp.reshape(x, shape) for x, shape in zip(made, shapes, strict=True))


translate(
    {
        "atleast_1d": _atleast_row(1),
        "atleast_2d": _atleast_row(2),
        "atleast_3d": _atleast_row(3),
        "broadcast_arrays": lambda xp, *args: tuple(xp.broadcast_arrays(*given.arrays(xp, *args))),
        "broadcast_to": lambda xp, array, shape: xp.broadcast_to(
            given.arrays(xp, array)[0], given.ints(shape)
        ),
        "copy": lambda xp, a, *order, **layout: xp.asarray(a, copy=True),
        "flip": lambda xp, m, axis=None: xp.flip(given.array(xp, m), axis=axis),
        "fliplr": lambda xp, m: xp.flip(given.array(xp, m), axis=1),
        "flipud": lambda xp, m: xp.flip(given.array(xp, m), axis=0),
        "matrix_transpose": lambda xp, x: xp.matrix_transpose(x),
        "moveaxis": lambda xp, a, source, destination: xp.moveaxis(a, source, destination),
        "ndim": lambda xp, a: given.array(xp, a).ndim,
        "ravel": lambda xp, a, order="C": _reshaped(xp, a, (-1,), order),
        "reshape": lambda xp, a, shape, order="C": _reshaped(xp, a, given.ints(shape), order),
        "shape": lambda xp, a: tuple(given.array(xp, a).shape),
        "size": lambda xp, a, axis=None: math.prod(
            a.shape[k] for k in given.known_axes(axis, given.array(xp, a).ndim)
        ),
        "tile": lambda xp, A, reps: xp.tile(given.array(xp, A), given.ints(reps)),  # noqa: N803 — NumPy's name
    }
)
