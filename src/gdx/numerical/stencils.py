"""Which two points a difference quotient compares, and how far from x they lie."""

from __future__ import annotations

from dataclasses import dataclass

from gdx.backends import Array, Namespace


@dataclass(frozen=True)
class Stencil:
    """The quotient (f(x + a·h) - f(x + b·h)) / (a·h - b·h), whose error falls like h^order."""

    a: int
    b: int
    order: int

    def points(self, x: Array, h: float | None, eps: float, xp: Namespace) -> tuple[Array, Array]:
        """Return x + a·h and x + b·h for all elements at once; x itself where the factor is 0.

        The default h balances truncation, h^order, against rounding, eps / h, relatively to each
        element; an explicit one is absolute.
        """
        step = h or eps ** (1 / (self.order + 1)) * xp.maximum(xp.abs(x), 1.0)
        return _moved(x, self.a, step), _moved(x, self.b, step)


def _moved(x: Array, steps: int, step: Array | float) -> Array:
    return x + step if steps > 0 else x - step if steps < 0 else x


STENCILS = {
    "central": Stencil(1, -1, order=2),
    "forward": Stencil(1, 0, order=1),
    "backward": Stencil(-1, 0, order=1),
}
