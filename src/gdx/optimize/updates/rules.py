"""The mathematics of the update rules: what each does to one element, and the table of them.

A body is a function of the update u (at first the gradient), the parameter p, the memory of the
rule (its slots), and scalars; it returns the next u and the next slots, and is written with the
namespace `xp` of the arrays, so that a library may compile it. The slots it changes in place where
the library can; u and p, never. What is computed from the number of the step alone is a scalar, a
float of the host.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gdx.backends import Array, Namespace, cast, epsilon_of

Slots = tuple[Array, ...]
Scalars = tuple[Any, ...]


class Rule(NamedTuple):
    """A row of the table.

    Attributes
    ----------
    body : callable
        Maps (u, p, slots, scalars, xp) to the next u and the next slots.
    scalars : callable
        Maps the learning rate (None, if the rule has none), the number of the step, counted from 1,
        and the options by name to the scalars.
    slots : int
        How many arrays the rule remembers for each parameter, at first zeros.
    reduction : callable, optional
        Maps the updates of all parameters, the scalars and xp to an array without axes, which the
        body gets as its only scalar.
    """

    body: Callable[[Array, Array, Slots, Scalars, Namespace], tuple[Array, Slots]]
    scalars: Callable[..., Scalars]
    slots: int = 0
    reduction: Callable[[Sequence[Array], Scalars, Namespace], Array] | None = None


def _sgd(u: Array, p: Array, slots: Slots, s: Scalars, xp: Namespace) -> tuple[Array, Slots]:
    return s[0] * u, ()


def _momentum(u: Array, p: Array, slots: Slots, s: Scalars, xp: Namespace) -> tuple[Array, Slots]:
    rate, momentum = s
    (velocity,) = slots
    velocity *= momentum
    velocity += u
    return rate * velocity, (velocity,)


def _nesterov(u: Array, p: Array, slots: Slots, s: Scalars, xp: Namespace) -> tuple[Array, Slots]:
    rate, momentum = s
    (velocity,) = slots
    velocity *= momentum
    velocity += u
    return rate * (momentum * velocity + u), (velocity,)


def _adagrad(u: Array, p: Array, slots: Slots, s: Scalars, xp: Namespace) -> tuple[Array, Slots]:
    rate, eps = s
    (total,) = slots
    total += u * u
    return rate * u / (xp.sqrt(total) + eps), (total,)


def _rmsprop(u: Array, p: Array, slots: Slots, s: Scalars, xp: Namespace) -> tuple[Array, Slots]:
    rate, rho, rest, eps = s
    (v,) = slots
    v *= rho
    v += rest * (u * u)
    return rate * u / (xp.sqrt(v) + eps), (v,)


def _adam(u: Array, p: Array, slots: Slots, s: Scalars, xp: Namespace) -> tuple[Array, Slots]:
    rate, eps, *betas = s
    m, v = _moments(u, *slots, *betas)
    return rate * m / (xp.sqrt(v) + eps), (m, v)


def _adamw(u: Array, p: Array, slots: Slots, s: Scalars, xp: Namespace) -> tuple[Array, Slots]:
    u, slots = _adam(u, p, slots, s[1:], xp)
    return u + s[0] * p, slots


def _amsgrad(u: Array, p: Array, slots: Slots, s: Scalars, xp: Namespace) -> tuple[Array, Slots]:
    rate, eps, *betas = s
    m, v, largest = slots
    m, v = _moments(u, m, v, *betas)
    largest = xp.maximum(largest, v)
    return rate * m / (xp.sqrt(largest) + eps), (m, v, largest)


def _lion(u: Array, p: Array, slots: Slots, s: Scalars, xp: Namespace) -> tuple[Array, Slots]:
    rate, decay, beta1, rest1, beta2, rest2 = s
    (m,) = slots
    direction = xp.sign(beta1 * m + rest1 * u)
    m *= beta2
    m += rest2 * u
    return rate * direction + decay * p, (m,)


def _moments(
    u: Array, m: Array, v: Array, beta1: float, rest1: float, beta2: float, rest2: float
) -> tuple[Array, Array]:
    m *= beta1
    m += rest1 * u
    v *= beta2
    v += rest2 * (u * u)
    return m, v


def _clipped(u: Array, p: Array, slots: Slots, s: Scalars, xp: Namespace) -> tuple[Array, Slots]:
    most, least = s
    return xp.maximum(xp.minimum(u, most), least), ()


def _decayed(u: Array, p: Array, slots: Slots, s: Scalars, xp: Namespace) -> tuple[Array, Slots]:
    return u + s[0] * p, ()


def _decay_rate(lr: float, t: int, *, rho: float, eps: float) -> Scalars:
    return -lr, rho, 1 - rho, eps


def _corrected(lr: float, t: int, *, beta1: float, beta2: float, eps: float) -> Scalars:
    """Return the scalars of Adam, whose corrections of the moments are drawn into lr and eps.

    lr · (m / c₁) / (√(v / c₂) + ε) = (lr · √c₂ / c₁) · m / (√v + ε · √c₂), with c = 1 - βᵗ.
    """
    root = math.sqrt(1 - beta2**t)
    return -lr * root / (1 - beta1**t), eps * root, beta1, 1 - beta1, beta2, 1 - beta2


def _corrected_and_decay(lr: float, t: int, *, weight_decay: float, **options: float) -> Scalars:
    return -lr * weight_decay, *_corrected(lr, t, **options)


def _of_lion(lr: float, t: int, *, beta1: float, beta2: float, weight_decay: float) -> Scalars:
    return -lr, -lr * weight_decay, beta1, 1 - beta1, beta2, 1 - beta2


def _within_norm(updates: Sequence[Array], s: Scalars, xp: Namespace) -> Array:
    """Return by what the updates are multiplied: 1, or what makes their common norm the limit."""
    norms = [xp.linalg.vector_norm(u) for u in updates]
    if len(norms) == 1:
        norm = norms[0]
    else:
        finest = min(norms, key=epsilon_of).dtype
        norm = xp.linalg.vector_norm(xp.stack([cast(each, finest, xp) for each in norms]))
    return s[0] / xp.maximum(norm, s[0])


RULES = {
    "sgd": Rule(_sgd, lambda lr, t: (-lr,)),
    "momentum": Rule(_momentum, lambda lr, t, momentum: (-lr, momentum), 1),
    "nesterov": Rule(_nesterov, lambda lr, t, momentum: (-lr, momentum), 1),
    "adagrad": Rule(_adagrad, lambda lr, t, eps: (-lr, eps), 1),
    "rmsprop": Rule(_rmsprop, _decay_rate, 1),
    "adam": Rule(_adam, _corrected, 2),
    "adamw": Rule(_adamw, _corrected_and_decay, 2),
    "amsgrad": Rule(_amsgrad, _corrected, 3),
    "lion": Rule(_lion, _of_lion, 1),
    "clip_by_value": Rule(_clipped, lambda lr, t, limit: (limit, -limit)),
    "clip_by_global_norm": Rule(_sgd, lambda lr, t, max_norm: (max_norm,), reduction=_within_norm),
    "weight_decay": Rule(_decayed, lambda lr, t, rate: (rate,)),
}
