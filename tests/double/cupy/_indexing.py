"""Reading and writing elements: integers and slices give views, arrays wrap around."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from . import _kernels, _ndarray
from ._counters import COUNTERS

# How values are put where an index array says; duplicates count each.
_SCATTERED = {
    "add": numpy.add,
    "sub": numpy.subtract,
    "max": numpy.maximum,
    "min": numpy.minimum,
    "and": numpy.bitwise_and,
    "or": numpy.bitwise_or,
    "xor": numpy.bitwise_xor,
}
# What atomic operations there are for index arrays, by the names of dtypes.
_INTEGERS = {"int32", "int64", "uint32", "uint64"}
_ATOMIC = {
    "add": {*_INTEGERS, "float16", "float32", "float64"},
    "sub": {"int32", "uint32"},
    "max": {*_INTEGERS, "float32", "float64"},
    "min": {*_INTEGERS, "float32", "float64"},
    "and": _INTEGERS,
    "or": _INTEGERS,
    "xor": _INTEGERS,
}


def get(x: Any, slices: Any) -> Any:
    """Return ``x[slices]``, a view if no array is among the indices."""
    key, arrays = _read(x, slices)
    if not arrays:
        return x._view(x._host[key])
    key = _wrapped(x, key)
    COUNTERS.launch("cupy_take")
    return _ndarray.made(numpy.array(_kernels.values(x, "cupy_take")[key]))


def scatter(x: Any, slices: Any, value: Any, op: str) -> None:
    """Put values, or combine them with those that are there."""
    key, arrays = _read(x, slices)
    if not arrays:
        _assign(x._view(x._host[key]), value, op)
        return
    masked = any(array.dtype.kind == "b" for array in arrays)
    key = _wrapped(x, key)
    if not isinstance(value, _ndarray.ndarray):
        value = _ndarray.array(value, x.dtype)
    value = value.astype(x.dtype, copy=False)
    if op != "update" and not masked and x.dtype.name not in _ATOMIC[op]:
        raise TypeError(f"cupy ufunc.at with {op!r} does not support {x.dtype}")
    COUNTERS.launch(f"cupy_scatter_{op}")
    host, values = (_kernels.values(a, f"cupy_scatter_{op}") for a in (x, value))
    if op == "update":
        host[key] = values
    else:
        _kernels.quietly(_SCATTERED[op].at, host, key, values)


def _assign(target: Any, value: Any, op: str) -> None:
    if op != "update":
        name = _SCATTERED[op].__name__
        _kernels.UFUNCS[f"cupy_{name}"](target, value, target)
    elif isinstance(value, _ndarray.ndarray):
        lead = value.ndim - target.ndim
        if lead > 0 and {*value.shape[:lead]} == {1}:
            value = value.reshape(value.shape[lead:])
        _kernels.COPY(value, target)
    else:
        target.fill(value)  # of the host, a number alone


def _read(x: Any, slices: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """Return the indices for NumPy, with an ellipsis, and the arrays among them."""
    key, arrays = [], []
    for index in slices if isinstance(slices, tuple) else (slices,):
        if index is None or index is Ellipsis or isinstance(index, slice):
            key.append(_plain(index))
            continue
        if numpy.isscalar(index) and not isinstance(index, (bool, numpy.bool_)):
            key.append(int(index))
            continue
        array = _as_index(index)
        arrays.append(array)
        key.append(_kernels.values(array, "cupy_take"))
    dims = sum(_dims(index) for index in key)
    if dims > x.ndim:
        raise IndexError(
            f"too many indices for array: array is {x.ndim}-dimensional, but {dims} were indexed"
        )
    if not any(index is Ellipsis for index in key):
        key.append(Ellipsis)
    return tuple(key), arrays


def _plain(index: Any) -> Any:
    """Refuse a slice whose ends are arrays: they are no integers."""
    if isinstance(index, slice) and any(
        isinstance(end, _ndarray.ndarray) for end in (index.start, index.stop, index.step)
    ):
        raise TypeError("slice indices must be integers or None or have an __index__ method")
    return index


def _as_index(index: Any) -> Any:
    if not isinstance(index, _ndarray.ndarray):
        listed = isinstance(index, (list, tuple))
        try:
            index = _ndarray.array(index)
        except ValueError as error:
            raise IndexError(
                "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and "
                "integer or boolean arrays are valid indices"
            ) from error
        if listed and index.size == 0:
            index = index.astype(numpy.int32)
    if index.dtype.kind not in "biu":
        raise IndexError(
            "arrays used as indices must be of integer or boolean type. "
            f"(actual: {index.dtype.type})"
        )
    return index


def _dims(index: Any) -> int:
    """Return how many axes an index takes away."""
    if index is None or index is Ellipsis:
        return 0
    return index.ndim if isinstance(index, numpy.ndarray) and index.dtype.kind == "b" else 1


def _wrapped(x: Any, key: Sequence[Any]) -> tuple[Any, ...]:
    """Let integer arrays wrap around the axes; a mask is counted, for which the host waits."""
    wrapped: list[Any] = []
    axis, rest = 0, x.ndim - sum(map(_dims, key))
    for index in key:
        if isinstance(index, numpy.ndarray):
            if index.dtype.kind == "b":
                _count(index)
            elif x.shape[axis]:
                index = index.astype(numpy.int64) % x.shape[axis]  # noqa: PLW2901
        wrapped.append(index)
        axis += rest if index is Ellipsis else _dims(index)
    return tuple(wrapped)


def _count(mask: Any) -> None:
    """Count the elements that are true, which gives the shape of what is made of them."""
    if mask.size:
        COUNTERS.launch("cupy_scan")
        COUNTERS.read()


def nonzero(x: Any) -> tuple[Any, ...]:
    """Return the indices of the elements that are not zero."""
    if x.ndim == 0:
        raise ValueError(
            "Calling nonzero on 0d arrays is not allowed. Use cp.atleast_1d(scalar).nonzero() "
            "instead."
        )
    host = _kernels.values(x, "cupy_nonzero_kernel")
    _count(host)
    COUNTERS.launch("cupy_nonzero_kernel")
    found = _ndarray.made(numpy.argwhere(host))
    return tuple([found[:, axis] for axis in range(x.ndim)])


def take(x: Any, indices: Any, axis: int | None) -> Any:
    """Return elements along an axis, or of all elements in a row; indices wrap around."""
    if numpy.isscalar(indices):
        indices = int(indices)
    elif not isinstance(indices, _ndarray.ndarray):
        indices = _ndarray.array(indices, int)
    if axis is not None and x.ndim == 0:
        numpy.zeros(1).take(0, axis)  # an axis of a vector
        axis = None
    if x.size == 0 and (numpy.size(_kernels.values(indices, "cupy_take"))):
        raise IndexError("cannot do a non-empty take from an empty axes.")
    COUNTERS.launch("cupy_take")
    host, places = (_kernels.values(a, "cupy_take") for a in (x, indices))
    return _ndarray.made(numpy.array(numpy.take(host, places, axis, mode="wrap")))
