"""How much f is off by itself: by its rounding, by narrower types inside of it, or by its digits.

Values of a smooth function at equidistant points have differences that vanish with their order;
those of noise do not.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gdx.backends import Array, made_beside, namespace_of, to_numpy
from gdx.numerical.points import Directions, Points
from gdx.numerical.values import Function

if TYPE_CHECKING:
    from gdx.numerical.differences import Differences

# An f whose relative noise is so many times the epsilon of its dtype is coarser than that.
COARSE = 64

_POINTS = 8
# Stairs of f are seen where the points lie on several of them; wider still, and waves seem noise.
_POWERS = (3 / 4, 1 / 2, 1 / 3, 1 / 4, 1 / 6)
_WIDEST = 1 / (_POINTS - 1)  # the spacing in which the points take the whole line


class Noise(NamedTuple):
    """The noise of f near a point.

    `deviation` is its standard deviation, for each number that f returns; `relative` is that of
    most of them, divided by their size nearby, or 0 on a device, where looking is not free. f was
    evaluated at `nfev` points.
    """

    deviation: Array | float
    relative: float
    nfev: int


def noise_near(of: Differences, f: Function, x: Array) -> Noise:
    """Return the noise of f near `x`, on a line on which all elements move.

    The line is as long as the widest step of a ladder, and within the bounds.
    """
    if of.stencil.imaginary or of.known_noise:
        return Noise(of.known_noise, 0.0, 0)
    xp, nfev = of.xp, 0
    flat = xp.reshape(x, (-1,))
    line = _line(of, flat)
    moving = np.zeros(flat.shape[0], dtype=np.int64)
    if of.directions is not None:
        moving = np.minimum(of.directions.labels, 0)
    together = Directions(moving, (np.zeros(1, dtype=np.int64),))

    def values_at(*places: float) -> Array:
        nonlocal nfev
        points = Points(x, [flat + place * line for place in places], together)
        values = of.evaluation.at_points(f, points, of.in_place)
        nfev += len(places)
        of.is_coarser(values[0])
        return namespace_of(values[0]).concat(values)

    deviation = _deviation(
        lambda spacing: values_at(*(spacing * place for place in range(_POINTS))),
        of.eps,
        of.on_host,
    )
    relative = _relative(deviation, values_at(0.0, 1.0)) if of.on_host else 0.0
    return Noise(deviation, relative, nfev)


def _line(of: Differences, flat: Array) -> Array:
    """Return how far each element moves on a line, to the side with more room."""
    xp, n = of.xp, flat.shape[0]
    rng = np.random.default_rng(0)  # not all elements alike: f may be blind to x + c
    sizes = rng.uniform(0.5, 1, n) * rng.choice([-1, 1], n)
    line = made_beside(flat, sizes, xp, flat.dtype) * of.levels()[0].beside(flat, xp)
    if of.bounds is None:
        return line
    above, below = of.bounds.upper - flat, flat - of.bounds.lower
    room = xp.where(above > below, above, -below)
    return xp.where(xp.abs(line) < xp.abs(room), xp.copysign(line, room), room)


def noise_of(f: Callable[[float], float], eps: float) -> float:
    """Return the standard deviation of the noise of a function of a number, at 0."""
    steps = range(_POINTS)
    return float(_deviation(lambda spacing: np.asarray([f(spacing * k) for k in steps]), eps, True))


def _deviation(values_at: Callable[[float], Array], eps: float, on_host: bool) -> Array:
    """Return the standard deviation of the noise of f, or 0 where none is seen.

    `values_at` gives the values of f at equidistant points of a spacing; the spacings are powers of
    `eps`, the narrowest first. The first in which noise is seen tells it; the first two, where f
    has one value at the narrowest: it may be a staircase. On the host, no others are looked at, but
    one more where each point lies a whole number of stairs above the one before, and the widest
    where f is rounded and has one value in all others; and a rounded f is off by a unit of its last
    digit, at least. The method is that of J. J. Moré and S. M. Wild (2011), Estimating
    computational noise, SIAM Journal on Scientific Computing 33, 1292-1314.
    """
    first, *wider = sorted({min(eps**power, _WIDEST) for power in _POWERS})
    values = values_at(first)
    xp = namespace_of(values)
    deviation, seen = _deviation_in(values)
    stairs = xp.all(values == values[:1, ...], axis=0)
    narrower = first
    for spacing in [*wider, _WIDEST] if on_host else wider:
        searched = ~seen | stairs
        if on_host and spacing == _WIDEST:
            searched = searched & ~seen & (_last_digit(values[:1, ...], 1) > 0)
        if on_host and not bool(xp.any(searched)):
            break
        values = values_at(spacing)
        other, other_seen = _deviation_in(values)
        if on_host:
            even = searched & stairs & other_seen & (other <= eps * largest_of([values]))
            if bool(xp.any(even)):
                between, _ = _deviation_in(values_at(math.sqrt(narrower * spacing)))
                other = xp.where(even, xp.maximum(other, between), other)
        deviation = xp.where(searched, xp.maximum(deviation, other), deviation)
        stairs = stairs & ~(seen & other_seen)
        seen = seen | other_seen
        narrower = spacing
    if on_host and bool(xp.any(~seen)):
        deviation = xp.where(seen, deviation, _last_digit(values, _FEWEST) / math.sqrt(12))
    return deviation


def _deviation_in(values: Array) -> tuple[Array, Array]:
    """Return the deviation in values at equidistant points, along the first axis.

    And whether it is noise: all high differences must agree on it.
    """
    xp = namespace_of(values)
    finite = xp.all(xp.isfinite(values), axis=0)
    values = xp.where(finite, values, xp.zeros_like(values))
    size = xp.max(xp.abs(values), axis=0)
    differences = values / xp.where(size == 0, xp.ones_like(size), size)
    found = []
    for order in range(1, _POINTS - 1):
        differences = differences[1:, ...] - differences[:-1, ...]
        factor = math.factorial(order) ** 2 / math.factorial(2 * order)
        found.append(xp.sqrt(factor * xp.mean(xp.abs(differences) ** 2, axis=0)))
    last = xp.stack(found[-3:])
    least, most = xp.min(last, axis=0), xp.max(last, axis=0)
    seen = (most > 0) & (most <= 4 * least)
    median = xp.sum(last, axis=0) - least - most
    return xp.where(seen, size * median, xp.zeros_like(size)), seen


def _relative(deviation: Array, values: Array) -> float:
    """Return the deviation of most numbers that f returns, divided by their size; on the host."""
    size = np.asarray(to_numpy(largest_of([values])))
    noise, known = np.broadcast_to(to_numpy(deviation), size.shape), size > 0
    return float(np.median(noise[known] / size[known])) if known.any() else 0.0


def largest_of(values: list[Array]) -> Array:
    """Return the largest absolute value along the first axes, of those that are finite."""
    xp = namespace_of(values[0])
    finite = (xp.where(xp.isfinite(value), value, xp.zeros_like(value)) for value in values)
    return functools.reduce(xp.maximum, [xp.max(xp.abs(value), axis=0) for value in finite])


# Between the points of one stencil, f changes by so many times less at most in its second
# differences than in its first ones; or it is rough, or nearly stationary.
_ROUGH = 1e-3
_FLOAT32 = 2.0**29 + 1  # its product splits a float64 into a float32 and a rest (Dekker 1971)
# Of a number m · 2^e, with 1/2 <= m < 1, ten digits or eleven lie before the point if it is
# multiplied by the e-th of these powers of ten; the list goes around, from the negative e.
_TO_TEN_DIGITS = [
    float(f"1e{9 - math.floor((e - 1) * math.log10(2))}") for e in [*range(1025), *range(-1074, 0)]
]
_WHOLE = 1.5 * 2.0**52  # what is added to it, and taken away, is rounded to a whole number
_FOUR_ROUNDINGS = 4 * 2.0**-52
# A number of one digit or two is no rounded one: many functions have it for their value.
_FEWEST = 3


def suspected(ends: Sequence[float]) -> bool:
    """Tell whether an f that returns float64 may be coarser than that, by its values beside x.

    `ends` are its values at points of the first element and of the last: two of each where they lie
    on both sides, else one. f is suspected if they are numbers of float32 or have ten decimal
    digits, or if its second differences are large against the first.
    """
    if _is_short(ends[0]) and _is_short(ends[-1]):
        return True
    if len(ends) == 2:
        return False
    first, second, third, fourth = ends
    rough = abs((first + second) - (third + fourth))
    return rough > _ROUGH * (abs(first - second) + abs(third - fourth))


def _is_short(value: float) -> bool:
    """Tell whether a number is one of float32 or has ten decimal digits at most."""
    wide = value * _FLOAT32
    if wide - (wide - value) == value:
        return value != 0
    digits = abs(value)
    digits *= 1e10 if 0.1 < digits < 1e3 else _TO_TEN_DIGITS[math.frexp(value)[1]]
    return abs(digits - (digits + _WHOLE - _WHOLE)) <= _FOUR_ROUNDINGS * digits


def _last_digit(values: Array, fewest: int) -> np.ndarray:
    """Return the unit of the last decimal digit of values along the first axis, on the host.

    It is 0 where there are more than ten digits, or less than the fewest.
    """
    numbers = abs(to_numpy(values).real)
    with np.errstate(all="ignore"):
        size = numbers.max(axis=0)
        unit, found = np.zeros(size.shape), np.zeros(size.shape, dtype=bool)
        for digits in range(1, 11):
            place = 10.0 ** (np.floor(np.log10(size)) + 1 - digits)
            scaled = numbers / place
            whole = abs(scaled - np.round(scaled)) <= 8 * 2.0**-52 * scaled
            fits = whole.all(axis=0) & (size > 0) & ~found
            unit[fits] = place[fits] if digits >= fewest else 0.0
            found |= fits
    return np.asarray(unit)
