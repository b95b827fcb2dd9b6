"""What rules of the linear algebra share: operations on each of a stack of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gdx.backends import Array, device_of, is_complex


def conjugate(xp: Any, x: Array) -> Array:
    """Return the conjugate of an array that may be real."""
    return xp.conj(x) if is_complex(xp, x.dtype) else x


def adjoint(xp: Any, x: Array) -> Array:
    """Return the conjugate transposes of matrices."""
    return conjugate(xp, xp.matrix_transpose(x))


def identity_like(xp: Any, n: int, like: Array) -> Array:
    """Return the identity of n rows, of the dtype and on the device of another array."""
    return xp.eye(n, dtype=like.dtype, device=device_of(like))


def zeros_beside(xp: Any, shape: Sequence[int], like: Array) -> Array:
    """Return zeros of the dtype and on the device of another array."""
    return xp.zeros(tuple(shape), dtype=like.dtype, device=device_of(like))


def on_matrices(xp: Any, x: Array) -> Array:
    """Return `x` with two more axes, to meet one matrix with each of its elements."""
    return xp.expand_dims(xp.expand_dims(x, axis=-1), axis=-1)


def nonzero(xp: Any, x: Array) -> Array:
    """Return `x` with ones in place of zeros, to divide by."""
    return xp.where(x == 0, xp.ones_like(x), x)


def reciprocal(xp: Any, x: Array, tolerance: Array) -> Array:
    """Return 1 / x, and zero where `x` cannot be told from zero."""
    vanishes = xp.abs(x) <= tolerance
    return xp.where(vanishes, xp.zeros_like(x), 1 / xp.where(vanishes, xp.ones_like(x), x))


def times_transpose(xp: Any, g: Array, b: Array, ndim: int) -> Array:
    """Return g bᵀ; of one matrix that met a stack, summed without a stack of products."""
    if ndim == 2 and g.ndim > 2:
        summed = [*range(g.ndim - 2), g.ndim - 1]
        return xp.tensordot(g, b, axes=(summed, summed))
    return xp.matmul(g, xp.matrix_transpose(b))
