"""Arguments as NumPy takes them, made into what the standard's functions take."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from gdx.autodiff.numpy_names.table import NotTranslated
from gdx.backends import Array, DType, Namespace, is_complex, is_real_floating


def is_array(value: object) -> bool:
    """Tell whether a value is an array, and no number or list."""
    return hasattr(value, "dtype")


def found(*values: object) -> Array:
    """Return the first array among the values and their nested lists."""
    for value in values:
        if hasattr(value, "dtype"):
            return value
        inside = found(*value) if isinstance(value, list | tuple) else None
        if inside is not None:
            return inside
    return None


def device(like: Array) -> Any:
    """Return the device of an array, for the functions that make one."""
    return getattr(like, "device", None)


def array(xp: Namespace, value: Any, like: Array = None) -> Array:
    """Return an array; numbers and lists take the precision and device of `like`."""
    if hasattr(value, "dtype"):
        return value
    inside = found(value)
    like = inside if like is None else like
    if inside is not None:
        return xp.stack([array(xp, item, like) for item in value])
    kind = np.asarray(value).dtype.kind
    dtype = None
    if like is not None and kind in "iufc" and is_floating(xp, like):
        real = kind != "c" or has_imaginary(xp, like)
        dtype = like.dtype if real else complex_dtype(xp, like.dtype)
    return xp.asarray(value, dtype=dtype, device=device(like))


def arrays(xp: Namespace, *values: Any) -> list[Array]:
    """Return each value as an array."""
    if all(map(is_array, values)):
        return [*values]
    like = found(*values)
    return [array(xp, value, like) for value in values]


def alike(xp: Namespace, *values: Any) -> list[Any]:
    """Return the values with lists as arrays, and truth values as numbers beside numbers."""
    if any(isinstance(v, list | tuple) for v in values):
        like = found(*values)
        values = tuple(array(xp, v, like) if isinstance(v, list | tuple) else v for v in values)
    dtypes = {v.dtype for v in values if hasattr(v, "dtype")}
    number = next((dtype for dtype in dtypes if not _holds_truths(xp, dtype)), None)
    if len(dtypes) == 1 or number is None:
        return [*values]
    return [xp.astype(v, number) if is_array(v) and is_truth(xp, v) else v for v in values]


@functools.cache
def _holds_truths(xp: Namespace, dtype: DType) -> bool:
    return bool(xp.isdtype(dtype, "bool"))


def is_truth(xp: Namespace, x: Array) -> bool:
    """Tell whether an array holds truth values."""
    return _holds_truths(xp, x.dtype)


def is_floating(xp: Namespace, x: Array) -> bool:
    """Tell whether an array holds floating-point numbers, real or complex."""
    return is_real_floating(xp, x.dtype) or is_complex(xp, x.dtype)


def has_imaginary(xp: Namespace, x: Array) -> bool:
    """Tell whether an array holds complex numbers."""
    return is_complex(xp, x.dtype)


def complex_dtype(xp: Namespace, real: DType) -> DType:
    """Return the dtype of complex numbers with parts of this one."""
    return xp.complex128 if real == xp.float64 else xp.complex64


def floating(xp: Namespace, x: Any, like: Array = None) -> Array:
    """Return an array of floating-point numbers, by default of the precision of `like`."""
    x = array(xp, x, like)
    if is_floating(xp, x):
        return x
    floats = like is not None and is_floating(xp, like)
    return xp.astype(x, like.dtype if floats else xp.asarray(1.0).dtype)


def floatings(xp: Namespace, *values: Any) -> list[Array]:
    """Return each value as an array of floating-point numbers."""
    like = found(*values)
    return [floating(xp, value, like) for value in values]


def complexes(xp: Namespace, x: Any) -> Array:
    """Return an array of complex numbers."""
    x = floating(xp, x)
    return x if has_imaginary(xp, x) else xp.astype(x, complex_dtype(xp, x.dtype))


def numbers(xp: Namespace, x: Any) -> Array:
    """Return an array of numbers: truth values count as 0 and 1."""
    x = array(xp, x)
    return integers(xp, x) if is_truth(xp, x) else x


def integers(xp: Namespace, x: Array) -> Array:
    """Return an array as one of integers."""
    return xp.astype(x, xp.asarray(1).dtype)


def truths(xp: Namespace, x: Any, like: Array = None) -> Array:
    """Return an array of truth values: whether each element differs from zero."""
    x = array(xp, x, like)
    return x if is_truth(xp, x) else x != 0


def conj(xp: Namespace, x: Array) -> Array:
    """Return the conjugate of an array that may be real."""
    return xp.conj(x) if has_imaginary(xp, x) else xp.positive(x)  # a new array


def real(xp: Namespace, val: Array) -> Array:
    """Return the real part of an array that may be real."""
    return xp.real(val) if has_imaginary(xp, val) else val


def known_dtype(xp: Namespace, dtype: Any) -> DType:
    """Return the dtype of this library for what NumPy takes as one, as "float32" or float."""
    if dtype is None:
        return None
    try:
        name = np.dtype(dtype).name
    except TypeError:
        return dtype
    if not hasattr(xp, name):
        raise NotTranslated(f"dtype={dtype!r} is no dtype of the standard")
    return getattr(xp, name)


def cast(xp: Namespace, x: Array, dtype: Any) -> Array:
    """Return an array of what NumPy takes as a dtype, if it is given."""
    return x if dtype is None else xp.astype(x, known_dtype(xp, dtype))


def known_axis(axis: Any, ndim: int) -> int:
    """Return the number of an axis, counted from the first."""
    k = operator.index(axis)
    if not -ndim <= k < ndim:
        raise ValueError(f"axis {k} does not exist in an array of {ndim} dimensions")
    return k % ndim


def known_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return the numbers of one axis or several, or of all for None."""
    return tuple(range(ndim)) if axis is None else tuple(known_axis(k, ndim) for k in ints(axis))


def ints(value: Any) -> tuple[int, ...]:
    """Return a tuple of Python's integers, from one or from a sequence."""
    if isinstance(value, Iterable):
        return tuple(map(operator.index, value))
    return (operator.index(value),)


def raveled(xp: Namespace, a: Any, axis: Any) -> tuple[Array, Any]:
    """Return an array and an axis: of the flattened array, where there is no axis."""
    a = array(xp, a)
    flat = axis is None or (not a.shape and axis in (0, -1))
    return (xp.reshape(a, (-1,)), 0) if flat else (a, axis)


def gather(xp: Namespace, a: Array, indices: Any, axis: int) -> Array:
    """Return the elements of `a` at indices which are known on the host."""
    at = np.asarray(indices).tolist()
    return xp.take(a, xp.asarray(at, dtype=xp.asarray(1).dtype, device=device(a)), axis=axis)


def part(a: Array, axis: int, *bounds: int | None) -> Array:
    """Return a[..., slice(*bounds), ...] along an axis."""
    return a[(slice(None),) * known_axis(axis, a.ndim) + (slice(*bounds), ...)]


def leaves_out(where: Any) -> bool:
    """Tell whether where= leaves something out."""
    return where is not None and where is not True
