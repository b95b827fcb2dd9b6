"""Questions to arrays: of which library, on which device, of which dtype, with what numbers."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable
from typing import Any

import array_api_compat
import numpy as np

from gdx.backends.foreign import refusal
from gdx.backends.libraries import (
    LIBRARY_OF_NAMESPACE,
    Array,
    Device,
    DType,
    Namespace,
    library,
)

_NUMBERS = (bool, int, float, complex, np.generic)

# Of these, there is one library and one device.
_HOST_ARRAYS = frozenset((np.ndarray,))

# Remembered for the libraries in the table, whose array types have one namespace each.
_NAMESPACE_OF_TYPE: dict[type, Namespace] = {}


def is_array(x: object) -> bool:
    """Tell whether `x` is an array of a library that follows the standard (no list, no number)."""
    return type(x) in _NAMESPACE_OF_TYPE or (
        array_api_compat.is_array_api_obj(x) and not isinstance(x, np.generic)
    )


def namespace_of(x: Array) -> Namespace:
    """Return the namespace of the functions that work on the array `x`."""
    return _NAMESPACE_OF_TYPE.get(type(x)) or _looked_up(x)


# Types of traced arrays, which tell the device in the library's terms, and bring themselves to the
# host if they are constants.
_TRACED: set[type] = set()


def remember_namespace(array_type: type, xp: Namespace) -> None:
    """Let all arrays of a type have one namespace, which then costs nothing to find."""
    _NAMESPACE_OF_TYPE[array_type] = xp
    if plain_namespace(xp) is not xp:
        _TRACED.add(array_type)


def is_traced(x: object) -> bool:
    """Tell whether a trace of gdx follows an array."""
    return type(x) in _TRACED


def _looked_up(x: Array) -> Namespace:
    refused = refusal(x)
    if refused is not None:
        raise TypeError(refused)
    if not is_array(x):
        raise TypeError(
            f"expected an array, got {type(x).__name__}; gdx.asarray makes one from numbers."
        )
    xp = array_api_compat.array_namespace(x)
    if library(xp).namespace in LIBRARY_OF_NAMESPACE:
        remember_namespace(type(x), xp)
    else:
        check_standard(xp)
    return xp


# The lowest version of the standard that gdx can work with: the first whose functions take numbers
# beside arrays. Of what it has, some that young or partial libraries lack.
STANDARD = "2024.12"
_NEEDED = (
    "__array_namespace_info__",
    "arange",
    "clip",
    "isdtype",
    "maximum",
    "minimum",
    "take",
    "unstack",
    "where",
)


@functools.cache
def check_standard(xp: Namespace) -> None:
    """Raise an error if a library that is in no table follows an older version of the standard."""
    version = getattr(xp, "__array_api_version__", None)
    if isinstance(version, str) and version < STANDARD:
        found = f"follows version {version}"
    else:
        missing = [name for name in _NEEDED if not hasattr(xp, name)]
        if not missing:
            return
        found = f"has no {', '.join(missing)}"
    name = library(xp).name
    raise TypeError(
        f"{name} {found}; gdx needs {STANDARD} of the Array API standard, or a later one. Convert "
        f"its arrays to those of a library that gdx.backends() lists, or take a newer {name}."
    )


def common_namespace(*objects: object) -> Namespace | None:
    """Return the one namespace of the arrays among `objects`; None if all of them are numbers."""
    if objects and _HOST_ARRAYS.issuperset(map(type, objects)):
        return namespace_of(objects[0])
    arrays: list[Array] = [x for x in objects if not isinstance(x, _NUMBERS)]
    if not arrays:
        return None
    first = arrays[0]
    xp = namespace_of(first)
    if len(arrays) == 1:
        return xp
    host = library(xp).on_host(first)
    for x in arrays[1:]:
        other = xp if type(x) is type(first) else namespace_of(x)
        if other is not xp:
            if _is_over(xp, other):
                continue
            if _is_over(other, xp):
                first, xp = x, other
                continue
            raise TypeError(
                f"arrays of two libraries are mixed: {library(xp).name} ({type(first).__name__}) "
                f"and {library(other).name} ({type(x).__name__}). Convert one of them: "
                "gdx.to_numpy(x) brings an array to the host, gdx.asarray(x) takes a NumPy array "
                "to the current backend."
            )
        if host and library(other).on_host(x):
            continue
        here, there = device_of(first), device_of(x)
        if here != there and here is not None and there is not None:
            raise ValueError(
                f"arrays lie on two devices: {here} and {there}. Move one of them first."
            )
    return xp


def plain_namespace(xp: Namespace) -> Namespace:
    """Return the library's own namespace, of that of its traced arrays, too."""
    return getattr(xp, "over", xp)


def namespace_among(first: Array, *others: Array) -> Namespace:
    """Return the namespace of arrays of one library, of which some may be traced."""
    xp = namespace_of(first)
    for x in others:
        if type(x) is not type(first) and hasattr(namespace_of(x), "over"):
            return namespace_of(x)
    return xp


def _is_over(traced: Namespace, plain: Namespace) -> bool:
    """Tell whether one namespace is that of the traced arrays of the other."""
    return getattr(traced, "over", None) is plain


def device_of(x: Array) -> Device:
    """Return the device on which `x` lies; None where that is open, as while JAX traces."""
    if type(x) is np.ndarray:
        return "cpu"
    return x.device if type(x) in _TRACED else array_api_compat.device(x)


def dtype_name(dtype: DType) -> str:
    """Return the standard's name of a dtype: of any library's own, Python's, NumPy's, or a string.

    NumPy says what spellings mean: "f8", "double" and Python's float are float64.
    """
    try:
        name: Any = np.dtype(dtype).name
    except TypeError:  # another library's own
        name = "object"
    if name == "object":
        name = getattr(dtype, "name", None) or getattr(dtype, "__name__", dtype)
    return str(name).split(".")[-1]


_NUMERIC = re.compile(r"bool|(b?float|u?int|complex)\d+")


def found_dtype(xp: Namespace, dtype: DType) -> DType | None:
    """Return the dtype of this library that `dtype` means, if it has it."""
    name = dtype_name(dtype)
    return getattr(xp, name, None) if _NUMERIC.fullmatch(name) else None


def dtype_named(xp: Namespace, dtype: DType) -> DType:
    """Return the dtype of this library that `dtype` means."""
    found = found_dtype(xp, dtype)
    if found is None:
        raise ValueError(f"dtype {dtype!r} does not exist in {library(xp).name}.")
    return found


@functools.cache
def is_real_floating(xp: Namespace, dtype: DType) -> bool:
    """Tell whether `dtype` holds real floating-point numbers, of whatever width."""
    return bool(xp.isdtype(dtype, "real floating"))


@functools.cache
def is_integer(xp: Namespace, dtype: DType) -> bool:
    """Tell whether `dtype` holds integers."""
    return bool(xp.isdtype(dtype, "integral"))


@functools.cache
def is_complex(xp: Namespace, dtype: DType) -> bool:
    """Tell whether `dtype` holds complex numbers."""
    return bool(xp.isdtype(dtype, "complex floating"))


@functools.cache
def is_real(xp: Namespace, dtype: DType) -> bool:
    """Tell whether `dtype` holds real numbers: floating, integers, or truth values as 0 and 1."""
    return bool(xp.isdtype(dtype, ("real floating", "integral", "bool")))


@functools.cache
def epsilon(xp: Namespace, dtype: DType) -> float:
    """Return the distance from 1 to the next number of the floating `dtype`."""
    return float(xp.finfo(dtype).eps)


@functools.cache
def largest(xp: Namespace, dtype: DType) -> float:
    """Return the largest number of the floating `dtype`."""
    return float(xp.finfo(dtype).max)


def epsilon_of(value: object) -> float:
    """Return the epsilon of an array or a scalar; 0 if it is no floating one, or Python's own.

    A Python number says nothing of the precision with which it was computed.
    """
    if isinstance(value, np.floating):
        return epsilon(np, value.dtype)
    if is_array(value):
        xp = namespace_of(value)
        dtype = value.dtype  # type: ignore[attr-defined]
        return epsilon(xp, dtype) if is_real_floating(xp, dtype) else 0.0
    return 0.0


def dtypes_on(xp: Namespace, device: Device) -> dict[str, DType]:
    """Return the standard's dtypes that `device` has, by name."""
    dtypes: dict[str, DType] = xp.__array_namespace_info__().dtypes(device=device)
    return dtypes


def check_width(xp: Namespace, device: Device, dtype: DType) -> None:
    """Raise an error if `device` has no numbers as wide as those of `dtype`, as JAX without x64."""
    name = dtype_name(dtype)
    narrow = HALF_AS_WIDE.get(name)
    if narrow is not None and name not in dtypes_on(xp, device):
        raise ValueError(f"{library(xp).name} has no {name} on {device}; write dtype={narrow!r}.")


HALF_AS_WIDE = {
    "float64": "float32",
    "complex128": "complex64",
    "int64": "int32",
    "uint64": "uint32",
}


def default_float(xp: Namespace, device: Device) -> DType:
    """Return float64 where the device has it, else float32."""
    dtypes = dtypes_on(xp, device)
    return dtypes.get("float64", dtypes["float32"])


def cast(x: Array, dtype: DType, xp: Namespace) -> Array:
    """Return `x` with the given dtype: itself, if it has it."""
    return x if x.dtype == dtype else xp.astype(x, dtype)


def sum_along(x: Array, axis: int, xp: Namespace) -> Array:
    """Return the sums along an axis, which stays, by the quickest function of the library."""
    return _reduced("sum", x, axis, xp)


def max_along(x: Array, axis: int, xp: Namespace) -> Array:
    """Return the maxima along an axis, which stays, by the quickest function of the library."""
    return _reduced("max", x, axis, xp)


def _reduced(name: str, x: Array, axis: int, xp: Namespace) -> Array:
    quick = library(xp).quick if plain_namespace(xp) is xp else {}
    function = quick.get(name) or getattr(xp, name)
    return function(x, axis=axis, keepdims=True)


def as_like(
    obj: object,
    x: Array,
    xp: Namespace,
    name: str,
    *,
    dtype: DType | None = None,
    attached: bool = False,
) -> Array:
    """Return `obj` as an array beside `x`: numbers and lists move to its device and precision.

    An array of another library or on another device is an error, as everywhere. `name` is what an
    error calls the argument. `attached` to the library's autograd it stays only if asked for.
    """
    if is_array(obj):
        array: Array = obj
        on_host = library(xp).on_host
        if not (type(array) is type(x) and on_host(array) and on_host(x)):
            common_namespace(x, array)
        if array.dtype != x.dtype and not is_real(xp, array.dtype):
            raise TypeError(f"{name} must hold real numbers, but its dtype is {array.dtype}.")
        array = array if attached else library(namespace_of(array)).detached(array)
        return array if dtype is None else cast(array, dtype, xp)
    host = np.asarray(obj)
    if host.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers; got {obj!r}.")
    if dtype is None and host.dtype.kind == "f":
        dtype = x.dtype
    return made_beside(x, host, xp, dtype)


def made_beside(x: Array, host: Any, xp: Namespace, dtype: DType | None = None) -> Array:
    """Return an array of numbers from the host, on the device of `x`."""
    return chunked_like(xp.asarray(host, dtype=dtype, device=device_of(x)), x, xp)


def chunked_like(made: Array, x: Array, xp: Namespace) -> Array:
    """Return an array that was just made, in chunks of the kind that `x` has, in Dask."""
    chunked = library(xp).chunked_like
    return made if chunked is None else chunked(made, x)


def overlaps(x: Array, others: Iterable[Array]) -> bool:
    """Tell whether assigning to `x` may change one of the `others`."""
    overlap = library(namespace_of(x)).overlap
    return any(type(x) is type(other) and overlap(x, other) for other in others)


# Up to so many elements, Python's own min, max and all are quicker than reductions of arrays.
_FEW = 50


def extremes(x: Array, xp: Namespace) -> tuple[float, float]:
    """Return the smallest and the largest element of an array on the host."""
    host = library(xp).to_numpy(x)
    if host.size > _FEW:
        return float(host.min()), float(host.max())
    elements = host.ravel().tolist()
    return float(min(elements)), float(max(elements))


_BLAS = (np.dtype(np.float32), np.dtype(np.float64))


def is_finite(x: Array, xp: Namespace | None = None) -> bool:
    """Tell whether no element is NaN or infinite; one truth value is read from a device."""
    xp = namespace_of(x) if xp is None else xp
    known = library(xp)
    if not known.on_host(x):
        return bool(known.to_numpy(xp.all(xp.isfinite(x))))
    host = known.to_numpy(x)
    if host.size > _FEW or host.dtype.kind == "c":
        # A sum of squares is finite only where all are, and takes a third of the time.
        quick = host.dtype in _BLAS and math.isfinite(np.vdot(host, host))
        return quick or bool(np.isfinite(host).all())
    return all(map(math.isfinite, host.ravel().tolist()))


def ran_out_of_memory(error: Exception, xp: Namespace) -> bool:
    """Tell whether `error` is how a library says that there is not enough memory."""
    if isinstance(error, MemoryError):
        return True
    how = library(xp).out_of_memory
    return isinstance(error, RuntimeError) and bool(re.search(how, str(error), re.IGNORECASE))


def to_numpy(x: Array, /) -> Any:
    """Bring an array to the host, as a NumPy array.

    This is the one way by which gdx copies numbers from a device to the host, but for printing,
    plotting and saving. A Dask array is computed. An array that offers neither DLPack nor
    ``__array__`` is read number by number. Masked elements are a TypeError.

    Parameters
    ----------
    x : array of any library, number, or list of numbers

    Returns
    -------
    x : numpy.ndarray
        May share its memory with `x`, and may be read-only. bfloat16 comes as float32.

    Examples
    --------
    >>> import gdx
    >>> gdx.to_numpy([1.0, 2.0])
    array([1., 2.])
    """
    if not is_array(x) or type(x) in _TRACED:
        return np.asarray(x)
    return library(namespace_of(x)).to_numpy(x)
