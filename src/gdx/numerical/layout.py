"""Where the points of a stencil lie beside each element of x, and how their values are weighed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gdx.backends import Array, Namespace
from gdx.numerical.stencils import Stencil, stencil


@dataclass(frozen=True)
class Bounds:
    """Arrays of the shape of x, beyond which f is not evaluated."""

    lower: Array
    upper: Array


@dataclass(frozen=True)
class Layout:
    """The j-th point of an element is `columns[j]`; f has the weight `weights[j]` there.

    The weighted sum is to be divided by `distance`, to the power of the derivative.
    """

    columns: list[Array]
    weights: list[Any]
    at_x: Any
    distance: Any

    @property
    def needs_x(self) -> bool:
        """Whether f(x) has a weight."""
        return not isinstance(self.at_x, float) or self.at_x != 0

    def difference(self, values: list[Array], at_x: Array | None, xp: Namespace) -> Array:
        """Return the weighted sum of the values of f at each point; the first axis is that of x."""
        total = None
        for weight, value in zip(self.weights, values, strict=True):
            total = _plus(total, weight, value, xp)
        return total if at_x is None else _plus(total, self.at_x, at_x, xp)


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
    h: Any,
    relative: float,
    xp: Namespace,
    bounds: Bounds | None = None,
    together: bool = False,
) -> Layout:
    """Return the layout of a stencil at the vector `x`.

    An explicit `h` is absolute; without one, each element has its `relative` step. Within bounds,
    an element whose points would leave them has one-sided ones, on the side with more room; all
    elements have, if one of them must and they move `together`.
    """
    step = relative * xp.maximum(xp.abs(x), 1.0) if h is None else h
    if of.imaginary:
        return Layout([x + 1j * step], [1.0], 0.0, step)
    if bounds is not None:
        return _within(x, of, step, xp, bounds, together)
    if h is None and (of.derivative > 1 or len(of.offsets) > 2):
        step = (x + step) - x  # that is a number by which x can be moved
    columns = [_moved(x, offset, step) for offset in of.offsets]
    if of.derivative > 1:
        distance = step
    elif h is not None:
        distance = of.span * h
    else:
        distance = columns[-1] - x if of.one_sided else columns[-2] - columns[-1]
    return Layout(columns, list(of.weights), of.at_x, distance)


def _moved(x: Array, offset: int, step: Any) -> Array:
    if offset == 1:
        return x + step
    return x - step if offset == -1 else x + offset * step


def _within(
    x: Array, of: Stencil, step: Any, xp: Namespace, bounds: Bounds, together: bool
) -> Layout:
    """Return a layout that has no point beyond the bounds.

    A step has a sign: points on the other side are those of the forward stencil with a negative
    step. Where the side with more room is too small for the step, the step is cut.
    """
    beside = stencil("forward", of.order, of.derivative)
    above, below = bounds.upper - x, x - bounds.lower
    inside = (above >= 0) & (below >= 0)
    step = xp.where(inside, step + 0 * x, xp.nan)
    reach = max(beside.offsets)
    room = xp.maximum(above, below)
    if of.one_sided:
        ahead, behind = (above, below) if of.offsets[0] > 0 else (below, above)
        way = 1 if of.offsets[0] > 0 else -1
        keeps = (ahead >= reach * step) | (ahead >= behind)
        way = xp.where(keeps, way + 0 * x, -way + 0 * x)
        fits = xp.zeros_like(inside)
    else:
        way = xp.where(above >= below, 1 + 0 * x, -1 + 0 * x)
        fits = xp.minimum(above, below) >= max(of.offsets) * step
    if together:
        fits = xp.broadcast_to(xp.all(fits), fits.shape)
    aside = way * xp.minimum(step, room / reach)
    if of.derivative > 1:
        aside = (x + aside) - x
        step = (x + step) - x
    central = of if not of.one_sided else beside
    columns, weights = [], []
    for j, offset in enumerate(beside.offsets):
        own, weight = _padded(central, j)
        moved = xp.where(fits, x + own * step, x + offset * aside)
        columns.append(xp.minimum(xp.maximum(moved, bounds.lower), bounds.upper))
        weights.append(_chosen(fits, weight, beside.weights[j], x, together, xp))
    at_x = _chosen(fits, central.at_x, beside.at_x, x, together, xp)
    if of.derivative > 1:
        return Layout(columns, weights, at_x, xp.where(fits, step, aside))
    far = max(of.offsets)
    spanned = (x + far * step) - (x - far * step)
    return Layout(columns, weights, at_x, xp.where(fits, spanned, columns[-1] - x))


def _chosen(
    fits: Array, one: float, other: float, x: Array, together: bool, xp: Namespace
) -> Array:
    """Return a number for each element; of those that move together, one number is for all."""
    if together:
        fits, x = fits[:1], x[:1]
    return xp.where(fits, xp.full_like(x, one), xp.full_like(x, other))


def _padded(of: Stencil, j: int) -> tuple[int, float]:
    """Return the j-th offset and weight; beyond the last one x itself, with the weight 0."""
    return (of.offsets[j], of.weights[j]) if j < len(of.offsets) else (0, 0.0)
