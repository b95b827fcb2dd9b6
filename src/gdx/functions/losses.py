"""Losses: pure functions of arrays, of any library, with their derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gdx.autodiff.custom import pure_vjp, stop_gradient
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
    is_integer,
    is_real_floating,
    library,
    namespace_among,
    namespace_of,
    plain_namespace,
    sum_along,
)
from gdx.devices import on_device_of
from gdx.functions.activations import widened
from gdx.options import not_negative


@on_device_of(0)
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
    target = _probabilities(checked_target(t, y, "y", xp), y)
    _check_probabilities(y, "y", xp)
    eps = not_negative("eps", eps)
    return _surprise(y, target, eps)


@pure_vjp
def _surprise(y: Array, target: Array, eps: float) -> Array:
    return _surprise_kept(y, target, eps)[0]


def _surprise_kept(y: Array, target: Array, eps: float) -> tuple[Array, Any]:
    xp = namespace_among(y, target)
    wide = widened(xp.where(target != 0, y, xp.ones_like(y)), xp)  # eps is not 1e-7 in 16 bits
    loss = cast(_expected(target, xp.log(wide + eps), xp), y.dtype, xp)
    return loss, (wide + eps, target, y, eps)


def _surprise_pull(kept: Any, g: Array) -> tuple[Array, Callable[[], Array], None]:
    chosen, target, y, eps = kept
    xp = namespace_among(g, y, target)
    share = -widened(g, xp) / math.prod(y.shape[:-1])
    return share * (target / chosen), lambda: share * xp.log(widened(y, xp) + eps), None


_surprise.defvjp(_surprise_kept, _surprise_pull, linear=True)


@on_device_of(0)
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
    target = checked_target(t, logits, "logits", xp)
    labelled = target.shape != logits.shape
    return _surprise_of_logits(logits, _probabilities(target, logits), labelled)


@pure_vjp
def _surprise_of_logits(logits: Array, target: Array, sums_to_one: bool) -> Array:
    return _surprise_of_logits_kept(logits, target, sums_to_one)[0]


def _surprise_of_logits_kept(logits: Array, target: Array, sums_to_one: bool) -> tuple[Array, Any]:
    xp = namespace_among(logits, target)
    wide = widened(logits, xp)
    shifted = wide - stop_gradient(xp.max(wide, axis=-1, keepdims=True))
    power, more = _powers(shifted, xp)
    log_sum = xp.log1p(more)  # so that a probable class has a surprise with all its digits
    surprise = log_sum - shifted
    total = xp.sum(target * xp.where(target != 0, surprise, 0.0))
    loss = cast(total / math.prod(shifted.shape[:-1]), logits.dtype, xp)
    return loss, (surprise, power, more, target, sums_to_one)


def _surprise_of_logits_pull(kept: Any, g: Array) -> tuple[Array, Callable[[], Array], None]:
    surprise, power, more, target, sums_to_one = kept
    xp = namespace_among(g, power, target)
    share = widened(g, xp) / math.prod(power.shape[:-1])
    expected = power if sums_to_one else power * xp.sum(target, axis=-1, keepdims=True)
    return _centred(expected, target, more, share), lambda: share * surprise, None


_surprise_of_logits.defvjp(_surprise_of_logits_kept, _surprise_of_logits_pull, linear=True)


@on_device_of(0)
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
    t = as_like(t, y, xp, "t", dtype=y.dtype, attached=True)
    if t.shape != y.shape:
        raise ValueError(
            f"y and t must have one shape; they have {tuple(y.shape)} and {tuple(t.shape)}."
        )
    if 0 in y.shape:
        raise ValueError(f"y holds no element: its shape is {tuple(y.shape)}.")
    return _mean_square(y, t)


@pure_vjp
def _mean_square(y: Array, t: Array) -> Array:
    return _mean_square_kept(y, t)[0]


def _mean_square_kept(y: Array, t: Array) -> tuple[Array, Array]:
    xp = namespace_among(y, t)
    difference = widened(y, xp) - widened(t, xp)
    return cast(xp.mean(difference * difference), y.dtype, xp), difference


def _mean_square_pull(difference: Array, g: Array) -> tuple[Array, Array]:
    g = widened(g, namespace_among(g, difference))
    pulled = difference * (g * (2 / math.prod(difference.shape)))
    return pulled, -pulled


_mean_square.defvjp(_mean_square_kept, _mean_square_pull, linear=True)


def _expected(target: Array, log_y: Array, xp: Namespace) -> Array:
    """Return -Σ target log_y / N."""
    total = xp.sum(widened(target * log_y, xp))
    return cast(-total / math.prod(log_y.shape[:-1]), log_y.dtype, xp)


def cross_entropy_of_softmax(scores: Array, t: object, xp: Namespace) -> Array:
    """Return cross_entropy_error(softmax(scores), t), without the checks that need not be made.

    What rounding takes from small probabilities is not put back: eps hides them.
    """
    target = _probabilities(checked_target(t, scores, "scores", xp), scores)
    return _surprise_of_softmax(scores, target)


@pure_vjp
def _surprise_of_softmax(scores: Array, target: Array) -> Array:
    return _surprise_of_softmax_kept(scores, target)[0]


_EPS = 1e-7  # that of cross_entropy_error


def _surprise_of_softmax_kept(scores: Array, target: Array) -> tuple[Array, Any]:
    xp = namespace_among(scores, target)
    wide = widened(scores, xp)
    floats = _few_floats(wide, xp)
    if floats is None:
        power, more = _powers(wide - stop_gradient(xp.max(wide, axis=-1, keepdims=True)), xp)
    else:
        power = xp.exp(wide - max(floats))
        more = math.fsum([-1.0, *library(xp).floats(power)])  # type: ignore[misc]
    y = power / (1 + more)
    loss = cast(_expected(target, xp.log(y + _EPS), xp), scores.dtype, xp)
    return loss, (y, power, more, target)


def _surprise_of_softmax_pull(kept: Any, g: Array) -> tuple[Array, Callable[[], Array]]:
    y, power, more, target = kept
    xp = namespace_among(y, target, g)
    share = widened(g, xp) / math.prod(y.shape[:-1])
    weight = target * y / (y + _EPS)
    expected = power * sum_along(weight, -1, xp)
    return _centred(expected, weight, more, share), lambda: -share * xp.log(y + _EPS)


_surprise_of_softmax.defvjp(_surprise_of_softmax_kept, _surprise_of_softmax_pull, linear=True)


def _few_floats(x: Array, xp: Namespace) -> memoryview | None:
    """Return the classes of one sample as Python's floats, where they are few and on the host."""
    floats = library(xp).floats(x)
    few = floats is not None and floats.ndim == 1 and floats.nbytes <= FEW_BYTES
    return floats if few else None


def _powers(shifted: Array, xp: Namespace) -> tuple[Array, Array]:
    """Return exp(x - max(x)), and their sum along the classes less one, to the last bits."""
    power = xp.exp(shifted)
    small = power * xp.astype(shifted < 0, shifted.dtype)  # the others are 1
    # A product with ones is a sum, and along a short axis several times as quick.
    ones = xp.ones((shifted.shape[-1], 1), dtype=shifted.dtype, device=device_of(shifted))
    return power, small @ ones + ((power - small) @ ones - 1)


def _centred(expected: Array, weight: Array, more: Array, share: Array) -> Array:
    """Return share · (expected / (1 + more) - weight), where expected is exp(x - max(x)) Σ weight.

    It would cancel where one weight is the sum, and that class has a probability close to one.
    """
    return ((expected - weight) - weight * more) * (share / (1 + more))


def _probabilities(target: Array, y: Array) -> Array:
    """Return a target that has been checked as one probability for each class."""
    xp = namespace_of(target)
    return cast(target, y.dtype, xp) if target.shape == y.shape else _one_hot(target, y, xp)


def checked_target(t: object, y: Array, name: str, xp: Namespace) -> Array:
    """Return `t` beside `y`: probabilities, of its shape; or labels, of its shape but the last."""
    if y.ndim == 0 or 0 in y.shape:
        raise ValueError(f"{name} holds no sample: its shape is {tuple(y.shape)}.")
    target = as_like(t, y, plain_namespace(xp), "t", attached=True)
    xp = namespace_of(target)  # where y is traced, t need not be
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
    labels = xp.reshape(cast(labels, places.dtype, xp), (*labels.shape, 1))
    holds = labels == places
    one_hot = xp.astype(holds, y.dtype)
    if library(xp).on_host(labels):
        return one_hot
    # NaN where the label is outside. Dask would warn of a division by zero when it computes.
    return xp.where(xp.any(holds, axis=-1, keepdims=True), one_hot, math.nan)


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
