"""The current backend: where arrays that are made from nothing go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any

import array_api_compat
import numpy as np

from gdx.backends.arrays import (
    HALF_AS_WIDE,
    cast,
    check_width,
    common_namespace,
    default_float,
    device_of,
    dtype_named,
    dtypes_on,
    is_array,
    is_complex,
    is_integer,
    is_real_floating,
    is_traced,
    made_beside,
    namespace_of,
    plain_namespace,
)
from gdx.backends.foreign import refusal
from gdx.backends.libraries import LIBRARIES, Array, Device, DType, Namespace, library
from gdx.backends.probe import (
    Backend,
    BackendUnavailableError,
    DeviceUnavailableError,
    first_accelerator,
    start,
)
from gdx.caller import warn


class BackendFallbackWarning(UserWarning):
    """The array library that was asked for cannot be used; another one takes its place."""


_lock = Lock()
_process: Backend | None = None
_scoped: ContextVar[Backend | None] = ContextVar("gdx backend", default=None)


def use(
    name: str | Namespace,
    *,
    device: Device = None,
    dtype: DType | None = None,
    fallback: str | None = "numpy",
) -> Backend:
    """Choose where arrays that are made from nothing go, for the whole process.

    Lists, scalars and initial weights become arrays of this backend. A routine that is handed an
    array never looks at it.

    Parameters
    ----------
    name : str or namespace
        "numpy", "cupy", "torch", "jax", "dask"; "auto" for the first of them that computes on an
        accelerator, else NumPy; or any namespace of the Array API standard, as ``jax.numpy``, that
        follows version 2024.12 or a later one.
    device : optional
        In the library's own terms ("cuda:1", a device object); its default device otherwise.
    dtype : str, type or dtype, optional
        The floating dtype of new arrays; float64 where the device has it, else float32. On every
        library, Python's ``float``, "f8" and ``numpy.float64`` mean float64.
    fallback : str or None
        What takes the place of a library that cannot be used; where the library can be used, but
        not the device, its default device does. With None both are errors.

    Returns
    -------
    backend : Backend
        What was chosen.

    Warns
    -----
    BackendFallbackWarning
        If `fallback` was used: which backend, why not, what instead, and how to install it; or if
        the device is not there. A backend is usable if a small kernel was run on it; that it can be
        imported is not enough.

    Raises
    ------
    BackendUnavailableError
        If the backend cannot be used and `fallback` is None, or cannot be used either.
    TypeError, ValueError
        If `name`, `dtype` or `fallback` is unknown, or the device has no such dtype.

    See Also
    --------
    using : the same inside a ``with`` block, for this thread or task alone.

    Notes
    -----
    The environment variable ``GDX_BACKEND`` sets the first value. Inside a `using` block, `use`
    changes the process's value, not the block's.

    Examples
    --------
    >>> import gdx
    >>> print(gdx.use("numpy", dtype="float32"))
    numpy on cpu, float32
    >>> gdx.asarray([1.0, 2.0]).dtype
    dtype('float32')
    >>> print(gdx.use("numpy"))
    numpy on cpu, float64
    """
    global _process
    chosen = _selected(name, device, dtype, fallback)
    with _lock:
        _process = chosen
    return chosen


@contextmanager
def using(
    name: str | Namespace,
    *,
    device: Device = None,
    dtype: DType | None = None,
    fallback: str | None = "numpy",
) -> Iterator[Backend]:
    """Choose where arrays that are made from nothing go, inside a ``with`` block.

    The parameters, warnings and errors are those of `use`. Blocks in other threads and in other
    asyncio tasks are not disturbed. A thread that is started inside the block has its backend where
    threads inherit their context (``sys.flags.thread_inherit_context``, as in free-threaded
    Python 3.14), and that of the process elsewhere.

    Examples
    --------
    >>> import gdx
    >>> with gdx.using("numpy", dtype="float32") as backend:
    ...     print(backend)
    numpy on cpu, float32
    """
    chosen = _selected(name, device, dtype, fallback)
    token = _scoped.set(chosen)
    try:
        yield chosen
    finally:
        _scoped.reset(token)


def backend() -> Backend:
    """Return the current backend: its `name`, namespace `xp`, `device` and floating `dtype`.

    Examples
    --------
    >>> import gdx
    >>> gdx.backend().name
    'numpy'
    """
    global _process
    current = _scoped.get() or _process
    if current is not None:
        return current
    chosen = _from_environment()
    with _lock:  # another thread may have chosen meanwhile
        _process = _process or chosen
    return _process


def _from_environment() -> Backend:
    try:
        return _selected(os.environ.get("GDX_BACKEND") or "numpy", None, None, "numpy")
    except ValueError as error:
        raise ValueError(f"in the environment variable GDX_BACKEND, {error}") from None


def _selected(
    name: str | Namespace, device: Device, dtype: DType | None, fallback: str | None
) -> Backend:
    if isinstance(name, str) and name == "auto":
        name, accelerator = first_accelerator()
        device = accelerator if device is None else device
    if fallback not in (None, *LIBRARIES):
        raise ValueError(
            f"fallback must be None or one of {', '.join(LIBRARIES)}; got {fallback!r}."
        )
    try:
        return start(name, device, dtype)
    except DeviceUnavailableError as error:
        if fallback is None:
            raise
        substitute = start(name, None, dtype)
        warn(f"{error}. Using {substitute} instead.", BackendFallbackWarning)
        return substitute
    except BackendUnavailableError as error:
        wanted = name if isinstance(name, str) else name.__name__
        install = LIBRARIES[wanted].install if wanted in LIBRARIES else ""
        problem = f"the backend {wanted} cannot be used: {error}." + (
            f" To get it: {install}." if install else ""
        )
        if fallback is None or fallback == wanted:
            raise BackendUnavailableError(problem) from error
        substitute = start(fallback, None, dtype)
        warn(f"{problem} Using {substitute} instead.", BackendFallbackWarning)
        return substitute


def asarray(obj: object, /, *, dtype: DType | None = None) -> Array:
    """Make an array of the current backend from numbers, lists or a NumPy array.

    Parameters
    ----------
    obj : number, nested list, NumPy array, or array of the current backend
        Lists may hold arrays of the current backend, which are stacked. Inside a function that is
        differentiated, derivatives are followed.
    dtype : str, type or dtype, optional
        As for `use`, but of any kind. Otherwise floating numbers in lists take the backend's dtype,
        integers stay integers, and arrays keep their dtype; what is too wide for the device becomes
        half as wide.

    Returns
    -------
    x : array
        On the backend's device. Shares no memory with `obj`, unless `obj` is already there.

    Raises
    ------
    TypeError
        If `obj` is an array of a third library, or does not hold numbers.
    ValueError
        If there is no such dtype on the device.

    Examples
    --------
    >>> import gdx
    >>> gdx.asarray([[1.0, 2.0], [3.0, 4.0]])
    array([[1., 2.],
           [3., 4.]])
    """
    return _new_array(obj, "obj", dtype)


def new_floats(obj: object, name: str) -> Array:
    """Make an array of the current backend from numbers or lists; integers become floating.

    `name` is what an error calls the argument.
    """
    refused = refusal(obj)
    if refused is not None:
        raise TypeError(f"{name}: {refused}")
    return _new_array(obj, name, integers_as_floats=True)


def _new_array(
    obj: object, name: str, dtype: DType | None = None, *, integers_as_floats: bool = False
) -> Array:
    current = backend()
    if dtype is not None:
        dtype = dtype_named(current.xp, dtype)
        check_width(current.xp, current.device, dtype)
    if is_array(obj):
        xp = namespace_of(obj)
        own = plain_namespace(xp)
        if own is current.xp:
            # asarray of PyTorch may take a tensor out of what autograd follows.
            here = device_of(obj) in (current.device, None)
            x = obj if here else array_api_compat.to_device(obj, current.device)
            return x if dtype is None else cast(x, dtype, xp)
        if own is not namespace_of(np.empty(0)):
            raise TypeError(
                f"{name} is an array of {library(own).name}, the current backend is "
                f"{current.name}. Go through the host: gdx.asarray(gdx.to_numpy({name}))."
            )
    like = _within(obj, is_traced)
    if like is None:
        try:
            host = host_array(obj, name)
        except Exception:
            like = _within(obj, _is_foreign)
            if like is None:
                raise
    if like is not None:
        return _new_array(_stacked(obj, like, namespace_of(like)), name, dtype)
    if integers_as_floats and _holds_integers(host):
        host, dtype = host.astype(np.float64), current.dtype
    if host.dtype.kind not in "biufc":
        raise TypeError(
            f"{name} must hold numbers; got {type(obj).__name__} of dtype {host.dtype}."
        )
    if dtype is None:
        dtype = _dtype_on(current, host.dtype, has_own=isinstance(obj, np.ndarray | np.generic))
        if host.dtype.kind in "iu" and dtype is not None:
            _check_range(host, name, current.xp.iinfo(dtype), current)
    if not host.dtype.isnative:
        host = host.astype(host.dtype.newbyteorder("="))
    return current.xp.asarray(host, dtype=dtype, device=current.device)


def host_array(obj: object, name: str) -> np.ndarray:
    """Return numbers or lists as an array of NumPy; `name` is what an error calls them."""
    try:
        return np.array(obj)
    except ValueError as error:
        raise ValueError(f"{name} must hold numbers in lists of equal lengths: {error}") from None


def _holds_integers(host: np.ndarray) -> bool:
    """Tell whether all elements are integers; those beyond 64 bits are Python's objects."""
    if host.dtype.kind == "O":
        return all(type(number) is int for number in host.flat)
    return host.dtype.kind in "iu"


_NUMBERS = frozenset((bool, complex, float, int))


def _within(x: Any, wanted: Callable[[Any], bool]) -> Array | None:
    """Return an array in nested lists that is wanted; None if there is none."""
    if isinstance(x, list | tuple):
        if _NUMBERS.issuperset(map(type, x)):
            return None
        return next(filter(is_array, (_within(item, wanted) for item in x)), None)
    return x if wanted(x) else None


def _is_foreign(x: Any) -> bool:
    return is_array(x) and not isinstance(x, np.ndarray)


def _stacked(items: Any, like: Array, xp: Namespace) -> Array:
    """Return nested lists of arrays and numbers as one array, without a way over the host."""
    parts = [_part(item, like, xp) for item in items]
    dtype = xp.result_type(*parts)
    return xp.stack([cast(part, dtype, xp) for part in parts])


def _part(item: Any, like: Array, xp: Namespace) -> Array:
    if isinstance(item, list | tuple):
        return _stacked(item, like, xp)
    if is_array(item) and not isinstance(item, np.ndarray):
        return item
    host = np.asarray(item)
    of_floats = is_real_floating(xp, like.dtype) and host.dtype.kind in "iuf"
    return made_beside(like, host, xp, like.dtype if of_floats else None)


def _dtype_on(current: Backend, dtype: np.dtype[Any], *, has_own: bool) -> DType | None:
    if dtype.kind == "f" and not has_own:
        return current.dtype
    available = dtypes_on(current.xp, current.device)
    return None if dtype.name in available else available.get(HALF_AS_WIDE.get(dtype.name, ""))


def _check_range(host: Any, name: str, narrow: Any, current: Backend) -> None:
    for value in (host.min(initial=0), host.max(initial=0)):
        if not narrow.min <= value <= narrow.max:
            raise ValueError(
                f"{name} holds {value}; the widest integers of {current.name} on {current.device} "
                f"end at {narrow.max}. Write floating numbers."
            )


def array_namespace(*arrays: Array) -> Namespace:
    """Return the namespace of the functions that work on `arrays`.

    Parameters
    ----------
    *arrays : array, Python number or NumPy scalar
        Numbers have no say. If there is no array among the arguments, the namespace is that of the
        current backend.

    Returns
    -------
    namespace : module
        The functions of the Array API standard for this library, through array-api-compat.

    Raises
    ------
    TypeError
        If an argument is neither an array nor a number, if arrays of two libraries are mixed, or
        if a library follows an older version of the standard than 2024.12.
    ValueError
        If the arrays lie on different devices.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> gdx.array_namespace(np.ones(2), 3.0).__name__
    'array_api_compat.numpy'
    """
    return common_namespace(*arrays) or backend().xp


class ComplexError(TypeError):
    """An array is complex where real numbers are expected."""


def instead_of_booleans(xp: Namespace, dtype: DType) -> str:
    """Return what an error adds where numbers are expected and `dtype` is that of booleans."""
    return " Write 1.0 for True and 0.0 for False." if xp.isdtype(dtype, "bool") else ""


def floating(x: object, name: str) -> tuple[Array, Namespace]:
    """Return `x` as an array with a real floating dtype, and its namespace.

    Numbers and lists go to the current backend, integers become the default float. `name` is what
    an error calls the argument.
    """
    array: Array = x if is_array(x) else new_floats(x, name)
    xp = namespace_of(array)
    if not is_real_floating(xp, array.dtype):
        if not is_integer(xp, array.dtype):
            kind = ComplexError if is_complex(xp, array.dtype) else TypeError
            raise kind(
                f"{name} must hold real numbers, but its dtype is {array.dtype}."
                f"{instead_of_booleans(xp, array.dtype)}"
            )
        array = xp.astype(array, default_float(xp, device_of(array)))
    return array, xp
