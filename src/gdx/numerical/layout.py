"""Where the points of a stencil lie beside each element of x, and how their values are weighed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from gdx.backends import Array, Namespace, epsilon
from gdx.numerical.stencils import Stencil, stencil


@dataclass(frozen=True, eq=False)
class Bounds:
    """Arrays of the shape of x, beyond which f is not evaluated."""

    lower: Array
    upper: Array

    def hold(self, x: Array) -> Array:
        """Tell which elements of the vector `x` lie within the bounds."""
        return (self.lower <= x) & (x <= self.upper)


class Step(NamedTuple):
    """How far the next point of a stencil lies from each element of x.

    `absolute` is a number or a vector beside x; where it is None, the step is `relative` to a unit:
    `x_scale`, a number or a vector beside x, or else max(1, |x|). A step of a ladder, from which a
    derivative is extrapolated, is a `part` of its widest one, also where bounds cut that one.
    """

    absolute: Any
    relative: float
    x_scale: Any = None
    part: float | None = None

    @property
    def may_vanish(self) -> bool:
        """Whether the step may be too small for x + h to differ from x."""
        return self.absolute is not None or self.x_scale is not None

    def unit(self, x: Array, xp: Namespace) -> Any:
        """Return the unit of a step for each element of the vector `x`, or one for all."""
        return unit_of(x, self.x_scale, xp)

    def beside(self, x: Array, xp: Namespace) -> Any:
        """Return the step of each element of the vector `x`, or one for all; of a ladder, all."""
        return self.relative * self.unit(x, xp) if self.absolute is None else self.absolute


def unit_of(x: Array, x_scale: Any, xp: Namespace) -> Any:
    """Return the unit of a step in each element of `x`: `x_scale`, or else max(1, |x|)."""
    return xp.maximum(xp.abs(x), 1.0) if x_scale is None else x_scale


class Layout(NamedTuple):
    """The j-th point of an element is `columns[j]`; f has the weight `weights[j]` there.

    The weighted sum is to be divided by `distance`, to the power of the derivative. The points lie
    at multiples of `step`. The error of the quotient is a series in the powers `order`,
    `order + gain`, `order + 2 gain`, ... of the step.
    """

    columns: list[Array]
    weights: list[Any]
    weight_of_x: Any
    distance: Any
    step: Any
    gain: Any

    @property
    def amplification(self) -> Any:
        """How much noisier the weighted sum is than the difference of two values of f."""
        squares = sum((weight**2 for weight in self.weights), self.weight_of_x**2)
        return (squares / 2) ** 0.5

    def difference(self, values: list[Array], fx: Array | None, xp: Namespace) -> Array:
        """Return the weighted sum of the values of f at each point; the first axis is that of x."""
        total = None
        for weight, value in zip(self.weights, values, strict=True):
            total = _plus(total, weight, value, xp)
        return total if fx is None else _plus(total, self.weight_of_x, fx, xp)


def _plus(total: Array | None, weight: Any, value: Array, xp: Namespace) -> Array:
    if isinstance(weight, float):
        if total is None:
            return value if weight == 1 else weight * value
        if weight in (1, -1):
            return total + value if weight == 1 else total - value
        return total + weight * value
    rows = along_first(weight, max(value.ndim, 1 if total is None else total.ndim), xp)
    return rows * value if total is None else total + rows * value


def along_first(x: Array, ndim: int, xp: Namespace) -> Array:
    """Return the vector `x` as an array of `ndim` axes, of which it is the first."""
    return x if ndim == x.ndim else xp.reshape(x, x.shape + (1,) * (ndim - x.ndim))


def lay_out(
    x: Array,
    of: Stencil,
    step: Step,
    xp: Namespace,
    bounds: Bounds | None = None,
    together: bool = False,
) -> Layout:
    """Return the layout of a stencil at the vector `x`.

    Within bounds, an element whose points would leave them has one-sided ones, on the side with
    more room; all elements have, if one of them must and they move `together`.
    """
    h = step.beside(x, xp)
    if bounds is not None and not of.imaginary:
        return _within(x, of, h, step, xp, bounds, together)
    if step.part is not None:
        h = step.part * h
    if of.imaginary:
        if bounds is not None:  # the points leave the real axis alone
            here = xp.real(x)
            h = xp.where(bounds.hold(here), h + 0 * here, math.nan)
        distance = _nan_where_zero(h + 0 * xp.real(x), xp) if step.may_vanish else h
        return Layout([x + 1j * h], [1.0], 0.0, distance, h, 2)
    if of.derivative > 1 or len(of.offsets) > 2:
        h = (x + h) - x  # that is a number by which x can be moved
    columns = [_moved(x, offset, h) for offset in of.offsets]
    if of.derivative > 1:
        distance = h
    else:
        distance = columns[-1] - x if of.one_sided else columns[-2] - columns[-1]
    if step.may_vanish:
        distance = _nan_where_zero(distance, xp)
    gain = 1 if of.one_sided else 2
    return Layout(columns, list(of.weights), of.weight_of_x, distance, h, gain)


def _nan_where_zero(distance: Array, xp: Namespace) -> Array:
    """Return the distance of points; NaN where they are the same, so that no derivative is."""
    return xp.where(distance == 0, math.nan, distance)


# Two sides are better than one, on which the widest step could be no more than so many times wider.
_TWO_SIDES = 8


def _moved(x: Array, offset: int, step: Any) -> Array:
    if offset == 1:
        return x + step
    return x - step if offset == -1 else x + offset * step


def _within(
    x: Array,
    of: Stencil,
    h: Any,
    step: Step,
    xp: Namespace,
    bounds: Bounds,
    together: bool,
) -> Layout:
    """Return a layout that has no point beyond the bounds.

    A step has a sign: points on the other side are those of the forward stencil with a negative
    step. Where the side with more room is too small for the step, the step is cut; where it is too
    small even for a stencil of second order, that one is taken, since it bears rounding best. Two
    sides are kept, with a cut step, where that is no narrower than the step on one would be, or
    not much in a ladder; all steps of a ladder lie on the sides on which the widest does.
    """
    low_order = min(of.order, 2)
    wide = stencil("forward", of.order, of.derivative)
    low = stencil("forward", low_order, of.derivative)
    central = wide if of.one_sided else of
    low_central = low if of.one_sided else stencil("central", low_order, of.derivative)
    above, below = bounds.upper - x, x - bounds.lower
    inside = bounds.hold(x)
    h = xp.where(inside, h + 0 * x, math.nan)
    room = xp.maximum(above, below)
    least = max(low.offsets) * low.relative_step(epsilon(xp, x.dtype))
    narrow = room < least * step.unit(x, xp)
    if together:
        narrow = xp.broadcast_to(xp.any(narrow), narrow.shape)
    reach = _chosen(narrow, max(low.offsets), max(wide.offsets), x, xp)
    if of.one_sided:
        ahead, behind = (above, below) if of.offsets[0] > 0 else (below, above)
        way = 1 if of.offsets[0] > 0 else -1
        keeps = (ahead >= reach * h) | (ahead >= behind)
        way = xp.where(keeps, way + 0 * x, -way + 0 * x)
        fits = xp.zeros_like(inside)
        within = h
    else:
        way = xp.where(above >= below, 1 + 0 * x, -1 + 0 * x)
        asked = xp.minimum(h, room / reach) / (1 if step.part is None else _TWO_SIDES)
        farthest = _chosen(narrow, max(low_central.offsets), max(of.offsets), x, xp)
        within = xp.minimum(above, below) / farthest
        fits = within >= asked
    if together:
        fits = xp.broadcast_to(xp.all(fits), fits.shape)
    aside = way * xp.minimum(h, room / reach)
    h = xp.minimum(h, within)
    if step.part is not None:
        h, aside = step.part * h, step.part * aside
    aside, h = (x + aside) - x, (x + h) - x
    columns = []
    for j, offset in enumerate(wide.offsets):
        own = _chosen(narrow, _padded(low_central, j)[0], _padded(central, j)[0], x, xp)
        one = _chosen(narrow, _padded(low, j)[0], offset, x, xp)
        moved = xp.where(fits, x + own * h, x + one * aside)
        columns.append(xp.minimum(xp.maximum(moved, bounds.lower), bounds.upper))

    def weight(both_low: float, both: float, one_low: float, one: float) -> Array:
        # Of elements that move together, one number is for all.
        two_sided, short, like = (y[:1] if together else y for y in (fits, narrow, x))
        return xp.where(
            two_sided,
            _chosen(short, both_low, both, like, xp),
            _chosen(short, one_low, one, like, xp),
        )

    stencils = low_central, central, low, wide
    weights = [weight(*(_padded(s, j)[1] for s in stencils)) for j in range(len(wide.offsets))]
    weight_of_x = weight(*(s.weight_of_x for s in stencils))
    if of.derivative > 1:
        distance = xp.where(fits, h, aside)
    else:
        far = _chosen(narrow, max(low_central.offsets), max(central.offsets), x, xp)
        spanned = (x + far * h) - (x - far * h)
        reached = xp.where(narrow, columns[len(low.offsets) - 1], columns[-1])
        distance = xp.where(fits, spanned, reached - x)
    distance = _nan_where_zero(distance, xp)
    taken = xp.where(fits, h, xp.abs(aside))
    return Layout(columns, weights, weight_of_x, distance, taken, _chosen(fits, 2, 1, x, xp))


def _chosen(mask: Array, one: float, other: float, x: Array, xp: Namespace) -> Array:
    """Return one of two numbers for each element of x."""
    return xp.where(mask, xp.full_like(x, one), xp.full_like(x, other))


def _padded(of: Stencil, j: int) -> tuple[int, float]:
    """Return the j-th offset and weight; beyond the last one x itself, with the weight 0."""
    return (of.offsets[j], of.weights[j]) if j < len(of.offsets) else (0, 0.0)
