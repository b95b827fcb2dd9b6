"""Which two points a difference quotient compares, and how far from x they lie."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from gdx.backends import Array, Namespace


@dataclass(frozen=True)
class Stencil:
    """The quotient (f(x + a·h) - f(x + b·h)) / (a·h - b·h), whose error falls like h^order."""

    a: int
    b: int
    order: int

    @functools.cached_property
    def one_sided(self) -> bool:
        """Whether all points are compared with x itself."""
        return self.b == 0

    def distance(self, h: float) -> float:
        """Return how far apart the two points are."""
        return (self.a - self.b) * h

    def relative_step(self, eps: float) -> float:
        """Return the step that balances truncation, h^order, against rounding, eps / h."""
        return float(eps ** (1 / (self.order + 1)))

    def points(
        self, x: Array, h: float | None, relative: float, xp: Namespace
    ) -> tuple[Array, Array]:
        """Return x + a·h and x + b·h for all elements at once; x itself where the factor is 0.

        An explicit `h` is absolute; without one, each element has its `relative` step.
        """
        step = h or relative * xp.maximum(xp.abs(x), 1.0)
        return _moved(x, self.a, step), _moved(x, self.b, step)

    def points_of_each(
        self, elements: Sequence[float], h: float | None, relative: float
    ) -> tuple[list[tuple[float, float]], list[float]]:
        """Return the same numbers for each of a few elements, and how far they are apart."""
        a, b = self.a, self.b
        pairs, distances = [], []
        for x in elements:
            step = h or (relative * abs(x) if abs(x) > 1.0 else relative)
            above, below = x + a * step, x + b * step
            pairs.append((above, below))
            distances.append(above - below)
        return pairs, distances


def _moved(x: Array, steps: int, step: Array | float) -> Array:
    return x + step if steps > 0 else x - step if steps < 0 else x


STENCILS = {
    "central": Stencil(1, -1, order=2),
    "forward": Stencil(1, 0, order=1),
    "backward": Stencil(-1, 0, order=1),
}
