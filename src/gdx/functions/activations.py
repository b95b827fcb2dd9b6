"""Activations: pure functions of arrays, of any library, with their derivatives."""

from __future__ import annotations

import math

from gdx.autodiff.custom import pure_vjp
from gdx.backends import (
    Array,
    Namespace,
    cast,
    epsilon,
    floating,
    in_blocks,
    largest,
    library,
    max_along,
    namespace_among,
    namespace_of,
    sum_along,
)
from gdx.devices import on_device_of
from gdx.options import integer


@on_device_of(0)
def sigmoid(x: Array) -> Array:
    r"""Logistic function, 1 / (1 + exp(-x)), elementwise.

    Parameters
    ----------
    x : array_like
        Real. Integers are promoted to the default float.

    Returns
    -------
    y : array
        Of the shape, dtype and device of `x`, in [0, 1].

    Notes
    -----
    Where exp(-x) might overflow, it is computed as p / (p + exp(-max(x, 0))) with p =
    exp(min(x, 0)), so that both tails keep their relative accuracy.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> gdx.sigmoid(np.asarray([-1000.0, 0.0, 2.0]))
    array([0.        , 0.5       , 0.88079708])
    """
    x, _ = floating(x, "x")
    return _sigmoid(x)


@pure_vjp
def _sigmoid(x: Array) -> Array:
    return _logistic(x, with_slope=False)[0]


@pure_vjp
def _sigmoid_and_slope(x: Array) -> tuple[Array, ...]:
    return _logistic(x, with_slope=True)


def _logistic(x: Array, *, with_slope: bool) -> tuple[Array, ...]:
    """Return y = sigmoid(x) and, if asked for, its derivative y · (1 - y), without cancellation."""
    xp = namespace_of(x)
    known, lowest = library(xp), -math.log(largest(xp, x.dtype))

    def of(part: Array) -> tuple[Array, ...]:
        if known.cached(part) and 0 not in part.shape and xp.min(part) > lowest:
            # This does not overflow.
            if not with_slope:
                return (1 / (1 + xp.exp(-part)),)
            power = xp.exp(-part)
            y = 1 / (1 + power)
            return y, power * y * y
        power, other = xp.exp(xp.minimum(part, 0.0)), xp.exp(-xp.maximum(part, 0.0))
        y = power / (power + other)
        return (y, y * (other / (power + other))) if with_slope else (y,)

    return in_blocks(of, x, xp, outputs=1 + with_slope)


def _sigmoid_kept(x: Array) -> tuple[Array, Array]:
    y, slope = _sigmoid_and_slope(x)
    return y, slope


def _both_pull(kept: tuple[Array, ...], gs: tuple[Array, ...]) -> tuple[Array]:
    (y, slope), (of_y, of_slope) = kept, gs
    return (slope * (of_y + of_slope * (1 - 2 * y)),)


_sigmoid.defvjp(_sigmoid_kept, lambda slope, g: (g * slope,), linear=True)
_sigmoid_and_slope.defvjp(lambda x: (_sigmoid_and_slope(x),) * 2, _both_pull, linear=True)


@on_device_of(0)
def relu(x: Array) -> Array:
    """Rectified linear unit, max(x, 0), elementwise.

    Parameters
    ----------
    x : array_like
        Real. Integers are promoted to the default float.

    Returns
    -------
    y : array
        Of the shape, dtype and device of `x`. NaN stays NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> gdx.relu(np.asarray([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    x, _ = floating(x, "x")
    return _relu(x)


@pure_vjp
def _relu(x: Array) -> Array:
    return namespace_of(x).maximum(x, 0.0)


def _relu_pull(positive: Array, g: Array) -> tuple[Array]:
    return (namespace_among(g, positive).where(positive, g, 0.0),)


_relu.defvjp(lambda x: (_relu(x), x > 0), _relu_pull, linear=True)


@on_device_of(0)
def softmax(x: Array, axis: int = -1) -> Array:
    r"""Softmax, exp(x_i) / Σ_j exp(x_j), along an axis.

    Parameters
    ----------
    x : array_like
        Real, at least one-dimensional. Integers are promoted to the default float.
    axis : int
        The axis that sums to one: the classes.

    Returns
    -------
    y : array
        Of the shape, dtype and device of `x`.

    Raises
    ------
    ValueError
        If `x` has no such axis, or it is empty.
    TypeError
        If `axis` is not an integer.

    Notes
    -----
    The largest x of each row is subtracted first, so that nothing overflows. What rounding drops
    in that difference is recovered (TwoSum, Knuth 1969, The Art of Computer Programming 2, §4.2.2)
    and put back as a factor: without it, exp magnifies the rounding of the difference by its own
    size, and probabilities near the smallest number lose two or three digits.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> gdx.softmax(np.asarray([0.3, 2.9, 4.0]))
    array([0.01821127, 0.24519181, 0.73659691])
    """
    x, _ = floating(x, "x")
    _check_classes(x, axis)
    return _softmax(x, axis)


@on_device_of(0)
def log_softmax(x: Array, axis: int = -1) -> Array:
    r"""Logarithm of softmax, x_i - log Σ_j exp(x_j), along an axis.

    Parameters
    ----------
    x : array_like
        Real, at least one-dimensional. Integers are promoted to the default float.
    axis : int
        The axis of the classes.

    Returns
    -------
    y : array
        Of the shape, dtype and device of `x`; finite where softmax underflows to zero.

    Raises
    ------
    ValueError
        If `x` has no such axis, or it is empty.
    TypeError
        If `axis` is not an integer.

    Notes
    -----
    The largest terms of the sum are taken out of the logarithm, log k + log1p(rest / k), so that a
    probability close to one has a logarithm with all its digits (Blanchard, Higham & Higham 2021,
    IMA J. Numer. Anal. 41, 2311).

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> gdx.log_softmax(np.asarray([0.0, 1000.0]))
    array([-1000.,     0.])
    """
    x, _ = floating(x, "x")
    _check_classes(x, axis)
    return log_softmax_along(x, axis)


def _check_classes(x: Array, axis: int) -> None:
    axis = integer("axis", axis)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis {axis} does not exist in x, whose shape is {tuple(x.shape)}.")
    if x.shape[axis] == 0:
        raise ValueError(f"x has no classes: axis {axis} of its shape {tuple(x.shape)} is empty.")


# exp of this is zero in float64, float32 and the extended precisions.
_EXP_IS_ZERO = -12000.0


@pure_vjp
def _softmax(x: Array, axis: int) -> Array:
    xp = namespace_of(x)

    def of(part: Array) -> tuple[Array]:
        _, power = _shifted(widened(part, xp), axis, xp)
        return (cast(power / sum_along(power, axis, xp), x.dtype, xp),)

    return in_blocks(of, x, xp, axis)[0]


def _softmax_kept(x: Array, axis: int) -> tuple[Array, tuple[Array, int]]:
    y = _softmax(x, axis)
    return y, (y, axis)


def _softmax_pull(kept: tuple[Array, int], g: Array) -> tuple[Array, None]:
    y, axis = kept
    xp = namespace_among(g, y)
    return balanced(y * (g - sum_along(g * y, axis, xp)), y, axis, xp), None


_softmax.defvjp(_softmax_kept, _softmax_pull, linear=True)


@pure_vjp
def log_softmax_along(x: Array, axis: int) -> Array:
    """Return log_softmax of an argument that has been checked."""
    xp = namespace_of(x)

    def of(part: Array) -> tuple[Array]:
        shifted, power = _shifted(widened(part, xp), axis, xp)
        largest = xp.astype(xp.logical_not(shifted < 0), power.dtype)  # 1: their power, or NaN
        ties = sum_along(largest, axis, xp)
        rest = sum_along(power - largest, axis, xp)
        return (cast(shifted - (xp.log(ties) + xp.log1p(rest / ties)), x.dtype, xp),)

    return in_blocks(of, x, xp, axis)[0]


def _log_softmax_kept(x: Array, axis: int) -> tuple[Array, tuple[Array, int]]:
    y = log_softmax_along(x, axis)
    return y, (y, axis)


def _log_softmax_pull(kept: tuple[Array, int], g: Array) -> tuple[Array, None]:
    y, axis = kept
    xp = namespace_among(g, y)
    power = xp.exp(y)
    return balanced(g - power * sum_along(g, axis, xp), power, axis, xp), None


log_softmax_along.defvjp(_log_softmax_kept, _log_softmax_pull, linear=True)


def balanced(pulled: Array, y: Array, axis: int, xp: Namespace) -> Array:
    """Return the cotangent of logits, whose sum over the classes is zero, to the last bits.

    Of a probability `y` close to one it holds 1 - y, which cancels: there it is minus the sum of
    the others.
    """
    probable = y > 0.5
    others = xp.where(probable, 0.0, pulled)
    return xp.where(probable, -sum_along(others, axis, xp), others)


def _shifted(x: Array, axis: int, xp: Namespace) -> tuple[Array, Array]:
    """Return x - max(x), and exp of it, to the last bits."""
    top = max_along(x, axis, xp)
    shifted = x - top
    floored = xp.maximum(shifted, _EXP_IS_ZERO)
    back = floored + top
    lost = (x - back) + ((back - floored) - top)  # x - top = shifted + lost, exactly
    power = xp.exp(floored)
    return shifted, power + power * xp.maximum(lost, -1.0)  # x = -inf: all is lost, power is 0


def widened(x: Array, xp: Namespace) -> Array:
    """Return `x` in float32 at least: sums of many 16-bit numbers overflow."""
    return xp.astype(x, xp.float32) if epsilon(xp, x.dtype) > 1e-4 else x
