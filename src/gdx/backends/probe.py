"""What works on this machine: a backend is usable if a small kernel was run on it."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, field
from threading import RLock

from gdx.backends.arrays import (
    check_width,
    default_float,
    device_of,
    dtype_name,
    found_dtype,
    is_real_floating,
    namespace_of,
    to_numpy,
)
from gdx.backends.libraries import LIBRARIES, Device, DType, Library, Namespace, library

# The filters of warnings belong to the process: two threads would restore each other's.
_lock = RLock()


class BackendUnavailableError(RuntimeError):
    """The array library that was asked for cannot compute on this machine."""


class DeviceUnavailableError(BackendUnavailableError):
    """The library computes, but not on the device that was asked for."""


@dataclass(frozen=True)
class Backend:
    """Where arrays that are made from nothing go: a library, a device and a floating dtype."""

    name: str
    # Of libraries' own objects, some have no hash.
    xp: Namespace = field(hash=False)
    device: Device = field(hash=False)
    dtype: DType = field(hash=False)

    def __str__(self) -> str:
        return f"{self.name} on {self.device}, {dtype_name(self.dtype)}"


@dataclass(frozen=True)
class BackendInfo:
    """What this machine has of one array library; `reason` says why it is unusable, if it is."""

    name: str
    version: str | None
    devices: tuple[str, ...]
    reason: str | None

    @property
    def usable(self) -> bool:
        """Whether a small kernel was run."""
        return self.reason is None


def start(name: str | Namespace, device: Device = None, dtype: DType | None = None) -> Backend:
    """Run a small kernel; return the backend on which it ran, or raise why it did not."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a library says of itself: the kernel decides
        xp = _named(name) if isinstance(name, str) else _wrapped(name)
        device = _started_on(xp, device)
    return Backend(library(xp).name, xp, device, _floating_dtype(xp, device, dtype))


def _started_on(xp: Namespace, device: Device) -> Device:
    try:
        return _run_kernel(xp, device)
    except BackendUnavailableError as error:
        if device is None:
            raise
        known = library(xp)
        _run_kernel(xp, None)  # or it is not the device that is missing
        there = ", ".join(str(each) for each in known.devices(xp))
        raise DeviceUnavailableError(
            f"{known.name} has no device {device!r} here, only {there} ({error})"
        ) from error


def first_accelerator() -> tuple[str, Device]:
    """Return the first library, in the table's order, that computes on an accelerator."""
    for known in filter(_installed, LIBRARIES.values()):
        try:
            device = known.accelerator()
            if device is not None:
                return known.name, start(known.name, device).device
        except Exception:  # noqa: S112 - whatever a library says here, it has no accelerator
            continue
    return "numpy", None


def backends() -> dict[str, BackendInfo]:
    """Return what this machine has of every library that gdx knows, by name.

    Every installed one is imported and tried, which takes seconds.

    Returns
    -------
    backends : dict of BackendInfo
        With `version`, `devices`, `usable` and, where it is not usable, the `reason`.

    Examples
    --------
    >>> import gdx
    >>> gdx.backends()["numpy"].usable
    True
    """
    return {known.name: _examined(known) for known in LIBRARIES.values()}


def _examined(known: Library) -> BackendInfo:
    try:
        xp = start(known.name).xp
    except BackendUnavailableError as error:
        return BackendInfo(known.name, _version(known), (), str(error))
    devices = tuple(str(device) for device in known.devices(xp))
    return BackendInfo(known.name, _version(known), devices, None)


def _version(known: Library) -> str | None:
    return getattr(sys.modules.get(_root(known)), "__version__", None)


def _root(known: Library) -> str:
    return known.package.partition(".")[0]


def _installed(known: Library) -> bool:
    return importlib.util.find_spec(_root(known)) is not None


def _named(name: str) -> Namespace:
    if name not in LIBRARIES:
        raise ValueError(
            f"name must be one of {', '.join(LIBRARIES)}, auto; got {name!r}." + _meant(name)
        )
    known = LIBRARIES[name]
    if not _installed(known):
        raise BackendUnavailableError(f"{_root(known)} is not installed")
    try:
        return importlib.import_module(known.namespace)
    except Exception as error:
        raise BackendUnavailableError(f"importing it failed: {_reason(error)}") from error


# What people call the libraries.
_ALSO = {
    "np": "numpy",
    "cp": "cupy",
    "cuda": "cupy",
    "pytorch": "torch",
    "jnp": "jax",
    "jax.numpy": "jax",
    "da": "dask",
    "dask.array": "dask",
}


def _meant(name: str) -> str:
    spellings = {**{known: known for known in (*LIBRARIES, "auto")}, **_ALSO}
    close = difflib.get_close_matches(name.strip().lower(), spellings, n=1)
    return f" Did you mean {spellings[close[0]]!r}?" if close else ""


def _wrapped(namespace: Namespace) -> Namespace:
    if not hasattr(namespace, "asarray"):
        raise TypeError(
            f"name must be one of {', '.join(LIBRARIES)}, auto, or a namespace of the Array API "
            f"standard, as jax.numpy is; {namespace!r} has no function asarray."
        )
    try:
        return namespace_of(namespace.asarray(0.0))
    except Exception as error:
        raise BackendUnavailableError(_reason(error)) from error


def _run_kernel(xp: Namespace, device: Device) -> Device:
    """Compute on `device` and look at the result; return the device by the library's own name."""
    known = library(xp)
    try:
        device = known.find_device(device)
        with known.current(device) if known.current and device is not None else nullcontext():
            x = xp.asarray([3.0, 4.0], dtype=xp.float32, device=device)
            total = float(to_numpy(xp.sum(x * x)))
    except Exception as error:
        raise BackendUnavailableError(_reason(error)) from error
    if total != 25.0:
        raise BackendUnavailableError(f"3² + 4² came out as {total}")
    return device_of(x)


def _reason(error: Exception) -> str:
    """Return the first line of what a library says, without its full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _floating_dtype(xp: Namespace, device: Device, dtype: DType | None) -> DType:
    if dtype is None:
        return default_float(xp, device)
    found = found_dtype(xp, dtype)
    if found is None or not is_real_floating(xp, found):
        raise ValueError(f"dtype must be real and floating, as 'float32' is; got {dtype!r}.")
    check_width(xp, device, found)
    return found
