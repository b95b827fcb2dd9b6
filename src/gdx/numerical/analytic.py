"""Is f analytic? The complex step is right only of such functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from gdx.backends import Array, epsilon_of, is_array, made_beside, to_numpy
from gdx.numerical.layout import Layout, along_first
from gdx.numerical.values import Function

if TYPE_CHECKING:
    from gdx.numerical.differences import Differences

_NOT_ANALYTIC = (
    "f is not analytic: along a real line its slope is {real:.6g}, and {imaginary:.6g} by its "
    "imaginary part. method='complex' needs an f without real parts and conjugation, as in "
    "numpy.vdot, x.conj() and x.mH: write x @ x and x.mT, or method='central'."
)

# A slope that differs by less than this share, or so many roundings, may be that of an analytic f.
_SHARE = 1e-6
_ROUNDINGS = 100
# Through curvature, the slope over a step is off by this share of its difference to that over a
# wide one, at most; one that is rough differs by a larger share of itself.
_CURVED = 0.1
_SAME = 0.1


def check_analytic(of: Differences, f: Function, x: Array, layout: Layout, values: Array) -> int:
    """Raise if f changes along the real axis otherwise than its imaginary parts tell.

    By the equations of Cauchy and Riemann, Im f(x + ih) = h f'(x), also of the sum over elements
    that are moved together. `x` is complex, `values` are those of f at the complex points. Return
    how often f was evaluated: at one point more, as a rule.
    """
    h = np.broadcast_to(_on_host(layout.step), math.prod(of.x.shape))
    if (h * h > of.eps).any():
        return 0  # f(x + ih) is off by h², too
    if of.bounds is not None and of.directions is not None:
        return 0  # elements that move together may have room on different sides
    numbers = to_numpy(values)
    eps = max(of.eps, epsilon_of(values))
    narrow, wide = eps ** (1 / 2), eps ** (1 / 3)
    start = np.real(numbers[0])

    def slope(width: float) -> np.ndarray:
        moves = made_beside(of.x, (width * line).reshape(x.shape), of.xp, of.x.dtype)
        value = to_numpy(of.evaluation.at_x(f, of.xp.asarray(x + moves)))[0]
        return np.asarray((np.real(value) - start) / width)

    with np.errstate(all="ignore"):
        line, factors = _line(of, h, wide)
        parts = np.imag(numbers) * along_first(factors, numbers.ndim, np)
        imaginary, real = parts.sum(axis=0), slope(narrow)
        underflow = abs(factors).sum() * np.finfo(parts.dtype).tiny
        rounding = _ROUNDINGS * eps * abs(start) / narrow + underflow
        allowed = _SHARE * abs(parts).sum(axis=0) + rounding
        wrong = abs(real - imaginary) > allowed
        if not wrong.any():
            return 1
        # Where f is rough, curved or kinked, a wider step has another slope; of stairs, none.
        wider = slope(wide)
        wrong &= abs(real - imaginary) > allowed + _CURVED * abs(wider - real)
        wrong &= (wider != 0) & (abs(wider - real) <= _SAME * abs(real) + rounding)
    if wrong.any():
        k = int(np.argmax(wrong))
        raise TypeError(
            _NOT_ANALYTIC.format(real=np.ravel(real)[k], imaginary=np.ravel(imaginary)[k])
        )
    return 2


def _line(of: Differences, h: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each element moves along a real line, by its step `h`, and by what factors.

    There is one factor for each direction, the same for all elements of that. No element moves by
    more than the unit of its step, nor, times `width`, beyond its bounds.
    """
    flat = of.xp.reshape(of.x, (-1,))
    unit = _on_host(of.step.unit(flat, of.xp))
    count = len(h) if of.directions is None else len(of.directions)
    rng = np.random.default_rng(0)
    factors = rng.uniform(0.5, 1, count) * rng.choice([-1, 1], count) * (unit / h).min()
    if of.directions is not None:
        labels = of.directions.labels
        return np.where(labels < 0, 0.0, h * factors[np.maximum(labels, 0)]), factors
    if of.bounds is not None:
        above, below = (_on_host(of.bounds.upper - flat), _on_host(flat - of.bounds.lower))
        room = np.maximum(above, below) / width
        factors = np.where(above > below, 1, -1) * np.minimum(abs(factors), room / h)
    return h * factors, factors


def _on_host(number: Any) -> np.ndarray:
    return np.asarray(to_numpy(number) if is_array(number) else number)
