"""Difference quotients: which points beside x they compare, and with what weights."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from gdx.options import whole


def weights_of(offsets: Sequence[int], derivative: int) -> list[Fraction]:
    """Return the weights w for which Σ w_j f(offset_j) is the derivative at 0, as exact as can be.

    The recursion of Fornberg (1988), Generation of finite difference formulas on arbitrarily spaced
    grids, Mathematics of Computation 51, 699-706: a point is added at a time, and the weights of
    all lower derivatives are carried along.
    """
    table = [[Fraction(0)] * (derivative + 1) for _ in offsets]
    table[0][0] = product = Fraction(1)
    for i, here in enumerate(offsets[1:], start=1):
        before, grown = offsets[i - 1], Fraction(1)
        lower = table[i - 1].copy()
        for j, there in enumerate(offsets[:i]):
            gap = here - there
            grown *= gap
            row = table[j]
            for k in range(derivative, 0, -1):
                row[k] = (here * row[k] - k * row[k - 1]) / gap
            row[0] = here * row[0] / gap
        for k in range(derivative, 0, -1):
            table[i][k] = product / grown * (k * lower[k - 1] - before * lower[k])
        table[i][0] = -product / grown * before * lower[0]
        product = grown
    return [row[derivative] for row in table]


@dataclass(frozen=True, eq=False)
class Stencil:
    """A quotient (Σ weight_j f(x + offset_j h) + weight_of_x f(x)) / (span h)^derivative.

    Its error falls like h^order. The span is the distance of the outermost points in steps, for a
    first derivative, so that the quotient can be divided by their distance as it came out of
    rounding; for a second derivative it is 1.
    """

    offsets: tuple[int, ...]
    weights: tuple[float, ...]
    weight_of_x: float
    derivative: int
    order: int
    span: int
    imaginary: bool = False  # the points are x + i·offset_j h, and the imaginary part of f counts

    @functools.cached_property
    def one_sided(self) -> bool:
        """Whether all points lie on one side of x."""
        return not self.imaginary and (min(self.offsets) > 0 or max(self.offsets) < 0)

    @functools.cached_property
    def quick(self) -> bool:
        """Whether it takes a difference of two points next to x, or of one and x."""
        return self.derivative == 1 and not self.imaginary and {*self.offsets} <= {1, -1}

    def relative_step(self, eps: float) -> float:
        """Return the step that balances truncation, h^order, against rounding, eps / h^derivative.

        Where there are more than two points, or two on one side, it is divided by their number, so
        that features of f which a stencil of second order sees are not stepped over. The complex
        step has no difference that could be rounded: any small one is exact.
        """
        if self.imaginary:
            return eps**2
        points = 1 if self.offsets == (1, -1) else len(self.offsets)
        return float(eps ** (1 / (self.order + self.derivative)) / points)


def _central(order: int, derivative: int) -> list[int]:
    reach = range(1, order // 2 + 1)
    return [offset for distance in reach for offset in (distance, -distance)]


def _forward(order: int, derivative: int) -> list[int]:
    return list(range(1, order + derivative))


def _backward(order: int, derivative: int) -> list[int]:
    return [-offset for offset in _forward(order, derivative)]


class _Method(NamedTuple):
    offsets: Callable[[int, int], list[int]]
    orders: tuple[int, ...]  # the first is the default
    derivatives: tuple[int, ...] = (1, 2)
    imaginary: bool = False


METHODS = {
    "central": _Method(_central, (2, 4, 6, 8)),
    "forward": _Method(_forward, (1, 2, 3, 4, 5, 6, 7, 8)),
    "backward": _Method(_backward, (1, 2, 3, 4, 5, 6, 7, 8)),
    "complex": _Method(_forward, (2,), derivatives=(1,), imaginary=True),
}


def stencil(method: str, order: int | None = None, derivative: int = 1) -> Stencil:
    """Return the stencil of a method, of its lowest order by default."""
    try:
        return _made(method, order, derivative)
    except TypeError:  # what is no string and no number may have no hash
        raise ValueError(
            f"method must be a name and order an integer; got method={method!r}, order={order!r}."
        ) from None


@functools.lru_cache(maxsize=None, typed=True)
def _made(method: str, order: int | None, derivative: int) -> Stencil:
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}.")
    kind = METHODS[method]
    if derivative not in kind.derivatives:
        raise ValueError(
            f"method={method!r} gives first derivatives only; for a second one, write "
            "method='central'."
        )
    order = kind.orders[0] if order is None else whole("order", order, 1)
    if order not in kind.orders:
        allowed = " or ".join(map(str, kind.orders))
        raise ValueError(f"order must be {allowed} for method={method!r}; got {order!r}.")
    if kind.imaginary:
        return Stencil((1,), (1.0,), 0.0, 1, order, 1, imaginary=True)
    offsets = kind.offsets(order, derivative)
    weight_of_x, *weights = weights_of([0, *offsets], derivative)
    span = max(0, *offsets) - min(0, *offsets) if derivative == 1 else 1
    sign = -1 if method == "backward" and derivative == 1 else 1
    return Stencil(
        tuple(offsets),
        tuple(float(sign * span * weight) for weight in weights),
        float(sign * span * weight_of_x),
        derivative,
        order,
        sign * span,
    )
