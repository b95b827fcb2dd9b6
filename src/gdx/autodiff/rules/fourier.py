"""Transposes of the Fourier transforms, which are linear.

The matrix of a complex transform is symmetric, so that it is its own transpose. A real one keeps
half of a spectrum, of which the frequencies that stand for their mirror image, too, count twice:
rfft is the transpose of hfft, and ihfft that of irfft, but for that weight. What is cut off or
filled up with zeros on the way in is filled up or cut off on the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gdx.backends import Array, DType, device_of, is_complex

Pull = Callable[[Any], Array]
Maker = Callable[..., Pull]


def _resized(xp: Any, x: Array, axis: int, n: int) -> Array:
    """Return `x` cut off, or filled up with zeros, to the length `n`."""
    have = x.shape[axis]
    if n == have:
        return x
    axis %= x.ndim
    if n < have:
        return x[(slice(None),) * axis + (slice(0, n), ...)]
    shape = (*x.shape[:axis], n - have, *x.shape[axis + 1 :])
    return xp.concat([x, xp.zeros(shape, dtype=x.dtype, device=device_of(x))], axis=axis)


def _real(xp: Any, dtype: DType) -> DType:
    if not is_complex(xp, dtype):
        return dtype
    return xp.float32 if dtype == xp.complex64 else xp.float64


def _mirrored(xp: Any, x: Array, axis: int, n: int) -> Array:
    """Return 1 for the frequencies of `n` points whose mirror image is another one, else 0."""
    frequencies = xp.arange(x.shape[axis], device=device_of(x))
    mirrored = (frequencies > 0) & (2 * frequencies < n)
    mirrored = xp.astype(mirrored, _real(xp, x.dtype))
    return xp.reshape(mirrored, (-1,) + (1,) * (x.ndim - 1 - axis % x.ndim))


def _doubled(xp: Any, x: Array, axis: int, n: int) -> Array:
    return x * (1 + _mirrored(xp, x, axis, n))


def _halved(xp: Any, x: Array, axis: int, n: int) -> Array:
    return x * (1 - _mirrored(xp, x, axis, n) / 2)


def _complex(name: str) -> Maker:
    """Return the maker of fft and ifft."""

    def make(
        xp: Any, y: Array, x: Array, n: int | None = None, axis: int = -1, norm: str = "backward"
    ) -> Pull:
        points, transform = x.shape[axis], getattr(xp.fft, name)
        return lambda g: _resized(xp, transform(g, axis=axis, norm=norm), axis, points)

    return make


def _to_half(name: str) -> Maker:
    """Return the maker of rfft and ihfft, from the transform that is their transpose."""

    def make(
        xp: Any, y: Array, x: Array, n: int | None = None, axis: int = -1, norm: str = "backward"
    ) -> Pull:
        points, transform = x.shape[axis], getattr(xp.fft, name)
        n = n or points

        def pull(g: Array) -> Array:
            g = transform(_halved(xp, g, axis, n), n=n, axis=axis, norm=norm)
            return _resized(xp, g, axis, points)

        return pull

    return make


def _from_half(name: str) -> Maker:
    """Return the maker of irfft and hfft, from the transform that is their transpose."""

    def make(
        xp: Any, y: Array, x: Array, n: int | None = None, axis: int = -1, norm: str = "backward"
    ) -> Pull:
        points, transform = x.shape[axis], getattr(xp.fft, name)

        def pull(g: Array) -> Array:
            half = _doubled(xp, transform(g, axis=axis, norm=norm), axis, g.shape[axis])
            return _resized(xp, half, axis, points)

        return pull

    return make


def _axes(x: Array, s: Sequence[int] | None, axes: Sequence[int] | None) -> tuple[int, ...]:
    if axes is None:
        return tuple(range(x.ndim))[-len(s) if s else 0 :]
    return tuple(axis % x.ndim for axis in axes)


def _complex_n(name: str) -> Maker:
    """Return the maker of fftn and ifftn."""

    def make(
        xp: Any,
        y: Array,
        x: Array,
        s: Sequence[int] | None = None,
        axes: Sequence[int] | None = None,
        norm: str = "backward",
    ) -> Pull:
        shape, axes, transform = x.shape, _axes(x, s, axes), getattr(xp.fft, name)
        return lambda g: _reshaped(xp, transform(g, axes=axes, norm=norm), axes, shape)

    return make


def _reshaped(xp: Any, x: Array, axes: Sequence[int], shape: Sequence[int]) -> Array:
    for axis in axes:
        x = _resized(xp, x, axis, shape[axis])
    return x


def _rfftn(
    xp: Any,
    y: Array,
    x: Array,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Pull:
    shape = x.shape
    *others, last = axes = _axes(x, s, axes)
    n = s[-1] if s and s[-1] > 0 else shape[last]

    def pull(g: Array) -> Array:
        if others:
            g = _reshaped(xp, xp.fft.fftn(g, axes=others, norm=norm), others, shape)
        g = xp.fft.hfft(_halved(xp, g, last, n), n=n, axis=last, norm=norm)
        return _resized(xp, g, last, shape[last])

    return pull


def _irfftn(
    xp: Any,
    y: Array,
    x: Array,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Pull:
    shape = x.shape
    *others, last = _axes(x, s, axes)

    def pull(g: Array) -> Array:
        half = _doubled(xp, xp.fft.ihfft(g, axis=last, norm=norm), last, g.shape[last])
        half = _resized(xp, half, last, shape[last])
        if others:
            half = _reshaped(xp, xp.fft.ifftn(half, axes=others, norm=norm), others, shape)
        return half

    return pull


def _shift(name: str) -> Maker:
    def make(xp: Any, y: Array, x: Array, axes: int | Sequence[int] | None = None) -> Pull:
        return lambda g: getattr(xp.fft, name)(g, axes=axes)

    return make


LINEAR: dict[str, Maker] = {
    "fft.fft": _complex("fft"),
    "fft.fftn": _complex_n("fftn"),
    "fft.fftshift": _shift("ifftshift"),
    "fft.hfft": _from_half("rfft"),
    "fft.ifft": _complex("ifft"),
    "fft.ifftn": _complex_n("ifftn"),
    "fft.ifftshift": _shift("fftshift"),
    "fft.ihfft": _to_half("irfft"),
    "fft.irfft": _from_half("ihfft"),
    "fft.irfftn": _irfftn,
    "fft.rfft": _to_half("hfft"),
    "fft.rfftn": _rfftn,
}
