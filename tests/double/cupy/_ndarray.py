"""The array: memory of a device, views of it, operators, copies to the host and from it."""

from __future__ import annotations

import functools
import itertools
import math
import operator
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from . import _indexing, _kernels
from ._counters import COUNTERS, warn
from ._memory import Memory, MemoryPointer, allocate, runtime

# What the memory of a new array holds: a value that no test takes for a right one.
_GARBAGE = {"f": -7.7e3, "c": -7.7e3, "i": -77}
_NO_CONVERSION = (
    "Implicit conversion to a NumPy array is not allowed. "
    "Please use `.get()` to construct a NumPy array explicitly."
)


class Flags:
    """The memory layout of an array."""

    def __init__(self, c_contiguous: bool, f_contiguous: bool, owndata: bool):
        self.c_contiguous, self.f_contiguous, self.owndata = c_contiguous, f_contiguous, owndata

    @property
    def fnc(self) -> bool:
        return self.f_contiguous and not self.c_contiguous

    @property
    def forc(self) -> bool:
        return self.f_contiguous or self.c_contiguous

    def __getitem__(self, name: str) -> bool:
        if name not in ("C_CONTIGUOUS", "F_CONTIGUOUS", "OWNDATA"):
            raise KeyError(f"{name} is not defined for cupy.ndarray.flags")
        return bool(getattr(self, name.lower()))


def supported(dtype: Any) -> Any:
    """Return a dtype in native order that an array of CuPy can have."""
    dtype = numpy.dtype(dtype)
    if dtype.char not in _kernels.DTYPES:
        raise ValueError(f"Unsupported dtype {dtype}")
    if dtype.byteorder == ">":
        raise ValueError(f"Unsupported dtype {dtype} with big-endian byte-order")
    return dtype


def as_shape(shape: Any) -> tuple[int, ...]:
    """Read a shape, of integers that are Python's or NumPy's."""
    if not isinstance(shape, (tuple, list)):
        shape = (shape,)
    return tuple(map(operator.index, shape))


def garbage(host: Any) -> Any:
    """Fill memory that nobody has written yet."""
    host.fill(_GARBAGE.get(host.dtype.kind, 1))
    return host


def made(host: Any, base: Any = None, device: int | None = None) -> Any:
    """Make an array of memory that is the array's own, or a view of `base`."""
    if device is None:
        device = allocate(host.nbytes) if base is None else base._device
    x = object.__new__(ndarray)
    x._host, x._device, x.base = host, device, base
    return x


class ndarray:  # noqa: N801 - CuPy's name
    """An array of a device, whose values are kept by a NumPy array that is always writable."""

    __slots__ = ("__weakref__", "_device", "_host", "base")
    __module__ = "cupy"
    __array_priority__ = 100
    __hash__ = None
    __class_getitem__ = classmethod(types.GenericAlias)

    def __new__(cls, shape: Any, dtype: Any = float, memptr: None = None, strides: None = None,
                order: str = "C") -> Any:  # fmt: skip
        shape, dtype = as_shape(shape), supported(dtype)
        if any(n < 0 for n in shape):
            raise ValueError("Negative dimensions are not allowed")
        device = allocate(math.prod(shape) * dtype.itemsize)
        return made(garbage(numpy.empty(shape, dtype, order or "C")), device=device)

    def _view(self, host: Any) -> Any:
        return made(host, self if self.base is None else self.base)

    # What it is.

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    strides = property(lambda self: self._host.strides)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)
    device = property(lambda self: self.data.device)

    @shape.setter
    def shape(self, shape: Any) -> None:
        self._host = self._host.reshape(as_shape(shape), copy=False)

    @property
    def flags(self) -> Flags:
        flags = self._host.flags
        return Flags(flags.c_contiguous, flags.f_contiguous, self.base is None)

    @property
    def data(self) -> MemoryPointer:
        owner = (self if self.base is None else self.base)._host
        if self.size == 0:
            return MemoryPointer(Memory(0, 0, self._device), 0)
        start, stop = numpy.lib.array_utils.byte_bounds(owner)
        offset = self._host.__array_interface__["data"][0] - start
        return MemoryPointer(Memory(start, stop - start, self._device), offset)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.data.ptr, False),
            "strides": None if self.flags.c_contiguous else self.strides,
            "version": 3,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self._device  # kDLCUDA

    def __dlpack__(self, **options: Any) -> Any:
        raise BufferError("the double of CuPy has no memory that another library could read")

    # To the host.

    def get(self, stream: Any = None, order: str = "C", out: Any = None,
            blocking: bool = True) -> Any:  # fmt: skip
        if out is None:
            out = numpy.empty(self.shape, self.dtype, "F" if _wants_f(self, order) else "C")
        if self.size:
            COUNTERS.read()
            out[...] = self._host
        return out

    def __array__(self, dtype: Any = None) -> Any:
        raise TypeError(_NO_CONVERSION)

    def item(self) -> Any:
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def tobytes(self, order: str = "C") -> bytes:
        return bytes(self.get().tobytes(order))

    def __bool__(self) -> bool:
        if self.size == 0:
            warn("The truth value of an empty array is ambiguous.", DeprecationWarning)
            return False
        if self.size > 1:
            raise ValueError(
                "The truth value of an array with more than one element is ambiguous. "
                "Use a.any() or a.all()"
            )
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __complex__(self) -> complex:
        return complex(self.get())

    def __bytes__(self) -> bytes:
        return bytes(self.get())

    def __repr__(self) -> str:
        return repr(self.get())

    def __str__(self) -> str:
        return str(self.get())

    def __format__(self, spec: str) -> str:
        return format(self.get(), spec)

    def __reduce__(self) -> Any:
        return array, (self.get(order="A"),)

    # From the host, and copies.

    def set(self, arr: Any, stream: Any = None) -> None:
        if not isinstance(arr, numpy.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if self.dtype != arr.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if self.shape != arr.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not self.flags.forc:
            raise RuntimeError("Cannot set to non-contiguous array")
        COUNTERS.upload()
        self._host[...] = arr

    def fill(self, value: Any) -> None:
        if isinstance(value, ndarray):
            if value.shape:
                raise ValueError("non-scalar cupy.ndarray cannot be used for fill")
            value = _kernels.values(value.astype(self.dtype, copy=False), "cupy_fill")
        else:
            value = numpy.asarray(value, self.dtype)
            if value.shape:
                raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        # Zeros are a memset, which asks for no peer access.
        zeros = self.flags.c_contiguous and not numpy.any(value)
        if self.size:
            COUNTERS.launch("memset" if zeros else "cupy_fill")
            (self._host if zeros else _kernels.values(self, "cupy_fill"))[...] = value

    def copy(self, order: str = "C") -> Any:
        """Copy to the current device."""
        if self._device == runtime.getDevice():
            return self.astype(self.dtype, order)
        if not self.flags.forc:
            raise NotImplementedError("CuPy cannot copy non-contiguous array between devices.")
        COUNTERS.launch("copy between devices")
        return made(self._host.copy("K"))

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        with self.device:
            return self.copy()

    def astype(self, dtype: Any, order: str = "K", casting: None = None, subok: None = None,
               copy: bool = True) -> Any:  # fmt: skip
        if casting is not None or subok is not None:
            raise TypeError(f"{'subok' if casting is None else 'casting'} is not supported yet")
        dtype = supported(dtype)
        if dtype == self.dtype and not copy and _has_order(self, order):
            return self
        if self.dtype.kind == "c" and dtype.kind not in "bc":
            warn(
                "Casting complex values to real discards the imaginary part",
                numpy.exceptions.ComplexWarning,
            )
        host = _kernels.values(self, "cupy_copy")
        new = made(numpy.empty_like(host, dtype, order=order or "K"))
        _kernels.COPY(self, new)
        return new

    # Views.

    @property
    def T(self) -> Any:  # noqa: N802 - NumPy's name
        return self if self.ndim < 2 else self._view(self._host.T)

    @property
    def mT(self) -> Any:  # noqa: N802 - NumPy's name
        if self.ndim < 2:
            raise ValueError("matrix transpose with ndim < 2 is undefined")
        return self.swapaxes(-1, -2)

    @property
    def real(self) -> Any:
        return self._view(self._host.real) if self.dtype.kind == "c" else self

    @real.setter
    def real(self, value: Any) -> None:
        _kernels.COPY(value, self.real)

    @property
    def imag(self) -> Any:
        if self.dtype.kind == "c":
            return self._view(self._host.imag)
        zeros = ndarray(self.shape, self.dtype)
        zeros.fill(0)
        return zeros

    @imag.setter
    def imag(self, value: Any) -> None:
        if self.dtype.kind != "c":
            raise TypeError("cupy.ndarray does not have imaginary part to set")
        _kernels.COPY(value, self.imag)

    def view(self, dtype: Any = None, type: Any = None) -> Any:
        host = self._host.view() if dtype in (None, ndarray) else self._host.view(dtype)
        return self._view(host)

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        if len(shape) == 1 and not hasattr(shape[0], "__index__"):
            (shape,) = shape
        if isinstance(shape, str):
            raise TypeError("'str' object cannot be interpreted as an integer")
        try:
            host = self._host.reshape(as_shape(shape), order=order, copy=False)
        except ValueError:
            if copy is False:
                raise
            host = self._host.reshape(as_shape(shape), order=order)
            _kernels.values(self, "cupy_copy")
            COUNTERS.launch("cupy_copy")
            return made(host if host.base is None else host.copy())
        return self._view(host).copy() if copy else self._view(host)

    def ravel(self, order: str = "C") -> Any:
        if order == "K":
            order = "F" if self.flags.fnc else "C"
        return self.reshape(-1, order=order)

    def flatten(self, order: str = "C") -> Any:
        return self.copy("F" if _wants_f(self, order) else "C").ravel(order)

    def transpose(self, *axes: Any) -> Any:
        if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
            (axes,) = axes
        return self._view(self._host.transpose(axes or None))

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        if not all(-self.ndim <= axis < self.ndim for axis in (axis1, axis2)):
            raise ValueError("Axis out of range")
        return self._view(self._host.swapaxes(axis1, axis2))

    def squeeze(self, axis: Any = None) -> Any:
        host = self._host.squeeze(axis)
        return self if host.ndim == self.ndim else self._view(host)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        if not all(-self.ndim <= axis < self.ndim for axis in (axis1, axis2)):
            raise numpy.exceptions.AxisError(
                f"axis1(={axis1}) and axis2(={axis2}) must be within range (ndim={self.ndim})"
            )
        return self._view(writable(self._host.diagonal(offset, axis1, axis2)))

    # Elements.

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self.shape[0]))

    def __getitem__(self, slices: Any) -> Any:
        return _indexing.get(self, slices)

    def __setitem__(self, slices: Any, value: Any) -> None:
        _indexing.scatter(self, slices, value, "update")

    def _scatter_op(self, slices: Any, value: Any, op: str) -> None:
        _indexing.scatter(self, slices, value, op)

    def scatter_add(self, slices: Any, value: Any) -> None:
        warn(
            "`ndarray.scatter_add` is deprecated. Please use `cupy.add.at` instead.",
            DeprecationWarning,
        )
        self._scatter_op(slices, value, "add")

    def take(self, indices: Any, axis: int | None = None, out: None = None) -> Any:
        return _indexing.take(self, indices, axis)

    def nonzero(self) -> tuple[Any, ...]:
        return _indexing.nonzero(self)

    def compress(self, condition: Any, axis: int | None = None, out: None = None) -> Any:
        condition = condition if isinstance(condition, ndarray) else array(condition, int)
        return self.take(condition.nonzero()[0], axis)

    # NumPy's protocols.

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        arguments = inputs
        if "out" in kwargs:
            if len(kwargs["out"]) != 1:
                raise ValueError("The 'out' parameter must have exactly one array value")
            arguments += kwargs["out"]
            (kwargs["out"],) = kwargs["out"]
        function = getattr(sys.modules[__package__], ufunc.__name__, None)
        if method != "__call__":
            function = getattr(function, method, None)
        if function is None or not all(map(_is_known, arguments)):
            return NotImplemented
        if ufunc.__name__ in _COMPARISONS.values():
            inputs = tuple(map(_scalar, inputs))
        return function(*inputs, **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        try:
            module = functools.reduce(
                getattr, func.__module__.split(".")[1:], sys.modules[__package__]
            )
            own = getattr(module, func.__name__)
        except AttributeError:
            return NotImplemented
        if own is func or not all(issubclass(t, (ndarray, numpy.ndarray)) for t in types):
            return NotImplemented
        return own(*args, **kwargs)

    # Arithmetic beside the operators of the tables below.

    def __pos__(self) -> Any:
        return self.copy() if self.dtype == bool else _ufunc("positive")(self)

    def __matmul__(self, other: Any) -> Any:
        if isinstance(other, ndarray):
            return matmul(self, other)
        return NotImplemented if _should_use_rop(self, other) else numpy.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return matmul(other, self)

    def dot(self, b: Any, out: Any = None) -> Any:
        return sys.modules[__package__].dot(self, b, out)

    def conj(self) -> Any:
        return _ufunc("conjugate")(self) if self.dtype.kind == "c" else self

    conjugate = conj

    def clip(self, min: Any = None, max: Any = None, out: Any = None) -> Any:
        if self.dtype.kind in "iuf":
            limits = (numpy.finfo if self.dtype.kind == "f" else numpy.iinfo)(self.dtype)
            infinite = self.dtype.kind == "f"
            min = (-numpy.inf if infinite else int(limits.min)) if min is None else min
            max = (numpy.inf if infinite else int(limits.max)) if max is None else max
        return _kernels.CLIP(self, min, max, out=out)

    def sort(self, axis: int = -1, kind: str | None = None) -> None:
        _check_kind(kind)
        if self.ndim == 0:
            raise numpy.exceptions.AxisError(
                "Sorting arrays with the rank of zero is not supported"
            )
        COUNTERS.launch("sort")
        _kernels.values(self, "sort").sort(axis, kind="stable")

    def argsort(self, axis: int | None = -1, kind: str | None = None) -> Any:
        _check_kind(kind)
        return _computed("argsort", self, axis=axis, kind="stable")

    def partition(self, kth: Any, axis: int = -1) -> None:
        COUNTERS.launch("partition")
        _kernels.values(self, "partition").partition(kth, axis)

    def searchsorted(self, v: Any, side: str = "left", sorter: Any = None) -> Any:
        return sys.modules[__package__].searchsorted(self, v, side, sorter)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None,
              out: Any = None) -> Any:  # fmt: skip
        return self.diagonal(offset, axis1, axis2).sum(-1, dtype, out)


def _ufunc(name: str) -> Any:
    return _kernels.UFUNCS[f"cupy_{name}"]


def _computed(name: str, x: Any, *args: Any, out: Any = None, **kwargs: Any) -> Any:
    """Launch a method of `x` that is computed by NumPy's function of the same name."""
    host = _kernels.values(x, f"cupy_{name}")
    COUNTERS.launch(f"cupy_{name}")
    result = made(numpy.array(_kernels.quietly(getattr(numpy, name), host, *args, **kwargs)))
    if out is None:
        return result
    _kernels.COPY(result, out)
    return out


def _check_kind(kind: str | None) -> None:
    if kind not in (None, "stable"):
        raise ValueError("kind can only be None or 'stable'")


def _axes(axis: Any) -> Any:
    """Read an argument `axis`: None, an integer or several."""
    if axis is None:
        return None
    return tuple(map(operator.index, axis)) if isinstance(axis, tuple) else operator.index(axis)


def _reduction(name: str, parameters: str) -> Callable[..., Any]:
    """Return a reducing method; CuPy's differ in the order of their parameters."""
    order = parameters.split()

    def reduce(self: Any, *args: Any, **kwargs: Any) -> Any:
        if len(args) > len(order) or not kwargs.keys() <= {*order[len(args) :]}:
            raise TypeError(f"{name}() takes {', '.join(order)}; got {args} and {kwargs}")
        given = {**dict(zip(order, args, strict=False)), **kwargs}
        if "axis" in order:
            given["axis"] = _axes(given.get("axis"))
        dtype = given.pop("dtype", None)
        if dtype is not None:
            given["dtype"] = dtype
        if name in ("max", "min", "argmax", "argmin") and self.size == 0:
            raise ValueError(
                f"zero-size array to reduction operation cupy_{name} which has no identity"
            )
        return _computed(name, self, **given)

    reduce.__name__ = name
    return reduce


for _name, _parameters in {
    "sum": "axis dtype out keepdims",
    "prod": "axis dtype out keepdims",
    "mean": "axis dtype out keepdims",
    "max": "axis out keepdims",
    "min": "axis out keepdims",
    "ptp": "axis out keepdims",
    "all": "axis out keepdims",
    "any": "axis out keepdims",
    "argmax": "axis out dtype keepdims",
    "argmin": "axis out dtype keepdims",
    "std": "axis dtype out ddof keepdims",
    "var": "axis dtype out ddof keepdims",
    "cumsum": "axis dtype out",
    "cumprod": "axis dtype out",
    "round": "decimals out",
    "repeat": "repeats axis",
    "argpartition": "kth axis",
}.items():
    setattr(ndarray, _name, _reduction(_name, _parameters))


_ARITHMETIC = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "divmod": "divmod",
    "pow": "power",
    "lshift": "left_shift",
    "rshift": "right_shift",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
}
_COMPARISONS = {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "not_equal",
}
_UNARY = {"neg": "negative", "abs": "absolute", "invert": "invert"}


def _should_use_rop(x: Any, y: Any) -> bool:
    """Tell whether an operator lets `y`, which is no array of CuPy, decide."""
    missing = object()
    protocol = getattr(y, "__array_ufunc__", missing)
    if protocol is not missing:
        return protocol is None
    return bool(x.__array_priority__ < getattr(y, "__array_priority__", 0))


def _is_known(x: Any) -> bool:
    known = type(x) in _kernels.SCALARS or isinstance(x, (ndarray, numpy.ndarray))
    return known or hasattr(x, "__cuda_array_interface__")


def _scalar(x: Any) -> Any:
    return x.item() if isinstance(x, numpy.ndarray) and x.ndim == 0 else x


def _power(x: Any, y: Any) -> Any:
    """Return the ufunc by which a common power is computed, and its dtype."""
    if type(y) is int and y == 2:
        return _ufunc("square"), None if x.dtype.kind in "ifc" else numpy.result_type(x.dtype, y)
    if type(y) is float and y in (0.5, 2.0, -1.0):
        name = {0.5: "sqrt", 2.0: "square", -1.0: "reciprocal"}[y]
        return _ufunc(name), None if x.dtype.kind in "fc" else numpy.result_type(x.dtype, y)
    return None, None


def _operators(name: str, function: str) -> None:
    """Give the array an operator, by the left, by the right and in place."""
    numpys = getattr(numpy, function)

    def own(*args: Any) -> Any:
        return _ufunc(function)(*args)

    def left(x: Any, y: Any, modulo: None = None) -> Any:
        if function == "power":
            common, dtype = _power(x, y)
            if common is not None:
                return common(x, dtype=dtype)
        if isinstance(y, ndarray):
            return own(x, y)
        return NotImplemented if _should_use_rop(x, y) else numpys(x, y)

    setattr(ndarray, f"__{name}__", left)
    # Asked by the right, CuPy is the last that is asked.
    setattr(ndarray, f"__r{name}__", lambda x, y: own(y, x))
    if name != "divmod":
        setattr(ndarray, f"__i{name}__", lambda x, y: own(x, y, x))


def _comparison(name: str, function: str) -> None:
    numpys = getattr(numpy, function)

    def compare(x: Any, y: Any) -> Any:
        if isinstance(y, ndarray):
            return _ufunc(function)(x, y)
        if _should_use_rop(x, y):
            return NotImplemented
        plain = type(y).__eq__ is object.__eq__ and type(y).__ne__ is object.__ne__
        if name in ("eq", "ne") and (plain or y is None):  # such as no element can be
            result = ndarray(x.shape, bool)
            result.fill(name == "ne")
            return result
        return numpys(x, _scalar(y))

    setattr(ndarray, f"__{name}__", compare)


for _pair in _ARITHMETIC.items():
    _operators(*_pair)
for _pair in _COMPARISONS.items():
    _comparison(*_pair)
for _name, _function in _UNARY.items():
    setattr(ndarray, f"__{_name}__", lambda x, name=_function: _ufunc(name)(x))


def _wants_f(x: ndarray, order: str) -> bool:
    return order == "F" or (order in "AK" and x.flags.fnc)


def _has_order(x: ndarray, order: str | None) -> bool:
    flags = x.flags
    met = {"C": flags.c_contiguous, "F": flags.f_contiguous, "A": flags.forc, "K": True}
    return met[order or "K"]


def writable(view: Any) -> Any:
    """Return a view that NumPy made read-only, though its memory is not."""
    if view.flags.writeable:
        return view
    interface = dict(view.__array_interface__)
    interface["data"] = (interface["data"][0], False)
    return numpy.asarray(types.SimpleNamespace(__array_interface__=interface, owner=view))


# Making arrays.


def array(obj: Any, dtype: Any = None, copy: bool | None = True, order: str | None = "K",
          subok: bool = False, ndmin: int = 0, *, blocking: bool = False) -> Any:  # fmt: skip
    """Make an array of what is on a device or on the host, on the current device."""
    if subok:
        raise NotImplementedError
    if isinstance(obj, ndarray):
        x = _of_array(obj, dtype, copy, order)
        return x._view(x._host.reshape((1,) * (ndmin - x.ndim) + x.shape)) if ndmin > x.ndim else x
    nested = _nested(obj)
    if nested is not None:
        leaves, shape = nested
        kind = numpy.result_type(*[x.dtype for x in leaves]) if dtype is None else dtype
        if isinstance(leaves[0], ndarray):
            COUNTERS.launch("concatenate")
            hosts = [_kernels.values(x, "concatenate") for x in leaves]
            return made(numpy.array(hosts, supported(kind)).reshape(shape))
        COUNTERS.upload()
        return made(numpy.array(leaves, supported(kind)).reshape(shape))
    host = numpy.array(obj, dtype, copy=None, ndmin=ndmin)
    host = host.astype(supported(host.dtype.newbyteorder("=")), copy=False)
    if host.ndim:
        COUNTERS.upload()
    else:
        COUNTERS.launch("cupy_fill")  # the value is an argument of a kernel
    fortran = order == "F" or (order in (None, "K", "A") and host.flags.fnc)
    return made(numpy.array(host, order="F" if fortran else "C"))


def _of_array(x: Any, dtype: Any, copy: bool | None, order: str | None) -> Any:
    dtype = x.dtype if dtype is None else supported(dtype)
    if x._device != runtime.getDevice():
        return x.copy().astype(dtype, copy=False)
    if copy is False and (dtype != x.dtype or not _has_order(x, order)):
        raise ValueError("Unable to avoid copy while creating an array as requested.")
    return x.astype(dtype, order or "K", copy=bool(copy))


def _nested(obj: Any) -> tuple[list[Any], tuple[int, ...]] | None:
    """Return the arrays in nested lists and the shape of them all, if they are all alike."""
    if not isinstance(obj, (list, tuple)) or not obj:
        return None
    if all(isinstance(x, ndarray) for x in obj) or all(isinstance(x, numpy.ndarray) for x in obj):
        leaves, shapes = list(obj), {x.shape for x in obj}
    else:
        parts = [_nested(x) for x in obj]
        if None in parts or len({type(part[0][0]) for part in parts}) > 1:
            return None
        leaves = list(itertools.chain.from_iterable(part[0] for part in parts))
        shapes = {part[1] for part in parts}
    return (leaves, (len(obj), *shapes.pop())) if len(shapes) == 1 else None


def matmul(x1: Any, x2: Any, /, out: Any = None) -> Any:
    """Multiply matrices; only arrays of CuPy are taken."""
    for x in (x1, x2):
        if not isinstance(x, ndarray):
            raise TypeError(
                f"Argument has incorrect type (expected cupy.ndarray, got {type(x).__name__})"
            )
        if x.ndim == 0:
            raise ValueError("Scalar operands are not allowed, use '*' instead")
    hosts = [_kernels.values(x, "matmul") for x in (x1, x2)]
    COUNTERS.launch("matmul")
    result = made(numpy.array(_kernels.quietly(numpy.matmul, *hosts)))
    if out is None:
        return result
    _kernels.COPY(result, out)
    return out
