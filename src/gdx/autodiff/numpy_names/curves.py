"""Curves: slopes and integrals along an axis, polynomials, and lines between points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gdx.autodiff.numpy_names import given
from gdx.autodiff.numpy_names.indexing import searchsorted, take
from gdx.autodiff.numpy_names.table import translates
from gdx.backends import Array, Namespace


@translates("diff")
def _diff(
    xp: Namespace, a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None
) -> Array:
    a = given.array(xp, a)
    edge = tuple(1 if k == given.known_axis(axis, a.ndim) else m for k, m in enumerate(a.shape))
    ends = [None if end is None else given.array(xp, end, a) for end in (prepend, append)]
    before, after = (e if e is None or e.ndim else xp.broadcast_to(e, edge) for e in ends)
    parts = [piece for piece in (before, a, after) if piece is not None]
    a = xp.concat(parts, axis=axis) if len(parts) > 1 else a
    for _ in range(n):
        right, left = given.part(a, axis, 1, None), given.part(a, axis, None, -1)
        a = right != left if given.is_truth(xp, a) else right - left
    return a


@translates("gradient")
def _gradient(xp: Namespace, f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    f = given.floating(xp, f)
    axes = given.known_axes(axis, f.ndim)
    spacings = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    if len(spacings) != len(axes):
        raise TypeError("invalid number of arguments")
    pairs = zip(spacings, axes, strict=True)
    slopes = [_slope(xp, f, spacing, k, edge_order) for spacing, k in pairs]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _slope(xp: Namespace, f: Array, spacing: Any, axis: int, edge_order: int) -> Array:
    """Return the second-order differences of `f`, at points that may lie unevenly."""
    y = xp.moveaxis(f, axis, -1)
    left = right = spacing
    ends = [(spacing, spacing)] * 2
    if isinstance(spacing, list | tuple) or getattr(spacing, "ndim", 0) == 1:
        steps = _diff(xp, given.floating(xp, spacing, f))
        left, right = steps[:-1], steps[1:]
        second = edge_order == 2
        ends = [(steps[k], steps[j] if second else None) for k, j in ((0, 1), (-1, -2))]
    inner = (
        y[..., 2:] * (left / (right * (left + right)))
        + y[..., 1:-1] * ((right - left) / (left * right))
        - y[..., :-2] * (right / (left * (left + right)))
    )
    first = _edge_slope([y[..., k] for k in range(edge_order + 1)], *ends[0])
    last = -_edge_slope([y[..., -1 - k] for k in range(edge_order + 1)], *ends[1])
    whole = xp.concat([first[..., None], inner, last[..., None]], axis=-1)
    return xp.moveaxis(whole, -1, axis)


def _edge_slope(y: Sequence[Array], near: Any, far: Any) -> Array:
    """Return the slope at y[0], from two or three elements of which the first step is `near`."""
    if len(y) == 2:
        return (y[1] - y[0]) / near
    both = near + far
    return (y[1] - y[0]) * (both / (near * far)) - (y[2] - y[0]) * (near / (far * both))


@translates("trapezoid")
def _trapezoid(xp: Namespace, y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    like = given.found(y, x)
    y = given.floating(xp, y, like)
    if x is not None:
        x = given.floating(xp, x, like)
        dx = _diff(xp, x, axis=0 if x.ndim == 1 else axis)
        if x.ndim == 1:
            dx = xp.reshape(dx, (-1,) + (1,) * (y.ndim - 1 - given.known_axis(axis, y.ndim)))
    middle = (given.part(y, axis, 1, None) + given.part(y, axis, None, -1)) / 2
    return xp.sum(dx * middle, axis=axis)


@translates("polyval")
def _polyval(xp: Namespace, p: Any, x: Any) -> Array:
    p, x = given.arrays(xp, p, x)
    y = xp.zeros_like(x)
    for k in range(p.shape[0]):
        y = y * x + p[k]
    return y


@translates("interp")
def _interp(
    library: Namespace, /, x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None
) -> Array:
    x, xp, fp = given.floatings(library, x, xp, fp)
    n = xp.shape[0]
    low, high = (f if end is None else end for f, end in ((fp[0], left), (fp[-1], right)))
    between = fp[0]
    if n > 1:
        at = library.clip(searchsorted(library, xp, x, side="right"), 1, n - 1)
        (x0, x1), (y0, y1) = ((take(library, v, at - 1), take(library, v, at)) for v in (xp, fp))
        between = y0 + (y1 - y0) / (x1 - x0) * (x - x0)
    inside = library.where(x > xp[-1], high, library.where(x < xp[0], low, between))
    return library.where(library.isnan(x), x, library.where(x == xp[-1], fp[-1], inside))
