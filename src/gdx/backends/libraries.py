"""The array libraries that gdx knows by name, and in what they differ.

Everything else in gdx takes its namespace from the arrays it is handed. Where libraries differ in
more than their name (may an element be assigned? does it cost anything to look at a value?), the
difference is a named capability of `Library`, and `LIBRARIES` is the table of them.
"""

from __future__ import annotations

import functools
import importlib
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import array_api_compat
import numpy as np

from gdx.backends import fusion
from gdx.backends.quick import QUICK

Array = Any
Namespace = Any
Device = Any
DType = Any


def _always(x: Array) -> bool:
    return True


def _assignable(x: Array) -> bool:
    return hasattr(x, "__setitem__")


def _never(x: Array) -> bool:
    return False


def _itself(x: Array) -> Array:
    return x


def _no_accelerator() -> Device | None:
    return None


def _unstacked(x: Array) -> Sequence[Any]:
    xp = array_api_compat.array_namespace(x)
    elements: Sequence[Any] = xp.unstack(xp.reshape(x, (-1,)))
    return elements


def _copied(x: Array) -> Array:
    return array_api_compat.array_namespace(x).asarray(x, copy=True)


def _updated(x: Array, key: Any, value: Any) -> Array:
    xp = array_api_compat.array_namespace(x)
    if not _assignable(x):
        return _replaced(x, key, value, xp)
    x = xp.asarray(x, copy=True)
    x[key] = value
    return x


def _replaced(x: Array, key: Any, value: Any, xp: Namespace) -> Array:
    """Return a copy in which x[key] = value, of arrays to which nothing can be assigned."""
    host = np.full(x.shape, -1)
    places = host[key]
    host[key] = np.arange(places.size).reshape(places.shape)
    device = array_api_compat.device(x)
    chosen, order = (xp.asarray(each, device=device) for each in (host >= 0, host.clip(0)))
    value = xp.broadcast_to(xp.asarray(value, dtype=x.dtype, device=device), places.shape)
    values = xp.reshape(xp.take(xp.reshape(value, (-1,)), xp.reshape(order, (-1,))), x.shape)
    return xp.where(chosen, values, x)


def _numpy_updated(x: Array, key: Any, value: Any) -> Array:
    x = _numpy_duplicated(x)
    x[key] = value
    return x


def _numpy_laid_out(x: Array, like: Array) -> Array:
    y = np.empty_like(like, dtype=x.dtype)
    y[...] = x
    return y


def _numpy_duplicated(x: Array) -> Array:
    if x.flags.forc or not all(x.strides):
        return np.array(x)
    # Axes follow each other in the same order, in the same directions, with gaps where x has them.
    strides, step, expected = [0] * x.ndim, x.itemsize, x.itemsize
    for axis in sorted(range(x.ndim), key=lambda i: (abs(x.strides[i]), x.shape[i])):
        n, own = x.shape[axis], x.strides[axis]
        if n > 1:
            step += x.itemsize * (abs(own) != expected)
            strides[axis] = step if own >= 0 else -step
            step, expected = step * n, abs(own) * n
    pairs = zip(x.shape, strides, strict=True)
    offset = sum((n - 1) * -stride for n, stride in pairs if stride < 0)
    memory = np.empty(step // x.itemsize, x.dtype)
    y = np.ndarray(x.shape, x.dtype, memory, offset, strides)
    y[...] = x
    return y


# Of the matrix by which elements are added up where the library has no function for it.
_HOT_BYTES = 2**26


def _added(x: Array, key: Any, value: Array) -> Array:
    """Add up by a product with zeros and ones, a part at a time."""
    xp = array_api_compat.array_namespace(x)
    places = _places(x, key, xp)
    size = math.prod(x.shape)
    all_places = xp.arange(size, device=array_api_compat.device(x))
    values = xp.reshape(xp.broadcast_to(value, places.shape), (1, -1))
    places = xp.reshape(places, (-1, 1))
    total = xp.reshape(x, (1, -1))
    count, step = places.shape[0], max(1, _HOT_BYTES // (8 * max(size, 1)))
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        hot = xp.astype(places[part, :] == all_places, x.dtype)
        total = total + xp.matmul(values[:, part], hot)
    return xp.reshape(total, x.shape)


def _places(x: Array, key: Any, xp: Namespace) -> Array:
    """Return at which elements of `x`, in C order, an index with integer arrays reads."""
    count = math.prod(x.shape)
    places = xp.reshape(xp.arange(count, device=array_api_compat.device(x)), x.shape)
    parts = key if isinstance(key, tuple) else (key,)
    if all(isinstance(part, slice) and part == slice(None) for part in parts[:-1]):
        # The standard has no index of slices and integer arrays, but it has take.
        indices = parts[-1]
        shape, axis = tuple(indices.shape), len(parts) - 1
        taken = xp.take(places, xp.reshape(indices, (-1,)), axis=axis)
        return xp.reshape(taken, (*x.shape[:axis], *shape, *x.shape[axis + 1 :]))
    return places[key]


def _numpy_added(x: Array, key: Any, value: Array) -> Array:
    x = x.copy()
    np.add.at(x, key, value)
    return x


def _torch_added(x: Array, key: Any, value: Array) -> Array:
    places = _places(x, key, array_api_compat.array_namespace(x))
    values = value.expand(places.shape).reshape(-1)
    return x.reshape(-1).index_add(0, places.reshape(-1), values).reshape(x.shape)


def _cupy_added(x: Array, key: Any, value: Array) -> Array:
    x, at = x.copy(), importlib.import_module("cupy").add.at
    if x.dtype.kind == "c":  # add.at takes no complex numbers
        at(x.real, key, value.real)
        at(x.imag, key, value.imag)
    else:
        at(x, key, value)
    return x


def _cupy_sign(x: Array) -> Array:
    """Return the sign of x, NaN of NaN; that of array-api-compat assigns through a mask."""
    cupy = importlib.import_module("cupy")
    if x.dtype.kind == "c":
        size = cupy.absolute(x)
        return x / cupy.where(size == 0, 1, size)
    return cupy.where(cupy.isnan(x), x, cupy.sign(x))


def _cupy_ufunc_name(kernel: Any) -> str | None:
    """Return NumPy's name of a ufunc of CuPy, None for kernels of a user or of cupyx.scipy."""
    if not isinstance(kernel, sys.modules["cupy"].ufunc) or not kernel.name.startswith("cupy_"):
        return None
    name: str = kernel.name.removeprefix("cupy_")
    return {"true_divide": "divide"}.get(name, name)


def _nothing(x: Array) -> None:
    return None


_FLOAT64 = np.dtype(np.float64)

# In so many bytes of float64, arithmetic with Python's floats costs less than with arrays.
FEW_BYTES = 16 * 8


def _numpy_writable(x: Array) -> bool:
    flags = x.flags
    if not flags.writeable or flags.forc:
        return bool(flags.writeable)
    return _apart([step / x.itemsize for step in x.strides], x.shape)


def _cupy_writable(x: Array) -> bool:
    return x.flags.forc or _apart([step / x.itemsize for step in x.strides], x.shape)


def _numpy_floats(x: Array) -> memoryview | None:
    plain = x.dtype is _FLOAT64 and type(x) is np.ndarray and x.flags.aligned
    return x.data if plain else None


def _apart(strides: Sequence[float], shape: Sequence[int]) -> bool:
    """Tell whether elements at these strides, in units of an element, lie in memory of their own.

    Where it cannot be told at sight, it is denied.
    """
    extent = 0.0  # how far the elements along the smaller strides reach
    for step, n in sorted((abs(step), n) for step, n in zip(strides, shape, strict=True) if n > 1):
        if step < extent + 1:
            return False
        extent += step * (n - 1)
    return True


# Up to so many bytes, all are compared at less cost than a lock and a sample.
_COMPARED_BYTES = 2**15
_SAMPLE = 128


def _numpy_version(x: Array) -> bytes:
    if x.nbytes > _COMPARED_BYTES:
        if x.flags.c_contiguous:
            x = x.reshape(-1)[:: max(1, x.size // _SAMPLE)]
        else:
            n = max(1, int(_SAMPLE ** (1 / x.ndim)))
            x = x[tuple(slice(None, None, max(1, length // n)) for length in x.shape)]
    made: bytes = x.tobytes()
    return made


def _torch_version(x: Array) -> int:
    return 0 if x.is_inference() else int(x._version)


def _numpy_memory(x: Array) -> int:
    base = x.base
    while base is not None:
        if not isinstance(base, np.ndarray):
            return _lent_memory(x, base)
        x, base = base, base.base
    return id(x)


def _lent_memory(x: Array, owner: Any) -> int:
    try:
        return id(memoryview(owner).obj)  # each array of a buffer has a memoryview of its own
    except TypeError:  # an object by which another library lends its memory, made for this array
        address: int = x.__array_interface__["data"][0]
        return address


def _torch_overlap(x: Array, y: Array) -> bool:
    return bool(x.untyped_storage().data_ptr() == y.untyped_storage().data_ptr())


def _torch_memory(x: Array) -> int:
    try:
        return int(x.untyped_storage().data_ptr())
    except RuntimeError:  # in a transform of torch.func, which wraps what it computes
        return id(x)


def _offered(x: Array) -> Any:
    """Bring an array to the host by DLPack or NumPy's protocols; without them, number by number."""
    mask = getattr(x, "mask", None)
    if getattr(mask, "shape", None) == x.shape:
        _check_mask(x, array_api_compat.array_namespace(mask).any(mask))
    if hasattr(x, "__dlpack__"):
        try:
            return np.from_dlpack(x)
        except BufferError:  # read-only memory, which NumPy 2.0 does not hand over
            return np.from_dlpack(_copied(x))
    if any(hasattr(x, name) for name in ("__array__", "__array_interface__", "__buffer__")):
        return np.asarray(x)
    xp = array_api_compat.array_namespace(x)
    dtypes = xp.__array_namespace_info__().dtypes().items()
    dtype = np.dtype(next((name for name, dtype in dtypes if dtype == x.dtype), "float64"))
    number = type(dtype.type(0).item())
    return np.asarray([number(each) for each in _unstacked(x)], dtype=dtype).reshape(x.shape)


def _check_mask(x: Array, masked: Any) -> None:
    if bool(masked):
        raise TypeError(
            f"some elements of this {type(x).__name__} are masked, which a NumPy array cannot say: "
            "convert x.data and x.mask separately, or fill the masked elements first."
        )


def _dask_to_numpy(x: Array) -> Any:
    x = x.compute()
    if isinstance(x, np.ndarray | np.generic):
        _check_mask(x, np.ma.is_masked(x))
        return np.asarray(x)
    return library(array_api_compat.array_namespace(x)).to_numpy(x)


def _dask_updated(x: Array, key: Any, value: Any) -> Array:
    x = x.copy()
    x[key] = value
    return x


def _dask_chunked_like(made: Array, x: Array) -> Array:
    chunk = getattr(x, "_meta", made._meta)  # a traced array does not tell
    if type(made._meta) is type(chunk):
        return made
    convert = array_api_compat.array_namespace(chunk).asarray
    return made.map_blocks(convert, meta=convert(made._meta))


def _dask_max(x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """Return the maxima, also where a chunk is empty, at which Dask's own max fails."""
    return importlib.import_module("dask.array").reduction(
        x,
        _chunk_max,
        lambda part, axis, keepdims: part.max(axis=axis, keepdims=keepdims),
        axis=axis,
        keepdims=keepdims,
        dtype=x.dtype,
    )


def _chunk_max(part: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    empty = any(part.shape[i] == 0 for i in axis)
    return part if empty else part.max(axis=axis, keepdims=keepdims)


def _standard_devices(xp: Namespace) -> Sequence[Device]:
    devices: Sequence[Device] = xp.__array_namespace_info__().devices()
    return devices


def _cupy_devices(xp: Namespace) -> Sequence[Device]:
    cuda = importlib.import_module("cupy").cuda
    return [cuda.Device(i) for i in range(cuda.runtime.getDeviceCount())]


def _cupy_device(device: Device) -> Device:
    if isinstance(device, str):
        device = int(device.removeprefix("cuda").removeprefix(":") or 0)
    if isinstance(device, int):
        device = importlib.import_module("cupy").cuda.Device(device)
    return device


def _torch_devices(xp: Namespace) -> Sequence[Device]:
    torch = importlib.import_module("torch")
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]


def _torch_accelerator() -> Device | None:
    return "cuda" if importlib.import_module("torch").cuda.is_available() else None


def _torch_on_host(x: Array) -> bool:
    if x.device.type != "cpu":
        return False
    try:
        x.detach().data_ptr()
    except RuntimeError:  # in a transform of torch.func, which wraps what it computes
        return False
    return True


def _torch_writable(x: Array) -> bool:
    frozen = x.is_inference() and not sys.modules["torch"].is_inference_mode_enabled()
    return not frozen and (x.is_contiguous() or _apart(x.stride(), x.shape))


def _torch_to_numpy(x: Array) -> Any:
    x = x.detach().cpu().resolve_conj().resolve_neg()
    # NumPy has no bfloat16; float32 holds its values exactly.
    return (x.float() if str(x.dtype) == "torch.bfloat16" else x).numpy()


def _jax_device(device: Device) -> Device:
    if not isinstance(device, str):
        return device
    platform, _, index = device.partition(":")
    devices = importlib.import_module("jax").devices(platform)
    if not (index or "0").isdecimal() or int(index or 0) >= len(devices):
        raise ValueError(f"there is no device {device}, but {', '.join(map(str, devices))}")
    return devices[int(index or 0)]


def _jax_accelerator() -> Device | None:
    devices = importlib.import_module("jax").devices()
    return next((device for device in devices if device.platform != "cpu"), None)


def _jax_on_host(x: Array) -> bool:
    traced = isinstance(x, sys.modules["jax"].core.Tracer)
    return not traced and all(device.platform == "cpu" for device in x.devices())


def _jax_to_numpy(x: Array) -> Any:
    host = np.asarray(x)
    return host.astype(np.float32) if host.dtype.name == "bfloat16" else host


def _cupy_free_bytes(x: Array) -> int | None:
    cupy = importlib.import_module("cupy")
    with x.device:
        free, _ = cupy.cuda.Device().mem_info
        return int(free + cupy.get_default_memory_pool().free_bytes())


def _torch_free_bytes(x: Array) -> int | None:
    if x.device.type != "cuda":
        return None
    cuda = sys.modules["torch"].cuda
    free, _ = cuda.mem_get_info(x.device)
    return int(free + cuda.memory_reserved(x.device) - cuda.memory_allocated(x.device))


def _jax_free_bytes(x: Array) -> int | None:
    if isinstance(x, sys.modules["jax"].core.Tracer):
        return None
    statistics = next(iter(x.devices())).memory_stats() or {}
    limit = statistics.get("bytes_limit")
    return None if limit is None else int(limit - statistics["bytes_in_use"])


def _numpy_read_only(x: Array) -> Array:
    x = x.view()
    x.flags.writeable = False
    return x


@dataclass(frozen=True)
class Library:
    """What gdx knows of an array library: where it is found, and in what it differs from others.

    The defaults describe a library that nobody has heard of: it follows the standard, its elements
    may be assigned, and looking at a value may be slow or impossible.
    """

    name: str
    package: str
    namespace: str
    install: str = ""
    lowest: str = ""  # the oldest version with which gdx computes right
    devices: Callable[[Namespace], Sequence[Device]] = _standard_devices
    find_device: Callable[[Device], Device] = _itself
    accelerator: Callable[[], Device | None] = _no_accelerator
    # Capabilities of an array:
    on_host: Callable[[Array], bool] = _never  # reading a value costs nothing
    cached: Callable[[Array], bool] = _never  # parts that fit the cache take less than the whole
    writable: Callable[[Array], bool] = _assignable  # x[i] = v changes x and nothing but x[i]
    elements: Callable[[Array], Sequence[Any]] = (
        _unstacked  # in C order, to be assigned by x[i] = v
    )
    floats: Callable[[Array], memoryview | None] = (
        _nothing  # its memory as Python floats, if it can be had: they cost less than x[i] = v
    )
    copied: Callable[[Array], Array] = _copied  # in memory of its own
    # The same, in the same layout: what is a view of x there, is one of the copy.
    duplicated: Callable[[Array], Array] = _copied
    # A copy of an array in the layout of another one:
    laid_out: Callable[[Array, Array], Array] = lambda x, like: _copied(x)
    # An array that was just made, in chunks of the kind that another one has, if there are kinds:
    chunked_like: Callable[[Array, Array], Array] | None = None
    overlap: Callable[[Array, Array], bool] = lambda x, y: x is y  # may x[i] = v change y, too?
    memory: Callable[[Array], int] = id  # one number for all arrays that share it
    owner: Callable[[Array], bool] = _always  # of its memory: it is no view of another array
    updated: Callable[[Array, Any, Any], Array] = _updated  # a copy in which x[key] = value
    added: Callable[[Array, Any, Array], Array] = _added  # the same, x[key] += each of the values
    detached: Callable[[Array], Array] = _itself  # the same memory, outside the library's autograd
    settled: Callable[[Array], Array] = _itself  # computed now, if the library is lazy
    fused: Callable[[fusion.Body, Namespace], fusion.Fused] = fusion.evaluated  # elementwise work
    read_only: Callable[[Array], Array] | None = None  # the same memory, not to be assigned
    # A large buffer gets so many times its memory, of which the rest is never touched: glibc gives
    # back memory at the end of the heap, to ask for it again at once, unless a larger block than
    # the arrays of f has been freed before.
    room: int = 1
    free_bytes: Callable[[Array], int | None] = _nothing  # of its device, if it has its own memory
    to_numpy: Callable[[Array], Any] = _offered
    # Its own automatic differentiation:
    engine: Callable[[], Any] | None = None
    views: bool = True  # x[1:] shares the memory of x
    # Whether x[i] = v changes x. How an array on which a derivative depends is kept from that: up
    # to so many bytes, it is copied; above so many, x.flags.writeable locks it; and what differs
    # after it was changed, as far as that can be seen.
    mutable: bool = True
    copied_up_to: float = 2**16
    locked_above: float = math.inf
    version: Callable[[Array], Any] | None = None
    scalars: bool = True  # x[0] of a vector is a copy, no view without axes
    # Its operators let a foreign array on the right take over; if not, traced arrays are made
    # instances of its own type.
    defers: bool = False
    takes_numpy: bool = True  # its operators take arrays of NumPy, or say that they do not
    # What makes a device current, if that is where the library computes, wherever its arrays lie:
    current: Callable[[Device], AbstractContextManager[Any]] | None = None
    ufunc_name: Callable[[Any], str | None] = _nothing  # what NumPy calls a kernel of the library
    # Functions of the standard by shorter ways than those of its namespace:
    quick: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    reads_upper: bool = False  # linalg.eigh takes UPLO="U", as NumPy's does
    numpy_dtypes: bool = False  # results have the dtypes that they have in NumPy
    forks: bool = False  # once imported, it works on in processes that are forked
    # How its error reads when memory runs out, if it is not a MemoryError:
    out_of_memory: str = "out of memory"

    @property
    def root(self) -> str:
        """What Python imports first of it."""
        return self.package.partition(".")[0]


LIBRARIES = {
    library.name: library
    for library in (
        Library(
            "numpy",
            "numpy",
            "array_api_compat.numpy",
            on_host=_always,
            cached=_always,
            writable=_numpy_writable,
            floats=_numpy_floats,
            copied=np.ndarray.copy,
            duplicated=_numpy_duplicated,
            laid_out=_numpy_laid_out,
            overlap=np.may_share_memory,
            memory=_numpy_memory,
            owner=lambda x: x.flags.owndata,
            updated=_numpy_updated,
            added=_numpy_added,
            elements=lambda x: x.tolist() if x.ndim == 1 else x.ravel().tolist(),
            read_only=_numpy_read_only,
            room=8,
            to_numpy=_itself,
            quick=QUICK,
            reads_upper=True,
            fused=functools.partial(fusion.by_numpy, _numpy_writable),
            numpy_dtypes=True,
            forks=True,
            defers=True,
            locked_above=_COMPARED_BYTES,
            version=_numpy_version,
        ),
        Library(
            "cupy",
            "cupy",
            "array_api_compat.cupy",
            "pip install cupy-cuda12x (or cupy-cuda13x), with an NVIDIA driver",
            devices=_cupy_devices,
            find_device=_cupy_device,
            accelerator=lambda: _cupy_device(0),
            copied=lambda x: x.copy(),
            duplicated=lambda x: x.copy("K"),
            overlap=lambda x, y: importlib.import_module("cupy").may_share_memory(x, y),
            memory=lambda x: x.data.mem.ptr,
            owner=lambda x: x.flags.owndata,
            added=_cupy_added,
            current=_itself,  # a device of CuPy can be entered
            ufunc_name=_cupy_ufunc_name,
            writable=_cupy_writable,
            free_bytes=_cupy_free_bytes,
            fused=fusion.as_kernel,
            quick={"sign": _cupy_sign},
            reads_upper=True,
            to_numpy=lambda x: x.get(),
            numpy_dtypes=True,
            takes_numpy=False,
            defers=True,
            scalars=False,
        ),
        Library(
            "torch",
            "torch",
            "array_api_compat.torch",
            "pip install torch",
            devices=_torch_devices,
            accelerator=_torch_accelerator,
            on_host=_torch_on_host,
            writable=_torch_writable,
            copied=lambda x: x.clone(),
            duplicated=lambda x: x.clone(),
            overlap=_torch_overlap,
            memory=_torch_memory,
            owner=lambda x: not x._is_view(),
            added=_torch_added,
            detached=lambda x: x.data,  # detach() would show autograd what is put back as a change
            free_bytes=_torch_free_bytes,
            fused=functools.partial(fusion.by_torch, _torch_writable),
            to_numpy=_torch_to_numpy,
            engine=lambda: importlib.import_module("gdx.backends.engines").torch_engine(),
            out_of_memory="out of memory|can't allocate memory",
            reads_upper=True,
            defers=True,
            takes_numpy=False,
            scalars=False,
            copied_up_to=-1,
            version=_torch_version,
        ),
        Library(
            "jax",
            "jax",
            "jax.numpy",
            "pip install -U jax",
            lowest="0.4.36",  # in which a tracer says to which transform it belongs
            devices=lambda xp: importlib.import_module("jax").devices(),
            find_device=_jax_device,
            accelerator=_jax_accelerator,
            on_host=_jax_on_host,
            writable=_never,
            updated=lambda x, key, value: x.at[key].set(value),
            added=lambda x, key, value: x.at[key].add(value),
            free_bytes=_jax_free_bytes,
            fused=fusion.compiled,
            to_numpy=_jax_to_numpy,
            engine=lambda: importlib.import_module("gdx.backends.engines").jax_engine(),
            out_of_memory="RESOURCE_EXHAUSTED|out of memory",
            defers=True,
            views=False,
            mutable=False,
            copied_up_to=-1,
        ),
        Library(
            "dask",
            "dask.array",
            "array_api_compat.dask.array",
            'pip install -U "dask[array]"',
            lowest="2024.9.0",
            devices=lambda xp: ["cpu"],
            writable=_never,
            copied=lambda x: x.copy(),
            updated=_dask_updated,
            chunked_like=_dask_chunked_like,
            quick={"max": _dask_max},
            settled=lambda x: x.persist(),
            fused=fusion.at_once,
            to_numpy=_dask_to_numpy,
            forks=True,
            defers=True,
            views=False,
            copied_up_to=math.inf,  # x[i] = v changes what x is made of, which takes no memory
        ),
    )
}

LIBRARY_OF_NAMESPACE = {library.namespace: library for library in LIBRARIES.values()}
LIBRARY_OF_ROOT = {library.root: library for library in LIBRARIES.values()}


@functools.cache
def library(xp: Namespace) -> Library:
    """Return what gdx knows of the library with the namespace `xp`."""
    name = xp.__name__
    known = LIBRARY_OF_NAMESPACE.get(name) or Library(name, name.partition(".")[0], name)
    # An old JAX has its namespace at another place.
    installed = LIBRARY_OF_ROOT.get(name.removeprefix("array_api_compat.").partition(".")[0], known)
    problem = outdated(installed)
    if problem:
        raise ImportError(f"{problem}: {installed.install}.")
    return known


def outdated(known: Library) -> str | None:
    """Say which version of an imported library is too old, if it is."""
    version = getattr(sys.modules.get(known.root), "__version__", "")
    found, lowest = _release(version), _release(known.lowest)
    if found is None or lowest is None or found >= lowest:
        return None
    return f"{known.root} {version} is installed; gdx needs {known.lowest} or newer"


def _release(version: object) -> tuple[int, ...] | None:
    """Return the numbers of a version; None of one that does not say, as that of a checkout."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", str(version))
    return found and tuple(int(part or 0) for part in found.groups())


def may_fork(xp: Namespace) -> bool:
    """Tell whether a process that works on arrays of `xp` may be forked, as it is now."""
    return library(xp).forks and not any(
        other.package in sys.modules for other in LIBRARIES.values() if not other.forks
    )
