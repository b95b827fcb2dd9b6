"""Derivatives of products of vectors, matrices and tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gdx.autodiff.core import Maker, Pull
from gdx.autodiff.rules.matrices import conjugate, identity_like, times_transpose
from gdx.backends import Array


def _matmul_first(xp: Any, y: Array, a: Array, b: Array) -> Pull:
    ndim = a.ndim
    if b.ndim == 1:
        return lambda g: (xp.expand_dims(g, axis=-1) if ndim > 1 else g) * b
    if ndim == 1:
        return lambda g: xp.matmul(b, xp.expand_dims(g, axis=-1))[..., 0]
    return lambda g: times_transpose(xp, g, b, ndim)


def _matmul_second(xp: Any, y: Array, a: Array, b: Array) -> Pull:
    ndim = b.ndim
    if a.ndim == 1:
        if ndim == 1:
            return lambda g: g * a
        return lambda g: xp.expand_dims(g, axis=-2) * xp.expand_dims(a, axis=-1)

    def pull(g: Array) -> Array:
        if ndim == 1 or (ndim == 2 and g.ndim > 2):
            summed = list(range(a.ndim - 1))
            return xp.tensordot(a, g, axes=(summed, summed))
        return xp.matmul(xp.matrix_transpose(a), g)

    return pull


def _vecdot_first(xp: Any, y: Array, a: Array, b: Array, axis: int = -1) -> Pull:
    return lambda g: conjugate(xp, xp.expand_dims(g, axis=axis) * b)


def _vecdot_second(xp: Any, y: Array, a: Array, b: Array, axis: int = -1) -> Pull:
    return lambda g: xp.expand_dims(g, axis=axis) * conjugate(xp, a)


Axes = int | tuple[Sequence[int], Sequence[int]]


def _contracted(a: Array, b: Array, axes: Axes) -> tuple[list[int], ...]:
    """Return the axes over which a and b are summed, and those which are left of each."""
    if isinstance(axes, int):
        of_a, of_b = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        of_a, of_b = [i % a.ndim for i in axes[0]], [i % b.ndim for i in axes[1]]
    left_a = [i for i in range(a.ndim) if i not in of_a]
    left_b = [i for i in range(b.ndim) if i not in of_b]
    return of_a, of_b, left_a, left_b


def _put(xp: Any, x: Array, places: list[int]) -> Array:
    """Return `x` with its axis i at places[i]."""
    return xp.permute_dims(x, tuple(map(places.index, range(len(places)))))


def _tensordot_first(xp: Any, y: Array, a: Array, b: Array, axes: Axes = 2) -> Pull:
    of_a, of_b, left_a, left_b = _contracted(a, b, axes)
    of_g = list(range(len(left_a), len(left_a) + len(left_b)))
    places = [*left_a, *(of_a[of_b.index(i)] for i in sorted(of_b))]
    return lambda g: _put(xp, xp.tensordot(g, b, axes=(of_g, left_b)), places)


def _tensordot_second(xp: Any, y: Array, a: Array, b: Array, axes: Axes = 2) -> Pull:
    of_a, of_b, left_a, left_b = _contracted(a, b, axes)
    of_g = list(range(len(left_a)))
    places = [*(of_b[of_a.index(i)] for i in sorted(of_a)), *left_b]
    return lambda g: _put(xp, xp.tensordot(a, g, axes=(left_a, of_g)), places)


def _cross_axis(a: Array, b: Array, axis: int) -> int:
    return axis if axis < 0 else axis - max(a.ndim, b.ndim)


def _cross_first(xp: Any, y: Array, a: Array, b: Array, axis: int = -1) -> Pull:
    axis = _cross_axis(a, b, axis)
    return lambda g: xp.linalg.cross(b, g, axis=axis)


def _cross_second(xp: Any, y: Array, a: Array, b: Array, axis: int = -1) -> Pull:
    axis = _cross_axis(a, b, axis)
    return lambda g: xp.linalg.cross(g, a, axis=axis)


def _matrix_power(xp: Any, x: Array, n: int) -> Array:
    """Return xⁿ by squaring, in as many products as the libraries take."""
    if n == 0:
        return xp.zeros_like(x) + identity_like(xp, x.shape[-1], x)
    power, result = (xp.linalg.inv(x) if n < 0 else x), None
    n = abs(n)
    while True:
        if n % 2:
            result = power if result is None else xp.matmul(result, power)
        n //= 2
        if not n:
            return result
        power = xp.matmul(power, power)


VJPS: dict[str, tuple[Maker | None, ...]] = {
    "linalg.cross": (_cross_first, _cross_second),
    "linalg.outer": (
        lambda xp, y, a, b: lambda g: xp.matmul(g, b),
        lambda xp, y, a, b: lambda g: xp.matmul(a, g),
    ),
    "matmul": (_matmul_first, _matmul_second),
    "tensordot": (_tensordot_first, _tensordot_second),
    "vecdot": (_vecdot_first, _vecdot_second),
}

COMPOSITE: dict[str, Callable[..., Array]] = {"linalg.matrix_power": _matrix_power}
