"""Fourier transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gdx.autodiff.numpy_names import given
from gdx.autodiff.numpy_names.table import Row, translate
from gdx.backends import Array, Namespace

# How the input must come: the standard takes no real one where the complex transform is meant.
_TRANSFORMS: dict[str, Callable[[Namespace, Any], Array]] = {
    "fft": given.complexes,
    "hfft": given.complexes,
    "ifft": given.complexes,
    "ihfft": given.floating,
    "irfft": given.complexes,
    "rfft": given.floating,
}
_SEVERAL = ("fft", "ifft", "irfft", "rfft")


def _along_one(name: str) -> Row:
    return lambda xp, a, n=None, axis=-1, norm=None: getattr(xp.fft, name)(
        _TRANSFORMS[name](xp, a), n=n, axis=axis, norm=norm or "backward"
    )


def _along_several(name: str, default: tuple[int, ...] | None) -> Row:
    def row(xp: Namespace, a: Any, s: Any = None, axes: Any = default, norm: Any = None) -> Array:
        a = _TRANSFORMS[name](xp, a)
        s, axes = (v if v is None else tuple(v) for v in (s, axes))
        if s is not None and axes is None:
            axes = tuple(range(a.ndim - len(s), a.ndim))
        return getattr(xp.fft, f"{name}n")(a, s=s, axes=axes, norm=norm or "backward")

    return row


translate(
    {f"fft.{name}": _along_one(name) for name in _TRANSFORMS}
    | {f"fft.{name}n": _along_several(name, None) for name in _SEVERAL}
    | {f"fft.{name}2": _along_several(name, (-2, -1)) for name in _SEVERAL}
    | {
        "fft.fftshift": lambda xp, x, axes=None: xp.fft.fftshift(given.array(xp, x), axes=axes),
        "fft.ifftshift": lambda xp, x, axes=None: xp.fft.ifftshift(given.array(xp, x), axes=axes),
    }
)
