"""The functions of the namespace.

Those that call a method of their argument, or ufuncs, do so here: an object that is no array of
CuPy meets the same attributes and hooks. The rest is computed by NumPy and takes arrays alone.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy

from . import _fusion, _kernels
from ._counters import COUNTERS
from ._fusion import fuse
from ._memory import POOL
from ._names import NAMES, signature
from ._ndarray import array, as_shape, garbage, made, matmul, ndarray, writable

Array = Any


def _named(function: Any, name: str, parameters: Any) -> Any:
    function.__name__, function.__signature__ = name, parameters
    return function


def _bound(name: str, parameters: Any, args: Any, kwargs: Any) -> Any:
    try:
        return parameters.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{name}() {error}, in CuPy") from None


def by_numpy(name: str, numpys: Callable[..., Any], words: list[str]) -> Callable[..., Any]:
    """Return a function that NumPy computes, of arrays of CuPy and with CuPy's parameters."""
    parameters = signature(words)

    def function(*args: Any, **kwargs: Any) -> Any:
        bound = _bound(name, parameters, args, kwargs)
        args, kwargs = _hosts([*bound.args], name), _hosts(bound.kwargs, name)
        COUNTERS.launch(name)
        return _arrays(_kernels.quietly(numpys, *args, **kwargs))

    return _named(function, name, parameters)


def _hosts(x: Any, name: str) -> Any:
    if isinstance(x, dict):
        return {key: _hosts(value, name) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)([_hosts(value, name) for value in x])
    if isinstance(x, ndarray):
        return _kernels.values(x, name)
    if isinstance(x, numpy.ndarray) or hasattr(x, "__array_ufunc__"):
        raise TypeError(
            f"Argument of {name} has incorrect type (expected cupy.ndarray, got {type(x).__name__})"
        )
    return x


def _arrays(x: Any) -> Any:
    if isinstance(x, (numpy.ndarray, numpy.generic)):
        return made(numpy.array(x))
    if isinstance(x, tuple):
        parts = map(_arrays, x)
        return type(x)(*parts) if hasattr(x, "_fields") else tuple(parts)
    return [_arrays(part) for part in x] if isinstance(x, list) else x


def _missing(name: str, words: list[str]) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"the double of CuPy does not compute {name}")

    return _named(function, name, signature(words))


def check_array(a: Any) -> None:
    """Refuse what is no array of CuPy."""
    if not isinstance(a, ndarray):
        raise TypeError(f"'a' must be a cupy.ndarray object, not {type(a)}.")


def _typed(a: Any) -> Any:
    """Return an argument that a compiled function takes as an array of CuPy alone."""
    if not isinstance(a, ndarray):
        raise TypeError(
            f"Argument 'a' has incorrect type (expected cupy.ndarray, got {type(a).__name__})"
        )
    return a


# Of arrays and dtypes.


def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: bool | None = None,
            blocking: bool = False) -> Array:  # fmt: skip
    return array(a, dtype, copy, order)


asanyarray = asarray


def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None, *,
            blocking: bool = True) -> Any:  # fmt: skip
    if isinstance(a, ndarray):
        return a.get(stream, order, out, blocking)
    if out is None:
        return numpy.asarray(a, order=order)
    out[...] = a
    return out


def ascontiguousarray(a: Array, dtype: Any = None) -> Array:
    x = _typed(a).astype(a.dtype if dtype is None else dtype, "C", copy=False)
    return x if x.ndim else x.ravel()


def astype(x: Array, dtype: Any, /, *, copy: bool = True) -> Array:
    if not isinstance(x, ndarray):
        raise TypeError(f"Input should be a CuPy array. It is a {type(x)} instead.")
    return x.astype(dtype, copy=copy)


def can_cast(from_: Any, to: Any, casting: str = "safe") -> bool:
    return numpy.can_cast(from_.dtype if isinstance(from_, ndarray) else from_, to, casting)


def result_type(*arrays_and_dtypes: Any) -> Any:
    return numpy.result_type(*[a.dtype if isinstance(a, ndarray) else a for a in arrays_and_dtypes])


def min_scalar_type(a: Any) -> Any:
    return a.dtype if isinstance(a, ndarray) else numpy.min_scalar_type(a)


def ndim(a: Any) -> int:
    return int(a.ndim) if hasattr(a, "ndim") else numpy.ndim(a)


def shape(a: Any) -> tuple[int, ...]:
    return a.shape if isinstance(a, ndarray) else numpy.shape(a)


def size(a: Array, axis: int | None = None) -> int:
    return int(_typed(a).size if axis is None else a.shape[axis])


def isscalar(element: Any) -> bool:
    return numpy.isscalar(element)


def may_share_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    return _memory_shared(numpy.may_share_memory, a, b)


def shares_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    return _memory_shared(numpy.shares_memory, a, b)


def _memory_shared(function: Callable[..., bool], a: Any, b: Any) -> bool:
    both = isinstance(a, ndarray) and isinstance(b, ndarray)
    return both and a._device == b._device and function(a._host, b._host)


def get_array_module(*args: Any) -> ModuleType:
    ours = builtins.any(isinstance(arg, (ndarray, _fusion.Array)) for arg in args)
    return sys.modules[__package__] if ours else numpy


def get_default_memory_pool() -> Any:
    return POOL


def is_available() -> bool:
    return True


# Arrays made of nothing.


def empty(shape: Any, dtype: Any = float, order: str = "C") -> Array:
    return ndarray(shape, float if dtype is None else dtype, order=order)


def _filled(value: int) -> Callable[..., Array]:
    def function(shape: Any, dtype: Any = float, order: str = "C") -> Array:
        x = empty(shape, dtype, order)
        x.fill(value)
        return x

    return function


zeros, ones = _filled(0), _filled(1)


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> Array:
    if dtype is None:
        own = isinstance(fill_value, ndarray)
        dtype = fill_value.dtype if own else numpy.array(fill_value).dtype
    x = empty(shape, dtype, order)
    copyto(x, fill_value, casting="unsafe")
    return x


def empty_like(prototype: Any, dtype: Any = None, order: str = "K", subok: None = None,
               shape: Any = None) -> Array:  # fmt: skip
    if subok is not None:
        raise TypeError("subok is not supported yet")
    dtype = prototype.dtype if dtype is None else dtype
    if shape:
        return ndarray(shape, dtype, order="F" if order == "F" else "C")
    # The shape () is not seen, as in CuPy.
    return made(garbage(numpy.empty_like(_typed(prototype)._host, dtype, order=order)))


def zeros_like(a: Any, dtype: Any = None, order: str = "K", subok: None = None,
               shape: Any = None) -> Array:  # fmt: skip
    return _filled_like(0, a, dtype, order, subok, shape)


def ones_like(a: Any, dtype: Any = None, order: str = "K", subok: None = None,
              shape: Any = None) -> Array:  # fmt: skip
    return _filled_like(1, a, dtype, order, subok, shape)


def _filled_like(value: int, *like: Any) -> Array:
    x = empty_like(*like)
    x.fill(value)
    return x


def full_like(a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: None = None,
              shape: Any = None) -> Array:  # fmt: skip
    x = empty_like(a, dtype, order, subok, shape)
    copyto(x, fill_value, casting="unsafe")
    return x


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = float, order: str = "C") -> Array:
    as_shape((N, N if M is None else M))
    COUNTERS.launch("eye")
    return made(numpy.eye(N, M, k, dtype or float, order=order))


# Views.


def reshape(a: Any, newshape: Any, order: str = "C", *, copy: bool | None = None) -> Array:
    return a.reshape(newshape, order=order, copy=copy)


def transpose(a: Any, axes: Any = None) -> Array:
    return a.transpose(axes)


def swapaxes(a: Any, axis1: int, axis2: int) -> Array:
    return a.swapaxes(axis1, axis2)


def squeeze(a: Any, axis: Any = None) -> Array:
    return a.squeeze(axis)


def ravel(a: Any, order: str = "C") -> Array:
    return a.ravel(order)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    return a.diagonal(offset, axis1, axis2)


permute_dims = transpose


def broadcast_to(array: Array, shape: Any) -> Array:
    x = _typed(array)
    return x._view(writable(numpy.broadcast_to(x._host, as_shape(shape))))


def broadcast_arrays(*args: Array) -> tuple[Array, ...]:
    shape = numpy.broadcast_shapes(*[x.shape for x in args])
    return tuple([broadcast_to(x, shape) for x in args])


def _view(name: str) -> Callable[..., Array]:
    numpys = getattr(numpy, name)

    parameters = signature(NAMES["cupy"][name][1:])

    def function(*args: Any, **kwargs: Any) -> Array:
        a, *rest = _bound(name, parameters, args, kwargs).args
        return _typed(a)._view(writable(numpys(a._host, *rest)))

    return _named(function, name, parameters)


expand_dims, moveaxis, flip, rollaxis = map(_view, ("expand_dims", "moveaxis", "flip", "rollaxis"))
matrix_transpose = _view("matrix_transpose")


def _split(name: str) -> Callable[..., list[Array]]:
    numpys = getattr(numpy, name)

    def function(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
        x = _typed(ary)
        return [x._view(part) for part in numpys(x._host, indices_or_sections, axis)]

    return function


split, array_split = _split("split"), _split("array_split")


def _at_least(name: str) -> Callable[..., Any]:
    numpys = getattr(numpy, name)

    def function(*arys: Array) -> Any:
        found = [x._view(numpys(x._host)) for x in map(_typed, arys)]
        return found[0] if len(found) == 1 else found

    return function


atleast_1d, atleast_2d, atleast_3d = map(_at_least, ("atleast_1d", "atleast_2d", "atleast_3d"))


def real(val: Any) -> Array:
    return (val if isinstance(val, ndarray) else array(val)).real


def imag(val: Any) -> Array:
    return (val if isinstance(val, ndarray) else array(val)).imag


# Joining.


def concatenate(tup: Any, axis: int | None = 0, out: Any = None, *, dtype: Any = None,
                casting: str = "same_kind") -> Array:  # fmt: skip
    if axis is None:
        tup, axis = [x.ravel() for x in tup], 0
    hosts = [_kernels.values(x, "concatenate") for x in tup]
    if not hosts:
        raise ValueError("Cannot concatenate from empty tuple")
    for x in tup:
        if not isinstance(x, ndarray):
            raise TypeError("Only cupy arrays can be concatenated")
        if not x.ndim:
            raise TypeError("zero-dimensional arrays cannot be concatenated")
    COUNTERS.launch("concatenate")
    result = made(numpy.concatenate(hosts, axis, dtype=dtype, casting=casting))
    if out is None:
        return result
    _kernels.COPY(result, out)
    return out


concat = concatenate


def stack(tup: Any, axis: int = 0, out: Any = None, *, dtype: Any = None,
          casting: str = "same_kind") -> Array:  # fmt: skip
    parts = [expand_dims(x, axis) for x in tup]
    return concatenate(parts, axis, out, dtype=dtype, casting=casting)


# Of elements.


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if (x is None) != (y is None):
        raise ValueError("Must provide both 'x' and 'y' or neither.")
    if x is None:
        return nonzero(condition)
    if _fusion.is_fusing():
        return _fusion.call_ufunc(_kernels.WHERE, condition, x, y)
    return _kernels.WHERE(condition.astype("?", copy=False), x, y)


def clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None) -> Array:
    if _fusion.is_fusing():
        return _fusion.call_ufunc(_kernels.CLIP, a, a_min, a_max, out=out)
    return a.clip(a_min, a_max, out=out)


def copy(a: Any, order: str = "K") -> Array:
    if _fusion.is_fusing():
        return _fusion.call_ufunc(_kernels.COPY, a)
    return a.copy(order=order)


def copyto(dst: Array, src: Any, casting: str = "same_kind", where: Any = None) -> None:
    if isinstance(src, numpy.ndarray):
        if src.size != 1:
            raise ValueError("non-scalar numpy.ndarray cannot be used for copyto")
        src = src.reshape(())[()]
    if not isinstance(src, ndarray):
        src = dst.dtype.type(src) if casting == "unsafe" else numpy.asarray(src)[()]
    _kernels.COPY(src, dst, casting=casting, **({} if where is None else {"_where": where}))


def tril(m: Any, k: int = 0) -> Array:
    m = asarray(m)
    return where(_triangle(m, k), m, m.dtype.type(0))


def triu(m: Any, k: int = 0) -> Array:
    m = asarray(m)
    return where(_triangle(m, k - 1), m.dtype.type(0), m)


def _triangle(m: Array, k: int) -> Array:
    COUNTERS.launch("tri")
    return made(numpy.tri(*m.shape[-2:], k=k, dtype=bool))


def all(a: Array, axis: Any = None, out: Any = None, keepdims: bool = False) -> Array:
    check_array(a)
    return a.all(axis, out, keepdims)


def any(a: Array, axis: Any = None, out: Any = None, keepdims: bool = False) -> Array:
    check_array(a)
    return a.any(axis, out, keepdims)


alltrue, sometrue = all, any


def sum(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False
) -> Array:
    return a.sum(axis, dtype, out, keepdims)


def prod(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False
) -> Array:
    return a.prod(axis, dtype, out, keepdims)


def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False
) -> Array:
    return a.mean(axis=axis, dtype=dtype, out=out, keepdims=keepdims)


def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
) -> Array:
    return a.std(axis=axis, dtype=dtype, out=out, ddof=ddof, keepdims=keepdims)


def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
) -> Array:
    return a.var(axis=axis, dtype=dtype, out=out, ddof=ddof, keepdims=keepdims)


def amax(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Array:
    return a.max(axis=axis, out=out, keepdims=keepdims)


def amin(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Array:
    return a.min(axis=axis, out=out, keepdims=keepdims)


def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Array:
    return a.ptp(axis=axis, out=out, keepdims=keepdims)


def argmax(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False
) -> Array:
    return a.argmax(axis=axis, dtype=dtype, out=out, keepdims=keepdims)


def argmin(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False
) -> Array:
    return a.argmin(axis=axis, dtype=dtype, out=out, keepdims=keepdims)


max, min = amax, amin


def argsort(a: Any, axis: int | None = -1, kind: str | None = None) -> Array:
    return a.argsort(axis=axis, kind=kind)


def argpartition(a: Any, kth: Any, axis: int | None = -1) -> Array:
    return a.argpartition(kth, axis=axis)


def take(a: Any, indices: Any, axis: int | None = None, out: Any = None) -> Array:
    return a.take(indices, axis, out)


def repeat(a: Any, repeats: Any, axis: int | None = None) -> Array:
    return a.repeat(repeats, axis)


def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Array:
    return a.trace(offset, axis1, axis2, dtype, out)


def compress(condition: Any, a: Any, axis: int | None = None, out: Any = None) -> Array:
    return a.compress(condition, axis, out)


def round(a: Any, decimals: int = 0, out: Any = None) -> Array:
    return array(a, copy=None).round(decimals, out=out)


around = round


def sort(a: Any, axis: int | None = -1, kind: str | None = None) -> Array:
    x = a.flatten() if axis is None else a.copy()
    x.sort(-1 if axis is None else axis, kind)
    return x


def nonzero(a: Array) -> tuple[Array, ...]:
    check_array(a)
    return a.nonzero()


def unique(ar: Array, return_index: bool = False, return_inverse: bool = False,
           return_counts: bool = False, axis: int | None = None, *,
           equal_nan: bool = True) -> Any:  # fmt: skip
    host = _kernels.values(_typed(ar), "unique")
    COUNTERS.launch("unique")
    COUNTERS.read()  # how many there are
    return _arrays(
        numpy.unique(host, return_index, return_inverse, return_counts, axis, equal_nan=equal_nan)
    )


def dot(a: Any, b: Any, out: Any = None) -> Array:
    if _typed(a).ndim == 0 or _typed(b).ndim == 0:
        return _kernels.UFUNCS["cupy_multiply"](a, b, out=out)
    return _OF_NUMPY["dot"](a, b, out)


def cumulative_sum(x: Array, /, *, axis: int | None = None, dtype: Any = None, out: Any = None,
                   include_initial: bool = False) -> Array:  # fmt: skip
    sums = x.cumsum(axis, dtype, out)
    if not include_initial:
        return sums
    first = numpy.zeros_like(sums._host.take([0], axis or 0))
    return concatenate([made(first), sums], axis or 0)


_OWN = {name: value for name, value in globals().items() if name in NAMES["cupy"]}
_OWN |= {"array": array, "fuse": fuse, "matmul": matmul}


def _function(name: str, words: list[str], numpys: ModuleType) -> Any:
    own = _OWN if numpys is numpy else {"matmul": matmul}
    if name in own:
        return own[name]
    found = getattr(numpys, name, None)
    return _missing(name, words) if found is None else by_numpy(name, found, words)


def namespace(module: str, numpys: ModuleType) -> dict[str, Any]:
    """Return the public names of a module of CuPy, with NumPy's module that computes them."""
    found: dict[str, Any] = {}
    for name, (kind, *words) in NAMES[module].items():
        if kind == "ufunc":
            found[name] = _kernels.UFUNCS[words[0]]
        elif kind == "value":
            found[name] = None if words[0] == "None" else float(words[0])
        elif kind == "def":
            found[name] = _function(name, words, numpys)
        else:
            found[name] = getattr(sys.modules[kind], words[0])
    return found


_OF_NUMPY = {"dot": by_numpy("dot", numpy.dot, NAMES["cupy"]["dot"][1:])}
