"""Array libraries made at home: as much as the standard demands, and nothing beyond it.

An array can be reached by its namespace and its operators alone: it has neither `__array__` nor
`__dlpack__`, and its operators raise where they are handed something foreign.
"""

from __future__ import annotations

import operator
from types import ModuleType
from typing import Any

import array_api_compat.numpy as xp
import numpy as np

NAMES = """
    e inf nan newaxis pi bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64
    complex64 complex128 abs acos acosh add all any arange argmax argmin argsort asarray asin asinh
    astype atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift bitwise_or
    bitwise_right_shift bitwise_xor broadcast_arrays broadcast_to can_cast ceil concat conj cos cosh
    divide empty empty_like equal exp expand_dims expm1 eye finfo flip floor floor_divide full
    full_like greater greater_equal iinfo imag isdtype isfinite isinf isnan less less_equal linspace
    log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor matmul
    matrix_transpose max mean meshgrid min multiply negative nonzero not_equal ones ones_like
    permute_dims positive pow prod real remainder reshape result_type roll round sign sin sinh sort
    sqrt square squeeze stack std subtract sum take tan tanh tensordot tril triu trunc unique_all
    unique_counts unique_inverse unique_values var vecdot where zeros zeros_like
    linalg.cholesky linalg.cross linalg.det linalg.diagonal linalg.eigh linalg.eigvalsh linalg.inv
    linalg.matmul linalg.matrix_norm linalg.matrix_power linalg.matrix_rank linalg.matrix_transpose
    linalg.outer linalg.pinv linalg.qr linalg.slogdet linalg.solve linalg.svd linalg.svdvals
    linalg.tensordot linalg.trace linalg.vecdot linalg.vector_norm fft.fft fft.ifft fft.fftn
    fft.ifftn fft.rfft fft.irfft fft.rfftn fft.irfftn fft.hfft fft.ihfft fft.fftfreq fft.rfftfreq
    fft.fftshift fft.ifftshift
"""
NEW_IN = {
    "2023.12": """
        clip copysign cumulative_sum hypot maximum minimum moveaxis repeat searchsorted signbit tile
        unstack
    """,
    "2024.12": "count_nonzero cumulative_prod diff nextafter reciprocal take_along_axis",
}


class Immutable:
    """An array of the standard, over one of NumPy that nobody else can reach."""

    __slots__ = ("_data", "_xp")

    def __init__(self, data: Any, xp: Any) -> None:
        self._data = data
        self._xp = xp

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return self._xp

    shape = property(lambda self: self._data.shape)
    dtype = property(lambda self: self._data.dtype)
    ndim = property(lambda self: self._data.ndim)
    size = property(lambda self: self._data.size)
    device = property(lambda self: "cpu")
    T = property(lambda self: self._made(self._data.T))
    mT = property(lambda self: self._made(self._data.mT))  # noqa: N815 - the standard's name

    def to_device(self, device: Any, /, *, stream: Any = None) -> Immutable:
        return self

    def _made(self, data: Any) -> Immutable:
        return type(self)(np.asarray(data), self._xp)

    def _taken(self, other: Any) -> Any:
        if isinstance(other, Immutable):
            return other._data
        if type(other) not in (bool, int, float, complex):
            raise TypeError(f"expected an array or a number, got {type(other).__name__}")
        return other

    def __getitem__(self, key: Any) -> Immutable:
        return self._made(self._data[lowered(key)])

    def __bool__(self) -> bool:
        return bool(self._data)

    def __int__(self) -> int:
        return int(self._data)

    def __index__(self) -> int:
        return operator.index(self._data[()])

    def __float__(self) -> float:
        return float(self._data)

    def __complex__(self) -> complex:
        return complex(self._data)

    def __repr__(self) -> str:
        return f"minimal({self._data!r})"


class Array(Immutable):
    """An array whose elements can be assigned."""

    __slots__ = ()

    def __setitem__(self, key: Any, value: Any) -> None:
        self._data[lowered(key)] = self._taken(value)


def _binary(name: str) -> Any:
    def method(self: Immutable, other: Any) -> Any:
        return self._made(getattr(operator, name)(self._data, self._taken(other)))

    return method


def _reflected(name: str) -> Any:
    def method(self: Immutable, other: Any) -> Any:
        return self._made(getattr(operator, name)(self._taken(other), self._data))

    return method


def _in_place(name: str) -> Any:
    def method(self: Array, other: Any) -> Array:
        self._data[...] = getattr(operator, name)(self._data, self._taken(other))
        return self

    return method


def _unary(name: str) -> Any:
    return lambda self: self._made(getattr(operator, name)(self._data))


ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
BITWISE = ("and", "or", "xor", "lshift", "rshift")
for _name in (*ARITHMETIC, *BITWISE):
    setattr(Immutable, f"__{_name}__", _binary(f"__{_name}__"))
    setattr(Immutable, f"__r{_name}__", _reflected(f"__{_name}__"))
    setattr(Array, f"__i{_name}__", _in_place(f"__{_name}__"))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Immutable, f"__{_name}__", _binary(f"__{_name}__"))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(Immutable, f"__{_name}__", _unary(f"__{_name}__"))


class Final(Array):
    """An array of which no class can be derived."""

    __slots__ = ()

    def __init_subclass__(cls, **options: Any) -> None:
        raise TypeError("nothing is derived from Final")


def lowered(x: Any) -> Any:
    """Return NumPy's arrays in the place of ours."""
    if isinstance(x, Immutable):
        return x._data
    if type(x) in (list, tuple):
        return type(x)(map(lowered, x))
    return x


def namespace(name: str, version: str = "2024.12", array_type: type[Immutable] = Array) -> Any:
    """Return the namespace of a library that follows a version of the standard."""
    made = ModuleType(name)
    made.__array_api_version__ = version  # type: ignore[attr-defined]

    def raised(y: Any) -> Any:
        if isinstance(y, np.ndarray | np.generic):
            return array_type(np.asarray(y), made)
        if isinstance(y, tuple) and hasattr(y, "_fields"):
            return type(y)(*map(raised, y))
        return type(y)(map(raised, y)) if type(y) in (list, tuple) else y

    def facing(function: Any) -> Any:
        def face(*args: Any, **kwargs: Any) -> Any:
            for argument in (*args, *kwargs.values()):
                if isinstance(argument, np.ndarray) and function is not xp.asarray:
                    raise TypeError(f"expected arrays of {name}, got one of NumPy")
            kwargs = {key: lowered(value) for key, value in kwargs.items()}
            return raised(function(*map(lowered, args), **kwargs))

        return face

    def put(name: str) -> None:
        value, target = xp, made
        *extensions, last = name.split(".")
        for each in extensions:
            value = getattr(value, each)
            target = vars(target).setdefault(each, ModuleType(f"{made.__name__}.{each}"))
        value = getattr(value, last)
        if isinstance(value, type):
            value = np.dtype(value)
        setattr(target, last, facing(value) if callable(value) else value)

    newer = " ".join(names for since, names in NEW_IN.items() if since <= version)
    for each in f"{NAMES} {newer}".split():
        put(each)
    if version >= "2023.12":
        made.__array_namespace_info__ = xp.__array_namespace_info__  # type: ignore[attr-defined]
    return made
