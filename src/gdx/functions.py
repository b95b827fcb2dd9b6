"""Activations and losses: pure functions of arrays, of any library."""

from __future__ import annotations

import math
from collections.abc import Callable

from gdx.backends import (
    FEW_BYTES,
    Array,
    Namespace,
    as_like,
    cast,
    device_of,
    epsilon,
    extremes,
    floating,
    in_blocks,
    is_integer,
    is_real_floating,
    library,
)
from gdx.options import integer, not_negative


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
    Computed as p / (p + exp(-max(x, 0))) with p = exp(min(x, 0)): nothing overflows, both tails
    keep their relative accuracy, and a library's automatic differentiation is right at 0, too.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> gdx.sigmoid(np.asarray([-1000.0, 0.0, 2.0]))
    array([0.        , 0.5       , 0.88079708])
    """
    x, xp = floating(x, "x")

    def of(part: Array) -> Array:
        power = xp.exp(xp.minimum(part, 0.0))
        return power / (power + xp.exp(-xp.maximum(part, 0.0)))

    return in_blocks(of, x, xp)


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
    x, xp = floating(x, "x")
    return xp.maximum(x, xp.zeros_like(x))


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
    x, xp = floating(x, "x")
    _check_classes(x, axis)
    return _softmax(x, axis, xp)


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
    x, xp = floating(x, "x")
    _check_classes(x, axis)
    return _log_softmax(x, axis, xp)


def _check_classes(x: Array, axis: int) -> None:
    if not -x.ndim <= integer("axis", axis) < x.ndim:
        raise ValueError(f"axis {axis} does not exist in x, whose shape is {tuple(x.shape)}.")
    if x.shape[axis] == 0:
        raise ValueError(f"x has no classes: axis {axis} of its shape {tuple(x.shape)} is empty.")


# exp of this is zero in float64, float32 and the extended precisions.
_EXP_IS_ZERO = -12000.0


def _softmax(x: Array, axis: int, xp: Namespace) -> Array:
    def of(part: Array) -> Array:
        _, power = _shifted(_widened(part, xp), axis, xp)
        return cast(power / xp.sum(power, axis=axis, keepdims=True), x.dtype, xp)

    return in_blocks(of, x, xp, axis)


def _log_softmax(x: Array, axis: int, xp: Namespace) -> Array:
    def of(part: Array) -> Array:
        shifted, power = _shifted(_widened(part, xp), axis, xp)
        largest = xp.astype(xp.logical_not(shifted < 0), power.dtype)  # 1: their power, or NaN
        ties = xp.sum(largest, axis=axis, keepdims=True)
        rest = xp.sum(power - largest, axis=axis, keepdims=True)
        return cast(shifted - (xp.log(ties) + xp.log1p(rest / ties)), x.dtype, xp)

    return in_blocks(of, x, xp, axis)


def _shifted(x: Array, axis: int, xp: Namespace) -> tuple[Array, Array]:
    """Return x - max(x), and exp of it, to the last bits."""
    top = xp.max(x, axis=axis, keepdims=True)
    shifted = x - top
    floored = xp.maximum(shifted, _EXP_IS_ZERO)
    back = floored + top
    lost = (x - back) + ((back - floored) - top)  # x - top = shifted + lost, exactly
    power = xp.exp(floored)
    return shifted, power + power * xp.maximum(lost, -1.0)  # x = -inf: all is lost, power is 0


def _widened(x: Array, xp: Namespace) -> Array:
    """Return `x` in float32 at least: sums of many 16-bit numbers overflow."""
    return xp.astype(x, xp.float32) if epsilon(xp, x.dtype) > 1e-4 else x


def cross_entropy_error(y: Array, t: Array, *, eps: float = 1e-7) -> Array:
    r"""Cross entropy of probabilities, -Σ t log(y + eps) / N.

    Parameters
    ----------
    y : array_like, shape (..., n_classes)
        Probabilities: the output of `softmax`. The axes before the last count the N samples.
    t : array_like
        Either labels: integers of shape ``y.shape[:-1]``; or a probability for each class, one-hot
        or soft, of the shape of `y`.
    eps : float
        Added to `y`, so that log 0 does not occur. Nothing is clipped.

    Returns
    -------
    loss : 0-d array
        In nats; of the dtype and device of `y`.

    Raises
    ------
    TypeError
        If labels are not integers.
    ValueError
        If `t` has a shape that fits neither reading, or there is no sample. Where looking at
        values costs nothing (arrays on the host): if a label is out of range, or a probability is
        outside [0, 1] by more than rounding and the step of a finite difference. Elsewhere a label
        out of range makes the loss NaN.

    See Also
    --------
    softmax_cross_entropy : the exact loss, from the input of softmax.

    Notes
    -----
    A class with t = 0 adds nothing, whatever its y. The sum over soft targets is the cross entropy
    to the whole distribution t, not to its largest class.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> y = np.asarray([0.1, 0.05, 0.6, 0.0, 0.25])
    >>> print(round(float(gdx.cross_entropy_error(y, 2)), 6))
    0.510825
    >>> print(round(float(gdx.cross_entropy_error(y, [0, 0, 1, 0, 0])), 6))
    0.510825
    """
    y, xp = floating(y, "y")
    target = _target_probabilities(t, y, "y", xp)
    _check_probabilities(y, "y", xp)
    eps = not_negative("eps", eps)
    wide = _widened(xp.where(target != 0, y, xp.ones_like(y)), xp)  # eps is not 1e-7 in 16 bits
    return cast(expected_surprise(target, xp.log(wide + eps), xp), y.dtype, xp)


def softmax_cross_entropy(logits: Array, t: Array) -> Array:
    r"""Cross entropy of softmax, -Σ t log softmax(logits) / N, without rounding to probabilities.

    Parameters
    ----------
    logits : array_like, shape (..., n_classes)
        Any real numbers. The axes before the last count the N samples.
    t : array_like
        Labels or a probability for each class, as in `cross_entropy_error`.

    Returns
    -------
    loss : 0-d array
        In nats; of the dtype and device of `logits`.

    Raises
    ------
    TypeError, ValueError
        As in `cross_entropy_error`.

    Examples
    --------
    >>> import numpy as np
    >>> import gdx
    >>> print(gdx.softmax_cross_entropy(np.asarray([1000.0, 0.0]), 1))
    1000.0
    """
    logits, xp = floating(logits, "logits")
    target = _target_probabilities(t, logits, "logits", xp)
    log_y = _log_softmax(logits, -1, xp)
    log_y = xp.where(target != 0, log_y, xp.zeros_like(log_y))
    return expected_surprise(target, log_y, xp)


def mean_squared_error(y: Array, t: Array) -> Array:
    r"""Mean of squared differences, Σ (y - t)² / n, over all n elements.

    Parameters
    ----------
    y, t : array_like
        Real, of the same shape.

    Returns
    -------
    loss : 0-d array
        Of the dtype and device of `y`.

    Raises
    ------
    ValueError
        If the shapes differ (they are not broadcast: (n,) against (n, 1) would compare all pairs),
        or there is no element.

    Examples
    --------
    >>> import gdx
    >>> print(gdx.mean_squared_error([1.0, 2.0], [1.0, 4.0]))
    2.0
    """
    y, xp = floating(y, "y")
    t = as_like(t, y, xp, "t", dtype=y.dtype)
    if t.shape != y.shape:
        raise ValueError(
            f"y and t must have one shape; they have {tuple(y.shape)} and {tuple(t.shape)}."
        )
    if 0 in y.shape:
        raise ValueError(f"y holds no element: its shape is {tuple(y.shape)}.")
    difference = _widened(y, xp) - _widened(t, xp)
    return cast(xp.mean(difference * difference), y.dtype, xp)


def expected_surprise(target: Array, log_y: Array, xp: Namespace) -> Array:
    """Return -Σ target log_y / N: the cross entropy of arguments that have been checked."""
    total = xp.sum(_widened(target * log_y, xp))
    return cast(-total / math.prod(log_y.shape[:-1]), log_y.dtype, xp)


def cross_entropy_of_softmax(scores: Array, t: object, xp: Namespace) -> Array:
    """Return cross_entropy_error(softmax(scores), t), without the checks that need not be made.

    What rounding takes from small probabilities is not put back: eps hides them.
    """
    target = _target_probabilities(t, scores, "scores", xp)
    wide = _widened(scores, xp)
    power = xp.exp(wide - _over_classes(max, xp.max, wide, xp))
    y = power / _over_classes(sum, xp.sum, power, xp)
    return cast(expected_surprise(target, xp.log(y + 1e-7), xp), scores.dtype, xp)


def _over_classes(
    of_floats: Callable[[memoryview], float],
    of_array: Callable[..., Array],
    x: Array,
    xp: Namespace,
) -> Array | float:
    """Return a sum or maximum along the last axis, that of a few classes in Python's floats."""
    floats = library(xp).floats(x)
    if floats is not None and floats.ndim == 1 and floats.nbytes <= FEW_BYTES:
        return of_floats(floats)
    return of_array(x, axis=-1, keepdims=True)


def _target_probabilities(t: object, y: Array, name: str, xp: Namespace) -> Array:
    """Return `t` as a probability for each class, beside the scores or probabilities `y`."""
    target = checked_target(t, y, name, xp)
    return cast(target, y.dtype, xp) if target.shape == y.shape else _one_hot(target, y, xp)


def checked_target(t: object, y: Array, name: str, xp: Namespace) -> Array:
    """Return `t` beside `y`: probabilities, of its shape; or labels, of its shape but the last."""
    if y.ndim == 0 or 0 in y.shape:
        raise ValueError(f"{name} holds no sample: its shape is {tuple(y.shape)}.")
    target = as_like(t, y, xp, "t")
    if target.shape == y.shape:
        _check_probabilities(target, "t", xp)
        return target
    if target.shape != y.shape[:-1]:
        raise ValueError(
            f"t has the shape {tuple(target.shape)}, {name} has {tuple(y.shape)}. Write t as "
            f"labels of shape {tuple(y.shape[:-1])}, or as one probability for each class, of the "
            f"shape of {name}."
        )
    _check_labels(target, y.shape[-1], xp)
    return target


def _one_hot(labels: Array, y: Array, xp: Namespace) -> Array:
    places = xp.arange(y.shape[-1], device=device_of(y))  # 300 of them would not fit int8
    labels = xp.expand_dims(cast(labels, places.dtype, xp), axis=-1)
    one_hot = xp.astype(labels == places, y.dtype)
    if library(xp).on_host(labels):
        return one_hot
    outside = (labels < 0) | (labels >= y.shape[-1])
    return xp.where(outside, xp.nan, one_hot)


def _check_labels(labels: Array, classes: int, xp: Namespace) -> None:
    if not is_integer(xp, labels.dtype):
        raise TypeError(
            f"t has the shape of labels, so it must hold integers; its dtype is {labels.dtype}."
        )
    if not library(xp).on_host(labels):
        return
    low, high = extremes(labels, xp)
    if low < 0 or high >= classes:
        raise ValueError(
            f"t holds the label {int(low if low < 0 else high)}; with {classes} classes, labels "
            f"are 0 to {classes - 1}."
        )


def _check_probabilities(p: Array, name: str, xp: Namespace) -> None:
    if not library(xp).on_host(p):
        return
    low, high = extremes(p, xp)
    if low >= 0 and high <= 1:
        return
    # A finite difference steps over the edge by eps^(1/3), or by the h = 1e-4 of textbooks.
    slack = max(1e-3, 2 * epsilon(xp, p.dtype) ** (1 / 3)) if is_real_floating(xp, p.dtype) else 0
    if low < -slack or high > 1 + slack:
        raise ValueError(
            f"{name} must hold probabilities; it holds {low if low < -slack else high}. "
            + (
                "softmax makes them from any numbers."
                if name == "y"
                else f"Labels have the shape {tuple(p.shape[:-1])}."
            )
        )
